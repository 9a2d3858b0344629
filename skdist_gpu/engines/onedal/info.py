"""oneDAL, by scikit-learn-intelex, on the CPU."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import EngineInfo


def _entry(estimator: str, **options: Any) -> Entry:
    return Entry(estimator, "onedal", "cpu", **options)


def _few(n_estimators: int) -> bool:
    return isinstance(n_estimators, Integral) and n_estimators <= 6024


def _share_or_count(max_samples: Any) -> bool:
    whole = max_samples is None or isinstance(max_samples, Integral)
    return whole or (isinstance(max_samples, float) and max_samples <= 1)


def _one_weight_a_class(class_weight: Any) -> bool:
    return (
        class_weight is None
        or isinstance(class_weight, dict)
        or (isinstance(class_weight, str) and class_weight == "balanced")
    )


def _several(n_clusters: int) -> bool:
    return n_clusters > 1


def _no_function(init: Any) -> bool:
    return not callable(init)


# parameters by its own conditions (scikit-learn-intelex 2026.2); what depends on the data, it tells when it fits
_FOREST: dict[str, Any] = {
    "n_estimators": _few,
    "ccp_alpha": (0.0,),
    "monotonic_cst": (None,),
    "oob_score": (False,),
    "max_samples": _share_or_count,
}
_OTHER_TREES = "grows other trees from the same random_state, as good as scikit-learn's"
_CLASSES: dict[str, Any] = {"criterion": ("gini",), "class_weight": _one_weight_a_class}
_NUMBERS: dict[str, Any] = {"criterion": ("squared_error",)}
# an own number of iterations counts other steps than scikit-learn's
_VECTORS: dict[str, Any] = {"kernel": ("linear", "poly", "rbf", "sigmoid"), "max_iter": (-1,)}
# probabilities are calibrated on all rows, not by folds as scikit-learn's
_MARGINS: dict[str, Any] = {**_VECTORS, "probability": (False, "deprecated")}
_NEIGHBOURS: dict[str, Any] = {
    "metric": ("minkowski", "euclidean", "l2"),
    "p": (2,),
    "metric_params": (None,),
    "algorithm": ("auto", "brute", "kd_tree"),
}
_WEIGHED: dict[str, Any] = {**_NEIGHBOURS, "weights": ("uniform", "distance")}

ENTRIES: tuple[Entry, ...] = (
    *(
        _entry(name, accepts={**_FOREST, **target}, tolerance=float("inf"), differs=_OTHER_TREES, memory=3)
        for name, target in (("RandomForestClassifier", _CLASSES), ("RandomForestRegressor", _NUMBERS))
    ),
    *(
        _entry(name, refusal=f"oneDAL's extremely random trees are others: {worse}")
        for name, worse in (
            ("ExtraTreesClassifier", "11.4 % of rows wrong, scikit-learn's 10.8 %, over ten seeds of two classes"),
            ("ExtraTreesRegressor", "13 % more error than scikit-learn's over ten seeds of Friedman's function"),
        )
    ),
    *(
        _entry(name, accepts=accepted, only_fits=("max_iter", "probability"), weights=True, tolerance=1e-2)
        for name, accepted in (("SVC", _MARGINS), ("NuSVC", _MARGINS), ("SVR", _VECTORS), ("NuSVR", _VECTORS))
    ),
    *(_entry(name, accepts=_WEIGHED) for name in ("KNeighborsClassifier", "KNeighborsRegressor")),
    # distances by a product of matrices: a row is 1e-8 away from itself
    _entry("NearestNeighbors", accepts=_NEIGHBOURS, tolerance=1e-6),
    _entry("LocalOutlierFactor", accepts=_NEIGHBOURS),
    _entry(
        "DBSCAN",
        accepts={"metric": ("euclidean",), "algorithm": ("auto", "brute")},
        weights=True,
        tolerance=0.0,
    ),
    _entry("KMeans", accepts={"n_clusters": _several, "algorithm": ("lloyd",), "init": _no_function}, tolerance=1e-2),
    _entry(
        "TSNE",
        refusal="oneDAL's embeddings diverge 8 to 20 % more than scikit-learn's after as many steps, of five classes "
        "and of digits",
    ),
)

# whose rows, or support vectors, make a model at any time, whoever fitted them
NEIGHBOURS = ("KNeighborsClassifier", "KNeighborsRegressor", "NearestNeighbors")
VECTORS = ("SVC", "NuSVC", "SVR", "NuSVR")
# methods that its models score with
SCORED = {
    "RandomForestClassifier": ("predict", "predict_proba"),
    "RandomForestRegressor": ("predict",),
    "SVC": ("predict", "decision_function"),
    "NuSVC": ("predict", "decision_function"),
    "SVR": ("predict",),
    "NuSVR": ("predict",),
    "KNeighborsClassifier": ("predict", "predict_proba"),
    "KNeighborsRegressor": ("predict",),
    "NearestNeighbors": ("kneighbors",),
    "LocalOutlierFactor": ("predict", "decision_function", "score_samples"),
}


class OneDAL(EngineInfo):
    """oneDAL's algorithms, brought home as scikit-learn's estimators."""

    name = "onedal"
    rank = 30
    packages = {"cpu": {"sklearnex": "2026.2"}}
    extras = {"cpu": "onedal"}
    reads = {"cpu": ("host",)}
    scores = {"cpu": ("sklearn",)}

    def entries(self) -> Iterable[Entry]:
        return ENTRIES

    def why(self, entry: Entry, estimator: Any, info: Any, resources: Any) -> list[str]:
        return [f"oneDAL on {resources.n_cores} cores supports these parameters and data"]

    def scoring_refusals(self, model: Any, method: str, info: InputInfo, device: str) -> list[str]:
        if method not in SCORED.get(type(model).__name__, ()):
            return [f"does not compute {method} of {type(model).__name__}"]
        if hasattr(model, "estimators_") and hasattr(model, "_n_samples"):
            return ["its trees were not grown by oneDAL, which takes no others"]
        return []


INFO = OneDAL()
