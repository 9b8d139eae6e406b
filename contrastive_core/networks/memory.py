r"""Hopfield memories: patterns that attract the units of a layer, by a log-sum-exp term in its energy.

.. math:: E_{mem}(s) = -\frac{1}{k} \log \sum_\mu e^{k\, s \cdot M_\mu}, \qquad
          -\frac{\partial E_{mem}}{\partial s} = M p, \qquad p = \mathrm{softmax}(k\, s^T M).

Layer l has it in units of its own stiffness :math:`\lambda^l`, so that the pull adds to what drives the layer. It depends on the present
layer itself. The term is concave in s: its tangent at the present layer is an upper bound, which a move to the minimum with that pull
lowers. A factor of the term would be redundant: :math:`w` times it is the same term with :math:`w M` and :math:`k / w`.

A linear layer with this term alone is a modern Hopfield network (Ramsauer et al., 2021, "Hopfield networks is all you need"; energy and
update read in the authors' summary). A sweep of block descent is its update :math:`s \leftarrow M\,\mathrm{softmax}(k\, s^T M)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_number, expect_whole
from contrastive_core.networks.smooth_pooling import FAR, softmax_change


@final
@dataclass(frozen=True)
class Memories:
    r"""Memories of one layer; the patterns, of shape (n, patterns), are a parameter of the network.

    Attributes
    ----------
    layer : int
        Index of the free layer, a row of units.
    units : int
        Number n of its units.
    patterns : int
        Number of patterns.
    sharpness : float
        :math:`k`, positive. Small values draw towards the mean of all patterns; as it grows, towards the one with the largest product.
    """

    layer: int
    units: int
    patterns: int
    sharpness: float = 1.0

    def __post_init__(self) -> None:
        expect_whole(self.patterns, "number of memories", "leave it out for none", least=1)
        if expect_number(self.sharpness, "sharpness of memories", "1 is the usual one") <= 0:
            raise InputError(f"the sharpness of memories must be positive, got {self.sharpness:g}; 1 is the usual one")

    @property
    def name(self) -> str:
        """Name of the parameter that holds the patterns."""
        return f"memory_{self.layer + 1}"

    def energy(self, layer: Tensor, patterns: Tensor) -> Tensor:
        """Return the term of each sample, of shape (B,), in units of the layer's stiffness."""
        # The sum is taken over powers less the largest exponent, so that no sharpness overflows.
        return torch.logsumexp(self.sharpness * (layer @ patterns), 1) / -self.sharpness

    def shares(self, layer: Tensor, patterns: Tensor) -> Tensor:
        """Return the share of each pattern in the pull, :math:`p`, of shape (B, patterns)."""
        return torch.softmax(self.sharpness * (layer @ patterns), 1)

    def drawn(self, layer: Tensor, patterns: Tensor, drive: Tensor) -> Tensor:
        """Return what drives a layer with the pull of its memories at its present value, of shape (B, n)."""
        return torch.addmm(drive, self.shares(layer, patterns), patterns.T)

    def gradient(self, layer: Tensor, minus: Tensor | None, patterns: Tensor, scale: float) -> Tensor:
        r"""Return a scale times the sum over samples of :math:`s \otimes p`, less that of another state, if there is one."""
        shares = self.shares(layer, patterns)
        if minus is None:
            return (layer * scale).T @ shares
        others = self.shares(minus, patterns)
        # A product of differences each: the two states are close, and the difference of their products would lose digits.
        change = ((layer - minus) * scale).T @ shares
        return torch.addmm(change, minus.T, shares - others, alpha=scale)

    def turned(self, layer: Tensor, change: Tensor, patterns: Tensor, scale: float) -> Tensor:
        r"""Return :math:`[p(s + \eta e) - p(s)] / \eta`, of shape (B, patterns).

        Parameters
        ----------
        layer : Tensor of shape (B, n)
            Layer in the free state.
        change : Tensor of shape (B, n)
            Change of it, in units of the scale.
        patterns : Tensor of shape (n, patterns)
            Patterns.
        scale : float
            Scale :math:`\eta`, of either sign; near 0 the limit is returned.
        """
        shares, exponents = self.shares(layer, patterns), self.sharpness * (change @ patterns)
        near, _ = softmax_change(shares, exponents, scale, (1,))
        far = (scale * exponents).abs().amax(1, keepdim=True) > FAR
        if not bool(far.any()):
            return near
        return torch.where(far, (self.shares(layer + scale * change, patterns) - shares) / scale, near)
