"""Compute one sweep and one comparison under every engine, number of threads and environment, and print the digests of their numbers.

By hand: ``python tests/by_hand/same_bits.py``, some six minutes on two cores. It ends with an error unless each command has one digest.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import processes

from experiments.machine import THREAD_LIMITS

ENGINES = ("serial", "process:2", "dask:2")
THREADS = (None, 1, 2, 3)
"""Number of threads, both in the environment and as ``--threads``; None: neither."""
NETWORK = ("--train-size", "160", "--epochs", "1")
COMMANDS = {
    "sweep": ("gradients", "--grid", "strength=0.01,0.02", "--seeds", "2", "--chunk", "1"),
    "compare": ("--seeds", "1", *NETWORK),
    # Dense solves, unrolling and autograd, whose sums depended on the number of threads.
    "compare --rules implicit,unrolled,backprop": ("--seeds", "1", *NETWORK),
}


def digest(folder: Path, command: str, engine: str, threads: int | None) -> str:
    """Run a command in a folder and return the SHA-256 of the numbers that ``eqlab sweep collect`` exports."""
    variables = {} if threads is None else dict.fromkeys(THREAD_LIMITS, str(threads))
    given = () if threads is None else ("--threads", str(threads))
    name = re.sub(r"\W", "-", f"{command}-{engine}-{threads}")
    options = COMMANDS[command]
    lines: Iterable[tuple[str, ...]]
    if command == "sweep":
        lines = (("sweep", "new", name, *options), ("sweep", "run", name, "--engine", engine))  # which has no --threads
    else:
        lines = ((*command.split(), "--out", f"runs/{name}", "--engine", engine, *options, *given),)
    for line in (*lines, ("sweep", "collect", name, "--csv", f"{name}.csv")):
        subprocess.run(
            [*processes.PROGRAM, *line, "--quiet"], cwd=folder, env=processes.ENVIRONMENT | variables, capture_output=True, check=True
        )
    return hashlib.sha256((folder / f"{name}.csv").read_bytes()).hexdigest()


def table(folder: Path) -> Iterator[tuple[str, str, int | None, str]]:
    """Yield the command, engine, threads and digest of every combination."""
    for command in COMMANDS:
        for threads in THREADS:
            for engine in ENGINES:
                yield command, engine, threads, digest(folder, command, engine, threads)


if __name__ == "__main__":
    found: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        for command, engine, threads, sha in table(Path(place)):
            print(f"{command:42s} {engine:10s} threads {threads or 'unset':5} {sha}", flush=True)
            found.setdefault(command, set()).add(sha)
    if different := [command for command, digests in found.items() if len(digests) > 1]:
        sys.exit(f"not one digest: {', '.join(different)}")
