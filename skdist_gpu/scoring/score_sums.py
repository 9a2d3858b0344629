"""Scores of predictions in any container; over Dask and files they are combined from blocks of rows.

A mean over rows, and R², need only sums. Any other metric is computed by scikit-learn from the
predictions, of which equal ones are merged into one with a weight: few for labels, as many as
there are rows for real numbers, up to a limit of bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any, Protocol

import numpy as np
from scipy.special import xlogy
from sklearn import metrics
from sklearn.utils import assert_all_finite

from skdist_gpu._compat.sklearn import parts_of_scorer
from skdist_gpu.config import format_bytes, option, parse_bytes
from skdist_gpu.data.containers import find
from skdist_gpu.data.convert import aligned, to_host
from skdist_gpu.exceptions import CollectLimitError, MisalignedBlocksError
from skdist_gpu.hardware.cluster import outside_the_pool
from skdist_gpu.hardware.detect import current_client
from skdist_gpu.progress import Progress

# scorer -> scikit-learn's function, which is a mean over rows, and its sign
_MEANS: dict[str, tuple[Callable[..., Any], int]] = {
    "accuracy": (metrics.accuracy_score, 1),
    "top_k_accuracy": (metrics.top_k_accuracy_score, 1),
    "neg_log_loss": (metrics.log_loss, -1),
    "neg_brier_score": (metrics.brier_score_loss, -1),
    "neg_mean_absolute_error": (metrics.mean_absolute_error, -1),
    "neg_mean_absolute_percentage_error": (metrics.mean_absolute_percentage_error, -1),
    "neg_mean_squared_error": (metrics.mean_squared_error, -1),
    "neg_root_mean_squared_error": (metrics.mean_squared_error, -1),
    "neg_mean_squared_log_error": (metrics.mean_squared_log_error, -1),
    "neg_root_mean_squared_log_error": (metrics.mean_squared_log_error, -1),
    "neg_mean_poisson_deviance": (metrics.mean_poisson_deviance, -1),
    "neg_mean_gamma_deviance": (metrics.mean_gamma_deviance, -1),
}
_NEED_LABELS = ("top_k_accuracy", "neg_log_loss", "neg_brier_score")
# partial results that are merged at a time
_FAN_IN = 16


class Metric(Protocol):
    """A score as a function of what blocks of rows contribute. Objects are small and picklable."""

    def map(self, y: Any, predicted: Any, weight: Any) -> Any:
        """Return what a block of rows contributes; None if nothing."""

    def merge(self, partials: list[Any]) -> Any:
        """Return the contribution of several blocks together."""

    def finish(self, total: Any) -> float:
        """Return the score."""


@dataclass(frozen=True)
class Mean:
    """A metric of scikit-learn that is a mean over rows, for each output."""

    function: Callable[..., Any]
    sign: int
    root: bool
    options: dict[str, Any]

    def map(self, y: Any, predicted: Any, weight: Any) -> Any:
        """Return the sum and the number, or the weight, of rows."""
        total = len(y) if weight is None else weight.sum()
        if total == 0:
            return None
        return total * np.asarray(self.function(y, predicted, sample_weight=weight, **self.options)), total

    def merge(self, partials: list[Any]) -> Any:
        """Add up."""
        return sum(part[0] for part in partials), sum(part[1] for part in partials)

    def finish(self, total: Any) -> float:
        """Divide."""
        means = total[0] / total[1]
        return float(self.sign * np.mean(np.sqrt(means) if self.root else means))


@dataclass(frozen=True)
class ExplainedShare:
    """R², or the explained variance, from centred moments of the target and of the residual."""

    variance: bool

    def map(self, y: Any, predicted: Any, weight: Any) -> Any:
        """Return weight, means and centred sums of squares of target and residual, for each output."""
        y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        residual = y - np.asarray(predicted, dtype=np.float64).reshape(y.shape)
        weight = np.ones(len(y)) if weight is None else weight
        total = weight.sum()
        if total == 0:
            return None
        values = np.stack([y, residual])
        means = weight @ values / total
        return total, means, weight @ (values - means[:, None]) ** 2

    def merge(self, partials: list[Any]) -> Any:
        """Merge as Chan, Golub and LeVeque (1983) do, so that no digits are lost far from zero."""
        total, means, squares = partials[0]
        for more, other_means, other_squares in partials[1:]:
            shift = other_means - means
            squares = squares + other_squares + shift**2 * (total * more / (total + more))
            means, total = means + shift * (more / (total + more)), total + more
        return total, means, squares

    def finish(self, total: Any) -> float:
        """Return the average over outputs; a constant target counts as in scikit-learn."""
        weight, means, (spread, left) = total
        left = left if self.variance else left + weight * means[1] ** 2
        constant = spread == 0
        shares = np.where(constant, left == 0, 1 - left / np.where(constant, 1, spread))
        return float(shares.mean())


@dataclass(frozen=True)
class DevianceShare:
    """D², the share of Tweedie's deviance that is explained, as generalised linear models score themselves."""

    power: float

    def map(self, y: Any, predicted: Any, weight: Any) -> Any:
        """Return sums of the weight, the target, the part of the deviance that is the target's alone, and it all."""
        weight = np.ones(len(y)) if weight is None else weight
        if weight.sum() == 0:
            return None
        deviance = metrics.mean_tweedie_deviance(y, predicted, sample_weight=weight, power=self.power)
        y = np.asarray(y, dtype=np.float64)
        alone = xlogy(y, y) if self.power == 1 else np.log(y) if self.power == 2 else y ** (2 - self.power)
        return np.array([weight.sum(), weight @ y, weight @ alone, weight.sum() * deviance])

    def merge(self, partials: list[Any]) -> Any:
        """Add up."""
        return np.sum(partials, axis=0)

    def finish(self, total: Any) -> float:
        """Compare with the deviance from the mean of the target."""
        (weight, target, alone, deviance), power = total, self.power
        mean = target / weight
        if power == 1:
            null = 2 * (alone - target * np.log(mean))
        elif power == 2:
            null = 2 * (weight * np.log(mean) - alone)
        else:
            null = 2 * (alone - weight * mean ** (2 - power)) / ((1 - power) * (2 - power))
        return float(1 - deviance / null)


