"""The theorems that equilibrium propagation and coupled learning rest on, as identities, each with a control that breaks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import oracles
import pytest
import torch
from oracles import cosine, gradient_error, relative_error
from systems import TIGHT, TOY, System, build_rule, exact_settling, make_cost, make_system, settle
from torch import Tensor

from contrastive_core.baselines.implicit import Implicit
from contrastive_core.baselines.unrolled import Unrolled
from contrastive_core.certificate import Status, Stop
from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.costs.cross_entropy import CrossEntropy
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics import DYNAMICS
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.errors import DivergenceError
from contrastive_core.network import Clamped
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.phases import Nudge, Phase, Sides
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch, Gradients, State
from eqprop.rule import EquilibriumPropagation
from hebbian.coupled import CoupledLearning

SWEEPS = (1, 3, 6)
ORDERS = ("forward", "backward", "even-odd", "odd-even")
STRENGTH = 1e-5
"""Centered: bias beta² = 1e-10, rounding of states 1e-16 / beta = 1e-11, each times factors of order 1."""


@final
@dataclass(frozen=True)
class SameOrder(Dynamics):
    """The control: a dynamics whose nudged phase visits the blocks in the order of the free phase."""

    inner: Dynamics

    def advance(
        self, state: State, memory: None, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None
    ) -> tuple[State, Tensor, None]:
        """Take the inner step."""
        return (*self.inner.step(state, clamped, phase, generator), None)

    @property
    def compiled(self) -> None:
        """Have no kernel."""
        return None

    def reversed(self) -> Dynamics:
        """Do not reverse."""
        return self


def toy(activation: str = "tanh", **options: object) -> System:
    return make_system(activation, sizes=TOY, gain=0.7, batch_size=3, seed=1, **options)  # type: ignore[arg-type]


def truncated_difference(system: System, dynamics: Dynamics, sweeps: int, cost_name: str = "squared-error") -> float:
    """The relative difference of EP with K nudged sweeps and backpropagation through the last K free sweeps."""
    cost = make_cost(cost_name)
    settling = Settling(dynamics, TIGHT, Stop(None, sweeps), backend="torch")
    local = EquilibriumPropagation(cost, settling, STRENGTH).estimate(system.network, system.batch)
    assert local.relaxations["positive"].steps.tolist() == [sweeps] * 3
    through = Unrolled(cost, settling, truncation=sweeps).estimate(system.network, system.batch)
    return gradient_error(local.gradients, through.gradients)


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("cost_name", SAMPLE_COSTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_nudged_sweeps_in_reversed_order_are_truncated_backpropagation(order: str, activation: str, cost_name: str, scale: float) -> None:
    """K local sweeps compute what backpropagation through the last K sweeps does: the reason why few sweeps suffice."""
    system = toy(activation, energy_scale=scale, biases=(-0.4, 0.4))
    for sweeps in SWEEPS:
        # STRENGTH's 1e-10 and 1e-11 / scale², the state's displacement being smaller by the scale in each layer down.
        assert truncated_difference(system, BlockDescent(order), sweeps, cost_name) <= 1e-9


@pytest.mark.parametrize("output_activation", ["tanh", "logistic"])
def test_reversal_theorem_needs_the_nudge_inside_a_smooth_output(output_activation: str) -> None:
    """With the nudge added outside a squashing output, the summed update is off by half; here it is inside, and exact."""
    system = toy("tanh", output_activation=output_activation)
    for sweeps in SWEEPS:
        assert truncated_difference(system, BlockDescent("forward"), sweeps) <= 1e-9


@pytest.mark.parametrize("sweeps", SWEEPS)
def test_reversal_theorem_holds_through_a_readout(sweeps: int) -> None:
    """A readout is part of the cost; the theorem is about the state below it."""
    assert truncated_difference(toy("tanh", readout=3), BlockDescent("forward"), sweeps, "cross-entropy") <= 1e-9


@pytest.mark.parametrize("sweeps", [1, 2, 3])
@pytest.mark.parametrize("order", ORDERS)
def test_nudged_sweeps_in_the_same_order_are_not_truncated_backpropagation(order: str, sweeps: int) -> None:
    """The control: the same sweeps in the free phase's order are .43 off for K = 1 and .037 for K = 3."""
    assert truncated_difference(toy(), SameOrder(BlockDescent(order)), sweeps) > 1e-3


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sweeps", SWEEPS)
def test_synchronous_nudged_steps_are_truncated_backpropagation(sweeps: int, activation: str) -> None:
    """Synchronous steps have no order to reverse; damped ones are still the transpose of themselves."""
    system = toy(activation, biases=(-0.4, 0.4))
    assert truncated_difference(system, Synchronous(), sweeps) <= 1e-9


