"""Filters of a convolutional network, and the activities of its layers on one sample, as pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.style import Picture, draw, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS = 8
"""Filters that stand side by side."""

Tile = Sequence[Sequence[float | None]]
"""Values of a small picture, a list for each row."""


def filters(weights: Sequence[Sequence[Tile]]) -> Picture:
    """Show the filters of a layer as pictures, in one scale that is symmetric around 0.

    Parameters
    ----------
    weights : sequence of sequence of tiles
        Weights of each filter, by channel of the inputs.

    Returns
    -------
    Picture
        Figure whose data are the same. Eight filters stand side by side, the channels of each below one another.
    """
    data: dict[str, Any] = {"filters": [[_copy(tile) for tile in one] for one in weights]}
    rows = [
        {"filter": f, "channel": c, "row": y, "column": x, "weight": value}
        for f, one in enumerate(data["filters"], start=1)
        for c, tile in enumerate(one, start=1)
        for y, line in enumerate(tile)
        for x, value in enumerate(line)
    ]
    channels = max((len(one) for one in data["filters"]), default=1)
    bands = -(-len(data["filters"]) // _ACROSS)
    return draw(_paint_filters, data, 7.2, 0.7 + 0.75 * channels * bands, rows)


def feature_maps(layers: Mapping[str, Sequence[Tile]]) -> Picture:
    """Show the activities of each layer on one sample: a panel for each layer, and in it a tile for each channel.

    Parameters
    ----------
    layers : mapping of str to sequence of tiles
        Activities by name of the layer, from the inputs up.

    Returns
    -------
    Picture
        Figure whose data are the same; each panel has a scale of its own.
    """
    data: dict[str, Any] = {"layers": {name: [_copy(tile) for tile in tiles] for name, tiles in layers.items()}}
    rows = [
        {"layer": name, "channel": c, "row": y, "column": x, "activity": value}
        for name, tiles in data["layers"].items()
        for c, tile in enumerate(tiles, start=1)
        for y, line in enumerate(tile)
        for x, value in enumerate(line)
    ]
    return draw(_paint_maps, data, 0.4 + 2.3 * max(len(layers), 1), 2.6, rows)


def _copy(tile: Tile) -> list[list[float | None]]:
    return [[number(value) for value in line] for line in tile]


def _paint_filters(figure: Figure, data: dict[str, Any]) -> None:
    from matplotlib import colormaps

    bands = [data["filters"][start : start + _ACROSS] for start in range(0, len(data["filters"]), _ACROSS)]
    tiles = [[one[channel] if channel < len(one) else [] for one in band] for band in bands for channel in range(max(map(len, band)))]
    largest = max((abs(value) for row in tiles for tile in row for line in tile for value in line if value is not None), default=1.0) or 1.0
    axes = figure.subplots()
    mesh = draw_tiles(axes, tiles, cmap=colormaps["PuOr"], vmin=-largest, vmax=largest)
    figure.colorbar(mesh, ax=axes, label="weight")


def _paint_maps(figure: Figure, data: dict[str, Any]) -> None:
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    panels = figure.subplots(1, max(len(data["layers"]), 1), squeeze=False)[0]
    for axes, (name, tiles) in zip(panels, data["layers"].items(), strict=False):
        across = math.ceil(math.sqrt(len(tiles)))
        mesh = draw_tiles(axes, [tiles[start : start + across] for start in range(0, len(tiles), across)], cmap=colormaps["cividis"])
        axes.set_title(name, fontsize=8.5)
        figure.colorbar(mesh, ax=axes, orientation="horizontal", ticks=MaxNLocator(3))


def draw_tiles(axes: Axes, tiles: Sequence[Sequence[Tile]], **look: Any) -> Any:
    """Draw rows of tiles as one mesh, with a blank line between neighbours."""
    import numpy as np

    high = max((len(tile) for row in tiles for tile in row), default=1)
    wide = max((len(line) for row in tiles for tile in row for line in tile), default=1)
    cells = np.full((len(tiles) * (high + 1), max(map(len, tiles), default=1) * (wide + 1)), np.nan)
    for i, row in enumerate(tiles):
        for j, tile in enumerate(row):
            values = np.array(tile, float).reshape(len(tile), -1)
            cells[i * (high + 1) : i * (high + 1) + len(tile), j * (wide + 1) : j * (wide + 1) + values.shape[1]] = values
    mesh = axes.pcolormesh(np.ma.masked_invalid(cells[:-1, :-1]), **look, gid="cells")
    axes.set(aspect="equal", xticks=[], yticks=[])
    axes.invert_yaxis()  # the first row of a picture is its top
    for spine in axes.spines.values():
        spine.set_visible(False)
    return mesh
