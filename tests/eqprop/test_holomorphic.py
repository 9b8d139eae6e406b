"""Estimates from several nudges: orders of their bias, their certificates, and what they refuse."""

from __future__ import annotations

import cmath
import math
from dataclasses import replace

import pytest
import torch
from oracles import gradient_error
from systems import System, make_system, seeded

import eqlab
from contrastive_core.baselines.implicit import Implicit
from contrastive_core.certificate import Status, Stop
from contrastive_core.devices.device import Device
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.errors import DivergenceError, InputError, UnstableNudgeError
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.notation import convolutional
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch, Gradients
from eqprop import RULES
from eqprop.holomorphic.branches import off_branch, shares_off_branch
from eqprop.holomorphic.points import Point, circle, lock_in, reading_gain, richardson
from eqprop.settings import Points, Turning

SETTLING = Settling(free=Stop(1e-13, 5000), second=Stop(1e-13, 5000), backend="torch")
POOLINGS = ("a2", "l2", "w2")


def toy(activation: str = "steep-logistic") -> System:
    """The toy 12-9-7-4 with weights small enough for the circle of .2."""
    return make_system(activation, sizes=(12, 9, 7, 4), gain=0.5, biases=(-0.1, 0.3), batch_size=3)


def pooled(pooling: str) -> System:
    """Two layers of pictures with a pooling, and dense outputs."""
    network = Layered(
        convolutional(f"3c3+1 {pooling} 4c3+1 3", (2, 4, 4)), activation="steep-logistic", gain=0.7, generator=1, dtype=torch.float64
    )
    return System(network, Batch(torch.rand((2, 32), generator=seeded(2), dtype=torch.float64), torch.tensor([0, 2])))


def estimate(
    system: System, name: str, *own: object, strength: float = 0.1, cost: str = "squared-error", **changes: object
) -> eqlab.Estimate:
    """Estimate by a rule that settles to rounding."""
    setting = Setting(cost, replace(SETTLING, **changes), strength=strength, own=own)
    return RULES[name](setting).estimate(system.network, system.batch)


def exact(system: System, cost: str = "squared-error") -> Gradients:
    """Gradient by implicit differentiation."""
    return Implicit(cost, SETTLING).estimate(system.network, system.batch).gradients


def moment(points: tuple[Point, ...], power: int) -> float:
    """Weighted mean of a power of the strengths; complex points stand for their conjugates too."""
    return sum((point.weight * point.strength**power).real for point in points)


@pytest.mark.parametrize(
    ("points", "order"),
    [
        (richardson(4), 4),
        (richardson(6), 6),
        (lock_in(16), 2),
        (lock_in(5), 2),
        *((circle(count), count) for count in (1, 2, 3, 4, 5, 6, 8)),
    ],
    ids=str,
)
def test_the_moments_of_the_points_give_their_order(points: tuple[Point, ...], order: int) -> None:
    """A weight that is a little wrong leaves a bias of lower order, which small strengths hide."""
    assert moment(points, 0) == pytest.approx(1, abs=1e-14)
    assert all(abs(moment(points, power)) < 1e-14 for power in range(1, order))
    assert abs(moment(points, order)) > 1e-3


def test_half_of_the_circle_is_relaxed() -> None:
    """Conjugates relaxed as well would double the cost of every step."""
    assert [len(circle(count)) for count in (1, 2, 3, 4, 5, 8)] == [1, 2, 2, 3, 3, 5]
    assert len(lock_in(16)) == 8  # of 16 readings two have no nudge, and the others come in pairs or stand alone


@pytest.mark.parametrize(
    ("name", "own", "order"),
    [
        ("ep-centered", (), 2),
        ("ep-lock-in", (), 2),
        ("ep-richardson4", (), 4),
        ("ep-richardson6", (), 6),
        *(("ep-holomorphic", (Points(count),), count) for count in (1, 3, 4, 6)),
    ],
)
@pytest.mark.parametrize("cost", ["squared-error", "cross-entropy"])
def test_the_bias_has_the_order_of_the_points(name: str, own: tuple[object, ...], order: int, cost: str) -> None:
    """The whole gain over centered EP would be lost."""
    system = toy()
    gradient = exact(system, cost)
    # Small enough for the leading term, large enough for an error far above rounding.
    strengths = (0.05, 0.025) if order < 6 else (0.2, 0.1)
    errors = [gradient_error(estimate(system, name, *own, strength=one, cost=cost).gradients, gradient) for one in strengths]
    assert math.log(errors[0] / errors[1], 2) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize(("count", "name"), [(1, "ep-positive"), (2, "ep-centered")])
