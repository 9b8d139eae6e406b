"""Figures of the README: the check that finds stale ones, and its short form."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Eqlab
from printed_tables import stale, tables
from readme_figures import BOUNDS, TOLERANCES, shown

from experiments.setup.tables import COMPARED

PLACES = {
    "demo": [list(COMPARED), list(COMPARED)],
    "convolutional": [["ep-positive", "backprop"]],
    "mnist": [["ep-centered", "backprop"]],
}


@pytest.mark.parametrize("which", PLACES)
def test_every_row_of_the_tables_is_read(which: str) -> None:
    """A control: a check of no cell would find nothing stale."""
    read = shown(which)
    assert [list(table) for table in read] == PLACES[which]
    for table in read:
        assert {"sweeps", "unconverged %"} <= table["backprop"].keys()
        assert all(stale(table, table, BOUNDS[which]) == [] for table in read)


@pytest.mark.parametrize(
    ("table", "column", "change", "found"),
    [
        (1, "test error %", 0.57, False),  # two test samples
        (1, "test error %", 0.86, True),
        (1, "lowest cosine", 0.002, True),
        (1, "CPU us/sample", 40, False),
        (0, "order", 0.5, True),
        (0, "norm ratio", 0.01, True),
        (0, "cos bias_2", 0.0001, True),
        (0, "relative error", 0.01, True),
    ],
)
def test_a_stale_cell_is_found(table: int, column: str, change: float, found: bool) -> None:
    """If this fails, the README shows numbers of another version, and the check says that all is well."""
    now = shown("demo")[table]
    before = {row: dict(cells) for row, cells in now.items()}
    before["ep-centered"][column] = str(float(now["ep-centered"][column]) + change)
    assert [line.startswith(f"ep-centered, {column}: ") for line in stale(before, now, TOLERANCES)] == [True] * found


def test_a_row_that_is_missing_is_found() -> None:
    """If this fails, a rule is left out of the README."""
    now = shown("demo")[0]
    assert stale({row: cells for row, cells in now.items() if row != "implicit"}, now, TOLERANCES)


@pytest.mark.slow
def test_the_gradients_of_the_readme_are_those_of_today(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, the README's first table is stale; ``tests/by_hand/readme_figures.py`` checks the others."""
    result = eqlab("gradients", "--out", tmp_path / "run", "--quiet")
    assert result.exit_code == 0, result.output
    (printed,) = tables(result.stdout)
    assert stale(shown("demo")[0], printed, TOLERANCES) == []
