"""Every objective a second time, written out row by row from its formula: no tiles, no shared core, autograd through all of it.

A twin takes the objective, for its settings, the outputs, the same outputs where the gradient stops, and a batch whose first half
are the first views of all samples and whose second half the second ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.types import Batch

Twin = Callable[[Any, Tensor, Tensor, Batch], Tensor]


def average(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(terms)).mean()


def soft_max_of(logits: Sequence[Tensor]) -> Tensor:
    """log sum exp of a list."""
    return torch.stack(list(logits)).logsumexp(0)


def pair(rows: Tensor, a: int) -> int:
    return (a + len(rows) // 2) % len(rows)


def halves(rows: Tensor) -> tuple[Tensor, Tensor]:
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def extra(batch: Batch, name: str) -> Tensor:
    assert batch.extras is not None
    return batch.extras[name]


def nt_xent(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z = normalize(output)
    return average(
        [
            soft_max_of([z[a] @ z[k] / o.temperature for k in range(len(z)) if k != a]) - z[a] @ z[pair(z, a)] / o.temperature
            for a in range(len(z))
        ]
    )


def decoupled(z: Tensor, tau: float) -> Tensor:
    return average([soft_max_of([z[a] @ z[k] / tau for k in range(len(z)) if k not in (a, pair(z, a))]) for a in range(len(z))])


def dcl(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z = normalize(output)
    return decoupled(z, o.temperature) - average([z[a] @ z[pair(z, a)] / o.temperature for a in range(len(z))])


def dclw(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z = normalize(output)
    x, y = halves(z)
    positive = (x * y).sum(1)
    weights = 2 - len(x) * (positive / o.sigma).softmax(0)
    return decoupled(z, o.temperature) - (weights * positive).mean() / o.temperature


def binary_nce(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    first, second = halves(normalize(output))
    told = [(first[a] @ second[k] / o.temperature, a == k) for a, k in product(range(len(first)), repeat=2)]
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    kinds = (
        [loss(score, torch.ones_like(score)) for score, own in told if own],
        [loss(s, torch.zeros_like(s)) for s, own in told if not own],
    )
    return average([average(kind) for kind in kinds])


def infonce_queue(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, keys, queue = normalize(output), normalize(extra(batch, "keys")), extra(batch, "queue")
    return average(
        [
            soft_max_of([q @ k / o.temperature, *(q @ n / o.temperature for n in queue)]) - q @ k / o.temperature
            for q, k in zip(z, keys, strict=True)
        ]
    )


def momentum_queue(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    views, keys, queues = halves(normalize(output)), halves(normalize(extra(batch, "keys"))), extra(batch, "queues")
    terms = []
    for asked, found in product(range(2), range(2)):
        for i, q in enumerate(views[asked]):
            logits = [q @ k / o.temperature for k in (*keys[found], *queues[found])]
            terms.append(soft_max_of(logits) - logits[i])
    return average(terms)


def one_way(x: Tensor, y: Tensor, scale: float | Tensor, targets: Tensor | None = None) -> Tensor:
    logs = (scale * x @ y.T).log_softmax(1)
    return -(logs * (torch.eye(len(x), dtype=x.dtype) if targets is None else targets)).sum(1).mean()


def clip(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    x, y = halves(normalize(output))
    scale = extra(batch, "log_scale").exp().clamp(max=100)
    return (one_way(x, y, scale) + one_way(y, x, scale)) / 2


def cwcl(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    x, y = halves(normalize(output))
    scale, guide = extra(batch, "log_scale").exp().clamp(max=100), normalize(halves(extra(batch, "guide"))[0])
    weights = (1 + guide @ guide.T) / 2
    return one_way(x, y, scale, weights / weights.sum(1, keepdim=True)) + one_way(y, x, scale)


def cmim(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    x, y = halves(normalize(output))
    terms = []
    for i in range(len(x)):
        own = (x[i] @ y[i] / o.temperature).exp()
        others = average([(x[i] @ y[j] / o.temperature).exp() for j in range(len(x)) if j != i])
        terms.append(-(own / (own + others)).log())
    return average(terms)


def probabilities(z: Tensor, tau: float) -> Tensor:
    """Logarithms of each row's softmax over the other rows; 0 for itself."""
    own = torch.eye(len(z), dtype=torch.bool)
    return (z @ z.T / tau).masked_fill(own, -math.inf).log_softmax(1).masked_fill(own, 0.0)


