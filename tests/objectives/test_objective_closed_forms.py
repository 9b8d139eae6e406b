"""Objectives against their closed forms, written out, each to 1e-10."""

from __future__ import annotations

import math

import pytest
import torch
from embedded import batch_of, cosines, dense, embeddings, partner, same
from oracles import number
from torch.nn.functional import normalize

from contrastive_core.errors import InputError
from contrastive_core.objectives.instances.alignment_uniformity import Scattering
from contrastive_core.objectives.instances.asymmetric import BYOL, SimSiam
from contrastive_core.objectives.instances.binary import BinaryNCE
from contrastive_core.objectives.instances.cosine_margin import CosineMargin
from contrastive_core.objectives.instances.nt_xent import DCLW
from contrastive_core.objectives.instances.queue import QueueInfoNCE, pushed
from contrastive_core.objectives.instances.spectral import BarlowTwins
from contrastive_core.objectives.labelled.balanced import BalancedSoftmax, BalancedSquaredError
from contrastive_core.objectives.labelled.pair_margin import PairMargin
from contrastive_core.objectives.labelled.ranking import Triplet
from contrastive_core.objectives.labelled.regression import ConR
from contrastive_core.objectives.labelled.supervised import FocalSupCon
from contrastive_core.objectives.modalities.bimodal import CLIP, CMIM
from contrastive_core.types import Batch

N = 5


def test_queue_clip_and_cmim_are_their_formulas() -> None:
    """One positive, and exactly the negatives of the name."""
    output, keys, queue = embeddings(N), embeddings(N, 1), normalize(embeddings(7, 2))
    rows, tau = normalize(output), 0.07
    logits = torch.cat([(rows * normalize(keys)).sum(1, keepdim=True), rows @ queue.T], dim=1) / tau
    batch = Batch(torch.zeros(N, 1), torch.zeros(N), extras={"keys": keys, "queue": queue})
    assert same(QueueInfoNCE(tau, 7).value(output, batch), (logits.logsumexp(1) - logits[:, 0]).mean())
    assert torch.equal(QueueInfoNCE(tau, 7).carry(output, batch)["queue"], pushed(queue, keys))
    torch.testing.assert_close(pushed(queue, keys), torch.cat([normalize(keys), queue[:2]]), rtol=0, atol=1e-15)
    output, truth = embeddings(2 * N), torch.arange(N)
    scores = cosines(output)[:N, N:]
    both = sum(torch.nn.functional.cross_entropy(math.e**1.3 * matrix, truth) for matrix in (scores, scores.T)) / 2
    log_scale = torch.tensor(1.3, dtype=torch.float64)
    assert same(CLIP().value(output, batch_of(N, log_scale=log_scale)), both)
    assert same(
        CLIP().value(output, batch_of(N, log_scale=torch.tensor(9.0).double())),
        sum(torch.nn.functional.cross_entropy(100 * matrix, truth) for matrix in (scores, scores.T)) / 2,
    )
    powers = (scores / 0.1).exp()
    mean = (powers.sum(1) - powers.diagonal()) / (N - 1)
    assert same(CMIM(0.1).value(output, batch_of(N)), (1 + mean / powers.diagonal()).log().mean())


def test_weighted_dcl_is_its_formula_and_its_weights_carry_gradient_only_live() -> None:
    """Equal values with different gradients: the trained one must be known."""
    output, batch = embeddings(2 * N), batch_of(N)
    positive = cosines(output)[torch.arange(2 * N), partner(2 * N)]
    weights = (2 - N * (positive[:N] / 0.5).softmax(0)).repeat(2)
    expected = (dense(output, 0.1, True) + positive / 0.1 - weights * positive / 0.1).mean()
    assert same(DCLW().value(output, batch), expected)
    assert same(DCLW(live=False).value(output, batch), expected)
    assert number((DCLW().gradient(output, batch) - DCLW(live=False).gradient(output, batch)).abs().max()) > 1e-3


def test_binary_contrast_of_orthogonal_samples_is_known() -> None:
    """A pair that is told to be one has cosine 1, every other pair cosine 0, which says nothing either way."""
    output = torch.eye(N, dtype=torch.float64).repeat(2, 1)
    expected = (math.log1p(math.exp(-1 / 0.3)) + math.log(2)) / 2
    assert number(BinaryNCE(0.3).value(output, batch_of(N))) == pytest.approx(expected, rel=1e-14)
    # Opposite scores of the pairs of one sample: softplus(1/t) in place of softplus(-1/t).
    turned = torch.cat([output[:N], -output[N:]])
    assert number(BinaryNCE(0.3).value(turned, batch_of(N))) == pytest.approx(expected + 0.5 / 0.3, rel=1e-14)


def test_pair_margin_of_two_directions_is_known() -> None:
    """Coincident classes pay the squared margin, opposite ones nothing up to a margin of 2, and a right angle within a class its chord."""
    labels = torch.tensor([0, 0, 1, 1])
    up, down, right = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    together, opposite, torn = torch.stack([up] * 4), torch.stack([up, up, down, down]), torch.stack([up, right, down, down])
    batch = Batch(together, labels)
    assert number(PairMargin(1.3).value(together, batch)) == pytest.approx(1.3**2 / 2, rel=1e-14)
    assert number(PairMargin(2.0).value(opposite, batch)) == 0.0
    # Of four ordered pairs within classes two have the squared chord 2; all pairs between classes are sqrt(2) or 2 apart.
    assert number(PairMargin(1.4).value(torn, batch)) == pytest.approx(2 * 2 / 4 / 2, rel=1e-14)


