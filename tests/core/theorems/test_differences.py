"""Nudged phases in difference coordinates: the states of equilibrium propagation, with digits where states have none."""

from __future__ import annotations

import pytest
import torch
from oracles import cosine, gradient_error, relative_error
from systems import TIGHT, make_cost, make_system
from torch import Tensor

from contrastive_core.baselines.implicit import Implicit
from contrastive_core.baselines.unrolled import Unrolled
from contrastive_core.certificate import Status, Stop
from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.devices.effects.neurons import Gained
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.network import Network
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.activation import HARD_SIGMOID, TANH, Activation
from contrastive_core.networks.differences import Differences, Displacement
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Hold, Nudge, Sides
from contrastive_core.relaxation.displace import displace_each
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Settling
from contrastive_core.types import Batch, Gradients
from eqprop.rule import EquilibriumPropagation
from eqprop.spiking import SpikeCount
from hebbian.coupled import CoupledLearning

ORDERS = ("forward", "backward", "even-odd", "odd-even")
UNITS = {
    **{name: ACTIVATIONS[name] for name in ACTIVATIONS},
    "gained tanh": Gained(TANH, torch.tensor([0.5, 1.0, 2.0] * 13, dtype=torch.float64)),
    "gained hard-sigmoid": Gained(HARD_SIGMOID, torch.tensor([0.5, 1.0, 2.0] * 13, dtype=torch.float64)),
    "spikes": SpikeCount(16),
}


