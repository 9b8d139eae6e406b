"""Figures of memristive devices: response to pulses, and fits to measured pulses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key
from experiments.figures.style import COLOURS, FAINT, INK, Picture, Row, draw, in_words

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
    data: dict[str, Any] = {"title": title, "pulses": pulses, "curves": [list(c) for c in curves], "mean": mean}
    named = [*((f"device {index + 1}", curve) for index, curve in enumerate(curves)), ("mean", mean)]
    rows = [{"series": name, "pulse": pulse, "conductance_uS": value} for name, curve in named for pulse, value in enumerate(curve)]
    return draw(_paint_response, data, 6.0, 3.4, rows)


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
    data: dict[str, Any] = {"measured": [dict(train) for train in measured], "rising": list(rising), "falling": list(falling)}
    return draw(_paint_fit, data, 8.0, 3.4, _rows(data))


def _rows(data: Mapping[str, Any]) -> Iterator[Row]:
    for index, train in enumerate(data["measured"]):
        for row in _residuals(train, data["rising"] if train["up"] else data["falling"]):
            yield {"series": f"train {index + 1}", "direction": "potentiation" if train["up"] else "depression"} | dict(row)
    for name, direction in (("rising", "potentiation"), ("falling", "depression")):
        for index, siemens in enumerate(data[name]):
            yield {"series": "fit", "direction": direction, "position": index / (len(data[name]) - 1), "conductance_uS": 1e6 * siemens}


def _residuals(train: Mapping[str, Any], fitted: Sequence[float]) -> Iterator[Row]:
    last = len(train["siemens"]) - 1
    for index, siemens in enumerate(train["siemens"]):
        near = fitted[round(index / last * (len(fitted) - 1))]
        yield {"position": index / last, "conductance_uS": 1e6 * siemens, "residual_uS": 1e6 * (siemens - near)}


def _paint_fit(figure: Figure, data: dict[str, Any]) -> None:
    curves, residuals = figure.subplots(1, 2)
    for train in data["measured"]:
        colour = COLOURS[0] if train["up"] else COLOURS[1]
        rows = list(_residuals(train, data["rising"] if train["up"] else data["falling"]))
        place = [row["position"] for row in rows]
        curves.plot(place, [row["conductance_uS"] for row in rows], ".", color=colour, markersize=2)
        residuals.plot(place, [row["residual_uS"] for row in rows], ".", color=colour, markersize=2)
    for name in ("rising", "falling"):
        curves.plot([i / (len(data[name]) - 1) for i in range(len(data[name]))], [1e6 * g for g in data[name]], color=INK, linewidth=0.9)
    residuals.axhline(0, color=INK, linewidth=0.6)
    curves.set(title="Measured pulses and fit", xlabel="position in the train (0 to 1)", ylabel="conductance (µS)")
    residuals.set(title="Residual of the fit", xlabel="position in the train (0 to 1)", ylabel="residual (µS)")
    dots = {"marker": ".", "linestyle": "none"}
    add_key(
        figure, [("potentiation", {"color": COLOURS[0], **dots}), ("depression", {"color": COLOURS[1], **dots}), ("fit", {"color": INK})]
    )


def deviation_picture(cells: Mapping[str, Mapping[str, Sequence[float]]], tolerance: float) -> Picture:
    """Show measured conductances against their targets, and their deviations.

    Parameters
    ----------
    cells : mapping of str to mapping
        By array: ``target`` and ``written`` conductances of some devices, in siemens.
    tolerance : float
        Deviation within which a conductance counts as written, in siemens.

    Returns
    -------
    Picture
        Figure whose data are the arguments.
    """
    copied = {in_words(name): {key: list(values) for key, values in pair.items()} for name, pair in cells.items()}
    rows: list[Row] = [
        {"array": name, "target_uS": 1e6 * target, "measured_uS": 1e6 * written, "deviation_uS": 1e6 * written - 1e6 * target}
        for name, pair in copied.items()
        for target, written in zip(pair["target"], pair["written"], strict=True)
    ]
    rows += [{"array": "tolerance", "deviation_uS": side * 1e6 * tolerance} for side in (-1, 1)]
    return draw(_paint_deviations, {"cells": copied, "tolerance": tolerance}, 8.0, 3.4, rows)


def _paint_deviations(figure: Figure, data: dict[str, Any]) -> None:
    measured, apart = figure.subplots(1, 2)
    entries: list[tuple[str, Mapping[str, Any]]] = []
    for index, (name, pair) in enumerate(data["cells"].items()):
        dots = {"marker": ".", "linestyle": "none", "color": COLOURS[index % len(COLOURS)]}
        target, written = ([1e6 * siemens for siemens in pair[key]] for key in ("target", "written"))
        measured.plot(target, written, markersize=3, **dots)
        apart.plot(target, [after - before for before, after in zip(target, written, strict=True)], markersize=3, **dots)
        entries.append((name, dots))
    ends = [1e6 * end(pair["target"]) for pair in data["cells"].values() for end in (min, max)]
    measured.plot([min(ends), max(ends)], [min(ends), max(ends)], color=INK, linewidth=0.9)
    for side in (-1, 1):
        apart.axhline(side * 1e6 * data["tolerance"], color=FAINT, linewidth=0.9, linestyle="--")
    measured.set(title="Measured conductances", xlabel="target (µS)", ylabel="measured (µS)")
    apart.set(title="Deviation", xlabel="target (µS)", ylabel="measured less target (µS)")
    add_key(figure, [*entries, ("target", {"color": INK}), ("tolerance", {"color": FAINT, "linestyle": "--"})])
