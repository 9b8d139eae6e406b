"""Ising machines: the energy against enumeration, annealing, the rule, and the noise of a search."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import oracles
import pytest
import torch
from click.testing import CliRunner
from ising_machines import machine
from systems import System, make_system, seeded, settle

from contrastive_core.certificate import Stop
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import InputError
from contrastive_core.kernels.spins import anneal_cpu
from contrastive_core.relaxation.relax import relax
from contrastive_core.types import Batch
from eqprop.annealed_rule import SpinVotes, annealed_propagation
from eqprop.annealing import Annealing, noisy_energies
from eqprop.ising import Ising
from experiments.cli import cli


def enumerated(network: Ising, batch: Batch, nudge: float = 0.0, targets: torch.Tensor | None = None) -> torch.Tensor:
    """The lowest energy of each sample over all states, by loops."""
    states = [torch.tensor(state, dtype=torch.float64) for state in itertools.product((-1, 1), repeat=sum(network.sizes))]
    lowest = []
    for row, x in enumerate(batch.inputs):
        fields = (network.hidden_bias + x @ network.weight_1).clamp(-1.5, 1.5).detach()
        above = network.output_bias.detach() if targets is None else (network.output_bias.detach() - nudge * targets[row]).clamp(-1.5, 1.5)
        hidden = network.sizes[0]
        lowest.append(
            min(float(fields @ s[:hidden] + s[:hidden] @ network.weight_2.detach() @ s[hidden:] + above @ s[hidden:]) for s in states)
        )
    return torch.tensor(lowest, dtype=torch.float64)


def test_force_and_gradient_are_derivatives_of_the_energy() -> None:
    """The contrast of two states would be no contrast of energies."""
    network, batch = machine()
    network.field_limit = 1e9  # beyond it the gradient passes through the clipping on purpose
    with torch.no_grad():
        spins = network.initial_state(network.clamp(batch.inputs), seeded(1))
    state = tuple(layer.requires_grad_() for layer in spins)
    energy = network.energy(state, network.clamp(batch.inputs))
    automatic = torch.autograd.grad(energy.sum(), state, retain_graph=True)
    for force, gradient in zip(network.force(state, network.clamp(batch.inputs)), automatic, strict=True):
        torch.testing.assert_close(force, -gradient, rtol=0, atol=1e-13)
    names = dict(network.named_parameters())
    exact = dict(zip(names, torch.autograd.grad(energy.mean(), list(names.values())), strict=True))
    values = tuple(layer.detach() for layer in state)
    assert oracles.gradient_error(network.energy_gradient(values, network.clamp(batch.inputs)), exact) < 1e-14


def test_annealing_finds_the_lowest_energy_by_enumeration() -> None:
    """A free phase that is not the ground state teaches something else."""
    network, batch = machine()
    free = annealed_propagation(SpinVotes(2), annealing=Annealing(reads=20)).infer(network, batch.inputs)
    energy = network.energy(free.state, network.clamp(batch.inputs)).detach()
    torch.testing.assert_close(energy, enumerated(network, batch), rtol=0, atol=1e-6)  # the machine holds float32
    assert {float(v) for v in free.state[0].unique()} <= {-1.0, 1.0}
    assert (free.status.tolist(), free.residual.tolist()) == ([0] * 5, [0.0] * 5)
    hot = annealed_propagation(SpinVotes(2), annealing=Annealing(1, 1, 1e-3, 1e-3)).infer(network, batch.inputs)
    assert bool((network.energy(hot.state, network.clamp(batch.inputs)).detach() > energy + 0.1).any())
    assert int(hot.status.max()) == 1
    assert float(hot.residual.max()) == 2


def test_descent_by_blocks_ends_where_no_layer_can_lower_the_energy() -> None:
    """The network is one of the core: its dynamics must work on it too."""
    network, batch = machine()
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        ended = relax(clamped, network.initial_state(clamped, seeded(2)), BlockDescent(), Stop(0.0, 50))
    for layer, force in zip(ended.state, network.force(ended.state, clamped), strict=True):
        assert bool((layer * force >= 0).all())


def test_rule_contrasts_the_nudged_state_with_the_free_one_and_leaves_right_samples_out() -> None:
    """The update is the local one of the machine: products of spins, one phase less the other, over the strength."""
    network, batch = machine()
    rule = annealed_propagation(SpinVotes(2), 2.0, Annealing(reads=20))
    estimate = rule.estimate(network, batch, generator=seeded(3))
    free, nudged = estimate.relaxations["free"].state, estimate.relaxations["positive"].state
    expected = (nudged[0].T @ nudged[1] - free[0].T @ free[1]) / (5 * 2.0)
    torch.testing.assert_close(estimate.gradients["weight_2"], expected, rtol=0, atol=1e-14)
    wrong = (free[1] != SpinVotes(2).targets(free[1], batch)).any(1)
    assert bool(wrong.any())
    for layer, other in zip(free, nudged, strict=True):
        assert torch.equal(layer[~wrong], other[~wrong])
    strong = annealed_propagation(SpinVotes(2), 1e6, Annealing(reads=20, reverse=0.0))
    network.field_limit = 1e6
    pulled = strong.estimate(network, batch, generator=seeded(3)).relaxations["positive"].state[1]
    assert torch.equal(pulled[wrong], SpinVotes(2).targets(pulled, batch)[wrong])


def test_same_generator_draws_the_same_and_another_does_not() -> None:
    """Resumed runs rest on it."""
    network, batch = machine(12, 4)
    rule = annealed_propagation(SpinVotes(2), annealing=Annealing(1, 3, cold=0.5))
    first, again, other = (rule.estimate(network, batch, generator=seeded(s)).relaxations["free"].state[0] for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_votes_decide_by_the_sum_of_the_spins() -> None:
    """The error that is reported is that of the machine's answer."""
    output = torch.tensor([[1.0, 1, -1, 1], [-1, 1, 1, 1]])
    batch = Batch(torch.zeros(2, 1), torch.tensor([0, 0]))
    assert SpinVotes(2).errors(output, batch).tolist() == [False, True]
    assert SpinVotes(2).value(output, batch).tolist() == [2.0, 6.0]


