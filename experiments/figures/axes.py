"""Axes, legends and labels that the figures share."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.style import FAINT, LONGEST_NAME, MINUS, gaps, names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

FLOOR = 1e-12
"""Smallest 1 - cosine that is told apart from 0: the rounding error of a sum over many entries in float64 is not far below."""
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def add_key(
    figure: Figure | SubFigure, entries: Sequence[tuple[str, Mapping[str, Any]]], *, beside: bool = True, longest: int = LONGEST_NAME
) -> None:
    """Add a legend beside or below the panels.

    Parameters
    ----------
    figure : Figure or SubFigure
        Figure to extend, in place.
    entries : sequence of (str, mapping)
        Names, and the properties of a line.
    beside : bool
        Whether the legend stands on the right of the panels; otherwise below them.
    longest : int
        Number of characters of a name that are shown.
    """
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **properties) for _, properties in entries]
    labels = names([name for name, _ in entries], longest)
    numbers = [str(index) for index in range(len(entries))]
    if beside:
        legend = figure.legend(handles, numbers, loc="outside right upper")
    else:
        width = 0.08 * max(map(len, labels), default=0) + 0.5  # inches of an entry, its line included
        across = max(1, min(len(entries), 6, int(figure.bbox.width / figure.dpi / width)))
        legend = figure.legend(handles, numbers, loc="outside lower left", ncols=across)
    for text, name in zip(legend.get_texts(), labels, strict=True):
        text.set_text(name)  # not as a label: matplotlib drops those that begin with an underscore


def scale(axes: Axes, values: Sequence[float], *, along: str = "y", ratio: float = 5.0, most: int = 7) -> None:
    """Make an axis logarithmic, in place, if its values are positive and far apart; label it with plain numbers.

    Parameters
    ----------
    axes : Axes
        After plotting.
    values : sequence of float
        Values along the axis.
    along : str
        Axis to scale, x or y.
    ratio : float
        Smallest ratio of largest to smallest value that counts as far apart.
    most : int
        Number of ticks that the axis has room for; x has room for five.
    """
    from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    axis = axes.xaxis if along == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(plain))
    axis.set_major_locator(MaxNLocator(most - 1))
    if not values or min(values) <= 0 or max(values) <= ratio * min(values):
        return
    axes.set(**{f"{along}scale": "log"})
    low, high = axis.get_view_interval()
    ticks = decades(low, high, min(most, 5) if along == "x" else most)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FixedFormatter([plain(tick) for tick in ticks]))
    axis.set_minor_locator(NullLocator())


def lengths(
    means: Sequence[float | None], lows: Sequence[float | None], highs: Sequence[float | None], factor: float = 1.0
) -> list[list[float]]:
    """Return the lengths of error bars below and above means.

    Parameters
    ----------
    means, lows, highs : sequence of float or None
        Means and the ends of their intervals.
    factor : float
        Unit to plot in.

    Returns
    -------
    list of two lists of float
        Not negative; NaN, which draws no bar, where a mean has no interval.
    """
    places, bottoms, tops = (gaps(values, factor) for values in (means, lows, highs))
    return [
        [max(place - low, 0.0) for place, low in zip(places, bottoms, strict=True)],
        [max(high - place, 0.0) for place, high in zip(places, tops, strict=True)],
    ]


def decades(low: float, high: float, most: int) -> list[float]:
    """Choose the ticks of a logarithmic axis: powers of ten, and multiples of them if there is room.

    Parameters
    ----------
    low, high : float
        Ends of the axis.
    most : int
        Largest number of ticks.

    Returns
    -------
    list of float
        Ticks in rising order.
    """
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    for fronts in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
        ticks = [front * 10.0**power for power in powers for front in fronts if low <= front * 10.0**power <= high]
        if len(ticks) <= most:
            return ticks
    return [10.0**power for power in powers if low <= 10.0**power <= high and power % math.ceil(len(powers) / most) == 0]


def label_ends(axes: Axes, ends: Sequence[tuple[str, float, Mapping[str, Any]]], height: float) -> None:
    """Write each line's name beside its last value, moved no further than it takes to keep names apart.

    Parameters
    ----------
    axes : Axes
        Axes whose limits and scale are final.
    ends : sequence of (str, float, mapping)
        Name, last value and properties of each line.
    height : float
        Approximate height of the panel in inches.
    """
    if not ends:
        return
    limits = axes.get_ylim()
    to_place, from_place = (math.log10, lambda place: 10.0**place) if axes.get_yscale() == "log" else (float, float)
    low, high = to_place(limits[0]), to_place(limits[1])
    order = sorted(range(len(ends)), key=lambda index: ends[index][1])
    step = (high - low) * 11.0 / (72.0 * height)  # a line of text in points, over points in an inch
    places = spread([to_place(ends[index][1]) for index in order], step, low, high)
    for index, place in zip(order, places, strict=True):
        name, value, properties = ends[index]
        axes.annotate(
            name,
            xy=(1.0, value),
            xytext=(1.07, from_place(place)),
            xycoords=axes.get_yaxis_transform(),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=8,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "linewidth": 1.2, "shrinkA": 2, "shrinkB": 0, "relpos": (0, 0.5), "patchA": None, **properties},
        )


def spread(places: Sequence[float], step: float, low: float, high: float) -> list[float]:
    """Move ascending places apart, by the least squared distances, and keep them within limits if they fit.

    Parameters
    ----------
    places : sequence of float
        Ascending.
    step : float
        Least distance.
    low, high : float
        Limits.

    Returns
    -------
    list of float
        Ascending by at least ``step``.
    """
    groups: list[list[float]] = []  # a group moves as one: the sum of the first places that its members ask for, and their number
    for place in places:
        groups.append([place, 1])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] + groups[-2][1] * step > groups[-1][0] / groups[-1][1]:
            total, count = groups.pop()
            groups[-1][0] += total - count * groups[-1][1] * step
            groups[-1][1] += count
    moved = [total / count + index * step for total, count in groups for index in range(int(count))]
    for index in range(len(moved)):
        moved[index] = max(moved[index], low + index * step)
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], high - (len(moved) - 1 - index) * step)
    return moved


def plain(value: float, _: object = None) -> str:
    """Write a tick in plain numbers: 0.05, 20, 10⁻⁶.

    Parameters
    ----------
    value : float
        Place of the tick.

    Returns
    -------
    str
        Text, without an exponent between 10⁻³ and 10⁵.
    """
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:g}".replace("-", MINUS)
    exponent = math.floor(math.log10(abs(value)) + 1e-9)
    mantissa = value / 10.0**exponent
    front = "" if abs(mantissa - 1) < 1e-6 else f"{mantissa:g}·".replace("-", MINUS)
    return f"{front}10{str(exponent).translate(_SUPERSCRIPTS)}"


def column(label: str) -> str:
    """Turn the label of an axis into the name of a column: ``CPU time (µs/sample)`` becomes ``CPU_time_us_per_sample``.

    Parameters
    ----------
    label : str
        Label with its unit in brackets, if it has one.

    Returns
    -------
    str
        Letters, digits, dots and underscores.
    """
    for sign, word in (("%", " percent "), ("µ", "u"), ("/", " per ")):
        label = label.replace(sign, word)
    return re.sub(r"[^\w.]+", "_", label).strip("_")


def at(values: Sequence[float | None], index: int, factor: float = 1.0) -> float | None:
    """Return the value at an index in the unit of the plot, or None beyond the end."""
    value = values[index] if index < len(values) else None
    return None if value is None else factor * value


def angle_of(cosine: float) -> float:
    """Return 1 - cosine, no smaller than the floor.

    Parameters
    ----------
    cosine : float
        Cosine in [-1, 1], up to rounding.

    Returns
    -------
    float
        Value in [floor, 2], up to rounding.
    """
    return max(1.0 - cosine, FLOOR)


def angle_axis(axes: Axes, angles: Sequence[float]) -> None:
    """Make an axis of 1 - cosine, in place: logarithmic, with exact gradients on the left and negative cosines shaded.

    Parameters
    ----------
    axes : Axes
        After plotting.
    angles : sequence of float
        Values of 1 - cosine that the axis shows.
    """
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    least = max(min(angles, default=1e-3), FLOOR)
    low = 10.0 ** min(math.floor(math.log10(least)) - 0.4, -2.4)
    axes.set_xlim(low, 3.0)  # before the scale, which would choose limits of its own
    axes.set_xscale("log")
    ticks = decades(low, 3.0, 5)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FixedFormatter([("≤ " if tick <= 1.01 * FLOOR else "") + plain(tick) for tick in ticks]))
    axes.axvspan(1.0, 3.0, color=FAINT, alpha=0.18, linewidth=0, zorder=0)


def label_rows(axes: Axes, rows: Sequence[str]) -> None:
    """Give axes one row per name, in place, the first at the top.

    Parameters
    ----------
    axes : Axes
        After plotting.
    rows : sequence of str
        Names of the rows at y = 0, 1, 2, ...
    """
    axes.set(ylim=(max(len(rows), 1) - 0.5, -0.5), yticks=range(len(rows)))  # the first on top
    axes.set_yticklabels(list(rows))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
