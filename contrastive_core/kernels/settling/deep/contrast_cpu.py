"""Contrastive gradients of networks with several hidden layers, with as little as possible around the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Status, Stop
from contrastive_core.kernels.settling.any_depth.host_cpu import unstacked
from contrastive_core.kernels.settling.deep import active_rows_cpu
from contrastive_core.kernels.settling.deep.active_rows import Rows
from contrastive_core.kernels.settling.deep.host_cpu import Tower
from contrastive_core.kernels.settling.elements.codes import ActionKind
from contrastive_core.kernels.settling.elements.output_phase import Action
from contrastive_core.kernels.settling.elements.request import Contrasted
from contrastive_core.networks.layered import Layered
from contrastive_core.types import Gradients


def estimate_tower(
    network: Layered,
    inputs: Tensor,
    labels: Tensor,
    over_relaxation: float,
    orders: tuple[Sequence[int], Sequence[int]],
    free: Stop,
    second: Stop,
    action: Action,
    signs: Sequence[int],
    factor: float,
) -> Contrasted | None:
    """Settle from rest and contrast.

    Parameters
    ----------
    network : Layered
        With several hidden layers that :func:`contrastive_core.kernels.settling.elements.output_phase.fused_depth` finds.
    inputs : Tensor of shape (B, n_in)
        Of the dtype of the network.
    labels : Tensor of shape (B,)
        Classes.
    over_relaxation : float
        Of the dynamics.
    orders : tuple of sequences of int
        The blocks in the order of their moves, in the free phase and in the others.
    free, second : Stop
        Of the free phase, and of the others.
    action : Action
        What acts on the outputs in the phases after the free one, one strength for each; its pull is made of the labels.
    signs : sequence of int
        Of those phases; the free one stands in for a sign that is not there.
    factor : float
        Of the contrast of the mean energies' gradients.

    Returns
    -------
    Contrasted, optional
        The free relaxation first. None where a sample diverged or the batch makes no sense.
    """
    tower = Tower(network, torch.addmm(network.bias(0).detach(), inputs, network.weight(0).detach()), over_relaxation)
    rows = Rows.rest(tower.columns, tower.drive, [min(max(0.0, low), high) for low, high in tower.boxes])
    wanted = rows.part(tower.columns.pull, network.sizes[-1])
    if not active_rows_cpu.write_targets(tower.drive.numpy(), labels.numpy(), wanted.numpy()):
        return None
    tower.run(rows, orders[0], free, Action(ActionKind.FREE, (0.0,)))
    if not np.isfinite(rows.residual).all():
        return None
    # Several phases have rows of their own, and leave those of the free one for when they are asked for.
    first = None if len(signs) > 1 else rows.relaxation(free)
    later_rows = rows.act(action.strengths, None)
    tower.run(later_rows, orders[1], second, action)
    stacked = later_rows.relaxation(second)
    if (stacked.status.numpy() == Status.DIVERGED).any():
        return None
    later = unstacked(stacked, len(signs))
    plus, minus = (later[signs.index(sign)] if sign in signs else cast(Relaxation, first) for sign in (1, -1))
    return _contrast(network, inputs, plus, minus, factor), lambda: [first or rows.relaxation(free), *later]


def _contrast(network: Layered, inputs: Tensor, plus: Relaxation, minus: Relaxation, factor: float) -> Gradients:
    """Return the scaled contrast of two states, one product per layer: products of differences lose fewer digits than the reverse."""
    gradients: Gradients = {}
    size, below = len(inputs), inputs
    for index, (first, second) in enumerate(zip(plus.state, minus.state, strict=True)):
        pair, change = (first.new_empty(2 * size, first.shape[1]) for _ in range(2))
        bias = first.new_empty(first.shape[1])
        scale = -factor * network.stiffness[index] / size
        active_rows_cpu.contrast_layer(first.numpy(), second.numpy(), scale, pair.numpy(), change.numpy(), bias.numpy())
        # The inputs are the same in both states, and so only the change of what they meet is left.
        gradients[f"weight_{index + 1}"] = below.T @ change[: len(below)]
        gradients[f"bias_{index + 1}"] = bias
        below = pair
    return gradients
