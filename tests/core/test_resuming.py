"""A run that is stopped at any moment goes on bit for bit."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from systems import RULE_NAMES, seeded
from training_cases import Stopped, assert_same_bits, make_network, parameters_of, run, without_times

from contrastive_core.errors import CheckpointError
from contrastive_core.files.checkpoint import load_checkpoint, load_parameters, save_checkpoint
from contrastive_core.files.writing import remove
from contrastive_core.training.history_file import history_of, read_history
from contrastive_core.training.optimisers import OPTIMISERS, SCHEDULES
from contrastive_core.training.plan import Plan


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_resumed_run_is_the_run_that_was_not_stopped(optimiser: str, schedule: str, tmp_path: Path) -> None:
    """A resumed run that differs in one bit is another run: its result cannot be paired with anything."""
    plan = Plan(epochs=4, batch_size=16, optimiser=optimiser, schedule=schedule, learning_rates=(0.02, 0.01), weight_decay=1e-3, decay=0.7)
    straight, whole = run(plan, tmp_path / "straight")
    with pytest.raises(Stopped):
        run(plan, tmp_path / "stopped", stop_after=2)
    # Whatever the fresh network and the global generator are: everything comes from the checkpoint.
    torch.manual_seed(123)
    resumed, rest = run(plan, tmp_path / "stopped", network=make_network(seed=5))
    assert_same_bits(parameters_of(straight), parameters_of(resumed))
    first, second = (load_checkpoint(tmp_path / name) for name in ("straight", "stopped"))
    assert_same_bits(first[0], second[0])
    assert without_times(whole.history) == without_times(rest.history)
    assert (whole.best_epoch, whole.validation, whole.test) == (rest.best_epoch, rest.validation, rest.test)
    for record, name in ((first[1], "straight"), (second[1], "stopped")):
        record["history"] = without_times(read_history(tmp_path / name, record["history"]))
    assert first[1] == second[1]


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_rule_resumes_to_the_same_bits(rule: str, tmp_path: Path) -> None:
    """Rules with draws of their own must take their generator up where it was."""
    plan = Plan(epochs=3, batch_size=32, learning_rates=(0.05,))
    run(plan, tmp_path / "straight", rule=rule)
    with pytest.raises(Stopped):
        run(plan, tmp_path / "stopped", rule=rule, stop_after=1)
    run(plan, tmp_path / "stopped", rule=rule)
    # The checkpoints hold the parameters of the last epoch; the network ends with those of the best, which may be the first.
    assert_same_bits(*(load_checkpoint(tmp_path / name)[0] for name in ("straight", "stopped")))


def test_resumed_run_reports_the_epochs_it_had_done(tmp_path: Path) -> None:
    """The journal of a resumed run has every epoch once."""
    plan, seen = Plan(epochs=3, batch_size=32), []
    with pytest.raises(Stopped):
        run(plan, tmp_path / "checkpoint", stop_after=2)
    run(plan, tmp_path / "checkpoint", on_epoch=lambda record: seen.append(record["epoch"]))
    assert seen == [1, 2, 3]
    again: list[float] = []
    run(plan, tmp_path / "checkpoint", on_epoch=lambda record: again.append(record["epoch"]))
    assert again == [1, 2, 3]


CHILD = """
import os, sys
from pathlib import Path
sys.path[:0] = sys.argv[2].split(os.pathsep)
from contrastive_core.training.plan import Plan
from training_cases import run
waits = sys.argv[3] == "wait"

def on_step(progress):
    print("step", flush=True)
    if waits:
        sys.stdin.readline()

