"""Requirements of an objective on a batch: labels, views, and further tensors with their sources."""

from enum import Enum
from typing import NamedTuple


class Labels(Enum):
    """Kind of labels that an objective takes."""

    NONE = "none"
    """Labels are ignored."""
    CLASSES = "classes"
    """Class indices (int64), of shape (B,), of two or more classes."""
    NUMBERS = "numbers"
    """Real numbers, of shape (B,) or (B, 1)."""
    VECTORS = "vectors"
    """A real vector for each row, of shape (B, d): several labels, or the embedding of one."""


class Origin(Enum):
    """Source of an extra."""

    LEARNT = "learnt"
    """Trained beside the network, by the gradient that ``extra_gradient`` returns."""
    CARRIED = "carried"
    """Updated by ``carry`` after every batch, without a gradient."""
    GIVEN = "given"
    """Supplied with every batch by its maker."""


class Extra(NamedTuple):
    """A tensor that an objective needs besides outputs and labels.

    Attributes
    ----------
    name : str
        Key in ``Batch.extras``.
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
        Fewest views of each instance; with 1, instances need not be given.
    most : int, optional
        Most views of each instance; None for any number.
    labels : Labels
        Kind of the labels.
    extras : tuple of Extra
        Further tensors.
    divisor : str
        Setting that must divide the number of outputs; empty for none.
    warm_up : int
        Keys of earlier batches, or a whole queue if that is shorter, before which a mixing changes nothing.
    """

    fewest: int = 2
    most: int | None = 2
    labels: Labels = Labels.NONE
    extras: tuple[Extra, ...] = ()
    divisor: str = ""
    warm_up: int = 0
