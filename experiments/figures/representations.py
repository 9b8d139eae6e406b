"""Figures of representations: outputs in a plane, spectra, learning curves, and correlations of matched units."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key, scale
from experiments.figures.style import COLOURS, FAINT, INK, MARKERS, Picture, Row, draw, gaps, looks, number, present, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4
_COLLAPSED = "value if all outputs are equal"
_LONG_NAME = 44
"""Number of characters of a kind of pairs, such as ``contrastive-hebbian and backprop, same start``."""


def embeddings(networks: Mapping[str, Mapping[str, Any]]) -> Picture:
    """Show each network's outputs in the plane of their largest variance, coloured by class.

    Parameters
    ----------
    networks : mapping of str to mapping
        Each with ``embedding``, a list of points, and ``classes``, a list of labels.

    Returns
    -------
    Picture
        Figure whose data are the points.
    """
    data: dict[str, Any] = {
        name: {"embedding": [[number(x) for x in point] for point in one["embedding"]], "classes": [int(c) for c in one["classes"]]}
        for name, one in networks.items()
    }
    rows = max(1, -(-len(data) // _COLUMNS))
    table = [
        {"network": name, "class": label, "first_principal_axis": point[0], "second_principal_axis": point[1]}
        for name, one in data.items()
        for point, label in zip(one["embedding"], one["classes"], strict=True)
    ]
    return draw(_paint_embeddings, {"networks": data}, 9.6, 0.5 + 2.5 * rows, table)


def _paint_embeddings(figure: Figure, data: dict[str, Any]) -> None:
    networks = data["networks"]
    rows = max(1, -(-len(networks) // _COLUMNS))
    panels = figure.subplots(rows, min(_COLUMNS, max(1, len(networks))), squeeze=False).flatten()
    classes = sorted({label for one in networks.values() for label in one["classes"]})
    for axes, (name, one) in zip(panels, networks.items(), strict=False):
        for index, label in enumerate(classes):
            points = [p for p, c in zip(one["embedding"], one["classes"], strict=True) if c == label]
            axes.plot(gaps([p[0] for p in points]), gaps([p[1] for p in points]), **_dots(index), gid=f"class-{label}")
        axes.set(
            title=shown(name), xticks=[], yticks=[], xlabel="first principal axis", ylabel="second" if axes in panels[::_COLUMNS] else ""
        )
    for axes in panels[len(networks) :]:
        axes.set_visible(False)
    add_key(figure, [(f"class {label}", _dots(index)) for index, label in enumerate(classes[:24])])


def _dots(index: int) -> dict[str, Any]:
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index // len(COLOURS) % len(MARKERS)],
        "linestyle": "none",
        "markersize": 3.0,
        "markeredgewidth": 0,
    }


def spectra(networks: Mapping[str, Mapping[str, Any]]) -> Picture:
    """Show the standard deviations of hidden layer and outputs along their principal axes; small ones are collapsed directions.

    Parameters
    ----------
    networks : mapping of str to mapping
        Each with ``spectrum_hidden`` and ``spectrum_output``, descending.

    Returns
    -------
    Picture
        Figure whose data are the same.
    """
    layers = ("spectrum_hidden", "spectrum_output")
    data = {name: {layer: [number(value) for value in one[layer]] for layer in layers} for name, one in networks.items()}
    table = [
        {"network": name, "layer": layer.removeprefix("spectrum_"), "principal_axis": rank, "standard_deviation": _visible(value)}
        for name, one in data.items()
        for layer in layers
        for rank, value in enumerate(one[layer], start=1)
    ]
    return draw(_paint_spectra, {"networks": data}, 9.0, 3.0, table)


def _visible(deviation: float | None) -> float | None:
    return deviation if deviation and deviation > 1e-6 else None  # smaller ones are collapsed, and roundings


def _paint_spectra(figure: Figure, data: dict[str, Any]) -> None:
    panels = figure.subplots(1, 2)
    look_of = looks(list(data["networks"]))
    for axes, layer, title in zip(panels, ("spectrum_hidden", "spectrum_output"), ("Hidden layer", "Outputs"), strict=True):
        values: list[float] = []
        for index, (name, one) in enumerate(data["networks"].items()):
            curve = one[layer]
            shown_values = [_visible(value) for value in curve]
            axes.plot(range(1, len(curve) + 1), gaps(shown_values), **look_of[name], gid=f"{layer}-{index}")
            values += present(shown_values)
        scale(axes, values)
        axes.set(title=f"{title}: standard deviations", xlabel="principal axis")
    add_key(figure, list(look_of.items()))


def curves(histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], collapsed: float | None = None) -> Picture:
    """Show the objective on views of the validation split and the sweeps per view against the epoch, medians over seeds.

    Parameters
    ----------
    histories : mapping of str to sequence of histories
        For each rule one history per seed, of records with ``epoch``, ``validation_cost`` and ``sweeps_per_sample``.
    collapsed : float, optional
        Value of the objective if all outputs are equal; drawn as a line.

    Returns
    -------
    Picture
        Figure whose data hold the medians.
    """
    rules = {}
    for rule, seeds in histories.items():
        records = [record for history in seeds for record in history if number(record.get("epoch")) is not None]
        epochs = sorted({int(record["epoch"]) for record in records})
        rules[rule] = {"epochs": epochs} | {key: [_median(records, epoch, key) for epoch in epochs] for key in _CURVES}
    return draw(_paint_curves, {"rules": rules, "collapsed": number(collapsed)}, 9.0, 3.0, _curve_rows(rules, number(collapsed)))


def _curve_rows(rules: Mapping[str, Any], collapsed: float | None) -> Iterator[Row]:
    for name, rule in rules.items():
        for index, epoch in enumerate(rule["epochs"]):
            yield {
                "rule": name,
                "epoch": epoch,
                "objective": rule["validation_cost"][index],
                "sweeps_per_view": rule["sweeps_per_sample"][index],
            }
    if collapsed is not None:
        yield {"rule": _COLLAPSED, "objective": collapsed}


_CURVES = {"validation_cost": "Objective on validation views", "sweeps_per_sample": "Sweeps per view, all phases"}


def _median(records: Sequence[Mapping[str, Any]], epoch: int, key: str) -> float | None:
    values = present(number(record.get(key)) for record in records if int(record["epoch"]) == epoch)
    return statistics.median(values) if values else None


def _paint_curves(figure: Figure, data: dict[str, Any]) -> None:
    from matplotlib.ticker import MaxNLocator

    panels: Sequence[Axes] = figure.subplots(1, 2)
    look_of = looks(list(data["rules"]))
    for axes, (key, title) in zip(panels, _CURVES.items(), strict=True):
        for index, (name, rule) in enumerate(data["rules"].items()):
            axes.plot(rule["epochs"], gaps(rule[key]), **look_of[name], gid=f"{key}-{index}")
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    entries: list[tuple[str, Mapping[str, Any]]] = list(look_of.items())
    if data["collapsed"] is not None:
        line: dict[str, Any] = {"color": FAINT, "linestyle": ":", "linewidth": 1.0}
        panels[0].axhline(data["collapsed"], **line, gid="collapsed")
        entries.append((_COLLAPSED, line))
    add_key(figure, entries)


def matches(groups: Mapping[str, Mapping[str, Sequence[float]]]) -> Picture:
    """Show the sorted correlations of matched units of pairs of networks, a panel per layer.

    Parameters
    ----------
    groups : mapping of str to mapping
        By kind of pair and layer, the sizes of the correlations, descending.

    Returns
    -------
    Picture
        Figure whose data are the same.
    """
    data = {name: {layer: [number(value) for value in values] for layer, values in one.items()} for name, one in groups.items()}
    rows = [
        {"networks": name, "layer": layer, "pair": rank, "correlation": value}
        for name, one in data.items()
        for layer, values in one.items()
        for rank, value in enumerate(values)
    ]
    return draw(_paint_matches, {"groups": data}, 9.6, max(3.2, 0.5 + 0.19 * len(data)), rows)


def _paint_matches(figure: Figure, data: dict[str, Any]) -> None:
    groups = data["groups"]
    layers, look_of = list(next(iter(groups.values()), {})), looks(list(groups))
    panels = figure.subplots(1, max(1, len(layers)), squeeze=False, sharey=True)[0]
    for axes, layer in zip(panels, layers, strict=False):
        for index, (name, one) in enumerate(groups.items()):
            axes.plot(gaps(one[layer]), **look_of[name], gid=f"{layer}-{index}")
        axes.axhline(0.0, color=INK, linewidth=0.6)
        axes.set(title=shown(layer), xlabel="pairs of units, best first", ylim=(None, 1.02))
    panels[0].set_ylabel("size of the correlation")
    add_key(figure, list(look_of.items()), longest=_LONG_NAME)
