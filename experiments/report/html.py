"""Writing a report as one HTML file, which needs nothing from outside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree

from contrastive_core.errors import InputError
from experiments.commandline.output import Cell, write_text
from experiments.figures.style import FAINT, GRID, INK, PAPER
from experiments.figures.writing import file_name
from experiments.report.contents import Report, ReportTable
from experiments.runs.intervals import EQUAL

if TYPE_CHECKING:
    from markupsafe import Markup


TEMPLATES = Path(__file__).with_name("templates")
_NAMESPACE = re.compile(r"\{[^}]*\}")
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_SIGNED = r"[-+]?(\d[\d.]*(e[-+]?\d+)?|nan|inf)"
_NUMBER = re.compile(rf"-|{EQUAL}|{_SIGNED}|\[{_SIGNED}, *{_SIGNED}\]")
"""Texts that are aligned to the right: a number, an interval, or a dash."""
_DECIMALS = re.compile(r"\d+\.\d{3,}")
_FAMILY = re.compile(r"font-family:[^;]*;? *")
_INSIDE = ("#", "data:image/png;base64,")
"""Beginnings of references that stay inside of the page: a part of the figure, and pixels that the figure carries."""
_DROPPED = ("metadata", "style", "script")
_THEME = {INK: "currentColor", PAPER: "var(--paper)", GRID: "var(--grid)", FAINT: "var(--faint)"}
"""Colours of figures that follow the page when it is dark. The others are legible on white and on black."""


class Refresh(NamedTuple):
    """Settings by which a page in a browser keeps up with a run.

    Attributes
    ----------
    seconds : float
        Time between two requests.
    nonce : str
        Token in the page's policy that allows its own script and no other.
    """

    seconds: float
    nonce: str


def render(page: Report, refresh: Refresh | None = None, figures: str | None = None) -> str:
    """Write a report.

    Parameters
    ----------
    page : Report
        Contents of the report.
    refresh : Refresh, optional
        Settings of a page that is served. Without them the report has no script.
    figures : str, optional
        Directory of the figures' files, relative to the page, which then links to them.

    Returns
    -------
    str
        A whole HTML document. Every text in it is escaped.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html").render(
        page=page,
        refresh=refresh,
        tables=[_prepare(table) for table in page.tables],
        pictures=[
            (caption(name), _inline(picture.svg, f"f{index}-", caption(name)), picture.caption, _links(name, figures))
            for index, (name, picture) in enumerate(page.pictures.items())
        ],
        sections=[("Configuration", list(_lines(page.config))), ("Provenance", list(_lines(page.provenance)))],
    )


def _links(name: str, figures: str | None) -> list[tuple[str, str]]:
    """Return name and address of each file of a figure: its numbers, and itself."""
    if figures is None:
        return []
    kinds = (("numbers (CSV)", "csv"), ("figure (SVG)", "svg"))
    return [(title, f"{quote(figures)}/{quote(file_name(name))}.{kind}") for title, kind in kinds]


_GENERATOR = b'<meta name="generator" content="eqlab">'


def refuse_other_file(path: Path) -> None:
    """Refuse to draw a page over a file that is no page of eqlab; pages are views of a run, and a later one may take their place."""
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as stream:
            if _GENERATOR not in stream.read(1024):
                raise InputError(f"{path} exists and is no page of eqlab; remove it, or choose another --out")


def write_report(path: Path, html: str) -> None:
    """Write a report whole or not at all.

    Parameters
    ----------
    path : Path
        HTML file; its directory is made if it does not exist.
    html : str
        Document from ``render``.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, html)
    except OSError as error:
        raise InputError(f"cannot write the report to {path} ({error.strerror}); choose another --out") from error


def caption(name: str) -> str:
    """Return a picture's name as a caption.

    Parameters
    ----------
    name : str
        Such as ``learning-curves``.

    Returns
    -------
    str
        Such as ``Learning curves``.
    """
    words = name.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _prepare(table: ReportTable) -> dict[str, Any]:
    rows = [[_text(cell) for cell in row] for row in table.rows]
    # Most, not all: a column of numbers may hold a word, such as "failed".
    numeric = [2 * sum(bool(_NUMBER.fullmatch(row[index])) for row in rows) > len(rows) for index in range(len(table.header))]
    return {
        "title": table.title[:1].upper() + table.title[1:],
        "caption": table.caption,
        "columns": list(zip(table.header, numeric, strict=True)),
        "rows": [list(zip(map(_typeset, row), numeric, strict=True)) for row in rows],
    }


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _typeset(text: str) -> str:
    if text == "-":
        return "\N{EN DASH}"
    return re.sub(r"(?<![\w.)])-(?=\d)", "\N{MINUS SIGN}", text) if _NUMBER.fullmatch(text) else text


def _lines(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted keys and values; a list of mappings is numbered from 1."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _lines(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping) for inner in value):
        for index, inner in enumerate(value, start=1):
            yield from _lines(inner, f"{path}.{index}")
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)


def _inline(svg: str, prefix: str, label: str) -> Markup:
    """Make an SVG document a part of a page: no namespaces, unique ids, colours that follow the page.

    An image by ``data:`` URL would need none of this, but its texts could not be selected or searched, it would not follow a dark page,
    and it would be a third larger.
    """
    from markupsafe import Markup

    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        parent.tag = _NAMESPACE.sub("", parent.tag)
        for child in list(parent):
            if _NAMESPACE.sub("", child.tag) in _DROPPED:
                parent.remove(child)
        attributes = {_NAMESPACE.sub("", name): value for name, value in parent.attrib.items()}
        if not attributes.get("href", "#").startswith(_INSIDE):
            del attributes["href"]  # nothing from outside the page
        parent.attrib.clear()
        parent.attrib.update({name: _adapt(name, value, prefix) for name, value in attributes.items()})
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib.update({"role": "img", "aria-label": label})
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _adapt(name: str, value: str, prefix: str) -> str:
    if name == "id":  # figures of one page would otherwise share the ids of clip paths and markers
        return prefix + value
    if name == "href":
        return value.replace("#", f"#{prefix}", 1)
    if name in ("d", "x", "y", "transform"):
        return _DECIMALS.sub(lambda found: f"{float(found.group()):.2f}", value)  # of a point: finer than any screen
    value = _REFERENCE.sub(rf"url(#{prefix}\1)", value)
    if name == "style":  # texts take the page's fonts
        value = _FAMILY.sub("", value)
    return _COLOUR.sub(lambda found: _THEME.get(found.group().lower(), found.group()), value)
