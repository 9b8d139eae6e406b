"""Runs that were written before modules moved: they are read, reported, collected and resumed.

``tests/data/before`` holds a finished ``compare``, a ``train`` interrupted after 14 of 60 epochs and a sweep interrupted after 2 of 6
trials, as commit 76071d4 wrote them, without figures and reports.
"""

from __future__ import annotations

import json
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from command_line import Eqlab, Found

from experiments.learning.compare import table
from experiments.runs.directory import RunDirectory

BEFORE = Path(__file__).parents[1] / "data" / "before"
TIMING = ("seconds_per_sample", "cpu_seconds_per_sample")


@pytest.fixture(autouse=True)
def _old(here: Path) -> None:
    shutil.copytree(BEFORE, here / "runs")


def results_of(name: str) -> dict[str, dict[str, Any]]:
    """Return the metrics of every trial, without times."""
    with RunDirectory(Path("runs") / name).journal(readonly=True) as journal:
        trials = list(journal.trials("done"))
    return {trial.key: {key: value for key, value in (trial.metrics or {}).items() if key not in TIMING} for trial in trials}


def assert_close(first: object, second: object) -> None:
    """Compare nested numbers to 5 %, and errors to a sample or two.

    The first part was computed when nudged phases were still relaxed as states: gradients differ within their tolerance of 1e-3, which
    tens of epochs amplify.
    """
    if isinstance(first, dict) and isinstance(second, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_close(first[key], second[key])
    elif isinstance(first, float):
        assert first == pytest.approx(second, rel=5e-2, abs=1e-2)
    else:
        assert first == second


def test_old_runs_hold_no_traces_of_the_machine_that_wrote_them() -> None:
    """If this fails, the repository publishes somebody's paths. Small, too: 200 kB in all."""
    files = [path for path in BEFORE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 210_000
    for path in files:
        content = path.read_bytes()
        assert not [word for word in (b"/home/", b"/root", b"/tmp/", b"/work") if word in content], path


def test_old_runs_are_listed_and_reported(found: Found) -> None:
    """If this fails, results of an earlier version can no longer be looked at."""
    listed = {run["name"]: run for run in found("runs", "list")["runs"]}
    assert {name: (run["done"], run["trials"]) for name, run in listed.items()} == {"compare": (6, 6), "sweep": (2, 6), "train": (0, 1)}
    for name, figure in (("compare", "comparison"), ("sweep", "over-rule")):
        assert figure in found("report", name)["figures"]
    assert Path(found("report", "train")["report"]).exists()


def test_a_comparison_its_report_and_its_collection_print_one_interval(eqlab: Eqlab, found: Found) -> None:
    """If this fails, one run leads to two conclusions. The comparison is complete, so that nothing is computed but its summary."""
    command = ("compare", "--config", "runs/compare/config.toml", "--out", "runs/compare", "--engine", "serial")
    compared = found(*command)["rules"]
    collected = found("sweep", "collect", "compare", "--metrics", "test_error", "--against", "rule=backprop")
    summary = {one["point"]["rule"]: one for one in collected["summary"]}
    for rule, record in compared.items():
        assert record["test_error"]["mean"] == summary[rule]["mean"]
        assert record["test_error"]["ci95"] == [summary[rule]["low"], summary[rule]["high"]]
    (difference,) = collected["differences"]
    assert difference["n"] == 3
    assert compared["ep-centered"]["paired_difference"]["mean"] == difference["mean"]
    low, high = compared["ep-centered"]["paired_difference"]["ci95"]
    assert [low, high] == [difference["low"], difference["high"]]
    assert low < 0 < high
    shown = (
        eqlab("sweep", "collect", "compare", "--against", "rule=backprop").stdout,
        unescape(Path("runs/compare/report.html").read_text()),
    )
    assert f"[{low:.4g}, {high:.4g}]" in shown[0]
    figure = json.loads(Path("runs/compare/figures/comparison.json").read_text())["rules"]["ep-centered"]
    assert figure["paired_difference"]["ci95"] == [low, high]
    _, rows = table(compared)
    for row in rows:
        for cell in row:
            if cell.startswith("["):
                assert cell.replace("-", "\N{MINUS SIGN}") in shown[1].replace("-", "\N{MINUS SIGN}")


def test_an_interrupted_training_continues_to_the_results_of_an_uninterrupted_one(eqlab: Eqlab) -> None:
    """If this fails, a checkpoint of an earlier version is misread, or begun again without a word."""
    resumed = eqlab("train", "--config", "runs/train/config.toml", "--out", "runs/train")
    assert resumed.exit_code == 0, resumed.output
    assert "epoch 60/60" in resumed.stderr
    assert "untrained" not in resumed.stderr  # what a training that begins anew says first
    assert eqlab("train", "--config", "runs/train/config.toml", "--out", "runs/whole").exit_code == 0
    assert_close(results_of("train"), results_of("whole"))
    with RunDirectory(Path("runs/train")).journal(readonly=True) as journal:
        assert [epoch.epoch for epoch in journal.history("train")] == list(range(1, 61))


def test_an_interrupted_sweep_continues_to_the_results_of_an_uninterrupted_one(eqlab: Eqlab) -> None:
    """If this fails, trials of an earlier version are lost, computed again or given other seeds."""
    before = results_of("sweep")
    assert eqlab("sweep", "run", "sweep", "--engine", "serial").exit_code == 0
    after = results_of("sweep")
    assert len(after) == 6
    assert {key: after[key] for key in before} == before
    grid = ("--grid", "rule=ep-centered,backprop", "--set", "epochs=15", "--set", "train_size=200", "--set", "hidden=[8]")
    eqlab("sweep", "new", "whole", "train", *grid, "--set", "dtype=float64", "--seeds", 3, "--chunk", 1)
    assert eqlab("sweep", "run", "whole", "--engine", "serial").exit_code == 0
    whole = results_of("whole")
    scores = {"test_balanced_error", "test_macro_f1", "class_imbalance"}  # which the earlier version did not measure
    assert {key: trial.keys() - after[key].keys() for key, trial in whole.items()} == {key: scores - after[key].keys() for key in whole}
    assert_close(after, {key: {name: trial[name] for name in after[key]} for key, trial in whole.items()})
