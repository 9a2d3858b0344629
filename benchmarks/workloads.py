"""The workloads that rates are fitted to and that the choice is judged by: estimators, sizes, containers, methods."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from scipy.sparse import random_array

KEPT = Path("/dev/shm/skdist_gpu_rows")
# rows × columns of dense tables: tall, square and wide
DENSE = (
    (100, 10),
    (1_000, 10),
    (1_000, 100),
    (100, 1_000),
    (300, 3_000),
    (5_000, 20),
    (10_000, 20),
    (3_000, 300),
    (2_000, 1_000),
    (10_000, 200),
    (30_000, 50),
    (20_000, 500),
    (100_000, 20),
    (100_000, 100),
    (300_000, 20),
    (1_000_000, 10),
    (1_000_000, 50),
    (5_000_000, 20),
)
# small ones of more shapes, since what grows like a cube of either side is soon most of the time
SMALL = (
    (60, 300),
    (150, 600),
    (200, 1_500),
    (400, 400),
    (500, 1_000),
    (800, 700),
    (1_200, 250),
    (1_000, 1_500),
    (3_000, 50),
    (4_000, 400),
    (20_000, 40),
)
# rows, columns and the share of values that are stored
SPARSE = (
    *((200, 50, 0.1), (2_000, 500, 0.02), (20_000, 2_000, 0.02), (60_000, 1_000, 0.02), (200_000, 200, 0.05)),
    *((1_000, 5_000, 0.005), (5_000, 1_000, 0.01), (10_000, 100, 0.1), (30_000, 4_000, 0.002), (100_000, 1_500, 0.002)),
)
BLOCKS = ((300, 3_000), (10_000, 20), (100_000, 20), (20_000, 500), (1_000_000, 10))
# sizes of earlier judgements, to which rates have been fitted since
SEEN = (
    *((1_000, 30), (2_000, 120), (600, 2_000), (8_000, 60), (1_500, 500), (50_000, 15), (20_000, 150)),
    *((6_000, 1_200), (500_000, 12), (200_000, 40), (60_000, 400), (2_000_000, 25), (10_000_000, 10)),
    *((700, 40), (350, 1_100), (1_800, 180), (900, 450), (12_000, 35), (3_500, 650), (70_000, 18)),
    *((15_000, 220), (250_000, 16), (120_000, 60), (1_500_000, 12)),
)
SEEN_SPARSE = (
    *((5_000, 300, 0.05), (40_000, 3_000, 0.005), (100_000, 500, 0.03), (1_000_000, 100, 0.05)),
    *((3_000, 800, 0.02), (50_000, 600, 0.02), (300_000, 150, 0.04), (15_000, 5_000, 0.003)),
)
SEEN_FRAMES = ((30_000, 25), (400_000, 30), (40_000, 22), (300_000, 28))
SEEN_BLOCKS = ((50_000, 30), (1_000_000, 20), (60_000, 25), (800_000, 18))
# sizes that no rate is fitted to are drawn: of a table and of the stored values, and how many each estimator takes
DRAWN_ROWS, DRAWN_COLUMNS, DRAWN_VALUES = (1e3, 1e7), (10, 3000), (3e4, 2e7)
DRAWN_DENSITY, DRAWN_CELLS, DRAWN_TABLES = (0.002, 0.1), 1e9, 14
DRAWN_OF_AN_ESTIMATOR = {"numpy": 6, "cupy": 6, "csr": 5, "pandas": 2, "dask": 2}


def drawn_shapes(container: str, family: Family, seed: int) -> list[tuple[int, int, float]]:
    """Return rows, columns and density of workloads that no rate was fitted to: some tables of a pool for all."""
    rng = np.random.default_rng([seed, crc32(container.encode())])
    pool: list[tuple[int, int, float]] = []
    while len(pool) < DRAWN_TABLES:
        n, d = (float(f"{drawn(rng, limits):.2g}") for limits in (DRAWN_ROWS, DRAWN_COLUMNS))
        density = float(f"{drawn(rng, DRAWN_DENSITY):.1g}") if container == "csr" else 0.0
        if DRAWN_VALUES[0] < n * d * (density or 1) < DRAWN_VALUES[1] and n * d < DRAWN_CELLS:
            pool.append((int(n), int(d), density))
    rng = np.random.default_rng([seed, crc32(family.name.encode())])
    chosen = rng.permutation(DRAWN_TABLES)[: DRAWN_OF_AN_ESTIMATOR[container]]
    return sorted((pool[i] for i in chosen), key=work_of_shape)


def drawn(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Return a number whose logarithm is evenly distributed."""
    return float(np.exp(rng.uniform(*np.log(limits))))


