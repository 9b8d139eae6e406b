"""Tables and sentences that hold numbers, in pages and in outputs of the program, and their comparison cell by cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

ANY = float("inf")
"""Bound of cells that may differ, such as times and intervals."""
COSINES = 2e-5
"""Bound of columns without one of their own, which are cosines."""
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")

Table = dict[str, dict[str, str]]


class Share(NamedTuple):
    """Bound of numbers of any size.

    Attributes
    ----------
    part : float
        Largest difference, as a share of the larger number.
    least : float
        Difference that is always allowed, in the unit of the number.
    """

    part: float
    least: float = 0.0


Bounds = Mapping[str, float | Share]
"""Largest difference of the numbers in each row or column."""


def tables(text: str) -> list[Table]:
    """Read the tables of a text: for each row its cells by column; a repeated column gets the name of the one before it."""
    found, lines = [], text.splitlines()
    for at, line in enumerate(lines):
        if not line or set(line) != {"-", " "}:
            continue
        starts = [i for i in range(len(line)) if line[i] == "-" and (i == 0 or line[i - 1] == " ")]
        below = list(takewhile(lambda row: row.strip() not in ("", "```"), lines[at + 1 :]))
        first, *rows = ([row[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)] for row in (lines[at - 1], *below))
        titles = [f"{first[i - 1]}, {title}" if title.endswith("interval") else title for i, title in enumerate(first)]
        found.append({row[0]: dict(zip(titles[1:], row[1:], strict=True)) for row in rows})
    return found


def table_at(start: str) -> Callable[[str], Table]:
    """Return a reader of the table whose titles begin with given words."""
    return lambda text: tables(text[_place(text, start) :])[0]


def piped(start: str, *, keys: Sequence[int] = (0,)) -> Callable[[str], Table]:
    """Return a reader of a table between vertical bars, without emphasis; the columns ``keys`` name a row."""

    def read(text: str) -> Table:
        lines = re.sub(r"[*`]", "", text[_place(text, start) :].partition("\n\n")[0]).splitlines()
        titles, _, *rows = ([cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines)
        return {" ".join(row[key] for key in keys): {titles[i]: row[i] for i in range(len(row)) if i not in keys} for row in rows}

    return read


def sentence(pattern: str) -> Callable[[str], Table]:
    """Return a reader of the groups of a pattern, by their order; a blank in the pattern is any white space."""

    def read(text: str) -> Table:
        found = re.search(pattern.replace(" ", r"\s+"), text)
        if found is None:
            raise ValueError(f"no sentence like {pattern!r}")
        return numbered(found.groups())

    return read


def numbered(cells: Sequence[str]) -> Table:
    """Return numbers of a sentence as one row, by their order."""
    return {"text": {str(number + 1): cell for number, cell in enumerate(cells)}}


def _place(text: str, start: str) -> int:
    found = re.search("^" + " +".join(map(re.escape, start.split())), text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no table begins with {start!r}")
    return found.start()


def stale(shown: Table, printed: Table, bounds: Bounds) -> list[str]:
    """Return a line for each cell of a shown table that differs from the printed one by more than the bound of its column or row."""
    if shown.keys() != printed.keys():
        return [f"rows {', '.join(shown)} are now {', '.join(printed)}"]
    return [
        f"{row}, {column}: the page has {cell}, the program prints {printed[row].get(column)}"
        for row, cells in shown.items()
        for column, cell in cells.items()
        if not _agrees(cell, printed[row].get(column, ""), _bound(bounds, row, column))
    ]


def _bound(bounds: Bounds, row: str, column: str) -> float | Share:
    # Intervals follow the errors of few seeds, and are judged by their mean.
    return bounds.get(column, bounds.get(row, ANY if column.endswith("interval") else COSINES))


def _agrees(one: str, other: str, bound: float | Share) -> bool:
    if one == other or bound == ANY:
        return True
    if NUMBER.sub("", one) != NUMBER.sub("", other):
        return False
    return all(_near(float(a), float(b), bound) for a, b in zip(NUMBER.findall(one), NUMBER.findall(other), strict=True))


def _near(first: float, second: float, bound: float | Share) -> bool:
    largest = max(bound.part * max(abs(first), abs(second)), bound.least) if isinstance(bound, Share) else bound
    return abs(first - second) <= largest * (1 + 1e-9)
