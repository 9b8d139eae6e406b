"""Contract of every network: its energy, forces, gradients and the minimum of each of its blocks."""

from __future__ import annotations

import oracles
import pytest
import torch
from oracles import number
from systems import (
    LAYERED,
    NETWORKS,
    QUADRATIC,
    SEPARABLE,
    interior_state,
    largest_difference,
    make_system,
    seeded,
)
from torch import Tensor

from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Pull

SCALES = (1.0, 0.3)
BOXES = {"hard-sigmoid": (0.0, 1.0), "clipped-relu": (0.0, 6.0), "linear": (-float("inf"), float("inf"))}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_energy_is_one_number_per_sample_and_samples_do_not_act_on_each_other(kind: str, activation: str, scale: float) -> None:
    """An energy summed or averaged over the batch would weigh every force by the batch size."""
    system = make_system(activation, kind=kind, energy_scale=scale)
    state = interior_state(system.network, 4, 1)
    energy = system.network.energy(state, system.clamped).detach()
    assert energy.shape == (4,)
    for row in range(4):
        alone = system.network.energy(tuple(s[row : row + 1] for s in state), system.network.clamp(system.batch.inputs[row : row + 1]))
        # Sums of 6 + 5 + 3 terms of size 1, in an order of BLAS's choice: a few tens of eps = 2e-16.
        assert abs(number(alone) - number(energy[row])) < 1e-13


@pytest.mark.parametrize("scale", SCALES)
def test_energy_of_the_smallest_network_is_the_formula_by_hand(scale: float) -> None:
    """All forces and gradients could be consistent with an energy that is not the published one; this fixes it by hand."""
    network = Layered((1, 1, 1), activation=ACTIVATIONS["tanh"], energy_scale=scale, dtype=torch.float64)
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), (0.5, -0.1, 2.0, 0.3), strict=True):
            parameter.fill_(value)
    h, o, x = torch.tensor([[0.4]]).double(), torch.tensor([[-1.2]]).double(), torch.tensor([[0.7]]).double()
    hidden_potential = h * torch.atanh(h) + 0.5 * torch.log(1 - h * h)
    expected = scale * (hidden_potential - h * (0.5 * x - 0.1)) + scale**2 * (o * o / 2 - o * (2.0 * h + 0.3))
    assert number(network.energy((h, o), network.clamp(x)) - expected) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("readout", [None, 2])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_force_is_minus_the_gradient_of_the_energy(kind: str, activation: str, scale: float, readout: int | None) -> None:
    """A force that is not a gradient settles where no theorem about equilibria holds."""
    system = make_system(activation, kind=kind, energy_scale=scale, readout=readout)
    network, clamped = system.network, system.clamped
    state = tuple(s.requires_grad_() for s in interior_state(network, 4, 2))
    automatic = torch.autograd.grad(network.energy(state, clamped).sum(), state)
    force = network.force(state, clamped)
    assert largest_difference(force, tuple(-g for g in automatic)) < 1e-13  # a few tens of eps on numbers of size 1
    for index, layer in enumerate(state):

        def energy(value: Tensor, index: int = index) -> Tensor:
            return network.energy((*state[:index], value, *state[index + 1 :]), clamped).sum()

        with torch.no_grad():
            # step 1e-5: truncation h² |G'''| / 6 ~ 1e-10 * 70 / 6 (the logistic's, at s = .55..0.69), rounding 1e-15 * 10 / 1e-5.
            difference = oracles.central_difference(energy, layer.detach(), 1e-5)
        assert number((force[index] + difference).abs().max()) < 5e-9


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_energy_gradient_is_the_mean_of_the_partial_derivatives(kind: str, activation: str, scale: float) -> None:
    """Every contrastive rule is a difference of these; a wrong one would be learned from as if it were a gradient."""
    system = make_system(activation, kind=kind, energy_scale=scale)
    network, state = system.network, interior_state(system.network, 4, 3)
    mean = network.energy(state, network.clamp(system.batch.inputs)).mean()
    automatic = dict(zip(dict(network.named_parameters()), torch.autograd.grad(mean, list(network.parameters())), strict=True))
    closed = network.energy_gradient(state, system.clamped)
    assert oracles.gradient_error(closed, automatic) < 1e-14  # sums of 4 products, a few eps each


