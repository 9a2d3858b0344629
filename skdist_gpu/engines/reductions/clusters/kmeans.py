"""KMeans and MiniBatchKMeans by Lloyd's algorithm on sums over rows, begun where a sample of the rows converged.

Sources: Lloyd, "Least Squares Quantization in PCM", IEEE Trans. Inf. Theory 28, 1982; Arthur &
Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007, run by scikit-learn on
the sample.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array

from skdist_gpu._compat.sklearn import check_clusters, keep_kmeans_state
from skdist_gpu._compat.sklearn_classes import make_kmeans
from skdist_gpu._compat.sklearn_learned import remember_counts
from skdist_gpu.data.convert import result_to_host
from skdist_gpu.engines.parameters import warn_of_few_clusters
from skdist_gpu.engines.reductions.clusters.on_device import fit_sample
from skdist_gpu.engines.reductions.clusters.steps import AssignReduction, FarthestReduction, LloydReduction
from skdist_gpu.engines.reductions.core.protocol import SAMPLED_FOR_CLUSTERS, SAMPLED_PER_CLUSTER, Passes, namespace
from skdist_gpu.engines.reductions.core.sample import Overview, Rows, look
from skdist_gpu.engines.reductions.entries import everywhere
from skdist_gpu.hardware.threads import at_most

# the first step over all rows takes away what the sample left, the second settles rows that changed their centre
MINI_BATCH_STEPS = 2
# one start in three or so ends in a bad minimum, which batches may leave again; starts on a sample cost little
MINI_BATCH_STARTS = 5
# starts of k-means++ on a sample in place of scikit-learn's one on all rows: they cost little, and one may be unlucky
SAMPLE_STARTS = 2
# share of the inertia that rows outside the sample must have to be looked for, and to be added to it
UNSEEN = 0.05
# rows that are looked at on the host where a GPU holds the sample
FEW_ROWS = 500
# standard errors of the sampled scatter that are no longer taken for chance
BEYOND_CHANCE = 4
# squared distance of two centres, as a share of their squares, of which float32 keeps three digits or more
COARSE = 1e-3
# squares of rows and centres, and of the distances between centres, that float32 holds with room for their sums
HELD_SQUARES = (1e-30, 1e37)
# distance of a row to the mean of rows like it, as a share of the row: what sums in float64 round away
ROUNDED = 1e-12


def fit_kmeans(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``KMeans`` in place.

    Parameters
    ----------
    estimator : KMeans
        Unfitted, with valid parameters; `init` is an array or the name of a method.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, if there are fewer rows than clusters or `init` has the wrong shape.
    """
    view, sample, origin = _look(estimator, data)
    starter = estimator
    one_start = isinstance(estimator.init, str) and estimator.init == "k-means++" and estimator.n_init == "auto"
    if one_start and len(sample.X) < view.n_rows:
        starter = clone(estimator).set_params(n_init=SAMPLE_STARTS, random_state=estimator.random_state)
    start, n_iter = _start(starter, data, view, sample)
    centres = start - origin
    if n_iter == 0 or len(sample.X) < view.n_rows:
        centres, n_iter, _ = _lloyd(data, view, centres, origin, estimator.max_iter, _tolerance(estimator, view))
    with at_most(1):  # threads for so few centres take longer to start than to be done
        keep_kmeans_state(estimator, start)
    estimator.n_iter_ = n_iter
    estimator.labels_ = _assign(estimator, data, centres, origin)


