"""Gradient flow beside the leaky integrators of neuroscience, written out unit by unit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from systems import seeded
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge
from contrastive_core.relaxation.relax import relax
from contrastive_core.types import Batch, State

STRENGTH, STEP = 0.3, 0.2
INPUTS = torch.rand((2, 4), generator=seeded(3), dtype=torch.float64)
TARGETS = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
BATCH = Batch(INPUTS, torch.tensor([0, 2]))


def network(activation: str, gain: float) -> Layered:
    """4-5-3; a gain of 2 drives some hard sigmoids onto their bounds, where the flow of smooth units would be stiff."""
    return Layered((4, 5, 3), activation=activation, gain=gain, generator=seeded(1), dtype=torch.float64)


def integrate(net: Layered, start: State, respond: Callable[[Tensor], Tensor], pace: Callable[[Tensor], Tensor], steps: int) -> State:
    """Integrate the hidden potentials u, of activity rho(u), and the linear outputs by Euler's method."""
    (w1, b1), (w2, b2) = ((net.weight(i).detach(), net.get_parameter(f"bias_{i + 1}").detach()) for i in (0, 1))
    hidden, output = start
    for _ in range(steps):
        rate = respond(hidden)
        change = pace(hidden) * (INPUTS @ w1 + b1 + output @ w2.T) - hidden
        rise = rate @ w2 + b2 - output + STRENGTH * (TARGETS - output)
        hidden, output = hidden + STEP * change, output + STEP * rise
        if respond is inside:
            hidden = hidden.clamp(0, 1)
    return hidden, output


def inside(potential: Tensor) -> Tensor:
    """Hard sigmoid of a potential that its bounds hold."""
    return potential


def test_with_hard_sigmoids_each_step_is_that_of_the_leaky_integrators() -> None:
    """du/dt = rho'(u)(W rho(u) + b) - u + beta (y - u_out) inside the box, where rho' is 1 (Scellier & Bengio, 2017)."""
    net = network("hard-sigmoid", 2.0)
    start = tuple(torch.full((2, n), 0.5, dtype=torch.float64) for n in (5, 3))
    with torch.no_grad():
        clamped, dynamics, state = net.clamp(INPUTS), GradientFlow(STEP), start
        for _ in range(25):
            state, _, _ = dynamics.advance(state, None, clamped, Nudge(SquaredError(), BATCH, STRENGTH))
    expected = integrate(net, start, inside, torch.ones_like, 25)
    assert bool(((expected[0] == 0) | (expected[0] == 1)).any())  # or the bounds were not tested
    for one, other in zip(state, expected, strict=True):
        assert float((one - other).abs().max()) < 1e-13  # roundings of 25 steps


@pytest.mark.parametrize(("activation", "respond"), [("tanh", torch.tanh), ("logistic", torch.sigmoid)])
def test_smooth_units_rest_where_a_rate_model_does_and_not_where_the_slope_weighs_the_drive(
    activation: str, respond: Callable[[Tensor], Tensor]
) -> None:
    """Flow and du/dt = W rho(u) + b - u have one rest state; with rho'(u) before the drive the energy is another one."""
    net = network(activation, 0.8)
    start = (torch.zeros((2, 5), dtype=torch.float64), torch.zeros((2, 3), dtype=torch.float64))
    nudge = Nudge(SquaredError(), BATCH, STRENGTH)
    with torch.no_grad():
        clamped = net.clamp(INPUTS)
        ended = relax(clamped, net.initial_state(clamped), GradientFlow(0.05), Stop(1e-10, 2000), nudge, backend="torch")
    rates = integrate(net, start, respond, torch.ones_like, 400)
    weighed = integrate(net, start, respond, torch.func.vmap(torch.func.vmap(torch.func.grad(respond))), 400)
    # A residual of 1e-10, over a contraction of some .1 a step.
    assert float((respond(rates[0]) - ended.state[0]).abs().max()) < 1e-8
    assert float((respond(weighed[0]) - ended.state[0]).abs().max()) > 1e-2
