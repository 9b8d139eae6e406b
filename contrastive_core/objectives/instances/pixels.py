"""PixPro: nearby places in two views of an image must agree, by propagation or by contrast with the other places."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.objectives.batch_layout import extra
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import tiles, unit
from contrastive_core.objectives.instances.queue import OWN_KEYS
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective, Stateless
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch

POSITIONS = Extra("positions", "(B, 2)", Origin.GIVEN, "place of each row in its image, in units of the larger bin's diagonal")


class Places:
    """Places of a batch: the image, the view and the position of each row.

    Parameters
    ----------
    batch : Batch
        Rows of two views, with positions among the extras.
    threshold : float
        Distance below which two places of the two views of an image must agree.
    name : str
        Objective, for messages.

    Raises
    ------
    InputError
        If the batch says neither image nor view, or has other than two views.
    """

    def __init__(self, batch: Batch, threshold: float, name: str) -> None:
        if batch.instances is None or batch.views is None or len(torch.unique(batch.views)) != 2:
            raise InputError(f"{name} needs the image of each row (instances) and its view, one of two (views); give both in the batch")
        # Rows that are places of one image are samples of their own in a data set, which names the image of each.
        self.images: Tensor = (batch.extras or {}).get("images", batch.instances)
        self.views, self.positions = batch.views, extra(batch, POSITIONS.name)
        self._threshold = threshold

    def opposite(self, part: slice) -> Tensor:
        """Return a mask of the pairs of places of one image in both views, of shape (T, B)."""
        there: Tensor = (self.images[part, None] == self.images[None, :]) & (self.views[part, None] != self.views[None, :])
        return there

    def near(self, part: slice) -> Tensor:
        """Return a mask of those pairs that must agree, of shape (T, B)."""
        # torch.cdist uses matrix products, whose rounding in float32 would blur the threshold.
        distance = (self.positions[part, None] - self.positions[None, :]).norm(dim=2)
        there: Tensor = self.opposite(part) & (distance < self._threshold)
        return there

    def counts(self) -> Tensor:
        """Return the number of places that each place must agree with, of shape (B,).

        Raises
        ------
        InputError
            If no two places must agree.
        """
        size = len(self.images)
        found = torch.cat([self.near(part).sum(1) for part in tiles(size, 2 * size)])
        if not bool(found.any()):
            raise InputError(f"no two places of one image are within {self._threshold} of each other in the two views; check the positions")
        return found

    def share(self, weights: Tensor, dtype: torch.dtype) -> Tensor:
        """Return one over the sum of whole weights of a row's image and view, over the number of images, of shape (B,)."""
        group, number = torch.unique(torch.stack([self.images, self.views]), dim=1, return_inverse=True)
        sums = weights.new_zeros(group.shape[1]).index_add(0, number, weights)[number].clamp(min=1)
        return 1 / (sums * len(torch.unique(self.images))).to(dtype)


@final
@dataclass(frozen=True)
class PixPro(Objective):
    r"""Pixel-to-propagation consistency.

    Each row is a place of an image (the extra ``images``, or else ``instances``) in one of two ``views``, at a position there. :math:`C =
    -\sum_\mathrm{ways} \langle \langle \cos(y_i, y'_j) \rangle_{ij} \rangle_\mathrm{images}`, in [-2, 2]. The inner mean is over the pairs
    of places of one image, one in each view, that are nearer than a threshold; an image without any counts 0. :math:`y_i = \sum_j
    \max(0, \cos(x_i, x_j))^\gamma\, g(x_j)/|g(x_j)|` over the places of i's view, with a learnt linear map g; :math:`y'` is the output of
    a second network, without gradient. The official code's g also has a bias, and it adds :math:`10^{-6}` to the number of pairs.

    Attributes
    ----------
    power : float
        :math:`\gamma`.
    threshold : float
        Largest distance of a pair, in units of the larger bin's diagonal.
    """

    power: float = 2.0
    threshold: float = 0.7

    needs = Needs(
        fewest=1,
        most=None,
        extras=(
            OWN_KEYS,
            POSITIONS,
            Extra("map", "(n, n)", Origin.LEARNT, "the linear map g"),
        ),
    )
    source = "Xie et al. (2021), PixPro"
    verified = "value equals a rewriting of the official code, without its bias and its 1e-6"
    strength = 0.02

    def __post_init__(self) -> None:
        require_positive(threshold=self.threshold)
        require_at_least(1, power=self.power)

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the identity as the map."""
        return {"map": torch.eye(width)}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return an empty dict: the map is learnt by gradient."""
        return {}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the sum over both ways of minus the mean cosine of near pairs, image by image."""
        places = Places(batch, self.threshold, "PixPro")
        keys = unit(extra(batch, "keys").detach())
        images, views, share = places.images, places.views, places.share(places.counts(), output.dtype)

        def term(part: slice, output: Tensor, mapping: Tensor) -> Tensor:
            rows = unit(output)
            inside = (images[part, None] == images[None, :]) & (views[part, None] == views[None, :])
            closeness = (rows[part] @ rows.T).clamp(min=0) ** self.power
            propagated = torch.where(inside, closeness, 0.0) @ unit(output @ mapping)
            agreement = torch.where(places.near(part), unit(propagated) @ keys.T, 0.0)
            return -(agreement.sum(1) * share[part]).sum()

        return tiled(term, len(output), 2 * len(output), output, extra(batch, "map"))


@final
@dataclass(frozen=True)
class PixelContrast(Stateless):
    r"""Contrast of places: near ones in the other view against all places of the other view of the same image.

    :math:`C = \langle -\log \frac{\sum_{j \in P_i} e^{\cos(x_i, x'_j)/\tau}}{\sum_{j \in P_i \cup N_i} e^{\cos(x_i, x'_j)/\tau}}
    \rangle`, where P are the places within the threshold and N the other ones of that view. The mean is over the places of a view that
    have positives, then over both views and over the images; a view without any counts 0. :math:`x'` is the output of a second network,
    without gradient. The paper's first task, PixContrast; the official code holds only the second one.

    Attributes
    ----------
    temperature : float
        :math:`\tau`.
    threshold : float
        Largest distance of a positive pair, in units of the larger bin's diagonal.
    """

    temperature: float = 0.3
    threshold: float = 0.7

    needs = Needs(fewest=1, most=None, extras=(OWN_KEYS, POSITIONS))
    source = "Xie et al. (2021), PixPro"
    verified = "from the paper, not re-read; equals an independent twin"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature, threshold=self.threshold)

    @property
    def strength(self) -> float:
        """0.02 of the temperature."""
        return 0.02 * self.temperature

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over images, views and places."""
        places, keys = Places(batch, self.threshold, "PixelContrast"), unit(extra(batch, "keys").detach())
        counts = places.counts() > 0
        share = torch.where(counts, places.share(counts.to(torch.int64), output.dtype), 0.0) / 2

        def term(part: slice, output: Tensor) -> Tensor:
            scores = unit(output)[part] @ keys.T / self.temperature
            every = scores.masked_fill(~places.opposite(part), -torch.inf).logsumexp(1)
            near = scores.masked_fill(~places.near(part), -torch.inf)
            # A row without positives has no weight; a finite stand-in keeps its gradient from being 0 times infinity.
            alone = ~counts[part]
            pulled = torch.where(alone[:, None], 0.0, near).logsumexp(1)
            return (torch.where(alone, 0.0, every - pulled) * share[part]).sum()

        return tiled(term, len(output), 2 * len(output), output)
