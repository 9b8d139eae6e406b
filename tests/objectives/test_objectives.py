"""Every objective: its gradient, what it is invariant to, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from embedded import WIDTH, build, embeddings, presented
from naive_objectives import TWINS
from oracles import central_difference, number
from systems import make_system, seeded
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.baselines.implicit import Implicit
from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS, SAMPLE_COSTS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import DivergenceError, InputError, ShapeError
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.distilled.retriever_ranker import retrieved
from contrastive_core.objectives.instances.clustering import sinkhorn
from contrastive_core.objectives.needs import Origin
from contrastive_core.objectives.objective import nudging_strength
from contrastive_core.phases import Sides
from contrastive_core.rule import Settling
from contrastive_core.types import Batch
from eqprop.rule import EquilibriumPropagation

LENGTHS = (
    "vicreg",
    "barlow-twins",
    "comet",
    "sepclr",
    "whitenedcse",
    "pamc",
    "pamc-learnt",
    "pixpro",
    "slots",
    "amcl",
    "balanced-squared-error",
    "balanced-softmax",
)
NORMALISED = [n for n in OBJECTIVES if n not in LENGTHS]
"""Objectives of the rows' directions alone."""
HELD = ("swav", "pamc-learnt", "retriever-ranker")
LEARNING = [n for n in OBJECTIVES if any(extra.origin is Origin.LEARNT for extra in OBJECTIVES[n].needs.extras) and n not in HELD]
"""Objectives that learn something beside the network; codes and aims that are held have tests of their own."""


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradient_of_an_objective_is_that_of_its_loss_with_the_held_outputs_in_place(name: str) -> None:
    """The nudge is this gradient; a part that should carry none, or a factor of B, would train another objective than the named one."""
    objective = build(name)
    batch = presented(objective)
    output = embeddings(len(batch.labels), 1)
    held = batch._replace(held=output)
    exact = objective.gradient(output, batch)
    difference = central_difference(lambda o: objective.value(o, held), output, 1e-5)
    # Truncation 1e-10 C''' / 6 with C''' of the order of 1/tau³ <= 1e3 times the value's scale; rounding 1e-15 |C| / 1e-5.
    scale = max(1.0, number(exact.abs().max()))
    assert number((exact - len(output) * difference).abs().max()) < 2e-7 * scale
    assert number(exact.abs().max()) > 1e-4
    assert number(objective.value(output, batch) - objective.value(output, held)) == 0


@pytest.mark.parametrize("name", LEARNING)
def test_gradient_of_learnt_extras_is_the_slope_of_the_loss(name: str) -> None:
    """Prototypes and temperatures are trained with it beside the network."""
    objective = build(name)
    batch = presented(objective)
    output = embeddings(len(batch.labels), 1)
    extras = dict(batch.extras or {})
    slopes = objective.extra_gradient(output, batch)
    assert list(slopes) == [extra.name for extra in objective.needs.extras if extra.origin is Origin.LEARNT]
    for key, slope in slopes.items():
        difference = central_difference(
            lambda value, key=key: objective.value(output, batch._replace(extras={**extras, key: value})), extras[key], 1e-5
        )
        assert number((slope - difference).abs().max()) < 1e-7 * max(1.0, number(slope.abs().max()))  # as above
        assert number(slope.abs().max()) > 1e-6


