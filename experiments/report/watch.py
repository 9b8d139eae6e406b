"""``eqlab watch``: the report of a run in a browser of this machine, kept up to date while the run goes on."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import RUNS, command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import Positional
from experiments.commandline.options import CommandOptions
from experiments.runs.advice import NoRunError, closest, listing
from experiments.runs.directory import RunDirectory, find_run, place

_SECONDS_BETWEEN_LOOKS = 0.2


class WatchOptions(CommandOptions):
    """Run to watch, and address of the page.

    Attributes
    ----------
    run
        Name in the directory of runs, or a path.
    port, every
        Port of the page, and seconds between two updates.
    wait
        Seconds to wait for a run that has not begun.
    """

    run: Annotated[str | None, Positional()] = Field(None, description="Name of a run in the directory runs, or a path.")
    port: int = Field(0, ge=0, le=65535, description="Port of the page on this machine; 0: any free port.")
    every: float = Field(3.0, ge=0.5, le=3600, description="Time between two readings of the run, in second.")
    wait: float = Field(60.0, ge=0, le=86400, description="Time to wait for the run to begin, in second.")


@command(WatchOptions, "watch", without=("config", "set", "seed", "threads"), directory=RUNS)
def watch_command(options: WatchOptions, invocation: Invocation) -> None:
    """Show the run RUN in a browser of this machine while it goes on, with its progress, curves and failures.

    The page is that of 'eqlab report'. It is served on loopback only and made from the records, which are opened for reading only; the
    run is not disturbed. A run that is started together with it may begin later, within --wait seconds. Ctrl-C ends it.

    \b
    Examples:
      eqlab watch demo
      eqlab watch runs/demo --port 8765
    """  # noqa: D301
    if options.run is None:
        raise InputError(f"which run? give one of those that '{listing(invocation.runs)}' shows")
    run = _begun(options.run, options.wait, invocation, asked="wait" in options.model_fields_set)
    from experiments.report.page import build_report
    from experiments.report.watch_server import LOOPBACK, Server, Viewer

    build_report(run)  # an unreadable run is an error here, not a page in the browser
    viewer = Viewer(lambda: build_report(run), lambda: _mark(run), options.every)
    try:
        server = Server(options.port, viewer)
    except OSError as error:
        problem = f"cannot serve on port {options.port} of {LOOPBACK} ({error.strerror})"
        raise InputError(f"{problem}; choose another --port, or 0 for any that is free") from error
    with server:
        invocation.result({"url": server.url, "run": str(run.path)}, f"{run.path}: {server.url} (Ctrl-C ends)")
        server.serve_forever()


def _begun(name: str, seconds: float, invocation: Invocation, *, asked: bool) -> RunDirectory:
    """Find a run, and wait for one that has not begun: its process imports libraries for some seconds before it makes the directory.

    A name that is nearly that of a run is taken for a mistake, unless the time to wait was asked for.

    Raises
    ------
    NoRunError
        If there is no such run after the time.
    """
    deadline, told = time.monotonic() + seconds, False
    while True:
        try:
            return find_run(name, invocation.runs)
        except NoRunError as error:
            if not asked and (close := closest(place(name.rstrip("/") or name, invocation.runs))):
                raise NoRunError(f"{error}; did you mean {close}? Give --wait to wait for a run of this name") from error
            if time.monotonic() >= deadline:
                raise
            if not told:
                invocation.note(f"{error}; waiting {seconds:g} s for it to begin")
            told = True
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _mark(run: RunDirectory) -> object:
    """Return a value that changes whenever the records of the run change."""
    paths = [run.config, run.provenance, run.journal_file, run.journal_file.with_name(f"{run.journal_file.name}-wal")]
    with suppress(OSError):
        paths += sorted(run.live.iterdir())
    return [_stamp(path) for path in paths]


def _stamp(path: Path) -> tuple[str, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return path.name, found.st_mtime_ns, found.st_size
