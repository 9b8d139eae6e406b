"""Objectives whose formula is that of the authors' public code: equal to a dense rewriting of it, from raw outputs to the value.

The rewritings share nothing with the objectives and nothing with their twins, which follow our own description of the formula.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from embedded import close_to, paired
from oracles import number
from systems import seeded
from torch import Tensor
from torch.nn.functional import log_softmax, normalize

from contrastive_core.mixing.gated_pairs import GatedPairs
from contrastive_core.mixing.mixing import drawing, mixed
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch

SAMPLES, WIDTH = 6, 12
DRAWS, STEP = range(4), 1e-5
EYE = torch.eye(SAMPLES, dtype=torch.bool)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def batch_for(objective: Objective, seed: int, labels: Tensor, views: int = 2, **extras: Tensor) -> Batch:
    """All first views, then all second ones, with started extras moved a little."""
    started = objective.start(WIDTH, SAMPLES, seeded(seed))
    moved = {
        name: value.double() + 0.1 * normal(*value.shape, seed=seed) if value.is_floating_point() else value
        for name, value in started.items()
    }
    instances, numbers = paired(SAMPLES, views), torch.arange(views).repeat_interleave(SAMPLES)
    return Batch(torch.zeros(views * SAMPLES, 1), labels.repeat(views), instances, numbers, moved | extras)


Case = tuple[Objective, Batch, Callable[[Tensor], Tensor]]


def sepclr(seed: int) -> Case:
    """Null vectors of background samples enter uniformity and joint entropy; the log is taken of the mean over pairs."""
    objective = OBJECTIVES["sepclr"](uniformity=2.0, salient=3.0, background=5.0, joint=0.7)
    target = torch.tensor([0, 1, 0, 2, 1, 0]) != 0

    def align(x: Tensor, y: Tensor) -> Tensor:
        return ((x - y).norm(dim=1) ** 2).mean()  # 2 tau = 1

    def uniform(x: Tensor) -> Tensor:
        return (-(torch.pdist(x) ** 2)).exp().mean().log()

    def joint(c: Tensor, s: Tensor) -> Tensor:
        return ((-(torch.cdist(s, s) ** 2)).exp() * (-(torch.cdist(c, c) ** 2)).exp()).mean(1).log().mean()

    def public(output: Tensor) -> Tensor:
        heads = output.view(2, SAMPLES, 2, WIDTH // 2)
        (c, d), salient = [normalize(view, dim=1) for view in heads[:, :, 0]], heads[:, :, 1]
        s, t = salient
        null, other = salient * target[:, None]
        shared = align(c, d) + 2.0 * (uniform(d) + uniform(c)) / 2
        specific = align(s[target], t[target]) + 2.0 * (uniform(other) + uniform(null)) / 2
        silent = (align(null[~target], s[~target]) + align(other[~target], t[~target])) / 2
        return shared + 3.0 * specific + 5.0 * silent + 0.7 * (joint(c, null) + joint(d, other)) / 2

    return objective, batch_for(objective, seed, torch.tensor([0, 1, 0, 2, 1, 0])), public


def comet(level: str, steps: int, seed: int) -> Case:
    """Sample and observation levels contrast single steps; ids are matched along rows above and along columns below the diagonal."""
    weights = {name: float(name == level) for name in ("observation", "sample", "trial", "patient")}
    objective = OBJECTIVES["comet"](steps=steps, **weights)
    trials = torch.tensor([0, 0, 1, 1, 2, 0])

    def logits_of(z: Tensor) -> Tensor:
        similar = z @ z.transpose(1, 2)
        rest = torch.tril(similar, -1)[:, :, :-1] + torch.triu(similar, 1)[:, :, 1:]
        return -log_softmax(rest, dim=-1)

    def ids(x: Tensor, y: Tensor, names: Tensor) -> Tensor:
        a, b = (normalize(v, dim=1).permute(0, 2, 1).reshape(len(v), -1) for v in (x, y))
        scores = (a @ b.T / torch.outer(a.norm(dim=1), b.norm(dim=1)) / 0.1).exp()
        alike = names[:, None] == names[None, :]
        upper, lower = torch.nonzero(torch.triu(alike, 1)).T, torch.nonzero(torch.tril(alike, -1)).T
        above = -(scores[upper[0], upper[1]] / scores.sum(1)[upper[0]]).log().mean()
        below = -(scores[lower[0], lower[1]] / scores.sum(0)[lower[1]]).log().mean()
        return (above + below) / 2

    def pooled_levels(x: Tensor, y: Tensor) -> Tensor:
        total, count = x.new_zeros(()), 0
        while x.shape[1] > 1:
            half = x.shape[1] if level == "observation" else len(x)
            z = torch.cat([x, y], dim=1) if level == "observation" else torch.cat([x, y]).transpose(0, 1)
            rest, place = logits_of(z), torch.arange(half)
            total = total + (rest[:, place, half + place - 1].mean() + rest[:, half + place, place].mean()) / 2
            count += 1
            x, y = (torch.nn.functional.max_pool1d(v.transpose(1, 2), 2).transpose(1, 2) for v in (x, y))
        return total / count

    def public(output: Tensor) -> Tensor:
        x, y = output.view(2, SAMPLES, steps, -1)
        if level in ("observation", "sample"):
            return pooled_levels(x, y)
        names = trials if level == "trial" else torch.tensor([0, 0, 0, 1, 1, 0])
        return (ids(x, y, names) + ids(x.flip(0), y.flip(0), names.flip(0))) / 2  # both orders of the batch

    patients = torch.tensor([0, 0, 0, 1, 1, 0])
    batch = batch_for(objective, seed, patients, trials=trials.repeat(2), patients=patients.repeat(2))
    return objective, batch, public


def pamc(seed: int) -> Case:
    """A cluster's own score counts exp(0); the loss is a mean over clusters, whose centres are sums of raw rows."""
    labels = torch.tensor([0, 1, 0, 2, 1, 1])

    def cosine_table(rows: Tensor) -> Tensor:
        lengths = rows.square().sum(1).sqrt()
        return (rows @ rows.T / torch.outer(lengths, lengths)) * (1 - torch.eye(len(rows), dtype=rows.dtype))

    def public(output: Tensor) -> Tensor:
        names = labels.repeat(2)
        graph = (names[:, None] == names[None, :]).double().fill_diagonal_(0)
        centres = torch.nn.functional.one_hot(names).double().T @ output
        pull = (cosine_table(output).exp() * graph).sum(1)
        return -pull.log().mean() + cosine_table(centres).exp().sum(1).log().mean()

    objective = OBJECTIVES["pamc"]()
    return objective, batch_for(objective, seed, labels), public


