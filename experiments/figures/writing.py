"""Writing pictures to files, and the functions that make them from plain records. Drawing alone imports matplotlib."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contrastive_core.errors import InputError
from experiments.commandline.output import to_json, write_bytes, write_text
from experiments.figures.comparison import comparison
from experiments.figures.gradients import gradient_alignment
from experiments.figures.grid import heat_map, histogram, profile
from experiments.figures.learning_curves import learning_curves
from experiments.figures.pareto import pareto
from experiments.figures.relaxation import relaxation
from experiments.figures.style import Picture, to_png
from experiments.figures.tuning import tuning

__all__ = [
    "Picture",
    "comparison",
    "gradient_alignment",
    "heat_map",
    "histogram",
    "learning_curves",
    "pareto",
    "profile",
    "relaxation",
    "tuning",
    "write_pictures",
]


def write_pictures(directory: Path, pictures: Mapping[str, Picture], *, png: bool = False) -> None:
    """Write each picture as NAME.svg with its data beside it in NAME.json and NAME.csv, each file whole or not at all.

    The JSON holds the data of the picture. The CSV has one line per number or text, with its place in the data.

    Parameters
    ----------
    directory : Path
        Directory, made if it does not exist; files of the same names are replaced.
    pictures : mapping of str to Picture
        Pictures by name.
    png : bool
        Whether to write NAME.png, too.

    Raises
    ------
    InputError
        If a name cannot be that of a file, a picture has no figure to make a PNG from, or the directory cannot be written.
    """
    for name, picture in pictures.items():
        if not name or name.startswith(".") or Path(name).name != name or not name.isprintable():
            raise InputError(f"a picture's name becomes a file's, which {name!r} cannot be; use letters, digits and hyphens")
        if png and picture.figure is None:
            raise InputError(f"picture {name!r} has no figure to draw a PNG from; write it as SVG only")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            write_text(directory / f"{name}.json", to_json(picture.data) + "\n")
            write_text(directory / f"{name}.csv", to_csv(picture.data))
            write_text(directory / f"{name}.svg", picture.svg)
            if png and picture.figure is not None:
                write_bytes(directory / f"{name}.png", to_png(picture.figure))
    except OSError as error:
        raise InputError(f"cannot write figures to {directory} ({error.strerror}); choose another --out") from error


def to_csv(data: Mapping[str, Any]) -> str:
    """Write a picture's data as a table.

    Parameters
    ----------
    data : mapping
        Nested mappings and lists of numbers, texts, truth values and None.

    Returns
    -------
    str
        Columns ``series`` (the names on the way to a list, joined by slashes), ``index`` (positions in nested lists, by dots) and
        ``value``, which is empty for None. Floats have all their digits.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("series", "index", "value"))
    writer.writerows(_cells(data, (), ()))
    return text.getvalue().encode("utf-8", "backslashreplace").decode()  # a name that is no Unicode text is spelled


def _cells(value: Any, names: tuple[str, ...], indices: tuple[int, ...]) -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _cells(inner, (*names, str(name).replace("/", "\\/")), indices)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _cells(inner, names, (*indices, index))
    else:
        yield "/".join(names), ".".join(map(str, indices)), value
