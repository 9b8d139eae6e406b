"""Spike-driven equilibrium propagation: layered networks whose units send the counts of their spikes in a window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.networks.activation import HARD_SIGMOID, Activation
from contrastive_core.networks.layered import Layered


@final
@dataclass(frozen=True)
class SpikeCount(Activation):
    r"""The rate of an integrate-and-fire neuron over a window of T steps: its spikes, at most one a step, over T.

    .. math:: \sigma(u) = \frac{1}{T} \left\lfloor T \min(\max(u, 0), 1) + \tfrac12 \right\rfloor

    is what a neuron with threshold 1, half charged at first, fires under a steady drive u if a spike takes 1 off its potential: a
    first-order sigma-delta code, whose error is at most 1 / (2 T) however the spikes fall. The energy is that of the hard sigmoid on the
    grid of such rates: the nearest rate is its minimum there, so that block descent never raises it.

    Backwards through a graph the staircase passes gradients as the hard sigmoid does: its own slope is 0 almost everywhere.

    Attributes
    ----------
    window : int
        Number T of steps, at least 1.

    Raises
    ------
    InputError
        If the window is not positive.
    """

    window: int
    quadratic = True

    def __post_init__(self) -> None:
        if self.window < 1:
            raise InputError(f"spikes are counted in a window of at least 1 step, got {self.window}")

    def value(self, drive: Tensor) -> Tensor:
        """Return the rate, a whole number of spikes over the window."""
        rate = HARD_SIGMOID.value(drive)
        return rate + (self.project(rate) - rate).detach()

    def potential(self, value: Tensor) -> Tensor:
        """Return half the square."""
        return HARD_SIGMOID.potential(value)

    def inverse(self, value: Tensor) -> Tensor:
        """Return the rate itself."""
        return value

    def slope(self, value: Tensor) -> Tensor:
        """Return the slope of the hard sigmoid: 1 for a unit that neither rests nor fires all the time."""
        return HARD_SIGMOID.slope(value)

    def project(self, value: Tensor) -> Tensor:
        """Return the nearest rate."""
        return torch.floor(HARD_SIGMOID.project(value) * self.window + 0.5) / self.window

    def settled(self, value: Tensor, drive: Callable[[], Tensor]) -> Tensor:
        """Return the drives inside the step of the staircase that each value is."""
        half = (0.5 - 1e-6) / self.window  # just inside: at the edge itself a spike is added
        found = drive()
        low = torch.where(value <= 0, found, found.maximum(value - half))
        return torch.where(value >= 1, low, low.minimum(value + half))

    def change(self, value: Tensor, drive: Tensor, step: Tensor, scale: float) -> Tensor:
        """Return the difference of two rates over the scale; at a scale of 0, where no spike is added, that of the hard sigmoid."""
        if scale == 0:
            return HARD_SIGMOID.change(value, drive, step, scale)
        return (self.value(drive + scale * step) - value) / scale


@typed("sizes", "gain", "generator", "energy_scale")
def spiking(
    sizes: Sequence[int],
    *,
    window: int = 64,
    energy_scale: float = 1.0,
    gain: float = 0.7,
    generator: torch.Generator | int = 0,
    dtype: torch.dtype = torch.float32,
) -> Layered:
    """Return a layered network whose units, outputs included, are integrate-and-fire neurons that send each other spike counts.

    A sweep of block descent is one window per layer. What changes between the phases is counted too: the rule's contrast
    is the sum of the products of rates and changes of rates during the nudge, as in EqSpike (Martin et al., 2021; verified
    numerically, not re-read), and a nudge has to move a rate by a spike or it moves nothing.

    Parameters
    ----------
    sizes, energy_scale, gain, generator, dtype
        Arguments of :class:`~contrastive_core.networks.layered.Layered`.
    window : int
        Steps in which spikes are counted; the rates of the hard sigmoid are the limit of long ones.

    Returns
    -------
    Layered
        The network.
    """
    unit = SpikeCount(window)
    return Layered(sizes, activation=unit, output_activation=unit, energy_scale=energy_scale, gain=gain, generator=generator, dtype=dtype)
