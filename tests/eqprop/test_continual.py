"""Learning inside the nudged phase: continual updates against the recursion and EP, spike-timing traces against the contrast."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
import torch
from systems import TIGHT, TOY, System, equal, make_cost, make_system, seeded, settle
from training_cases import parameters_of

from contrastive_core.certificate import Status, Stop
from contrastive_core.data.digits import load as load_digits
from contrastive_core.data.splits import limit
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.errors import DivergenceError, InputError, UnstableNudgeError
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.notation import convolutional
from contrastive_core.networks.untied import Untied
from contrastive_core.phases import Nudge, Sides
from contrastive_core.rule import Setting, Settling
from contrastive_core.training.loop import train
from contrastive_core.training.plan import Plan
from contrastive_core.types import Batch, Gradients, State
from eqprop import RULES
from eqprop.continual.spike_timing import SpikeTiming, SynapticTrace, traced
from eqprop.continual.updates import ContinualPropagation, MovingWeights, fitting_rate
from eqprop.resistive import Resistive
from eqprop.rule import EquilibriumPropagation

COST = make_cost("squared-error")
STRENGTH, SWEEPS = 0.1, 15
DYNAMICS = {"forward": BlockDescent(), "even-odd": BlockDescent("even-odd"), "synchronous": Synchronous(), "flow": GradientFlow(0.5)}


def settling(dynamics: Any = None) -> Settling:
    """Free phases that end at rounding, and nudged ones of a fixed number of sweeps."""
    return Settling(dynamics or BlockDescent(), TIGHT, Stop(None, SWEEPS), backend="torch")


def toy() -> System:
    """The toy of the other bias tests."""
    return make_system("tanh", sizes=TOY)


def flat(gradients: Gradients) -> torch.Tensor:
    return torch.cat([gradients[name].flatten() for name in sorted(gradients)])


def distance(first: Gradients, second: Gradients) -> float:
    """Norm of the difference over the norm of the second."""
    return float((flat(first) - flat(second)).norm() / flat(second).norm())


def cosine(first: Gradients, second: Gradients) -> float:
    return float(torch.nn.functional.cosine_similarity(flat(first), flat(second), dim=0))


def pooled() -> System:
    """Pictures with a maximum, whose way back changes with the state, a residual edge, and rows with memories above."""
    network = Layered(convolutional("3c3+1>3 p2 3c3+1 3c3+1 5m2 3", (2, 4, 4)), gain=1.5, generator=seeded(3), dtype=torch.float64)
    return System(network, Batch(torch.rand((4, 32), generator=seeded(4), dtype=torch.float64), torch.tensor([0, 1, 2, 0])))


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("system", ["dense", "pooled"])
def test_midpoint_traces_add_up_to_the_contrast_of_both_ends(system: str, dynamics: str) -> None:
    """A synapse that adds up its trace would else not do equilibrium propagation. Roundings of 15 sums, over a contrast of .1: 1e-14."""
    network, batch = toy() if system == "dense" else pooled()
    # Where the free phase ends does not matter: the sum depends on the ends of the nudged phases alone.
    brief = Settling(DYNAMICS[dynamics], Stop(1e-6, 50), Stop(None, SWEEPS), backend="torch")
    found = SpikeTiming(COST, brief, STRENGTH).estimate(network, batch)
    assert found.contrast is not None
    with torch.no_grad():
        expected = network.energy_gradient(found.contrast.plus, network.clamp(batch.inputs), found.contrast.minus, found.contrast.factor)
    assert distance(found.gradients, expected) < 1e-12


def test_the_phases_of_the_trace_are_those_of_equilibrium_propagation() -> None:
    """The trace of another trajectory would telescope too. Difference coordinates have 1e-13 of their own roundings over the strength."""
    network, batch = toy()
    trace, contrast = SpikeTiming(COST, settling(), STRENGTH), EquilibriumPropagation(COST, settling(), STRENGTH)
    assert distance(trace.estimate(network, batch).gradients, contrast.estimate(network, batch).gradients) < 1e-11


def trajectory(system: System, dynamics: Any) -> list[State]:
    """All states of a nudged phase."""
    states: list[State] = []
    free = settle(system, BlockDescent()).state
    traced(settling(dynamics), system.clamped, free, Nudge(COST, system.batch, STRENGTH), STRENGTH, states.append, None)
    return states


def test_left_sums_lack_the_product_of_both_changes_of_every_step() -> None:
    """Left-point sums are off by the sum of all products of changes: percents of the contrast if neighbours move in one sweep."""
    system = toy()
    states = trajectory(system, BlockDescent())
    sums = {pairing: SynapticTrace(system.network, system.clamped, pairing, 1.0) for pairing in ("midpoint", "left")}  # type: ignore[arg-type]
    for state in states:
        for trace in sums.values():
            trace.visit(state)
    missing = torch.zeros(TOY[1], TOY[2], dtype=torch.float64)
    for before, after in pairwise(states):
        missing -= (after[0] - before[0]).T @ (after[1] - before[1]) / len(system.batch.labels)
    difference = sums["midpoint"].total["weight_2"] - sums["left"].total["weight_2"]
    assert float((difference - missing).abs().max()) < 1e-15
    assert 1e-3 < float(missing.norm() / sums["midpoint"].total["weight_2"].norm()) < 0.1


def test_left_sums_are_exact_where_neighbours_never_move_together() -> None:
    """From an equilibrium a nudge reaches the layers one by one, so that synchronous sweeps move even and odd layers in turn."""
    system = toy()
    rules = [SpikeTiming(COST, settling(Synchronous()), STRENGTH, pairing=pairing) for pairing in ("left", "midpoint")]  # type: ignore[arg-type]
    # The free state is an equilibrium to 1e-13, over a contrast of about 1e-2.
    assert distance(rules[0].estimate(*system).gradients, rules[1].estimate(*system).gradients) < 1e-10


def test_one_sided_traces_are_the_contrast_of_a_vector_field() -> None:
    r"""The half that a synapse misses is the other one of a field with feedback of its own; they differ by the path, of second order."""
    system = toy()
    still = {f"weight_{layer}": torch.zeros_like(system.network.weight(layer - 1)) for layer in (2, 3)}
    field = System(Untied(system.network, still), system.batch)
    found = []
    for strength in (0.1, 0.05):
        one_sided = SpikeTiming(COST, settling(), strength, pairing="one-sided").estimate(*system).gradients
        found.append(distance(one_sided, EquilibriumPropagation(COST, settling(), strength).estimate(*field).gradients))
    assert found[0] < 0.02
    assert found[0] / found[1] == pytest.approx(4, rel=0.2)
    whole = EquilibriumPropagation(COST, settling(), 0.1).estimate(*system).gradients
    one_sided = SpikeTiming(COST, settling(), 0.1, pairing="one-sided").estimate(*system).gradients
    assert 0.97 < cosine(one_sided, whole) < 0.999


def test_samples_that_have_stopped_add_nothing_to_their_trace() -> None:
    """The sweeps of slower samples would else go into the trace of those that wait for them."""
    network, batch = toy()
    rule = SpikeTiming(COST, Settling(BlockDescent(), TIGHT, Stop(1e-4, 100)), STRENGTH)
    whole = rule.estimate(network, batch)
    steps = whole.relaxations["positive"].steps
    assert int(steps.min()) < int(steps.max())
    alone = [rule.estimate(network, Batch(batch.inputs[i : i + 1], batch.labels[i : i + 1])) for i in range(len(batch.labels))]
    mean = {name: torch.stack([one.gradients[name] for one in alone]).mean(0) for name in whole.gradients}
    assert distance(whole.gradients, mean) < 1e-11
    assert torch.equal(steps, torch.cat([one.relaxations["positive"].steps for one in alone]))


@pytest.mark.parametrize("sides", [Sides.POSITIVE, Sides.CENTERED])
def test_the_difference_of_continual_learning_to_ep_is_of_first_order_in_the_rate(sides: Sides) -> None:
    """Only then is EP the limit of slow weights. Of second order are 2 % of the first at the largest rate."""
    network, batch = toy()
    expected = EquilibriumPropagation(COST, settling(), STRENGTH, sides).estimate(network, batch).gradients
    errors = [
        distance(ContinualPropagation(COST, settling(), STRENGTH, sides, rates=(rate,)).estimate(network, batch).gradients, expected)
        for rate in (1e-4, 5e-5, 2.5e-5)
    ]
    orders = torch.tensor(errors).log2().diff().neg()
    assert torch.allclose(orders, torch.ones(2), atol=0.1)
    assert 1e-4 < errors[0] < 1e-2


def test_continual_learning_ends_where_the_recursion_ends() -> None:
    """The step of plain SGD along the estimate is the sum of all updates, each with the weights that the one before has left."""
    network, batch = toy()
    rates = (4e-3, 2e-3, 1e-3)
    rule = ContinualPropagation(COST, settling(Synchronous()), STRENGTH, Sides.POSITIVE, rates=rates)
    twin = deepcopy(network)
    targets = torch.eye(TOY[-1], dtype=torch.float64)[batch.labels]
    (h, g, o), x = settle(System(network, batch), BlockDescent()).state, batch.inputs
    with torch.no_grad():
        w1, w2, w3, b1, b2, b3 = (getattr(twin, name) for name in ("weight_1", "weight_2", "weight_3", "bias_1", "bias_2", "bias_3"))
        for _ in range(SWEEPS):
            new_h = torch.tanh(x @ w1 + b1 + g @ w2.T)
            new_g = torch.tanh(h @ w2 + b2 + o @ w3.T)
            new_o = (g @ w3 + b3 + STRENGTH * targets) / (1 + STRENGTH)
            count = STRENGTH * len(x)
            w1 += rates[0] / count * (x.T @ (new_h - h))
            w2 += rates[1] / count * (new_h.T @ new_g - h.T @ g)
            w3 += rates[2] / count * (new_g.T @ new_o - g.T @ o)
            for bias, rate, change in ((b1, rates[0], new_h - h), (b2, rates[1], new_g - g), (b3, rates[2], new_o - o)):
                bias += rate / count * change.sum(0)
            h, g, o = new_h, new_g, new_o
    before = parameters_of(network)
    found = rule.estimate(network, batch)
    assert all(torch.equal(before[name], parameter) for name, parameter in network.named_parameters())
    for name, parameter in network.named_parameters():
        ended = parameter.detach() - rates[int(name[-1]) - 1] * found.gradients[name]
        assert float((ended - getattr(twin, name).detach()).abs().max()) < 1e-14
        assert not torch.equal(getattr(twin, name), parameter)


def test_the_second_side_starts_from_the_free_state_and_its_weights() -> None:
    """The centered estimate would else contrast two networks: it is the mean of both sides, each alone."""
    network, batch = toy()
    sides = {
        side: ContinualPropagation(COST, settling(), STRENGTH, side, rates=(3e-3,)).estimate(network, batch)
        for side in (Sides.POSITIVE, Sides.NEGATIVE, Sides.CENTERED)
    }
    one, other, both = (sides[side].gradients for side in (Sides.POSITIVE, Sides.NEGATIVE, Sides.CENTERED))
    assert distance(both, {name: (one[name] + other[name]) / 2 for name in one}) < 1e-14
    assert distance(both, one) > 1e-2
    assert equal(sides[Sides.CENTERED].relaxations["negative"].state, sides[Sides.NEGATIVE].relaxations["negative"].state)


def test_samples_of_a_batch_move_one_set_of_weights_and_stop_together() -> None:
    """A sample whose weights still move has not settled, however small its own last step was."""
    network, batch = toy()
    rule = ContinualPropagation(COST, Settling(BlockDescent(), TIGHT, Stop(1e-4, 100)), STRENGTH, rates=(1e-3,))
    phase = rule.estimate(network, batch).relaxations["positive"]
    assert len(set(phase.steps.tolist())) == 1
    assert phase.status.tolist() == [Status.CONVERGED] * len(batch.labels)
    assert float(phase.residual.max()) <= 1e-4 * STRENGTH


@pytest.mark.parametrize(("rate", "words"), [(0.05, "times as far"), (3.0, "not finite")])
def test_a_rate_that_runs_away_is_reported(rate: float, words: str) -> None:
    """Its estimate is a number of any size, or none, and would ruin the weights of a whole training."""
    network, batch = toy()
    stop = Stop(None, SWEEPS if rate < 1 else 400)
    rule = ContinualPropagation(COST, Settling(BlockDescent(), TIGHT, stop), STRENGTH, rates=(rate,))
    with pytest.raises(DivergenceError, match=rf"ran away.*{rate:g}.*{words}.*lower the update rate"):
        rule.estimate(network, batch)


@pytest.mark.parametrize("size", [1.0, 20.0])
@pytest.mark.parametrize("strength", [1e-4, 0.1])
def test_the_rate_of_none_fits_strength_and_activities(strength: float, size: float) -> None:
    """A fixed rate runs away at small strengths or large inputs, where users would have to guess another."""
    network, batch = toy()
    batch = Batch(size * batch.inputs, batch.labels)
    expected = EquilibriumPropagation(COST, settling(), strength).estimate(network, batch)
    rate = fitting_rate(batch.inputs, expected.relaxations["free"].state, strength)
    found = ContinualPropagation(COST, settling(), strength).estimate(network, batch)
    given = ContinualPropagation(COST, settling(), strength, rates=(rate,)).estimate(network, batch)
    assert all(torch.equal(found.gradients[name], given.gradients[name]) for name in found.gradients)
    # A step's answer is at most a twentieth of it, and some steps add up.
    assert distance(found.gradients, expected.gradients) < 0.15
    # Control: five times the bound, of which the rate is a twentieth.
    with pytest.raises(DivergenceError, match=rf"lower the update rate to about {rate:.1g}"):
        ContinualPropagation(COST, settling(), strength, rates=(100 * rate,)).estimate(network, batch)


@pytest.mark.parametrize("rule", ["ep-continual", "ep-stdp"])
def test_negative_nudges_without_a_minimum_are_refused_as_in_ep(rule: str) -> None:
    """The phase would run away whatever the rate, and the message about rates would mislead."""
    network, batch = toy()
    with pytest.raises(UnstableNudgeError, match="has no minimum"):
        RULES[rule](Setting(COST, settling(), 1.5)).estimate(network, batch)


def test_rates_and_traces_that_do_not_fit_are_refused() -> None:
    """A sentence instead of rates that are cut off, or of a trace between units that share no synapse."""
    network, batch = toy()
    with pytest.raises(InputError, match="2 learning rates for 3 layers"):
        ContinualPropagation(COST, settling(), rates=(1e-3, 1e-3)).estimate(network, batch)
    with pytest.raises(InputError, match="must be positive"):
        ContinualPropagation(COST, settling(), rates=(0.0,))
    circuit = Resistive((12, 6, 4), generator=seeded(0), dtype=torch.float64)
    with pytest.raises(InputError, match=r"layered network.*Resistive.*midpoint"):
        SpikeTiming(COST, settling(), pairing="left").estimate(circuit, batch)


def test_weights_stay_inside_their_bounds_during_a_phase_and_return_to_their_start() -> None:
    """A conductance below 0 belongs to a circuit that nobody can build, and its voltages run away."""
    network = Resistive((12, 6, 4), generator=seeded(0), dtype=torch.float64)
    inputs = torch.rand((4, 12), generator=seeded(1), dtype=torch.float64)
    moving = MovingWeights(network, inputs, (1.0,))
    clamped = moving.clamped()
    low, high = network.initial_state(clamped), network.initial_state(clamped, seeded(2))
    moving.learn(clamped, low, high, 1.0)
    inside = dict(moving.clamped().network.named_parameters())
    assert min(float(inside[name].detach().min()) for name in network.pieces.bounds) == 0.0
    assert any(not torch.equal(inside[name], parameter) for name, parameter in network.named_parameters())
    moving.restore()
    assert all(torch.equal(inside[name], parameter) for name, parameter in network.named_parameters())


def test_both_rules_learn_digits_as_centered_ep_does() -> None:
    """600 training samples and 4 epochs; the whole table is in the documents. 1 point is 3.5 of the 350 test samples."""
    splits = limit(load_digits(None, 0), train=600)
    plan = Plan(epochs=4, batch_size=20, learning_rates=(0.05,))
    setting = Setting(COST, Settling(BlockDescent(), Stop(1e-3, 50), Stop(1e-2, 20), backend="torch"), 0.1)
    errors = {}
    for rule in ("ep-centered", "ep-stdp", "ep-continual"):
        network = Layered((64, 32, 10), gain=1.0, generator=seeded(0))
        errors[rule] = train(network, RULES[rule](setting), COST, splits, plan, 0).test.error
    assert errors["ep-stdp"] == pytest.approx(errors["ep-centered"], abs=0.01)
    assert errors["ep-continual"] == pytest.approx(errors["ep-centered"], abs=0.01)
    assert errors["ep-centered"] < 0.2
