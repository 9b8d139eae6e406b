"""Openers of descriptions and density of comments."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

from sources import Source

OPENER = re.compile(
    r"(of|as|that|than|which|what|who|whom|whose|how|where|when|why|if|the same|(?:by|for|from|in|of|on|to|with) (?:which|whom|what))\b",
    re.IGNORECASE,
)
"""First words that make a reader decode a description: a relative word, a bare genitive, or a reference to another description."""

DESCRIBED = ("Parameters", "Other Parameters", "Attributes", "Returns", "Yields")
NO_COMMENT = re.compile(r"#(!|\s*(noqa|type:|fmt:|pragma:|ruff:|mypy:))")


class Description(NamedTuple):
    """First words of a description, and where they stand."""

    where: str
    text: str


def opens_badly(text: str) -> bool:
    """Whether a description opens with a relative word, a bare genitive or "the same"."""
    return OPENER.match(text.strip().lstrip("(\"'`*")) is not None


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Strings that stand as statements: docstrings of modules, classes and functions, and those below an assignment."""
    for node in ast.walk(tree):
        for child in getattr(node, "body", []) if not isinstance(node, ast.Lambda | ast.IfExp) else []:
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant) and isinstance(child.value.value, str):
                yield child.value


def descriptions(source: Source) -> list[Description]:
    """Return each docstring's summary and each description of a parameter, attribute or result."""
    found = []
    for constant in docstrings(source.tree):
        lines = str(constant.value).splitlines()
        first = next((i for i, line in enumerate(lines) if line.strip()), None)
        if first is not None:
            wanted = [first, *_described(lines)]
            found += [Description(f"{source.path}:{constant.lineno + i}", lines[i].strip()) for i in wanted]
    return sorted(found, key=lambda one: int(one.where.rpartition(":")[2]))


def _described(lines: list[str]) -> Iterator[int]:
    """Lines that begin the description of an argument, attribute or result in a numpydoc docstring."""
    section, margin, head = "", 0, False
    for i, line in enumerate(lines):
        text, indent = line.strip(), len(line) - len(line.lstrip())
        if i + 1 < len(lines) and text and re.fullmatch(r"\s*-{3,}\s*", lines[i + 1]):
            section, margin, head = text, indent, False
        elif not text or set(text) == {"-"} or section not in DESCRIBED:
            continue
        elif indent <= margin:
            head = True
        elif head:
            head = False
            yield i


def help_texts(source: Source) -> list[Description]:
    """Return the help texts of a file: ``description=`` of a field, ``help=`` of a parameter or command, docstrings of commands."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                text = _leading_text(keyword.value)
                if keyword.arg in ("description", "help", "short_help") and text:
                    found.append(Description(f"{source.path}:{keyword.value.lineno}", text))
        elif isinstance(node, ast.FunctionDef) and any("command" in ast.unparse(d).split("(")[0] for d in node.decorator_list):
            text = ast.get_docstring(node)
            if text:
                found.append(Description(f"{source.path}:{node.lineno}", text))
    return found


def _leading_text(node: ast.expr) -> str:
    """Return the text that a string expression begins with; nothing where it begins with a value."""
    if isinstance(node, ast.JoinedStr):
        return _leading_text(node.values[0]) if node.values else ""
    if isinstance(node, ast.BinOp):
        return _leading_text(node.left)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def comments_and_code(text: str) -> tuple[int, int]:
    """Return the number of comments and of lines of code.

    A comment is a line of its own or one behind code; directives to tools (``noqa``, ``fmt``, ``type``) are none. A line of code holds at
    least one token that is neither a comment nor a string standing as a statement, so that blank lines and docstrings do not count.
    """
    prose = {
        line for constant in docstrings(ast.parse(text)) for line in range(constant.lineno, (constant.end_lineno or constant.lineno) + 1)
    }
    blank = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER, tokenize.ENCODING)
    comments, code = 0, set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments += NO_COMMENT.match(token.string) is None
        elif token.type not in blank:
            code |= set(range(token.start[0], token.end[0] + 1))
    return comments, len(code - prose)
