"""Ising machines: the energy against enumeration, annealing, the rule, and the noise of a search."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import oracles
import pytest
import torch
from click.testing import CliRunner
from systems import RULE_NAMES, System, build_rule, make_system, seeded, settle
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import InputError
from contrastive_core.kernels.spins import anneal_cpu
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch, State
from eqprop.annealed_rule import SpinVotes, annealed_propagation
from eqprop.annealing import Annealing
from eqprop.ising import Ising
from eqprop.search import noisy_energies
from experiments.cli import cli
from experiments.setup.build import ignored
from experiments.setup.options import LearningOptions


def machine(hidden: int = 4, outputs: int = 4, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Ising, Batch]:
    generator = seeded(seed)
    network = Ising((3, hidden, outputs), gains=(3.0, 3.0), field_limit=1.5, generator=generator, dtype=dtype)
    network.hidden_bias.data.uniform_(-1, 1, generator=generator)
    network.output_bias.data.uniform_(-1, 1, generator=generator)
    network.constrain_()
    return network, Batch(torch.rand((5, 3), generator=generator, dtype=dtype), torch.tensor([0, 1, 1, 0, 1]))


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
    """What is printed must be what was trained."""
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


# Annealing as a dynamics


PHASES = ("free", "live", "frozen", "negative", "held")
RULE = SpinVotes(2)


def phases(network: Ising, batch: Batch, free: State) -> dict[str, Phase]:
    """One phase of each kind; held values are no spins, and half of the frozen forces are 0."""
    force = RULE.gradient(free[1], batch) * (torch.arange(len(free[1])) % 2)[:, None]
    between = torch.rand(free[1].shape, generator=seeded(8), dtype=free[1].dtype)
    return {
        "free": None,
        "live": Nudge(RULE, batch, 0.3),
        "frozen": Nudge(RULE, batch, 0.4, force),
        "negative": Nudge(RULE, batch, -0.3),
        "held": Hold(between),
    }


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("back", [False, True])
def test_kernel_draws_the_anneal_of_the_reference(name: str, dtype: torch.dtype, back: bool) -> None:
    """The torch code is the definition; what is fast must be the same machine."""
    network, batch = machine(70, 4, dtype=dtype)  # more hidden spins than a group of random words
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        free = network.initial_state(clamped, seeded(4))
        dynamics = Annealing(3, 7, hot=0.2, cold=2.0, back=back)
        found = [
            relax(clamped, free, dynamics, Stop(0.0, 9), phases(network, batch, free)[name], backend=backend, generator=seeded(5))
            for backend in ("torch", "numba")
        ]
    # The same uniform numbers; fields differ by roundings of float32, and 5 (70 + 4) 3 7 2 draws come no nearer to a threshold than 1e-6.
    for reference, kernel in zip(*(answer.state for answer in found), strict=True):
        assert torch.equal(reference, kernel)
    assert torch.equal(found[0].residual, found[1].residual)
    assert torch.equal(found[0].status, found[1].status)
    assert found[0].steps.tolist() == [1] * 5  # whatever the budget
    assert torch.equal(free[0], network.initial_state(clamped, seeded(4))[0])


def boltzmann(network: Ising, drive: Tensor, fields: Tensor, beta: float) -> tuple[float, float]:
    """Mean and variance of the energy of a sample with such fields on its spins, by enumeration."""
    states = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=sum(network.sizes))), dtype=torch.float64)
    hidden, output = states[:, : network.sizes[0]], states[:, network.sizes[0] :]
    energies = hidden @ drive + ((hidden @ network.weight_2) * output).sum(1) + output @ fields
    weights = torch.softmax(-beta * energies, 0)
    mean = float(weights @ energies)
    return mean, float(weights @ (energies - mean).square())


@pytest.mark.parametrize("nudged", [False, True])
@pytest.mark.parametrize("back", [False, True])
def test_heat_bath_at_one_temperature_visits_states_as_boltzmann_says(back: bool, nudged: bool) -> None:
    """An anneal that samples another law is no machine at that temperature; a nudge is a field, clipped together with the bias."""
    network, batch = machine(3, 2, seed=1)
    network.field_limit, beta, rows = 1.0, 0.6, 6000
    with torch.no_grad():
        network.output_bias.copy_(torch.tensor([-0.9, 0.3]))
        clamped = network.clamp(batch.inputs[:1].expand(rows, -1))
        force = torch.tensor([0.5, -0.4], dtype=torch.float64)
        many = Batch(clamped.inputs, torch.zeros(rows, dtype=torch.int64))
        phase = Nudge(SpinVotes(1), many, 2.0, -force.expand(rows, -1) / 2) if nudged else None
        fields = torch.tensor([-1.0, 0.7] if nudged else [-0.9, 0.3], dtype=torch.float64)  # -.9 - .5 is clipped
        dynamics = Annealing(1, 20, hot=beta, cold=beta, back=back)
        start = network.initial_state(clamped, seeded(1))
        hidden, output = relax(clamped, start, dynamics, Stop(None, 1), phase, generator=seeded(2)).state
        energies = network.energy((hidden, output), clamped) + output @ (fields - network.output_bias)
        (mean, variance), (other, spread) = (boltzmann(network, clamped.drive[0], fields, b) for b in (beta, 0.8 * beta))
    # Rows are independent, and 20 sweeps of 5 spins whose fields are about 1/beta forget their start.
    assert abs(float(energies.mean()) - mean) / math.sqrt(variance / rows) < 4.5
    assert abs(float(energies.mean()) - other) / math.sqrt(spread / rows) > 4.5  # a temperature off by a fifth is seen


def test_held_outputs_act_on_the_hidden_spins_as_fields() -> None:
    """Given the outputs hidden spins are independent: their means are -tanh of their fields over the temperature."""
    network, batch = machine(4, 2, seed=2)
    rows, beta = 6000, 0.7
    with torch.no_grad():
        clamped = network.clamp(batch.inputs[:1].expand(rows, -1))
        values = torch.tensor([0.3, -1.0], dtype=torch.float64)
        phase = Hold(values.expand(rows, -1))
        dynamics = Annealing(1, 2, beta, beta).reversed()
        ended = relax(clamped, network.initial_state(clamped), dynamics, Stop(0.0, 1), phase, generator=seeded(3))
        means = -torch.tanh(beta * (clamped.drive[0] + network.weight_2 @ values))
        z = (ended.state[0].mean(0) - means) / ((1 - means**2) / rows).sqrt()
        other = -torch.tanh(beta * (clamped.drive[0] + network.weight_2 @ values.sign()))
        control = (ended.state[0].mean(0) - other) / ((1 - other**2) / rows).sqrt()
    assert torch.equal(ended.state[1], phase.output)
    assert float(z.abs().max()) < 4.5
    assert float(control.abs().max()) > 4.5  # held at spins instead


def test_later_phases_start_where_reverse_says() -> None:
    """Too hot, a nudged phase forgets what it is contrasted with; too cold, nothing can be learned from it."""
    network = Ising((1, 6, 6))  # two states of lowest energy, all spins up below and down above, or the other way round
    with torch.no_grad():
        network.weight_2.fill_(1.0)
        clamped = network.clamp(torch.zeros(400, 1))
        start = (torch.ones(400, 6), -torch.ones(400, 6))
        kept = {}
        for reverse in (0.0, 1.0):
            dynamics = Annealing(hot=0.01, cold=10.0, sweeps=40, reverse=reverse).reversed()
            ended = relax(clamped, start, dynamics, Stop(0.0, 1), generator=seeded(6)).state
            assert bool((ended[0] == ended[0][:, :1]).all())  # in one of the two
            kept[reverse] = float((ended[0][:, 0] == 1).double().mean())
    assert kept[1.0] == 1
    assert abs(kept[0.0] - 0.5) < 4.5 * 0.5 / math.sqrt(400)  # a fair coin


def test_a_sample_that_costs_nothing_stays_unless_it_is_pushed_away() -> None:
    """The ground state that also costs least is that of both: an anneal would add noise to the contrast. Pushed away, it is not."""
    network, batch = machine(6, 4)
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        hidden, output = network.initial_state(clamped, seeded(1))
        right = torch.tensor([True, False, True, False, True])
        output = torch.where(right[:, None], RULE.targets(output, batch), output)
        hot = Annealing(1, 2, 0.01, 0.01).reversed()  # whatever anneals is random
        moved = {}
        for sign in (1, -1):
            ended = relax(clamped, (hidden, output), hot, Stop(0.0, 1), Nudge(RULE, batch, sign * 0.1), generator=seeded(2)).state
            moved[sign] = (torch.cat(ended, 1) != torch.cat((hidden, output), 1)).any(1)
    assert moved[1].tolist() == (~right).tolist()
    assert bool(moved[-1].all())


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_rule_of_the_core_runs_with_annealed_phases(rule: str) -> None:
    """Annealing that only one rule can use would not be a dynamics."""
    network = Ising((3, 6, 6), voters=2, gains=(3.0, 3.0), generator=seeded(0), dtype=torch.float64)
    batch = Batch(torch.rand((4, 3), generator=seeded(1), dtype=torch.float64), torch.tensor([0, 1, 2, 1]))
    setting = Setting(SquaredError(), Settling(Annealing(2, 10)), strength=16.0, fraction=0.5, frozen=True)
    found = [build_rule(rule, setting).estimate(network, batch, generator=seeded(seed)).gradients for seed in (2, 2, 3)]
    assert list(found[0]) == list(dict(network.named_parameters()))
    for name, gradient in found[0].items():
        assert bool(torch.isfinite(gradient).all())
        assert torch.equal(gradient, found[1][name])
    contrasts = rule.startswith(("ep", "coupled", "contrastive"))
    assert any(bool(gradient.any()) for gradient in found[0].values()) is contrasts  # the exact gradient of spins is 0


@pytest.mark.parametrize("sign", [1, -1])
def test_outputs_are_held_by_all_their_voters_at_their_mean(sign: int) -> None:
    """Contrastive Hebbian learning needs them at their targets; what lies beyond the bounds no machine can hold."""
    network = Ising((3, 4, 6), voters=3, generator=seeded(0), dtype=torch.float64)
    phase = network.applied(Hold(torch.tensor([[0.25, 0.5 + sign]], dtype=torch.float64)))
    assert isinstance(phase, Hold)
    assert phase.output.tolist() == [[-0.5] * 3 + [float(sign)] * 3]


ANNEAL = ["--network", "ising", "--dynamics", "anneal", "--hidden", "12", "--frozen", "--strength", "16", "--anneal-reads", "2"]
SHORT = [*ANNEAL, "--anneal-sweeps", "10", "--epochs", "1", "--train-size", "64", "--quiet", "--json"]


def test_commands_train_and_compare_rules_with_anneals(tmp_path: Path) -> None:
    """What is printed must have been annealed: one step a phase, whatever the budgets."""
    trained = CliRunner().invoke(cli, ["train", *SHORT, "--rule", "contrastive-hebbian", "--out", str(tmp_path / "one")])
    assert trained.exit_code == 0, trained.output
    assert json.loads(trained.stdout)["sweeps_per_sample"] == 2
    rules = ["--rules", "ep-positive,coupled-centered", "--seeds", "1", "--engine", "serial"]
    compared = CliRunner().invoke(cli, ["compare", *SHORT, *rules, "--out", str(tmp_path / "two")])
    assert compared.exit_code == 0, compared.output
    gradients = ["gradients", *ANNEAL, "--anneal-sweeps", "5", "--samples", "4", "--rules", "ep-centered"]
    shown = CliRunner().invoke(cli, [*gradients, "--out", str(tmp_path / "three")])
    assert shown.exit_code == 0, shown.output


REFUSED = {
    "only an Ising machine anneals, and --network is layered": ["--network", "layered"],
    "--anneal-reads must be greater than 0, got 0": ["--anneal-reads", "0"],
    "--anneal-hot 20 is above --anneal-cold 10": ["--anneal-hot", "20"],
    "--anneal-reverse must be less than or equal to 1, got 1.5": ["--anneal-reverse", "1.5"],
    "forgets where a free phase starts; leave the warm start out": ["--warm-start"],
    "has none; leave it out": ["--step", "0.1"],
}


@pytest.mark.parametrize("words", REFUSED)
def test_anneals_that_cannot_be_are_refused_before_anything_is_written(words: str, tmp_path: Path) -> None:
    """A run that quietly does something else is reported as what was asked for."""
    out = tmp_path / "run"
    result = CliRunner().invoke(cli, ["train", *SHORT[:-2], *REFUSED[words], "--out", str(out)])
    assert (result.exit_code, words in result.output, out.exists()) == (2, True, False), result.output


def test_options_that_an_anneal_leaves_without_effect_are_said() -> None:
    """They would be reported as if they had acted."""
    anneal = {"network": "ising", "dynamics": "anneal"}
    assert ignored(LearningOptions.model_validate(anneal)) == []
    assert "a phase is one anneal" in ignored(LearningOptions.model_validate(anneal | {"budget": 7}))[0]
    other = {"network": "ising", "frozen": True, "anneal": {"reads": 3}}
    assert "give --dynamics anneal" in ignored(LearningOptions.model_validate(other))[0]
