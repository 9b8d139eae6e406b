"""Compiling CPU kernels with a cache of their machine code, wherever one can be written, and for the widest registers."""

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

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


def _widen(context: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")  # or the loops would be compiled as those of a caller
        # llvmlite refuses attributes that it does not know, but writes all that are there.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        for argument in builder.function.args:
            # The fifth member of numba's arrays points to their data; owners, which two views may share, come before.
            if isinstance(argument.type, ir.PointerType) and argument.name.startswith("arg.") and argument.name.endswith(".4"):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.void(), generate


wide = cast("Callable[[], None]", intrinsic(_widen))
"""Called by a kernel, compiles it for the widest registers, with the promise that no two of its arrays overlap.

LLVM alone stops at 256 bits on many processors, and compares the bounds of arrays before each of their loops. A processor without
wider registers splits the loops as before.
"""
