"""Requirements of an objective on a batch: labels, views, and further tensors with their sources."""

from enum import Enum
from typing import NamedTuple


class Labels(Enum):
    """Kind of labels that an objective takes."""

    NONE = "none"
    """They are not looked at."""
    CLASSES = "classes"
    """Class indices (int64), of shape (B,), of two or more classes."""
    NUMBERS = "numbers"
    """Real numbers, of shape (B,) or (B, 1)."""
    VECTORS = "vectors"
    """A real vector for each row, of shape (B, d): several labels, or an embedded one."""


class Origin(Enum):
    """Source of an extra."""

    LEARNT = "learnt"
    """It is trained beside the network, with the gradient that ``extra_gradient`` returns."""
    CARRIED = "carried"
    """``carry`` makes the next batch's from this one's; nothing is learnt by gradient."""
    GIVEN = "given"
    """It is supplied with every batch, by the maker of the batch."""


class Extra(NamedTuple):
    """A tensor that an objective needs besides outputs and labels.

    Attributes
    ----------
    name : str
        Its key in ``Batch.extras``.
    shape : str
        Shape in words or symbols; n is the number of outputs, B of rows, S of samples in the data set.
    origin : Origin
        Source of the tensor.
    meaning : str
        Meaning in one clause.
    """

    name: str
    shape: str
    origin: Origin
    meaning: str


class Needs(NamedTuple):
    """Requirements of an objective on a batch.

    Attributes
    ----------
    fewest : int
        Fewest views of each instance; at 1, instances need not be given.
    most : int, optional
        Most views of each instance; None for any number.
    labels : Labels
        Kind of the labels.
    extras : tuple of Extra
        Further tensors.
    """

    fewest: int = 2
    most: int | None = 2
    labels: Labels = Labels.NONE
    extras: tuple[Extra, ...] = ()
