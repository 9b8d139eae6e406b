"""What labels can be read from features: a linear probe and nearest neighbours, both of scikit-learn."""

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError

_STEPS = 200
"""Of L-BFGS; on standardised features the accuracy does not change any more long before the last digits of the weights do."""


def linear_probe(train: Split, test: Split, penalty: float = 1e-2) -> float:
    """Return the share of test samples that a multinomial logistic regression on standardised features gets right.

    Parameters
    ----------
    train, test : Split
        Features in place of inputs, of shape (N, n), and class indices.
    penalty : float
        Of half the squared weights, relative to the mean log-likelihood of a training sample; the bias is free.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        If the training samples have fewer than two classes, or features are not finite.
    """
    _check(train, test)
    regression = LogisticRegression(C=1 / (penalty * len(train.labels)), max_iter=_STEPS, tol=1e-4)
    probe = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe.fit(train.inputs.numpy(), train.labels.numpy())
    return float(probe.score(test.inputs.numpy(), test.labels.numpy()))


def nearest_neighbours(train: Split, test: Split, count: int = 5) -> float:
    """Return the share of test samples that a vote of the nearest training samples gets right.

    Nearest in angle, since contrastive objectives see directions only; a row of zeros is as far from all.

    Parameters
    ----------
    train, test : Split
        Features in place of inputs, of shape (N, n), and class indices.
    count : int
        Neighbours that vote, at most as many as there are training samples.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        As for the probe, or if there are fewer training samples than neighbours.
    """
    _check(train, test)
    if not 1 <= count <= len(train.labels):
        raise InputError(f"{count} neighbours of {len(train.labels)} training samples; choose a number from 1 to these")
    vote = KNeighborsClassifier(count, metric="cosine", algorithm="brute")
    vote.fit(train.inputs.numpy(), train.labels.numpy())
    return float(vote.score(test.inputs.numpy(), test.labels.numpy()))


def _check(train: Split, test: Split) -> None:
    if int(train.labels.min()) == int(train.labels.max()):
        raise InputError("a probe needs training samples of at least two classes; probe with more samples")
    for features in (train.inputs, test.inputs):
        if not bool(features.isfinite().all()):
            raise InputError("features are not finite, so nothing can be read from them; lower the learning rate of the training")


def separability(first: Tensor, second: Tensor) -> float:
    """Return how well a hyperplane tells two clouds of features apart, on every second sample, after the others: ½ is not at all.

    Parameters
    ----------
    first, second : Tensor of shape (N, n)
        Row by row the two views, or modalities, of a sample; both of a pair are learned from, or both are tested.

    Returns
    -------
    float
        Share of held-out rows on the right side, in [0, 1]; of a contrastive gap it is 1.
    """
    count = len(first)
    if count < 4 or first.shape != second.shape:
        raise InputError(
            f"two clouds of the same shape with at least 4 rows can be told apart, got {tuple(first.shape)}, {tuple(second.shape)}"
        )
    learned, tested = (
        Split(torch.cat([first[part::2], second[part::2]]), torch.arange(2).repeat_interleave(len(first[part::2]))) for part in (0, 1)
    )
    return linear_probe(learned, tested)
