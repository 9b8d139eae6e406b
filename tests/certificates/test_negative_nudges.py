"""Nudges that take more curvature than the outputs have: refused where a bound is known, and found out at the end where none is."""

from __future__ import annotations

from typing import Any, final

import pytest
import torch
from embedded import WIDTH, build, presented
from oracles import cosine
from systems import make_system, seeded
from torch import Tensor

from contrastive_core.analysis.gradient_quality import review
from contrastive_core.baselines.implicit import Implicit
from contrastive_core.certificate import Status, Stop
from contrastive_core.cost import Cost
from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.costs.cross_entropy import CrossEntropy
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.errors import UnstableNudgeError
from contrastive_core.networks.layered import Layered
from contrastive_core.objectives.nudge_limit import largest_curvature
from contrastive_core.phases import Nudge, Sides
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from eqprop.resistive import Resistive
from eqprop.rule import EquilibriumPropagation

EXACT = Settling(free=Stop(1e-12, 2000), second=Stop(1e-12, 5000))


@pytest.mark.parametrize("name", SAMPLE_COSTS)
def test_no_curvature_of_a_cost_is_above_its_bound(name: str) -> None:
    """Too small a bound lets nudges pass that no minimum follows; too large a one forbids what settles."""
    cost, batch, largest = SAMPLE_COSTS[name](), Batch(torch.zeros(1, 1), torch.tensor([1])), 0.0
    for outputs in (*torch.randn((40, 3), generator=seeded(0), dtype=torch.float64), torch.tensor([0.0, 0.0, -40.0]).double()):
        matrix = torch.autograd.functional.hessian(lambda o: cost.value(o[None], batch).sum(), outputs)
        largest = max(largest, float(torch.linalg.eigvalsh(matrix)[-1]))
    assert largest == pytest.approx(cost.steepest, rel=1e-12)  # two equal probabilities of one half reach it


def test_cross_entropy_below_its_limit_is_an_implicit_step_of_the_exact_gradient() -> None:
    """One layer of linear units solves o' = o - beta (p(o') - y): the estimate is the exact gradient at o', and the solution is unique."""
    network = Layered((4, 2), generator=seeded(0), dtype=torch.float64)
    batch = Batch(torch.randn((8, 4), generator=seeded(1), dtype=torch.float64), torch.arange(8) % 2)
    free = batch.inputs @ network.weight(0).detach()
    wanted = torch.nn.functional.one_hot(batch.labels).double()
    for strength in (0.5, 1.5, 1.9):
        # The gap d of the outputs solves d + 2 s (p(d) - y) = d_free, which rises in d as long as 2 s / 4 < 1.
        low, high = torch.full((8,), -20.0).double(), torch.full((8,), 20.0).double()
        for _ in range(80):
            gap = (low + high) / 2
            over = gap - 2 * strength * (gap.sigmoid() - wanted[:, 1]) > free[:, 1] - free[:, 0]
            low, high = torch.where(over, low, gap), torch.where(over, gap, high)
        error = torch.stack([wanted[:, 1] - gap.sigmoid(), gap.sigmoid() - wanted[:, 1]], 1)
        found = EquilibriumPropagation(CrossEntropy(), EXACT, strength, Sides.NEGATIVE).estimate(network, batch)
        assert int(found.relaxations["negative"].status.max()) == int(Status.CONVERGED)
        torch.testing.assert_close(found.gradients["weight_1"], batch.inputs.T @ error / 8, rtol=0, atol=1e-9)
    exact = Implicit(CrossEntropy(), EXACT).estimate(network, batch).gradients
    near = EquilibriumPropagation(CrossEntropy(), EXACT, 1e-3, Sides.NEGATIVE).estimate(network, batch).gradients
    assert cosine(near, exact) > 0.999999


CARRIERS: dict[str, Any] = {
    "linear": lambda: Layered((4, 5, 3), generator=seeded(0), dtype=torch.float64),
    "half scale": lambda: Layered((4, 5, 3), energy_scale=0.5, generator=seeded(0), dtype=torch.float64),
    "boxed": lambda: Layered((4, 3), output_activation="hard-sigmoid", generator=seeded(0), dtype=torch.float64),
    "readout": lambda: Layered((4, 5), readout=3, generator=seeded(0), dtype=torch.float64),
    "circuit": lambda: Resistive((4, 5, 3), generator=seeded(0), dtype=torch.float64),
}


@pytest.mark.parametrize("backend", ["torch", "auto"])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("name", CARRIERS)
def test_cross_entropy_is_refused_from_twice_the_strength_of_a_squared_error_on(name: str, frozen: bool, backend: str) -> None:
    """Its curvature is at most one half; a frozen nudge has none, and is never refused."""
    network = CARRIERS[name]()
    bound = -network.least_curvature() / network.stiffness[-1]
    batch = Batch(torch.rand((4, 4), generator=seeded(1), dtype=torch.float64), torch.tensor([0, 1, 2, 0]))
    for share, refused in ((1.99, False), (2.01, not frozen)):
        settling = Settling(free=Stop(1e-3, 500), second=Stop(None, 5), backend=backend)
        rule = EquilibriumPropagation(CrossEntropy(), settling, share * bound, Sides.NEGATIVE, frozen)
        if refused:
            with pytest.raises(
                UnstableNudgeError, match=f"need not keep the minimum .* nearer to 0 than {2 * bound:.4g}, .* curvature, 0.5"
            ):
                rule.estimate(network, batch)
        else:
            rule.estimate(network, batch)