@pytest.mark.parametrize("activation", ["tanh", "logistic"])
def test_one_point_is_positive_and_two_are_centered_propagation(count: int, name: str, activation: str) -> None:
    """The complex rule would be another rule, and comparisons with it would say nothing."""
    system = toy(activation)
    ours, theirs = estimate(system, "ep-holomorphic", Points(count)), estimate(system, name)
    assert all(torch.equal(ours.gradients[one], theirs.gradients[one]) for one in theirs.gradients)


def test_complex_states_are_stationary() -> None:
    """Conjugated transposes or a wrong continuation of a unit would settle somewhere else."""
    system = toy()
    found = estimate(system, "ep-holomorphic", Points(3), strength=0.3)
    state, beta = found.relaxations["point 2 of 3"].state, 0.3 * cmath.exp(2j * math.pi / 3)
    weights = [system.network.weight(index).detach().to(state[0].dtype) for index in range(3)]
    biases = [system.network.bias(index).detach() for index in range(3)]
    first, second, output = state
    inputs = system.batch.inputs.to(state[0].dtype)
    target = torch.nn.functional.one_hot(system.batch.labels, 4).double()
    for layer, drive in (
        (first, inputs @ weights[0] + biases[0] + second @ weights[1].T),
        (second, first @ weights[1] + biases[1] + output @ weights[2].T),
    ):
        assert float((layer - 1 / (1 + torch.exp(2 - 4 * drive))).abs().max()) < 1e-12
    assert float((output - (second @ weights[2] + biases[2] + beta * target) / (1 + beta)).abs().max()) < 1e-12


def test_lock_in_has_three_quarters_of_the_bias_of_centered_propagation() -> None:
    """The mean of the fourth power of a cosine over that of its square: 3/4."""
    system = toy()
    gradient = exact(system)
    ours, theirs = (gradient_error(estimate(system, name, strength=0.02).gradients, gradient) for name in ("ep-lock-in", "ep-centered"))
    assert ours / theirs == pytest.approx(0.75, abs=0.002)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(
    ("name", "own", "order"), [("ep-richardson4", (), 4), ("ep-holomorphic", (Points(4),), 4), ("ep-holomorphic", (Points(3),), 3)]
)
def test_orders_hold_through_convolutions_and_poolings(pooling: str, name: str, own: tuple[object, ...], order: int) -> None:
    """A pooling whose way back is not continued would leave a bias of order 1."""
    system = pooled(pooling)
    gradient = exact(system)
    errors = [gradient_error(estimate(system, name, *own, strength=one, backend="auto").gradients, gradient) for one in (0.1, 0.05)]
    assert math.log(errors[0] / errors[1], 2) == pytest.approx(order, abs=0.1)


def test_a_readout_is_nudged_in_the_complex_plane() -> None:
    """The pull of a readout goes through its weights, real and imaginary parts alike."""
    system = make_system("tanh", sizes=(5, 6), readout=3)
    gradient = exact(system, "cross-entropy")
    errors = [
        gradient_error(estimate(system, "ep-holomorphic", Points(4), strength=one, cost="cross-entropy").gradients, gradient)
        for one in (0.4, 0.2)
    ]
    assert math.log(errors[0] / errors[1], 2) == pytest.approx(4, abs=0.1)


