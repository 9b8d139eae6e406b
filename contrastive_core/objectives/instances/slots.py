"""SlotCon: places of an image gather into slots, which are contrasted between views and images."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.objectives.batch_layout import extra, view_rows
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.queue import OWN_KEYS
from contrastive_core.objectives.log_softmax import even, pooled
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch

_LEAST = 1e-6
"""Share of a slot that every place has at least, as in the official code."""


@final
@dataclass(frozen=True)
class Slots(Objective):
    r"""Contrast of slots beside a balanced assignment of places to them.

    Each row is a place of an image (the extra ``images``, or else ``instances``) in one of two views, with the cosines
    :math:`s_{ik}` to K learnt prototypes. A second network, its own prototypes, which follow slowly, and their cosines
    :math:`s'_{ik}` teach, without gradient.

    .. math::
        C = \sum_\mathrm{ways} w\, \langle \mathrm{CE}(\mathrm{softmax}((s'_i - c)/\tau'), \mathrm{softmax}(s_i/\tau)) \rangle_i
        + (1 - w)\, 2\tau_s \left\langle -\log \frac{e^{\cos(h(q_{mk}), q'_{mk})/\tau_s}}{\sum_{n,l} e^{\cos(h(q_{mk}),
        q'_{nl})/\tau_s}} \right\rangle_{mk}

    with the same place i in the other view, and slots :math:`q_{mk} = \sum_{i \in m} a_{ik} x_i / \sum_{i \in m} a_{ik}` of image m,
    where :math:`a_i = \mathrm{softmax}(s_i/\tau') + 10^{-6}`. Slots count that are the largest share of some place, rows in both views and
    columns in the other one. The centre c, a moving average of s', balances the assignment; h is a learnt linear map, in the source
    three layers.

    Attributes
    ----------
    num_prototypes : int
        K; the default is the source's for COCO.
    temperature, teacher_temperature : float
        :math:`\tau` and :math:`\tau'`, dimensionless.
    slot_temperature : float
        :math:`\tau_s`.
    weight : float
        w, in [0, 1].
    momentum, centring : float
        Share of the old value in the teacher's prototypes, and in the centre.
    """

    num_prototypes: int = 256
    temperature: float = 0.1
    teacher_temperature: float = 0.07
    slot_temperature: float = 0.2
    weight: float = 0.5
    momentum: float = 0.99
    centring: float = 0.9

    needs = Needs(
        extras=(
            OWN_KEYS,
            Extra("prototypes", "(K, n)", Origin.LEARNT, "the vectors that slots gather around"),
            Extra("map", "(n, n)", Origin.LEARNT, "the predictor h, a linear map"),
            Extra("teaching_prototypes", "(K, n)", Origin.CARRIED, "the prototypes that follow slowly"),
            Extra("centre", "(K,)", Origin.CARRIED, "the moving average of the teacher's cosines"),
        )
    )
    source = "Wen et al. (2022), SlotCon"
    verified = "value equals a rewriting of the official code, with a linear predictor"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature, teacher_temperature=self.teacher_temperature, slot_temperature=self.slot_temperature)
        require_at_least(2, num_prototypes=self.num_prototypes)
        for name, share in (("weight", self.weight), ("momentum", self.momentum), ("centring", self.centring)):
            if not 0 <= share <= 1:
                raise InputError(f"the {name} must lie in [0, 1], got {share}")

    @property
    def strength(self) -> float:
        """0.01 of the smallest temperature."""
        return 0.01 * min(self.temperature, self.teacher_temperature, self.slot_temperature)

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return prototypes in random directions, for both networks, the identity as the map, and a centre of 0."""
        prototypes = unit(torch.randn((self.num_prototypes, width), generator=generator, device=generator.device))
        map_, centre = torch.eye(width, device=generator.device), torch.zeros(self.num_prototypes, device=generator.device)
        return {"prototypes": prototypes, "map": map_, "teaching_prototypes": prototypes.clone(), "centre": centre}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the teacher's prototypes, moved towards the learnt ones, and the centre, towards the mean of this batch."""
        old, new = extra(batch, "teaching_prototypes"), extra(batch, "prototypes").detach()
        centre = self.centring * extra(batch, "centre") + (1 - self.centring) * _cosines(extra(batch, "keys"), old).mean(0)
        return {"teaching_prototypes": self.momentum * old + (1 - self.momentum) * new, "centre": centre}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the sum over both ways of assignment and contrast."""
        index, keys, prototypes = view_rows(batch), extra(batch, "keys").detach(), extra(batch, "prototypes")
        images = (batch.extras or {}).get("images", batch.instances)
        assert images is not None
        image = torch.unique(images[index[:, 0]], return_inverse=True)[1]
        scores, known = _cosines(output, prototypes), _cosines(keys, extra(batch, "teaching_prototypes")).detach()
        with torch.no_grad():
            largest, taught = _cosines(held, prototypes).argmax(1), known.argmax(1)
            aims = ((known - extra(batch, "centre")) / self.teacher_temperature).softmax(1)
        logs = (scores / self.temperature).log_softmax(1)
        total = output.new_zeros(())
        for here, there in ((index[:, 0], index[:, 1]), (index[:, 1], index[:, 0])):
            assigned = -(aims[there] * logs[here]).sum(1).mean()
            seen, found = self._present(image, largest[here]), self._present(image, taught[there])
            rows = self._slots(output[here], scores[here], image, seen & found)
            columns = self._slots(keys[there], known[there], image, found)
            total = total + self.weight * assigned
            if len(rows):
                rows, columns = unit(rows @ extra(batch, "map")), unit(columns)
                own = (rows * columns[(seen & found)[found]]).sum(1).mean() / self.slot_temperature
                contrast = pooled(rows, columns, 1 / self.slot_temperature, even(rows)) - own
                total = total + (1 - self.weight) * 2 * self.slot_temperature * contrast
        return total

    def _present(self, image: Tensor, largest: Tensor) -> Tensor:
        """Return which slots of each image are the largest share of one of its places, of shape (M, K)."""
        present = torch.zeros((int(image.max()) + 1, self.num_prototypes), dtype=torch.bool, device=image.device)
        present[image, largest] = True
        return present

    def _slots(self, rows: Tensor, scores: Tensor, image: Tensor, wanted: Tensor) -> Tensor:
        """Return the wanted slots, in the order of images and prototypes, of shape (S, n)."""
        share = (scores / self.teacher_temperature).softmax(1) + _LEAST  # (N, K)
        total = share.new_zeros(wanted.shape).index_add(0, image, share)
        place, slot = wanted[image].nonzero(as_tuple=True)
        number = (wanted.flatten().cumsum(0) - 1).view(wanted.shape)[image[place], slot]
        parts = (share[place, slot] / total[image[place], slot])[:, None] * rows[place]
        return rows.new_zeros(int(wanted.sum()), rows.shape[1]).index_add(0, number, parts)


def _cosines(rows: Tensor, prototypes: Tensor) -> Tensor:
    return unit(rows) @ unit(prototypes).T
