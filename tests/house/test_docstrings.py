"""Every public name is documented, every documented parameter exists, every signature is annotated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from sources import PACKAGES, ROOT

FILES = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """The classes and functions of a module and the methods of its classes; not what is local to a function."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            yield from definitions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node


def is_public(name: str) -> bool:
    return not any(part.startswith("_") for part in name.split("."))


def section(docstring: str, title: str) -> list[str]:
    """The names documented in a numpydoc section, in order."""
    match = re.search(rf"^{title}\n-{{{len(title)}}}\n(.*?)(?=^\S[^\n]*\n---|\Z)", docstring, re.MULTILINE | re.DOTALL)
    if match is None:
        return []
    heads = re.findall(r"^([*\w][\w*, ]*?)(?: :|$)", match[1], re.MULTILINE)
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]


def arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    own = function.args
    named = [*own.posonlyargs, *own.args, *([own.vararg] if own.vararg else []), *own.kwonlyargs, *([own.kwarg] if own.kwarg else [])]
    return [argument for argument in named if argument.arg not in ("self", "cls") and not argument.arg.startswith("_")]


def fields(node: ast.ClassDef) -> list[str]:
    """The annotated public fields of a class body."""
    targets = [s.target for s in node.body if isinstance(s, ast.AnnAssign)]
    return [t.id for t in targets if isinstance(t, ast.Name) and not t.id.startswith("_")]


def fields_by_class() -> dict[str, list[str]]:
    """The fields of every class of the packages: a class need not document again those whose default alone it changes."""
    trees = [ast.parse(file.read_text("utf-8")) for file in FILES]
    return {node.name: fields(node) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def complaints(path: str, source: str, known: dict[str, list[str]]) -> list[str]:
    """Faults of a file, as ``file:line: reason``."""
    tree, found = ast.parse(source), []
    if not (ast.get_docstring(tree) or source == ""):
        found.append(f"{path}:1: module without docstring")
    for name, node in definitions(tree.body):
        where, docstring = f"{path}:{node.lineno}: {name}", ast.get_docstring(node) or ""
        if is_public(name) and not docstring:
            found.append(f"{where} has no docstring")
        documented = section(docstring, "Parameters")
        if isinstance(node, ast.ClassDef):
            init = [s for s in node.body if isinstance(s, ast.FunctionDef) and s.name == "__init__"]
            signature = [argument.arg for argument in arguments(init[0])] if init else fields(node)
            attributes = section(docstring, "Attributes")
            inherited = {field for base in node.bases for field in known.get(ast.unparse(base), [])}
            own = [field for field in fields(node) if field not in inherited or field in attributes]
            if attributes and own and sorted(attributes) != sorted(own):
                found.append(f"{where} documents the attributes {attributes}, its fields are {own}")
        else:
            signature = [argument.arg for argument in arguments(node)]
            bare = [argument.arg for argument in arguments(node) if argument.annotation is None]
            if bare or (node.returns is None):
                found.append(f"{where} is not annotated: {', '.join([*bare, *(['the result'] if node.returns is None else [])])}")
        if documented and sorted(documented) != sorted(signature):  # arguments of one kind may be documented together
            found.append(f"{where} documents {documented}, its signature is {signature}")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_documented_as_they_are_and_annotated(package: str) -> None:
    """A formula, a unit or a shape that is documented for another argument than it has is worse than none."""
    files = [file for file in FILES if file.relative_to(ROOT).parts[0] == package]
    assert files
    known = fields_by_class()
    assert [line for file in files for line in complaints(file.relative_to(ROOT).as_posix(), file.read_text("utf-8"), known)] == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x = 1", "a.py:1: module without docstring"),
        ('"""M."""\ndef f() -> None:\n    pass', "a.py:2: f has no docstring"),
        ('"""M."""\nclass A:\n    """A."""\n    def f(self) -> None:\n        pass', "a.py:4: A.f has no docstring"),
        ('"""M."""\ndef f(a: int, b) -> None:\n    """F."""', "a.py:2: f is not annotated: b"),
        ('"""M."""\ndef f(a: int):\n    """F."""', "a.py:2: f is not annotated: the result"),
        (
            '"""M."""\ndef f(a: int, b: int) -> None:\n    """F.\n\n    Parameters\n    ----------\n    a : int\n        X.\n    """',
            "a.py:2: f documents ['a'], its signature is ['a', 'b']",
        ),
        (
            '"""M."""\ndef f(a: int) -> int:\n    """F.\n\n    Parameters\n    ----------\n    a, c : int\n        X.\n\n'
            '    Returns\n    -------\n    int\n        Z.\n    """',
            "a.py:2: f documents ['a', 'c'], its signature is ['a']",
        ),
        (
            '"""M."""\nclass A:\n    """A.\n\n    Attributes\n    ----------\n    a : int\n        X.\n    """\n\n    a: int\n    b: int',
            "a.py:2: A documents the attributes ['a'], its fields are ['a', 'b']",
        ),
    ],
)
def test_the_check_sees_what_it_is_to_find(source: str, reason: str) -> None:
    """A control: a checker that finds nothing proves nothing."""
    assert complaints("a.py", source, {}) == [reason]
