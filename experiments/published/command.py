"""``eqlab reproduce``: published results, and runs that repeat them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import Field

from contrastive_core.errors import EqlabError, InputError
from experiments.commandline.documents import published_configurations, read_bounded
from experiments.commandline.flags import Command, command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import OneOf, Positional
from experiments.commandline.options import CommandOptions, Layer, resolve_layers
from experiments.commandline.output import format_table, to_json, write_text
from experiments.commandline.quantities import Positive
from experiments.commandline.sections import COMPUTATION
from experiments.published.row import MARKS, Row, Scale, read_row, read_rows, settings
from experiments.published.verdict import Measured, measured, remark, verdict
from experiments.trials.progress import duration

LIST = "list"
RECORD = "reproduction.json"
"""File in the directory of the run that holds the comparison."""

_Name = Annotated[str, OneOf("published result", published_configurations(), LIST, listed_by="eqlab reproduce list"), Positional()]


class ReproduceOptions(CommandOptions):
    """A published result, and the size of the run that repeats it.

    Attributes
    ----------
    name
        Name of the published result; ``list`` for the table of all.
    scale
        Published size, or a small one.
    seeds
        Number of seeds.
    data_dir, engine
        Files of the data set, and where to compute.
    """

    name: _Name = Field(LIST, description="Name of a published result, or list for the table of all.")
    scale: Scale = Field(
        "small", description="Size of the run: full, as published, or small, which takes seconds, mostly needs no files and is not judged."
    )
    seeds: Positive | None = Field(None, description="Number of seeds; none: the number in the configuration.")
    data_dir: Path | None = Field(
        None, exclude=True, description="Directory with the files of the data set; none: download them once and cache them."
    )
    engine: Annotated[str | None, COMPUTATION] = Field(
        None,
        exclude=True,
        description="Engine that computes the trials, such as serial or process:2; none: the default of the command that is run.",
    )


@command(ReproduceOptions, "reproduce", without=("config", "set", "plugin"))
def reproduce_command(options: ReproduceOptions, invocation: Invocation) -> None:
    """Repeat the published result NAME by its shipped configuration, and compare the value with the published one.

    A result is reproduced if its 95 % interval, or its value where it has no interval, meets the published interval. The run is one of
    the command that measures the quantity: its directory has journal, report and checkpoints, and the same command line with --out
    continues it. 'eqlab reproduce list' shows all results with their sources and the processor time of a run. Every configuration
    is also one for that command, as in 'eqlab compare --config NAME'.

    \b
    Examples:
      eqlab reproduce list
      eqlab reproduce hopfield-capacity
      eqlab reproduce ernoult-2019-one-layer --scale full --data-dir DIRECTORY-OF-IDX-FILES
    """  # noqa: D301
    if options.name == LIST:
        _show_all(invocation)
        return
    row = read_row(options.name)
    found = _command(row.command)
    layers = settings(options.name, row, options.scale)
    asked = resolve_layers(found.model, [*layers, _given(options, row, found.model, layers)])
    invocation.note(f"{options.name}: eqlab {row.command} at the {options.scale} scale, {_cost(row, options.scale)} on one core")
    before = _seconds()
    result, text = _run(found, asked, replace(invocation, command=row.command))
    record = Path(result["run"]) / RECORD
    compared = _compare(options, row, result, _seconds() - before + _spent(record))
    write_text(record, to_json(compared) + "\n")
    invocation.result({**result, "reproduction": compared}, f"{text}\n\n{_text(row, compared)}")


def _show_all(invocation: Invocation) -> None:
    rows = read_rows()
    header = ("name", "published result", "value", "source", "mark", "full run", "small run")
    cells = [(name, row.title, _published(row), row.source, row.mark, str(row.full), str(row.small)) for name, row in rows.items()]
    notes = [f"{mark}: {meaning}" for mark, meaning in MARKS.items()]
    notes.append("full run, small run: processor time with all seeds; 'about' marks an estimate, the others were measured")
    data = {"published": [{"name": name, **row.resolved()} for name, row in rows.items()], "marks": MARKS}
    invocation.save_result("published", data, "\n".join([format_table(header, cells), "", *notes]))


def _command(name: str) -> Command:
    """Find a command by its name, through the program that is running: this module stands below it."""
    context = click.get_current_context().find_root()
    found: click.Command | None = context.command
    for word in name.split():
        assert isinstance(found, click.Group)
        found = found.get_command(context, word)
    assert isinstance(found, Command)
    return found


def _given(options: ReproduceOptions, row: Row, model: type[CommandOptions], layers: Sequence[Layer]) -> Layer:
    """Return what the user has given, as settings of the command that is run."""
    wanted = {name: getattr(options, name) for name in ("seed", "seeds", "data_dir", "engine") if name in options.model_fields_set}
    for name in wanted:
        if name not in model.model_fields:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{options.name} takes no {flag}: 'eqlab {row.command}' has no such option; leave it out")
    if "seeds" in wanted and model.model_fields["seeds"].default == 1 and not any("seeds" in layer.values for layer in layers):
        raise InputError(f"{options.name} takes no --seeds: its value is that of one seed; leave it out")
    return Layer("{flag}", {name: str(value) if isinstance(value, Path) else value for name, value in wanted.items()})


def _run(found: Command, options: CommandOptions, invocation: Invocation) -> tuple[Mapping[str, Any], str]:
    kept: list[tuple[Mapping[str, Any], str]] = []
    try:
        found.function(options, replace(invocation, receiver=lambda data, text: kept.append((data, text))))
    except EqlabError:
        if kept:  # some trials failed, and the command has shown what the others gave
            invocation.result(*kept[0])
        raise
    return kept[0]


def _spent(record: Path) -> float:
    """Return the processor time that an earlier line wrote for the same run, of which this one may only have read the results."""
    try:
        return float(json.loads(read_bounded(record))["cpu_seconds"])
    except (OSError, ValueError, KeyError, TypeError, InputError):
        return 0.0


def _compare(options: ReproduceOptions, row: Row, result: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    ours = measured(row, result)
    judged = verdict(row, options.scale, ours)
    return {
        "name": options.name,
        "scale": options.scale,
        "published": {"value": row.value, "interval": list(row.interval), "unit": row.unit, "source": row.source, "mark": row.mark},
        "here": ours._asdict(),
        "verdict": judged,
        "remark": remark(row, judged, ours),
        "cpu_seconds": seconds,
    }


def _text(row: Row, compared: Mapping[str, Any]) -> str:
    ours = Measured(**compared["here"])
    seeds = "" if ours.seeds is None else f", {ours.seeds} seed{'s' if ours.seeds > 1 else ''}"
    run = f"{compared['scale']} scale{seeds}; {duration(compared['cpu_seconds'])} of CPU"
    rows = [
        ("published", _number(row.value), _ends(*row.interval), f"{row.spread}; {MARKS[row.mark]}"),
        ("here", _number(ours.value), _ends(ours.low, ours.high), run),
    ]
    unit = f", {row.unit}" if row.unit else ""
    lines = [f"{row.title}{unit} ({row.source})", "", format_table(("", "value", "interval", "about it"), rows), "", compared["verdict"]]
    lines += [compared["remark"]] if compared["remark"] else []
    return "\n".join([*lines, *(f"differs: {one}" for one in row.differs)])


def _published(row: Row) -> str:
    unit = f" {row.unit}" if row.unit else ""
    return f"{_ends(*row.interval)}{unit}" if row.value is None else f"{_number(row.value)} {_ends(*row.interval)}{unit}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


def _ends(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"[{_number(low)}, {_number(high)}]"


def _cost(row: Row, scale: Scale) -> str:
    cost = row.full if scale == "full" else row.small
    return f"{duration(cost.seconds)} ({cost.how})"


def _seconds() -> float:
    """Return the processor time of this process and of its workers that have ended."""
    return sum(os.times()[:4])
