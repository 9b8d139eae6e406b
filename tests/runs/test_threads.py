"""Results do not depend on the number of threads that a shell, a scheduler or a library chooses by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numba
import processes
import pytest
import same_bits

POOLS = """
import json
from experiments.machine import limit_threads
{before}
limit_threads({kernels})
{after}
import torch
from threadpoolctl import threadpool_info
print(json.dumps(sorted({{pool["num_threads"] for pool in threadpool_info()}} | {{torch.get_num_threads()}})))
"""
LOADED = "import numpy, torch, scipy.linalg, sklearn.cluster"


@pytest.mark.parametrize(
    ("before", "after", "given", "kernels"),
    [(LOADED, "", "2", None), ("import torch", LOADED, None, 3), ("", LOADED, "2", 1), ("", LOADED, None, None)],
)
def test_a_limit_holds_for_libraries_loaded_before_and_after(before: str, after: str, given: str | None, kernels: int | None) -> None:
    """If this fails, SciPy sums in another order in the calling process than in a worker, or with --threads."""
    environment = processes.ENVIRONMENT | ({} if given is None else {"OMP_NUM_THREADS": given})
    code = POOLS.format(before=before, after=after, kernels=kernels)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[1]"


@pytest.mark.slow
def test_every_engine_finds_the_same_bytes_whatever_is_said_of_threads(tmp_path: Path) -> None:
    """If this fails, a table depends on OMP_NUM_THREADS, on --threads, or on whether the trial ran in a worker; same_bits.py has all."""
    chosen = [("serial", 3), ("process:2", None)]
    command = list(same_bits.COMMANDS)[-1]
    digests = {same_bits.digest(tmp_path, command, engine, threads) for engine, threads in chosen}
    assert len(digests) == 1


def test_chosen_threads_share_out_samples_and_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, ``--threads`` is read and does nothing."""
    from contrastive_core.kernels.settling.one_hidden import host_cpu, kernel_cpu
    from contrastive_core.kernels.spins import threads

    ranges: list[tuple[int, int]] = []
    monkeypatch.setattr("contrastive_core.threads._chosen", 3)
    monkeypatch.setattr(kernel_cpu, "settle_pair", lambda first, last, *_: ranges.append((first, last)))
    assert host_cpu.in_threads(([None] * 3 * host_cpu.FEWEST_SAMPLES,))
    assert sorted(ranges) == [(n * host_cpu.FEWEST_SAMPLES, (n + 1) * host_cpu.FEWEST_SAMPLES) for n in range(3)]
    most = numba.get_num_threads()
    for given, expected in ((1, 1), (most, most), (most + 5, most), (None, most)):
        monkeypatch.setattr("contrastive_core.threads._chosen", given)
        with threads.threads_for(threads.WORTH_A_THREAD):
            assert numba.get_num_threads() == expected
        with threads.threads_for(threads.WORTH_A_THREAD - 1):
            assert numba.get_num_threads() == 1
