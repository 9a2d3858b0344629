"""GaussianMixture by expectation maximisation on sums over rows.

Sources: Dempster, Laird & Rubin, "Maximum Likelihood from Incomplete Data via the EM Algorithm",
J. R. Stat. Soc. B 39, 1977; Bishop, "Pattern Recognition and Machine Learning", Springer 2006,
section 9.2.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skdist_gpu._compat.sklearn import check_starts, roots_of_precisions
from skdist_gpu._compat.sklearn_classes import make_kmeans
from skdist_gpu.engines.reductions.clusters.kmeans import fit_kmeans
from skdist_gpu.engines.reductions.clusters.steps import Centres
from skdist_gpu.engines.reductions.core.protocol import Passes, column_sums, dot, namespace, too_few_rows
from skdist_gpu.engines.reductions.core.sample import look, narrow_slices
from skdist_gpu.engines.reductions.entries import everywhere

ILL_DEFINED = (
    "Fitting the mixture model failed because some components have ill-defined empirical covariance (for instance "
    "caused by singleton or collapsed samples). Try to decrease the number of components, increase reg_covar, or "
    "scale the input data."
)


@dataclass(frozen=True)
class Mixture:
    """Parameters of a mixture of Gaussians, in scikit-learn's shapes; means are less `center`."""

    kind: str
    center: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    covariances: Any = None
    roots: Any = None

    def log_probability(self, rows: Any) -> Any:
        """Return the logarithm of weight times density of each component for each row."""
        xp = namespace(rows)
        means, roots = xp.asarray(self.means), xp.asarray(self.roots)
        n_features = rows.shape[1]
        if self.kind in ("full", "tied"):
            distances = xp.empty((rows.shape[0], len(means)))
            whitened = dot(rows, roots) if self.kind == "tied" else None
            for k in range(len(means)):
                root = roots if whitened is not None else roots[k]
                difference = (dot(rows, root) if whitened is None else whitened) - means[k] @ root
                distances[:, k] = xp.einsum("ij,ij->i", difference, difference)
            log_det = np.log(np.diagonal(self.roots, axis1=-2, axis2=-1)).sum(axis=-1)
        else:
            precisions = (roots if self.kind == "diag" else roots[:, None] * xp.ones(n_features)) ** 2
            distances = dot(rows * rows, precisions.T) - 2 * dot(rows, (means * precisions).T)
            distances += (means * means * precisions).sum(axis=1)
            log_det = np.log(self.roots).sum(axis=1) if self.kind == "diag" else n_features * np.log(self.roots)
        constant = log_det + np.log(self.weights) - 0.5 * n_features * np.log(2 * np.pi)
        return xp.asarray(constant) - 0.5 * distances


