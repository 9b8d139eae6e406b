"""Contract of every activation: its potential, its slope and its bounds."""

from __future__ import annotations

import math

import oracles
import pytest
import torch
from oracles import number
from systems import (
    interior_state,
    make_system,
)

from contrastive_core.networks import ACTIVATIONS

SCALES = (1.0, 0.3)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_the_functions_they_name(name: str) -> None:
    """All else could be consistent with another function than the one that a report names."""
    drive = torch.tensor([-8.0, -0.3, 0.2, 0.9, 1.5, 8.0], dtype=torch.float64)
    by_hand = {
        "hard-sigmoid": [0, 0, 0.2, 0.9, 1, 1],
        "clipped-relu": [0, 0, 0.2, 0.9, 1.5, 6],
        "linear": drive.tolist(),
        "tanh": [1 - 2 / (1 + math.exp(2 * u)) for u in drive.tolist()],
        "logistic": [1 / (1 + math.exp(-u)) for u in drive.tolist()],
        "steep-logistic": [1 / (1 + math.exp(2 - 4 * u)) for u in drive.tolist()],
    }
    assert ACTIVATIONS[name].value(drive).tolist() == pytest.approx(by_hand[name], abs=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_of_the_potential_is_the_inverse_of_the_activation(name: str) -> None:
    """Otherwise the fixed points of the activation are not the stationary points of the energy."""
    activation = ACTIVATIONS[name]
    drive = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    value = activation.value(drive).requires_grad_()
    (slope,) = torch.autograd.grad(activation.potential(value).sum(), value)
    torch.testing.assert_close(slope, activation.inverse(value.detach()), rtol=0, atol=1e-14)
    torch.testing.assert_close(activation.inverse(value.detach()), drive, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_compliance_is_the_slope_of_the_activation(name: str) -> None:
    """The implicit gradient is scaled by it, and a unit at a bound must not carry any error backwards."""
    activation = ACTIVATIONS[name]
    drive = torch.tensor([-7.0, -3.0, -0.5, 0.2, 0.7, 3.0, 7.0], dtype=torch.float64).requires_grad_()
    value = activation.value(drive)
    (slope,) = torch.autograd.grad(value.sum(), drive)
    # 1 - s² loses digits near the bounds, absolutely not more than eps.
    torch.testing.assert_close(activation.slope(value.detach()), slope, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_potential_inverse_and_projection_stay_finite_and_inside_at_the_bounds(name: str) -> None:
    """A saturated unit must not turn the energy of its sample into NaN."""
    activation = ACTIVATIONS[name]
    extreme = activation.value(torch.tensor([-800.0, -40.0, 40.0, 800.0], dtype=torch.float64))
    assert bool(torch.isfinite(activation.potential(extreme)).all())
    assert bool(torch.isfinite(activation.inverse(extreme)).all())
    allowed = activation.project(torch.tensor([-9.0, 0.5, 9.0], dtype=torch.float64))
    assert torch.equal(activation.project(allowed), allowed)
    assert torch.equal(activation.project(extreme)[1:3].sort().values, activation.project(extreme)[1:3])
    assert number(allowed[1]) == 0.5


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_compliance_of_a_network_is_the_inverse_of_its_own_curvature(name: str, scale: float) -> None:
    """The exact gradient is preconditioned by it; wrong units of the energy scale would go unnoticed in a converged solve only."""
    system = make_system(name, energy_scale=scale)
    state = interior_state(system.network, 4, 10)
    for sample in range(4):
        curvature = torch.cat(
            [scale ** (i + 1) / a.slope(s[sample]) for i, (a, s) in enumerate(zip(system.network.activations, state, strict=True))]
        )
        diagonal = oracles.state_hessian(system.network, system.clamped, state, sample).diagonal()
        torch.testing.assert_close(diagonal, curvature, rtol=1e-12, atol=0)
        own = torch.cat([layer[sample] for layer in system.network.compliance(state)])
        torch.testing.assert_close(own, 1 / diagonal, rtol=1e-12, atol=0)
