"""Metrics over the axes of a grid of trials: a curve with intervals, a map with failed cells hatched, or a histogram."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import at, column, lengths, plain, scale
from experiments.figures.style import COLOURS, FAINT, INK, Picture, Row, draw, gaps, in_words, names, number, present, shown, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CELLS = 24
"""Largest number of cells along an axis of a map; longer axes are put together."""
MOST_POINTS = 60
_WRITTEN = 8
"""Largest number of cells along an axis for which numbers are written in the cells."""
_LETTERS = 30
"""Number of letters that fit side by side below one of three panels."""
_TITLE = 34
"""Number of letters that fit above one of three panels."""
_SHADES = 48
"""Number of shades of a map. Bars of 50 or more are drawn as an image, and a report takes no images."""
NO_UNITS: Mapping[str, str] = {}
_HATCH: dict[str, Any] = {"facecolor": "none", "edgecolor": FAINT, "linewidth": 0}


def profile(
    axis: str, labels: Sequence[object], metrics: Mapping[str, Mapping[str, Sequence[float | None]]], units: Mapping[str, str] = NO_UNITS
) -> Picture:
    """Show means with intervals along one axis, in a panel per metric.

    Parameters
    ----------
    axis : str
        Name of the axis.
    labels : sequence
        Values of the axis, numbers or texts.
    metrics : mapping of str to mapping
        For each metric ``mean``, ``low`` and ``high`` (ends of the interval), one number or None per value of the axis. ``failed``
        is the share of trials that failed there.
    units : mapping of str to str
        Units of metrics by name; those without are pure numbers.

    Returns
    -------
    Picture
        Figure whose data are the arguments. Values at which every trial failed are hatched.
    """
    values = [number(label) for label in labels]
    data: dict[str, Any] = {
        "axis": axis,
        "labels": names([str(label) for label in labels]),
        "units": {name: units.get(name, "") for name in metrics},
        "positions": values if labels and None not in values else None,
        "metrics": {name: {key: [number(v) for v in column] for key, column in columns.items()} for name, columns in metrics.items()},
    }
    return draw(_paint_profiles, data, 9.0, 3.2, _profile_rows(data, labels))


def _profile_rows(data: Mapping[str, Any], labels: Sequence[object]) -> Iterator[Row]:
    for index, label in enumerate(data["positions"] or map(str, labels)):
        row: dict[str, Any] = {column(data["axis"]): label}
        for name, metric in data["metrics"].items():
            title = column(with_unit(name, data["units"][name]))
            row[title] = at(metric["mean"], index)
            row |= {f"{title}_{end}": at(metric[end], index) for end in ("low", "high")}
            if metric.get("failed"):
                row[f"{title}_share_failed"] = at(metric["failed"], index)
        yield row


def _paint_profiles(figure: Figure, data: dict[str, Any]) -> None:
    panels = figure.subplots(1, max(len(data["metrics"]), 1), squeeze=False)[0]
    places = data["positions"] or list(range(len(data["labels"])))
    for index, (axes, (name, metric)) in enumerate(zip(panels, data["metrics"].items(), strict=False)):
        colour = COLOURS[index % len(COLOURS)]
        line = "-" if data["positions"] else "none"
        axes.errorbar(
            places, gaps(metric["mean"]), yerr=lengths(metric["mean"], metric["low"], metric["high"]),
            color=colour, marker="o", markersize=3.5, linestyle=line, linewidth=1.2, gid=f"p-{index}",
        )  # fmt: skip
        spread = [value for value in present(metric["mean"]) if value > 0]
        scale(axes, spread if len(spread) == len(present(metric["mean"])) else [], ratio=50.0)
        if data["positions"]:
            scale(axes, places, along="x", ratio=20.0)
        else:
            axes.set_xticks(places, data["labels"])
            if max(map(len, data["labels"]), default=0) * len(places) > _LETTERS:
                axes.tick_params(axis="x", labelrotation=90)
        _hatch_failed(axes, places, metric.get("failed") or [])
        axes.set_title(shown(with_unit(name, data["units"][name]), _TITLE))
        axes.set_xlabel(shown(in_words(data["axis"]), _TITLE))


def _hatch_failed(axes: Axes, places: Sequence[float], failed: Sequence[float | None]) -> None:
    axes.set_xlim(axes.get_xlim())
    edges = [(a + b) / 2 for a, b in pairwise(places)]
    bounds = [axes.get_xlim()[0], *edges, axes.get_xlim()[1]]
    for index, share in enumerate(failed):
        if share == 1.0:
            axes.axvspan(bounds[index], bounds[index + 1], hatch="////", gid=f"failed-{index}", zorder=0, **_HATCH)


def heat_map(
    metric: str,
    axes: tuple[str, str],
    labels: tuple[Sequence[object], Sequence[object]],
    means: Sequence[Sequence[float | None]],
    failed: Sequence[Sequence[float | None]],
    unit: str = "",
) -> Picture:
    """Show a metric's mean over two axes in colour.

    Parameters
    ----------
    metric : str
        Name of the metric.
    axes : tuple of str
        Names of the horizontal and the vertical axis.
    labels : tuple of sequences
        Values of the two axes.
    means : sequence of sequences
        One row per value of the vertical axis; None for a cell without results.
    failed : sequence of sequences
        Share of trials that failed, in the same layout; None for a cell in which no trial has ended.
    unit : str
        Unit of the metric; empty for a pure number.

    Returns
    -------
    Picture
        Figure whose data are the arguments. Cells in which all trials failed are hatched, cells in which some failed have a diagonal,
        and cells without results stay empty.
    """
    data: dict[str, Any] = {
        "metric": metric,
        "unit": unit,
        "axes": list(axes),
        "labels": [names([_label(value) for value in values], 20) for values in labels],
        "means": [[number(value) for value in row] for row in means],
        "failed": [[number(value) for value in row] for row in failed],
    }
    return draw(_paint_map, data, 7.0, min(6.5, 1.7 + 0.32 * len(labels[1])), _map_rows(data, labels))


def _map_rows(data: Mapping[str, Any], labels: tuple[Sequence[object], Sequence[object]]) -> Iterator[Row]:
    across, up = map(column, data["axes"])
    metric = column(with_unit(data["metric"], data["unit"]))
    for y, (means, failed) in enumerate(zip(data["means"], data["failed"], strict=True)):
        for x, (mean, share) in enumerate(zip(means, failed, strict=True)):
            places = (number(label) if number(label) is not None else str(label) for label in (labels[0][x], labels[1][y]))
            yield dict(zip((across, up), places, strict=True)) | {metric: mean, "share_failed": share}


def _label(value: object) -> str:
    known = None if isinstance(value, bool) else number(value)
    return str(value) if known is None else plain(float(f"{known:.4g}"))


def _paint_map(figure: Figure, data: dict[str, Any]) -> None:
    from matplotlib import colormaps
    from matplotlib.ticker import FuncFormatter

    axes = figure.subplots()
    right, up = data["labels"]
    cells = [gaps(row) for row in data["means"]]
    if present(value for row in data["means"] for value in row):
        edges = [[index - 0.5 for index in range(len(values) + 1)] for values in (right, up)]
        mesh = axes.pcolormesh(*edges, cells, cmap=colormaps["cividis"].resampled(_SHADES), gid="cells")
        bar = figure.colorbar(mesh, ax=axes, format=FuncFormatter(plain))
        bar.outline.set_visible(False)
        if len(right) <= _WRITTEN and len(up) <= _WRITTEN:
            _write_numbers(axes, data["means"])
    _mark_failures(axes, data["failed"])
    axes.set(xlim=(-0.5, len(right) - 0.5), ylim=(-0.5, len(up) - 0.5), title=shown(with_unit(data["metric"], data["unit"]), 60))
    for which, labels, most in (("x", right, 9), ("y", up, 12)):
        every = -(-len(labels) // most) if labels else 1
        axes.set(**{f"{which}ticks": range(0, len(labels), every), f"{which}ticklabels": labels[::every]})
    axes.tick_params(axis="x", labelrotation=90 if sum(map(len, right[:: -(-len(right) // 9) or 1])) > 2 * _LETTERS else 0)
    axes.set(xlabel=shown(in_words(data["axes"][0])), ylabel=shown(in_words(data["axes"][1])))
    axes.grid(visible=False)


def _write_numbers(axes: Axes, means: Sequence[Sequence[float | None]]) -> None:
    values = present(value for row in means for value in row)
    low, high = min(values), max(values)
    for y, row in enumerate(means):
        for x, value in enumerate(row):
            if value is not None:
                dark = high > low and (value - low) / (high - low) < 0.55  # cividis begins dark
                axes.text(x, y, f"{value:.3g}", ha="center", va="center", fontsize=7.5, color="white" if dark or high == low else INK)


def _mark_failures(axes: Axes, failed: Sequence[Sequence[float | None]]) -> None:
    from matplotlib.patches import Rectangle

    for y, row in enumerate(failed):
        for x, share in enumerate(row):
            if share == 1.0:
                axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, hatch="////", gid=f"failed-{x}-{y}", **_HATCH))
            elif share:
                axes.plot([x - 0.5, x + 0.5], [y - 0.5, y + 0.5], color=FAINT, linewidth=0.8, gid=f"some-failed-{x}-{y}")


def histogram(metrics: Mapping[str, Sequence[float | None]], units: Mapping[str, str] = NO_UNITS) -> Picture:
    """Show the distributions of some metrics, in a panel each.

    Parameters
    ----------
    metrics : mapping of str to sequence
        Values of all trials, by metric.
    units : mapping of str to str
        Units of metrics by name; those without are pure numbers.

    Returns
    -------
    Picture
        Figure whose data hold the edges and counts of the bins. Values that are not finite are left out.
    """
    units = {name: units.get(name, "") for name in metrics}
    data: dict[str, Any] = {"metrics": {name: _bins(values) for name, values in metrics.items()}, "units": units}
    rows = [
        {"metric": column(with_unit(name, units[name])), "bin_from": low, "bin_to": high, "trials": count}
        for name, bins in data["metrics"].items()
        for (low, high), count in zip(pairwise(bins["edges"]), bins["counts"], strict=True)
    ]
    return draw(_paint_histograms, data, 9.0, 2.8, rows)


def _bins(values: Sequence[float | None]) -> dict[str, list[float]]:
    import numpy as np

    finite = np.array(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not len(finite) or not np.isfinite(finite.max() - finite.min()):
        return {"edges": [], "counts": []}
    try:
        counts, edges = np.histogram(finite, bins=min(MOST_CELLS, 1 + int(len(finite) ** 0.5)))
    except ValueError:  # values so close that there is no room for bins between them
        return {"edges": [float(finite.min()), float(finite.max())], "counts": [len(finite)]}
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _paint_histograms(figure: Figure, data: dict[str, Any]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    panels = figure.subplots(1, max(len(data["metrics"]), 1), squeeze=False)[0]
    for index, (axes, (name, bins)) in enumerate(zip(panels, data["metrics"].items(), strict=False)):
        if bins["edges"]:
            axes.stairs(bins["counts"], bins["edges"], fill=True, color=COLOURS[index % len(COLOURS)], gid=f"bins-{index}")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(plain))
        axes.set(title=shown(with_unit(name, data["units"][name]), _TITLE), ylabel="trials" if index == 0 else "")
