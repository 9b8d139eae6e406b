"""Digits with a mark at the edge that nearly always agrees with the class in training, and never tells anything in tests."""

from pathlib import Path

import torch

from contrastive_core.data.digits import load as load_digits
from contrastive_core.data.seeds import spawn
from contrastive_core.data.splits import Split, Splits, assemble
from contrastive_core.data.views.bias_flip import MARKS, marked

NAME = "digits-biased"
AGREEING = 0.95
"""Share of the training samples whose mark is that of their class."""


def load(data_dir: Path | None, seed: int) -> Splits:
    """Mark the digits: by the class of 95 % of the training samples, and at random elsewhere.

    Parameters
    ----------
    data_dir : Path, optional
        Not used: the samples come with scikit-learn.
    seed : int
        Seed of the random marks, at least 0.

    Raises
    ------
    InputError
        If ``seed`` is negative.
    """
    plain = load_digits(data_dir, 0)
    parts = []
    for split, random, share in zip((plain.train, plain.validation, plain.test), spawn(seed, 3), (AGREEING, 0.0, 0.0), strict=True):
        count = len(split.labels)
        drawn, agrees = torch.from_numpy(random.integers(MARKS, size=count)), torch.from_numpy(random.random(count) < share)
        marks = torch.where(agrees, split.labels, drawn)
        parts.append(Split(marked(split.inputs.reshape(-1, *plain.shape), marks).flatten(1), split.labels))
    source = f"{NAME}: {plain.source}; edges hold a mark, of the class for {100 * AGREEING:g} % of the training samples, seed {seed}"
    return assemble(*parts, num_classes=plain.num_classes, source=source, shape=plain.shape)
