"""dask_ml's estimators against scikit-learn's answer, and against this package over the same Dask blocks.

python benchmarks/dask_ml_answers.py [--rows 200000] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
import warnings

import dask
import dask.array as da
import numpy as np
from measure import report, timed
from sklearn.cluster import KMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import QuantileTransformer, RobustScaler

from skdist_gpu import autoscale

N_COLUMNS, N_CLUSTERS = 10, 50
generator = np.random.default_rng(0)


def relative(found, expected):
    """Return the largest difference, relative to the largest value."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    if found.shape != expected.shape:
        found = found.reshape(expected.shape)
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def inertia(model, X):
    """Return the sum of squared distances to the nearest center."""
    return float(((X[:, None, :] - np.asarray(model.cluster_centers_)) ** 2).sum(axis=2).min(axis=1).sum())


def cases(n_rows):
    """Yield scikit-learn's estimator, dask_ml's, what of y they need, and what to compare."""
    import dask_ml.cluster
    import dask_ml.decomposition
    import dask_ml.linear_model
    import dask_ml.naive_bayes
    import dask_ml.preprocessing

    linear = dask_ml.linear_model
    yield LinearRegression(), linear.LinearRegression(solver="lbfgs"), "real", "coef_"
    # penalties that count: dask_ml's is added to a sum over rows, PoissonRegressor's to a mean
    exact = {"tol": 1e-8, "max_iter": 1000}
    strong = {"C": 1e-3, **exact}
    yield LogisticRegression(**strong), linear.LogisticRegression(solver="lbfgs", **strong), "binary", "coef_"
    theirs = linear.PoissonRegression(solver="lbfgs", C=1 / (1e-2 * n_rows), **exact)
    yield PoissonRegressor(alpha=1e-2, **exact), theirs, "counts", "coef_"
    priors = np.array([0.9, 0.1])
    yield GaussianNB(), dask_ml.naive_bayes.GaussianNB(), "binary", "theta_"
    yield GaussianNB(priors=priors), dask_ml.naive_bayes.GaussianNB(priors=priors), "binary", "class_prior_"
    yield IncrementalPCA(3), dask_ml.decomposition.IncrementalPCA(3), None, "explained_variance_"
    yield RobustScaler(), dask_ml.preprocessing.RobustScaler(), None, "center_"
    quantiles = {"n_quantiles": 100, "subsample": 10**9}
    yield QuantileTransformer(**quantiles), dask_ml.preprocessing.QuantileTransformer(**quantiles), None, "quantiles_"
    yield KMeans(N_CLUSTERS, n_init=1, random_state=0), dask_ml.cluster.KMeans(N_CLUSTERS, random_state=0), None, None


def main():
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    centers = 3 * generator.standard_normal((N_CLUSTERS, N_COLUMNS))
    labels = np.sort(generator.integers(0, N_CLUSTERS, arguments.rows))  # blocks differ, as those of files do
    X = (centers[labels] + generator.standard_normal((arguments.rows, N_COLUMNS))) * np.linspace(0.1, 2, N_COLUMNS)
    scores = X @ generator.standard_normal(N_COLUMNS) / X.std() / 3
    targets = {
        None: None,
        "real": scores + generator.standard_normal(len(X)),
        "binary": (scores + generator.logistic(size=len(X)) > 0).astype(int),
        "counts": generator.poisson(np.exp(np.clip(scores, -3, 3))),
    }
    blocks = da.from_array(X, chunks=(len(X) // 16, N_COLUMNS))
    rows = []
    for plain, theirs, kind, attribute in cases(len(X)):
        y = targets[kind]
        lazy = {} if y is None else {"y": da.from_array(y, chunks=len(X) // 16)}
        reference = plain.fit(X, y)
        row = {"estimator": type(plain).__name__, "compared": attribute or "inertia"}
        try:
            ours = autoscale(type(plain)(**plain.get_params()), backend="reductions:dask")
            row["ours_seconds"], ours = timed(lambda ours=ours, lazy=lazy: ours.fit(blocks, **lazy))
            if attribute:
                row["ours_difference"] = relative(getattr(ours, attribute), getattr(reference, attribute))
            else:
                row["ours_difference"] = inertia(ours, X[::50]) / inertia(reference, X[::50]) - 1
        except Exception as error:
            row["ours_error"] = f"{type(error).__name__}: {error}"[:150]
        try:

            def their_fit(theirs=theirs, lazy=lazy, attribute=attribute):
                model = theirs.fit(blocks, **lazy)
                return model, None if attribute is None else dask.compute(getattr(model, attribute))[0]

            row["dask_ml_seconds"], (model, value) = timed(their_fit)
            if attribute:
                row["dask_ml_left_lazy"] = dask.is_dask_collection(getattr(model, attribute))
                row["dask_ml_difference"] = relative(value, getattr(reference, attribute))
            else:
                row["dask_ml_difference"] = inertia(model, X[::50]) / inertia(reference, X[::50]) - 1
                row["dask_ml_inertia_over_true"] = float(model.inertia_) / 50 / inertia(model, X[::50])
        except Exception as error:
            row["dask_ml_error"] = f"{type(error).__name__}: {error}"[:150]
        rows.append(row)
        print(row, flush=True)
    report(rows, arguments.output, n_rows=arguments.rows)


if __name__ == "__main__":
    main()
