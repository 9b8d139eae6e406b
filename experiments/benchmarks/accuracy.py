"""Accuracy of the gradients that benches time, and the loosest tolerances that keep one."""

from __future__ import annotations

import torch
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Sides
from contrastive_core.rule import Settling
from contrastive_core.types import Batch
from eqprop.rule import EquilibriumPropagation

SMALL = 1e-4
"""Strength on one side: its bias is of that size, and in difference coordinates it costs no digits."""

Gradients = tuple[Tensor, ...]
"""In the order of the parameters."""

GOOD = 0.9999
"""Cosine to the exact gradient that ``ep-loose`` must reach."""

LADDER = (0.3, 0.1, 3e-2, 1e-2, 3e-3, 1e-3)
"""Tolerances of both phases that it tries, loosest first."""


def cosine(found: Gradients, exact: Gradients) -> float:
    """Return the cosine of two gradients over all parameters, in float64."""
    mine, theirs = (torch.cat([part.double().flatten() for part in parts]) for parts in (found, exact))
    return float(torch.nn.functional.cosine_similarity(mine, theirs, dim=0))


def loosest(network: Layered, batch: Batch, exact: Gradients, good: float, backend: str = "auto") -> Settling:
    """Return the loosest tolerances with which one-sided equilibrium propagation reaches a cosine, else the tightest of ``LADDER``."""
    for tolerance in LADDER:
        settling = Settling(free=Stop(tolerance), second=Stop(tolerance), backend=backend)
        rule = EquilibriumPropagation(SquaredError(), settling, SMALL, Sides.POSITIVE)
        if cosine(tuple(rule.estimate(network, batch).gradients.values()), exact) >= good:
            break
    return settling
