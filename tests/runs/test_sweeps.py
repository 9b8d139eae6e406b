"""Sweeps as a user runs them: any engine, killed and resumed, with one result; failures, and wrong input."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import kills
import numpy as np
import processes
import pytest
import xarray as xr
from click.testing import CliRunner
from command_line import Eqlab, Found, Refused
from sweep_cases import TOY, digest, new, rows

from experiments.cli import cli
from experiments.runs.directory import RunDirectory
from experiments.runs.records import Task
from experiments.sweeps import directory, tables
from experiments.trials.engine import EngineError
from experiments.trials.seeds import child_seed
from experiments.trials.worker import Work, pack, run_chunk

pytestmark = pytest.mark.usefixtures("here")


RELAXATION = ("--grid", "gain=0.5,1", "--grid", "hidden=[8],[8,6]", "--set", "samples=2", "--set", "tolerance=1e-3", "--seeds", 15)


@contextmanager
def scheduler(file: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A scheduler with two workers, found by a file, as on a cluster; nothing listens beyond loopback."""
    dask = [sys.executable, "-m", "dask"]
    local = ("--host", "127.0.0.1", "--no-dashboard")
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": processes.ENVIRONMENT}
    cluster = [subprocess.Popen([*dask, "scheduler", "--scheduler-file", file, "--port", "0", *local], **quiet)]
    try:
        worker = [*dask, "worker", "--scheduler-file", str(file), "--nthreads", "1", *local, "--no-nanny"]
        cluster += [subprocess.Popen(worker, **quiet) for _ in range(2)]
        yield cluster
    finally:
        for process in cluster:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_every_engine_finds_the_same_bytes_also_killed_and_resumed(found: Found, tmp_path: Path) -> None:
    """If this fails, a published table depends on where it was computed, or on whether a machine stayed up."""
    digests = {}
    for engine in ("serial", "process:2", "dask:2"):
        name = engine.split(":")[0]
        new(name, *RELAXATION, experiment="relaxation", chunk=5)
        counts = found("sweep", "run", name, "--engine", engine)["counts"]
        assert counts == {"pending": 0, "running": 0, "done": 60, "failed": 0}
        digests[engine] = digest(name)
    with scheduler(tmp_path / "scheduler.json") as cluster:
        new("file", *RELAXATION, experiment="relaxation", chunk=1)
        command = [*processes.PROGRAM, "sweep", "run", "file", "--engine", str(tmp_path / "scheduler.json")]
        deadline = time.monotonic() + 30
        while not (tmp_path / "scheduler.json").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        with subprocess.Popen(command, env=processes.ENVIRONMENT, stdout=subprocess.DEVNULL) as driver:
            wait_for(Path("runs/file"), 5)
            cluster[1].kill()
            assert driver.wait(timeout=60) == 0
        digests["file"] = digest("file")
    new("killed", *RELAXATION, experiment="relaxation", chunk=5)
    with subprocess.Popen([*processes.PROGRAM, "sweep", "run", "killed", "--engine", "process:2"], env=processes.ENVIRONMENT) as driver:
        wait_for(Path("runs/killed"), 1)
        driver.send_signal(signal.SIGKILL)
    assert found("sweep", "status", "killed")["counts"]["pending"] > 0
    found("sweep", "resume", "killed", "--engine", "serial")
    digests["killed"] = digest("killed")
    assert len(set(digests.values())) == 1, digests


def wait_for(run: Path, done: int) -> None:
    deadline = time.monotonic() + 30
    while processes.count_done((run / "journal.sqlite").resolve()) < done and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    """If this fails, long sweeps cannot be trusted. A short form of tests/by_hand/kills.py, which does 30."""
    toll = kills.ordeal(tmp_path, 4, seed=1)
    assert toll.drivers + toll.workers == 4
    assert toll._replace(drivers=0, workers=0, starts=0) == kills.Toll(0, 0, 0, 0, 0, 0, "ok", True)


