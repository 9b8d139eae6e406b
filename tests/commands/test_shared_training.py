"""Several processes that train one network together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import ENVIRONMENT, PROGRAM, ROOT, run
from systems import RULE_NAMES

from contrastive_core.errors import InputError
from contrastive_core.files.checkpoint import load_checkpoint
from contrastive_core.training.ranks import Ranks, started
from contrastive_core.types import Batch

OWN = {"ep-random": 1.0, "ep-continual": 1e-3}
"""Rules whose gradient is another one in several processes: one draws a sign per rank, and the other moves weights within a batch, which
changes the gradient in the order of its rate."""

STEPS = ("train", "--epochs", "40", "--train-size", "400", "--batch-size", "50", "--hidden", "16", "--seed", "3")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Results of two processes of ``torchrun``."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    child = [ROOT / "tests" / "children" / "shared_training.py", tmp_path_factory.mktemp("shared")]
    ended = subprocess.run([*command, *child], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    result: dict[str, Any] = json.loads(ended.stdout)
    return result


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_mean_over_ranks_is_the_gradient_of_the_batch(rule: str, found: dict[str, Any]) -> None:
    """If this fails, two processes train another network than one: seven samples on two ranks also need their weights, 3 and 4."""
    measured = found["gradients"][rule]
    assert measured["same"]
    assert measured["rows"] == 3
    # Rounding of float64; the ranks' own gradients differ by a quarter, so that a mean that was left out would be seen.
    assert measured["error"] < OWN.get(rule, 1e-14)
    assert measured["own_error"] > 0.1


def test_training_together_is_training_alone(found: dict[str, Any]) -> None:
    """If this fails, the number of processes is a hidden setting of every result."""
    training = found["training"]
    assert (found["size"], found["told"]) == (2, "from rank 0, déjà vu")
    assert training["same"]
    # Rounding of float32, 6e-8, adds up over 18 steps of a contraction; the costs are means over samples, the last batch of one included.
    assert training["error"] < 1e-5
    assert training["history"] == pytest.approx(training["history_alone"], rel=1e-5)
    assert training["test"] == pytest.approx(training["test_alone"], rel=1e-5)
    assert all(error < 1e-5 for error in training["resumed"].values())
    assert sorted(training["resumed"]) == ["alone", "together"]


def test_ranks_that_follow_the_noise_agree_on_tolerances(found: dict[str, Any]) -> None:
    """If this fails, ranks stop their phases at tolerances of their own, or two processes choose others than one."""
    following = found["following"]
    assert following["same"]
    assert following["tolerances"] == following["tolerances_alone"]
    assert following["tolerances"][-1] != [1e-3, 1e-3]
    assert following["error"] < 1e-5  # as above, because phases stop at the same sweeps


def test_what_ranks_cannot_share_is_refused(found: dict[str, Any]) -> None:
    """A rank that contrasts its own samples alone has another objective, silently."""
    said = found["refusals"]
    assert "couples the samples of a batch; train in one process" in said["cost"]
    assert "remembers the states of samples" in said["warm start"]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [1, 2, 7, 12])
def test_ranks_share_every_row_once(rows: int, size: int) -> None:
    """A sample that is left out or counted twice biases every mean."""
    batch = Batch(torch.arange(rows)[:, None], torch.arange(rows), torch.arange(rows))
    parts = [Ranks(rank, size).share(batch) for rank in range(size)]
    assert sum(weight for _, weight in parts) == pytest.approx(rows)
    weights = torch.zeros(rows)
    for part, weight in parts:
        assert torch.equal(part.inputs[:, 0], part.labels)
        assert part.instances is not None
        assert torch.equal(part.instances, part.labels)
        weights[part.labels] += weight / len(part.labels)
    assert weights.tolist() == pytest.approx([1.0] * rows)


@pytest.mark.parametrize("size", ["two", "0", "-1", ""])
def test_number_of_processes_is_a_number(size: str) -> None:
    """A batch system that sets the variable otherwise must not be guessed at."""
    with pytest.raises(InputError, match="WORLD_SIZE must be the number of processes that torchrun started"):
        started({"WORLD_SIZE": size})
    assert started({}) == 1
    assert started({"WORLD_SIZE": "4"}) == 4


def _ranks(folder: Path, *arguments: str) -> list[subprocess.Popen[str]]:
    """Start two ranks as ``torchrun`` does, but without its agent, so that one can be killed alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    return [
        subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=folder,
            env=ENVIRONMENT | place | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]


def test_run_whose_rank_was_killed_goes_on_alone(tmp_path: Path) -> None:
    """If this fails, a node that dies takes the run of a cluster with it."""
    leader, follower = _ranks(tmp_path, *STEPS, "--out", "shared")
    checkpoint = tmp_path / "shared" / "checkpoints" / "train.safetensors"
    end = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < end and leader.poll() is None:
        time.sleep(0.01)
    os.kill(follower.pid, signal.SIGKILL)
    follower.communicate(timeout=60)
    _, told = leader.communicate(timeout=60)
    assert leader.returncode == 1, told
    assert "another process of this run has ended" in told
    assert "Traceback" not in told
    assert "the same command resumes from the last epoch's checkpoint" in told
    resumed = run(tmp_path, *STEPS, "--out", "shared")
    assert "epoch 40/40" in resumed.stderr
    run(tmp_path, *STEPS, "--out", "alone")
    one, other = (load_checkpoint(tmp_path / name / "checkpoints" / "train.safetensors")[0] for name in ("shared", "alone"))
    for name in one:
        if name.startswith("parameter."):
            assert torch.allclose(one[name], other[name], atol=1e-4)  # rounding of float32 over 320 steps


def test_commands_that_run_in_one_process_say_so(tmp_path: Path) -> None:
    """Two processes that write the same files would spoil both."""
    leader, follower = _ranks(tmp_path, "compare", "--epochs", "1")
    for process in (leader, follower):
        _, told = process.communicate(timeout=60)
        assert process.returncode == 2
        assert "torchrun started 2 processes of 'eqlab compare', which runs in one; start it without torchrun" in told
    assert not list(tmp_path.iterdir())
