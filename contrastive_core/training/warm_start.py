"""Where each training sample settled at its last visit, so that its next free phase can start there instead of at rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.data.batches import batches
from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError
from contrastive_core.network import Network
from contrastive_core.rule import Rule
from contrastive_core.types import Batch, State

_CHUNK = 500
"""Samples clamped together; bounds memory, and changes no result."""


@final
@dataclass(frozen=True)
class LastStates:
    """The free state of every sample of a split, by its place in the split, so that the order of visits does not matter.

    Weights move little between two visits, and so does the free state: fewer steps reach the same tolerance. Where the energy has
    several minima, the one that a sample stays in need not be the one that is reached from rest, where evaluation starts.

    Attributes
    ----------
    layers : State
        One (N, n_l) tensor per free layer, of N samples; changed in place.
    """

    layers: State

    @property
    def named(self) -> dict[str, Tensor]:
        """The tensors by name, for a checkpoint; the same memory."""
        return {f"last_state_{index}": layer for index, layer in enumerate(self.layers, start=1)}

    def recall(self, batch: Batch) -> Batch:
        """Return the batch with the states to start from."""
        return batch._replace(start=tuple(layer[batch.instances] for layer in self.layers))

    def keep(self, batch: Batch, state: State) -> None:
        """Remember the free state of a batch, in place."""
        for layer, new in zip(self.layers, state, strict=True):
            layer[batch.instances] = new


def at_rest(network: Network, split: Split) -> LastStates:
    """Return what is remembered before the first visit: rest, so that a first visit is as without a memory.

    Takes N numbers per free unit, of the network's dtype: 115 MB for 55 000 samples of 784-512-10 in float32.
    """
    with torch.no_grad():
        parts = []
        for batch in batches(split, _CHUNK):
            network.begin_use_()
            parts.append(network.initial_state(network.clamp(batch.inputs)))
    return LastStates(tuple(torch.cat(layers) for layers in zip(*parts, strict=True)))


def require_settling(rule: Rule) -> None:
    """Raise ``InputError`` where a rule has no free phase that could start anywhere."""
    if not rule.settles:
        name = type(rule).__name__
        raise InputError(f"{name} settles no states that a warm start could reuse; leave the warm start out, or take another rule")


def memory(network: Network, rule: Rule, samples: Split, *, drawn_anew: bool) -> LastStates:
    """Return a memory of samples, or raise ``InputError`` where it would be of no use: samples drawn anew do not come back."""
    require_settling(rule)
    if drawn_anew:
        raise InputError("a warm start needs samples that come back as they were, and views are drawn anew; leave one of the two out")
    return at_rest(network, samples)
