"""Models measured on materials, which depend on the conductance: exponents of drift, programming errors, noise of phase change memory.

The formulas are those of the statistical models in aihwkit (Rasch et al., 2021) and were not re-read in the papers that they name. Each
is of the conductance as a share of the largest one, so that it can be used with any range.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import final

import torch
from torch import Tensor

from contrastive_core.devices.conductance import Conductance
from contrastive_core.devices.effect import Draws, Effect, Hooks, normal
from contrastive_core.errors import InputError


class DriftModel(Enum):
    """Exponents of drift: one mean and spread for all, or those of phase change memory, which fall with conductance."""

    CONSTANT = "constant"
    PCM = "pcm"

    def exponents(self, share: Tensor, mean: float, spread: float) -> tuple[Tensor | float, Tensor | float]:
        """Return mean and spread of the exponents of conductances that are a ``share`` of the largest; those given, if constant."""
        if self is DriftModel.CONSTANT:
            return mean, spread
        logarithm = share.log()
        return (-0.0155 * logarithm + 0.0244).clamp(0.049, 0.1), (-0.0125 * logarithm - 0.0059).clamp(0.008, 0.045)


class ProgrammingModel(Enum):
    """Programming errors: one for all, or polynomials of the conductance as measured on a material.

    Phase change memory up to 25 microsiemens, its measurement by Joshi et al. (2020), and resistive memory up to 225 microsiemens by
    Milo et al., with the numbers of aihwkit.
    """

    CONSTANT = "constant"
    PCM = "pcm"
    PCM_JOSHI = "pcm-joshi"
    RERAM_MILO = "reram-milo"

    def error(self, share: Tensor, sigma: float) -> Tensor | float:
        """Return the standard deviation at conductances that are a ``share`` of the largest, as a share of it; ``sigma``, if constant."""
        if self is ProgrammingModel.CONSTANT:
            return sigma
        largest, coefficients = _MICROSIEMENS[self]
        # The polynomial of PCM is one of the share, the others are polynomials of microsiemens.
        g = share.clamp(0, 1) * (1.0 if self is ProgrammingModel.PCM else largest)
        return sum((c * g**power for power, c in enumerate(coefficients)), torch.zeros_like(g)).clamp(min=0) / largest


_MICROSIEMENS = {
    ProgrammingModel.PCM: (25.0, (0.26348, 1.9650, -1.1731)),
    ProgrammingModel.PCM_JOSHI: (25.0, (0.28638599, 0.07585724, -0.00178767)),
    ProgrammingModel.RERAM_MILO: (225.0, (4.782, -0.009107)),
}
"""The largest conductance, and the coefficients of rising powers: of the share of it for the first, of microsiemens for the others."""


@final
@dataclass(frozen=True)
class PhaseChangeNoise(Effect):
    r"""The 1/f noise of phase change memory, as it adds up from a write to a read: :math:`G (1 + \sigma\xi)`, new at every use.

    .. math:: \sigma = \min\!\left(q\,(G/G_\max)^{-0.65},\ 0.2\right) \sqrt{\ln \frac{t + t_r}{2 t_r}},

    for t seconds since the write; nothing is added before t = :math:`t_r`.

    Attributes
    ----------
    q : float
        Noise of the largest conductance; .0088 was measured, see the source of the formula.
    t_read : float
        Time :math:`t_r` of a read, in seconds.
    """

    q: float = 0.0
    t_read: float = 250e-9

    def __post_init__(self) -> None:
        if not (0 <= self.q < math.inf and 0 < self.t_read < math.inf):
            raise InputError(f"noise of phase change memory needs q >= 0 and t_read > 0 seconds, got {self.q} and {self.t_read}")

    @property
    def hooks(self) -> Hooks:
        """Act on the reading of arrays."""
        return Hooks(array=self.seen)

    def seen(self, conductance: Tensor, kind: Conductance, seconds: float, draws: Draws) -> Tensor:
        """Return noisy conductances, cut off at 0."""
        share = (conductance / kind.g_max).clamp(min=1e-12)
        # The logarithm is negative before the first read time, when nothing has added up yet.
        grown = math.sqrt(max(math.log((seconds + self.t_read) / (2 * self.t_read)), 0.0))
        # Cut off: the power law diverges for small conductances.
        sigma = (self.q * share**-0.65).clamp(max=0.2) * grown
        return (conductance * (1 + sigma * normal(conductance.shape, conductance, draws.fresh))).clamp(min=0)