def work_of_shape(shape: tuple[int, int, float]) -> float:
    """Return about how much work a table is."""
    n, d, density = shape
    return n * d * (density or 1) * min(n, d) ** 0.5


def _dense(shapes: Iterable[tuple[int, int]]) -> list[tuple[int, int, float]]:
    """Return rows, columns and no density, from little work to much."""
    return sorted(((n, d, 0.0) for n, d in shapes), key=work_of_shape)


# rows, columns and density by container, from small to large
SHAPES: dict[str, dict[str, list[tuple[int, int, float]]]] = {
    "rates": {"numpy": _dense(DENSE), "cupy": _dense(DENSE), "dask": _dense(BLOCKS), "csr": list(SPARSE)},
    "small": {"numpy": _dense(SMALL), "csr": list(SPARSE[5:])},
    "seen": {
        "numpy": _dense(SEEN),
        "cupy": _dense(SEEN),
        "csr": list(SEEN_SPARSE),
        "pandas": _dense(SEEN_FRAMES),
        "dask": _dense(SEEN_BLOCKS),
    },
}


def shapes_of(which: str, container: str, family: Family, seed: int) -> list[tuple[int, int, float]]:
    """Return rows, columns and density of an estimator's workloads."""
    return drawn_shapes(container, family, seed) if which == "unseen" else SHAPES[which][container]


# rows that a model is fitted to, its columns, and the rows that it then scores
SCORED: dict[str, tuple[tuple[int, int, tuple[int, ...]], ...]] = {
    "rates": ((20_000, 20, (1_000, 10_000, 100_000, 1_000_000)), (10_000, 200, (1_000, 30_000))),
    "seen": ((30_000, 30, (5_000, 50_000, 500_000)), (8_000, 100, (50_000,)), (3_000, 12, (3_000, 50_000))),
    "small": ((4_000, 20, (1_000, 10_000, 60_000)), (2_000, 100, (1_000, 20_000)), (2_500, 60, (30_000,))),
}
# of models that no rate was fitted to: rows that they are fitted to, and that they score, and columns
DRAWN_FITTED, DRAWN_SCORED, DRAWN_WIDTH = (1e3, 3e4), (3e3, 1e6), (10, 300)


def scored_of(which: str, family: Family, seed: int) -> list[tuple[int, int, tuple[int, ...]]]:
    """Return the rows that an estimator's models are fitted to, their columns, and the rows that they score."""
    if which != "unseen":
        return list(SCORED[which])
    rng = np.random.default_rng([seed, crc32(family.name.encode()), 1])
    found = []
    for _ in range(2):
        n_fit, d = (int(float(f"{drawn(rng, limits):.2g}")) for limits in (DRAWN_FITTED, DRAWN_WIDTH))
        n_most = min(DRAWN_SCORED[1], DRAWN_VALUES[1] / d)
        n_scored = sorted(int(float(f"{drawn(rng, (DRAWN_SCORED[0], n_most)):.2g}")) for _ in range(2))
        found.append((n_fit, d, tuple(n_scored)))
    return found


# estimators whose work grows like the square of the rows, or faster
_PAIRWISE = (
    *("SVC", "SVR", "NuSVC", "NuSVR", "DBSCAN", "LocalOutlierFactor"),
    *("KernelRidge", "GaussianProcessRegressor", "GaussianProcessClassifier"),
)


@dataclass(frozen=True)
class Family:
    """An estimator as the workloads make it: class, parameters, and what its target is; a variant has a name more."""

    path: str
    params: dict[str, Any]
    target: str = ""  # "number", "count", "class" (one of two), "classes" (one of five), or none
    positive: bool = False
    methods: tuple[str, ...] = ()
    variant: str = ""

    @property
    def class_name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def name(self) -> str:
        return f"{self.class_name} {self.variant}".strip()

    @property
    def pairwise(self) -> bool:
        """Whether the work grows like the square of the rows."""
        return self.class_name in _PAIRWISE

    def make(self) -> Any:
        """Return the unfitted estimator."""
        module, _, name = self.path.rpartition(".")
        return getattr(import_module(module), name)(**self.params)


