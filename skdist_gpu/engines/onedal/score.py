"""Score rows in main memory with the oneDAL model that a fit has left."""

from __future__ import annotations

from typing import Any

import joblib
import numpy as np
from sklearn.utils.validation import validate_data

from skdist_gpu._compat.sklearnex import NotAccelerated
from skdist_gpu.data.containers import container_of
from skdist_gpu.engines.block_method import BlockMethod, FittedState
from skdist_gpu.engines.onedal.forests import FORESTS, rounded
from skdist_gpu.engines.onedal.threads import limited_threads, thread_budget

# rows below which its calls take longer than scikit-learn's
FEWEST_ROWS = 32
# what oneDAL computes faster than scikit-learn (benchmarks/onedal_rows.py)
METHODS_OF = {
    **dict.fromkeys(FORESTS, ("predict", "predict_proba")),
    **dict.fromkeys(("SVC", "NuSVC"), ("predict", "decision_function")),
    **dict.fromkeys(("SVR", "NuSVR"), ("predict",)),
    **dict.fromkeys(("KNeighborsClassifier",), ("predict", "predict_proba", "kneighbors")),
    **dict.fromkeys(("KNeighborsRegressor",), ("predict", "kneighbors")),
    **dict.fromkeys(("NearestNeighbors",), ("kneighbors",)),
    **dict.fromkeys(("LocalOutlierFactor",), ("predict", "decision_function", "score_samples")),
}


class OneDALMethod(BlockMethod):
    """A method of a fitted scikit-learn estimator for rows in main memory."""

    def __call__(self, block: Any) -> Any:
        model = self._model()
        if model is None or container_of(block) not in ("numpy", "pandas") or len(block) < FEWEST_ROWS:
            return super().__call__(block)
        X = validate_data(self.estimator, block, reset=False, dtype=np.float64)
        if type(self.estimator).__name__ in FORESTS:
            X = rounded(X)
        try:
            with limited_threads(thread_budget(self.estimator, joblib.cpu_count())):
                return getattr(model, self.method)(X, **self.params)
        except NotAccelerated:
            return super().__call__(block)

    @property
    def has_threads(self) -> bool:
        return self._model() is not None

    def _model(self) -> Any:
        """Return oneDAL's model, unless the estimator has changed since the fit; None where it has none."""
        if "onedal" not in self.copies or self.method not in METHODS_OF.get(type(self.estimator).__name__, ()):
            return None
        return self.copies.get("onedal", FittedState(self.estimator), lambda: None)


METHODS = {"cpu": OneDALMethod}
