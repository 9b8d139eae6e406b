"""Weights of rows and pairs, pairs left out, positives and given negatives: against a twin of loops, by finite differences, and nudged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Found, Refused
from embedded import build, embeddings, presented
from oracles import central_difference, number
from systems import seeded
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from contrastive_core.certificate import Stop
from contrastive_core.data import DATASETS
from contrastive_core.data.batches import batches
from contrastive_core.data.named.arrays import own_data
from contrastive_core.data.named.graded_digits import lit
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.errors import InputError, ShapeError
from contrastive_core.networks.layered import Layered
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.said import SAID
from contrastive_core.objectives.weighted_sum import Term, WeightedSum
from contrastive_core.rule import Setting, Settling
from contrastive_core.training.momentum_encoder import follower
from contrastive_core.training.views_of_samples import contrasting
from contrastive_core.types import Batch
from experiments.setup.tables import RULES

SAMPLES = 5
ROWS = 2 * SAMPLES


def spoken(name: str, hears: frozenset[str] | None = None) -> Batch:
    """A batch that says all that an objective hears."""
    batch, draw = presented(build(name), SAMPLES), seeded(9)
    relation = torch.randint(-1, 1, (ROWS, ROWS), generator=draw)
    relation = torch.triu(relation) + torch.triu(relation, 1).T
    if name == "supcon":
        relation[0, 3] = relation[3, 0] = relation[1, 2] = relation[2, 1] = 1
    relation.fill_diagonal_(0)
    words = {
        "weights": torch.rand(ROWS, generator=draw, dtype=torch.float64) * (torch.arange(ROWS) != 4),
        "pair_weights": 0.2 + torch.rand((ROWS, ROWS), generator=draw, dtype=torch.float64),
        "pairs": relation,
        "negatives": torch.randn((ROWS, 3, 6), generator=draw, dtype=torch.float64),
    }
    heard = OBJECTIVES[name].hears if hears is None else hears
    heard = heard | {"pairs"} if "pair_weights" in heard else heard
    return batch._replace(extras={**(batch.extras or {}), **{key: value for key, value in words.items() if key in heard}})


def twin(name: str, settings: float, output: Tensor, batch: Batch) -> Tensor:
    """Every sum written out, row by row and pair by pair."""
    z, extras = normalize(output), dict(batch.extras or {})
    weights = extras.get("weights", torch.ones(ROWS, dtype=torch.float64))
    pairs, relation = (
        extras.get(key, like) for key, like in (("pair_weights", torch.ones(ROWS, ROWS)), ("pairs", torch.zeros(ROWS, ROWS)))
    )
    partner = [(a + SAMPLES) % ROWS for a in range(ROWS)]
    scale = float(extras["log_scale"].exp()) if name == "clip" else 1 / settings

    def denominator(a: int, columns: list[int], times: float = 1.0) -> Tensor:
        parts = [pairs[a, k] * (times if k != partner[a] else 1.0) * (scale * z[a] @ z[k]).exp() for k in columns if relation[a, k] >= 0]
        if "negatives" in extras:
            parts += [(scale * z[a] @ normalize(other, dim=0)).exp() for other in extras["negatives"][a]]
        return torch.stack(parts).sum().log()

    def mean(rows: list[int], terms: list[Tensor]) -> Tensor:
        return sum((weights[a] * term for a, term in zip(rows, terms, strict=True)), torch.zeros(())) / weights[rows].sum()

    every, first, second = list(range(ROWS)), list(range(SAMPLES)), list(range(SAMPLES, ROWS))
    if name in ("nt-xent", "dcl"):
        out = {"nt-xent": lambda a: {a}, "dcl": lambda a: {a, partner[a]}}[name]
        return mean(every, [denominator(a, [k for k in every if k not in out(a)]) - scale * z[a] @ z[partner[a]] for a in every])
    if name == "clip":
        ways = [
            mean(rows, [denominator(a, columns) - scale * z[a] @ z[partner[a]] for a in rows])
            for rows, columns in ((first, second), (second, first))
        ]
        return (ways[0] + ways[1]) / 2
    if name == "cmim":
        others = 1 / (SAMPLES - 1)
        return mean(first, [denominator(a, second, others) - scale * z[a] @ z[partner[a]] for a in first])
    if name == "infonce-queue":
        keys, queue = normalize(extras["keys"]), extras["queue"]
        scores = [torch.cat([(scale * z[a] @ keys[a])[None], scale * queue @ z[a]]) for a in every]
        return mean(every, [one.logsumexp(0) - one[0] for one in scores])
    assert name == "supcon"
    positives = {a: [p for p in every if p != a and relation[a, p] > 0] for a in every}
    anchors = [a for a in every if positives[a]]
    terms = [
        denominator(a, [k for k in every if k != a]) - torch.stack([scale * z[a] @ z[p] for p in positives[a]]).mean() for a in anchors
    ]
    return mean(anchors, terms)


@pytest.mark.parametrize("name", ["nt-xent", "dcl", "clip", "cmim", "infonce-queue", "supcon"])
def test_what_a_batch_says_weighs_as_a_twin_of_loops_does(name: str) -> None:
    """If this fails, a pair that was left out is pushed away, or a weight acts on another pair."""
    objective, batch, output = build(name), spoken(name), embeddings(ROWS, 3)
    expected = twin(name, getattr(objective, "temperature"), output, batch)  # noqa: B009
    torch.testing.assert_close(objective.value(output, batch), expected.to(torch.float64), rtol=1e-10, atol=1e-10)
    slope = central_difference(lambda moved: objective.value(moved, batch), output, 1e-5)
    torch.testing.assert_close(objective.gradient(output, batch), ROWS * slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if "weights" in OBJECTIVES[name].hears])
def test_weights_of_one_say_nothing_and_weights_of_zero_leave_out(name: str) -> None:
    """If this fails, the weighted form is another objective than the one without weights."""
    objective, batch, output = build(name), presented(build(name), SAMPLES), embeddings(ROWS, 4)
    ones = {"weights": torch.ones(ROWS).double(), "pair_weights": torch.ones(ROWS, ROWS).double()}
    extras = {key: value for key, value in ones.items() if key in objective.hears}
    plain = objective.value(output, batch)
    same = objective.value(output, batch._replace(extras={**(batch.extras or {}), **extras}))
    torch.testing.assert_close(same, plain, rtol=1e-12, atol=1e-12)
    silent = {"weights": (torch.arange(ROWS) % SAMPLES != 2).double()}
    assert abs(number(objective.value(output, batch._replace(extras={**(batch.extras or {}), **silent})) - plain)) > 1e-6


@pytest.mark.parametrize("name", ["nt-xent", "clip", "supcon"])
def test_nudges_follow_what_a_batch_says(name: str) -> None:
    """Centered EP against the implicit gradient of the same weighted objective."""
    objective, said = build(name), spoken(name)
    network = Layered((4, 7, 6), activation="tanh", output_activation="tanh", energy_scale=0.5, dtype=torch.float64, generator=1)
    batch = said._replace(inputs=torch.randn((ROWS, 4), generator=seeded(5), dtype=torch.float64))
    setting = Setting(objective, Settling(free=Stop(1e-11, 2000), second=Stop(1e-11, 2000)), strength=objective.strength, frozen=True)
    exact = RULES["implicit"](setting).estimate(network, batch).gradients
    found = RULES["ep-centered"](setting).estimate(network, batch).gradients
    for key, gradient in exact.items():
        assert number(cosine_similarity(found[key].flatten(), gradient.flatten(), dim=0)) > 0.999, key


def test_objectives_that_hear_nothing_refuse_a_batch_that_speaks() -> None:
    """If this fails, a mask is given, and nothing says that it was never used."""
    for name in OBJECTIVES:
        for word in set(SAID) - OBJECTIVES[name].hears - {"pairs"}:
            batch = spoken(name, frozenset({word}))
            with pytest.raises(InputError, match=f"takes no '{word}'"):
                build(name).value(embeddings(len(batch.labels)), batch)
    total = WeightedSum((Term("a", build("nt-xent")), Term("b", build("uniformity"))))
    with pytest.raises(InputError, match="WeightedSum takes no 'weights'"):
        total.value(embeddings(ROWS), spoken("nt-xent", frozenset({"weights"})))
    both = WeightedSum((Term("a", build("nt-xent")), Term("b", build("dcl"))))
    spoke, output = spoken("nt-xent"), embeddings(ROWS)
    expected = build("nt-xent").value(output, spoke) + build("dcl").value(output, spoke)
    torch.testing.assert_close(both.value(output, spoke), expected)


@pytest.mark.parametrize(
    ("name", "word", "values", "problem"),
    [
        ("nt-xent", "weights", torch.full((ROWS,), torch.nan), "not finite"),
        ("nt-xent", "weights", torch.zeros(ROWS), "all weights of the batch are 0"),
        ("nt-xent", "pair_weights", -torch.ones(ROWS, ROWS), "a weight of -1"),
        ("nt-xent", "pairs", torch.ones(ROWS, ROWS), "only positives"),
        ("supcon", "pairs", -torch.ones(ROWS, ROWS), "'pairs' leave no positives"),
    ],
)
def test_words_that_make_no_sense_are_refused(name: str, word: str, values: Tensor, problem: str) -> None:
    batch = presented(build(name), SAMPLES)
    with pytest.raises(InputError, match=problem):
        build(name).value(embeddings(ROWS), batch._replace(extras={**(batch.extras or {}), word: values.double()}))
    with pytest.raises(ShapeError, match=word):
        build(name).value(embeddings(ROWS), batch._replace(extras={**(batch.extras or {}), word: values[:3].double()}))


def test_given_negatives_are_embedded_by_the_momentum_encoder() -> None:
    """If this fails, a sample is pushed away from another one's negatives."""
    draw = np.random.default_rng(0)
    inputs, negatives = draw.random((24, 4)), draw.random((24, 2, 4))
    splits = own_data({"inputs": inputs, "labels": np.arange(24) % 2, "negatives": negatives, "split": np.repeat([0, 1, 2], 8)})
    network = Layered((4, 5, 3), activation="tanh", output_activation="tanh", energy_scale=0.1)
    rule = RULES["backprop"](Setting(build("nt-xent")))
    made = contrasting(
        build("nt-xent"), MultiView(()), 4, 3, 8, seeded(0), torch.float32, follower=follower(network, rule, 0.0), given=splits.train.given
    )
    batch = made.present(next(batches(splits.train, 4)), seeded(1))
    assert batch.extras is not None
    for row in range(8):
        seen = network.output(network.feedforward(network.clamp(torch.tensor(negatives[row % 4]).float())))
        torch.testing.assert_close(batch.extras["negatives"][row], seen.detach())


