"""Writing pictures to files, and the functions that make them from plain records. Drawing alone imports matplotlib."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from contrastive_core.errors import InputError
from experiments.commandline.output import to_json, write_bytes, write_text
from experiments.figures.comparison import comparison
from experiments.figures.features import feature_maps, filters
from experiments.figures.gradients import gradient_alignment
from experiments.figures.grid import heat_map, histogram, profile
from experiments.figures.learning_curves import learning_curves
from experiments.figures.pareto import pareto
from experiments.figures.reading_noise import reading_noise
from experiments.figures.relaxation import layer_relaxation, relaxation
from experiments.figures.style import Picture, Row, to_pdf, to_png
from experiments.figures.time_and_error import time_and_error
from experiments.figures.tuning import tuning

__all__ = [
    "FORMATS",
    "Picture",
    "comparison",
    "feature_maps",
    "filters",
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


def write_pictures(directory: Path, pictures: Mapping[str, Picture], formats: Sequence[str] = ()) -> None:
    """Write each picture as NAME.svg with its numbers beside it in NAME.csv and NAME.json, each file whole or not at all.

    The CSV has a line per point and a column per quantity. The JSON holds the nested data that the picture was drawn from.

    Parameters
    ----------
    directory : Path
        Directory, made if it does not exist; files of the same names are replaced.
    pictures : mapping of str to Picture
        Pictures by name; slashes and colons of a name become hyphens in that of its file.
    formats : sequence of str
        Further formats to write, of those in ``FORMATS``.

    Raises
    ------
    InputError
        If a name cannot be that of a file, a picture has no figure to make other formats from, or the directory cannot be written.
    """
    files = {file_name(name): picture for name, picture in pictures.items()}
    for name, picture in files.items():
        if not name or name.startswith(".") or Path(name).name != name or not name.isprintable():
            raise InputError(f"a picture's name becomes a file's, which {name!r} cannot be; use letters, digits and hyphens")
        if formats and picture.figure is None:
            raise InputError(f"picture {name!r} has no figure to draw other formats from; write it as SVG only")
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory} is a file, and figures are several files; give a directory that exists or is to be made")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, picture in files.items():
            write_text(directory / f"{name}.json", to_json(picture.data) + "\n")
            write_text(directory / f"{name}.csv", to_csv(picture.rows))
            write_text(directory / f"{name}.svg", picture.svg)
            if picture.figure is not None:
                for kind in formats:
                    write_bytes(directory / f"{name}.{kind}", FORMATS[kind](picture.figure))
    except OSError as error:
        raise InputError(f"cannot write figures to {directory} ({error.strerror}); choose another directory") from error


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