plan = Plan(epochs=8, batch_size=16, optimiser="adam", learning_rates=(0.01,))
run(plan, Path(sys.argv[1]), on_step=on_step)
print("done", flush=True)
"""

STEPS_OF_CHILD = 8 * 6


def start_child(checkpoint: Path, waits: bool) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", CHILD, str(checkpoint), os.pathsep.join(sys.path), "wait" if waits else "run"]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish_child(checkpoint: Path) -> int:
    """Run to the end; return how many steps were taken."""
    child = start_child(checkpoint, waits=False)
    output, errors = child.communicate(timeout=120)
    assert (child.returncode, errors) == (0, "")
    assert output.splitlines()[-1] == "done"
    return output.count("step")


def test_run_killed_at_random_moments_ends_in_the_same_bits(tmp_path: Path) -> None:
    """SIGKILL leaves no time to tidy up: what counts is what was on the disk, and that it was whole."""
    assert finish_child(tmp_path / "straight") == STEPS_OF_CHILD
    moments = random.Random(3)
    for last in (10, 9):
        # The child may take `last` steps and is killed a moment after it reported one of the last four: it cannot have finished,
        # and is anywhere in a step, an evaluation or the writing of a checkpoint, which is due every 6 steps. The first one has
        # reported at least 7, so that there is a checkpoint.
        child = start_child(tmp_path / "killed", waits=True)
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("\n" * last)
        child.stdin.flush()
        for _ in range(last - moments.randrange(4)):
            assert child.stdout.readline() == "step\n"
        time.sleep(moments.uniform(0, 0.02))
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=60)
        assert child.returncode == -signal.SIGKILL
        load_checkpoint(tmp_path / "killed")  # whole at every moment
    # Some epochs were done before the kills, so that there was something to resume.
    assert 0 < finish_child(tmp_path / "killed") < STEPS_OF_CHILD
    assert_same_bits(load_checkpoint(tmp_path / "straight")[0], load_checkpoint(tmp_path / "killed")[0])


def test_checkpoint_of_another_network_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """Weights that happen to fit in part must not be mixed with others."""
    run(Plan(epochs=1), tmp_path / "checkpoint")
    other = make_network(sizes=(6, 5, 3))
    before = parameters_of(other)
    with pytest.raises(
        CheckpointError, match=r"of another network: it holds .*weight_1 6x8.*this network needs weight_1 6x5.*use the configuration"
    ):
        run(Plan(epochs=2), tmp_path / "checkpoint", network=other)
    assert_same_bits(before, parameters_of(other))


def test_checkpoint_of_other_settings_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """Half a run with one learning rate and half with another is neither."""
    run(Plan(epochs=1), tmp_path / "checkpoint")
    network = make_network(seed=4)
    before = parameters_of(network)
    with pytest.raises(CheckpointError, match="trained with other settings; use its own, or start in another directory"):
        run(Plan(epochs=2), tmp_path / "checkpoint", network=network, identity="b")
    assert_same_bits(before, parameters_of(network))


@pytest.mark.parametrize("kept", [0, 5, 8, 100, -1])
def test_truncated_checkpoint_is_refused(kept: int, tmp_path: Path) -> None:
    """A checkpoint cut short anywhere must not be resumed from."""
    run(Plan(epochs=1), tmp_path / "checkpoint")
    content = (tmp_path / "checkpoint").read_bytes()
    (tmp_path / "checkpoint").write_bytes(content[:kept])
    with pytest.raises(CheckpointError, match=r"is damaged or not a checkpoint of eqlab .*delete it to start afresh, or give another"):
        run(Plan(epochs=2), tmp_path / "checkpoint")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda record: record["history"][0].update(validation_error=None), "epoch 1 has no number for validation_error"),
        (lambda record: record["history"][1].update(unconverged="0.1"), "epoch 2 has no number for unconverged"),
        (lambda record: record["history"][1].pop("seconds"), "epoch 2 has no number for seconds"),
        (lambda record: record.update(best_epoch=None), "its best epoch is None"),
        (lambda record: record.update(best_epoch=7), "its best epoch is 7"),
    ],
)
def test_history_that_was_edited_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], None], problem: str) -> None:
    """If this fails, a resumed training ends in a traceback, or goes on from an epoch that it does not have."""
    run(Plan(epochs=2), tmp_path / "checkpoint")
    tensors, record = load_checkpoint(tmp_path / "checkpoint")
    record["history"] = read_history(tmp_path / "checkpoint", record["history"])  # in the checkpoint, as earlier versions wrote it
    change(record)
    save_checkpoint(tmp_path / "checkpoint", tensors, record)
    with pytest.raises(CheckpointError, match=rf"is damaged: {problem}.*; restore it, or delete it to train from the beginning"):
        run(Plan(epochs=3), tmp_path / "checkpoint")


def test_a_checkpoint_that_holds_its_history_itself_is_resumed(tmp_path: Path) -> None:
    """If this fails, trainings that earlier versions began cannot be gone on with."""
    whole = run(Plan(epochs=4), tmp_path / "whole")[1]
    with pytest.raises(Stopped):
        run(Plan(epochs=4), tmp_path / "checkpoint", stop_after=2)
    tensors, record = load_checkpoint(tmp_path / "checkpoint")
    record["history"] = read_history(tmp_path / "checkpoint", record["history"])
    save_checkpoint(tmp_path / "checkpoint", tensors, record)
    history_of(tmp_path / "checkpoint").unlink()
    resumed = run(Plan(epochs=4), tmp_path / "checkpoint")[1]
    assert without_times(resumed.history) == without_times(whole.history)
    assert read_history(tmp_path / "checkpoint", load_checkpoint(tmp_path / "checkpoint")[1]["history"]) == resumed.history


@pytest.mark.parametrize("more", ['{"epoch": 3, "train_cost"', '{"epoch": 3}\n'], ids=["part of a line", "a line"])
def test_a_line_that_no_checkpoint_counts_is_passed_over(more: str, tmp_path: Path) -> None:
    """If this fails, a kill between the two files of a checkpoint ends the training for good."""
    whole = run(Plan(epochs=4), tmp_path / "whole")[1]
    with pytest.raises(Stopped):
        run(Plan(epochs=4), tmp_path / "checkpoint", stop_after=2)
    with history_of(tmp_path / "checkpoint").open("a") as stream:
        stream.write(more)
    resumed = run(Plan(epochs=4), tmp_path / "checkpoint")[1]
    assert without_times(resumed.history) == without_times(whole.history)
    lines = history_of(tmp_path / "checkpoint").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]  # the last is in the checkpoint


@pytest.mark.parametrize("damage", ["missing", "edited", "cut", "of another"])
def test_a_history_that_is_not_that_of_its_checkpoint_is_refused(damage: str, tmp_path: Path) -> None:
    """If this fails, means over the epochs are those of another training."""
    run(Plan(epochs=2), tmp_path / "checkpoint")
    run(Plan(epochs=2), tmp_path / "other", seed=8)
    file = history_of(tmp_path / "checkpoint")
    content, other = file.read_text(), history_of(tmp_path / "other").read_text()
    file.write_text({"edited": content.replace("0.", "1.", 1), "cut": content[:-5], "of another": other}.get(damage, ""))
    if damage == "missing":
        file.unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint\.history.*delete .*checkpoint to train from the beginning"):
        run(Plan(epochs=3), tmp_path / "checkpoint")


def test_an_epoch_writes_as_much_as_the_first_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the cost of a training grows with the square of its epochs."""
    sizes: list[int] = []
    monkeypatch.setattr("contrastive_core.files.checkpoint.write_bytes", lambda path, content: sizes.append(len(content)))
    run(Plan(epochs=12, keep_last=True), tmp_path / "checkpoint")
    assert len(sizes) == 12
    assert max(sizes) - min(sizes) < 300  # digits of numbers; the record of an epoch alone has some 300 bytes
    assert len(history_of(tmp_path / "checkpoint").read_text().splitlines()) == 11  # the twelfth is in the checkpoint