@dataclass(frozen=True)
class SampleScores:
    """Sum and number of the scores of rows, or of the squares of the least distances."""

    square_of_least: bool = False

    def map(self, y: Any, predicted: Any, weight: Any) -> Any:
        """Add up a block."""
        rows = predicted.min(axis=1) ** 2 if self.square_of_least else predicted
        return np.array([rows.sum(dtype=np.float64), len(rows)])

    def merge(self, partials: list[Any]) -> Any:
        """Add up blocks."""
        return np.sum(partials, axis=0)

    def finish(self, total: Any) -> Any:
        """Return both."""
        return float(total[0]), int(total[1])


@dataclass(frozen=True)
class Collected:
    """Any metric of scikit-learn, from all predictions; equal rows become one with a weight.

    `limit` is the number of bytes that they may take; `binary` says that of two probabilities one is enough.
    """

    name: str
    limit: int
    binary: bool

    def map(self, y: Any, predicted: Any, weight: Any) -> Any:
        """Return a frame with the columns of the target and of the prediction, and weights."""
        import pandas as pd

        if weight is not None and not _takes_weights(self.name):
            raise ValueError(f"scikit-learn's {self.name} takes no sample_weight.")
        predicted = one_probability(predicted) if self.binary else predicted
        columns = {f"{name}{i}": column for name, part in (("y", y), ("p", predicted)) for i, column in _columns(part)}
        return self._merged(pd.DataFrame(columns | {"weight": 1.0 if weight is None else weight}, copy=False))

    def merge(self, partials: list[Any]) -> Any:
        """Put frames together, up to the limit."""
        import pandas as pd

        if len(partials) == 1:
            return partials[0]
        merged = self._merged(pd.concat(partials, ignore_index=True))
        n_bytes = int(merged.memory_usage().sum())
        if n_bytes > self.limit:
            raise CollectLimitError(
                f"{self.name} is no sum over rows, and {format_bytes(n_bytes)} of predictions would have to be "
                f"collected, more than the limit of {format_bytes(self.limit)}. Nothing was scored. "
                "skdist_gpu.set_config(collect_limit='8GB') raises the limit; a mean, such as neg_log_loss, needs none."
            )
        return merged

    def finish(self, total: Any) -> float:
        """Let scikit-learn compute the metric."""
        y, predicted = (
            total.filter(regex=f"^{name}").to_numpy(dtype=None if _numbers(total, name) else object) for name in "yp"
        )
        y, predicted = (part[:, 0] if part.shape[1] == 1 else part for part in (y, predicted))
        weight = total["weight"].to_numpy() if _takes_weights(self.name) else None
        return score_directly(self.name, _typed(y), _typed(predicted), weight)

    def _merged(self, frame: Any) -> Any:
        if not _takes_weights(self.name):
            return frame
        keys = [name for name in frame if name != "weight"]
        return frame.groupby(keys, as_index=False, sort=False, dropna=False)["weight"].sum()


