"""Save a fitted estimator to a file, and load it without running code from the file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from skdist_gpu.compose.autoscale import HOLDERS
from skdist_gpu.publish import published

# what fitted estimators of scikit-learn and XGBoost hold beside what skops trusts: data, and functions that compute
_LEARNED_TYPES = (
    "numpy.dtype",
    "numpy.mean",
    "scipy.interpolate._bsplines.BSpline",
    "scipy.sparse._csr.csr_matrix",
    "sklearn._loss.link.Interval",
    "sklearn._loss.loss.HalfGammaLoss",
    "sklearn._loss.loss.HalfPoissonLoss",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.cluster._bisect_k_means._BisectingTree",
    "sklearn.cluster._kmeans._kmeans_single_elkan",
    "sklearn.cluster._kmeans._kmeans_single_lloyd",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.feature_selection._univariate_selection.r_regression",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    *(
        f"sklearn.gaussian_process.kernels.{kernel}"
        for kernel in (
            *("CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation", "Matern"),
            *("PairwiseKernel", "Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel"),
        )
    ),
    *(
        f"sklearn.metrics._dist_metrics.{metric}Distance{bits}"
        for metric in ("Chebyshev", "Euclidean", "Hamming", "Haversine", "Manhattan", "Minkowski", "SEuclidean")
        for bits in ("32", "64")
    ),
    *(f"sklearn.metrics._scorer.{kind}" for kind in ("_MultimetricScorer", "_PassthroughScorer", "_Scorer")),
    *(
        f"sklearn.model_selection._split.{folds}"
        for folds in (
            *(
                "GroupKFold",
                "GroupShuffleSplit",
                "KFold",
                "PredefinedSplit",
                "RepeatedKFold",
                "RepeatedStratifiedKFold",
            ),
            *("ShuffleSplit", "StratifiedGroupKFold", "StratifiedKFold", "StratifiedShuffleSplit", "TimeSeriesSplit"),
        )
    ),
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "xgboost.core.Booster",
    *(f"xgboost.sklearn.XGB{kind}" for kind in ("Classifier", "RFClassifier", "RFRegressor", "Ranker", "Regressor")),
)
_OWN_PARTS = (
    "engines.block_method.ModelCopies",
    "planning.plan.Candidate",
    "planning.plan.Plan",
    "info.report.Report",
)
# bytes that a file may unpack to whatever its size, and beyond which it may not grow more than so many times
_SMALL, _MOST_GROWTH = 64 * 2**20, 100


def save(estimator: Any, path: str | Path) -> None:
    """Write an estimator to a file in the format of skops.

    Parameters
    ----------
    estimator : estimator
        Fitted or not; an AutoScale estimator or any of scikit-learn's.
    path : str or Path
        File to write, by habit with the ending ``.skops``. It appears only once it is complete.

    Raises
    ------
    OSError
        If the path is a folder, or its folder is not there or may not be written to.

    Examples
    --------
    >>> import os, tempfile
    >>> from skdist_gpu import AutoScaleRegressor, save
    >>> save(AutoScaleRegressor(), os.path.join(tempfile.mkdtemp(), "model.skops"))
    """
    import skops.io

    with published(path) as hidden:
        skops.io.dump(estimator, hidden)


def load(path: str | Path, trusted: tuple[str, ...] = ()) -> Any:
    """Read an estimator that :func:`save` wrote; needs no GPU package.

    Trusted are the types of this package and of scikit-learn's and XGBoost's estimators and what these learn,
    such as trees.

    Parameters
    ----------
    path : str or Path
        File to read.
    trusted : tuple of str
        Further types that the file may hold, such as ``"mypackage.MyTransformer"``.

    Returns
    -------
    estimator

    Raises
    ------
    UntrustedTypesFoundException
        skops's own error, naming the types that the file holds and nobody trusted.
    ValueError
        If the file would unpack to far more than it takes, as no file of :func:`save` does.
    zipfile.BadZipFile
        If it is no file of skops.

    Examples
    --------
    >>> import os, tempfile
    >>> from skdist_gpu import AutoScaleRegressor, load, save
    >>> path = os.path.join(tempfile.mkdtemp(), "model.skops")
    >>> save(AutoScaleRegressor().fit([[0.0], [1.0]], [0.0, 2.0]), path)
    >>> load(path).predict([[2.0]]).round(6).tolist()
    [4.0]
    """
    import skops.io

    _check_size(path)
    return skops.io.load(path, trusted=[*_own_types(), *_LEARNED_TYPES, *trusted])


def _own_types() -> list[str]:
    """Return the names of the package's public classes, and of what their fitted objects hold."""
    package = sys.modules["skdist_gpu"]
    public = [getattr(package, name) for name in package.__all__]
    classes = [f"{cls.__module__}.{cls.__name__}" for cls in public if isinstance(cls, type)]
    holders = [f"compose.autoscale.AutoScale{name}" for names in HOLDERS.values() for name in names]
    return [*classes, *(f"skdist_gpu.{name}" for name in (*_OWN_PARTS, *holders))]


def _check_size(path: str | Path) -> None:
    """Raise for a file that unpacks to far more than it takes; only its table of contents is read."""
    n_bytes = Path(path).stat().st_size
    with ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(_SMALL, _MOST_GROWTH * n_bytes):
        raise ValueError(
            f"{path} takes {n_bytes} bytes and would unpack to {unpacked}, where a file of save() holds about as "
            "many as it takes. Nothing was read. If you know where it is from, skops.io.load reads it."
        )
