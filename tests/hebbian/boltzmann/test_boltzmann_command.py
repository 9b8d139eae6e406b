"""``eqlab boltzmann``: likelihoods of a trained machine, resuming, reports, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from command_line import Eqlab, Found, Refused

from contrastive_core.data import DATASETS
from experiments.boltzmann.beside import prepare_beside, values_seen
from experiments.boltzmann.options import LEARNING, MachineOptions
from experiments.boltzmann.parts import prepare
from hebbian.boltzmann import learning

TINY = ("--epochs", 2, "--hidden", 4, "--anneal-steps", 10, "--anneals", 4, "--mixing-sweeps", 60, "--fantasies", 4)
ENTROPY = 28 / 32 * math.log(32) + 4 / 32 * math.log(16)
"""Entropy of bars and stripes in nats: no machine has a higher mean log likelihood than minus that."""


def test_bars_and_stripes_are_what_they_are_called() -> None:
    """30 different pictures of which two stand twice, each wholly made of columns or of rows."""
    splits = DATASETS["bars-and-stripes"](None, 0)
    pictures = splits.test.inputs.reshape(-1, 4, 4)
    columns = (pictures == pictures[:, :1]).all(2).all(1)
    rows = (pictures == pictures[:, :, :1]).all(2).all(1)
    assert columns[splits.test.labels == 0].all()
    assert rows[splits.test.labels == 1].all()
    assert len(torch.unique(splits.test.inputs, dim=0)) == 30
    _, counts = torch.unique(splits.train.inputs, dim=0, return_counts=True)
    assert sorted(counts.tolist()) == [10] * 28 + [20] * 2


def test_a_machine_learns_bars_and_stripes_towards_their_entropy(found: Found, tmp_path: Path) -> None:
    """A likelihood above minus the entropy would be an error of log Z; independent pixels have 16 log 2 = 11.1 nats."""
    run = ("boltzmann", "--epochs", 30, "--every", 30, "--mixing-sweeps", 60, "--fantasies", 4, "--out", tmp_path / "run")
    result = found(*run)
    assert -9.5 < result["test_log_likelihood"] < -ENTROPY
    assert (result["method"], result["log_partition_error"], result["bound"]) == ("enumeration", 0, False)
    assert result["test_log_likelihood"] < result["pseudo_likelihood"] < 0  # a conditional knows more than the past of a chain rule
    names = {"likelihood", "mixing", "samples", "filters"}
    assert {file.stem for file in (tmp_path / "run" / "figures").glob("*.csv")} == names
    table = (tmp_path / "run" / "figures" / "likelihood.csv").read_text().splitlines()
    assert table[0] == "samples,epoch,log_likelihood_nats,log_likelihood_nats_error"
    assert "test log likelihood" in (tmp_path / "run" / "report.html").read_text()
    assert found(*run) == result


def test_a_killed_run_goes_on_to_the_same_result(eqlab: Eqlab, found: Found, tmp_path: Path) -> None:
    """Chains and generators come from the checkpoint; measurements draw from streams of their own."""
    whole = found("boltzmann", *TINY, "--out", tmp_path / "whole")
    other = tmp_path / "other"
    assert eqlab("boltzmann", *TINY, "--out", other).exit_code == 0
    (other / "journal.sqlite").unlink()
    for file in other.glob("journal.sqlite-*"):
        file.unlink()
    resumed = found("boltzmann", *TINY, "--out", other)
    for result in (whole, resumed):
        del result["run"], result["seconds_per_sample"]
    assert whole == resumed


@pytest.mark.parametrize(
    "flags",
    [
        ("--hidden", "4,3", "--learning", "pcd"),
        ("--lateral", "--hidden", 3, "--learning", "cd", "--train-size", 32),
        ("--visible-units", "gaussian", "--learning", "cd"),
        ("--visible-units", "spin", "--hidden-units", "gaussian", "--learning", "parallel-tempering", "--replicas", 3),
        ("--labels", "--learning", "conditional", "--beside", "backprop"),
    ],
)
def test_every_kind_of_machine_runs(flags: tuple[object, ...], found: Found, tmp_path: Path) -> None:
    """Deep and general likelihoods are bounds and say so; enumeration of nothing would be a likelihood of another machine."""
    result = found("boltzmann", *TINY, *flags, "--out", tmp_path / "run")
    assert math.isfinite(result["test_log_likelihood"])
    assert result["bound"] is ("4,3" in flags or "--lateral" in flags)
    assert ("test_error" in result) is ("--labels" in flags)
    assert set(result["beside"]) == ({"backprop"} if "--labels" in flags else set())


def test_rules_beside_see_the_values_of_the_units_and_start_from_the_same_weights() -> None:
    """Other pixels or other weights would compare data and draws, and not ways to learn."""
    options = MachineOptions(data="digits", train_size=40, hidden=(4,), labels=True, beside=("ep-centered",), visible_units="spin")
    parts = prepare(options, 3)
    ((settings, (splits, network, _)),) = prepare_beside(options, 3, parts)
    assert (settings.rule, settings.seed) == ("ep-centered", 3)
    assert torch.equal(network.get_parameter("weight_1"), parts.machine.weight(1)[:64])
    assert torch.equal(network.get_parameter("weight_2"), parts.machine.weight(1)[64:].T)
    assert torch.equal(splits.test.inputs, parts.test[:, :64])
    assert set(splits.train.inputs.unique().tolist()) == {-1.0, 1.0}
    drawn = options.model_copy(update={"pixels": "sampled"})
    assert torch.equal(values_seen(drawn, prepare(drawn, 3)).test.inputs, parts.splits.test.inputs)


def test_names_of_ways_to_learn_are_those_of_the_package() -> None:
    """Help lists them without importing torch."""
    assert LEARNING == learning.LEARNING


def test_pixels_become_values_of_units() -> None:
    """Gaussian data are standardised by the training split; spins of dark pixels are -1."""
    grey = prepare(MachineOptions(data="digits", visible_units="gaussian", hidden=(4,)), 0)
    assert torch.allclose(grey.train.mean(0), torch.zeros(64), atol=1e-4)
    assert float(grey.train.std(0).max()) < 1.01
    spins = prepare(MachineOptions(data="digits", visible_units="spin", hidden=(4,)), 0)
    assert set(spins.train.unique().tolist()) == {-1.0, 1.0}
    sampled = prepare(MachineOptions(data="digits", pixels="sampled", labels=True, hidden=(4,)), 0)
    assert set(sampled.test.unique().tolist()) == {0.0, 1.0}
    assert sampled.train.shape[1] == 74
    assert float(sampled.train[:, 64:].sum(1).max()) == 1


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--learning", "exact", "--hidden", 30, "--data", "digits"), "exact learning would enumerate 30 units, and at most 25 are"),
        (("--learning", "conditional"), "add --labels"),
        (("--beside", "ep-centered"), "with --labels only"),
        (("--labels", "--beside", "ep-holomorphic"), "the units of layer 1 are not holomorphic"),
        (("--visible-units", "gaussian", "--labels"), "label units have two values"),
        (("--visible-units", "gaussian", "--hidden-units", "gaussian"), "Gaussian units that act on each other"),
        (("--learning", "pseudo-likelihood", "--pixels", "grey"), "grey pixels are means"),
        (("--learning", "tempred"), "did you mean 'tempered'"),
        (("--enumerate-most", 30), "25"),
        (("--hottest", 1), "less than 1"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_sentence(
    flags: tuple[object, ...], sentence: str, refused: Refused, tmp_path: Path
) -> None:
    """A mistake must not cost hours, or model something else in silence."""
    assert sentence in refused("boltzmann", *flags, "--out", tmp_path / "run")


def test_options_without_effect_are_warned_of(eqlab: Eqlab, tmp_path: Path) -> None:
    """Replicas belong to tempering: a deterministic or untempered way to learn has none."""
    flags = ("--learning", "mean-field", "--replicas", 5, "--hottest", 0.2, "--every", 3)
    result = eqlab("boltzmann", *TINY, *flags, "--epochs", 1, "--out", tmp_path / "run")
    assert result.exit_code == 0
    assert "--hottest has no effect: mean-field does not use it" in result.stderr
    assert "--anneals has no effect: log Z is summed over the states of 4 units" in result.stderr
    assert "--every has no effect: the only epoch" in result.stderr


@pytest.mark.parametrize("learning", ["pcd", "cd", "exact", "mean-field", "pseudo-likelihood"])
def test_training_that_diverges_ends_with_a_sentence_and_no_result(learning: str, eqlab: Eqlab, tmp_path: Path) -> None:
    """Would fail if weights of 1e8, in whose fields no unit is random, were a result like any other."""
    flags = ("--learning", learning, "--learning-rate", 1e9, "--hidden", 4, "--epochs", 2, "--out", tmp_path / "run", "--quiet")
    result = eqlab("boltzmann", *flags)
    assert result.exit_code != 0
    assert "training diverged" in result.stderr
    assert "lower the learning rate" in result.stderr
    assert "nats" not in result.stdout
