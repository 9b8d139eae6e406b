"""Error of rules against their nudging strength, where phases are read with errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, scale
from experiments.figures.style import Picture, Row, draw, looks, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 3
"""Panels side by side; further levels are left out."""


def reading_noise(rules: Mapping[str, Mapping[str, Any]]) -> Picture:
    """Show the root mean square error of every rule against its strength, a panel for each error of reading.

    On the right of a curve's minimum the bias rules, where extrapolation helps; on the left the noise, where more points help.

    Parameters
    ----------
    rules : mapping of str to mapping
        For each rule ``levels``, ``strengths`` and ``errors``, a list by level of lists by strength.

    Returns
    -------
    Picture
        Figure whose data hold the same without numbers that are not finite.
    """
    panels: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, record in rules.items():
        for level, errors in list(zip(record["levels"], record["errors"], strict=True))[:_MOST]:
            pairs = [(number(strength), number(error)) for strength, error in zip(record["strengths"], errors, strict=True)]
            points = sorted((strength, error) for strength, error in pairs if strength and error)
            line = {"strengths": [point[0] for point in points], "errors": [point[1] for point in points]}
            panels.setdefault(f"{level:g}", {})[name] = line
    rows: list[Row] = [
        {"error_of_a_reading": level, "rule": name, "nudging_strength": strength, "relative_error": error}
        for level, lines in panels.items()
        for name, line in lines.items()
        for strength, error in zip(line["strengths"], line["errors"], strict=True)
    ]
    return draw(_paint, {"panels": panels}, 3.4 + 2.9 * max(len(panels), 1), 3.8, rows)


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    panels = data["panels"]
    look_of = looks(list(dict.fromkeys(name for lines in panels.values() for name in lines)))
    everywhere = [error for lines in panels.values() for line in lines.values() for error in line["errors"]]
    for column, (axes, (level, lines)) in enumerate(zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True)):
        for row, (name, line) in enumerate(lines.items()):
            axes.plot(line["strengths"], line["errors"], **look_of[name], marker="o", markersize=3, gid=f"noise-{column}-{row}")
        scale(axes, [strength for line in lines.values() for strength in line["strengths"]], along="x", ratio=1.0)
        scale(axes, everywhere, ratio=1.0)
        if everywhere:
            axes.set_ylim(min(everywhere) / 1.5, max(everywhere) * 1.5)
        axes.set(title=f"error of a reading {level}", xlabel="nudging strength", ylabel="" if column else "relative error")
    add_key(figure, [(name, properties) for name, properties in look_of.items()])
