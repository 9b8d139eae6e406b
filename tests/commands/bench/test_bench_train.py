"""Time to accuracy: the benchmark counts what a stopwatch would."""

import json

import pytest
import torch
from click.testing import CliRunner

from contrastive_core.threads import chosen_threads
from experiments.benchmarks.devices import computing_with
from experiments.benchmarks.training import summary, table
from experiments.cli import cli

SMALL = ["bench", "train", "--train-size", "120", "--hidden", "8", "--epochs", "2", "--seeds", "1", "--targets", "99,1e-3", "--json"]


def _run(rule: str, errors: list[float], pace: float, threads: int = 1, unconverged: float = 0.0) -> dict[str, object]:
    epochs = [{"test_error": error, "cpu_seconds": pace, "seconds": 2 * pace, "unconverged": unconverged} for error in errors]
    return {"rule": rule, "seed": 0, "threads": threads, "epochs": epochs, "cosine_initial": 1.0, "cosine_trained": 0.5}


def test_time_to_accuracy_is_that_of_all_epochs_until_the_target() -> None:
    """A benchmark that counts the last epoch only, or that forgets a seed which never arrives, flatters the rule."""
    runs = [_run("slow", [0.5, 0.1, 0.02], 3.0), _run("slow", [0.5, 0.05, 0.05], 3.0), _run("fast", [0.1, 0.2, 0.2], 1.0)]
    metrics = {"runs": runs, "targets": [10.0, 2.0]}
    slow, never, fast, neither = summary(metrics)
    assert (slow["epochs"], slow["cpu_seconds"], slow["seconds"], slow["reached"]) == (2, 6.0, 12.0, 2)
    assert (never["epochs"], never["cpu_seconds"], never["reached"], never["seeds"]) == (None, None, 1, 2)
    assert (fast["epochs"], fast["cpu_seconds"]) == (1, 1.0)
    assert neither["reached"] == 0
    _, rows = table(metrics)
    assert [row[8] for row in rows] == [row[9] for row in rows] == ["6.00", "-", "1.00", "-"]


def test_times_are_compared_at_the_same_number_of_threads() -> None:
    """A rule on two threads that is divided by another one's time on one looks twice as fast as it is."""
    runs = [_run("slow", [0.01], 4.0, 1), _run("slow", [0.01], 6.0, 1, 0.25), _run("fast", [0.01], 2.0, 1)]
    runs += [_run("slow", [0.01], 3.0, 2), _run("fast", [0.01], 1.0, 2)]
    metrics = {"runs": runs, "targets": [2.0]}
    rows = summary(metrics)
    assert [(row["threads"], row["rule"]) for row in rows] == [(1, "slow"), (1, "fast"), (2, "slow"), (2, "fast")]
    assert (rows[0]["cpu_seconds"], rows[0]["cpu_seconds_range"], rows[0]["unconverged"]) == (5.0, [4.0, 6.0], 0.25)
    assert [row[8] for row in table(metrics)[1]] == ["2.50", "1.00", "3.00", "1.00"]
    older = [{name: value for name, value in run.items() if name != "threads"} for run in runs]
    assert {row["threads"] for row in summary({"runs": older, "targets": [2.0], "threads": 2})} == {2}


def test_threads_of_a_training_reach_its_linear_algebra() -> None:
    """Backprop on one thread beside a rule on two would lose for that alone."""
    before = torch.get_num_threads()
    with computing_with(2):
        assert (torch.get_num_threads(), chosen_threads()) == (2, 2)
    assert torch.get_num_threads() == before
    with computing_with(None):
        assert torch.get_num_threads() == before
    result = CliRunner().invoke(cli, ["bench", "train", "--threads", "2", "--thread-counts", "1"])
    assert result.exit_code == 2
    assert "--threads and --thread-counts both say how many threads train" in result.stderr


def test_bench_train_reports_every_rule() -> None:
    """The certificate and the cosine stand beside every time: a fast rule that is no gradient would win."""
    result = CliRunner().invoke(cli, [*SMALL, "--quiet", "--thread-counts", "1"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [run["rule"] for run in found["runs"]] == ["ep-centered", "ep-positive", "backprop"]
    for run in found["runs"]:
        assert len(run["epochs"]) == 2
        assert all(epoch["cpu_seconds"] > 0 and 0 <= epoch["unconverged"] <= 1 for epoch in run["epochs"])
    assert [row["reached"] for row in found["summary"]] == [1, 0] * 3
    assert found["runs"][0]["cosine_trained"] > 0.99


@pytest.mark.parametrize("targets", ["0", "100", "nan", "2,2"])
def test_targets_are_percentages(targets: str) -> None:
    result = CliRunner().invoke(cli, ["bench", "train", "--targets", targets])
    assert result.exit_code == 2
    assert "targets" in result.stderr


def test_settings_of_a_rule_reach_it() -> None:
    """An option that is taken and dropped would time another rule than the user asked for."""
    cosines = []
    for pairing in ("midpoint", "one-sided"):
        result = CliRunner().invoke(cli, [*SMALL, "--quiet", "--rules", "ep-stdp", "--pairing", pairing])
        assert result.exit_code == 0, result.stderr
        (run,) = json.loads(result.stdout)["runs"]
        cosines.append(run["cosine_initial"])
    assert cosines[0] > cosines[1] + 1e-4