def test_the_program_trains_with_weights_and_refuses_them_elsewhere(found: Found, refused: Refused, tmp_path: Path) -> None:
    """If this fails, weights and masks of a file are dropped without a word."""
    draw = np.random.default_rng(0)
    label = np.arange(72) % 3
    arrays = {"inputs": np.clip(0.3 * label[:, None] + 0.1 * draw.random((72, 9)), 0, 1), "labels": label, "weights": draw.random(72)}
    alike = (label[:, None] == label) & (draw.random((72, 72)) < 0.5)
    np.savez(tmp_path / "own.npz", **arrays, pairs=np.where(alike & alike.T & ~np.eye(72, dtype=bool), -1, 0))
    small = ("contrast", "--data", tmp_path / "own.npz", "--views", "noise", "--hidden", "6", "--epochs", "1", "--batch-size", "25")
    small = (*small, "--seeds", "1", "--threads", "1", "--engine", "serial", "--quiet")
    trained = found(*small, "--rules", "ep-centered", "--out", tmp_path / "run")
    assert trained["rules"]["ep-centered"]["status"] == "done"
    assert "takes no 'weights'" in refused(*small, "--cost", "vicreg", "--out", tmp_path / "other")


def test_answers_name_the_triplets() -> None:
    """Answers of similarity: two triplets a question, in either order of the similar two (Bobu et al., 2023), and none across."""
    splits = DATASETS["digits-answers"](None, 0)
    given, output = splits.train.given, embeddings(12, 2)
    pairs, trials, labels = given["pairs"][:12, :12], given["trials"][:12], splits.train.labels[:12]
    losses = []
    for number_ in trials.unique():
        three = (trials == number_).nonzero()[:, 0].tolist()
        (alike,) = [(a, b) for a in three for b in three if a < b and pairs[a, b] == 1]
        (odd,) = set(three) - set(alike)
        assert pairs[alike[0], odd] == pairs[alike[1], odd] == 0
        for anchor, other in (alike, alike[::-1]):
            a, p, n = (normalize(output[row], dim=0) for row in (anchor, other, odd))
            losses.append((0.2 + (a - p).norm() - (a - n).norm()).relu())
    told = Batch(torch.zeros(12, 1), labels, extras={"pairs": pairs})
    kept = [loss for loss in losses if number(loss) > 0]
    assert 0 < len(kept) < len(losses) == 8
    torch.testing.assert_close(build("triplet").value(output, told), torch.stack(kept).mean(), rtol=1e-12, atol=0)
    assert int((given["pairs"] == 1).sum()) == 2 * 399
    seen = torch.tensor(lit(splits.train.labels.numpy())).double()
    near, far = (torch.cdist(seen, seen)[given["pairs"] == kind].mean() for kind in (1, 0))
    assert near < far - 0.5
