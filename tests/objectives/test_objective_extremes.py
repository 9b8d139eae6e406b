"""Objectives where public code goes wrong: cold, coincident, smallest and all-negative batches, wrong settings."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from embedded import CLOSE, SMALL, batch_of, build, cosines, dense, embeddings, paired, presented, same
from naive_objectives import TWINS
from oracles import number
from systems import make_system, seeded
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.baselines.implicit import Implicit
from contrastive_core.certificate import Stop
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import InputError
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.clustering import sinkhorn
from contrastive_core.objectives.instances.multiview import MVDHEL, MVInfoNCE
from contrastive_core.objectives.instances.nt_xent import DCL, NTXent
from contrastive_core.objectives.instances.whitening import WhitenedCSE
from contrastive_core.objectives.labelled.ranking import Triplet
from contrastive_core.objectives.labelled.regression import ConR, SupReMix
from contrastive_core.objectives.labelled.soft_labels import SoftSupCon
from contrastive_core.objectives.labelled.supervised import FocalSupCon, SupCon
from contrastive_core.objectives.log_softmax import leave_out_self, log_sum_exp, pooled
from contrastive_core.objectives.modalities.bimodal import CLIP
from contrastive_core.objectives.modalities.pmrl import PMRL
from contrastive_core.objectives.objective import Objective
from contrastive_core.phases import Sides
from contrastive_core.rule import Settling
from contrastive_core.types import Batch
from eqprop.rule import EquilibriumPropagation

N = 5
TEMPERATURES = (
    "temperature",
    "value_temperature",
    "label_temperature",
    "teacher_temperature",
    "code_temperature",
    "slot_temperature",
    "sigma",
    "regularisation",
    "lowest",
)
"""Settings that divide similarities."""
SHARPNESSES = ("sharpness", "steepness")
"""Settings that multiply them."""


def fields(name: str) -> set[str]:
    return set(OBJECTIVES[name].__dataclass_fields__)  # type: ignore[attr-defined]


def scaled(name: str) -> list[str]:
    return [field for field in (*TEMPERATURES, *SHARPNESSES) if field in fields(name)]


def cold(name: str) -> Objective:
    """The objective where it is hardest, as far as its settings allow."""
    chosen: dict[str, Any] = dict.fromkeys(TEMPERATURES, 1e-3) | dict.fromkeys(SHARPNESSES, 1e3)
    return OBJECTIVES[name](**SMALL.get(name, {}) | {key: chosen[key] for key in scaled(name)})


def batch32(batch: Batch) -> Batch:
    def single(value: Tensor) -> Tensor:
        return value.float() if value.is_floating_point() else value

    return batch._replace(labels=single(batch.labels), extras={key: single(value) for key, value in (batch.extras or {}).items()})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_cold_objectives_are_numbers_wherever_the_rows_are(name: str, dtype: torch.dtype) -> None:
    """exp(1 / tau) overflows, cosines of float32 exceed 1, and opposite or coincident rows are where logs and roots have no slope."""
    objective = cold(name)
    batch = presented(objective)
    batch = batch if dtype is torch.float64 else batch32(batch)
    half = embeddings(len(batch.labels) // 2, 2)
    collapsed = torch.full((len(batch.labels), 6), 0.3, dtype=torch.float64)
    for output in (embeddings(len(batch.labels), 1), collapsed, half.repeat(2, 1), torch.cat([half, -half])):
        assert bool(torch.isfinite(objective.value(output.to(dtype), batch)))
        gradient = objective.gradient(output.to(dtype), batch)
        assert bool(torch.isfinite(gradient).all())
    assert gradient.dtype is dtype


@pytest.mark.parametrize("kind", ["two samples", "all cosines negative"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_smallest_and_all_negative_batches_are_the_formula_too(name: str, kind: str) -> None:
    """One anchor with one negative; and what is chosen by multiplying with a mask takes a masked 0 for more than a negative cosine."""
    objective = build(name)
    batch = presented(objective, samples=2 if kind == "two samples" else 3)
    output = embeddings(len(batch.labels), 1)
    if kind != "two samples":  # a simplex: every two rows have a cosine of about -1/5
        output = torch.eye(6).double() - 1 / 6 + 0.02 * output
        cosines = torch.nn.functional.normalize(output) @ torch.nn.functional.normalize(output).T
        assert float(cosines[~torch.eye(6, dtype=torch.bool)].max()) < -0.05
    leaf = output.clone().requires_grad_()
    value = TWINS[name](objective, leaf, output, batch)
    (gradient,) = torch.autograd.grad(value, leaf, allow_unused=True, materialize_grads=True) if value.requires_grad else (0 * output,)
    assert number(objective.value(output, batch)) == pytest.approx(number(value), rel=CLOSE, abs=CLOSE)
    scale = max(1.0, float(gradient.abs().max()))
    assert float((objective.gradient(output, batch) / len(output) - gradient).abs().max()) < CLOSE * scale


@pytest.mark.parametrize("wrong", [0.0, -0.1, math.inf, math.nan])
@pytest.mark.parametrize("name", [name for name in OBJECTIVES if scaled(name)])
def test_temperatures_of_every_objective_must_be_positive(name: str, wrong: float) -> None:
    """A negative one turns attraction into repulsion, and 0 or infinity leaves no number."""
    for field in scaled(name):
        with pytest.raises(InputError, match=f"{field.replace('_', ' ')} (must be|{wrong})"):
            OBJECTIVES[name](**{field: wrong})


DEFAULTS: dict[str, dict[str, float]] = {
    "nt-xent": {"temperature": 0.5},
    "dcl": {"temperature": 0.1},
    "dclw": {"temperature": 0.1, "sigma": 0.5},
    "infonce-queue": {"temperature": 0.07},
    "supcon": {"temperature": 0.1},
    "focal-supcon": {"temperature": 0.07},
    "soft-label": {"temperature": 0.05, "label_temperature": 0.35},
    "mv-infonce": {"temperature": 0.5},
    "mv-dhel": {"temperature": 0.5},
    "isogclr": {"temperature": 0.1, "budget": 0.3, "learning": 0.01, "lowest": 0.05, "highest": 0.7, "average": 0.9, "momentum": 0.1},
    "rgcl": {"budget": 6.0, "learning": 0.01, "lowest": 0.005, "highest": 0.05, "average": 0.9, "momentum": 0.1},
    "pamc": {"sharpness": 1.0},
    "amcl": {"heads": 3, "lowest": 1e-5, "highest": 2.0, "weight": 0.1},
    "comet": {"temperature": 0.1, "observation": 0.25, "sample": 0.25, "trial": 0.25, "patient": 0.25},
    "alignment-uniformity": {"power": 2.0, "sharpness": 2.0, "weight": 1.0},
    "cua": {"sharpness": 2.0},
    "sepclr": {"temperature": 0.5},
    "cacr": {"attraction": 1.0, "repulsion": 2.0},
    "pmrl": {"value_temperature": 0.05, "temperature": 0.1, "weight": 1.0},
    "groco": {"negatives": 10, "steepness": 1.0},
    "swav": {"regularisation": 0.05, "temperature": 0.1, "iterations": 3},
    "pixpro": {"power": 2.0, "threshold": 0.7},
    "pixel-contrast": {"temperature": 0.3, "threshold": 0.7},
    "simctg": {"margin": 0.5},
    "slots": {"num_prototypes": 256, "temperature": 0.1, "teacher_temperature": 0.07, "slot_temperature": 0.2, "weight": 0.5},
    "whitenedcse": {"temperature": 0.05, "shuffles": 3},
    "conr": {"window": 1.0, "temperature": 0.2, "growth": 0.01},
    "vicreg": {"invariance": 25.0, "variance": 25.0, "covariance": 1.0},
    "barlow-twins": {"redundancy": 0.005},
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_the_sources(name: str) -> None:
    """A default is a claim about a paper or its code; the shares of old gradients are libauc's."""
    objective = OBJECTIVES[name]()
    assert {key: getattr(objective, key) for key in DEFAULTS[name]} == DEFAULTS[name]


