"""``eqlab sweep collect``: the results of a sweep as netCDF and CSV, with a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name
from experiments.commandline.assignments import split_assignment
from experiments.commandline.flags import RUNS, command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.commandline.sections import OUTPUT
from experiments.runs.directory import RunDirectory, place
from experiments.runs.inside import refuse_special_files
from experiments.runs.intervals import brackets
from experiments.runs.pages import recall
from experiments.runs.records import STATUSES
from experiments.sweeps.directory import COMMAND, refuse_edited

if TYPE_CHECKING:
    import xarray as xr

_SHOWN_FAILURES = 5


class CollectOptions(CommandOptions):
    """Files to write from a sweep, and contents of the summary.

    Attributes
    ----------
    name
        Name of the sweep.
    csv, timing
        File of the table, and whether it has columns that depend on the machine.
    metrics, against, points
        Metrics, reference arm and size of the summary.
    """

    name: Annotated[str, Positional()] = Field(description="Name of the sweep in the directory runs, or a path.")
    csv: Annotated[Path | None, OUTPUT] = Field(
        None, exclude=True, description="CSV file to write all results to, whose bytes do not depend on the engine; none: no file."
    )
    timing: Annotated[bool, OUTPUT] = Field(False, description="Add times to the CSV file, which do depend on the engine.")
    metrics: tuple[str, ...] = Field((), description="Metrics of the summary; empty: the most telling ones of the experiment.")
    against: str | None = Field(
        None, description="Value AXIS=VALUE from which paired differences of the other values of the axis are shown."
    )
    points: Annotated[int, Field(ge=0)] = Field(40, description="Largest number of points of the grid in the summary.")


@command(CollectOptions, "collect", without=("config", "seed", "threads"), directory=RUNS)
def collect_command(options: CollectOptions, invocation: Invocation) -> None:
    """Write the results of the sweep NAME to results.nc and, if asked, a table; show means with intervals.

    Intervals are at 95 %, by Student's t over the seeds, as in every other table and figure.

    \b
    Examples:
      eqlab sweep collect gains --csv gains.csv
      eqlab sweep collect rules --against rule=backprop --metrics test_error
    """  # noqa: D301
    from experiments.sweeps.results import read_results, to_dataset, write_dataset
    from experiments.sweeps.summary import differences, summarise
    from experiments.sweeps.tables import to_csv, write_csv

    if options.csv is not None and options.csv.is_dir():
        raise InputError(f"{options.csv} is a directory; give --csv a file")
    run = RunDirectory(place(options.name, invocation.runs))
    run.read_config()  # whether there is a run at all
    refuse_special_files(run.path)
    made_by = run.read_provenance()["command"]
    with run.journal(readonly=True) as journal:
        if made_by == COMMAND:
            refuse_edited(run, recall(journal))
        results = read_results(journal)
    dataset = to_dataset(results)
    experiment = results.study.described
    metrics = {name: experiment.metric(name).bounds for name in _chosen(options, dataset, experiment.headline)}
    file = run.path / "results.nc"
    try:
        write_dataset(dataset, file)
        digest = write_csv(partial(to_csv, results, timing=options.timing), options.csv) if options.csv else None
    except OSError as error:
        raise InputError(f"cannot write the results ({error.strerror or error}); make room, or write elsewhere") from error
    data: dict[str, Any] = {
        "run": str(run.path),
        "dataset": str(file),
        "csv": str(options.csv) if options.csv else None,
        "csv_sha256": digest,
        "counts": {status: int((results.status == code).sum()) for code, status in enumerate(STATUSES)},
        "failures": [{"trial": number, "error": error} for number, error in islice(results.errors.items(), _SHOWN_FAILURES)],
        "summary": summarise(dataset, metrics, options.points),
        "differences": [],
    }
    if options.against:
        axis, reference = split_assignment(options.against, "--against", "AXIS=VALUE")
        data["differences"] = differences(dataset, metrics, axis, reference, options.points)
    invocation.result(data, _describe(data))


def _chosen(options: CollectOptions, dataset: xr.Dataset, headline: Sequence[str]) -> list[str]:
    numeric = sorted(str(name) for name, column in dataset.data_vars.items() if column.dtype.kind == "f")
    for name in options.metrics:
        if name not in numeric:
            raise unknown_name("metric", name, numeric)
    return [name for name in options.metrics or headline if name in numeric]


def _describe(data: Mapping[str, Any]) -> str:
    counts = data["counts"]
    lines = [f"{data['dataset']}: {counts['done']} done, {counts['failed']} failed, {counts['pending'] + counts['running']} missing"]
    lines += [f"trial {one['trial']} has no result: {one['error']}" for one in data["failures"]]
    if data["csv"]:
        lines.append(f"{data['csv']}: SHA-256 {data['csv_sha256']}")
    for title, records in (("means over seeds", data["summary"]), ("paired differences", data["differences"])):
        if records:
            header = (*records[0]["point"], "metric", "n", "mean", "95 % interval")
            rows = [(*map(str, one["point"].values()), one["metric"], one["n"], one["mean"], _interval(one)) for one in records]
            lines += ["", title, format_table(header, rows)]
    return "\n".join(lines)


def _interval(record: Mapping[str, Any]) -> str:
    return brackets(record["n"], record["low"], record["high"], "{:.4g}".format)
