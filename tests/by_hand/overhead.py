"""Measure what the machinery costs: a sweep of 10^5 trials of a millisecond, against the same calls in two bare processes.

By hand: ``python tests/by_hand/overhead.py [TRIALS] [REPEATS] [seconds | busy] [ENGINE]``. Both take turns, so that
the load of a shared machine hits both. A trial sleeps for its millisecond, or computes, so that driver and workers compete for the cores
of a small machine. ENGINE has two workers: ``dask:2`` or ``process:2``; without it both are measured.

``python tests/by_hand/overhead.py records [TRIALS] [ENGINE]`` plans, runs, kills, resumes and collects a sweep of a million trials of
nothing, and prints what each step takes. Memory is the most that one of its processes held, which is the driver or a worker.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import processes
from trials import ToyOptions, trial

ENGINES = ("dask:2", "process:2")


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


def swept(folder: Path, count: int, name: str, kind: str, engine: str) -> tuple[float, float]:
    """Wall time of the whole command, and of its trials alone, over two workers."""
    axis = ["--grid", f"x={','.join(map(str, range(100)))}", "--seeds", str(count // 100)]
    processes.run(folder, "sweep", "new", name, "trials:EXPERIMENT", *axis, "--set", f"{kind}=0.001")
    start = time.perf_counter()
    processes.run(folder, "sweep", "run", name, "--plugin", "trials", "--engine", engine)
    return time.perf_counter() - start, json.loads(processes.run(folder, "sweep", "status", name, "--json").stdout)["seconds"] / 2


def step(folder: Path, title: str, *arguments: str, until: int | None = None) -> None:
    """Run a command, killed once so many trials are done, and print what it took."""
    start = time.perf_counter()
    command = [*processes.PROGRAM, "sweep", *arguments, "--quiet"]
    with subprocess.Popen(command, cwd=folder, env=processes.ENVIRONMENT, stdout=subprocess.DEVNULL) as driver:
        while until is not None and driver.poll() is None and processes.count_done(folder / "runs" / "many" / "journal.sqlite") < until:
            time.sleep(1)
        if until is not None:
            driver.kill()
        _, status, used = os.wait4(driver.pid, 0)
        driver.returncode = os.waitstatus_to_exitcode(status)
    wall, cpu, memory = time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(f"{title:8} {wall / 60:6.2f} min, {cpu / 60:6.2f} min of processors, {memory:6.0f} MB, exit {driver.returncode}", flush=True)


def records(count: int, engine: str) -> None:
    """Take every step of a large sweep."""
    run = ("run", "many", "--plugin", "trials", "--engine", engine)
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        axis = f"x={','.join(map(str, range(1000)))}"
        step(here, "plan", "new", "many", "trials:EXPERIMENT", "--grid", axis, "--seeds", str(count // 1000))
        step(here, "kill", *run, until=count // 3)
        print(f"{processes.count_done(here / 'runs' / 'many' / 'journal.sqlite')} of {count} are done", flush=True)
        step(here, "resume", *run)
        step(here, "collect", "collect", "many", "--csv", "many.csv", "--points", "5")
        sizes = {path.name: path.stat().st_size / 2**20 for path in (here / "many.csv", *(here / "runs" / "many").glob("*.[ns]*"))}
        print(", ".join(f"{name} {size:.0f} MiB" for name, size in sizes.items()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["records"]:
        records(int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000, sys.argv[3] if len(sys.argv) > 3 else "process:2")
        sys.exit()
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    what = sys.argv[3] if len(sys.argv) > 3 else "seconds"
    for engine in sys.argv[4:] or ENGINES:
        ratios = []
        for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 3):
            with tempfile.TemporaryDirectory() as place:
                before = ideal(number, what)
                wall, inside = swept(Path(place), number, "sweep", what, engine)
                after = ideal(number, what)
            ratios.append(wall / ((before + after) / 2) - 1)
            found = f"bare {before:.1f}, {after:.1f} s; eqlab {wall:.1f} s ({inside:.1f} in trials): {100 * ratios[-1]:.1f} %"
            print(found, flush=True)
        print(f"overhead of {engine} over two bare processes: median {100 * median(ratios):.1f} %", flush=True)
