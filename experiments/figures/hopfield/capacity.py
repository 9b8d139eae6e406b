"""The figure of the capacity: overlaps against the theory's line, the smeared transition, and its extrapolation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, lengths
from experiments.figures.style import COLOURS, FAINT, INK, MARKERS, Picture, Row, draw, gaps, number
from experiments.runs.intervals import share_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def capacity_picture(result: Mapping[str, Any]) -> Picture:
    """Show the end of retrieval as patterns are added.

    Parameters
    ----------
    result : mapping
        Result of :func:`experiments.hopfield.capacity.analyse`.

    Returns
    -------
    Picture
        Figure whose data are the argument and the theory's line.
    """
    from hebbian.theory.capacity import retrieval_overlap

    end = float(result["theory"]["load"])
    lowest = min(float(point["load"]) for point in result["points"])
    # The overlap falls as a square root at the end of the line: points crowd there.
    loads = [end - (end - 0.9 * lowest) * (1 - index / 40) ** 2 for index in range(41)]
    line = [[load, retrieval_overlap(min(load, end * (1 - 1e-12)))] for load in loads]
    data = dict(result) | {"line": line}
    return draw(_paint, data, 11.0, 3.4, _rows(data))


def _rows(data: Mapping[str, Any]) -> Iterator[Row]:
    for load, overlap in data["line"]:
        yield {"series": "replica theory", "patterns_per_spin": load, "overlap": overlap}
    for point in data["points"]:
        low, high = share_interval(point["retrieved"], point["trials"])
        yield {
            "series": "Monte Carlo",
            "spins": point["size"],
            "patterns_per_spin": point["load"],
            "overlap": number(point["retrieved_overlap"]),
            "share_retrieved": point["retrieved"],
            "share_retrieved_low": low,
            "share_retrieved_high": high,
            "share_retrieved_fitted": point["fitted"],
        }
    fit = data["monte_carlo"]
    found = [(row["size"], row["size"] ** -fit["exponent"], row["load"], row["interval"]) for row in data["midpoints"]]
    for size, place, load, (low, high) in [*found, (None, 0.0, fit["load"], fit["load_interval"])]:
        if number(load) is not None:
            yield {
                "series": "half retrieved" if size else "half retrieved by infinite networks",
                "spins": size,
                "spins_to_minus_x": place,
                "load_at_half": load,
                "load_at_half_low": low,
                "load_at_half_high": high,
            }
    yield {"series": "capacity in replica theory", "load_at_half": data["theory"]["load"]}


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    overlaps, chances, halves = figure.subplots(1, 3)
    sizes = sorted({point["size"] for point in data["points"]})
    overlaps.plot([p[0] for p in data["line"]], [p[1] for p in data["line"]], color=INK)
    for index, size in enumerate(sizes):
        points = sorted((p for p in data["points"] if p["size"] == size), key=lambda p: p["load"])
        look = {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)], "markersize": 4, "linestyle": "none"}
        loads = [p["load"] for p in points]
        overlaps.plot(loads, gaps([number(p["retrieved_overlap"]) for p in points]), **look)
        shares = [p["retrieved"] for p in points]
        lows, highs = zip(*(share_interval(p["retrieved"], p["trials"]) for p in points), strict=True)
        chances.errorbar(loads, shares, yerr=lengths(shares, lows, highs), **look)
        chances.plot(loads, [p["fitted"] for p in points], color=look["color"], linewidth=1)
    for axes in (overlaps, chances):
        axes.axvline(data["theory"]["load"], color=FAINT, linestyle=":")
        axes.set_xlabel("patterns per spin")
    overlaps.set_title("Overlap of retrieved patterns")
    chances.set_title("Share retrieved, 95 % intervals; lines: fit")
    _paint_halves(halves, data)
    names = [(f"N = {size}", {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}) for i, size in enumerate(sizes)]
    add_key(figure, [*names, ("replica theory", {"color": INK}), ("its capacity", {"color": FAINT, "linestyle": ":"})])


def _paint_halves(axes: Axes, data: dict[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator

    fit, rows = data["monte_carlo"], [row for row in data["midpoints"] if number(row["load"]) is not None]
    places = [row["size"] ** -fit["exponent"] for row in rows]
    below = [max(row["load"] - row["interval"][0], 0.0) for row in rows]
    above = [max(row["interval"][1] - row["load"], 0.0) for row in rows]
    axes.errorbar(places, [row["load"] for row in rows], yerr=[below, above], color=COLOURS[1], marker="o", markersize=4, linestyle="none")
    longest = max(places)
    axes.plot([0, longest], [fit["load"], fit["load"] + fit["shift"] * longest], color=COLOURS[1], linewidth=1)
    low, high = fit["load_interval"]
    axes.errorbar(
        [0], [fit["load"]], yerr=[[max(fit["load"] - low, 0.0)], [max(high - fit["load"], 0.0)]], color=INK, marker="D", markersize=4
    )
    axes.xaxis.set_major_locator(MaxNLocator(4))  # small decimals would run into each other
    axes.axhline(data["theory"]["load"], color=FAINT, linestyle=":")
    axes.set(title="Load at which half is retrieved", xlabel=f"N to the power of \N{MINUS SIGN}{fit['exponent']:.2f} (0: infinite N)")
