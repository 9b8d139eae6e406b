"""Names of the points of a run: what differs between them, and nothing that all have."""

from __future__ import annotations

import pytest
from command_line import Eqlab

from experiments.runs.columns import labels_of

COMMON = [f"effect-{number}.setting={number}" for number in range(15)]
CASES = {
    "numbers": ([{"gain": 0.5, "seed": 1}, {"gain": 1.0, "seed": 1}], ["gain 0.5", "gain 1.0"]),
    "one point": ([{"gain": 0.5}], [""]),
    "sizes, in which a place has a meaning": ([{"hidden": [32]}, {"hidden": [32, 32]}], ["hidden [32]", "hidden [32, 32]"]),
    "a member of a long list": (
        [{"imperfections": COMMON}, {"imperfections": [*COMMON, "law.off=true"]}],
        ["imperfections []", "imperfections law.off=true"],
    ),
    "members of which none is in all": ([{"vary": ["a", "b"]}, {"vary": ["b", "c"]}, {"vary": ["d"]}], ["vary a b", "vary b c", "vary d"]),
    "order only": ([{"vary": ["a", "b"]}, {"vary": ["b", "a"]}], ["vary a b", "vary b a"]),
    "repetitions only": ([{"vary": ["a"]}, {"vary": ["a", "a"]}], ["vary a", "vary a a"]),
    "a list and none": ([{"vary": ["a"]}, {"vary": None}, {}], ["vary a", "vary null", "vary null"]),
}


@pytest.mark.parametrize("case", CASES)
def test_points_are_named_by_what_differs(case: str) -> None:
    """If this fails, a table repeats fifteen settings of a device in each of its rows, or two points have one name."""
    points, names = CASES[case]
    assert labels_of(points) == names


@pytest.mark.usefixtures("here")
def test_the_trials_of_an_ablation_are_listed_in_lines_that_can_be_read(eqlab: Eqlab) -> None:
    """If this fails, an engineer does not find the key of the trial to export."""
    small = ("--set", "train_size=48", "--epochs", "1", "--hidden", "4", "--seeds", "1", "--engine", "serial", "--quiet")
    assert eqlab("hardware", "--preset", "gokmen-vlasov", "--ablate", "--out", "runs/study", *small).exit_code == 0
    lines = eqlab("runs", "show", "runs/study").stdout.split("\ntrial ")[1].splitlines()
    rows = [line for line in lines if " #0 " in line]
    assert len(rows) >= 3
    assert all(line.count("off=true") == 1 for line in rows if "without" in line and "without all" not in line)
    # A constant of the account is that of all trials: one row, not one for each.
    assert sum(line.startswith("constants.e_mac") for line in lines) == 1
    assert sum(line.startswith("test_error at ") for line in lines) == len(rows)
