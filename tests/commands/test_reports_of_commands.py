"""Reports of commands: the figures of the command, each with a heading, and every cell of the tables that the terminal shows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from command_line import Eqlab
from pages import Page

pytestmark = pytest.mark.usefixtures("here")

NETWORK = ("--hidden", 6, "--train-size", 64)
TRAINED = (*NETWORK, "--epochs", 1)
SPINS = ("--size", 200, "--sweeps", 10, "--burn-in", 2, "--chains", 2)
CASES: dict[str, tuple[tuple[object, ...], set[str]]] = {
    "recall": ((*SPINS, "--patterns", 2), {"Recall"}),
    "phase": ((*SPINS, "--dilutions", "0.2,0.8", "--ratios", "0,0.3"), {"Phase 3", "Dilution 3"}),
    "learn": ((*SPINS, "--qualities", 0.5, "--examples", "3,9"), {"Learning", "Thresholds"}),
    "basins": (("--qualities", "0.2,0.9", "--patterns", 2, "--size", 200, "--networks", 3), {"Basins"}),
    "capacity": (("--sizes", "100,200,400", "--loads", "0.14,0.18,0.22", "--spins", 12000, "--resamples", 20), {"Capacity"}),
    "train": (TRAINED, {"Learning curves"}),
    "compare": ((*TRAINED, "--rules", "ep-centered,backprop", "--seeds", 2), {"Comparison", "Learning curves", "Pareto"}),
    "gradients": (("--hidden", 6, "--samples", 4, "--rules", "ep-centered,backprop"), {"Alignment", "Relaxation"}),
    "tune": (("--hidden", 6, "--train-size", 128, "--batches", 2, "--warmup", 0), {"Errors"}),
    "contrast": ((*TRAINED, "--embedding", 4, "--batch-size", 24, "--seeds", 2), {"Curves", "Embedding", "Spectrum"}),
    "ising": (("--searches", 5, "--spins", 10, "--noises", "0,1,8", "--epochs", 0), {"Noise"}),
    "spice": (("--hidden", 4, "--samples", 1, "--edges", 1), set()),
}


def tables(text: str) -> list[list[list[str]]]:
    """Read the aligned tables of a terminal: a line of dashes under the header says where columns are."""
    lines, found = text.split("\n"), []
    for index, line in enumerate(lines):
        if not re.fullmatch(r"-+( -+)*", line):
            continue
        spans = [match.span() for match in re.finditer("-+", line)]
        end = next(after for after in range(index, len(lines)) if not lines[after].strip())
        rows = [lines[index - 1], *lines[index + 1 : end]]
        # The last column may hold texts that are wider than what the dashes under the header show.
        found.append([[row[low : None if high == spans[-1][1] else high].strip() for low, high in spans] for row in rows])
    return found


def looked_at(page: Page) -> str:
    return "".join(f"|{text.strip()}" for _, _, text in page.cells) + "|"


def typeset(cell: str) -> str:
    """Write a cell as a page does: a dash for nothing, and signs in place of hyphens before numbers."""
    if cell == "-":
        return "\N{EN DASH}"
    number = re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?|\[.*\]", cell)
    return re.sub(r"(?<![\w.)])-(?=\d)", "\N{MINUS SIGN}", cell) if number else cell


@pytest.mark.parametrize("command", CASES)
def test_the_report_of_a_command_has_its_figures_and_the_tables_of_the_terminal(eqlab: Eqlab, command: str) -> None:
    """If this fails, what a command found is in a terminal that is closed, and not in its report."""
    if command == "spice" and shutil.which("ngspice") is None:
        pytest.skip("ngspice is not installed")
    arguments, figures = CASES[command]
    result = eqlab(command, *arguments, "--engine", "serial", "--out", "run")
    assert result.exit_code == 0, result.output
    page = Page(Path("run/report.html").read_text(encoding="utf-8"))
    shown = tables(result.stdout)
    assert shown
    for table in shown:
        for row in table:
            assert f"|{'|'.join(map(typeset, row))}|" in looked_at(page), row
    captions = set(re.findall(r"<figcaption>(.*?)</figcaption>", Path("run/report.html").read_text(encoding="utf-8")))
    assert figures <= captions
    assert len(captions) == sum(tag == "svg" for tag, _ in page.elements)
    assert len(list(Path("run/figures").glob("*.csv"))) == len(captions)


def test_a_match_of_a_run_has_its_figure_and_tables(eqlab: Eqlab) -> None:
    assert eqlab("compare", *TRAINED, "--rules", "backprop", "--seeds", 2, "--engine", "serial", "--quiet", "--out", "a").exit_code == 0
    result = eqlab("match", "./a", "--samples", 50, "--out", "run")
    assert result.exit_code == 0, result.output
    page = Page(Path("run/report.html").read_text(encoding="utf-8"))
    assert "Match curves" in page.text
    assert len(tables(result.stdout)) == 2
    for row in (row for table in tables(result.stdout) for row in table):
        assert f"|{'|'.join(map(typeset, row))}|" in looked_at(page), row


def test_a_cell_that_a_page_lacks_is_found() -> None:
    """Control: without it a reader of tables that sees none would pass."""
    text = "head\n\nname   value\n----- ------\na b    -0.5\nc         -\n\nend"
    assert tables(text) == [[["name", "value"], ["a b", "-0.5"], ["c", "-"]]]
    page = Page("<table><tr><td>a b</td><td>\N{MINUS SIGN}0.5</td></tr></table>")
    assert f"|a b|{typeset('-0.5')}|" in looked_at(page)
    assert f"|c|{typeset('-')}|" not in looked_at(page)
