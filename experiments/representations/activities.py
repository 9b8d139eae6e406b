"""Trained networks, and the activities of their units when they answer inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from contrastive_core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.data.splits import Splits
    from contrastive_core.network import Network
    from contrastive_core.rule import Rule

_CHUNK = 500
"""Samples settled together; bounds memory, and changes no result."""


class Trained(NamedTuple):
    """Network after and before training.

    Attributes
    ----------
    run : str
        Name of the run.
    rule : str
        Rule that trained the network.
    seed : int
        Seed of the initial weights.
    network, untrained : Network
        Network after training, and before.
    answer : Rule
        Rule that infers outputs from inputs.
    splits : Splits
        Data of the run.
    """

    run: str
    rule: str
    seed: int
    network: Network
    untrained: Network
    answer: Rule
    splits: Splits


def activities(network: Network, rule: Rule, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last hidden layer and the outputs with which a rule's network answers inputs, of shape (N, n) each.

    Raises
    ------
    InputError
        If the network has no hidden layer.
    """
    *_, hidden, outputs = layer_activities(network, rule, inputs)
    return hidden, outputs


def layer_activities(network: Network, rule: Rule, inputs: Tensor) -> list[Tensor]:
    """Return every hidden layer and the outputs with which a rule's network answers inputs, of shape (N, n) each.

    Raises
    ------
    InputError
        If the network has no hidden layer.
    """
    import torch

    if not network.has_readout and len(network.sizes) < 2:
        raise InputError("the network has no hidden layer to look at; train one with --hidden")
    answers = []
    with torch.no_grad():
        for part in torch.split(inputs, _CHUNK):
            state = rule.infer(network, part).state
            hidden = state if network.has_readout else state[:-1]
            answers.append([*(layer.flatten(1) for layer in hidden), network.output(state)])
    return [torch.cat(parts) for parts in zip(*answers, strict=True)]
