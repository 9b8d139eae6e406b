"""Writing pictures to files, and the functions that make them from plain records. Drawing alone imports matplotlib."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from experiments.commandline.invocation import ON_THE_PAGE, Drawing
from experiments.commandline.output import to_json, write_bytes, write_text
from experiments.figures.comparison import comparison
from experiments.figures.features import feature_maps, filters
from experiments.figures.gradients import gradient_alignment
from experiments.figures.grid import heat_map, histogram, profile
from experiments.figures.learning_curves import learning_curves
from experiments.figures.pareto import pareto
from experiments.figures.reading_noise import reading_noise
from experiments.figures.relaxation import layer_relaxation, relaxation
from experiments.figures.style import Picture, Row, to_pdf, to_png, to_svg
from experiments.figures.time_and_error import time_and_error
from experiments.figures.tuning import tuning

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FORMATS",
    "Picture",
    "comparison",
    "feature_maps",
    "filters",
    "fit_width",
    "gradient_alignment",
    "heat_map",
    "histogram",
    "layer_relaxation",
    "learning_curves",
    "pareto",
    "profile",
    "reading_noise",
    "relaxation",
    "time_and_error",
    "tuning",
    "write_pictures",
]


SMALLEST_TEXT = 5.0
"""Least size of a text in points, which journals ask for."""
_INCH = 25.4


def write_pictures(directory: Path, pictures: Mapping[str, Picture], drawing: Drawing = ON_THE_PAGE) -> str:
    """Write each picture as NAME.svg with its numbers beside it in NAME.csv and NAME.json, each file whole or not at all.

    The CSV has a line per point and a column per quantity. The JSON holds the nested data that the picture was drawn from.

    Parameters
    ----------
    directory : Path
        Directory, made if it does not exist; files of the same names are replaced.
    pictures : mapping of str to Picture
        Pictures by name; slashes and colons of a name become hyphens in that of its file.
    drawing : Drawing
        Further formats, of those in ``FORMATS``, and the width of all.

    Returns
    -------
    str
        Sentence about the pictures that are narrower than their texts suggest, empty for none.

    Raises
    ------
    InputError
        If a name cannot be that of a file, a picture has no figure to make other formats from, does not fit into the width, or the
        directory cannot be written.
    """
    formats, width = drawing
    files = {file_name(name): picture for name, picture in pictures.items()}
    for name, picture in files.items():
        if not name or name.startswith(".") or Path(name).name != name or not name.isprintable():
            raise InputError(f"a picture's name becomes a file's, which {name!r} cannot be; use letters, digits and hyphens")
        if (formats or width) and picture.figure is None:
            raise InputError(f"picture {name!r} has no figure to draw other formats from; write it as SVG only, without --width")
    squeezed = [name for name, picture in files.items() if width and picture.figure is not None and not fit_width(picture.figure, width)]
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory} is a file, and figures are several files; give a directory that exists or is to be made")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, picture in files.items():
            write_text(directory / f"{name}.json", to_json(picture.data) + "\n")
            write_text(directory / f"{name}.csv", to_csv(picture.rows))
            if width is None or picture.figure is None:
                write_text(directory / f"{name}.svg", picture.svg)
            else:
                write_bytes(directory / f"{name}.svg", to_svg(picture.figure))
            if picture.figure is not None:
                for kind in formats:
                    write_bytes(directory / f"{name}.{kind}", FORMATS[kind](picture.figure))
    except OSError as error:
        raise InputError(f"cannot write figures to {directory} ({error.strerror}); choose another directory") from error
    return (
        f"texts of {SMALLEST_TEXT:g} points leave little room at {width:g} mm in {', '.join(squeezed)}; look at them, or raise --width"
        if squeezed
        else ""
    )


def fit_width(figure: Figure, millimetres: float) -> bool:
    """Scale a figure to a width, in place, its texts and lines with it; texts stay at ``SMALLEST_TEXT`` points or above.

    Parameters
    ----------
    figure : Figure
        Figure with a layout of its own making.
    millimetres : float
        Width of the whole figure.

    Returns
    -------
    bool
        Whether everything is scaled alike; False if texts reached their least size, so that the rest has less room.

    Raises
    ------
    InputError
        If nothing is left of the axes.
    """
    import numpy as np
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

    wide, high = figure.get_size_inches()
    wanted = millimetres / _INCH
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    least = min((float(text.get_fontsize()) for text in texts), default=SMALLEST_TEXT)
    alike = wanted / float(wide)
    scale = min(1.0, max(alike, SMALLEST_TEXT / least))
    figure.set_size_inches(wanted, high * scale)
    for text in figure.findobj(Text):
        text.set_fontsize(float(text.get_fontsize()) * scale)
    for line in figure.findobj(Line2D):
        line.set_linewidth(line.get_linewidth() * scale)
        line.set_markersize(line.get_markersize() * scale)
    for drawn in figure.findobj(Collection):
        drawn.set_linewidth((scale * np.asarray(drawn.get_linewidth())).tolist())
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="constrained_layout not applied")
        try:
            figure.draw_without_rendering()
        except UserWarning as problem:
            raise InputError(f"a figure of {wide * _INCH:.0f} mm does not fit into {millimetres:g} mm; raise --width") from problem
    return alike >= scale


FORMATS = {"pdf": to_pdf, "png": to_png}
"""Formats beside SVG: vectors for a paper, and pixels."""


def file_name(name: str) -> str:
    """Return the name of a picture's files, without their endings."""
    return name.replace("/", "-").replace(": ", "-")


def to_csv(rows: Sequence[Row]) -> str:
    """Write the points of a picture as a table.

    Parameters
    ----------
    rows : sequence of Row
        Points; each may have columns of its own.

    Returns
    -------
    str
        Header of all columns in the order of their first use, and a line per point. Floats have all their digits; a cell is empty where a
        point has no such quantity.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace").decode()  # a name that is no Unicode text is spelled
