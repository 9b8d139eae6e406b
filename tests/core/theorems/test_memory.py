"""Hopfield memories of a layer: retrieval, descent, the gradients of one energy, and estimates that have the right derivative."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from oracles import gradient_error, number
from systems import TIGHT, System, assert_one_energy, exact_settling, largest_difference, seeded
from torch import Tensor

from contrastive_core.baselines.implicit import Implicit
from contrastive_core.baselines.unrolled import Unrolled
from contrastive_core.certificate import Status, Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import InputError
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.memory import Memories
from contrastive_core.networks.notation import convolutional
from contrastive_core.networks.untied import Untied
from contrastive_core.phases import Nudge, Sides
from contrastive_core.relaxation.backends import Case, plan
from contrastive_core.relaxation.displace import displace_each
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Settling
from contrastive_core.types import Batch, Gradients
from eqprop.binary import BinaryWeights
from eqprop.rule import EquilibriumPropagation

COST = SquaredError()
WHERE = {"hidden": "6m4@2 5 3", "both": "6m4@2 5m3 3", "outputs": "6 5 3m4@2", "residual": "6m4@2>3 5 6 3", "filters": "3c2 a2 5m4@2 3"}
"""Networks with memories of one hidden layer, of two, of the outputs, beside a residual edge, and above filters."""


def small(layers: str = WHERE["both"], scale: float = 1.0, activation: str = "tanh", gain: float = 0.9) -> System:
    """A network with memories and random biases, and a batch of four samples."""
    generator = seeded(2)
    inputs = (1, 5, 5) if "c" in layers else (7,)
    network = Layered(
        convolutional(layers, inputs), activation=activation, energy_scale=scale, gain=gain, generator=generator, dtype=torch.float64
    )
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("bias"):
                parameter.uniform_(-0.2, 0.4, generator=generator)
            if name.startswith("memory"):
                parameter.mul_(1.5)
    drawn = torch.rand((4, network.num_inputs), generator=seeded(3), dtype=torch.float64)
    return System(network, Batch(drawn, torch.tensor([0, 1, 2, 0])))


def hopfield(patterns: Tensor, sharpness: float) -> Layered:
    """A modern Hopfield network: one linear layer with the patterns as its memories, and no weights."""
    units, count = patterns.shape
    network = Layered(convolutional(f"{units}m{count}@{sharpness:g}", (1,)), gain=0, dtype=torch.float64)
    with torch.no_grad():
        network.memory_1.copy_(patterns)  # type: ignore[operator]
    return network


def binary_patterns(units: int, count: int, seed: int = 0) -> Tensor:
    """Random patterns of -1 and 1, of shape (units, count)."""
    return torch.randint(2, (units, count), generator=seeded(seed)).double() * 2 - 1


def centered(system: System, strength: float, settling: Settling | None = None) -> Gradients:
    rule = EquilibriumPropagation(COST, settling or exact_settling(), strength, Sides.CENTERED)
    return rule.estimate(system.network, system.batch).gradients


def exact(system: System) -> Gradients:
    return Implicit(COST, exact_settling()).estimate(system.network, system.batch).gradients


def test_a_sweep_is_the_update_of_the_modern_hopfield_network() -> None:
    """The update of Ramsauer et al., written out; for a large sharpness one sweep retrieves the pattern with the largest product."""
    patterns = binary_patterns(20, 7)
    states = torch.randn((5, 20), generator=seeded(1), dtype=torch.float64)
    for sharpness in (0.1, 1.0, 1e4):
        network = hopfield(patterns, sharpness)
        with torch.no_grad():
            (swept,), _ = BlockDescent().step((states,), network.clamp(torch.zeros(5, 1)))
        torch.testing.assert_close(swept, torch.softmax(sharpness * states @ patterns, 1) @ patterns.T, rtol=0, atol=1e-13)
    assert torch.equal(swept, patterns.T[(states @ patterns).argmax(1)])


def test_patterns_are_retrieved_from_noisy_cues() -> None:
    """More patterns than a classical Hopfield network of 64 units holds (.14 n = 9), a fifth of the units of each cue turned."""
    patterns = binary_patterns(64, 60)
    cues = patterns.T.clone()
    turned = torch.rand(cues.shape, generator=seeded(5)).argsort(1) < 13
    cues[turned] *= -1
    network = hopfield(patterns, 1.0)
    with torch.no_grad():
        found = relax(network.clamp(torch.zeros(60, 1)), (cues,), BlockDescent(), TIGHT)
    assert bool((found.status == int(Status.CONVERGED)).all())
    assert torch.equal(found.state[0].sign(), patterns.T)
    assert number((found.state[0] - patterns.T).abs().max()) < 1e-4


@pytest.mark.parametrize("sharpness", [0.3, 2.0, 50.0])
def test_retrieval_never_raises_the_energy(sharpness: float) -> None:
    """The concave-convex procedure: the tangent of the concave term is an upper bound that each sweep minimises."""
    network = hopfield(torch.randn((10, 6), generator=seeded(0), dtype=torch.float64) / 3, sharpness)
    clamped = network.clamp(torch.zeros(200, 1))
    with torch.no_grad():
        state = network.initial_state(clamped, seeded(1))
        energies = [network.energy(state, clamped)]
        for _ in range(20):
            state, _ = BlockDescent().step(state, clamped)
            energies.append(network.energy(state, clamped))
    size = max(1.0, number(energies[0].abs().max()))
    assert max(number((after - before).max()) for before, after in pairwise(energies)) <= 1e-15 * size
    assert number((energies[-1] - energies[0]).max()) < -0.01


@pytest.mark.parametrize("activation", ["tanh", "logistic", "hard-sigmoid"])
@pytest.mark.parametrize("layers", [WHERE["both"], WHERE["outputs"]])
def test_no_block_raises_the_energy(layers: str, activation: str) -> None:
    """Inside a network, too, every move of a layer with memories minimises an upper bound that touches the energy there."""
    system = small(layers, 1.0, activation, 2.0)
    network, clamped = system.network, system.clamped
    with torch.no_grad():
        for start in range(20):
            state = network.initial_state(clamped, seeded(start))
            before = network.energy(state, clamped)
            for index in (0, 1, 2) * 8:
                moved = network.minimiser(index, state, clamped)
                state = (*state[:index], moved, *state[index + 1 :])
                after = network.energy(state, clamped)
                assert number((after - before).max()) < 1e-14  # a few roundings of an energy of size 10
                before = after


@pytest.mark.parametrize("layers", WHERE.values(), ids=WHERE)
def test_forces_and_gradients_are_those_of_the_energy(layers: str) -> None:
    """One energy, from which autograd follows, at one state and as the contrast of two."""
    assert_one_energy(small(layers, 0.4))


@pytest.mark.parametrize("scale", [1.0, 0.1])
@pytest.mark.parametrize("layers", WHERE.values(), ids=WHERE)
def test_the_bias_of_centered_estimates_is_second_order_in_the_strength(layers: str, scale: float) -> None:
    """A pull that was taken at the free layer instead of the present one would leave an error as the strength goes to 0."""
    system = small(layers, scale)
    truth = exact(system)
    errors = [gradient_error(centered(system, strength), truth) for strength in (0.02, 0.01)]
    assert 3.8 < errors[0] / errors[1] < 4.2
    assert errors[1] < 1e-3  # of the size beta², with a factor of the order of 1


def test_the_exact_gradient_is_that_of_finite_differences() -> None:
    """The oracle of the other tests against the cost at free equilibria of a network whose patterns were moved."""
    system = small()
    truth = exact(system)
    for name in ("memory_1", "memory_2", "weight_1"):
        parameter = system.network.get_parameter(name)
        direction, original = torch.randn(parameter.shape, generator=seeded(8), dtype=torch.float64), parameter.detach().clone()
        costs = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                parameter.copy_(original + step * direction)
                free = relax(system.clamped, system.network.initial_state(system.clamped), BlockDescent(), TIGHT).state
                costs.append(number(COST.value(system.network.output(free), system.batch).mean()))
                parameter.copy_(original)
        slope = (costs[0] - costs[1]) / 2e-5
        assert slope == pytest.approx(number((truth[name] * direction).sum()), rel=1e-6)


@pytest.mark.parametrize("layers", WHERE.values(), ids=WHERE)
def test_the_adjoint_by_sweeps_is_the_dense_one(layers: str) -> None:
    """The exact gradient of large networks comes from sweeps in difference coordinates; the dense curvature is their oracle."""
    system = small(layers, 0.5)
    solved = Implicit(COST, exact_settling(), 10_000).estimate(system.network, system.batch).gradients
    swept = Implicit(COST, exact_settling(), 0).estimate(system.network, system.batch).gradients
    assert gradient_error(swept, solved) < 1e-11


@pytest.mark.parametrize("strength", [0.5, 0.02])
@pytest.mark.parametrize("layers", [WHERE["both"], WHERE["outputs"]])
def test_displacements_lead_to_the_nudged_states(layers: str, strength: float) -> None:
    """Difference coordinates are another representation of the same states, and so of their contrast."""
    system = small(layers, 0.3)
    network, clamped, dynamics = system.network, system.clamped, BlockDescent()
    with torch.no_grad():
        free = relax(clamped, network.initial_state(clamped), dynamics, TIGHT).state
        nudges = [Nudge(COST, system.batch, sign * strength * network.stiffness[-1]) for sign in (1, -1)]
        states = [relax(clamped, free, dynamics.reversed(), TIGHT, nudge).state for nudge in nudges]
        around, ends = displace_each(clamped, free, dynamics, Stop(1e-12, 2000), nudges)
        for state, (_, found) in zip(states, ends, strict=True):
            assert largest_difference(state, found.state) < 1e-11
        contrast = around.contrast(ends[0][0], ends[1][0], 1.0)
        expected = network.energy_gradient(states[0], clamped, states[1], 1 / network.stiffness[-1])
        assert gradient_error(contrast, expected) < 1e-9


def test_nudged_sweeps_in_reversed_order_are_truncated_backpropagation() -> None:
    """The theorem of Ernoult et al. holds with memories: K sweeps back are K sweeps of backpropagation through time."""
    system = small("6m4@2 5m3 3m2", 0.6)
    for sweeps in (1, 2, 4):
        through = Unrolled(COST, exact_settling(), sweeps).estimate(system.network, system.batch).gradients
        settling = Settling(BlockDescent(), TIGHT, Stop(None, sweeps), "torch")
        assert gradient_error(centered(system, 1e-5, settling), through) < 1e-9


@pytest.mark.parametrize("scale", [1e-2, -1e-2, 1e-12, 0.0, 3.0, -3.0])
def test_differences_of_softmaxes_have_all_their_digits(scale: float) -> None:
    """By two softmaxes a difference of 1e-12 has four digits, and an exponent of 1000 overflows the closed form."""
    memory, generator = Memories(0, 8, 5, 4.0), seeded(3)
    patterns = torch.randn((8, 5), generator=generator, dtype=torch.float64)
    layer, change = (torch.randn((6, 8), generator=generator, dtype=torch.float64) for _ in range(2))
    change[0] *= 100 if abs(scale) > 1e-3 else 1
    found = memory.turned(layer, change, patterns, scale)
    along = torch.autograd.functional.jvp(lambda s: memory.shares(s, patterns), layer, change)[1]
    moved = memory.shares(layer + scale * change, patterns) - memory.shares(layer, patterns)
    expected = moved / scale if abs(scale) > 1e-3 else along
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_kernels_and_networks_without_the_term_refuse_memories() -> None:
    """A kernel, or a network around this one, that did not know the term would settle another network without a word."""
    network = small("6m4 3").network
    assert not network.is_dense
    assert plan(Case(network, torch.rand(2, 7), BlockDescent(), (None,)), "auto").backend == "torch"
    with pytest.raises(InputError, match="leave memories out"):
        BinaryWeights(network)
    with pytest.raises(InputError, match="leave memories out"):
        Untied(network, {"weight_2": torch.zeros(6, 3)})


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("6m0 3", "memories are at least 1 and their sharpness is positive, got '6m0'"),
        ("6m4@0 3", "memories are at least 1 and their sharpness is positive, got '6m4@0'"),
        ("6m4@-2 3", "memories are at least 1 and their sharpness is positive, got '6m4@-2'"),
        ("m4 6 3", "'m4' is no layer; memories follow the units of their layer, and inputs have none"),
        ("3c2m4 3", "memories belong to rows of units, and '3c2m4' is a picture"),
        ("6m 3", "'6m' is no layer"),
        ("6m4m4 3", "'6m4m4' is no layer"),
    ],
)
def test_memories_that_make_no_sense_are_refused(layers: str, message: str) -> None:
    """The message names the layer as it is written, or the number that is wrong."""
    with pytest.raises(InputError) as caught:
        convolutional(layers, (1, 5, 5))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