def _families() -> Iterator[Family]:
    linear, pre = "sklearn.linear_model.", "sklearn.preprocessing."
    for name in ("LinearRegression", "Ridge", "RidgeCV", "Lasso", "ElasticNet", "LassoCV", "BayesianRidge"):
        params = {"alpha": 0.01} if name in ("Lasso", "ElasticNet") else {}
        yield Family(linear + name, params, "number", methods=("predict",) if name == "Ridge" else ())
    yield Family(linear + "HuberRegressor", {}, "number")
    yield Family(linear + "PoissonRegressor", {}, "count")
    yield Family(linear + "LogisticRegression", {}, "class", methods=("predict", "predict_proba"))
    yield Family(linear + "LogisticRegressionCV", {"Cs": 4, "cv": 3, "l1_ratios": (0,)}, "class")
    yield Family(linear + "RidgeClassifier", {}, "class")
    yield Family(linear + "SGDClassifier", {"random_state": 0}, "class")
    yield Family("sklearn.svm.LinearSVC", {}, "class")
    yield Family("sklearn.svm.LinearSVR", {"loss": "squared_epsilon_insensitive"}, "number")
    yield Family("sklearn.svm.SVC", {}, "class", methods=("predict",))
    yield Family("sklearn.svm.NuSVC", {"nu": 0.2}, "class", methods=("predict",))
    yield Family("sklearn.svm.SVR", {}, "number", methods=("predict",))
    yield Family("sklearn.svm.NuSVR", {}, "number", methods=("predict",))
    yield Family("sklearn.neighbors.KNeighborsClassifier", {}, "class", methods=("predict",))
    yield Family("sklearn.neighbors.KNeighborsRegressor", {}, "number", methods=("predict",))
    yield Family("sklearn.neighbors.NearestNeighbors", {}, methods=("kneighbors",))
    forest = {"n_estimators": 20, "random_state": 0}
    yield Family("sklearn.ensemble.RandomForestClassifier", forest, "class", methods=("predict", "predict_proba"))
    yield Family("sklearn.ensemble.RandomForestRegressor", forest, "number", methods=("predict",))
    yield Family("sklearn.ensemble.ExtraTreesClassifier", forest, "class", methods=("predict",))
    yield Family("sklearn.ensemble.HistGradientBoostingClassifier", {}, "class", methods=("predict",))
    yield Family("sklearn.naive_bayes.GaussianNB", {}, "class", methods=("predict", "predict_proba"))
    yield Family("sklearn.naive_bayes.MultinomialNB", {}, "class", positive=True)
    discriminant = "sklearn.discriminant_analysis."
    yield Family(discriminant + "LinearDiscriminantAnalysis", {}, "class", methods=("predict",))
    yield Family(discriminant + "QuadraticDiscriminantAnalysis", {"reg_param": 0.1}, "class", methods=("predict",))
    yield Family("sklearn.cluster.KMeans", {"n_clusters": 8, "random_state": 0}, methods=("predict", "transform"))
    yield Family("sklearn.cluster.MiniBatchKMeans", {"n_clusters": 8, "random_state": 0})
    yield Family("sklearn.cluster.DBSCAN", {"eps": 1.0})
    yield Family("sklearn.mixture.GaussianMixture", {"n_components": 4, "random_state": 0}, methods=("score_samples",))
    yield Family("sklearn.decomposition.PCA", {"n_components": 5}, methods=("transform",))
    yield Family("sklearn.decomposition.TruncatedSVD", {"n_components": 5}, methods=("transform",))
    yield Family("sklearn.covariance.LedoitWolf", {})
    for name in ("StandardScaler", "MinMaxScaler", "RobustScaler", "QuantileTransformer", "KBinsDiscretizer"):
        params = {"quantile_method": "averaged_inverted_cdf"} if name == "KBinsDiscretizer" else {}
        yield Family(pre + name, params, methods=("transform",))
    yield Family("sklearn.impute.SimpleImputer", {}, methods=("transform",))
    yield Family("sklearn.feature_selection.SelectKBest", {"k": 5}, "class")
    yield Family("sklearn.neighbors.LocalOutlierFactor", {"novelty": True}, methods=("score_samples",))
    yield Family("xgboost.XGBRegressor", {"n_estimators": 20}, "number", methods=("predict",))
    yield Family("sklearn.kernel_ridge.KernelRidge", {"kernel": "rbf"}, "number", methods=("predict",))
    gaussian = "sklearn.gaussian_process."
    yield Family(gaussian + "GaussianProcessRegressor", {"alpha": 0.1}, "number", methods=("predict",))
    yield Family(gaussian + "GaussianProcessClassifier", {}, "class", methods=("predict",))
    # what rates of one number of clusters, or depth, cannot tell
    for name, k in (("KMeans", 2), ("KMeans", 40), ("KMeans", 200), ("MiniBatchKMeans", 60)):
        yield Family(f"sklearn.cluster.{name}", {"n_clusters": k, "random_state": 0}, variant=str(k))
    yield Family(linear + "RidgeCV", {"alphas": (0.1, 1.0, 10.0, 100.0), "cv": 5}, "number", variant="folds")
    shallow = forest | {"max_depth": 6}
    yield Family("sklearn.ensemble.RandomForestClassifier", shallow, "class", variant="shallow")
    yield Family("sklearn.ensemble.RandomForestRegressor", shallow, "number", variant="shallow")
    for name in ("SVC", "NuSVC"):
        params = {} if name == "SVC" else {"nu": 0.1}
        yield Family(f"sklearn.svm.{name}", params, "classes", methods=("predict",), variant="of classes")
    yield Family(linear + "LogisticRegression", {}, "classes", methods=("predict_proba",), variant="of classes")
    yield Family(
        "sklearn.ensemble.RandomForestClassifier", forest, "classes", methods=("predict",), variant="of classes"
    )
    few_rows = forest | {"n_estimators": 100, "max_samples": 0.05}
    yield Family("sklearn.ensemble.RandomForestClassifier", few_rows, "class", variant="of few rows")


