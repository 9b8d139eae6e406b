"""Tuning: error of an estimate against its nudging strength at several tolerances, with the chosen strength."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, scale
from experiments.figures.style import FAINT, INK, Picture, Row, draw, look, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tuning(result: Mapping[str, Any]) -> Picture:
    """Show the relative error of every candidate against its strength, a line per pair of tolerances.

    Parameters
    ----------
    result : mapping
        With ``candidates`` (each ``strength``, ``tolerance``, ``nudged_tolerance``, ``error``), the ``chosen`` one, the ``bound`` on
        the error (or None) and the ``noise`` of a mini-batch.

    Returns
    -------
    Picture
        Figure whose data hold the same without errors that are not finite.
    """
    lines: dict[str, list[tuple[float, float]]] = {}
    for record in result["candidates"]:
        error = number(record["error"])
        if error is not None and error > 0:
            name = f"tolerances {record['tolerance']:g} and {record['nudged_tolerance']:g}"
            lines.setdefault(name, []).append((record["strength"], error))
    chosen = result.get("chosen") or {}
    data: dict[str, Any] = {
        "lines": {
            name: {"strengths": [p[0] for p in sorted(points)], "errors": [p[1] for p in sorted(points)]} for name, points in lines.items()
        },
        "chosen": {"strength": number(chosen.get("strength")), "error": number(chosen.get("error"))},
        "bound": number(result.get("bound")),
        "noise": number(result.get("noise")),
    }
    rows: list[Row] = [
        {"series": name, "nudging_strength": strength, "relative_error": error}
        for name, line in data["lines"].items()
        for strength, error in zip(line["strengths"], line["errors"], strict=True)
    ]
    if data["chosen"]["strength"] and data["chosen"]["error"]:
        rows.append({"series": "chosen", "nudging_strength": data["chosen"]["strength"], "relative_error": data["chosen"]["error"]})
    levels = (("noise of a mini-batch", data["noise"]), ("bound", data["bound"]))
    rows += [{"series": name, "relative_error": level} for name, level in levels if level]
    return draw(_paint, data, 8.0, 4.2, rows)


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    axes = figure.subplots()
    for index, line in enumerate(data["lines"].values()):
        axes.plot(line["strengths"], line["errors"], **look(index), marker="o", markersize=3, gid=f"errors-{index}")
    errors = [error for line in data["lines"].values() for error in line["errors"]]
    for name, level in (("noise of a mini-batch", data["noise"]), ("bound", data["bound"])):
        if level:
            axes.axhline(level, color=FAINT, linewidth=1.0, linestyle=(0, (4, 2)))
            axes.annotate(name, (0.995, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=7.5, color=FAINT)
            errors.append(level)
    if data["chosen"]["strength"] and data["chosen"]["error"]:
        place = [data["chosen"]["strength"]], [data["chosen"]["error"]]
        axes.plot(*place, color=INK, marker="o", markersize=10, markerfacecolor="none", linestyle="none", gid="chosen")
    scale(axes, [s for line in data["lines"].values() for s in line["strengths"]], along="x", ratio=1.0)
    scale(axes, errors, ratio=1.0)
    axes.set(title="Relative error of the estimate (circle: chosen)", xlabel="nudging strength")
    add_key(figure, [(name, look(index)) for index, name in enumerate(data["lines"])])
