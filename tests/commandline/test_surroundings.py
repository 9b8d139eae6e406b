"""Surroundings that are not as usual: closed streams, no home, no room for caches, no memory, numbers beyond 64 bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import processes
import pytest
import torch
from command_line import Found, Refused
from sweep_cases import new

from contrastive_core.errors import DivergenceError, InputError
from contrastive_core.files.private import private_folder
from contrastive_core.files.writing import remove, write_bytes
from experiments.commandline.exits import FAILED, exit_code, sentence
from experiments.commandline.interruption import INTERRUPTED
from experiments.commandline.output import say
from experiments.runs.provenance import without_home
from experiments.trials.engine import check_engine

SMALL = ("recall", "--size", 60, "--sweeps", 10, "--burn-in", 2, "--chains", 2, "--quiet")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_a_closed_stream_ends_in_no_traceback(closed: str, tmp_path: Path) -> None:
    script = f'exec "$0" -c "$1" runs list {closed}'
    argv = ["bash", "-c", script, sys.executable, processes.PROGRAM[2]]
    done = subprocess.run(argv, cwd=tmp_path, env=processes.ENVIRONMENT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_a_notebook_s_backend_does_not_matter(tmp_path: Path) -> None:
    environment = processes.ENVIRONMENT | {"MPLBACKEND": "module://not_installed"}
    argv = [*processes.PROGRAM, *map(str, SMALL), "--out", "r"]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def test_a_user_without_a_home_has_nothing_to_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert without_home("/data/x and /home/somebody/y") == "/data/x and ~/y"


def memory_errors() -> list[BaseException]:
    found: list[BaseException] = []
    for take in (
        lambda: np.empty((2**40, 2**10)),
        lambda: np.empty((2**62, 2)),
        lambda: torch.empty(2**50),
        lambda: torch.empty(2**62, 2**62),
    ):
        try:
            take()
        except (MemoryError, RuntimeError, ValueError) as error:
            found.append(error)
    return found


def test_sizes_beyond_memory_are_a_sentence() -> None:
    errors = memory_errors()
    assert len(errors) == 4
    for error in errors:
        assert exit_code(error) == FAILED, error
        assert sentence(error).startswith("there is not enough memory")
    assert sentence(MemoryError()) == "there is not enough memory; choose smaller sizes, or fewer samples at a time"


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("x"), KeyError("memory")])
def test_other_errors_stay_bugs(error: BaseException) -> None:
    assert exit_code(error) is None


def test_errors_of_ours_that_speak_of_memory_keep_their_sentence() -> None:
    error = DivergenceError("the state ran out of memory")
    assert sentence(error) == str(error)


def ended(error: BaseException) -> click.Abort:
    """Exit code and words that click makes of an error."""
    abort = click.Abort()
    abort.__cause__ = error
    return abort


def test_the_end_of_a_file_is_no_interruption() -> None:
    assert exit_code(ended(EOFError())) == FAILED
    assert "ended before its end" in sentence(ended(EOFError()))
    assert exit_code(ended(KeyboardInterrupt())) == INTERRUPTED
    assert sentence(ended(KeyboardInterrupt())) == "interrupted"


@pytest.mark.parametrize("text", ["a\x1b[31mred", "\x1b]0;title\x07", "a\rb", "\x9b31m", "a\bb"])
def test_names_do_not_drive_the_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(f"name\t{text}\nnext")
    shown = capsys.readouterr().out
    assert not set(shown) & set("\x1b\x07\r\x9b\b")
    assert shown.startswith("name\t")
    assert shown.endswith("\nnext\n")


@pytest.mark.parametrize("engine", ["tcp://", "tcp://:8786", "tcp://host", "tls://host:", "tcp://ho st:1", "tcp:/host:1"])
def test_an_address_without_host_or_port_is_refused(engine: str) -> None:
    with pytest.raises(InputError, match="unknown engine"):
        check_engine(engine)


@pytest.mark.parametrize("engine", ["tcp://host:8786", "tls://10.0.0.1:1", "tcp://[::1]:8786"])
def test_whole_addresses_are_engines(engine: str) -> None:
    assert check_engine(engine) == ("address", 0)


WIDE = (("train", "--nudged-budget"), ("recall", "--patterns"), ("train", "--epochs"), ("train", "--hidden"), ("train", "--batch-size"))


@pytest.mark.parametrize(("command", "flag"), WIDE)
@pytest.mark.parametrize("number", [2**63, 10**30])
def test_numbers_beyond_64_bits_are_a_sentence(command: str, flag: str, number: int, refused: Refused) -> None:
    assert f"{flag} must be less than" in refused(command, flag, number)


@pytest.mark.usefixtures("here")
def test_announced_epochs_of_a_complete_sweep_are_removed(found: Found) -> None:
    """A sweep that is killed after its last record has nothing left to compute, and yet something to tidy up."""
    new("s", "--seeds", 2)
    found("sweep", "run", "s", "--engine", "serial")
    Path("runs/s/live").mkdir()
    Path("runs/s/live/0.ndjson").touch()
    found("sweep", "run", "s", "--engine", "serial")
    assert not Path("runs/s/live").exists()


KERNEL = """
import warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    from contrastive_core.kernels.settling.elements.loops_cpu import njit

    @njit
    def twice(x):
        return 2 * x

