"""One entry of the catalogue: what an engine does for one estimator on one device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Allowed = tuple[Any, ...] | Callable[[Any], bool]


def catalogue_name(cls: type) -> str:
    """Return the name of a class in the catalogue: its package goes first where it is not scikit-learn or XGBoost.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> catalogue_name(Ridge), catalogue_name(Entry)
    ('Ridge', 'skdist_gpu.Entry')
    """
    package = cls.__module__.partition(".")[0]
    return cls.__name__ if package in ("sklearn", "xgboost") else f"{package}.{cls.__name__}"


@dataclass(frozen=True)
class Entry:
    """One estimator on one engine and device. What is not said to be supported is not.

    Attributes
    ----------
    estimator : str
        Class name of the scikit-learn or XGBoost estimator, as :func:`catalogue_name` gives it.
    backend : str
        Name of the engine.
    device : {"gpu", "cpu", "dask"}
        Where it computes.
    accepts : dict
        Parameter name -> allowed values, or a function that tells whether a value is allowed.
        Parameters that are not named may have any value.
    only_fits : tuple of str
        Parameters of `accepts` that do not matter to a copy that scores what another engine fitted.
    sparse, weights, multi_target : bool
        Whether sparse `X`, sample weights and 2-D `y` are supported.
    sparse_accepts : dict
        What `accepts` says instead where `X` is sparse.
    ignores : dict
        Parameters that the engine does not read although they change the result -> the values that mean
        what it does anyway.
    fit : callable or None
        The engine's function for this estimator, where it has one for each.
    refusal : str
        Why the engine is never used for this estimator, as measured; empty where it is.
    explicit : str
        What other model the engine fits, which is only taken where it is asked for by name; empty where it
        fits the estimator's own.
    native : bool
        Whether the engine is the library that the estimator comes from, whose answer is the reference.
    most_columns : float
        Columns of `X` beyond which another way is faster, or the only one that fits in memory.
    numbered_passes : callable
        Tells of an estimator in how many passes its fit needs the number of each row: 0, 1, or 2 for several.
    tolerance : float
        Largest relative difference from scikit-learn in float64 that the tests accept; infinite where a fit that
        reads the rows in another way ends elsewhere.
    differs : str
        How what the engine leaves differs from scikit-learn's in what a program may read of it, beyond any tolerance;
        empty where it does not.
    differs_unless : dict
        Parameter name -> allowed values, as in `accepts`: with these it does not differ after all.
    drift : tuple of (int, float)
        Rows and largest relative difference from scikit-learn in float64, measured on float32 data of so
        many rows; only where it exceeds `tolerance`.
    memory : float
        Peak bytes on the device as a multiple of the data's bytes there, data included.
    row_bytes, pair_bytes : float
        Bytes on top for each row, and for each pair of rows.
    slower : str
        Why another engine goes first at every size, as measured; empty where predicted seconds decide.
    spread_from : float
        Rows of data in main memory from which all GPUs, each handed a copy, are faster than one.
    """

    estimator: str
    backend: str
    device: str
    accepts: dict[str, Allowed] = field(default_factory=dict)
    only_fits: tuple[str, ...] = ()
    sparse: bool = False
    weights: bool = False
    multi_target: bool = False
    sparse_accepts: dict[str, Allowed] = field(default_factory=dict)
    ignores: dict[str, Allowed] = field(default_factory=dict)
    fit: Callable[..., Any] | None = None
    refusal: str = ""
    explicit: str = ""
    native: bool = False
    most_columns: float = float("inf")
    numbered_passes: Callable[[Any], int] = lambda estimator: 0
    tolerance: float = 1e-8
    differs: str = ""
    differs_unless: dict[str, Allowed] = field(default_factory=dict)
    drift: tuple[tuple[float, float], ...] = ()
    memory: float = 2.0
    row_bytes: float = 0
    pair_bytes: float = 0
    slower: str = ""
    spread_from: float = float("inf")

    @property
    def name(self) -> str:
        """Engine and device as one word, such as ``"reductions:gpu"``."""
        return f"{self.backend}:{self.device}"

    def drift_at(self, n_rows: int | None) -> tuple[float, float] | None:
        """Return the measurement nearest below a number of rows; None where none is known.

        Examples
        --------
        >>> Entry("PCA", "cuml", "gpu", drift=((1e6, 1e-3), (1e7, 1e-2))).drift_at(2_000_000)
        (1000000.0, 0.001)
        """
        measured = [point for point in self.drift if n_rows is not None and point[0] <= n_rows]
        return max(measured, default=None)
