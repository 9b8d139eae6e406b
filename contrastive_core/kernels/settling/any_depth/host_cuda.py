"""Host side of the CUDA kernel for layered networks of any depth: one launch for all phases that differ in strength only."""

# numba.cuda has no types.
# mypy: disable-error-code="no-untyped-call, attr-defined"

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import cast

import numpy as np
import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.settling.any_depth import kernel_cuda
from contrastive_core.kernels.settling.elements import launch_cuda
from contrastive_core.kernels.settling.elements.codes import ACTIVATION_CODES, ActionKind
from contrastive_core.kernels.settling.elements.launch_cuda import REALS, array_of, context_of, stream_of
from contrastive_core.kernels.settling.elements.output_phase import Action
from contrastive_core.kernels.settling.elements.request import order_of
from contrastive_core.network import Clamped
from contrastive_core.networks.activation import Activation, Clipped
from contrastive_core.networks.layered import Layered
from contrastive_core.types import State


def settle_blocks(clamped: Clamped, start: State | None, dynamics: BlockDescent, stops: Sequence[Stop], action: Action) -> list[Relaxation]:
    """Settle one phase per strength with the kernel of the same name.

    Parameters
    ----------
    clamped, start, dynamics, stops, action
        Same as in :func:`contrastive_core.kernels.settling.any_depth.host_cpu.settle_blocks`; stops may differ.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    network, drive = cast(Layered, clamped.network), clamped.drive.detach().contiguous()
    order = order_of(dynamics, len(network.sizes))
    phases, batch_size, num_units = len(action.strengths), drive.shape[0], sum(network.sizes)
    readout = [network.weight_readout.detach().reshape(-1), network.bias_readout.detach()] if action.kind is ActionKind.READOUT else []
    num_errors = readout[1].shape[0] if readout else network.sizes[-1] if action.kind is ActionKind.SOFTMAX else 1
    # Errors of a cost that follows the units get room behind them, so that both can move into shared memory together.
    units = drive.new_empty((phases, batch_size, num_units + num_errors))
    if start is not None:
        units[:, :, :num_units] = torch.cat([layer.detach() for layer in start], dim=1)
    steps = torch.empty((phases, batch_size), dtype=torch.int64, device=drive.device)
    residual, status = drive.new_empty(steps.shape), torch.empty_like(steps, dtype=torch.int8)
    pull = drive.new_zeros((batch_size, 1)) if action.pull is None else action.pull.detach()
    tables = _tables(network.sizes, network.activations, tuple(order), drive.dtype, drive.device)
    given = (*_packed(network, drive), *(readout or [drive.new_zeros(1)] * 2), *tables)
    real = REALS[drive.dtype]
    numbers = (real(action.curvature), real(network.stiffness[-1]), real(network.energy_scale))
    size = (launch_cuda.THREADS + units.shape[2]) * drive.element_size()
    fits = size <= launch_cuda.SHARED_BYTES
    # From rest one block runs all phases of its sample: the later ones need the end of the free one.
    grid = (batch_size, 1 if start is None else phases)
    packed, scalars = kernel_cuda.PackedNetwork(*map(array_of, given)), kernel_cuda.PullScalars(int(action.kind), action.softmax, *numbers)
    schedule = tuple(map(array_of, launch_cuda.schedule(action.strengths, stops, drive)))
    certificates = (array_of(steps), array_of(residual), array_of(status))
    with context_of(drive):
        shared = size if fits else launch_cuda.THREADS * drive.element_size()
        launch = kernel_cuda.settle_blocks[grid, launch_cuda.THREADS, stream_of(drive), shared]
        launch(array_of(drive), packed, scalars, array_of(pull), schedule, array_of(units), certificates, start is None, fits)
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
    starts = [sum(weights[: index + 1]) for index in range(-1, len(sizes) - 1)]
    rows = (sizes, np.cumsum(below), starts, [ACTIVATION_CODES[type(a)] for a in activations], order)
    limits = [(a.low, a.high) if isinstance(a, Clipped) else (-float("inf"), float("inf")) for a in activations]
    layout = torch.tensor(np.array(rows, np.int64), device=device)
    return layout, torch.tensor(limits, dtype=dtype, device=device).T.contiguous()
