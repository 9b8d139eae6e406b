"""Results do not depend on the number of threads that a shell, a scheduler or a library chooses by itself."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import processes
import pytest

POOLS = """
import json
from experiments.machine import limit_threads
{before}
limit_threads(1)
{after}
import torch
from threadpoolctl import threadpool_info
print(json.dumps(sorted({{pool["num_threads"] for pool in threadpool_info()}} | {{torch.get_num_threads()}})))
"""
LOADED = "import numpy, torch, scipy.linalg, sklearn.cluster"


@pytest.mark.parametrize("given", [None, "2"])
@pytest.mark.parametrize(("before", "after"), [(LOADED, ""), ("import torch", LOADED), ("", LOADED)])
def test_a_limit_holds_for_libraries_loaded_before_and_after(before: str, after: str, given: str | None) -> None:
    """If this fails, SciPy sums in another order in the calling process than in a worker, and a sweep depends on its engine."""
    environment = processes.ENVIRONMENT | ({} if given is None else {"OMP_NUM_THREADS": given})
    code = POOLS.format(before=before, after=after)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[1]"


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_every_engine_finds_the_same_bytes_whatever_the_shell_says_of_threads() -> None:
    """If this fails, a table depends on OMP_NUM_THREADS, or on whether the trial ran in a worker."""
    found = set()
    for given, engine in ((None, "serial"), (None, "process:2"), ("2", "serial"), ("3", "dask:2")):
        environment = processes.ENVIRONMENT | ({} if given is None else {"OMP_NUM_THREADS": given, "OPENBLAS_NUM_THREADS": given})
        name = f"{engine.split(':')[0]}-{given}"
        for command in (
            ("new", name, "gradients", "--grid", "strength=0.01,0.02", "--set", "rules=implicit,unrolled", "--chunk", "1"),
            ("run", name, "--engine", engine),
            ("collect", name, "--csv", f"{name}.csv"),
        ):
            line = [*processes.PROGRAM, "sweep", *command, "--quiet"]
            subprocess.run(line, env=environment, capture_output=True, check=True)
        found.add(hashlib.sha256(Path(f"{name}.csv").read_bytes()).hexdigest())
    assert len(found) == 1
