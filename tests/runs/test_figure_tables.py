"""Tables beside figures: each drawn number has its row, each row is drawn, and pandas reads the file in one line."""

from __future__ import annotations

from pathlib import Path

import pandas
import pytest
from gallery import GALLERY, picture_of
from pictures import untold

from experiments.figures.axes import column
from experiments.figures.writing import Picture, to_csv, write_pictures


@pytest.mark.parametrize(("function", "case"), [(function, case) for function, cases in GALLERY.items() for case in cases])
def test_the_table_of_a_figure_holds_the_drawn_numbers_and_no_others(function: str, case: str, tmp_path: Path) -> None:
    """If this fails, a figure that a reader draws again from its table is another figure."""
    picture = picture_of(function, case)
    assert untold(picture) == []
    write_pictures(tmp_path, {"figure": picture})
    table = pandas.read_csv(tmp_path / "figure.csv")
    assert len(table) == len(picture.rows) > 1
    assert all(name == column(name) for name in table)
    # Controls: a comparison that looks at nothing would pass.
    off = [{name: 1.001 * v + 1e-3 if isinstance(v, float) else v for name, v in row.items()} for row in picture.rows]
    assert untold(picture._replace(rows=off))
    assert untold(picture._replace(rows=[*picture.rows, {"place": 12345.678}]))


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("CPU time (µs/sample)", "CPU_time_us_per_sample"),
        ("test error (%)", "test_error_percent"),
        ("theory: free energy", "theory_free_energy"),
        ("conductance (µS)", "conductance_uS"),
        ("signal / noise", "signal_per_noise"),
    ],
)
def test_the_name_of_a_column_keeps_the_unit_of_its_axis(label: str, name: str) -> None:
    assert column(label) == name


def test_points_with_other_quantities_share_a_table_and_odd_texts_stay_whole() -> None:
    """A missing quantity is an empty cell, never a shifted one."""
    rows = [{"name": 'a "b", c\nd', "x": 0.1 + 0.2}, {"name": "\ud800", "y": None, "z": 3.0}]
    assert to_csv(rows) == 'name,x,y,z\n"a ""b"", c\nd",0.30000000000000004,,\n\\ud800,,,3.0\n'
    assert to_csv(Picture("<svg/>", {}).rows) == "\n"
