"""``eqlab data``: list data sets, and fetch and verify their files."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from contrastive_core.data.catalog import CATALOG
from contrastive_core.data.entry import Entry
from contrastive_core.errors import DataError, InputError
from experiments.commandline.flags import command
from experiments.commandline.group import lazy_group
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import OneOf, Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table

_Names = Annotated[tuple[Annotated[str, OneOf("data set", CATALOG)], ...], Positional()]


class FileOptions(CommandOptions):
    """Data sets, and the directory of their files.

    Attributes
    ----------
    names : tuple of str
        Names of the data sets; empty for all that have files.
    data_dir : Path or None
        Directory of the files; None for the download cache.
    """

    names: _Names = Field((), description="Names of data sets, as 'eqlab data list' shows them.")
    data_dir: Path | None = Field(None, exclude=True, description="Directory of the files; none: the download cache.")


@command(CommandOptions, "list")
def list_data(options: CommandOptions, invocation: Invocation) -> None:
    """List the data sets with their sizes and origins.

    \b
    Examples:
      eqlab data list
      eqlab data list --json

    Parameters
    ----------
    options : CommandOptions
        Not used.
    invocation : Invocation
        Start of the command, for output.
    """  # noqa: D301
    data = {"datasets": {name: _describe(entry) for name, entry in CATALOG.items()}}
    header = ("name", "kind", "train", "validation", "test", "inputs", "classes", "task")
    rows = [
        (name, entry.kind, entry.num_train, entry.num_validation, entry.num_test, entry.num_inputs, _classes(entry), entry.task)
        for name, entry in CATALOG.items()
    ]
    invocation.save_result("datasets", data, format_table(header, rows))


@command(FileOptions, "fetch")
def fetch_data(options: FileOptions, invocation: Invocation) -> None:
    """Download the missing files of the data sets NAMES, and check the existing ones.

    \b
    Examples:
      eqlab data fetch mnist
      eqlab data fetch mnist kmnist --data-dir data

    Parameters
    ----------
    options : FileOptions
        Data sets and directory; at least one name is needed.
    invocation : Invocation
        Start of the command, for output.

    Raises
    ------
    InputError
        If no data set is named.
    DataError
        If a download fails, or an existing file is not the published one.
    """  # noqa: D301
    from contrastive_core.data.files import fetch

    if not options.names:
        raise InputError(f"which data sets? name one or more of: {', '.join(_with_files())}")
    found: dict[str, dict[str, str]] = {}
    for name in options.names:
        entry = CATALOG[name]
        sought = "looking for its files" if entry.files or entry.kind == "folder" else f"{entry.kind}, there is nothing to download"
        invocation.note(f"{name}: {sought}")
        found[name] = {file: str(path) for file, path in fetch(name, options.data_dir).items()}
    rows = [(name, file, path) for name, files in found.items() for file, path in files.items()]
    text = format_table(("data set", "file", "path"), rows) if rows else "nothing to download"
    invocation.save_result("fetched", {"datasets": found}, text)


@command(FileOptions, "verify")
def verify_data(options: FileOptions, invocation: Invocation) -> None:
    """Examine the files of the data sets NAMES, by default of all that have files, and change nothing.

    \b
    Examples:
      eqlab data verify
      eqlab data verify mnist --data-dir data

    Parameters
    ----------
    options : FileOptions
        Data sets and directory.
    invocation : Invocation
        Start of the command, for output.

    Raises
    ------
    DataError
        If any file is missing, damaged or not the published one.
    """  # noqa: D301
    from contrastive_core.data.verification import verify

    reports = {name: verify(name, options.data_dir) for name in options.names or _with_files()}
    rows, data, problems = [], {}, []
    for name, files in reports.items():
        data[name] = {file.name: {key: value for key, value in file._asdict().items() if key != "name"} for file in files}
        for file in files:
            verdict = "missing or damaged" if file.problem else {True: "published", False: "another file", None: "unknown"}[file.published]
            rows.append((name, file.name, file.num_samples, file.num_bytes, (file.digest or "-")[:16], verdict))
            if file.problem or file.published is False:
                problems.append(file.problem or f"{file.path}: not the published file of {name!r}")
    header = ("data set", "file", "samples", "bytes", "SHA-256 of content", "verdict")
    invocation.save_result("verified", {"datasets": data}, format_table(header, rows))
    if problems:
        raise DataError(f"{len(problems)} of {len(rows)} files cannot be relied on; the first: {problems[0]}")


def _with_files() -> list[str]:
    return [name for name, entry in CATALOG.items() if entry.files]


def _classes(entry: Entry) -> int | str:
    return entry.num_classes if entry.labels == "classification" else entry.labels


def _describe(entry: Entry) -> dict[str, Any]:
    shown = ("kind", "task", "labels", "num_train", "num_validation", "num_test", "num_inputs", "num_classes", "origin")
    return {key: getattr(entry, key) for key in shown}


data = lazy_group(
    "data",
    "List, fetch, verify and describe data sets.",
    {
        "describe": "experiments.installation.describe:describe_data",
        "list": "experiments.installation.data:list_data",
        "fetch": "experiments.installation.data:fetch_data",
        "verify": "experiments.installation.data:verify_data",
    },
)