def test_the_ranker_learns_by_its_own_term_and_the_retriever_by_the_others() -> None:
    """If this fails, the ranker makes the retriever's game easy, or the retriever the ranker's: they no longer play against each other."""
    objective, batch, output = build("retriever-ranker"), presented(build("retriever-ranker")), embeddings(12, 1)
    extras = dict(batch.extras or {})
    found, z, known = retrieved(output, batch, 8), normalize(output), normalize(extras["teacher"])

    def scores(ranker: Tensor) -> Tensor:
        pairs = torch.cat([known[:, None] * known[found], (known[:, None] - known[found]).abs()], 2)
        return (pairs @ ranker.flatten(0, 1)).tanh() @ extras["readout"]

    slope = central_difference(lambda ranker: -scores(ranker).log_softmax(1)[:, 0].mean(), extras["ranker"], 1e-5)
    torch.testing.assert_close(objective.extra_gradient(output, batch)["ranker"], slope, rtol=1e-6, atol=1e-8)
    judged = scores(extras["ranker"])
    aims = 0.5 * torch.nn.functional.logsigmoid(judged[:, :1] - judged) - 0.5 * judged.softmax(1)

    def retriever(outputs: Tensor) -> Tensor:
        rows = normalize(outputs)
        return (aims * ((rows[:, None] * rows[found]).sum(2) / objective.temperature).log_softmax(1)).sum(1).mean()  # type: ignore[attr-defined]

    slope = 12 * central_difference(retriever, output, 1e-5)
    torch.testing.assert_close(objective.gradient(output, batch), slope, rtol=1e-6, atol=1e-7)
    for row, candidates in enumerate(found.tolist()):
        assert candidates[0] == (row + 6) % 12
        left = [k for k in range(12) if k not in (row, *candidates)]
        assert min(float(z[row] @ z[k]) for k in candidates[1:]) >= max(float(z[row] @ z[k]) for k in left)


def test_gradient_of_prototypes_does_not_flow_through_the_codes() -> None:
    """With it, prototypes would learn to make their own codes easy."""
    objective = build("swav")
    batch = presented(objective)
    output = embeddings(12, 1)
    prototypes = (batch.extras or {})["prototypes"]
    cosines = normalize(output) @ normalize(prototypes).T
    codes = [sinkhorn(half / 0.05, 3) for half in cosines.chunk(2)]

    def with_codes(value: Tensor) -> Tensor:
        first, second = (normalize(output) @ normalize(value).T / 0.1).log_softmax(1).chunk(2)
        return -(codes[0] * second + codes[1] * first).sum() / 12

    torch.testing.assert_close(objective.value(output, batch), with_codes(prototypes), rtol=1e-13, atol=0)
    difference = central_difference(with_codes, prototypes, 1e-5)
    assert number((objective.extra_gradient(output, batch)["prototypes"] - difference).abs().max()) < 1e-8  # truncation, 1e-10 / tau³


def test_gradient_of_centres_does_not_flow_through_the_sharpened_assignment() -> None:
    """With it, centres would move to where assignments need not be sharpened."""
    objective, output = build("pamc-learnt"), embeddings(12, 1)
    batch = presented(objective)
    centres = (batch.extras or {})["centres"].clone().requires_grad_()
    value = TWINS["pamc-learnt"](objective, output, output, batch._replace(extras={"centres": centres}))
    (expected,) = torch.autograd.grad(value, centres)
    torch.testing.assert_close(objective.extra_gradient(output, batch)["centres"], expected, rtol=1e-10, atol=1e-12)
    assert number(expected.abs().max()) > 1e-4


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_do_not_depend_on_the_order_of_the_rows(name: str) -> None:
    """A batch is a set: views may be stacked or interleaved."""
    objective = build(name)
    batch = presented(objective)
    size = len(batch.labels)
    views = torch.arange(size) // (size // 2)
    output, order = embeddings(size, 2), torch.randperm(size, generator=seeded(4))
    extras = {key: value[order] if value.dim() and len(value) == size else value for key, value in (batch.extras or {}).items()}
    assert batch.instances is not None
    moved = Batch(batch.inputs, batch.labels[order], batch.instances[order], views[order], extras)
    plain = batch._replace(views=views)
    assert number(objective.value(output, plain)) == pytest.approx(number(objective.value(output[order], moved)), rel=1e-12)
    torch.testing.assert_close(objective.gradient(output[order], moved), objective.gradient(output, plain)[order], rtol=1e-10, atol=1e-12)
    assert torch.equal(objective.errors(output[order], moved), objective.errors(output, plain)[order])


