"""Bias and noise of gradients at a temperature against the strength of the nudge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, scale
from experiments.figures.style import COLOURS, FAINT, Picture, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINES = {
    "positive": "bias, positive",
    "centered": "bias, centered",
    "own": "sampled, own draws",
    "common": "sampled, common draws",
}


def thermal_picture(metrics: Mapping[str, Any]) -> Picture:
    """Show exact biases, errors of sampled contrasts, and the error of the covariance form, which has no strength.

    Parameters
    ----------
    metrics : mapping
        Metrics of ``eqlab thermal``.

    Returns
    -------
    Picture
        Figure whose data are a row per strength.
    """
    sampled = {row["strength"]: row for row in metrics["sampled"]}
    names = {"positive", "centered", "own", "common"}
    rows = [
        {"strength": row["strength"], **{name: value for name, value in {**row, **sampled[row["strength"]]}.items() if name in names}}
        for row in sorted(metrics["biases"], key=lambda row: float(row["strength"]))
    ]
    data = {"rows": rows, "covariance": metrics["covariance_error"], "best": metrics["best_strength"]["common"]}
    titles = {name: shown.replace(", ", "_").replace(" ", "_") for name, shown in _LINES.items()}
    lines = {"sampled_covariance_form": data["covariance"], "best_strength_common_draws": data["best"]}
    table = [{"strength": row["strength"], **{title: row[name] for name, title in titles.items()}, **lines} for row in rows]
    return draw(_paint, data, 6.4, 4.4, table)


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    axes = figure.subplots()
    strengths, keys = [row["strength"] for row in data["rows"]], []
    for index, (name, shown) in enumerate(_LINES.items()):
        look: dict[str, Any] = {"color": COLOURS[index], "marker": "o", "markersize": 3}
        if shown.startswith("bias"):
            look["linestyle"] = "--"
        axes.plot(strengths, [row[name] for row in data["rows"]], **look)
        keys.append((shown, look))
    look = {"color": COLOURS[len(_LINES)]}
    axes.axhline(data["covariance"], **look)
    keys.append(("sampled, covariance form", look))
    axes.axvline(data["best"], color=FAINT, linestyle=":")
    keys.append(("best strength, common draws", {"color": FAINT, "linestyle": ":"}))
    scale(axes, strengths, along="x", ratio=1.0)
    scale(axes, [data["covariance"], *(row[name] for row in data["rows"] for name in _LINES)], ratio=1.0)
    axes.set(title="Error of the gradient at a temperature", xlabel="strength of the nudge", ylabel="relative error")
    add_key(figure, keys)
