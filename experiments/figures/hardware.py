"""Figures of hardware studies: accuracy and signal to noise against each imperfection, and test error against energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, scale
from experiments.figures.pareto import pareto
from experiments.figures.style import FAINT, MARKERS, Picture, Row, draw, gaps, in_words, looks, present

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS = 3


def effect_picture(rows: Sequence[Mapping[str, Any]]) -> Picture:
    """Show accuracy and signal to noise against each imperfection; a dashed line is the accuracy of the unvaried device.

    Parameters
    ----------
    rows : sequence of mapping
        Each with ``varied``, ``value``, ``rule``, ``accuracy`` (from ``interval_record``) and ``signal_to_noise``.

    Returns
    -------
    Picture
        Figure whose data are the rows.
    """
    names = list(dict.fromkeys(row["varied"] for row in rows if row["value"]))
    height = 2.5 * max(1, -(-len(names) // _ACROSS))
    return draw(_paint_effects, {"rows": [dict(row) for row in rows], "names": names}, 9.0, height + 0.5, map(_row, rows))


def _row(row: Mapping[str, Any]) -> Row:
    """Tabulate a point; of the unvaried device the mean alone is drawn."""
    accuracy = row["accuracy"]
    ends = [100 * end if end is not None and row["value"] else None for end in accuracy["ci95"]]
    return {
        "rule": row["rule"],
        "varied": row["varied"],
        "value": row["value"],
        "accuracy_percent": None if accuracy["mean"] is None else 100 * accuracy["mean"],
        "accuracy_percent_low": ends[0],
        "accuracy_percent_high": ends[1],
        "signal_to_noise": row["signal_to_noise"] if row["value"] else None,
    }


def _paint_effects(figure: Figure, data: dict[str, Any]) -> None:
    rules = list(dict.fromkeys(row["rule"] for row in data["rows"]))
    look_of = looks(rules)
    down = max(1, -(-len(data["names"]) // _ACROSS))
    grid = figure.subplots(down, min(_ACROSS, max(1, len(data["names"]))), squeeze=False)
    for axes in grid.flat[len(data["names"]) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, data["names"], strict=False):
        chosen = [row for row in data["rows"] if row["varied"] == name]
        values = list(dict.fromkeys(row["value"] for row in chosen))
        beside = axes.twinx() if any(row["signal_to_noise"] for row in chosen) else None
        for index, rule in enumerate(rules):
            mine = [row for row in chosen if row["rule"] == rule]
            _plot_accuracy(axes, mine, data["rows"], rule, {**look_of[rule], "marker": MARKERS[index % len(MARKERS)]})
            if beside is not None:
                beside.plot(range(len(mine)), gaps(row["signal_to_noise"] for row in mine), color=look_of[rule]["color"], linestyle=":")
        if beside is not None:
            scale(beside, present(row["signal_to_noise"] for row in chosen), ratio=1.5)
            beside.set_ylabel("signal / noise" if len(data["names"]) == 1 else "")
            beside.grid(visible=False)
        axes.set_xticks(range(len(values)), values)
        axes.set(title=in_words(name.rpartition(".")[0]), xlabel=_setting(name))
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy (%)")
    keys = [(rule, {**look_of[rule], "marker": MARKERS[index % len(MARKERS)]}) for index, rule in enumerate(rules)]
    if any(row["signal_to_noise"] for row in data["rows"] if row["value"]):
        keys.append(("signal / noise (right)", {"color": FAINT, "linestyle": ":"}))
    if any(row["accuracy"]["mean"] is not None for row in data["rows"] if not row["value"]):
        keys.append(("nothing varied", {"color": FAINT, "linestyle": "--", "linewidth": 0.9}))
    add_key(figure, keys)


def _setting(name: str) -> str:
    """Name a varied setting in words, without the effect that it belongs to."""
    return in_words(name.rpartition(".")[2])


def _plot_accuracy(
    axes: Axes, mine: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], rule: str, look: Mapping[str, Any]
) -> None:
    means = gaps((row["accuracy"]["mean"] for row in mine), 100)
    lows, highs = (gaps((row["accuracy"]["ci95"][end] for row in mine), 100) for end in (0, 1))
    axes.vlines(range(len(mine)), lows, highs, color=look["color"], linewidth=0.8)
    axes.plot(range(len(mine)), means, markersize=4, **look)
    unvaried = next((row["accuracy"]["mean"] for row in rows if row["rule"] == rule and not row["value"]), None)
    if unvaried is not None:
        axes.axhline(100 * unvaried, color=look["color"], linewidth=0.9, linestyle="--")


def front_picture(rows: Sequence[Mapping[str, Any]]) -> Picture:
    """Show test error against energy, with the Pareto front.

    Parameters
    ----------
    rows : sequence of mapping
        Rows as in :func:`effect_picture`, each with ``energy`` in joules.

    Returns
    -------
    Picture
        Figure of one panel, whose points are named after the varied setting.
    """
    points: dict[str, tuple[float | None, float | None]] = {}
    for row in rows:
        error = None if row["accuracy"]["mean"] is None else 100 * (1 - row["accuracy"]["mean"])
        points[f"{row['rule']}, {_setting(row['varied'])} {row['value']}".strip()] = (
            None if row["energy"] is None else 1e6 * row["energy"],
            error,
        )
    return pareto({"energy (µJ)": points}, "test error (%)")
