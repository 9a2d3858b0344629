"""What every engine takes and gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from skdist_gpu.data.containers import find
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.block_method import BlockMethod
from skdist_gpu.engines.entry import Entry
from skdist_gpu.progress import Progress
from skdist_gpu.protocols import Estimator

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources

# what `EngineInfo.scores` says of an engine that scores estimators of every package
ANY_PACKAGE = "*"


@dataclass
class FitJob:
    """One fit to do.

    `estimator` is an unfitted clone that the engine may fit in place; `options` are parameters of the
    AutoScale estimator that only some engines know; `all_threads` says that the choice was ours, and that the fit was
    planned to take all cores; `transforms` that the rows are wanted transformed, too, of an engine that does both at
    once; `before` the unfitted steps of a pipeline before the estimator, fitted in place in the
    same passes; `same_answer` that only scikit-learn's own answer will do, where it takes the data itself.
    """

    estimator: Any
    X: Any
    y: Any
    sample_weight: Any
    info: InputInfo
    resources: Resources
    device: str = "cpu"
    client: Any = None
    memory_budget: int | None = None
    fit_params: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    all_threads: bool = False
    transforms: bool = False
    before: tuple[Any, ...] = ()
    same_answer: bool = False
    progress: Progress = field(default_factory=Progress)

    def without_weights(self) -> FitJob:
        """Return the same fit of rows that all weigh the same, without their column where files hold it."""
        X = self.X
        if isinstance(self.sample_weight, str):
            rows = find(X)
            X = rows.select(X, [name for name in rows.names(X) or () if name != self.sample_weight])
        return replace(self, X=X, sample_weight=None, info=replace(self.info, weighted=False))


@dataclass
class Fitted:
    """What a fit gives: the plain fitted estimator.

    `classes` are the labels, where the plain estimator predicts codes 0 … n-1 for them; `answers` the
    attributes that the plain estimator cannot hold; `copies` the engine's own models, by name, that its
    ``score.py`` finds among the :class:`ModelCopies` until the estimator changes; `transformed` the rows, where
    :class:`FitJob` wants them. `peak_bytes` is by how much memory rose, where that was seen; the caller of the engine
    tells.
    """

    estimator: Any
    classes: np.ndarray | None = None
    answers: dict[str, Any] = field(default_factory=dict)
    copies: dict[str, Any] = field(default_factory=dict)
    peak_bytes: int | None = None
    transformed: Any = None


class EngineInfo:
    """What the package may ask an engine without importing its library.

    An engine is a subclass in ``engines/<engine>/info.py``, whose instance there is called ``INFO``, beside a
    ``fit.py`` with its function `fit`. What a subclass does not say, the engine does not do, so that a new one
    refuses where it has nothing to say, and never ignores an argument.

    Attributes
    ----------
    name : str
        What ``backend=`` calls it.
    rank : int
        Among engines that serve as well, the lower goes first.
    packages : dict
        Device -> package, by its import name -> lowest version, empty for any. The keys are the engine's devices.
    extras : dict
        Device -> the extra of this package that installs them.
    reads : dict
        Device -> where data may be that it takes: ``"host"``, ``"gpu"``, ``"dask"``, ``"disk"``.
    scores : dict
        Device -> packages whose fitted estimators its ``score.py`` scores there, `ANY_PACKAGE` for all those that no
        engine names. On the CPU the last by rank is the plain estimator itself.
    scores_in_turns : bool
        Whether on GPUs it scores rows in main memory on several, and in turns where their memory does not hold all.
    takes_fit_arguments, continues, calls_callbacks : bool
        Whether it takes further arguments of `fit`, goes on from an earlier fit with ``warm_start=True``, and
        calls the callbacks that an estimator was given with `set_callbacks`.
    fits_anything : bool
        Whether it fits every estimator, also those for which it has no entry of its own.
    """

    name: str = ""
    rank: int = 45
    packages: Mapping[str, Mapping[str, str]] = {}
    extras: Mapping[str, str] = {}
    reads: Mapping[str, tuple[str, ...]] = {}
    scores: Mapping[str, tuple[str, ...]] = {}
    scores_in_turns: bool = False
    takes_fit_arguments: bool = False
    continues: bool = False
    calls_callbacks: bool = False
    fits_anything: bool = False

    def entries(self) -> Iterable[Entry]:
        """Return what it fits: its part of the catalogue."""
        return ()

    def entry_for(self, estimator: str) -> Entry:
        """Return an entry for an estimator that it has none for; only asked if it `fits_anything`."""
        raise NotImplementedError

    def fit(self, job: FitJob) -> Fitted:
        """Fit the job's estimator; the engine's library is imported now.

        Raises
        ------
        EngineRefusal
            If the engine finds only now that it cannot; the next candidate takes over.
        MemoryError
            If memory ran out; the next candidate takes over.
        """
        fitted: Fitted = self._module("fit").fit(job)
        return fitted

    def fits_before(self, device: str, steps: Sequence[Any], estimator: Any, info: InputInfo) -> bool:
        """Whether it fits unfitted steps, given as `FitJob.before`, in the passes of the estimator behind them."""
        return False

    def method_class(self, device: str) -> type[BlockMethod]:
        """Return what calls a method of a fitted estimator for rows on a device, one of those in `scores`."""
        methods: Mapping[str, type[BlockMethod]] = self._module("score").METHODS
        return methods[device]

    def fit_seconds(self, entry: Entry, estimator: Estimator, info: InputInfo, resources: Resources) -> float | None:
        """Predict the seconds of a fit where the measured rates that are shipped do not know the engine.

        With ``backend="auto"`` an engine that nobody can price gives way to one whose seconds are known.
        """
        return None

    def scoring_refusals(self, model: Estimator, method: str, info: InputInfo, device: str) -> list[str]:
        """Tell why it does not call a method of a fitted estimator for such rows from main memory.

        Beside what its entry says of parameters and sparse rows.
        """
        return []

    def scoring_seconds(self, model: Estimator, method: str, info: InputInfo, device: str) -> float | None:
        """Predict the seconds of such a call where the measured rates that are shipped do not know the engine."""
        return None

    def _module(self, name: str) -> Any:
        folder = type(self).__module__.rpartition(".")[0]
        return import_module(f"{folder}.{name}")

    # --- what the planner asks, of one entry --------------------------------------------------

    def machine_refusals(self, entry: Entry, resources: Resources) -> list[str]:
        """Tell what the machine lacks, beside packages and a GPU; a sentence for each thing."""
        return []

    def data_refusals(self, entry: Entry, info: InputInfo) -> list[str]:
        """Tell why it cannot take such data, beside what the entry and `reads` say."""
        return []

    def why(self, entry: Entry, estimator: Estimator, info: InputInfo, resources: Resources) -> list[str]:
        """Say why it serves."""
        return [f"{self.name} supports these parameters and data"]

    def why_slower(self, entry: Entry, info: InputInfo) -> str | None:
        """Say why another engine is faster whatever the data; None if that depends on their size and place."""
        return f"another engine goes first at every size ({entry.slower})" if entry.slower else None

    def held(self, entry: Entry, estimator: Estimator, info: InputInfo, resources: Resources) -> dict[str, float]:
        """Return what a fit may hold beside what every engine does, by term, in bytes.

        How many of each it holds at its peak was measured, and is in ``planning/held.json``.
        """
        return {}

    def peak_bytes(self, entry: Entry, info: InputInfo, resources: Resources) -> int:
        """Return the bytes at the peak on top of the user's data, whose size is known, where none were measured."""
        on_device = (info.n_values or 0) * ((4 if info.dtype == "float32" else 8) + (4 if info.sparse else 0))
        already_there = entry.device == "gpu" and info.location == "gpu"
        pairs = entry.pair_bytes * (info.n_samples or 0) ** 2
        return int(on_device * (entry.memory - already_there) + pairs)

    def free_bytes(self, entry: Entry, resources: Resources) -> int:
        """Return the bytes that it may take where it computes."""
        if entry.device == "gpu":
            # the CUDA libraries take some 400 MB beside the pools
            return max(0, int(0.95 * resources.gpus[0].free_bytes) - 400 * 2**20) if resources.gpus else 0
        if entry.device == "dask" and resources.cluster and resources.cluster.memory_bytes:
            return resources.cluster.memory_bytes
        return resources.available_bytes

    def instead(self, estimator: str) -> str | None:
        """Say what it could train where the estimator's data do not fit; nothing is done without being asked."""
        return None


def largest_block(info: InputInfo, block_rows: int) -> int:
    """Return the bytes of a block in float64, twice: as it is read, and as the estimator takes it."""
    sizes = [n for n in info.block_sizes if n is not None]
    n_rows = max(sizes) if sizes else (info.n_samples or 0) // max(1, len(info.block_sizes))
    return 16 * (info.n_features or 1) * (n_rows if info.block_sizes else block_rows)


def of_blocks(n_bytes: float, info: InputInfo) -> dict[str, float]:
    """Return what an engine holds that takes blocks of rows, together of so many bytes, and converts those alone."""
    return {
        "blocks": n_bytes,
        "values": 0.0,
        "gathered": 0.0 if info.as_numpy else n_bytes,
        "widened": n_bytes if info.dtype != "float64" else 0.0,
    }
