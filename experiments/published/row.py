"""A published result and its configuration, read from one TOML file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from experiments.commandline.documents import PUBLISHED, published_configurations, read_configuration
from experiments.commandline.options import Layer, Options, read_config, resolve_layers
from experiments.commandline.quantities import PositiveFloat
from experiments.trials.progress import duration

MARKS = {
    "read": "read in the authors' public code or logs",
    "abstract": "read in an abstract",
    "recalled": "recalled, not re-read",
    "derived": "derived and checked numerically, not compared with the paper's own numbers",
}
"""Reliability of a published value."""

Scale = Literal["small", "full"]
"""Size of a run: a few seconds on bundled data, or the published size."""


class ProcessorTime(Options):
    """Processor time of a run.

    Attributes
    ----------
    seconds : float
        Time on one core, with all seeds.
    how : str
        Whether the time was measured, or estimated from a part of the run.
    """

    seconds: PositiveFloat
    how: Literal["measured", "estimated"]

    def __str__(self) -> str:
        return duration(self.seconds) if self.how == "measured" else f"about {duration(self.seconds)}"


class Row(Options):
    """A published result: the table ``[published]`` of a shipped configuration.

    Attributes
    ----------
    title, source, mark
        Measured quantity; paper and place in it; reliability of the value here, a key of ``MARKS``.
    value, interval, spread, unit
        Published value, if there is a single one; the range that counts as the published one, what that range is, and its unit.
    command, result
        Command that measures the quantity, and the path to it in the command's JSON, in which ``*`` is the entry of a list with the
        largest number. The path leads to a number, or to a mean with its interval.
    limits, error
        Paths to the ends of the interval, or to the standard error, of a number that has them in another place.
    factor, offset
        Numbers that turn a result into the published unit: factor times the result, plus offset.
    differs
        Differences to the published setting, a sentence each.
    full, small
        Processor time of either scale.
    scaled
        Settings of the small scale that differ from the configuration.
    """

    title: str
    source: str
    mark: Literal["read", "abstract", "recalled", "derived"]
    value: float | None = None
    interval: Annotated[tuple[float, ...], Field(min_length=2, max_length=2)]
    spread: str
    unit: str = ""
    command: str
    result: Annotated[tuple[str, ...], Field(min_length=1)]
    limits: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    factor: float = 1.0
    offset: float = 0.0
    differs: tuple[str, ...] = ()
    full: ProcessorTime
    small: ProcessorTime
    scaled: dict[str, Any] = Field({})


def read_row(name: str) -> Row:
    """Read a published result.

    Parameters
    ----------
    name : str
        Name of its configuration.

    Returns
    -------
    Row
        Published value, and the way to repeat it.

    Raises
    ------
    InputError
        If the file describes no published result, or describes it wrongly.
    """
    path, document = read_configuration(str(published_configurations()[name]))  # a file of this name elsewhere is another one
    return resolve_layers(Row, [Layer("published.{key} (in " + path.name + ")", document.get(PUBLISHED, {}))])


def read_rows() -> dict[str, Row]:
    """Read all published results, by name."""
    return {name: read_row(name) for name in published_configurations()}


def settings(name: str, row: Row, scale: Scale) -> list[Layer]:
    """Return the settings of a run, in the order of rising precedence.

    Parameters
    ----------
    name : str
        Name of the configuration.
    row : Row
        Its published result.
    scale : str
        Size of the run.

    Returns
    -------
    list of Layer
        Settings of the configuration and, for the small scale, those that differ from it.
    """
    layers = [read_config(str(published_configurations()[name]))]
    return layers if scale == "full" else [*layers, Layer("published.scaled.{key} (in the configuration " + name + ")", row.scaled)]
