"""Numbers in the pages of circuits and hardware: the check that finds stale ones, and those of its commands that are quick."""

from __future__ import annotations

import re
import shutil
from functools import cache

import pytest
from command_line import eqlab
from documents import PAGES
from page_figures import CHEAP, CHECKS, Check, found_stale, lines_of
from printed_tables import ANY, NUMBER, Bounds, Share, Table, stale, table_at, tables

HARDWARE = PAGES["hardware.md"].read_text("utf-8")
EXACT: Bounds = {"accuracy": 0.1, "energy": Share(0.05), "time": ANY}


def _shown(check: Check) -> Table:
    return check.shown(PAGES[check.page].read_text("utf-8"))


@cache
def _output(words: tuple[str, ...]) -> str:
    result = eqlab(*words, "--quiet")
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("name", CHEAP)
def test_numbers_of_a_page_are_those_of_today(name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a page shows numbers of another version; ``tests/by_hand/page_figures.py`` computes the other checks."""
    check = CHECKS[name]
    if name.startswith("spice") and shutil.which("ngspice") is None:
        pytest.skip("ngspice is not installed")
    monkeypatch.chdir(tmp_path_factory.mktemp("runs"))
    assert found_stale(check, [_output(tuple(words)) for words in lines_of(check)]) == []


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_reads_numbers_and_finds_changed_ones(name: str) -> None:
    """A control: a check of no cell, or with bounds that allow everything, would find nothing stale."""
    check = CHECKS[name]
    shown = _shown(check)
    assert stale(shown, shown, check.bounds) == []
    assert all(lines_of(check))
    changed = {
        row: {column: NUMBER.sub(lambda one: f"{2 * float(one[0]) + 4:g}", cell) for column, cell in cells.items()}
        for row, cells in shown.items()
    }
    free = sum(
        check.bounds.get(row, check.bounds.get(column)) == ANY or column.endswith("interval") for row in shown for column in shown[row]
    )
    numbers = sum(bool(NUMBER.search(cell)) for cells in shown.values() for cell in cells.values())
    assert len(stale(changed, shown, check.bounds)) >= max(1, numbers - free - len(shown))


@pytest.mark.parametrize("page", ["circuits.md", "hardware.md"])
def test_every_printed_table_of_a_page_has_a_check(page: str) -> None:
    """If this fails, a page shows numbers that no program compares with those of today."""
    read = [
        set(shown) | {column for cells in shown.values() for column in cells}
        for shown in (_shown(c) for c in CHECKS.values() if c.page == page)
    ]
    found = tables(PAGES[page].read_text("utf-8"))
    assert len(found) >= 3
    assert [list(table) for table in found if not any(set(table) <= names for names in read)] == []


@pytest.mark.parametrize(
    ("row", "column", "one", "other", "same"),
    [
        ("a", "accuracy", "94.2", "94.3", True),
        ("a", "accuracy", "94.2", "94.4", False),
        ("accuracy", "value", "1.0 %, worst 3.0 %", "1.0 %, worst 3.2 %", False),
        ("a", "energy", "<= 1e-12", "<= 1.04e-12", True),
        ("a", "energy", "<= 1e-12", "1e-12", False),
        ("a", "energy", "1e-12", "-", False),
        ("a", "time", "3", "5", True),
        ("a", "95 % interval", "[1, 2]", "-", True),
        ("a", "cosine", "0.99999", "0.99996", False),
    ],
)
def test_cells_agree_within_the_bound_of_their_row_or_column(row: str, column: str, one: str, other: str, same: bool) -> None:
    """If this fails, a stale number passes, or another processor's roundings count as one."""
    assert (stale({row: {column: one}}, {row: {column: other}}, EXACT) == []) is same


def test_what_follows_from_other_columns_of_the_tables_of_devices_is_right() -> None:
    """If this fails, a number was renewed and those that follow from it were not."""
    first = table_at("effect here there")(HARDWARE)
    near = {row: round(abs(float(cells["here"]) - float(cells["there"])), 3) <= 0.03 for row, cells in first.items()}
    assert {row: cells["within .03"] == "yes" for row, cells in first.items()} == near
    assert re.search(r"(\d+) of (\d+) rows are within", HARDWARE)[0].startswith(f"{sum(near.values())} of {len(near)} ")  # type: ignore[index]
    for row, cells in table_at("effect here of 3")(HARDWARE).items():
        here, spread, there, shown = (float(cells[name]) for name in ("here", "of 3", "there", "z"))
        # The mean of twelve seeds has half the error of one of three; the last digits of all columns are rounded.
        z = (here - there) / (spread * (1 + 1 / 4) ** 0.5)
        assert shown == pytest.approx(z, abs=0.05 + 0.001 / spread + abs(z) * 0.0005 / spread), row
        assert cells["there"] == first[row]["there"]
    plain, net = first["two-pass, m 0"]["here"], first["ideal, centered"]["here"]
    text = rf"{100 * float(plain):.1f} % instead of {100 * float(net):.1f} % for `net`"
    assert text in HARDWARE
