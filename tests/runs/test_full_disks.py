"""Disks that take no more, or nothing at all: one sentence, exit code 1 or 2, and the result of what was computed."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
import subprocess
from pathlib import Path

import processes
import pytest
from command_line import Eqlab, Refused
from documents import measure

from contrastive_core.errors import InputError
from experiments.commandline.exits import exit_code
from experiments.figures import writing
from experiments.report import html

TRAINING = "--train-size 40 --hidden 4 --epochs 1 --batch-size 20 --seed 1"
CHAINS = "--size 100 --sweeps 10 --burn-in 2 --chains 2"
COMMANDS = (
    f"train {TRAINING}",
    f"compare {TRAINING} --rules ep-centered,backprop --seeds 1 --engine serial",
    "gradients --hidden 4 --samples 4 --rules ep-centered",
    "tune --hidden 4 --batch-size 8 --batches 2 --warmup 0 --cosine 0.5 --write tuned.toml",
    f"contrast {TRAINING} --rules ep-centered --seeds 1 --engine serial",
    f"recall {CHAINS}",
    f"phase {CHAINS} --dilutions 0.2 --ratios 0.1,0.3 --engine serial",
    "capacity --sizes 100,200,400 --spins 12000 --loads 0.14,0.18,0.22 --resamples 20 --engine serial",
    "basins --size 100 --networks 3 --sweeps 10 --qualities 0.8 --engine serial",
    f"learn {CHAINS} --qualities 0.5 --examples 3 --engine serial",
    f"hardware {TRAINING} --seeds 1 --rules ep-centered --vary none --engine serial",
    "device show ideal",
    "device fit pulses.csv",
    "ising --epochs 0 --spins 8 --searches 10 --search-sweeps 5",
)

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize("line", COMMANDS, ids=[" ".join(line.split()[:2]).split(" --")[0] for line in COMMANDS])
def test_a_result_is_printed_although_nothing_about_it_can_be_written(line: str, monkeypatch: pytest.MonkeyPatch, eqlab: Eqlab) -> None:
    """If this fails, a disk that is full for figures takes the numbers of hours from the user, or blames the command line."""
    measure(Path("pulses.csv"))

    def full(path: Path, _: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    for module in (writing, html):
        monkeypatch.setattr(module, "write_text", full)
    result = eqlab(*line.split(), "--quiet", "--out", "r")
    assert result.exit_code == 1, result.output
    assert result.stderr.splitlines()[-1].startswith("eqlab: error: cannot write")
    assert "No space left on device" in result.stderr.splitlines()[-1]
    assert result.stdout.endswith("run directory: r\n")
    assert len(result.stdout.splitlines()) > 3
    assert "report:" not in result.stdout


def limited(kilobytes: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command that can write no file beyond a size."""
    limits = (1024 * kilobytes, 1024 * kilobytes)
    argv = [*processes.PROGRAM, *map(str, arguments)]
    return subprocess.run(
        argv,
        env=processes.ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )


@pytest.mark.parametrize("kilobytes", [2, 20, 72])
def test_a_real_limit_is_one_sentence_and_code_1(kilobytes: int) -> None:
    """If this fails, a job on a full disk is told to mend its command line, or ends in a traceback."""
    done = limited(kilobytes, "recall", *CHAINS.split(), "--flow-sweeps", 200, "--quiet", "--out", "r")
    errors = [line for line in done.stderr.splitlines() if not line.startswith("eqlab: warning:")]
    assert len(errors) == 1, done.stderr
    assert errors[0].startswith("eqlab: error: cannot")
    assert done.returncode == 1


@pytest.mark.parametrize("line", COMMANDS[:6])
def test_a_place_that_takes_nothing_is_refused_before_computing(line: str, refused: Refused) -> None:
    """If this fails, hours are computed for a directory that was never writable."""
    assert "choose another --out" in refused(*line.split(), "--quiet", "--out", "/proc/eqlab")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_full_disks_fail_and_places_that_cannot_be_written_are_usage(code: int) -> None:
    """If this fails, the exit code depends on which file was the first that did not fit."""
    for cause, expected in ((OSError(code, "x"), 1), (OSError(errno.EROFS, "x"), 2), (OSError(errno.EACCES, "x"), 2)):
        error = InputError("cannot write")
        error.__cause__ = cause
        assert exit_code(error) == expected
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.executemany("INSERT INTO t VALUES (?)", [("a" * 4000,)] * 9)
    connection.close()
    refusal = InputError("cannot open the journal")
    refusal.__cause__ = caught.value
    assert exit_code(refusal) == 1
