"""How strong a live nudge may be: curvatures against closed forms, and what happens on both sides of the limit."""

from __future__ import annotations

import math

import pytest
import torch
from systems import SimilarityCost, make_system, seeded

from contrastive_core.certificate import Status, Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.nudge_limit import largest_curvature
from contrastive_core.phases import Nudge
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Settling
from contrastive_core.types import Batch


def test_curvature_of_a_squared_error_is_one() -> None:
    """If this fails, the curvature is that of another scale of the cost."""
    output = torch.randn(5, 3, generator=seeded(0), dtype=torch.float64)
    assert largest_curvature(SquaredError(), output, Batch(output, torch.tensor([0, 1, 2, 0, 1]))) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("name", ["nt-xent", "dcl", "similarity"])
def test_curvature_is_the_largest_eigenvalue_of_the_hessian(name: str) -> None:
    """If this fails, the warning of live nudges that cannot settle comes at a wrong strength."""
    cost = SimilarityCost() if name == "similarity" else OBJECTIVES[name]()
    output = 0.5 * torch.randn(8, 3, generator=seeded(1), dtype=torch.float64)
    batch = Batch(output, torch.arange(8) % 2, torch.arange(4).repeat(2))
    rows = []
    for unit in torch.eye(24, dtype=torch.float64):
        ahead, behind = (cost.gradient(output + sign * 1e-6 * unit.view(8, 3), batch) for sign in (1, -1))
        rows.append(((ahead - behind) / 2e-6).flatten())
    exact = float(torch.linalg.eigvalsh(torch.stack(rows)).abs().max())
    # Power iteration is a lower bound; 20 rounds leave (λ2/λ1)^40 of the square, 2 % for a ratio of .9.
    assert 0.9 * exact < largest_curvature(cost, output, batch) < (1 + 1e-5) * exact


def test_curvature_grows_with_the_inverse_square_of_the_length() -> None:
    """If this fails, short outputs are nudged as if they were long."""
    output = torch.randn(8, 4, generator=seeded(0), dtype=torch.float64)
    batch = Batch(output, torch.zeros(8, dtype=torch.int64), torch.arange(4).repeat(2))
    cost = OBJECTIVES["nt-xent"]()
    assert largest_curvature(cost, 0.1 * output, batch) == pytest.approx(100 * largest_curvature(cost, output, batch), rel=1e-4)


@pytest.mark.parametrize(("share", "settles"), [(0.3, True), (3.0, False)])
def test_live_nudges_settle_below_the_limit_and_not_far_above(share: float, settles: bool) -> None:
    """If this fails, the limit is not the one that relaxations have."""
    system = make_system(output_activation="tanh", gain=0.3, biases=(-0.05, 0.05), batch_size=8, sizes=(5, 6, 3))
    batch = Batch(system.batch.inputs, torch.zeros(8, dtype=torch.int64), torch.arange(4).repeat(2))
    cost, settling = OBJECTIVES["nt-xent"](), Settling()
    with torch.no_grad():
        clamped = system.network.clamp(batch.inputs)
        free = settling.free_phase(clamped).state
        held = batch._replace(held=system.network.output(free))
        limit = 1 / largest_curvature(cost, system.network.output(free), batch)
        nudged = relax(clamped, free, settling.dynamics.reversed(), Stop(1e-9, 200), Nudge(cost, held, -share * limit), backend="torch")
    assert math.isfinite(limit)
    assert (int(nudged.status.max()) == int(Status.CONVERGED)) is settles
