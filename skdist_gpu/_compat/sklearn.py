"""The private names of scikit-learn that the package uses, in one place."""

from __future__ import annotations

from typing import Any

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


def infer_dimension(variances: Any, n_samples: int) -> int:
    """Return Minka's estimate of the number of components."""
    from sklearn.decomposition._pca import _infer_dimension

    return _infer_dimension(variances, n_samples)


def safe_scale(variance: Any, mean: Any, n_samples: Any) -> Any:
    """Return standard deviations, 1 for columns that are constant but for rounding."""
    from sklearn.preprocessing._data import _handle_zeros_in_scale, _is_constant_feature

    constant = _is_constant_feature(variance, mean, n_samples)
    return _handle_zeros_in_scale(variance**0.5, copy=False, constant_mask=constant)


__all__ = ["check_sample_weight", "infer_dimension", "remember_binarizer", "safe_scale", "validate_params"]
