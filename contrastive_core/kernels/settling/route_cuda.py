"""Settling on a CUDA device: the mirror of :mod:`contrastive_core.kernels.settling.route_cpu`, one launch for all phases that are alike.

Also serves numba's CUDA simulator, whose memory is the CPU's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import cast

import numpy as np
import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.settling import formulas, launch_cuda
from contrastive_core.kernels.settling.any_depth import kernel_cuda
from contrastive_core.kernels.settling.launch_cuda import REALS, array_of, context_of, stream_of
from contrastive_core.kernels.settling.one_hidden.host_cuda import settle_pair
from contrastive_core.kernels.settling.output_phase import Action, Kind, actions_of, fused_depth
from contrastive_core.network import Clamped
from contrastive_core.networks.activation import Activation, Clipped, Logistic, Tanh
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Hold, Phase
from contrastive_core.types import State

CODES: dict[type[Activation], int] = {Clipped: formulas.CLIPPED, Tanh: formulas.TANH, Logistic: formulas.LOGISTIC}


def settle(clamped: Clamped, state: State, dynamics: Dynamics, stop: Stop, phases: Sequence[Phase]) -> list[Relaxation]:
    """Relax phases that :func:`contrastive_core.relaxation.backends.obstacle` has nothing against, as the reference would.

    Parameters
    ----------
    clamped, state, dynamics, stop, phases
        As in :func:`contrastive_core.relaxation.relax.relax_each`.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    relaxations: list[Relaxation] = []
    with torch.no_grad():
        for action in actions_of(clamped, phases, state):
            phase = phases[len(relaxations)]
            start = (*state[:-1], phase.output) if isinstance(phase, Hold) else state
            relaxations.extend(_settle(clamped, start, dynamics, [stop] * len(action.strengths), action))
    return relaxations


def settle_from_rest(clamped: Clamped, dynamics: Dynamics, free: Stop, second: Stop, phases: Sequence[Phase]) -> list[Relaxation] | None:
    """Relax a free phase, and from its end others, in one launch.

    Parameters
    ----------
    clamped, dynamics, free, second, phases
        As in :func:`contrastive_core.relaxation.relax.relax_from_rest`.

    Returns
    -------
    list of Relaxation, optional
        The free one first; None where a phase holds the outputs or phases are not alike.
    """
    network = clamped.network
    if any(isinstance(phase, Hold) for phase in phases):
        return None
    with torch.no_grad():
        state = network.initial_state(clamped)
        actions = actions_of(clamped, phases, state)
        if len(actions) != 1:
            return None
        action = actions[0]._replace(strengths=(0.0, *actions[0].strengths))
        return _settle(clamped, None, dynamics, [free, *[second] * len(phases)], action)


def _settle(clamped: Clamped, start: State | None, dynamics: Dynamics, stops: Sequence[Stop], action: Action) -> list[Relaxation]:
    """Settle one phase per strength with the kernel that is made for the network; arguments as of ``settle_blocks``."""
    network = cast(Layered, clamped.network)
    if action.kind is not Kind.READOUT and fused_depth(network) == 1:
        output_first = cast(BlockDescent, dynamics).groups(2)[0][0] == 1
        return settle_pair(network, clamped, start, output_first, stops, action)
    return settle_blocks(clamped, start, dynamics, stops, action)


