"""cuML on one GPU, brought home as the plain scikit-learn estimator."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import assert_all_finite, get_tags
from sklearn.utils.multiclass import check_classification_targets

from skdist_gpu._compat.cuml import assertion_of, converts, cuml_class, keep_searchable, unsupported_errors
from skdist_gpu._compat.sklearn import check_clusters, in_words_of, rows_fitted_to, unfitted
from skdist_gpu._compat.sklearn_learned import keep_rows, remember_solver
from skdist_gpu._compat.sklearn_parameters import parameter_names
from skdist_gpu.config import option
from skdist_gpu.data.containers import GPU, container_of
from skdist_gpu.data.convert import check_gpu_input, check_table, remember_features, to_host, validate
from skdist_gpu.engines.cuml.forests import fit_forest
from skdist_gpu.engines.cuml.info import INFO
from skdist_gpu.engines.cuml.rebuild import REBUILT, fit_twin
from skdist_gpu.engines.cuml.rebuild_preprocessing import ENCODERS, PREPROCESSING, transformer_twin
from skdist_gpu.engines.entry import catalogue_name
from skdist_gpu.engines.parameters import check_as_scikit_learn, warn_of_few_clusters
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.engines.registry import entries_for
from skdist_gpu.exceptions import EngineRefusal

# whose trees scikit-learn grows on float32
FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "IsolationForest")
# rows from which cuML itself builds an approximate graph, and neighbours of which that keeps enough
MANY_ROWS, MOST_NEIGHBOURS = 50_000, 60
# words in cuML's errors about data that other engines may take: kinds of values and of indices, few rows, and a penalty
# for each target
_OTHERS_JUDGE = ("supported", "is required", "do not correspond")
# whose solvers take steps until they converge, or until they have taken max_iter
_SEARCHES = ("LogisticRegression", "LinearSVC", "LinearSVR")
_RANDOM_FORESTS = {"RandomForestClassifier": fit_forest, "RandomForestRegressor": fit_forest}


def fit(job: FitJob) -> Fitted:
    """Fit with cuML and carry the result over to the job's scikit-learn estimator."""
    estimator, name = job.estimator, type(job.estimator).__name__
    check_as_scikit_learn(job)
    try:
        X, y, sample_weight = _checked(job)
    except ValueError as error:
        raise in_words_of(estimator, error, job.X) from None
    check_shape(estimator, X.shape)
    job.progress.start(f"{name} with cuML")
    from skdist_gpu.engines.executors.gpu_copies import to_device

    try:
        spread = over_all_gpus(job)
        values = to_host(X) if spread else X if name in ENCODERS else to_device(X, job.resources.n_cores)
        if name in FORESTS and values.dtype != np.float32:
            values = values.astype(np.float32)
        model = _FITS.get(name, _convert)(estimator, values, y, sample_weight, **spread)
    except unsupported_errors() as error:
        raise EngineRefusal(f"cuML refuses: {error}") from error
    except (TypeError, ValueError) as error:
        if any(words in str(error) for words in _OTHERS_JUDGE):
            raise EngineRefusal(f"cuML refuses: {error}") from error
        if name in ENCODERS:
            _check_categories(estimator, X, y, error)
        elif isinstance(error, ValueError):
            _check_finite(values, estimator)
        raise
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from error
        if broken := assertion_of(error):
            raise EngineRefusal(f"cuML gave up: {broken}") from error
        raise
    conclude(job)
    if rows_fitted_to(estimator) is not None:
        keep_rows(estimator, to_host(X))  # in their own precision, of which cuML keeps float32
    job.progress.finish()
    # a forest is ready to score on the GPU, while to bring it back there from plain trees takes long
    copies = {name_of_copy(): _scorer(model, estimator)} if name in _RANDOM_FORESTS else {}
    return Fitted(estimator, answers=forest_answers(model), copies=copies)


def name_of_copy() -> str:
    """Return the name by which the copy of a model on the current GPU is kept."""
    import cupy

    return f"{INFO.name} on GPU {cupy.cuda.Device().id}"


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of the CUDA libraries says that the GPU's memory ran out."""
    return "out of memory" in str(error).lower() or "alloc" in str(error).lower()


