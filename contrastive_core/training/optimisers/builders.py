"""Builders of optimisers and schedules, for parameters grouped by layer."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, ExponentialLR, LRScheduler

from contrastive_core.errors import InputError
from contrastive_core.training.optimisers.lion import Lion

Groups = list[dict[str, Any]]
"""Parameter groups in the form of ``torch.optim``."""


def layer_groups(network: nn.Module, learning_rates: Sequence[float]) -> Groups:
    """Return one parameter group per layer, each with its learning rate.

    Parameters
    ----------
    network : nn.Module
        Network with parameters named ``kind_layer``; parameters of one layer form a group.
    learning_rates : sequence of float
        One rate for all layers, or one per layer from the input side.

    Raises
    ------
    InputError
        If there is neither one rate nor one per layer, or a rate is not positive.
    """
    layers: dict[str, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        layers.setdefault(name.rsplit("_", 1)[-1], []).append(parameter)
    if len(learning_rates) not in (1, len(layers)):
        raise InputError(f"{len(learning_rates)} learning rates for {len(layers)} layers; give one for all, or one per layer")
    if not min(learning_rates) > 0:
        raise InputError(f"learning rates must be positive, got {tuple(learning_rates)}")
    rates = list(learning_rates) * len(layers) if len(learning_rates) == 1 else list(learning_rates)
    return [{"params": parameters, "lr": rate} for parameters, rate in zip(layers.values(), rates, strict=True)]


def sgd(groups: Groups, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return stochastic gradient descent with heavy-ball momentum."""
    return torch.optim.SGD(groups, momentum=momentum, weight_decay=weight_decay)


def adam(groups: Groups, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return Adam, with the momentum as its first moment's decay."""
    return torch.optim.Adam(groups, betas=(momentum, 0.999), weight_decay=weight_decay)


def adamw(groups: Groups, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return Adam with decoupled weight decay."""
    return torch.optim.AdamW(groups, betas=(momentum, 0.999), weight_decay=weight_decay)


def rmsprop(groups: Groups, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return RMSprop with momentum."""
    return torch.optim.RMSprop(groups, momentum=momentum, weight_decay=weight_decay)


def lion(groups: Groups, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return Lion, with the momentum as the decay of its step."""
    return Lion(groups, betas=(momentum, 0.99), weight_decay=weight_decay)


def constant(optimiser: torch.optim.Optimizer, epochs: int, factor: float) -> LRScheduler:
    """Return constant learning rates."""
    return ConstantLR(optimiser, factor=1.0)


def cosine(optimiser: torch.optim.Optimizer, epochs: int, factor: float) -> LRScheduler:
    """Return learning rates that fall to 0 over the epochs along half a cosine."""
    return CosineAnnealingLR(optimiser, T_max=epochs)


def exponential(optimiser: torch.optim.Optimizer, epochs: int, factor: float) -> LRScheduler:
    """Return learning rates multiplied by ``factor`` after each epoch."""
    return ExponentialLR(optimiser, gamma=factor)
