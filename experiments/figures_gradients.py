"""Gradients against the exact one: how well each layer's is aligned, and how the error falls with the strength."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures_style import FAINT, Picture, add_key, copy_numbers, draw, look, number, plain, present, scale, shown, spot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FLOOR = 1e-12
"""Smallest 1 - cosine that is told apart from 0: rounding in float64, over many entries, is not far below."""
_SMALLEST_ERROR = 1e-15


def gradient_alignment(rules: Mapping[str, Mapping[str, Any]]) -> Picture:
    """Show the alignment of each layer's gradient with the exact one, and the relative error against the strength.

    Alignment is shown as 1 - cosine on a logarithmic axis, because most rules differ only in the digits after 0.99; beyond 1 the
    cosine is negative and following the estimate raises the cost. The second panel is left out if no rule has a strength.

    Parameters
    ----------
    rules : mapping of str to mapping
        For each rule ``cosine`` (by parameter), ``relative_error``, ``order`` (the fitted slope of log error against log strength)
        and ``bias`` with ``strengths`` and ``errors``; any may be missing or None.

    Returns
    -------
    Picture
        Its data hold the same, cleaned of numbers that are not finite.
    """
    data = {"rules": {name: _record(record) for name, record in rules.items()}}
    return draw(_paint, data, 9.0, 1.4 + 0.27 * max(len(rules), 7))


def angle_of(cosine: float) -> float:
    """Return 1 - cosine, no smaller than the floor.

    Parameters
    ----------
    cosine : float
        In [-1, 1] but for rounding.

    Returns
    -------
    float
        In [floor, 2] but for rounding.
    """
    return max(1.0 - cosine, FLOOR)


def angle_axis(axes: Axes, angles: Sequence[float]) -> None:
    """Make the axis of 1 - cosine: logarithmic, exact on the left, and shaded where the cosine is negative.

    Parameters
    ----------
    axes : Axes
        After plotting.
    angles : sequence of float
        That it shows.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    least = max(min(angles, default=1e-3), FLOOR)
    axes.set(xscale="log", xlim=(10.0 ** (math.floor(math.log10(least)) - 0.4), 3.0))
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: ("≤ " if value <= 1.01 * FLOOR else "") + plain(value)))
    axes.axvspan(1.0, 3.0, color=FAINT, alpha=0.18, linewidth=0, zorder=0)


def label_rows(axes: Axes, names: Sequence[str]) -> None:
    """Make one row per name, the first at the top.

    Parameters
    ----------
    axes : Axes
        After plotting.
    names : sequence of str
        At y = 0, 1, 2, ...
    """
    axes.set(ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)))
    axes.set_yticklabels(list(names))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _record(record: Mapping[str, Any]) -> dict[str, Any]:
    bias = record.get("bias") or {"strengths": (), "errors": ()}
    pairs = [(number(strength), number(error)) for strength, error in zip(bias["strengths"], bias["errors"], strict=False)]
    points = sorted((strength, error) for strength, error in pairs if strength is not None and error is not None and strength > 0)
    return {
        "cosine": copy_numbers(record.get("cosine") or {}),
        "relative_error": number(record.get("relative_error")),
        "order": number(record.get("order")),
        "bias": {"strengths": [point[0] for point in points], "errors": [point[1] for point in points]} if points else None,
    }


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    rules = data["rules"]
    biased = {name: rule for name, rule in rules.items() if rule["bias"]}
    panels = figure.subplots(1, 2 if biased else 1, squeeze=False)[0]
    _paint_cosines(panels[0], rules)
    parameters = _parameters(rules)
    add_key(figure, parameters, lines=False, location="outside lower left")
    if biased:
        _paint_bias(panels[1], biased)


def _parameters(rules: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(parameter for rule in rules.values() for parameter in rule["cosine"]))


def _paint_cosines(axes: Axes, rules: Mapping[str, Any]) -> None:
    parameters = _parameters(rules)
    angles = []
    for row, rule in enumerate(rules.values()):
        for index, parameter in enumerate(parameters):
            cosine = rule["cosine"].get(parameter)
            if cosine is None:
                continue
            angles.append(angle_of(cosine))
            offset = 0.5 * ((index + 0.5) / len(parameters) - 0.5)
            axes.plot(angles[-1], row + offset, **spot(index), gid=f"cosine-{row}-{index}")
    label_rows(axes, [shown(name) for name in rules])
    angle_axis(axes, angles)
    axes.set(title="Distance from the exact gradient, per parameter", xlabel="1 − cosine (shaded: negative cosine)")


def _paint_bias(axes: Axes, rules: Mapping[str, Any]) -> None:
    ends = []
    for index, (name, rule) in enumerate(rules.items()):
        strengths, errors = rule["bias"]["strengths"], [max(error, _SMALLEST_ERROR) for error in rule["bias"]["errors"]]
        axes.plot(strengths, errors, **look(index), marker="o", markersize=3, gid=f"bias-{index}")
        order = "" if rule["order"] is None else f"  {rule['order']:.2f}".replace("-", "−")
        ends.append((errors[-1], f"{shown(name)}{order}", look(index)["color"]))
    axes.set(xscale="log", yscale="log", title="Relative error and its order in the strength", xlabel="strength")
    _label_ends(axes, ends)


def _label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    pass
