"""The commands recall, phase and learn: what they find and leave behind, and how they answer wrong input."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from experiments.cli import cli

QUICK = ("--size", "3000", "--sweeps", "300", "--burn-in", "50", "--chains", "4", "--quiet")


def eqlab(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def found(*arguments):
    result = eqlab(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("convention", ["raw", "normalized"])
def test_recall_puts_theory_beside_monte_carlo(convention):
    """A row of the reference table, in both conventions."""
    unit = 1 if convention == "raw" else 2
    record = found(
        "recall", "--patterns", 3, "--dilution", 0.5, "--temperature", 0.1 * unit, "--convention", convention, "--stratified", *QUICK
    )
    assert record["theory"]["branch"] == "hierarchical"
    assert record["theory"]["overlaps"] == pytest.approx([0.49527, 0.24396, 0.11441], abs=0.6e-5)
    assert record["theory"]["free_energy"] == pytest.approx(-0.17464298 * unit, abs=0.6e-8 * unit)
    assert record["theory"]["min_eigenvalue"] == pytest.approx(0.319, abs=0.6e-3)
    assert record["verdict"]["agrees"] is True
    # 3000 spins have type counts rounded by one part in 3000, which moves m by about as much.
    assert record["monte_carlo"]["overlaps"] == pytest.approx(record["theory"]["overlaps"], abs=0.004)
    assert all(time >= 1 for time in record["monte_carlo"]["autocorrelation_time"])
    energy, losses = record["flow"]["energy"], np.array(record["flow"]["losses"])
    assert energy[-1] < energy[0]
    assert (losses[-1] < losses[0]).all()


@pytest.mark.parametrize("dynamics", ["fixed-order", "parallel"])
def test_recall_follows_the_flow_and_draws_it(dynamics, tmp_path):
    """The picture shows the measured overlaps against the predicted ones."""
    out = tmp_path / "out"
    record = found("recall", "--patterns", 2, "--temperature", 0.14, "--dynamics", dynamics, "--out", out, *QUICK, "--size", 20000)
    assert record["flow"]["largest_difference"] < 0.02  # sd of one chain's m is below sqrt(.3/20000) = .004 times 4.5
    assert (out / "recall.svg").read_text().startswith("<?xml")
    assert json.loads((out / "recall.json").read_text())["measured"] == record["flow"]["measured"]


def test_recall_of_patterns_from_a_file(tmp_path):
    """Images and other real patterns have an instance theory."""
    path = tmp_path / "patterns.npy"
    np.save(path, np.random.default_rng(0).choice([-1, 1], size=(2, 3000)))
    record = found("recall", "--pattern-file", path, "--temperature", 0.3, *QUICK)
    assert record["theory"]["branch"] in ("pure", "mixed", "hierarchical")  # undiluted patterns overlap by 1/sqrt(N)
    assert record["verdict"]["agrees"] is True


def test_phase_resumes_and_draws_every_number_of_patterns(tmp_path):
    """A grid that was computed once is not computed again."""
    axes = ("--patterns", "1,2", "--dilutions", "0.3,0.9", "--ratios", "0.15,0.5")
    grid = ("phase", *axes, "--engine", "serial", "--out", tmp_path / "run", *QUICK)
    first = found(*grid)
    assert [cell["branch"] for cell in first["points"]["2"]] == ["hierarchical", "pure", "symmetric", "symmetric"]
    assert all(cell["agrees"] is not False for cell in first["points"]["2"])
    assert found(*grid) == first
    assert (tmp_path / "run" / "figures" / "phase-2.svg").is_file()


def test_learn_finds_the_same_with_and_without_a_teacher(tmp_path):
    """More examples help both alike, and the threshold is stated."""
    record = found("learn", "--qualities", "0.5", "--examples", "1,11", "--engine", "serial", "--out", tmp_path / "run", *QUICK)
    few, many = record["points"]["r0.5-M1"], record["points"]["r0.5-M11"]
    for rule in ("supervised", "unsupervised"):
        assert few[rule][0] < 0.6 < 0.9 < many[rule][0]
        assert many[rule] == pytest.approx(many["instance"], abs=0.01)
    assert record["thresholds"]["0.5"] == pytest.approx(3)
    assert (tmp_path / "run" / "figures" / "learning.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("recall", "--dilution", 1.5), "dilution"),
        (("recall", "--temperature", -1), "temperature"),
        (("recall", "--stratified", "--patterns", 6, "--size", 100), "729 types of site, more than the 100 spins"),
        (("recall", "--pattern-file", "missing.npy"), "missing.npy is not a readable .npy array"),
        (("recall", "--convention", "natural"), "convention"),
        (("recall", "--dilution", 1, "--convention", "normalized"), "blank"),
        (("learn", "--qualities", 0), "qualities"),
        (("learn", "--examples", 0), "examples"),
        (("phase", "--dilutions", 1), "dilutions"),
        (("phase", "--engine", "clowd"), "unknown engine"),
    ],
)
def test_wrong_input_ends_with_one_sentence_and_code_2(arguments, message):
    """Nothing else than what was asked may be simulated."""
    result = eqlab(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_bench_spins_measures_kernels_that_end_in_the_same_state():
    """A kernel that is fast because it samples something else must show it."""
    record = found("bench", "spins", "--size", 1500, "--patterns", 2, "--repeats", 1)
    rows = {row["kernel"]: row for row in record["rows"]}
    assert {"dense (textbook)", "overlap, random site", "block, Gaussian hidden layer"} < set(rows)
    overlaps = [row["overlap"] for row in rows.values()]
    # d = .3, T = .4 T_c: fluctuations of m are about sqrt(.28/1500 (1/.2 - 1)) = .027 in the soft direction, less along m.
    assert max(overlaps) - min(overlaps) < 0.03
    assert all(row["nanoseconds"] > 0 for row in rows.values())
