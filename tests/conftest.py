"""Settings of every test process before torch is imported, and the fixtures of tests that run commands."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import command_line
import pictures
import processes
import pytest

from experiments.figures import style

# A shell starts its background jobs with Ctrl-C ignored, and children inherit that; the tests of Ctrl-C need it to arrive.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure() -> None:
    """Give each worker one thread: the suite runs one worker per core, and sums of one length are then taken in one order."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def eqlab() -> command_line.Eqlab:
    """The program: ``eqlab("train", "--seed", 3)`` returns click's result."""
    return command_line.eqlab


@pytest.fixture(scope="session")
def found() -> command_line.Found:
    """The program with ``--json``: returns what it prints, after checking its exit code."""
    return command_line.found


@pytest.fixture(scope="session")
def refused() -> command_line.Refused:
    """The program with arguments that it refuses: returns the one line of its error."""
    return command_line.refused


@pytest.fixture(scope="session", autouse=True)
def _outlined() -> Iterator[None]:
    """Figures are painted and not rendered unless a module asks for ``rendered``: rendering is most of the time of a small command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "_saved", pictures.outlined)
        yield


@pytest.fixture(scope="module")
def rendered() -> Iterator[None]:
    """Figures of this module are rendered by matplotlib, as they are for a user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "_saved", pictures.RENDERED)
        yield


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own to run commands in; their child processes find the packages and ``tests/support``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", processes.PATHS)
    return tmp_path
