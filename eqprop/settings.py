"""Settings that belong to the rules of equilibrium propagation."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from contrastive_core.guards.typed import typed
from contrastive_core.options import option


@typed()
@dataclass(frozen=True)
class Homeostasis:
    """Penalty on an asymmetric Jacobian, lowered beside the cost.

    Attributes
    ----------
    homeostasis : float
        Weight of the asymmetry; 0 leaves it out.
    """

    homeostasis: Annotated[float, Ge(0)] = option(
        0.0, "Weight of the penalty on the Jacobian's asymmetry in equilibrium propagation without tied feedback; 0: no penalty."
    )
