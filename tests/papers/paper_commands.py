"""Run the commands of source papers as they stand: ``python tests/papers/paper_commands.py [--small] [NUMBER ...]``; all by default.

Prints status, processor time and command of each, and exits with 1 if one fails or, without ``--small``, takes above two minutes.
``--page`` writes the table into ``docs/reference/papers.md`` and runs nothing.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "by_hand"))

from click.testing import CliRunner
from documents import small

from experiments.cli import cli
from experiments.papers.record import Paper
from experiments.papers.table import PAPERS, page

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "papers.md"
MOST = 120.0
"""Processor time of a command, in seconds."""


class Ran(NamedTuple):
    """Command that ran: its line, exit code, output and processor time in seconds."""

    line: str
    code: int
    output: str
    seconds: float


def run(paper: Paper, quick: bool) -> Iterator[Ran]:
    """Run the commands of a paper in order, in the current directory, in small form or as they stand."""
    for line in paper.commands:
        words = shlex.split(line)
        started = time.process_time()
        result = CliRunner().invoke(cli, [*(small(words) if quick else one_process(words)), "--quiet"])
        yield Ran(line, result.exit_code, result.output, time.process_time() - started)


def one_process(words: list[str]) -> list[str]:
    """Return a command that computes in this process, so that its time is measured."""
    return [*words, "--engine", "serial"] if words[0] in ("contrast", "compare", "match", "joint", "phase", "learn") else words


def chosen(numbers: Iterable[str]) -> list[Paper]:
    """Return the papers of some numbers, or all that have commands."""
    wanted = {int(number) for number in numbers}
    return [paper for paper in PAPERS.values() if paper.commands and (not wanted or paper.number in wanted)]


def main() -> int:
    """Run what is asked for, and return the exit code."""
    if "--page" in sys.argv:
        DOCUMENT.write_text(page(), "utf-8")
        return 0
    quick, failed = "--small" in sys.argv, False
    done: dict[str, Ran] = {}
    for paper in chosen(word for word in sys.argv[1:] if word.isdigit()):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            lone = len(paper.commands) == 1
            for ran in [done[paper.commands[0]]] if lone and paper.commands[0] in done else run(paper, quick):
                done[ran.line] = ran
                bad = ran.code != 0 or (not quick and ran.seconds > MOST)
                failed |= bad
                print(f"{paper.number:4d} {paper.status:8s} exit {ran.code} {ran.seconds:6.1f} s  eqlab {ran.line}", flush=True)
                if bad:
                    print(ran.output, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
