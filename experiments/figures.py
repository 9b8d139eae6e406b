"""The figures of the product: functions from plain records to pictures, and how pictures are kept. Drawing imports matplotlib."""

from collections.abc import Mapping
from pathlib import Path

from contrastive_core.errors import InputError
from experiments.figures_comparison import comparison
from experiments.figures_gradients import gradient_alignment
from experiments.figures_learning import learning_curves
from experiments.figures_relaxation import relaxation
from experiments.figures_style import Picture, to_png
from experiments.output import to_json, write_bytes, write_text

__all__ = ["Picture", "comparison", "gradient_alignment", "learning_curves", "relaxation", "write_pictures"]


def write_pictures(directory: Path, pictures: Mapping[str, Picture], *, png: bool = False) -> None:
    """Write each picture as NAME.svg with its data beside it in NAME.json, each file whole or not at all.

    Parameters
    ----------
    directory : Path
        Made if it is not there; files of the same names are replaced.
    pictures : mapping of str to Picture
        By name.
    png : bool
        Whether to write NAME.png too.

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
            write_text(directory / f"{name}.svg", picture.svg)
            if png and picture.figure is not None:
                write_bytes(directory / f"{name}.png", to_png(picture.figure))
    except OSError as error:
        raise InputError(f"cannot write figures to {directory} ({error.strerror}); choose another --out") from error
