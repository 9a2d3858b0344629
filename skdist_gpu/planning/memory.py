"""Predict the bytes of a fit at its peak, and compare them with what is free.

A fit holds a few things whose sizes follow from shape and parameters: copies of the values, vectors of a number for
each row, d × d sums, blocks of rows in work, trees. How many of each an estimator holds in an engine was measured, by
non-negative least squares of the relative error (`benchmarks/peak_memory.py`); ``planning/held.json`` has the numbers.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from skdist_gpu.config import format_bytes
from skdist_gpu.data.inspect import InputInfo, itemsize
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.registry import engines
from skdist_gpu.hardware.detect import Resources
from skdist_gpu.planning.cost import rate_key
from skdist_gpu.planning.forms import form_of
from skdist_gpu.planning.numbers import number_of
from skdist_gpu.planning.work import is_searched_in_tree, way_of_components
from skdist_gpu.protocols import Estimator

FILE = Path(__file__).parent / "held.json"
# bins of boosted trees, and bytes of a node and of what a bin sums
_BINS, _NODE_BYTES, _BIN_BYTES = 256, 64, 16
# estimators that list the rows near each row, bytes for each pair, and how many times a node's bytes each row of a full
# tree may take
_NEAR, _PAIR_BYTES, _MOST_NODES = ("DBSCAN", "OPTICS"), 32, 2.0
# forms whose own algorithms hold sums over pairs of columns
_SUMMED = ("moments", "descents", "covariances", "passes", "mixtures")
# forms that hold what engines name for any of them: sums over pairs of columns, and rows that a fit is begun on
_ONLY_OF = {"gram": (*_SUMMED, "components"), "sample": ("passes", "clusters", "mixtures")}
_PLACES = {"gpu": "on GPU 0", "dask": "in the cluster's memory", "cpu": "in main memory"}


def held(estimator: Estimator, info: InputInfo) -> dict[str, float]:
    """Return what a fit may hold, by term, in bytes: that of a fit is a sum of these, each times a measured number.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from skdist_gpu.data.inspect import described_input
    >>> found = held(Ridge(), described_input((1000, 10), "float64"))
    >>> found["rows"], found["values"], found["gram"]
    (8000.0, 80000.0, 800.0)
    """
    n, d = float(info.n_samples or 0), float(info.n_features or 0)
    stored, form = float(info.n_values or 0), form_of(type(estimator).__name__)
    return {
        "fixed": 2.0**20,
        "rows": 8 * n,
        "values": float(info.n_bytes or 0),
        "widened": 8 * stored if info.dtype != "float64" else 0.0,
        "gathered": 0.0 if info.as_numpy else 8 * stored,
        "gram": 8 * d * d if form in _SUMMED else 0.0,
        **_of_form(estimator, form, info, n, d),
    }


def held_by(entry: Entry, estimator: Estimator, info: InputInfo, resources: Resources) -> dict[str, float]:
    """Return what a fit may hold in an engine, by term, in bytes: what its estimator does, and what the engine adds."""
    form = form_of(type(estimator).__name__)
    own = engines()[entry.backend].held(entry, estimator, info, resources)
    return held(estimator, info) | {term: size for term, size in own.items() if form in _ONLY_OF.get(term, (form,))}


def _of_form(estimator: Estimator, form: str, info: InputInfo, n: float, d: float) -> dict[str, float]:
    """Return what estimators of a form hold beside."""
    values = float(info.n_bytes or 0)
    if form == "components":
        way, k = way_of_components(estimator, n, d), number_of(estimator, "n_components") or min(n, d)
        in_work = {"decomposed": values} if way in ("randomized", "full") else {"gram": 8 * d * d}
        return in_work | ({"vectors": itemsize(info.dtype) * (n + d) * (k + 10)} if way == "randomized" else {})
    if form == "clusters":
        batch = max(number_of(estimator, "init_size"), 3 * number_of(estimator, "batch_size"))
        clusters = number_of(estimator, "n_clusters")
        return {"vectors": 8 * n * clusters, "batch": 8 * d * min(n, max(batch, 3 * clusters)) if batch else 0.0}
    if form == "mixtures":
        return {"vectors": 8 * n * number_of(estimator, "n_components")}
    if form == "trees":
        depth = number_of(estimator, "max_depth") or 64
        trees = number_of(estimator, "n_estimators") or 1.0
        drawn = min(n, number_of(estimator, "max_samples") or (256 if hasattr(estimator, "max_samples") else n))
        kept = drawn if type(estimator).__name__ == "IsolationForest" else n
        leaves = min(kept * _share_of_leaves(info.n_classes), 2.0 ** min(64, depth + 1))
        return {"nodes": (_NODE_BYTES + 8 * info.n_classes) * trees * leaves}
    if form == "boosting":
        leaves = number_of(estimator, "max_leaf_nodes") or 2 ** (number_of(estimator, "max_depth") or 6)
        return {"histograms": _BINS * _BIN_BYTES * d * min(n, leaves)}
    if form == "neighbours":
        tree = 8 * n * d if is_searched_in_tree(estimator, info) else 0.0
        return {"tree": tree, "widened_tree": tree if info.dtype != "float64" else 0.0}
    if form == "kernels":
        return {"cache": min(8 * n * n, number_of(estimator, "cache_size") * 2**20)}
    if form in ("pairs", "cubes"):
        return {"vectors": 8 * n * (number_of(estimator, "n_neighbors") or 1), "pairs": 8 * n * n}
    if form == "quantiles":
        drawn = min(n, number_of(estimator, "subsample") or n)
        return {"sample": 8 * d * drawn, "kept": values, "vectors": 8 * d * number_of(estimator, "n_quantiles")}
    if hasattr(estimator, "cv") and estimator.cv is None:
        # of all rows, in place of folds
        return {"decomposed": values}
    return {}


def _share_of_leaves(n_classes: int) -> float:
    """Return about how many leaves a full tree has for a row: most where values differ, few where classes are two."""
    return (n_classes - 1) / (n_classes + 1) if n_classes > 1 else 1.0


def most_bytes(estimator: Estimator, info: InputInfo, n_bytes: int | None) -> int | None:
    """Return the bytes that a fit takes at most where that depends on the values of its rows; None where it does not.

    Full trees have as many leaves as the target asks for, and lists of near rows are as long as rows are near.
    """
    n = float(info.n_samples or 0)
    if n_bytes is None:
        return None
    if type(estimator).__name__ in _NEAR:
        return int(n_bytes + _PAIR_BYTES * n * n)
    stops = number_of(estimator, "max_depth") or number_of(estimator, "max_leaf_nodes")
    if form_of(type(estimator).__name__) == "trees" and not stops:
        share = _share_of_leaves(info.n_classes)
        return int(n_bytes + (_MOST_NODES / share) * _of_form(estimator, "trees", info, n, 0.0)["nodes"])
    return None


@cache
def measured_numbers() -> dict[str, dict[str, float]]:
    """Return how many of each term fits hold: ``"estimator|engine:device|dense or sparse|fit"`` -> term -> number."""
    found: dict[str, dict[str, float]] = json.loads(FILE.read_text())["held"]
    return found


def predict_bytes(entry: Entry, estimator: Estimator, info: InputInfo, resources: Resources) -> int | None:
    """Return the bytes at the peak that come on top of the user's data; None if unknown."""
    if info.n_elements is None or info.n_values is None:
        return None
    engine, name = engines()[entry.backend], type(estimator).__name__
    numbers = measured_numbers()
    for who in (name, f"*{form_of(name)}"):
        found = numbers.get(rate_key(who, entry.name, info.sparse))
        if found is not None:
            terms = held_by(entry, estimator, info, resources)
            # data that are elsewhere, or nowhere yet, come into this process first, unless block by block
            brought = 0 if "blocks" in terms or (info.location == "host" and info.exists) else info.n_bytes or 0
            measured = sum(number * terms.get(term, 0.0) for term, number in found.items())
            # what is kept for each row is certain, however little of it showed among the fits that were measured
            return int(max(measured, entry.row_bytes * (info.n_samples or 0))) + brought
    return engine.peak_bytes(entry, info, resources)


