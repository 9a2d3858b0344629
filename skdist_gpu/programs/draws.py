"""Draw from random states what scikit-learn's own fits draw: a program that goes on with them draws the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import catalogue_name


def draw_as_scikit_learn(fitted: Any, info: InputInfo) -> None:
    """Draw from the random state of an estimator, or from NumPy's, what an engine that needs no chance left there.

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> from skdist_gpu.data.inspect import inspect_input
    >>> rows, plain, elsewhere = np.eye(4), np.random.RandomState(0), np.random.RandomState(0)
    >>> model = SVC(random_state=plain).fit(rows, [0, 1, 0, 1])
    >>> draw_as_scikit_learn(model.set_params(random_state=elsewhere), inspect_input(rows))
    >>> plain.rand() == elsewhere.rand()
    True
    """
    state, name = getattr(fitted, "random_state", None), catalogue_name(type(fitted))
    if state is not None and not isinstance(state, np.random.RandomState):
        return  # a number: nobody goes on with what it seeds
    random = check_random_state(state)
    if name in _SEEDS:
        random.randint(np.iinfo(np.int32).max, size=int(_SEEDS[name](fitted)))
    elif name == "TruncatedSVD" and info.n_samples is not None and info.n_features is not None:
        shorter = min(info.n_samples, info.n_features)
        if fitted.algorithm == "arpack":
            random.uniform(size=shorter)
        else:
            random.normal(size=(shorter, fitted.n_components + fitted.n_oversamples))


# how many seeds scikit-learn draws: one for each call of libsvm, liblinear or SAG
_SEEDS: dict[str, Callable[[Any], int]] = {
    **dict.fromkeys(("SVC", "NuSVC", "SVR", "NuSVR", "LinearSVC", "LinearSVR"), lambda model: 1),
    "LogisticRegression": lambda model: model.solver in ("liblinear", "sag", "saga"),
}