def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    """Other files, and safetensors of other programs, are told apart from ours."""
    from safetensors.torch import save

    (tmp_path / "text").write_text("not a checkpoint, but long enough to have a header length", "utf-8")
    (tmp_path / "foreign").write_bytes(save({"parameter.weight_1": torch.zeros(6, 8)}))
    (tmp_path / "tagged").write_bytes(save({"a": torch.zeros(1)}, metadata={"format": "pt"}))
    for name in ("text", "foreign", "tagged"):
        with pytest.raises(CheckpointError, match="damaged or not a checkpoint of eqlab"):
            load_checkpoint(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"cannot read checkpoint .*No such file.*give the path of an existing checkpoint"):
        load_checkpoint(tmp_path / "missing")


def test_removing_a_file_takes_what_killed_writers_left_of_it_and_nothing_else(tmp_path: Path) -> None:
    """If this fails, every kill leaves the weights of a network behind, or removing one checkpoint takes another's."""
    for name in ("0.st", ".0.st.1f.tmp", "10.st", ".10.st.1f.tmp"):
        (tmp_path / name).touch()
    remove(tmp_path / "0.st")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".10.st.1f.tmp", "10.st"]


def test_checkpoint_round_trip_keeps_every_bit_and_replaces_atomically(tmp_path: Path) -> None:
    """Rounded, reordered or half-written tensors would resume to another run."""
    tensors = {
        "a": torch.randn(3, 2, generator=seeded(0)).T,
        "b": torch.tensor(7),
        "c": torch.tensor([0.1, float("nan")], dtype=torch.float64),
    }
    path = tmp_path / "checkpoint"
    save_checkpoint(path, {"a": torch.zeros(1)}, {})
    save_checkpoint(path, tensors, {"history": [0.1, 1e-300], "name": "é"})
    loaded, record = load_checkpoint(path)
    assert {name: (t.dtype, t.shape) for name, t in loaded.items()} == {name: (t.dtype, t.shape) for name, t in tensors.items()}
    assert torch.equal(loaded["a"], tensors["a"])
    assert torch.equal(loaded["c"].view(torch.int64), tensors["c"].view(torch.int64))
    assert record == {"history": [0.1, 1e-300], "name": "é"}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]  # no temporary left behind
    header = path.read_bytes()
    assert json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])["__metadata__"].keys() == {"eqlab"}


def test_parameters_load_into_another_network_of_the_same_shape() -> None:
    """A checkpoint is of a shape, not of an object."""
    source, target = make_network(0), make_network(1)
    load_parameters(target, {f"best.{name}": value for name, value in parameters_of(source).items()}, "best.", Path("x"))
    assert_same_bits(parameters_of(source), parameters_of(target))


@pytest.mark.parametrize(("name", "value"), [("weight_1", math.nan), ("bias_1", math.inf), ("weight_2", -math.inf)])
def test_parameters_that_are_not_finite_are_refused_by_the_name_of_their_file(name: str, value: float) -> None:
    """If this fails, a user is told to lower a learning rate where a file is broken."""
    tensors = {f"best.{key}": tensor for key, tensor in parameters_of(make_network()).items()}
    tensors[f"best.{name}"].view(-1)[0] = value
    target = make_network(seed=1)
    before = parameters_of(target)
    with pytest.raises(CheckpointError, match=f"broken.safetensors holds numbers that are not finite, in {name};"):
        load_parameters(target, tensors, "best.", Path("broken.safetensors"))
    assert_same_bits(parameters_of(target), before)