@dataclass
class MixtureSums:
    """Sums over rows weighted by the components' shares in them.

    `row` and `square` are of the rows less what `Mixture.means` holds for "full", else less the centre.
    """

    share: Any
    row: Any
    square: Any
    log_likelihood: Any

    def plus(self, other: MixtureSums) -> MixtureSums:
        """Return the sums of both sets of rows."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("share", "row", "square", "log_likelihood"))
        return MixtureSums(*(a + b for a, b in pairs))


class MixtureReduction:
    """Share the rows among the components, and sum them.

    Without `roots` the mixture is only centres: each row goes whole to the nearest.
    """

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def map(self, X: Any, y: Any, sample_weight: Any) -> MixtureSums:
        """Return the sums of a block."""
        total = None
        for part in narrow_slices(X.shape[0], 2 + 3 * len(self.mixture.means) / X.shape[1]):
            sums = self._map_rows(X[part])
            total = sums if total is None else total.plus(sums)
        assert total is not None
        return total

    def _map_rows(self, X: Any) -> MixtureSums:
        xp, mixture = namespace(X), self.mixture
        rows = X - xp.asarray(mixture.center)
        share, log_likelihood = self._shares(rows)
        weight = column_sums(share)
        if mixture.kind == "tied":
            return MixtureSums(weight, dot(share.T, rows), dot(rows.T, rows), log_likelihood)
        if mixture.kind != "full":
            return MixtureSums(weight, dot(share.T, rows), dot(share.T, rows * rows), log_likelihood)
        row, square = [], []
        for k, mean in enumerate(xp.asarray(mixture.means)):
            difference = rows - mean
            row.append(dot(share[:, k], difference))
            difference *= xp.sqrt(share[:, k])[:, None]
            square.append(dot(difference.T, difference))
        return MixtureSums(weight, xp.stack(row), xp.stack(square), log_likelihood)

    def _shares(self, rows: Any) -> tuple[Any, Any]:
        xp, mixture = namespace(rows), self.mixture
        if mixture.roots is None:
            labels = Centres(mixture.means, mixture.center).label(rows)
            return (labels[:, None] == xp.arange(len(mixture.means))).astype(np.float64), xp.zeros(1).sum()
        log_share = mixture.log_probability(rows)
        top = log_share.max(axis=1, keepdims=True)
        share = xp.exp(log_share - top)
        total = share.sum(axis=1, keepdims=True)
        return share / total, (top + xp.log(total)).sum()

    def combine(self, a: MixtureSums, b: MixtureSums) -> MixtureSums:
        """Add the sums."""
        return a.plus(b)


def fit_gaussian_mixture(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``GaussianMixture`` that begins with k-means in place.

    Parameters
    ----------
    estimator : GaussianMixture
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, if there are fewer rows than components or a component collapses.
    """
    view, _ = look(data, 1, columns=True)
    if view.n_rows < max(2, estimator.n_components):
        if view.n_rows < 2:
            raise too_few_rows(view.n_rows, data.n_features, 2, "GaussianMixture")
        raise ValueError(
            f"Expected n_samples >= n_components but got n_components = {estimator.n_components}, "
            f"n_samples = {view.n_rows}"
        )
    check_starts(estimator, data.n_features)
    # all starts draw from one generator, one after the other, so that components stand in scikit-learn's order
    generator = check_random_state(estimator.random_state)
    runs = [_run(estimator, data, view.columns.mean, view.n_rows, generator) for _ in range(estimator.n_init)]
    mixture, bounds, converged = max(runs, key=lambda run: run[1][-1])
    if not converged:
        warnings.warn(
            "Best performing initialization did not converge. Try different init parameters, or increase max_iter, "
            "tol, or check for degenerate data.",
            ConvergenceWarning,
            stacklevel=2,
        )
    estimator.converged_, estimator.n_iter_ = converged, len(bounds)
    dtype = np.float32 if data.dtype == np.float32 else np.float64
    estimator.lower_bounds_ = [dtype(bound) for bound in bounds]
    estimator.lower_bound_ = estimator.lower_bounds_[-1]
    _keep(estimator, mixture, dtype)


def _run(
    estimator: Any, data: Passes, center: np.ndarray, n_rows: int, generator: np.random.RandomState
) -> tuple[Mixture, list[float], bool]:
    """Return the mixture from one start, the mean log-likelihood of each step, and whether it settled."""
    mixture = _start(estimator, data, center, generator)
    bounds: list[float] = []
    for _ in range(estimator.max_iter):
        sums = data.reduce(MixtureReduction(mixture))
        mixture = _maximised(mixture, sums, estimator.reg_covar)
        bounds.append(float(sums.log_likelihood / n_rows))
        if len(bounds) > 1 and abs(bounds[-1] - bounds[-2]) < estimator.tol:
            return mixture, bounds, True
    return mixture, bounds, False


