"""Run in a process of its own, with numba-cuda's compiler and no device: every CUDA kernel to PTX of two generations."""

import importlib
import sys

from numba import cuda, types

from contrastive_core.kernels import spin_cuda

CODES = types.int8[:, ::1]
COUNTS = types.int64[:, ::1]
GAINS = types.float64[:, ::1]
TRACE = types.int64[:, :, ::1]
INTEGER, WORD = types.int64, types.uint64
SEQUENTIAL = types.void(CODES, types.int64[::1], CODES, COUNTS, GAINS, INTEGER, INTEGER, WORD, WORD, INTEGER, INTEGER, INTEGER, TRACE)
SIMULTANEOUS = types.void(CODES, types.int64[::1], CODES, COUNTS, GAINS, types.boolean, WORD, WORD, INTEGER, INTEGER, INTEGER, TRACE, GAINS)


class AnyDevice:
    """Device functions are compiled for the current device, of which there is none: this stands in for it."""

    compute_capability = (8, 0)


for module in [module for name, module in sys.modules.items() if name.endswith("cuda.dispatcher")]:
    module.get_current_device = AnyDevice
for capability in ((8, 0), (9, 0)):
    AnyDevice.compute_capability = capability
    importlib.reload(spin_cuda)
    for kernel, signature in ((spin_cuda.sequential, SEQUENTIAL), (spin_cuda.simultaneous, SIMULTANEOUS)):
        ptx, _ = cuda.compile_ptx(kernel.py_func, signature, cc=capability)
        assert f".target sm_{capability[0]}{capability[1]}" in ptx
        print(kernel.py_func.__name__)
