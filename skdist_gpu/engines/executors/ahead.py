"""Compile what a fit on a GPU will need while it begins: kernels side by side, each on a thread of its own."""

from __future__ import annotations

from typing import Any

import cupy

from skdist_gpu.engines.executors import (
    cluster_kernels,
    column_kernels,
    gram_kernels,
    lloyd_kernels,
    score_kernels,
    softmax_kernels,
    solve_kernels,
)
from skdist_gpu.engines.reductions.kinds import CLUSTERS, REGRESSORS

_PRODUCTS = (*REGRESSORS, "PCA", "IncrementalPCA")
# of two classes, or of numbers
_LOSSES = {"LogisticRegression": "BinomialLoss", "LinearSVC": "SquaredHinge", "LinearSVR": "SquaredEpsilonInsensitive"}


def begin(estimator: Any, X: Any, y: Any, n_targets: int, n_classes: int) -> None:
    """Begin to compile for an estimator; a kernel that is not foreseen here is compiled when it is needed.

    Parameters
    ----------
    estimator : estimator
        Unfitted, with valid parameters.
    X : array or DatasetTable of shape (n_rows, n_columns)
        The rows, of float32 or float64.
    y : array or None
        The target; codes for classes.
    n_targets, n_classes : int
        Columns of `y`, and classes in it; 0 for numbers.
    """
    name, device = type(estimator).__name__, cupy.cuda.Device().id
    n_columns, dtype = X.shape[1], X.dtype.name
    if name in _PRODUCTS:
        gram_kernels.begin(device, dtype, n_columns + n_targets)
    elif name in CLUSTERS:
        lloyd_kernels.begin(device, dtype, n_columns, estimator.n_clusters)
        cluster_kernels.kernels_for.begin(device, dtype)
        column_kernels.kernels_for.begin(device, dtype, "int64")
    elif name == "LogisticRegression" and n_classes > 2 and y is not None:
        softmax_kernels.begin(device, dtype, y.dtype.name, n_classes, n_columns)
        n_unknowns = n_classes * (n_columns + estimator.fit_intercept)
        gram_kernels.begin(device, "float64", n_unknowns)
        solve_kernels.begin(device, n_unknowns)
        column_kernels.kernels_for.begin(device, "float32", "int64")
    elif name in _LOSSES and y is not None:
        score_kernels.kernel_for.begin(device, _LOSSES[name], dtype, y.dtype.name, n_columns)
        gram_kernels.begin(device, dtype, n_columns)
        solve_kernels.begin(device, n_columns + 1)
        column_kernels.kernels_for.begin(device, "float32", "int64")
