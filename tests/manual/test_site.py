"""The site of ``make docs`` holds every public name, table entry, command and option, and every page; ``.ci/run`` builds it with Sphinx."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_pages import command_pages, exits_page
from flag_tables import ALL, flags
from python_names import PACKAGES, ROOT, modules_page, python_pages
from stage import contents

import eqlab
from contrastive_core.registry import Table
from experiments.cli import COMMANDS

PYTHON = "\n".join(python_pages().values())
COMMAND_PAGES = command_pages()


def test_every_public_name_has_one_place_in_the_reference() -> None:
    """If this fails, a name that users import is not described, or twice."""
    headings = re.findall(r"^## `(\w+)`$", PYTHON, re.MULTILINE)
    assert sorted(headings) == sorted(eqlab.PUBLIC)
    described = re.findall(r"^\.\. auto(?:class|function):: eqlab\.(\w+)$", PYTHON, re.MULTILINE)
    tables = [name for name in eqlab.PUBLIC if isinstance(getattr(eqlab, name), Table)]
    assert sorted([*described, *tables]) == sorted(eqlab.PUBLIC)
    assert len(tables) >= 14


@pytest.mark.parametrize("name", [name for name in eqlab.PUBLIC if name.isupper()])
def test_every_entry_of_a_table_is_described(name: str) -> None:
    """If this fails, a rule, a network, a cost, ... can be named on the command line and is not in the manual."""
    section = re.split(r"^## ", PYTHON.split(f"\n## `{name}`\n")[1], flags=re.MULTILINE)[0]
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE))
    assert list(rows) == list(getattr(eqlab, name))
    assert all(len(text) > 5 for text in rows.values()), rows


def test_every_command_has_a_page() -> None:
    """If this fails, a command is not in the manual."""
    assert sorted(COMMAND_PAGES) == sorted(f"eqlab-{name}" for name in COMMANDS)


@pytest.mark.parametrize("name", ALL)
def test_every_option_of_a_command_is_on_its_page(name: str) -> None:
    """If this fails, an option of a command is not in its part of the manual; the words are looked up apart from how it is made."""
    page = f"\n{COMMAND_PAGES['eqlab-' + name.split()[0]]}"
    (section,) = re.findall(rf"^##? eqlab {name}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    known = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", "\n".join(line for line in section.splitlines() if line.startswith("| `-"))))
    wanted = {flag for option in flags(ALL[name]).values() for flag in (*option.opts, *option.secondary_opts)}
    assert wanted <= known
    assert f"eqlab {name}" in section


def test_every_module_and_every_exit_code_is_listed() -> None:
    """If this fails, the map of the code has holes, or a code that scripts test for is not explained."""
    modules = set(re.findall(r"^\| `([\w.]+)` \|", modules_page(), re.MULTILINE))
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    assert {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files} <= modules
    assert re.findall(r"^\| (\d+) \|", exits_page(), re.MULTILINE) == ["0", "1", "2", "3", "130"]


def test_every_page_is_listed_once(tmp_path: Path) -> None:
    """If this fails, a reader cannot reach a page from the front page."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    lines = [
        line
        for text in re.findall(r"^:::\{toctree\}\n(.*?)^:::$", contents(tmp_path), re.DOTALL | re.MULTILINE)
        for line in text.split("\n")
    ]
    listed = [line for line in lines if line and not line.startswith((":", ".."))]
    pages = [path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted(page for page in pages if page != "index")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\tfrac12 h^2", r"\tfrac{1}{2} h^2"),
        (r"-\frac1N\sum", r"-\frac{1}{N}\sum"),
        (r"\frac{\partial E}{\partial s}", r"\frac{\partial E}{\partial s}"),
        (r"\tfrac\alpha 2 x", r"\tfrac{\alpha}{2} x"),
        (r"\frac{a_{1}}{\tfrac12}", r"\frac{a_{1}}{\tfrac{1}{2}}"),
    ],
)
def test_fractions_of_digits_are_not_numbers(written: str, meant: str) -> None:
    """If this fails, one half of an equation is shown as twelve over the letter behind it."""
    assert pytest.importorskip("mathml", reason="Sphinx is not installed").braced(written) == meant
