"""Print the lines of ``docs/api.md`` that come from docstrings: ``python tests/by_hand/api_lines.py``."""

import inspect
import re

import eqlab
from contrastive_core.registry import Table


def summary(name: str) -> str | None:
    """Return the line of a public name, made of the first line of its docstring; None for a table, which is described by hand."""
    found = getattr(eqlab, name)
    if isinstance(found, Table):
        return None
    first = (inspect.getdoc(found) or "").split("\n")[0]
    first = re.sub(r":math:`([^`]*)`", r"$\1$", first)
    first = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", first).replace("``", "`")
    return f"- `{name}`: {first}"


if __name__ == "__main__":
    print("\n".join(summary(name) or f"- `{name}`: (table)" for name in eqlab.PUBLIC))