FAMILIES = {family.name: family for family in _families()}
TAKE_SPARSE = (
    *("LinearRegression", "Ridge", "Lasso", "PoissonRegressor", "LogisticRegression", "RidgeClassifier", "LinearSVC"),
    *("MultinomialNB", "KMeans", "TruncatedSVD", "SVC", "KNeighborsClassifier", "RandomForestClassifier"),
    *("SGDClassifier", "SelectKBest", "SimpleImputer"),
)


def make_rows(family: Family, n_rows: int, n_columns: int, density: float = 0, seed: int = 0) -> tuple[Any, Any]:
    """Return float64 rows around eight centres, with correlated columns, and the target; CSR where `density` is set."""
    rng = np.random.default_rng(seed)
    if density:
        X: Any = random_array((n_rows, n_columns), density=density, format="csr", rng=rng)
        X.data += 0.5
        signal = X @ rng.standard_normal(n_columns)
        signal = (signal - signal.mean()) / signal.std()
    else:
        X, signal = _kept(f"{n_rows}x{n_columns}_{seed}", lambda: _dense_rows(n_rows, n_columns, rng))
        if family.positive:
            np.abs(X, out=X)
    rng = np.random.default_rng(seed + 1)
    noise = rng.standard_normal(n_rows)
    targets: dict[str, Callable[[], Any]] = {
        "number": lambda: signal + 0.3 * noise,
        "count": lambda: rng.poisson(np.exp(np.clip(0.5 * signal, -3, 3))).astype(float),
        "class": lambda: (signal + 0.5 * noise > 0).astype(int),
        "classes": lambda: np.digitize(signal + 0.3 * noise, (-1, -0.3, 0.3, 1)),
    }
    return X, targets[family.target]() if family.target else None


def _dense_rows(n_rows: int, n_columns: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and what a target depends on."""
    n_hidden = min(n_columns, 10)
    hidden = rng.standard_normal((8, n_hidden))[rng.integers(0, 8, n_rows)] * 2
    hidden += rng.standard_normal((n_rows, n_hidden))
    X = hidden @ rng.standard_normal((n_hidden, n_columns)) / np.sqrt(n_hidden)
    X += 0.5 * rng.standard_normal((n_rows, n_columns))
    return X, hidden @ rng.standard_normal(n_hidden) / np.sqrt(n_hidden)


def _kept(name: str, make: Callable[[], tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    """Return arrays that are made once, and kept in shared memory from one process to the next."""
    paths = [KEPT / f"{name}.{i}.npy" for i in range(2)]
    try:
        return tuple(np.load(path) for path in paths)
    except (OSError, ValueError, EOFError):
        arrays = make()
    KEPT.mkdir(exist_ok=True)
    for path, array in zip(paths, arrays, strict=True):
        unfinished = path.with_suffix(f".{os.getpid()}.npy")
        np.save(unfinished, array)
        unfinished.replace(path)
    return arrays


def in_container(X: Any, y: Any, container: str) -> tuple[Any, Any]:
    """Return rows and target in the container that a workload asks for."""
    if container == "pandas":
        import pandas as pd

        return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]), None if y is None else pd.Series(y)
    if container == "cupy":
        import cupy

        return cupy.asarray(X), None if y is None else cupy.asarray(y)
    if container == "dask":
        import dask.array as da

        chunk = -(-len(X) // 8)
        blocks = da.from_array(X, chunks=(chunk, X.shape[1]))
        return blocks, None if y is None else da.from_array(y, chunks=chunk)
    return X, y  # "numpy" and "csr"