print(twice(21), sum("cached in" in str(one.message) for one in told), len(told))
"""


def test_without_a_place_for_machine_code_it_lies_in_a_temporary_directory(tmp_path: Path) -> None:
    """The only locator left stands for an installation and a home directory that cannot be written."""
    (tmp_path / "kernel.py").write_text(KERNEL)
    environment = processes.ENVIRONMENT | {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator", "TMPDIR": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    argv = [sys.executable, tmp_path / "kernel.py"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split() == ["42", "1", "1"]
    assert list((tmp_path / f"eqlab-kernels-{os.getuid()}").rglob("*.nbi"))


def test_only_a_directory_of_the_user_alone_is_a_cache(tmp_path: Path) -> None:
    """If this fails, another user of the machine puts programs where kernels are read from."""
    folder = tmp_path / f"eqlab-kernels-{os.getuid()}"
    assert private_folder("eqlab-kernels", tmp_path) == folder
    assert private_folder("eqlab-kernels", tmp_path) == folder, "again, for the next process"
    folder.chmod(0o777)
    assert private_folder("eqlab-kernels", tmp_path) is None
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert private_folder("eqlab-kernels", tmp_path) is None
    folder.unlink()
    folder.write_text("in the way")
    assert private_folder("eqlab-kernels", tmp_path) is None
    assert private_folder("eqlab-kernels", tmp_path / "missing") is None


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("closed", [False, True])
def test_a_question_that_nobody_can_answer_is_answered_with_no(closed: bool) -> None:
    new("a", "--grid", "x=1,2")
    answers = "<&-" if closed else "</dev/null"
    argv = ["bash", "-c", f'exec "$0" -c "$1" runs rm a {answers}', sys.executable, processes.PROGRAM[2]]
    done = subprocess.run(argv, env=processes.ENVIRONMENT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith("eqlab: error: nothing was removed; say --yes to remove without being asked\n")
    assert Path("runs/a/config.toml").exists()


@pytest.mark.usefixtures("here")
def test_the_run_that_one_stands_in_is_found(found: Found, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    new("a", "--grid", "x=1,2")
    monkeypatch.chdir("runs")
    assert "the run here is ./a" in refused("report", "a")
    monkeypatch.chdir("a")
    for name in ("./", "./.", "../a", "../../runs/a/"):
        assert found("report", name)
    assert "names no run" in refused("report", ".")


@pytest.mark.parametrize("name", ["c" * 251 + ".csv", "é" * 125 + ".csv", "[*]" * 80 + ".csv"])
def test_a_name_near_the_limit_is_written_and_tidied_up(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    beginning = os.fsdecode(os.fsencode(name)[:241])
    (tmp_path / f".{beginning}.01234567.tmp").touch()
    remove(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("here")
def test_names_in_another_encoding_are_listed_and_otherwise_refused_by_name(found: Found, refused: Refused) -> None:
    """If this fails, one directory with an old name makes every listing end in an error, or the error names nothing."""
    new("a", "--grid", "x=1,2")
    name = os.fsdecode(b"b\xff")
    Path("runs/a").rename(f"runs/{name}")
    assert [run["name"] for run in found("runs", "list")["runs"]] == ["b\\xff"]
    arguments = (
        ("runs", "show", name),
        ("report", name),
        ("sweep", "status", name),
        ("sweep", "new", name, "relaxation"),
        ("recall", "--pattern-file", name),
        ("device", "fit", name),
        ("train", "--data-dir", name),
        ("train", "--set", f"data_dir={name}"),
        ("train", "--config", name),
    )
    for line in arguments:
        assert r"b\udcff" in refused(*line), line
    message = refused(*SMALL, "--out", name)
    assert "not Unicode" in message
