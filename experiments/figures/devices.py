"""Figures of memristive devices: response to pulses, and fits to measured pulses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key
from experiments.figures.style import COLOURS, FAINT, INK, Picture, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def response_picture(title: str, curves: Sequence[Sequence[float]], pulses: int) -> Picture:
    """Show conductances under potentiating, then depressing pulses.

    Parameters
    ----------
    title : str
        Description of the device.
    curves : sequence of sequence of float
        Conductances of each device in microsiemens, from before the first pulse.
    pulses : int
        Number of pulses in each direction.

    Returns
    -------
    Picture
        Figure whose data are the arguments, and the mean.
    """
    mean = [sum(values) / len(values) for values in zip(*curves, strict=True)]
    return draw(_paint_response, {"title": title, "pulses": pulses, "curves": [list(c) for c in curves], "mean": mean}, 6.0, 3.4)


def _paint_response(figure: Figure, data: dict[str, Any]) -> None:
    axes = figure.subplots()
    for curve in data["curves"]:
        axes.plot(range(len(curve)), curve, color=FAINT, linewidth=0.8)
    axes.plot(range(len(data["mean"])), data["mean"], color=COLOURS[0])
    axes.axvline(data["pulses"], color=INK, linewidth=0.6, linestyle=":")
    axes.set(title=data["title"], xlabel="pulse (first potentiation, then depression)", ylabel="conductance (µS)")
    add_key(figure, [("one device", {"color": FAINT}), ("mean", {"color": COLOURS[0]})])


def fit_picture(measured: Sequence[Mapping[str, Any]], rising: Sequence[float], falling: Sequence[float]) -> Picture:
    """Show measured pulse trains with the fitted curves, and the residuals.

    Parameters
    ----------
    measured : sequence of mapping
        Pulse trains, each with ``up`` (whether it potentiates) and ``siemens``.
    rising, falling : sequence of float
        Fitted conductances under potentiation and depression, in siemens.

    Returns
    -------
    Picture
        Figure whose data are the arguments.
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
    curves.set(title="Measured pulses and fit", xlabel="position in the train (0 to 1)", ylabel="conductance (µS)")
    residuals.set(title="Residual of the fit", xlabel="position in the train (0 to 1)", ylabel="residual (µS)")
    dots = {"marker": ".", "linestyle": "none"}
    add_key(
        figure, [("potentiation", {"color": COLOURS[0], **dots}), ("depression", {"color": COLOURS[1], **dots}), ("fit", {"color": INK})]
    )
