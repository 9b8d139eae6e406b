"""Figures of multitasking networks: retrieval in time, the phase diagram, and learning from examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures_axes import add_key, scale
from experiments.figures_style import COLOURS, FAINT, INK, MARKERS, Picture, draw, gaps, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STATES = {"pure": COLOURS[0], "hierarchical": COLOURS[2], "mixed": COLOURS[4], "symmetric": COLOURS[1], "disordered": "#bbbbbb"}
"""The colour of each state of the theory."""


def recall_picture(result: Mapping[str, Any]) -> Picture:
    """Show overlaps in time against the predicted flow, and energy and losses falling together.

    Parameters
    ----------
    result : mapping
        What :func:`experiments.recall.trial` returns.

    Returns
    -------
    Picture
        Its data are the flow's.
    """
    flow = result["flow"]
    data = {key: flow[key] for key in ("dynamics", "measured", "predicted", "energy", "losses")}
    return draw(_paint_recall, data, 9.0, 3.2)


def _paint_recall(figure: Figure, data: dict[str, Any]) -> None:
    overlaps, energy, losses = figure.subplots(1, 3)
    sweeps = range(len(data["measured"]))
    for index, series in enumerate(zip(*data["measured"], strict=True)):
        colour = COLOURS[index % len(COLOURS)]
        overlaps.plot(sweeps, series, MARKERS[index % len(MARKERS)], color=colour, markersize=3)
        overlaps.plot(sweeps, [row[index] for row in data["predicted"]], color=colour)
        losses.plot(sweeps, [row[index] for row in data["losses"]], color=colour)
    energy.plot(sweeps, data["energy"], color=INK)
    overlaps.set(title="Overlaps; lines: predicted", xlabel=f"sweeps ({data['dynamics']})")
    energy.set(title="Energy per spin", xlabel="sweeps")
    losses.set(title="Loss to each pattern", xlabel="sweeps")
    names = [(f"pattern {index + 1}", {"color": COLOURS[index % len(COLOURS)]}) for index in range(len(data["measured"][0]))]
    add_key(figure, names)


def phase_picture(cells: Sequence[Mapping[str, Any]], lines: Mapping[str, Sequence[Sequence[float | None]]]) -> Picture:
    """Show the theory's ground state at each point of the grid, with Monte Carlo's agreement, and boundary lines.

    Parameters
    ----------
    cells : sequence of mapping
        Each with ``dilution``, ``ratio`` (T over T_c), ``branch``, and ``agrees`` (None where it is undecided); a failed trial has
        ``branch`` None.
    lines : mapping of str to sequence of (dilution, ratio)
        Boundaries of the theory.

    Returns
    -------
    Picture
        Its data are the arguments.
    """
    data = {"cells": [dict(cell) for cell in cells], "lines": {name: [list(point) for point in line] for name, line in lines.items()}}
    return draw(_paint_phase, data, 7.6, 4.6)


def _paint_phase(figure: Figure, data: dict[str, Any]) -> None:
    axes = figure.subplots()
    for state, colour in STATES.items():
        for agrees, marker in ((True, "o"), (None, "s"), (False, "X")):
            chosen = [c for c in data["cells"] if c["branch"] == state and c["agrees"] is agrees]
            face = colour if agrees is not None else "none"
            axes.scatter([c["dilution"] for c in chosen], [c["ratio"] for c in chosen], s=16, marker=marker, c=face, edgecolors=colour)
    failed = [c for c in data["cells"] if c["branch"] is None]
    axes.scatter([c["dilution"] for c in failed], [c["ratio"] for c in failed], s=16, marker="x", c=FAINT)
    for index, line in enumerate(data["lines"].values()):
        axes.plot([p[0] for p in line], gaps([number(p[1]) for p in line]), color=INK, **_dash(index))
    axes.set(title="Ground state: theory in colour; filled where Monte Carlo agrees", xlabel="dilution", ylabel="temperature / T_c")
    dots: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 5}
    keys = [(state, {"color": colour, **dots}) for state, colour in STATES.items()]
    keys += [
        ("undecided", {"color": INK, **dots, "marker": "s", "markerfacecolor": "none"}),
        ("disagrees", {"color": INK, **dots, "marker": "X"}),
    ]
    add_key(figure, [*keys, *((name, {"color": INK, **_dash(index)}) for index, name in enumerate(data["lines"]))])


def _dash(index: int) -> dict[str, Any]:
    return {"linestyle": ("-", "--", ":", "-.")[index % 4], "linewidth": 1.1}


def learning_picture(cells: Sequence[Mapping[str, Any]], thresholds: Mapping[str, float]) -> Picture:
    """Show the first pattern's overlap against the number of examples, one panel per quality.

    Parameters
    ----------
    cells : sequence of mapping
        Each with ``quality``, ``examples`` and, as numbers or None, ``gaussian``, ``instance``, ``supervised``, ``unsupervised``
        and their ``supervised_error``, ``unsupervised_error``.
    thresholds : mapping of str to float
        The number of examples that theory asks for, by quality.

    Returns
    -------
    Picture
        Its data are the arguments.
    """
    data = {"cells": [dict(cell) for cell in cells], "thresholds": dict(thresholds)}
    count = len(data["thresholds"])
    return draw(_paint_learning, data, 1.6 + 3.0 * count, 3.2)


def _paint_learning(figure: Figure, data: dict[str, Any]) -> None:
    panels = figure.subplots(1, len(data["thresholds"]), sharey=True, squeeze=False)[0]
    for axes, (quality, threshold) in zip(panels, data["thresholds"].items(), strict=True):
        cells = sorted((c for c in data["cells"] if str(c["quality"]) == quality), key=lambda c: c["examples"])
        _paint_quality(axes, cells)
        axes.axvline(threshold, color=FAINT, linestyle=":")
        scale(axes, [float(cell["examples"]) for cell in cells], along="x")
        axes.set(title=f"quality {quality}", xlabel="examples per pattern")
    panels[0].set_ylabel("overlap with the first pattern")
    keys = [
        ("Gaussian theory", {"color": INK}),
        ("instance theory", {"color": INK, "linestyle": "--"}),
        ("supervised", {"color": COLOURS[0], "marker": "o", "linestyle": "none"}),
        ("unsupervised", {"color": COLOURS[1], "marker": "^", "linestyle": "none"}),
        ("threshold", {"color": FAINT, "linestyle": ":"}),
    ]
    add_key(figure, keys)


def _paint_quality(axes: Axes, cells: Sequence[Mapping[str, Any]]) -> None:
    examples = [c["examples"] for c in cells]
    axes.plot(examples, gaps([number(c["gaussian"]) for c in cells]), color=INK)
    axes.plot(examples, gaps([number(c["instance"]) for c in cells]), color=INK, linestyle="--")
    for name, colour, marker in (("supervised", COLOURS[0], "o"), ("unsupervised", COLOURS[1], "^")):
        means, errors = gaps([number(c[name]) for c in cells]), gaps([number(c[f"{name}_error"]) for c in cells])
        axes.errorbar(examples, means, yerr=errors, color=colour, marker=marker, markersize=4, linestyle="none")
