"""Energies of logits, gradients of inputs, attacks and measures of joint models, against identities and slow twins."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.cost import Cost
from contrastive_core.costs.cross_entropy import CrossEntropy
from contrastive_core.data import DATASETS
from contrastive_core.errors import InputError, ShapeError
from contrastive_core.generators import generator_of
from contrastive_core.joint import ARMS
from contrastive_core.joint.arms import against
from contrastive_core.joint.attack import ascended, attack_path, attacked, inside, langevin, random_start
from contrastive_core.joint.costs import ClassEnergy, Discrimination, Likelihood, log_density
from contrastive_core.joint.input_gradient import Classifier
from contrastive_core.joint.measures import calibration_error, detection_area, kernel_width, nearest, squared_discrepancy, withstood
from contrastive_core.joint.plan import JointPlan
from contrastive_core.joint.training import train_joint
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.notation import convolutional
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from eqprop.oscillator import Oscillators
from experiments.setup.tables import RULES

DENSE = (12, 9, 7, 4)
PICTURES = "3c3+1 p2 4"
RULE_NAMES = ("backprop", "implicit", "ep-centered")
PRECISE = Stop(1e-13, 5000)


def classifier(rule: str, *, pictures: bool = False, strength: float = 1e-3, dtype: torch.dtype = torch.float64) -> Classifier:
    """Return a small classifier with random biases."""
    sizes = convolutional(PICTURES, (1, 4, 4)) if pictures else DENSE
    network = Layered(sizes, activation="logistic" if pictures else "tanh", energy_scale=0.5, gain=1.5, generator=3, dtype=dtype)
    return Classifier(network, RULES[rule], Setting(CrossEntropy(), Settling(free=PRECISE, second=PRECISE), strength=strength))


def drawn(count: int, width: int) -> Tensor:
    """Return uniform inputs in the box, in float64."""
    return torch.rand(count, width, generator=generator_of(1, 5), dtype=torch.float64)


def logits() -> Tensor:
    """Return logits of many sizes, in float64."""
    return 4 * torch.randn(40, 6, generator=generator_of(2, 5), dtype=torch.float64)


BINARY = torch.arange(40) % 2


@pytest.mark.parametrize("cost", [Discrimination(), Likelihood(), ClassEnergy()], ids=lambda cost: type(cost).__name__)
def test_gradient_of_each_cost_is_that_of_its_value_and_its_curvature_is_bounded(cost: Cost) -> None:
    """A wrong bound would let negative nudges drive an equilibrium network off its minimum, and call it settled."""
    output, batch = logits().requires_grad_(True), Batch(torch.zeros(40, 1), BINARY)
    (gradient,) = torch.autograd.grad(cost.value(output, batch).sum(), output)
    assert torch.allclose(gradient, cost.gradient(output.detach(), batch), atol=1e-14)

    def one(row: Tensor, label: Tensor) -> Tensor:
        return cost.value(row[None], Batch(torch.zeros(1, 1), label[None])).sum()

    steepest = max(
        float(torch.linalg.eigvalsh(torch.autograd.functional.hessian(lambda row, y=y: one(row, y), x)).max())
        for x, y in zip(torch.cat((output.detach() / 20, output.detach())), BINARY.repeat(2), strict=True)
    )
    assert steepest <= cost.curvature_bound + 1e-12
    assert steepest > 0.2 * cost.curvature_bound - 1e-12  # small logits come near the bound, which is no mere large number


def test_discrimination_weights_data_and_samples_of_the_likelihood_by_what_it_mistakes() -> None:
    """The claim that dual training ascends the likelihood rests on it: weights σ(-u) of data and σ(u) of samples."""
    output, batch = logits(), Batch(torch.zeros(40, 1), BINARY)
    u = log_density(output)
    weight = torch.where(BINARY == 1, torch.sigmoid(-u), torch.sigmoid(u))[:, None]
    assert float((Discrimination().gradient(output, batch) - weight * Likelihood().gradient(output, batch)).abs().max()) < 1e-15
    assert torch.equal(Discrimination().errors(output, batch), (u > 0) != (BINARY == 1))


@pytest.mark.parametrize("rule", ["backprop", "implicit"])
def test_density_gradient_of_inputs_is_the_mean_of_the_class_gradients(rule: str) -> None:
    """∇ log Σ exp f_y = Σ p(y|x) ∇ f_y: the energy of inputs and that of inputs with a class belong to one density."""
    model, inputs = classifier(rule), drawn(3, 12)
    whole = model.slope(Likelihood(), Batch(inputs, torch.ones(3, dtype=torch.int64)))
    shares = whole.output.softmax(1)
    parts = [model.slope(ClassEnergy(), Batch(inputs, torch.full((3,), y))).gradient for y in range(4)]
    mean = torch.stack(parts, 2).mul(shares[:, None]).sum(2)
    assert float((whole.gradient - mean).abs().max()) < 1e-12


@pytest.mark.parametrize("pictures", [False, True], ids=["dense", "pictures"])
@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("cost", [CrossEntropy(), Discrimination()], ids=lambda cost: type(cost).__name__)
def test_input_gradient_is_that_of_finite_differences(rule: str, pictures: bool, cost: Cost) -> None:
    """Attacks and samples of an equilibrium network climb the settled network, not its feedforward relative."""
    model = classifier(rule, pictures=pictures)
    inputs = drawn(2, 16 if pictures else 12)
    batch, step = Batch(inputs, torch.tensor([0, 1])), 1e-5
    exact = torch.empty_like(inputs)
    for index in range(inputs.shape[1]):
        moved = torch.zeros_like(inputs)
        moved[:, index] = step
        ahead, behind = (cost.value(model.outputs(inputs + sign * moved), batch) for sign in (1, -1))
        exact[:, index] = (ahead - behind) / (2 * step)
    found = model.slope(cost, batch).gradient
    # Rounding 1e-13/1e-5 of the differences, and the bias of the contrast, of order strength squared.
    assert float((found - exact).abs().max()) < 1e-5 * float(exact.abs().max())
    other = classifier("implicit" if rule == "backprop" else "backprop", pictures=pictures).slope(cost, batch).gradient
    assert float((other - exact).abs().max()) > 1e-2 * float(exact.abs().max())  # feedback is no small matter here


def test_contrast_of_inputs_has_a_bias_of_second_order_in_the_strength() -> None:
    """Centered nudges: a first-order bias would point to a missing side."""
    batch = Batch(drawn(3, 12), torch.tensor([0, 1, 2]))
    exact = classifier("implicit").slope(CrossEntropy(), batch).gradient
    errors = [float((classifier("ep-centered", strength=one).slope(CrossEntropy(), batch).gradient - exact).norm()) for one in (0.1, 0.05)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)


def test_a_network_without_difference_coordinates_is_refused() -> None:
    """Its first layer's displacement would be another quantity."""
    settled = Setting(CrossEntropy(), Settling())
    network = Oscillators((4, 3, 2))
    with pytest.raises(InputError, match="layered or convolutional network"):
        Classifier(network, RULES["ep-centered"], settled)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_attacks_stay_in_ball_and_box_and_do_more_than_noise(rule: str) -> None:
    """A point outside the ball would be an attack of another radius; one of no more effect than noise would be no attack."""
    model, inputs = classifier(rule), drawn(30, 12).round(decimals=1)
    batch = Batch(inputs, model.outputs(inputs).argmax(1))
    start = random_start(inputs, 0.6, generator_of(0, 5))
    for begin in (None, start):
        for point in attack_path(model, batch, 0.6, 6, 0.2, begin):
            assert float((point.inputs - inputs).norm(dim=1).max()) <= 0.6 * (1 + 1e-12)
            assert 0 <= float(point.inputs.min()) <= float(point.inputs.max()) <= 1
    cost = CrossEntropy()
    reached, shaken = (cost.value(model.outputs(moved), batch) for moved in (attacked(model, batch, 0.6, 6, 0.2).inputs, start))
    assert bool((reached >= shaken - 1e-9).all())
    assert torch.equal(attacked(model, batch, 0.0, 2, 0.1).inputs, inputs)


