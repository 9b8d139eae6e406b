"""Arrows between modules, and the circles they form.

Imports count wherever they stand: at the top of a file, under ``TYPE_CHECKING`` or inside a function. Strings of the form
``"package.module:attribute"`` do not: a table has to name what lies above it.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sources import PACKAGES, Source


class Arrow(NamedTuple):
    """One import: ``source`` and ``target`` are dotted module names, ``where`` is the file and line."""

    source: str
    target: str
    where: str


def module_name(path: str) -> str:
    """Return the dotted name of a module; a package's is that of its folder."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import; of ``from a import b`` the name is ``a.b``, whatever ``b`` is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from ((node.lineno, arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def arrows(sources: Iterable[Source]) -> list[Arrow]:
    """Return the imports among files, each drawn to the module that the imported name lies in."""
    by_name = {module_name(source.path): source for source in sources}
    found = []
    for name, source in by_name.items():
        for line, full in imported(source.tree):
            if full.partition(".")[0] not in PACKAGES:
                continue
            target = full
            while target and target not in by_name:
                target = target.rpartition(".")[0]
            if target and target != name:
                found.append(Arrow(name, target, f"{source.path}:{line}"))
    return list(dict.fromkeys(found))


def siblings(arrow: Arrow) -> tuple[str, str]:
    """Return the two neighbours in one folder that an arrow joins: files, or folders with all that they hold.

    The file of a package itself, ``__init__``, is a neighbour of the files in its folder.
    """
    source, target = arrow.source.split("."), arrow.target.split(".")
    shared = next((i for i, (a, b) in enumerate(zip(source, target, strict=False)) if a != b), min(len(source), len(target)))
    return ".".join([*source, "__init__"][: shared + 1]), ".".join([*target, "__init__"][: shared + 1])


def circles(drawn: Iterable[Arrow]) -> list[list[Arrow]]:
    """Return the arrows of every circle among neighbours of a folder.

    Modules that import one another in a circle lie in a circle of neighbours as well, namely in the smallest folder that holds them all.
    """
    graph: dict[str, dict[str, list[Arrow]]] = defaultdict(lambda: defaultdict(list))
    for arrow in drawn:
        a, b = siblings(arrow)
        graph[a][b].append(arrow)
    found = []
    for knot in _knots({a: set(targets) for a, targets in graph.items()}):
        found.append([arrow for a in sorted(knot) for b in sorted(knot) if b in graph[a] for arrow in graph[a][b]])
    return found


def _knots(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of two or more nodes that reach one another."""
    reach = {node: _reached(graph, node) for node in graph}
    knots: list[set[str]] = []
    for node in graph:
        if node in reach[node] and not any(node in knot for knot in knots):
            knots.append({other for other in reach[node] if node in reach.get(other, ())})
    return knots


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return the nodes that arrows lead to from a node, in any number of steps."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for other in graph.get(waiting.pop(), set()) - seen:
            seen.add(other)
            waiting.append(other)
    return seen