def cacr(views: int, seed: int) -> Case:
    """Repulsion is between two views alone, from the earlier one to the later one."""
    objective = OBJECTIVES["cacr"]()

    def public(output: Tensor) -> Tensor:
        codes = list(normalize(output).view(views, SAMPLES, WIDTH))
        near = output.new_zeros(())
        for x, code in enumerate(codes):
            others = torch.stack([other for y, other in enumerate(codes) if y != x])
            cost = (code - others).square().sum(-1).T
            near = near + (cost * cost.softmax(1)).sum(1).mean() / views
        pairs = [(x, y) for x, y in product(range(views), repeat=2) if x < y]
        for x, y in pairs:
            cost = -(codes[x][:, None] - codes[y]).square().sum(-1)
            cost = cost.masked_select(~EYE).view(SAMPLES, SAMPLES - 1)
            near = near + (cost * (2.0 * cost).softmax(1)).sum(1).mean() / len(pairs)
        return near

    return objective, batch_for(objective, seed, torch.zeros(SAMPLES), views), public


def amcl(seed: int) -> Case:
    """The published table adds the regulariser of the positive and takes off that of the hardest negative."""
    objective = OBJECTIVES["amcl"](lowest=0.01)  # 1/tau of 1e5 would leave no digits for finite differences
    batch = batch_for(objective, seed, torch.zeros(SAMPLES))
    assert batch.extras is not None
    first, last = batch.extras["first"], batch.extras["last"]

    def public(output: Tensor) -> Tensor:
        total, rows = output.new_zeros(()), torch.arange(2 * SAMPLES)
        own, partner = torch.eye(2 * SAMPLES, dtype=torch.bool), rows.roll(SAMPLES)
        for h in range(3):
            z = normalize(output[:, 4 * h : 4 * h + 4])
            hidden = ((z @ first[h, :4])[:, None] + z @ first[h, 4:8] + first[h, 8]).tanh()
            tau = 0.01 + 1.99 * (hidden @ last[h, :-1] + last[h, -1]).sigmoid()
            omega = 2 * tau.log() + 1 / tau
            hardest = (z @ z.T).masked_fill(own | own[partner], -9.0).argmax(1)
            chosen = (z @ z.T / tau).masked_fill(own, -torch.inf).log_softmax(1)[rows, partner]
            total = total + (0.1 * (omega[rows, partner] - omega[rows, hardest]) - chosen).mean()
        return total

    return objective, batch, public