def test_a_point_moved_into_the_ball_is_the_nearest_of_the_ball() -> None:
    """Points inside stay; others come to the surface along their own direction."""
    centre = torch.full((2, 2), 0.5, dtype=torch.float64)
    found = inside(torch.tensor([[0.6, 0.5], [0.5, 1.4]], dtype=torch.float64), centre, 0.3)
    assert torch.allclose(found, torch.tensor([[0.6, 0.5], [0.5, 0.8]], dtype=torch.float64))


def test_random_starts_fill_the_ball_evenly() -> None:
    """In 2 dimensions half of a ball's area lies within a radius of √½; z = 4.5 of 4000 draws is .036."""
    centre = torch.full((4000, 2), 0.5, dtype=torch.float64)
    distance = (random_start(centre, 0.4, generator_of(0, 5)) - centre).norm(dim=1)
    assert float((distance < 0.4 * math.sqrt(0.5)).double().mean()) == pytest.approx(0.5, abs=0.036)
    assert float(distance.max()) <= 0.4


def test_what_withstands_an_attack_is_right_at_every_point_of_it() -> None:
    """Restarts can only take away; a radius of 0 is the accuracy without attack."""
    model, inputs = classifier("backprop"), drawn(60, 12)
    batch, draws = Batch(inputs, model.outputs(inputs).argmax(1)), generator_of(0, 5)
    assert all(bool(mask.all()) for mask in withstood(model, batch, 0.0, 4, 4, draws))
    alone, same = withstood(model, batch, 0.3, 4, 0, draws)
    plain, worst = withstood(model, batch, 0.3, 4, 4, draws)
    assert torch.equal(alone, same)
    assert torch.equal(alone, plain)
    assert bool((worst <= plain).all())
    assert 0 < int(worst.sum()) <= int(plain.sum()) < 60