@pytest.mark.parametrize("name", UNITS)
def test_a_difference_is_that_of_two_values(name: str) -> None:
    """Inside, on both bounds and across them, for steps of either sign."""
    unit, drive = UNITS[name], torch.linspace(-2.95, 6.95, 39, dtype=torch.float64)
    value = unit.value(drive)
    settled = unit.settled(value, lambda: drive)
    assert float((unit.value(settled) - value).abs().max()) <= 1e-15
    for scale in (0.5, 0.02, -0.3):
        for step in (0.7, -0.9, 8.0):
            expected = (unit.value(drive + scale * step) - value) / scale
            found = unit.change(value, settled, torch.full_like(drive, step), scale)
            # The naive quotient rounds at 1e-16 over the scale; the potential's inverse adds a few units. An exponent that is four times
            # as long, 16 here, makes more of the rounding of a value near its bound: 1e-16 e^16 / 2 over the scale.
            assert float((found - expected).abs().max()) <= (1e-9 if name == "steep-logistic" else 1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_difference_of_no_size_is_the_slope(name: str) -> None:
    """In float32 the scale of a low layer underflows; 0 / 0 there would be NaN in every gradient."""
    unit, drive = ACTIVATIONS[name], torch.tensor([-9.0, 0.2, 0.7, 9.0])
    value, step = unit.value(drive), torch.tensor([1.0, -2.0, 3.0, 4.0])
    for scale in (0.0, 1e-38, -1e-31):
        assert torch.equal(unit.change(value, unit.settled(value, lambda: drive), step, scale), unit.slope(value) * step)


def test_an_unsettled_unit_is_taken_to_have_settled() -> None:
    """Residuals of a free phase, over a strength of 1e-4, would be ten thousand times the error that is to be measured."""
    value, drive = torch.tensor([0.5, 0.0, 1.0, 0.0]), torch.tensor([0.501, 0.3, 0.2, -0.4])
    settled = HARD_SIGMOID.settled(value, lambda: drive)
    assert settled.tolist() == pytest.approx([0.5, 0.0, 1.0, -0.4])
    change = HARD_SIGMOID.change(value, settled, torch.full_like(value, 2.0), 1e-4)
    assert change.tolist() == pytest.approx([2.0, 2.0, 0.0, 0.0])


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("cost_name", SAMPLE_COSTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_displacements_lead_to_the_nudged_states(order: str, activation: str, cost_name: str, scale: float) -> None:
    """Another representation of the same states, whose contrast is the contrast of the states: live, frozen and through a readout."""
    for readout, frozen in ((None, False), (None, True), (3, False)):
        system = make_system(activation, energy_scale=scale, readout=readout, biases=(-0.4, 0.4))
        network, clamped, cost = system.network, system.clamped, make_cost(cost_name)
        with torch.no_grad():
            free = relax(clamped, network.initial_state(clamped), BlockDescent(order), TIGHT).state
            force = cost.gradient(network.output(free), system.batch) if frozen else None
            nudges = [Nudge(cost, system.batch, sign * 0.1 * network.stiffness[-1], force) for sign in (1, -1)]
            around, ends = displace_each(clamped, free, BlockDescent(order), Stop(1e-12, 2000), nudges, backend="torch")
            states = []
            for nudge, (displacement, relaxation) in zip(nudges, ends, strict=True):
                assert relaxation.status.tolist() == [int(Status.CONVERGED)] * len(relaxation.status)
                expected = relax(clamped, free, BlockDescent(order), TIGHT, nudge, backend="torch")
                states.append(expected.state)
                for layer, wanted, again in zip(relaxation.state, expected.state, around.state(displacement), strict=True):
                    # Tolerances of 1e-12, amplified by one over one minus the rate of the sweeps.
                    assert float((layer - wanted).abs().max()) <= 1e-10
                    assert torch.equal(layer, again)
            factor = 1 / (0.2 * network.stiffness[-1])
            expected_gradient = network.energy_gradient(states[0], clamped, states[1], factor)
            found = around.contrast(ends[0][0], ends[1][0], factor * network.stiffness[-1])
            one_side = around.contrast(None, ends[1][0], 1 / 0.1)
            other = network.energy_gradient(free, clamped, states[1], 1 / (0.1 * network.stiffness[-1]))
        # Gradients are of order one; those of a readout whose units all rest on bounds are 0.
        for pair in ((found, expected_gradient), (one_side, other)):
            assert max(float((pair[0][name] - value).abs().max()) for name, value in pair[1].items()) <= 1e-9


@pytest.mark.parametrize("activation", ["hard-sigmoid", "tanh", "logistic"])
@pytest.mark.parametrize("order", ORDERS)
def test_displacements_lead_to_the_states_of_held_outputs(order: str, activation: str) -> None:
    """In whatever unit they are measured: it cancels in the states."""
    system = make_system(activation, energy_scale=0.3, biases=(-0.4, 0.4))
    network, clamped = system.network, system.clamped
    with torch.no_grad():
        free = relax(clamped, network.initial_state(clamped), BlockDescent(order), TIGHT).state
        hold = Hold(free[-1] + 0.1 * torch.linspace(-1, 1, free[-1].shape[1], dtype=torch.float64))
        expected = relax(clamped, free, BlockDescent(order), TIGHT, hold, backend="torch").state
        for unit in (0.1, 1.0):
            _, ((_, relaxation),) = displace_each(clamped, free, BlockDescent(order), Stop(1e-12, 2000), [hold], unit=unit)
            assert relaxation.status.tolist() == [int(Status.CONVERGED)] * len(relaxation.status)
            for layer, wanted in zip(relaxation.state, expected, strict=True):
                assert float((layer - wanted).abs().max()) <= 1e-11


def test_over_relaxed_displacements_end_where_the_others_do() -> None:
    system = make_system("hard-sigmoid", biases=(-0.4, 0.4))
    nudge = Nudge(SquaredError(), system.batch, 0.2)
    with torch.no_grad():
        free = relax(system.clamped, system.network.initial_state(system.clamped), BlockDescent(), TIGHT).state
        ends = [
            displace_each(system.clamped, free, BlockDescent("forward", factor), Stop(1e-12, 2000), [nudge], backend="torch")[1][0][0]
            for factor in (1.0, 1.3)
        ]
    for one, other in zip(ends[0].layers, ends[1].layers, strict=True):
        assert float((one - other).abs().max()) <= 1e-9


def tower(unit: Activation, depth: int, scale: float, gain: float, dtype: torch.dtype) -> tuple[Layered, Batch]:
    """Return the network of the table, 64-128^depth-10, and 16 samples; equal weights in both precisions."""
    generator = torch.Generator().manual_seed(0)
    network = Layered((64, *[128] * depth, 10), activation=unit, energy_scale=scale, gain=gain, generator=generator)
    batch = Batch(torch.rand(16, 64, generator=generator), torch.randint(10, (16,), generator=generator))
    return network.to(dtype), batch._replace(inputs=batch.inputs.to(dtype))


def first_layer_cosine(found: Gradients, exact: Gradients) -> float:
    return cosine({"weight_1": found["weight_1"].double()}, {"weight_1": exact["weight_1"]})


def exact_of(unit: Activation, depth: int, scale: float, gain: float) -> Gradients:
    network, batch = tower(unit, depth, scale, gain, torch.float64)
    return Implicit(SquaredError(), Settling(free=Stop(1e-13, 400))).estimate(network, batch).gradients


def centered(unit: Activation, depth: int, scale: float, gain: float, strength: float) -> Gradients:
    network, batch = tower(unit, depth, scale, gain, torch.float32)
    settling = Settling(free=Stop(1e-6, 60), second=Stop(1e-4, 60))
    return EquilibriumPropagation(SquaredError(), settling, strength).estimate(network, batch).gradients


# Layers, energy scale, gain, and the strengths at which kinks of the hard sigmoid are not crossed: a larger nudge has the bias of its size
# whatever the digits, .61 in float64 too for ten layers at .1 (reference: the same states in float64).
DEEP = [
    ("tanh", 4, 0.1, 1.2, (0.1, 1e-2, 1e-4)),
    ("tanh", 6, 0.1, 1.2, (0.1, 1e-2, 1e-4)),
    ("tanh", 10, 0.01, 1.2, (0.1, 1e-2, 1e-4)),
    ("hard-sigmoid", 4, 0.1, 0.9, (1e-2, 1e-4)),
    ("hard-sigmoid", 6, 0.01, 0.9, (1e-2, 1e-4)),
    ("hard-sigmoid", 10, 0.01, 0.9, (1e-4,)),
]


@pytest.mark.parametrize(("unit", "depth", "scale", "gain", "strengths"), DEEP)
def test_the_first_layer_learns_in_float32_at_any_depth(
    unit: str, depth: int, scale: float, gain: float, strengths: tuple[float, ...]
) -> None:
    """The layer energy scale is a dial down to backpropagation only if the lowest layer keeps its digits."""
    exact = exact_of(ACTIVATIONS[unit], depth, scale, gain)
    for strength in strengths:
        assert first_layer_cosine(centered(ACTIVATIONS[unit], depth, scale, gain, strength), exact) >= 0.999


# Free layers and strength: the nudge has a size of 1e-38 to 1e-42. Kernels without a guard lose the hard sigmoid's first layer (.27), and
# divide by 0 at 19 layers.
DEEPEST = [("tanh", 17, 1.2, 1e-4), ("tanh", 19, 1.2, 1e-4), ("logistic", 17, 4.0, 1e-4), ("hard-sigmoid", 17, 0.9, 1e-6)]


@pytest.mark.parametrize(("unit", "layers", "gain", "strength"), DEEPEST)
def test_displacements_below_the_smallest_number_keep_their_digits(unit: str, layers: int, gain: float, strength: float) -> None:
    """If this fails, displacements are held unscaled where float32 ends, and the first layer learns rounding or nothing."""
    exact = exact_of(ACTIVATIONS[unit], layers - 1, 0.01, gain)
    found = centered(ACTIVATIONS[unit], layers - 1, 0.01, gain, strength)
    assert first_layer_cosine(found, exact) >= 0.999
    if unit != "hard-sigmoid":  # whose kinks in float32 are not those in float64
        # A tolerance of 1e-4 of the outputs, a few times over by 17 layers; the bias of a centered nudge is 1e-8.
        assert relative_error(found["weight_1"].double(), exact["weight_1"]) <= 1e-3


@pytest.mark.parametrize(("unit", "gain"), [("tanh", 1.2), ("hard-sigmoid", 0.9)])
def test_states_in_float32_lose_the_first_layer(unit: str, gain: float) -> None:
    """The control: with six layers at a scale of .1, the contrast of two states is rounding."""
    network, batch = tower(ACTIVATIONS[unit], 6, 0.1, gain, torch.float32)
    strength, clamped = 0.1 * network.stiffness[-1], network.clamp(batch.inputs)
    with torch.no_grad():
        free = relax(clamped, network.initial_state(clamped), BlockDescent(), Stop(None, 40)).state
        plus, minus = (
            relax(clamped, free, BlockDescent("backward"), Stop(None, 40), Nudge(SquaredError(), batch, sign * strength)).state
            for sign in (1, -1)
        )
        states = network.energy_gradient(plus, clamped, minus, 1 / (2 * strength))
    assert first_layer_cosine(states, exact_of(ACTIVATIONS[unit], 6, 0.1, gain)) < 0.5


@pytest.mark.parametrize("sweeps", [1, 2, 4])
@pytest.mark.parametrize("unit", ["tanh", "hard-sigmoid"])
def test_few_nudged_sweeps_are_truncated_backpropagation_in_float32(unit: str, sweeps: int) -> None:
    """The step-by-step theorem, at a strength at which float32 states would hold nothing of the nudge."""
    network, batch = tower(ACTIVATIONS[unit], 3, 0.3, 0.9, torch.float32)
    settling = Settling(BlockDescent(), Stop(1e-6, 200), Stop(None, sweeps))
    found = EquilibriumPropagation(SquaredError(), settling, 1e-4).estimate(network, batch).gradients
    network, batch = tower(ACTIVATIONS[unit], 3, 0.3, 0.9, torch.float64)
    through = Unrolled(SquaredError(), Settling(BlockDescent(), Stop(1e-13, 400)), truncation=sweeps).estimate(network, batch).gradients
    # Rounding of float32 in a few hundred terms, and free states that differ by 1e-6.
    assert gradient_error({name: value.double() for name, value in found.items()}, through) <= 1e-4


@pytest.mark.parametrize("unit", ["tanh", "logistic", "hard-sigmoid"])
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_the_adjoint_by_sweeps_is_the_dense_one(unit: str, scale: float) -> None:
    """Sweeps in difference coordinates, against one matrix per sample; in float32 they keep what MINRES drops."""
    system = make_system(unit, energy_scale=scale, biases=(-0.4, 0.4), readout=3)
    dense, swept = (
        Implicit(SquaredError(), Settling(free=TIGHT), units).estimate(system.network, system.batch).gradients for units in (1000, 0)
    )
    assert gradient_error(swept, dense) <= 1e-10


@pytest.mark.parametrize("fraction", [0.2, 1.0])
def test_coupled_learning_keeps_the_first_layer_in_float32(fraction: float) -> None:
    """Held outputs, too, move the first of ten layers by 1e-10; the estimate is that of float64."""
    found = []
    for dtype, free, second in ((torch.float64, 1e-13, 1e-10), (torch.float32, 1e-6, 1e-4)):
        network, batch = tower(TANH, 10, 0.1, 1.2, dtype)
        estimate = CoupledLearning(SquaredError(), Settling(free=Stop(free, 100), second=Stop(second, 100)), fraction).estimate(
            network, batch
        )
        assert all(int(phase.status.max()) == int(Status.CONVERGED) for phase in estimate.relaxations.values())
        found.append(estimate.gradients)
    assert first_layer_cosine(found[1], found[0]) >= 0.9999


def test_the_exact_gradient_of_ten_layers_is_found_in_float32() -> None:
    network, batch = tower(TANH, 10, 0.1, 1.2, torch.float32)
    found = Implicit(SquaredError(), Settling(free=Stop(1e-6, 60))).estimate(network, batch).gradients
    assert first_layer_cosine(found, exact_of(TANH, 10, 0.1, 1.2)) >= 0.9999


def test_the_strength_cancels_in_one_sided_estimates() -> None:
    """At a strength of 1e-4 the bias is 1e-4 and the noise none: one phase saved."""
    exact = exact_of(TANH, 6, 0.1, 1.2)
    network, batch = tower(TANH, 6, 0.1, 1.2, torch.float32)
    settling = Settling(free=Stop(1e-6, 60), second=Stop(1e-4, 60))
    found = EquilibriumPropagation(SquaredError(), settling, 1e-4, Sides.POSITIVE).estimate(network, batch).gradients
    assert relative_error(found["weight_1"].double(), exact["weight_1"]) <= 2e-3


def test_the_adjoint_of_the_free_state_is_the_limit_of_small_displacements() -> None:
    system = make_system("tanh", energy_scale=0.3)
    network, clamped = system.network, system.clamped
    with torch.no_grad():
        free = relax(clamped, network.initial_state(clamped), BlockDescent(), TIGHT).state
        around = Differences(network, clamped, free)
        errors = [_one_sweep(around, network, system.batch, strength) for strength in (1e-3, 1e-4, 0.0)]
    far, near = (float((error - errors[-1]).abs().max()) for error in errors[:2])
    assert 5 < far / near < 20  # order 1 in the strength


def _one_sweep(around: Differences, network: Network, batch: Batch, strength: float) -> Tensor:
    """Return the displacement of the layer below the outputs when these have moved by their whole error."""
    layers = list(around.rest())
    layers[-1] = -SquaredError().gradient(network.output(around.free), batch)
    return around.moved(len(layers) - 2, Displacement(tuple(layers), strength), None)
