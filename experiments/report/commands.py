"""``eqlab report``: one HTML file about a run, or about several beside each other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import ON_THE_PAGE, Invocation
from experiments.commandline.markers import Positional
from experiments.commandline.options import CommandOptions
from experiments.runs.directory import RunDirectory, find_run

_LONGEST_NAME = 80


class ReportOptions(CommandOptions):
    """Runs to report on, and places of the files.

    Attributes
    ----------
    runs
        Names in the directory ``runs``, or paths.
    out, figures
        File of the report, and directory of its figures with their numbers.
    front
        Metrics of the Pareto front.
    """

    runs: Annotated[tuple[str, ...], Positional()] = Field((), description="Names of runs in the directory runs, or paths.")
    out: Path | None = Field(
        None,
        description="File of the report, by default with the ending .html; none: report.html in the run, or beside the first of several.",
    )
    figures: Path | None = Field(
        None,
        description="Directory to write every figure to, as SVG with its numbers as CSV and JSON; none: the folder figures of the run, and "
        "no files for several runs or with --out.",
    )
    front: tuple[str, ...] = Field((), description="Two metrics, both better if smaller, whose Pareto front is shown.")


@command(ReportOptions, "report", without=("config", "set", "seed", "threads", "out"), draws=True)
def report_command(options: ReportOptions, invocation: Invocation) -> None:
    """Write a report of RUNS, a self-contained HTML file with figures, tables, configuration and provenance.

    The report is made from records only, so that the run may still be going on, have failed or have been killed. Several runs are
    compared: settings that differ and mean results stand side by side, then the figures of each.

    \b
    Examples:
      eqlab report gains
      eqlab report demo other/runs/demo --out both.html
      eqlab report gains --front steps,residual
      eqlab report phase --figure-format pdf,png --width single
    """  # noqa: D301
    if not options.runs:
        raise InputError("which run? give at least one of those that 'eqlab runs list' shows")
    if options.front and len(set(options.front)) != 2:
        raise InputError(f"--front needs two different metrics, got {', '.join(options.front)}")
    from experiments.figures.writing import write_pictures
    from experiments.report.html import refuse_other_file, render, write_report
    from experiments.report.page import build_joint_report, build_report

    runs = [find_run(name) for name in dict.fromkeys(options.runs)]
    page = build_report(runs[0], options.front) if len(runs) == 1 else build_joint_report(runs, options.front)
    path = _default(runs) if options.out is None else options.out
    if not path.suffix and not path.exists():  # a browser shows a file without an ending as text
        path = path.with_name(f"{path.name}.html")
    figures = options.figures or (runs[0].figures if len(runs) == 1 and options.out is None else None)
    if options.out is not None:
        refuse_other_file(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory; give --out a file")
    if invocation.drawing != ON_THE_PAGE and figures is None:
        raise InputError("--figure-format and --width need a directory for the figures; give --figures DIRECTORY")
    html = render(page, figures=None if figures is None else os.path.relpath(figures, path.parent))
    write_report(path, html)
    if figures is not None and (squeezed := write_pictures(figures, page.pictures, invocation.drawing)):
        invocation.warn(squeezed)
    size = len(html.encode())
    data: dict[str, Any] = {"report": str(path), "bytes": size, "figures": list(page.pictures)}
    invocation.result(data, f"{path}: {size / 1000:.0f} kB, {len(page.pictures)} figures")


def _default(runs: list[RunDirectory]) -> Path:
    if len(runs) == 1:
        return runs[0].path / "report.html"
    return runs[0].path.parent / f"report-{'-'.join(run.path.resolve().name for run in runs)[:_LONGEST_NAME]}.html"