def _convert(estimator: Any, values: Any, y: Any, sample_weight: Any, **changed: Any) -> Any:
    """Fit, let cuML convert what was learned, and return cuML's model."""
    model = fit_twin(estimator, values, y, sample_weight, **changed)
    carry_over(model.as_sklearn(), estimator)
    keep_searchable(estimator)
    return model


def conclude(job: FitJob) -> None:
    """Say of a fit that has ended what scikit-learn says, and by which of its solvers it is known."""
    estimator, name = job.estimator, type(job.estimator).__name__
    if name in _SEARCHES:
        _check_converged(job)
    elif name == "KMeans":
        warn_of_few_clusters(int(np.count_nonzero(np.bincount(estimator.labels_))), estimator.n_clusters)
    elif name == "PCA":
        remember_solver(estimator, "covariance_eigh")


def _check_converged(job: FitJob) -> None:
    """Warn where the steps of a search ran out before the minimum.

    Raises
    ------
    EngineRefusal
        If only scikit-learn's own answer will do: after as many steps, its solver is elsewhere.
    """
    max_iter = job.estimator.max_iter
    if np.max(job.estimator.n_iter_) < max_iter:
        return
    if job.same_answer:
        raise EngineRefusal(
            f"its search ended after max_iter={max_iter} steps, where scikit-learn's solver is elsewhere"
        )
    warnings.warn(
        f"The fit did not converge within max_iter={max_iter} steps. Increase max_iter, or scale the columns of X.",
        ConvergenceWarning,
        stacklevel=2,
    )


def over_all_gpus(job: FitJob) -> dict[str, Any]:
    """Return the parameters by which cuML builds UMAP's graph of neighbours on every visible GPU, where asked to.

    The graph is built of groups of rows that stay in host memory until their turn, each row in two of them. That takes
    longer than one GPU takes for the whole: two H200 took 17.2 s against 11.4 s at 2 000 000 x 20, 33.1 s against
    23.8 s at 4 000 000 x 20, 7.0 s against 5.5 s at 500 000 x 768. Of HDBSCAN, cuML spreads the graph, too, but finds
    other clusters then: adjusted Rand index 0.92 at 1 000 000 rows and 0.61 at 6 000, against clusters that one GPU
    finds exactly.
    """
    estimator, n_gpus = job.estimator, len(job.resources.gpus)
    asked = catalogue_name(type(estimator)) == "umap.UMAP" and option("auto_cluster") == "on"
    if not asked or n_gpus < 2 or (job.info.n_samples or 0) < MANY_ROWS:
        return {}
    as_it_asks = estimator.metric not in ("euclidean", "l2", "cosine") or estimator.n_neighbors > MOST_NEIGHBOURS
    if as_it_asks or job.info.sparse or estimator.random_state is not None:
        return {}
    # two groups for each GPU; each row is in two
    groups = {"knn_n_clusters": max(4, 2 * n_gpus), "knn_overlap_factor": 2}
    return {"device_ids": "all", "build_algo": "nn_descent", "build_kwds": groups}


def forest_answers(model: Any) -> dict[str, Any]:
    """Return what a forest's converted trees do not tell: they know no rows of their nodes (NVIDIA/cuml #7454)."""
    if not type(model).__name__.startswith("RandomForest"):
        return {}
    return {"feature_importances_": to_host(model.feature_importances_).astype(np.float64)}


def _checked(job: FitJob) -> tuple[Any, Any, Any]:
    """Return the data as cuML takes them, or raise scikit-learn's own error before any work."""
    estimator = job.estimator
    # UMAP may have a target, and has another answer with one
    has_target = get_tags(estimator).target_tags.required or catalogue_name(type(estimator)) == "umap.UMAP"
    y = job.y if has_target else None
    labels = is_classifier(estimator) and y is not None
    if labels and not _are_whole_numbers(y):
        # labels may be text, which stays on the host
        y = to_host(y)
        check_classification_targets(y)
    if type(estimator).__name__ in ENCODERS:
        return _checked_table(estimator, job.X), y, None
    if container_of(job.X) in GPU:
        return check_gpu_input(estimator, job.X, y, job.sample_weight, labels=labels)
    entry = next(entry for entry in entries_for(estimator) if entry.backend == INFO.name)
    options: dict[str, Any] = {"sparse": entry.sparse, "multi_target": entry.multi_target, "finite": False}
    return validate(estimator, job.X, y, job.sample_weight, **options)


