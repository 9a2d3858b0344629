"""Seconds of a fit by each reduction on rows that a GPU holds, and of cuML behind the same wrapper where it has one.

python benchmarks/resident.py [--rows 4000000] [--columns 50] [--only NAME ...] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
import warnings

import cupy
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


def make_tables(n_rows, n_columns):
    """Return X and y for each kind of target."""
    generator = cupy.random.default_rng(0)
    X = generator.standard_normal((n_rows, n_columns), dtype=cupy.float32)
    X += cupy.arange(n_columns, dtype=cupy.float32) / 10
    y = X @ generator.standard_normal(n_columns, dtype=cupy.float32) + generator.standard_normal(n_rows)
    fifths = cupy.clip((y - y.mean()) / y.std() + 2.5, 0, 4.999).astype(cupy.int32)
    return {
        "numbers": (X, y),
        "positive": (X, cupy.abs(y) + 1),
        "two classes": (X, (y > cupy.median(y)).astype(cupy.int32)),
        "five classes": (X, fifths),
        "counts": (cupy.floor(cupy.abs(X)), fifths),
        "nothing": (X,),
    }


def seconds_of(estimator, data, backend):
    """Return the shorter of two fits after a first one, which compiles; why not where it fails."""

    def fit():
        autoscale(estimator, backend=backend).fit(*data)
        cupy.cuda.runtime.deviceSynchronize()

    try:
        fit()
        return timed(fit, 2)[0]
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        cupy.get_default_memory_pool().free_all_blocks()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of names")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    tables, rows = make_tables(arguments.rows, arguments.columns), []
    with config_context(fallback="raise"):
        for kind, estimators in ESTIMATORS.items():
            for estimator in estimators:
                name = " ".join(repr(estimator).split())
                if not name.startswith(tuple(arguments.only)):
                    continue
                row = {"estimator": name, "target": kind, "reductions_seconds": None, "cuml_seconds": None}
                row["reductions_seconds"] = seconds_of(estimator, tables[kind], "reductions:gpu")
                row["cuml_seconds"] = seconds_of(estimator, tables[kind], "cuml")
                row["chosen"] = autoscale(estimator).plan(*tables[kind]).backend
                rows.append(row)
                print(row, flush=True)
    report(rows, arguments.output, rows=arguments.rows, columns=arguments.columns)


if __name__ == "__main__":
    main()
