"""Run in a process of its own, in numba's CUDA simulator: a bench with few threads and samples, and the kernels of a device everywhere."""

from __future__ import annotations

import os
import sys

os.environ["NUMBA_ENABLE_CUDASIM"] = "1"  # read when numba is imported

import simulator

from contrastive_core.kernels.settling.elements import launch_cuda
from contrastive_core.kernels.settling.pictures import host_cuda
from contrastive_core.kernels.spins import chains_cuda
from contrastive_core.relaxation import cached
from experiments.benchmarks import accuracy, settling, settling_cases, spin_devices
from experiments.cli import cli

simulator.prepare()
launch_cuda.THREADS = chains_cuda.THREADS = 4
host_cuda.THREADS = 16
spin_devices.LANES, spin_devices.SWEEPS = 4, 1
settling.JUDGED = 2
settling_cases.FREE = settling_cases.SECOND = accuracy.LADDER = (1e-1,)
cached.place_of = lambda _: "cuda"
cli(sys.argv[1:])