def test_ascents_raise_the_logit_of_their_class_by_steps_of_one_length() -> None:
    """No step is the source itself; n steps move at most n times the length."""
    model, start, classes = classifier("backprop"), drawn(8, 12), torch.arange(8) % 4
    assert torch.equal(ascended(model, start, classes, 0, 0.1), start)
    ends = ascended(model, start, classes, 5, 0.1)
    assert float((ends - start).norm(dim=1).max()) <= 0.5 + 1e-12
    raised = [model.outputs(inputs).gather(1, classes[:, None]) for inputs in (start, ends)]
    assert bool((raised[1] > raised[0]).all())


def test_langevin_chains_without_noise_descend_the_energy_and_noise_has_its_size() -> None:
    """JEM's chain: the gradient of the energy of the inputs, and a noise that is set apart."""
    model, start, draws = classifier("backprop"), drawn(500, 12), generator_of(0, 5)
    ends = langevin(model, start[:5], 1, 0.05, 0.0, draws)
    slope = model.slope(Likelihood(), Batch(start[:5], torch.ones(5, dtype=torch.int64)))
    assert torch.allclose(ends, start[:5] - 0.05 * slope.gradient, atol=1e-15)
    assert bool((log_density(model.outputs(ends)) > log_density(slope.output)).all())
    shaken = langevin(model, start, 1, 1e-12, 0.3, draws) - start
    assert float(shaken.std()) == pytest.approx(0.3, rel=4.5 / math.sqrt(2 * 6000))


