"""PixPro: nearby places in two views of an image must agree."""

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
from contrastive_core.objectives.objective import Objective
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


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
            Extra("positions", "(B, 2)", Origin.GIVEN, "place of each row in its image, in units of the larger bin's diagonal"),
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
        if batch.instances is None or batch.views is None or len(torch.unique(batch.views)) != 2:
            raise InputError("PixPro needs the image of each row (instances) and its view, one of two (views); give both in the batch")
        images, views, positions = (batch.extras or {}).get("images", batch.instances), batch.views, extra(batch, "positions")
        keys = unit(extra(batch, "keys").detach())

        def near(part: slice) -> Tensor:
            """Return a mask of the pairs of places that must agree, of shape (T, B)."""
            # torch.cdist uses matrix products, whose rounding in float32 would blur the threshold.
            distance = (positions[part, None] - positions[None, :]).norm(dim=2)
            there: Tensor = (images[part, None] == images[None, :]) & (views[part, None] != views[None, :]) & (distance < self.threshold)
            return there

        counts = torch.cat([near(part).sum(1) for part in tiles(len(output), 2 * len(output))])
        if not bool(counts.any()):
            raise InputError(f"no two places of one image are within {self.threshold} of each other in the two views; check the positions")
        group, number = torch.unique(torch.stack([images, views]), dim=1, return_inverse=True)
        pairs = counts.new_zeros(group.shape[1]).index_add(0, number, counts)[number].clamp(min=1)  # pairs of each row's image and view
        share = 1 / (pairs * len(torch.unique(images))).to(output.dtype)

        def term(part: slice, output: Tensor, mapping: Tensor) -> Tensor:
            rows = unit(output)
            inside = (images[part, None] == images[None, :]) & (views[part, None] == views[None, :])
            closeness = (rows[part] @ rows.T).clamp(min=0) ** self.power
            propagated = torch.where(inside, closeness, 0.0) @ unit(output @ mapping)
            agreement = torch.where(near(part), unit(propagated) @ keys.T, 0.0)
            return -(agreement.sum(1) * share[part]).sum()

        return tiled(term, len(output), 2 * len(output), output, extra(batch, "map"))
