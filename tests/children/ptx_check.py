"""Run in a process of its own, with numba-cuda's compiler and no device: every CUDA kernel to PTX of three generations.

With the argument ``registers`` it also assembles the PTX, and prints what the assembler says of registers and spills. With a compute
capability such as ``9.0`` it compiles for that one alone.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from numba import cuda, types

from contrastive_core.kernels.settling.any_depth import kernel_cuda as any_depth
from contrastive_core.kernels.settling.elements import block_cuda
from contrastive_core.kernels.settling.pictures import pool_cuda
from contrastive_core.kernels.spins import chains_cuda, replicas_cuda

CODES = types.int8[:, ::1]
COUNTS = types.int64[:, ::1]
GAINS = types.float64[:, ::1]
TRACE = types.int64[:, :, ::1]
INTEGER, WORD = types.int64, types.uint64
SPIN = (types.int64[::1], CODES, COUNTS, GAINS)
BYTES, LANE, STACK = types.int8[:, :, ::1], types.float32[:, :, ::1], types.float32[:, :, :, ::1]
RUN = (WORD, WORD, INTEGER, INTEGER, INTEGER, TRACE)


def settling(real: Any) -> tuple[Any, ...]:
    """Types by the classes that the kernels' module has now: it is loaded anew for every device."""
    row, matrix, stack, flag = real[::1], real[:, ::1], real[:, :, ::1], types.boolean
    frame = types.NamedTuple((matrix, matrix, matrix), any_depth.PackedFrame)
    network = types.NamedTuple((row, row, row, COUNTS, matrix), any_depth.PackedNetwork)
    act = types.NamedTuple((INTEGER, flag, real, real, flag), any_depth.PullScalars)
    schedule, certificates = types.Tuple((row, row, types.int64[::1])), types.Tuple((COUNTS, matrix, CODES))
    return frame, network, act, matrix, schedule, stack, certificates, flag


def pictures(name: str, real: Any) -> tuple[Any, ...]:
    """Types of a kernel around convolutions."""
    layer, places = real[:, :, :, ::1], types.int64[:, :, :, ::1]
    return (layer, real[::1], INTEGER, layer, places) if name == "pooled" else (layer, places, INTEGER, layer)


KERNELS = [
    (chains_cuda, "sequential", lambda: (CODES, *SPIN, INTEGER, INTEGER, *RUN)),
    (chains_cuda, "simultaneous", lambda: (CODES, *SPIN, types.boolean, *RUN, GAINS)),
    (replicas_cuda, "lanes", lambda: (CODES, types.int64[::1], BYTES, LANE, LANE, INTEGER, INTEGER, *RUN[:-1], STACK)),
    *((pool_cuda, name, partial(pictures, name, real)) for name in ("pooled", "unpooled") for real in (types.float32, types.float64)),
    *((any_depth, "settle_blocks", partial(settling, real)) for real in (types.float32, types.float64)),
]


class AnyDevice:
    """Device functions are compiled for the current device, of which there is none: this stands in for it."""

    compute_capability = (8, 0)


def assemble(ptx: str, architecture: str) -> list[str]:
    """Return what the assembler that comes with the compiler says of the registers and spills of a kernel."""
    program = next(path for folder in sys.path for path in Path(folder).glob("nvidia/**/bin/ptxas"))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(ptx)
        command = [str(program), f"-arch={architecture}", "-v", str(source), "-o", str(Path(folder) / "kernel.cubin")]
        report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return [line.strip() for line in report.splitlines() if "registers" in line or "spill" in line]


for module in [module for name, module in sys.modules.items() if name.endswith("cuda.dispatcher")]:
    module.get_current_device = AnyDevice
named = [word for word in sys.argv[1:] if word != "registers"] or ["8.0", "9.0", "10.0"]
for capability in [tuple(map(int, word.split("."))) for word in named]:
    AnyDevice.compute_capability = capability
    for module in (block_cuda, *dict.fromkeys(module for module, _, _ in KERNELS)):
        importlib.reload(module)
    for module, name, arguments in KERNELS:
        ptx, _ = cuda.compile_ptx(getattr(module, name).py_func, types.void(*arguments()), cc=capability)
        assert f".target sm_{capability[0]}{capability[1]}" in ptx
        if "registers" in sys.argv:
            print(name, f"{capability[0]}.{capability[1]}", *assemble(ptx, f"sm_{capability[0]}{capability[1]}"))
        else:
            print(name)
