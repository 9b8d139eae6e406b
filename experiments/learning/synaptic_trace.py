"""The spike-timing trace sweep by sweep: what each pairing of activities has added up, beside the contrast of the present state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from contrastive_core.errors import InputError
from eqprop.continual.settings import Pairing

if TYPE_CHECKING:
    from contrastive_core.network import Network
    from contrastive_core.rule import Setting
    from contrastive_core.types import Batch, Gradients

MOST_SWEEPS = 400
"""Sweeps of a phase that are recorded, at most."""


def synaptic_trace(setting: Setting, network: Network, batch: Batch) -> dict[str, Any]:
    r"""Follow the traces of all synapses through the positive nudged phase.

    Parameters
    ----------
    setting : Setting
        Cost, dynamics and strength.
    network : Network
        Network; one that is not layered has the midpoint pairing alone.
    batch : Batch
        Samples.

    Returns
    -------
    dict
        ``synapse``, the name of the weight whose contrast is the largest among those of the last layer; ``contrast``, its contrast of the
        present and the free state after every sweep; and by pairing ``trace``, what it has added up, and ``difference``, the norm of
        trace minus contrast over all synapses, relative to the contrast at the end of the phase.
    """
    import torch

    from contrastive_core.rule import presented
    from eqprop.continual.phase import relax_free
    from eqprop.continual.spike_timing import SynapticTrace, traced

    batch, strength = presented(network, batch), setting.strength * network.stiffness[-1]
    clamped, free, (nudge,), noise = relax_free(network, batch, setting.cost, setting.settling, [strength], setting.frozen, None)
    states: list[Any] = []
    traced(setting.settling, clamped, free.state, nudge, setting.strength, states.append, noise)
    states = states[: MOST_SWEEPS + 1]
    with torch.no_grad():
        contrasts = [network.energy_gradient(state, clamped, free.state, 1 / strength) for state in states]
        name = next(reversed([key for key in contrasts[-1] if key.startswith("weight") and key != "weight_readout"]), None)
        if name is None:  # networks of another kind name their synapses otherwise
            name = max(contrasts[-1], key=lambda key: float(contrasts[-1][key].abs().max()))
        place = int(contrasts[-1][name].abs().argmax())
        whole = _flat(contrasts[-1]).norm().clamp(min=1e-300)
        pairings: dict[str, Any] = {}
        for pairing in get_args(Pairing):
            trace, record = SynapticTrace(network, clamped, pairing, 1 / strength), {"trace": list[float](), "difference": list[float]()}
            try:
                for state, contrast in zip(states, contrasts, strict=True):
                    trace.visit(state)
                    record["trace"].append(float(trace.total[name].flatten()[place]))
                    record["difference"].append(float((_flat(trace.total) - _flat(contrast)).norm() / whole))
            except InputError:  # no pairs of units: the midpoint alone
                continue
            pairings[pairing] = record
        found = [float(contrast[name].flatten()[place]) for contrast in contrasts]
    indices = ", ".join(str(int(index)) for index in torch.unravel_index(torch.tensor(place), contrasts[-1][name].shape))
    return {"synapse": f"{name}[{indices}]", "contrast": found, "pairings": pairings}


def _flat(gradients: Gradients) -> Any:
    import torch

    return torch.cat([value.flatten() for value in gradients.values()])
