"""Launches of CUDA kernels: sizes of blocks, and torch's memory, devices and streams as numba takes them."""

# numba.cuda has no types.
# mypy: disable-error-code="no-untyped-call, attr-defined"

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numba import cuda
from torch import Tensor

from contrastive_core.certificate import Stop

THREADS = 128
"""Threads of a block, which settles one sample."""

SHARED_BYTES = 48 * 1024
"""Shared memory that every device gives a block without being asked; a sample's units stay in global memory where they need more."""

REALS: dict[torch.dtype, type[np.floating[Any]]] = {torch.float32: np.float32, torch.float64: np.float64}


def array_of(tensor: Tensor) -> Any:
    """Return a tensor as the array that a kernel takes: on the device, or in the CPU's memory for the simulator."""
    tensor = tensor.contiguous()  # kernels are compiled for C order; other strides would compile another kernel
    return tensor.numpy() if tensor.is_cpu else cuda.as_cuda_array(tensor)


def context_of(tensor: Tensor) -> Any:
    """Return the context in which numba works on the tensor's device."""
    return nullcontext() if tensor.is_cpu else cuda.gpus[tensor.device.index]


def stream_of(tensor: Tensor) -> Any:
    """Return the stream that torch works in, so that the kernel waits for what it needs and torch for the kernel."""
    return 0 if tensor.is_cpu else cuda.external_stream(torch.cuda.current_stream(tensor.device).cuda_stream)


def schedule(strengths: Sequence[float], stops: Sequence[Stop], like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return strength, tolerance (negative for none) and budget of each phase, where the kernel reads them and of its type."""
    tolerances = [-1.0 if stop.tolerance is None else stop.tolerance for stop in stops]
    first, second = (torch.tensor(values, dtype=like.dtype, device=like.device) for values in (strengths, tolerances))
    return first, second, torch.tensor([stop.budget for stop in stops], device=like.device)
