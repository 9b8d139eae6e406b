"""Relaxation: energy and residual against the sweep, and the movement of each layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, scale
from experiments.figures.style import Picture, Row, draw, gaps, looks, number, present

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def relaxation(traces: Mapping[str, Mapping[str, Sequence[float | None]]]) -> Picture:
    """Show the energy above its last value, and the residual, against the sweep, on logarithmic axes.

    Parameters
    ----------
    traces : mapping of str to mapping
        For each phase or dynamics ``energy`` and ``residual``, one value per sweep, dimensionless; the energy starts before the first
        sweep if it has one value more. Each may be missing.

    Returns
    -------
    Picture
        Figure whose data hold sweeps, energies above the last one and residuals; None for values that are not positive, which a
        logarithmic axis cannot show.
    """
    data: dict[str, Any] = {"traces": {name: _record(trace) for name, trace in traces.items()}}
    return draw(_paint, data, 9.0, max(3.0, 1.0 + 0.2 * len(traces)), _rows(data["traces"]))


def _rows(traces: Mapping[str, Any]) -> Iterator[Row]:
    for name, trace in traces.items():
        energies, residuals = (dict(zip(trace[f"{of}_sweeps"], trace[key], strict=True)) for of, key in _PANELS)
        for sweep in sorted(energies.keys() | residuals.keys()):
            yield {
                "series": name,
                "sweep": sweep,
                "energy_above_last_value": energies.get(sweep),
                "residual": residuals.get(sweep),
            }


_PANELS = (("energy", "energy_above_final"), ("residual", "residual"))


def _record(trace: Mapping[str, Sequence[float | None]]) -> dict[str, Any]:
    energies = [number(value) for value in trace.get("energy") or ()]
    residuals = [number(value) for value in trace.get("residual") or ()]
    final = next((value for value in reversed(energies) if value is not None), 0.0)
    first = 0 if len(energies) > len(residuals) else 1
    return {
        "energy_sweeps": list(range(first, first + len(energies))),
        "energy_above_final": [_positive(None if value is None else value - final) for value in energies],
        "residual_sweeps": list(range(1, 1 + len(residuals))),
        "residual": [_positive(value) for value in residuals],
    }


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    energies, residuals = figure.subplots(1, 2)
    _panel(energies, data["traces"], "energy_sweeps", "energy_above_final")
    _panel(residuals, data["traces"], "residual_sweeps", "residual")
    energies.set(title="Energy above its last value", xlabel="sweep")
    residuals.set(title="Residual", xlabel="sweep")
    add_key(figure, list(looks(list(data["traces"])).items()))


def _panel(axes: Axes, traces: Mapping[str, Any], sweeps: str, values: str) -> None:
    look_of = looks(list(traces))
    for index, (name, trace) in enumerate(traces.items()):
        axes.plot(trace[sweeps], gaps(trace[values]), **look_of[name], gid=f"{values}-{index}")
    scale(axes, [value for trace in traces.values() for value in present(trace[values])], ratio=1.0)


def layer_relaxation(layers: Mapping[str, Sequence[float | None]]) -> Picture:
    """Show how far each layer still moves in a sweep, on a logarithmic axis.

    Parameters
    ----------
    layers : mapping of str to sequence of float
        By name of the layer, from the inputs up, the largest change of any of its units in each sweep.

    Returns
    -------
    Picture
        Figure whose data hold the same; None for values that are not positive.
    """
    data: dict[str, Any] = {"layers": {name: [_positive(number(value)) for value in values] for name, values in layers.items()}}
    rows = [
        {"layer": name, "sweep": sweep, "largest_change": value}
        for name, values in data["layers"].items()
        for sweep, value in enumerate(values, start=1)
    ]
    return draw(_paint_layers, data, 6.4, max(3.0, 1.0 + 0.2 * len(layers)), rows)


def _paint_layers(figure: Figure, data: dict[str, Any]) -> None:
    axes, look_of = figure.subplots(), looks(list(data["layers"]))
    for index, (name, values) in enumerate(data["layers"].items()):
        axes.plot(range(1, 1 + len(values)), gaps(values), **look_of[name], gid=f"layer-{index}")
    scale(axes, [value for values in data["layers"].values() for value in present(values)], ratio=1.0)
    axes.set(title="Largest change of a unit of each layer", xlabel="sweep")
    add_key(figure, list(look_of.items()))
