"""Train two blocks at equilibrium joined by layers of torch, beside the same network by backprop: ``python hybrid.py [FILE.svg]``.

Pictures are the digits of scikit-learn; ``--data-dir DIR`` takes CIFAR-10 from its binary files. Blocks joined by batch normalisation are
the hybrid of Nest & Ernoult (2024), arXiv:2409.03306.
"""

import argparse
from pathlib import Path
from statistics import mean, stdev

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import eqlab

SETTLING = eqlab.Settling(free=eqlab.Stop(1e-3, 30), second=eqlab.Stop(1e-2, 30))


class Feedforward(nn.Module):
    """Twin of a block: the same parameters and units without feedback, differentiated by autograd."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, inputs):
        """Return the outputs without feedback."""
        return self.network.output(self.network.feedforward(self.network.clamp(inputs)))


KINDS = {
    "backprop": Feedforward,
    "equilibrium": lambda network: eqlab.EquilibriumLayer(network, 0.01, settling=SETTLING),
}


def hybrid(block, seed, shape, width, dtype=torch.float32):
    """Return two blocks of two layers, the first from picture to picture, and a linear layer; weights follow from the seed."""
    torch.manual_seed(seed)
    middle = (2 * width, shape[1] // 4, shape[2] // 4)
    units = {"activation": "tanh", "output_activation": "tanh", "energy_scale": 0.1, "gain": 1.7, "dtype": dtype}
    first = eqlab.convolutional(f"{width}c3+1 a2 {2 * width}c3+1 a2", shape)
    second = eqlab.convolutional(f"{4 * width}c3+1 a2 64", middle)
    return nn.Sequential(
        block(eqlab.Layered(first, picture_output=True, generator=2 * seed, **units)),
        nn.BatchNorm2d(middle[0], dtype=dtype),
        block(eqlab.Layered(second, generator=2 * seed + 1, **units)),
        nn.BatchNorm1d(64, dtype=dtype),
        nn.Linear(64, 10, dtype=dtype),
    )


def evaluate(model, pictures, labels):
    """Return the share of pictures in a wrong class, and the largest residual of the free phases."""
    model.eval()
    wrong, residual = 0, 0.0
    with torch.no_grad():
        for some, classes in zip(pictures.split(250), labels.split(250), strict=True):
            wrong += int((model(some).argmax(1) != classes).sum())
            for block in model:
                if isinstance(block, eqlab.EquilibriumLayer):
                    residual = max(residual, float(block.certificate["free"].residual.max()))
    model.train()
    return wrong / len(labels), residual


def train(model, data, seed, epochs):
    """Train by Adam on cross-entropy; return the validation error after each epoch."""
    torch.manual_seed(seed)
    optimiser, loss, errors = torch.optim.Adam(model.parameters(), lr=0.002), nn.CrossEntropyLoss(), []
    batches = DataLoader(TensorDataset(*data["train"]), batch_size=50, shuffle=True, drop_last=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.002, total_steps=epochs * len(batches))
    for _ in range(epochs):
        for pictures, labels in batches:
            optimiser.zero_grad()
            loss(model(pictures), labels).backward()
            optimiser.step()
            schedule.step()
        errors.append(evaluate(model, *data["validation"])[0])
    return errors


def main():
    """Train both kinds over seeds, print their test errors and draw their validation errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", nargs="?", default="hybrid.svg")
    parser.add_argument("--data-dir", type=Path)
    for name, value in (("seeds", 1), ("train-size", 600), ("test-size", 10_000), ("epochs", 3), ("width", 8)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    splits = eqlab.DATASETS["cifar10" if given.data_dir else "digits"](given.data_dir, 0)
    shape, centre, spread = splits.shape, splits.train.inputs.mean(), splits.train.inputs.std()
    sizes = {"train": given.train_size, "validation": 1000, "test": given.test_size}
    chosen = {name: getattr(splits, name).take(slice(size)) for name, size in sizes.items()}
    data = {name: (((one.inputs - centre) / spread).reshape(-1, *shape), one.labels) for name, one in chosen.items()}
    plt.style.use("experiments.figures.eqlab")
    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    differences = []
    for seed in range(given.seeds):
        errors = {}
        for (kind, block), colour in zip(KINDS.items(), ("#b2182b", "#2166ac"), strict=True):
            model = hybrid(block, seed, shape, given.width)
            curve = train(model, data, seed, given.epochs)
            errors[kind], residual = evaluate(model, *data["test"])
            settled = f", largest residual {residual:.0e}" if kind == "equilibrium" else ""
            print(f"seed {seed}, {kind}: test error {errors[kind]:.2%}{settled}", flush=True)
            axes.plot(range(1, given.epochs + 1), [100 * error for error in curve], "o-", color=colour, label=None if seed else kind)
        differences.append(100 * (errors["equilibrium"] - errors["backprop"]))
    deviation = f", standard deviation {stdev(differences):.2f}" if len(differences) > 1 else ""
    print(f"equilibrium minus backprop: {mean(differences):+.2f} points{deviation}")
    axes.set(xlabel="epoch", ylabel="validation error in %", title="Two blocks joined by batch normalisation")
    axes.legend()
    figure.savefig(given.picture, metadata={"Date": None})


if __name__ == "__main__":
    main()