def test_a_turning_nudge_is_exact_as_far_as_the_states_keep_up() -> None:
    """With one sweep per point the states lag behind, with many it is the holomorphic estimate of as many points."""
    system = toy()
    settled = estimate(system, "ep-holomorphic", Points(8))
    errors = [
        gradient_error(estimate(system, "ep-holomorphic-online", Points(8), Turning(sweeps)).gradients, settled.gradients)
        for sweeps in (1, 3, 10, 40)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.01
    assert errors[-1] < 1e-10


def test_every_point_has_its_certificate() -> None:
    """A point that did not settle would be averaged in without a word."""
    system = toy()
    found = estimate(system, "ep-holomorphic", Points(4), second=Stop(1e-13, 1)).relaxations
    assert list(found) == ["free", "point 1 of 4", "point 2 of 4", "point 3 of 4"]
    assert all(
        bool((found[name].status == int(Status.BUDGET)).all()) and float(found[name].residual.min()) > 1e-4 for name in list(found)[1:]
    )
    assert found["point 2 of 4"].state[0].is_complex()
    assert not found["point 3 of 4"].state[0].is_complex()


def test_a_point_that_diverges_is_named() -> None:
    """A dropped point would leave a mean over the others, which is no derivative."""
    # Near -1 the outputs are so soft that they and linear hidden units drive each other without end.
    with pytest.raises(DivergenceError, match=r"diverged in the nudged \(point 4 of 6\) phase"):
        estimate(make_system("linear", sizes=(5, 6, 3)), "ep-holomorphic", Points(6), strength=0.95)


@pytest.mark.parametrize("count", [3, 4])
def test_a_circle_around_a_pole_is_refused(count: int) -> None:
    """At -1 the outputs have no stiffness left: points beyond it average over a pole, even where each of them settles."""
    with pytest.raises(UnstableNudgeError, match=r"outside the circle of convergence: at -1\.2 the energy has no minimum"):
        estimate(toy(), "ep-holomorphic", Points(count), strength=1.2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: estimate(toy("hard-sigmoid"), "ep-holomorphic"), "layer 1 are not holomorphic"),
        (lambda: estimate(pooled("p2"), "ep-holomorphic"), "pooled maximum is not holomorphic"),
        (lambda: estimate(make_system("tanh", kind="memory"), "ep-holomorphic"), "memories have no complex states"),
        (lambda: estimate(toy(), "ep-holomorphic", dynamics="gradient-flow"), "relax by block descent, not by GradientFlow"),
        (lambda: estimate(toy(), "ep-holomorphic", cost="supcon"), "no analytic function of the outputs"),
        (lambda: estimate(make_system(kind="spin"), "ep-holomorphic"), "need a layered or convolutional network"),
        (lambda: estimate(toy(), "ep-holomorphic", Points(0)), "number of points must be a whole number of at least 1, got 0"),
        (lambda: estimate(toy(), "ep-lock-in", Points(2)), "at least 3, got 2"),
        (lambda: estimate(toy(), "ep-holomorphic-online", Points(2)), "at least 3, got 2"),
        (lambda: Points(2.5), "points of Points must be"),
        (lambda: richardson(5), "order 4 or 6 here, got 5"),
        (lambda: RULES["ep-richardson4"](Setting("squared-error", strength=-0.1)), "strength must be positive"),
        (lambda: RULES["ep-holomorphic-online"](Setting("squared-error", frozen=True)), "never frozen"),
    ],
)
def test_what_has_no_meaning_is_refused_in_a_sentence(make: object, message: str) -> None:
    """A number would come out, and be wrong."""
    with pytest.raises(InputError, match=message) as refused:
        make()  # type: ignore[operator]
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("points", "variance"),
    [
        (circle(1), 2.0),  # the free state is read too
        (circle(2), 1 / 2),
        (richardson(4), 65 / 18),
        (circle(4), 1 / 4),
        (circle(5), 1 / 5),
    ],
)
def test_errors_of_reading_reach_the_estimate_as_the_weights_say(points: tuple[Point, ...], variance: float) -> None:
    """Closed forms: sum of squared weights over squared strengths; a circle of N readings has 1/N."""
    assert reading_gain(points, 0.1) ** 2 * 0.1**2 == pytest.approx(variance, rel=1e-12)


@pytest.mark.parametrize("name", ["ep-richardson4", "ep-holomorphic"])
def test_an_ideal_device_changes_nothing(name: str) -> None:
    """Readings without errors are the states themselves."""
    system = toy()
    held = estimate(system._replace(network=OnDevice(system.network, Device())), name)
    plain = estimate(system, name)
    # The weights are programmed as conductances and read back; contrasts of states lose digits that differences keep.
    assert gradient_error(held.gradients, plain.gradients) < 1e-6


