"""Certificates of circuits: residuals are volts in every dynamics, whatever the conductances are."""

from __future__ import annotations

import pytest
import torch
from systems import seeded

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.anderson import Anderson
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.dynamics.momentum import Momentum
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.errors import UnstableNudgeError
from contrastive_core.phases import Nudge
from contrastive_core.relaxation.relax import relax, require_finite
from contrastive_core.types import Batch
from eqprop.circuit import Parts
from eqprop.lattice import Graph, square_lattice
from eqprop.resistive import Resistive
from eqprop.resistor_graph import ResistorGraph

CIRCUITS = ("layers", "amplified", "lattice")
FLOWS = (GradientFlow(), GradientFlow(0.1), Momentum(), Momentum(0.5, 0.5))


def circuit(name: str, siemens: float) -> Resistive | ResistorGraph:
    """A circuit with conductances of about so many siemens."""
    if name == "lattice":
        graph = Graph(12, square_lattice(3, 4), (0, 3, 8), (10, 5))
        initial = (0.1 * siemens, siemens)
        return ResistorGraph(graph, bounds=(0.01 * siemens, siemens), initial=initial, generator=seeded(0), dtype=torch.float64)
    gain = 2.0 if name == "amplified" else 1.0
    parts = Parts(bounds=((0.01 * siemens, siemens),), voltage_gain=gain, current_gain=1 / gain)
    return Resistive((6, 8, 3), parts, gain=2 * siemens, generator=seeded(0), dtype=torch.float64)


@pytest.mark.parametrize("dynamics", [*FLOWS, Synchronous(0.5), Anderson()], ids=str)
@pytest.mark.parametrize("siemens", [1.0, 1e-7])
@pytest.mark.parametrize("name", CIRCUITS)
def test_what_converged_is_near_the_operating_point(name: str, siemens: float, dynamics: Dynamics) -> None:
    """If this fails, a current of 1e-7 A passes for a voltage of 1e-7 V, and a circuit of microsiemens 'converges' where it starts."""
    network = circuit(name, siemens)
    inputs = 10 * torch.rand((4, network.num_inputs), generator=seeded(1), dtype=torch.float64)
    with torch.no_grad():
        clamped = network.clamp(inputs)
        start = network.initial_state(clamped)
        found = relax(clamped, start, dynamics, Stop(1e-6, 20_000))
        truth = relax(clamped, start, BlockDescent(), Stop(1e-13, 100_000)).state
        swept, _ = BlockDescent().step(found.state, clamped)
    assert found.status.tolist() == [0] * 4
    # The softest mode of these circuits has a few per cent of a node's own conductance.
    for ended, after, exact in zip(found.state, swept, truth, strict=True):
        torch.testing.assert_close(ended, exact, rtol=0, atol=1e-4)
        torch.testing.assert_close(ended, after, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dynamics", FLOWS, ids=str)
@pytest.mark.parametrize("name", CIRCUITS)
def test_the_unit_of_conductance_is_free(name: str, dynamics: Dynamics) -> None:
    """Voltages of a circuit do not change when all conductances are multiplied: neither may their steps and residuals."""
    ends = []
    for siemens in (1.0, 2.0**-20):  # a power of 2, which loses no digit
        network = circuit(name, siemens)
        with torch.no_grad():
            clamped = network.clamp(torch.rand((4, network.num_inputs), generator=seeded(2), dtype=torch.float64))
            ends.append(relax(clamped, network.initial_state(clamped), dynamics, Stop(1e-8, 500)))
    assert torch.equal(ends[0].steps, ends[1].steps)
    torch.testing.assert_close(ends[0].residual, ends[1].residual, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(ends[0].state, ends[1].state, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sizes", [(3, 2), (3, 4, 2), (3, 4, 4, 2)])
def test_no_strength_is_advised_where_nothing_holds_an_output(sizes: tuple[int, ...]) -> None:
    """If this fails, a user is told to nudge by less than 1e-17, which is a rounding of 0."""
    network = Resistive(sizes, generator=seeded(0))
    with torch.no_grad():
        network.conductance(len(sizes) - 2)[:, 0] = 0.0
        clamped = network.clamp(torch.rand(4, 3))
        start = network.initial_state(clamped)
        batch = Batch(clamped.inputs, torch.zeros(4, dtype=torch.int64))
        ended = relax(clamped, start, BlockDescent(), Stop(), Nudge(SquaredError(), batch, -0.1))
    with pytest.raises(UnstableNudgeError, match="no negative one has one, because nothing holds some of the outputs"):
        require_finite(ended, "negative", network)
