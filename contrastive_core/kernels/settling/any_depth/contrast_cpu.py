"""Contrastive gradients of deep networks, with as little as possible around the kernels."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Status
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.settling.any_depth import rows_cpu
from contrastive_core.kernels.settling.any_depth.rows import Rows
from contrastive_core.kernels.settling.any_depth.sweeps import Sweeps
from contrastive_core.kernels.settling.elements.codes import ActionKind
from contrastive_core.kernels.settling.elements.output_phase import Action, live_action
from contrastive_core.kernels.settling.elements.request import Contrasted, FromRest
from contrastive_core.networks.layered import Layered
from contrastive_core.types import Batch, Gradients, State


class DeepEstimate:
    """Relaxation from rest and contrast of deep networks; a call returns the same as one of ``PairEstimate``.

    Parameters
    ----------
    network : Layered
        Deep network, in the sense of :mod:`contrastive_core.kernels.settling.any_depth.sweeps`.
    settings : FromRest
        Phases, and how they are relaxed and contrasted.
    """

    def __init__(self, network: Layered, settings: FromRest) -> None:
        self.settings = settings

    def __call__(self, network: Layered, batch: Batch) -> Contrasted | None:
        """Estimate the gradient of a batch."""
        return _estimate(network, batch, self.settings)


def _estimate(network: Layered, batch: Batch, settings: FromRest) -> Contrasted | None:
    inputs, labels, signs = batch.inputs, batch.labels, settings.signs
    drive = torch.addmm(network.bias(0).detach(), inputs, network.weight(0).detach())
    sweeps = Sweeps(network, drive, cast(BlockDescent, settings.dynamics), True)
    rows = Rows.begin(sweeps.layout, sweeps.frame, drive, [min(max(0.0, low), high) for low, high in sweeps.boxes])
    wanted = rows.part(sweeps.layout.pull, network.sizes[-1])
    if not rows_cpu.write_targets(drive.numpy(), labels.numpy(), wanted.numpy()):
        return None
    sweeps.run(rows, settings.free, Action(ActionKind.FREE, (0.0,)))
    # A sample that diverged at rest would only waste the later phases.
    if not np.isfinite(rows.residual).all():
        return None
    action = live_action(settings.cost, settings.strengths)
    # Read anew: samples have changed places, and are back in them in other memory.
    later_rows = sweeps.displaced(rows, action.strengths, rows.part(sweeps.layout.pull, network.sizes[-1]))
    sweeps.run(later_rows, settings.second, action, backwards=True)
    later = later_rows.relaxations(settings.second, len(signs))
    if any((relaxation.status.numpy() == Status.DIVERGED).any() for relaxation in later):
        return None
    free = rows.relaxations(settings.free)[0]
    plus, minus = (later[signs.index(sign)].state if sign in signs else None for sign in (1, -1))

    def ended() -> tuple[Relaxation, list[tuple[State, Relaxation]]]:
        return free, [(end.state, end._replace(state=tuple(map(torch.add, free.state, end.state)))) for end in later]

    return _contrast(network, inputs, free.state, plus, minus, settings.factor), ended


def _contrast(network: Layered, inputs: Tensor, free: State, plus: State | None, minus: State | None, factor: float) -> Gradients:
    """Return the scaled contrast of two displacements, one product per layer; None is no displacement."""
    gradients: Gradients = {}
    size, below = len(inputs), inputs
    for index, middle in enumerate(free):
        first, second = (torch.zeros_like(middle) if side is None else side[index] for side in (plus, minus))
        pair, change = (middle.new_empty(2 * size, middle.shape[1]) for _ in range(2))
        bias = middle.new_empty(middle.shape[1])
        scale = -factor * network.stiffness[index] / size
        rows_cpu.contrast_layer(middle.numpy(), first.numpy(), second.numpy(), scale, pair.numpy(), change.numpy(), bias.numpy())
        # The inputs are the same in both states, and so only the change of what they meet is left.
        gradients[f"weight_{index + 1}"] = below.T @ change[: len(below)]
        gradients[f"bias_{index + 1}"] = bias
        below = pair
    return gradients