def memory_refusals(
    entry: Entry, info: InputInfo, resources: Resources, n_bytes: int | None, memory_budget: int | None
) -> list[str]:
    """Say that an engine needs more than there is, with numbers; empty if it does not, or nobody knows."""
    engine = engines()[entry.backend]
    free = engine.free_bytes(entry, resources) if memory_budget is None else memory_budget
    if n_bytes is None or n_bytes <= free:
        return []
    limit = (
        f"{format_bytes(free)} are free; memory_budget= overrides what counts as free"
        if memory_budget is None
        else f"memory_budget= allows {format_bytes(free)}"
    )
    refusal = f"needs about {format_bytes(n_bytes)} {_PLACES[entry.device]}, {limit}"
    # after the engine that fits anything there is only what the user may do
    return [refusal, _what_would_fit(entry, info, n_bytes, free)] if engine.fits_anything else [refusal]


def _what_would_fit(entry: Entry, info: InputInfo, n_bytes: int, free: int) -> str:
    """Say how the estimator could be trained nevertheless; nothing of it is done without being asked."""
    rows = int((info.n_samples or 0) * free / n_bytes)
    # two digits, so that it reads as the estimate that it is
    rows -= rows % 10 ** max(0, len(str(rows)) - 2)
    sample = f"a random sample of {rows:,} rows would fit".replace(",", " ")
    others = (engine.instead(entry.estimator) for engine in engines().values())
    return "; ".join([sample, *(other for other in others if other)])
