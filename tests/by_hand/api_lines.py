"""Write the first lines of docstrings into ``docs/api.md``: ``python tests/by_hand/api_lines.py``."""

import inspect
import re
from pathlib import Path

import eqlab
from contrastive_core.registry import Table

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def summary(name: str) -> str | None:
    """Return the line of a public name, made of the first line of its docstring; None for a table, which is described by hand."""
    found = getattr(eqlab, name)
    if isinstance(found, Table):
        return None
    first = (inspect.getdoc(found) or "").split("\n")[0]
    first = re.sub(r":math:`([^`]*)`", r"$\1$", first)
    first = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", first).replace("``", "`")
    return f"- `{name}`: {first}"


def updated(text: str) -> str:
    """Return the document with the present lines; names that are not public any more keep theirs."""
    lines = (re.match(r"- `(\w+)`: ", line) for line in text.splitlines())
    names = [match and match[1] for match in lines]
    return (
        "\n".join((name in eqlab.PUBLIC and summary(str(name))) or line for name, line in zip(names, text.splitlines(), strict=True)) + "\n"
    )


if __name__ == "__main__":
    DOCUMENT.write_text(updated(DOCUMENT.read_text("utf-8")), "utf-8")
