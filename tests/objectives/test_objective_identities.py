"""Identities of the objectives, each to 1e-10, numbered as in the reference."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from embedded import CLOSE, batch_of, build, cosines, dense, embeddings, paired, partner, presented, same
from oracles import number
from systems import seeded
from torch import Tensor
from torch.nn.functional import normalize, softplus

from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.instances.alignment_uniformity import Alignment, AlignmentUniformity, Uniformity
from contrastive_core.objectives.instances.cacr import CACR
from contrastive_core.objectives.instances.clustering import SwAV, sinkhorn
from contrastive_core.objectives.instances.groco import GroCo, soft_permutation
from contrastive_core.objectives.instances.individual_temperatures import RGCL, ISogCLR
from contrastive_core.objectives.instances.multiview import MVDHEL, MVInfoNCE
from contrastive_core.objectives.instances.nt_xent import DCL, NTXent
from contrastive_core.objectives.instances.whitening import whitened
from contrastive_core.objectives.labelled.ranking import MW
from contrastive_core.objectives.labelled.soft_labels import SoftLabel, SoftSupCon
from contrastive_core.objectives.labelled.supervised import SupCon
from contrastive_core.objectives.log_softmax import leave_out, log_sum_exp, pooled
from contrastive_core.objectives.modalities.bimodal import CLIP, CWCL
from contrastive_core.objectives.modalities.pmrl import PMRL
from contrastive_core.objectives.objective import Objective

N = 5


@pytest.mark.parametrize("budget", [1, 7, 1 << 20])
def test_streamed_log_softmax_is_the_dense_one_for_every_tile(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles are bookkeeping: value and all gradients are those of the formula written out."""
    monkeypatch.setattr("contrastive_core.objectives.embeddings.BUDGET", budget)
    rows, columns = embeddings(6, 1).requires_grad_(), embeddings(9, 2).requires_grad_()
    scale = (0.5 + torch.rand(6, generator=seeded(3), dtype=torch.float64)).requires_grad_()
    share = torch.rand(6, generator=seeded(4), dtype=torch.float64)
    goal = torch.rand((6, 9), generator=seeded(5), dtype=torch.float64)
    weights = torch.randn((6, 9), generator=seeded(6), dtype=torch.float64)
    weights[2, 1:8] = -float("inf")

    def weigh(logits: Tensor, part: slice) -> None:
        logits.add_(weights[part])

    scores = scale[:, None] * (rows @ columns.T)
    plain = (share * (scores + weights).logsumexp(1)).sum() - (goal * scores).sum()
    streamed = pooled(rows, columns, scale, share, weigh, lambda part: goal[part])
    assert same(streamed.detach(), plain.detach())
    for ours, theirs in zip(*(torch.autograd.grad(value, (rows, columns, scale)) for value in (streamed, plain)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(log_sum_exp(rows, columns, scale, weigh), (scores + weights).logsumexp(1), rtol=1e-13, atol=0)


def test_positives_gradient_is_what_the_negatives_give_and_npc_couples_them() -> None:
    """The logits' gradient of NT-Xent is that of DCL times 1 - p: the coupling that DCL removes."""
    logits, basis = embeddings(4, 7, 9).requires_grad_(), torch.eye(9, dtype=torch.float64)  # column 0 is the positive
    coupled = torch.autograd.grad(pooled(logits, basis, 1.0, torch.ones(4).double()) - logits[:, 0].sum(), logits)[0]
    first = leave_out(torch.zeros(4, 1, dtype=torch.int64))
    decoupled = torch.autograd.grad(pooled(logits, basis, 1.0, torch.ones(4).double(), first) - logits[:, 0].sum(), logits)[0]
    probability = logits.softmax(1)[:, :1]
    torch.testing.assert_close(coupled, (1 - probability) * decoupled, rtol=0, atol=CLOSE)
    torch.testing.assert_close(coupled[:, 1:].sum(1), -coupled[:, 0], rtol=0, atol=CLOSE)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_is_softplus_of_dcl_row_by_row(temperature: float) -> None:
    """Identity 1; and both are the formulas written out."""
    output, batch = embeddings(2 * N), batch_of(N)
    coupled, decoupled = (dense(output, temperature, without) for without in (False, True))
    torch.testing.assert_close(coupled, softplus(decoupled), rtol=CLOSE, atol=CLOSE)
    assert same(NTXent(temperature).value(output, batch), coupled.mean())
    assert same(DCL(temperature).value(output, batch), decoupled.mean())


def test_supcon_of_pairs_is_nt_xent_and_of_more_views_the_multiview_one() -> None:
    """Identity 3."""
    output = embeddings(2 * N)
    assert same(SupCon(0.5).value(output, batch_of(N, labels=paired(N))), NTXent(0.5).value(output, batch_of(N)))
    output, ids = embeddings(3 * N), paired(N, 3)
    scores = cosines(output) / 0.1
    expected = 0.0
    for a in range(3 * N):
        others = [k for k in range(3 * N) if k != a]
        positives = [k for k in others if ids[k] == ids[a]]
        expected += float(scores[a, others].logsumexp(0) - scores[a, positives].mean()) / (3 * N)
    assert same(SupCon(0.1).value(output, batch_of(N, 3, labels=ids)), expected)


def test_multiview_infonce_of_two_views_is_not_nt_xent_but_bounds_it() -> None:
    """Identity 4: the log of the mean denominator, not the mean of the logs."""
    output, batch = embeddings(2 * N), batch_of(N)
    scores = cosines(output) / 0.5
    sums = scores.masked_fill(torch.eye(2 * N, dtype=torch.bool), -float("inf")).exp().sum(1).view(2, N)
    expected = (sums.mean(0).log() - scores[torch.arange(N), torch.arange(N) + N]).mean()
    value = MVInfoNCE(0.5).value(output, batch)
    assert same(value, expected)
    assert number(value) > number(NTXent(0.5).value(output, batch)) + 1e-4


@pytest.mark.parametrize("kind", [MVInfoNCE, MVDHEL])
def test_multiview_objectives_are_their_formulas_for_three_views(kind: type[Objective]) -> None:
    """A sum over the wrong pairs would still be smooth and invariant."""
    output, tau = embeddings(3 * N), 0.5
    scores = (cosines(output) / tau).exp().view(3, N, 3, N)
    expected = 0.0
    for i in range(N):
        if kind is MVInfoNCE:
            everything = sum(float(scores[v, i, m, j]) for v, m, j in product(range(3), range(3), range(N)) if (m, j) != (v, i))
            own = sum(float(scores[v, i, m, i]) for v, m in product(range(3), range(3)) if v != m)
            expected += (math.log(everything) - math.log(own)) / N
        else:
            apart = sum(math.log(sum(float(scores[v, i, v, j]) for j in range(N) if j != i)) for v in range(3))
            own = sum(float(scores[v, i, m, i]) for v, m in product(range(3), range(3)) if v < m)
            expected += (apart - math.log(own)) / N
    assert same(kind(tau).value(output, batch_of(N, 3)), expected)  # type: ignore[call-arg]


def test_mv_dhel_of_two_views_is_dhel() -> None:
    """Identity 5, first half."""
    output = embeddings(2 * N)
    scores = cosines(output) / 0.5
    own = torch.eye(N, dtype=torch.bool)
    within = [scores[v : v + N, v : v + N].masked_fill(own, -float("inf")).logsumexp(1) for v in (0, N)]
    expected = (within[0] + within[1] - scores[:N, N:].diagonal()).mean()
    assert same(MVDHEL(0.5).value(output, batch_of(N)), expected)


def test_cacr_is_alignment_less_the_mean_distance_where_nothing_is_weighted() -> None:
    """Identity 5, second half; and weighted, the formula written out for three views."""
    output, batch = embeddings(2 * N), batch_of(N)
    distance = 2 - 2 * cosines(output)
    across = distance[:N, N:][~torch.eye(N, dtype=torch.bool)]
    expected = number(Alignment(2.0).value(output, batch)) - number(across.mean())
    assert same(CACR(1.0, 0.0).value(output, batch), expected)
    output, ids = embeddings(3 * N), paired(N, 3)
    distance, total = 2 - 2 * cosines(output), 0.0
    for a in range(3 * N):
        near = torch.tensor([k for k in range(3 * N) if k != a and ids[k] == ids[a]])
        pull = distance[a][near]
        total += float((pull.softmax(0) * pull).sum()) / (3 * N)
        for later in range(a // N + 1, 3):
            push = distance[a][torch.tensor([k for k in range(later * N, (later + 1) * N) if ids[k] != ids[a]])]
            total -= float(((-2 * push).softmax(0) * push).sum()) / (3 * N)  # three pairs of views
    assert same(CACR(1.0, 2.0).value(output, batch_of(N, 3)), total)


def test_individual_temperatures_that_are_equal_make_dcl() -> None:
    """Identity 6: value up to a constant and gradient up to tau, with an average that forgets at once."""
    objective, output = ISogCLR(average=1.0), embeddings(2 * N)
    batch = batch_of(N, **objective.start(6, N, seeded(0)))
    batch = batch._replace(extras={k: v.double() for k, v in (batch.extras or {}).items()})
    tau = float((batch.extras or {})["temperatures"][0, 0])  # .1 as float32 has it
    expected = tau * (number(DCL(tau).value(output, batch)) - math.log(2 * N - 2) + 0.3)
    assert same(objective.value(output, batch), expected)
    torch.testing.assert_close(objective.gradient(output, batch), tau * DCL(tau).gradient(output, batch), rtol=0, atol=CLOSE)


def test_averages_weigh_the_gradient_and_temperatures_follow_their_slope() -> None:
    """With a remembered denominator u each anchor's pull is scaled by g/u; the temperature goes down its own derivative."""
    objective, output = RGCL(momentum=0.0, learning=1e-4), embeddings(2 * N)
    memory = {k: v.double() for k, v in objective.start(6, N, seeded(0)).items()}
    memory["averages"] = 0.5 + torch.rand((2, N), generator=seeded(1), dtype=torch.float64)
    memory["temperatures"] = torch.full((2, N), 0.04, dtype=torch.float64)
    batch = batch_of(N, **memory)
    scores, own = cosines(output)[:N, N:], torch.eye(N, dtype=torch.bool)

    def denominators(matrix: Tensor, tau: Tensor) -> Tensor:
        return (((matrix - matrix.diagonal()[:, None]) / tau[:, None]).exp().masked_fill(own, 0)).sum(1) / (N - 1)

    value, after, averages = 0.0, list[Tensor](), list[Tensor]()
    for way, matrix in enumerate((scores, scores.T)):
        tau = memory["temperatures"][way].clone().requires_grad_()
        u = 0.1 * memory["averages"][way] + 0.9 * denominators(matrix, tau).detach()
        value += float((tau.detach() * (u.log() + 6.0)).mean()) / 2
        # The chain rule at held u: log u + rho + tau (dg/dtau) / u.
        inner = torch.autograd.grad(denominators(matrix, tau).sum(), tau)[0] / u
        after.append((tau.detach() - 1e-4 * (u.log() + 6.0 + tau.detach() * inner)).clamp(0.005, 0.05))
        averages.append(u)
    assert same(objective.value(output, batch), value)
    carried = objective.carry(output, batch)
    torch.testing.assert_close(carried["temperatures"], torch.stack(after), rtol=0, atol=CLOSE)
    torch.testing.assert_close(carried["averages"], torch.stack(averages), rtol=CLOSE, atol=0)


def test_weights_that_are_the_identity_make_cwcl_clip() -> None:
    """Identity 7: with two samples whose guides are opposite, no probability is shared."""
    output, scale = embeddings(4), torch.tensor(1.3, dtype=torch.float64)
    guide = torch.tensor([[1.0, 2.0], [-1.0, -2.0]]).double().repeat(2, 1)
    expected = 2 * CLIP().value(output, batch_of(2, log_scale=scale))
    assert same(CWCL().value(output, batch_of(2, log_scale=scale, guide=guide)), expected)


def test_soft_labels_are_weights_that_sum_to_one() -> None:
    """Identity 7, second half: the soft-label loss is the weighted cross-entropy with the labels' softmax."""
    output, labels = embeddings(2 * N), torch.rand((N, 4), generator=seeded(9), dtype=torch.float64).repeat(2, 1)
    scores = cosines(output)[:N, N:] / 0.05
    weights = (cosines(labels)[:N, N:] / 0.35).softmax(1)
    expected = -((weights * scores.log_softmax(1)).sum(1).mean() + (weights * scores.T.log_softmax(1)).sum(1).mean()) / 2
    assert same(SoftLabel().value(output, batch_of(N, labels=labels)), expected)


def test_hard_masks_make_the_soft_supcon_supcon() -> None:
    """One-hot label vectors share a label or none."""
    output, classes = embeddings(2 * N), torch.tensor([0, 1, 2, 0, 1]).repeat(2)
    one_hot = torch.nn.functional.one_hot(classes).double()
    assert same(SoftSupCon(0.1).value(output, batch_of(N, labels=one_hot)), SupCon(0.1).value(output, batch_of(N, labels=classes)))


@pytest.mark.parametrize("layout", ["collapsed", "orthogonal"])
def test_collapsed_and_orthogonal_batches_have_the_sentinels_value(layout: str) -> None:
    """Identity 8: the number by which a collapse is recognised."""
    output = torch.ones(2 * N, 2 * N).double() if layout == "collapsed" else 3 * torch.eye(2 * N).double()
    batch = batch_of(N)
    assert same(NTXent(0.2).value(output, batch), math.log(2 * N - 1))
    assert same(DCL(0.2).value(output, batch), math.log(2 * N - 2))


def test_aligned_pairs_have_their_closed_forms() -> None:
    """Identity 9: orthogonal across samples, and the simplex, the optimum."""
    batch, tau = batch_of(N), 0.3
    orthogonal = torch.eye(N).double().repeat(2, 1)
    assert same(NTXent(tau).value(orthogonal, batch), math.log(1 + (2 * N - 2) * math.exp(-1 / tau)))
    assert same(DCL(tau).value(orthogonal, batch), math.log(2 * N - 2) - 1 / tau)
    simplex = (torch.eye(N) - 1 / N).double().repeat(2, 1)
    assert same(NTXent(tau).value(simplex, batch), math.log(1 + (2 * N - 2) * math.exp(-(1 + 1 / (N - 1)) / tau)))
    assert number(NTXent(tau).gradient(simplex, batch).abs().max()) < CLOSE


@pytest.mark.parametrize("views", [2, 3, 4])
def test_collapsed_multiview_batches_have_their_closed_forms(views: int) -> None:
    """Identity 10."""
    output, batch, tau = torch.ones(views * N, 6).double(), batch_of(N, views), 0.5
    assert same(MVInfoNCE(tau).value(output, batch), math.log((views * N - 1) / (views - 1)))
    expected = views * math.log(N - 1) + (views - 1) / tau - math.log(views * (views - 1) / 2)
    assert same(MVDHEL(tau).value(output, batch), expected)


def test_limits_of_the_temperature() -> None:
    """Identity 11: a hot loss is linear in the cosines, a cold one the hardest negative's margin."""
    output, batch = embeddings(2 * N), batch_of(N)
    assert number(NTXent(1e6).value(output, batch) - math.log(2 * N - 1)) == pytest.approx(0, abs=2e-6)  # O(1/tau)
    leaf = output.clone().requires_grad_()
    scores, other = normalize(leaf) @ normalize(leaf).T, partner(2 * N)
    mean = (scores.sum(1) - 1) / (2 * N - 1) - scores[torch.arange(2 * N), other]
    limit = torch.autograd.grad(mean.mean(), leaf)[0]
    torch.testing.assert_close(1e6 * NTXent(1e6).gradient(output, batch), 2 * N * limit, rtol=0, atol=1e-5)  # O(1/tau)
    cold, hardest = cosines(output), torch.eye(2 * N, dtype=torch.bool)
    positive = cold[torch.arange(2 * N), other]
    hardest[torch.arange(2 * N), other] = True
    margin = (cold.masked_fill(hardest, -float("inf")).amax(1) - positive).relu().mean()
    assert 1e-4 * number(NTXent(1e-4).value(output, batch)) == pytest.approx(number(margin), abs=1e-4 * math.log(2 * N))  # O(tau)


def test_uniformity_has_its_closed_forms() -> None:
    """Identity 12."""
    batch = batch_of(N)
    assert same(Uniformity(2.0).value(torch.eye(2 * N).double(), batch), -4.0)
    assert same(Uniformity(2.0).value(torch.ones(2 * N, 3).double(), batch), 0.0)
    output = embeddings(2 * N)
    pairs = torch.pdist(normalize(output)).square().mul(-2).exp().mean().log()
    assert same(Uniformity(2.0).value(output, batch), pairs)
    first, second = normalize(output).chunk(2)
    spread = sum(torch.pdist(view).square().mul(-2).exp().mean().log() for view in (first, second)) / 2
    assert same(AlignmentUniformity().value(output, batch), (first - second).square().sum(1).mean() + spread)


LOOKING_AT_UNITS = {"vicreg", "barlow-twins", "comet", "sepclr", "whitenedcse", "pixpro", "amcl", "swav"}
LOOKING_AT_UNITS |= {"self-distillation", "bag-of-words", "quantised-targets", "balanced-squared-error", "balanced-softmax", "pamc-learnt"}
LOOKING_AT_UNITS |= {"slots", "contrastive-distillation"}
LOOKING_AT_UNITS |= {"retriever-ranker"}
ROTATING = [n for n in OBJECTIVES if n not in LOOKING_AT_UNITS]
"""Objectives of inner products alone; others look at single units, or at vectors that would have to turn too."""


@pytest.mark.parametrize("name", ROTATING)
def test_objectives_of_inner_products_do_not_see_a_rotation(name: str) -> None:
    """Identity 12, invariance; keys and queues turn with the rows."""
    objective = build(name)
    batch = presented(objective)
    output = embeddings(len(batch.labels), 3)
    rotation = torch.linalg.qr(embeddings(6, 4))[0]
    turning = {"keys", "queue", "queues", "teacher"}
    turned = {key: value @ rotation if key in turning else value for key, value in (batch.extras or {}).items()}
    value = objective.value(output @ rotation, batch._replace(extras=turned))
    assert same(value, objective.value(output, batch))


def test_pmrl_has_its_closed_forms() -> None:
    """Identity 13 of three views; that of two is among the delicate points."""
    first = PMRL(weight=0.0)
    orthonormal = torch.eye(3).double().repeat_interleave(2, 0)
    assert same(first.value(orthonormal, batch_of(2, 3)), math.log(3))
    identical = torch.tensor([[1.0, 2.0, 0.5]]).double().repeat(6, 1)
    assert same(first.value(identical, batch_of(2, 3)), math.log(1 + 2 * math.exp(-math.sqrt(3) / 0.05)))


def test_swav_with_uniform_scores_and_sinkhorn_have_their_closed_forms() -> None:
    """Identity 14."""
    objective = SwAV(num_prototypes=3)
    prototypes = torch.zeros(3, 6).double()
    prototypes[:, 0] = 1
    batch = batch_of(N, prototypes=prototypes)
    assert same(objective.value(embeddings(2 * N), batch), math.log(3))
    plan = sinkhorn(embeddings(12, 5, 4) / 0.5, 200)
    torch.testing.assert_close(plan.sum(1), torch.ones(12).double(), rtol=0, atol=CLOSE)
    torch.testing.assert_close(plan.sum(0), torch.full((4,), 3.0).double(), rtol=0, atol=CLOSE)


@pytest.mark.parametrize("seed", range(3))
def test_mann_whitney_loss_bounds_the_area_under_the_curve(seed: int) -> None:
    """Identity 15."""
    assert same(MW().value(torch.ones(2 * N, 3).double(), batch_of(N)), math.log(2))
    output = embeddings(2 * N, seed)
    scores, own = cosines(output)[:N, N:], torch.eye(N, dtype=torch.bool)
    differences = scores[own][:, None] - scores[~own][None, :]
    assert same(MW().value(output, batch_of(N)), softplus(-differences).mean())
    assert float((differences < 0).double().mean()) <= number(MW().value(output, batch_of(N))) / math.log(2)


def test_sorting_one_positive_against_one_negative_has_its_closed_form() -> None:
    """Identity 16."""
    output, batch = embeddings(4), batch_of(2)
    scores, other = cosines(output), partner(4)
    expected = []
    for a in range(4):
        hard = float(scores[a, a ^ 1])  # the other row of the same view
        expected.append(-math.log(0.5 + math.atan(float(scores[a, other[a]]) - hard) / math.pi))
    assert same(GroCo(negatives=1).value(output, batch), sum(expected) / 4)


def test_soft_sorting_sorts_where_it_is_steep_and_stays_doubly_stochastic() -> None:
    """A network with a missing layer would leave a value unsorted; a wrong swap would lose probability."""
    values = torch.tensor([[3.0, 1.0, 2.0, 5.0, 4.0]]).double()
    landing = soft_permutation(values, 1e9)[0]
    torch.testing.assert_close(values[0] @ landing, torch.arange(1.0, 6.0).double(), rtol=0, atol=1e-6)  # atan's tail, 1e-9 a swap
    soft = soft_permutation(embeddings(3, 1), 1.0)
    for axis in (1, 2):
        torch.testing.assert_close(soft.sum(axis), torch.ones(3, 6).double(), rtol=0, atol=CLOSE)


def test_whitened_rows_have_the_identity_as_covariance_and_stay_white() -> None:
    """Identity 17; and the rotation of a group's inputs turns its outputs alike."""
    rows = embeddings(40, 3, 12) @ embeddings(12, 4, 12)
    white = whitened(rows, rows, 12, 0.0)
    covariance = white.T @ (white - white.mean(0)) / 40
    torch.testing.assert_close(covariance, torch.eye(12).double(), rtol=0, atol=1e-9)  # eps of the guard times the condition number
    torch.testing.assert_close(whitened(white, white, 12, 0.0), white, rtol=0, atol=1e-9)
    rotation = torch.linalg.qr(embeddings(12, 5, 12))[0]
    turned = rows @ rotation
    torch.testing.assert_close(whitened(turned, turned, 12, 0.0), white @ rotation, rtol=0, atol=1e-8)
