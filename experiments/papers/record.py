"""Record of a source paper: its piece, and how far that piece is here."""

from typing import NamedTuple

CLASSES = {
    "A": "core of the simulator",
    "B": "objective",
    "C": "technique of training, sampling or optimisation",
    "D": "measure or analysis",
    "E": "application, of which one piece carries over",
}
"""Classes of papers with their meaning."""

STATUSES = {
    "works": "the piece that is described runs by the command",
    "partial": "a part is missing, which the last column names",
    "missing": "nothing of the piece is here",
    "out of scope": "the paper has no piece for a simulator of local learning",
}
"""States of a piece with their meaning."""


class Paper(NamedTuple):
    """Source paper and the piece of it that is looked for here.

    Attributes
    ----------
    number : int
        Number in the list of source papers.
    name : str
        Name of the method, or a few words in place of the title.
    year : int
        Year of publication.
    kind : str
        Class, a key of ``CLASSES``.
    status : str
        State of the piece, a key of ``STATUSES``.
    piece : str
        Part of the paper that carries over.
    commands : tuple of str
        Arguments of ``eqlab`` that run the piece, in this order and in one directory, or that come nearest to it.
    note : str
        Reason for a status other than ``works``; for ``works``, what stands for something else.
    """

    number: int
    name: str
    year: int
    kind: str
    status: str
    piece: str
    commands: tuple[str, ...] = ()
    note: str = ""
