"""Gradients against the exact one: alignment of each layer, and error against the nudging strength."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, angle_axis, angle_of, label_ends, label_rows, plain, scale
from experiments.figures.style import FAINT, INK, MARKERS, MINUS, Picture, Row, copy_numbers, draw, looks, names, number, present

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SMALLEST_ERROR = 1e-15


def gradient_alignment(rules: Mapping[str, Mapping[str, Any]], reference: str = "exact gradient") -> Picture:
    """Show the alignment of each layer's gradient with a reference, the exact one by default, and the relative error against the strength.

    Alignment is shown as 1 - cosine on a logarithmic axis, because most rules differ only in the digits after 0.99; beyond 1 the
    cosine is negative and following the estimate raises the cost. The second panel is left out if no rule has a strength.

    Parameters
    ----------
    rules : mapping of str to mapping
        For each rule ``cosine`` (by parameter), ``relative_error``, ``order`` (the fitted slope of log error against log strength)
        and ``bias`` with ``strengths`` and ``errors``; each may be missing or None.
    reference : str
        Gradient that the others are compared with, for the title.

    Returns
    -------
    Picture
        Figure whose data hold the same without numbers that are not finite.
    """
    data: dict[str, Any] = {"rules": {name: _record(record) for name, record in rules.items()}, "reference": reference}
    return draw(_paint, data, 9.0, 1.4 + 0.27 * max(len(rules), 7), _rows(data["rules"]))


def _rows(rules: Mapping[str, Any]) -> Iterator[Row]:
    for name, rule in rules.items():
        for parameter, cosine in rule["cosine"].items():
            if cosine is not None:
                yield {"rule": name, "parameter": parameter, "one_minus_cosine": angle_of(cosine)}
        bias = rule["bias"] or {"strengths": (), "errors": ()}
        for strength, error in zip(bias["strengths"], bias["errors"], strict=True):
            yield {
                "rule": name,
                "nudging_strength": strength,
                "relative_error": max(error, _SMALLEST_ERROR),
                "fitted_order": rule["order"],
            }


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
    biased = any(rule["bias"] for rule in rules.values())
    panels = figure.subplots(1, 2 if biased else 1, squeeze=False)[0]
    parameters = list(dict.fromkeys(parameter for rule in rules.values() for parameter in rule["cosine"]))
    _paint_cosines(panels[0], rules, parameters, data["reference"])
    if biased:
        _paint_bias(panels[1], rules, figure.get_figheight() - 1.2)
    add_key(figure, [(name, {"color": INK, "linestyle": "none", **_spot(index)}) for index, name in enumerate(parameters)], beside=False)


def _spot(index: int) -> dict[str, Any]:
    return {"marker": MARKERS[index % len(MARKERS)], "markeredgewidth": 0}


def _paint_cosines(axes: Axes, rules: Mapping[str, Any], parameters: Sequence[str], reference: str) -> None:
    angles = []
    look_of = looks(list(rules))
    for row, (name, rule) in enumerate(rules.items()):
        color = look_of[name]["color"] if rule["bias"] else INK
        for index, parameter in enumerate(parameters):
            cosine = rule["cosine"].get(parameter)
            if cosine is None:
                continue
            angles.append(angle_of(cosine))
            offset = 0.5 * ((index + 0.5) / len(parameters) - 0.5)
            axes.plot([angles[-1]], [row + offset], color=color, **_spot(index), gid=f"cosine-{row}-{index}")
        if not present(rule["cosine"].values()):
            place: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 7.5, "color": FAINT}
            axes.text(0.02, row, "no cosine", **place)
    label_rows(axes, names(rules))
    angle_axis(axes, angles)
    axes.set(title=f"Distance from the {reference}", xlabel=f"1 {MINUS} cosine (shaded: negative cosine)")


def _paint_bias(axes: Axes, rules: Mapping[str, Any], height: float) -> None:
    ends, values = [], []
    look_of = looks(list(rules))
    for index, (name, text, rule) in enumerate(zip(rules, names(rules), rules.values(), strict=True)):
        if not rule["bias"]:
            continue
        strengths, errors = rule["bias"]["strengths"], [max(error, _SMALLEST_ERROR) for error in rule["bias"]["errors"]]
        axes.plot(strengths, errors, **look_of[name], marker="o", markersize=3, gid=f"bias-{index}")
        ends.append((f"{text}{_order(rule['order'])}", errors[-1], look_of[name]))
        values += errors
    strengths = sorted({strength for rule in rules.values() if rule["bias"] for strength in rule["bias"]["strengths"]})
    axes.margins(x=0.03)
    scale(axes, strengths, along="x", ratio=1.0)
    scale(axes, values, ratio=1.0)
    axes.set(title="Relative error (and its fitted order)", xlabel="nudging strength", ylim=axes.get_ylim(), xlim=axes.get_xlim())
    if axes.get_xscale() == axes.get_yscale() == "log":
        _paint_guides(axes)
    label_ends(axes, ends, height)


def _order(value: float | None) -> str:
    if value is None:
        return ""
    return f" ({round(value, 2) + 0.0:.2f})".replace("-", MINUS) if abs(value) < 100 else f" ({plain(value)})"


def _paint_guides(axes: Axes) -> None:
    """Draw slopes 1 and 2 in the lower right corner, which is empty because errors rise with the strength."""
    (left, right), (bottom, top) = (tuple(map(math.log10, limits)) for limits in (axes.get_xlim(), axes.get_ylim()))
    length = min(0.22 * (right - left), 0.16 * (top - bottom))
    x, y = right - 0.2 * (right - left) - length, bottom + 0.05 * (top - bottom)
    for slope in (1, 2):
        ends = [10.0**x, 10.0 ** (x + length)], [10.0**y, 10.0 ** (y + slope * length)]
        axes.plot(*ends, color=FAINT, linewidth=1.0, linestyle=(0, (1, 1.5)), gid=f"slope-{slope}")
        place: dict[str, Any] = {"xytext": (3, 0), "textcoords": "offset points", "va": "center", "fontsize": 7.5, "color": FAINT}
        axes.annotate(f"slope {slope}", (ends[0][1], ends[1][1]), **place)