def test_float32_loses_no_digits_to_complex_nudges() -> None:
    """At a strength of 1e-5 the difference of two float32 states is rounding, and displacements are not."""
    system = toy()
    double = exact(system)
    single = System(system.network.float(), system.batch._replace(inputs=system.batch.inputs.float()))
    coarse = {"free": Stop(1e-6, 500), "second": Stop(1e-5, 500)}
    found = estimate(single, "ep-holomorphic", Points(4), strength=1e-5, **coarse).gradients
    assert all(value.dtype == torch.float32 for value in found.values())
    assert gradient_error({name: value.double() for name, value in found.items()}, double) < 1e-3


@pytest.mark.parametrize("points", [circle(2), circle(5), richardson(4), lock_in(6)], ids=["centered", "circle", "richardson", "lock-in"])
def test_the_gain_is_that_of_drawn_errors(points: tuple[Point, ...]) -> None:
    """The study of noise would compare rules by a formula that no reading follows."""
    draws = 40_000
    total = torch.zeros(draws, dtype=torch.float64)
    for index, point in enumerate(points):
        noise = torch.randn((2, 2, draws), generator=seeded(index), dtype=torch.float64)
        factor = complex(point.weight / point.strength / 0.3)
        # A complex point stands for two readings, its own and that of its conjugate, with half of the weight each.
        parts = 1 if isinstance(point.strength, float) else 2
        total += sum((factor.real * noise[part, 0] - factor.imag * noise[part, 1]) / parts for part in range(parts))
    # The relative standard error of a standard deviation is 1 / sqrt(2 n).
    assert float(total.std()) == pytest.approx(reading_gain(points, 0.3), rel=4.5 / math.sqrt(2 * draws))


def test_bias_wants_extrapolation_and_noise_wants_points() -> None:
    """Four nudges each: without errors of reading the extrapolation is better, with large ones the circle."""
    ours, theirs = circle(4), richardson(4)
    assert reading_gain(ours, 0.1) < reading_gain(theirs, 0.1) / 3
    system = toy()
    gradient = exact(system)
    errors = [gradient_error(estimate(system, name, Points(4)).gradients, gradient) for name in ("ep-richardson4", "ep-holomorphic")]
    assert errors[0] < errors[1] / 3


@pytest.mark.parametrize("count", [3, 4, 8])
def test_a_point_off_the_branch_is_named(count: int) -> None:
    """A stationary state of another branch has no residual: only the mean over the circle tells it from the right one."""
    points = circle(count)
    free = (torch.tensor([[1.0, 1.0], [1.0, 0.5]], dtype=torch.float64),)
    middle = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.complex128)

    def states(radius: float) -> list[tuple[torch.Tensor, ...]]:
        return [(free[0] + 1 / (middle - radius * point.strength) - 1 / middle,) for point in points]

    assert not any(bool(off.any()) for off in off_branch(points, free, states(0.2)))  # poles at 1, 2, 3 and 4
    jumped = states(0.2)
    jumped[1] = (jumped[1][0] + torch.tensor([[0.0, 0.0], [0.7, 0.0]]),)
    assert [off.tolist() for off in off_branch(points, free, jumped)] == [[False, index == 1] for index in range(len(points))]
    around = off_branch(points, free, states(1.5))  # around the poles of the first sample alone
    assert torch.stack(around).any(0).tolist()[0]
    assert not any(bool(off.any()) for off in off_branch(circle(2), free, [free, free]))


def test_an_estimate_beyond_the_circle_of_convergence_says_so() -> None:
    """Every point settles, and the mean over them is no gradient: if this fails, it has certificates like those of a right one."""
    network = Layered((12, 9, 7, 4), activation="tanh", output_activation="tanh", gain=0.7, generator=seeded(0), dtype=torch.float64)
    system = System(network, toy().batch)
    inside, beyond = (estimate(system, "ep-holomorphic", Points(4), strength=strength, second=Stop(1e-10, 600)) for strength in (0.1, 0.8))
    # Below .02 and .55: the order is lost between the two.
    assert 10 * gradient_error(inside.gradients, exact(system)) < 0.2 < gradient_error(beyond.gradients, exact(system))
    assert shares_off_branch(inside.relaxations) == {}
    assert shares_off_branch(beyond.relaxations) == {"point 2 of 4": 1.0}
    for found, unsettled in ((inside, 0), (beyond, 3)):
        for name, phase in found.relaxations.items():
            assert float(phase.residual.max()) <= 1e-10, name
            assert int((phase.status != Status.CONVERGED).sum()) == (unsettled if name == "point 2 of 4" else 0), name
