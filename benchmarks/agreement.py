"""How far each reduction is from scikit-learn in float64, for every estimator and executor.

python benchmarks/agreement.py threads dask [--output FILE]
python benchmarks/agreement.py gpu gpu-streamed [--output FILE]

The difference is the largest over all fitted float attributes, relative to the largest value of the
attribute. Few-pass estimators are compared by what they predict, against scikit-learn at tol=1e-10, and
by how far their objective is above scikit-learn's, relative to it: below zero, scikit-learn stopped early.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import warnings

import numpy as np
from measure import report
from objectives import objective
from sklearn.base import clone
from sklearn.decomposition import PCA, IncrementalPCA

from skdist_gpu import autoscale

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
from checked_estimators import counted_family, few_pass_family, least_squares_family, one_pass_family

# what says how a solver stopped, or has its sign and order by convention
LEFT_OUT = {
    "dual_gap_",
    "n_iter_",
    "scores_",
    "labels_",
    "inertia_",
    "scalings_",
    "coef_path_",
    "alphas_",
    "rotations_",
}
COUNTED = {"MultinomialNB", "ComplementNB", "BernoulliNB", "CategoricalNB"}
POSITIVE = {"PoissonRegressor", "GammaRegressor", "TweedieRegressor"}


def make_data(name):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(20_000, 8)) @ generator.normal(size=(8, 8)) + 5
    score = X @ generator.normal(size=8) / 4
    score -= score.mean()
    if name in COUNTED:
        X = generator.poisson(np.exp(np.clip(X / 20, -2, 2)), size=X.shape).astype(np.float64)
    labels = np.digitize(score + generator.logistic(size=len(X)), [-1.0, 1.0])
    return X, score + generator.normal(size=len(X)), labels


def target_for(estimator, y, labels):
    name = type(estimator).__name__
    classified = getattr(estimator, "_estimator_type", "") == "classifier" or hasattr(estimator, "predict_proba")
    if classified or name in ("RidgeClassifier", "RidgeClassifierCV", "LinearSVC", "NearestCentroid"):
        return labels
    if name == "SelectKBest":
        return labels
    return np.exp(y / 4) if name in POSITIVE else y


def executor_arguments(executor, X, y):
    if executor == "dask":
        import dask.array as da

        return "reductions:dask", da.from_array(X, chunks=(3_000, X.shape[1])), da.from_array(y, chunks=3_000)
    if executor == "gpu":
        import cupy

        return "reductions:gpu", cupy.asarray(X), cupy.asarray(y)
    return ("reductions:gpu" if executor == "gpu-streamed" else "reductions:cpu"), X, y


def difference(found, expected):
    """Return the largest relative difference of the fitted float attributes."""
    worst = 0.0
    for name, value in vars(expected).items():
        if not name.endswith("_") or name.startswith("_") or name in LEFT_OUT or not hasattr(found, name):
            continue
        try:
            value, other = np.asarray(value, np.float64), np.asarray(getattr(found, name), np.float64)
        except (TypeError, ValueError):
            continue
        known = np.isfinite(value)
        if value.size and known.any():
            scale = float(np.abs(value[known]).max()) or 1.0
            worst = max(worst, float(np.abs(value[known] - other[known]).max()) / scale)
    return worst


def predictions(found, expected, X):
    methods = ("decision_function", "score_samples", "predict")
    method = next(m for m in methods if hasattr(expected, m))
    a, b = getattr(found, method)(X), getattr(expected, method)(X)
    return float(np.abs(a - b).max() / np.abs(b).max())


def compare(estimator, executor, few_passes):
    X, y, labels = make_data(type(estimator).__name__)
    target = target_for(estimator, y, labels)
    tight = {k: v for k, v in {"tol": 1e-10, "max_iter": 10_000}.items() if few_passes and k in estimator.get_params()}
    # IncrementalPCA is an approximation of PCA; ours is PCA
    twin = PCA(estimator.n_components) if type(estimator) is IncrementalPCA else clone(estimator)
    reference = twin.set_params(**tight).fit(X, target)
    backend, data, codes = executor_arguments(executor, X, target)
    model = autoscale(clone(estimator).set_params(**tight), backend=backend).fit(data, codes)
    if type(estimator).__name__ in ("KMeans", "MiniBatchKMeans"):
        return float(model.inertia_ / reference.inertia_ - 1), None
    if not few_passes:
        return difference(model.estimator_, reference), None
    theirs = objective(reference, X, target)
    above = None if theirs is None else objective(model.estimator_, X, target) / theirs - 1
    return predictions(model.estimator_, reference, X), above


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("executors", nargs="+", choices=["threads", "dask", "gpu", "gpu-streamed"])
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    families = [(e, False) for e in least_squares_family() + one_pass_family() + counted_family()]
    for estimator, few_passes in families + [(e, True) for e in few_pass_family()]:
        row = {"estimator": repr(estimator)}
        for executor in arguments.executors:
            try:
                row[executor], above = compare(estimator, executor, few_passes)
                if above is not None:
                    row[f"{executor}_objective_above"] = above
            except Exception as error:
                row[executor] = f"{type(error).__name__}: {error}"[:200]
        rows.append(row)
        print(row, flush=True)
    report(rows, arguments.output)


if __name__ == "__main__":
    main()
