"""Random command lines and damaged files; the suite runs a short form.

By hand: ``python tests/by_hand/fuzz.py --lines 0:10000 --files 0:3000``; a range can be split, and every number is a case of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fuzz"))

import fuzz_cases
import fuzz_damage
import fuzz_files
import fuzz_lines


def lines(numbers: range, seed: int, workspace: Path, names: tuple[str, ...], place: Path) -> Iterator[tuple[str, fuzz_cases.Ended]]:
    """Run the command lines of some numbers."""
    for number in numbers:
        arguments = fuzz_lines.line(random.Random(f"line {seed} {number}"), names)
        folder = fuzz_cases.copied(workspace, place)
        kind = {"large": fuzz_lines.is_large(arguments), "serves": fuzz_lines.serves(arguments)}
        yield f"line {number}: {shlex.join(arguments)}", fuzz_cases.attempt(arguments, folder, **kind)


def files(numbers: range, seed: int, workspace: Path, place: Path) -> Iterator[tuple[str, fuzz_cases.Ended]]:
    """Damage the files of some numbers, and run a command that reads them."""
    for number in numbers:
        rng = random.Random(f"file {seed} {number}")
        name = rng.choice(sorted(fuzz_files.KINDS))
        kind = fuzz_files.KINDS[name]
        folder = fuzz_cases.copied(workspace, place)
        how = fuzz_damage.damage(folder / kind.file, kind.damages, rng)
        reader = rng.choice(kind.readers.strip().splitlines())
        yield f"file {number}: {name}, {how}: {reader}", fuzz_cases.attempt(shlex.split(reader), folder)


def main() -> int:
    """Run the cases, print those that break a rule and then figures, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", default="0:0", help="numbers of command lines, FIRST:END")
    parser.add_argument("--files", default="0:0", help="numbers of damaged files, FIRST:END")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="file to which the outcome of every case is added, as JSON")
    given = parser.parse_args()
    fuzz_cases.load()
    totals: Counter[str] = Counter()
    peaks: dict[str, Any] = {"seconds": 0.0, "memory": 0}
    with tempfile.TemporaryDirectory(prefix="eqlab-fuzz-") as folder:
        workspace, place = Path(folder) / "workspace", Path(folder) / "case"
        names = fuzz_files.build(workspace)
        line_numbers, file_numbers = (range(*map(int, one.split(":"))) for one in (given.lines, given.files))
        for source in (lines(line_numbers, given.seed, workspace, names, place), files(file_numbers, given.seed, workspace, place)):
            for name, ended in source:
                totals.update([name.split()[0] + "s", f"exit code {ended.code}", *(["interrupted"] if ended.interrupted else [])])
                peaks = {"seconds": max(peaks["seconds"], ended.seconds), "memory": max(peaks["memory"], ended.memory)}
                for problem in ended.problems:
                    totals["problems"] += 1
                    print(f"{name[:1500]!a}\n    {problem}", flush=True)
                if given.log:
                    with given.log.open("a") as stream:
                        stream.write(
                            json.dumps(
                                [name[:3000], ended.code, ended.seconds, ended.memory, ended.interrupted, ended.problems, ended.err[-1500:]]
                            )
                            + "\n"
                        )
        shutil.rmtree(place, ignore_errors=True)
    print(", ".join(f"{name} {count}" for name, count in sorted(totals.items())))
    print(f"longest {peaks['seconds']:.1f} s, most memory {peaks['memory'] / 2**20:.0f} MiB, {totals['problems']} problems")
    return int(totals["problems"] > 0)


if __name__ == "__main__":
    sys.exit(main())
