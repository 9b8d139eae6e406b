"""Targets of a vocabulary: bags of visual words of a teacher, and codes of a codebook that is used evenly."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.objectives.batch_layout import extra, two_views, view_rows
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.distilled.teacher import taught
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.queue import TEACHER, pushed
from contrastive_core.objectives.log_softmax import matched
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class BagOfWords(Objective):
    r"""Cross-entropy to the bag of visual words that a teacher sees in another view (OBoW).

    A teacher's row is cut into P parts. Each part is assigned to K words v by :math:`\mathrm{softmax}_k(\cos(t_p, v_k)/\tau')`; the bag y
    is the largest assignment of a word over the parts, divided by the sum over words. :math:`C = -\langle y_a \cdot \log
    \mathrm{softmax}_k(\cos(o_b, w_k)/\tau) \rangle_{a \ne b}` over ordered pairs of views. The vocabulary is a queue of the teacher's
    parts. The predictors w are learnt; in the paper a small network makes them from the vocabulary.

    Attributes
    ----------
    temperature, teacher_temperature : float
        :math:`\tau` and :math:`\tau'`, dimensionless.
    words : int
        K, the size of the vocabulary.
    parts : int
        P; it must divide the number of outputs.
    """

    temperature: float = 0.1
    teacher_temperature: float = 0.07
    words: int = 256
    parts: int = 2

    needs = Needs(
        most=None,
        extras=(
            TEACHER,
            Extra("vocabulary", "(K, n / P)", Origin.CARRIED, "past parts of the teacher's outputs, the visual words"),
            Extra("predictors", "(K, n)", Origin.LEARNT, "the vectors by which outputs predict the words"),
        ),
        divisor="parts",
    )
    source = "OBoW (2020), online bags of visual words"
    verified = "from the paper, not re-read; equals an independent twin"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature, teacher_temperature=self.teacher_temperature)
        require_at_least(2, words=self.words)
        require_at_least(1, parts=self.parts)

    @property
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return words and predictors in random directions."""
        _require_parts(width, self.parts, "parts")
        shapes = {"vocabulary": width // self.parts, "predictors": width}
        return {name: unit(torch.randn((self.words, size), generator=generator, device=generator.device)) for name, size in shapes.items()}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the vocabulary with the first parts of the first views in front."""
        first = taught(output, batch, width=True)[view_rows(batch)[:, 0]]
        return {"vocabulary": pushed(extra(batch, "vocabulary"), first[:, : first.shape[1] // self.parts])}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples and ordered pairs of views."""
        index, vocabulary = view_rows(batch), unit(extra(batch, "vocabulary").detach())
        known = taught(output, batch, width=True)
        pieces = unit(known.reshape(len(known) * self.parts, -1))
        seen = (pieces @ vocabulary.T / self.teacher_temperature).softmax(1).view(len(known), self.parts, -1).amax(1)
        bags = seen / seen.sum(1, keepdim=True)
        scores = (unit(output) @ unit(extra(batch, "predictors")).T / self.temperature).log_softmax(1)
        every = (bags[index].sum(1) * scores[index].sum(1)).sum() - (bags * scores).sum()
        return -every / (index.numel() * (index.shape[1] - 1))


@final
@dataclass(frozen=True)
class QuantisedTargets(Objective):
    r"""InfoNCE to quantised targets, with a term that has all codes used (w2v-BERT, after wav2vec 2.0).

    The target of a row is the code of the other view: in each of G groups the mean of V entries, weighted by
    :math:`\mathrm{softmax}_v((A h)_v/\tau')`, the groups one after the other. :math:`C = \tfrac12 \sum_\mathrm{ways} \langle \log\sum_j
    e^{\cos(o_i, q_j)/\tau} - \cos(o_i, q_i)/\tau \rangle_i + \lambda \langle 1 - e^{H(\bar p_g)}/V \rangle_g`, with the entropy H of the
    mean usage. Projection A and codebook are learnt; h carries no gradient. The papers draw one entry by Gumbel's trick, and quantise the
    inputs instead of the other view; here the assignment is soft, so that all phases lower one function.

    Attributes
    ----------
    temperature, code_temperature : float
        :math:`\tau` and :math:`\tau'`, dimensionless.
    groups, entries : int
        G, which must divide the number of outputs, and V.
    diversity : float
        :math:`\lambda`.
    """

    temperature: float = 0.1
    code_temperature: float = 0.1
    groups: int = 2
    entries: int = 32
    diversity: float = 0.1

    needs = Needs(
        extras=(
            Extra("codebook", "(G, V, n / G)", Origin.LEARNT, "the entries that targets are made of"),
            Extra("projection", "(n, G V)", Origin.LEARNT, "the map from an output to the weights of its entries"),
        ),
        divisor="groups",
    )
    source = "w2v-BERT (2021), with the quantiser of wav2vec 2.0 (Baevski et al., 2020)"
    verified = "from the papers, not re-read; equals an independent twin"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature, code_temperature=self.code_temperature)
        require_at_least(1, groups=self.groups)
        require_at_least(2, entries=self.entries)
        require_at_least(0, diversity=self.diversity)

    @property
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random entries, and a random projection that keeps lengths."""
        _require_parts(width, self.groups, "groups")
        shapes = {"codebook": (self.groups, self.entries, width // self.groups), "projection": (width, self.groups * self.entries)}
        return {name: torch.randn(shape, generator=generator, device=generator.device) / width**0.5 for name, shape in shapes.items()}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return an empty dict: the codebook is learnt by gradient."""
        return {}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over samples and ways, and the unevenness of the codes."""
        codebook = extra(batch, "codebook")
        logits = (unit(held) @ extra(batch, "projection") / self.code_temperature).view(len(held), self.groups, self.entries)
        shares = logits.softmax(2)
        codes = unit(torch.einsum("bgv,gvd->bgd", shares, codebook).reshape(len(held), -1))
        views, targets = two_views(unit(output), batch), two_views(codes, batch)
        ways = [matched(views[way], targets[1 - way], 1 / self.temperature) for way in (0, 1)]
        used = shares.mean(0)
        uneven: Tensor = 1 - torch.special.entr(used).sum(1).exp() / self.entries
        return torch.stack(ways).mean() + self.diversity * uneven.mean()


def _require_parts(width: int, parts: int, name: str) -> None:
    if width % parts:
        raise InputError(f"{width} outputs cannot be cut into {parts} {name}; give --embedding a multiple of {parts}")
