"""MAT files of the SVHN data set: pictures X of shape (32, 32, 3, N) and labels y, where 10 stands for the digit 0.

The format is MAT of version 5, of which only real numeric arrays are read. SciPy's reader takes the sizes and types in a file at their
word, so that a damaged file can crash the interpreter.
"""

import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.formats.opening import AGAIN, DataFile
from contrastive_core.errors import DataError

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_DTYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""NumPy's name of each numeric type of an element."""
_LARGEST_ARRAY = 2**30
"""Bytes of an unpacked array; the largest of SVHN's training and test files has 225 million."""
_PICTURE = (32, 32, 3)


class _Array(NamedTuple):
    """Array of a file: its shape, and its numbers with the first axis running fastest."""

    shape: tuple[int, ...]
    values: NDArray[np.generic]

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.shape))} ({self.values.dtype.name})"


def parse_mat(file: DataFile) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Interpret a file as pictures of house numbers and their digits.

    Parameters
    ----------
    file : DataFile
        Bytes of the file.

    Returns
    -------
    pixels : ndarray of shape (N, 3072)
        Red, green and blue planes of 32 rows and 32 columns, row by row.
    labels : ndarray of shape (N,)
        Digits, 0 to 9.

    Raises
    ------
    DataError
        If the file is no MAT file of version 5, is damaged, or holds something else.
    """
    try:
        arrays = _arrays(file.data)
    except (ValueError, struct.error, zlib.error) as error:
        raise DataError(f"{file.path}: cannot be read as a MAT file of version 5 ({error}); {AGAIN}") from error
    images, labels = arrays.get("X"), arrays.get("y")
    count = images.shape[-1] if images is not None and images.shape[:-1] == _PICTURE else 0
    if images is None or labels is None or not count or images.values.dtype != np.uint8 or prod(labels.shape) != count:
        shown = " and ".join(f"{name} of shape {array}" for name, array in arrays.items()) or "neither X nor y"
        raise DataError(
            f"{file.path}: holds {shown}, expected X of shape 32x32x3xN (uint8) and y of shape Nx1; "
            "check that this is a file of SVHN's cropped digits"
        )
    wrong = np.flatnonzero(~np.isin(labels.values, np.arange(1, 11)))
    if len(wrong):
        raise DataError(f"{file.path}: label {labels.values[wrong[0]]} at index {wrong[0]}, expected 1 to 10; {AGAIN}")
    # Rows run fastest in the file, then columns.
    pixels = images.values.astype(np.uint8, copy=False).reshape(count, 3, 32, 32).transpose(0, 1, 3, 2).reshape(count, -1)
    return pixels, (labels.values % 10).astype(np.uint8)


def _arrays(data: bytes) -> dict[str, _Array]:
    """Return the arrays X and y of a MAT file, as far as it has them, or raise ``ValueError`` in a few words."""
    order = {b"IM": "<", b"MI": ">"}.get(data[_HEADER - 2 : _HEADER])
    if order is None or data[_HEADER - 4 : _HEADER - 2] != struct.pack(f"{order}H", 0x0100):
        raise ValueError("it has another header")
    found: dict[str, _Array] = {}
    for kind, content in _elements(memoryview(data)[_HEADER:], order):
        if kind == _COMPRESSED:
            kind, content = next(_elements(memoryview(_unpacked(content)), order), (0, content))
        if kind == _MATRIX:
            found |= _matrix(content, order)
    return found


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Split bytes into elements, and yield the type and the content of each."""
    while data:
        first, size = struct.unpack_from(f"{order}II", data)
        start, kind = 8, first
        if first >> 16:  # up to 4 bytes of content stand in the tag itself
            start, kind, size = 4, first & 0xFFFF, first >> 16
            if size > 4:
                raise ValueError(f"a short element has {size} bytes")
        if start + size > len(data):
            raise ValueError(f"truncated, {len(data) - start} bytes where {size} are declared")
        yield kind, data[start : start + size]
        # Elements begin at multiples of 8 bytes, except after compressed ones.
        end = start + size
        data = data[end if kind == _COMPRESSED else -(-end // 8) * 8 :]


def _unpacked(content: memoryview) -> bytes:
    """Unpack a compressed element of bounded size."""
    stream = zlib.decompressobj()
    data = stream.decompress(content, _LARGEST_ARRAY)
    if not stream.eof:
        raise ValueError("a compressed array is cut short" if len(data) < _LARGEST_ARRAY else f"an array has over {_LARGEST_ARRAY} bytes")
    return data


def _matrix(content: memoryview, order: str) -> dict[str, _Array]:
    """Return a real numeric array X or y by its name; an empty mapping for every other."""
    parts = _elements(content, order)
    _, (_, shape), (_, name), (kind, numbers) = (next(parts, (0, content[:0])) for _ in range(4))  # the first holds flags
    if bytes(name) not in (b"X", b"y") or kind not in _DTYPES:
        return {}
    values = np.frombuffer(numbers, f"{order}{_DTYPES[kind]}")
    sizes = tuple(np.frombuffer(shape, f"{order}i4").tolist())
    if len(sizes) < 2 or min(sizes) < 0 or prod(sizes) != len(values):
        raise ValueError(f"{len(values)} numbers for an array of shape {'x'.join(map(str, sizes))}")
    return {bytes(name).decode(): _Array(sizes, values)}
