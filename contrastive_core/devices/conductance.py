"""Conductances that hold a weight: their range, and the weight of one, of two, or of one and a reference."""

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from contrastive_core.devices.choices import named_choices
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed


class Pairing(Enum):
    r"""Conductances that make a weight, with :math:`z = (G - G_\min)/(G_\max - G_\min)`.

    A single conductance is the weight, as in a resistive network: :math:`w = w_\max G/G_\max`. An offset pair is a conductance less a
    fixed reference of level :math:`z_0`: :math:`w = w_\max (z - z_0)/(1 - z_0)`. A differential pair is :math:`w = w_\max (z^+ - z^-)`,
    where at most one of the two is above :math:`G_\min` when it is programmed.
    """

    SINGLE = "single"
    OFFSET = "offset"
    DIFFERENTIAL = "differential"


@typed("pairing")
@dataclass(frozen=True)
class Conductance:
    """Range of the conductances of a device, and their conversion to weights.

    Attributes
    ----------
    g_min, g_max : float
        Smallest and largest conductance, in siemens.
    pairing : Pairing or str
        Conductances that make a weight.
    w_max : float, optional
        Largest weight; None takes the network's own bound if it has one, else ``headroom`` times the largest weight that is first
        programmed.
    headroom : float
        Room for weights to grow when ``w_max`` is None.
    reference : float
        Level :math:`z_0` of an offset pair's reference; the middle makes the weights' bounds symmetric.
    """

    g_min: float = 1e-6
    g_max: float = 1e-4
    pairing: Pairing = Pairing.DIFFERENTIAL
    w_max: float | None = None
    headroom: float = 3.0
    reference: float = 0.5

    def __post_init__(self) -> None:
        for name, member in named_choices(self).items():
            object.__setattr__(self, name, member)
        if not 0 <= self.g_min < self.g_max < float("inf"):
            raise InputError(f"conductances need 0 <= g_min < g_max, got g_min {self.g_min} and g_max {self.g_max}; swap or correct them")
        if self.w_max is not None and not 0 < self.w_max < float("inf"):
            raise InputError(f"w_max must be positive, got {self.w_max}; leave it out to take {self.headroom} times the largest weight")
        if not self.headroom >= 1:
            raise InputError(f"headroom must be at least 1, got {self.headroom}: the weights that are there have to fit")
        if not 0 <= self.reference < 1:
            raise InputError(f"the reference of an offset pair is a level from 0 to below 1, got {self.reference}; 0.5 is the middle")

    @property
    def span(self) -> float:
        """Return the range, in siemens."""
        return self.g_max - self.g_min

    @property
    def level_of_zero(self) -> float:
        """Return the normalised conductance of weight 0; that of the smallest weight, where a single conductance is the weight."""
        return self.reference if self.pairing is Pairing.OFFSET else 0.0

    def largest_weight(self, weight: Tensor) -> float:
        """Return the largest weight that the arrays of a layer can hold, given the weights first programmed."""
        return self.w_max if self.w_max is not None else self.headroom * max(float(weight.abs().max()), 1e-12)

    def levels(self, weight: Tensor, w_max: float) -> Tensor:
        r"""Return the normalised conductances that stand for weights.

        Parameters
        ----------
        weight : Tensor of any shape
            Weights to be programmed; those out of range are cut off.
        w_max : float
            The largest weight.

        Returns
        -------
        Tensor of shape (1 or 2, ...)
            :math:`z = (G - G_\min)/R` in [0, 1], with the shape of ``weight`` behind one array, or two for a differential pair.
        """
        if self.pairing is Pairing.SINGLE:
            levels = self.normalised(weight * (self.g_max / w_max))[None]
        elif self.pairing is Pairing.OFFSET:
            levels = (self.reference + (1 - self.reference) * weight / w_max)[None]
        else:
            levels = torch.stack((weight, -weight)) / w_max
        return levels.clamp(0, 1)

    def requested(self, levels: Tensor, change: Tensor, w_max: float) -> Tensor:
        """Return the changes of normalised conductances, of shape (1 or 2, ...), that stand for a change of weights.

        They may lead out of the range, because the sender of pulses does not know the level of a device. The levels of a differential
        pair are known, and one of them ends at its reset state where it can.
        """
        if self.pairing is Pairing.SINGLE:
            return (change * (self.g_max / w_max / self.span))[None]
        if self.pairing is Pairing.OFFSET:
            return ((1 - self.reference) * change / w_max)[None]
        # The pair is programmed to its new difference, so that one of the two ends at its reset state.
        return self.levels(self.weight(levels, w_max) + change, w_max) - levels

    def weight(self, levels: Tensor, w_max: float) -> Tensor:
        """Return the weights that normalised conductances, of shape (1 or 2, ...), stand for."""
        if self.pairing is Pairing.SINGLE:
            return self.siemens(levels[0]) * (w_max / self.g_max)
        if self.pairing is Pairing.OFFSET:
            return w_max * (levels[0] - self.reference) / (1 - self.reference)
        return w_max * (levels[0] - levels[1])

    def weight_per_siemens(self, w_max: float) -> float:
        """Return the factor from a conductance, less its reference or the other one of a pair, to the weight."""
        if self.pairing is Pairing.SINGLE:
            return w_max / self.g_max
        return w_max / (self.span * (1 - self.reference if self.pairing is Pairing.OFFSET else 1))

    def siemens(self, levels: Tensor) -> Tensor:
        """Return the conductances of normalised ones."""
        return self.g_min + self.span * levels

    def normalised(self, conductance: Tensor) -> Tensor:
        """Return normalised conductances, which may lie outside [0, 1] after noise."""
        return (conductance - self.g_min) / self.span