def settle_blocks(clamped: Clamped, start: State | None, dynamics: Dynamics, stops: Sequence[Stop], action: Action) -> list[Relaxation]:
    """Settle one phase per strength with the kernel of the same name.

    Parameters
    ----------
    clamped : Clamped
        A layered network of any depth, and its inputs.
    start : State, optional
        Where every phase starts. None puts a free phase from rest before the others, which start where it ends and visit the layers
        in the other order; the action's strengths then begin with one for it, which is not used.
    dynamics : BlockDescent
        Of the first phase.
    stops : sequence of Stop
        One per phase.
    action : Action
        What acts on the last layer.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    network, drive = cast(Layered, clamped.network), clamped.drive.detach().contiguous()
    real = REALS[drive.dtype]
    phases, batch_size, num_units = len(action.strengths), drive.shape[0], sum(network.sizes)
    readout = [network.weight_readout.detach().reshape(-1), network.bias_readout.detach()] if action.kind is Kind.READOUT else []
    num_errors = readout[1].shape[0] if readout else network.sizes[-1] if action.kind is Kind.SOFTMAX else 1
    units = drive.new_empty((phases, batch_size, num_units + num_errors))
    if start is not None:
        units[:, :, :num_units] = torch.cat([layer.detach() for layer in start], dim=1)
    steps = torch.empty((phases, batch_size), dtype=torch.int64, device=drive.device)
    residual, status = drive.new_empty(steps.shape), torch.empty_like(steps, dtype=torch.int8)
    pull = drive.new_zeros((batch_size, 1)) if action.pull is None else action.pull.detach()
    orders = [index for group in cast(BlockDescent, dynamics).groups(len(network.sizes)) for index in group]
    layout, bounds = _tables(network.sizes, network.activations, tuple(orders), drive.dtype, drive.device)
    strengths, tolerances = (
        torch.tensor(values, dtype=drive.dtype, device=drive.device)
        for values in (action.strengths, [-1.0 if stop.tolerance is None else stop.tolerance for stop in stops])
    )
    budgets = torch.tensor([stop.budget for stop in stops], device=drive.device)
    given = (drive, *_packed(network, drive), *(readout or [drive.new_zeros(1)] * 2), pull, strengths)
    arrays = [array_of(tensor) for tensor in (*given, units, steps, residual, status, layout, bounds)]
    numbers = (int(action.kind), action.softmax, real(action.curvature), real(network.stiffness[-1]), real(network.energy_scale))
    itemsize = drive.element_size()
    fits = (launch_cuda.THREADS + units.shape[2]) * itemsize <= launch_cuda.SHARED_BYTES
    with context_of(drive):
        stream = stream_of(drive)
        grid = (batch_size, 1 if start is None else phases)
        launch = kernel_cuda.settle_blocks[grid, launch_cuda.THREADS, stream, (launch_cuda.THREADS + fits * units.shape[2]) * itemsize]
        launch(*arrays, *numbers, array_of(tolerances), array_of(budgets), start is None, fits)
    split = [units[:, :, end - size : end] for size, end in zip(network.sizes, np.cumsum(network.sizes).tolist(), strict=True)]
    return [Relaxation(tuple(layer[p] for layer in split), steps[p], residual[p], status[p]) for p in range(phases)]


def _packed(network: Layered, drive: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weights into all layers but the first in a row, those of their transposes, and the biases of all layers."""
    weights = [network.weight(index).detach() for index in range(1, len(network.sizes))]
    biases = [network.bias(index).detach() for index in range(len(network.sizes))]
    if not weights:  # an array without elements has no address to give the device
        return drive.new_zeros(1), drive.new_zeros(1), biases[0]
    return torch.cat([w.reshape(-1) for w in weights]), torch.cat([w.T.reshape(-1) for w in weights]), torch.cat(biases)


@cache
def _tables(
    sizes: tuple[int, ...], activations: tuple[Activation, ...], order: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the layout and the bounds that the kernel takes; kept, because each is a transfer to the device."""
    below = (0, *sizes[:-1])
    weights = [0, *(size * before for size, before in zip(sizes[1:], sizes, strict=False))]
    rows = (sizes, np.cumsum(below), [sum(weights[:index]) for index in range(len(sizes))], [CODES[type(a)] for a in activations], order)
    limits = [(a.low, a.high) if isinstance(a, Clipped) else (-float("inf"), float("inf")) for a in activations]
    layout = torch.tensor(np.array(rows, np.int64), device=device)
    return layout, torch.tensor(limits, dtype=dtype, device=device).T.contiguous()
