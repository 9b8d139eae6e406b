"""Second networks that answer beside the trained one: a momentum encoder, which slowly follows it, and a teacher, which stays."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.representation.target_space import TargetSpace
from contrastive_core.types import Batch

if TYPE_CHECKING:
    from contrastive_core.network import Network
    from contrastive_core.rule import Rule


@final
@dataclass(frozen=True)
class Follower:
    r"""Copy of a network with :math:`\theta' \leftarrow m \theta' + (1 - m) \theta` after every step (He et al., 2020, MoCo).

    Outputs of the copy are inferred by the rule, so that they are settled outputs under rules of equilibria.

    Attributes
    ----------
    network, copy : Network
        Trained network, and its copy.
    rule : Rule
        Rule that infers outputs.
    momentum : float
        Momentum m, in [0, 1).
    """

    network: Network
    copy: Network
    rule: Rule
    momentum: float

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Parameters of the copy by name; they change in place."""
        return {f"follower.{name}": parameter.data for name, parameter in self.copy.named_parameters()}

    def outputs(self, batch: Batch) -> Tensor:
        """Return the copy's output for each row, of shape (B, n)."""
        self.copy.begin_use_()
        with torch.no_grad():
            return self.copy.output(self.rule.infer(self.copy, batch.inputs).state)

    def follow(self) -> None:
        """Move the copy towards the network, in place."""
        with torch.no_grad():
            for own, other in zip(self.copy.parameters(), self.network.parameters(), strict=True):
                own.lerp_(other, 1 - self.momentum)


@final
@dataclass(frozen=True)
class Teacher:
    """Trained network that does not change, and whose outputs are targets.

    Attributes
    ----------
    network : Network
        The network.
    rule : Rule
        Rule that infers its outputs.
    width : int, optional
        Number of outputs that teach, the first ones; None for all.
    space : TargetSpace, optional
        Map of these outputs to the targets; None takes them as they are.
    """

    network: Network
    rule: Rule
    width: int | None = None
    space: TargetSpace | None = None

    def outputs(self, batch: Batch) -> Tensor:
        """Return the teacher's target for each row, of shape (B, m)."""
        with torch.no_grad():
            found = self.network.output(self.rule.infer(self.network, batch.inputs).state)[:, : self.width]
            return found if self.space is None else self.space(found)


def follower(network: Network, rule: Rule, momentum: float) -> Follower:
    """Return a follower whose copy starts equal to the network.

    Raises
    ------
    InputError
        If the momentum is not in [0, 1).
    """
    if not 0 <= momentum < 1:
        raise InputError(f"the keys' momentum must be at least 0 and below 1, got {momentum}; 0.99 is usual")
    return Follower(network, deepcopy(network), rule, momentum)
