"""Needs of each backend and the memory that it works in. Imports nothing heavy by itself."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple


class Place(NamedTuple):
    """Needs and memory of a backend.

    Attributes
    ----------
    missing : callable
        Returns why the backend cannot be used on this machine, and what to do; None if it can. May import its libraries.
    memory : callable
        Returns the type of torch device whose tensors it works on.
    """

    missing: Callable[[], str | None]
    memory: Callable[[], str]


def simulated() -> bool:
    """Whether numba's CUDA simulator is asked for, in which the CPU's memory stands for the device's."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


@cache
def _numba_missing() -> str | None:
    return None if find_spec("numba") else "numba is not installed; run: pip install numba"


@cache
def _cuda_missing() -> str | None:
    """Ask once per process: drivers take their time to say that there is no device."""
    # The simulator needs no device, and its arrays are NumPy's.
    if simulated():
        return _numba_missing()
    if find_spec("numba_cuda") is None:
        return "numba-cuda is not installed; on a machine with an NVIDIA device run: pip install 'eqlab[cuda]'"
    try:
        # Drivers that do not fit warn at every question; the answer below says all that a user can act on.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            here = import_module("numba.cuda").is_available()
    except Exception as error:  # drivers fail in ways of their own; the caller says that there is no such backend, and why
        return f"numba-cuda does not work here ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'})"
    return None if here else "there is no CUDA device, or its driver was not found; install the driver of an NVIDIA device"


CPU = Place(_numba_missing, lambda: "cpu")
CUDA = Place(_cuda_missing, lambda: "cpu" if simulated() else "cuda")
