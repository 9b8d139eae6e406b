"""Table of all source papers by number, and its page."""

from collections.abc import Iterable

from experiments.papers.applications import APPLICATIONS
from experiments.papers.cores import CORES
from experiments.papers.record import CLASSES, STATUSES, Paper
from experiments.papers.surveys import SURVEYS
from experiments.papers.techniques import TECHNIQUES
from experiments.papers.titles import TITLES

PAPERS: dict[int, Paper] = {paper.number: paper for paper in sorted((*CORES, *TECHNIQUES, *APPLICATIONS, *SURVEYS))}
"""Every paper, by its number."""

_HEAD = """# Source papers

`eqlab papers` lists the papers that this program draws on, what of each is here, and the command that runs it; `--classes` and `--status`
choose rows, and `--json` adds the titles. Each command takes at most about two minutes on one core and needs no files; commands of one row
run one after the other in one directory. A test holds every command against the options and runs those of some rows in small form; `python
tests/papers/paper_commands.py` runs all as they stand, and makes this page from `experiments/papers` by `--page`. On a busy core the 78
commands of classes A to D took 4 to 92 s of processor time each, and 20 minutes in all; regions of pictures (number 19) take longest.
"""


def counts(papers: Iterable[Paper]) -> dict[str, dict[str, int]]:
    """Return the number of papers by class and status."""
    found = {kind: dict.fromkeys(STATUSES, 0) for kind in CLASSES}
    for paper in papers:
        found[paper.kind][paper.status] += 1
    return found


def page() -> str:
    """Return the page of all papers, as Markdown."""
    lines = [_HEAD, "## Numbers", "", f"| class | {' | '.join(STATUSES)} |", f"|---|{'--:|' * len(STATUSES)}"]
    for kind, numbers in counts(PAPERS.values()).items():
        lines.append(f"| {kind}: {CLASSES[kind]} | {' | '.join(str(number) for number in numbers.values())} |")
    lines += ["", *(f"- **{status}**: {meaning}." for status, meaning in STATUSES.items())]
    for kind, meaning in CLASSES.items():
        lines += ["", f"## Class {kind}: {meaning}", "", "| no. | paper | piece | status | command, or reason |", "|--:|---|---|---|---|"]
        lines += [_row(paper) for paper in PAPERS.values() if paper.kind == kind]
    return "\n".join([*lines, ""])


def _row(paper: Paper) -> str:
    told = [*(f"`eqlab {command}`" for command in paper.commands), *([paper.note] if paper.note else [])]
    return (
        f"| {paper.number} | {paper.name}: *{TITLES[paper.number]}* ({paper.year}) | {paper.piece} | {paper.status} | {'; '.join(told)} |"
    )
