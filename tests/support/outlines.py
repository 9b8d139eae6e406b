"""Figures without their rendering, for tests that look at what a command finds and not at how it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from experiments.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RENDERED = style._saved
"""Rendering as users have it."""


def outlined(figure: Figure, kind: str, metadata: dict[str, Any], dots: int) -> bytes:
    """Return an SVG document with the titles, names and notes of a painted figure and nothing else; other formats are rendered."""
    if kind != "svg":
        return RENDERED(figure, kind, metadata, dots)
    width, height = (72 * side for side in figure.get_size_inches())
    texts = [*figure.texts, *(text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts))]
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    texts += [text for legend in legends if legend is not None for text in legend.get_texts()]
    words = [text.get_text() for text in texts]
    lines = "".join(f"<text>{escape(word)}</text>\n" for word in words if word and word.isprintable())
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}pt" height="{height:g}pt" viewBox="0 0 {width:g} {height:g}">'
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}\n{lines}</svg>\n'.encode()
