"""A second network that follows the trained one slowly, and whose outputs are keys (a momentum encoder)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.types import Batch

if TYPE_CHECKING:
    from contrastive_core.network import Network
    from contrastive_core.rule import Rule


@final
@dataclass(frozen=True)
class Follower:
    r"""A copy of a network with :math:`\theta' \leftarrow m \theta' + (1 - m) \theta` after every step (He et al., 2020, MoCo).

    It answers as the rule has its network answer: by its settled outputs under rules of equilibria.

    Attributes
    ----------
    network, copy : Network
        What is followed, and what follows.
    rule : Rule
        Which answers inputs.
    momentum : float
        m, in [0, 1).
    """

    network: Network
    copy: Network
    rule: Rule
    momentum: float

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The copy's parameters by name, which change in place."""
        return {f"follower.{name}": parameter.data for name, parameter in self.copy.named_parameters()}

    def keys(self, batch: Batch, count: int) -> Tensor:
        """Return the copy's outputs for the next view of each row's sample, of shape (B, n); views stand one after the other."""
        self.copy.begin_use_()
        with torch.no_grad():
            outputs = self.copy.output(self.rule.infer(self.copy, batch.inputs).state)
        return outputs.roll(-(len(outputs) // count), 0)

    def follow(self) -> None:
        """Move the copy towards the network, in place."""
        with torch.no_grad():
            for own, other in zip(self.copy.parameters(), self.network.parameters(), strict=True):
                own.lerp_(other, 1 - self.momentum)


def follower(network: Network, rule: Rule, momentum: float) -> Follower:
    """Return a follower that starts as the network is now.

    Raises
    ------
    InputError
        If the momentum is not in [0, 1).
    """
    if not 0 <= momentum < 1:
        raise InputError(f"the keys' momentum must be at least 0 and below 1, got {momentum}")
    return Follower(network, deepcopy(network), rule, momentum)
