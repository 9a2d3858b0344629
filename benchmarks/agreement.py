"""How far each reduction is from scikit-learn in float64, for every estimator and executor.

python benchmarks/agreement.py [--gpu] [--only NAME ...] [--output FILE]

One-pass estimators: the largest difference over all fitted attributes, relative to the largest value of the
attribute; asked for is 1e-8, and 1e-6 where the condition number of X is 1e6, or just below, since scikit-learn's
LinearRegression takes smaller singular values for zero. How far scikit-learn is from itself with the rows in reverse
stands beside that, as `itself`, where no folds depend on the order. Few-pass estimators: how far the
objective is above scikit-learn's at tol=1e-10, relative to it, where 1e-9 is asked for and a value below zero means
that scikit-learn stopped early; and the difference of what they predict, which is as far from the minimum as
scikit-learn is. What counts values of any kind runs on the host, so that of the GPU's executors only Dask takes it.
An executor that refuses an estimator says why, and is not counted.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from measure import save
from objectives import objective
from sklearn.base import clone, is_classifier
from sklearn.decomposition import PCA, IncrementalPCA

from skdist_gpu import autoscale
from skdist_gpu.exceptions import BackendError

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
from checked_estimators import counted_family, few_pass_family, least_squares_family, one_pass_family

N_ROWS, BLOCK_ROWS = 20_000, 3_000
# what says how a solver stopped, or has its sign or order by convention
LEFT_OUT = {"dual_gap_", "n_iter_", "labels_", "inertia_", "scalings_", "coef_path_", "alphas_", "rotations_"}
COUNTS = {"MultinomialNB", "ComplementNB", "BernoulliNB", "CategoricalNB", "OneHotEncoder", "OrdinalEncoder"}
POSITIVE = {"PoissonRegressor", "GammaRegressor", "TweedieRegressor"}
ASKED = {"one pass": 1e-8, "condition 1e6": 1e-6, "few passes": 1e-9, "on the host": 1e-8}


@dataclass(frozen=True)
class Case:
    """An estimator and the kind of agreement that is asked of it."""

    estimator: Any
    kind: str

    @property
    def name(self) -> str:
        return type(self.estimator).__name__


def cases() -> list[Case]:
    """Return all cases; tests/test_check_estimator.py sees that they have each estimator that the reductions fit."""
    found = [Case(e, "one pass") for e in least_squares_family() + one_pass_family()]
    found += [Case(e, "condition 1e6") for e in least_squares_family()]
    found += [Case(e, "on the host") for e in counted_family()]
    return found + [Case(e, "few passes") for e in few_pass_family()]


@cache
def make_table(condition: float | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return X, a score of each row with noise, and labels."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(N_ROWS, 8)) @ generator.normal(size=(8, 8))
    if condition:
        left, _, right = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
        X = np.sqrt(N_ROWS) * left * np.geomspace(1, 1 / condition, 8) @ right
    score = X @ generator.normal(size=8) / 4
    score -= score.mean()
    labels = np.digitize(score + generator.logistic(size=N_ROWS), [-1.0, 1.0])
    return X + 5, score + generator.normal(size=N_ROWS), labels


def make_data(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return X and y as the estimator takes them."""
    X, y, labels = make_table(0.99e6 if case.kind == "condition 1e6" else None)
    if case.name in COUNTS or getattr(case.estimator, "strategy", "") == "most_frequent":
        X = np.random.default_rng(1).poisson(np.exp(np.clip(X / 20, -2, 2))).astype(np.float64)
    if case.name == "SimpleImputer":
        X = np.where(np.arange(X.size).reshape(X.shape) % 11 == 0, np.nan, X)
    if is_classifier(case.estimator) or case.name == "SelectKBest":
        return X, labels
    return X, np.exp(y / 4) if case.name in POSITIVE else y


def in_files(X: np.ndarray, y: np.ndarray) -> tuple[Any, str]:
    """Write a Parquet file in row groups; return it as a dataset, and the name of the target."""
    import pyarrow
    import pyarrow.dataset
    import pyarrow.parquet

    folder = tempfile.mkdtemp()
    columns = {f"x{i}": column for i, column in enumerate(X.T)} | {"target": y}
    pyarrow.parquet.write_table(pyarrow.table(columns), f"{folder}/rows.parquet", row_group_size=BLOCK_ROWS)
    return pyarrow.dataset.dataset(folder), "target"


