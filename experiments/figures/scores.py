"""Figure of scores: how alike views of one sample are, and views of different samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.figures.axes import add_key
from experiments.figures.style import COLOURS, Picture, draw, gaps, number, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 4
_SIDES = {"positive": "two views of one sample", "negative": "views of two samples"}


def scores(networks: Mapping[str, Mapping[str, Any]]) -> Picture:
    """Show the histograms of the cosines of positive and negative pairs, a panel for each network.

    Parameters
    ----------
    networks : mapping of str to mapping
        Each with ``scores_positive`` and ``scores_negative``, densities on equal bins from -1 to 1.

    Returns
    -------
    Picture
        Figure whose data are the same.
    """
    data = {name: {side: [number(value) for value in one[f"scores_{side}"]] for side in _SIDES} for name, one in networks.items()}
    table = [
        {"network": name, "cosine": centre, **{f"density_{side}": one[side][place] for side in _SIDES}}
        for name, one in data.items()
        for place, centre in enumerate(_centres(len(one["positive"])))
    ]
    rows = max(1, -(-len(data) // _COLUMNS))
    return draw(_paint, {"networks": data}, 9.6, 0.5 + 2.5 * rows, table)


def _centres(bins: int) -> list[float]:
    return [-1 + (2 * place + 1) / bins for place in range(bins)]


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    networks = data["networks"]
    rows = max(1, -(-len(networks) // _COLUMNS))
    panels = figure.subplots(rows, min(_COLUMNS, max(1, len(networks))), squeeze=False, sharex=True).flatten()
    for axes, (name, one) in zip(panels, networks.items(), strict=False):
        for index, side in enumerate(_SIDES):
            axes.step(_centres(len(one[side])), gaps(one[side]), where="mid", color=COLOURS[index], gid=f"{side}-{name}")
        axes.set(title=shown(name), xlabel="cosine of two outputs", ylabel="density" if axes in panels[::_COLUMNS] else "", xlim=(-1, 1))
    for axes in panels[len(networks) :]:
        axes.set_visible(False)
    add_key(figure, [(text, {"color": COLOURS[index]}) for index, text in enumerate(_SIDES.values())])
