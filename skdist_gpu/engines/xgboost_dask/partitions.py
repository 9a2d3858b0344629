"""The partitions of Dask data as XGBoost needs them: one task each, so that X, y and the rest cannot come apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from xgboost.compat import concat

from skdist_gpu._compat.sklearn import check_sample_weight
from skdist_gpu.data.blocks import Block, DaskBlocks, MemoryBlocks, take_rows, with_columns
from skdist_gpu.data.containers import DASK, container_of, find
from skdist_gpu.data.containers.dask import example_of
from skdist_gpu.data.convert import aligned, to_host
from skdist_gpu.data.labels import codes_of
from skdist_gpu.engines.xgboost.arguments import check_columns
from skdist_gpu.engines.xgboost.holdout import RowDraw
from skdist_gpu.engines.xgboost.reproducible import Table, pooled, round_down, sampled, stride_of, table_of_quantiles
from skdist_gpu.exceptions import MisalignedBlocksError
from skdist_gpu.protocols import DaskClient


@dataclass(frozen=True)
class Look:
    """What the client must know of a partition; `rows` counts those that weigh something."""

    rows: int
    all_rows: int
    shapes: dict[str, tuple[int, ...]]
    categories: dict[str, Any]
    queries: tuple[Any, Any] | None


@dataclass(frozen=True)
class Coding:
    """How labels and categories become codes, the same in every partition; with `table`, values are rounded."""

    classes: np.ndarray | None = None
    categories: dict[str, Any] = field(default_factory=dict)
    table: Table | None = None
    missing: float = np.nan


@dataclass
class Partitions:
    """Checked partitions on the workers, and a look at each."""

    client: DaskClient
    like: Any
    parts: list[Any]
    looks: list[Look]

    @classmethod
    def of(cls, client: DaskClient, columns: dict[str, Any]) -> Partitions:
        """Check what can be checked, then compute every partition on the workers, once."""
        if columns["y"] is None:
            raise ValueError("XGBoost requires y to be passed, but the target y is None. Nothing was computed.")
        columns = {name: column for name, column in columns.items() if column is not None}
        like = columns["X"]
        blocks = lazy_blocks(columns) if container_of(like) in DASK else _memory_blocks(client, columns)
        make = dask.delayed(check_part)
        parts = [make(number, block) for number, block in enumerate(blocks)]
        return cls(client, like, *_persist(client, parts))

    def classes(self, given: Any = None) -> np.ndarray:
        """Return the sorted labels of all partitions; those that the user gave are not looked for."""
        if given is not None:
            return np.unique(given)
        labels = self.client.gather(self.client.compute([dask.delayed(_labels)(part) for part in self.parts]))
        classes = np.unique(np.concatenate([some for some in labels if len(some)]))
        check_classification_targets(classes)
        return classes

    def categories(self) -> dict[str, Any]:
        """Return the categories of all partitions, for each column that has some."""
        return unite(self.looks)

    def with_whole_queries(self) -> Partitions:
        """Move the rows of a query that goes on in the next partitions to where it begins; number queries with names.

        Raises
        ------
        ValueError
            If the rows are not sorted by query.
        """
        filled = [i for i, look in enumerate(self.looks) if look.queries]
        ends = [(i, *(self.looks[i].queries or ())) for i in filled]
        for (i, _, last), (j, first, _) in pairwise(ends):
            if first < last:
                raise ValueError(
                    f"qid is not sorted: partition {i} ends with {last}, partition {j} begins with {first}. "
                    "Nothing was fitted. Sort the rows, for example with frame.sort_values('qid')."
                )
        make, parts, before = dask.delayed(_with_whole_queries), [], None
        for position, (i, _, last) in enumerate(ends):
            following = []
            for j, first, end in ends[position + 1 :]:
                if first != last:
                    break
                following.append(self.parts[j])
                if end != last:
                    break
            parts.append(make(self.parts[i], before, last, following))
            before = last
        if filled and not isinstance(ends[0][1], (int, np.integer)):
            counts = self.client.gather(self.client.compute([dask.delayed(_count_queries)(part) for part in parts]))
            number, starts = dask.delayed(_number_queries), np.cumsum([0, *counts])
            parts = [number(part, int(start)) for part, start in zip(parts, starts, strict=False)]
        return Partitions(self.client, self.like, *_persist(self.client, parts))

    def divided(self, draw: RowDraw) -> tuple[Partitions, Partitions]:
        """Return the rows to train on, and those held out."""
        make, found = dask.delayed(draw_part), []
        for held_out in (False, True):
            parts = [make(part, i, draw, held_out) for i, part in enumerate(self.parts)]
            found.append(Partitions(self.client, self.like, *_persist(self.client, parts)))
        return found[0], found[1]

    def quantiles(self, max_bin: int | None, missing: float) -> Table:
        """Return the values to round to, from evenly spaced rows of all partitions."""
        sizes = [look.all_rows for look in self.looks]
        stride, starts = stride_of(sum(sizes)), np.cumsum([0, *sizes])
        take = dask.delayed(_sampled_part)
        samples = [take(part, int(start), stride) for part, start in zip(self.parts, starts, strict=False)]
        return table_of_quantiles(pooled(self.client.gather(self.client.compute(samples))), max_bin, missing)

    def collections(self, coding: Coding) -> dict[str, Any]:
        """Return Dask collections of the same partitions, those that have rows that weigh something."""
        rows = [look.rows for look in self.looks if look.rows]
        full = [part for part, look in zip(self.parts, self.looks, strict=True) if look.rows]
        code = dask.delayed(code_part)
        ready = self.client.persist([code(part, coding) for part in full])
        meta = example_of(self.like) if container_of(self.like) in DASK else take_rows(self.like, slice(0))
        found = {}
        for name, shape in self.looks[0].shapes.items():
            blocks = [part[name] for part in ready]
            if name == "X" and hasattr(meta, "columns"):
                empty = _with_categories(meta, coding.categories)
                found[name] = dd.from_delayed(blocks, meta=empty, verify_meta=False)
            else:
                empty = meta if name == "X" else np.empty((0,) * (1 + len(shape)))
                pieces = [da.from_delayed(b, (n, *shape), meta=empty) for b, n in zip(blocks, rows, strict=True)]
                found[name] = da.concatenate(pieces)
        return found


def _persist(client: DaskClient, parts: list[Any]) -> tuple[list[Any], list[Look]]:
    persisted = list(client.persist(parts))
    return persisted, client.gather(client.compute([dask.delayed(look_at)(part) for part in persisted]))


# --- from the user's data to blocks --------------------------------------------------------


def lazy_blocks(columns: Block, client: DaskClient | None = None) -> DaskBlocks:
    """Return the partitions of Dask collections, cut so that their blocks line up."""
    X = columns["X"]
    if X.shape[1] == 0:
        raise ValueError("Found array with 0 feature(s) in X while a minimum of 1 is required. Nothing was computed.")
    check_columns(X)
    lined_up = {name: aligned(column, X, name) for name, column in columns.items()}
    return DaskBlocks.of({name: find(column).simplified(column) for name, column in lined_up.items()}, client)


def _memory_blocks(client: DaskClient, columns: Block) -> Iterator[Block]:
    """Cut data in memory into a block for each thread of the cluster, and send them there."""
    n_blocks = min(sum(client.nthreads().values()), columns["X"].shape[0])
    blocks = list(MemoryBlocks.in_parts(columns, max(1, n_blocks)))
    # not by content: a key that was just given up, as of data that are trained and evaluated on, may be lost
    sent = {name: client.scatter([block[name] for block in blocks], hash=False) for name in columns}
    return (dict(zip(sent, block, strict=True)) for block in zip(*sent.values(), strict=True))


# --- on the workers ------------------------------------------------------------------------


def check_part(index: int, part: Block) -> Block:
    """Check one partition."""
    X = part["X"]
    part = {name: block if name == "X" else np.asarray(to_host(block)) for name, block in part.items()}
    y = part["y"] = _one_column(part["y"])
    lengths = {name: block.shape[0] for name, block in part.items()}
    if len(set(lengths.values())) > 1:
        others = ", ".join(f"of {name} {length}" for name, length in lengths.items() if name != "X")
        raise MisalignedBlocksError(
            f"Partition {index} of X has {X.shape[0]} rows, {others}. Nothing was fitted. "
            "Take X, y and weights from one persisted frame, or give them the same partitions."
        )
    assert_all_finite(y, input_name="y")
    if isinstance(X, np.ndarray):
        assert_all_finite(X, allow_nan=True, input_name="X")
    if "sample_weight" in part:
        weight = part["sample_weight"].astype(np.float64).reshape(len(y))
        options = {"ensure_non_negative": True, "allow_all_zero_weights": True}
        part["sample_weight"] = check_sample_weight(weight, weight, **options)
    if "qid" in part and (part["qid"][1:] < part["qid"][:-1]).any():
        raise ValueError(
            f"qid is not sorted in partition {index}. Nothing was fitted. Sort the rows, for example with "
            "frame.sort_values('qid')."
        )
    return part


def _one_column(y: np.ndarray) -> np.ndarray:
    return y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y


def look_at(part: Block) -> Look:
    """Return what the client must know of a partition."""
    X, y, weight = part["X"], part["y"], part.get("sample_weight")
    frame_types = dict(getattr(X, "dtypes", {}))
    categories = {c: X[c].cat.categories for c, dtype in frame_types.items() if str(dtype) == "category"}
    rows = len(y) if weight is None else int(np.count_nonzero(weight))
    queries = (part["qid"][0], part["qid"][-1]) if "qid" in part and len(y) else None
    return Look(rows, len(y), {name: block.shape[1:] for name, block in part.items()}, categories, queries)


def _labels(part: Block) -> np.ndarray:
    return np.unique(part["y"])


def _with_whole_queries(part: Block, before: Any, last: Any, following: list[Block]) -> Block:
    """Leave the rows of query `before` to an earlier partition, and take those of query `last` from later ones."""
    taken = [_rows_where(other, other["qid"] == last) for other in following]
    kept = _rows_where(part, part["qid"] != before) if before is not None else part
    if before == last:  # all rows of a query that began earlier
        return kept
    return {name: _stack([block, *(other[name] for other in taken)]) for name, block in kept.items()}


def _count_queries(part: Block) -> int:
    return len(np.unique(part["qid"]))


def _number_queries(part: Block, start: int) -> Block:
    return part | {"qid": (start + np.unique(part["qid"], return_inverse=True)[1]).astype(np.uint32)}


def _rows_where(part: Block, mask: np.ndarray) -> Block:
    return {name: take_rows(block, np.flatnonzero(mask)) for name, block in part.items()}


def _stack(blocks: list[Any]) -> Any:
    if len(blocks) == 1:
        return blocks[0]
    return concat(blocks)


def code_part(part: Block, coding: Coding, keep_weightless: bool = False) -> Block:
    """Replace labels by codes, and categories by those of all partitions."""
    weight = part.get("sample_weight")
    if weight is not None and not keep_weightless and not weight.all():
        # over Dask, other than on one machine, XGBoost's bins depend on rows that weigh nothing
        part = {name: take_rows(block, np.flatnonzero(weight)) for name, block in part.items()}
    X = _with_categories(part["X"], coding.categories)
    X = X if coding.table is None else round_down(X, coding.table, coding.missing)
    y = part["y"] if coding.classes is None else codes_of(part["y"], coding.classes)
    return part | {"X": X, "y": y}


def draw_part(part: Block, number: int, draw: RowDraw, held_out: bool) -> Block:
    """Return the rows of a partition that are held out, or the others."""
    return _rows_where(part, draw.held_out(number, len(part["y"]), part.get("qid")) == held_out)


def _sampled_part(part: Block, start: int, stride: int) -> dict[Any, np.ndarray]:
    return sampled(part["X"], start, stride)


def unite(looks: list[Look]) -> dict[str, Any]:
    """Unite the categories of all partitions; XGBoost would mix up equal codes of different ones."""
    united: dict[str, Any] = {}
    for look in looks:
        for column, values in look.categories.items():
            known = united.setdefault(column, values)
            united[column] = known if known.equals(values) else known.union(values)
    return united


def _with_categories(X: Any, categories: dict[str, Any]) -> Any:
    united = {name: X[name].cat.set_categories(values) for name, values in categories.items()}
    return with_columns(X, united) if united else X  # an array has none