def on_dask(X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    import dask.array as da

    return da.from_array(X, chunks=(BLOCK_ROWS, X.shape[1])), da.from_array(y, chunks=BLOCK_ROWS)


def on_gpu(X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    import cupy

    return cupy.asarray(X), cupy.asarray(y)


def on_dask_on_gpu(X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    import cupy

    x_blocks, y_blocks = on_dask(X, y)
    return x_blocks.map_blocks(cupy.asarray, meta=cupy.empty((0, 0))), y_blocks.map_blocks(
        cupy.asarray, meta=cupy.empty(0, y.dtype)
    )


# executor -> backend, and what makes its data of arrays in main memory
ON_CPU = {
    "threads": ("reductions:cpu", lambda X, y: (X, y)),
    "files": ("reductions:cpu", in_files),
    "dask": ("reductions:dask", on_dask),
}
ON_GPU = {
    "resident": ("reductions:gpu", on_gpu),
    "streamed": ("reductions:gpu", lambda X, y: (X, y)),
    "files": ("reductions:gpu", in_files),
    "dask": ("reductions:dask", on_dask_on_gpu),
}


def difference(value: Any, expected: Any) -> float:
    """Return the largest difference of two fitted attributes, relative to the largest value; infinite if not alike."""
    if isinstance(expected, (list, tuple)) or getattr(expected, "dtype", None) == np.dtype(object):
        if len(value) != len(expected):
            return np.inf
        return max((difference(a, b) for a, b in zip(value, expected, strict=True)), default=0.0)
    if hasattr(expected, "get_params"):
        return difference_of_models(value, expected)
    if np.asarray(expected).dtype.kind not in "iufb":
        return 0.0 if np.array_equal(value, expected) else np.inf
    value, expected = np.asarray(value, np.float64), np.asarray(expected, np.float64)
    if value.shape != expected.shape or not np.array_equal(np.isfinite(value), np.isfinite(expected)):
        return np.inf
    value, expected = value[np.isfinite(expected)], expected[np.isfinite(expected)]
    scale = np.abs(expected).max(initial=0.0) or 1.0
    return float(np.abs(value - expected).max(initial=0.0) / scale)


def difference_of_models(model: Any, reference: Any) -> float:
    """Return the largest difference over the fitted attributes."""
    names = [n for n in vars(reference) if n.endswith("_") and not n.startswith("_") and n not in LEFT_OUT]
    if type(model) is not type(reference):
        names = [name for name in names if hasattr(model, name)]
    return max(difference(getattr(model, name), getattr(reference, name)) for name in names)


def difference_of_predictions(model: Any, reference: Any, X: np.ndarray) -> float:
    method = next(m for m in ("decision_function", "score_samples", "predict") if hasattr(reference, m))
    return difference(getattr(model, method)(X), getattr(reference, method)(X))


def fit_reference(case: Case, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    """Return the estimator to fit, and scikit-learn's fitted one."""
    estimator = clone(case.estimator)
    tight = {"tol": 1e-10, "max_iter": 10_000} if case.kind == "few passes" else {}
    estimator.set_params(**{name: value for name, value in tight.items() if name in estimator.get_params()})
    # IncrementalPCA is an approximation of PCA; ours is PCA
    twin = PCA(estimator.n_components) if type(estimator) is IncrementalPCA else clone(estimator)
    return estimator, twin.fit(X, y)


def measure(case: Case, executors: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a case: what is measured with each executor, and whether that is what is asked for."""
    description = re.sub(r"<function (\w+) at \w+>", r"\1", " ".join(repr(case.estimator).split()))
    row: dict[str, Any] = {"estimator": description, "kind": case.kind, "asked": ASKED[case.kind]}
    start = time.perf_counter()
    X, y = make_data(case)
    estimator, reference = fit_reference(case, X, y)
    row["reference_seconds"] = round(time.perf_counter() - start, 2)
    if case.kind == "condition 1e6" and "cv" not in estimator.get_params():
        row["itself"] = difference_of_models(clone(reference).fit(X[::-1], y[::-1]), reference)
    reached = []
    for executor, (backend, converted) in executors.items():
        if case.kind == "on the host" and backend == "reductions:gpu":
            continue
        start = time.perf_counter()
        try:
            model = autoscale(clone(estimator), backend=backend).fit(*converted(X, y)).estimator_
            if case.kind == "few passes":
                lowest = objective(reference, X, y)
                row[f"{executor}_predictions"] = difference_of_predictions(model, reference, X)
                row[executor] = (objective(model, X, y) - lowest) / abs(lowest)
            else:
                row[executor] = difference_of_models(model, reference)
            reached.append(row[executor] <= row["asked"])
        except BackendError as error:
            row[executor] = str(error).partition("\n")[0]
        except Exception as error:
            row[executor] = f"{type(error).__name__}: {error}"[:200]
            reached.append(False)
        row[f"{executor}_seconds"] = round(time.perf_counter() - start, 2)
    return row | {"reached": all(reached)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", action="store_true", help="the executors of a GPU in place of those of the CPU")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="classes of the estimators to measure")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.gpu:
        from skdist_gpu.engines.executors import gpu

        # several blocks of so few rows
        gpu.STEP_BYTES = 8 * 9 * BLOCK_ROWS
    rows = []
    for case in cases():
        if arguments.only is None or case.name in arguments.only:
            rows.append(measure(case, ON_GPU if arguments.gpu else ON_CPU))
            print(rows[-1], flush=True)
            save(rows, arguments.output)
    missed = [f"{row['estimator']} ({row['kind']})" for row in rows if not row["reached"]]
    print(len(rows) - len(missed), "of", len(rows), "as asked; not:", *missed)


if __name__ == "__main__":
    main()
