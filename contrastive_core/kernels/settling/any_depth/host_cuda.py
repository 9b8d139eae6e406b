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
from contrastive_core.networks.differences import Differences
from contrastive_core.networks.layered import Layered
from contrastive_core.types import State


def settle_blocks(clamped: Clamped, start: State, dynamics: BlockDescent, stops: Sequence[Stop], action: Action) -> list[Relaxation]:
    """Settle one phase per strength with the kernel of the same name.

    Parameters
    ----------
    clamped, start, dynamics, stops, action
        Same as in :func:`contrastive_core.kernels.settling.any_depth.host_cpu.settle_blocks`, with a start; stops may differ.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    network, drive = cast(Layered, clamped.network), clamped.drive.detach()
    biases = [network.bias(index).detach().expand(len(drive), -1) for index in range(1, len(network.sizes))]
    zero = tuple(drive.new_zeros(1, size) for size in network.sizes)
    order = order_of(dynamics, len(network.sizes))
    return _settle(network, torch.cat([drive, *biases], dim=1), zero, start, order, stops, action)


def displace_blocks(clamped: Clamped, free: State, dynamics: BlockDescent, stop: Stop, action: Action) -> list[tuple[State, Relaxation]]:
    """Settle the displacements from a free state, one per strength, with the same kernel.

    Parameters
    ----------
    clamped, free, dynamics, stop, action
        Same as in :func:`contrastive_core.kernels.settling.any_depth.host_cpu.displace_blocks`.

    Returns
    -------
    list of (State, Relaxation)
        Displacements, and the states that they lead to, per strength.
    """
    network = cast(Layered, clamped.network)
    # Without bounds nothing presses: the displacement of a smooth unit starts at its value, which tells its drive.
    pressed = [
        drive - layer if type(activation) is Clipped else torch.zeros_like(layer)
        for activation, drive, layer in zip(network.activations, Differences(network, clamped, free).drives, free, strict=True)
    ]
    order = order_of(dynamics, len(network.sizes))[::-1]
    ends = _settle(network, torch.cat(pressed, dim=1), free, None, order, [stop] * len(action.strengths), action)
    return [(end.state, end._replace(state=tuple(torch.add(a, b) for a, b in zip(free, end.state, strict=True)))) for end in ends]


def _settle(
    network: Layered, base: Tensor, origin: State, start: State | None, order: list[int], stops: Sequence[Stop], action: Action
) -> list[Relaxation]:
    """Settle units of constant inputs ``base``, measured from an origin; those without a start are displacements, and start at none."""
    phases, (batch_size, num_units), like = len(action.strengths), base.shape, base
    outputs = network.output(origin).detach()
    # Errors of a cost that follows the units get room behind them, so that both can move into shared memory together.
    num_errors = outputs.shape[1] if action.kind in (ActionKind.SOFTMAX, ActionKind.READOUT) else 1
    units = like.new_zeros((phases, batch_size, num_units + num_errors))
    if start is not None:
        units[:, :, :num_units] = torch.cat([layer.detach() for layer in start], dim=1)
    steps = torch.empty((phases, batch_size), dtype=torch.int64, device=like.device)
    residual, status = like.new_empty(steps.shape), torch.empty_like(steps, dtype=torch.int8)
    pull = like.new_zeros((batch_size, 1)) if action.pull is None else action.pull.detach()
    tables = _tables(network.sizes, network.activations, network.stiffness, tuple(order), like.dtype, like.device)
    packed = kernel_cuda.PackedNetwork(*map(array_of, (*_packed(network, like, action.kind is ActionKind.READOUT), *tables)))
    frame = kernel_cuda.PackedFrame(*map(array_of, (base, torch.cat(origin, dim=1).detach(), outputs)))
    real = REALS[like.dtype]
    scalars = kernel_cuda.PullScalars(int(action.kind), action.softmax, real(action.curvature), real(network.energy_scale), start is None)
    size = (launch_cuda.THREADS + units.shape[2]) * like.element_size()
    fits = size <= launch_cuda.SHARED_BYTES
    schedule = tuple(map(array_of, launch_cuda.schedule(action.strengths, stops, like)))
    certificates = (array_of(steps), array_of(residual), array_of(status))
    with context_of(like):
        shared = size if fits else launch_cuda.THREADS * like.element_size()
        launch = kernel_cuda.settle_blocks[(batch_size, phases), launch_cuda.THREADS, stream_of(like), shared]
        launch(frame, packed, scalars, array_of(pull), schedule, array_of(units), certificates, fits)
    split = [units[:, :, end - size : end] for size, end in zip(network.sizes, np.cumsum(network.sizes).tolist(), strict=True)]
    return [Relaxation(tuple(layer[p] for layer in split), steps[p], residual[p], status[p]) for p in range(phases)]


def _packed(network: Layered, like: Tensor, through_readout: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weights into all layers but the first in a row, those of their transposes, and those of a readout."""
    weights = [network.weight(index).detach() for index in range(1, len(network.sizes))]
    nothing = like.new_zeros(1)  # an array without elements has no address to give the device
    readout = network.weight_readout.detach().reshape(-1) if through_readout else nothing
    if not weights:
        return nothing, nothing, readout
    return torch.cat([w.reshape(-1) for w in weights]), torch.cat([w.T.reshape(-1) for w in weights]), readout


@cache
def _tables(
    sizes: tuple[int, ...], activations: tuple[Activation, ...], stiffness: tuple[float, ...], order: tuple[int, ...],
    dtype: torch.dtype, device: torch.device,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return the layout and the scalars of the layers that the kernel takes; kept, because each is a transfer to the device."""
    below = (0, *sizes[:-1])
    weights = [0, *(size * before for size, before in zip(sizes[1:], sizes, strict=False))]
    starts = [sum(weights[: index + 1]) for index in range(-1, len(sizes) - 1)]
    rows = (sizes, np.cumsum(below), starts, [ACTIVATION_CODES[type(a)] for a in activations], order)
    limits = [(a.low, a.high) if isinstance(a, Clipped) else (-float("inf"), float("inf")) for a in activations]
    scalars = [(*limit, scale) for limit, scale in zip(limits, stiffness, strict=True)]
    layout = torch.tensor(np.array(rows, np.int64), device=device)
    return layout, torch.tensor(scalars, dtype=dtype, device=device).T.contiguous()
