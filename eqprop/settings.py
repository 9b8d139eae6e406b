"""Settings that belong to the rules of equilibrium propagation."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Lt

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


@typed()
@dataclass(frozen=True)
class Points:
    """Number of nudges of an estimate that uses several.

    Attributes
    ----------
    points : int, optional
        Points on the circle of holomorphic EP, or readings in a period of the nudge; None is the default of the rule.
    """

    points: Annotated[int, Ge(1)] | None = option(
        None,
        "Number of nudges: points on the circle of holomorphic EP, or readings per period of a nudge that swings or turns; none: 4 on the "
        "circle, 16 for lock-in, 8 for the turning nudge.",
    )


@typed()
@dataclass(frozen=True)
class Turning:
    """Pace of a nudge that turns while the states follow.

    Attributes
    ----------
    sweeps_per_point : int
        Sweeps between two readings.
    """

    sweeps_per_point: Annotated[int, Ge(1)] = option(20, "Number of sweeps of the states between two readings of a nudge that turns.")


@typed()
@dataclass(frozen=True)
class Thermal:
    """Averages over stationary distributions.

    Attributes
    ----------
    replicas : int
        Independent chains of each sample.
    burn_in : float
        Share of every phase before its record, in [0, 1).
    common_draws : bool
        Whether the two phases of a contrast use the same random numbers.
    """

    replicas: Annotated[int, Gt(0)] = option(
        4, "Number of independent chains of each sample, for rules that average at a temperature (ep-thermal and its kin)."
    )
    burn_in: Annotated[float, Ge(0), Lt(1)] = option(
        0.25, "Share of every phase that is left out of the averages, for rules that average at a temperature."
    )
    common_draws: bool = option(
        True, "Use the same random numbers in both phases of ep-thermal and ep-free-energy, which lowers the variance of their contrast."
    )
