"""Convolutional networks with poolings and residual edges: equilibrium propagation, truncated backpropagation, and sweeps that descend."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from oracles import cosine, gradient_error, number, relative_error
from systems import TIGHT, System, assert_one_energy, exact_settling, largest_difference, seeded

from contrastive_core.baselines.implicit import Implicit
from contrastive_core.baselines.unrolled import Unrolled
from contrastive_core.certificate import Status, Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import InputError
from contrastive_core.networks.activation import LINEAR, TANH
from contrastive_core.networks.differences import Differences
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.notation import convolutional
from contrastive_core.phases import Hold, Nudge, Sides
from contrastive_core.relaxation.displace import adjoint, displace_each
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Settling
from contrastive_core.types import Batch, Gradients
from eqprop.rule import EquilibriumPropagation

POOLINGS = {"none": "", "average": "a2", "max": "p2", "log-sum-exp": "l2@0.5", "softmax-weighted": "w2@0.5"}
RESIDUAL = {
    "copy": "3c3+1>3 p2 4c3+1 3c3+1 3",
    "filters": "3c3+1>3 4c3+1 5c3s2+1 l2 3",
    "row": "3c3s2+1>3>4 a2 4c3+1 6 3",
    "rows": "3c3s2+1 p2 5>4 5 5 3",
}
COST = SquaredError()


def small(layers: str, scale: float = 1.0, activation: str = "logistic", gain: float = 1.5, dtype: torch.dtype = torch.float64) -> System:
    """A network on inputs of 2 x 8 x 8 with random biases, and a batch of four samples."""
    generator = seeded(2)
    network = Layered(
        convolutional(layers, (2, 8, 8)), activation=activation, energy_scale=scale, gain=gain, generator=generator, dtype=torch.float64
    )
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("bias"):
                parameter.uniform_(-0.2, 0.4, generator=generator)
    inputs = torch.rand((4, 128), generator=seeded(3), dtype=torch.float64)
    return System(network.to(dtype), Batch(inputs.to(dtype), torch.tensor([0, 1, 2, 0])))


def pooled(pooling: str, scale: float = 1.0, activation: str = "logistic") -> System:
    """The network of the reference: 3 and 4 channels by padded filters of 3 x 3, each pooled, and 3 outputs."""
    return small(f"3c3+1 {POOLINGS[pooling]} 4c3+1 {POOLINGS[pooling]} 3", scale, activation)


def centered(system: System, strength: float, settling: Settling | None = None) -> Gradients:
    rule = EquilibriumPropagation(COST, settling or exact_settling(), strength, Sides.CENTERED)
    return rule.estimate(system.network, system.batch).gradients


def exact(system: System) -> Gradients:
    return Implicit(COST, exact_settling()).estimate(system.network, system.batch).gradients


@pytest.mark.parametrize("scale", [1.0, 0.1])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_bias_of_centered_estimates_is_second_order_in_the_strength(pooling: str, scale: float) -> None:
    """If feedback went back by another way than the response came up, the error would stay as the strength goes to 0."""
    system = pooled(pooling, scale)
    errors = [gradient_error(centered(system, strength), exact(system)) for strength in (0.04, 0.02)]
    assert 3.8 < errors[0] / errors[1] < 4.2
    assert errors[1] < 1e-3  # of the size beta², with a factor of the order of 1


@pytest.mark.parametrize("layers", RESIDUAL.values(), ids=RESIDUAL)
def test_residual_networks_learn_by_the_gradient(layers: str) -> None:
    """Feedback through a residual edge has the factor of all the layers that it jumps over."""
    for scale in (1.0, 0.1):
        system = small(layers, scale)
        assert gradient_error(centered(system, 0.01), exact(system)) < 4e-4


@pytest.mark.parametrize("layers", [*RESIDUAL.values(), "3c3+1 w2@0.3 4c3s2+1 l2@0.7 3", "3c4 p2 2c1 w2 3", "3c4s2 w2 5 3"])
def test_forces_and_gradients_are_those_of_the_energy(layers: str) -> None:
    """Whatever the pooling, the stride, rows left over by a window, and residual edges: one energy, from which autograd follows."""
    assert_one_energy(small(layers, 0.4, gain=2.0))


@pytest.mark.parametrize("scale", [1.0, 0.1])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_nudged_sweeps_in_reversed_order_are_truncated_backpropagation(pooling: str, scale: float) -> None:
    """The theorem of Ernoult et al. with poolings, whose way back depends on the state: K sweeps back are K sweeps of BPTT."""
    system = pooled(pooling, scale)
    for sweeps in (1, 2, 4):
        through = Unrolled(COST, exact_settling(), sweeps).estimate(system.network, system.batch).gradients
        reversed_, same = (
            centered(system, 1e-5, Settling(BlockDescent(order), TIGHT, Stop(None, sweeps), "torch")) for order in ("forward", "backward")
        )
        assert gradient_error(reversed_, through) < 1e-9
        # Sweeps upwards first reach the layers below one sweep late: they are no truncated backpropagation.
        assert gradient_error(same, through) > 100 * gradient_error(reversed_, through)


@pytest.mark.parametrize("order", ["forward", "even-odd"])
@pytest.mark.parametrize("activation", ["logistic", "hard-sigmoid", "clipped-relu"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_displacements_lead_to_the_nudged_states(pooling: str, activation: str, order: str) -> None:
    """Difference coordinates are another representation of the same states, and so of their contrast, for poolings that turn too."""
    system = pooled(pooling, 0.3, activation)
    network, clamped, dynamics = system.network, system.clamped, BlockDescent(order)  # type: ignore[arg-type]
    with torch.no_grad():
        free = relax(clamped, network.initial_state(clamped), dynamics, TIGHT, backend="torch").state
        # Small enough that the largest entry of no window changes its place, which these coordinates rule out.
        strengths = [sign * 0.02 * network.stiffness[-1] for sign in (1, -1)]
        nudges = [Nudge(COST, system.batch, strength) for strength in strengths]
        states = [relax(clamped, free, dynamics.reversed(), TIGHT, nudge, backend="torch").state for nudge in nudges]
        around, ends = displace_each(clamped, free, dynamics, Stop(1e-12, 2000), nudges, backend="torch")
        for state, (_, found) in zip(states, ends, strict=True):
            assert bool((found.status == int(Status.CONVERGED)).all())
            assert largest_difference(state, found.state) < 1e-11
        contrast = around.contrast(ends[0][0], ends[1][0], 1.0)
        expected = network.energy_gradient(states[0], clamped, states[1], 1 / network.stiffness[-1])
        # States of size 1 that differ by .02 * .3² in the first layer, settled to 1e-13.
        assert gradient_error(contrast, expected) < 1e-9


def test_displacements_of_held_outputs_and_residual_edges_lead_to_the_states() -> None:
    """Every phase that is relaxed in differences has the states of its definition."""
    system = small(RESIDUAL["filters"], 0.5)
    network, clamped = system.network, system.clamped
    with torch.no_grad():
        free = relax(clamped, network.initial_state(clamped), BlockDescent(), TIGHT, backend="torch").state
        phase = Hold(free[-1] + 0.1 * torch.rand(free[-1].shape, generator=seeded(1), dtype=torch.float64))
        state = relax(clamped, free, BlockDescent("backward"), TIGHT, phase, backend="torch").state
        _, ((_, found),) = displace_each(clamped, free, BlockDescent(), Stop(1e-12, 2000), [phase], unit=0.1, backend="torch")
    assert largest_difference(state, found.state) < 1e-11


@pytest.mark.parametrize("layers", [*RESIDUAL.values(), *(f"3c3+1 {pooling} 4c3+1 {pooling} 3" for pooling in POOLINGS.values())])
def test_the_adjoint_by_sweeps_is_the_dense_one(layers: str) -> None:
    """The exact gradient of large networks comes from these sweeps alone; the dense curvature of a small one is their oracle."""
    system = small(layers, 0.5)
    solved = Implicit(COST, exact_settling(), 10_000).estimate(system.network, system.batch).gradients
    swept = Implicit(COST, exact_settling(), 0).estimate(system.network, system.batch).gradients
    assert gradient_error(swept, solved) < 1e-11


@pytest.mark.parametrize("scale", [0.1, 0.01])
def test_the_first_layer_learns_in_float32(scale: float) -> None:
    """States in float32 hold no digit of what reaches the first of six layers; their differences do."""
    layers = "3c3+1 p2 4c3+1 4c3+1 4c3+1 5c3 3"
    truth = exact(small(layers, scale, "hard-sigmoid", 0.9))
    settling = Settling(BlockDescent(), Stop(1e-6, 100), Stop(1e-4, 50))
    found = centered(small(layers, scale, "hard-sigmoid", 0.9, torch.float32), 1e-3, settling)
    first = {"weight_1", "bias_1"}
    parts = [{name: value.double() for name, value in part.items() if name in first} for part in (found, truth)]
    assert cosine(*parts) > 0.999


def rise(system: System, sweeps: int = 24, order: str = "forward") -> float:
    """Return the largest rise of the energy over sweeps from random states, block by block."""
    network, clamped, found = system.network, system.clamped, 0.0
    with torch.no_grad():
        for start in range(12):
            state = network.initial_state(clamped, seeded(start))
            energies = [network.energy(state, clamped)]
            for _ in range(sweeps):
                for group in BlockDescent(order).groups(len(state), network.pieces.skips):  # type: ignore[arg-type]
                    moved = {index: network.minimiser(index, state, clamped) for index in group}
                    state = tuple(moved.get(index, layer) for index, layer in enumerate(state))
                    energies.append(network.energy(state, clamped))
            found = max(found, *(number((after - before).max()) for before, after in pairwise(energies)))
    return found


@pytest.mark.parametrize("gain", [0.7, 3.0])
@pytest.mark.parametrize("pooling", ["none", "average", "max", "log-sum-exp"])
def test_no_block_raises_the_energy_where_units_are_not_negative(pooling: str, gain: float) -> None:
    """A sweep that descends cannot cycle: the reason why relaxations with pooled maxima end at all."""
    layers = f"3c3+1 {POOLINGS[pooling]} 4c3+1 {POOLINGS[pooling]} 3"
    # Energies of size 100 are sums of a thousand terms: a few hundred roundings.
    assert rise(small(layers, 1.0, "hard-sigmoid", gain)) < 1e-12


@pytest.mark.parametrize("order", ["forward", "even-odd"])
@pytest.mark.parametrize("layers", RESIDUAL.values(), ids=RESIDUAL)
def test_no_group_raises_the_energy_of_a_residual_network(layers: str, order: str) -> None:
    """Layers that share an edge and move at once may both climb: even and odd ones do share edges here."""
    assert rise(small(layers, 1.0, "hard-sigmoid", 2.0), 12, order) < 1e-12


def test_pooled_maxima_of_signed_units_may_climb_and_are_refused() -> None:
    """Through a maximum the energy is concave for units that are not negative only; with others the sweeps are no descent."""
    system = small("3c3+1 p2 4c3+1 p2 3", 1.0, "hard-sigmoid", 3.0)
    signed = system._replace(network=system.network.responding((TANH, TANH, LINEAR)))
    assert rise(signed) > 0.01
    for pooling in ("p2", "l2"):
        with pytest.raises(InputError, match="layer 2 pools maxima, and its units can be negative"):
            small(f"4c3+1 4c3+1 {pooling} 3", activation="tanh")
    for allowed in ("", "a2", "w2"):
        small(f"4c3+1 {allowed} 3", activation="tanh")


def test_filters_of_one_place_are_dense_weights() -> None:
    """On pictures of one place a convolution is a dense layer: states, estimates and exact gradients have to be the same."""
    dense = Layered((6, 5, 4, 3), activation="logistic", energy_scale=0.3, gain=1.5, generator=1, dtype=torch.float64)
    filters = Layered(convolutional("5c1 4c1 3", (6, 1, 1)), activation="logistic", energy_scale=0.3, gain=1.5, dtype=torch.float64)
    with torch.no_grad():
        for (name, mine), other in zip(filters.named_parameters(), dense.parameters(), strict=True):
            other.uniform_(-0.8, 0.8, generator=seeded(len(name)))
            mine.copy_(other if mine.dim() < 3 else other.T[:, :, None, None])
    batch = Batch(torch.rand((4, 6), generator=seeded(2), dtype=torch.float64), torch.tensor([0, 1, 2, 1]))
    for gradient in (lambda one: centered(System(one, batch), 0.1), lambda one: exact(System(one, batch))):
        found, expected = gradient(filters), gradient(dense)
        for name, value in found.items():
            value = value if value.dim() < 3 else value.flatten(1).T
            assert relative_error(value, expected[name]) < 1e-11


def test_the_adjoint_is_the_limit_of_small_displacements() -> None:
    """Poolings that turn have a limit too: their second derivative, which a linearised way back would leave out."""
    for pooling in ("log-sum-exp", "softmax-weighted"):
        system = pooled(pooling, 0.5)
        network, clamped = system.network, system.clamped
        with torch.no_grad():
            free = relax(clamped, network.initial_state(clamped), BlockDescent(), TIGHT, backend="torch").state
            around = Differences(network, clamped, free)
            error = COST.gradient(free[-1], system.batch)
            limit, _ = adjoint(around, error, Stop(1e-14, 500))
            nudge = Nudge(COST, system.batch, 1e-6 * network.stiffness[-1], error)
            _, ((near, _),) = displace_each(clamped, free, BlockDescent(), Stop(1e-14, 500), [nudge], backend="torch")
        assert largest_difference(limit.layers, near.layers) < 1e-5
