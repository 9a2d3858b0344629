"""dask_ml's searches over `partial_fit`, mended for current Dask."""

from __future__ import annotations

import sys
from typing import Any

_MODULE = "dask_ml.model_selection._incremental"


class _Dask:
    """Dask as dask_ml's module sees it: `persist` asks the client, since ``dask.persist`` refuses in an event loop."""

    def __init__(self, dask: Any) -> None:
        self._dask = dask

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dask, name)

    def persist(self, *parts: Any, **options: Any) -> Any:
        """Return the parts with each Dask collection in them computed, or being computed, by the workers."""
        from dask.base import unpack_collections
        from distributed import default_client

        collections, repack = unpack_collections(*parts)
        return repack(default_client().persist(collections, **options))


def mend_searches(cls: type) -> None:
    """Let dask_ml's IncrementalSearchCV and its kin run, if a class is one of them.

    They persist data and models in the client's event loop, where Dask has refused to since 2024.
    """
    module: Any = sys.modules.get(_MODULE)
    if (
        module is not None
        and cls.__module__.startswith("dask_ml.model_selection.")
        and not isinstance(module.dask, _Dask)
    ):
        module.dask = _Dask(module.dask)