def _start(estimator: Any, data: Passes, center: np.ndarray, generator: np.random.RandomState) -> Mixture:
    """Return the mixture that the first step begins with: what is given, and the rest from clusters of the rows."""
    weights, means, precisions = estimator.weights_init, estimator.means_init, estimator.precisions_init
    mixture = Mixture(estimator.covariance_type, center, np.ones(estimator.n_components), np.empty(0))
    if weights is None or means is None or precisions is None:
        clusters = make_kmeans(n_clusters=estimator.n_components, n_init=1, random_state=generator)
        fit_kmeans(clusters, data)
        mixture = replace(mixture, means=clusters.cluster_centers_.astype(np.float64) - center)
        sums = data.reduce(MixtureReduction(mixture))
        # where precisions are given, covariances may be singular
        find_roots = precisions is None
        mixture = _maximised(mixture, sums, estimator.reg_covar, find_roots)
    if weights is not None:
        mixture = replace(mixture, weights=weights.astype(np.float64))
    if means is not None:
        mixture = replace(mixture, means=means.astype(np.float64) - center)
    if precisions is not None:
        mixture = replace(mixture, roots=roots_of_precisions(precisions, estimator.covariance_type))
    return mixture


def _maximised(mixture: Mixture, sums: MixtureSums, reg_covar: float, find_roots: bool = True) -> Mixture:
    """Return the mixture that makes the shared rows most likely, its roots only if they are wanted."""
    weight = sums.share + 10 * np.finfo(np.float64).eps
    shift = sums.row / weight[:, None]
    means = mixture.means + shift if mixture.kind == "full" else shift
    if mixture.kind == "full":
        covariances = sums.square / weight[:, None, None] - shift[:, :, None] * shift[:, None, :]
        diagonal = np.arange(means.shape[1])
        covariances[:, diagonal, diagonal] += reg_covar
    elif mixture.kind == "tied":
        covariances = (sums.square - (weight * means.T) @ means) / weight.sum()
        np.fill_diagonal(covariances, np.diag(covariances) + reg_covar)
    else:
        covariances = sums.square / weight[:, None] - means**2 + reg_covar
        covariances = covariances if mixture.kind == "diag" else covariances.mean(axis=1)
    roots = _roots_of_inverse(covariances, mixture.kind) if find_roots else None
    return replace(mixture, weights=weight / weight.sum(), means=means, covariances=covariances, roots=roots)


def _roots_of_inverse(covariances: np.ndarray, kind: str) -> np.ndarray:
    """Return the Cholesky factors of the inverse covariances, as scikit-learn keeps them."""
    if kind in ("diag", "spherical"):
        if not (covariances > 0).all():
            raise ValueError(ILL_DEFINED)
        return 1 / np.sqrt(covariances)
    identity = np.eye(covariances.shape[-1])
    try:
        factors = np.linalg.cholesky(covariances if kind == "full" else covariances[None])
    except np.linalg.LinAlgError:
        raise ValueError(ILL_DEFINED) from None
    roots = np.stack([linalg.solve_triangular(factor, identity, lower=True).T for factor in factors])
    return roots if kind == "full" else roots[0]


def _keep(estimator: Any, mixture: Mixture, dtype: Any) -> None:
    """Set the fitted attributes in scikit-learn's shapes."""
    roots = mixture.roots
    precisions = roots @ roots.swapaxes(-1, -2) if mixture.kind in ("full", "tied") else roots**2
    estimator.weights_ = mixture.weights.astype(dtype)
    estimator.means_ = (mixture.means + mixture.center).astype(dtype)
    estimator.covariances_ = mixture.covariances.astype(dtype)
    estimator.precisions_cholesky_, estimator.precisions_ = roots.astype(dtype), precisions.astype(dtype)


_ACCEPTED: dict[str, Any] = {
    "init_params": ("kmeans",),
    "verbose": (0, False),
    "max_iter": lambda n: n > 0,
}
ENTRIES = everywhere(
    "GaussianMixture", fit_gaussian_mixture, sparse=(), accepts=_ACCEPTED, weights=False, tolerance=1e-6
)
