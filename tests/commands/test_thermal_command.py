"""``eqlab thermal`` and rules at a temperature, as commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from experiments.cli import cli

SMALL = ("--chains", "16", "--sweeps", "30", "--burn-in", "10", "--repeats", "8", "--hidden", "3", "--strengths", "0.4,0.2")

BIG = ("gradients", "--network", "ising", "--hidden", "28", "--ising-voters", "1", "--data", "two-moons")


def run(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """Run a command, and return its JSON."""
    result = CliRunner().invoke(cli, [*arguments, "--json", "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refused(*arguments: str) -> str:
    """Run a command that is refused, and return its sentence."""
    result = CliRunner().invoke(cli, [*arguments])
    assert result.exit_code == 2, result.output
    return result.output


def test_a_study_prints_identities_orders_and_errors(tmp_path: Path) -> None:
    """If this fails, the command measures something else than the page says."""
    found = run(tmp_path, "thermal", *SMALL)
    assert max(found["identities"].values()) < 1e-8
    strong, weak = found["biases"]
    assert strong["centered"] / weak["centered"] == pytest.approx(4, rel=0.3)
    assert strong["richardson"] / weak["richardson"] == pytest.approx(16, rel=0.4)
    assert found["deviations"]["control"] > 20
    assert all(row["common"] > 0 and row["own"] > row["common"] for row in found["sampled"])
    assert (tmp_path / "run" / "report.html").read_text(encoding="utf-8").count("<svg") >= 1


def test_gradients_at_a_temperature_are_compared_with_the_exact_slope(tmp_path: Path) -> None:
    """If this fails, rules at a temperature are judged by one noisy state."""
    machine = ("--network", "ising", "--hidden", "3", "--ising-voters", "1", "--data", "two-moons", "--samples", "2")
    sampling = ("--node-temperature", "1", "--budget", "200", "--nudged-budget", "100", "--replicas", "32", "--strength", "0.3")
    found = run(tmp_path, "gradients", *machine, *sampling)
    assert "thermal-exact" not in found["rules"]  # it is the reference
    assert "implicit" not in found["rules"]
    covariance = found["rules"]["ep-covariance"]
    assert covariance["relative_error"] < 4 * covariance["standard_error"] < 2
    assert covariance["unconverged"] == 0
    assert not any("--tolerance" in warning for warning in found["warnings"])


def test_chains_that_do_not_mix_are_named(tmp_path: Path) -> None:
    """If this fails, error bars of chains that never leave their modes are printed without a word."""
    machine = ("--network", "ising", "--hidden", "3", "--ising-voters", "1", "--data", "two-moons", "--samples", "2")
    sampling = ("--node-temperature", "0.02", "--budget", "60", "--nudged-budget", "60", "--replicas", "16", "--rules", "ep-covariance")
    found = run(tmp_path, "gradients", *machine, *sampling)
    assert found["rules"]["ep-covariance"]["unconverged"] > 0
    assert any("stay in modes of their own; raise --budget" in warning for warning in found["warnings"])


def test_a_study_of_several_machines_has_a_ratio_for_each(tmp_path: Path) -> None:
    """If this fails, one lucky machine speaks for all, or machines share their draws."""
    found = run(tmp_path, "thermal", *SMALL, "--machines", "3")
    ratios = found["error_ratios"]
    assert len(set(ratios)) == 3
    assert ratios[0] == found["error_ratio"]
    assert all(0 < ratio < 1 for ratio in ratios)
    assert "over 3 machines" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("thermal", "--hidden", "27"), "30 spins have 2^30 states, and at most 20"),
        (("thermal", "--temperature", "0"), "temperature"),
        (("gradients", "--rules", "ep-thermal"), "ep-thermal averages over states at a temperature; give one"),
        (("train", "--rule", "ep-covariance"), "ep-covariance averages over states at a temperature; give one"),
        (("hardware", "--rules", "ep-thermal", "--hidden", "4"), "ep-thermal averages over states at a temperature; give one"),
        (("gradients", "--node-temperature", "0.1", "--rules", "implicit"), "implicit differentiates a state at rest"),
        (("train", "--node-temperature", "0.1", "--rule", "unrolled"), "unrolled differentiates a state at rest"),
        (
            (*BIG, "--node-temperature", "1", "--rules", "ep-thermal", "--budget", "2", "--nudged-budget", "2"),
            "30 spins have 2^30 states",
        ),
        (("gradients", "--network", "ising", "--node-temperature", "1", "--step", "0.1", "--rules", "ep-thermal"), "spins in a heat bath"),
        (("gradients", "--node-temperature", "1", "--rules", "ep-thermal", "--burn-in", "1"), "burn-in"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    """If this fails, a user reads a traceback, waits for ever, or trusts a wrong comparison."""
    assert sentence in refused(*arguments, "--out", str(tmp_path / "run"))
