"""Equations as MathML, which browsers draw by themselves: a page needs neither scripts nor a network."""

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml, pick_math_environment
from sphinx.util.logging import getLogger
from sphinx.util.math import get_node_equation_number

logger = getLogger(__name__)
SYNONYMS = {r"\dots": r"\ldots"}
"""Commands of LaTeX that the converter does not know, with ones that it does."""


def converted(text: str, as_block: bool) -> str:
    """Return an equation as MathML."""
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
