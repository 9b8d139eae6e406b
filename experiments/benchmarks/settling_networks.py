"""The networks and batches that ``eqlab bench settle`` measures on: at initialisation, and after an epoch of training."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.data import DATASETS
from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Settling
from contrastive_core.types import Batch
from eqprop.rule import EquilibriumPropagation
from experiments.setup.options import LearningOptions

DRAWN = 2048
"""Samples of the data that are drawn where no files are given."""

RATE, MOMENTUM, LARGEST_NORM, STEP = 0.02, 0.9, 1.0, 32
"""Settings of the epoch of training: learning rate, momentum, largest norm of the gradient, and samples per step."""


@lru_cache(maxsize=2)
def samples(num_inputs: int, num_classes: int, data_dir: Path | None, seed: int) -> Split:
    """Return training samples.

    Parameters
    ----------
    num_inputs, num_classes : int
        Sizes of the network's first and last layer.
    data_dir : Path, optional
        Directory of the MNIST files; without it samples are drawn: a fifth of their inputs is not 0, as in MNIST, and a random
        linear map gives their classes.
    seed : int
        Seed of the samples that are drawn.

    Returns
    -------
    Split
        Inputs and classes.

    Raises
    ------
    InputError
        If the network does not fit the files.
    """
    if data_dir is not None:
        if (num_inputs, num_classes) != (784, 10):
            raise InputError(f"MNIST needs 784 inputs and 10 outputs, got {num_inputs} and {num_classes}; leave out --data-dir")
        return DATASETS["mnist"](data_dir, 0).train
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.rand(DRAWN, num_inputs, generator=generator) * (torch.rand(DRAWN, num_inputs, generator=generator) < 0.2)
    teacher = torch.randn(num_inputs, num_classes, generator=generator)
    return Split(inputs, ((inputs - inputs.mean(0)) @ teacher).argmax(1))


@lru_cache(maxsize=2)
def network_of(sizes: Sequence[int], energy_scale: float, trained: bool, data_dir: Path | None, seed: int) -> Layered:
    """Return a network.

    Parameters
    ----------
    sizes : tuple of int
        Layer sizes, inputs first.
    energy_scale : float
        Ratio of feedback to forward coupling.
    trained : bool
        Whether it has seen an epoch of the samples, by centered equilibrium propagation.
    data_dir, seed
        Same as in :func:`samples`; the seed is also that of the weights.

    Returns
    -------
    Layered
        A hard-sigmoid hidden part, linear outputs.
    """
    generator = torch.Generator().manual_seed(seed)
    network = Layered(sizes, energy_scale=energy_scale, generator=generator)
    if trained:
        data = samples(sizes[0], sizes[-1], data_dir, seed)
        rule = EquilibriumPropagation(SquaredError(), Settling(), LearningOptions.model_fields["strength"].default)
        optimiser = torch.optim.SGD(network.parameters(), RATE, MOMENTUM)
        for chosen in torch.split(torch.randperm(len(data.labels), generator=generator), STEP):
            estimate = rule.estimate(network, Batch(data.inputs[chosen], data.labels[chosen]))
            for name, parameter in network.named_parameters():
                parameter.grad = estimate.gradients[name]
            torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_NORM)
            optimiser.step()
        for parameter in network.parameters():
            parameter.grad = None
    return network


def first_call_seconds() -> dict[str, float]:
    """Time the first estimate of a process, from its first import, with an empty cache of compiled kernels and with a filled one.

    Returns
    -------
    dict of str to float
        Seconds by "cold" and "warm".
    """
    code = (
        "import time; start = time.perf_counter(); from experiments.benchmarks.settling_networks import network_of; "
        "network_of((8, 8, 4), 1.0, True, None, 0); network_of((8, 8, 8, 4), 1.0, True, None, 0); print(time.perf_counter() - start)"
    )
    with TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        runs = (subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True) for _ in range(2))
        return {name: float(run.stdout) for name, run in zip(("cold", "warm"), runs, strict=True)}
