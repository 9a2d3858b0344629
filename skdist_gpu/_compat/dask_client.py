"""What Dask's client keeps to itself; imports nothing of Dask."""

from __future__ import annotations

import os
from typing import Any
from uuid import UUID


def is_of_this_process(client: Any) -> bool:
    """Whether a client was made in this process, and not in the one from which it was forked.

    The name of a client ends with a UUID whose clock sequence holds the last 14 bits of its process's number.
    """
    try:
        return UUID(client.id[-36:]).clock_seq == os.getpid() & 0x3FFF
    except ValueError:  # a name of another kind
        return True
