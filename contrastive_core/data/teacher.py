"""Random inputs with labels from a random network, so that the best possible error is 0."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from contrastive_core.data.catalog import describe
from contrastive_core.data.seeds import spawn
from contrastive_core.data.splits import Split, Splits, assemble

_NUM_HIDDEN = 32


def load(data_dir: Path | None, seed: int) -> Splits:
    r"""Draw a random teacher network, and inputs that it labels.

    The label of :math:`x`, uniform in :math:`[0, 1]^{16}`, is :math:`\arg\max_k (V \tanh(W (2x - 1)))_k` with 32 hidden units and
    independent :math:`W_{ij} \sim N(0, 3/16)`, :math:`V_{ij} \sim N(0, 1/32)`, which gives the inputs of hidden units a variance
    of 1. There are no biases. Inputs are centred, because otherwise one class would get nearly all samples.

    Parameters
    ----------
    data_dir : Path, optional
        Not used: the samples are computed.
    seed : int
        Seed of the teacher and of the inputs, at least 0.

    Returns
    -------
    Splits
        2000, 500 and 1000 independent samples of 16 inputs and 4 classes.

    Raises
    ------
    InputError
        If ``seed`` is negative.
    """
    entry = describe("teacher")
    network, *generators = spawn(seed, 4)
    # Uniform inputs on [-1, 1] have variance 1/3.
    first = network.normal(0, np.sqrt(3 / entry.num_inputs), (entry.num_inputs, _NUM_HIDDEN))
    second = network.normal(0, np.sqrt(1 / _NUM_HIDDEN), (_NUM_HIDDEN, entry.num_classes))
    sizes = (entry.num_train, entry.num_validation, entry.num_test)
    train, validation, test = (_draw(size, first, second, generator) for size, generator in zip(sizes, generators, strict=True))
    return assemble(
        train,
        validation,
        test,
        num_classes=entry.num_classes,
        source=f"teacher: synthetic with seed {seed}, inputs uniform in [0, 1], labels by a random tanh network",
    )


def _draw(num_samples: int, first: NDArray[np.float64], second: NDArray[np.float64], generator: np.random.Generator) -> Split:
    """Draw float32 inputs and label these values, so that the learner and the teacher have the same inputs."""
    inputs = generator.random((num_samples, len(first)), dtype=np.float32)
    labels = np.argmax(np.tanh((2 * inputs.astype(np.float64) - 1) @ first) @ second, axis=1)
    return Split(torch.from_numpy(inputs), torch.from_numpy(labels).long())
