"""Filters and feature maps of a trained network with filters, as arrays for figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contrastive_core.networks.layered import Layered

if TYPE_CHECKING:
    import torch

    from contrastive_core.network import Network
    from contrastive_core.rule import Rule

MOST_FILTERS = 16
"""Filters of the first layer that are kept."""
MOST_CHANNELS = 3
"""Channels of a filter that are kept."""
MOST_MAPS = 9
"""Channels of a layer whose activities are kept."""
LARGEST = 16
"""Side of the largest map that is kept as it is; larger ones are averaged over squares."""


def features(network: Network, rule: Rule, sample: torch.Tensor) -> dict[str, Any]:
    """Return the first layer's filters, and the activities of all layers of pictures on one sample.

    Parameters
    ----------
    network : Network
        Trained network.
    rule : Rule
        Rule whose inference settles it.
    sample : Tensor of shape (1, inputs)
        Inputs.

    Returns
    -------
    dict of str to ndarray
        ``filters`` of shape (filters, channels, height, width), ``map_0`` of the inputs (mean over their channels), and ``map_l`` of each
        layer of pictures, of shape (channels, height, width); empty for networks without pictures.
    """
    if not isinstance(network, Layered) or len(network.architecture.inputs) != 3 or network.weight(0).ndim != 4:
        return {}
    layers = [layer[0] for layer in rule.infer(network, sample).state if layer.ndim == 4]
    inputs = sample.reshape(network.architecture.inputs).mean(0, keepdim=True)
    maps = {f"map_{index}": _reduced(layer[:MOST_MAPS]) for index, layer in enumerate([inputs, *layers])}
    kept = {"filters": network.weight(0)[:MOST_FILTERS, :MOST_CHANNELS], **maps}
    return {name: value.detach().cpu().contiguous().numpy() for name, value in kept.items()}


def _reduced(maps: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import avg_pool2d

    factor = -(-max(maps.shape[1:]) // LARGEST)
    return maps if factor == 1 else avg_pool2d(maps[None], factor, ceil_mode=True)[0]
