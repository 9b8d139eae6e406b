"""Pictures side by side: samples of a machine, or the weights of its hidden units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.features import draw_tiles
from experiments.figures.style import Picture, Row, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS = 12
"""Pictures that stand side by side."""
_LARGEST = 16
"""Pixels along a side that are drawn one by one; larger pictures are averaged, because each pixel is a shape of the page."""
_TITLES = {
    "samples": "Samples of the machine: means of the visible units",
    "filters": "Weights of the first hidden units",
    "joint": "Samples of the model, and below each row their nearest training samples",
}


def tiles_picture(rows: Sequence[Sequence[float]], side: int, name: str) -> Picture:
    """Show rows of values as small pictures.

    Parameters
    ----------
    rows : sequence of sequence of float
        Values of each picture.
    side : int
        Pixels along the side of a square picture; 0 shows all rows together, as one matrix.
    name : {"samples", "filters", "joint"}
        Kind of the rows, which chooses title and colours.

    Returns
    -------
    Picture
        Figure whose data are the rows, to three decimal places; pictures of more than 16 pixels a side are averaged to at most as many.
    """
    width = -(-side // _LARGEST) if side else 1
    if width > 1:
        rows, side = [_coarse(row, side, width) for row in rows], -(-side // width)
    data = {"rows": [[round(float(value), 3) for value in row] for row in rows], "side": side, "name": name}
    down = -(-len(rows) // ACROSS)
    return draw(_paint, data, 7.2, 0.4 + 0.6 * max(down, 2), _table(data))


def _square(row: Sequence[float], side: int) -> list[Sequence[float]]:
    return [row[start : start + side] for start in range(0, side * side, side)]


def _coarse(row: Sequence[float], side: int, width: int) -> list[float]:
    """Return the means of a square picture over windows of a width, cut at its border."""
    lines = _square(row, side)
    windows = [
        [value for line in lines[y : y + width] for value in line[x : x + width]]
        for y in range(0, side, width)
        for x in range(0, side, width)
    ]
    return [sum(window) / len(window) for window in windows]


def _table(data: dict[str, Any]) -> Iterator[Row]:
    for index, row in enumerate(data["rows"]):
        for pixel, value in enumerate(row):
            yield {"picture": index, "pixel": pixel, "value": value}


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    from matplotlib import colormaps

    side, values = data["side"], [value for row in data["rows"] for value in row]
    pictures = [_square(row, side) if side else [row] for row in data["rows"]]
    # Without a side all rows are one matrix; with one, they lie side by side.
    tiles = [pictures[start : start + ACROSS] for start in range(0, len(pictures), ACROSS)] if side else [[data["rows"]]]
    size = max(map(abs, values), default=1.0) or 1.0
    # Weights have a sign, and samples of binary units none.
    signed = data["name"] == "filters" or min(values, default=0.0) < 0
    axes = figure.subplots()
    draw_tiles(axes, tiles, cmap=colormaps["RdBu_r" if signed else "gray_r"], vmin=-size if signed else 0, vmax=size)
    axes.set_title(_TITLES[data["name"]])
    axes.grid(visible=False)
