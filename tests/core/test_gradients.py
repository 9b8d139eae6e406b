"""Gradients against each other: finite differences, the implicit function theorem, both backpropagations, and EP."""

from __future__ import annotations

from itertools import pairwise

import oracles
import pytest
import torch
from oracles import cosine, gradient_error
from systems import (
    HOLDING_RULES,
    RULE_NAMES,
    TIGHT,
    TOY,
    SimilarityCost,
    System,
    build_rule,
    exact_settling,
    make_cost,
    make_system,
    seeded,
    settle,
)
from torch import Tensor

from contrastive_core.analysis.gradient_quality import bias_in_strength
from contrastive_core.baselines.feedforward import FeedforwardBackprop
from contrastive_core.baselines.implicit import Implicit
from contrastive_core.baselines.recurrent import RecurrentBackprop
from contrastive_core.baselines.unrolled import Unrolled
from contrastive_core.certificate import Stop
from contrastive_core.cost import Cost
from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics import DYNAMICS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import ConvergenceError
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.curvature import dense
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge, Sides
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch, Gradients
from eqprop.rule import EquilibriumPropagation

COST_NAMES = [*SAMPLE_COSTS, "similarity"]
READOUTS = (None, 3)
SCALES = (1.0, 0.3)
SMALL_STRENGTHS = (0.005, 0.01, 0.02)


def settled_cost(system: System, cost: Cost) -> float:
    """The mean cost at the free equilibrium, settled to rounding."""
    with torch.no_grad():
        return float(cost.value(system.network.output(settle(system, BlockDescent()).state), system.batch).mean())


def implicit(system: System, cost: Cost, dense_units: int = 128) -> Gradients:
    return Implicit(cost, exact_settling(), dense_units).estimate(system.network, system.batch).gradients


def propagate(system: System, cost: Cost, strength: float, sides: Sides = Sides.CENTERED, frozen: bool = False) -> Gradients:
    return EquilibriumPropagation(cost, exact_settling(), strength, sides, frozen).estimate(system.network, system.batch).gradients


