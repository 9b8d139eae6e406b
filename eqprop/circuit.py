"""Parts of circuits, and the heat and energy gradient of their resistors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from eqprop.diodes import Diode, IdealDiode

Bounds = tuple[float, float]
"""Smallest and largest conductance."""


@final
@dataclass(frozen=True)
class Parts:
    r"""Parts of a resistive network besides its variable conductances.

    Attributes
    ----------
    diode : Diode
        Diode on every hidden node.
    voltage_gain : float
        Gain :math:`A` of the amplifiers between layers: a node's neighbours above see :math:`A v`.
    current_gain : float, optional
        Factor :math:`a_c` on the current that they send back; None takes :math:`1/A`, as in Kendall et al. (2020).
    input_gain : float
        Volt per unit of input.
    rail : float
        Voltage of the two rails, which are at plus and minus it; 0 leaves them out.
    bounds : sequence of (float, float)
        Smallest and largest conductance, one pair for all layers or one per layer.

    Raises
    ------
    InputError
        If a gain is not positive, a voltage negative, or a smallest conductance negative or not below the largest.
    """

    diode: Diode = field(default_factory=IdealDiode)
    voltage_gain: float = 1.0
    current_gain: float | None = None
    input_gain: float = 1.0
    rail: float = 1.0
    bounds: Sequence[Bounds] = ((0.0, math.inf),)

    def __post_init__(self) -> None:
        for name in ("voltage_gain", "current_gain", "input_gain"):
            gain = getattr(self, name)
            if gain is not None and not 0 < gain < math.inf:
                raise InputError(f"{name} must be positive and finite, got {gain}; 1 is no amplification")
        if not 0 <= self.rail < math.inf:
            raise InputError(f"rail must be 0 or a positive voltage, got {self.rail}; 0 leaves the rails out")
        for low, high in self.bounds:
            if not 0 <= low < high:
                raise InputError(
                    f"the smallest conductance must be at least 0 and below the largest, got {low:g} and {high:g} S; "
                    "exchange them, or move them apart"
                )

    @property
    def ratio(self) -> float:
        r"""Ratio :math:`\lambda` of current gain to voltage gain: the weight of a layer's energy relative to that of the layer below."""
        return (1 / self.voltage_gain if self.current_gain is None else self.current_gain) / self.voltage_gain

    def bounds_of(self, num_layers: int) -> tuple[Bounds, ...]:
        """Return one pair of bounds per layer.

        Raises
        ------
        InputError
            If there is neither one pair nor one per layer.
        """
        if len(self.bounds) not in (1, num_layers):
            raise InputError(f"{len(self.bounds)} pairs of conductance bounds for {num_layers} layers; give one for all, or one per layer")
        return tuple(self.bounds) * num_layers if len(self.bounds) == 1 else tuple(self.bounds)


def heat(below: Tensor, above: Tensor, conductance: Tensor) -> Tensor:
    r"""Return the power of resistors between two layers, :math:`\sum_{ij} g_{ij} (p_{bi} - v_{bj})^2` in watt, of shape (B,).

    Parameters
    ----------
    below, above : Tensor of shape (B, m) and (B, n)
        p and v in volt, on the two sides of the resistors.
    conductance : Tensor of shape (m, n)
        g in siemens.
    """
    squares = below.square() @ conductance.sum(1) + above.square() @ conductance.sum(0)
    return squares - 2 * ((below @ conductance) * above).sum(1)


def dissipation_gradient(below: Tensor, above: Tensor, minus: tuple[Tensor | None, Tensor] | None, scale: float) -> Tensor:
    r"""Return ``scale`` times :math:`\sum_b \tfrac12 (p_{bi} - v_{bj})^2`, of shape (m, n), less that of other voltages.

    Half the square of the voltage across a resistor is the gradient of the energy with respect to its conductance. Differences of
    squares are taken as products of differences, which keep their digits where the two states are close.

    Parameters
    ----------
    below, above : Tensor of shape (B, m) and (B, n)
        p and v, on the two sides of the resistors.
    minus : (Tensor or None, Tensor), optional
        Voltages of the state to subtract; None for ``below`` if they are the same.
    scale : float
        Factor.

    Returns
    -------
    Tensor of shape (m, n)
        The gradient, or the contrast.
    """
    other_below, other = (None, None) if minus is None else minus
    change = scale * (above if other is None else above - other)
    squares = 0.5 * (change * (above if other is None else above + other)).sum(0)  # (n,)
    gradient = torch.addmm(squares, below.T, change, alpha=-1)
    if minus is not None and other_below is None:
        return gradient
    step = scale * (below if other_below is None else below - other_below)
    gradient += 0.5 * (step * (below if other_below is None else below + other_below)).sum(0)[:, None]
    return gradient if other is None else gradient.addmm_(step.T, other, alpha=-1)


def polarities(size: int, dtype: torch.dtype) -> Tensor:
    """Return +1 for the excitatory nodes of a layer, its first half, and -1 for the inhibitory ones, of shape (size,)."""
    polarity = torch.ones(size, dtype=dtype)
    polarity[(size + 1) // 2 :] = -1
    return polarity


def box(polarity: Tensor | None, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest and highest voltages of a layer with ideal diodes of some polarity, or without any; shape (n,)."""
    infinity = torch.full_like(like, math.inf)
    if polarity is None:
        return -infinity, infinity
    zero = torch.zeros_like(like)
    return torch.where(polarity > 0, zero, -infinity), torch.where(polarity > 0, infinity, zero)
