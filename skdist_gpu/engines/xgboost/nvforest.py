"""nvForest's copy of an XGBoost model, which scores many rows on a GPU."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from skdist_gpu.data.containers import container_of

# rows of one call for which nvForest pays: on an H100 it takes 5 ms and XGBoost 12 ms for a million rows of 500 trees,
# and to load them takes 94 ms (benchmarks/tree_scoring.py); a rule by earlier calls would change the last digits
NVFOREST_ROWS = 15_000_000


def serves(estimator: Any, X: Any) -> bool:
    """Whether nvForest is faster for these rows, and reads the model as XGBoost does."""
    if container_of(X) != "cupy" or len(X) < NVFOREST_ROWS or find_spec("nvforest") is None:
        return False
    booster = estimator.get_booster()
    return np.isnan(estimator.missing) and "c" not in (booster.feature_types or ()) and _n_targets(booster) == 1


def _n_targets(booster: Any) -> int:
    return int(json.loads(booster.save_config())["learner"]["learner_model_param"]["num_target"])


def load_forest(booster: Any) -> Callable[[Any], Any]:
    """Return a function that gives what ``booster.inplace_predict`` does, up to rounding, for CuPy rows."""
    import nvforest

    with tempfile.TemporaryDirectory(prefix="skdist_gpu-") as folder:
        path = Path(folder) / "model.ubj"
        booster.save_model(path)
        forest = nvforest.load_model(path, model_type="xgboost_ubj", device="gpu", precision="single")
    infer = forest.predict_proba if forest.is_classifier else forest.predict

    def values_of(X: Any) -> Any:
        values = infer(X.astype(np.float32, order="C", copy=False))
        return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values

    return values_of