def saturating(activation: str, **options: object) -> System:
    """A system some of whose clipped units sit on a face of their box, where they must carry no error."""
    return make_system(activation, biases=(-0.6, 0.6), seed=3, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("cost_name", COST_NAMES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_implicit_gradient_is_the_derivative_of_the_settled_cost(
    activation: str, cost_name: str, readout: int | None, scale: float
) -> None:
    """Every rule is judged by this gradient; it must be the slope of what is reported as cost, for every parameter.

    Along a random direction in each parameter. Step h = 3e-4: truncation h⁴ C⁽⁵⁾ / 30, rounding 1.5e-13 / (1 - .9) / h = 5e-9.
    """
    system, cost = saturating(activation, readout=readout, energy_scale=scale), make_cost(cost_name)
    exact = implicit(system, cost)
    for seed, (name, parameter) in enumerate(system.network.named_parameters()):
        direction = torch.randn(parameter.shape, generator=seeded(seed), dtype=torch.float64)
        direction /= direction.norm()
        slope = oracles.slope_along(lambda: settled_cost(system, cost), parameter, direction, 3e-4)
        assert abs(slope - float((exact[name] * direction).sum())) <= 1e-7


def test_implicit_gradient_equals_finite_differences_entry_by_entry() -> None:
    """One random direction could miss a transposed weight; every single entry cannot."""
    system, cost = make_system("tanh", sizes=(3, 4, 2), energy_scale=0.8), make_cost("squared-error")
    exact = implicit(system, cost)
    for name, parameter in system.network.named_parameters():
        difference = torch.zeros_like(parameter)
        for index in range(parameter.numel()):
            unit = torch.zeros_like(parameter)
            unit.view(-1)[index] = 1
            difference.view(-1)[index] = oracles.slope_along(lambda: settled_cost(system, cost), parameter, unit, 3e-4)
        assert float((difference - exact[name]).detach().abs().max()) <= 1e-8  # as above


def test_saturating_systems_do_have_units_on_their_bounds() -> None:
    """A control: without held units, the tests above would not exercise what they are for."""
    for activation in ("hard-sigmoid", "clipped-relu"):
        system = saturating(activation)
        state = settle(system, BlockDescent()).state
        held = torch.cat([layer.flatten() for layer in system.network.compliance(state)]) == 0
        assert 4 <= int(held.sum()) <= 40
        # And none so near a face that the finite differences' steps of up to 6e-4 push it across.
        hidden = torch.cat([layer.flatten() for layer in state[:-1]])
        assert int(((hidden > 0) & (hidden < 3e-3)).sum()) == 0


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("cost_name", COST_NAMES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_krylov_and_dense_solves_agree(activation: str, cost_name: str, scale: float) -> None:
    """The exact gradient must not depend on which solver the size of the network picks."""
    system, cost = saturating(activation, energy_scale=scale), make_cost(cost_name)
    # MINRES to 10 eps of the right side, times a condition number below 100.
    assert gradient_error(implicit(system, cost, dense_units=0), implicit(system, cost)) < 1e-12


@pytest.mark.parametrize("scale", SCALES)
def test_implicit_gradient_equals_the_dense_formula_from_the_energy_alone(scale: float) -> None:
    """An oracle that uses no closed form of the network: the energy, differentiated twice."""
    system, cost = make_system("tanh", energy_scale=scale), make_cost("squared-error")
    state = settle(system, BlockDescent()).state
    assert gradient_error(implicit(system, cost), oracles.dense_gradient(system.network, system.batch, state, cost)) < 1e-12


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("cost_name", COST_NAMES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_unrolled_gradient_is_the_implicit_one_once_converged(activation: str, cost_name: str, readout: int | None, scale: float) -> None:
    """Two independent derivations of one number: through the sweeps, and at their limit."""
    system, cost = saturating(activation, readout=readout, energy_scale=scale), make_cost(cost_name)
    # The derivative of T sweeps is off by T rho^T, rho < .8 here: 1e-13 after 160.
    rule = Unrolled(cost, Settling(BlockDescent(), Stop(None, 160)))
    assert gradient_error(rule.estimate(system.network, system.batch).gradients, implicit(system, cost)) <= 1e-8


@pytest.mark.parametrize("name", DYNAMICS)
def test_unrolled_gradient_does_not_depend_on_the_dynamics(name: str) -> None:
    """The gradient belongs to the equilibrium; every dynamics must be differentiable all the way."""
    system, cost = make_system("tanh"), make_cost("cross-entropy")
    rule = Unrolled(cost, Settling(DYNAMICS[name](), Stop(None, 250)))
    assert gradient_error(rule.estimate(system.network, system.batch).gradients, implicit(system, cost)) <= 1e-8


def test_truncated_backpropagation_tends_to_the_implicit_gradient() -> None:
    """Going further back from the equilibrium must only add what is missing, by a constant factor a sweep."""
    system, cost = make_system("tanh"), make_cost("squared-error")
    exact = implicit(system, cost)
    rules = [Unrolled(cost, exact_settling(), truncation) for truncation in (1, 2, 4, 8, 16, 80)]
    errors = [gradient_error(rule.estimate(system.network, system.batch).gradients, exact) for rule in rules]
    assert all(later < earlier for earlier, later in pairwise(errors))
    assert errors[0] > 1e-2
    assert errors[-1] <= 1e-10


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("cost_name", COST_NAMES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_recurrent_backpropagation_is_the_implicit_gradient(activation: str, cost_name: str, readout: int | None, scale: float) -> None:
    """Almeida and Pineda's iteration has the same limit; its adjoint carries a certificate too."""
    system, cost = saturating(activation, readout=readout, energy_scale=scale), make_cost(cost_name)
    estimate = RecurrentBackprop(cost, Settling(BlockDescent(), TIGHT, TIGHT)).estimate(system.network, system.batch)
    # Residual 1e-13 over 1 - rho of at least .01 (the linear net), on gradients of norm .01 and more.
    assert gradient_error(estimate.gradients, implicit(system, cost)) < 1e-9
    assert float(estimate.relaxations["adjoint"].residual.max()) <= TIGHT.tolerance


@pytest.mark.parametrize(
    ("activation", "slope"), [("tanh", lambda s: 1 - s**2), ("logistic", lambda s: s * (1 - s)), ("linear", torch.ones_like)]
)
@pytest.mark.parametrize("scale", SCALES)
def test_feedforward_backpropagation_is_the_chain_rule(activation: str, slope: object, scale: float) -> None:
    """The baseline that everything is compared with, against the textbook's recursion; the energy scale plays no part in it."""
    system = make_system(activation, energy_scale=scale)
    rule = FeedforwardBackprop(make_cost("squared-error"))
    one_hot = torch.nn.functional.one_hot(system.batch.labels, 3)

    def output_error(output: Tensor) -> Tensor:
        return output - one_hot

    expected = oracles.hand_backprop(system.network, system.batch, output_error, slope)  # type: ignore[arg-type]
    assert gradient_error(rule.estimate(system.network, system.batch).gradients, expected) < 1e-14


def test_feedforward_backpropagation_answers_with_the_bottom_up_pass() -> None:
    """Backpropagation is to be tested as the feedforward network it trains, not at an equilibrium it knows nothing of."""
    system = make_system("tanh")
    answer = FeedforwardBackprop(make_cost("squared-error")).infer(system.network, system.batch.inputs)
    network, value = system.network, system.batch.inputs
    for index in range(3):
        value = network.activations[index].value(value @ network.weight(index) + network.bias(index))
        torch.testing.assert_close(answer.state[index], value.detach(), rtol=0, atol=1e-15)
    assert answer.steps.tolist() == [1] * 4


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("cost_name", SAMPLE_COSTS)
@pytest.mark.parametrize(("sides", "order"), [("positive", 1), ("negative", 1), ("centered", 2)])
def test_bias_is_first_order_in_strength_one_sided_and_second_order_centered(sides: str, order: int, cost_name: str, frozen: bool) -> None:
    """The orders are what makes the centered estimate worth its third phase; the reference measures .97, 1.04 and 2.01."""
    system, cost = make_system("tanh", sizes=TOY, gain=0.7, batch_size=3), make_cost(cost_name)

    def rule_of(strength: float) -> EquilibriumPropagation:
        return EquilibriumPropagation(cost, exact_settling(), strength, Sides(sides), frozen)

    bias = bias_in_strength(rule_of, system.network, system.batch, implicit(system, cost), SMALL_STRENGTHS)
    # The next order bends the slope by about beta, at most .02 here, times the ratio of the orders' coefficients.
    assert abs(bias.order - order) < 0.1
    assert bias.errors[-1] > 1e-6  # far above the residuals: a bias was measured, not rounding


def test_random_sign_has_no_first_order_bias_on_average() -> None:
    """One nudged phase with a random sign is as good as two in the mean: the odd orders cancel."""
    system, cost = make_system("tanh", sizes=TOY, batch_size=3), make_cost("squared-error")
    positive, negative = (propagate(system, cost, 0.05, Sides(side)) for side in ("positive", "negative"))
    mean = {name: (positive[name] + negative[name]) / 2 for name in positive}
    assert gradient_error(mean, propagate(system, cost, 0.05)) < 1e-9  # residuals 1e-11 over 2 beta = .1
    assert gradient_error(mean, implicit(system, cost)) < 0.1 * gradient_error(positive, implicit(system, cost))


def test_frozen_and_live_nudges_agree_to_first_order() -> None:
    """The frozen nudge is the easier one to build; it is a different estimate whose difference vanishes with the strength."""
    system, cost = make_system("tanh", sizes=TOY, batch_size=3), make_cost("squared-error")
    exact = implicit(system, cost)
    sided, centered = [], []
    for strength in (0.02, 0.01):
        live, frozen = (propagate(system, cost, strength, Sides.POSITIVE, frozen) for frozen in (False, True))
        sided.append(gradient_error({name: frozen[name] - live[name] + exact[name] for name in exact}, exact))
        live, frozen = (propagate(system, cost, strength, Sides.CENTERED, frozen) for frozen in (False, True))
        centered.append(gradient_error({name: frozen[name] - live[name] + exact[name] for name in exact}, exact))
    # Halving beta halves a first-order difference and quarters a second-order one, to a relative beta of .02.
    assert sided[0] / sided[1] == pytest.approx(2, abs=0.05)
    assert centered[0] / centered[1] == pytest.approx(4, abs=0.1)
    assert sided[1] > 1e-3


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("cost_name", SAMPLE_COSTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_centered_estimate_tends_to_the_exact_gradient(activation: str, cost_name: str, readout: int | None) -> None:
    """The theorem of equilibrium propagation, for every unit energy and cost."""
    system, cost = saturating(activation, readout=readout), make_cost(cost_name)
    # beta² C with C < 10 at 1e-4: 1e-7; residuals 1e-11 relative to beta.
    assert gradient_error(propagate(system, cost, 1e-4), implicit(system, cost)) < 1e-6


@pytest.mark.parametrize("name", DYNAMICS)
def test_centered_estimate_does_not_depend_on_the_dynamics(name: str) -> None:
    """The theorem must hold for every dynamics."""
    system, cost = make_system("tanh"), make_cost("squared-error")
    rule = EquilibriumPropagation(cost, exact_settling(DYNAMICS[name]()), 1e-4)
    # Slow dynamics stop at the same residual, further from the equilibrium: 1e-11 * 10 for Euler's half steps.
    assert gradient_error(rule.estimate(system.network, system.batch).gradients, implicit(system, cost)) < 1e-6


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("scale", [1.0, 0.3, 0.1])
def test_centered_estimate_equals_unrolled_for_every_layer_energy_scale(scale: float, frozen: bool) -> None:
    """The scaled energy is still one exact energy: strengths in units of its last stiffness keep EP exact."""
    system, cost = make_system("tanh", sizes=TOY, energy_scale=scale, gain=0.7), make_cost("squared-error")
    through = Unrolled(cost, Settling(BlockDescent(), Stop(None, 160))).estimate(system.network, system.batch).gradients
    # beta² C at 1e-4 is below 1e-7; the rounding of states, 1e-16 / (beta λ²) = 1e-10, is far below.
    assert gradient_error(propagate(system, cost, 1e-4, frozen=frozen), through) <= 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_smaller_layer_energy_scales_bring_the_gradient_nearer_to_backpropagation(seed: int) -> None:
    """The scale dials from a recurrent network to a feedforward one; at 1 the two gradients are far apart."""
    gain, cost = 1.2, make_cost("squared-error")
    cosines = []
    for scale in (1.0, 0.3, 0.1, 0.01):
        system = make_system("tanh", sizes=TOY, energy_scale=scale, gain=gain, seed=seed)
        backprop = FeedforwardBackprop(cost).estimate(system.network, system.batch).gradients
        cosines.append(cosine(propagate(system, cost, 1e-3), backprop))
    assert all(later > earlier for earlier, later in pairwise(cosines))
    assert cosines[0] < 0.95
    assert cosines[-1] > 0.9999  # off by feedback of relative size .01


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("readout", READOUTS)
def test_costs_that_couple_rows_are_trained_by_nudging_too(readout: int | None, frozen: bool) -> None:
    """A batch whose rows act on each other is one joint system: the theorem asks for nothing more."""
    system, cost = make_system("tanh", readout=readout, batch_size=6, gain=0.9), SimilarityCost()
    exact = implicit(system, cost)
    estimate = propagate(system, cost, 0.02, frozen=frozen)
    assert cosine(estimate, exact) > 0.999
    fine = propagate(system, cost, 1e-4, frozen=frozen)
    assert gradient_error(fine, exact) < 1e-6  # beta² C with C < 10, at 1e-4
    for seed, (name, parameter) in enumerate(system.network.named_parameters()):
        direction = torch.randn(parameter.shape, generator=seeded(seed), dtype=torch.float64)
        direction /= direction.norm()
        slope = oracles.slope_along(lambda: settled_cost(system, cost), parameter, direction, 3e-4)
        assert abs(slope - float((fine[name] * direction).sum())) <= 1e-6


def test_coupled_rows_do_act_on_each_other() -> None:
    """A control: without coupling, the test above would say nothing new."""
    system, cost = make_system("tanh", batch_size=6), SimilarityCost()
    whole = implicit(system, cost)
    halves = [
        implicit(System(system.network, system.batch._replace(inputs=x, labels=y)), cost)
        for x, y in zip(*(t.chunk(2) for t in system.batch[:2]), strict=True)
    ]
    assert gradient_error({name: (halves[0][name] + halves[1][name]) / 2 for name in whole}, whole) > 0.05


def test_every_sign_of_the_gradient_lowers_the_cost() -> None:
    """The sign convention of the whole project: parameters minus a small multiple of the estimate have a lower cost."""
    cost = make_cost("squared-error")
    setting = Setting(cost, exact_settling(), strength=0.05, fraction=0.05)
    for name in (
        "implicit",
        "recurrent-backprop",
        "unrolled",
        "ep-positive",
        "ep-negative",
        "ep-centered",
        "ep-random",
        "coupled-centered",
    ):
        system = make_system("tanh")
        before = settled_cost(system, cost)
        gradients = build_rule(name, setting).estimate(system.network, system.batch, generator=seeded(0)).gradients
        with torch.no_grad():
            for key, parameter in system.network.named_parameters():
                parameter -= 0.01 * gradients[key]
        # First order: .01 |gradient|², with |gradient| > .3 here.
        assert settled_cost(system, cost) < before - 5e-4


def test_one_sided_estimates_are_the_gradients_of_bounds_on_the_cost() -> None:
    r"""At any strength, not only small ones (Scellier et al., 2023): why the negative side learns where the positive one fails.

    :math:`L_\beta = [\min_s (E + \beta C) - \min_s E] / \beta` has the one-sided estimate as its gradient, exactly; it lies below the
    cost for positive beta, and above for negative.
    """
    system, cost, strength = make_system("tanh"), make_cost("squared-error"), 0.4
    network = system.network
    free = settle(system, BlockDescent()).state

    def bound(sign: int) -> float:
        with torch.no_grad():
            rest = settle(system, BlockDescent()).state
            nudged = settle(system, BlockDescent(), phase=Nudge(cost, system.batch, sign * strength)).state
            clamped = network.clamp(system.batch.inputs)
            total = network.energy(nudged, clamped) + sign * strength * cost.value(network.output(nudged), system.batch)
            return float((total - network.energy(rest, clamped)).mean()) / (sign * strength)

    true_cost = float(cost.value(network.output(free), system.batch).mean())
    assert bound(1) < true_cost - 1e-3
    assert bound(-1) > true_cost + 1e-3
    for sign, sides in ((1, Sides.POSITIVE), (-1, Sides.NEGATIVE)):
        estimate = propagate(system, cost, strength, sides)
        for seed, (name, parameter) in enumerate(network.named_parameters()):
            direction = torch.randn(parameter.shape, generator=seeded(seed), dtype=torch.float64)
            direction /= direction.norm()
            slope = oracles.slope_along(lambda sign=sign: bound(sign), parameter, direction, 3e-4)
            # Truncation as above; the energies' rounding 1e-14 / .4 / h = 1e-10.
            assert abs(slope - float((estimate[name] * direction).sum())) <= 1e-7


# Output units that a rule could hold do not exist beside a readout.
@pytest.mark.parametrize(
    ("rule", "readout"),
    [(n, r) for n in RULE_NAMES for r in READOUTS if r is None or n not in HOLDING_RULES],
)
def test_a_single_layer_is_a_network_under_every_rule(rule: str, readout: int | None) -> None:
    """One free layer has no feedback: every gradient rule is then the delta rule or its readout's, and none may crash."""
    generator = torch.Generator().manual_seed(4)
    network = Layered((5, 3), activation=ACTIVATIONS["tanh"], readout=readout, generator=generator, dtype=torch.float64)
    batch = Batch(torch.rand(6, 5, generator=generator, dtype=torch.float64), torch.randint(3, (6,), generator=generator))
    setting = Setting(SquaredError(), exact_settling(), strength=1e-4, fraction=1e-4)
    estimate = build_rule(rule, setting).estimate(network, batch, generator=generator).gradients
    exact = FeedforwardBackprop(SquaredError()).estimate(network, batch).gradients
    # One-sided bias is of the order of the strength, 1e-4, times a curvature of about 1. Weights that move within a phase answer a step
    # by up to a twentieth of it, and in the mean of both sides the first order of that cancels: twice .05^2.
    assert gradient_error(estimate, exact) < (5e-3 if rule == "ep-continual" else 1e-3)


@pytest.mark.parametrize("dense_units", [128, 0])
def test_implicit_refuses_a_state_that_is_no_minimum(dense_units: int) -> None:
    """At a saddle the implicit function theorem still gives a number, of a state that no relaxation would stay at."""
    generator = torch.Generator().manual_seed(0)
    network = Layered((2, 4, 3), activation=ACTIVATIONS["linear"], gain=20.0, generator=generator, dtype=torch.float64)
    batch = Batch(torch.zeros(2, 2, dtype=torch.float64), torch.zeros(2, dtype=torch.int64))
    state = network.initial_state(network.clamp(batch.inputs))  # stationary without inputs, and a saddle at these weights
    curvature = torch.linalg.eigvalsh(dense(network.clamp(batch.inputs), state)[0])
    assert float(curvature.min()) < 0
    with pytest.raises(ConvergenceError, match="2 of 2 samples are not at a minimum"):
        Implicit(SquaredError(), exact_settling(), dense_units).estimate(network, batch)
