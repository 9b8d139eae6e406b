"""Mutation of the source, and the test that must notice it."""

from __future__ import annotations

from typing import NamedTuple


class Mutation(NamedTuple):
    """Change of the source in one place, and the test that must fail.

    Attributes
    ----------
    what : str
        Description, by which ``mutants.py`` picks mutations.
    file : str
        Path of the source under the root.
    old, new : str
        Text that is replaced where it first occurs, and the text in its place.
    test : str
        Test as ``file::name``: ``theorems::test_reversal`` is the tests of ``test_theorems.py`` whose names contain ``test_reversal``.
    """

    what: str
    file: str
    old: str
    new: str
    test: str
