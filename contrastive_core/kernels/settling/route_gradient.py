"""Contrastive gradients from rest in one go: which cases the fused kernels can do so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.costs.cross_entropy import CrossEntropy
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.availability import CUDA
from contrastive_core.kernels.settling.deep.contrast_cpu import estimate_tower
from contrastive_core.kernels.settling.elements.codes import ActionKind
from contrastive_core.kernels.settling.elements.output_phase import KNOWN_COSTS, Action, fused_depth
from contrastive_core.kernels.settling.elements.request import Contrasted, FromRest
from contrastive_core.kernels.settling.one_hidden.host_cpu import estimate_pair
from contrastive_core.network import Network
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge, Phase
from contrastive_core.types import Batch

FLOATS = (torch.float32, torch.float64)

Estimate = Callable[[Layered, Tensor, Tensor, bool, Sequence[Stop], Action, Sequence[int], float], Contrasted | None]
"""What ``estimate_pair`` is on either kind of device."""


def on_cuda(network: Network, batch: Batch, settings: FromRest) -> Contrasted | None:
    """Do what :func:`contrast_from_rest` does, with arguments as there, for tensors that the CUDA kernels work on."""
    if CUDA.missing() is not None:
        return None
    from contrastive_core.kernels.settling.one_hidden import host_cuda

    return _contrast(f"is_{CUDA.memory()}", host_cuda.estimate_pair, network, batch, settings)


def contrast_from_rest(network: Network, batch: Batch, settings: FromRest) -> Contrasted | None:
    """Relax as :func:`contrastive_core.relaxation.relax.relax_from_rest` does, and contrast as a rule does, with nothing in between.

    Parameters
    ----------
    network, batch, settings
        As of :func:`contrastive_core.relaxation.relax.contrast_from_rest`; the energy has a minimum in every phase.

    Returns
    -------
    Contrasted, optional
        None where there is no such kernel, or where something is wrong with the batch or with a
        relaxation: the steps one by one do the same then, and say what.
    """
    return _contrast("is_cpu", estimate_pair, network, batch, settings, deeper=True)


def _contrast(
    where: str, estimate: Estimate, network: Network, batch: Batch, settings: FromRest, deeper: bool = False
) -> Contrasted | None:
    """Do it by ``estimate`` for one hidden layer and, if ``deeper``, for more, where tensors are ``where``: is_cpu or is_cuda."""
    dynamics, free, second, phases, signs, factor = settings
    inputs, labels = batch.inputs, batch.labels
    if type(network) is not Layered or type(dynamics) is not BlockDescent or not phases:
        return None
    depth = fused_depth(network)
    if not (depth == 1 and dynamics.over_relaxation == 1) and not (deeper and depth > 1):
        return None
    if not network.output_is_last_layer or not _are_live_nudges_by_one_cost(phases):
        return None
    bias, shape = network.bias(0), labels.shape
    if not (getattr(inputs, where) and getattr(labels, where) and getattr(bias, where)):
        return None
    if inputs.dtype != bias.dtype or bias.dtype not in FLOATS:
        return None
    shapes_fit = len(shape) == 1 and shape[0] > 0 and inputs.shape == (shape[0], network.num_inputs)
    if not shapes_fit or labels.dtype != torch.int64 or not labels.is_contiguous() or inputs.requires_grad:
        return None
    nudges = cast(Sequence[Nudge], phases)
    kind = ActionKind.SOFTMAX if type(nudges[0].cost) is CrossEntropy else ActionKind.PULLED
    if depth > 1:
        action = Action(kind, tuple(nudge.strength for nudge in nudges), None, nudges[0].cost.curvature)
        groups = dynamics.groups(len(network.sizes))
        order, opposite = ([index for group in visited for index in group] for visited in (groups, groups[::-1]))
        return estimate_tower(network, inputs, labels, dynamics.over_relaxation, (order, opposite), free, second, action, signs, factor)
    strengths = (0.0, *(nudge.strength for nudge in nudges))
    action = Action(kind, strengths, None, nudges[0].cost.curvature, kind is ActionKind.SOFTMAX)
    stops = (free, *[second] * len(phases))
    return estimate(network, inputs, labels, dynamics.groups(2)[0][0] == 1, stops, action, signs, factor)


def _are_live_nudges_by_one_cost(phases: Sequence[Phase]) -> bool:
    """Whether all phases are live nudges by the same known cost of the same labels."""
    first = phases[0]
    if not isinstance(first, Nudge) or type(first.cost) not in KNOWN_COSTS:
        return False
    for phase in phases:
        if not isinstance(phase, Nudge) or phase.frozen is not None:
            return False
        if phase.cost is not first.cost or phase.batch.labels is not first.batch.labels:
            return False
    return True
