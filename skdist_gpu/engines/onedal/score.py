"""Score rows in main memory with oneDAL's model: left by a fit, or made of what an estimator keeps of its rows."""

from __future__ import annotations

from functools import partial
from typing import Any

import joblib
import numpy as np
from sklearn.utils.validation import validate_data

from skdist_gpu._compat.sklearn_learned import kept_rows
from skdist_gpu._compat.sklearnex import NotAccelerated, twin_of
from skdist_gpu.engines.block_method import BlockMethod, FittedState
from skdist_gpu.engines.onedal.forests import FORESTS, rounded
from skdist_gpu.engines.onedal.info import NEIGHBOURS, VECTORS
from skdist_gpu.engines.onedal.threads import limited_threads, thread_budget
from skdist_gpu.engines.onedal.vectors import machine_of
from skdist_gpu.exceptions import EngineRefusal


class OneDALMethod(BlockMethod):
    """A method of a fitted scikit-learn estimator for rows in main memory."""

    def of_host_rows(self, X: Any) -> Any:
        model = self._model()
        if model is None:
            raise EngineRefusal("the model of oneDAL is gone, since the estimator was pickled or changed after its fit")
        rows = validate_data(self.estimator, X, reset=False, dtype=np.float64)
        if type(self.estimator).__name__ in FORESTS:
            rows = rounded(rows)
        try:
            with limited_threads(thread_budget(self.estimator, joblib.cpu_count())):
                return getattr(model, self.method)(rows, **self.params)
        except NotAccelerated as error:
            raise EngineRefusal(f"oneDAL refuses: {error}") from error

    def _model(self) -> Any:
        """Return oneDAL's model, unless the estimator has changed since the fit; None where it has none."""
        make = _MODELS.get(type(self.estimator).__name__, lambda estimator: None)
        return self.copies.get("onedal", FittedState(self.estimator), partial(make, self.estimator))


def index_of(estimator: Any) -> Any:
    """Return oneDAL's model of the rows that a fitted estimator of neighbours keeps."""
    X, y = kept_rows(estimator)
    if not isinstance(X, np.ndarray) or np.ndim(y) > 1:
        raise EngineRefusal("oneDAL's neighbours are of dense rows with one target")
    return twin_of(estimator).fit(X.astype(np.float64, copy=False), y)


_MODELS = {**dict.fromkeys(NEIGHBOURS, index_of), **dict.fromkeys(VECTORS, machine_of)}
METHODS = {"cpu": OneDALMethod}