@pytest.mark.parametrize("readout", [None, 2])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", NETWORKS)
def test_energy_gradient_of_a_contrast_is_the_difference_without_cancellation(kind: str, scale: float, readout: int | None) -> None:
    """Nudged states differ by beta; a difference of products would leave only the rounding of a small beta."""
    system = make_system("tanh", kind=kind, energy_scale=scale, readout=readout)
    network, clamped = system.network, system.clamped
    plus, direction = interior_state(network, 4, 4), interior_state(network, 4, 5)
    far = network.energy_gradient(direction, clamped)
    exact = {name: value - far[name] for name, value in network.energy_gradient(plus, clamped).items()}
    assert oracles.gradient_error(network.energy_gradient(plus, clamped, direction), exact) < 1e-14
    near = tuple(p - 1e-9 * d for p, d in zip(plus, direction, strict=True))
    slope, other = (
        network.energy_gradient(plus, clamped, near),
        network.energy_gradient(plus, clamped, tuple(2 * n - p for n, p in zip(near, plus, strict=True))),
    )
    # The products are bilinear: the contrast over two steps is twice that over one, to the second difference 1e-9 and to the
    # rounding eps / 1e-9 = 2e-7 of the states themselves.
    assert oracles.gradient_error(other, {name: 2 * value for name, value in slope.items()}) < 2e-6


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", SEPARABLE)
def test_minimiser_of_a_block_is_stationary(kind: str, activation: str, scale: float) -> None:
    """Block descent settles where these values agree; a wrong one settles at a point that is no equilibrium."""
    system = make_system(activation, kind=kind, energy_scale=scale)
    network, clamped, state = system.network, system.clamped, interior_state(system.network, 4, 6)
    for index in range(len(state)):
        moved = (*state[:index], network.minimiser(index, state, clamped).detach(), *state[index + 1 :])
        inside = network.compliance(moved)[index] > 0
        # A unit held by its bounds feels a force; every other one none. Rounding of u - sigma^-1(s): eps times a slope of at most 10.
        assert number(network.force(moved, clamped)[index][inside].abs().max()) < 1e-13
        assert bool(inside.any())


@pytest.mark.parametrize("pulled", [False, True])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("activation", QUADRATIC)
@pytest.mark.parametrize("kind", SEPARABLE)
def test_minimiser_of_a_quadratic_block_is_its_minimum_inside_the_box(kind: str, activation: str, scale: float, pulled: bool) -> None:
    """Only an exact minimum makes the energy a certificate of the relaxation."""
    system = make_system(activation, kind=kind, energy_scale=scale, output_activation=activation, gain=2.0)
    network, clamped, state = system.network, system.clamped, interior_state(system.network, 4, 7)
    last = len(state) - 1
    linear = torch.randn((4, 3), generator=seeded(8), dtype=torch.float64)
    for index in [last] if pulled else range(len(state)):
        pull = Pull(scale**3 * linear, 0.7 * scale**3) if pulled else None

        def total(value: Tensor, index: int = index, pull: Pull | None = pull) -> Tensor:
            energy = network.energy((*state[:index], value, *state[index + 1 :]), clamped)
            return energy if pull is None else energy + (0.5 * pull.curvature * value.square() - pull.linear * value).flatten(1).sum(1)

        best = network.minimiser(index, state, clamped, pull).detach()
        low, high = BOXES[activation]
        assert bool(((best >= low) & (best <= high)).all())
        for trial in range(20):
            other = network.activations[index].project(best + 0.3 * torch.randn(best.shape, generator=seeded(trial), dtype=best.dtype))
            # Convex and separable: no allowed point is lower, to the rounding of a sum of a few terms.
            assert number((total(best) - total(other)).max()) <= 1e-14


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", LAYERED)
def test_drive_of_the_inputs_is_computed_once_and_equals_the_product(kind: str, scale: float) -> None:
    """All phases share the drive; were it stale or scaled, every phase would see other inputs than the data."""
    system = make_system("tanh", kind=kind, energy_scale=scale)
    network, inputs = system.network, system.batch.inputs
    if kind == "convolutional":
        filtered = torch.nn.functional.conv2d(inputs.view(-1, 2, 4, 4), network.weight(0), padding=1)
        expected = torch.nn.functional.avg_pool2d(filtered, 2) + network.bias(0)[:, None, None]
    else:
        expected = inputs @ network.weight(0) + network.bias(0)
    torch.testing.assert_close(system.clamped.drive, expected.detach(), rtol=0, atol=1e-14)


def test_last_layer_keeps_a_minimum_exactly_where_its_nudged_curvature_is_positive() -> None:
    """At beta <= -1 with squared error the nudged energy has no minimum: a number reported there would be meaningless."""
    for scale in (1.0, 0.5):
        linear = make_system(energy_scale=scale).network
        stiffness = scale**3
        assert linear.has_minimum(-0.99 * stiffness)
        assert not linear.has_minimum(-stiffness)
    assert make_system(output_activation="tanh").network.has_minimum(-5.0)


def test_layer_energy_scale_weakens_the_feedback_only() -> None:
    """The scale is the dial from a recurrent network to a feedforward one; it must not touch the forward drive."""
    full, weak = make_system("tanh").network, make_system("tanh", energy_scale=0.25).network
    state, inputs = interior_state(full, 4, 9), make_system().batch.inputs
    for index, activation in enumerate(full.activations):
        strong, feeble = (activation.inverse(n.minimiser(index, state, n.clamp(inputs))) for n in (full, weak))
        feedback = state[index + 1] @ full.weight(index + 1).T if index < 2 else torch.zeros_like(strong)
        torch.testing.assert_close(strong - feeble, 0.75 * feedback, rtol=0, atol=1e-14)
