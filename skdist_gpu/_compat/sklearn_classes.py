"""scikit-learn's own classes, from where they are defined: with cuml.accel active, the public modules hold proxies."""

from __future__ import annotations

from typing import Any

from sklearn.linear_model._coordinate_descent import ElasticNet, Lasso
from sklearn.linear_model._ridge import Ridge
from sklearn.preprocessing._label import LabelBinarizer

__all__ = ["ElasticNet", "LabelBinarizer", "Lasso", "Ridge", "make_kmeans"]


def make_kmeans(**parameters: Any) -> Any:
    """Return scikit-learn's own KMeans, whose module takes longer to import than all others here."""
    from sklearn.cluster._kmeans import KMeans

    return KMeans(**parameters)
