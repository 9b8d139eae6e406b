"""The CUDA kernels compile for devices, where there is a compiler to ask."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTLING = ("settle_blocks",)
PICTURES = ("pooled", "pooled", "unpooled", "unpooled")


@pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None or importlib.util.find_spec("nvidia") is None,
    reason="needs numba-cuda with its compiler: pip install 'eqlab[cuda]'",
)
def test_cuda_kernels_compile_for_three_generations_of_devices() -> None:
    """Says that the code is valid for a device, and nothing about its speed or its results there."""
    here = Path(__file__).resolve().parents[1] / "children"
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"} | {
        "PYTHONPATH": os.pathsep.join(sys.path)
    }
    done = subprocess.run([sys.executable, str(here / "ptx_check.py")], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.split()
        == ["sequential", "simultaneous", "lanes", *PICTURES, *[kernel for kernel in SETTLING for _ in ("float32", "float64")]] * 3
    )