def partial_gradients(system: System, state: State, sweep: Dynamics, sweeps: int) -> list[Gradients]:
    """Term of backpropagation through time for the copy of the parameters used 1, 2, ... steps before the end.

    At a fixed point all steps are the same function, so one graph serves them all.
    """
    network, cost = system.network, SquaredError()
    named = dict(network.named_parameters())
    start = tuple(layer.clone().requires_grad_() for layer in state)
    after, _ = sweep.step(start, network.clamp(system.batch.inputs))
    back = (*(torch.zeros_like(layer) for layer in state[:-1]), cost.gradient(state[-1], system.batch) / len(state[0]))
    partials = []
    for _ in range(sweeps):
        grads = torch.autograd.grad(after, (*named.values(), *start), back, retain_graph=True, allow_unused=True)
        filled = [torch.zeros_like(like) if g is None else g for g, like in zip(grads, (*named.values(), *start), strict=True)]
        partials.append(dict(zip(named, filled, strict=False)))
        back = tuple(filled[len(named) :])
    return partials


def increments(system: System, state: State, sweep: Dynamics, sweeps: int) -> list[Gradients]:
    """Term that each nudged step adds to the centered estimate, from ``Dynamics.step`` alone."""
    network, clamped = system.network, system.clamped
    strength = STRENGTH * network.stiffness[-1]
    plus, minus, steps = state, state, []
    with torch.no_grad():
        before = network.energy_gradient(plus, clamped, minus)
        for _ in range(sweeps):
            plus, _ = sweep.step(plus, clamped, Nudge(SquaredError(), system.batch, strength))
            minus, _ = sweep.step(minus, clamped, Nudge(SquaredError(), system.batch, -strength))
            now = network.energy_gradient(plus, clamped, minus)
            steps.append({name: (now[name] - before[name]) / (2 * strength) for name in now})
            before = now
    return steps


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("name", ["synchronous", "forward", "backward", "even-odd"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_nudged_step_adds_the_partial_gradient_of_one_step_of_bptt(activation: str, name: str, scale: float) -> None:
    """The step-by-step theorem (Ernoult et al., 2019): local dynamics play backpropagation through time, step for step."""
    system = toy(activation, energy_scale=scale)
    free = DYNAMICS[name]()
    state = settle(system, free).state
    partials, local = partial_gradients(system, state, free, 8), increments(system, state, free.reversed(), 8)
    sums = [{key: torch.stack([g[key] for g in steps]).sum(0) for key in partials[0]} for steps in (local, partials)]
    assert gradient_error(*sums) <= 1e-8  # beta² = 1e-10 and eps / beta / scale² = 1e-10
    # Increments shrink by the contraction at each step, up to a factor 100 a sweep, while the rounding of the states, at most
    # 1e-10 of the first, does not: what is left of relative precision after two such steps is 1e-6.
    assert [step for step in range(3) if not gradient_error(local[step], partials[step]) <= 1e-5] == []
    first = oracles.joined(partials[0]).norm()
    differences = [(oracles.joined(mine) - oracles.joined(exact)).norm() / first for mine, exact in zip(local, partials, strict=True)]
    assert max(differences) <= 1e-9


def test_step_by_step_theorem_fails_in_the_same_order_or_for_another_sign() -> None:
    """Controls: the test above can tell."""
    system, sweep = toy(), BlockDescent("forward")
    state = settle(system, sweep).state
    partials, wrong = partial_gradients(system, state, sweep, 3), increments(system, state, sweep, 3)
    assert [gradient_error(mine, exact) > 1e-3 for mine, exact in zip(wrong, partials, strict=True)] == [True] * 3
    right = increments(system, state, sweep.reversed(), 3)
    assert [gradient_error({n: -g for n, g in mine.items()}, exact) > 1 for mine, exact in zip(right, partials, strict=True)] == [True] * 3


def coupled(system: System, fraction: float, sides: Sides = Sides.CENTERED, cost_name: str = "squared-error") -> Gradients:
    return CoupledLearning(make_cost(cost_name), exact_settling(), fraction, sides).estimate(system.network, system.batch).gradients


def exact(system: System, cost_name: str = "squared-error") -> Gradients:
    return Implicit(make_cost(cost_name), exact_settling()).estimate(system.network, system.batch).gradients


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("cost_name", SAMPLE_COSTS)
@pytest.mark.parametrize("activation", ["tanh", "logistic", "linear"])
def test_coupled_learning_tends_to_the_gradient_with_the_error_times_the_outputs_curvature(
    activation: str, cost_name: str, scale: float
) -> None:
    """Coupled learning computes another direction: the error g is replaced by H g, H the curvature of the energy left to the outputs."""
    system, cost = toy(activation, energy_scale=scale), make_cost(cost_name)
    state = settle(system, BlockDescent()).state
    stiffness = system.network.stiffness[-1]  # the unit of the outputs' curvature
    limit = oracles.dense_gradient(system.network, system.batch, state, cost, lambda error, curvature: curvature @ error / stiffness)
    # Centered: fraction² = 1e-8 times the third derivatives of the energy, below 1 here; rounding 1e-16 / 1e-4.
    assert gradient_error(coupled(system, 1e-4, cost_name=cost_name), limit) <= 1e-7


@pytest.mark.parametrize("fraction", [0.5, 0.1, 0.02, 1e-4])
@pytest.mark.parametrize("sides", [Sides.POSITIVE, Sides.NEGATIVE, Sides.CENTERED])
def test_coupled_learning_is_not_the_gradient_at_any_fraction(sides: Sides, fraction: float) -> None:
    """The reference measures about .3 relative error at every fraction, cosine .995: near, and not the gradient."""
    system = toy()
    error = gradient_error(coupled(system, fraction, sides), exact(system))
    assert error > 0.05
    assert cosine(coupled(system, fraction, sides), exact(system)) > 0.9


def test_contrastive_hebbian_learning_is_not_the_gradient() -> None:
    """Holding the outputs all the way is further off still: about .49, cosine .90 in the reference."""
    system = toy()
    setting = Setting(SquaredError(), exact_settling())
    estimate = build_rule("contrastive-hebbian", setting).estimate(system.network, system.batch).gradients
    assert gradient_error(estimate, exact(system)) > 0.05
    assert cosine(estimate, exact(system)) > 0.5


def test_coupled_learning_is_nearer_to_the_gradient_where_feedback_is_weak() -> None:
    """H tends to the identity with the layer energy scale: the deviation is the feedback's, not an error of the code."""
    errors = []
    for scale in (1.0, 0.3, 0.1):
        system = toy(energy_scale=scale)
        errors.append(gradient_error(coupled(system, 1e-3), exact(system)))
    assert errors[0] > 2 * errors[1]
    assert errors[1] > 2 * errors[2]


@pytest.mark.parametrize("cost_name", SAMPLE_COSTS)
def test_contrastive_hebbian_learning_is_coupled_learning_of_fraction_one(cost_name: str) -> None:
    """The two are one rule, bit for bit, whatever fraction the setting asks for."""
    system, settling = toy(), exact_settling()
    hebbian = build_rule("contrastive-hebbian", Setting(make_cost(cost_name), settling, fraction=0.1)).estimate(
        system.network, system.batch
    )
    positive = build_rule("coupled-positive", Setting(make_cost(cost_name), settling, fraction=1.0)).estimate(system.network, system.batch)
    for name, value in hebbian.gradients.items():
        assert torch.equal(value, positive.gradients[name])


def test_contrastive_hebbian_learning_holds_the_outputs_at_their_targets() -> None:
    """With squared error, o - (o - y) is y: the clamped phase of Hopfield networks since 1988."""
    system = toy()
    estimate = build_rule("contrastive-hebbian", Setting(SquaredError(), exact_settling())).estimate(system.network, system.batch)
    targets = torch.nn.functional.one_hot(system.batch.labels, 4).double()
    held = estimate.relaxations["positive"].state
    torch.testing.assert_close(held[-1], targets, rtol=0, atol=1e-15)
    free = estimate.relaxations["free"].state
    expected = system.network.energy_gradient(held, system.clamped, free)
    assert gradient_error(estimate.gradients, {name: value.detach() for name, value in expected.items()}) == 0


def test_contrastive_hebbian_learning_leaves_a_right_prediction_as_it_is() -> None:
    """With cross-entropy the outputs are held at o - p + y, and not at y, where learning would leave the minimum of the cost."""
    system = toy()
    rule = build_rule("contrastive-hebbian", Setting(CrossEntropy(), exact_settling()))
    output = rule.infer(system.network, system.batch.inputs).state[-1]
    held = rule.estimate(system.network, system.batch).relaxations["positive"].state[-1]
    targets = torch.nn.functional.one_hot(system.batch.labels, 4).double()
    torch.testing.assert_close(held, output - output.softmax(1) + targets, rtol=0, atol=1e-10)  # relaxed to 1e-11
    right = rule.estimate(system.network, Batch(system.batch.inputs, output.softmax(1)))
    assert max(float(gradient.abs().max()) for gradient in right.gradients.values()) < 1e-9


def test_held_states_are_those_of_the_fraction_on_both_sides() -> None:
    """The outputs are held towards lower cost on the positive side, by the fraction of the error."""
    system, cost = toy(), SquaredError()
    phases = CoupledLearning(cost, exact_settling(), 0.3).estimate(system.network, system.batch).relaxations
    output = phases["free"].state[-1]
    error = cost.gradient(output, system.batch)
    torch.testing.assert_close(phases["positive"].state[-1], output - 0.3 * error, rtol=0, atol=1e-15)
    torch.testing.assert_close(phases["negative"].state[-1], output + 0.3 * error, rtol=0, atol=1e-15)


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("strength", [-1.0, -1.5, -20.0])
@pytest.mark.parametrize("name", DYNAMICS)
def test_negative_nudge_without_a_minimum_is_reported_as_diverged(name: str, strength: float, scale: float) -> None:
    """At beta <= -1 the outputs' energy has no minimum; where a relaxation happens to end there is no equilibrium."""
    system = toy(energy_scale=scale)
    start = settle(system, BlockDescent()).state
    answer = settle(system, DYNAMICS[name](), Stop(1e-3, 50), Nudge(SquaredError(), system.batch, strength * scale**3), start)
    assert answer.status.tolist() == [int(Status.DIVERGED)] * 3
    assert answer.residual.tolist() == [float("inf")] * 3
    assert answer.steps.tolist() == [0] * 3


@pytest.mark.parametrize("rule_name", ["ep-negative", "ep-centered"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_rule_without_a_minimum_raises_and_says_what_to_do(rule_name: str, scale: float) -> None:
    """A gradient estimated from a runaway state would train the network on noise."""
    system = toy(energy_scale=scale)
    rule = build_rule(rule_name, Setting(SquaredError(), exact_settling(), strength=1.0))
    with pytest.raises(DivergenceError, match=r"3 of 3 samples diverged in the negative phase: the energy has no minimum.*nearer to 0"):
        rule.estimate(system.network, system.batch)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_negative_nudge_just_above_the_limit_settles(scale: float) -> None:
    """The limit is exactly -1 in units of the output stiffness: refusing too early would forbid sound settings."""
    system = make_system("tanh", sizes=TOY, gain=0.05, batch_size=3, energy_scale=scale)
    cost, strength = SquaredError(), -0.99
    answer = settle(system, BlockDescent(), phase=Nudge(cost, system.batch, strength * scale**3))
    assert answer.status.tolist() == [int(Status.CONVERGED)] * 3
    state = tuple(layer.clone().requires_grad_() for layer in answer.state)
    total = system.network.energy(state, system.clamped) + strength * scale**3 * cost.value(state[-1], system.batch)
    # Curvature .01 of the outputs: the residual of 1e-13 is theirs divided by it, so the slope is smaller still.
    assert max(float(slope.abs().max()) for slope in torch.autograd.grad(total.sum(), state)) < 1e-12
    rule = build_rule("ep-negative", Setting(cost, exact_settling(), strength=0.99))
    gradients = rule.estimate(system.network, system.batch).gradients
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients.values())


def test_frozen_nudge_has_a_minimum_at_any_strength() -> None:
    """A constant force adds no curvature, so nothing runs away, at -3 as little as at 3."""
    system, cost = toy(), SquaredError()
    free = settle(system, BlockDescent()).state
    frozen = Nudge(cost, system.batch, -3.0, cost.gradient(free[-1], system.batch))
    assert settle(system, BlockDescent("backward"), Stop(1e-9, 500), frozen, free).status.tolist() == [int(Status.CONVERGED)] * 3


@pytest.mark.parametrize("strength", [0.5, -0.5])
def test_nudged_output_is_the_exact_minimum_by_hand(strength: float) -> None:
    """One linear layer, one unit: o = (u + beta y) / (1 + beta), not one step towards it."""
    system = make_system(sizes=(2, 1), batch_size=1)
    target = torch.tensor([[0.7]], dtype=torch.float64)
    batch = system.batch._replace(labels=target)
    answer = settle(system, BlockDescent(), phase=Nudge(SquaredError(), batch, strength))
    expected = (system.clamped.drive + strength * target) / (1 + strength)
    assert relative_error(answer.state[0], expected) < 1e-15
    assert answer.steps.tolist() == [2]
