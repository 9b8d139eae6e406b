"""Every learning rule that the commands know, by name: the union of what the packages list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contrastive_core.baselines import RULES as BASELINES
from contrastive_core.errors import InputError
from eqprop import RULES as EQUILIBRIUM_PROPAGATION
from hebbian import RULES as HEBBIAN

if TYPE_CHECKING:
    from contrastive_core.network import Network

RULES = EQUILIBRIUM_PROPAGATION | HEBBIAN | BASELINES
BASELINE = "backprop"
"""The rule that the others are compared with."""


def require_held(names: Sequence[str], network: Network) -> None:
    """Refuse rules that hold the outputs of a network that has none to hold.

    Parameters
    ----------
    names : sequence of str
        In ``RULES``, to be run on it.
    network : Network
        Any.

    Raises
    ------
    InputError
        If the outputs cannot be held, and some of the rules hold them; all are named, with what can be run instead.
    """
    holding = [name for name in names if name in HEBBIAN]
    if network.holds_outputs or not holding:
        return
    verb = "holds" if len(holding) == 1 else "hold"
    others = ",".join(name for name in names if name not in holding)
    instead = f"run the others: --rules {others}" if others else "take a rule that nudges, such as ep-centered"
    raise InputError(f"{', '.join(holding)} {verb} the outputs, and here these are computed from the last layer; {instead}")
