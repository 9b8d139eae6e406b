"""Basins of attraction: what counts as retrieved, from where, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from experiments.cli import cli
from experiments.hopfield.basins import BasinOptions, expected_overlaps, trial
from hebbian.theory.capacity import retrieval_overlap


def success(seed: int = 0, **options: Any) -> dict[str, Any]:
    return trial(BasinOptions(seed=0, **options), seed).metrics


def test_undiluted_patterns_attract_from_half_way_and_not_from_nowhere() -> None:
    """Load .05 at T = 0: descents from an overlap of .6 all end at the pattern's own state; from chance overlaps hardly any does.

    50 patterns hold at most 100 of the 2^1000 corners' basins: a random start reaches a given one with a chance below 1/50.
    """
    options = {"patterns": 50, "dilution": 0.0, "temperature": 0.0, "size": 1000, "target": "pure", "networks": 20}
    near, far = success(quality=0.6, **options), success(quality=0.0, **options)
    assert near["expected"] == [retrieval_overlap(0.05)]
    assert near["success"] == 1
    assert near["final_overlap"] == pytest.approx(retrieval_overlap(0.05), abs=1e-3)  # flips are Poisson, .05 of 1000 spins
    assert near["initial_overlap"] == pytest.approx(0.6, abs=4.5 * (0.64 / 20_000) ** 0.5)
    assert far["successes"] <= 3  # binomial of 20 and 1/50: more has a chance of 1e-3


def test_several_patterns_are_retrieved_at_once_from_a_good_cue() -> None:
    """The multitasking target asks for every overlap of the ground state, the pure one for the first alone."""
    options = {"patterns": 2, "dilution": 0.5, "temperature": 0.05, "size": 2000, "networks": 20}
    whole, none = success(quality=0.8, target="multitasking", **options), success(quality=0.0, target="multitasking", **options)
    first = success(quality=0.8, target="pure", **options)
    assert whole["expected"] == pytest.approx([0.5, 0.25], abs=2e-3)
    assert whole["success"] == first["success"] == 1
    assert len(first["expected"]) == 1
    # Eight states of equal standing: signs of both, and which is the larger. 20 random starts hit one in 2.5 on average.
    assert none["success"] < 0.6
    assert whole["interval"][0] == pytest.approx(1 / (1 + 1.959964**2 / 20), abs=1e-6)  # Wilson's at 20 of 20


def test_theory_knows_which_state_a_cue_can_lead_to() -> None:
    """Above the capacity, or above T_c, there is nothing whose basin could be measured."""
    assert expected_overlaps(BasinOptions(seed=0, patterns=2, dilution=0.3, temperature=0.14))[0] == pytest.approx(0.69968, abs=1e-5)


def test_basins_command_resumes_and_draws(tmp_path: Path) -> None:
    """A curve for each target, with intervals."""
    call = [
        "basins",
        "--qualities",
        "0,0.8",
        "--patterns",
        "2",
        "--size",
        "500",
        "--networks",
        "5",
        "--engine",
        "serial",
        "--quiet",
        "--json",
    ]
    result = CliRunner().invoke(cli, [*call, "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert [(cell["target"], cell["quality"]) for cell in record["points"]] == [
        ("pure", 0),
        ("pure", 0.8),
        ("multitasking", 0),
        ("multitasking", 0.8),
    ]
    assert record["convention"] == "raw"
    assert (tmp_path / "run" / "figures" / "basins.svg").is_file()
    assert json.loads(CliRunner().invoke(cli, [*call, "--out", str(tmp_path / "run")]).stdout) == record


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--qualities", "1.2"), "qualities"),
        (("--targets", "all"), "targets"),
        (("--temperature", "-1"), "temperature"),
        (("--temperature", "2"), "nothing is retrieved"),
        (("--patterns", "200", "--dilution", "0", "--temperature", "0", "--size", "1000"), "nothing is retrieved"),
        (("--patterns", "9"), "at most 7"),
        (("--qualities", "1,1"), "two points of the grid are both pure-q1"),
        (("--target", "pure"), "no such option '--target'"),  # it would have no effect beside --targets
    ],
)
def test_basins_command_refuses_what_has_no_basin(flags: tuple[str, ...], message: str) -> None:
    """One sentence and exit code 2, and no run."""
    result = CliRunner().invoke(cli, ["basins", *flags])
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
