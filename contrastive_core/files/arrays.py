"""NumPy files that others may have written: sizes are checked before memory is taken for them."""

from __future__ import annotations

import math
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from contrastive_core.files.bounded import LARGEST

_KINDS = "biufU"
# NumPy reads a header as Python code, and has no error of its own for one that is none.
_DAMAGE = (zlib.error, EOFError, struct.error, SyntaxError, TokenError, RecursionError, MemoryError, TypeError, OverflowError)


def load_array(path: str | Path) -> NDArray[Any]:
    """Read the array of an ``.npy`` file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    ndarray
        Truth values, numbers or texts.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged, larger than ``LARGEST``, or holds no array of the size that it declares.
    """
    with Path(path).open("rb") as stream:
        return _read(stream, Path(path).stat().st_size)


def load_arrays(path: str | Path, without: str = "") -> dict[str, NDArray[Any]]:
    """Read all arrays of an ``.npz`` file, as ``load_array`` reads one.

    Parameters
    ----------
    path : str or Path
        The file.
    without : str
        Name of an array that is not read; empty for none.

    Returns
    -------
    dict of str to ndarray
        Arrays by name.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged, larger than ``LARGEST``, or an array has not the size that it declares.
    """
    if not stat.S_ISREG(Path(path).stat().st_mode):  # the end of a device, where an archive has its directory, is never reached
        raise ValueError("it is no regular file")
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not without or member.filename != f"{without}.npy"]
            # The directory of an archive says what each member unpacks to; more than that is never unpacked.
            if sum(member.file_size for member in members) > LARGEST:
                raise ValueError(f"its arrays take more than {LARGEST} bytes")
            return {member.filename.removesuffix(".npy"): _member(archive, member) for member in members}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, UnicodeError, struct.error) as error:
        raise ValueError(f"it is no whole archive of arrays ({error})") from error


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as stream:
        return _read(stream, member.file_size)


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order and type of the array that begins here in a stream, up to its first entry.

    Returns
    -------
    tuple
        Shape, whether it is stored by columns, and type of the entries.

    Raises
    ------
    ValueError
        If it is damaged, or holds neither truth values, numbers nor texts.
    """
    try:
        version = np.lib.format.read_magic(stream)
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in readers:
            raise ValueError(f"arrays of format {version} are not read")
        shape, by_columns, dtype = readers[version](stream)
    except _DAMAGE as error:
        raise ValueError(f"an array is damaged ({type(error).__name__})") from error
    if dtype.kind not in _KINDS:
        raise ValueError(f"an array has entries of type {dtype}; numbers are expected")
    return shape, by_columns, dtype


def _read(stream: IO[bytes], size: int) -> NDArray[Any]:
    shape, _, dtype = read_header(stream)
    # NumPy takes the memory that a header declares before it looks for the numbers.
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > min(size, LARGEST):
        raise ValueError(f"an array declares the shape {shape}, for which the file is too short")
    try:
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
    except _DAMAGE as error:
        raise ValueError(f"an array is damaged ({type(error).__name__})") from error
