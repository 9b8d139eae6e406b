"""The axes of a sweep: listed values, values that vary together, and values drawn at random."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from pydantic import BaseModel

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name
from experiments.commandline.assignments import split_values
from experiments.commandline.kinds import from_assignment, kind_at
from experiments.commandline.options import Layer, Options, flatten, nested, resolve_layers
from experiments.trials.seeds import fraction

_DRAWS = 2**31
"""First place of the seeds of random axes, beyond any number of replicates: no trial shares draws with an axis."""
DISTRIBUTIONS = ("choice", "integers", "loguniform", "uniform")


class Axis(NamedTuple):
    """One dimension of a grid.

    Attributes
    ----------
    name : str
        Name of the dimension: the setting, ``zip`` for settings that vary together, ``draw`` for those drawn together.
    keys : tuple of str
        Settings that it changes, with dots.
    values : sequence of list
        One value per key at each position.
    """

    name: str
    keys: tuple[str, ...]
    values: Sequence[Sequence[Any]]


def axis_of(key: str, values: Iterable[Any]) -> Axis:
    """Return the axis of one setting."""
    return Axis(key, (key,), [[value] for value in values])


def points(axes: Sequence[Axis]) -> Iterator[dict[str, Any]]:
    """Walk the grid, the last axis fastest; without axes there is one point, which changes nothing."""
    for place in product(*(axis.values for axis in axes)):
        yield {key: value for axis, values in zip(axes, place, strict=True) for key, value in zip(axis.keys, values, strict=True)}


def read_axis(text: str, model: type[BaseModel]) -> tuple[str, list[Any]]:
    """Read ``axis=v1,v2`` of the command line.

    Parameters
    ----------
    text : str
        Text as typed; values that are lists stand in brackets, as in ``hidden=[64],[64,32]``.
    model : type
        Options of the experiment, which define the values that the axis takes.

    Returns
    -------
    key : str
        The setting.
    values : list
        One or more.

    Raises
    ------
    InputError
        If it is not of this form, or has no values.
    """
    key, values = split_values(text, "--grid", "AXIS=VALUE,VALUE,...")
    kind = kind_at(model, tuple(key.split(".")))
    return key, [from_assignment(value, kind) for value in values]


def make_axes(
    model: type[Options],
    base: Sequence[Layer],
    grid: Mapping[str, Sequence[Any]],
    together: Mapping[str, Sequence[Any]],
    random: Mapping[str, Any],
    seed: int,
) -> tuple[Axis, ...]:
    """Build and check all axes.

    Parameters
    ----------
    model : type of Options
        Options of the experiment.
    base : sequence of Layer
        Settings that no axis changes.
    grid : mapping of str to sequence
        Values by setting, each an axis.
    together : mapping of str to sequence
        Values by setting, all on one axis and therefore equally many.
    random : mapping
        Distributions by setting, and ``count``.
    seed : int
        Seed from which random values are drawn.

    Returns
    -------
    tuple of Axis
        Listed ones first, then those that vary together, then the random ones.

    Raises
    ------
    InputError
        If a setting is unknown, has two axes, or cannot take a value; or an axis has none, or one twice.
    """
    axes = [axis_of(key, values) for key, values in grid.items()]
    if together:
        lengths = {key: len(values) for key, values in together.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"settings that vary together need equally many values, got {lengths}")
        axes.append(Axis("zip", tuple(together), [list(row) for row in zip(*together.values(), strict=True)]))
    drawn = random_axes(random, seed)
    keys = [key for axis in (*axes, *drawn) for key in axis.keys]
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"{key} is in two axes; keep one of them")
        if key == "seed":
            raise InputError("seed is no axis; ask for several trials per point with --seeds N, and for other draws with --seed")
    fixed = [_checked(model, base, axis) for axis in axes]
    for axis in fixed:
        refuse_repeated(axis)
    return (*fixed, *(_checked(model, base, axis) for axis in drawn))


def refuse_repeated(axis: Axis) -> None:
    """Raise ``InputError`` if an axis has a value twice."""
    seen: set[str] = set()
    for values in axis.values:
        if repr(values) in seen:
            raise InputError(f"the axis {axis.name} has the value {', '.join(map(str, values))} twice; for repetitions use --seeds N")
        seen.add(repr(values))


def _checked(model: type[Options], base: Sequence[Layer], axis: Axis) -> Axis:
    """Return the axis with its values as the options take them."""
    if not axis.values:
        raise InputError(f"the axis {', '.join(axis.keys)} has no values; give it some, as in --grid {axis.keys[0]}=1,2")
    rows: list[list[Any]] = []
    for values in axis.values:
        given = Layer("{key} (an axis)", nested(dict(zip(axis.keys, values, strict=True))))
        taken = flatten(resolve_layers(model, [*base, given]).settings())
        if tables := [key for key in axis.keys if key not in taken]:
            raise InputError(f"{tables[0]} is no axis: it has many settings; make one of them an axis, such as {tables[0]}.PART.NAME=V1,V2")
        rows.append([taken[key] for key in axis.keys])
    return axis._replace(values=rows)


def random_axes(random: Mapping[str, Any], seed: int) -> list[Axis]:
    """Draw the values of random axes.

    Parameters
    ----------
    random : mapping
        By setting a table with one distribution: ``uniform = [low, high]``, ``loguniform = [low, high]``, ``integers = [low, high]``
        (both included) or ``choice = [...]``. One with a ``count`` of its own is an axis; all others are drawn together, ``count``
        times, as one axis.
    seed : int
        Seed of the draws.

    Returns
    -------
    list of Axis
        In the order given, those drawn together last.

    Raises
    ------
    InputError
        If a distribution or a count is missing, unknown or makes no sense.
    """
    tables = {key: dict(table) for key, table in random.items() if isinstance(table, Mapping)}
    for key in random.keys() - tables.keys() - {"count"}:
        raise InputError(f"random.{key} must be a table such as {{uniform = [0.0, 1.0]}}, got {random[key]!r}")
    axes: list[Axis] = []
    joint: dict[str, list[Any]] = {}
    for number, (key, table) in enumerate(tables.items()):
        alone = "count" in table
        count = table.pop("count", random.get("count"))
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise InputError(f"random.{key} needs a count of at least 1, of its own or as random.count, got {count!r}")
        if len(table) != 1:
            raise InputError(f"random.{key} needs exactly one of: {', '.join(DISTRIBUTIONS)}")
        drawn = [_draw(key, table, fraction(seed, _DRAWS + number, index)) for index in range(count)]
        if alone:
            axes.append(axis_of(key, drawn))
        else:
            joint[key] = drawn
    if joint:
        axes.append(Axis("draw", tuple(joint), [list(row) for row in zip(*joint.values(), strict=True)]))
    return axes


def _draw(key: str, table: Mapping[str, Any], share: float) -> Any:
    ((name, argument),) = table.items()
    if name not in DISTRIBUTIONS:
        raise unknown_name("distribution", name, list(DISTRIBUTIONS))
    wrong = InputError(f"random.{key}.{name} must be {'a list of values' if name == 'choice' else 'two rising numbers'}, got {argument!r}")
    if not isinstance(argument, list) or not argument:
        raise wrong
    if name == "choice":
        return argument[int(share * len(argument))]
    if len(argument) != 2 or not all(isinstance(bound, int | float) for bound in argument) or not argument[0] < argument[1]:
        raise wrong
    low, high = argument
    if name == "integers":
        return int(low) + int(share * (int(high) - int(low) + 1))
    if name == "uniform":
        return low + share * (high - low)
    if low <= 0:
        raise InputError(f"random.{key}.loguniform needs positive numbers, got {argument!r}")
    return float(low * math.exp(share * math.log(high / low)))
