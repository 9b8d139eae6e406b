"""``eqlab papers``: the source papers, what of each is here, and the command that runs it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import OneOf
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import Cell, format_table
from experiments.commandline.quantities import distinct
from experiments.papers.record import CLASSES, STATUSES


class PapersOptions(CommandOptions):
    """Choice of papers.

    Attributes
    ----------
    classes, status
        Classes and states of the papers that are listed.
    """

    classes: Annotated[tuple[Annotated[str, OneOf("class of papers", CLASSES)], ...], AfterValidator(distinct)] = Field(
        tuple(CLASSES), min_length=1, description="Classes of the papers that are listed."
    )
    status: Annotated[tuple[Annotated[str, OneOf("status of a paper", STATUSES)], ...], AfterValidator(distinct)] = Field(
        tuple(STATUSES), min_length=1, description="States of the papers that are listed."
    )


@command(PapersOptions, "papers")
def papers_command(options: PapersOptions, invocation: Invocation) -> None:
    """List the source papers with the piece that carries over, its state, and the command that runs it or the reason why none does.

    Classes are A, the core; B, objectives; C, techniques; D, measures; and E, applications, of which one piece is looked for.

    \b
    Examples:
      eqlab papers
      eqlab papers --classes A,B,C,D --status partial,missing
      eqlab papers --json
    """  # noqa: D301
    from experiments.papers.table import PAPERS, counts
    from experiments.papers.titles import TITLES

    chosen = [paper for paper in PAPERS.values() if paper.kind in options.classes and paper.status in options.status]
    if not chosen:
        raise InputError(f"no paper of class {', '.join(options.classes)} is {' or '.join(options.status)}; choose others")
    rows: list[tuple[Cell, ...]] = [
        (
            paper.number,
            paper.kind,
            paper.status,
            f"{paper.name} ({paper.year})",
            "; ".join([*(f"eqlab {line}" for line in paper.commands), *([paper.note] if paper.note else [])]),
        )
        for paper in chosen
    ]
    numbers = counts(chosen)
    totals: list[tuple[Cell, ...]] = [(kind, *numbers[kind].values()) for kind in CLASSES if kind in options.classes]
    listed = [{**paper._asdict(), "title": TITLES[paper.number]} for paper in chosen]
    text = (
        f"{format_table(('no.', 'class', 'status', 'paper', 'command, or reason'), rows)}\n\n{format_table(('class', *STATUSES), totals)}"
    )
    invocation.save_result("papers", {"papers": listed, "counts": numbers}, text)
