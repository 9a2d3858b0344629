"""The catalogue as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skdist_gpu.config import option
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.registry import catalogue, engines, entries_named
from skdist_gpu.hardware.detect import Resources, current_client, detect_resources
from skdist_gpu.planning.planner import machine_refusals

if TYPE_CHECKING:
    import pandas as pd


def capabilities(resources: Resources | None = None) -> pd.DataFrame:
    """Return which engine fits which estimator, and whether it can run here.

    scikit-learn itself fits every estimator, also those that have no entry.

    Parameters
    ----------
    resources : Resources, default=None
        A machine from :func:`skdist_gpu.testing.make_resources`; None for this one.

    Returns
    -------
    pandas.DataFrame
        One row for each estimator and engine, with the columns ``estimator``, ``engine``,
        ``device``, ``supported`` (on this machine), ``missing`` (what the machine lacks, or why the
        engine is never used for this estimator), ``parameters`` (the values accepted, where not all
        are), ``sparse``, ``sample_weight``, ``multi_target`` and ``tolerance`` (the largest relative
        difference from scikit-learn in float64 that the tests accept).
        What depends on the estimator alone is None in scikit-learn's own rows.

    Examples
    --------
    >>> from skdist_gpu import capabilities
    >>> from skdist_gpu.testing import make_resources
    >>> table = capabilities(make_resources(gpus=1))
    >>> table[table.estimator == "Ridge"].engine.tolist()
    ['reductions', 'reductions', 'reductions', 'cuml', 'cuml.dask', 'voting', 'sklearn']
    """
    import pandas as pd

    resources = resources or detect_resources(current_client(option("client")))
    names = dict.fromkeys(entry.estimator for entry in catalogue())
    rows = [_row(entry, resources) for name in names for entry in entries_named(name)]
    return pd.DataFrame(rows)


def _row(entry: Entry, resources: Resources) -> dict[str, Any]:
    missing = [entry.refusal] if entry.refusal else machine_refusals(entry, resources)
    own = engines()[entry.backend].fits_anything
    return {
        "estimator": entry.estimator,
        "engine": entry.backend,
        "device": entry.device,
        "supported": not missing,
        "missing": "; ".join(missing),
        "parameters": ", ".join(
            _parameter(name, allowed) for name, allowed in {**entry.accepts, **entry.ignores}.items()
        ),
        "sparse": None if own else entry.sparse,
        "sample_weight": None if own else entry.weights,
        "multi_target": None if own else entry.multi_target,
        "tolerance": entry.tolerance,
    }


def _parameter(name: str, allowed: Any) -> str:
    if callable(allowed):
        return f"{name} limited"
    return f"{name}={' or '.join(repr(value) for value in allowed)}"
