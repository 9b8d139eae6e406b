"""Pictures side by side: samples of a machine, or the weights of its hidden units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from experiments.figures.style import Picture, Row, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACROSS = 12
_TITLES = {"samples": "Samples of the machine: means of the visible units", "filters": "Weights of the first hidden units"}


def tiles_picture(rows: Sequence[Sequence[float]], side: int, name: str) -> Picture:
    """Show rows of values as small pictures.

    Parameters
    ----------
    rows : sequence of sequence of float
        Values of each picture.
    side : int
        Pixels along the side of a square picture; 0 shows all rows together, as one matrix.
    name : {"samples", "filters"}
        What is shown.

    Returns
    -------
    Picture
        Figure whose data are the rows, to three decimal places.
    """
    data = {"rows": [[round(float(value), 3) for value in row] for row in rows], "side": side, "name": name}
    down = -(-len(rows) // _ACROSS)
    return draw(_paint, data, 7.2, 0.4 + 0.6 * max(down, 2), _table(data))


def _table(data: dict[str, Any]) -> Iterator[Row]:
    for index, row in enumerate(data["rows"]):
        for pixel, value in enumerate(row):
            yield {"picture": index, "pixel": pixel, "value": value}


def _paint(figure: Figure, data: dict[str, Any]) -> None:
    import numpy as np

    rows, side = np.array(data["rows"]), data["side"]
    axes = figure.subplots()
    if side:
        down, gap = -(-len(rows) // _ACROSS), 1
        sheet = np.full((down * (side + gap) - gap, _ACROSS * (side + gap) - gap), np.nan)
        for index, row in enumerate(rows):
            top, left = (index // _ACROSS) * (side + gap), (index % _ACROSS) * (side + gap)
            sheet[top : top + side, left : left + side] = row.reshape(side, side)
    else:
        sheet = rows
    size = float(np.nanmax(np.abs(sheet))) or 1.0
    # Weights have a sign, and samples of binary units none.
    signed = data["name"] == "filters" or float(np.nanmin(sheet)) < 0
    axes.imshow(sheet, cmap="RdBu_r" if signed else "gray_r", vmin=-size if signed else 0, vmax=size, interpolation="nearest")
    axes.set(title=_TITLES[data["name"]], xticks=[], yticks=[])
    axes.grid(visible=False)
