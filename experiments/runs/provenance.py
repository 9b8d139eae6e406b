"""Provenance of a result: versions, commit, machine and command line, without names of people, machines or home directories."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from contrastive_core import plugins
from experiments.machine import processor

_PACKAGES = ("numpy", "torch", "numba", "scipy")
_SOURCE = Path(__file__).resolve().parent
_HOME = re.compile(r"(?<![\w.])/(?:home|Users)/[^/\s:=,]+")


def package_version(name: str) -> str | None:
    """Look up an installed package without importing it.

    Parameters
    ----------
    name : str
        Name of the distribution.

    Returns
    -------
    str or None
        None if it is not installed.
    """
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def package_versions() -> dict[str, str | None]:
    """List the versions of eqlab, Python and the numerical packages."""
    return {"eqlab": package_version("eqlab"), "python": platform.python_version(), **{name: package_version(name) for name in _PACKAGES}}


@cache
def versions() -> dict[str, str | None]:
    """List the versions that a result depends on.

    Returns
    -------
    dict of str to str or None
        eqlab, its commit (with "+changes" if the checkout had any), Python and the numerical packages.
    """
    commit, changed = source_commit()
    return {**package_versions(), "commit": f"{commit}+changes" if commit and changed else commit}


@cache
def source_commit() -> tuple[str | None, bool | None]:
    """Find the git commit of the running source.

    Returns
    -------
    commit : str or None
        None if the source is no git checkout.
    changed : bool or None
        Whether tracked files differ from that commit.
    """
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:  # else any repository around an installed copy would count
        return None, None
    status = _git("status", "--porcelain", "--untracked-files=no")
    return _git("rev-parse", "HEAD"), None if status is None else bool(status)


def without_home(text: str) -> str:
    """Replace home directories in a text, which would tell who ran it.

    Parameters
    ----------
    text : str
        Text, such as an argument of the command line.

    Returns
    -------
    str
        Text with ``~`` in their place.
    """
    try:
        home = str(Path.home())
    except RuntimeError:  # a user of a container without an entry, and so without a home
        home = ""
    if len(Path(home).parts) > 1:
        text = re.sub(rf"{re.escape(home)}(?=/|$)", "~", text)
    return _HOME.sub("~", text)


def provenance(argv: Sequence[str], threads: int, program: str = "eqlab") -> dict[str, Any]:
    """Describe one start of a run.

    Parameters
    ----------
    argv : sequence of str
        Command line after the name of the program.
    threads : int
        Number of threads.
    program : str
        Name of the program that was started.

    Returns
    -------
    dict
        Record that is ready for JSON.
    """
    commit, changed = source_commit()
    return {
        "started": utc_now(),
        "argv": [program, *map(without_home, argv)],
        "versions": versions(),
        "commit": commit,
        "changed": changed,
        "platform": platform.platform(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "plugins": plugins.used(),
    }


def utc_now() -> str:
    """Return the present time.

    Returns
    -------
    str
        Time in UTC and ISO format, to the second.
    """
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _git(*arguments: str) -> str | None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-C", str(_SOURCE), *arguments]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
