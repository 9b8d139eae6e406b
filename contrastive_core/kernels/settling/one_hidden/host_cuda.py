"""Host side of the CUDA kernels for one hidden layer: the mirror of :mod:`contrastive_core.kernels.settling.one_hidden.host_cpu`."""

# numba.cuda has no types.
# mypy: disable-error-code="no-untyped-call, attr-defined"

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.kernels.settling import launch_cuda
from contrastive_core.kernels.settling.launch_cuda import REALS, array_of, context_of, stream_of
from contrastive_core.kernels.settling.one_hidden import contrast_cuda, kernel_cuda
from contrastive_core.kernels.settling.output_phase import Action
from contrastive_core.kernels.settling.request import Contrasted
from contrastive_core.network import Clamped
from contrastive_core.networks.activation import Clipped
from contrastive_core.networks.layered import Layered
from contrastive_core.types import State


def settle_pair(
    network: Layered, clamped: Clamped, start: State | None, output_first: bool, stops: Sequence[Stop], action: Action
) -> list[Relaxation]:
    """Settle one phase per strength with the kernel of the same name.

    Parameters
    ----------
    network, clamped, start, output_first, stops, action
        As in :func:`contrastive_core.kernels.settling.one_hidden.host_cpu.settle_pair`.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    drive = clamped.drive.detach().contiguous()
    hidden, output = (drive.new_empty((len(action.strengths), len(drive), size)) for size in network.sizes)
    if start is not None:
        hidden[:], output[:] = (layer.detach() for layer in start)
    pull = output[0] if action.pull is None else action.pull.detach().contiguous()
    return run_pair(network, drive, hidden, output, pull, None, output_first, stops, action, start is None)


def run_pair(
    network: Layered,
    drive: Tensor,
    hidden: Tensor,
    output: Tensor,
    pull: Tensor,
    labels: Tensor | None,
    output_first: bool,
    stops: Sequence[Stop],
    action: Action,
    from_rest: bool,
) -> list[Relaxation]:
    """Run the kernel on a device's memory, in place.

    Parameters
    ----------
    network, output_first, stops, action
        As in :func:`settle_pair`.
    drive : Tensor of shape (B, n)
        Total clamped input of the hidden layer.
    hidden, output : Tensors of shape (P, B, n) and (P, B, k)
        Start states, not read from rest; overwritten.
    pull : Tensor of shape (B, k)
        Of the action; overwritten where there are labels.
    labels : Tensor of shape (B,), optional
        Classes.
    from_rest : bool
        Whether the first phase is a free one from rest.

    Returns
    -------
    list of Relaxation
        One per phase; their states share the memory given.
    """
    real, device = REALS[drive.dtype], drive.device
    shape = hidden.shape[:2]
    steps, residual = torch.empty(shape, dtype=torch.int64, device=device), drive.new_empty(shape)
    status = torch.empty(shape, dtype=torch.int8, device=device)
    strengths, tolerances = (
        torch.tensor(values, dtype=drive.dtype, device=device)
        for values in (action.strengths, [-1.0 if stop.tolerance is None else stop.tolerance for stop in stops])
    )
    budgets = torch.tensor([stop.budget for stop in stops], device=device)
    low, high = (cast(Clipped, activation) for activation in network.activations)
    numbers = (action.curvature, network.stiffness[1], network.energy_scale, low.low, low.high, high.low, high.high)
    threads, itemsize, num_units = launch_cuda.THREADS, drive.element_size(), sum(network.sizes)
    fits = (threads + num_units) * itemsize <= launch_cuda.SHARED_BYTES
    given = (drive, network.weight(1).detach(), network.bias(1).detach(), pull, budgets if labels is None else labels)
    with context_of(drive):
        grid = (shape[1], 1 if from_rest else shape[0])
        launch = kernel_cuda.settle_pair[grid, threads, stream_of(drive), (threads + fits * num_units) * itemsize]
        launch(
            *map(array_of, given), labels is not None, *map(array_of, (strengths, hidden, output, steps, residual, status)),
            int(action.kind), *map(real, numbers), output_first, array_of(tolerances), array_of(budgets), from_rest, fits,
        )  # fmt: skip
    return [Relaxation((hidden[p], output[p]), steps[p], residual[p], status[p]) for p in range(shape[0])]


def estimate_pair(
    network: Layered,
    inputs: Tensor,
    labels: Tensor,
    output_first: bool,
    stops: Sequence[Stop],
    action: Action,
    signs: Sequence[int],
    factor: float,
) -> Contrasted | None:
    """Settle from rest and contrast, with as little as possible around the kernels.

    Parameters
    ----------
    network, inputs, labels, output_first, stops, action, signs, factor
        As in :func:`contrastive_core.kernels.settling.one_hidden.host_cpu.estimate_pair`.

    Returns
    -------
    Contrasted, optional
        None where a sample diverged or the batch makes no sense; to know that, the host waits for the device once.
    """
    sizes, num_samples = network.sizes, len(inputs)
    drive = torch.addmm(network.bias(0).detach(), inputs, network.weight(0).detach())
    hidden, output = (drive.new_empty((len(stops), num_samples, size)) for size in sizes)
    pull = drive.new_empty((num_samples, sizes[1]))
    relaxations = run_pair(network, drive, hidden, output, pull, labels, output_first, stops, action, True)
    status = torch.stack([relaxation.status for relaxation in relaxations])
    plus, minus = (1 + signs.index(sign) if sign in signs else 0 for sign in (1, -1))
    scales = [REALS[drive.dtype](-factor * stiffness / num_samples) for stiffness in network.stiffness]
    change, bias, weight_out, bias_out = (drive.new_empty(shape) for shape in ((num_samples, sizes[0]), sizes[0], sizes, sizes[1]))
    wrong = torch.zeros(1, dtype=torch.int8, device=drive.device)
    states = (drive, labels, status, hidden[plus], hidden[minus], output[plus], output[minus])
    with context_of(drive):
        blocks = -(-sizes[0] // launch_cuda.THREADS)
        launch = contrast_cuda.contrast_pair[blocks, launch_cuda.THREADS, stream_of(drive)]
        launch(*map(array_of, states), *scales, *map(array_of, (change, bias, weight_out, bias_out, wrong)))
    if bool(wrong):
        return None
    return {"weight_1": inputs.T @ change, "bias_1": bias, "weight_2": weight_out, "bias_2": bias_out}, lambda: relaxations
