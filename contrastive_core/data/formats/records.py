"""Binary records of the CIFAR data sets: labels, then the red, green and blue planes of a picture."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contrastive_core.data.formats.opening import AGAIN, DataFile
from contrastive_core.errors import DataError

SHAPE = (3, 32, 32)
_NUM_PIXELS = 3072


class Labelling(NamedTuple):
    """Labels before the pixels of each record, one byte each.

    Attributes
    ----------
    names : tuple of str
        Names of the labels, in order; the last is the class.
    counts : tuple of int
        Numbers of values of each.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]


LABELLINGS = {10: Labelling(("label",), (10,)), 100: Labelling(("coarse label", "fine label"), (20, 100))}
"""Labels in a record, by the number of classes: CIFAR-100 also groups its classes into 20 kinds."""


def parse_records(file: DataFile, num_classes: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Interpret a file as records of 3073 bytes (10 classes) or 3074 bytes (100 classes).

    Parameters
    ----------
    file : DataFile
        Bytes of the file.
    num_classes : int
        Number of classes, 10 or 100.

    Returns
    -------
    pixels : ndarray of shape (N, 3072)
        Red, green and blue planes of 32 rows and 32 columns, row by row; a view of the file's bytes.
    labels : ndarray of shape (N,)
        Classes.

    Raises
    ------
    DataError
        If the file is empty, ends within a record, or has a label out of range.
    """
    labelling = LABELLINGS[num_classes]
    start = len(labelling.names)
    size = start + _NUM_PIXELS
    content = f"{' and '.join(labelling.names)} and 3x32x32 pixels"
    if not file.data:
        raise DataError(f"{file.path}: is empty, expected records of {size} bytes ({content}); {AGAIN}")
    if len(file.data) % size:
        raise DataError(
            f"{file.path}: truncated or another file, {len(file.data)} bytes are no whole number of records of {size} ({content}); {AGAIN}"
        )
    records = np.frombuffer(file.data, np.uint8).reshape(-1, size)
    for column, (name, count) in enumerate(zip(*labelling, strict=True)):
        wrong = np.flatnonzero(records[:, column] >= count)
        if len(wrong):
            raise DataError(
                f"{file.path}: {name} {records[wrong[0], column]} in record {wrong[0]}, expected 0 to {count - 1}; "
                "check that this is a file of this data set"
            )
    return records[:, start:], records[:, start - 1]