def pairs(samples: int, **extras: Tensor) -> Batch:
    return Batch(torch.zeros(2 * samples, 1), torch.zeros(2 * samples, dtype=torch.int64), paired(samples), extras=extras)


def test_multiview_infonce_equals_nt_xent_where_both_views_have_the_same_denominator() -> None:
    """Identity 4, the case of equality of the means."""
    aligned = torch.linalg.qr(embeddings(6, 3))[0][:4].repeat(2, 1)
    assert number(MVInfoNCE(0.5).value(aligned, pairs(4))) == pytest.approx(number(NTXent(0.5).value(aligned, pairs(4))), abs=CLOSE)


def test_clip_is_not_nt_xent() -> None:
    """Rows of one modality are no negatives of each other."""
    output, scale = embeddings(10), torch.tensor(2.0, dtype=torch.float64).log()
    assert abs(number(CLIP().value(output, pairs(5, log_scale=scale)) - NTXent(0.5).value(output, pairs(5)))) > 0.1


@pytest.mark.parametrize("cosine", [-0.6, 0.0, 0.3])
def test_first_term_of_pmrl_has_its_closed_form_and_is_blind_to_signs(cosine: float) -> None:
    """Identity 13 of two views; b and -b are one direction to a singular value."""
    objective, gap = PMRL(weight=0.0), (math.sqrt(1 - abs(cosine)) - math.sqrt(1 + abs(cosine))) / 0.05
    a = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    b = torch.tensor([cosine, math.sqrt(1 - cosine**2), 0.0], dtype=torch.float64)
    for second in (b, -b):
        value = number(objective.value(torch.stack([a, a, second, second]), pairs(2)))
        assert value == pytest.approx(math.log1p(math.exp(gap)), abs=CLOSE)


