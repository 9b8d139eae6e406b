"""Annealing as a dynamics: kernels, temperatures, later phases and held outputs, against enumeration."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from ising_machines import machine
from systems import RULE_NAMES, build_rule, seeded
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch, State
from eqprop.annealed_rule import SpinVotes
from eqprop.annealing import Annealing
from eqprop.ising import Ising
from experiments.cli import cli
from experiments.setup.build import ignored
from experiments.setup.options import LearningOptions

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
    built = build_rule(rule, setting)
    contrasts = built.contrasts or built.scale is not None
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
    """The printed result must have been annealed: one step a phase, whatever the budgets."""
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
    "a layered network does not follow anneal": ["--network", "layered"],
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