def test_discrepancy_is_that_of_a_slow_twin_and_without_bias() -> None:
    """Kernel sums pair by pair; equal distributions have a mean of 0 over repetitions, shifted ones do not."""
    draws = generator_of(0, 5)

    def sample(count: int, shift: float = 0.0) -> Tensor:
        return shift + torch.randn(count, 3, generator=draws, dtype=torch.float64)

    first, second, width = sample(7), sample(5), 1.3

    def kernel(x: Tensor, y: Tensor) -> float:
        return math.exp(-float((x - y).square().sum()) / (2 * width**2))

    within = [
        sum(kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j) / (len(rows) * (len(rows) - 1))
        for rows in (first, second)
    ]
    slow = sum(within) - 2 * sum(kernel(a, b) for a in first for b in second) / 35
    assert squared_discrepancy(first, second, width) == pytest.approx(slow, abs=1e-13)
    for shift, differs in ((0.0, False), (0.5, True)):
        values = torch.tensor([squared_discrepancy(sample(20), sample(30, shift), width) for _ in range(100)])
        z = float(values.mean() / values.std()) * 10
        assert (abs(z) > 4.5) is differs, z
    with pytest.raises(ShapeError, match="at least two"):
        squared_discrepancy(first[:1], second, width)


def test_kernel_width_is_the_median_distance_of_distinct_pairs() -> None:
    """Points 0, 1 and 3 on a line have distances 1, 2 and 3."""
    assert kernel_width(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0]])) == 2


def test_calibration_error_is_the_weighted_gap_of_each_bin() -> None:
    """Nine of ten right at confidence .9 is calibrated; none right at .6 misses by .6."""
    sure = torch.tensor([0.9, 0.1], dtype=torch.float64).log().expand(10, 2)
    labels = torch.tensor([0] * 9 + [1])
    assert calibration_error(sure, labels) == pytest.approx(0, abs=1e-12)
    doubtful = torch.tensor([0.6, 0.4], dtype=torch.float64).log().expand(10, 2)
    both = calibration_error(torch.cat((sure, doubtful)), torch.cat((labels, torch.ones(10, dtype=torch.int64))))
    assert both == pytest.approx(0.3, abs=1e-12)


def test_detection_area_counts_pairs_and_ties_half() -> None:
    """Four of the six pairs are in order, and one is a tie."""
    assert detection_area(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0, 2.0])) == pytest.approx(4.5 / 6)


def test_nearest_rows_of_a_stock() -> None:
    """Distance and place of the nearest."""
    distance, place = nearest(torch.tensor([[0.0, 0.0], [5.0, 5.0]]), torch.tensor([[3.0, 4.0], [5.0, 6.0]]))
    assert distance.tolist() == [5.0, 1.0]
    assert place.tolist() == [0, 1]


def test_data_stand_before_samples() -> None:
    """Label 1 is data; swapped labels would lower the density of data."""
    batch = against(torch.ones(2, 3), torch.zeros(1, 3))
    assert batch.labels.tolist() == [1, 1, 0]
    assert batch.inputs[:, 0].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"radius": -0.1}, "radius of an attack is a distance of at least 0, got -0.1"),
        ({"radius": math.inf}, "radius must be a finite number"),
        ({"radius": math.nan}, "radius"),
        ({"attack_rate": 0.0}, "step of an attack must be positive"),
        ({"attack_steps": 0}, "steps"),
        ({"warmup": 40}, "below the 40 epochs, got 40"),
        ({"average": 1.0}, r"share in \[0, 1\)"),
        ({"chains": 0}, "chains must be at least 1"),
        ({"langevin_rate": math.nan}, "langevin_rate must be positive"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, float], sentence: str) -> None:
    """In one sentence, before anything is trained."""
    with pytest.raises(InputError, match=sentence):
        JointPlan(**given)  # type: ignore[arg-type]


def test_data_outside_the_box_are_refused() -> None:
    """Attacks and samples are clipped to the box from 0 to 1: such data would be far from every sample."""
    splits = DATASETS["digits"](None, 0)
    shifted = splits._replace(train=splits.train._replace(inputs=splits.train.inputs - 0.5))
    model = Classifier(Layered((64, 4, 10), activation="tanh"), RULES["backprop"], Setting(CrossEntropy()))
    with pytest.raises(InputError, match="box from 0 to 1"):
        train_joint(model, ARMS["standard"], shifted, JointPlan(), 0)