def gated(seed: int) -> Case:
    """Every row is seen through the anchor's gate; rows of the pair's two classes are no negatives."""
    classes = torch.tensor([0, 1, 2, 0, 1, 2])
    objective = mixed(OBJECTIVES["nt-xent"](temperature=0.1), GatedPairs(classes=3), "gated-pairs")
    batch = batch_for(objective, seed, classes)
    assert batch.extras is not None
    table, weights = batch.extras["class_embeddings"], batch.extras["gate_map"]
    order = torch.randperm(SAMPLES, generator=drawing(int(batch.extras["draws"])))

    def public(output: Tensor) -> Tensor:
        raw = torch.cat([output[:SAMPLES], output[SAMPLES:][order]])
        own, other = torch.cat([classes, classes[order]]), torch.cat([classes[order], classes])
        gates = torch.sigmoid((table[own] + table[other]) / 2 @ weights[:-1] + weights[-1])
        seen = normalize(torch.einsum("nk,bk->bnk", raw, gates), dim=-1)
        logits = torch.einsum("bk,bnk->bn", seen.diagonal().T, seen) / 0.1
        positive = torch.eye(2 * SAMPLES, dtype=torch.bool).roll(SAMPLES, 1)
        excluded = (own[:, None] == own[None, :]) | (other[:, None] == own[None, :])
        negative = logits.exp().masked_fill(excluded, 0.0).sum(1, keepdim=True)
        return ((logits.exp() + negative).log() - logits)[positive].mean()

    return objective, batch, public


def pixpro(seed: int) -> Case:
    """A mean over images of the mean of each image's near pairs; values are normalised, and their pairs of places strictly near."""
    objective = OBJECTIVES["pixpro"]()
    places = 4
    images, views = torch.arange(3).repeat_interleave(places).repeat(2), torch.arange(2).repeat_interleave(3 * places)
    positions = torch.rand((24, 2), generator=seeded(seed + 20), dtype=torch.float64) * (1 + images[:, None])
    keys = normal(24, WIDTH, seed=seed + 30)
    mapping = torch.eye(WIDTH, dtype=torch.float64) + 0.1 * normal(WIDTH, WIDTH, seed=seed)

    def public(output: Tensor) -> Tensor:
        feat, key, place = (v.view(2, 3, places, -1) for v in (output, keys, positions))
        total = output.new_zeros(())
        for a, b in ((0, 1), (1, 0)):
            similar = normalize(feat[a], dim=-1) @ normalize(feat[a], dim=-1).transpose(1, 2)
            moved = similar.clamp(min=0) ** 2 @ normalize(feat[a] @ mapping, dim=-1)
            near = (torch.cdist(place[a], place[b]) < 0.7).double()
            scores = normalize(moved, dim=-1) @ normalize(key[b], dim=-1).transpose(1, 2)
            total = total - ((scores * near).sum((1, 2)) / near.sum((1, 2)).clamp(min=1)).mean()
        return total

    batch = Batch(torch.zeros(24, 1), images * 0, images, views, {"keys": keys, "positions": positions, "map": mapping})
    return objective, batch, public