def test_labels_that_share_nothing_leave_nothing_to_attract() -> None:
    """0, and no 0/0, for degrees as for classes; one pair alone is a mean over two rows."""
    labels = torch.eye(6).double()
    batch = Batch(torch.zeros(6, 1), labels)
    assert number(SoftSupCon().value(embeddings(6), batch)) == 0
    assert number(SoftSupCon().gradient(embeddings(6), batch).abs().max()) == 0
    output, lonely = embeddings(6), torch.tensor([0, 1, 2, 0, 3, 4])
    logs = torch.nn.functional.normalize(output) @ torch.nn.functional.normalize(output).T / 0.1
    logs = logs.fill_diagonal_(-math.inf).log_softmax(1)
    value = SupCon(0.1).value(output, Batch(torch.zeros(6, 1), lonely))
    assert number(value) == pytest.approx(-number(logs[0, 3] + logs[3, 0]) / 2, rel=CLOSE)


def test_bias_of_nudges_with_an_objective_is_second_order_and_smaller_if_frozen() -> None:
    """A batch cost couples the samples, and the limit holds for their joint state: symmetric nudges err by strength², one-sided by it."""
    objective = build("nt-xent")
    network = make_system("tanh", sizes=(8, 9, 6), gain=0.7, biases=(-0.3, 0.3), seed=1).network
    inputs = torch.rand((4, 8), generator=seeded(13), dtype=torch.float64).repeat(2, 1)
    batch = presented(objective, samples=4)._replace(inputs=inputs + 0.1 * torch.randn(inputs.shape, generator=seeded(14)).double())
    settling = Settling(BlockDescent(), Stop(1e-13, 3000), Stop(1e-9, 2000), "torch")
    exact = torch.cat([g.flatten() for g in Implicit(objective, settling).estimate(network, batch).gradients.values()])

    def error(sides: Sides, frozen: bool, strength: float) -> float:
        estimate = EquilibriumPropagation(objective, settling, strength, sides, frozen).estimate(network, batch)
        return float((torch.cat([g.flatten() for g in estimate.gradients.values()]) - exact).norm() / exact.norm())

    for sides, order in ((Sides.CENTERED, 2), (Sides.POSITIVE, 1)):
        errors = [error(sides, False, strength) for strength in (4e-4, 2e-4)]
        assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)  # the next order is this strength times the curvature
    assert error(Sides.CENTERED, True, 4e-4) < 0.1 * error(Sides.CENTERED, False, 4e-4)


def test_cold_loss_of_a_wrong_pair_keeps_value_and_gradient_in_float32() -> None:
    """log(num/den + tiny) sticks at 87.3 in float32, with gradient 0, where the true loss is larger."""
    a = torch.tensor([[1.0, 0.0]])
    output = torch.cat([a, torch.tensor([[0.9999, 0.01]]), -a, torch.tensor([[0.0, 1.0]])])
    for objective in (NTXent(0.02), SupCon(0.02), DCL(0.02)):
        batch = batch_of(2, labels=paired(2))
        single, double = (objective.value(output.to(kind), batch) for kind in (torch.float32, torch.float64))
        assert float(single) == pytest.approx(float(double), rel=1e-5)
        assert float(objective.gradient(output, batch).abs().max()) > 0.1
    worst = dense(output.double(), 0.02, False).max()
    assert float(worst) > 87.3365


