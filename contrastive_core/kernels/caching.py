"""Compiling CPU kernels with a cache of their machine code, wherever one can be written."""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiler(**options: Any) -> Callable[[F], F]:
    """Return a decorator that compiles a function and caches its machine code.

    The cache lies beside the source or in the home directory. Where neither can be written, as in a container, it lies in a temporary
    directory of the user; without one there is no cache, and every process compiles again. Both are said in a ``RuntimeWarning``.

    Parameters
    ----------
    **options
        Arguments of ``numba.njit``, except ``cache``.

    Returns
    -------
    callable
        Decorator.
    """

    def decorate(function: F) -> F:
        # A function without a place for its cache cannot even be decorated.
        try:
            return _compiled(function, cache=True, **options)
        except RuntimeError:
            return _compiled(function, cache=_use_temporary_folder(), **options)

    return decorate


def _compiled(function: F, **options: Any) -> F:
    made: F = numba.njit(**options)(function)
    return made


@cache
def _use_temporary_folder() -> bool:
    """Point numba's cache at a temporary directory, and return whether there is one."""
    problem = "neither the installation nor the home directory can be written"
    folder = private_folder(Path(tempfile.gettempdir()) if _has_temporary_folder() else None)
    if folder is None:
        warnings.warn(f"kernels are compiled anew in every process, because {problem}; set NUMBA_CACHE_DIR", RuntimeWarning, stacklevel=2)
        return False
    warnings.warn(f"machine code is cached in {folder}, because {problem}; set NUMBA_CACHE_DIR", RuntimeWarning, stacklevel=2)
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    return True


def _has_temporary_folder() -> bool:
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return False
    return True


def private_folder(root: Path | None) -> Path | None:
    """Return a directory for the cache that nobody else can write, or None if there is none.

    Parameters
    ----------
    root : Path or None
        Directory for temporary files, which other users may write too.

    Returns
    -------
    Path or None
        Same directory for all processes of this user.
    """
    if root is None:
        return None
    folder = root / f"eqlab-kernels-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    # Whoever can write the cache chooses the program that is run from it.
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if private and os.access(folder, os.W_OK) else None
