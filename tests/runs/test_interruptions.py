"""Runs that Ctrl-C or a signal of the system stops at any moment: one sentence, code 130, no process left, and a whole journal."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import processes
import psutil
import pytest
from command_line import Found
from sweep_cases import new

from experiments.trials.engine import EngineError
from experiments.trials.engines import RestartingPool

pytestmark = pytest.mark.usefixtures("here")

CHILD = processes.ROOT / "tests" / "children" / "interruptions.py"
TRIALS = 80


def send_to_the_group(process: int, number: signal.Signals) -> None:
    """Signal as a terminal does."""
    os.killpg(process, number)


def send_to_both(process: int, number: signal.Signals) -> None:
    """Signal as GNU ``timeout`` does: the program, and at once its group, in which it is a second time."""
    os.kill(process, number)
    os.killpg(process, number)


def send_again(process: int, number: signal.Signals) -> None:
    """Signal as an impatient user does, within the clean-up."""
    os.kill(process, number)
    time.sleep(0.05)
    os.kill(process, number)


WAYS = (
    ("process:2", signal.SIGINT, send_to_the_group),
    ("process:2", signal.SIGTERM, send_again),
    ("dask:2", signal.SIGTERM, send_to_both),
    ("serial", signal.SIGHUP, os.kill),
)
"""Every engine, signal and way to send it, once each."""


@pytest.mark.parametrize(("engine", "number", "send"), WAYS)
def test_a_signal_ends_with_130_and_the_command_that_goes_on(found: Found, engine: str, number: signal.Signals, send: Any) -> None:
    """If this fails, stopping a sweep is a traceback or a guess, leaves processes behind, or spoils the journal."""
    new("a", "--grid", "x=1,2", "--seeds", TRIALS // 2, "--set", "seconds=0.02", chunk=1)
    command = [*processes.PROGRAM, "sweep", "run", "a", "--plugin", "trials", "--engine", engine, "--quiet"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=processes.ENVIRONMENT, start_new_session=True, **pipes) as driver:
        while processes.count_done(Path("runs/a/journal.sqlite").resolve()) < 3:
            assert driver.poll() is None
            time.sleep(0.01)
        children = psutil.Process(driver.pid).children(recursive=True)
        send(driver.pid, number)
        stdout, stderr = driver.communicate(timeout=60)
    assert stderr == f"eqlab: error: interrupted; continue with: eqlab sweep run a --engine {engine}\n"
    assert driver.returncode == 130
    assert stdout == ""
    assert not psutil.wait_procs(children, timeout=20)[1]
    with closing(sqlite3.connect("runs/a/journal.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert 3 <= found("sweep", "status", "a")["counts"]["done"] < TRIALS
    assert found("sweep", "run", "a", "--engine", "serial")["counts"]["done"] == TRIALS


def until_caught(pid: int, number: int) -> None:
    """Wait until a process has a handler for a signal, which takes longer the busier the machine is."""
    for _ in range(3000):
        caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
        if int(caught.split()[1], 16) >> (number - 1) & 1:
            return
        time.sleep(0.01)
    raise TimeoutError(f"process {pid} never caught signal {number}")


@pytest.mark.parametrize(("engine", "seconds"), [("process:2", 0.2), ("dask:2", 1.0), ("dask:2", 2.2)])
def test_a_signal_while_workers_start_is_one_sentence(engine: str, seconds: float) -> None:
    """If this fails, a job that is cancelled early ends in the traceback of a library, or goes on without workers."""
    new("a", "--grid", "x=1,2", "--seeds", 500, "--set", "seconds=0.1", chunk=1)
    command = [*processes.PROGRAM, "sweep", "run", "a", "--plugin", "trials", "--engine", engine, "--quiet"]
    with subprocess.Popen(command, env=processes.ENVIRONMENT, start_new_session=True, stderr=subprocess.PIPE, text=True) as driver:
        until_caught(driver.pid, signal.SIGTERM)
        time.sleep(seconds)
        send_to_both(driver.pid, signal.SIGTERM)
        stderr = driver.communicate(timeout=60)[1]
    assert driver.returncode == 130
    assert stderr.lstrip().startswith("eqlab: error: interrupted")
    assert stderr.count("\n") <= 2  # click ends the line in which ^C stands


ENDS = {
    "twice": ("interrupted", 130),
    "in_a_step_that_must_not_be_cut": ("inner outer interrupted", 130),
    "in_a_failing_step": ("interrupted", 130),
    "where_everything_is_caught": ("caught interrupted", 130),
    "in_a_clean_up_that_hangs": ("hangs", 130),
    "within_the_clean_up": ("clean interrupted", 130),
    "called_by_a_library": ("interrupted", 130),
    "called_where_nothing_must_be_cut": ("whole interrupted", 130),
    "in_two_callbacks": ("interrupted", 130),
    "while_numba_compiles": ("interrupted", 130),
    "in_a_library_that_stumbles_over_what_it_lost": ("interrupted; continue with: again", 130),
    "in_a_run_within_a_run": ("interrupted; continue with: inner", 130),
    "where_no_signal_came": ("a fault done", 0),
    "while_it_is_ignored": ("done", 0),
}


@pytest.mark.parametrize("place", ENDS)
def test_a_signal_interrupts_once_and_never_a_clean_up(place: str) -> None:
    """If this fails, an interruption is lost until the end of the trial, comes twice, or shows a library's words on stderr."""
    done = subprocess.run(
        [sys.executable, CHILD, place], env=processes.ENVIRONMENT, capture_output=True, text=True, timeout=50, check=False
    )
    assert (" ".join(done.stdout.split()), done.returncode) == ENDS[place]
    assert done.stderr == ""


@pytest.mark.parametrize("reason", ["Read-only file system", "No space left on device", "Resource temporarily unavailable"])
def test_workers_that_cannot_start_are_one_sentence(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, reason)

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    with pytest.raises(EngineError, match=rf"workers cannot start \({reason}\).*--engine serial"):
        RestartingPool(1)


@pytest.mark.skipif(os.getuid() != 0, reason="only root mounts file systems")
@pytest.mark.parametrize(
    ("engine", "mount"),
    [("process:2", "-o ro tmpfs /dev/shm"), ("dask:2", "-o size=4k tmpfs /dev/shm; head -c 4096 /dev/zero >/dev/shm/x")],
)
def test_shared_memory_that_is_full_or_read_only_is_one_sentence(engine: str, mount: str) -> None:
    """If this fails, a hardened container says "Read-only file system", and nobody knows of what."""
    new("a", "--grid", "x=1,2", chunk=1)
    script = f'mount -t tmpfs {mount} || exit 77; exec "$0" -c "$1" sweep run a --plugin trials --engine {engine} --quiet'
    argv = ["unshare", "-m", "sh", "-c", script, sys.executable, processes.PROGRAM[2]]
    done = subprocess.run(argv, env=processes.ENVIRONMENT, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        pytest.skip("this container lets nobody mount file systems")
    assert done.returncode == 1
    assert done.stderr.startswith("eqlab: error: workers cannot start (")
    assert done.stderr.endswith("or use --engine serial\n")
