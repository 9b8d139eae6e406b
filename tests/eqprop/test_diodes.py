"""Diodes: their characteristic, its inverse and its limit, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from circuits import build, settled
from scipy.special import wrightomega

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.phases import Nudge
from contrastive_core.relaxation.relax import relax
from eqprop.diodes import ShockleyDiode, wright_omega

SHOCKLEY = ShockleyDiode(1e-6, 0.05)


def test_circuit_read_after_some_sweeps_has_a_state_where_it_has_no_equilibrium() -> None:
    """If this fails, a nudge that no circuit settles under is reported as a failure of the run, though hardware reads some voltages."""
    network, batch = build((4, 6, 3), amplifier="none")
    strength = -20.0
    clamped, nudge = network.clamp(batch.inputs), Nudge(SquaredError(), batch, strength)
    assert not network.has_minimum(strength)
    start = network.initial_state(clamped)
    refused = relax(clamped, start, BlockDescent(), Stop(None, 3), nudge)
    assert int(refused.steps.max()) == 0
    hidden, output = (layer.clone() for layer in start)
    with torch.no_grad():
        targets = torch.eye(3, dtype=torch.float64)[batch.labels]
        for _ in range(3):  # each node in turn to where its currents vanish, be that a minimum or not
            hidden = network.minimiser(0, (hidden, output), clamped)
            below = hidden @ network.conductance(1) + network.bias(1)
            output = (below + strength * targets) / (network.conductance(1).sum(0) + strength)
    for backend in ("torch", "auto"):
        with torch.no_grad():
            found = relax(clamped, start, BlockDescent(), Stop(None, 3, unstable=True), nudge, backend=backend)
        torch.testing.assert_close(found.state, (hidden, output), rtol=1e-10, atol=1e-12)


def test_wright_omega_is_scipys() -> None:
    """All exponential diodes are solved by it."""
    z = np.concatenate([np.linspace(-690, 800, 3001), np.linspace(-3, 6, 901)])
    found = wright_omega(torch.tensor(z)).numpy()
    expected = wrightomega(z).real
    # eps times |z|, the condition of omega where it is an exponential.
    assert float((np.abs(found - expected) / expected / np.maximum(1, np.abs(z))).max()) < 1e-14


@pytest.mark.parametrize("current", [-1e6, -1.0, -1e-7, 0.0, 1e-9, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("conductance", [1e-9, 1e-3, 1.0, 1e3])
def test_shockley_node_obeys_kirchhoffs_law_without_overflow(conductance: float, current: float) -> None:
    """Written with exponentials of voltages it overflows at a few tens of volt, or loses the blocked branch's digits."""
    g, i = (torch.tensor([value], dtype=torch.float64) for value in (conductance, current))
    diode = ShockleyDiode(1e-12, 0.02585)
    v = diode.solve(g, i)
    assert bool(torch.isfinite(v).all())
    # An error of v by eps is one of the current by the node's whole conductance times that.
    slope = float(g + diode.slope(v))
    assert abs(float(g * v + diode.current(v) - i)) <= 1e-14 * (slope * (abs(float(v)) + 1) + abs(current))


def test_content_of_a_diode_is_the_integral_of_its_current() -> None:
    """The energy would not be the one that the circuit lowers."""
    v = torch.linspace(-0.5, 0.4, 19, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(SHOCKLEY.content(v).sum(), v)
    torch.testing.assert_close(slope, SHOCKLEY.current(v.detach()), rtol=1e-12, atol=1e-16)
    assert float(SHOCKLEY.content(torch.zeros(1)).sum()) == 0


def test_shockley_diodes_become_ideal_as_their_scale_falls() -> None:
    """The ideal diode is a limit: the operating point's distance to it is proportional to the diode's thermal voltage."""
    network, batch = build(amplifier="none")
    ideal = torch.cat(settled(network, batch), dim=1)
    distance = []
    for scale in (1e-2, 1e-3, 1e-4):
        real, _ = build(amplifier="none", diode=ShockleyDiode(1e-9, scale))
        distance.append(float((torch.cat(settled(real, batch), dim=1) - ideal).abs().max()))
    assert distance[0] > 0.02  # ln(1 A / 1e-9 A) = 20 thermal voltages
    # ... up to the logarithm of the scale itself, ln 10 of 20.
    for wide, narrow in ((distance[0], distance[1]), (distance[1], distance[2])):
        assert wide / narrow == pytest.approx(10, rel=0.25)
