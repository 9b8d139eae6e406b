"""One way to compute trials: what a command has built is used, and an interrupted run goes on to the same result."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.hardware import ising
from experiments.runs.directory import RunDirectory
from experiments.setup import build
from experiments.trials.runner import Run
from experiments.trials.worker import Work

TINY = ("--hidden", 6, "--train-size", 64, "--epochs", 1, "--quiet", "--json")


def test_a_serial_training_reads_its_data_and_draws_its_network_once(eqlab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a run with large data reads it twice, and the options are checked on another network than the trained one."""
    calls: Counter[str] = Counter()
    load_data, build_network = build.load_data, build.build_network

    def counted_load(options: Any, **keywords: Any) -> Any:
        calls["data"] += 1
        return load_data(options, **keywords)

    def counted_build(options: Any, *arguments: Any) -> Any:
        calls[f"network of {options.dtype}"] += 1
        return build_network(options, *arguments)

    monkeypatch.setattr(build, "load_data", counted_load)
    for module in ("setup.build", "learning.cosine"):
        monkeypatch.setattr(f"experiments.{module}.build_network", counted_build)
    assert eqlab("train", *TINY, "--out", tmp_path / "run").exit_code == 0
    # The network of float64 is that of the exact gradient, whose weights are other draws.
    assert calls == {"data": 1, "network of float32": 1, "network of float64": 1}


def test_what_was_built_for_the_checks_is_what_workers_build(eqlab: Any, tmp_path: Path) -> None:
    """If this fails, checking the options changes the network, and the serial engine finds other numbers than all others."""
    found = {}
    for engine in ("serial", "process:1"):
        result = eqlab("train", *TINY, "--engine", engine, "--out", tmp_path / engine.partition(":")[0])
        assert result.exit_code == 0, result.output
        found[engine] = {key: value for key, value in json.loads(result.stdout).items() if "seconds" not in key and key != "run"}
    assert found["serial"] == found["process:1"]


def test_an_interrupted_ising_machine_learns_on_to_the_same_history(tmp_path: Path) -> None:
    """If this fails, a result depends on whether the machine stayed up, or the test error of the last epoch before a kill is lost."""
    options = ising.IsingTrialOptions(hidden=4, epochs=2, reads=1, sweeps=2, noises=(0.0, 1.0), spins=8, searches=4, search_sweeps=2)
    whole = ising.trial(options, 5)

    def interrupt(record: dict[str, float]) -> None:
        if record["epoch"] == 1:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "ising.safetensors"
    with pytest.raises(KeyboardInterrupt):
        ising.trial(options, 5, checkpoint=checkpoint, on_epoch=interrupt)
    told: list[float] = []
    resumed = ising.trial(options, 5, checkpoint=checkpoint, on_epoch=lambda record: told.append(record["epoch"]))
    timeless = [
        [{key: value for key, value in row.items() if key != "seconds"} for row in one.metrics["history"]] for one in (whole, resumed)
    ]
    assert timeless[0] == timeless[1]
    assert told == [1, 2]
    assert resumed.metrics["search"] == whole.metrics["search"]


def test_a_command_of_one_trial_is_a_run_that_is_shown_and_not_repeated(eqlab: Any, tmp_path: Path) -> None:
    """If this fails, asking twice for the result of a search draws another one, or nothing but the terminal has it."""
    arguments = ("ising", "--epochs", 0, "--spins", 12, "--searches", 8, "--search-sweeps", 3, "--json", "--out", tmp_path / "run")
    first, second = eqlab(*arguments), eqlab(*arguments)
    assert first.exit_code == second.exit_code == 0, first.output
    assert first.stdout == second.stdout
    assert "is complete; these are its results" in second.stderr
    assert "is complete" not in first.stderr
    assert (tmp_path / "run" / "figures" / "noise.csv").is_file()
    assert "best_noise" in (tmp_path / "run" / "report.html").read_text()


def test_chunks_become_small_where_the_trials_end(tmp_path: Path) -> None:
    """If this fails, a worker computes its last second alone, or a small chunk for every trial costs more than its trial."""
    run = RunDirectory(tmp_path)
    with run.journal() as journal:
        journal.plan((str(number), {}, number) for number in range(2000))
        pass_over = Run(run, journal, Work("relaxation", {}), chunk=100)
        pass_over.begin(2000)
        sizes = [len(tasks) for tasks in iter(lambda: pass_over.next(pass_over.size(2)), [])]
    assert sum(sizes) == 2000
    assert sizes == [*sorted(sizes[:-1], reverse=True), sizes[-1]]
    assert sizes[:12] == [100] * 12  # 2 workers would still get 4 chunks each of 800 trials
    assert sizes[-2] == 7 >= sizes[-1]  # a sixteenth of 100
    assert len(sizes) < 12 + 8 * np.log(16) + 800 / 8 / 7 + 2  # each is an eighth of what is left, until they are 7
