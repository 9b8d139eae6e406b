"""Techniques of sampling and mixing: the identity that each one keeps, and the distribution that it states."""

from __future__ import annotations

import math

import pytest
import torch
from systems import seeded
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError
from contrastive_core.mixing.extrapolation import beta, extrapolate, interpolate
from contrastive_core.mixing.gated_pairs import gates_of
from contrastive_core.mixing.hard_pairs import classes_of, hard_pairs
from contrastive_core.mixing.mixed_negatives import mix_hard_negatives
from contrastive_core.mixing.mixing import mixed
from contrastive_core.objectives.instances.queue import QueueInfoNCE
from contrastive_core.sampling.clusters import inside_clusters, one_per_class
from contrastive_core.sampling.meetings import meetings
from contrastive_core.sampling.neighbours import similar_batches
from contrastive_core.sampling.propensity import draw_pairs
from contrastive_core.sampling.prototypes import ClusteredPositives, clustered_positives, means
from contrastive_core.sampling.replication import replicate
from contrastive_core.sampling.sampler import cluster
from contrastive_core.types import Batch

ROUNDING = 1e-12


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def test_mixed_negatives_lie_between_hard_negatives_and_the_query() -> None:
    """If this fails, synthetic negatives are easy ones, or beyond the query."""
    queries, negatives = normal(3, 5), normal(40, 5, seed=1)
    made = mix_hard_negatives(queries, negatives, seeded(2), hardest=4, pairs=50, with_query=50)
    assert torch.allclose(made.norm(dim=2), torch.ones(3, 100, dtype=torch.float64), atol=ROUNDING)
    unit, pool = normalize(queries), normalize(negatives)
    for row in range(3):
        hardest = pool[(pool @ unit[row]).topk(4).indices]
        # Each mixture is a combination of the four (and of the query) with coefficients of at least 0: nonnegative least squares.
        from scipy.optimize import nnls

        for part, basis in ((made[row, :50], hardest), (made[row, 50:], torch.cat([hardest, unit[row : row + 1]]))):
            for mixture in part:
                assert nnls(basis.T.numpy(), mixture.numpy())[1] < 1e-10
        # With the query's weight below a half, the mixture is nearer to the query than its negative was.
        assert bool((made[row, 50:] @ unit[row] >= (hardest @ unit[row]).min() - ROUNDING).all())
    queries.requires_grad_()
    assert not mix_hard_negatives(queries, negatives, seeded(2), hardest=4, pairs=1, with_query=1).requires_grad
    with pytest.raises(InputError, match="fewer than the 41 hardest"):
        mix_hard_negatives(queries, negatives, seeded(2), hardest=len(negatives) + 1, pairs=1, with_query=1)


def test_extrapolation_keeps_the_sum_and_never_raises_the_positive_score() -> None:
    """If this fails, positives are made easier instead of harder."""
    first, second = normalize(normal(200, 6)), normalize(normal(200, 6, seed=1))
    apart, other = extrapolate(first, second, seeded(2))
    assert torch.allclose(apart + other, first + second, atol=ROUNDING)
    assert bool(((apart * other).sum(1) <= (first * second).sum(1) + ROUNDING).all())
    assert not torch.allclose(apart, first)


def test_interpolated_negatives_keep_the_mean() -> None:
    """If this fails, mixing negatives moves their cloud."""
    negatives = normal(4000, 3)
    mixed = interpolate(negatives, seeded(0))
    # Differences of the two means have variance at most 2 E[(1 - λ)²] / N per coordinate.
    assert float((mixed.mean(0) - negatives.mean(0)).abs().max()) < 4.5 * math.sqrt(2 / 4000)
    # λ² + (1 - λ)² has mean ½ + 2 Var λ, Var λ = 1 / (4 (2a + 1)).
    assert float(mixed.var()) == pytest.approx(0.5 + 0.5 / (2 * 1.6 + 1), rel=4.5 * math.sqrt(4 / 12000))


def test_beta_draws_have_the_moments_of_the_distribution() -> None:
    """If this fails, mixtures have other weights than their papers'."""
    draws = beta(20_000, 2.0, seeded(0))
    assert abs(float(draws.mean()) - 0.5) < 4.5 * math.sqrt(0.05 / 20_000)
    assert float(draws.var()) == pytest.approx(0.05, rel=0.04)  # 4.5 standard errors of a variance, sqrt(2/N) at most
    assert abs(float(beta(20_000, 1.0, seeded(0)).var()) - 0.05) > 0.02  # a control: the uniform distribution is told apart


