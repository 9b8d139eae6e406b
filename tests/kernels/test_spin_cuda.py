"""The CUDA mirrors of the spin kernels, in numba's simulator: the same spins as on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hebbian.montecarlo import simulate
from hebbian.multitasking import store_patterns
from hebbian.patterns import draw_patterns
from hebbian.storage import remember

pytest.importorskip("numba.cuda")
KERNELS = ("glauber", "glauber-fixed", "metropolis", "descent", "little", "block")


def test_cuda_kernels_draw_and_decide_as_the_cpu_s(tmp_path: Path) -> None:
    """A mirror that samples otherwise would give a GPU's users other results; the simulator is chosen before numba is imported."""
    patterns = draw_patterns(3, 30, 0.4, seed=1)
    system = store_patterns(remember(patterns, 0.4))
    start = np.random.default_rng(2).choice(np.array([-1, 1], np.int8), size=(2, 30))
    saved = {"start": start, "counts": system.counts(start), "features": patterns, "norms": system.norms}
    saved["gains"] = system.gains(np.full((2, 2), 0.25))
    for name in KERNELS:
        trace = simulate(system, start, 0.25, name, 5, num_sweeps=2)
        saved |= {name: trace.spins, f"{name}-trace": trace.counts}
    path = tmp_path / "states.npz"
    np.savez(path, **saved)
    here = Path(__file__).resolve().parents[1] / "children"
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    script = here / "spin_cuda_check.py"
    done = subprocess.run([sys.executable, str(script), str(path)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert tuple(done.stdout.split()) == KERNELS


def test_cuda_lanes_are_the_cpu_s_draw_for_draw() -> None:
    """Replicas side by side on a device must be the same replicas, site for site, or its error bars are of other chains."""
    here = Path(__file__).resolve().parents[1] / "children"
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    script = here / "replicas_cuda_check.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["0 0 2", "1 1 1", "2 0 1"]
