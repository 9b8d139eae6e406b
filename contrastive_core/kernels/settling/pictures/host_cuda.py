"""Host side of the CUDA kernels around convolutions; same functions as ``pool_cpu.py``."""

# numba.cuda has no types.
# mypy: disable-error-code="no-untyped-call, attr-defined"

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from contrastive_core.kernels.settling.elements.launch_cuda import THREADS, array_of, context_of, stream_of
from contrastive_core.kernels.settling.pictures import pool_cuda


def pooled(response: Tensor, bias: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the largest entry of each window plus the bias of its channel, and the place of each, by the kernel of the same name.

    Parameters
    ----------
    response, bias, size
        Same as in :func:`contrastive_core.kernels.settling.pictures.pool_cpu.pooled`.
    """
    batch, channels, rows, columns = response.shape
    layer = response.new_empty((batch, rows // size, columns // size, channels))
    route = torch.empty(layer.shape, dtype=torch.int64, device=layer.device)
    _launch(pool_cuda.pooled, layer, _places(response), bias.detach(), size, layer, route)
    return layer.permute(0, 3, 1, 2), route.permute(0, 3, 1, 2)


def unpooled(above: Tensor, route: Tensor, size: int, shape: tuple[int, ...]) -> Tensor:
    """Return the units at the places of the largest entries, and 0 elsewhere, by the kernel of the same name.

    Parameters
    ----------
    above, route, size, shape
        Same as in :func:`contrastive_core.kernels.settling.pictures.pool_cpu.unpooled`.
    """
    pressed = above.new_empty((len(above), *shape, above.shape[1]))
    _launch(pool_cuda.unpooled, pressed, _places(above), _places(route), size, pressed)
    return pressed.permute(0, 3, 1, 2)


def _places(picture: Tensor) -> Tensor:
    return picture.detach().permute(0, 2, 3, 1)


def _launch(kernel: Any, written: Tensor, *arguments: Tensor | int) -> None:
    """Launch a kernel with one thread per element of what it writes."""
    with context_of(written):
        blocks = -(-written.numel() // THREADS)
        kernel[blocks, THREADS, stream_of(written)](*(array_of(one) if isinstance(one, Tensor) else one for one in arguments))
