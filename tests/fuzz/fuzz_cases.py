"""One run of the program in a child process of its own, with limits, and what may not happen in it."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import re
import resource
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from fuzz_lines import commands
from tqdm import tqdm

from experiments.cli import cli

SECONDS = 30.0
MEMORY = 2 * 2**30
_GRACE = 5.0
_PATIENCE = 10
_CODES = (0, 1, 2, 3, 130)
_FIRST = """
compare --data two-moons --train-size 20 --hidden 4 --epochs 1 --seeds 1
gradients --data two-moons --samples 8 --train-size 20 --hidden 4
"""
"""Lines that load most; none of them samples spins, whose kernels start OpenMP, which a fork must not."""
_ADDRESS = re.compile(rb"http://([\d.]+:\d+)/")


class Ended(NamedTuple):
    """End of a run.

    Attributes
    ----------
    code : int
        Exit code; negative after a signal.
    out, err : str
        Text on stdout and stderr.
    seconds : float
        Time that it took.
    memory : int
        Largest resident set, in bytes, with what the parent had loaded.
    interrupted : bool
        Whether it was stopped after its time.
    problems : list of str
        Rules that it broke.
    """

    code: int
    out: str
    err: str
    seconds: float
    memory: int
    interrupted: bool
    problems: list[str]


def load() -> None:
    """Import what commands import, and run a few of them, so that children need not load modules and kernels again."""
    # Its monitor is a thread, and threads do not survive a fork.
    tqdm.monitor_interval = 0
    for name in ("torch", "scipy.optimize", "scipy.stats", "xarray", "matplotlib.figure", "contrastive_core.kernels.spins"):
        import_module(name)
    commands()
    before = Path.cwd()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        os.chdir(folder)
        try:
            for number, line in enumerate(_FIRST.strip().splitlines()):
                cli.main([*shlex.split(line), "--engine", "serial", "--quiet", "--out", f"first-{number}"], standalone_mode=False)
        finally:
            os.chdir(before)


def attempt(arguments: Sequence[str], folder: Path, *, large: bool = False, serves: bool = False, seconds: float = SECONDS) -> Ended:
    """Run the program in a forked child.

    Parameters
    ----------
    arguments : sequence of str
        Arguments of the program.
    folder : Path
        Current folder of the run.
    large : bool
        Whether a long time is what the arguments ask for: it is interrupted then, and has to end with the code for that.
    serves : bool
        Whether it is to serve a page on loopback; the page is read once its address is printed, and then it is interrupted.
    seconds : float
        Limit of its time.

    Returns
    -------
    Ended
        Outcome, with the rules that it broke.
    """
    begun, started = time.time(), time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            _child(arguments, folder, out.fileno(), err.fileno())
        interrupted = False
        page: list[bytes] = []
        ready = (lambda: bool(page.extend(_ADDRESS.findall(os.pread(out.fileno(), 10_000, 0))) or page)) if serves else None
        status, usage = _wait(child, min(seconds, 5.0) if large else seconds, ready)
        unread = _unread(page[0].decode()) if page else []
        if status is None:
            interrupted = True
            os.kill(child, signal.SIGINT)
            status, usage = _wait(child, _used(child) + _GRACE)
        took = time.monotonic() - started
        hung = status is None
        if hung:
            os.killpg(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
        texts = [_text(stream) for stream in (out, err)]
    assert status is not None
    ended = Ended(os.waitstatus_to_exitcode(status), *texts, took, usage.ru_maxrss * 1024, interrupted, [])
    if hung:
        return ended._replace(problems=[f"ended neither within {took:.0f} s nor when it was interrupted"])
    slow = [f"did not end within {seconds:.0f} s"] if interrupted and not large and not page else []
    return ended._replace(problems=[*slow, *unread, *_problems(ended, arguments), *_bad_files(folder, begun)])


def copied(workspace: Path, place: Path) -> Path:
    """Copy a workspace to a place where a run may damage it; nothing lies beside it."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(workspace, place / "w", symlinks=True)
    return place / "w"


def _unread(host: str) -> list[str]:
    """Read the page of a server, and say what is wrong with it."""
    connection = http.client.HTTPConnection(host, timeout=SECONDS)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return [f"serves no page: {error!r}"]
    finally:
        connection.close()
    return [] if answer.status == 200 and b"<html" in text and b"Traceback" not in text else [f"served {answer.status}: {text[:200]!r}"]


def _wait(child: int, limit: float, ready: Callable[[], bool] | None = None) -> tuple[int | None, Any]:
    """Wait until a child ends, is ready, or has used so many seconds of a processor; one that only waits gets ten times as long."""
    pause, until = 0.002, time.monotonic() + _PATIENCE * limit
    while True:
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            return status, usage
        if time.monotonic() > until or _used(child) > limit or (ready is not None and ready()):
            return None, None
        time.sleep(pause)
        pause = min(pause * 1.3, 0.05)


def _used(child: int) -> float:
    """Return the seconds of a processor that a child has used; others may compute on this machine too."""
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _child(arguments: Sequence[str], folder: Path, out: int, err: int) -> None:
    code = 99
    try:
        os.setsid()
        os.chdir(folder)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        sys.stdin, sys.stdout, sys.stderr = (open(number, "r" if number == 0 else "w", closefd=False) for number in range(3))  # noqa: SIM115
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Libraries reserve more addresses than they use, so that what is mapped already is allowed again.
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY, MEMORY))
        os.environ |= {"HOME": str(folder), "BROWSER": "true", "COLUMNS": "100"}
        socket.socket.connect = _refuse_network  # type: ignore[method-assign]
        cli.main(list(arguments), prog_name="eqlab")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _refuse_network(_: socket.socket, address: Any) -> None:
    raise ConnectionRefusedError(111, "Connection refused", str(address))


def _text(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read().decode(errors="replace"))


def _problems(ended: Ended, arguments: Sequence[str]) -> list[str]:
    found = []
    if "Traceback (most recent" in ended.err + ended.out and "--debug" not in arguments:
        found.append("traceback: " + ended.err.strip().splitlines()[-1][:200])
    elif ended.code not in _CODES:
        found.append(f"exit code {ended.code}: {ended.err[-200:]!r}")
    elif ended.code == 130 and not ended.interrupted:
        found.append("says that it was interrupted")
    elif ended.code in (1, 2, 3) and "eqlab: " not in ended.err:
        found.append(f"exit code {ended.code} without a sentence")
    if ended.memory > MEMORY:
        found.append(f"took {ended.memory / 2**30:.1f} GiB")
    if "--json" in arguments and ended.code == 0 and "--help" not in arguments and not _is_json(ended.out):
        found.append(f"stdout is no JSON: {ended.out[:200]!r}")
    return found


def _bad_files(folder: Path, begun: float) -> list[str]:
    """Name the JSON files that the run wrote and that have a number that JSON does not have."""
    written = (path for path in folder.rglob("*.json") if path.is_file() and not path.is_symlink() and path.stat().st_mtime >= begun)
    return [f"{path.name} is no JSON" for path in written if not _is_json(path.read_text(errors="replace"))]


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(name)
