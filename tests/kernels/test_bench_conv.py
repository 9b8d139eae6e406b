"""The benchmark of convolutional networks measures gradients of one equilibrium, and says how far each is from it."""

import json

import pytest
import torch
from click.testing import CliRunner

from experiments.benchmarks.accuracy import cosine
from experiments.benchmarks.convolution_cases import backprop, cases, ep_textbook, exact_gradients, network_of, pictures, samples
from experiments.benchmarks.convolutions import CASES, layers_of
from experiments.cli import cli

SMALL = "1x8x8 4c3 p2 5"


def test_bench_conv_reports_every_case_with_its_cosine() -> None:
    arguments = ["bench", "conv", "--networks", SMALL, "--batch", "4", "--repeats", "1", "--training-steps", "2", "--json", "--quiet"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)["rows"]
    assert [(row["weights"], row["case"]) for row in rows] == [(weights, case) for weights in ("initial", "trained") for case in CASES]
    for row in rows:
        assert row["microseconds_per_sample"] > 0
        assert (row["cosine"] is None) == (row["case"] == "floor")
        # At the scale .01 equilibrium propagation is within 1 - cosine of its square of exact, however it is scheduled.
        assert row["cosine"] is None or row["cosine"] > 0.99
    assert {row["case"]: row["sweeps"] for row in rows}["ep-truncated"] == 3
    assert {row["case"]: row["times_autograd"] for row in rows}["backprop-channels-last"] == 1


def test_bench_conv_measures_named_cases_beside_the_baseline() -> None:
    """VGG-5 takes minutes for the textbook's sweeps, which nobody who asks for a schedule should wait for."""
    arguments = ["bench", "conv", "--networks", SMALL, "--batch", "4", "--repeats", "2", "--weights", "initial", "--json"]
    result = CliRunner().invoke(cli, [*arguments, "--only", "floor,ep-truncated"])
    assert result.exit_code == 0, result.stderr
    assert [row["case"] for row in json.loads(result.stdout)["rows"]] == ["ep-truncated", "backprop-channels-last", "floor"]
    wrong = CliRunner().invoke(cli, [*arguments, "--only", "textbook"])
    assert wrong.exit_code == 2
    assert "ep-textbook" in wrong.stderr


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_every_case_of_equilibrium_propagation_is_the_gradient_of_one_equilibrium(scale: float) -> None:
    """A plain case with another network or sign would be timed against something else; truncated schedules are none of it at scale 1."""
    network = network_of("4c3 p2 6c3 5", (1, 8, 8), scale, 0)
    timed = {case.name: case for case in cases(network, samples(network, 6, 0), CASES)}
    for name in ("ep-train", "ep-matched", "ep-textbook"):
        assert (timed[name].cosine() or 0) > 0.99, name  # strength .1 has a bias of that order
    assert (timed["ep-truncated"].cosine() or 0) > (timed["backprop-channels-last"].cosine() or 0) - 1e-3


def test_plain_backpropagation_is_the_limit_of_little_feedback() -> None:
    network = network_of("4c3 p2 6c3 5", (1, 8, 8), 1e-4, 0)
    batch = samples(network, 6, 0)
    exact = exact_gradients(network, batch)
    for order in (torch.channels_last, torch.contiguous_format):
        assert cosine(backprop(pictures(network, batch, order))(), exact) > 1 - 1e-5
    assert torch.isfinite(ep_textbook(pictures(network, batch, torch.contiguous_format))()[0]).all()


@pytest.mark.parametrize("network", ["lenet5", "28x28 32c5 p2 10", "1x28x28", "1x28x28 32c5 a2 10", "1x28x28 32c5>3 16c3 10", "1x8x8 5"])
def test_bench_conv_refuses_what_is_no_network(network: str) -> None:
    result = CliRunner().invoke(cli, ["bench", "conv", "--networks", network])
    assert result.exit_code == 2
    assert "pictures and layers with filters and maxima" in result.stderr


def test_named_networks_are_those_of_the_literature() -> None:
    assert layers_of("vgg-5") == ("128c3+1 p2 256c3+1 p2 512c3+1 p2 512c3 p2 10", (3, 32, 32), 32)
