"""Time and check the one-pass reductions against scikit-learn, dask_ml and cuML in one run.

python benchmarks/one_pass.py cpu   [--rows 2000000] [--columns 100] [--only NAME ...] [--output FILE]
python benchmarks/one_pass.py dask  [--rows 2000000] [--columns 100] [--only NAME ...] [--output FILE]
python benchmarks/one_pass.py gpu   [--rows 25000000] [--columns 100] [--only NAME ...] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
from functools import partial

import numpy as np
from measure import PeakMemory, report, timed
from sklearn.base import clone
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, VarianceThreshold, chi2, f_classif, f_regression
from sklearn.impute import SimpleImputer
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from skdist_gpu import autoscale

N_CLASSES = 3
BLOCK = 50_000
# estimator, attribute that is compared; both with counts and without
CONTINUOUS = [
    (StandardScaler(), "var_"),
    (MinMaxScaler(), "scale_"),
    (MaxAbsScaler(), "scale_"),
    (RobustScaler(), "scale_"),
    (QuantileTransformer(subsample=None), "quantiles_"),
    (VarianceThreshold(), "variances_"),
    (SimpleImputer(), "statistics_"),
    (KBinsDiscretizer(strategy="uniform", subsample=None), "n_bins_"),
    (PCA(), "explained_variance_"),
    (PCA(10, svd_solver="full"), "components_"),
    (TruncatedSVD(10), "explained_variance_"),
    (IncrementalPCA(), "components_"),
    (EmpiricalCovariance(), "covariance_"),
    (LedoitWolf(), "covariance_"),
    (OAS(), "covariance_"),
    (GaussianNB(), "var_"),
    (LinearDiscriminantAnalysis(), "coef_"),
    (QuadraticDiscriminantAnalysis(), "means_"),
    (NearestCentroid(), "deviations_"),
    (SelectKBest(f_classif), "scores_"),
    (SelectKBest(f_regression), "scores_"),
]
COUNTS = [
    (MultinomialNB(), "feature_log_prob_"),
    (ComplementNB(), "feature_log_prob_"),
    (BernoulliNB(binarize=2.0), "feature_log_prob_"),
    (CategoricalNB(), "class_log_prior_"),
    (SelectKBest(chi2), "scores_"),
]


def make_table(n_rows, n_columns, dtype=np.float64, counts=False):
    """Return rows around the centers of their classes, or counts, and the classes; made block by block."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, N_CLASSES, n_rows)
    centers = generator.normal(size=(N_CLASSES, n_columns))
    scales = generator.uniform(0.5, 3.0, n_columns)
    X = np.empty((n_rows, n_columns), dtype)
    for start in range(0, n_rows, BLOCK):
        rows = slice(start, start + BLOCK)
        if counts:
            X[rows] = generator.poisson(1 + np.abs(centers[labels[rows]]))
        else:
            X[rows] = 5 + centers[labels[rows]] + scales * generator.standard_normal((len(X[rows]), n_columns))
    return X, labels


def chosen(estimators, only):
    return [(e, attribute) for e, attribute in estimators if not only or type(e).__name__ in only]


def difference(model, reference, attribute):
    """Return the largest difference relative to the largest value."""
    value, expected = (np.asarray(getattr(m, attribute), dtype=np.float64) for m in (model, reference))
    return float(np.nanmax(np.abs(value - expected)) / np.nanmax(np.abs(expected)))


def cpu(n_rows, n_columns, only):
    rows = []
    for estimators, counts in ((CONTINUOUS, False), (COUNTS, True)):
        estimators = chosen(estimators, only)
        if not estimators:
            continue
        X, y = make_table(n_rows, n_columns, counts=counts)
        for estimator, attribute in estimators:
            ours, theirs = autoscale(estimator, backend="reductions:cpu"), clone(estimator)
            with PeakMemory() as memory:
                ours_seconds, model = timed(partial(ours.fit, X, y), 3)
            seconds, reference = timed(partial(theirs.fit, X, y), 2 if ours_seconds < 2 else 1)
            rows.append(
                {
                    "estimator": repr(estimator),
                    "reductions_seconds": ours_seconds,
                    "sklearn_seconds": seconds,
                    "ratio": seconds / ours_seconds,
                    "attribute": attribute,
                    "relative_difference": difference(model, reference, attribute),
                    "extra_memory_MB": memory.extra / 1e6,
                    "auto": str(autoscale(estimator).plan(X, y).backend),
                }
            )
            print(rows[-1], flush=True)
    return rows


