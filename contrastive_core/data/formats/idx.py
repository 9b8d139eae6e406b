"""IDX files, the format of MNIST: reading, and one clear error for each kind of damage."""

import gzip
import io
from hashlib import sha256
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.formats.opening import AGAIN, GZIP_DAMAGE, DataFile, read_file
from contrastive_core.errors import DataError
from contrastive_core.files.bounded import LARGEST

_GZIP_MAGIC = b"\x1f\x8b"
_TYPES = {0x08: "unsigned byte", 0x09: "signed byte", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
_CONTENTS = {1: "labels", 3: "images"}
_LONGEST_HEADER = 16
_MOST_TRAILING = 2**20


def open_idx(path: Path) -> DataFile:
    """Read a file, and unpack it if its content is gzip, whatever its name.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    DataFile
        Unpacked bytes and digests.

    Raises
    ------
    DataError
        If the file cannot be read, or its compression is damaged.
    """
    raw = read_file(path)
    archive = sha256(raw).hexdigest()
    if not raw.startswith(_GZIP_MAGIC):
        return DataFile(path, len(raw), archive, archive, raw)
    try:
        data = _unpack(path, raw)
    except GZIP_DAMAGE as error:
        raise DataError(f"{path}: corrupt gzip ({error}), expected a whole gzip file; {AGAIN}") from error
    return DataFile(path, len(raw), archive, sha256(data).hexdigest(), data)


def _unpack(path: Path, raw: bytes) -> bytes:
    """Unpack as many bytes as the header declares, and what may follow them by mistake."""
    with gzip.open(io.BytesIO(raw)) as stream:
        head = stream.read(_LONGEST_HEADER)
        # A gzip file of a megabyte can hold a gigabyte of zeros, which are no IDX header.
        axes = head[3] if len(head) > 3 and not any(head[:2]) and head[2] in _TYPES else 0
        declared = prod(int.from_bytes(head[start : start + 4], "big") for start in range(4, 4 + 4 * axes, 4)) if 0 < axes < 4 else 0
        if declared > LARGEST:
            raise DataError(f"{path}: declares {declared} bytes, at most {LARGEST} are read; {AGAIN}")
        data = head + stream.read(declared + _MOST_TRAILING)
        if stream.read(1):
            raise DataError(f"{path}: unpacks to more than {len(data)} bytes, its header declares {declared}; {AGAIN}")
        return data


def parse_images(file: DataFile) -> NDArray[np.uint8]:
    """Interpret a file as images.

    Parameters
    ----------
    file : DataFile
        Result of ``open_idx``.

    Returns
    -------
    ndarray of shape (N, rows, columns)
        Pixels from 0 to 255, a read-only view of the bytes.

    Raises
    ------
    DataError
        If the file is not an IDX file of unsigned bytes with three axes, is empty, or differs in length from its header.
    """
    return _parse(file, 3)


def parse_labels(file: DataFile, num_classes: int) -> NDArray[np.uint8]:
    """Interpret a file as labels.

    Parameters
    ----------
    file : DataFile
        Result of ``open_idx``.
    num_classes : int
        Number of classes; labels must be smaller.

    Returns
    -------
    ndarray of shape (N,)
        Labels, a read-only view of the bytes.

    Raises
    ------
    DataError
        If the file is not an IDX file of unsigned bytes with one axis, is empty, differs in length from its header, or has a label out
        of range.
    """
    labels = _parse(file, 1)
    wrong = np.flatnonzero(labels >= num_classes)
    if len(wrong):
        raise DataError(
            f"{file.path}: label {labels[wrong[0]]} at index {wrong[0]}, expected 0 to {num_classes - 1}; "
            "check that this is the label file of this data set"
        )
    return labels


def check_counts(images: Path, labels: Path, num_images: int, num_labels: int) -> None:
    """Refuse images and labels of different numbers.

    Parameters
    ----------
    images, labels : Path
        Both files, for the message.
    num_images, num_labels : int
        Number of samples in each.

    Raises
    ------
    DataError
        If the numbers differ.
    """
    if num_images != num_labels:
        raise DataError(
            f"{labels}: {num_labels} labels, expected {num_images}, the number of images in {images.name}; "
            "check that both files belong to the same split"
        )


def _parse(file: DataFile, num_axes: int) -> NDArray[np.uint8]:
    """Check header and length, and return a view of the data in the header's shape."""
    data, expected = file.data, f"0x{0x0800 + num_axes:08X} ({_CONTENTS[num_axes]})"
    if len(data) < 4:
        raise DataError(f"{file.path}: truncated, {len(data)} bytes where a header starting with {expected} is expected; {AGAIN}")
    magic = int.from_bytes(data[:4], "big")
    code, found_axes = data[2], data[3]
    if magic >> 16 or code not in _TYPES:
        raise DataError(f"{file.path}: magic number 0x{magic:08X}, expected {expected}; this is not an IDX file, {AGAIN}")
    if code != 0x08:
        raise DataError(f"{file.path}: type code 0x{code:02X} ({_TYPES[code]}), expected 0x08 (unsigned byte); convert it to bytes")
    if found_axes != num_axes:
        found = f"0x{magic:08X} ({_CONTENTS.get(found_axes, f'{found_axes} axes')})"
        raise DataError(f"{file.path}: magic number {found}, expected {expected}; check that no files were swapped or renamed")
    start = 4 + 4 * num_axes
    if len(data) < start:
        raise DataError(f"{file.path}: truncated, a header of {len(data)} bytes where {start} are expected; {AGAIN}")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", num_axes, offset=4))
    if prod(shape) == 0:
        raise DataError(f"{file.path}: holds no samples (shape {shape}), expected at least one; {AGAIN}")
    found_bytes = len(data) - start
    if found_bytes != prod(shape):
        problem = "truncated" if found_bytes < prod(shape) else "trailing bytes"
        raise DataError(f"{file.path}: {problem}, {found_bytes} bytes of data, expected {prod(shape)} for shape {shape}; {AGAIN}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
