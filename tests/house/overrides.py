"""Methods that override a concrete method of another class of ours."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from sizes import is_declaration, methods
from sources import Source, last_name

OWN = ("__init__",)
"""Methods that every class has for itself: a constructor calls the one above and replaces nothing."""

Classes = dict[str, list[ast.ClassDef]]


def overrides(sources: Iterable[Source]) -> Iterator[str]:
    """Places where a class defines what a base class of ours, near or far, defines concretely."""
    listed = list(sources)
    classes: Classes = defaultdict(list)
    for source in listed:
        for node in source.classes():
            classes[node.name].append(node)
    for source in listed:
        for node in source.classes():
            for name, line in defined(node).items():
                for base in above(node, classes):
                    if name not in OWN and name in concrete(base):
                        yield f"{source.path}:{line}: {node.name}.{name} overrides that of {base.name}"


def defined(node: ast.ClassDef) -> dict[str, int]:
    """Return the names that a class gives a value or a body, with their lines; bare annotations are none."""
    found = {method.name: method.lineno for method in methods(node)}
    for item in node.body:
        targets = item.targets if isinstance(item, ast.Assign) else [item.target] if isinstance(item, ast.AnnAssign) and item.value else []
        found |= {target.id: item.lineno for target in targets if isinstance(target, ast.Name)}
    return found


def concrete(node: ast.ClassDef) -> set[str]:
    """Return the names of the methods and properties that a class defines with a body that counts."""
    return {method.name for method in methods(node) if not is_declaration(method)}


def above(node: ast.ClassDef, classes: Classes) -> Iterator[ast.ClassDef]:
    """All classes that a class derives from, as far as they are ours; a name used twice stands for both."""
    for base in node.bases:
        for one in classes.get(last_name(base), []):
            if one is not node:
                yield one
                yield from above(one, classes)
