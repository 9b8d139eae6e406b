"""Figures of devices: answers to pulses, and fits to measured ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key
from experiments.figures.style import COLOURS, FAINT, INK, Picture, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def response_picture(title: str, curves: Sequence[Sequence[float]], pulses: int) -> Picture:
    """Show conductances under pulses up and then down.

    Parameters
    ----------
    title : str
        What the device is.
    curves : sequence of sequence of float
        Per device, in microsiemens, from before the first pulse.
    pulses : int
        In each direction.

    Returns
    -------
    Picture
        Its data are the arguments, and the mean.
    """
    mean = [sum(values) / len(values) for values in zip(*curves, strict=True)]
    return draw(_paint_response, {"title": title, "pulses": pulses, "curves": [list(c) for c in curves], "mean": mean}, 6.0, 3.4)


def _paint_response(figure: Figure, data: dict[str, Any]) -> None:
    axes = figure.subplots()
    for curve in data["curves"]:
        axes.plot(range(len(curve)), curve, color=FAINT, linewidth=0.8)
    axes.plot(range(len(data["mean"])), data["mean"], color=COLOURS[0])
    axes.axvline(data["pulses"], color=INK, linewidth=0.6, linestyle=":")
    axes.set(title=data["title"], xlabel="pulses, first up, then down", ylabel="conductance (uS)")
    add_key(figure, [("one device", {"color": FAINT}), ("mean", {"color": COLOURS[0]})])


def fit_picture(measured: Sequence[Mapping[str, Any]], rising: Sequence[float], falling: Sequence[float]) -> Picture:
    """Show measured trains with the fitted curves, and what is left of them.

    Parameters
    ----------
    measured : sequence of mapping
        Per train ``up`` and ``siemens``.
    rising, falling : sequence of float
        Fitted conductances under potentiation and depression, in siemens.

    Returns
    -------
    Picture
        Its data are the arguments.
    """
    data = {"measured": [dict(train) for train in measured], "rising": list(rising), "falling": list(falling)}
    return draw(_paint_fit, data, 8.0, 3.4)


def _paint_fit(figure: Figure, data: dict[str, Any]) -> None:
    curves, residuals = figure.subplots(1, 2)
    for train in data["measured"]:
        colour = COLOURS[0] if train["up"] else COLOURS[1]
        fitted = data["rising"] if train["up"] else data["falling"]
        place = [index / (len(train["siemens"]) - 1) for index in range(len(train["siemens"]))]
        curves.plot(place, [1e6 * g for g in train["siemens"]], ".", color=colour, markersize=2)
        at = [fitted[round(p * (len(fitted) - 1))] for p in place]
        residuals.plot(place, [1e6 * (g - f) for g, f in zip(train["siemens"], at, strict=True)], ".", color=colour, markersize=2)
    for name in ("rising", "falling"):
        curves.plot([i / (len(data[name]) - 1) for i in range(len(data[name]))], [1e6 * g for g in data[name]], color=INK, linewidth=0.9)
    residuals.axhline(0, color=INK, linewidth=0.6)
    curves.set(title="Measured pulses and fit", xlabel="share of the train", ylabel="conductance (uS)")
    residuals.set(title="What the fit leaves", xlabel="share of the train", ylabel="residual (uS)")
    dots = {"marker": ".", "linestyle": "none"}
    add_key(
        figure, [("potentiation", {"color": COLOURS[0], **dots}), ("depression", {"color": COLOURS[1], **dots}), ("fit", {"color": INK})]
    )
