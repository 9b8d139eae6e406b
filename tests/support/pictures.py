"""Records that figures are drawn of, what a drawn figure shows, faults of its texts, and figures without their rendering."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple
from unittest.mock import patch
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from experiments.figures import style
from experiments.figures.writing import Picture, to_csv

RULES = (
    *("ep-positive", "ep-negative", "ep-centered", "ep-random", "contrastive-hebbian", "coupled-positive", "coupled-negative"),
    *("coupled-centered", "implicit", "recurrent-backprop", "unrolled", "backprop"),
)

HOSTILE = ["<script>alert(1)</script>", "a&b", 'say "]]>"', "_hidden", "$\\frac{", "two\nlines", "\x00\x0b\ud800", "漢字", "x" * 500, ""]

PAGE_WIDTH = 1016
"""Width of a figure in a report, in pixels of a browser."""
SMALLEST = 7.0
"""Smallest legible size of a text on a page, in pixels of a browser."""


SLACK = 2.0
"""Pixels of 1/72 inch by which a box may stick out: the blank rim of a letter."""

SVG = "{http://www.w3.org/2000/svg}"


def history(offset: float = 0.0, num_epochs: int = 5) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch, "validation_error": 0.5 / epoch + offset, "sweeps_per_sample": 20.0 + epoch, "train_error": 0.1}
        for epoch in range(1, num_epochs + 1)
    ]


def record(mean: float = 0.03) -> dict[str, Any]:
    return {
        "test_error": {"mean": mean, "ci95": [mean - 0.004, mean + 0.004], "seeds": [mean - 0.001, mean, mean + 0.001]},
        "paired_difference": {"mean": 0.002, "ci95": [-0.001, 0.005], "seeds": [0.001, 0.002, 0.003]},
        "sweeps_per_sample": 30.0,
        "cpu_seconds_per_sample": 4e-5,
        "unconverged": 0.0,
        "energy_decrease": 0.5,
        "gradient_cosine": {"weights.0": 0.999, "biases.0": 0.9, "weights.1": None},
        "status": "done",
        "error": None,
    }


def failure(error: str | None = "no minimum") -> dict[str, Any]:
    return {"status": "failed", "error": error, "test_error": None, "paired_difference": None}


def gradients(order: float | None = 2.0) -> dict[str, Any]:
    bias = None if order is None else {"strengths": [0.01, 0.1, 1.0], "errors": [0.1 * strength**order for strength in (0.01, 0.1, 1.0)]}
    return {"cosine": {"weights.0": 1.0, "weights.1": -0.5}, "relative_error": 0.1, "order": order, "bias": bias}


def trace() -> dict[str, list[float]]:
    return {"energy": [2.0**-step for step in range(6)], "residual": [3.0**-step for step in range(5)]}


def group(picture: Picture, name: str) -> ElementTree.Element | None:
    return ElementTree.fromstring(picture.svg).find(f".//{SVG}g[@id='{name}']")


def points(picture: Picture, name: str) -> list[tuple[float, float]]:
    """Corners of the line, or places of the markers, in a group."""
    found = group(picture, name)
    assert found is not None, name
    uses = [(float(use.get("x", "nan")), float(use.get("y", "nan"))) for use in found.iter(f"{SVG}use")]
    path = found.find(f"{SVG}path")
    return uses if path is None else [(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", path.get("d", ""))]


def texts(picture: Picture) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(picture.svg).iter(f"{SVG}text")]


def check(picture: Picture) -> None:
    """Well-formed, without a number that is none, and with data that JSON can hold."""
    root = ElementTree.fromstring(picture.svg)
    for element in root.iter():
        for name in ("d", "x", "y", "transform", "width", "height", "viewBox"):
            assert not re.search(r"nan|inf", element.get(name, "")), element.attrib
    assert json.loads(json.dumps(picture.data, allow_nan=False)) == picture.data


class Box(NamedTuple):
    """A drawn text, and the corners of its rectangle, which may be turned."""

    text: str
    size: float
    corners: list[tuple[float, float]]


def faults(figure: Any) -> list[str]:
    """Draw a figure in the project's style and list what is wrong with its texts.

    Parameters
    ----------
    figure : Figure
        Figure of a picture.

    Returns
    -------
    list of str
        One sentence per fault.
    """
    boxes, width, height = _drawn(figure)
    found = [f"raw TeX: {box.text!r}" for box in boxes if re.search(r"[$\\]|mathdefault", box.text)]
    found += [f"underscore in {box.text!r}" for box in boxes if "_" in box.text]
    found += [f"u for micro in {box.text!r}" for box in boxes if re.search(r"\bu[AJSVsm]\b", box.text)]
    found += [
        f"outside of the figure: {box.text!r}"
        for box in boxes
        if not all(-SLACK <= x <= width + SLACK and -SLACK <= y <= height + SLACK for x, y in box.corners)
    ]
    scale = PAGE_WIDTH / width * figure.dpi / 72  # from points to pixels of the page
    found += [f"too small on a page: {box.text!r}" for box in boxes if box.size * scale < SMALLEST]
    found += [f"over each other: {one.text!r} and {other.text!r}" for one, other in combinations(boxes, 2) if _overlap(one, other)]
    for name, labels in _labels(figure):
        repeated = sorted({label for label in labels if label and labels.count(label) > 1})
        found += [f"equal {name}: {label!r}" for label in repeated]
    return found


def _drawn(figure: Any) -> tuple[list[Box], float, float]:
    """Record every text that is drawn, in the order and with the properties of the drawing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    from experiments.figures.style import in_style

    seen: list[Any] = []
    draw = Text.draw

    def record(text: Any, renderer: Any) -> None:
        if text.get_visible() and text.get_text().strip():
            seen.append(text)
        draw(text, renderer)

    old = figure.canvas
    with in_style():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        with patch.object(Text, "draw", record):
            canvas.draw()
        renderer = canvas.get_renderer()
        boxes = [_box(text, renderer) for text in dict.fromkeys(seen)]
        size = figure.bbox.width, figure.bbox.height
    figure.set_canvas(old)
    return boxes, *size


