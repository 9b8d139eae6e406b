"""Equations as MathML, which browsers draw by themselves: a page needs neither scripts nor a network."""

import re
from itertools import accumulate
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml, pick_math_environment
from sphinx.util.logging import getLogger
from sphinx.util.math import get_node_equation_number

logger = getLogger(__name__)
SYNONYMS = {r"\dots": r"\ldots"}
"""Commands of LaTeX that the converter does not know, with ones that it does."""


FRACTION = re.compile(r"\\([td]?)frac(?![a-zA-Z])")
ARGUMENT = re.compile(r"\s*(\\[a-zA-Z]+|\S)")


def braced(text: str) -> str:
    """Return an equation with braces around the arguments of its fractions: the converter reads two digits as one number."""
    start = FRACTION.search(text)
    if start is None:
        return text
    rest, arguments = text[start.end() :], []
    for _ in range(2):
        rest = rest.lstrip()
        if rest.startswith("{"):
            depths = accumulate({"{": 1, "}": -1}.get(letter, 0) for letter in rest)
            end = next(place for place, depth in enumerate(depths) if depth == 0) + 1
            argument, rest = rest[1 : end - 1], rest[end:]
        else:
            found = ARGUMENT.match(rest)
            assert found is not None, f"a fraction of {text!r} has no argument"
            argument, rest = found[1], rest[found.end() :]
        arguments.append(braced(argument))
    return f"{text[: start.start()]}\\{start[1]}frac{{{arguments[0]}}}{{{arguments[1]}}}{braced(rest)}"


def converted(text: str, as_block: bool) -> str:
    """Return an equation as MathML."""
    text = braced(text)
    for command, known in SYNONYMS.items():
        text = text.replace(command, known)
    try:
        return str(latex2mathml.tex2mathml(text, as_block=as_block))
    except MathError as error:
        logger.warning("the equation %r cannot be drawn: %s", text, error)
        return text


def inline(translator: Any, node: nodes.math) -> None:
    """Write an equation inside a line."""
    translator.body.append(converted(node.astext(), as_block=False))
    raise nodes.SkipNode


def block(translator: Any, node: nodes.math_block) -> None:
    """Write an equation on lines of its own, with its number if it has one."""
    text = node.astext().strip()
    if r"\\" in text and not text.startswith(r"\begin"):
        text = rf"\begin{{{pick_math_environment(text)}}}{text}\end{{{pick_math_environment(text)}}}"
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})</span>')
    translator.body.append(f"{converted(text, as_block=True)}</div>")
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Name the renderer for ``html_math_renderer``."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