@pytest.mark.parametrize("name", NORMALISED)
def test_row_lengths_do_not_count_and_the_gradient_is_tangential(name: str) -> None:
    """On the sphere only directions count: a nudge that changed lengths would be another objective."""
    objective = build(name)
    batch = presented(objective)
    output = embeddings(len(batch.labels), 2)
    lengths = 0.5 + torch.rand((len(output), 1), generator=seeded(8), dtype=torch.float64)
    assert number(objective.value(lengths * output, batch)) == pytest.approx(number(objective.value(output, batch)), rel=1e-12)
    gradient = objective.gradient(output, batch)
    assert number((gradient * output).sum(1).abs().max()) < 1e-12 * max(1.0, number(gradient.abs().max()) * 10)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_batch_of_one_sample_and_embeddings_that_are_no_numbers_are_refused(name: str) -> None:
    """One sample has nothing to be contrasted with, and a NaN must not become a gradient."""
    objective = build(name)
    one = presented(objective, samples=1)
    with pytest.raises(InputError, match="at least 2 samples"):
        objective.value(embeddings(len(one.labels)), one)
    batch = presented(objective)
    output = embeddings(len(batch.labels))
    output[1, 2] = float("nan")
    for call in (objective.value, objective.gradient, objective.errors):
        with pytest.raises(DivergenceError, match="1 of 12 embeddings are not finite"):
            call(output, batch)


def needing(condition: str) -> list[str]:
    """Names of the objectives whose needs fulfil a condition."""
    return [name for name in OBJECTIVES if eval(condition, {"needs": OBJECTIVES[name].needs})]


@pytest.mark.parametrize("name", needing("needs.fewest > 1"))
def test_views_that_do_not_pair_up_are_refused(name: str) -> None:
    """A row paired with another sample's view would be pulled towards it without a word."""
    objective = build(name)
    batch = presented(objective)
    output = embeddings(len(batch.labels))
    assert batch.instances is not None
    lonely = batch.instances.clone()
    lonely[0] = 99
    with pytest.raises(InputError, match="views do not pair up"):
        objective.value(output, batch._replace(instances=lonely))
    with pytest.raises(InputError, match="has no instances"):
        objective.value(output, batch._replace(instances=None))
    with pytest.raises(InputError, match="has the same view twice"):
        objective.value(output, batch._replace(views=torch.zeros_like(batch.instances)))
    with pytest.raises(ShapeError, match="11 instances for 12"):
        objective.value(output, batch._replace(instances=batch.instances[:-1]))


@pytest.mark.parametrize("name", needing("needs.labels.value == 'classes'"))
def test_labels_that_are_missing_or_all_equal_are_refused(name: str) -> None:
    """Without two classes there is nothing to contrast; the optimum would be a collapsed network."""
    objective = build(name)
    batch = presented(objective)
    output = embeddings(len(batch.labels))
    with pytest.raises(InputError, match="all 12 labels are 0"):
        objective.value(output, batch._replace(labels=torch.zeros_like(batch.labels)))
    with pytest.raises(InputError, match="12 of 12 rows have none"):
        objective.value(output, batch._replace(labels=torch.full_like(batch.labels, -1)))
    with pytest.raises(InputError, match="class index"):
        objective.value(output, batch._replace(labels=torch.zeros(12, 3)))


@pytest.mark.parametrize("name", needing("needs.extras"))
def test_a_missing_extra_is_named(name: str) -> None:
    """A queue or prototype that silently is empty would make another objective."""
    objective = build(name)
    batch = presented(objective)
    with pytest.raises(InputError, match=f"needs '{objective.needs.extras[0].name}'"):
        objective.value(embeddings(len(batch.labels)), batch._replace(extras=None))


@pytest.mark.parametrize("name", needing("needs.extras"))
def test_an_extra_that_is_not_finite_or_has_other_rows_is_refused(name: str) -> None:
    """A queue or prototype that is no number makes every value and weight no number; keys of other rows pair strangers."""
    objective = build(name)
    batch = presented(objective)
    assert batch.extras is not None
    output = embeddings(len(batch.labels))
    for wanted in objective.needs.extras:
        value = batch.extras[wanted.name]
        if value.is_floating_point():
            wrong = batch._replace(extras={**batch.extras, wanted.name: value * float("nan")})
            with pytest.raises(DivergenceError, match=f"'{wanted.name}' .* not finite"):
                objective.value(output, wrong)
        if wanted.origin is Origin.GIVEN:
            short = batch._replace(extras={**batch.extras, wanted.name: value[:-1]})
            with pytest.raises(ShapeError, match=f"'{wanted.name}' is of shape .* for 12 embeddings"):
                objective.gradient(output, short)


