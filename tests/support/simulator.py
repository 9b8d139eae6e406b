"""For scripts: numba's CUDA simulator, made safe for device functions that live in another file than the kernel that calls them.

The simulator replaces ``cuda`` in the globals of a function while it runs. Threads of a block share those of a device function: the first
to enter puts the real module back when it leaves, and others, still inside, fail with "module 'numba.cuda' has no attribute 'syncthreads'",
in one run of some. Here the last to leave puts it back.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba import cuda
from numba.cuda.simulator import kernel

_LOCK = threading.Lock()
_INSIDE: dict[int, int] = {}
_REAL: dict[int, dict[str, object]] = {}


@contextmanager
def _swapped(fn: Any, fake: object) -> Iterator[None]:
    names = fn.__globals__
    place = id(names)
    with _LOCK:
        if not _INSIDE.get(place):
            _REAL[place] = {name: value for name, value in names.items() if value is cuda}
            names.update(dict.fromkeys(_REAL[place], fake))
        _INSIDE[place] = _INSIDE.get(place, 0) + 1
    try:
        yield
    finally:
        with _LOCK:
            _INSIDE[place] -= 1
            if not _INSIDE[place]:
                names.update(_REAL[place])


def prepare() -> None:
    """Let the simulator swap modules so from now on, and its threads, which wait for each other by polling, take turns fast."""
    kernel.swapped_cuda_module = _swapped
    sys.setswitchinterval(1e-4)  # with the usual 5 ms it is ten times slower
