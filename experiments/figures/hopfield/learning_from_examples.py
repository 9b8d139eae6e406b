"""Figures of learning from examples: theory, signal-to-noise and Monte Carlo on one axis, and the thresholds with and without a teacher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, scale
from experiments.figures.style import COLOURS, FAINT, INK, Picture, Row, draw, gaps, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def learning_picture(cells: Sequence[Mapping[str, Any]], thresholds: Mapping[str, float]) -> Picture:
    """Show the first pattern's overlap against the number of examples, one panel per quality.

    Parameters
    ----------
    cells : sequence of mapping
        Each with ``quality``, ``examples`` and, as numbers or None, ``signal_to_noise``, ``gaussian``, ``instance``, ``supervised``,
        ``unsupervised`` and ``supervised_error``, ``unsupervised_error``.
    thresholds : mapping of str to float
        Number of examples that theory predicts, by quality.

    Returns
    -------
    Picture
        Figure whose data are the arguments.
    """
    data: dict[str, Any] = {"cells": [dict(cell) for cell in cells], "thresholds": dict(thresholds)}
    count = len(data["thresholds"])
    return draw(_paint_learning, data, 1.6 + 3.0 * count, 3.2, _rows(data))


_DRAWN = ("signal_to_noise", "gaussian", "instance", *(f"{rule}{end}" for rule in ("supervised", "unsupervised") for end in ("", "_error")))


def _rows(data: Mapping[str, Any]) -> Iterator[Row]:
    for cell in data["cells"]:
        row = {"series": "overlap with the first pattern", "quality": cell["quality"], "examples_per_pattern": cell["examples"]}
        yield row | {name: number(cell[name]) for name in _DRAWN}
    for quality, threshold in data["thresholds"].items():
        yield {"series": "threshold", "quality": float(quality), "examples_per_pattern": threshold}


def _paint_learning(figure: Figure, data: dict[str, Any]) -> None:
    panels = figure.subplots(1, len(data["thresholds"]), sharey=True, squeeze=False)[0]
    for axes, (quality, threshold) in zip(panels, data["thresholds"].items(), strict=True):
        cells = sorted((c for c in data["cells"] if str(c["quality"]) == quality), key=lambda c: c["examples"])
        _paint_quality(axes, cells)
        axes.axvline(threshold, color=FAINT, linestyle=":")
        scale(axes, [float(cell["examples"]) for cell in cells], along="x")
        axes.set(title=f"examples of quality {quality}", xlabel="examples per pattern")
    panels[0].set_ylabel("overlap with the first pattern")
    keys = [
        ("signal to noise", {"color": COLOURS[2], "linestyle": "-."}),
        ("Gaussian theory", {"color": INK}),
        ("instance theory", {"color": INK, "linestyle": "--"}),
        ("supervised", {"color": COLOURS[0], "marker": "o", "linestyle": "none"}),
        ("unsupervised", {"color": COLOURS[1], "marker": "^", "linestyle": "none"}),
        ("threshold", {"color": FAINT, "linestyle": ":"}),
    ]
    add_key(figure, keys)


def _paint_quality(axes: Axes, cells: Sequence[Mapping[str, Any]]) -> None:
    examples = [c["examples"] for c in cells]
    axes.plot(examples, gaps([number(c["signal_to_noise"]) for c in cells]), color=COLOURS[2], linestyle="-.")
    axes.plot(examples, gaps([number(c["gaussian"]) for c in cells]), color=INK)
    axes.plot(examples, gaps([number(c["instance"]) for c in cells]), color=INK, linestyle="--")
    for name, colour, marker in (("supervised", COLOURS[0], "o"), ("unsupervised", COLOURS[1], "^")):
        means, errors = gaps([number(c[name]) for c in cells]), gaps([number(c[f"{name}_error"]) for c in cells])
        axes.errorbar(examples, means, yerr=errors, color=colour, marker=marker, markersize=4, linestyle="none")


def threshold_picture(thresholds: Mapping[str, float], measured: Mapping[str, Mapping[str, float | None]]) -> Picture:
    """Show the number of examples needed against their quality: predicted, and measured with and without a teacher.

    Parameters
    ----------
    thresholds : mapping of str to float
        Number of examples that theory predicts, by quality.
    measured : mapping of str to mapping of str to float or None
        Number of examples found, by rule and quality; None if the grid does not reach it.

    Returns
    -------
    Picture
        Figure whose data are the arguments.
    """
    data: dict[str, Any] = {"thresholds": dict(thresholds), "measured": {rule: dict(values) for rule, values in measured.items()}}
    rows = [
        {"quality": float(quality), "predicted_examples_per_pattern": number(data["thresholds"][quality])}
        | {f"{rule}_examples_per_pattern": number(values[quality]) for rule, values in data["measured"].items()}
        for quality in sorted(data["thresholds"], key=float)
    ]
    return draw(_paint_thresholds, data, 5.6, 3.2, rows)


def _paint_thresholds(figure: Figure, data: dict[str, Any]) -> None:
    axes = figure.subplots()
    order = sorted(data["thresholds"], key=float)
    places = [float(quality) for quality in order]
    predicted = gaps([number(data["thresholds"][quality]) for quality in order])
    axes.plot(places, predicted, color=INK)
    looks = (("o", COLOURS[0]), ("^", COLOURS[1]))
    shown = [value for value in predicted if value == value]
    keys: list[tuple[str, dict[str, Any]]] = [("signal = noise", {"color": INK})]
    for (rule, values), (marker, colour) in zip(data["measured"].items(), looks, strict=True):
        found = gaps([number(values[quality]) for quality in order])
        shown += [value for value in found if value == value]
        look: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": "none", "markersize": 6, "markerfacecolor": "none"}
        axes.plot(places, found, **look)
        keys.append((rule, look))
    scale(axes, shown)
    axes.set(title="Examples needed, with and without a teacher", xlabel="quality r of the examples", ylabel="examples per pattern")
    add_key(figure, keys)
