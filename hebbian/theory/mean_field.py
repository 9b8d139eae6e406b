"""Mean-field equations of a network of finite load: self-consistency, free energy and fluctuations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from hebbian.arrays import Floats
from hebbian.theory.ensemble import Ensemble, check_temperature

_TIE = 1e-12
"""Fields smaller than this are ties at T = 0; fields are sums of K terms of order 1, each rounded to 1e-16."""


@final
@typed()
@dataclass(frozen=True)
class MeanField:
    r"""Infinite network with :math:`H = -\tfrac{gN}{2} \sum_\mu m_\mu^2`, :math:`m_\mu = \tfrac1N \sum_i \xi_i^\mu s_i`.

    .. math:: f(m) = \tfrac g2 |m|^2 - T\, E_\xi \ln 2\cosh(\beta g\, m\cdot\xi), \qquad
        m_\mu = F_\mu(m) = E_\xi[\xi^\mu \tanh(\beta g\, m\cdot\xi)].

    At T = 0, tanh is the sign, with sign(0) = 0, and the logarithm is :math:`|m\cdot\xi|`. The load is finite: corrections are of
    order P/N. The features need not be patterns: with means of examples, m are the overlaps with those.

    Attributes
    ----------
    ensemble : Ensemble
        Distribution of the features of a site, or their frequencies in one instance.
    temperature : float
        T, at least 0, in units of the couplings.
    scale : float
        g: 1 for raw couplings, :math:`1/(1-d)` for normalised ones.
    """

    ensemble: Ensemble
    temperature: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        if not 0 < self.scale < float("inf"):
            raise InputError(f"the scale of the couplings must be positive, got {self.scale}")

    @property
    def num_features(self) -> int:
        """P, the number of overlaps."""
        return int(self.ensemble.types.shape[1])

    def _fields(self, overlaps: Floats) -> Floats:
        fields: Floats = np.asarray(overlaps, dtype=np.float64) @ self.ensemble.types.T  # (..., n_types)
        return fields

    def magnetisation(self, overlaps: Floats) -> Floats:
        """Return the mean spin of each type of site at overlaps of shape (..., P); shape (..., n_types)."""
        fields = self._fields(overlaps)
        if self.temperature == 0:
            signs: Floats = np.sign(np.where(np.abs(fields) < _TIE, 0.0, fields))
            return signs
        mean: Floats = np.tanh(self.scale / self.temperature * fields)
        return mean

    def response(self, overlaps: Floats) -> Floats:
        """Return F(m) at overlaps of shape (..., P), shaped as they are."""
        weighted = self.ensemble.weights[:, None] * self.ensemble.types  # (n_types, P)
        answer: Floats = self.magnetisation(overlaps) @ weighted
        return answer

    def free_energy(self, overlaps: Floats) -> Floats:
        """Return f(m) per spin at overlaps of shape (..., P), in units of the couplings; shape (...)."""
        quadratic = self.scale / 2 * np.square(overlaps).sum(-1)
        fields = self.scale * np.abs(self._fields(overlaps))
        if self.temperature > 0:  # ln 2cosh(x) = |x| + ln(1 + exp(-2|x|)) does not overflow
            fields = fields + self.temperature * np.log1p(np.exp(-2 * fields / self.temperature))
        value: Floats = quadratic - fields @ self.ensemble.weights
        return value

    def hessian(self, overlaps: Floats) -> Floats:
        r"""Return :math:`I - \beta g\, E[\xi\xi^T (1 - \tanh^2)]`, of shape (P, P), at one point of shape (P,).

        It is the Hessian of f over g: dimensionless, and the same in every convention. At T = 0 it is the identity where no
        site's field is 0, and minus infinity on the diagonal of the features that have such ties.
        """
        types, weights = self.ensemble
        if self.temperature == 0:
            tied = (np.abs(self._fields(overlaps)) < _TIE) & (weights > 0)
            ties: Floats = np.diag(np.where(np.any(types[tied] != 0, axis=0), np.inf, 0.0))
            return np.eye(self.num_features) - ties
        slope = 1 - np.square(self.magnetisation(overlaps))
        curved: Floats = (types * (weights * slope)[:, None]).T @ types
        hessian: Floats = np.eye(self.num_features) - self.scale / self.temperature * curved
        return hessian

    def min_eigenvalue(self, overlaps: Floats) -> float:
        """Return the smallest eigenvalue of the Hessian: positive if the state is stable, minus infinity for ties at T = 0."""
        hessian = self.hessian(overlaps)
        if not np.isfinite(hessian).all():
            return -float("inf")
        return float(np.linalg.eigvalsh(hessian)[0])

    def covariance(self, overlaps: Floats, num_spins: int) -> Floats:
        r"""Return :math:`\mathrm{Cov}(m) = \tfrac{T}{gN}(\mathrm{Hess}^{-1} - I)` at a stable state of N spins; shape (P, P).

        It follows from the Gaussian hidden layer: z = m + noise of variance :math:`T/(gN)` has precision :math:`N g \beta\,\mathrm{Hess}`.

        Raises
        ------
        InputError
            If the state is not stable, or N is not positive.
        """
        if num_spins < 1:
            raise InputError(f"the number of spins must be at least 1, got {num_spins}")
        if self.min_eigenvalue(overlaps) <= 0:
            raise InputError("fluctuations are finite at stable states only; this one's smallest Hessian eigenvalue is not positive")
        inverse = np.linalg.inv(self.hessian(overlaps))
        covariance: Floats = self.temperature / (self.scale * num_spins) * (inverse - np.eye(self.num_features))
        return covariance

    def finite_size_shift(self, overlaps: Floats, num_spins: int) -> Floats:
        r"""Return the leading difference between the mean overlaps of N spins and the mean field's, of shape (P,).

        The hidden variables have the density :math:`e^{-\beta N f(z)}`, and their mean is that of the overlaps. To first order in
        1/N, :math:`\delta_a = -\tfrac{T}{2gN} \sum H^{-1}_{ab}\, \partial_d H_{bc}\, H^{-1}_{cd}` with the dimensionless Hessian H. It is
        0 at T = 0. Arguments and errors are those of :meth:`covariance`.
        """
        covariance = self.covariance(overlaps, num_spins)
        if self.temperature == 0:
            return np.zeros(self.num_features)
        types, weights = self.ensemble
        mean = self.magnetisation(overlaps)
        stiffness = self.scale / self.temperature
        spread = covariance + np.eye(self.num_features) / (stiffness * num_spins)  # of the hidden variables
        skew = 2 * stiffness**2 * weights * mean * (1 - mean**2) * np.einsum("tc,cd,td->t", types, spread, types)
        shift: Floats = -np.linalg.solve(self.hessian(overlaps), skew @ types) / 2
        return shift
