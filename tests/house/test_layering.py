"""Imports go down the layers only, and listing names costs no import of anything heavy."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {
    "contrastive_core": {"contrastive_core"},
    "eqprop": {"eqprop", "contrastive_core"},
    "hebbian": {"hebbian", "contrastive_core"},
    "experiments": {"experiments", "hebbian", "eqprop", "contrastive_core"},
}
CONFINED = {
    "click": re.compile(r"experiments/"),
    "numba": re.compile(r"contrastive_core/kernels/"),
    "matplotlib": re.compile(r"experiments/figures"),
}

HEAVY = ("torch", "numpy", "scipy", "numba", "sklearn", "matplotlib", "pooch", "safetensors", "click", "pydantic")
LIGHT = (
    "contrastive_core",
    "contrastive_core.baselines",
    "contrastive_core.costs",
    "contrastive_core.data",
    "contrastive_core.data.catalog",
    "contrastive_core.dynamics",
    "contrastive_core.errors",
    "contrastive_core.networks",
    "contrastive_core.training.optimisers",
    "contrastive_core.registry",
    "eqprop",
    "hebbian",
)
REFERENCE = re.compile(rf"({'|'.join(ALLOWED)})(\.\w+)+:\w+")
"""``"package.module:attribute"``, by which the tables import on first use."""


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, wherever and however, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and REFERENCE.fullmatch(node.value):
            yield node.lineno, node.value.split(":")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant):
                    yield node.lineno, str(argument.value)


def violations(path: str, source: str) -> list[str]:
    """What a file at a path under the root imports against the rules, as ``file:line: reason``."""
    package, found = path.split("/")[0], []
    for line, module in imports(ast.parse(source)):
        top = module.split(".")[0]
        if module.startswith("."):
            found.append(f"{path}:{line}: relative import {module}; write the package's name")
        elif top in ALLOWED and top not in ALLOWED[package]:
            found.append(f"{path}:{line}: {package} may not import {module}")
        elif top in CONFINED and not CONFINED[top].match(path):
            found.append(f"{path}:{line}: {top} belongs in {CONFINED[top].pattern}* only")
        elif top in ("tests", "conftest"):
            found.append(f"{path}:{line}: nothing imports the tests")
    return found


def test_imports_go_down_the_layers_only() -> None:
    """Science that knows of the command line, or one method that knows of another, can no longer be compared on its own."""
    files = [file for package in ALLOWED for file in sorted((ROOT / package).rglob("*.py"))]
    assert len(files) > 40
    assert [line for file in files for line in violations(file.relative_to(ROOT).as_posix(), file.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    ("path", "source", "reason"),
    [
        ("contrastive_core/a.py", "\nimport eqprop.rule", "contrastive_core/a.py:2: contrastive_core may not import eqprop.rule"),
        ("eqprop/a.py", "def f():\n    from hebbian import RULES", "eqprop/a.py:2: eqprop may not import hebbian"),
        ("hebbian/a.py", "T = {\n'x': 'eqprop.rule:positive'}", "hebbian/a.py:2: hebbian may not import eqprop.rule"),
        ("hebbian/a.py", "import_module('experiments.cli')", "hebbian/a.py:1: hebbian may not import experiments.cli"),
        ("contrastive_core/a.py", "from click import echo", "contrastive_core/a.py:1: click belongs in experiments/* only"),
        ("contrastive_core/rule.py", "import numba", "contrastive_core/rule.py:1: numba belongs in contrastive_core/kernels/* only"),
        (
            "experiments/report/html.py",
            "import matplotlib.pyplot",
            "experiments/report/html.py:1: matplotlib belongs in experiments/figures* only",
        ),
        ("eqprop/a.py", "from .rule import x", "eqprop/a.py:1: relative import .rule; write the package's name"),
    ],
)
def test_the_check_sees_what_it_is_to_forbid(path: str, source: str, reason: str) -> None:
    """A control: a checker that finds nothing proves nothing."""
    assert violations(path, source) == [reason]


def test_the_check_lets_pass_what_is_allowed() -> None:
    """The other control."""
    assert violations("experiments/figures_x.py", "import matplotlib\nimport click\nfrom hebbian import RULES\nimport eqprop") == []
    assert violations("contrastive_core/kernels/a.py", "import numba\nfrom contrastive_core.types import State") == []


def test_listing_names_imports_nothing_heavy() -> None:
    """``--help`` answers at once only because names are known without what they name."""
    code = f"""
import importlib, sys
for module in {LIGHT!r}:
    importlib.import_module(module)
    print(module, *[heavy for heavy in {HEAVY!r} if heavy in sys.modules])
from contrastive_core.costs import COSTS
from eqprop import RULES
print(*list(COSTS), *list(RULES), 'torch' in sys.modules)
COSTS['squared-error']
print('torch' in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=120)
    *modules, names, afterwards = result.stdout.splitlines()
    assert modules == list(LIGHT)
    assert names.endswith("ep-random False")
    assert afterwards == "True"  # a control: the table does import what is asked for
