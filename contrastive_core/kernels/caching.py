"""Compiling CPU kernels with a cache of their machine code, wherever one can be written."""

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

from contrastive_core.files.private import private_folder
from contrastive_core.files.sources import digest_of


def compiler(**options: Any) -> Callable[..., Any]:
    """Return ``numba.njit`` with options; without any writable place for its cache, the decorator compiles in every process."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            made = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # numba refuses a function without a place for its cache
            made = numba.njit(cache=_use_temporary_folder(), **options)(function)
        if made.stats.cache_path is not None:
            # Numba looks at the function's own file only, and would keep machine code that has older functions of other files in it.
            made._cache._cache_file._source_stamp = digest_of(Path(__file__).parent)
        return made

    return decorate


@cache
def _use_temporary_folder() -> bool:
    folder = private_folder("eqlab-kernels")
    where = f"are cached in {folder}" if folder else "are compiled anew in every process"
    warnings.warn(f"kernels {where}, because installation and home cannot be written; set NUMBA_CACHE_DIR", RuntimeWarning, stacklevel=2)
    numba.config.CACHE_DIR = str(folder or "")  # type: ignore[attr-defined]
    return folder is not None
