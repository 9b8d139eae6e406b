"""Arrays in files of NumPy, of which parts are read."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contrastive_core.errors import DataError
from contrastive_core.files.arrays import read_header

_LOCAL_HEADER = struct.Struct("<26x2H")
"""Start of a member of an archive; the last two numbers are the lengths of its name and of what stands between name and content."""

_MAPPED = 2**23
"""Bytes that are read before the file is mapped anew."""


class Stored(NamedTuple):
    """Place of an array in a file.

    Attributes
    ----------
    path : Path
        File.
    offset : int
        Bytes before the first entry.
    shape : tuple of int
        Shape; the last axis changes fastest.
    dtype : dtype
        Type of the entries.
    stamp : tuple of int
        Size of the file and time of its last change, when it was found.
    """

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stamp: tuple[int, int]

    @property
    def row(self) -> int:
        """Bytes of one row, which is everything but the first axis."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    def rows(self, places: NDArray[np.intp]) -> NDArray[Any]:
        """Return some rows, of shape (M, ...), in the type of the file.

        The file is mapped anew for every few megabytes, because pages that were read count as memory of the process while it is mapped.

        Parameters
        ----------
        places : ndarray of shape (M,)
            Indices of the rows. Ascending ones are read in long runs.

        Raises
        ------
        DataError
            If the file has changed since it was found, or cannot be read.
        """
        found = np.empty((len(places), *self.shape[1:]), self.dtype)
        many = max(1, _MAPPED // max(self.row, 1))
        for start in range(0, len(places), many):
            part = slice(start, start + many)
            with self._unchanged():
                found[part] = np.memmap(self.path, self.dtype, "r", self.offset, self.shape)[places[part]]
        return found

    def pieces(self, size: int) -> Iterator[NDArray[Any]]:
        """Read all rows in order, in pieces of at most ``size`` bytes or one row.

        Raises
        ------
        DataError
            If the file has changed since it was found, or cannot be read.
        """
        many = max(1, size // max(self.row, 1))
        for start in range(0, self.shape[0], many):
            yield self.rows(np.arange(start, min(start + many, self.shape[0])))

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        try:
            if _stamp(self.path) != self.stamp:
                raise DataError(f"{self.path} has changed while it was used; start again, and leave it alone meanwhile")
            yield
        except (OSError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{self.path} cannot be read any more ({error}); it must stay where it is while it is used") from error


def find_array(path: Path) -> Stored | None:
    """Find the array of an ``.npy`` file; None if it is stored by columns.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged, or shorter than it declares.
    """
    with path.open("rb") as stream:
        return _found(path, stream, path.stat().st_size)


def find_member(path: Path, name: str) -> Stored | None:
    """Find an array of an ``.npz`` file; None if it is compressed or stored by columns, or there is none of that name.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged, or shorter than it declares.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = next((one for one in archive.infolist() if one.filename == f"{name}.npy"), None)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, UnicodeError, struct.error) as error:
        raise ValueError(f"it is no whole archive of arrays ({error})") from error
    if member is None or member.compress_type != zipfile.ZIP_STORED:
        return None
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        header = stream.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size:
            raise ValueError("it ends before its arrays")
        stream.seek(sum(_LOCAL_HEADER.unpack(header)), os.SEEK_CUR)
        return _found(path, stream, min(stream.tell() + member.file_size, path.stat().st_size))


def _found(path: Path, stream: IO[bytes], end: int) -> Stored | None:
    """Return the place of an array whose header is next in a stream; None if its rows are no runs of bytes."""
    shape, by_columns, dtype = read_header(stream)
    one = Stored(path, stream.tell(), tuple(shape), dtype, _stamp(path))
    if min(shape, default=0) < 0 or one.offset + one.row * (shape[0] if shape else 1) > end:
        raise ValueError(f"an array declares the shape {shape}, for which the file is too short")
    return None if by_columns and len(shape) > 1 else one


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
