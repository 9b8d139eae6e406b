"""Source files of the packages, read once and parsed once."""

from __future__ import annotations

import ast
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = tuple(name for name in ("contrastive_core", "eqprop", "hebbian", "experiments", "eqlab") if (ROOT / name).is_dir())

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """Text of a Python file.

    Parameters
    ----------
    path : str
        Path under the root, with forward slashes.
    text : str
        Content of the file.
    """

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text

    @cached_property
    def tree(self) -> ast.Module:
        """Syntax tree of the file."""
        return ast.parse(self.text)

    @property
    def folder(self) -> str:
        """Path of the folder that holds the file."""
        return self.path.rpartition("/")[0]

    def functions(self) -> list[Function]:
        """All functions and methods, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    def classes(self) -> list[ast.ClassDef]:
        """All classes, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]


def read(*folders: str) -> list[Source]:
    """Return the Python files below folders of the repository, sorted by path."""
    files = sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    return [Source(file.relative_to(ROOT).as_posix(), file.read_text("utf-8")) for file in files]


def last_name(node: ast.expr) -> str:
    """Return the last part of a dotted name, of a call's function, or of a subscripted name: ``cuda.jit(device=True)`` gives ``jit``."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
