"""Train a convolutional network with one and with two processes in turns, then kill one of two and go on with another number.

By hand: ``python tests/by_hand/speed/two_ranks.py CIFAR-10-DIRECTORY [--config conv-cifar10] [--batch 128] [--updates 12] [--repeats 3]
[--optimiser sgd]``.
Each process computes on one thread. It prints the median seconds of an epoch with one and with two processes and their ratio. It compares
the trained weights: the norm of their difference relative to their norm, and their largest difference relative to the largest weight. It
compares runs alike that lost a process after their first epoch and went on with one and with two. Adam turns the roundings of gradients
that are nearly 0 into steps of full size, so that single weights differ more than the norm; ``--optimiser sgd`` does not.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
EPOCHS = 3
"""The first one is not timed: kernels compile in it."""
LIMIT = 600


def child(given: argparse.Namespace) -> None:
    """Train as one of the processes; rank 0 prints the seconds of every epoch and writes the weights."""
    import torch

    from contrastive_core.training.loop import train
    from contrastive_core.training.ranks import joined
    from experiments.commandline.documents import read_configuration
    from experiments.machine import limit_threads
    from experiments.setup.build import plan_of, prepare
    from experiments.setup.options import TrialOptions
    from experiments.setup.tables import RULES

    limit_threads(1)
    size = {"batch_size": given.batch, "train_size": given.batch * given.updates}
    changed = {"data_dir": str(given.directory), "epochs": EPOCHS, "keep_last": True, **size}
    changed |= {"optimiser": given.optimiser} if given.optimiser else {}
    options = TrialOptions.model_validate_json(json.dumps({**read_configuration(given.config)[1], **changed}))
    splits, network, setting = prepare(options, options.rule, 0)
    few = splits.test.take(slice(given.batch))
    splits = splits._replace(validation=few, test=few)
    spent: list[float] = []
    with joined() as ranks:
        rule = RULES[options.rule](setting)
        keep = {"checkpoint": given.folder / "state.safetensors", "ranks": ranks}
        train(network, rule, setting.cost, splits, plan_of(options), 0, on_epoch=lambda record: spent.append(record["seconds"]), **keep)
        if ranks.rank == 0:
            torch.save(network.state_dict(), given.folder / "weights.pt")
            print(json.dumps(spent))


def start(given: argparse.Namespace, folder: Path, size: int, stderr: int | None = None) -> list[subprocess.Popen[str]]:
    """Start processes as ``torchrun`` does, but without its agent, so that one can be killed alone."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(size)}
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support")))
    settings = ["--config", given.config, "--batch", str(given.batch), "--updates", str(given.updates), "--folder", str(folder)]
    settings += ["--optimiser", given.optimiser] if given.optimiser else []
    return [
        subprocess.Popen(
            [sys.executable, __file__, str(given.directory), *settings],
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **place, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        for rank in range(size)
    ]


def finished(processes: list[subprocess.Popen[str]]) -> list[float]:
    """Wait for all processes, and return the seconds of the epochs after the first."""
    said = [process.communicate(timeout=LIMIT)[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("a process of the training failed; its message stands above")
    seconds: list[float] = json.loads(said[0])
    return seconds[1:]


def killed(given: argparse.Namespace, folder: Path) -> None:
    """Start two processes, kill one of them after the first checkpoint, and see that the other one says how to go on."""
    leader, follower = start(given, folder, 2, stderr=subprocess.PIPE)
    end = time.monotonic() + LIMIT
    while not (folder / "state.safetensors").exists():
        if leader.poll() is not None or time.monotonic() > end:
            raise SystemExit("the training ended before its first checkpoint")
        time.sleep(0.01)
    os.kill(follower.pid, signal.SIGKILL)
    follower.communicate(timeout=LIMIT)
    if "the same command resumes from the last epoch's checkpoint" not in leader.communicate(timeout=LIMIT)[1]:
        raise SystemExit("the training ended before its process could be killed; give more updates")


def difference(folder: Path, other: Path) -> dict[str, float]:
    """Return the difference of two runs' weights: its norm relative to theirs, and the largest one relative to the largest weight."""
    import torch

    one, two = (torch.cat([value.flatten() for value in torch.load(place / "weights.pt").values()]) for place in (folder, other))
    return {"norm": float((one - two).norm() / two.norm()), "largest": float((one - two).abs().max() / two.abs().max())}


def main(given: argparse.Namespace) -> None:
    """Measure, and print what was found."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for repeat in range(given.repeats):
            for size, times in seconds.items():
                times += finished(start(given, Path(place) / f"{size}-{repeat}", size))
                print(json.dumps({"processes": size, "seconds per epoch": times[1 - EPOCHS :]}), flush=True)
        alone = Path(place) / "1-0"
        found["difference of two processes"] = difference(Path(place) / "2-0", alone)
        for size in (1, 2):
            folder = Path(place) / f"killed-{size}"
            killed(given, folder)
            finished(start(given, folder, size))
            found[f"difference after a kill, resumed with {size}"] = difference(folder, alone)
    one, two = (median(times) for times in seconds.values())
    found |= {"updates per epoch": given.updates, "batch": given.batch, "one": one, "two": two, "ratio": one / two}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--config", default="conv-cifar10")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--updates", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--optimiser")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    main(arguments) if arguments.folder is None else child(arguments)
