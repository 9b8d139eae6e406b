"""Train pydeepity's published setup on MNIST, and print its time and test error after every epoch as JSON.

By hand: ``python tests/by_hand/speed/rivals.py MNIST-DIRECTORY [--hidden 512,256,64] [--epochs 10] [--decay .94] [--threads 1]``, in an
environment of its own with ``pip install pydeepity``; it needs nothing of eqlab. The rule is predictive coding: 20 settling steps
from the forward pass, batches of 250, AdamW at a rate of .00373 that falls by 6 % per epoch. pydeepity's page (0.1.0a3) gives these with
784-512-512-10 and 100 epochs; its scripts give sigmoid units, pixels in [0, 1], targets of .001 and .999 and an inference rate of .15.
Times are those of the training steps.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

BATCH = 250
LITTLE = 0.001


def trained(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Train, and yield what an epoch has taken so far."""
    import deepity
    import numpy as np

    def read(name: str, offset: int) -> Any:
        with gzip.open(given.directory / f"{name}.gz") as file:
            return np.frombuffer(file.read(), np.uint8, offset=offset)

    inputs, test_inputs = (
        np.float32(read(f"{split}-images-idx3-ubyte", 16).reshape(-1, 784)) / np.float32(255) for split in ("train", "t10k")
    )
    labels, test_labels = (read(f"{split}-labels-idx1-ubyte", 8) for split in ("train", "t10k"))
    targets = np.where(labels[:, None] == np.arange(10), 1 - LITTLE, LITTLE).astype(np.float32)
    sizes = [784, *map(int, given.hidden.split(",")), 10]
    first, *others = (deepity.Linear(below, above) for below, above in pairwise(sizes))
    # An activation belongs to the units below its layer: pixels have none.
    net = deepity.SimplePCN(first, *(part for layer in others for part in (layer, deepity.Sigmoid())), batch_size=BATCH)
    net.configure(learning_rate=given.rate, inference_rate=given.inference_rate, lmbda=1e-4, optimizer="ADAMW", seed=given.seed)
    order = np.random.default_rng(given.seed)
    seconds = cpu_seconds = 0.0
    for epoch in range(given.epochs):
        net.set_learning_rate(given.rate * given.decay**epoch)
        rows = order.permutation(len(labels)).reshape(-1, BATCH)
        start, cpu_start = time.perf_counter(), time.process_time()
        for chosen in rows:
            net.train_step_with_projection(inputs[chosen], targets[chosen], given.steps, False)
        seconds += time.perf_counter() - start
        cpu_seconds += time.process_time() - cpu_start
        outputs = [net.predict_with_projection(part, given.steps).reshape(BATCH, 10) for part in test_inputs.reshape(-1, BATCH, 784)]
        error = float((np.concatenate(outputs).argmax(1) != test_labels).mean())
        yield {
            "library": f"pydeepity {deepity.__version__}",
            "rule": "predictive coding",
            "layers": sizes,
            "threads": given.threads,
            "epoch": epoch + 1,
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu_seconds, 2),
            "test_error_percent": round(100 * error, 2),
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--hidden", default="512,512")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rate", type=float, default=0.00373)
    parser.add_argument("--decay", type=float, default=0.94)
    parser.add_argument("--inference-rate", type=float, default=0.15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    # pydeepity takes a thread for every core that it may use, whatever OMP_NUM_THREADS says.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    for record in trained(arguments):
        print(json.dumps(record), flush=True)
