"""Write the first lines of docstrings into ``docs/api.md``: ``python tests/by_hand/api_lines.py``."""

import inspect
import re
from pathlib import Path

import eqlab
from contrastive_core.registry import Table

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def first_line(found: object) -> str:
    """Return the first line of a docstring as Markdown."""
    first = (inspect.getdoc(found) or "").split("\n")[0]
    first = re.sub(r":math:`([^`]*)`", r"$\1$", first)
    return re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", first).replace("``", "`")


def summary(name: str) -> str | None:
    """Return the line of a public name, made of the first line of its docstring; None for a table, which is described by hand."""
    found = getattr(eqlab, name)
    if isinstance(found, Table):
        return None
    return f"- `{name}`: {first_line(found)}"


def updated(line: str) -> str:
    """Return a line of the document as it is to be."""
    name = re.match(r"- `(\w+)`: ", line)
    return (summary(name[1]) if name and name[1] in eqlab.PUBLIC else None) or line


if __name__ == "__main__":
    text = DOCUMENT.read_text("utf-8")
    DOCUMENT.write_text("".join(f"{updated(line)}\n" for line in text.splitlines()), "utf-8")
