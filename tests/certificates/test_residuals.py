"""Residuals mean the same in every dynamics and network, and never less than the state's own roundings."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from systems import seeded

from contrastive_core.analysis.gradient_quality import review
from contrastive_core.certificate import Relaxation, Status, Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics import DYNAMICS
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.dynamics.momentum import Momentum
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.errors import UnstableNudgeError
from contrastive_core.network import Network
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks import NETWORKS as CORE_NETWORKS
from contrastive_core.networks.activation import CLIPPED_RELU, HARD_SIGMOID, LINEAR, TANH
from contrastive_core.networks.kind import Blueprint
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.spin import SpinNetwork
from contrastive_core.phases import Nudge
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from eqprop import NETWORKS as PHYSICAL_NETWORKS
from eqprop import RULES
from eqprop.circuit import Parts
from eqprop.kinds import GraphOptions
from eqprop.oscillator import Oscillators
from eqprop.resistive import Resistive
from eqprop.resistor_graph import ResistorGraph

KINDS = (*CORE_NETWORKS, *PHYSICAL_NETWORKS, "spin")
WITHOUT_OWN = ("resistive", "resistor-graph", "oscillator", "ising", "spin")
"""Networks whose units have no curvature of their own: all their parameters may be multiplied without moving an equilibrium."""


def built(kind: str, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Network:
    """A small network of a kind, all parameters multiplied."""
    if kind == "spin":
        matrix = torch.randn((7, 7), generator=seeded(3), dtype=dtype)
        network: Network = SpinNetwork(7, matrix + matrix.T, dtype=dtype)
    else:
        table = CORE_NETWORKS if kind in CORE_NETWORKS else PHYSICAL_NETWORKS
        print_of = Blueprint(4, 2, (6,), HARD_SIGMOID, LINEAR, 1.0, False, 0.7, dtype, "2c2+1 p2 3c1 2", (1, 2, 2))
        options = GraphOptions(4, 4, 5) if kind == "resistor-graph" else table[kind].options
        own: Any = options() if isinstance(options, type) else options
        network = table[kind].build(print_of, own, seeded(3))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(scale)
    return network


def inputs_of(network: Any) -> torch.Tensor:
    """Random inputs for three samples."""
    width = 7 if isinstance(network, SpinNetwork) else 4
    return torch.rand((3, width), generator=seeded(4), dtype=next(network.parameters()).dtype)


def relaxed(network: Any, dynamics: Dynamics, stop: Stop, phase: Any = None, inputs: torch.Tensor | None = None) -> Relaxation:
    """A relaxation from a random state by the reference."""
    with torch.no_grad():
        clamped = network.clamp(inputs_of(network) if inputs is None else inputs)
        return relax(clamped, network.initial_state(clamped, seeded(5)), dynamics, stop, phase, backend="torch")


def swept(network: Any, found: Relaxation, phase: Any = None, inputs: torch.Tensor | None = None) -> torch.Tensor:
    """Largest change by one sweep of block descent from where a relaxation ended, of shape (B,)."""
    with torch.no_grad():
        return BlockDescent().step(found.state, network.clamp(inputs_of(network) if inputs is None else inputs), phase)[1]


@pytest.mark.parametrize("scale", [1.0, 1e-8])
@pytest.mark.parametrize("name", DYNAMICS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_sweep_moves_what_has_converged_by_no_more_than_the_tolerance(kind: str, name: str, scale: float) -> None:
    """If this fails, weak couplings pass for convergence: the force on a unit is small where the unit is far from its minimum."""
    if scale != 1 and kind not in WITHOUT_OWN:
        pytest.skip("multiplied parameters are another network where units have a curvature of their own")
    network = built(kind, scale)
    found = relaxed(network, DYNAMICS[name](), Stop(1e-5, 400))
    converged = found.status == int(Status.CONVERGED)
    # A factor of 20 for couplings of neighbours that are larger than a unit's own curvature.
    assert bool((swept(network, found)[converged] < 2e-4).all())
    if name in ("forward", "backward", "even-odd"):
        assert bool(converged.all())


@pytest.mark.parametrize("dynamics", [GradientFlow(), Momentum(), Synchronous()], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_residual_is_what_a_sweep_over_held_neighbours_moves(kind: str, dynamics: Dynamics) -> None:
    """One definition for every pair: the largest distance of a unit from its stationary value, the other blocks held."""
    network = built(kind, 1e-3 if kind in WITHOUT_OWN else 1.0)
    with torch.no_grad():
        clamped = network.clamp(inputs_of(network))
        state = network.initial_state(clamped, seeded(6))
        _, residual = dynamics.step(state, clamped)
        moves = [(network.minimiser(index, state, clamped) - layer).abs().flatten(1).amax(1) for index, layer in enumerate(state)]
    expected = torch.stack(moves).amax(0)
    if kind == "oscillator":
        assert bool((expected > 0.1).all())  # forces are of the size 1e-3
    if kind == "resistor-graph" and not isinstance(dynamics, Synchronous):
        # Nodes of a block act on each other, and alone each may move further than with all of them.
        assert bool(((residual >= expected * (1 - 1e-12)) & (residual < 3 * expected)).all())
    else:
        torch.testing.assert_close(residual, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dynamics", [GradientFlow(), GradientFlow(0.05), Momentum(), Synchronous(), BlockDescent()], ids=str)
@pytest.mark.parametrize("share", [0.9, 0.999])
def test_a_nudge_that_takes_most_of_the_curvature_is_not_settled_early(dynamics: Dynamics, share: float) -> None:
    """At -0.999 an output moves 1000 times as far as its force says: a tolerance of 1e-3 would let it stop one unit short."""
    network = Layered((4, 3), output_activation=LINEAR, generator=seeded(0), dtype=torch.float64)
    batch = Batch(inputs_of(network), torch.tensor([0, 1, 2]))
    phase = Nudge(SquaredError(), batch, -share)
    found = relaxed(network, dynamics, Stop(1e-3, 30), phase)
    free = batch.inputs @ network.weight(0).detach()
    exact = (free - share * torch.eye(3, dtype=torch.float64)) / (1 - share)
    converged = found.status == int(Status.CONVERGED)
    assert bool(((found.state[-1] - exact).abs().amax(1)[converged] <= 1e-3 * (1 + 1e-9)).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("backend", ["torch", "auto"])
@pytest.mark.parametrize("kind", ["circuit", "linear", "lattice", "oscillators"])
def test_rounding_is_no_convergence(kind: str, backend: str, dtype: torch.dtype) -> None:
    """If this fails, a state in volts of 1e5 'converges' to 1e-6 in float32, where neighbouring numbers are 8e-3 apart."""
    single = torch.finfo(dtype).eps / torch.finfo(torch.float32).eps  # tolerances at the same number of roundings
    network: Any = {
        "circuit": lambda: Resistive((10, 20, 5), Parts(input_gain=1e5), gain=0.5, generator=seeded(1), dtype=dtype),
        "linear": lambda: Layered((10, 20, 5), activation=LINEAR, gain=0.3, generator=seeded(1), dtype=dtype),
        "lattice": lambda: built("resistor-graph", dtype=dtype),
        "oscillators": lambda: Oscillators((10, 20, 5), generator=seeded(1), dtype=dtype),
    }[kind]()
    size = {"circuit": 1.0, "linear": 1e5, "lattice": 1e4, "oscillators": 1.0}[kind]
    tolerance = {"circuit": 1e-6, "linear": 1e-6, "lattice": 1e-6, "oscillators": 4e-7}[kind] * single
    inputs = size * torch.rand((8, network.num_inputs), generator=seeded(2), dtype=dtype)
    with torch.no_grad():
        clamped = network.clamp(inputs)
        start = network.initial_state(clamped)
        found = relax(clamped, start, BlockDescent(), Stop(tolerance, 400), backend=backend)
        enough = relax(clamped, start, BlockDescent(), Stop(1e5 * tolerance, 400), backend=backend)
    assert found.status.tolist() == [int(Status.BUDGET)] * 8
    assert bool((found.residual > tolerance).all())
    assert enough.status.tolist() == [int(Status.CONVERGED)] * 8


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_tolerance_of_ten_roundings_of_small_units_is_kept(activation: str) -> None:
    """Refusing too much would forbid the 1e-6 that float32 reaches in networks of units of size 1."""
    network = Layered((10, 20, 5), activation=ACTIVATIONS[activation], gain=0.3, generator=seeded(1))
    inputs = torch.rand((8, 10), generator=seeded(2))
    found = relaxed(network, BlockDescent(), Stop(1e-6, 200), None, inputs)
    assert found.status.tolist() == [int(Status.CONVERGED)] * 8


@pytest.mark.parametrize("activation", [LINEAR, CLIPPED_RELU, HARD_SIGMOID], ids=["linear", "clipped-relu", "hard-sigmoid"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("backend", ["torch", "auto"])
def test_a_nudge_through_a_readout_is_held_against_its_curvature(activation: Any, scale: float, backend: str) -> None:
    """Beyond 1/|R|^2 the nudged energy has no minimum but corners: the exact gradient was 6, and the estimate 40."""
    network = Layered((4, 5), activation=activation, readout=3, energy_scale=scale, generator=seeded(0), dtype=torch.float64)
    with torch.no_grad():
        network.weight_readout.mul_(4.0)
    bound = 1 / float(torch.linalg.eigvalsh(network.weight_readout.detach().T @ network.weight_readout.detach())[-1])
    batch = Batch(inputs_of(network), torch.tensor([0, 1, 2]))
    settling = Settling(free=Stop(1e-10, 500), second=Stop(None, 50), backend=backend)
    for share, unstable in ((0.99, False), (1.01, True)):
        rule = RULES["ep-negative"](Setting(SquaredError(), settling, strength=share * bound))
        if unstable:
            with pytest.raises(UnstableNudgeError, match=f"nearer to 0 than {bound:.4g}"):
                rule.estimate(network, batch)
        else:
            rule.estimate(network, batch)
    RULES["ep-positive"](Setting(SquaredError(), settling, strength=2 * bound)).estimate(network, batch)
    smooth = Layered((4, 5), activation=TANH, readout=3, generator=seeded(0), dtype=torch.float64)
    assert smooth.least_curvature() == -math.inf


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("backend", ["torch", "auto"])
@pytest.mark.parametrize("layer", [0, 1])
def test_a_node_that_nothing_holds_has_no_voltage(layer: int, backend: str, dtype: torch.dtype) -> None:
    """If this fails, a current into a node without a conductance 'converges' at 8e36 V; without the current it stays at 0 V."""
    network = Resistive((3, 4, 2), generator=seeded(0), dtype=dtype)
    with torch.no_grad():
        network.conductance(layer)[:, 0] = 0.0
        if layer == 0:
            network.conductance(1)[0] = 0.0
        clamped = network.clamp(torch.rand((3, 3), generator=seeded(1), dtype=dtype))
        start = network.initial_state(clamped)
        held = relax(clamped, start, BlockDescent(), Stop(1e-3, 200), backend=backend)
        assert held.status.tolist() == [int(Status.CONVERGED)] * 3
        network.bias(layer)[0] = 0.1
        clamped = network.clamp(clamped.inputs)
        loose = relax(clamped, start, BlockDescent(), Stop(1e-3, 200), backend=backend)
    assert loose.status.tolist() == [int(Status.DIVERGED)] * 3


def test_lattices_are_certified_by_blocks() -> None:
    """Two nodes joined well and held weakly are volts away while each alone seems settled: a flow's residual is the block's."""
    network = built("resistor-graph")
    assert isinstance(network, ResistorGraph)
    with torch.no_grad():
        held, inner = len(network.graph.held), network.sizes[0]
        within = [(end >= held) & (end < held + inner) for end in (network.first, network.second)]
        weak = ~(within[0] & within[1])
        network.conductance.copy_(torch.where(weak, 1e-3, 1e3))
    found = relaxed(network, GradientFlow(), Stop(1e-3, 50))
    assert found.status.tolist() == [int(Status.BUDGET)] * 3
    assert bool((swept(network, found) > 1e-3).all())


@pytest.mark.parametrize("second", [1e-3, 1e-7])
@pytest.mark.parametrize("free", [1e-3, 1e-7])
def test_a_review_says_which_tolerance_is_below_the_roundings(free: float, second: float) -> None:
    """Without a sentence a user sees "unconverged 100 %" of a network that stands still, and does not learn why."""
    network = Layered((10, 20, 5), generator=seeded(1))
    setting = Setting(SquaredError(), Settling(free=Stop(free, 100), second=Stop(second, 100)), strength=0.5)
    said = [one for one in review(network, setting, torch.rand((8, 10), generator=seeded(2))) if "below the roundings" in one]
    expected = [name for name, tolerance in (("free", free), ("nudged", second)) if tolerance < 1e-6]
    assert [name for name in ("free", "nudged") if any(f"the {name} phase" in one for one in said)] == expected