def dask_arrays(n_rows, n_columns, only):
    import dask
    import dask.array as da
    from dask_ml.decomposition import PCA as DaskPCA
    from dask_ml.naive_bayes import GaussianNB as DaskGaussianNB
    from dask_ml.preprocessing import MinMaxScaler as DaskMinMaxScaler
    from dask_ml.preprocessing import QuantileTransformer as DaskQuantileTransformer
    from dask_ml.preprocessing import RobustScaler as DaskRobustScaler
    from dask_ml.preprocessing import StandardScaler as DaskStandardScaler

    X, y = make_table(n_rows, n_columns)
    dX, dy = (da.from_array(part, chunks=(n_rows // 16, *part.shape[1:])).persist() for part in (X, y))
    cases = [
        (PCA(10), "explained_variance_", [DaskPCA(10, random_state=0), DaskPCA(10, svd_solver="full")]),
        (GaussianNB(), "theta_", [DaskGaussianNB()]),
        (StandardScaler(), "var_", [DaskStandardScaler()]),
        (MinMaxScaler(), "scale_", [DaskMinMaxScaler()]),
        (RobustScaler(), "scale_", [DaskRobustScaler()]),
        (QuantileTransformer(subsample=None), "quantiles_", [DaskQuantileTransformer()]),
    ]
    rows = []
    for estimator, attribute, peers in cases:
        if only and type(estimator).__name__ not in only:
            continue
        reference = clone(estimator).fit(X, y)
        ours_seconds, model = timed(lambda e=estimator: autoscale(e, backend="reductions:dask").fit(dX, dy), 3)
        rows.append(
            {
                "who": f"autoscale({estimator!r})",
                "seconds": ours_seconds,
                "relative_difference": difference(model, reference, attribute),
            }
        )
        print(rows[-1], flush=True)
        for peer in peers:

            def theirs(peer=peer):
                model = peer.fit(dX, dy) if isinstance(peer, DaskGaussianNB) else peer.fit(dX)
                # dask_ml leaves some of what it learns lazy, the variances of GaussianNB among it
                vars(model).update(dask.compute(vars(model))[0])
                return model

            seconds, found = timed(theirs)
            rows.append(
                {
                    "who": f"dask_ml {peer!r}",
                    "seconds": seconds,
                    "ratio": seconds / ours_seconds,
                    "relative_difference": difference(found, reference, attribute),
                }
            )
            print(rows[-1], flush=True)
    return rows


def gpu(n_rows, n_columns, only):
    import cuml
    import cupy

    peers = {
        "PCA": cuml.PCA,
        "TruncatedSVD": cuml.TruncatedSVD,
        "GaussianNB": cuml.naive_bayes.GaussianNB,
        "MultinomialNB": cuml.naive_bayes.MultinomialNB,
        "StandardScaler": cuml.preprocessing.StandardScaler,
        "MinMaxScaler": cuml.preprocessing.MinMaxScaler,
        "EmpiricalCovariance": None,
        "LinearDiscriminantAnalysis": None,
        "LedoitWolf": None,
    }
    cases = [(PCA(10), "explained_variance_"), *CONTINUOUS, *COUNTS[:1]]
    rows, made = [], None
    for estimator, attribute in chosen(cases, only):
        name = type(estimator).__name__
        if name not in peers or (name == "PCA" and estimator.n_components is None):
            continue
        counts = name == "MultinomialNB"
        if made is None or made[0] != counts:
            X, y = make_table(n_rows, n_columns, np.float32, counts)
            dX, dy = cupy.asarray(X), cupy.asarray(y)
            made = (counts,)
        # float64 sums over host threads stand for the truth
        truth = autoscale(estimator, backend="reductions:cpu").fit(X, y)
        for place, data in (("CuPy", (dX, dy)), ("NumPy", (X, y))):

            def ours(e=estimator, data=data):
                model = autoscale(e, backend="reductions:gpu").fit(*data)
                cupy.cuda.runtime.deviceSynchronize()
                return model

            ours()
            ours_seconds, model = timed(ours, 5)
            row = {
                "estimator": repr(estimator),
                "from": place,
                "reductions_seconds": ours_seconds,
                "attribute": attribute,
                "relative_difference": difference(model, truth, attribute),
            }
            if peers[name] is not None:

                def theirs(cls=peers[name], e=estimator, data=data):
                    options = {"n_components": 10} if hasattr(e, "n_components") else {}
                    model = cls(**options).fit(*data)
                    cupy.cuda.runtime.deviceSynchronize()
                    return model

                try:
                    theirs()
                    seconds, found = timed(theirs, 3)
                    value = getattr(found, attribute)
                    setattr(found, attribute, value.get() if hasattr(value, "get") else np.asarray(value))
                    row |= {"cuml_seconds": seconds, "ratio": seconds / ours_seconds}
                    row["cuml_relative_difference"] = difference(found, truth, attribute)
                except Exception as error:  # cuML runs out of memory, or takes no such data
                    row["cuml_error"] = f"{type(error).__name__}: {error}"[:200]
            rows.append(row)
            print(row, flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["cpu", "dask", "gpu"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    n_rows = arguments.rows or (25_000_000 if arguments.what == "gpu" else 2_000_000)
    measure = {"cpu": cpu, "dask": dask_arrays, "gpu": gpu}[arguments.what]
    rows = measure(n_rows, arguments.columns, arguments.only)
    report(rows, arguments.output, n_rows=n_rows, n_columns=arguments.columns)


if __name__ == "__main__":
    main()
