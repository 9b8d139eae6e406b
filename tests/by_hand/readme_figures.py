"""Compare the tables of the README with what the program prints now, cell by cell, within stated tolerances.

By hand: ``python tests/by_hand/readme_figures.py demo`` or ``... convolutional`` (a minute each), or
``... mnist DIRECTORY-OF-IDX-FILES`` (ten minutes on an idle core).
A third argument names a directory to keep the runs in; finished trials there are not computed again.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import processes
from documents import commands
from printed_tables import ANY, Bounds, Share, Table, stale, tables

README = (processes.ROOT / "README.md").read_text("utf-8")
TOLERANCES: Bounds = {
    "test error %": 0.6,  # two of 350 digits; after training, roundings of another processor decide single samples
    "minus backprop": 0.6,
    "sweeps": 0.5,
    "CPU us/sample": ANY,  # time
    "unconverged %": 0.05,
    "energy decrease": 0.02,
    "lowest cosine": 0.0005,  # at the initial weights, before roundings add up
    "norm ratio": 0.0002,
    "relative error": Share(0.05, least=1e-6),  # spans ten orders of magnitude; below 1e-6 a gradient is exact but for roundings
    "signs %": 0.1,
    "order": 0.02,
}
"""Largest difference of each column between processors; cells of other columns are cosines, or intervals."""
SECTIONS = {"convolutional": "Convolutional networks", "mnist": "MNIST"}
"""Headings of the sections with a table; the tables of the demo stand above all of them."""
BOUNDS: dict[str, Bounds] = {
    "demo": TOLERANCES,
    "convolutional": TOLERANCES,
    "mnist": {**TOLERANCES, "test error %": 0.15, "minus backprop": 0.15},
}
"""Tolerances of each part of the README: MNIST has 10 000 test images, and two trainings differ by up to .15 points."""


def printed(folder: Path, which: str, data: str | None) -> list[Table]:
    """Run the commands behind the tables and return what they print."""
    lines: Iterable[tuple[str, ...]] = (("gradients",), ("compare",))
    if which == "convolutional":
        lines = [tuple(words) for words in commands("README.md", SECTIONS[which])]
    if which == "mnist":
        lines = (("compare", "--config", "mnist", "--data-dir", str(data), "--rules", "ep-centered,backprop"),)
    found = []
    for line in lines:
        command = [*processes.PROGRAM, *line, "--out", str(folder / f"{which}-{line[0]}"), "--quiet"]
        found += tables(subprocess.run(command, env=processes.ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True).stdout)[:1]
    return found


def shown(which: str) -> list[Table]:
    """Return the tables of the README that a command prints."""
    demo, *_ = README.split("\n## Going on\n")
    return tables(demo if which == "demo" else next(part for part in README.split("\n## ") if part.startswith(SECTIONS[which])))


def main(which: str, data: str | None = None, folder: str | None = None) -> int:
    """Print what is stale, and return the number of such cells."""
    with tempfile.TemporaryDirectory() as temporary:
        pairs = zip(shown(which), printed(Path(folder or temporary), which, data), strict=True)
        lines = [line for one, other in pairs for line in stale(one, other, BOUNDS[which])]
    print("\n".join(lines) or f"the tables of {which} are what the program prints")
    return len(lines)


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[:1] in (["demo"], ["convolutional"]):
        given.insert(1, "")
    sys.exit(main(*given) > 0)
