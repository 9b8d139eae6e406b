"""Settings of the rules that learn while a nudged phase runs."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, MinLen

from contrastive_core.guards.typed import typed
from contrastive_core.options import option

Pairing = Literal["midpoint", "left", "one-sided"]
"""Way in which a synapse pairs the activities of its ends with their changes."""


@typed()
@dataclass(frozen=True)
class NudgedSides:
    """Sides of the free state to which outputs are nudged while a rule learns.

    Attributes
    ----------
    sides : {"centered", "positive", "negative", "random"}
        Both sides one after the other, each from the free state; one of them; or one drawn for each batch.
    """

    sides: Literal["centered", "positive", "negative", "random"] = option(
        "centered", "Nudges of ep-continual and ep-stdp: both sides, each from the free state and its weights, one side, or a random one."
    )


@typed()
@dataclass(frozen=True)
class UpdateRate:
    """Speed at which weights move inside a nudged phase.

    Attributes
    ----------
    update_rate : tuple of float, optional
        One rate for all layers, or one per layer from the input side; None for one that fits strength and activities.
    """

    update_rate: Annotated[tuple[Annotated[float, Gt(0)], ...], MinLen(1)] | None = option(
        None,
        "Learning rate of ep-continual inside a nudged phase, one for all layers or one per layer from the inputs up, such as "
        "0.0056,0.0028; the same --learning-rates of plain SGD then end where the phase does. none: one that fits strength and activities.",
    )


@typed()
@dataclass(frozen=True)
class SynapticPairing:
    """Form of the spike-timing trace.

    Attributes
    ----------
    pairing : {"midpoint", "left", "one-sided"}
        Activities halfway through each step, those before it, or the presynaptic one alone.
    """

    pairing: Pairing = option(
        "midpoint",
        "Activities that the trace of ep-stdp pairs with changes: midpoint adds up to the contrast, left takes those before each step, "
        "one-sided the presynaptic ones alone.",
    )
