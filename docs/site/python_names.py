"""Pages of the Python reference: every public name by its group, the entries of every table, and every module of the packages."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from api_lines import DOCUMENT, first_line

import eqlab
from contrastive_core.data.catalog import CATALOG
from contrastive_core.registry import Table

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("contrastive_core", "eqprop", "hebbian", "experiments", "eqlab")


def groups() -> dict[str, list[str]]:
    """Return the public names under the headings of ``docs/api.md``."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        names = [name for name in re.findall(r"^- `(\w+)`: ", section, re.MULTILINE) if name in eqlab.PUBLIC]
        if names:
            found[section.partition("\n")[0]] = names
    return found


def rows_of(name: str) -> Iterator[tuple[str, str]]:
    """Return the entries of a table, and what each is."""
    table: Table[object] = getattr(eqlab, name)
    for entry in table:
        if name == "DATASETS":
            yield entry, CATALOG[entry].task
        elif name == "NETWORKS":
            yield entry, first_line(table[entry].build)
        else:
            yield entry, first_line(table[entry])


def _directive(name: str) -> str:
    kind = "class" if inspect.isclass(getattr(eqlab, name)) else "function"
    options = "   :members:\n   :show-inheritance:\n" if kind == "class" else ""
    return f"## `{name}`\n\n```{{eval-rst}}\n.. auto{kind}:: eqlab.{name}\n{options}```\n"


def _table(name: str) -> str:
    described = next(line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith(f"- `{name}`: "))
    described = re.sub(r"\]\((?=\w+\.md)", "](../", described.partition(": ")[2])
    rows = "".join(f"| `{entry}` | {text.replace('|', chr(92) + '|')} |\n" for entry, text in rows_of(name))
    return f"## `{name}`\n\n{described}\n\n| name | meaning |\n|---|---|\n{rows}"


def python_pages() -> dict[str, str]:
    """Return the pages of the groups by their names."""
    pages = {}
    for title, names in groups().items():
        parts = [_table(name) if isinstance(getattr(eqlab, name), Table) else _directive(name) for name in names]
        pages[f"python-{title.lower().replace(' ', '-')}"] = f"# {title} in Python\n\n" + "\n".join(parts)
    return pages


def modules_page() -> str:
    """Return the page that says of every module what it is for."""
    text = "# All modules\n\nPublic names are imported from `eqlab`. The modules that they come from are internal, and may move.\n"
    for package in PACKAGES:
        text += f"\n## {package}\n\n| module | content |\n|---|---|\n"
        for path in sorted((ROOT / package).rglob("*.py")):
            described = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n\n")[0]
            if described:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
                cell = re.sub(r":math:`([^`]*)`", r"$\1$", " ".join(described.split())).replace("``", "`").replace("|", "\\|")
                text += f"| `{name}` | {re.sub(r':[a-z]+:`~?([^`]*)`', r'`' + chr(92) + '1`', cell)} |\n"
    return text
