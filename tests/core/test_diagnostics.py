"""The measures that judge a rule, on cases whose answers are known."""

from __future__ import annotations

import math

import oracles
import pytest
import torch
from oracles import relative_error
from systems import TIGHT, exact_settling, interior_state, make_cost, make_system, settle

from contrastive_core.analysis.gradient_quality import agreement, bias_in_strength, compare_gradients, review
from contrastive_core.baselines.implicit import Implicit
from contrastive_core.certificate import Stop
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.gradients import pulled_back
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.curvature import dense, extreme_eigenvalues, hessian, scaled_hessian
from contrastive_core.per_sample import flatten
from contrastive_core.rule import Estimate, Setting, Settling
from contrastive_core.types import Gradients
from eqprop.rule import EquilibriumPropagation


def test_agreement_by_hand() -> None:
    """Cosine, norm ratio, relative error and sign agreement are what the whole comparison is reported in."""
    result = agreement(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    assert result == (9 / 25, 1.0, math.sqrt(32) / 5, 0.5)  # 3-4-5 triangles: exact in binary but for the root
    assert agreement(torch.tensor([-2.0, -2.0]), torch.tensor([1.0, 1.0])) == pytest.approx((-1.0, 2.0, 3.0, 0.0), abs=1e-15)
    assert agreement(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])) == pytest.approx((0.0, 0.5, math.sqrt(5) / 2, 0.0), abs=1e-15)


def test_agreement_with_a_vanishing_gradient_is_not_a_number() -> None:
    """Where there is no gradient, nothing agrees with it: a cosine of 0 or 1 would be invented."""
    result = agreement(torch.tensor([1.0, 2.0]), torch.zeros(2))
    assert math.isnan(result.cosine)
    assert math.isinf(result.norm_ratio)
    assert math.isnan(result.sign_agreement)  # there are no signs


def test_comparison_of_gradients_is_per_parameter_and_over_all_entries() -> None:
    """A whole cosine is not the mean of the parts: it weighs them by their norms."""
    estimate: Gradients = {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([[10.0]])}
    exact: Gradients = {"a": torch.tensor([0.0, 1.0]), "b": torch.tensor([[10.0]])}
    parts, whole = compare_gradients(estimate, exact)
    assert (parts["a"].cosine, parts["b"].cosine) == (0.0, 1.0)
    assert whole.cosine == pytest.approx(100 / 101, abs=1e-15)
    assert whole.relative_error == pytest.approx(math.sqrt(2 / 101), abs=1e-15)
    assert whole.sign_agreement == 1 / 2  # of the two entries that the exact gradient has


@pytest.mark.parametrize("order", [0, 1, 2, 4])
def test_order_of_a_bias_is_the_exponent_of_its_strength(order: int) -> None:
    """A rule with a known bias must be given its own order; a wrong logarithm would relabel every rule."""
    system, exact = make_system("tanh"), {"a": torch.tensor([1.0, 0.0], dtype=torch.float64)}

    class Biased:
        """A rule that is off by 3 beta^order, at right angles."""

        def __init__(self, strength: float) -> None:
            self.strength = strength

        def estimate(self, *_: object, **__: object) -> Estimate:
            return Estimate({"a": torch.tensor([1.0, 3 * self.strength**order], dtype=torch.float64)}, {})

    bias = bias_in_strength(Biased, system.network, system.batch, exact, [0.1, 0.03, 0.01])  # type: ignore[arg-type]
    assert bias.order == pytest.approx(order, abs=1e-12)
    assert bias.errors == pytest.approx([3 * s**order for s in (0.1, 0.03, 0.01)], rel=1e-12)
    assert bias.strengths == (0.1, 0.03, 0.01)
    given = bias_in_strength(Biased, system.network, system.batch, exact, [0.1, 0.01], known={0.1: 7.0})  # type: ignore[arg-type]
    assert given.errors == (7.0, bias.errors[2])  # what is known is taken as it is