def test_predictions_of_another_view_are_known_where_all_rows_agree_or_are_opposite() -> None:
    """BYOL goes from 0 to 4 and SimSiam from -1 to 1; the held side of SimSiam has no gradient."""
    output, batch = embeddings(2 * N), batch_of(N, map=torch.eye(6, dtype=torch.float64))
    alike = torch.cat([output[:N], 3 * output[:N]])
    for rows, sign in ((alike, 1), (torch.cat([alike[:N], -alike[N:]]), -1)):
        keyed = batch_of(N, map=torch.eye(6, dtype=torch.float64), keys=rows.roll(N, 0))
        assert number(BYOL().value(rows, keyed)) == pytest.approx(2 - 2 * sign, abs=1e-14)
        assert number(SimSiam().value(rows, batch)) == pytest.approx(-sign, abs=1e-14)
    moved = BYOL().gradient(output, batch_of(N, map=torch.eye(6, dtype=torch.float64), keys=output.roll(N, 0)))
    assert number((moved / 2 - SimSiam().gradient(output, batch)).abs().max()) < 1e-12  # both stop the gradient of the other side


def test_margin_of_cosines_is_known_for_orthogonal_and_for_equal_samples() -> None:
    """Orthogonal samples pay nothing up to a margin of 1, equal ones the margin; views of one sample are no pair."""
    output = torch.eye(N, dtype=torch.float64).repeat(2, 1)
    assert number(CosineMargin(0.9).value(output, batch_of(N))) == 0.0
    assert number(CosineMargin(1.5).value(output, batch_of(N))) == pytest.approx(0.5, rel=1e-14)
    assert number(CosineMargin(0.7).value(torch.ones(2 * N, 3, dtype=torch.float64), batch_of(N))) == pytest.approx(0.7, rel=1e-14)


def test_balanced_costs_are_the_plain_ones_without_imbalance_and_count_the_labels() -> None:
    """With equal labels the error of all is that of one; equal counts leave the cross-entropy, and counts are added up."""
    output, labels = embeddings(6), torch.tensor([0, 1, 1, 2, 1, 0])
    equal = Batch(output, torch.full((6,), 2.0, dtype=torch.float64))
    assert number(BalancedSquaredError(0.5).value(output, equal)) == pytest.approx(2 * 0.25 * math.log(6), rel=1e-14)
    batch = Batch(output, labels, extras={"counts": torch.full((6,), 3.0, dtype=torch.float64)})
    assert same(BalancedSoftmax().value(output, batch), torch.nn.functional.cross_entropy(output, labels))
    assert BalancedSoftmax().carry(output, batch)["counts"].tolist() == [5.0, 6.0, 4.0, 3.0, 3.0, 3.0]
    with pytest.raises(InputError, match="give --embedding 10 or more"):
        BalancedSoftmax().value(output, batch._replace(labels=labels + 7))


def test_focal_supcon_triplet_and_scattering_are_their_formulas() -> None:
    """Sums over the wrong pairs would still be smooth."""
    output, classes = embeddings(6), torch.tensor([0, 0, 1, 1, 2, 1])
    batch = Batch(torch.zeros(6, 1), classes)
    logs = (cosines(output) / 0.07).masked_fill(torch.eye(6, dtype=torch.bool), -float("inf")).log_softmax(1)
    pairs = [(a, p) for a in range(6) for p in range(6) if a != p and classes[a] == classes[p]]
    focal = -sum(float((1 - logs[a, p].exp()) * logs[a, p]) for a, p in pairs) / 6 / 5  # row 4 is alone in its class
    assert same(FocalSupCon().value(output, batch), focal)
    distance = torch.cdist(normalize(output), normalize(output))
    violations = [max(0.0, 0.2 + float(distance[a, p] - distance[a, n])) for a, p in pairs for n in range(6) if classes[n] != classes[a]]
    assert same(Triplet(0.2).value(output, batch), sum(violations) / sum(v > 0 for v in violations))
    assert same(Scattering().value(output, batch), normalize(output).mean(0).square().sum() - 1)


def test_barlow_twins_of_perfectly_correlated_views_pays_for_redundancy_only() -> None:
    """Equal views have correlation 1 with themselves, to the epsilon that keeps a dead unit finite."""
    half = embeddings(30, 1)
    output = half.repeat(2, 1)
    matrix = torch.corrcoef(half.T)
    expected = 0.005 * (matrix.square().sum() - 6)
    assert number(BarlowTwins(epsilon=1e-14).value(output, batch_of(30))) == pytest.approx(number(expected), abs=1e-10)


def test_conr_is_its_formula() -> None:
    """Unlike the official code, which adds 1 to the denominator for every row that is no positive."""
    output = embeddings(6)
    labels, predictions = torch.tensor([0.0, 0.4, 2.5, 3.0, 5.0, 9.0]).double(), torch.tensor([0.0, 3.0, 0.5, 0.2, 0.1, 4.0]).double()
    scores, total = (cosines(output) / 0.2).exp(), 0.0
    for a in range(6):
        near = [k for k in range(6) if k != a and abs(labels[k] - labels[a]) <= 1]
        wrong = [k for k in range(6) if abs(labels[k] - labels[a]) > 1 and abs(predictions[k] - predictions[a]) <= 1]
        if near and wrong:
            pushed_apart = sum(float(scores[a, k]) * math.exp(0.01 * abs(float(labels[k] - labels[a]))) for k in wrong)
            denominator = sum(float(scores[a, k]) for k in near) + pushed_apart
            total += -sum(math.log(float(scores[a, k]) / denominator) for k in near) / len(near) / 6
    assert total > 0.1
    batch = Batch(torch.zeros(6, 1), labels, extras={"predictions": predictions})
    assert same(ConR().value(output, batch), total)