def check_shape(estimator: Any, shape: tuple[int, int]) -> None:
    """Leave to scikit-learn's own fit what it says of too few rows or columns, and cuML does not.

    Raises
    ------
    ValueError
        scikit-learn's own, of a KMeans.
    EngineRefusal
        If there are fewer than a parameter asks for.
    """
    name = type(estimator).__name__
    if name == "KMeans":
        check_clusters(estimator, *shape, estimator.tol)  # when to stop is cuML's own
    if name == "HDBSCAN" and (estimator.min_samples or estimator.min_cluster_size) > shape[0]:
        raise EngineRefusal(f"X has {shape[0]} rows, fewer than the neighbours that are asked for")
    if name == "PCA" and (estimator.n_components or 0) > min(shape):
        raise EngineRefusal(
            f"X of shape {tuple(shape)} has fewer components than n_components={estimator.n_components}"
        )


def _checked_table(estimator: Any, X: Any) -> Any:
    """Return a table of any values; the estimator learns its features."""
    if container_of(X) not in GPU:
        return check_table(estimator, X)
    remember_features(estimator, X, None)
    return X


def _are_whole_numbers(y: Any) -> bool:
    """Whether labels are certainly classes: to look for their kind among a million would cost more than a fit."""
    return getattr(getattr(y, "dtype", None), "kind", "O") in "iub" and getattr(y, "ndim", 0) == 1


def _check_finite(values: Any, estimator: Any) -> None:
    """Raise scikit-learn's own error for a value that is not finite, which cuML's fit has found.

    Raises
    ------
    EngineRefusal
        Where scikit-learn would take the missing values.
    """
    from skdist_gpu.engines.executors.gpu_copies import are_finite

    if not are_finite(values):
        if type(estimator).__name__ == "HDBSCAN":  # which tells outliers by them
            raise EngineRefusal("X has values that are not finite, which cuML does not take")
        allowed = get_tags(estimator).input_tags.allow_nan
        assert_all_finite(to_host(values), allow_nan=allowed, estimator_name=type(estimator).__name__, input_name="X")
        raise EngineRefusal("X has missing values, which cuML does not take")


def _check_categories(estimator: Any, X: Any, y: Any, error: Exception) -> NoReturn:
    """Have scikit-learn's own encoder tell what is wrong with values that cuDF does not hold.

    Raises
    ------
    EngineRefusal
        If it takes them, such as whole numbers of more than 64 bits.
    """
    unfitted(estimator).fit(to_host(X), *(() if y is None else (y,)))
    raise EngineRefusal(f"cuDF does not hold these values: {error}") from error


def carry_over(fitted: Any, estimator: Any) -> None:
    """Copy what was learned; the user's parameters and feature names stay."""
    params = parameter_names(estimator.__class__)
    known = {name: value for name, value in vars(estimator).items() if name.endswith("_in_")}
    # cuML leaves some numbers on the GPU
    learned = {name: _at_home(value) for name, value in vars(fitted).items() if name not in params}
    vars(estimator).update(learned | known)


def _at_home(value: Any) -> Any:
    value = to_host(value)
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def to_cuml(estimator: Any) -> Any:
    """Return cuML's twin of a fitted estimator, for scoring on the GPU; None if there is none."""
    cls = cuml_class(estimator)
    if cls is None:
        return None
    try:
        model = cls.from_sklearn(estimator) if converts(cls) else transformer_twin(estimator)
    except unsupported_errors():
        return None
    return None if model is None else _scorer(model, estimator)


def _scorer(model: Any, estimator: Any) -> Any:
    """Return cuML's model, told where its answers are to be: text on the host, since CuPy holds none."""
    text = getattr(getattr(estimator, "classes_", None), "dtype", np.dtype(float)).kind not in "biuf"
    model.output_type = "numpy" if text else "cupy"
    return model


_FITS = REBUILT | PREPROCESSING | ENCODERS | _RANDOM_FORESTS
