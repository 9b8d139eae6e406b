"""``make gpu-check``: tests and benches of the CUDA kernels within eight minutes, as one JSON file and one page.

``python tests/gpu/gpu_check.py [--out DIRECTORY] [--parts NAME,...]`` runs each part in a process of its own with a limit of time. A part
that fails or takes too long costs no other: the page quotes its message, and the program ends with 1. Without a device the parts run in
small form in numba's CUDA simulator, which says whether the code runs to its end and nothing about speed; what needs a device is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from gpu_page import page

from contrastive_core.files.writing import write_bytes

ROOT = Path(__file__).resolve().parents[2]
WHOLE = 480
"""Seconds after which nothing of the check runs any more."""


class Part(NamedTuple):
    """Part of the check.

    Attributes
    ----------
    name : str
        Name on the page.
    command : tuple of str
        Arguments of the interpreter.
    limit : int
        Seconds that it may take.
    json : bool
        Whether it prints its result as JSON; else the lines that it prints are the result.
    """

    name: str
    command: tuple[str, ...]
    limit: int
    json: bool = True


class Ended(NamedTuple):
    """End of a part.

    Attributes
    ----------
    name : str
        Name of the part.
    seconds : float
        Time that it took.
    failure : str or None
        Last lines of its errors, or that it took too long; None if all was well.
    result : object
        Result, if it printed one: decoded JSON, or its lines.
    """

    name: str
    seconds: float
    failure: str | None
    result: Any = None


FACTS = Part("device", ("tests/gpu/gpu_facts.py",), 60)


def bench(words: str, limit: int) -> Part:
    """Return a bench as a part; underscores stand for blanks in a word."""
    name, *others = words.split()
    return Part(name, ("-m", "eqlab", "bench", name, *(word.replace("_", " ") for word in others)), limit)


_BOTH = "--devices cpu,cuda --repeats 3"

ON_DEVICE = (
    Part("tests", ("-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "tests/kernels/test_gpu.py"), 150, json=False),
    bench(f"settle --networks 784-512-10,784-512-512-10 --batches 32,256 {_BOTH}", 100),
    bench(f"conv --networks lenet,four-layers --weights initial --only ep-train,ep-truncated,floor {_BOTH}", 60),
    bench(f"spins {_BOTH}", 80),
    bench("settle --networks 784-512-10,784-1024-1024-1024-10 --batches 2048 --devices cuda --repeats 3", 60)._replace(name="large"),
    Part("launches", ("tests/gpu/gpu_facts.py", "launches"), 40),
    Part("registers", ("tests/children/ptx_check.py", "registers"), 60, json=False),
)
"""Parts where there is a device, the most important first: who comes late may find no time left."""


def simulated(part: Part) -> Part:
    """Return the small form of a bench in the simulator."""
    return part._replace(command=("tests/children/simulated.py", *part.command[2:]))


_ONCE = "--devices cuda --repeats 1"

SIMULATED = (
    Part("tests", ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/kernels/test_spin_cuda.py", "-k", "lanes"), 120, json=False),
    simulated(bench(f"settle --networks 4-3-2 --batches 1 --backends cuda {_ONCE}", 120)),
    simulated(bench(f"conv --networks 1x4x4_2c3_p2_2 --batch 1 --weights initial --only ep-truncated {_ONCE}", 120)),
    simulated(bench(f"spins --size 8 --patterns 1 --replicas 1 --chains 1 {_ONCE}", 120)),
)
"""Small forms in the simulator."""


def run_part(part: Part, limit: float) -> Ended:
    """Run a part in a process of its own.

    Parameters
    ----------
    part : Part
        Part to run.
    limit : float
        Seconds after which it is ended.
    """
    paths = os.pathsep.join(str(ROOT / name) for name in ("", "tests/support", "tests/gpu"))
    start = time.monotonic()
    with TemporaryDirectory() as folder:  # a run in a directory of an earlier one would go on from its records
        added = ("--out", folder, "--json", "--quiet") if "bench" in part.command else ()
        command = [sys.executable, *part.command, *added]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=limit, check=False
            )
        except subprocess.TimeoutExpired:
            return Ended(part.name, time.monotonic() - start, f"took more than {limit:.0f} s")
    seconds = time.monotonic() - start
    said = [line for line in (done.stderr + ("" if part.json else done.stdout)).splitlines() if line.strip()]
    failure = None if done.returncode == 0 else f"exit code {done.returncode}: " + " | ".join(said[-4:])
    try:
        result = (json.loads(done.stdout) if part.json else done.stdout.splitlines()) if done.stdout else None
    except json.JSONDecodeError as error:
        failure, result = failure or f"printed no JSON: {error}", None
    return Ended(part.name, seconds, failure, result)


def check(parts: Sequence[Part], whole: float = WHOLE) -> list[Ended]:
    """Run parts one after the other, each until its own limit and all until ``whole`` seconds are over."""
    start, ended = time.monotonic(), list[Ended]()
    for part in parts:
        left = whole - (time.monotonic() - start)
        print(f"{part.name}: ", end="", flush=True)
        ended.append(run_part(part, min(part.limit, left)) if left > 1 else Ended(part.name, 0, f"no time left of {whole:.0f} s"))
        print(f"{ended[-1].failure or 'well'}, {ended[-1].seconds:.0f} s", flush=True)
    return ended


def main(words: Sequence[str] | None = None) -> int:
    """Run the check, write ``gpu-check.json`` and ``gpu-check.md``, and return the exit code."""
    parser = argparse.ArgumentParser(prog="gpu-check", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu-check", help="directory of the results")
    parser.add_argument("--parts", help="names of parts, joined by commas; all if left out")
    given = parser.parse_args(words)
    given.out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    facts = check([FACTS])[0]
    there = facts.result["device"] if facts.result else None
    parts = ON_DEVICE if there else SIMULATED
    if there:
        own = ".".join(map(str, there["capability"]))
        parts = tuple(part._replace(command=(*part.command, own)) if part.name == "registers" else part for part in parts)
    names = given.parts.split(",") if given.parts else [part.name for part in parts]
    if unknown := set(names) - {part.name for part in parts}:
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(part.name for part in parts)}")
    ended = [facts, *check([part for part in parts if part.name in names], WHOLE - (time.monotonic() - start))]
    result = {"simulated": there is None, "parts": [one._asdict() for one in ended]}
    for name, text in (("gpu-check.json", json.dumps(result, indent=1)), ("gpu-check.md", page(result))):
        write_bytes(given.out / name, f"{text}\n".encode())
        print(given.out / name)
    return int(any(one.failure for one in ended))


if __name__ == "__main__":
    sys.exit(main())