def metric_of(name: str, classes: Any) -> Metric:
    """Return the way to compute a scorer from blocks."""
    if name in ("r2", "explained_variance"):
        return ExplainedShare(variance=name != "r2")
    if name in _MEANS:
        function, sign = _MEANS[name]
        options = {"labels": classes} if name in _NEED_LABELS else {}
        if function.__name__.endswith("_error"):
            options["multioutput"] = "raw_values"
        return Mean(function, sign, "root" in name, options)
    return Collected(name, parse_bytes(option("collect_limit")), binary=classes is not None and len(classes) == 2)


def one_probability(predicted: Any) -> Any:
    """Return the probability of the second of two classes, as scikit-learn's scorers do."""
    return predicted[:, 1] if predicted.ndim == 2 and predicted.shape[1] == 2 else predicted


def score_directly(name: str, y: Any, predicted: Any, weight: Any) -> float:
    """Return scikit-learn's score of predictions in memory."""
    function, sign, options = parts_of_scorer(metrics.get_scorer(name))
    if weight is not None:
        options = options | {"sample_weight": weight}
    return float(sign * function(y, predicted, **options))


def reduce_blocks(metric: Metric, predicted: Any, y: Any, weight: Any) -> Any:
    """Return the total of a metric over Dask collections; the predictions stay where they are."""
    from skdist_gpu.engines.executors.dask import DaskExecutor

    y, weight = (
        None if part is None else aligned(part, predicted, name) for part, name in ((y, "y"), (weight, "sample_weight"))
    )
    client = current_client(option("client"))
    with outside_the_pool(client):
        executor = DaskExecutor(predicted, y, weight, client, Progress())
        return executor.reduce_blocks(partial(_map_block, metric), partial(_merge_present, metric))


def merge_batches(metric: Metric, partials: Iterable[Any]) -> Any:
    """Merge results of batches as they come, a few at a time, so that a growing total is not copied each time."""
    levels: list[list[Any]] = [[]]
    for result in partials:
        levels[0].append(result)
        for k in range(len(levels)):
            if len(levels[k]) < _FAN_IN:
                break
            merged, levels[k] = _merge_present(metric, *levels[k]), []
            levels[k + 1 :] = levels[k + 1 :] or [[]]
            levels[k + 1].append(merged)
    return _merge_present(metric, *(result for level in reversed(levels) for result in level))


def _merge_present(metric: Metric, *partials: Any) -> Any:
    present = [result for result in partials if result is not None]
    return metric.merge(present) if present else None


def _map_block(metric: Metric, index: int, predicted: Any, y: Any, weight: Any) -> Any:
    """Score one block in a worker."""
    y, predicted, weight = (None if part is None else np.asarray(to_host(part)) for part in (y, predicted, weight))
    for part, name in ((y, "y"), (weight, "sample_weight")):
        if part is not None and len(part) != len(predicted):
            raise MisalignedBlocksError(
                f"Block {index} has {len(predicted)} rows of X and {len(part)} of {name}. The partitions of X and "
                f"{name} do not line up; take both from one frame, or repartition one like the other."
            )
    return contribution(metric, y, predicted, weight) if len(predicted) else None


def contribution(metric: Metric, y: Any, predicted: Any, weight: Any) -> Any:
    """Return what rows in memory contribute to a metric.

    Raises
    ------
    ValueError
        scikit-learn's own, for a target or weights with values that are missing or infinite.
    """
    for part, name in ((y, ""), (weight, "sample_weight")):
        if part is not None:
            assert_all_finite(part, input_name=name)
    return metric.map(y, predicted, weight)


def _takes_weights(name: str) -> bool:
    if "ovo" in name:  # averages over pairs of classes refuse them
        return False
    return "sample_weight" in signature(parts_of_scorer(metrics.get_scorer(name))[0]).parameters


def _columns(part: Any) -> Iterable[tuple[int, Any]]:
    return enumerate([part] if part.ndim == 1 else part.T)


def _numbers(frame: Any, name: str) -> bool:
    return all(dtype.kind in "biuf" for column, dtype in find(frame).fields(frame) if column.startswith(name))


def _typed(values: Any) -> Any:
    """Return labels with NumPy's own dtype for text, which scikit-learn's metrics expect."""
    return np.array(values.tolist()) if values.dtype == object else values
