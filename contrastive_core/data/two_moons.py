"""Two interleaved half circles in the plane, a small task that no linear network can learn."""

from pathlib import Path

import numpy as np
import torch

from contrastive_core.data.catalog import describe
from contrastive_core.data.seeds import spawn
from contrastive_core.data.splits import Split, Splits, assemble

_NOISE = 0.1
# The moons lie in [-1, 2] x [-0.5, 1]; the margin on every side is five standard deviations of the noise.
_LOW = np.array([-1.5, -1.0])
_HIGH = np.array([2.5, 1.5])


def load(data_dir: Path | None, seed: int) -> Splits:
    r"""Draw points on two half circles.

    :math:`(\cos t, \sin t)` for class 0 and :math:`(1 - \cos t, \tfrac12 - \sin t)` for class 1 with :math:`t` uniform in
    :math:`[0, \pi]`, plus Gaussian noise of standard deviation 0.1, then mapped to :math:`[0, 1]^2` by constants.

    Parameters
    ----------
    data_dir : Path, optional
        Not used: the samples are computed.
    seed : int
        Seed of the samples, at least 0.

    Returns
    -------
    Splits
        1000, 250 and 500 independent samples of 2 inputs, half of each class.

    Raises
    ------
    InputError
        If ``seed`` is negative.
    """
    entry = describe("two-moons")
    sizes = (entry.num_train, entry.num_validation, entry.num_test)
    train, validation, test = (_draw(size, generator) for size, generator in zip(sizes, spawn(seed, 3), strict=True))
    return assemble(
        train,
        validation,
        test,
        num_classes=entry.num_classes,
        source=f"two-moons: synthetic with seed {seed}, noise {_NOISE}, mapped to [0, 1] by constants",
    )


def _draw(num_samples: int, generator: np.random.Generator) -> Split:
    """Draw points, alternately of the two classes."""
    labels = np.arange(num_samples) % 2
    angle = np.pi * generator.random(num_samples)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.where(labels[:, None] == 0, upper, np.array([1.0, 0.5]) - upper)
    points += _NOISE * generator.standard_normal(points.shape)
    scaled = np.clip((points - _LOW) / (_HIGH - _LOW), 0, 1)
    return Split(torch.from_numpy(scaled).float(), torch.from_numpy(labels).long())