def test_collect_gives_what_the_trials_returned_along_labelled_axes(
    found: Found, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, numbers stand at the wrong point of the grid. Expected values are computed by hand."""
    new("a", "--grid", "x=1,2.5", "--grid", "layers=[1],[1,2]", "--seeds", 3, "--seed", 4, "--set", "epochs=2", "--set", "arrays=true")
    found("sweep", "run", "a", "--engine", "serial")
    seeds = [child_seed(4, replicate) for replicate in range(3)]
    table = rows("a")
    assert len(table) == 12
    assert table[5] == {
        "trial": "5", "x": "1.0", "layers": "[1, 2]", "replicate": "2", "seed": str(seeds[2]), "status": "done", "error": "",
        "count": "2", "name_of": "A", "value": repr(1.0 + seeds[2] % 1000),
    }  # fmt: skip
    with closing(xr.open_dataset("runs/a/results.nc")) as data:
        assert data["value"].dims == ("x", "layers", "replicate")
        expected = np.array([1.0, 2.5])[:, None, None] + np.array([seed % 1000 for seed in seeds])[None, None, :]
        assert (data["value"].values == np.broadcast_to(expected, (2, 2, 3))).all()
        assert float(data["count"].sel(x=2.5, layers="[1, 2]", replicate=0)) == 2
        assert data["seed"].values.tolist() == seeds
        assert data["value"].attrs == {"long_name": "x and the seed", "units": "volt"}
        assert data["x"].attrs["long_name"] == "Added to the value."
    run = RunDirectory(Path("runs/a"))
    with run.journal(readonly=True) as journal:
        assert [epoch.metrics for epoch in journal.history("6")] == [{"epoch": 0, "value": 2.5}, {"epoch": 1, "value": 1.25}]
    with np.load(run.trajectories / "6.npz") as arrays:
        assert arrays["path"].tolist() == [2.5, 2.5, 2.5]
    assert len(list(run.trajectories.iterdir())) == 12
    with_times = found("sweep", "collect", "a", "--csv", "t.csv", "--timing", "--points", 0)
    assert with_times["csv_sha256"] != digest("a")
    assert "seconds_used" in Path("t.csv").read_text().splitlines()[0]
    monkeypatch.setattr(tables, "_ROWS_AT_ONCE", 5)  # a million rows are written piece by piece
    assert found("sweep", "collect", "a", "--csv", "pieces.csv", "--points", 0)["csv_sha256"] == digest("a")
    assert found("sweep", "collect", "a", "--csv", "t.csv", "--timing", "--points", 0)["csv_sha256"] == with_times["csv_sha256"]
    assert "t.csv exists and holds something else" in refused("sweep", "collect", "a", "--csv", "t.csv")
    with closing(sqlite3.connect("runs/a/journal.sqlite")) as connection, connection:
        connection.execute("UPDATE trials SET seed = ? WHERE key = '1'", (str(2**64),))
    assert "tables hold seeds from 0 to 2^64 - 1" in refused("sweep", "collect", "a")


def test_summary_and_paired_differences_are_those_of_the_seeds(eqlab: Eqlab, found: Found, refused: Refused) -> None:
    """If this fails, an effect is reported that is not there. The difference of x is exact, since the seeds are paired."""
    new("a", "--grid", "x=1,2.5", "--seeds", 12)
    found("sweep", "run", "a", "--engine", "serial")
    result = found("sweep", "collect", "a", "--against", "x=1.0")
    values = [1 + child_seed(0, replicate) % 1000 for replicate in range(12)]
    first = result["summary"][0]
    assert first["point"] == {"x": 1.0}
    assert first["n"] == 12
    assert first["mean"] == pytest.approx(sum(values) / 12)
    assert first["low"] < first["mean"] < first["high"]
    assert result["differences"] == [{"point": {"x": "2.5 - 1.0"}, "metric": "value", "n": 12, "mean": 1.5, "low": None, "high": None}]
    assert "all equal" in eqlab("sweep", "collect", "a", "--against", "x=1.0").stdout
    assert "did you mean 'value'" in refused("sweep", "collect", "a", "--metrics", "valu")
    assert "unknown axis 'y'" in refused("sweep", "collect", "a", "--against", "y=1")
    assert "unknown value of x '7'" in refused("sweep", "collect", "a", "--against", "x=7")


def test_only_the_culprits_fail_and_are_tried_again_on_request(eqlab: Eqlab, found: Found, refused: Refused, tmp_path: Path) -> None:
    """If this fails, one bad trial costs the results of its neighbours, or what failed by accident cannot be mended."""
    once = tmp_path / "mark"
    new("a", "--grid", "how=well,raise,die,refuse", "--seeds", 2, chunk=8)
    result = found("sweep", "run", "a", "--engine", "process:2", code=3)
    assert result["counts"] == {"pending": 0, "running": 0, "done": 2, "failed": 6}
    errors = [row["error"] for row in rows("a")]
    assert errors[:2] == ["", ""]
    assert errors[2:4] == ["ZeroDivisionError: x is not to be divided by"] * 2
    assert errors[4] == errors[5] == "the worker died, 3 times out of 3; it may need more memory"
    assert errors[6] == "no minimum at x = 0.0"
    trace = found("sweep", "status", "a", "--trial", 2)
    assert "in go_wrong" in trace["details"]
    shown = eqlab("runs", "show", "a").stdout
    assert "trial 2 failed: ZeroDivisionError" in shown
    assert "in go_wrong" in shown
    assert "has not failed" in refused("sweep", "status", "a", "--trial", 0)
    new("b", "--grid", "how=raise,well", "--set", f"once={once}")
    assert found("sweep", "run", "b", "--engine", "serial", code=3)["counts"]["failed"] == 1
    assert found("sweep", "run", "b", "--engine", "serial", code=3)["counts"]["failed"] == 1  # run leaves what failed
    assert found("sweep", "retry-failed", "b", "--engine", "serial")["counts"]["failed"] == 0


def test_a_worker_that_dies_once_costs_nothing(found: Found, tmp_path: Path) -> None:
    """If this fails, an accident of one machine is recorded as a failure of a trial."""
    new("a", "--grid", "how=well,die", "--set", f"once={tmp_path / 'mark'}", "--seeds", 3, chunk=3)
    assert found("sweep", "run", "a", "--engine", "dask:2")["counts"]["done"] == 6


def test_the_size_of_chunks_is_measured_once_and_kept(found: Found) -> None:
    """If this fails, short trials drown in overhead, or long ones are lost by the dozen when a worker dies."""
    found("sweep", "new", "fast", TOY, "--grid", "x=1,2", "--seeds", 50)
    found("sweep", "new", "slow", TOY, "--grid", "x=1,2", "--seeds", 50, "--set", "seconds=0.3")
    found("sweep", "new", "deadly", TOY, "--grid", "how=die", "--seeds", 50)
    sizes = {name: found("sweep", "status", name)["chunk"] for name in ("fast", "slow", "deadly")}
    assert sizes["fast"] == 13  # an eighth of 100
    assert sizes["slow"] in (2, 3)
    assert sizes["deadly"] == 1


def test_a_worker_with_other_software_is_refused() -> None:
    """If this fails, half of a table comes from another version of torch than its provenance says."""
    packed = json.loads(pack(Work(TOY, {}), [Task("0", {}, 0)]))
    assert run_chunk(json.dumps(packed))[0].error is None
    packed[2]["torch"] = "1.0"
    with pytest.raises(EngineError, match=r"torch .* instead of 1\.0"):
        run_chunk(json.dumps(packed))


def test_a_sweep_is_made_once(refused: Refused) -> None:
    """If this fails, results of two sweeps end up in one table."""
    new("a", "--grid", "x=1,2")
    assert "with the same configuration" in refused("sweep", "new", "a", TOY, "--grid", "x=1,2")
    message = refused("sweep", "new", "a", TOY, "--grid", "x=1,3", "--set", "name=b")
    assert "grid.x is [1.0, 2.0] there and [1.0, 3.0] here" in message
    assert 'set.name is "a" there and "b" here' in message
    assert [path.name for path in Path("runs").iterdir()] == ["a"]


def test_the_command_that_goes_on_is_ready_for_a_shell(eqlab: Eqlab) -> None:
    """If this fails, what is printed to be typed runs another sweep, or whatever else stands in a name."""
    name = "a b; echo $HOME"
    printed = eqlab("sweep", "new", name, TOY, "--grid", "x=1,2", "--chunk", 1).output.rpartition("compute them with: ")[2]
    result = eqlab(*shlex.split(printed)[1:], "--engine", "serial")
    assert result.exit_code == 0, result.output
    assert RunDirectory(Path("runs") / name).journal_file.is_file()


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "axis": (("new", "a", TOY, "--grid", "layer=1"), "unknown option layer (an axis); did you mean 'layers'?"),
    "empty grid": (("new", "a", TOY), "the grid is empty"),
    "empty axis": (("new", "a", TOY, "--grid", "x="), "the axis x has no values"),
    "experiment": (("new", "a", "trian", "--grid", "x=1"), "unknown experiment 'trian'; did you mean 'train'?"),
    "no experiment": (("new", "a", "--grid", "x=1"), "which experiment?"),
    "no file": (("new", "a", "--file", "none.toml"), "there is no file 'none.toml'"),
    "no name": (("new", "", TOY, "--grid", "x=1"), "'' names no run"),
    "the directory of runs": (("new", ".", TOY, "--grid", "x=1"), "'.' names no run"),
    "what is above it": (("run", ".."), "'..' names no run"),
    "table over a directory": (("collect", "b", "--csv", "."), ". is a directory; give --csv a file"),
    "no sweep": (("run", "b"), "there is no sweep runs/b"),
    "engine": (("run", "b", "--engine", "dask:0"), "unknown engine 'dask:0'"),
    "seed of a run": (("run", "b", "--seed", "1"), "no such option '--seed'"),
    "collect nothing": (("collect", "b"), "is not the directory of a run"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_sentence_and_leaves_nothing_behind(refused: Refused, case: str, tmp_path: Path) -> None:
    """If this fails, a mistake ends in a traceback, in a wrong sweep, or in litter."""
    arguments, message = WRONG[case]
    assert message in refused("sweep", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_that_is_not_there_is_one_sentence(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a typing error in an address is a page of traceback."""
    monkeypatch.setattr("experiments.trials.dask_engine.SECONDS_TO_ANSWER", 1)
    new("a", "--grid", "x=1,2")
    assert "no dask scheduler answers at tcp://127.0.0.1:9" in refused("sweep", "run", "a", "--engine", "tcp://127.0.0.1:9", code=1)
    assert "there is no scheduler file none.json" in refused("sweep", "run", "a", "--engine", "none.json")
    assert "needs a certificate" in refused("sweep", "run", "a", "--engine", "tls://127.0.0.1:9")
    Path("broken.json").write_text("{")
    assert "broken.json is no scheduler file" in refused("sweep", "run", "a", "--engine", "broken.json")


def test_a_configuration_that_changed_is_refused_with_the_difference(found: Found, refused: Refused) -> None:
    """If this fails, half of a table has other settings than its header says."""
    new("a", "--grid", "x=1,2")
    commands = (("sweep", "run", "a", "--engine", "serial"), ("sweep", "status", "a"), ("sweep", "collect", "a"), ("report", "a"))
    config = Path("runs/a/config.toml")
    original = config.read_text()
    config.write_text(original.replace('name = "a"', 'name = "b"'))
    messages = {refused(*command) for command in commands}
    assert len(messages) == 1
    assert 'set.name is "a" in its journal and "b" in config.toml' in messages.pop()
    config.write_text(original)
    for command in commands:
        found(*command)


@pytest.mark.parametrize("seed", ["null", "1.5", "", "x"])
def test_a_seed_that_is_no_number_is_one_sentence_that_names_the_trial(refused: Refused, seed: str) -> None:
    new("a", "--grid", "x=1,2")
    with closing(sqlite3.connect("runs/a/journal.sqlite")) as connection, connection:
        connection.execute("UPDATE trials SET seed = ? WHERE key = '1'", (seed,))
    assert "the seed of trial '1' is no whole number" in refused("sweep", "run", "a", "--engine", "serial")


def test_a_damaged_or_missing_journal_is_one_sentence(refused: Refused) -> None:
    """If this fails, results of a damaged file could be published."""
    new("a", "--grid", "x=1,2", "--seeds", 200)
    journal = Path("runs/a/journal.sqlite")
    content = bytearray(journal.read_bytes())
    content[2 * 4096 : 8 * 4096] = bytes(6 * 4096)
    journal.write_bytes(content)
    for command in (("run", "a", "--engine", "serial"), ("status", "a"), ("collect", "a")):
        assert "journal.sqlite is damaged" in refused("sweep", *command)
    journal.unlink()
    assert "journal.sqlite is missing" in refused("sweep", "run", "a")


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root to mount a small disk")
def test_a_full_disk_loses_nothing(found: Found, refused: Refused, tmp_path: Path) -> None:
    """If this fails, a full disk costs what was computed before. The disk is a real one, of 600 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        new("a", "--grid", "x=1,2", "--seeds", 1000, "--set", "epochs=9", "--runs", disk, chunk=100)
        message = refused("sweep", "run", "a", "--engine", "serial", "--runs", disk, code=1)
        assert "full; what was recorded before is kept" in message
        done = found("sweep", "status", "a", "--runs", disk)["counts"]["done"]
        assert 0 < done < 2000
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        assert found("sweep", "run", "a", "--engine", "serial", "--runs", disk)["counts"]["done"] == 2000
        assert kills.inspect(disk / "a" / "journal.sqlite")[1:] == (0, 18000, "ok")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_an_interrupted_making_leaves_no_sweep(eqlab: Eqlab, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, half a plan is taken for a whole one."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(directory, "to_toml", stop)
    assert eqlab("sweep", "new", "a", TOY, "--grid", "x=1,2", "--chunk", 1).exit_code == 130
    assert list(Path("runs").iterdir()) == []


def test_runs_are_listed_shown_compared_and_removed(eqlab: Eqlab, found: Found, refused: Refused) -> None:
    """If this fails, nobody finds what was computed."""
    assert eqlab("runs", "list").stdout == "there are no runs in runs\n"
    for name, x in (("a", "1,2"), ("b", "1,3")):
        new(name, "--grid", f"x={x}")
        found("sweep", "run", name, "--engine", "serial")
    assert [(run["name"], run["done"]) for run in found("runs", "list")["runs"]] == [("a", 2), ("b", 2)]
    shown = found("runs", "show", "a")["runs"][0]
    assert shown["configuration"]["grid"] == {"x": [1.0, 2.0]}
    seed = child_seed(0, 0)
    assert {name: value for name, value in shown["metrics"].items() if name.startswith("value ")} == {
        "value at x 1.0": 1 + seed % 1000,
        "value at x 2.0": 2 + seed % 1000,
    }
    assert [(one["trial"], one["settings"], one["seed"], one["status"]) for one in shown["trials"]] == [
        ("0", {"x": 1.0}, seed, "done"),
        ("1", {"x": 2.0}, seed, "done"),
    ]
    assert "2 done" in eqlab("runs", "show", "a").stdout
    compared = found("runs", "compare", "a", "b")
    assert compared["settings"] == {"grid.x": [[1.0, 2.0], [1.0, 3.0]]}
    assert compared["metrics"]["value at x 1.0"] == [1 + seed % 1000] * 2
    assert compared["metrics"]["value at x 3.0"] == [None, 3 + seed % 1000]
    assert "grid.x" in eqlab("runs", "compare", "a", "b").stdout
    assert "there is no run runs/c" in refused("runs", "show", "c")
    assert "which run" in refused("runs", "rm")
    kept = CliRunner().invoke(cli, ["runs", "rm", "a"], input="n\n")
    assert kept.exit_code == 2
    assert Path("runs/a").is_dir()
    with RunDirectory(Path("runs/a")).journal():
        assert "another process is writing" in refused("runs", "rm", "a", "--yes")
    found("runs", "rm", "a", "--yes")
    assert [path.name for path in Path("runs").iterdir()] == ["b"]
    Path("runs/b/provenance.json").write_text("{")
    assert "damaged" in found("runs", "list")["runs"][0]["problem"]


def test_a_comparison_is_a_sweep_that_can_be_collected(refused: Refused, found: Found) -> None:
    """If this fails, compare has machinery of its own."""
    tiny = ("--train-size", 32, "--hidden", 4, "--epochs", 1, "--quiet")
    found("compare", *tiny, "--rules", "ep-centered,backprop", "--seeds", 2, "--engine", "serial", "--out", "runs/c")
    result = found("sweep", "collect", "c", "--csv", "c.csv", "--against", "rule=backprop")
    assert result["counts"]["done"] == 4
    with Path("c.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [(row["rule"], row["seed"]) for row in table] == [(rule, seed) for rule in ("ep-centered", "backprop") for seed in "01"]
    assert "seconds_per_sample" not in table[0]
    assert "gradient_cosine.weight_1" in table[0]
    found("train", "--train-size", 32, "--hidden", 4, "--epochs", 1, "--quiet", "--engine", "process:1", "--out", "runs/t")
    assert "is no sweep" in refused("sweep", "run", "t")
    assert "one trial and no grid" in refused("sweep", "collect", "t")


def commands_of(file: str) -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", (processes.ROOT / "docs" / file).read_text(), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def test_the_commands_of_the_documentation_run_one_after_the_other(eqlab: Eqlab) -> None:
    """If this fails, the page on sweeps teaches what does not work."""
    lines = commands_of("sweeps.md")
    assert len(lines) > 5
    for line in lines:
        result = eqlab(*shlex.split(line)[1:])
        assert result.exit_code == 0, result.output


def test_the_file_of_the_documentation_is_a_sweep(found: Found) -> None:
    """If this fails, the page shows a file that is refused."""
    text = (processes.ROOT / "docs" / "sweeps.md").read_text()
    Path("sweep.toml").write_text(re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0])
    assert found("sweep", "new", "a", "--file", "sweep.toml", "--chunk", 1)["axes"] == {"rule": 2, "zip": 2, "batch_size": 2, "draw": 20}


def test_the_example_of_an_experiment_runs(found: Found, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If this fails, adding an experiment takes more than CONTRIBUTING says."""
    (example,) = re.findall(r"```python\n(.*?)```", (processes.ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    (tmp_path / "coin.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    new("coins", "--grid", "bias=0,1", "--seeds", 3, experiment="coin:EXPERIMENT")
    found("sweep", "run", "coins", "--engine", "serial")
    assert [row["heads"] for row in rows("coins")] == ["0", "0", "0", "100", "100", "100"]


def test_overlaps_of_a_sweep_have_an_axis_of_patterns_columns_and_means(found: Found, tmp_path: Path) -> None:
    """If this fails, the order parameters of a Monte Carlo study cannot be averaged. The twin averages what the journal holds."""
    tiny = [f"--set={setting}" for setting in ("size=60", "patterns=2", "chains=2", "sweeps=20", "burn_in=5", "flow_sweeps=2")]
    new("mc", "--grid", "temperature=0.05,0.1", "--seeds", 3, *tiny, experiment="recall")
    found("sweep", "run", "mc", "--engine", "serial")
    with RunDirectory(Path("runs/mc")).journal(readonly=True) as journal:
        drawn = np.array([trial.metrics["monte_carlo"]["overlaps"] for trial in journal.trials("done") if trial.metrics])
    assert drawn.shape == (6, 2)
    collected = found("sweep", "collect", "mc", "--csv", "mc.csv")
    means = {(one["point"]["temperature"], one["metric"]): one["mean"] for one in collected["summary"]}
    for index, temperature in enumerate((0.05, 0.1)):
        for pattern in (0, 1):
            expected = drawn[3 * index : 3 * index + 3, pattern].mean()
            assert means[temperature, f"monte_carlo.overlaps_{pattern + 1}"] == pytest.approx(expected, rel=1e-12)
    with closing(xr.open_dataset("runs/mc/results.nc")) as data:
        assert data["monte_carlo.overlaps"].dims == ("temperature", "replicate", "pattern")
        assert (data["monte_carlo.overlaps"].values == drawn.reshape(2, 3, 2)).all()
        assert {"theory.overlaps", "instance.overlaps", "monte_carlo.error"} <= {str(name) for name in data if "pattern" in data[name].dims}
    with Path("mc.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["monte_carlo.overlaps_2"]) for row in table] == drawn[:, 1].tolist()
    only = found("sweep", "collect", "mc", "--metrics", "monte_carlo.overlaps", "--against", "temperature=0.05")
    changes = {one["metric"]: one["mean"] for one in only["differences"]}
    assert changes["monte_carlo.overlaps_1"] == pytest.approx((drawn[3:, 0] - drawn[:3, 0]).mean(), abs=1e-12)
    assert "over-temperature" in found("report", "mc")["figures"]
