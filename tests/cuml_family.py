"""What cuML fits beside the estimators that the other lists name, with data and a measure of quality for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, SpectralClustering
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from sklearn.datasets import make_blobs, make_classification, make_regression, make_s_curve
from sklearn.decomposition import IncrementalPCA, TruncatedSVD
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.manifold import TSNE, SpectralEmbedding, trustworthiness
from sklearn.metrics import adjusted_rand_score, roc_auc_score
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KernelDensity, NearestNeighbors
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.svm import SVC, SVR, LinearSVR

COUNTED = ("MultinomialNB", "ComplementNB", "BernoulliNB", "CategoricalNB")


def cuml_family() -> list[Any]:
    """Return the estimators."""
    seed = {"random_state": 0}
    supervised = [SVC(), SVC(kernel="linear", class_weight="balanced"), SVR(), KernelRidge(kernel="rbf")]
    supervised.append(LinearSVR(loss="squared_epsilon_insensitive"))
    supervised += [GaussianNB(), MultinomialNB(), ComplementNB(), BernoulliNB(), CategoricalNB()]
    clusters = [DBSCAN(1.5), HDBSCAN(min_cluster_size=20, copy=True), AgglomerativeClustering(6, linkage="single")]
    clusters.append(SpectralClustering(6, affinity="nearest_neighbors", **seed))
    transformers = [IncrementalPCA(3), TruncatedSVD(3, algorithm="arpack"), StandardScaler()]
    transformers += [GaussianRandomProjection(4, **seed), SparseRandomProjection(4, **seed)]
    transformers += cuml_preprocessing()
    embeddings = [TSNE(max_iter=500, **seed), SpectralEmbedding(affinity="nearest_neighbors", **seed)]
    others = [EmpiricalCovariance(), LedoitWolf(), NearestNeighbors(), KernelDensity(bandwidth=0.7)]
    return [*supervised, *clusters, *transformers, *embeddings, *others, IsolationForest(**seed)]


def cuml_preprocessing() -> list[Any]:
    """Return the transformers of dense numbers whose statistics cuML takes."""
    bins = KBinsDiscretizer(4, strategy="uniform", encode="ordinal", subsample=None)
    scalers = [MinMaxScaler(), MaxAbsScaler(), RobustScaler(), SimpleImputer(add_indicator=True), bins]
    return [*scalers, PolynomialFeatures(), Normalizer(), Binarizer(threshold=0.1)]


def small(estimator: Any) -> Any:
    """Return an estimator with parameters that fit the few rows and columns of scikit-learn's checks."""
    few = {"perplexity": 2.0, "n_neighbors": 3, "n_estimators": 5, "min_cluster_size": 5, "n_clusters": 2}
    if type(estimator).__name__ != "TSNE":
        few["n_components"] = 1
    return estimator.set_params(**{name: value for name, value in few.items() if name in estimator.get_params()})


def make_data(estimator: Any, n_rows: int = 2000) -> tuple[Any, Any]:
    """Return X and y that suit an estimator; y is None where it needs none."""
    if type(estimator).__name__ in COUNTED:
        generator = np.random.default_rng(0)
        y = generator.integers(0, 3, n_rows)
        return np.minimum(generator.poisson(1.0 + 2 * (y[:, None] == np.arange(4) % 3)), 6).astype(float), y
    if is_classifier(estimator):
        return make_classification(n_rows, 8, n_informative=6, n_redundant=0, n_classes=3, random_state=0)
    if is_regressor(estimator):
        return make_regression(n_rows, 8, n_informative=6, noise=5.0, random_state=0)
    if type(estimator).__name__ == "SpectralEmbedding":  # one connected surface
        return make_s_curve(n_rows, noise=0.05, random_state=0)[0], None
    if type(estimator).__name__ == "IsolationForest":  # one row in twenty is from a wider cloud
        spread = np.where(np.arange(n_rows) % 20, 1.0, 3.0)
        return np.random.default_rng(0).normal(size=(n_rows, 8)) * spread[:, None], None
    return make_blobs(n_rows, 8, centers=6, random_state=0)[0], None


def qualities(fitted: Any, reference: Any, X: Any, y: Any) -> tuple[float, float]:
    """Return how good two fitted plain estimators are, by one measure, higher better."""
    if y is not None:
        return fitted.score(X, y), reference.score(X, y)
    if hasattr(reference, "embedding_"):
        return trustworthiness(X, fitted.embedding_), trustworthiness(X, reference.embedding_)
    if hasattr(reference, "labels_"):
        return adjusted_rand_score(reference.labels_, fitted.labels_), 1.0
    if hasattr(reference, "kneighbors"):
        return -fitted.kneighbors(X)[0].mean(), -reference.kneighbors(X)[0].mean()
    if hasattr(reference, "estimators_"):  # by chance: how well each finds the rows that are far out
        return roc_auc_score(_is_far_out(X), -fitted.score_samples(X)), roc_auc_score(
            _is_far_out(X), -reference.score_samples(X)
        )
    if hasattr(reference, "score_samples"):
        return _explained(fitted.score_samples(X), reference.score_samples(X)), 1.0
    if hasattr(reference, "covariance_"):
        return _explained(fitted.covariance_, reference.covariance_), 1.0
    if type(reference).__name__.endswith("RandomProjection"):
        return _spread(fitted.transform(X), X), _spread(reference.transform(X), X)
    return _explained(fitted.transform(X), reference.transform(X)), 1.0


def _is_far_out(X: Any) -> Any:
    return np.arange(len(X)) % 20 == 0


def _explained(found: Any, expected: Any) -> float:
    """Return R² of one array for the other."""
    return 1 - float(np.sum((found - expected) ** 2) / np.sum((expected - expected.mean(axis=0)) ** 2))


def _spread(projected: Any, X: Any) -> float:
    """Return 1 where a projection keeps distances within what four components can: half to twice the length."""
    dense = projected.toarray() if hasattr(projected, "toarray") else projected
    return float(0.3 < np.linalg.norm(dense) / np.linalg.norm(X) < 3.0)
