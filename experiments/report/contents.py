"""Contents of a report: tables, figures and texts, before they are written as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from experiments.commandline.output import Cell, format_table
from experiments.figures.style import Picture


class ReportTable(NamedTuple):
    """A table of a report.

    Attributes
    ----------
    title : str
        Heading above the table.
    header : sequence of str
        One name per column.
    rows : sequence of sequences
        Texts and numbers. Floats are shown with four significant digits, None as a dash.
    caption : str
        Explanation of the columns, below the heading.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""

    def in_text(self) -> str:
        """Write header and rows as a terminal shows them."""
        return format_table(self.header, self.rows)


class Contents(NamedTuple):
    """Tables and figures that show a run.

    Attributes
    ----------
    tables : list of ReportTable
        Tables in their order.
    pictures : dict of str to Picture
        Figures by name.
    """

    tables: list[ReportTable]
    pictures: dict[str, Picture]


class Report(NamedTuple):
    """A whole report, of one run or of several.

    Attributes
    ----------
    title, intro, state : str
        Texts at the top; ``state`` says how many trials are done.
    tables : sequence of ReportTable
        Tables in their order. Columns of numbers are aligned to the right.
    pictures : mapping of str to Picture
        Figures by name, shown inline; the name becomes the caption.
    config, provenance : mapping
        Nested settings, shown one per line in sections that are closed at first.
    settled : tuple of int, optional
        Number of trials that are done or failed, and number of all trials.
    """

    title: str
    intro: str
    state: str
    tables: Sequence[ReportTable]
    pictures: Mapping[str, Picture]
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    settled: tuple[int, int] | None = None