def test_no_two_samples_of_a_batch_share_a_pseudo_class() -> None:
    """If this fails, false negatives are contrasted."""
    classes = torch.randint(6, (200,), generator=seeded(0))
    made = one_per_class(classes, 5, seeded(1))
    assert all(len(batch) == len(torch.unique(classes[batch])) == 5 for batch in made)
    shown = torch.cat(made)
    assert len(torch.unique(shown)) == len(shown)
    counts = torch.bincount(classes)
    # Taking the fullest classes first shows all but what the largest class has too many of, and a rest of less than a batch.
    assert len(shown) >= 5 * min(200 // 5, int((200 - counts.max()) // 4)) - 5
    with pytest.raises(InputError, match="as many pseudo-classes"):
        one_per_class(classes, 7, seeded(0))


def test_batches_inside_clusters_have_one_cluster_each() -> None:
    """If this fails, the next stage can still use the features of the stages before."""
    classes = torch.randint(4, (101,), generator=seeded(0))
    made = inside_clusters(classes, 8, seeded(1))
    assert all(len(torch.unique(classes[batch])) == 1 and 2 <= len(batch) <= 8 for batch in made)
    assert len(torch.unique(torch.cat(made))) == sum(map(len, made)) >= 101 - 4


def test_similar_batches_present_every_sample_once_with_its_nearest() -> None:
    """If this fails, hard negatives are missed, or samples shown twice."""
    features = normal(33, 4)
    made = similar_batches(features, 8, seeded(0))
    assert sorted(torch.cat(made).tolist()) in (list(range(33)), [i for i in range(33) if i in torch.cat(made).tolist()])
    assert sum(map(len, made)) in (32, 33)
    first = made[0]
    cosines = normalize(features) @ normalize(features)[first[0]]
    assert set(first.tolist()) == set(cosines.topk(8).indices.tolist())


def test_clustered_positives_are_the_nearest_of_the_own_part() -> None:
    """If this fails, positives come from other parts."""
    memory, parts = normal(30, 4), torch.arange(30) % 3
    prototypes = means(memory, parts, torch.zeros(3, 4, dtype=torch.float64))
    queries = memory[:6] + 1e-6
    own = (normalize(queries) @ normalize(prototypes).T).argmax(1)
    found = clustered_positives(queries, memory, parts, prototypes, 4)
    for row in range(6):
        assert bool((parts[found[row]] == own[row]).all())
        cosines = normalize(memory) @ normalize(queries)[row]
        others = [i for i in range(30) if parts[i] == own[row] and i not in found[row].tolist()]
        assert float(cosines[others].max()) <= float(cosines[found[row]].min())
    more = clustered_positives(queries, memory, parts, prototypes, 12)  # each part has ten members, so that the whole memory is asked
    assert torch.equal(more, (normalize(queries) @ normalize(memory).T).topk(12).indices)
    with pytest.raises(InputError, match="memory of 30"):
        clustered_positives(queries, memory, parts, prototypes, 31)


LASTING = ClusteredPositives(clusters=3, count=4, warm_up=40)
QUEUED = QueueInfoNCE(length=50, temperature=0.3)


def remembering(batches: int) -> tuple[Batch, list[dict[str, Tensor]]]:
    """Carry a memory through batches of 20 keys around a drifting direction; return the next batch, and all that was carried."""
    objective = mixed(QUEUED, LASTING, "clustered-positives")
    extras = {k: v.double() if v.is_floating_point() else v for k, v in objective.start(4, 20, seeded(0)).items()}
    history = [extras]
    for number in range(batches + 1):
        keys = normal(20, 4, seed=10 + number)
        keys[:, 0] += number - 2.0
        batch = Batch(torch.zeros(20, 1), torch.zeros(20), torch.arange(10).repeat(2), extras={**history[-1], "keys": keys})
        if number < batches:
            history.append(objective.carry(normal(20, 4), batch))
    return batch, history


def test_prototypes_are_the_moving_averages_of_their_parts_by_balanced_transport() -> None:
    """If this fails, prototypes do not last from batch to batch, or follow other keys than theirs."""
    history = remembering(4)[1]
    assert [int(kept["memory_seen"]) for kept in history] == [0, 20, 40, 50, 50]  # parted from 40 on
    assert not history[1]["memory_prototypes"].any()
    # The twin has a mean and a size for each part, to which keys are added and from which the oldest are taken.
    first = history[2]
    known = list(zip(first["queue"][:40], first["memory_parts"][:40].tolist(), strict=True))
    sizes = [sum(part == p for _, part in known) for p in range(3)]
    means_ = [sum(key for key, part in known if part == p) / sizes[p] for p in range(3)]
    for number in (2, 3):
        keys = history[number + 1]["queue"][:20]
        plan = torch.exp(keys @ normalize(torch.stack(means_)).T / LASTING.regularisation)
        for _ in range(LASTING.iterations):
            plan = plan / plan.sum(0) * (20 / 3)
            plan = plan / plan.sum(1, keepdim=True)
        parts = plan.argmax(1).tolist()
        assert parts != (keys @ normalize(torch.stack(means_)).T).argmax(1).tolist()  # the control: transport balances the parts
        known = [*zip(keys, parts, strict=True), *known]
        changes = [(key, part, 1) for key, part in known[:20]] + [(key, part, -1) for key, part in known[50:]]
        for key, part, sign in changes:
            sizes[part] += sign
            means_[part] = means_[part] + sign * (key - means_[part]) / sizes[part]
        known = known[:50]
        assert torch.allclose(history[number + 1]["memory_prototypes"], torch.stack(means_), atol=1e-12)
        assert history[number + 1]["memory_parts"][: len(known)].tolist() == [part for _, part in known]
    empty = means(normal(5, 4), torch.tensor([0, 0, 2, 2, 2]), means(normal(3, 4, seed=1), torch.arange(3), torch.zeros(3, 4).double()))
    assert torch.equal(empty[1], normal(3, 4, seed=1)[1])


def test_positives_of_lasting_prototypes_are_averaged_and_differ_from_those_of_fresh_ones() -> None:
    """If this fails, the memory is not used, or it is cut anew for every batch."""
    batch, history = remembering(4)
    assert batch.extras is not None
    output, keys, kept = normal(20, 4, seed=7), batch.extras["keys"], history[-1]
    queue = kept["queue"]
    found = clustered_positives(keys, queue, kept["memory_parts"], kept["memory_prototypes"], 4)
    every = [keys, *(queue[found[:, place]] for place in range(4))]
    losses = [QUEUED.value(output, batch._replace(extras={**batch.extras, "keys": key})) for key in every]
    value = float(mixed(QUEUED, LASTING, "clustered-positives").value(output, batch))
    assert value == pytest.approx(float(torch.stack(losses).mean()), rel=1e-12)
    parts = cluster(queue, 3, seeded(0))  # the control: prototypes of this queue alone
    fresh = clustered_positives(keys, queue, parts, means(queue, parts, torch.zeros(3, 4).double()), 4)
    assert float((fresh != found).double().mean()) > 0.1
    early, before = remembering(1)  # until the first partition there are no further positives
    assert int(before[-1]["memory_seen"]) == 20
    assert float(mixed(QUEUED, LASTING, "clustered-positives").value(output, early)) == float(QUEUED.value(output, early))
    with pytest.raises(InputError, match="queue of 50 keys cannot give 60 clusters"):
        mixed(QUEUED, ClusteredPositives(clusters=60, warm_up=60), "clustered-positives").start(4, 20, seeded(0))
    with pytest.raises(InputError, match="warm up must be at least 8"):
        ClusteredPositives(warm_up=7)


def test_inverse_propensity_draws_are_unbiased_with_their_weights() -> None:
    """If this fails, correcting one bias introduces another."""
    propensities = torch.tensor([[0.1, 0.4, 0.0, 0.5]], dtype=torch.float64)
    values = torch.tensor([1.0, -2.0, 100.0, 5.0], dtype=torch.float64)
    places, weights = draw_pairs(propensities, 40_000, seeded(0))
    assert 2 not in places
    mean = float((weights * values[places]).mean())
    spread = float((weights * values[places]).std())
    assert abs(mean - (1 - 2 + 5) / 3) < 4.5 * spread / 200
    assert abs(float(values[places].mean()) - (1 - 2 + 5) / 3) > 4.5 * spread / 200  # a control: without weights it is biased
    share = float((places == 0).double().mean())
    expected = 10 / (10 + 2.5 + 2)
    assert abs(share - expected) < 4.5 * math.sqrt(expected * (1 - expected) / 40_000)
    with pytest.raises(InputError, match="positive one"):
        draw_pairs(torch.zeros(1, 3), 1, seeded(0))


def test_hard_pairs_select_true_positives_even_where_all_cosines_are_positive() -> None:
    """If this fails, masked pairs win the minimum, as in the published code."""
    features = normal(12, 4).abs() + 0.5  # all cosines positive
    labels = torch.arange(12) % 3
    pairs = hard_pairs(features, labels, 3, seeded(0), least=1.0)
    unit = normalize(features)
    for row, anchor in enumerate(pairs.anchors.tolist()):
        cosines = unit @ unit[anchor]
        same = [i for i in range(12) if labels[i] == labels[anchor] and i != anchor]
        other = [i for i in range(12) if labels[i] != labels[anchor]]
        far, near = min(same, key=lambda i: float(cosines[i])), max(other, key=lambda i: float(cosines[i]))
        share = pairs.positive_labels[row, labels[anchor]]
        assert torch.allclose(pairs.positives[row], share * features[far] + (1 - share) * features[near], atol=ROUNDING)
        assert torch.allclose(pairs.positive_labels[row], share * one_hot(labels[far], 3) + (1 - share) * one_hot(labels[near], 3))
    shares = pairs.positive_labels[torch.arange(12), labels[pairs.anchors]]
    assert float(shares.min()) < 0.3 < 0.7 < float(shares.max())  # uniform: 12 draws on one side of either have a chance of 1.4 %


def test_hard_negatives_hold_at_most_a_fifth_of_the_row_and_a_random_sample() -> None:
    """If this fails, a negative is close to the row that it is to be told apart from, or is a sample as it is."""
    features, labels = normal(12, 4), torch.arange(12) % 3
    pairs = hard_pairs(features, labels, 3, seeded(0))
    taken = set()
    for row in range(12):
        # The share of the sample k, if the negative lies between it and the row.
        ways = features - features[row]
        shares = (ways * (pairs.negatives[row] - features[row])).sum(1) / ways.square().sum(1)
        between = features[row] + shares[:, None] * ways
        fits = [k for k in range(12) if k != row and torch.allclose(between[k], pairs.negatives[row], atol=1e-9)]
        for k in fits:
            assert 0.8 - ROUNDING <= float(shares[k]) <= 1
            assert torch.allclose(pairs.negative_labels[row], shares[k] * one_hot(labels[k], 3) + (1 - shares[k]) * one_hot(labels[row], 3))
        assert fits or torch.equal(pairs.negatives[row], features[row]) or torch.allclose(pairs.negatives[row], features[row])
        taken.update(fits)
    assert len(taken) > 8  # a permutation; few rows draw themselves
    assert torch.allclose(pairs.negative_labels.sum(1), torch.ones(12, dtype=torch.float64), atol=ROUNDING)


def test_mixtures_of_two_classes_are_classes_of_their_own() -> None:
    """If this fails, a mixture attracts rows of which it holds little more than half."""
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.7, 0.3], [0.7 + 1e-15, 0.3], [0.6, 0.4], [1.0, 0.0]], dtype=torch.float64)
    found = classes_of(vectors).tolist()
    assert found[0] == found[5]
    assert found[2] == found[3]
    assert len({found[0], found[1], found[2], found[4]}) == 4