def slots(seed: int) -> Case:
    """Three images of four places; the prototypes' shares make slots, of which those with a place count."""
    objective = OBJECTIVES["slots"](num_prototypes=3)
    instances, views = torch.arange(12).repeat(2), torch.arange(2).repeat_interleave(12)
    started = {name: value.double() for name, value in objective.start(WIDTH, 12, seeded(seed)).items()}
    extras = {name: value + 0.1 * normal(*value.shape, seed=seed) for name, value in started.items()}
    extras["keys"] = normal(24, WIDTH, seed=seed + 30)
    extras["images"] = (torch.arange(12) // 4).repeat(2)

    def group(rows: Tensor, prototypes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = rows.view(3, 4, WIDTH)
        dots = torch.einsum("kd,bpd->bkp", normalize(prototypes, dim=1), normalize(x, dim=2))
        share = (dots / 0.07).softmax(1) + 1e-6
        present = torch.zeros_like(dots).scatter_(1, dots.argmax(1, keepdim=True), 1).sum(2) > 0
        return torch.einsum("bpd,bkp->bkd", x, share / share.sum(2, keepdim=True)), dots, present

    def public(output: Tensor) -> Tensor:
        mine = [group(half, extras["prototypes"]) for half in output.chunk(2)]
        theirs = [group(half, extras["teaching_prototypes"]) for half in extras["keys"].chunk(2)]
        total = output.new_zeros(())
        for (q, dots, seen), (k, known, found) in zip(mine, theirs[::-1], strict=True):
            aims = ((known - extras["centre"][:, None]) / 0.07).softmax(1)
            total = total - 0.5 * (aims * log_softmax(dots / 0.1, 1)).sum(1).mean()
            both = (seen & found).flatten()
            rows, columns = normalize(q.flatten(0, 1)[both] @ extras["map"]), normalize(k.flatten(0, 1)[found.flatten()])
            labels = found.flatten().long().cumsum(0)[both] - 1
            total = total + 0.5 * 0.4 * torch.nn.functional.cross_entropy(rows @ columns.T / 0.2, labels)
        return total

    return objective, Batch(torch.zeros(24, 1), instances * 0, instances, views, extras), public


def pamc_learnt(seed: int) -> Case:
    """Cross of a contrast of summed rows of hard clusters and a divergence of soft ones, in the order of the official training loop."""
    objective = OBJECTIVES["pamc-learnt"](num_clusters=4, sharpness=0.5, contrast=0.7, divergence=2.0)
    batch = batch_for(objective, seed, torch.zeros(SAMPLES))
    assert batch.extras is not None
    centres = batch.extras["centres"]

    def public(output: Tensor) -> Tensor:
        q = 1.0 / (1.0 + torch.cdist(output, centres).pow(2))
        q = (q.T / q.sum(1)).T
        weight = q.detach() ** 2 / q.detach().sum(0)
        p = (weight.T / weight.sum(1)).T
        members = torch.nn.functional.one_hot(q.argmax(1)).double()
        members = members[:, members.sum(0) > 0]
        cc = (output[:, None] * members[:, :, None]).sum(0)
        cc = (cc @ cc.T) / (cc.norm(dim=1)[:, None] * cc.norm(dim=1)) * (1 - torch.eye(len(cc), dtype=torch.float64))
        edges = torch.eye(2 * SAMPLES, dtype=torch.float64).roll(SAMPLES, 1)
        x = (output @ output.T) / (output.norm(dim=1)[:, None] * output.norm(dim=1))
        contrast = -((0.5 * x).exp() * edges).sum(1).log().mean() + (0.5 * cc).exp().sum(1).log().mean()
        return 2.0 * torch.nn.functional.kl_div(q.log(), p, reduction="batchmean") + 0.7 * contrast

    return objective, batch, public


def simctg(seed: int) -> Case:
    """A hinge on the difference of a token's score with itself and with every other token of a text."""
    objective = OBJECTIVES["simctg"](margin=0.8)

    def public(output: Tensor) -> Tensor:
        rows = output / output.norm(dim=1, keepdim=True)
        scores = rows @ rows.T
        apart = (0.8 - (scores.diagonal()[:, None] - scores)).relu()
        others = 1 - torch.eye(len(rows), dtype=torch.float64)
        return (apart * others).sum() / others.sum()

    return objective, Batch(torch.zeros(2 * SAMPLES, 1), torch.zeros(2 * SAMPLES), torch.arange(2 * SAMPLES)), public


def balanced_squared_error(seed: int) -> Case:
    """The label of a row among all labels of the batch, by a softmax of squared errors."""
    objective, labels = OBJECTIVES["balanced-squared-error"](noise=0.7), normal(2 * SAMPLES, 1, seed=seed + 40)[:, 0]

    def public(output: Tensor) -> Tensor:
        logits = -0.5 * (output[:, :1] - labels[None, :]).pow(2) / 0.49
        return torch.nn.functional.cross_entropy(logits, torch.arange(len(labels))) * 2 * 0.49

    return objective, Batch(torch.zeros(2 * SAMPLES, 1), labels, torch.arange(2 * SAMPLES)), public


def balanced_softmax(seed: int) -> Case:
    """Logits and the logarithm of the numbers of samples, class by class."""
    objective, counts = OBJECTIVES["balanced-softmax"](), torch.arange(1, WIDTH + 1, dtype=torch.float64) ** 2
    labels = torch.arange(2 * SAMPLES) % 5

    def public(output: Tensor) -> Tensor:
        return torch.nn.functional.nll_loss((output + counts.log()).log_softmax(1), labels)

    return objective, Batch(torch.zeros(2 * SAMPLES, 1), labels, torch.arange(2 * SAMPLES), extras={"counts": counts}), public


def deep_boosting(absolute: bool, seed: int) -> Case:
    """A ranking loss of the hardest negatives, and a margin over the scores of the anchor branch."""
    objective = OBJECTIVES["deep-boosting"](absolute=absolute, weight=0.5)
    keys = normal(2 * SAMPLES, WIDTH, seed=seed + 30)

    def public(output: Tensor) -> Tensor:
        scores, anchor = (a @ b.T for a, b in (normalize(v, dim=-1).view(2, SAMPLES, WIDTH) for v in (output, keys)))
        own, reference = scores.diagonal(), anchor.diagonal()

        def worst(cost: Tensor) -> Tensor:
            return cost.clamp(min=0).masked_fill(EYE, 0.0)

        rank = worst(0.2 + scores - own[:, None]).amax(1).sum() + worst(0.2 + scores - own[None, :]).amax(0).sum()
        if absolute:
            apart = worst(0.1 + scores - anchor)
            boost = 2 * (0.1 + reference - own).clamp(min=0).sum() + apart.amax(1).sum() + apart.amax(0).sum()
        else:
            rows = worst(0.2 + (reference[:, None] - anchor) - (own[:, None] - scores))
            columns = worst(0.2 + (reference[None, :] - anchor) - (own[None, :] - scores))
            boost = rows.amax(1).sum() + columns.amax(0).sum()
        return (rank + 0.5 * boost) / SAMPLES

    return objective, batch_for(objective, seed, torch.zeros(SAMPLES), keys=keys), public


def swav(views: int, seed: int) -> Case:
    """Codes of the first two views are predicted by every other view."""
    objective = OBJECTIVES["swav"](num_prototypes=5)
    batch = batch_for(objective, seed, torch.zeros(SAMPLES), views)
    assert batch.extras is not None
    prototypes = batch.extras["prototypes"]

    def public(output: Tensor) -> Tensor:
        scores = (normalize(output) @ normalize(prototypes).T).view(views, SAMPLES, -1)
        total = output.new_zeros(())
        for place in (0, 1):
            plan = (scores[place].detach() / 0.05).exp().T
            for _ in range(3):
                plan = plan / plan.sum(1, keepdim=True)
                plan = plan / plan.sum(0, keepdim=True)
            rest = [view for view in range(views) if view != place]
            total = total - sum((plan.T * (scores[view] / 0.1).log_softmax(1)).sum(1).mean() for view in rest) / (views - 1)
        return total / 2

    return objective, batch, public


CASES: dict[str, Callable[[int], Case]] = {
    "sepclr": sepclr,
    **{
        f"comet {level}, {steps} steps": lambda seed, level=level, steps=steps: comet(level, steps, seed)  # type: ignore[misc]
        for level, steps in product(("observation", "sample", "trial", "patient"), (2, 6))
    },
    "pamc": pamc,
    "cacr": lambda seed: cacr(2, seed),
    "cacr, four views": lambda seed: cacr(4, seed),
    "amcl": amcl,
    "gated-pairs": gated,
    "deep-boosting, absolute": lambda seed: deep_boosting(True, seed),
    "deep-boosting, relative": lambda seed: deep_boosting(False, seed),
    "swav, two views": lambda seed: swav(2, seed),
    "swav, five views": lambda seed: swav(5, seed),
    "pixpro": pixpro,
    "slots": slots,
    "pamc-learnt": pamc_learnt,
    "simctg": simctg,
    "balanced-squared-error": balanced_squared_error,
    "balanced-softmax": balanced_softmax,
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_those_of_the_public_form(name: str) -> None:
    """A formula that differs from the authors' code trains something else under their name."""
    for seed in DRAWS:
        objective, batch, public = CASES[name](seed)
        output = normal(len(batch.labels), WIDTH, seed=seed + 10)
        leaf = output.clone().requires_grad_()
        expected = public(leaf)
        (slope,) = torch.autograd.grad(expected, leaf)
        assert close_to(objective.value(output, batch), expected.detach())
        assert close_to(objective.gradient(output, batch) / len(output), slope)
        held, way = batch._replace(held=output), normal(*output.shape, seed=seed) / output.numel() ** 0.5
        ends = [number(objective.value(output + side * STEP * way, held)) for side in (1, -1)]
        # Truncation 1e-10 C''' / 6 with C''' of the order of 1/tau³ <= 1e3 times the gradient's scale; rounding 1e-15 |C| / 1e-5.
        assert abs((ends[0] - ends[1]) / (2 * STEP) - number((slope * way).sum())) < 2e-7 * max(1.0, number(slope.abs().max()))
