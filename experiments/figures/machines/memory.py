"""Peak memory of gradients against the length of the relaxation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, scale
from experiments.figures.style import Picture, Row, draw, looks, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 4
"""Panels side by side; further depths are left out."""


def memory_picture(rows: Sequence[Mapping[str, Any]]) -> Picture:
    """Show the peak memory of every rule against the number of sweeps, a panel for each depth.

    Parameters
    ----------
    rows : sequence of mapping
        Measurements with ``rule``, ``depth``, ``sweeps`` and ``peak_mb`` in mebibytes; those without a peak are left out.

    Returns
    -------
    Picture
        Figure whose data are points by depth and rule.
    """
    panels: dict[str, dict[str, dict[str, list[float]]]] = {}
    table: list[Row] = []
    for row in rows:
        peak = number(row["peak_mb"])
        name = f"{row['depth']} hidden layer{'s' if row['depth'] > 1 else ''}"
        if not peak or (name not in panels and len(panels) == _MOST):
            continue
        line = panels.setdefault(name, {}).setdefault(row["rule"], {"sweeps": [], "peak": []})
        line["sweeps"].append(row["sweeps"])
        line["peak"].append(peak)
        table.append({"hidden_layers": row["depth"], "rule": row["rule"], "sweeps": row["sweeps"], "peak_MiB": peak})
    return draw(_paint, {"panels": panels}, 2.2 + 2.4 * max(len(panels), 1), 3.6, table)


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    panels = data["panels"]
    look_of = looks(list(dict.fromkeys(name for lines in panels.values() for name in lines)))
    everywhere = [peak for lines in panels.values() for line in lines.values() for peak in line["peak"]]
    for column, (axes, (title, lines)) in enumerate(zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True)):
        for row, (name, line) in enumerate(lines.items()):
            axes.plot(line["sweeps"], line["peak"], **look_of[name], marker="o", markersize=3, gid=f"memory-{column}-{row}")
        scale(axes, [sweeps for line in lines.values() for sweeps in line["sweeps"]], along="x", ratio=1.0)
        scale(axes, everywhere, ratio=1.0)
        axes.set(title=title, xlabel="sweeps", ylabel="" if column else "peak memory (MiB)")
        axes.set_ylim(min(everywhere) / 1.5, max(everywhere) * 1.5)
    add_key(figure, [(name, properties) for name, properties in look_of.items()])