def _box(text: Any, renderer: Any) -> Box:
    from matplotlib.text import Text

    bounds = Text.get_window_extent(text, renderer)
    centre = (bounds.x0 + bounds.x1) / 2, (bounds.y0 + bounds.y1) / 2
    angle = text.get_rotation()
    text.set_rotation(0)
    flat = Text.get_window_extent(text, renderer)
    text.set_rotation(angle)
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    halves = [(x * flat.width / 2, y * flat.height / 2) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return Box(
        text.get_text(), text.get_fontsize(), [(centre[0] + x * cosine - y * sine, centre[1] + x * sine + y * cosine) for x, y in halves]
    )


def _overlap(one: Box, other: Box, slack: float = 1.0) -> bool:
    """Tell whether two turned rectangles overlap by more than a pixel: no side of either separates them."""
    for corners in (one.corners, other.corners):
        for (x, y), (x_next, y_next) in ((corners[0], corners[1]), (corners[1], corners[2])):
            length = math.hypot(x_next - x, y_next - y)
            along = (x_next - x) / length, (y_next - y) / length
            first, second = ([a * along[0] + b * along[1] for a, b in box.corners] for box in (one, other))
            if max(first) <= min(second) + slack or max(second) <= min(first) + slack:
                return False
    return True


def _labels(figure: Any) -> list[tuple[str, Sequence[str]]]:
    from matplotlib.legend import Legend

    found: list[tuple[str, Sequence[str]]] = []
    for axes in figure.findobj(lambda artist: hasattr(artist, "get_xticklabels")):
        for name, axis in (("ticks along x", axes.xaxis), ("ticks along y", axes.yaxis)):
            low, high = sorted(axis.get_view_interval())
            shown = [
                label.get_text() for label, place in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=False) if low <= place <= high
            ]
            found.append((name, shown))
        found.append(("names in a panel", [text.get_text() for text in axes.texts]))
    found += [("names in a legend", [text.get_text() for text in legend.get_texts()]) for legend in figure.findobj(Legend)]
    return found


