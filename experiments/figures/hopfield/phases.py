"""Figures of multitasking networks: retrieval in time, the phase diagram, and overlaps against dilution."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key
from experiments.figures.style import COLOURS, FAINT, INK, MARKERS, Picture, Row, draw, gaps, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATES = {"pure": COLOURS[0], "hierarchical": COLOURS[2], "mixed": COLOURS[4], "symmetric": COLOURS[1], "disordered": "#bbbbbb"}
"""Colour of each state of the theory."""


def recall_picture(result: Mapping[str, Any]) -> Picture:
    """Show overlaps in time against the predicted flow, and energy and losses falling together.

    Parameters
    ----------
    result : mapping
        Metrics of :func:`experiments.hopfield.recall.trial`.

    Returns
    -------
    Picture
        Figure whose data are those of the flow.
    """
    flow = result["flow"]
    data = {key: flow[key] for key in ("dynamics", "measured", "predicted", "energy", "losses")}
    rows = [
        {
            "sweep": sweep,
            "pattern": index + 1,
            "overlap": data["measured"][sweep][index],
            "predicted_overlap": data["predicted"][sweep][index],
            "energy_per_spin": data["energy"][sweep],
            "loss": data["losses"][sweep][index],
        }
        for sweep in range(len(data["measured"]))
        for index in range(len(data["measured"][sweep]))
    ]
    return draw(_paint_recall, data, 9.0, 3.2, rows)


def _paint_recall(figure: Figure, data: dict[str, Any]) -> None:
    overlaps, energy, losses = figure.subplots(1, 3)
    sweeps = range(len(data["measured"]))
    for index, series in enumerate(zip(*data["measured"], strict=True)):
        colour = COLOURS[index % len(COLOURS)]
        overlaps.plot(sweeps, series, MARKERS[index % len(MARKERS)], color=colour, markersize=3)
        overlaps.plot(sweeps, [row[index] for row in data["predicted"]], color=colour)
        losses.plot(sweeps, [row[index] for row in data["losses"]], color=colour)
    energy.plot(sweeps, data["energy"], color=INK)
    overlaps.set(title="Overlaps (lines: theory)", xlabel=f"sweeps ({data['dynamics']})")
    energy.set(title="Energy per spin", xlabel="sweeps")
    losses.set(title="Loss to each pattern", xlabel="sweeps")
    names = [(f"pattern {index + 1}", {"color": COLOURS[index % len(COLOURS)]}) for index in range(len(data["measured"][0]))]
    add_key(figure, names)


def phase_picture(cells: Sequence[Mapping[str, Any]], lines: Mapping[str, Sequence[Sequence[float | None]]], network: str = "") -> Picture:
    """Show the theory's ground state at each point of the grid, with Monte Carlo's agreement, and boundary lines.

    Parameters
    ----------
    cells : sequence of mapping
        Each with ``dilution``, ``ratio`` (T over T_c), ``branch``, and ``agrees`` (None if undecided). A failed trial has
        ``branch`` None.
    lines : mapping of str to sequence of (dilution, ratio)
        Boundaries of the theory.
    network : str
        Patterns, spins and sweeps, for the title.

    Returns
    -------
    Picture
        Figure whose data are the arguments.
    """
    data: dict[str, Any] = {
        "cells": [dict(cell) for cell in cells],
        "lines": {name: [list(point) for point in line] for name, line in lines.items()},
    }
    picture = draw(_paint_phase, data | {"network": network}, 7.6, 4.6, _phase_rows(data))
    return picture._replace(caption=f"{network}. {_PHASE}".removeprefix(". "))


_PHASE = (
    "Colours are ground states of the theory. Points are filled where Monte Carlo agrees, open where it decides nothing, and crosses where "
    "it disagrees. Temperatures are relative to the critical one, so that raw and normalised units give one figure."
)


def _phase_rows(data: Mapping[str, Any]) -> Iterator[Row]:
    verdicts = {True: "agrees", False: "disagrees", None: "undecided"}
    for cell in data["cells"]:
        row = {"series": "point", "dilution": cell["dilution"], "temperature_over_critical": cell["ratio"]}
        verdict = "not sampled" if _is_unsampled(cell) else verdicts[cell["agrees"]]
        row |= {"state": cell["branch"], "monte_carlo": verdict if cell["branch"] else "failed"}
        sampled = cell.get("monte_carlo") or {}
        for title, values in (("theory", cell.get("overlaps")), ("sampled", sampled.get("overlaps")), ("error", sampled.get("error"))):
            row |= {f"m_{index + 1}_{title}": value for index, value in enumerate(values or ())}
        yield row
    for name, line in data["lines"].items():
        for dilution, ratio in line:
            if number(ratio) is not None:
                yield {"series": name, "dilution": dilution, "temperature_over_critical": ratio}


def _is_unsampled(cell: Mapping[str, Any]) -> bool:
    """Tell whether only the theory was asked for."""
    return cell["branch"] is not None and cell.get("verdict", cell) is None


def _paint_phase(figure: Figure, data: dict[str, Any]) -> None:
    axes = figure.subplots()
    for state, colour in STATES.items():
        for agrees, marker in ((True, "o"), (None, "s"), (False, "X")):
            chosen = [c for c in data["cells"] if c["branch"] == state and c["agrees"] is agrees]
            face = colour if agrees is not None else "none"
            axes.scatter([c["dilution"] for c in chosen], [c["ratio"] for c in chosen], s=16, marker=marker, c=face, edgecolors=colour)
    failed = [c for c in data["cells"] if c["branch"] is None]
    hatched: dict[str, Any] = {"facecolors": "none", "edgecolors": FAINT, "hatch": "//////", "linewidths": 0.5, "gid": "failed"}
    axes.scatter([c["dilution"] for c in failed], [c["ratio"] for c in failed], s=60, marker="s", **hatched)
    for index, line in enumerate(data["lines"].values()):
        axes.plot([p[0] for p in line], gaps([number(p[1]) for p in line]), color=INK, **_dash(index))
    sampled = not any(map(_is_unsampled, data["cells"]))  # all points of a diagram are sampled, or none is
    agreement = "; filled where Monte Carlo agrees" if sampled else ""
    axes.set(
        title="\n".join(filter(None, ("Ground state: theory in colour" + agreement, data["network"]))),
        xlabel="dilution",
        ylabel="temperature / critical temperature",
    )
    dots: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 5}
    keys = [(state, {"color": colour, **dots}) for state, colour in STATES.items()]
    keys += [
        ("undecided" if sampled else "not sampled", {"color": INK, **dots, "marker": "s", "markerfacecolor": "none"}),
        *([("disagrees", {"color": INK, **dots, "marker": "X"})] if sampled else []),
    ]
    add_key(figure, [*keys, *((name, {"color": INK, **_dash(index)}) for index, name in enumerate(data["lines"]))])


def _dash(index: int) -> dict[str, Any]:
    return {"linestyle": ("-", "--", ":", "-.")[index % 4], "linewidth": 1.1}


GroundLine = tuple[Sequence[float], Sequence[Sequence[float]], Sequence[float]]
"""Dilutions, overlaps of the ground state at each, and the dilutions at which they jump."""


def dilution_picture(cells: Sequence[Mapping[str, Any]], line: Callable[[float], GroundLine], network: str = "") -> Picture:
    """Show every overlap against the dilution, by theory and Monte Carlo: retrieval turns from hierarchical to parallel.

    Parameters
    ----------
    cells : sequence of mapping
        Cells as in :func:`phase_picture`, with ``overlaps`` of the theory and ``monte_carlo``. The lowest, the middle and the highest
        temperature are shown.
    line : callable
        Maps a temperature over T_c to the ground states of the theory at it.
    network : str
        Patterns, spins and sweeps, for the caption.

    Returns
    -------
    Picture
        Figure whose data are the overlaps, over 1 - d.
    """
    ratios = sorted({float(cell["ratio"]) for cell in cells})
    shown = sorted({ratios[0], ratios[len(ratios) // 2], ratios[-1]})
    panels = []
    for ratio in shown:
        known = sorted((c for c in cells if c["ratio"] == ratio and c["branch"] is not None), key=lambda c: float(c["dilution"]))
        rows = [
            {
                "dilution": c["dilution"],
                "agrees": c["agrees"],
                **{key: [m / (1 - c["dilution"]) for m in c_of(c)] for key, c_of in _SOURCES.items()},
            }
            for c in known
        ]
        places, states, jumps = line(ratio)
        curves = [[m / (1 - place) for place, m in zip(places, column, strict=True)] for column in zip(*states, strict=True)]
        panels.append({"ratio": ratio, "rows": rows, "places": list(places), "curves": curves, "jumps": list(jumps)})
    picture = draw(_paint_dilution, {"panels": panels}, 1.6 + 3.0 * len(panels), 3.2, _dilution_rows(panels))
    return picture._replace(caption=f"{network}. {_DILUTION}".removeprefix(". "))


_DILUTION = (
    "Symbols are sampled overlaps, with standard errors; open ones decide nothing. Lines are ground states of the theory; at a dotted line "
    "they change by a transition of first order, and at all other places continuously."
)


def _dilution_rows(panels: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    titles = {"theory": "theory_over_1_minus_d", "sampled": "sampled_over_1_minus_d", "error": "sampled_over_1_minus_d_error"}
    for panel in panels:
        for row in panel["rows"]:
            for index in range(len(row["theory"])):
                values = {title: row[key][index] for key, title in titles.items()}
                yield {**_place("point", panel, row["dilution"]), "pattern": index + 1, **values, "agrees": row["agrees"]}
        for index, curve in enumerate(panel["curves"]):
            for dilution, value in zip(panel["places"], curve, strict=True):
                yield {**_place("theory", panel, dilution), "pattern": index + 1, titles["theory"]: value}
        for dilution in panel["jumps"]:
            yield _place("first-order transition", panel, dilution)


def _place(series: str, panel: Mapping[str, Any], dilution: float) -> dict[str, Any]:
    return {"series": series, "temperature_over_critical": panel["ratio"], "dilution": dilution}


_SOURCES: dict[str, Callable[[Mapping[str, Any]], Sequence[float]]] = {
    "theory": lambda cell: cell["overlaps"],
    "sampled": lambda cell: cell["monte_carlo"]["overlaps"],
    "error": lambda cell: cell["monte_carlo"]["error"],
}


_FIRST_ORDER: dict[str, Any] = {"color": FAINT, "linestyle": ":"}
_SAMPLED: list[tuple[str, dict[str, Any]]] = [
    ("Monte Carlo", {"color": INK, "marker": "o", "linestyle": "none"}),
    ("undecided", {"color": INK, "marker": "o", "markerfacecolor": "none", "linestyle": "none"}),
]


def _paint_dilution(figure: Figure, data: dict[str, Any]) -> None:
    axes = figure.subplots(1, len(data["panels"]), sharey=True, squeeze=False)[0]
    count = 0
    for panel, one in zip(axes, data["panels"], strict=True):
        places = [row["dilution"] for row in one["rows"]]
        count = max([count, *(len(row["theory"]) for row in one["rows"])])
        for index, curve in enumerate(one["curves"]):
            panel.plot(one["places"], curve, color=COLOURS[index % len(COLOURS)])
        for jump in one["jumps"]:
            panel.axvline(jump, **_FIRST_ORDER)
        for index in range(count):
            colour = COLOURS[index % len(COLOURS)]
            means, errors = ([row[key][index] for row in one["rows"]] for key in ("sampled", "error"))
            look: dict[str, Any] = {"color": colour, "marker": MARKERS[index % len(MARKERS)], "markersize": 3.5, "linestyle": "none"}
            for undecided in (False, True):
                chosen = [place for place, row in enumerate(one["rows"]) if (row["agrees"] is None) is undecided]
                x, y, bars = ([column[place] for place in chosen] for column in (places, means, errors))
                panel.errorbar(x, y, yerr=bars, **look, markerfacecolor="none" if undecided else colour, gid=f"sampled-{index}-{undecided}")
        panel.set(title=f"{one['ratio']:g} of the critical temperature", xlabel="dilution d")
    axes[0].set_ylabel("overlap / (1 \N{MINUS SIGN} d)")
    names: list[tuple[str, dict[str, Any]]] = [
        (f"pattern {index + 1}", {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]})
        for index in range(count)
    ]
    order = [("first-order transition", _FIRST_ORDER)] if any(one["jumps"] for one in data["panels"]) else []
    add_key(figure, [*names, ("theory", {"color": INK}), *order, *_SAMPLED])
