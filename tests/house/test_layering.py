"""Imports go down the floors only and never in a circle, no test imports another, and listing names imports nothing heavy."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from import_graph import Arrow, arrows, circles, siblings
from sources import PACKAGES, ROOT, Source, read

FLOORS = (  # bottom first, and from left to right: a folder imports only from those that stand before it
    (
        "contrastive_core",
        "threads errors expect guards familiar types per_sample generators progress plugins registry options",
    ),  # the vocabulary
    ("contrastive_core", "cost certificate forms phases network gradients files"),
    ("contrastive_core", "data objectives representation mixing costs networks sampling interchange"),  # what is learnt, and by what
    ("contrastive_core", "dynamics devices kernels relaxation"),  # how a state moves, in what hardware, and compiled
    ("contrastive_core", "rule contrast training baselines analysis joint"),  # gradients and learning
    ("eqprop", ""),
    ("hebbian", ""),
    ("experiments", "machine commandline runs figures trials"),  # one run: its options, files, pictures and computation
    ("experiments", "sweeps report setup"),  # what the commands share
    ("experiments", "learning scripted hopfield representations hardware boltzmann joint thermal interactive"),  # the subjects
    ("experiments", "benchmarks installation published papers cli"),
    ("eqlab", ""),
)

ALLOWED = {
    "contrastive_core": {"contrastive_core"},
    "eqprop": {"eqprop", "contrastive_core"},
    "hebbian": {"hebbian", "contrastive_core"},
    "experiments": {"experiments", "hebbian", "eqprop", "contrastive_core"},
    "eqlab": {"eqlab", "experiments", "hebbian", "eqprop", "contrastive_core"},
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
    "contrastive_core.joint",
    "contrastive_core.networks",
    "contrastive_core.training.optimisers",
    "contrastive_core.registry",
    "eqlab",
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
    """Imports against the rules of a file at a path under the root, as ``file:line: reason``."""
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


@cache
def floor(module: str) -> int:
    """Return how high a module stands: the position of its folder in the list, counted from the bottom."""
    folders = [f"{package}.{name}".strip(".") for package, names in FLOORS for name in names.split() or [""]]
    fits = [i for i, folder in enumerate(folders) if f"{module}.".startswith(f"{folder}.")]
    assert fits, f"{module} stands on no floor: add its folder to FLOORS in {Path(__file__).name}"
    return fits[0]


@cache
def house() -> list[Arrow]:
    """Return the imports among all modules of the packages."""
    return arrows(read(*PACKAGES))


def upward(drawn: list[Arrow]) -> list[str]:
    """Return the imports that lead from a lower folder to a higher one, as ``file:line: reason``."""
    found = [arrow for arrow in drawn if floor(arrow.target) > floor(arrow.source)]
    return [f"{arrow.where}: {arrow.source} imports {arrow.target}, which stands higher" for arrow in found]


def in_circles(drawn: list[Arrow]) -> list[str]:
    """Return the imports that close a circle among the files and folders of one folder, as ``file:line: reason``."""
    return [
        f"{arrow.where}: {arrow.source} imports {arrow.target}, and {siblings(arrow)[1]} leads back to {siblings(arrow)[0]}"
        for knot in circles(drawn)
        for arrow in knot
    ]


def test_packages_import_only_what_they_may() -> None:
    """Science that knows of the command line, or one method that knows of another, can no longer be compared on its own."""
    files = read(*PACKAGES)
    assert len(files) > 40
    assert [line for file in files for line in violations(file.path, file.text)] == []


def test_imports_go_down_the_floors_only() -> None:
    """A folder can be understood with those below it alone; type-only and lazy imports count."""
    found = upward(house())
    assert not found, "\n".join(found)


def test_no_imports_form_a_circle() -> None:
    """Files in a circle can be neither read nor tested one after the other; type-only and lazy imports count."""
    found = in_circles(house())
    assert not found, "\n".join(found)


def test_floors_name_what_there_is() -> None:
    """A list with names of folders that are gone misleads a newcomer."""
    names = [f"{package}/{name}".strip("/") for package, names in FLOORS for name in names.split() or [""] if package in PACKAGES]
    assert [name for name in names if not (ROOT / name).is_dir() and not (ROOT / f"{name}.py").is_file()] == []


def test_no_test_imports_another() -> None:
    """Shared code of tests lies in ``tests/support``, so that each of them can be read, moved and run alone."""
    tests = read("tests")
    names = {Path(test.path).stem for test in tests if Path(test.path).name.startswith("test_")}
    found = [f"{test.path}:{line}: imports {module}" for test in tests for line, module in imports(test.tree) if module in names]
    assert len(names) > 80
    assert not found, "\n".join(found)


def drawn(*files: tuple[str, str]) -> list[Arrow]:
    """Return the arrows among files that are given as path and text."""
    return arrows([Source(path, text) for path, text in files])


@pytest.mark.parametrize(
    "text",
    [
        "import contrastive_core.rule",
        "from contrastive_core import rule",
        "from contrastive_core.rule import Rule",
        "if TYPE_CHECKING: from contrastive_core.rule import Rule",
        "def f(): import contrastive_core.rule as rule",
        "import_module('contrastive_core.rule')",
    ],
)
def test_an_import_upwards_is_found_however_it_is_written(text: str) -> None:
    """A control: type-only and lazy imports tie folders together as others do."""
    found = upward(drawn(("contrastive_core/costs/a.py", f"\n{text}"), ("contrastive_core/rule.py", "")))
    assert found == ["contrastive_core/costs/a.py:2: contrastive_core.costs.a imports contrastive_core.rule, which stands higher"]


def test_an_import_downwards_and_a_table_pass() -> None:
    """The other control: a table names what lies above it, and imports it when it is asked for."""
    table = "T = {'a': 'contrastive_core.costs.a:A'}"
    files = ("contrastive_core/costs/a.py", "import contrastive_core.types"), ("contrastive_core/types.py", table)
    assert upward(drawn(*files)) == []
    assert in_circles(drawn(*files)) == []


def test_circles_of_files_and_of_folders_are_found() -> None:
    """A control: two files in a circle, and two folders in one whose files are in none."""
    files = drawn(("hebbian/a.py", "import hebbian.b"), ("hebbian/b.py", "\ndef f():\n    from hebbian.a import x"))
    assert in_circles(files) == [
        "hebbian/a.py:1: hebbian.a imports hebbian.b, and hebbian.b leads back to hebbian.a",
        "hebbian/b.py:3: hebbian.b imports hebbian.a, and hebbian.a leads back to hebbian.b",
    ]
    folders = drawn(
        ("hebbian/a/x.py", "import hebbian.b.y"),
        ("hebbian/a/z.py", ""),
        ("hebbian/b/y.py", ""),
        ("hebbian/b/z.py", "import hebbian.a.z"),
    )
    assert [line.split(":")[0] for line in in_circles(folders)] == ["hebbian/a/x.py", "hebbian/b/z.py"]


def test_a_new_folder_has_to_be_given_a_floor() -> None:
    """A folder that stands nowhere could import anything."""
    with pytest.raises(AssertionError, match=r"experiments.attic.a stands on no floor"):
        floor("experiments.attic.a")


@pytest.mark.parametrize(
    ("path", "source", "reason"),
    [
        ("contrastive_core/a.py", "\nimport eqprop.rule", "contrastive_core/a.py:2: contrastive_core may not import eqprop.rule"),
        ("eqprop/a.py", "def f():\n    from hebbian import RULES", "eqprop/a.py:2: eqprop may not import hebbian"),
        ("hebbian/a.py", "T = {\n'x': 'eqprop.rule:positive'}", "hebbian/a.py:2: hebbian may not import eqprop.rule"),
        ("experiments/a.py", "import eqlab", "experiments/a.py:1: experiments may not import eqlab"),
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
    assert names.endswith(" False")
    assert {"squared-error", "ep-random"} <= set(names.split())
    assert afterwards == "True"  # a control: the table does import what is asked for