def positives(batch: Batch) -> list[list[int]]:
    labels = batch.labels.tolist()
    return [[k for k in range(len(labels)) if k != a and labels[k] == labels[a]] for a in range(len(labels))]


def supcon(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    logs = probabilities(normalize(output), o.temperature)
    return average([-logs[a][chosen].mean() for a, chosen in enumerate(positives(batch)) if chosen])


def focal_supcon(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    logs = probabilities(normalize(output), o.temperature)
    return average(
        [-((1 - logs[a][chosen].exp()) * logs[a][chosen]).sum() / len(logs) for a, chosen in enumerate(positives(batch)) if chosen]
    )


def soft_supcon(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    logs, labels = probabilities(normalize(output), o.temperature), normalize(batch.labels)
    weights = (labels @ labels.T).relu().fill_diagonal_(0)
    return average([-(weights[a] * logs[a]).sum() / weights[a].sum() for a in range(len(logs)) if weights[a].sum() > 0])


def soft_label(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    x, y = halves(normalize(output))
    l, m = halves(normalize(batch.labels))  # noqa: E741
    goal = l @ m.T / o.label_temperature
    return (one_way(x, y, 1 / o.temperature, goal.softmax(1)) + one_way(y, x, 1 / o.temperature, goal.T.softmax(1))) / 2


def softcon(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, labels = normalize(output), normalize(batch.labels)
    terms = []
    for i, j in product(range(len(z)), repeat=2):
        if i < j:
            p, goal = (z[i] @ z[j] / o.temperature).sigmoid(), labels[i] @ labels[j]
            terms.append(-goal * p.log() - (1 - goal) * (1 - p).log())
    return average(terms)


def mv_infonce(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z = normalize(output)
    size, terms = len(z) // 2, []
    for i in range(size):
        everything = [z[a] @ z[k] / o.temperature for a in (i, i + size) for k in range(2 * size) if k != a]
        terms.append(soft_max_of(everything) - soft_max_of([z[i] @ z[i + size] / o.temperature] * 2))
    return average(terms)


def mv_dhel(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    views = halves(normalize(output))
    terms = []
    for i in range(len(views[0])):
        apart = [soft_max_of([v[i] @ v[j] / o.temperature for j in range(len(v)) if j != i]) for v in views]
        terms.append(apart[0] + apart[1] - views[0][i] @ views[1][i] / o.temperature)
    return average(terms)


def individual(
    rho: float, gamma: float, asked: list[tuple[Tensor, Tensor]], still: list[tuple[Tensor, Tensor]], tau: Tensor, old: Tensor
) -> Tensor:
    """Value tau (log u + rho), gradient tau dg / u of the live denominators; a way is (scores of negatives, score of the positive)."""
    terms = []
    for (scores, own), (held, held_own), t, u in zip(asked, still, tau, old, strict=True):
        live, fixed = ((s - p).div(t).exp().mean() for s, p in ((scores, own), (held, held_own)))
        mixed = (1 - gamma) * u + gamma * fixed if u > 0 else fixed
        terms.append(t * (mixed.log() + rho) + t * fixed / mixed * (live.log() - fixed.log()))
    return average(terms)


def isogclr(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    def ways(z: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [
            (torch.stack([z[a] @ z[k] for k in range(len(z)) if k not in (a, pair(z, a))]), z[a] @ z[pair(z, a)]) for a in range(len(z))
        ]

    assert batch.instances is not None
    tau, old = (extra(batch, name)[0][batch.instances] for name in ("temperatures", "averages"))
    return individual(o.budget, o.average, ways(normalize(output)), ways(normalize(held)), tau, old)


def rgcl(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    def ways(z: Tensor) -> list[tuple[Tensor, Tensor]]:
        x, y = halves(z)
        pairs = ((x, y), (y, x))
        return [(torch.stack([a[i] @ b[j] for j in range(len(x)) if j != i]), a[i] @ b[i]) for a, b in pairs for i in range(len(x))]

    tau, old = extra(batch, "temperatures").flatten(), extra(batch, "averages").flatten()
    return individual(o.budget, o.average, ways(normalize(output)), ways(normalize(held)), tau, old)


def amcl(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    total = output.new_zeros(())
    size = output.shape[1] // o.heads
    for h in range(o.heads):
        cut = slice(h * size, (h + 1) * size)
        z, still, first, last = normalize(output[:, cut]), normalize(held[:, cut]), extra(batch, "first")[h], extra(batch, "last")[h]

        def tau(a: Tensor, b: Tensor, first: Tensor = first, last: Tensor = last) -> Tensor:
            hidden = (torch.cat([a, b, a.new_ones(1)]) @ first).tanh()
            return o.lowest + (o.highest - o.lowest) * (torch.cat([hidden, a.new_ones(1)]) @ last).sigmoid()

        def omega(a: int, b: int, z: Tensor = z, tau: Callable[[Tensor, Tensor], Tensor] = tau) -> Tensor:
            return size / 2 * tau(z[a], z[b]).log() + 1 / tau(z[a], z[b])

        for a in range(len(z)):
            p = pair(z, a)
            logits = [z[a] @ z[k] / tau(z[a], z[k]) for k in range(len(z)) if k != a]
            hardest = max((k for k in range(len(z)) if k not in (a, p)), key=lambda k: float(still[a] @ still[k]))
            own = soft_max_of(logits) - z[a] @ z[p] / tau(z[a], z[p])
            total = total + (own + o.weight * (omega(a, p) - omega(a, hardest))) / len(z)
    return total


def raw_nt_xent(z: Tensor) -> Tensor:
    return average([soft_max_of([z[a] @ z[k] for k in range(len(z)) if k != a]) - z[a] @ z[pair(z, a)] for a in range(len(z))])


def comet(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    x, y = (half.view(len(half), o.steps, -1) for half in halves(output))
    shorter, observation, sample = (x, y), [], []
    while shorter[0].shape[1] > 1:
        observation.append(average([raw_nt_xent(torch.cat([a, b])) for a, b in zip(*shorter, strict=True)]))
        sample.append(average([raw_nt_xent(torch.cat([v[:, t] for v in shorter])) for t in range(shorter[0].shape[1])]))
        length = shorter[0].shape[1] // 2
        shorter = tuple(torch.stack([v[:, 2 * t : 2 * t + 2].amax(1) for t in range(length)], dim=1) for v in shorter)  # type: ignore[assignment]
    codes = [
        normalize(torch.stack([v[:, :, c] / v[:, :, c].norm(dim=1, keepdim=True) for c in range(v.shape[2])]).permute(1, 0, 2).flatten(1))
        for v in (x, y)
    ]
    logits = codes[0] @ codes[1].T / o.temperature

    def same(ids: Tensor) -> Tensor:
        pairs = [(i, j) for i, j in product(range(len(x)), repeat=2) if i != j and ids[i] == ids[j]]
        ways = [average([-m.log_softmax(1)[i, j] for i, j in pairs]) if pairs else output.new_zeros(()) for m in (logits, logits.T)]
        return average(ways)

    trials, patients = halves(extra(batch, "trials"))[0], halves(extra(batch, "patients"))[0]
    return o.observation * average(observation) + o.sample * average(sample) + o.trial * same(trials) + o.patient * same(patients)


def pixpro(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, keys, places, mapping = normalize(output), normalize(extra(batch, "keys")), extra(batch, "positions"), extra(batch, "map")
    assert batch.instances is not None
    assert batch.views is not None
    means = []
    for view, image in product((0, 1), batch.instances.unique()):
        here = [i for i in range(len(z)) if batch.instances[i] == image and batch.views[i] == view]
        there = [j for j in range(len(z)) if batch.instances[j] == image and batch.views[j] != view]
        terms = []
        for i, j in product(here, there):
            if (places[i] - places[j]).norm() < o.threshold:
                parts = [(z[i] @ z[k]).clamp(min=0) ** o.power * normalize(output[k] @ mapping, dim=0) for k in here]
                terms.append(torch.cosine_similarity(torch.stack(parts).sum(0), keys[j], dim=0))
        means.append(average(terms) if terms else output.new_zeros(()))
    return -2 * average(means)


def pixel_contrast(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, keys, places = normalize(output), normalize(extra(batch, "keys")), extra(batch, "positions")
    assert batch.instances is not None
    assert batch.views is not None
    means = []
    for view, image in product((0, 1), batch.instances.unique()):
        here = [i for i in range(len(z)) if batch.instances[i] == image and batch.views[i] == view]
        there = [j for j in range(len(z)) if batch.instances[j] == image and batch.views[j] != view]
        terms = []
        for i in here:
            near = [j for j in there if (places[i] - places[j]).norm() < o.threshold]
            if near:
                pulled, every = (soft_max_of([z[i] @ keys[j] / o.temperature for j in chosen]) for chosen in (near, there))
                terms.append(every - pulled)
        means.append(average(terms) if terms else output.new_zeros(()))
    return average(means)


def slots(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    keys, mapping, centre = extra(batch, "keys"), extra(batch, "map"), extra(batch, "centre")
    learnt, known = ([normalize(p, dim=0) for p in extra(batch, name)] for name in ("prototypes", "teaching_prototypes"))
    count, numbers = len(learnt), range(len(learnt))
    assert batch.instances is not None
    images = (batch.extras or {}).get("images", batch.instances)

    def cosines(row: Tensor, prototypes: list[Tensor]) -> Tensor:
        return torch.stack([normalize(row, dim=0) @ p for p in prototypes])

    def slot(rows: Tensor, prototypes: list[Tensor], members: list[int], k: int) -> Tensor:
        shares = [(cosines(rows[i], prototypes) / o.teacher_temperature).softmax(0)[k] + 1e-6 for i in members]
        parts = [share * rows[i] for share, i in zip(shares, members, strict=True)]
        return torch.stack(parts).sum(0) / torch.stack(shares).sum()

    total, half = output.new_zeros(()), len(output) // 2
    for start in (0, half):
        here = list(range(start, start + half))
        aims = [((cosines(keys[pair(output, i)], known) - centre) / o.teacher_temperature).softmax(0) for i in here]
        assigned = average([cross_entropy(aim, cosines(output[i], learnt) / o.temperature) for aim, i in zip(aims, here, strict=True)])
        rows, columns, places = [], [], {}
        for image in images.unique():
            members = [i for i in here if images[i] == image]
            others = [pair(output, i) for i in members]
            mine = {int(cosines(held[i], learnt).argmax()) for i in members}
            theirs = {int(cosines(keys[j], known).argmax()) for j in others}
            for k in numbers:
                if k in theirs:
                    places[int(image), k] = len(columns)
                    columns.append(normalize(slot(keys, known, others, k), dim=0))
                    if k in mine:
                        rows.append((normalize(slot(output, learnt, members, k) @ mapping, dim=0), places[int(image), k]))
        terms = []
        for row, own in rows:
            logits = [row @ column / o.slot_temperature for column in columns]
            terms.append(soft_max_of(logits) - logits[own])
        contrast = 2 * o.slot_temperature * average(terms) if terms else 0.0
        total = total + o.weight * assigned + (1 - o.weight) * contrast
    assert count == o.num_prototypes
    return total


def byol(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    pairs = zip(output, extra(batch, "keys"), strict=True)
    return average([2 - 2 * torch.cosine_similarity(row @ extra(batch, "map"), key, dim=0) for row, key in pairs])


def simsiam(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    rows = range(len(output))
    return -average([torch.cosine_similarity(output[a] @ extra(batch, "map"), held[pair(output, a)].detach(), dim=0) for a in rows])


def pamc(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z = normalize(output)
    centres = [normalize(output[batch.labels == c].sum(0), dim=0) for c in batch.labels.unique()]
    pulled = [-soft_max_of([o.sharpness * z[a] @ z[p] for p in chosen]) for a, chosen in enumerate(positives(batch)) if chosen]
    apart = [soft_max_of([o.sharpness * b @ c if b is not c else 0 * b.sum() for c in centres]) for b in centres]
    return average(pulled) + average(apart)


def pamc_learnt(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    centres, z, ids = extra(batch, "centres"), normalize(output), batch.instances
    assert ids is not None

    def soft(rows: Tensor) -> Tensor:
        near = torch.stack([torch.stack([1 / (1 + (row - centre).square().sum()) for centre in centres]) for row in rows])
        return torch.stack([row / row.sum() for row in near])

    with torch.no_grad():
        judged = soft(held)
        weight = judged**2 / judged.sum(0)
        aims = torch.stack([row / row.sum() for row in weight])
    chosen = judged.argmax(1)
    sums = [normalize(output[chosen == k].sum(0), dim=0) for k in chosen.unique()]
    pulled = [-soft_max_of([o.sharpness * z[a] @ z[p] for p in range(len(z)) if p != a and ids[p] == ids[a]]) for a in range(len(z))]
    apart = [soft_max_of([o.sharpness * b @ c if b is not c else 0 * b.sum() for c in sums]) for b in sums]
    sharpen = average([(p * (p / q).log()).sum() for p, q in zip(aims, soft(output), strict=True)])
    return o.contrast * (average(pulled) + average(apart)) + o.divergence * sharpen


def swav(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    prototypes = normalize(extra(batch, "prototypes"))

    def codes(rows: Tensor) -> Tensor:
        plan = (normalize(rows) @ prototypes.T / o.regularisation).exp().detach()
        for _ in range(o.iterations):
            plan = plan / plan.sum(0, keepdim=True)
            plan = plan / plan.sum(1, keepdim=True)
        return plan

    x, y = ((normalize(half) @ prototypes.T / o.temperature).log_softmax(1) for half in halves(output))
    q, r = (codes(half) for half in halves(held))
    return -((q * y).sum(1) + (r * x).sum(1)).mean() / 2


def alignment(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    return average([(a - b).norm() ** o.power for a, b in zip(*halves(normalize(output)), strict=True)])


def spread(z: Tensor, t: float) -> Tensor:
    return average([(-t * (z[i] - z[j]).square().sum()).exp() for i, j in product(range(len(z)), repeat=2) if i < j]).log()


def uniformity(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    return spread(normalize(output), o.sharpness)


def alignment_uniformity(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    x, y = halves(normalize(output))
    return alignment(o, output, held, batch) + o.weight / 2 * (spread(x, o.sharpness) + spread(y, o.sharpness))


def scattering(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z = normalize(output)
    return -o.weight * average([(row - z.mean(0)).square().sum() for row in z])


def simctg(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, ids = normalize(output), batch.instances
    assert ids is not None
    return average([(o.margin - 1 + z[i] @ z[j]).clamp(min=0) for i, j in product(range(len(z)), repeat=2) if ids[i] != ids[j]])


def balanced_squared_error(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    def logit(i: int, j: int) -> Tensor:
        return -((output[i, 0] - batch.labels[j]) ** 2) / (2 * o.noise**2)

    rows = range(len(output))
    return 2 * o.noise**2 * average([soft_max_of([logit(i, j) for j in rows]) - logit(i, i) for i in rows])


def balanced_softmax(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    counts = extra(batch, "counts")
    shares = [torch.stack([counts[k] * row[k].exp() for k in range(len(row))]) for row in output]
    return -average([(share[label] / share.sum()).log() for share, label in zip(shares, batch.labels, strict=True)])


def cua(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    x, y = halves(normalize(output))
    return clip(o, output, held, batch) + (spread(x, o.sharpness) + spread(y, o.sharpness)) / 2 + (x - y).square().sum(1).mean()


def cuaxu(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    x, y = halves(normalize(output))
    across = average([(-o.sharpness * (x[j] - y[k]).square().sum()).exp() for j, k in product(range(len(x)), repeat=2) if j != k]).log()
    return cua(o, output, held, batch) + o.across * across


def cacr(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, pushed = normalize(output), []
    x, y = halves(z)
    for i in range(len(x)):
        apart = torch.stack([(x[i] - y[j]).square().sum() for j in range(len(x)) if j != i])
        pushed.append(((-o.repulsion * apart).softmax(0) * apart).sum())
    return (x - y).square().sum(1).mean() - average(pushed)


def sepclr(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    half, tau = output.shape[1] // 2, o.temperature
    target = halves(batch.labels)[0] != 0
    total, views = output.new_zeros(()), []
    for rows in halves(output):
        c, s = normalize(rows[:, :half]), rows[:, half:]
        views.append((c, s))
        null = torch.stack([code if there else 0 * code for code, there in zip(s, target, strict=True)])
        spread_out = o.uniformity * (o.common * spread(c, 1 / (2 * tau)) + o.salient * spread(null, 1 / (2 * tau)))
        kernel = [
            [(-((c[i] - c[j]).square().sum() + (null[i] - null[j]).square().sum()) / (2 * tau)).exp() for j in range(len(c))]
            for i in range(len(c))
        ]
        silent = o.background * s[~target].square().sum(1).mean() / (2 * tau)
        total = total + (spread_out + o.joint * average([average(row).log() for row in kernel]) + silent) / 2
    (c, s), (d, t) = views
    return total + (o.common * (c - d).square().sum(1).mean() + o.salient * (s - t)[target].square().sum(1).mean()) / (2 * tau)


def pmrl(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    first, leads = [], []
    for a, b in zip(*halves(normalize(output)), strict=True):
        vectors, values, _ = torch.linalg.svd(torch.stack([a, b], dim=1), full_matrices=False)
        first.append(-(values / o.value_temperature).log_softmax(0)[0])
        leads.append(vectors[:, 0] * torch.sign(vectors[:, 0].detach() @ a.detach()))
    return average(first) + o.weight * one_way(torch.stack(leads), torch.stack(leads), 1 / o.temperature)


def whitenedcse(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    def white(rows: Tensor, judged: Tensor, order: Tensor) -> Tensor:
        result = torch.zeros_like(rows)
        for group in order.view(-1, o.group_size):
            centred = judged[:, group] - judged[:, group].mean(0)
            covariance = centred.T @ centred / len(rows)
            mixed = (1 - o.shrinkage) * covariance + o.shrinkage * covariance.diagonal().mean() * torch.eye(o.group_size).double()
            values, vectors = torch.linalg.eigh(mixed + torch.finfo(rows.dtype).eps * torch.eye(o.group_size).double())
            result[:, group] = (rows[:, group] - judged[:, group].mean(0)) @ vectors @ torch.diag(values**-0.5) @ vectors.T
        return normalize(result)

    (x, y), (held_x, held_y), orders = halves(output), halves(held), extra(batch, "permutations")
    anchor = white(x, held_x, orders[0])
    return average([one_way(anchor, white(y, held_y, order), 1 / o.temperature) for order in orders])


def barlow_twins(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    x, y = ((half - half.mean(0)) / (half.var(0, unbiased=False) + o.epsilon).sqrt() for half in halves(output))
    matrix = x.T @ y / len(x)
    terms = [(1 - matrix[i, i]) ** 2 if i == j else o.redundancy * matrix[i, j] ** 2 for i, j in product(range(len(matrix)), repeat=2)]
    return torch.stack(terms).sum()


def vicreg(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    views = halves(output)
    total = o.invariance * (views[0] - views[1]).square().mean()
    for view in views:
        deviations, units = (view.var(0) + o.epsilon).sqrt(), view.shape[1]
        total = total + o.variance * (o.deviation - deviations).relu().mean()
        for i, j in product(range(units), repeat=2):
            if i != j:
                covariance = ((view[:, i] - view[:, i].mean()) * (view[:, j] - view[:, j].mean())).sum() / (len(view) - 1)
                total = total + o.covariance * covariance**2 / units
    return total


def mw(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    x, y = halves(normalize(output))
    size = range(len(x))
    terms = [(1 + ((x[i] @ y[j] - x[k] @ y[k]) / o.temperature).exp()).log() for i, j, k in product(size, size, size) if i != j]
    return average(terms)


def triplets(z: Tensor, batch: Batch, margin: Callable[[int, int, int], float | Tensor]) -> Tensor:
    labels = batch.labels.tolist()
    terms = []
    for a, chosen in enumerate(positives(batch)):
        for p, n in product(chosen, range(len(z))):
            if labels[n] != labels[a]:
                violation = margin(a, p, n) + (z[a] - z[p]).norm() - (z[a] - z[n]).norm()
                if violation > 0:
                    terms.append(violation)
    return average(terms) if terms else 0 * z.sum()


def triplet(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    return triplets(normalize(output), batch, lambda a, p, n: o.margin)


def pair_margin(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, y = normalize(output), batch.labels.tolist()
    near, far = [output.new_zeros(())], [output.new_zeros(())]
    for a, k in product(range(len(z)), repeat=2):
        apart = (z[a] - z[k]).norm()
        if a != k and y[a] == y[k]:
            near.append(apart**2 / 2)
        elif a != k:
            far.append((o.margin - apart).clamp(min=0) ** 2 / 2)
    return sum((torch.stack(kind).sum() / max(1, len(kind) - 1) for kind in (near, far)), output.new_zeros(()))


def adaptive_triplet(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    k = normalize(extra(batch, "keys"))
    return triplets(normalize(output), batch, lambda a, p, n: o.margin + (k[a] - k[n]).norm() - (k[a] - k[p]).norm())


def deep_boosting(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    views, still, branch = (halves(normalize(rows)) for rows in (output, held, extra(batch, "keys")))
    terms = []
    for x, y in ((0, 1), (1, 0)):

        def score(pair: tuple[Tensor, Tensor], i: int, j: int, x: int = x, y: int = y) -> Tensor:
            return pair[x][i] @ pair[y][j]

        for i in range(len(views[0])):
            others = [j for j in range(len(views[0])) if j != i]
            hard = max(others, key=lambda j: float(score(still, i, j)))
            moved = max(others, key=lambda j: float(score(still, i, j) - score(branch, i, j)))
            near, far = score(branch, i, i) - score(views, i, i), score(views, i, moved) - score(branch, i, moved)
            boost = (o.margin / 2 + near).relu() + (o.margin / 2 + far).relu() if o.absolute else (o.margin + near + far).relu()
            terms.append((o.margin + score(views, i, hard) - score(views, i, i)).relu() + o.weight * boost)
    return 2 * average(terms)


def groco(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, h = normalize(output), normalize(held)
    size, terms = len(z) // 2, []
    for a in range(len(z)):
        own_view = [k for k in range(len(z)) if k // size == a // size and k != a]
        hard = sorted(own_view, key=lambda k: float(h[a] @ h[k]))[-min(o.negatives, size - 1) :]
        values = [z[a] @ h[k] for k in (*hard, pair(z, a))]
        landing = [[torch.tensor(float(i == j)).double() for j in range(len(values))] for i in range(len(values))]
        for layer in range(len(values)):
            for low in range(layer % 2, len(values) - 1, 2):
                keep = 0.5 + (o.steepness * (values[low + 1] - values[low])).atan() / math.pi
                values[low], values[low + 1] = (
                    keep * values[low] + (1 - keep) * values[low + 1],
                    keep * values[low + 1] + (1 - keep) * values[low],
                )
                for row in landing:
                    row[low], row[low + 1] = keep * row[low] + (1 - keep) * row[low + 1], keep * row[low + 1] + (1 - keep) * row[low]
        for i, row in enumerate(landing):
            top, bottom = row[-1], torch.stack(row[:-1]).sum()
            terms.append(-top.log() - (1 - bottom).log() if i == len(hard) else -(1 - top).log() - bottom.log())
    return average(terms) / 2


def retriever_ranker(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, still, known = normalize(output), normalize(held), normalize(extra(batch, "teacher"))
    terms: list[Tensor] = []
    for a in range(len(z)):
        others = [k for k in range(len(z)) if k not in (a, pair(z, a))]
        near = sorted(others, key=lambda k, a=a: -float(still[a] @ still[k]))[: o.candidates]  # type: ignore[misc]
        chosen = [pair(z, a), *near]
        asked = [torch.cat([known[a] * known[k], (known[a] - known[k]).abs()]) for k in chosen]
        scores = [(row @ torch.cat(list(extra(batch, "ranker")))).tanh() @ extra(batch, "readout") for row in asked]
        logits = [z[a] @ z[k] / o.temperature for k in chosen]
        for score, logit in zip(scores, logits, strict=True):
            likely, reward = logit - soft_max_of(logits), -(1 + (score - scores[0]).exp()).log()
            trusted = (score - soft_max_of(scores)).exp()
            terms.append((o.adversarial * reward.detach() - (1 - o.adversarial) * trusted.detach()) * likely)
        terms.append(soft_max_of(scores) - scores[0])
    return torch.stack(terms).sum() / len(z)


def conr(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, y, guess = normalize(output), batch.labels.tolist(), extra(batch, "predictions").tolist()
    total, size = output.new_zeros(()), len(z)
    for a in range(size):
        near = [k for k in range(size) if k != a and abs(y[k] - y[a]) <= o.window]
        wrong = [k for k in range(size) if abs(y[k] - y[a]) > o.window and abs(guess[k] - guess[a]) <= o.window]
        if near and wrong:
            own = torch.stack([(z[a] @ z[k] / o.temperature).exp() for k in near])
            apart = [o.push * math.exp(o.growth * abs(y[k] - y[a])) * (z[a] @ z[k] / o.temperature).exp() for k in wrong]
            total = total - (own / (own.sum() + torch.stack(apart).sum())).log().mean() / size
    return total


def supremix(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, y, share = normalize(output), batch.labels.flatten().tolist(), extra(batch, "mixing")
    terms = []
    for a in range(len(z)):
        same = [k for k in range(len(z)) if k != a and y[k] == y[a]]
        pulled = [z[a] @ z[k] / o.temperature for k in same]
        above, below = ([k for k in range(len(z)) if side * (y[k] - y[a]) > 0] for side in (1, -1))
        if above and below:
            top, bottom = min(y[k] for k in above), max(y[k] for k in below)
            upper, lower = (z[[k for k in range(len(z)) if y[k] == edge]].mean(0) for edge in (top, bottom))
            part = (top - y[a]) / (top - bottom)
            pulled.append(z[a] @ normalize(part * lower + (1 - part) * upper, dim=0) / o.temperature)
        pushed = []
        for k in (*above, *below):
            made = normalize(share[k] * z[a] + (1 - share[k]) * z[k], dim=0)
            pushed.append(z[a] @ z[k] / o.temperature + math.log(1 + abs(y[k] - y[a])))
            pushed.append(z[a] @ made / o.temperature + (1 + (1 - share[k]) * abs(y[k] - y[a])).log())
        if pulled:
            terms.append(soft_max_of([*pulled, *pushed]) - average(pulled))
    return average(terms)


def cross_entropy(aims: Tensor, logits: Tensor) -> Tensor:
    return -sum((aims[k] * (logits[k] - soft_max_of(list(logits))) for k in range(len(aims))), torch.zeros(()).to(logits))


def self_distillation(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, known = normalize(output), normalize(extra(batch, "teacher")) - extra(batch, "centre")
    aims = [(row / o.teacher_temperature).softmax(0) for row in known]
    return average([cross_entropy(aims[pair(z, a)], z[a] / o.temperature) for a in range(len(z))])


def contrastive_distillation(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, known = normalize(output), normalize(extra(batch, "teacher"))
    others = [[k for k in range(len(z)) if k != pair(z, a)] for a in range(len(z))]
    return average(
        [soft_max_of([z[a] @ known[k] / o.temperature for k in others[a]]) - z[a] @ known[a] / o.temperature for a in range(len(z))]
    )


def relation_distillation(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    return chased(o, normalize(output), normalize(output), normalize(extra(batch, "teacher")))


def chased(o: Any, rows: Tensor, columns: Tensor, known: Tensor) -> Tensor:
    """Rows to columns as the known ones to each other, each without its own."""
    terms = []
    for a in range(len(rows)):
        others = [k for k in range(len(rows)) if k != a]
        aims = torch.stack([known[a] @ known[k] / o.teacher_temperature for k in others]).softmax(0)
        terms.append(cross_entropy(aims, torch.stack([rows[a] @ columns[k] / o.temperature for k in others])))
    return average(terms)


def score_distillation(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, known = normalize(output), normalize(extra(batch, "teacher"))
    return average([(z[a] @ z[b] - known[a] @ known[b]) ** 2 for a in range(len(z)) for b in range(len(z)) if a != b])


def entry_prediction(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, entries, half = normalize(output), normalize(extra(batch, "teacher")), len(output) // 2
    terms = []
    for a in range(len(z)):
        others = range(half, 2 * half) if a < half else range(half)
        terms.append(soft_max_of([z[a] @ entries[k] / o.temperature for k in others]) - z[a] @ entries[pair(z, a)] / o.temperature)
    return average(terms)


def bag_of_words(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, words, predictors = normalize(output), normalize(extra(batch, "vocabulary")), normalize(extra(batch, "predictors"))
    bags = []
    for row in extra(batch, "teacher"):
        seen = [
            torch.stack([normalize(part, dim=0) @ v for v in words]).div(o.teacher_temperature).softmax(0) for part in row.chunk(o.parts)
        ]
        largest = torch.stack([max(assigned[k] for assigned in seen) for k in range(len(words))])
        bags.append(largest / largest.sum())
    return average([cross_entropy(bags[pair(z, a)], predictors @ z[a] / o.temperature) for a in range(len(z))])


def quantised_targets(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    z, projection, codebook = normalize(output), extra(batch, "projection"), extra(batch, "codebook")
    shares = [[part.softmax(0) for part in (row @ projection / o.code_temperature).chunk(o.groups)] for row in normalize(held)]
    codes = [torch.cat([share @ codebook[g] for g, share in enumerate(row)]) for row in shares]
    codes = [code / code.norm() for code in codes]
    half = len(z) // 2
    terms = []
    for a in range(len(z)):
        logits = [z[a] @ codes[k] / o.temperature for k in (range(half, 2 * half) if a < half else range(half))]
        terms.append(soft_max_of(logits) - z[a] @ codes[pair(z, a)] / o.temperature)
    used = [torch.stack([row[g] for row in shares]).mean(0) for g in range(o.groups)]
    uneven = average([1 - (-(share * share.log()).sum()).exp() / o.entries for share in used])
    return average(terms) + o.diversity * uneven


def growing_views(o: Any, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
    strong, weak = normalize(halves(output)[1]), normalize(halves(held)[0])
    return chased(o, strong, weak, weak)


TWINS: dict[str, Twin] = {
    name.replace("_", "-"): twin
    for name, twin in globals().items()
    if callable(twin)
    and getattr(twin, "__annotations__", {}).get("batch")
    and list(twin.__annotations__)[:4] == ["o", "output", "held", "batch"]
}
"""By the objective's name."""
