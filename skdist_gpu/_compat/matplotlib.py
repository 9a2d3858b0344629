"""matplotlib, which plots alone need."""

from __future__ import annotations

from typing import Any


def axes_or_new(ax: Any) -> Any:
    """Return the axes that were given, or those of a new figure.

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"A plot needs matplotlib, which cannot be imported here ({error}). Nothing was drawn. Install it with: "
            "pip install 'skdist_gpu[plots]'"
        ) from error
    return pyplot.subplots(figsize=(7, 3.5), layout="constrained")[1]
