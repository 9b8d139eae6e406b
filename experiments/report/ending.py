"""The end of a command that computes: figures with their data, the report, the result as text or JSON, and where all of it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from experiments.commandline.invocation import Invocation
from experiments.runs.directory import RunDirectory


def finish(run: RunDirectory, invocation: Invocation, result: Mapping[str, Any], text: str, also: Callable[[], str] | None = None) -> None:
    """Write the figures and the report of a run, and print its result.

    Both are made from the records, so that ``eqlab report`` shows the same at any later time.

    Parameters
    ----------
    run : RunDirectory
        Run whose journal is complete and closed.
    invocation : Invocation
        Output for the result.
    result : mapping
        Result for ``--json``; the run's directory is added.
    text : str
        Result for people; the places of run and report are added.
    also : callable, optional
        Writes further files of the command, and returns a line that says where they are.

    Raises
    ------
    InputError
        If the directory cannot be written; the result is printed all the same.
    """
    from experiments.figures.writing import write_pictures
    from experiments.report.html import render, write_report
    from experiments.report.page import build_report, contents_of

    report = run.path / "report.html"
    try:
        if also is not None:
            text = f"{text}\n\n{also()}"
        view = contents_of(run)
        write_report(report, render(build_report(run, view=view), figures=run.figures.name))
        if squeezed := write_pictures(run.figures, view.pictures, invocation.drawing):
            invocation.warn(squeezed)
    except Exception:
        # A disk that is full for figures is no reason to keep the result of hours to ourselves.
        invocation.result({"run": str(run.path), **result}, f"{text}\n\nrun directory: {run.path}")
        raise
    invocation.result({"run": str(run.path), **result}, f"{text}\n\nrun directory: {run.path}\nreport: {report}")
