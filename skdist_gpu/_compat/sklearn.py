"""The private names of scikit-learn that the package uses, in one place."""

from __future__ import annotations

from typing import Any

from sklearn.decomposition._pca import _infer_dimension as infer_dimension
from sklearn.preprocessing._data import _handle_zeros_in_scale as handle_zeros_in_scale
from sklearn.preprocessing._data import _is_constant_feature as is_constant_feature
from sklearn.utils.validation import _check_sample_weight as check_sample_weight


def validate_params(estimator: Any) -> None:
    """Raise scikit-learn's own error for a bad parameter, before any work starts."""
    if hasattr(estimator, "_parameter_constraints"):  # XGBoost's estimators declare none
        estimator._validate_params()


def remember_binarizer(estimator: Any, classes: Any) -> None:
    """Give a RidgeClassifier its classes, and the binarizer that `predict` reads."""
    from sklearn.preprocessing import LabelBinarizer

    estimator._label_binarizer = LabelBinarizer(pos_label=1, neg_label=-1).fit(classes)
    estimator.classes_ = classes


__all__ = ["check_sample_weight", "remember_binarizer", "validate_params"]
