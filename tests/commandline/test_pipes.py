"""Pipes and devices in place of files: what ends is read, what does not end is refused, and in a run from elsewhere none is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from command_line import Eqlab, Found, Refused
from sweep_cases import new

from experiments.commandline.documents import read_bounded

pytestmark = pytest.mark.usefixtures("here")

RECALL = ("recall", "--size", 60, "--sweeps", 10, "--burn-in", 2, "--chains", 2, "--quiet")
FIT = "\n".join(f"{1e-6 * (1 + up)},{1e-6 * (10 - up)}" for up in range(10))


@contextmanager
def pipe(content: bytes) -> Iterator[Path]:
    """A named pipe, from which the content is read once."""
    path = Path("pipe")
    os.mkfifo(path)
    writer = Thread(target=path.write_bytes, args=(content,), daemon=True)
    writer.start()
    yield path
    writer.join(timeout=20)
    path.unlink()


def test_a_configuration_is_read_from_a_pipe(found: Found) -> None:
    with pipe(b"patterns = 3\n") as path:
        result = found(*RECALL, "--config", path, "--out", "a")
    assert "patterns = 3" in Path("a/config.toml").read_text()
    assert result["run"] == "a"


def test_pulses_are_read_from_a_pipe(found: Found) -> None:
    Path("pulses.csv").write_text(FIT)
    found("device", "fit", "pulses.csv", "--out", "a")
    with pipe(FIT.encode()) as path:
        found("device", "fit", path, "--out", "b")
    numbers = [Path(f"{name}/device.toml").read_text().splitlines()[1:] for name in "ab"]
    assert numbers[0] == numbers[1]


ENDLESS = {
    "configuration": (*RECALL, "--config"),
    "patterns": (*RECALL, "--pattern-file"),
    "pulses": ("device", "fit"),
    "device": ("hardware", "--preset"),
    "curve": ("train", "--network", "resistive", "--circuit-diode-curve"),
}


@pytest.mark.parametrize("role", ENDLESS)
def test_a_device_without_end_is_refused_in_one_sentence(role: str, eqlab: Eqlab) -> None:
    """If this fails, a slip of the finger takes all memory of the machine."""
    result = eqlab(*ENDLESS[role], "/dev/zero")
    assert result.exit_code in (1, 2)
    assert result.stderr.splitlines()[-1].startswith("eqlab: error: ")
    assert "/dev/zero" in result.stderr


@pytest.mark.parametrize("name", ["provenance.json", "journal.sqlite", "figures/a.svg", "live/0.ndjson"])
def test_a_pipe_in_a_run_is_refused_and_never_waited_for(name: str, eqlab: Eqlab, refused: Refused) -> None:
    """If this fails, a received directory makes every look at it hang."""
    new("a", "--grid", "x=1,2")
    path = Path("runs/a") / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert "is neither a file nor a directory" in refused("report", "a")
    assert eqlab("runs", "list").exit_code == 0


def test_a_record_is_no_pipe() -> None:
    os.mkfifo("p")
    with pytest.raises(OSError, match="Not a regular file"):
        read_bounded(Path("p"))
