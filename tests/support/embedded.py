"""Batches of embeddings for any objective, made from what it says that it needs."""

from __future__ import annotations

import torch
from systems import seeded
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.objectives import OBJECTIVES
from contrastive_core.objectives.needs import Labels, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch

WIDTH = 6


SMALL: dict[str, dict[str, float]] = {
    "swav": {"num_prototypes": 5},
    "slots": {"num_prototypes": 3},
    "infonce-queue": {"length": 20},
    "momentum-queue": {"length": 20},
    "bag-of-words": {"words": 5},
    "quantised-targets": {"entries": 4},
    "whitenedcse": {"shrinkage": 0.1},  # batches here are not larger than its groups, whose covariance is then nearly singular
}
"""Settings that make an objective small enough for finite differences."""


def build(name: str) -> Objective:
    """An objective of the table with its defaults, but small."""
    return OBJECTIVES[name](**SMALL.get(name, {}))


def embeddings(rows: int, seed: int = 0, width: int = WIDTH) -> Tensor:
    """Random rows of float64 in general position."""
    return torch.randn((rows, width), generator=seeded(seed), dtype=torch.float64)


def paired(samples: int, views: int = 2) -> Tensor:
    """Instances of a batch that holds all first views, then all second ones, ..."""
    return torch.arange(samples).repeat(views)


def presented(objective: Objective, samples: int = 6, views: int | None = None, seed: int = 5) -> Batch:
    """A batch that fits: the fewest views, labels of the kind, and extras, the given ones random."""
    needs, generator = objective.needs, seeded(seed)
    count = views or max(2, needs.fewest)
    rows = samples * count
    labels = {
        Labels.NONE: torch.zeros(rows, dtype=torch.int64),
        Labels.CLASSES: (torch.arange(samples) % 3).repeat(count),
        Labels.NUMBERS: torch.rand(samples, generator=generator, dtype=torch.float64).repeat(count) * 4,
        Labels.VECTORS: torch.rand((samples, 4), generator=generator, dtype=torch.float64).repeat(count, 1),
    }[needs.labels]
    extras = {name: floated(value) for name, value in objective.start(WIDTH, samples, generator).items()}
    made = {
        "keys": torch.randn((rows, WIDTH), generator=generator, dtype=torch.float64),
        "teacher": torch.randn((rows, WIDTH), generator=generator, dtype=torch.float64),
        "guide": torch.randn((rows, 4), generator=generator, dtype=torch.float64),
        "trials": (torch.arange(samples) % 4).repeat(count),
        "patients": (torch.arange(samples) % 3).repeat(count),
        "positions": 0.9 * torch.rand((rows, 2), generator=generator, dtype=torch.float64),
        "predictions": 4 * torch.rand(rows, generator=generator, dtype=torch.float64),
        "mixing": torch.rand(rows, generator=generator, dtype=torch.float64),
    }
    given = [extra.name for extra in needs.extras if extra.origin is Origin.GIVEN]
    views = torch.arange(count).repeat_interleave(samples)
    # Several places of one image, so that something is propagated between them, or contrasted.
    instances = paired(samples, count) // (2 if "positions" in given and samples > 2 else 1)
    return Batch(torch.zeros(rows, 1), labels, instances, views, extras | {key: made[key.rpartition(".")[2]] for key in given})


def floated(value: Tensor) -> Tensor:
    """A tensor of real numbers in float64, one of integers as it is."""
    return value.double() if value.is_floating_point() else value


CLOSE = 1e-10


def batch_of(samples: int, views: int = 2, labels: Tensor | None = None, **extras: Tensor) -> Batch:
    """A batch of all first views, then all second ones, ..."""
    labels = torch.zeros(samples * views, dtype=torch.int64) if labels is None else labels
    return Batch(torch.zeros(samples * views, 1), labels, paired(samples, views), extras=extras)


def same(first: float | Tensor, second: float | Tensor) -> bool:
    return abs(float(first) - float(second)) <= CLOSE * max(1.0, abs(float(second)))


def close_to(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two tensors agree to 1e-10 of the largest entry, or of 1."""
    return float((ours - theirs).abs().max()) <= CLOSE * max(1.0, float(theirs.abs().max()))


def cosines(output: Tensor) -> Tensor:
    rows = normalize(output)
    return rows @ rows.T


def partner(size: int) -> Tensor:
    return torch.arange(size).roll(size // 2)


def dense(output: Tensor, temperature: float, decoupled: bool) -> Tensor:
    """NT-Xent or DCL of each row, written out."""
    scores, other = cosines(output) / temperature, partner(len(output))
    keep = ~torch.eye(len(output), dtype=torch.bool)
    if decoupled:
        keep[torch.arange(len(output)), other] = False
    terms = [scores[a][keep[a]].logsumexp(0) - scores[a, other[a]] for a in range(len(output))]
    return torch.stack(terms)
