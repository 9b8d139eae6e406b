"""The comparison of learning rules: how well each learns, how far it is from backprop, what it costs and how true its gradient is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contrastive_core.data.task import Score, error_among
from experiments.figures.axes import add_key, angle_axis, angle_of, label_rows, plain, scale
from experiments.figures.style import COLOURS, FAINT, INK, MINUS, PAPER, Picture, Row, copy_numbers, draw, number, present, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_MEAN: dict[str, Any] = {"color": COLOURS[0], "marker": "D", "markersize": 4.5, "markeredgewidth": 0, "linestyle": "none"}
_INTERVAL: dict[str, Any] = {"color": COLOURS[0], "linewidth": 1.6}
_SEED: dict[str, Any] = {
    "marker": "o",
    "markersize": 3.4,
    "markerfacecolor": PAPER,
    "markeredgecolor": FAINT,
    "markeredgewidth": 0.7,
    "linestyle": "none",
}
_SHADE: dict[str, Any] = {"color": FAINT, "alpha": 0.18, "linewidth": 9, "solid_capstyle": "butt"}
_FAR = 15.0
"""Percentage points of difference above which the axis is logarithmic."""
_REASON = 125
"""Number of characters of an error message that fit into a row."""


def comparison(rules: Mapping[str, Mapping[str, Any]], baseline: str = "backprop") -> Picture:
    """Show each rule's test error, its paired difference to the baseline, its cost, and its gradient's lowest cosine, in a row.

    Parameters
    ----------
    rules : mapping of str to mapping
        Records from ``eqlab compare --json``: ``test_error`` or ``test_rmse``, and ``paired_difference`` (each ``mean``, ``ci95`` and
        ``seeds``), ``cpu_seconds_per_sample``, ``gradient_cosine`` by parameter, ``status`` and ``error``. Each may be missing or None. A
        rule that failed keeps its row, which is hatched unless some seeds succeeded.
    baseline : str
        Rule to which differences are taken.

    Returns
    -------
    Picture
        Figure whose data hold the same without numbers that are not finite; errors in [0, 1], cost in seconds.
    """
    tested = f"test_{error_among((name for record in rules.values() for name in record), 'test').name}"
    data: dict[str, Any] = {"baseline": baseline, "rules": {name: _record(record, tested) for name, record in rules.items()}}
    return draw(_paint, data, 9.6, 1.2 + 0.26 * max(len(rules), 3), _rows(data["rules"]))


def _score(rules: Mapping[str, Any]) -> Score:
    """Return the score that the rules are compared by."""
    return error_among((name for rule in rules.values() for name in rule), "test")


def _rows(rules: Mapping[str, Any]) -> Iterator[Row]:
    score = _score(rules)
    tested, factor = f"test_{score.name}", score.factor
    titles = (f"{tested}_percent", "difference_percent_points") if score.percent else (tested, "difference")
    intervals = dict(zip((tested, "paired_difference"), titles, strict=True))
    for name, rule in rules.items():
        row: dict[str, Any] = {"rule": name, "series": "mean over seeds"}
        for key, column in intervals.items():
            ends: Sequence[Any] = rule[key]["ci95"] if rule[key] else (None, None)
            row[column] = factor * rule[key]["mean"] if rule[key] else None
            row |= {f"{column}_{name}": None if None in ends else factor * end for name, end in zip(("low", "high"), ends, strict=True)}
        cost, cosine = rule["cpu_seconds_per_sample"], rule["lowest_cosine"]
        row["CPU_time_us_per_sample"] = None if cost is None else 1e6 * cost
        row["one_minus_lowest_cosine"] = None if cosine is None else angle_of(cosine)
        yield row
        for key, column in intervals.items():
            for value in present(rule[key]["seeds"]) if rule[key] else ():
                yield {"rule": name, "series": "one seed", column: factor * value}


def _record(record: Mapping[str, Any], tested: str) -> dict[str, Any]:
    cosines = present(copy_numbers(record.get("gradient_cosine") or {}).values())
    return {
        "status": str(record.get("status", "done")),
        "error": None if record.get("error") is None else str(record["error"]),
        tested: _interval(record.get(tested)),
        "paired_difference": _interval(record.get("paired_difference")),
        "cpu_seconds_per_sample": number(record.get("cpu_seconds_per_sample")),
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
    panels = figure.subplots(1, 4 if aligned else 3, width_ratios=(1.4, 1.4, 1, 1) if aligned else (1.4, 1.4, 1))
    score = _score(rules)
    tested = f"test_{score.name}"
    _paint_intervals(panels[0], rules, tested, score)
    _paint_intervals(panels[1], rules, "paired_difference", score)
    _paint_cost(panels[2], rules)
    if aligned:
        _paint_alignment(panels[3], rules)
    for axes in panels:
        label_rows(axes, [_row_name(name, rule, tested) for name, rule in rules.items()] if axes is panels[0] else [""] * len(rules))
    _mark_failures(panels, rules, tested)
    _mark_baseline(panels[1], rules, data["baseline"], score)
    shade = [("negative cosine", _SHADE)] if aligned else []
    add_key(figure, [("mean over seeds", _MEAN), ("95 % interval", _INTERVAL), ("one seed", _SEED), *shade], beside=False)


def _row_name(name: str, rule: Mapping[str, Any], tested: str) -> str:
    if rule["status"] != "failed":
        return shown(name)
    return f"{shown(name)} (failed)" if rule[tested] is None else f"{shown(name)} (some failed)"


def _paint_intervals(axes: Axes, rules: Mapping[str, Any], key: str, score: Score) -> None:
    values, factor = [], score.factor
    for row, rule in enumerate(rules.values()):
        if rule[key] is None:
            continue
        mean, seeds = factor * rule[key]["mean"], [factor * seed for seed in present(rule[key]["seeds"])]
        low, high = rule[key]["ci95"]
        values += [mean, *seeds]
        if low is not None and high is not None:
            axes.plot([factor * low, factor * high], [row, row], **_INTERVAL, gid=f"{key}-interval-{row}")
        axes.plot(seeds, [row] * len(seeds), **_SEED, gid=f"{key}-seeds-{row}")
        axes.plot([mean], [row], **_MEAN, gid=f"{key}-mean-{row}")
    if key != "paired_difference":
        scale(axes, values, along="x", ratio=8.0)
        axes.set(xlabel=f"test {score.heading}", xlim=(max(axes.get_xlim()[0], 0.0), None))  # margins must not suggest negative errors
    elif score.percent and max(map(abs, values), default=0.0) > _FAR:
        _squeeze(axes, max(map(abs, values)))


def _squeeze(axes: Axes, most: float) -> None:
    """Make the axis logarithmic beyond one percentage point, so that a rule that does not learn leaves room for the others."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axes.set_xscale("symlog", linthresh=1.0)
    ticks = [tick for tick in (-100.0, -10.0, -1.0, 0.0, 1.0, 10.0, 100.0) if abs(tick) <= max(most, 10.0)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([plain(tick) for tick in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())


def _paint_cost(axes: Axes, rules: Mapping[str, Any]) -> None:
    seconds = enumerate(rule["cpu_seconds_per_sample"] for rule in rules.values())
    costs = [(row, 1e6 * value) for row, value in seconds if value is not None]
    for row, cost in costs:
        axes.plot([cost], [row], "o", color=INK, markeredgewidth=0, gid=f"cost-{row}")
    scale(axes, [cost for _, cost in costs], along="x")
    axes.set(xlabel="CPU time (µs/sample)")


def _paint_alignment(axes: Axes, rules: Mapping[str, Any]) -> None:
    angles = [(row, angle_of(rule["lowest_cosine"])) for row, rule in enumerate(rules.values()) if rule["lowest_cosine"] is not None]
    for row, angle in angles:
        axes.plot([angle], [row], "o", color=INK, markeredgewidth=0, gid=f"angle-{row}")
    angle_axis(axes, [angle for _, angle in angles])
    axes.set(xlabel=f"1 {MINUS} lowest cosine")


def _mark_baseline(axes: Axes, rules: Mapping[str, Any], baseline: str, score: Score) -> None:
    axes.axvline(0.0, color=INK, linewidth=0.8, zorder=1, gid="zero")
    axes.set(xlabel=f"difference to {shown(baseline)}" + (" (% points)" if score.percent else ""))
    for row, (name, rule) in enumerate(rules.items()):
        if name == baseline and rule[f"test_{score.name}"] is not None:
            axes.annotate("baseline", (0.0, row), (5, 0), textcoords="offset points", va="center", fontsize=7.5, color=FAINT)


def _mark_failures(panels: Sequence[Axes], rules: Mapping[str, Any], tested: str) -> None:
    panels[0].set_zorder(2)  # the reason runs over the next panels
    for row, rule in enumerate(rules.values()):
        if rule["status"] != "failed" or rule[tested] is not None:
            continue
        for axes in panels:
            band = axes.axhspan(row - 0.36, row + 0.36, facecolor="none", edgecolor="#b0b0b0", hatch="////", linewidth=0, zorder=0)
            band.set_gid(f"failed-{row}")
        reason = shown(rule["error"] or "failed", _REASON)
        text = panels[0].text(0.02, row, reason, transform=panels[0].get_yaxis_transform(), va="center", fontsize=7.5)
        text.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 1.5})
        text.set_in_layout(False)
