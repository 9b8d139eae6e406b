"""Contrastive gradients of deep networks, with as little as possible around the kernels."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Status
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.settling.any_depth import rows_cpu
from contrastive_core.kernels.settling.any_depth.host_cpu import Sweeps
from contrastive_core.kernels.settling.any_depth.rows import Rows
from contrastive_core.kernels.settling.elements.codes import ActionKind
from contrastive_core.kernels.settling.elements.output_phase import Action, live_action
from contrastive_core.kernels.settling.elements.request import Contrasted, FromRest
from contrastive_core.networks.layered import Layered
from contrastive_core.types import Batch, Gradients


def estimate_deep(network: Layered, batch: Batch, settings: FromRest) -> Contrasted | None:
    """Settle from rest and contrast.

    Parameters
    ----------
    network : Layered
        Deep network, in the sense of :mod:`contrastive_core.kernels.settling.any_depth.host_cpu`.
    batch : Batch
        Inputs of shape (B, n_in), of the dtype of the network, and classes of shape (B,).
    settings : FromRest
        Phases, live nudges by one cost of the batch's labels, and how they are relaxed and contrasted.

    Returns
    -------
    Contrasted, optional
        The free relaxation first. None if a sample diverged or the batch makes no sense.
    """
    inputs, labels, signs = batch.inputs, batch.labels, settings.signs
    drive = torch.addmm(network.bias(0).detach(), inputs, network.weight(0).detach())
    sweeps = Sweeps(network, drive, cast(BlockDescent, settings.dynamics), True)
    rows = Rows.begin(sweeps.layout, drive, [min(max(0.0, low), high) for low, high in sweeps.boxes])
    wanted = rows.part(sweeps.layout.pull, network.sizes[-1])
    if not rows_cpu.write_targets(drive.numpy(), labels.numpy(), wanted.numpy()):
        return None
    sweeps.run(rows, settings.free, Action(ActionKind.FREE, (0.0,)))
    # A sample that diverged at rest would only waste the later phases.
    if not np.isfinite(rows.residual).all():
        return None
    # Several phases get rows of their own, so that those of the free one can wait until they are asked for.
    first = None if len(signs) > 1 else rows.relaxations(settings.free)[0]
    action = live_action(settings.phases)
    later_rows = rows.act(action.strengths, None)
    sweeps.run(later_rows, settings.second, action, backwards=True)
    later = later_rows.relaxations(settings.second, len(signs))
    if any((relaxation.status.numpy() == Status.DIVERGED).any() for relaxation in later):
        return None
    plus, minus = (later[signs.index(sign)] if sign in signs else cast(Relaxation, first) for sign in (1, -1))
    return _contrast(network, inputs, plus, minus, settings.factor), lambda: [first or rows.relaxations(settings.free)[0], *later]


def _contrast(network: Layered, inputs: Tensor, plus: Relaxation, minus: Relaxation, factor: float) -> Gradients:
    """Return the scaled contrast of two states, one product per layer: products of differences lose fewer digits than the reverse."""
    gradients: Gradients = {}
    size, below = len(inputs), inputs
    for index, (first, second) in enumerate(zip(plus.state, minus.state, strict=True)):
        pair, change = (first.new_empty(2 * size, first.shape[1]) for _ in range(2))
        bias = first.new_empty(first.shape[1])
        scale = -factor * network.stiffness[index] / size
        rows_cpu.contrast_layer(first.numpy(), second.numpy(), scale, pair.numpy(), change.numpy(), bias.numpy())
        # The inputs are the same in both states, and so only the change of what they meet is left.
        gradients[f"weight_{index + 1}"] = below.T @ change[: len(below)]
        gradients[f"bias_{index + 1}"] = bias
        below = pair
    return gradients
