"""All containers, and which of them holds some data."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from skdist_gpu.data.containers.base import Container

_CONTAINERS: list[Container] = []
_OTHER = Container()
# a fit asks many times, of the same few types
_OF_TYPE: WeakKeyDictionary[type, Container] = WeakKeyDictionary()

# names of the containers of each place
HOST: set[str] = {_OTHER.name}
GPU: set[str] = set()
DASK: set[str] = set()
DISK: set[str] = set()
FRAMES: set[str] = set()
_PLACES = {"host": HOST, "gpu": GPU, "dask": DASK, "disk": DISK}


def register(container: Container) -> Container:
    """Add a container; of several that recognise an object, the one that was added first holds it."""
    _CONTAINERS.append(container)
    _OF_TYPE.clear()
    _PLACES[container.location].add(container.name)
    if container.has_columns:
        FRAMES.add(container.name)
    return container


def find(data: Any) -> Container:
    """Return what knows how to describe, cut and move these data.

    Examples
    --------
    >>> find([[1, 2]]).name
    'other'
    """
    kind = _OF_TYPE.get(type(data))
    if kind is None:
        kind = next((container for container in _CONTAINERS if container.recognises(data)), _OTHER)
        _OF_TYPE[type(data)] = kind
    return kind


def container_of(data: Any) -> str:
    """Return the container's name, ``"other"`` for what scikit-learn turns into an array.

    Examples
    --------
    >>> import numpy as np
    >>> container_of(np.zeros((2, 3))), container_of([[1, 2]])
    ('numpy', 'other')
    """
    return find(data).name
