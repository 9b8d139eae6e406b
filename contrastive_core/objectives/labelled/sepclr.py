"""SepCLR: separates factors that only target samples have from factors common to all samples."""

from dataclasses import dataclass
from math import log
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import ShapeError
from contrastive_core.objectives.batch_layout import two_views
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.needs import Labels, Needs
from contrastive_core.objectives.objective import Stateless
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


def spread(rows: Tensor, temperature: float) -> Tensor:
    r"""Return :math:`\langle \log \langle e^{-|x_i - x_j|^2/2\tau} \rangle_j \rangle_i`, of shape (), smooth everywhere; 0 without rows."""
    if not len(rows):
        return rows.sum()  # 0, with a gradient of 0, for a batch without target samples

    def term(part: slice, rows: Tensor) -> Tensor:
        distance = (rows[part, None] - rows[None, :]).square().sum(2)  # exactly 0 from a row to itself
        return (-distance / (2 * temperature)).logsumexp(1).sum()

    return tiled(term, len(rows), rows.numel(), rows) / len(rows) - log(len(rows))


@final
@dataclass(frozen=True)
class SepCLR(Stateless):
    r"""Separation of common from salient factors in a background set (label 0) and a target set (any other label).

    The first half of the outputs, normalised, is the common code c; the second half is the salient code s. With :math:`U(x) = \langle
    \log \langle e^{-|x_i - x_j|^2/2\tau} \rangle_j \rangle_i`, which includes self pairs and is at least :math:`-\log N`, :math:`C =
    \langle|c - c'|^2\rangle/2\tau + \langle|s - s'|^2\rangle_\mathrm{target}/2\tau + U(c) + U(s)_\mathrm{target} +
    \langle|s|^2\rangle_\mathrm{background}/2\tau + J`, J the joint-entropy term :math:`\langle \log \langle e^{-|s_i-s_j|^2/2\tau}
    e^{-|c_i-c_j|^2/2\tau} \rangle_j \rangle_i` of target samples. U is the mean over both views.

    Attributes
    ----------
    temperature : float
        :math:`\tau`.
    alignment, common, salient, background, joint : float
        Weights of the terms; the official code uses different ones for each data set.
    """

    temperature: float = 0.5
    alignment: float = 1.0
    common: float = 1.0
    salient: float = 1.0
    background: float = 1.0
    joint: float = 1.0

    needs = Needs(labels=Labels.CLASSES)
    source = "Louiset, Duchesnay, Grigis & Gori (2024), SepCLR"
    verified = "read in the official code, not run; weights are 1 here"

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)
        require_at_least(
            0, alignment=self.alignment, common=self.common, salient=self.salient, background=self.background, joint=self.joint
        )

    @property
    def strength(self) -> float:
        """0.01 of the temperature."""
        return 0.01 * self.temperature

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the weighted sum of the terms."""
        if output.shape[1] % 2:
            raise ShapeError(f"SepCLR cuts the outputs into two halves and got {output.shape[1]}; give an even number")
        half = output.shape[1] // 2
        common, salient = two_views(unit(output[:, :half]), batch), two_views(output[:, half:], batch)
        target = two_views(batch.labels, batch)[0] != 0
        apart = [self._spread(c, s, target) for c, s in zip(common, salient, strict=True)]
        pull = (common[0] - common[1]).square().sum(1).mean() + _mean((salient[0] - salient[1]).square().sum(1)[target])
        silent = _mean(torch.cat([s[~target] for s in salient]).square().sum(1))
        return (self.alignment * pull + self.background * silent) / (2 * self.temperature) + (apart[0] + apart[1]) / 2

    def _spread(self, common: Tensor, salient: Tensor, target: Tensor) -> Tensor:
        # Squared distances add over units, so that a concatenated code gives the joint term.
        codes = ((self.common, common), (self.salient, salient[target]), (self.joint, torch.cat([common, salient], dim=1)[target]))
        return torch.stack([weight * spread(code, self.temperature) for weight, code in codes]).sum()


def _mean(values: Tensor) -> Tensor:
    return values.sum() / max(1, len(values))
