r"""High storage: the capacity :math:`\alpha_c \approx 0.138` of undiluted Hebbian networks at T = 0."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import erf

from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed


class Capacity(NamedTuple):
    r"""End of retrieval as patterns are added.

    Attributes
    ----------
    load : float
        :math:`\alpha_c = P/N`, above which no retrieval state exists.
    overlap : float
        m of the retrieval state there.
    """

    load: float
    overlap: float


def _load(y: float) -> float:
    slope = 2 / np.sqrt(np.pi) * np.exp(-y * y)
    return float((erf(y) / y - slope) ** 2 / 2)


def capacity() -> Capacity:
    r"""Return the largest load with a retrieval state, in the replica-symmetric theory at T = 0.

    The equations :math:`m = \mathrm{erf}(m/\sqrt{2\alpha r})`, :math:`C = \sqrt{2/(\pi\alpha r)}\, e^{-m^2/(2\alpha r)}`,
    :math:`r = (1 - C)^{-2}` become, with :math:`y = m/\sqrt{2\alpha r}`,
    :math:`y\,(\sqrt{2\alpha} + \tfrac{2}{\sqrt\pi} e^{-y^2}) = \mathrm{erf}(y)`, so that
    :math:`\alpha = \tfrac12 [\mathrm{erf}(y)/y - \tfrac{2}{\sqrt\pi} e^{-y^2}]^2`, whose maximum over y is the capacity.

    Returns
    -------
    Capacity
        0.1379 and 0.967.

    References
    ----------
    Amit, Gutfreund & Sompolinsky (1985), Phys. Rev. Lett. 55, 1530.
    """
    best = minimize_scalar(lambda y: -_load(y), bounds=(0.5, 4.0), method="bounded", options={"xatol": 1e-12})
    return Capacity(_load(best.x), float(erf(best.x)))


@typed()
def retrieval_overlap(load: float) -> float:
    r"""Return the overlap m of the retrieval state at T = 0 and load :math:`\alpha`; 0 above the capacity.

    Raises
    ------
    InputError
        If the load is not positive.
    """
    if not load > 0:
        raise InputError(f"the load P/N must be positive, got {load}")
    best = minimize_scalar(lambda y: -_load(y), bounds=(0.5, 4.0), method="bounded", options={"xatol": 1e-12})
    if load > _load(best.x):
        return 0.0
    # The retrieval branch is the larger solution: on it alpha falls with y, as 1/(2 y^2) for large y.
    y = brentq(lambda y: _load(y) - load, best.x, 1 / np.sqrt(load) + best.x, xtol=1e-13)
    return float(erf(y))
