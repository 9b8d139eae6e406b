"""Host side of contrastive gradients on a CUDA device, for networks with one hidden layer."""

# numba.cuda has no types.
# mypy: disable-error-code="no-untyped-call, attr-defined"

from __future__ import annotations

from typing import cast

import torch

from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.settling.any_depth.host_cuda import settle_blocks
from contrastive_core.kernels.settling.elements import launch_cuda
from contrastive_core.kernels.settling.elements.launch_cuda import REALS, array_of, context_of, stream_of
from contrastive_core.kernels.settling.elements.output_phase import live_action
from contrastive_core.kernels.settling.elements.request import Contrasted, FromRest
from contrastive_core.kernels.settling.one_hidden import contrast_cuda
from contrastive_core.network import Clamped
from contrastive_core.networks.layered import Layered
from contrastive_core.types import Batch


def estimate_pair(network: Layered, batch: Batch, settings: FromRest) -> Contrasted | None:
    """Settle from rest and contrast, in two launches.

    Parameters
    ----------
    network, batch, settings
        Same as in :func:`contrastive_core.kernels.settling.one_hidden.host_cpu.estimate_pair`.

    Returns
    -------
    Contrasted, optional
        None if a sample diverged or the batch makes no sense; to know that, the host waits for the device once.
    """
    dynamics, free, second, phases, signs, factor = settings
    sizes, inputs, labels, num_samples = network.sizes, batch.inputs, batch.labels, len(batch.inputs)
    drive = torch.addmm(network.bias(0).detach(), inputs, network.weight(0).detach())
    # A comparison, because indexing by a label that is no class would end the process on a device: here its row is 0.
    pull = (labels[:, None] == torch.arange(sizes[1], device=labels.device)).to(drive.dtype)
    action = live_action(phases)
    action = action._replace(pull=pull, strengths=(0.0, *action.strengths))
    stops = (free, *[second] * len(phases))
    relaxations = settle_blocks(Clamped(network, inputs, drive), None, cast(BlockDescent, dynamics), stops, action)
    status = torch.stack([relaxation.status for relaxation in relaxations])
    plus, minus = (relaxations[1 + signs.index(sign) if sign in signs else 0].state for sign in (1, -1))
    scales = [REALS[drive.dtype](-factor * stiffness / num_samples) for stiffness in network.stiffness]
    change, bias, weight_out, bias_out = (drive.new_empty(shape) for shape in ((num_samples, sizes[0]), sizes[0], sizes, sizes[1]))
    wrong = torch.zeros(1, dtype=torch.int8, device=drive.device)
    states = (drive, labels, status, plus[0], minus[0], plus[1], minus[1])
    with context_of(drive):
        blocks = -(-sizes[0] // launch_cuda.THREADS)
        launch = contrast_cuda.contrast_pair[blocks, launch_cuda.THREADS, stream_of(drive)]
        launch(*map(array_of, states), *scales, *map(array_of, (change, bias, weight_out, bias_out, wrong)))
    if bool(wrong):  # the only question to the device, once for all samples
        return None
    return {"weight_1": inputs.T @ change, "bias_1": bias, "weight_2": weight_out, "bias_2": bias_out}, lambda: relaxations
