"""The CUDA kernel of settling: in numba's simulator, what it refuses, and, marked ``gpu``, on a device."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from kernel_cases import build

from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import BackendError
from contrastive_core.kernels import DISPLACING, PLACES, SETTLING, availability
from contrastive_core.phases import Nudge
from contrastive_core.relaxation import backends
from contrastive_core.relaxation.backends import Case, plan
from contrastive_core.relaxation.relax import relax

ROOT = Path(__file__).resolve().parents[2]
CHILDREN = ROOT / "tests" / "children"


def test_cuda_kernel_settles_as_the_reference_does() -> None:
    """A mirror that settles otherwise would give a GPU's users other gradients; the simulator is chosen before numba is imported."""
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    script = CHILDREN / "settle_cuda_check.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["fixed_budget", "readout", "displacements", "stopping", "together", "divergence", "inputs_stay"]


def test_cuda_kernels_around_convolutions_do_what_torch_does() -> None:
    """They lead feedback: a maximum in another place is another gradient."""
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    script = CHILDREN / "pictures_cuda_check.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["pooling", "gradients"]


def functions(path: Path) -> dict[str, list[str]]:
    """The public functions of a file of kernels, each with its decorators."""
    tree = ast.parse(path.read_text())
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return {node.name: [ast.unparse(decorator) for decorator in node.decorator_list] for node in found}


def test_cuda_and_cpu_mirror_each_other_name_for_name() -> None:
    """A kernel that only one side has, or that has another name there, is a case that the other side does in a way nobody compares."""
    there = {path: functions(path) for path in (ROOT / "contrastive_core" / "kernels").rglob("*_cuda.py")}
    kernels = {path: {name for name, found in names.items() if "cuda.jit" in found} for path, names in there.items()}
    assert {name for names in kernels.values() for name in names} == {
        "settle_blocks",
        *("pooled", "unpooled"),
        *("sequential", "simultaneous", "lanes"),
    }
    # A folder holds both sides of its kernels: each CUDA kernel has a function of its name on the CPU.
    for path, names in kernels.items():
        on_cpu = {name for cpu in path.parent.glob("*_cpu.py") for name in functions(cpu)}
        assert names <= on_cpu, path
    assert {kernel.split()[0] for kernel in SETTLING} == {kernel.split()[0] for kernel in DISPLACING} == set(PLACES)
    checked = (CHILDREN / "ptx_check.py").read_text()
    assert [name for names in kernels.values() for name in names if f'"{name}"' not in checked] == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device here")
def test_cuda_backend_without_a_device_says_what_is_missing_and_what_there_is() -> None:
    """Falling back silently would let a user believe in a GPU that computed nothing."""
    _, clamped, state, _ = build((6, 9, 7))
    with torch.no_grad(), pytest.raises(BackendError, match=r"(numba-cuda|no CUDA device|NVIDIA).*What works here: torch, numba\."):
        relax(clamped, state, BlockDescent(), Stop(), backend="cuda")


def test_cuda_backend_refuses_tensors_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moving them would be a silent cost in every relaxation."""
    monkeypatch.setattr(backends, "PLACES", {"numba": availability.CPU, "cuda": availability.Place(lambda: None, lambda: "cuda")})
    _, clamped, state, _ = build((6, 9, 7))
    with torch.no_grad(), pytest.raises(BackendError, match=r"memory of cuda, and these are on cpu\. What works here: torch, numba\."):
        relax(clamped, state, BlockDescent(), Stop(), backend="cuda")


def test_cuda_relaxes_nudges_and_leaves_the_contrast_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Displacements have a kernel there, and no kernel makes a gradient of them: a plan for one must not look it up."""
    monkeypatch.setattr(backends, "PLACES", {"numba": availability.CPU, "cuda": availability.Place(lambda: None, lambda: "cpu")})
    network, clamped, state, batch = build((6, 9, 7))
    nudge = Nudge(COSTS["squared-error"](), batch, 0.1)
    with torch.no_grad():
        relaxed = plan(Case(network, clamped.drive, BlockDescent(), [nudge], state), "cuda")
        gradient = plan(Case(network, batch.inputs, BlockDescent(), [nudge], None, batch.labels), "cuda")
    assert relaxed.kernel in DISPLACING
    assert (gradient.kernel, gradient.reason) == ("torch steps", "its kernels relax phases, and contrast none")


def test_auto_takes_cuda_on_a_device_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU's tensors must not wake a device, and a device's must not be handed to the CPU's kernels."""
    asked: list[int] = []
    monkeypatch.setattr(
        backends, "PLACES", {"numba": availability.CPU, "cuda": availability.Place(lambda: asked.append(1), lambda: "cuda")}
    )
    network, clamped, state, _ = build((6, 9, 7))
    with torch.no_grad():
        assert plan(Case(network, clamped.drive, BlockDescent(), [None], state), "auto").backend == "numba"
        assert asked == []
        with torch._subclasses.FakeTensorMode(allow_non_fake_inputs=True):
            there = tuple(torch.empty(layer.shape, dtype=layer.dtype, device="cuda") for layer in state)
            drive = torch.empty(clamped.drive.shape, dtype=clamped.drive.dtype, device="cuda")
            assert plan(Case(network, drive, BlockDescent(), [None], there), "auto").backend == "cuda"
            assert asked == [1]
            assert plan(Case(network, drive, BlockDescent(), [None], state), "auto").backend == "torch"  # mixed: torch will complain