@pytest.mark.parametrize("name", needing("needs.labels.value in ('numbers', 'vectors')"))
def test_labels_that_are_no_numbers_are_refused(name: str) -> None:
    """One missing number would make every weight of the batch no number, or be compared as if it were one."""
    objective = build(name)
    batch = presented(objective)
    labels = batch.labels.clone()
    labels[0] = float("nan")
    with pytest.raises(InputError, match="are not finite"):
        objective.value(embeddings(len(labels)), batch._replace(labels=labels))


def test_costs_are_those_of_samples_and_objectives() -> None:
    """Coupling of rows is known from the table, without trying."""
    assert list(COSTS) == [*SAMPLE_COSTS, *OBJECTIVES]
    assert not any(SAMPLE_COSTS[name].coupled for name in SAMPLE_COSTS)
    for name in OBJECTIVES:
        assert OBJECTIVES[name].coupled
        assert OBJECTIVES[name].source
        assert OBJECTIVES[name].verified
        assert OBJECTIVES[name]().strength > 0


MULTIVIEW = [name for name in OBJECTIVES if OBJECTIVES[name].needs.fewest > 1 and OBJECTIVES[name].needs.most is None]


@pytest.mark.parametrize("name", MULTIVIEW)
def test_gradient_of_more_than_two_views_is_that_of_the_loss_too(name: str) -> None:
    """With two views some sums have one term, and a wrong weight between their terms would not show."""
    objective = build(name)
    batch = presented(objective, samples=4, views=3)
    output = embeddings(12, 1)
    exact = objective.gradient(output, batch)
    difference = central_difference(lambda o: objective.value(o, batch._replace(held=output)), output, 1e-5)
    assert number((exact - 12 * difference).abs().max()) < 2e-7 * max(1.0, number(exact.abs().max()))  # as above


@pytest.mark.parametrize("name", OBJECTIVES)
def test_nudging_by_an_objective_gives_its_gradient_frozen_and_live(name: str) -> None:
    """The claim of the project: any contrastive loss trains an equilibrium network by nudging, at the strength that is documented."""
    objective = build(name)
    batch = presented(objective, samples=4)
    network = make_system("tanh", sizes=(8, 9, WIDTH), gain=0.7, biases=(-0.3, 0.3), seed=1).network
    # With seed 3 a triplet is within 1e-5 of its hinge, and a live nudge that crosses a kink is no expansion in the strength.
    inputs = torch.rand((4, 8), generator=seeded(13), dtype=torch.float64).repeat(len(batch.labels) // 4, 1)
    batch = batch._replace(inputs=inputs + 0.1 * torch.randn(inputs.shape, generator=seeded(14), dtype=torch.float64))
    settling = Settling(BlockDescent(), Stop(1e-13, 3000), Stop(1e-6, 200), "torch")
    exact = Implicit(objective, settling).estimate(network, batch)
    live = nudging_strength(objective, network.output(exact.relaxations["free"].state))
    for frozen, strength in ((True, objective.strength), (False, live)):
        rule = EquilibriumPropagation(objective, settling, strength, Sides.CENTERED, frozen)
        estimate = rule.estimate(network, batch)
        assert all(bool((r.status == 0).all()) for r in estimate.relaxations.values())
        for key, gradient in exact.gradients.items():
            assert float(torch.cosine_similarity(estimate.gradients[key].flatten(), gradient.flatten(), dim=0)) >= 0.999
            # Bias of the order of (strength x curvature of the cost)², which the documented strength keeps small.
            assert float((estimate.gradients[key] - gradient).norm() / gradient.norm()) < 0.1


def test_nudging_strength_falls_with_the_square_of_short_outputs() -> None:
    """A cost of directions bends as 1 / length²."""
    objective = build("nt-xent")
    rows = torch.eye(3).double()
    assert nudging_strength(objective, 5 * rows) == pytest.approx(0.2 * objective.strength)
    assert nudging_strength(objective, 0.1 * rows) == pytest.approx(0.002 * objective.strength)
    assert nudging_strength(objective, 0 * rows) == pytest.approx(0.2 * objective.strength)
