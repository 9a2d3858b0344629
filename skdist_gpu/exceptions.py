"""Errors and warnings of the package. Each says what happened, why, and how to change it."""


class AutoScaleError(Exception):
    """Base of the package's own errors."""


class BackendError(AutoScaleError, ValueError):
    """The requested backend cannot run this estimator on these data on this machine."""


class MisalignedBlocksError(AutoScaleError, ValueError):
    """Dask collections whose partitions do not line up."""


class EngineRefusal(AutoScaleError):
    """An engine found at run time that it cannot do the job; the next candidate takes over."""


class FallbackWarning(UserWarning):
    """The first choice failed and another engine ran instead."""


class NotFiniteError(AutoScaleError, ValueError):
    """A sum over rows met NaN or infinity."""


class CollectLimitError(AutoScaleError, ValueError):
    """More would have to be collected from Dask or from files than the configuration allows."""
