"""Measure the house: circles, folders, names, prose, comments, arguments, abstractions, lengths.

Run by ``make lint``, or by hand: ``python tests/house/measure.py [--all] [PATH ...]`` prints the table, and below it file and line of what
is over the limit, on request all of it and only below the given paths. Exits with 1 if a measure fails.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import prose
import sizes
from import_graph import arrows, circles, siblings
from overrides import overrides
from sources import PACKAGES, ROOT, Source, read

COMMENTED = (
    "contrastive_core/devices",
    "contrastive_core/dynamics",
    "contrastive_core/kernels",
    "contrastive_core/relaxation",
    "experiments/runs",
)
"""Folders where something is subtle, so that comments have to say why."""

SHOWN = 12


class Measure(NamedTuple):
    """Result of one measurement; ``places`` says where the limit is exceeded, as ``file:line: reason``."""

    name: str
    found: str
    allowed: str
    ok: bool
    places: Sequence[str] = ()


def counted(name: str, places: Iterable[str], most: int = 0) -> Measure:
    """Return the measure that counts places, of which there may be a certain number."""
    listed = list(places)
    return Measure(name, str(len(listed)), f"<= {most}" if most else "0", len(listed) <= most, listed)


def import_circles(sources: list[Source]) -> Measure:
    """Count circles of imports among the files and folders of any folder."""
    found = circles(arrows(sources))
    names = [" <-> ".join(sorted({box for arrow in knot for box in siblings(arrow)})) for knot in found]
    lines = [f"{arrow.where}: {arrow.source} imports {arrow.target}" for knot in found for arrow in knot]
    return Measure("circles", str(len(found)), "0", not found, [*(f"circle {name}" for name in names), *lines])


def folder_sizes(paths: Iterable[str]) -> Measure:
    """Find the largest folder, by the files that lie directly in it."""
    files = Counter(path.rpartition("/")[0] for path in paths)
    folder, most = files.most_common(1)[0]
    places = [f"{name}: {count} files" for name, count in files.items() if count > 20]
    return Measure("largest folder", f"{most} files ({folder})", "<= 20", most <= 20, places)


def class_names(sources: list[Source]) -> Measure:
    """Count public class names that are used twice."""
    return counted("public class names used twice", sizes.repeated_classes(sources))


def docstring_openers(sources: list[Source]) -> Measure:
    """Share of descriptions in docstrings that open with a relative word."""
    found = [one for source in sources for one in prose.descriptions(source)]
    bad = [one for one in found if prose.opens_badly(one.text)]
    share = 100 * len(bad) / max(len(found), 1)
    places = [f"{one.where}: {one.text}" for one in bad]
    return Measure("openers in docstrings", f"{share:.1f} % ({len(bad)} of {len(found)})", "<= 4 %", share <= 4, places)


def help_openers(sources: list[Source]) -> Measure:
    """Count help texts that open with a relative word."""
    found = [one for source in sources for one in prose.help_texts(source)]
    return counted("openers in help texts", (f"{one.where}: {one.text}" for one in found if prose.opens_badly(one.text)))


def comments(sources: list[Source]) -> list[Measure]:
    """Comments per 100 lines of code, by folder, each with all that lies below it."""
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    places: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        number, lines = prose.comments_and_code(source.text)
        for folder in _above(source.folder):
            totals[folder][0] += number
            totals[folder][1] += lines
            if 100 * number < 3 * lines:
                places[folder].append(f"{source.path}: {number} in {lines} lines")
    measures = []
    for folder, (number, lines) in sorted(totals.items()):
        share, wanted = 100 * number / max(lines, 1), folder in COMMENTED
        ok = share >= 3 or not wanted
        measures.append(Measure(f"comments per 100 lines, {folder}", f"{share:.1f}", ">= 3" if wanted else "-", ok, places[folder]))
    return measures


def _above(folder: str) -> list[str]:
    """Return a folder and the one that holds it, of the two upper levels."""
    parts = folder.split("/")
    return ["/".join(parts[: i + 1]) for i in range(min(len(parts), 2))]


def argument_counts(sources: list[Source]) -> list[Measure]:
    """Count functions with too many arguments: above 12 where not compiled, above 20 anywhere."""
    found = [(source, f, sizes.num_arguments(f)) for source in sources for f in source.functions()]
    plain = [f"{s.path}:{f.lineno}: {f.name} has {n}" for s, f, n in found if n > 12 and not sizes.is_compiled(f)]
    every = [f"{s.path}:{f.lineno}: {f.name} has {n}" for s, f, n in found if n > 20]
    return [counted("functions above 12 arguments, compiled ones apart", plain), counted("functions above 20 arguments", every)]


def abstract_classes(sources: list[Source]) -> Measure:
    """Count abstract classes."""
    found = [f"{s.path}:{node.lineno}: {node.name}" for s in sources for node in s.classes() if sizes.is_abstract(node)]
    return counted("abstract classes", found, 8)


def overridden(sources: list[Source]) -> Measure:
    """Count overrides of concrete methods."""
    return counted("overrides of concrete methods", overrides(sources))


def module_lengths(sources: list[Source]) -> Measure:
    """Count modules above 300 lines."""
    lengths = {source.path: len(source.text.splitlines()) for source in sources}
    return counted("modules above 300 lines", (f"{path}:{length}: too long" for path, length in lengths.items() if length > 300))


def function_lengths(sources: list[Source]) -> Measure:
    """Share of functions above 40 lines; shown, not limited."""
    found = [(source, f) for source in sources for f in source.functions()]
    long = [f"{s.path}:{f.lineno}: {f.name}, {sizes.num_lines(f)} lines" for s, f in found if sizes.num_lines(f) > 40]
    share = f"{len(long)} of {len(found)} ({100 * len(long) / max(len(found), 1):.1f} %)"
    return Measure("functions above 40 lines, docstring apart", share, "-", True, long)


def kernel_lines(sources: list[Source]) -> Measure:
    """Count the lines of the kernels."""
    lines = sum(len(source.text.splitlines()) for source in sources if source.path.startswith("contrastive_core/kernels/"))
    # 4300 for states, 300 for displacements from a free state, and 200 for poolings of pictures on the CPU and on CUDA devices.
    return Measure("lines of kernels", str(lines), "<= 4800", lines <= 4800)


ALONE: tuple[Callable[[list[Source]], Measure], ...] = (
    import_circles, class_names, docstring_openers, help_openers, abstract_classes, overridden, module_lengths,
    function_lengths, kernel_lines,
)  # fmt: skip
SEVERAL: tuple[Callable[[list[Source]], list[Measure]], ...] = (argument_counts, comments)


def all_files() -> list[str]:
    """Return the paths of all files in the packages, tests and documents, caches left out."""
    files = [file for folder in (*PACKAGES, "tests", "docs") for file in (ROOT / folder).rglob("*") if file.is_file()]
    return [file.relative_to(ROOT).as_posix() for file in files if "__pycache__" not in file.parts]


def measured() -> list[Measure]:
    """Take all measures of the repository."""
    sources = read(*PACKAGES)
    several = [measure for take in SEVERAL for measure in take(sources)]
    return [*(take(sources) for take in ALONE), folder_sizes(all_files()), *several]


def main(words: list[str]) -> int:
    """Print the table and the places, and return the exit code."""
    paths = tuple(word for word in words if word != "--all")
    measures = measured()
    width, middle = max(len(m.name) for m in measures), max(len(m.found) for m in measures)
    print(f"{'measure':{width}}  {'found':{middle}}  allowed  ok")
    for m in measures:
        print(f"{m.name:{width}}  {m.found:{middle}}  {m.allowed:7}  {'yes' if m.ok else 'NO'}")
    for m in measures:
        places = [place for place in m.places if not paths or place.startswith(paths)]
        if places and (not m.ok or "--all" in words):
            print(f"\n{m.name}: {m.found}, allowed {m.allowed}")
            shown = places if "--all" in words else places[:SHOWN]
            print("\n".join(f"  {place}" for place in shown))
            if len(shown) < len(places):
                print(f"  and {len(places) - len(shown)} more: python tests/house/measure.py --all [PATH ...]")
    return int(not all(m.ok for m in measures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
