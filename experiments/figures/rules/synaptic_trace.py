"""The trace of a synapse over the sweeps of the nudged phase, and the distance of all traces from the contrast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, scale
from experiments.figures.style import INK, Picture, Row, draw, gaps, looks, number, present, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEAST = 1e-17
"""Distance at which one of 0 is drawn."""


def synaptic_trace(record: Mapping[str, Any]) -> Picture:
    """Show what one synapse has added up after every sweep beside the contrast of the present state, and how far all synapses are from it.

    A midpoint trace is the contrast at every moment, to rounding, without a memory of the free state.

    Parameters
    ----------
    record : mapping
        ``synapse``, ``contrast`` by sweep, and ``pairings``: for each ``trace`` and ``difference`` by sweep.

    Returns
    -------
    Picture
        Figure whose data hold the same without numbers that are not finite.
    """
    pairings = {
        name: {
            "trace": [number(value) for value in one["trace"]],
            # Before the first sweep all are 0.
            "difference": [
                None if not index or (off := number(value)) is None else max(off, _LEAST) for index, value in enumerate(one["difference"])
            ],
        }
        for name, one in record["pairings"].items()
    }
    data = {"synapse": str(record["synapse"]), "contrast": [number(value) for value in record["contrast"]], "pairings": pairings}
    rows: list[Row] = [
        {"pairing": name, "sweep": sweep, "contrast": contrast, "trace": one["trace"][sweep], "distance": one["difference"][sweep]}
        for name, one in pairings.items()
        for sweep, contrast in enumerate(data["contrast"])
    ]
    return draw(_paint, data, 9.0, 3.4, rows)


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    traces, distances = figure.subplots(1, 2)
    look_of = looks(list(data["pairings"]))
    sweeps = range(len(data["contrast"]))
    circles: dict[str, Any] = {"color": INK, "linestyle": "none", "marker": "o", "markersize": 5, "fillstyle": "none"}
    traces.plot(sweeps, gaps(data["contrast"]), **circles, gid="contrast")
    for index, (name, one) in enumerate(data["pairings"].items()):
        traces.plot(sweeps, gaps(one["trace"]), **look_of[name], gid=f"trace-{index}")
        distances.plot(sweeps, gaps(one["difference"]), **look_of[name], gid=f"distance-{index}")
    scale(distances, [value for one in data["pairings"].values() for value in present(one["difference"])])
    traces.set(title=f"Sum of the trace of {shown(data['synapse'].replace('_', ' '))}", xlabel="sweep of the nudged phase")
    distances.set(title="Distance of all traces from the contrast", xlabel="sweep of the nudged phase")
    add_key(figure, [("contrast", circles), *look_of.items()])