def fit_mini_batch_kmeans(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``MiniBatchKMeans`` in place, with steps over all rows in place of batches.

    Its own batches end near the minimum that KMeans finds; a converged sample and two steps over all rows
    end nearer, and read the rows in order, as blocks on disk or over Dask want to be read. What steers the
    batches has no effect: `batch_size` but for `n_steps_`, `init_size`, `max_no_improvement`, `tol`,
    `reassignment_ratio`. Parameters and errors as of :func:`fit_kmeans`.
    """
    view, sample, origin = _look(estimator, data)
    several = isinstance(estimator.init, str) and estimator.n_init == "auto"
    n_init = MINI_BATCH_STARTS if several else estimator.n_init
    options = {name: getattr(estimator, name) for name in ("n_clusters", "init", "max_iter", "random_state")}
    start, n_iter = _start(make_kmeans(n_init=n_init, **options), data, view, sample, given=False)
    centres = start - origin
    counts = None
    if len(sample.X) < view.n_rows:
        n_steps = min(MINI_BATCH_STEPS, estimator.max_iter)
        centres, n_iter, counts = _lloyd(data, view, centres, origin, n_steps, tolerance=0.0)
    with at_most(1):  # threads for so few centres take longer to start than to be done
        keep_kmeans_state(estimator, start)
    labels = _assign(estimator, data, centres, origin)
    if counts is None:
        counts = np.bincount(labels, weights=sample.weight, minlength=estimator.n_clusters)
    remember_counts(estimator, counts)
    estimator.n_iter_ = n_iter
    estimator.n_steps_ = n_iter * view.n_rows // min(estimator.batch_size, view.n_rows)
    if estimator.compute_labels:
        estimator.labels_ = labels


def _look(estimator: Any, data: Passes) -> tuple[Overview, Rows, np.ndarray]:
    """Return a first look at the rows, and an origin amid them; raise scikit-learn's own error if they are too few."""
    n_sampled = max(SAMPLED_FOR_CLUSTERS, SAMPLED_PER_CLUSTER * estimator.n_clusters)
    view, sample = look(data, FEW_ROWS if data.resident else n_sampled, columns=True)
    if data.resident:
        sample = data.clusters().some(n_sampled)
    if not sample.weight.any():
        sample.weight = np.ones(len(sample.X))  # only rows between have weight, and they may be near these
    check_clusters(estimator, view.n_rows, len(view.columns.mean), _tolerance(estimator, view))
    origin = view.columns.mean
    if data.dtype == np.float32:
        # rows in float32 keep their digits less a mean that float32 holds
        origin = origin.astype(np.float32).astype(np.float64)
    if view.weight * (origin @ origin) <= np.sum(view.columns.scatter):
        origin = np.zeros_like(origin)  # rows about zero keep their digits as they are
    return view, sample, origin


def _tolerance(estimator: Any, view: Overview) -> float:
    """Return the squared move of all centres up to which they stay, in the variances of the columns."""
    return estimator.tol * float(np.mean(view.columns.scatter)) / view.n_rows


def _assign(estimator: Any, data: Passes, centres: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Set the centres and the inertia, and return the label of each row."""
    assignment = data.reduce(AssignReduction(centres, origin))
    labels = np.concatenate(assignment.labels, dtype=np.int32)
    warn_of_few_clusters(int(assignment.found.sum()), estimator.n_clusters)
    dtype = np.float32 if data.dtype == np.float32 else np.float64
    estimator.cluster_centers_, estimator.inertia_ = (centres + origin).astype(dtype), float(assignment.inertia)
    return labels


def _start(estimator: Any, data: Passes, view: Overview, sample: Rows, given: bool = True) -> tuple[np.ndarray, int]:
    """Return the given centres, or those that scikit-learn finds on the sample, and its number of steps.

    Not `given`, it is on the sample that given centres are moved.
    """
    if not isinstance(estimator.init, str):
        centres = check_array(estimator.init, dtype=np.float64)
        if given:
            return centres, 0
    found = _fit_sample(estimator, sample, data, view)
    if len(sample.X) < view.n_rows:
        extended = _with_outliers(found, data, view, sample)
        found = found if extended is None else _fit_sample(estimator, extended, data, view)
    return found.cluster_centers_.astype(np.float64), found.n_iter_


def _fit_sample(estimator: Any, sample: Rows, data: Passes, view: Overview) -> Any:
    if data.clusters_of is not None:
        tolerance = _tolerance(estimator, view)
        found = fit_sample(estimator, sample, data.clusters_of, view.columns.mean, tolerance)
        if found is not None:
            return found
    # a generator is shared, not copied, so that the next start draws on
    starter = clone(estimator).set_params(random_state=estimator.random_state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # of parameters, given before
        return starter.fit(result_to_host(sample.X), sample_weight=sample.weight)


def _with_outliers(found: Any, data: Passes, view: Overview, sample: Rows) -> Rows | None:
    """Return the sample and the rows farthest from its clusters; None where they add little to the inertia.

    k-means++ on all rows would begin at a few rows that are far from all others, and an even sample does not see them.
    They are looked for, in one pass, only where the sample lacks more of the scatter of all rows than by chance.
    """
    mean = view.columns.mean
    xp = namespace(sample.X)
    apart = sample.X - xp.asarray(mean)
    squares = result_to_host(xp.einsum("ij,ij->i", apart, apart))
    lacking = float(np.sum(view.columns.scatter)) / view.n_rows - float(squares.mean())
    by_chance = BEYOND_CHANCE * float(squares.std()) / len(squares) ** 0.5
    if lacking <= max(by_chance, UNSEEN * found.inertia_ / view.weight):
        return None
    centres = found.cluster_centers_ - mean
    distances, weights, _, rows = data.reduce(FarthestReduction(centres, mean, len(centres)))
    if distances @ weights <= UNSEEN * found.inertia_:
        return None
    X = xp.concatenate([sample.X, xp.asarray((rows + mean).astype(sample.X.dtype))])
    return Rows(X, None, np.concatenate([sample.weight, weights]), view.n_rows)


def _lloyd(
    data: Passes, view: Overview, centres: np.ndarray, origin: np.ndarray, max_iter: int, tolerance: float
) -> tuple[np.ndarray, int, np.ndarray]:
    """Move the centres to the means of their rows until they stay; return them, the steps and the rows' weights.

    Rows in float32 are compared and summed in float32 until the centres stay, which takes less time; what that rounds
    away is left to steps in float64, and the last step is always one.
    """
    around = view.columns.mean - origin
    squares = float(np.sum(view.columns.scatter) + view.weight * (around @ around))
    coarse = data.dtype == np.float32
    n_iter, checks = 0, False
    while True:
        if (held := data.clusters()) is not None and held.takes(len(centres)):
            steps = held.steps(centres, origin, max_iter - n_iter, tolerance)
            centres, n_iter, coarse = steps.centres, n_iter + steps.n_iter, False
            if steps.stay or n_iter >= max_iter:
                return centres, n_iter, steps.weight
        coarse = coarse and n_iter + 1 < max_iter and _float32_tells_apart(centres, squares)
        sums = data.reduce(LloydReduction(centres, origin, np.float32 if coarse else np.float64))
        weight, row = sums.weight, sums.row
        if not weight.all():
            if coarse:
                coarse = False  # the farthest rows have the labels of a step in float64
                continue
            _fill_empty(data, centres, origin, weight, row)
        n_iter += not checks  # a step that is taken again is counted once
        moved = row / np.where(weight > 0, weight, 1.0)[:, None]
        moved[weight <= 0] = moved[weight.argmax()]
        stays = ((moved - centres) ** 2).sum() <= tolerance
        centres = moved
        if n_iter >= max_iter or (stays and not coarse):
            return centres, n_iter, weight
        checks = coarse and stays
        coarse = coarse and not stays


def _float32_tells_apart(centres: np.ndarray, squares: float) -> bool:
    """Whether float32 holds the squares of rows and centres, and what it rounds of them is less than their distances.

    `squares` is the sum of the rows' squares, no less than that of any.
    """
    largest, nearest = (centres * centres).sum(axis=1).max(), pdist(centres, "sqeuclidean").min(initial=np.inf)
    least, most = HELD_SQUARES
    return bool(max(largest, squares) < most and nearest > max(least, COARSE * largest))


def _fill_empty(data: Passes, centres: np.ndarray, origin: np.ndarray, weight: np.ndarray, row: np.ndarray) -> None:
    """Give each centre without rows one of the rows farthest from theirs, as scikit-learn does.

    Where all rows are at a centre but for rounding, centres stay without rows: to move them would never end.
    """
    empty = np.flatnonzero(weight == 0)
    distances, weights, labels, rows = data.reduce(FarthestReduction(centres, origin, len(empty)))
    away = distances > ROUNDED**2 * (rows * rows).sum(axis=1)
    for new, row_weight, old, far in zip(empty, weights[away], labels[away], rows[away], strict=False):
        row[old] -= far * row_weight
        row[new] = far * row_weight
        weight[new] = row_weight
        weight[old] -= row_weight


def _known_start(init: Any) -> bool:
    """Whether the first centres need no function of all rows."""
    return isinstance(init, (list, tuple, np.ndarray)) or (isinstance(init, str) and init in ("k-means++", "random"))


_OPTIONS: dict[str, Any] = {"accepts": {"init": _known_start, "verbose": (0, False)}, "tolerance": 1e-2}
# the second takes no batches here, but a sample that converged and two steps over all rows, which end lower
_ALL_ROWS = "takes all rows in each step, and ends in other centres than batches of rows do"
ENTRIES = (
    *everywhere("KMeans", fit_kmeans, **_OPTIONS),
    *everywhere("MiniBatchKMeans", fit_mini_batch_kmeans, differs=_ALL_ROWS, **_OPTIONS),
)
