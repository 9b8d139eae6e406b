"""Neurons that do not all respond alike, and still have an energy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.devices.effect import Draws, Effect, Hooks, layered, normal
from contrastive_core.errors import InputError
from contrastive_core.network import Network
from contrastive_core.networks.activation import Activation


@final
@dataclass(frozen=True)
class Gained(Activation):
    r"""Response with a multiple of its own for each unit, :math:`a_i \sigma(u)`, with :math:`G(s) = a_i G_\sigma(s/a_i)`.

    Attributes
    ----------
    response : Activation
        Response :math:`\sigma`.
    stretch : Tensor of shape (n,) or (C, H, W)
        Multiples :math:`a`, positive.
    """

    response: Activation
    stretch: Tensor

    @property
    def quadratic(self) -> bool:  # type: ignore[override]
        """Whether the response is quadratic: the unit's own stiffness is then 1/a."""
        return self.response.quadratic

    def value(self, drive: Tensor) -> Tensor:
        """Return the multiple of the response."""
        return self.stretch * self.response.value(drive)

    def potential(self, value: Tensor) -> Tensor:
        """Return the stretched potential."""
        return self.stretch * self.response.potential(value / self.stretch)

    def inverse(self, value: Tensor) -> Tensor:
        """Return the drive that the unit needs."""
        # The factor of the potential cancels against that of its argument.
        return self.response.inverse(value / self.stretch)

    def slope(self, value: Tensor) -> Tensor:
        """Return the multiple of the slope."""
        return self.stretch * self.response.slope(value / self.stretch)

    def project(self, value: Tensor) -> Tensor:
        """Return the value inside the stretched bounds."""
        return self.stretch * self.response.project(value / self.stretch)

    def settled(self, value: Tensor, drive: Callable[[], Tensor]) -> Tensor:
        """Return the settled drives of the response."""
        return self.response.settled(value / self.stretch, drive)

    def change(self, value: Tensor, drive: Tensor, step: Tensor, scale: float) -> Tensor:
        """Return the multiple of the response's difference."""
        return self.stretch * self.response.change(value / self.stretch, drive, step, scale)


@final
@dataclass(frozen=True)
class NeuronGain(Effect):
    r"""Units that respond by :math:`(1 + \sigma_g\xi_i)\,\rho(u)`, fixed: still an energy, so that EP stays exact.

    Attributes
    ----------
    sigma_gain : float
        :math:`\sigma_g`, relative; gains are cut off at a twentieth.
    """

    sigma_gain: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_gain < float("inf"):
            raise InputError(f"sigma_gain must not be negative, got {self.sigma_gain}; 0 is none")

    @property
    def hooks(self) -> Hooks:
        """Act on what circuits are built."""
        return Hooks(circuit=self.built)

    def built(self, network: Network, draws: Callable[[str], Draws]) -> Network:
        """Return the network with units of their own gains.

        Raises
        ------
        InputError
            If the network is not a layered one.
        """
        network = layered(network, "gains of units")
        gained: list[Activation] = []
        for index, response in enumerate(network.activations):
            bias = network.bias(index).detach()
            noise = normal(torch.Size(network.shapes[index]), bias, draws(f"bias_{index + 1}").fixed)
            # A gain near 0 would make its unit infinitely stiff.
            gained.append(Gained(response, (1 + self.sigma_gain * noise).clamp(min=0.05)))
        return network.responding(gained)
