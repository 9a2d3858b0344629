"""What the package asks of objects that come from other libraries, or from users."""

from __future__ import annotations

from typing import Any, Protocol


class Estimator(Protocol):
    """An estimator as scikit-learn has them; its class tells what else it has, such as ``alpha``."""

    def get_params(self, deep: bool = True) -> dict[str, Any]: ...

    def set_params(self, **params: Any) -> Any: ...


class DaskClient(Protocol):
    """What computes Dask's delayed objects: ``distributed.Client``."""

    def compute(self, collections: Any) -> Any: ...

    def gather(self, futures: Any) -> Any: ...