@pytest.mark.parametrize(("cost", "limit"), [("squared-error", 1.0), ("cross-entropy", 2.0)])
@pytest.mark.parametrize(("unit", "softest"), [("tanh", 1.0), ("logistic", 4.0)])
def test_a_review_warns_where_bounded_units_may_have_two_minima(cost: str, limit: float, unit: str, softest: float) -> None:
    """Units that rest where they are softest, as the reciprocal of their slope says: beyond it a nudge divides their well in two."""
    network = Layered((4, 5, 3), output_activation=unit, gain=0.0, generator=seeded(0), dtype=torch.float64)
    for share, count in ((0.99, 0), (1.01, 1)):
        setting = Setting(SAMPLE_COSTS[cost](), strength=share * limit * softest)
        said = [one for one in review(network, setting, torch.rand((4, 4)).double()) if "several minima" in one]
        assert len(said) == count
        assert all(f"nearer to 0 than {limit * softest:.4g}" in one for one in said)


@final
class Bowl(Cost):
    """Half a quadratic form of the outputs about .4, without a declared curvature; rows may count as one system."""

    def __init__(self, size: float, coupled: bool = False) -> None:
        self.size, self.coupled = size, coupled

    def value(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the form of each sample, or its mean over the batch."""
        rows = 0.5 * self.size * (output - 0.4).square().sum(1)
        return rows.mean() if self.coupled else rows

    def gradient(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the gradient of the mean, times B."""
        return self.size * (output - 0.4)

    def errors(self, output: Tensor, batch: Batch) -> Tensor:
        """Return that no sample is wrong."""
        return torch.zeros(len(output), dtype=torch.bool)


# Size of the form, strength, and whether 1 + strength times size times the curvature's factor (4 through the readout) is positive.
FORMS = [(3.0, -0.3, True), (3.0, -0.4, False), (-3.0, 0.3, True), (-3.0, 0.4, False)]


@pytest.mark.parametrize("dynamics", [BlockDescent(), GradientFlow()], ids=str)
@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("readout", [None, 2])
@pytest.mark.parametrize(("size", "strength", "convex"), FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_saddle_without_a_force_has_not_converged(
    size: float, strength: float, convex: bool, readout: int | None, coupled: bool, dynamics: Any, dtype: torch.dtype
) -> None:
    """If this fails, a state that is stationary by symmetry is certified, though the nudged energy falls away from it on all sides."""
    network = Layered((2, 2), activation="linear", readout=readout, gain=0.0, dtype=dtype)
    with torch.no_grad():
        network.bias(0).fill_(0.4)
        if readout:
            network.weight_readout.copy_(2 * torch.eye(2))
            network.bias_readout.fill_(-0.4)
            strength = strength / 4
        clamped = network.clamp(torch.zeros((3, 2), dtype=dtype))
        state = (torch.full((3, 2), 0.4, dtype=dtype),)  # rests here, free and nudged
        nudge = Nudge(Bowl(size, coupled), Batch(clamped.inputs, torch.zeros(3)), strength)
        found = relax(clamped, state, dynamics, Stop(1e-5, 5), nudge)
    assert found.status.tolist() == [int(Status.CONVERGED if convex else Status.BUDGET)] * 3


@pytest.mark.parametrize(("strength", "status"), [(-0.32, Status.CONVERGED), (-0.5, Status.BUDGET)])
def test_a_corner_into_which_a_nudge_drives_units_has_not_converged(strength: float, status: Status) -> None:
    """In a corner no force is left, and no derivative: it says nothing of the free state. A bound that stops a minimum is one."""
    network = Layered((2, 2), output_activation="hard-sigmoid", gain=0.0, dtype=torch.float64)
    with torch.no_grad():
        network.bias(0).fill_(0.5)
        clamped = network.clamp(torch.zeros((1, 2)).double())
        state = (torch.full((1, 2), 0.5).double(),)
        found = relax(clamped, state, BlockDescent(), Stop(1e-9, 2000), Nudge(Bowl(3.0), Batch(clamped.inputs, torch.zeros(1)), strength))
    # At -.32 the minimum lies at (.5 - .96 * .4) / .04 = 2.9, beyond the bound; at -.5 there is none.
    assert found.state[0].tolist() == [[1.0, 1.0]]
    assert found.status.tolist() == [int(status)]


@pytest.mark.parametrize(("name", "shares"), [("dcl", (5.0, 30.0)), ("dclw", (1.5, 5.0))])
def test_objectives_are_certified_only_where_the_estimate_resembles_the_gradient(name: str, shares: tuple[float, ...]) -> None:
    """A tenth of the measured limit gives the exact gradient. Beyond it units end in corners, at cosines below 0."""
    network = make_system("tanh", sizes=(8, 9, WIDTH), output_activation="hard-sigmoid", gain=0.7, biases=(-0.3, 0.3), seed=1).network
    objective = build(name)
    batch = presented(objective, samples=4)
    inputs = torch.rand((4, 8), generator=seeded(13), dtype=torch.float64).repeat(len(batch.labels) // 4, 1)
    batch = batch._replace(inputs=inputs + 0.1 * torch.randn(inputs.shape, generator=seeded(14), dtype=torch.float64))
    settling = Settling(free=Stop(1e-12, 3000), second=Stop(1e-4, 400), backend="torch")
    exact = Implicit(objective, settling).estimate(network, batch)
    limit = 1 / largest_curvature(objective, network.output(exact.relaxations["free"].state), batch)
    for share in (0.1, *shares):
        found = EquilibriumPropagation(objective, settling, share * limit, Sides.NEGATIVE).estimate(network, batch)
        converged = found.relaxations["negative"].status == int(Status.CONVERGED)
        agreement = cosine(found.gradients, exact.gradients)
        assert (agreement > 0.99, bool(converged.all())) == (share < 1, share < 1)
        assert share < 1 or (agreement < 0 and not bool(converged.any()))