def test_pairs_are_left_out_exactly_at_small_temperatures() -> None:
    """An additive log(1e-45) = -103.28 leaks below tau = (1 - largest negative) / 103.28."""
    a, b = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[-0.5, 0.75**0.5]]).double()
    c, d = torch.tensor([[-0.5, -(0.75**0.5)]]).double(), torch.tensor([[-0.2, 0.96**0.5]]).double()
    output, batch = torch.cat([a, b, c, d]), batch_of(2)
    assert same(DCL(0.005).value(output, batch), dense(output, 0.005, True).mean())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_dead_rows_have_no_direction_and_do_not_wreck_the_gradient(name: str) -> None:
    """Dividing by a length of 0 with a guard of 1e-12 gives a gradient of 1e12."""
    objective = build(name)
    batch = presented(objective)
    output = embeddings(len(batch.labels), 1)
    largest = float(objective.gradient(output, batch).abs().max())
    output[1] = 0
    gradient = objective.gradient(output, batch)
    assert bool(torch.isfinite(gradient).all())
    assert float(gradient.abs().max()) < 1e3 * max(1.0, largest)
    assert bool(torch.isfinite(objective.value(torch.zeros_like(output), batch)))
    assert bool(torch.isfinite(objective.gradient(torch.zeros_like(output), batch)).all())


def test_labels_that_are_all_distinct_leave_nothing_to_attract() -> None:
    """0, and no 0/0."""
    batch = Batch(torch.zeros(6, 1), torch.arange(6))
    for objective in (SupCon(), FocalSupCon(), Triplet()):
        assert number(objective.value(embeddings(6), batch)) == 0
        assert number(objective.gradient(embeddings(6), batch).abs().max()) == 0
    # PamC still repels the centres, which are then the rows; e⁰ stands for each cluster's own score.
    expected = cosines(embeddings(6)).fill_diagonal_(0).logsumexp(1).mean()
    assert same(build("pamc").value(embeddings(6), batch), expected)


def test_a_sum_without_terms_is_minus_infinity_and_has_no_gradient() -> None:
    """One anchor without negatives: the others' gradients must stay numbers."""
    rows = embeddings(3).requires_grad_()

    def nothing(logits: Tensor, part: slice) -> None:
        leave_out_self(logits, part)
        logits[0] = -float("inf")

    sums = log_sum_exp(rows.detach(), rows.detach(), 2.0, nothing)
    assert float(sums[0]) == -float("inf")
    share = torch.tensor([0.0, 0.5, 0.5]).double()
    loss = pooled(rows, rows, 2.0, share, nothing)
    assert same(loss.detach(), sums[1:].mean())
    assert bool(torch.isfinite(torch.autograd.grad(loss, rows)[0]).all())


def test_rows_without_positives_add_nothing_to_regression() -> None:
    """The official code divides 0 by 0 there."""
    labels = torch.tensor([0.0, 5.0, 10.0, 15.0]).double()
    batch = Batch(torch.zeros(4, 1), labels, extras={"predictions": torch.zeros(4).double(), "mixing": torch.full((4,), 0.5).double()})
    assert number(ConR().value(embeddings(4), batch)) == 0
    assert bool(torch.isfinite(SupReMix().gradient(embeddings(4), batch)).all())


def test_many_views_at_a_small_temperature_do_not_overflow() -> None:
    """The official product of M denominators does."""
    output = embeddings(8 * N)
    assert bool(torch.isfinite(MVDHEL(0.002).value(output.float(), batch_of(N, 8))))


def test_sinkhorn_takes_scores_of_any_size() -> None:
    """exp(scores / 0.05) overflows where rows are not of unit length."""
    plan = sinkhorn(1e4 * embeddings(10), 3)
    torch.testing.assert_close(plan.sum(1), torch.ones(10).double(), rtol=0, atol=CLOSE)


def test_whitening_of_a_batch_that_is_not_larger_than_its_group_is_shrunk() -> None:
    """The inverse root of a singular covariance explodes."""
    objective = WhitenedCSE()
    batch = batch_of(3, **objective.start(6, 3, seeded(0)))
    assert float(objective.gradient(embeddings(6), batch).abs().max()) < 1e6
    live, cut = WhitenedCSE(live=True), WhitenedCSE()
    big = batch_of(20, **objective.start(6, 20, seeded(0)))
    assert same(live.value(embeddings(40), big), cut.value(embeddings(40), big))
    assert number((live.gradient(embeddings(40), big) - cut.gradient(embeddings(40), big)).abs().max()) > 1e-3


def test_pmrl_has_a_gradient_where_singular_values_meet() -> None:
    """An all-orthogonal start is where an SVD's gradient is singular."""
    output = torch.eye(6).double()
    assert bool(torch.isfinite(PMRL().gradient(output, batch_of(2, 3))).all())


def test_unit_rows_are_the_directions_and_short_ones_are_zero() -> None:
    """The guard must not bend rows that have a direction."""
    rows = embeddings(3)
    assert torch.equal(unit(1e-5 * rows) != 0, torch.ones(3, 6, dtype=torch.bool))
    torch.testing.assert_close(unit(rows), normalize(rows), rtol=0, atol=1e-15)
    assert number(unit(1e-8 * rows).abs().max()) == 0