def test_products_with_a_jacobian_are_those_that_autograd_gives_with_weights() -> None:
    """Curvature and recurrent backpropagation differentiate a scalar instead, digit for digit, and spare a module that loads slowly."""
    generator = torch.Generator().manual_seed(0)
    first, second, lonely = (torch.randn(3, 4, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(3))
    images = ((first @ second.T).tanh(), first.square() * second)
    weights = tuple(torch.randn(image.shape, dtype=torch.float64, generator=generator) for image in images)
    expected = torch.autograd.grad(images, (first, second), weights, retain_graph=True)
    found = pulled_back(images, (first, second, lonely), weights)
    assert all(torch.equal(one, other) for one, other in zip(found, (*expected, torch.zeros(3, 4)), strict=True))


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hessian_products_are_the_second_derivatives_of_the_energy(activation: str, scale: float) -> None:
    """Curvature, exact gradients and Lanczos all rest on these products, one by one or in one matrix."""
    system = make_system(activation, energy_scale=scale, biases=(-0.6, 0.6), seed=3)
    clamped, state = system.clamped, settle(system, BlockDescent()).state
    plain, (multiply, scales), (matrices, _) = hessian(clamped, state), scaled_hessian(clamped, state), dense(clamped, state)
    vector = interior_state(system.network, 4, 1)
    slopes = flatten(system.network.compliance(state))
    assert torch.equal(flatten(scales).square(), slopes.sqrt().square())
    for sample in range(4):
        exact, root = oracles.state_hessian(system.network, clamped, state, sample), slopes[sample].sqrt()
        expected = root[:, None] * exact * root + torch.diag((root == 0).to(root.dtype))  # the identity on units held by bounds
        assert relative_error(matrices[sample], expected) < 1e-14
        assert relative_error(flatten(plain(vector))[sample], exact @ flatten(vector)[sample]) < 1e-14
        assert relative_error(flatten(multiply(vector))[sample], expected @ flatten(vector)[sample]) < 1e-14


@pytest.mark.parametrize("scale", [1.0, 0.3, 0.03])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_extreme_curvatures_are_those_of_the_dense_hessian_on_the_units_that_can_move(activation: str, scale: float) -> None:
    """Units held by their bounds have no say in how fast the others relax; counting them would hide a slow direction."""
    system = make_system(activation, energy_scale=scale, biases=(-0.6, 0.6), seed=3)
    state = settle(system, BlockDescent()).state
    movable = flatten(system.network.compliance(state)) > 0
    assert bool(movable.all()) == (activation not in ("hard-sigmoid", "clipped-relu"))
    values = []
    for sample in range(4):
        matrix = oracles.state_hessian(system.network, system.clamped, state, sample)
        inside = movable[sample]
        values.append(torch.linalg.eigvalsh(matrix[inside][:, inside]))
    every = torch.cat(values)
    smallest, largest = extreme_eigenvalues(system.clamped, state)
    # Lanczos is asked for 1e-6, and for 1e-4 where the outputs are so soft that it has to solve with the curvature.
    assert smallest == pytest.approx(float(every.min()), rel=1e-5 if scale > 0.1 else 1e-4)
    assert largest == pytest.approx(float(every.max()), rel=1e-5)
    assert extreme_eigenvalues(system.clamped, state) == (smallest, largest)


def test_negative_curvature_shows_where_the_state_is_no_minimum() -> None:
    """A strongly coupled linear network has no equilibrium that is a minimum, and the diagnostic must say so."""
    system = make_system("linear", gain=6.0)
    assert extreme_eigenvalues(system.clamped, system.network.initial_state(system.clamped))[0] < -0.1
    soft = make_system("linear", gain=30.0, energy_scale=0.03)
    assert extreme_eigenvalues(soft.clamped, soft.network.initial_state(soft.clamped))[0] < 0


def test_review_finds_nothing_wrong_with_a_sound_setting() -> None:
    """A warning on every run is a warning that nobody reads."""
    system = make_system("tanh")
    assert review(system.network, Setting(make_cost("squared-error")), system.batch.inputs) == []
    assert review(system.network, Setting(make_cost("cross-entropy")), system.batch.inputs) == []


def test_review_warns_of_backpropagation_in_disguise() -> None:
    """Without feedback the free state is a forward pass, and a success of EP there is one of backpropagation."""
    cost = make_cost("squared-error")
    faint = make_system("tanh", energy_scale=1e-4)
    (message,) = review(faint.network, Setting(cost), faint.batch.inputs)
    assert "backpropagation in disguise" in message
    assert "raise the energy scale or the budget" in message
    system = make_system("tanh")
    (once,) = review(system.network, Setting(cost, Settling(BlockDescent(), Stop(1e-3, 1))), system.batch.inputs)
    assert "no relaxation" in once
    (alone,) = review(make_system(sizes=(5, 3)).network, Setting(cost), system.batch.inputs)
    assert "no relaxation" in alone


def test_review_warns_of_a_negative_phase_without_a_minimum() -> None:
    """Strength 1 with squared error is the point where the negative phase runs away; a frozen nudge and a readout have none."""
    system, cost = make_system("tanh", energy_scale=0.5), make_cost("squared-error")
    for strength, count in ((0.99, 0), (1.0, 1), (3.0, 1)):
        messages = review(system.network, Setting(cost, exact_settling(), strength=strength), system.batch.inputs)
        assert [f"at strength {strength:g} the negative phase has no minimum" in m for m in messages] == [True] * count
    assert review(system.network, Setting(cost, exact_settling(), strength=3.0, frozen=True), system.batch.inputs) == []
    for strength, count in ((1.99, 0), (2.01, 1)):  # the curvature of a softmax is at most one half
        messages = review(system.network, Setting(make_cost("cross-entropy"), exact_settling(), strength=strength), system.batch.inputs)
        assert ["negative phase need not keep its minimum" in m for m in messages] == [True] * count
    read = make_system("tanh", readout=3)
    assert review(read.network, Setting(cost, exact_settling(), strength=3.0), read.batch.inputs) == []


def test_agreement_of_the_exact_gradient_with_itself_and_of_ep_with_it() -> None:
    """The table that users read, on a case whose order of magnitude is known."""
    system, cost = make_system("tanh"), make_cost("squared-error")
    exact = Implicit(cost, exact_settling()).estimate(system.network, system.batch).gradients
    _, same = compare_gradients(exact, exact)
    assert same == pytest.approx((1.0, 1.0, 0.0, 1.0), abs=1e-15)
    estimate = EquilibriumPropagation(cost, Settling(BlockDescent(), TIGHT, TIGHT), 1e-3).estimate(system.network, system.batch).gradients
    parts, _ = compare_gradients(estimate, exact)
    assert list(parts) == [name for name, _ in system.network.named_parameters()]
    assert min(part.cosine for part in parts.values()) > 1 - 1e-8
