"""Seconds of a fit by each reduction on rows that a GPU or main memory holds, and of cuML or scikit-learn beside it.

python benchmarks/resident.py {gpu,cpu} [--rows 4000000] [--columns 50] [--only NAME ...] [--output FILE]

All fits go through the wrapper.
"""

from __future__ import annotations

import argparse
import pathlib
import warnings

import numpy as np
from measure import report, timed
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, VarianceThreshold, chi2, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lars,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    OrthogonalMatchingPursuit,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    TweedieRegressor,
)
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, QuantileTransformer, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

from skdist_gpu import autoscale, config_context
from skdist_gpu.exceptions import BackendError

LOG_LOSS_CV = {"l1_ratios": (0,), "use_legacy_attributes": False, "scoring": "neg_log_loss"}
# what they learn from beside the rows; "counts" takes whole numbers for rows, too
ESTIMATORS = {
    "numbers": [
        *(LinearRegression(), Ridge(), RidgeCV(), RidgeCV(cv=5), Lasso(0.01), LassoCV(), ElasticNet(0.01), Lars()),
        *(BayesianRidge(), ARDRegression(), OrthogonalMatchingPursuit(), HuberRegressor()),
        *(LinearSVR(loss="squared_epsilon_insensitive"), SelectKBest(f_regression, k=5)),
    ],
    "positive": [PoissonRegressor(), GammaRegressor(), TweedieRegressor(power=1.5)],
    "two classes": [
        *(RidgeClassifier(), RidgeClassifierCV(), LinearSVC(), LogisticRegression()),
        *(LogisticRegression(C=1e-3, l1_ratio=1, solver="saga"), LogisticRegressionCV(**LOG_LOSS_CV)),
    ],
    "five classes": [
        *(LinearDiscriminantAnalysis(), QuadraticDiscriminantAnalysis(), GaussianNB(), NearestCentroid()),
        *(SelectKBest(k=5), LinearSVC(), LogisticRegression()),
    ],
    "counts": [MultinomialNB(), ComplementNB(), BernoulliNB(), CategoricalNB(), SelectKBest(chi2, k=5)],
    "nothing": [
        *(PCA(10), TruncatedSVD(10), EmpiricalCovariance(), LedoitWolf(), OAS(), StandardScaler(), MinMaxScaler()),
        *(MaxAbsScaler(), RobustScaler(), QuantileTransformer(), VarianceThreshold(), SimpleImputer()),
        *(SimpleImputer(strategy="median"), KMeans(8, n_init=1, max_iter=30, random_state=0)),
        *(MiniBatchKMeans(8, random_state=0), GaussianMixture(4, max_iter=10, random_state=0)),
        GaussianMixture(4, covariance_type="diag", max_iter=10, random_state=0),
    ],
}


def make_tables(xp, n_rows, n_columns):
    """Return X and y for each kind of target."""
    generator = xp.random.default_rng(0)
    X = generator.standard_normal((n_rows, n_columns), dtype=np.float32)
    X += xp.arange(n_columns, dtype=np.float32) / 10
    y = X @ generator.standard_normal(n_columns, dtype=np.float32) + generator.standard_normal(n_rows)
    fifths = xp.clip((y - y.mean()) / y.std() + 2.5, 0, 4.999).astype(np.int32)
    return {
        "numbers": (X, y),
        "positive": (X, abs(y) + 1),
        "two classes": (X, (y > xp.median(y)).astype(np.int32)),
        "five classes": (X, fifths),
        "counts": (xp.floor(abs(X)), fifths),
        "nothing": (X,),
    }


def seconds_of(xp, estimator, data, backend):
    """Return the shorter of two fits, on a GPU after one that compiles; None where the engine has no such fit."""

    def fit():
        autoscale(estimator, backend=backend).fit(*data)
        if xp is not np:
            xp.cuda.runtime.deviceSynchronize()

    try:
        if xp is not np:
            fit()
        return timed(fit, 2)[0]
    except BackendError:
        return None
    finally:
        if xp is not np:
            xp.get_default_memory_pool().free_all_blocks()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("where", choices=["gpu", "cpu"])
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of names")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.where == "gpu":
        import cupy as xp
    else:
        xp = np
    other = {"gpu": "cuml", "cpu": "sklearn"}[arguments.where]
    tables, rows = make_tables(xp, arguments.rows, arguments.columns), []
    with config_context(fallback="raise"):
        for kind, estimators in ESTIMATORS.items():
            for estimator in estimators:
                name = " ".join(repr(estimator).split())
                if not name.startswith(tuple(arguments.only)):
                    continue
                data, row = tables[kind], {"estimator": name, "target": kind}
                row["reductions_seconds"] = seconds_of(xp, estimator, data, f"reductions:{arguments.where}")
                row[f"{other}_seconds"] = seconds_of(xp, estimator, data, other)
                row["chosen"] = autoscale(estimator).plan(*data).backend
                rows.append(row)
                print(row, flush=True)
    report(rows, arguments.output, n_rows=arguments.rows, n_columns=arguments.columns)


if __name__ == "__main__":
    main()
