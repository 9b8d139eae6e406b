"""Writing the two phases of a contrast one after the other, by circuits that cannot hold their difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.network import Clamped, Network
from contrastive_core.types import Gradients, State


class CommonMode(NamedTuple):
    """A gradient that is the difference of two phases, and their common part.

    Attributes
    ----------
    difference : Gradients
        Gradient that the rule is given.
    common : Gradients
        The mean of both phases' gradients, with the factor of the difference.
    """

    difference: Gradients
    common: Gradients


def common_mode(network: Network, clamped: Clamped, plus: State, minus: State, factor: float) -> Gradients:
    """Return the mean of the energy gradients of two phases, times ``factor``.

    Parameters
    ----------
    network : Network
        Network with the energy.
    clamped : Clamped
        The network with its inputs held.
    plus, minus : State
        The phases.
    factor : float
        Factor of their contrast.
    """
    one, other = (network.energy_gradient(state, clamped, None, factor / 2) for state in (plus, minus))
    return {name: one[name] + other[name] for name in one}


def in_two_passes(changes: Mapping[str, Tensor], contrast: CommonMode | None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    r"""Split a change of weights into the changes that its two phases ask for.

    For gradient descent by :math:`\Delta w = -\eta (g^+ - g^-)` they are :math:`-\eta g^+` and :math:`+\eta g^-`. Any other optimiser's
    :math:`\eta` is taken to be the rate that explains its change best, :math:`-\langle \Delta w, g\rangle / \langle g, g\rangle` for
    each tensor. The rest of the change, which it adds by memory, is shared by both passes.

    Parameters
    ----------
    changes : mapping of str to Tensor
        Changes that the optimiser asks for.
    contrast : CommonMode, optional
        Gradients that the optimiser was given.

    Returns
    -------
    tuple of dict and dict
        Changes of the first and of the second pass; they add up to ``changes``.

    Raises
    ------
    InputError
        If no contrast of two phases was computed.
    """
    if contrast is None:
        raise InputError(
            "writing each phase on its own needs a rule that contrasts two phases, such as ep-centered; or write the difference"
        )
    first, second = {}, {}
    for name, change in changes.items():
        gradient = contrast.difference[name]
        square = gradient.square().sum()
        # Least squares of the change on the gradient; without a gradient there is no rate.
        rate = -(change * gradient).sum() / square.where(square > 0, square.new_ones(()))
        # Halves add up to the change exactly, however wrong the rate is.
        first[name] = change / 2 - rate * contrast.common[name]
        second[name] = change / 2 + rate * contrast.common[name]
    return first, second
