"""The comparison of learning rules: how well each learns, how far it is from backprop, what it costs and how true its gradient is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.figures_style import COLOURS, FAINT, INK, PAPER, Picture, copy_numbers, draw, number, present, scale, shown
from experiments.figures_gradients import angle_axis, angle_of, label_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def comparison(rules: Mapping[str, Mapping[str, Any]], baseline: str = "backprop") -> Picture:
    """Show rules row by row."""
    data = {"baseline": baseline, "rules": {name: _record(record) for name, record in rules.items()}}
    return draw(_paint, data, 9.6, 1.1 + 0.27 * max(len(rules), 3))


def _record(record: Mapping[str, Any]) -> dict[str, Any]:
    cosines = present(copy_numbers(record.get("gradient_cosine") or {}).values())
    return {
        "status": str(record.get("status", "done")),
        "error": record.get("error"),
        "test_error": _interval(record.get("test_error")),
        "paired_difference": _interval(record.get("paired_difference")),
        "seconds_per_sample": number(record.get("seconds_per_sample")),
        "lowest_cosine": min(cosines, default=None),
    }


def _interval(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    mean = number(value.get("mean")) if value else None
    if value is None or mean is None:
        return None
    low, high = (number(bound) for bound in value.get("ci95") or (None, None))
    return {"mean": mean, "ci95": [low, high], "seeds": [number(seed) for seed in value.get("seeds") or ()]}


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    rules = data["rules"]
    aligned = any(rule["lowest_cosine"] is not None for rule in rules.values())
    panels = figure.subplots(1, 4 if aligned else 3, sharey=True, width_ratios=(1.3, 1.3, 1, 1) if aligned else (1.3, 1.3, 1))
    _paint_intervals(panels[0], rules, "test_error")
    _paint_intervals(panels[1], rules, "paired_difference")
    _paint_cost(panels[2], rules)
    panels[0].set(xlabel="test error (%)")
    panels[1].set(xlabel=f"minus {shown(data['baseline'])} (points)")
    if aligned:
        _paint_alignment(panels[3], rules)
    for axes in panels:
        _mark_failures(axes, rules)
    panels[1].axvline(0.0, color=INK, linewidth=0.8, zorder=1)
    label_rows(panels[0], [f"{shown(name)} (failed)" if rule["status"] == "failed" else shown(name) for name, rule in rules.items()])


def _paint_intervals(axes: Axes, rules: Mapping[str, Any], key: str) -> None:
    values = []
    for row, rule in enumerate(rules.values()):
        if rule[key] is None:
            continue
        mean, seeds = 100 * rule[key]["mean"], [100 * seed for seed in present(rule[key]["seeds"])]
        low, high = rule[key]["ci95"]
        values += [mean, *seeds]
        if low is not None and high is not None:
            axes.plot([100 * low, 100 * high], [row, row], color=COLOURS[0], linewidth=1.6, gid=f"{key}-interval-{row}")
        axes.plot(
            seeds,
            [row] * len(seeds),
            "o",
            color=PAPER,
            markeredgecolor=FAINT,
            markeredgewidth=0.7,
            markersize=3.4,
            gid=f"{key}-seeds-{row}",
        )
        axes.plot([mean], [row], "D", color=COLOURS[0], markersize=4.5, markeredgewidth=0, gid=f"{key}-mean-{row}")
    if key == "test_error":
        scale(axes, values, along="x", ratio=6.0)


def _paint_cost(axes: Axes, rules: Mapping[str, Any]) -> None:
    costs = [(row, rule["seconds_per_sample"]) for row, rule in enumerate(rules.values()) if rule["seconds_per_sample"] is not None]
    for row, seconds in costs:
        axes.plot([1e6 * seconds], [row], "o", color=COLOURS[2], markeredgewidth=0, gid=f"cost-{row}")
    scale(axes, [1e6 * seconds for _, seconds in costs], along="x")
    axes.set(xlabel="time per sample (µs)")


def _paint_alignment(axes: Axes, rules: Mapping[str, Any]) -> None:
    angles = [(row, angle_of(rule["lowest_cosine"])) for row, rule in enumerate(rules.values()) if rule["lowest_cosine"] is not None]
    for row, angle in angles:
        axes.plot([angle], [row], "o", color=COLOURS[1], markeredgewidth=0, gid=f"angle-{row}")
    angle_axis(axes, [angle for _, angle in angles])
    axes.set(xlabel="1 − lowest cosine to exact")


def _mark_failures(axes: Axes, rules: Mapping[str, Any]) -> None:
    for row, rule in enumerate(rules.values()):
        if rule["status"] == "failed" and rule["test_error"] is None:
            axes.axhspan(row - 0.36, row + 0.36, facecolor="none", edgecolor="#b0b0b0", hatch="////", linewidth=0, gid=f"failed-{row}")
