"""Train two blocks at equilibrium joined by layers of torch on CIFAR-10, beside the same network by backprop, over seeds.

``python tests/eqprop/layers/hybrid_blocks.py --data-dir DIR`` prints a line per seed and the paired difference of their test errors.
The hybrid is that of Nest & Ernoult (2024), whose blocks are joined by batch normalisation.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import eqlab

SHAPE = (3, 32, 32)


class Feedforward(nn.Module):
    """Twin of a block: the same parameters and units without feedback, differentiated by autograd."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network.output(self.network.feedforward(self.network.clamp(inputs)))


def hybrid(kind: str, seed: int, shape: tuple[int, ...] = SHAPE, classes: int = 10, width: int = 16) -> nn.Sequential:
    """Return two blocks of two layers, the first from picture to picture, and a linear layer; kinds start with equal weights."""
    torch.manual_seed(seed)
    settling = eqlab.Settling(free=eqlab.Stop(1e-3, 30), second=eqlab.Stop(1e-2, 30))
    channels, rows, columns = 2 * width, shape[1] // 4, shape[2] // 4
    layers = (f"{width}c3+1 a2 {channels}c3+1 a2", f"{2 * channels}c3+1 a2 64")
    shapes = (shape, (channels, rows, columns))
    blocks: list[nn.Module] = []
    for index, (notation, below) in enumerate(zip(layers, shapes, strict=True)):
        network = eqlab.Layered(
            eqlab.convolutional(notation, below), activation="tanh", output_activation="tanh", energy_scale=0.1,
            picture_output=True, gain=1.7, generator=2 * seed + index,
        )  # fmt: skip
        blocks.append(Feedforward(network) if kind == "backprop" else eqlab.EquilibriumLayer(network, 0.01, settling=settling))
    return nn.Sequential(blocks[0], nn.BatchNorm2d(channels), blocks[1], nn.BatchNorm1d(64), nn.Linear(64, classes))


def train(model: nn.Sequential, data: Any, seed: int, epochs: int, rate: float = 0.002) -> tuple[float, float]:
    """Train by Adam and cross-entropy; return the test error and the largest residual of the last free phases."""
    torch.manual_seed(seed)
    mean_, deviation = data.train.inputs.mean(), data.train.inputs.std()
    train_set = TensorDataset((data.train.inputs - mean_) / deviation, data.train.labels)
    shape = SHAPE if data.shape == () else data.shape
    optimiser, loss = torch.optim.Adam(model.parameters(), lr=rate), nn.CrossEntropyLoss()
    batches = DataLoader(train_set, batch_size=50, shuffle=True, drop_last=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * len(batches))
    for _ in range(epochs):
        for inputs, labels in batches:
            optimiser.zero_grad()
            loss(model(inputs.reshape(-1, *shape)), labels).backward()
            optimiser.step()
            schedule.step()
    model.eval()
    wrong, residual = 0, 0.0
    with torch.no_grad():
        for inputs, labels in DataLoader(TensorDataset((data.test.inputs - mean_) / deviation, data.test.labels), batch_size=250):
            wrong += int((model(inputs.reshape(-1, *shape)).argmax(1) != labels).sum())
            for layer in model:
                if isinstance(layer, eqlab.EquilibriumLayer):
                    residual = max(residual, float(layer.certificate["free"].residual.max()))
    return wrong / len(data.test.labels), residual


def few(data: Any, train_size: int, test_size: int) -> Any:
    """Return the first samples of a data set."""

    def cut(split: Any, size: int) -> Any:
        return eqlab.Split(split.inputs[:size], split.labels[:size])

    return data._replace(train=cut(data.train, train_size), test=cut(data.test, test_size))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    for name, value in (("seeds", 3), ("train-size", 10_000), ("test-size", 5000), ("epochs", 4)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    data = few(eqlab.DATASETS["cifar10"](given.data_dir, 0), given.train_size, given.test_size)
    differences = []
    for seed in range(given.seeds):
        errors = {}
        for kind in ("backprop", "equilibrium"):
            errors[kind], residual = train(hybrid(kind, seed), data, seed, given.epochs)
            print(f"seed {seed}  {kind:12} test error {errors[kind]:.2%}  largest residual {residual:.1e}", flush=True)
        differences.append(100 * (errors["equilibrium"] - errors["backprop"]))
    spread = f" +- {stdev(differences):.2f}" if len(differences) > 1 else ""
    print(f"equilibrium minus backprop: {mean(differences):+.2f}{spread} points over {len(differences)} seeds")
