"""Measure what the machinery costs: a sweep of 10^5 trials of a millisecond, against the same calls in two bare processes.

By hand: ``python tests/by_hand/overhead.py [TRIALS] [REPEATS] [seconds | busy]``. Both take turns, so that
the load of a shared machine hits both. A trial sleeps for its millisecond, or computes, so that driver and workers compete for the cores
of a small machine.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import processes
from trials import ToyOptions, trial

ENGINE = "dask:2"


def bare(count: int, kind: str) -> None:
    options = ToyOptions.model_validate({kind: 0.001})
    for seed in range(count):
        trial(options, seed)


def ideal(count: int, kind: str) -> float:
    """Wall time of two processes that do nothing but call ``trial``, each half of the times."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        pool.starmap(bare, [(1, kind)] * 2)
        start = time.perf_counter()
        pool.starmap(bare, [(count // 2, kind), (count - count // 2, kind)], chunksize=1)
        return time.perf_counter() - start


def swept(folder: Path, count: int, name: str, kind: str) -> tuple[float, float]:
    """Wall time of the whole command, and of its trials alone, over two workers."""
    axis = ["--grid", f"x={','.join(map(str, range(100)))}", "--seeds", str(count // 100)]
    processes.run(folder, "sweep", "new", name, "trials:EXPERIMENT", *axis, "--set", f"{kind}=0.001")
    start = time.perf_counter()
    processes.run(folder, "sweep", "run", name, "--plugin", "trials", "--engine", ENGINE)
    return time.perf_counter() - start, json.loads(processes.run(folder, "sweep", "status", name, "--json").stdout)["seconds"] / 2


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    what = sys.argv[3] if len(sys.argv) > 3 else "seconds"
    ratios = []
    with tempfile.TemporaryDirectory() as place:
        for repeat in range(int(sys.argv[2]) if len(sys.argv) > 2 else 3):
            before = ideal(number, what)
            wall, inside = swept(Path(place), number, f"sweep-{repeat}", what)
            after = ideal(number, what)
            best = (before + after) / 2
            ratios.append(wall / best - 1)
            found = f"bare {before:.1f}, {after:.1f} s; eqlab {wall:.1f} s ({inside:.1f} in trials): {100 * ratios[-1]:.1f} %"
            print(found, flush=True)
    print(f"overhead of {ENGINE} over two bare processes: median {100 * median(ratios):.1f} %")