def test_hard_pairs_need_two_classes() -> None:
    """If this fails, a batch of one class gives mixtures of nothing."""
    features = normal(12, 4)
    with pytest.raises(InputError, match="two or more classes"):
        hard_pairs(features, torch.zeros(12, dtype=torch.int64), 3, seeded(0))


def test_replication_repeats_real_samples_only() -> None:
    """If this fails, generated data are given the weight of real ones."""
    order = replicate(3, 4, 5, seeded(0))
    assert torch.bincount(order).tolist() == [5, 5, 5, 1, 1, 1, 1]
    assert order.tolist() != sorted(order.tolist())


def test_gates_do_not_depend_on_which_class_comes_first() -> None:
    """If this fails, the two views of a pair live in different subspaces."""
    embeddings, weights = normal(2, 5), normal(6, 3, seed=1)
    labels, partners = torch.tensor([0, 1, 0, 1]), torch.tensor([1, 0, 0, 1])
    gates = gates_of(labels, partners, embeddings, weights)
    for row, (a, b) in enumerate(((0, 1), (0, 1), (0, 0), (1, 1))):
        logits = (embeddings[a] + embeddings[b]) / 2 @ weights[:5] + weights[5]
        torch.testing.assert_close(gates[row], 1 / (1 + (-logits).exp()), rtol=1e-13, atol=0)


def test_meetings_count_every_pair_of_a_batch_once() -> None:
    """If this fails, a sampler that does nothing is praised, or one that acts is blamed."""
    split = Split(normal(9, 3), torch.tensor([0, 1, 2, 0, 1, 2, 0, 0, 1]))
    batches = [torch.tensor([0, 3, 4, 8]), torch.tensor([1, 2, 5])]
    pairs = [(i, j) for rows in batches for i in rows.tolist() for j in rows.tolist() if i < j]
    unit = normalize(split.inputs)
    found = meetings(split, batches)
    assert found.alike == pytest.approx(sum(bool(split.labels[i] == split.labels[j]) for i, j in pairs) / len(pairs), abs=ROUNDING)
    assert found.cosine == pytest.approx(sum(float(unit[i] @ unit[j]) for i, j in pairs) / len(pairs), abs=ROUNDING)
