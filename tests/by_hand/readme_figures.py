"""Compare the tables of the README with what the program prints now, cell by cell, within stated tolerances.

By hand: ``python tests/by_hand/readme_figures.py demo`` (a minute), or ``... mnist DIRECTORY-OF-IDX-FILES`` (ten minutes on an idle core).
A third argument names a directory to keep the runs in; finished trials there are not computed again.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import processes

README = (processes.ROOT / "README.md").read_text("utf-8")
ANY = float("inf")
TOLERANCES = {
    "test error %": 0.6,  # two of 350 digits; after training, roundings of another processor decide single samples
    "minus backprop": 0.6,
    "sweeps": 0.5,
    "CPU us/sample": ANY,  # time
    "unconverged %": 0.05,
    "energy decrease": 0.02,
    "lowest cosine": 0.0005,  # at the initial weights, before roundings add up
    "norm ratio": 0.0002,
    "relative error": 0.05,  # a share of the number, because it spans ten orders of magnitude
    "signs %": 0.1,
    "order": 0.02,
}
"""Largest difference of each column between processors; cells of other columns are cosines, which agree to 2e-5, or intervals."""
NOISE = 1e-6
"""Relative error below which a gradient is exact but for the tolerance of its relaxation or for roundings."""
SAMPLES = {"demo": 1.0, "mnist": 0.25}
"""Factor of the tolerances of errors: MNIST has 10 000 test images, and two trainings differ by up to .15 points."""

Table = dict[str, dict[str, str]]


def tables(text: str) -> list[Table]:
    """Read the tables of a text: for each row its cells by column; a repeated column gets the name of the one before it."""
    found, lines = [], text.splitlines()
    for at, line in enumerate(lines):
        if not line or set(line) != {"-", " "}:
            continue
        starts = [i for i in range(len(line)) if line[i] == "-" and (i == 0 or line[i - 1] == " ")]
        below = list(takewhile(lambda row: row.strip() not in ("", "```"), lines[at + 1 :]))
        first, *rows = ([row[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)] for row in (lines[at - 1], *below))
        titles = [f"{first[i - 1]}, {title}" if title.endswith("interval") else title for i, title in enumerate(first)]
        found.append({row[0]: dict(zip(titles[1:], row[1:], strict=True)) for row in rows})
    return found


def stale(shown: Table, printed: Table, factor: float = 1.0) -> list[str]:
    """Return a line for each cell of a shown table that differs from the printed one by more than its column's tolerance."""
    if shown.keys() != printed.keys():
        return [f"rows {', '.join(shown)} are now {', '.join(printed)}"]
    return [
        f"{row}, {column}: the README has {cell}, the program prints {printed[row].get(column)}"
        for row, cells in shown.items()
        for column, cell in cells.items()
        if not _agrees(column, cell, printed[row].get(column, ""), factor)
    ]


def _agrees(column: str, one: str, other: str, factor: float) -> bool:
    if one == other or column.endswith("interval"):  # intervals follow the errors of three seeds, and are judged by their mean
        return True
    try:
        first, second = float(one), float(other)
    except ValueError:
        return False
    if column == "relative error":
        return max(first, second) < NOISE or abs(first - second) <= TOLERANCES[column] * max(first, second)
    bound = TOLERANCES.get(column, 2e-5)
    return abs(first - second) <= (bound * factor if column in ("test error %", "minus backprop") else bound) + 1e-9


def printed(folder: Path, which: str, data: str | None) -> list[Table]:
    """Run the commands behind the tables and return what they print."""
    lines: Iterable[tuple[str, ...]] = (("gradients",), ("compare",))
    if which == "mnist":
        lines = (("compare", "--config", "mnist", "--data-dir", str(data), "--rules", "ep-centered,backprop"),)
    found = []
    for line in lines:
        command = [*processes.PROGRAM, *line, "--out", str(folder / f"{which}-{line[0]}"), "--quiet"]
        found += tables(subprocess.run(command, env=processes.ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True).stdout)[:1]
    return found


def shown(which: str) -> list[Table]:
    """Return the tables of the README that a command prints."""
    demo, _, mnist = README.partition("## MNIST")
    return tables(demo if which == "demo" else mnist)


def main(which: str, data: str | None = None, folder: str | None = None) -> int:
    """Print what is stale, and return the number of such cells."""
    with tempfile.TemporaryDirectory() as temporary:
        pairs = zip(shown(which), printed(Path(folder or temporary), which, data), strict=True)
        lines = [line for one, other in pairs for line in stale(one, other, SAMPLES[which])]
    print("\n".join(lines) or f"the tables of {which} are what the program prints")
    return len(lines)


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[:1] == ["demo"]:
        given.insert(1, "")
    sys.exit(main(*given) > 0)
