"""Bounds of a report: what fits into one page that a browser opens at once, with a word about the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any

from experiments.commandline.options import flatten
from experiments.figures.style import Picture
from experiments.report.contents import ReportTable

LARGEST = 330_000
"""Bytes of figures in a report, before their names and digits are shortened; those beyond are named and left out."""
TABLES = 120_000
"""Bytes of tables in a report."""
SECTION = 20_000
"""Bytes of the configuration, and of the provenance."""
_MARKUP = 32
"""Bytes of markup around a cell."""
_LONGEST = 1500
"""Number of characters of a setting that are shown."""
MOST_SETTINGS = 200


def short(value: Any) -> str:
    """Write a value on at most 1500 characters."""
    text = value if isinstance(value, str) else "-" if value is None else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def bounded_pictures(pictures: Mapping[str, Picture]) -> tuple[dict[str, Picture], str]:
    """Keep the figures that fit into a report, and return a sentence that names the others."""
    kept: dict[str, Picture] = {}
    room, left_out = LARGEST, []
    for name, picture in pictures.items():
        size = len(picture.svg.encode())
        if size > room:
            left_out.append(name)
            continue
        room -= size
        kept[name] = picture
    return kept, f". Left out, to keep the page small: {short(', '.join(left_out))}" if left_out else ""


def bounded_tables(tables: Sequence[ReportTable]) -> list[ReportTable]:
    """Keep the first rows of tables that are too large for a report.

    Parameters
    ----------
    tables : sequence of ReportTable
        Tables in their order. None of them takes more than half of the room that those before it left.

    Returns
    -------
    list of ReportTable
        Tables whose titles say how many of their rows are shown, where some are not.
    """
    room, kept = TABLES, []
    for table in tables:
        left, rows = room // 2 - _size([table.title, table.caption, *table.header]), []
        for row in table.rows:
            left -= _size(row)
            if left < 0:
                break
            rows.append(row)
        room -= room // 2 - max(left, 0)
        fewer = len(rows) < len(table.rows)
        title = f"{table.title}; {len(rows)} of {len(table.rows)} rows, to keep the page small" if fewer else table.title
        if rows or not fewer:
            kept.append(table._replace(title=title, rows=rows))
    return kept


def bounded_settings(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Keep the first settings of a section, by dotted names.

    Parameters
    ----------
    settings : mapping
        Nested settings.
    where : str
        File that has them all.

    Returns
    -------
    dict
        Texts by name, the last of which says how many others there are.
    """
    flat = flatten(settings)
    room, kept = SECTION, {}
    for key, value in islice(flat.items(), MOST_SETTINGS):
        text = short(value)
        room -= _size([key, text])
        if room < 0:
            break
        kept[key] = text
    return kept | ({"…": f"and {len(flat) - len(kept)} more in {where}"} if len(flat) > len(kept) else {})


def said_once(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Part the settings of several runs into those that all share and those of each.

    Parameters
    ----------
    settings : mapping of str to mapping
        Nested settings by the name of the run.

    Returns
    -------
    dict
        Shared settings as ``all runs``, then the others by run and dotted name.
    """
    flat = {name: flatten(one) for name, one in settings.items()}
    first = next(iter(flat.values()))
    shared = {key: value for key, value in first.items() if all(key in one and one[key] == value for one in flat.values())}
    own = {name: {key: value for key, value in one.items() if key not in shared} for name, one in flat.items()}
    return {"all runs": shared, **{name: one for name, one in own.items() if one}}


def _size(cells: Sequence[Any]) -> int:
    return sum(len(escape(str(cell)).encode()) + _MARKUP for cell in cells)
