"""Codes that kernels read as whole numbers, each defined once: actions on the last layer, ends of a relaxation, activations."""

from __future__ import annotations

from enum import IntEnum

from contrastive_core.certificate import Status
from contrastive_core.kernels.settling.elements.formulas import CLIPPED, LOGISTIC, TANH
from contrastive_core.networks.activation import LOGISTIC as LOGISTIC_UNIT
from contrastive_core.networks.activation import Activation, Clipped, Logistic, Tanh


class ActionKind(IntEnum):
    """Action of a phase on the last layer."""

    FREE = 0
    """Nothing acts."""
    PULLED = 1
    """A constant pull: a frozen nudge, or squared error on the units themselves."""
    SOFTMAX = 2
    """The pull of a cross-entropy on the units themselves, which follows them."""
    HELD = 3
    """The layer does not move."""
    READOUT = 4
    """The pull of a cost behind a readout, which follows the units."""


# Compilers take whole numbers at module level as constants; an enumeration's members would be types of their own to them.
FREE, PULLED, SOFTMAX, HELD, READOUT = (int(kind) for kind in ActionKind)

CONVERGED, BUDGET, DIVERGED = (int(status) for status in Status)

ACTIVATION_CODES: dict[type[Activation], int] = {Clipped: CLIPPED, Tanh: TANH, Logistic: LOGISTIC}
"""Activations that kernels know."""


def has_code(activation: Activation) -> bool:
    """Whether kernels know an activation: of the logistic functions the plain one."""
    return type(activation) in ACTIVATION_CODES and (type(activation) is not Logistic or activation == LOGISTIC_UNIT)