def untold(picture: Picture) -> list[str]:
    """Compare what a picture draws with the table of its numbers, both ways.

    Parameters
    ----------
    picture : Picture
        Picture to look at.

    Returns
    -------
    list of str
        Drawn points that no row holds, and rows of which nothing is drawn.
    """
    import numpy as np
    import pandas

    table = pandas.read_csv(io.StringIO(to_csv(picture.rows)))
    for name in [name for name in table if name.endswith("_error") and name.removesuffix("_error") in table]:
        middle = table[name.removesuffix("_error")]
        table = table.assign(**{f"{name}_below": middle - table[name], f"{name}_above": middle + table[name]})
    cells = table.select_dtypes("number").to_numpy(float)
    shown = np.zeros(len(cells), bool)
    missing = []
    for place in _places(picture.figure):
        rows = np.ones(len(cells), bool)
        for value in place:
            rows &= np.isclose(cells, value, rtol=1e-9, atol=1e-12).any(axis=1)
        shown |= rows
        if not rows.any() and place != (0.0,):  # a line at zero is a guide
            missing.append(f"no row holds {place}")
    return [*missing, *(f"nothing is drawn of {row}" for row, seen in zip(picture.rows, shown, strict=True) if not seen and cells_of(row))]


def cells_of(row: Mapping[str, Any]) -> list[float]:
    """Return the numbers of a row that are not the place of a point."""
    places = ("epoch", "principal_axis", "bin_from", "bin_to", "sweep", "share_failed")
    return [
        value
        for name, value in row.items()
        if isinstance(value, float | int) and not isinstance(value, bool) and not name.endswith("share_failed") and name not in places
    ]


def _places(figure: Any) -> Iterator[tuple[float, ...]]:
    """Yield the numbers of every drawn point: both of its places, or one where the other axis has names."""
    from matplotlib.collections import FillBetweenPolyCollection, LineCollection, PathCollection, QuadMesh
    from matplotlib.patches import StepPatch

    for axes in figure.findobj(lambda artist: hasattr(artist, "get_xticklabels")):
        if axes.get_label() == "<colorbar>":
            continue
        for line in axes.lines:
            across, up = (np_floats(values) for values in (line.get_xdata(), line.get_ydata()))
            if line.get_transform() == axes.transData and not str(line.get_gid()).startswith(("slope", "some-failed")):
                yield from _numeric(axes, zip(across, up, strict=True))
            elif line.get_transform() != axes.transData:  # a line across the panel
                yield (across[0] if across[0] == across[1] else up[0],)
        for artist in axes.collections:
            if isinstance(artist, PathCollection):
                yield from _numeric(axes, artist.get_offsets())
            elif isinstance(artist, LineCollection):
                yield from _numeric(axes, (point for segment in artist.get_segments() for point in segment))
            elif isinstance(artist, QuadMesh):
                yield from ((float(value),) for value in artist.get_array().compressed())
            elif isinstance(artist, FillBetweenPolyCollection):
                yield from _numeric(axes, (point for path in artist.get_paths() for point in path.vertices))
        for patch_ in axes.patches:
            if isinstance(patch_, StepPatch):
                counts, edges, _ = patch_.get_data()
                yield from ((float(low), float(high), float(count)) for low, high, count in zip(edges, edges[1:], counts, strict=False))


def np_floats(values: Any) -> list[float]:
    import numpy as np

    return [float(value) for value in np.ma.filled(np.ma.asarray(values, float), np.nan)]


def _numeric(axes: Any, found: Iterable[Sequence[float]]) -> Iterator[tuple[float, ...]]:
    # Ticks with names of their own are looked up in a dictionary, by a partial function.
    named = [isinstance(getattr(axis.get_major_formatter(), "func", None), partial) for axis in (axes.xaxis, axes.yaxis)]
    for point in found:
        if all(math.isfinite(value) for value in point):
            yield tuple(float(value) for value, skip in zip(point, named, strict=True) if not skip)


RENDERED = style._saved
"""Rendering as users have it."""


def outlined(figure: Any, kind: str, metadata: dict[str, Any], dots: int) -> bytes:
    """Return an SVG document with the titles, names and notes of a painted figure and nothing else; other formats are rendered."""
    if kind != "svg":
        return RENDERED(figure, kind, metadata, dots)
    width, height = (72 * side for side in figure.get_size_inches())
    texts = [*figure.texts, *(text for axes in figure.axes for text in (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts))]
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes)]
    texts += [text for legend in legends if legend is not None for text in legend.get_texts()]
    words = [text.get_text() for text in texts]
    lines = "".join(f"<text>{escape(word)}</text>\n" for word in words if word and word.isprintable())
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}pt" height="{height:g}pt" viewBox="0 0 {width:g} {height:g}">'
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}\n{lines}</svg>\n'.encode()
