"""Traces of synapses: what each step of a trajectory adds to the update of a weight, from the activities at its two ends."""

from __future__ import annotations

from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.network import Clamped, Network
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.links import Identity, Weighted, per_channel
from contrastive_core.types import Gradients, State
from eqprop.continual.settings import Pairing


def trace_of_step(network: Network, clamped: Clamped, before: State, after: State, pairing: Pairing, factor: float) -> Gradients:
    r"""Return what one step of a trajectory adds to the gradient of every parameter, averaged over the batch.

    A weight from unit i to unit j of layer l gets :math:`-\lambda^l` times

    ========= ==================================================================================================
    midpoint  :math:`\bar s_i \Delta s_j + \bar s_j \Delta s_i`, with :math:`\bar s` halfway between both states
    left      :math:`s_i \Delta s_j + s_j \Delta s_i`, with s before the step
    one-sided :math:`\bar s_i \Delta s_j`: the presynaptic activity times the change of the postsynaptic one
    ========= ==================================================================================================

    The midpoint form is the exact change of :math:`s_i s_j`, so that its sum over a trajectory depends on the ends alone. Through a
    pooling the activity of a postsynaptic unit is that of the unit led back to the response. Networks that are no layered ones, and devices
    that read states with errors, have the exact change of :math:`\partial E/\partial\theta` in the place of the midpoint form.

    Parameters
    ----------
    network : Network
        Network whose energy has the gradient.
    clamped : Clamped
        Network with its inputs held.
    before, after : State
        States before and after the step.
    pairing : {"midpoint", "left", "one-sided"}
        Form of the trace.
    factor : float
        Factor of the trace, such as 1 over the nudging strength.

    Raises
    ------
    InputError
        If a form other than the midpoint is asked of a network without synapses between pairs of units.
    """
    if isinstance(network, Layered):
        return _paired(network, clamped, before, after, pairing, factor)
    if pairing != "midpoint":
        raise InputError(
            f"the {pairing} trace pairs the units of a layered network with ideal weights, and this is {type(network).__name__}; "
            "take the midpoint"
        )
    return network.energy_gradient(after, clamped, before, factor)


def _paired(network: Layered, clamped: Clamped, before: State, after: State, pairing: Pairing, factor: float) -> Gradients:
    gradients: Gradients = {}
    for index, layer in enumerate(after):
        scale = -factor * network.stiffness[index] / len(layer)
        for edge in network.into[index]:
            if isinstance(edge.link, Identity):
                continue
            ends = [edge.link.pressed(state[index], network.route(edge, state, clamped)) * scale for state in (before, after)]
            below = (clamped.inputs, clamped.inputs) if edge.source < 0 else (before[edge.source], after[edge.source])
            gradients[edge.name] = _of_link(edge.link, below, (ends[0], ends[1]), pairing)
        for memory in network.memories[index]:  # no synapse between two units: it has one form
            gradients[memory.name] = memory.gradient(layer, before[index], network.weight_of(memory), scale)
        gradients[f"bias_{index + 1}"] = per_channel((layer - before[index]) * scale)
    return gradients | network.readout_zeros()


def _of_link(link: Weighted, below: tuple[Tensor, Tensor], above: tuple[Tensor, Tensor], pairing: Pairing) -> Tensor:
    """Return the trace of a link, from the activities on both sides before and after the step."""
    clamped, rise = below[0] is below[1], above[1] - above[0]
    left = pairing == "left"
    forward = link.gradient(below[0] if clamped or left else (below[0] + below[1]) / 2, rise)
    if clamped or pairing == "one-sided":
        return forward
    return link.gradient(below[1] - below[0], above[0] if left else (above[0] + above[1]) / 2, forward)
