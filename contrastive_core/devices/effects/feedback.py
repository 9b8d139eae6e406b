"""Feedback through arrays of its own, which are not quite the transpose of the forward ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch

from contrastive_core.devices.effect import Draws, Effect, Hooks, layered, normal
from contrastive_core.errors import InputError
from contrastive_core.network import Network
from contrastive_core.networks.untied import Feedback, Untied


@final
@dataclass(frozen=True)
class AsymmetricFeedback(Effect):
    r"""Two arrays per layer instead of one that is read both ways: :math:`W^{fb} = W \circ (1 + \sigma\xi)`, fixed, some of it missing.

    The feedback follows the forward weights as they are written, or learns for itself from its start. The network learns as
    :class:`~contrastive_core.networks.untied.Untied` does.

    Attributes
    ----------
    sigma_asym : float
        :math:`\sigma`, relative.
    p_feedback_missing : float
        Share of feedback connections that are missing; if feedback learns, they start at 0.
    learning : bool
        Whether feedback arrays are written by the rule too, instead of together with the forward ones.
    """

    sigma_asym: float = 0.0
    p_feedback_missing: float = 0.0
    learning: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.sigma_asym < float("inf") and 0 <= self.p_feedback_missing <= 1):
            raise InputError(f"feedback needs sigma_asym >= 0 and a missing share from 0 to 1, got {self}")

    @property
    def hooks(self) -> Hooks:
        """Act on what circuits are built."""
        return Hooks(circuit=self.built)

    def built(self, network: Network, draws: Callable[[str], Draws]) -> Network:
        """Return the network with feedback of its own.

        Raises
        ------
        InputError
            If the network is not a layered one.
        """
        network = layered(network, "feedback arrays")
        deviations = {}
        for index in range(1, len(network.sizes)):
            weight = network.weight(index).detach()
            generator = draws(f"weight_{index + 1}").fixed
            # Drawn before the missing ones, so that their share does not change the deviations of the others.
            deviation = self.sigma_asym * normal(weight.shape, weight, generator)
            missing = torch.rand(weight.shape, generator=generator, dtype=torch.float64).to(weight.device) < self.p_feedback_missing
            # Minus 1 leaves nothing of the forward weight: W (1 - 1) = 0.
            deviations[f"weight_{index + 1}"] = torch.where(missing, -1.0, deviation)
        return Untied(network, deviations, Feedback.LEARNING if self.learning else Feedback.FOLLOWS)
