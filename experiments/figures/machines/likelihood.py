"""Likelihood of a Boltzmann machine over its training, and the autocorrelation of its energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key
from experiments.figures.style import COLOURS, FAINT, Picture, Row, draw, gaps, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVES = {"training samples": "train_log_likelihood", "test samples": "test_log_likelihood"}


def likelihood_picture(history: Sequence[Mapping[str, Any]]) -> Picture:
    """Show the mean log likelihood of training and test samples against the epoch, with the error of log Z.

    Parameters
    ----------
    history : sequence of mapping
        Records with ``epoch`` and, where it was measured, ``train_log_likelihood``, ``test_log_likelihood`` and ``log_partition_error``,
        in nats.

    Returns
    -------
    Picture
        Figure whose data are the epochs with a likelihood.
    """
    names = ("epoch", *_CURVES.values(), "log_partition_error")
    rows = [{name: number(record.get(name)) for name in names} for record in history if number(record.get(names[2])) is not None]
    table = [
        {"samples": shown, "epoch": row["epoch"], "log_likelihood_nats": row[name], "log_likelihood_nats_error": row["log_partition_error"]}
        for shown, name in _CURVES.items()
        for row in rows
    ]
    return draw(_paint_likelihood, {"rows": rows}, 5.6, 3.2, table)


def _paint_likelihood(figure: Figure, data: dict[str, Any]) -> None:
    axes = figure.subplots()
    epochs, errors = [row["epoch"] for row in data["rows"]], gaps(row["log_partition_error"] for row in data["rows"])
    keys = []
    for index, (shown, name) in enumerate(_CURVES.items()):
        look: dict[str, Any] = {"color": COLOURS[index], "marker": "o", "markersize": 3}
        axes.errorbar(epochs, gaps(row[name] for row in data["rows"]), yerr=errors, **look)
        keys.append((shown, look))
    axes.set(title="Mean log likelihood", xlabel="epoch", ylabel="nats per sample")
    add_key(figure, keys)


def mixing_picture(curve: Sequence[float | None], time: float | None) -> Picture:
    """Show the autocorrelation of the energy against the number of sweeps.

    Parameters
    ----------
    curve : sequence of float
        Autocorrelation by lag, 1 at lag 0.
    time : float, optional
        Integrated autocorrelation time in sweeps.

    Returns
    -------
    Picture
        Figure whose data are the arguments.
    """
    values = [number(value) for value in curve]
    rows: list[Row] = [{"lag_sweeps": lag, "autocorrelation": value} for lag, value in enumerate(values)]
    return draw(_paint_mixing, {"curve": values, "time": number(time)}, 5.0, 3.0, rows)


def _paint_mixing(figure: Figure, data: dict[str, Any]) -> None:
    axes = figure.subplots()
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.plot(range(len(data["curve"])), gaps(data["curve"]), color=COLOURS[0])
    time = "" if data["time"] is None else f", integrated time {data['time']:.1f} sweeps"
    axes.set(title=f"Autocorrelation of the energy{time}", xlabel="sweeps", ylabel="autocorrelation")
