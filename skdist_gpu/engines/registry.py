"""The catalogue: which engine can fit which estimator, with which parameters, and from what size.

One table that the planner, :func:`skdist_gpu.info.capabilities`, the documentation and the tests read.
Importing it imports no engine.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from skdist_gpu.engines.cuml import info as cuml
from skdist_gpu.engines.cuml import rows_preprocessing as cuml_preprocessing
from skdist_gpu.engines.cuml import rows_unsupervised as cuml_unsupervised
from skdist_gpu.engines.cuml_dask import info as cuml_dask
from skdist_gpu.engines.dask_ml import info as dask_ml
from skdist_gpu.engines.entry import Entry, catalogue_name
from skdist_gpu.engines.incremental import info as incremental
from skdist_gpu.engines.reductions import rows_few_passes as few_passes
from skdist_gpu.engines.reductions import rows_linear as reductions
from skdist_gpu.engines.reductions import rows_one_pass as one_pass
from skdist_gpu.engines.voting import info as voting
from skdist_gpu.engines.xgboost import boosting
from skdist_gpu.engines.xgboost import info as xgboost

# the engines in the order of preference, where several fit an estimator at its size
CATALOG: tuple[Entry, ...] = (
    *reductions.ROWS,
    *one_pass.ROWS,
    *few_passes.ROWS,
    *cuml.ROWS,
    *cuml_unsupervised.ROWS,
    *cuml_preprocessing.ROWS,
    *cuml_dask.ROWS,
    *dask_ml.ROWS,
    *xgboost.ROWS,
    *incremental.ROWS,
    *boosting.ROWS,
    *voting.ROWS,
)


def entries_for(estimator: Any) -> tuple[Entry, ...]:
    """Return the rows for an estimator; scikit-learn itself goes after all that give its answer.

    A subclass of a scikit-learn class may compute anything, so only the exact class has rows.
    """
    return rows_of(catalogue_name(type(estimator)))


@cache
def rows_of(estimator: str) -> tuple[Entry, ...]:
    """Return the rows for the name of a class, scikit-learn itself after all that give its answer."""
    rows = [e for e in CATALOG if e.estimator == estimator]
    if any(e.backend == "xgboost" and not e.explicit for e in rows):
        return tuple(rows)
    return tuple(sorted([*rows, _scikit_learn(estimator)], key=lambda e: e.backend == "incremental"))


def _scikit_learn(estimator: str) -> Entry:
    return Entry(estimator, "sklearn", "cpu", sparse=True, tolerance=0.0)


def matches(entry: Entry, backend: str) -> bool:
    """Whether a row is meant by ``backend=``, such as ``"auto"``, ``"cuml"`` or ``"reductions:gpu"``."""
    name, _, device = str(backend).partition(":")
    if backend == "auto":
        return not entry.explicit
    return entry.backend == name and device in ("", entry.device)


@lru_cache(maxsize=1)
def backends() -> tuple[str, ...]:
    """Names that ``backend=`` accepts, apart from ``"auto"``."""
    return tuple(dict.fromkeys(["sklearn", *(e.backend for e in CATALOG)]))
