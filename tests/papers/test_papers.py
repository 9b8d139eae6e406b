"""Table of source papers: it is whole, its commands are commands of the program, and what it says works does work."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from command_line import eqlab, found, refused
from paper_commands import DOCUMENT, run

from contrastive_core.objectives import OBJECTIVES
from experiments.cli import cli
from experiments.commandline.flags import Command
from experiments.commandline.options import CommandOptions, resolve
from experiments.commandline.parameters import destination, leaves_of
from experiments.papers.record import CLASSES, STATUSES
from experiments.papers.table import PAPERS, page
from experiments.papers.titles import TITLES
from experiments.representations.build import build_objective, judged, lowered
from experiments.representations.options import ContrastiveOptions

LINES = sorted({line for paper in PAPERS.values() for line in paper.commands})
OTHERS = {"adaptive-triplet", "alignment-uniformity", "uniformity", "vicreg"}
"""Objectives of papers that are none of the source papers, and our variant of one that is."""
SAMPLE = (12, 37, 55)
"""Papers whose commands run in the suite; the program run by hand runs all."""


def options_of(line: str) -> CommandOptions:
    """Return the options that a command line gives, as the program reads them."""
    words = shlex.split(line)
    context = click.Context(cli, info_name="eqlab")
    command = cli.get_command(context, words[0])
    assert isinstance(command, Command), line
    read = command.make_context(words[0], words[1:], parent=context)
    assert isinstance(read.command, Command)
    model = read.command.model
    given: dict[str, Any] = {key: read.params[destination(key)] for key in leaves_of(model)}
    return resolve(model, flags={key: value for key, value in given.items() if value not in (None, ())}, assignments=read.params["set"])


def test_every_source_paper_has_a_row_of_known_class_and_status() -> None:
    """If this fails, a paper is lost, or counts under a class that nobody looks at."""
    assert list(PAPERS) == list(TITLES) == list(range(1, 115))
    for paper in PAPERS.values():
        assert paper.kind in CLASSES
        assert paper.status in STATUSES
    sizes = {kind: sum(paper.kind == kind for paper in PAPERS.values()) for kind in CLASSES}
    assert sizes == {"A": 3, "B": 24, "C": 19, "D": 8, "E": 60}


def test_what_works_has_a_command_and_what_does_not_a_reason() -> None:
    """If this fails, a row claims something that nobody can try, or hides what is missing."""
    for paper in PAPERS.values():
        assert paper.commands if paper.status == "works" else paper.note, paper
        assert not paper.commands or paper.status in ("works", "partial"), paper
    assert all(paper.kind == "E" for paper in PAPERS.values() if paper.status == "out of scope")


@pytest.mark.parametrize("line", LINES)
def test_every_command_is_one_of_the_program(line: str) -> None:
    """If this fails, an option, an objective, a mixing or one of their settings went away, and the table did not follow."""
    options = options_of(line)
    if isinstance(options, ContrastiveOptions):
        objective = build_objective(options)
        judged(objective, lowered(options, objective))


def test_every_objective_belongs_to_a_source_paper() -> None:
    """If this fails, an objective was added without saying where its paper is served."""
    words = {word for line in LINES for word in re.findall(r"[a-z][\w-]*", line)} | {"nt-xent"}  # the default of contrast
    assert set(OBJECTIVES) - words == OTHERS


def test_the_page_of_papers_is_fresh() -> None:
    """If this fails, the page tells of another table; tests/papers/paper_commands.py --page writes it."""
    assert DOCUMENT.read_text("utf-8") == page()


@pytest.mark.parametrize("number", SAMPLE)
def test_what_works_does_so_in_small_form(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the table says that a piece works, and its command fails."""
    monkeypatch.chdir(tmp_path)
    assert PAPERS[number].status == "works"
    for ran in run(PAPERS[number], quick=True):
        assert ran.code == 0, ran.output


def test_rows_are_chosen_by_class_and_status() -> None:
    """If this fails, a user who asks what is missing is shown something else."""
    shown = found("papers", "--classes", "A,B", "--status", "works,partial")
    assert [paper["number"] for paper in shown["papers"]] == [
        n for n, paper in PAPERS.items() if paper.kind in "AB" and paper.status in ("works", "partial")
    ]
    assert shown["papers"][0]["title"] == TITLES[1]
    assert sum(sum(numbers.values()) for numbers in shown["counts"].values()) == len(shown["papers"])
    assert "eqlab contrast --cost dcl" in eqlab("papers").output


def test_choices_without_papers_are_refused() -> None:
    """If this fails, an unknown class looks like one that has no papers."""
    assert "F" in refused("papers", "--classes", "F")
    assert "no paper of class A is out of scope" in refused("papers", "--classes", "A", "--status", "out of scope")
