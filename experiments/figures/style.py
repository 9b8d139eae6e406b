"""Style that all figures share: one style file, distinguishable colours, and bytes that depend on the data alone."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MINUS = "\N{MINUS SIGN}"
INK = "#222222"
PAPER = "#ffffff"
GRID = "#d9d9d9"
FAINT = "#767676"
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
    *("#6a4fd8", "#999933", "#8c4a2f", "#b0208c", "#d3a3a3", "#c00018"),
)
"""Okabe and Ito's palette without the yellow, which vanishes on white paper, and six colours far from these and from each other."""
DASHES: tuple[Any, ...] = ("solid", (0, (4, 1.3)), (0, (1.2, 1.2)), (0, (6, 1.2, 1.2, 1.2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
SYMBOLS = {"second": "s", "joule": "J", "volt": "V", "watt": "W", "byte": "B"}
"""Symbols of units; other units are written out."""
LONGEST_NAME = 28
"""Number of characters of a name that are shown."""
_STYLE = Path(__file__).with_name("eqlab.mplstyle")


Row = Mapping[str, str | float | None]
"""A point of a figure: what it belongs to, and its quantities by names with units; quantities that it lacks are left out or None."""


class Picture(NamedTuple):
    """A figure, and the numbers that it shows.

    Attributes
    ----------
    svg : str
        A whole SVG document, its texts kept as text; the same data give the same characters.
    data : dict
        Plotted numbers, None for missing ones and those that are not finite.
    figure : Figure, optional
        Figure from which other formats are made.
    caption : str
        Sentences that explain the figure.
    rows : sequence of Row
        Drawn numbers as a table: a row per point, a column per quantity, in the units of the axes.
    """

    svg: str
    data: dict[str, Any]
    figure: Figure | None = None
    rows: Sequence[Row] = ()
    caption: str = ""


def draw(paint: Callable[[Figure, Any], None], data: dict[str, Any], width: float, height: float, rows: Iterable[Row] = ()) -> Picture:
    """Draw a picture in the project's style, independent of the user's own matplotlib settings.

    Parameters
    ----------
    paint : callable
        Function that draws the data on an empty figure.
    data : dict
        Data that JSON can hold.
    width, height : float
        Size in inches.
    rows : iterable of Row
        Table of the numbers that ``paint`` draws.

    Returns
    -------
    Picture
        Picture without date, version or anything else that is not in the data.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with in_style():
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure, data)
    return Picture(to_svg(figure).decode(), data, figure, list(rows))


def to_svg(figure: Figure) -> bytes:
    """Draw the figure of a picture as vectors for a page, its texts kept as text."""
    return _saved(figure, "svg", {"Creator": None, "Date": None, "Format": None, "Type": None}, 72)


def to_png(figure: Figure) -> bytes:
    """Draw the figure of a picture as pixels, 300 to an inch, as journals ask for."""
    return _saved(figure, "png", {"Software": None}, 300)


def to_pdf(figure: Figure) -> bytes:
    """Draw the figure of a picture as vectors for print, with fonts embedded and without a date."""
    return _saved(figure, "pdf", {"Creator": None, "Producer": None, "CreationDate": None}, 180)


def _saved(figure: Figure, kind: str, metadata: dict[str, Any], dots: int) -> bytes:
    content = io.BytesIO()
    with in_style():
        figure.savefig(content, format=kind, dpi=dots, metadata=metadata)
    return content.getvalue()


def number(value: object) -> float | None:
    """Return a finite number as a float, and None for everything else.

    Parameters
    ----------
    value : object
        Value from a record.

    Returns
    -------
    float or None
        Number ready to plot and for JSON.
    """
    return float(value) if isinstance(value, Real) and math.isfinite(value) else None


def gaps(values: Iterable[float | None], factor: float = 1.0) -> list[float]:
    """Replace missing numbers by NaN, which breaks a line.

    Parameters
    ----------
    values : iterable of float or None
        From a picture's data.
    factor : float
        Factor into the unit of the plot.

    Returns
    -------
    list of float
        Values for matplotlib.
    """
    return [math.nan if value is None else factor * value for value in values]


def present(values: Iterable[float | None]) -> list[float]:
    """Leave out missing numbers.

    Parameters
    ----------
    values : iterable of float or None
        From a picture's data.

    Returns
    -------
    list of float
        Numbers that are present.
    """
    return [value for value in values if value is not None]


def shown(name: str, longest: int = LONGEST_NAME) -> str:
    """Return a name as a figure can show it: on one line, printable and not too long.

    Parameters
    ----------
    name : str
        Name of a rule or parameter.
    longest : int
        Number of characters that fit.

    Returns
    -------
    str
        Name with a mark in place of each character that cannot be printed.
    """
    name = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def names(texts: Iterable[str], longest: int = LONGEST_NAME) -> list[str]:
    """Shorten names so that they fit and still differ.

    Words that all names share at the same place are left out first; then names are cut in the middle, because ends differ most often.

    Parameters
    ----------
    texts : iterable of str
        Different names, such as labels of points: ``rule ep-centered, tolerance 0.001``.
    longest : int
        Number of characters that fit.

    Returns
    -------
    list of str
        Names of printable characters; those that the cut would make equal are numbered.
    """
    found = [shown(text, max(len(text), 1)) for text in texts]
    if len(found) > 1 and max(map(len, found)) > longest:
        words = [name.split(" ") for name in found]
        if len({len(row) for row in words}) == 1:
            kept = [index for index, column in enumerate(zip(*words, strict=True)) if len(set(column)) > 1]
            found = [" ".join(row[index] for index in kept).rstrip(",") for row in words]
    front = 2 * (longest - 1) // 3
    cut = [name if len(name) <= longest else f"{name[:front]}…{name[len(name) + 1 + front - longest :]}" for name in found]
    return [name if cut.count(name) == 1 else f"{name[: longest - 4]} #{cut[:index].count(name) + 1}" for index, name in enumerate(cut)]


def in_words(name: str) -> str:
    """Write a name of the program in words: ``theory.free_energy`` becomes ``theory: free energy``."""
    return name.replace("_", " ").replace(".", ": ")


def with_unit(name: str, unit: str) -> str:
    """Write a quantity in words, with its unit in brackets unless it is a pure number.

    Parameters
    ----------
    name : str
        Name of a metric, such as ``cpu_seconds_per_sample``.
    unit : str
        Its unit, such as ``second``; ``1`` or nothing for a pure number.

    Returns
    -------
    str
        Title of a panel or an axis, such as ``cpu seconds per sample (s)``.
    """
    return in_words(name) if unit in ("", "1") else f"{in_words(name)} ({SYMBOLS.get(unit, unit)})"


def look(index: int) -> dict[str, Any]:
    """Return colour and dash of the line at an index; the first 48 differ, and the first twelve also in colour.

    Parameters
    ----------
    index : int
        Index of the rule.

    Returns
    -------
    dict
        Properties of a line.
    """
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index // len(COLOURS) % len(DASHES)]}


def looks(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Choose the look of each of some lines: a learning rule has the same in every figure.

    Parameters
    ----------
    texts : sequence of str
        Different names of rules, or of anything else.

    Returns
    -------
    dict of str to dict
        Properties of a line by name; no two are equal among the first 48.
    """
    from contrastive_core.baselines import RULES as BASELINES
    from eqprop import RULES as EQUILIBRIUM_PROPAGATION
    from hebbian import RULES as HEBBIAN

    eqprop = list(EQUILIBRIUM_PROPAGATION)
    # The twelve rules that are compared by default come first, four of each package, so that each has a colour of its own.
    places = {rule: index for index, rule in enumerate((*eqprop[:4], *HEBBIAN, *BASELINES, *eqprop[4:]))}
    taken = {places[name] for name in texts if name in places}
    free = (index for index in count() if index not in taken)
    return {name: look(places[name] if name in places else next(free)) for name in texts}


def copy_numbers(record: Mapping[str, Any]) -> dict[str, float | None]:
    """Copy a mapping of names to numbers.

    Parameters
    ----------
    record : mapping
        Record from the journal.

    Returns
    -------
    dict
        Copy with None in place of everything that is not a finite number.
    """
    return {str(name): number(value) for name, value in record.items()}


@contextmanager
def in_style() -> Iterator[None]:
    """Draw in the project's style, whatever the user's own matplotlib settings are."""
    from matplotlib import style

    with warnings.catch_warnings(), style.context(["default", _STYLE]):
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")  # a reader's own fonts will have it
        yield
