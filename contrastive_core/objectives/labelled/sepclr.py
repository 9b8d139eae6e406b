"""SepCLR: separates factors that only target samples have from factors common to all samples."""

from dataclasses import dataclass
from math import log
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import ShapeError
from contrastive_core.objectives.batch_layout import others_among, two_views
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import tiles, unit
from contrastive_core.objectives.needs import Labels, Needs
from contrastive_core.objectives.objective import Stateless
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


def row_sums(rows: Tensor, others: bool, temperature: float, part: slice) -> Tensor:
    r"""Return :math:`\log \sum_j e^{-|x_i - x_j|^2/2\tau}` for a slice of rows, of shape (T,), smooth everywhere.

    Parameters
    ----------
    rows : Tensor of shape (N, n)
        Codes.
    others : bool
        Whether a row's pair with itself is left out.
    temperature : float
        :math:`\tau`.
    part : slice
        The slice of T rows.
    """
    distance = (rows[part, None] - rows[None, :]).square().sum(2)  # exactly 0 from a row to itself
    scores = -distance / (2 * temperature)
    return (scores.masked_fill(~others_among(part, len(rows), rows), -float("inf")) if others else scores).logsumexp(1)


def uniformity(rows: Tensor, temperature: float) -> Tensor:
    r"""Return :math:`\log \langle e^{-|x_i - x_j|^2/2\tau} \rangle_{i < j}`, of shape ()."""
    with torch.no_grad():
        sums = torch.cat([row_sums(rows, True, temperature, part) for part in tiles(len(rows), rows.numel())])
        shares, total = sums.softmax(0), sums.logsumexp(0) - log(len(rows) * (len(rows) - 1))
    # The slope of a log of sums is the mean of the rows' slopes, weighted by their shares: a second pass needs no second sum.
    moving = tiled(lambda part, rows: (shares[part] * row_sums(rows, True, temperature, part)).sum(), len(rows), rows.numel(), rows)
    return total + (moving - moving.detach())


def joint_entropy(rows: Tensor, temperature: float) -> Tensor:
    r"""Return :math:`\langle \log \langle e^{-|x_i - x_j|^2/2\tau} \rangle_j \rangle_i`, of shape (), which includes self pairs."""
    term = tiled(lambda part, rows: row_sums(rows, False, temperature, part).sum(), len(rows), rows.numel(), rows)
    return term / len(rows) - log(len(rows))


@final
@dataclass(frozen=True)
class SepCLR(Stateless):
    r"""Separation of common from salient factors in a background set (label 0) and a target set (any other label).

    The first half of the outputs, normalised, is the common code c; the second half is the salient code s. The code :math:`\bar s`
    is s for target samples and the null vector for background samples, so that target codes are repelled from it. With
    :math:`A(x) = \langle|x - x'|^2\rangle/2\tau` and :math:`U(x) = \log \langle e^{-|x_i - x_j|^2/2\tau} \rangle_{i<j}`,
    :math:`C = w_c [A(c) + u\,U(c)] + w_s [A(s)_\mathrm{target} + u\,U(\bar s)] + w_b \langle|s|^2\rangle_\mathrm{background}/2\tau + w_j J`
    with the joint entropy :math:`J = \langle \log \langle e^{-(|\bar s_i-\bar s_j|^2 + |c_i-c_j|^2)/2\tau} \rangle_j \rangle_i`. All terms
    but A are means over both views. A batch without target or without background samples leaves out their term.

    Attributes
    ----------
    temperature : float
        :math:`\tau`.
    uniformity : float
        u, the weight of repulsion beside attraction; the official code uses 2.
    common, salient, background, joint : float
        Weights :math:`w_c, w_s, w_b, w_j`; the official code uses 1, 1000, 1000 and 10 for CIFAR-10 with digits.
    """

    temperature: float = 0.5
    uniformity: float = 1.0
    common: float = 1.0
    salient: float = 1.0
    background: float = 1.0
    joint: float = 1.0

    needs = Needs(labels=Labels.CLASSES)
    source = "Louiset, Duchesnay, Grigis & Gori (2024), SepCLR"
    verified = "value equals a rewriting of the official code; weights are 1 here"
    halves = ("common", "salient")

    def __post_init__(self) -> None:
        require_positive(temperature=self.temperature)
        require_at_least(
            0, uniformity=self.uniformity, common=self.common, salient=self.salient, background=self.background, joint=self.joint
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
        apart = [self._apart(c, torch.where(target[:, None], s, 0.0)) for c, s in zip(common, salient, strict=True)]
        pulls = [_mean((x - y).square().sum(1)[chosen]) for (x, y), chosen in ((common, slice(None)), (salient, target))]
        silent = _mean(torch.cat([s[~target] for s in salient]).square().sum(1))
        near = self.common * pulls[0] + self.salient * pulls[1] + self.background * silent
        return near / (2 * self.temperature) + (apart[0] + apart[1]) / 2

    def _apart(self, common: Tensor, salient: Tensor) -> Tensor:
        spread = self.common * uniformity(common, self.temperature) + self.salient * uniformity(salient, self.temperature)
        # Squared distances add over units, so that a concatenated code gives the joint term.
        return self.uniformity * spread + self.joint * joint_entropy(torch.cat([common, salient], dim=1), self.temperature)


def _mean(values: Tensor) -> Tensor:
    return values.sum() / max(1, len(values))
