"""Sweeps of the toy experiment, made and collected by the program."""

from __future__ import annotations

import csv
from pathlib import Path

from command_line import found

TOY = "trials:EXPERIMENT"


def new(name: str, *arguments: object, experiment: str = TOY, chunk: int = 2) -> None:
    found("sweep", "new", name, experiment, *arguments, "--chunk", chunk)


def digest(name: str) -> str:
    return str(found("sweep", "collect", name, "--csv", f"{name}.csv", "--points", 0)["csv_sha256"])


def rows(name: str) -> list[dict[str, str]]:
    digest(name)
    with Path(f"{name}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))