def test_some_noise_finds_the_ground_state_more_often_than_none_or_much() -> None:
    """Annealers are built for this optimum; were it at an end, noise would only harm, or order only hinder."""
    couplings = np.triu(np.random.default_rng(0).normal(size=(40, 40)) / np.sqrt(40), 1)
    couplings += couplings.T
    energies = {noise: noisy_energies(couplings, noise, 30, 300, 7) for noise in (0.0, 0.8, 20.0)}
    lowest = min(found.min() for found in energies.values())
    share = {noise: (found < lowest + 1e-6).mean() for noise, found in energies.items()}
    for end in (0.0, 20.0):
        error = np.sqrt((share[0.8] * (1 - share[0.8]) + share[end] * (1 - share[end])) / 300)
        assert (share[0.8] - share[end]) / error > 4  # z of two binomial shares


def test_errors_say_what_was_wrong() -> None:
    """A machine that cannot be must not be simulated."""
    network, batch = machine()
    cases = {
        "three positive numbers": lambda: Ising((3, 2)),
        "must be positive, got -1": lambda: Ising((1, 1, 1), field_limit=-1),
        "at least 1 read and 1 sweep, got 0": lambda: Annealing(reads=0),
        "hot <= cold <= 1e30 inversely, got 2 and 1": lambda: Annealing(hot=2.0, cold=1.0),
        "got 0.1 and 1e.39": lambda: Annealing(cold=1e39),
        "from 0 to 1, got 1.5": lambda: Annealing(reverse=1.5),
        "needs a generator": lambda: settle(System(network, batch), Annealing()),
        "only an Ising machine anneals": lambda: annealed_propagation(SpinVotes(2)).infer(*make_system()[:1], make_system().batch.inputs),
        "no whole number of classes": lambda: SpinVotes(3).value(torch.zeros(5, 4), batch),
    }
    for words, make in cases.items():
        with pytest.raises(InputError, match=words):
            make()


def test_command_learns_and_shows_the_optimum(tmp_path: Path) -> None:
    """The printed result must be that of the training."""
    flags = ["--epochs", "1", "--hidden", "20", "--sweeps", "20", "--reads", "2", "--searches", "100", "--out", str(tmp_path), "--json"]
    result = CliRunner().invoke(cli, ["ising", *flags])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["history"][0]["test error"] < 0.75  # chance is .9
    assert (tmp_path / "figures" / "noise.svg").is_file()


def test_command_without_epochs_says_that_nothing_was_trained() -> None:
    """A table of searches below a command about learning looks like its result."""
    quick = ["ising", "--searches", "20", "--spins", "20", "--noises", "0,1,8", "--epochs", "0"]
    result = CliRunner().invoke(cli, [*quick, "--reads", "3"])
    assert result.exit_code == 0, result.output
    assert "no machine was trained, as --epochs is 0" in result.stdout
    assert "searches succeed most often" in result.stdout
    assert "accuracy 0" not in result.stdout
    assert result.stderr.strip() == "eqlab: warning: --reads has no effect: --epochs 0 trains no machine"
    assert json.loads(CliRunner().invoke(cli, [*quick, "--json"]).stdout)["history"] == []
    words = " ".join(CliRunner().invoke(cli, ["ising", "--help"]).stdout.split())
    assert "With --epochs 0 there is only the search: no machine is trained" in words


def test_a_second_call_of_the_annealing_kernels_never_compiles() -> None:
    """Starts, seeds, sizes and numbers of samples are no types; a compilation would cost seconds each."""
    seen = []
    for hidden, rows, dtype in ((4, 5, torch.float64), (1, 1, torch.float32), (7, 3, torch.float64)):
        network, batch = machine(hidden, dtype=dtype)
        rule = annealed_propagation(SpinVotes(2), annealing=Annealing(2, 3))
        rule.infer(network, batch.inputs[:rows])
        rule.estimate(network, Batch(batch.inputs[:rows], batch.labels[:rows]), generator=seeded(1))
        noisy_energies(np.zeros((hidden + 1, hidden + 1)), 0.5, 2 + rows, rows, rows)
        seen.append([len(kernel.signatures) for kernel in (anneal_cpu.anneal, anneal_cpu.noisy_search)])
    assert seen == [[1, 1]] * 3
