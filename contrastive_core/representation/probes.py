"""Probes: accuracy of labels read from features, by logistic regression or nearest neighbours of scikit-learn."""

import math
import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from contrastive_core.data.splits import Split, as_split
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed

_STEPS = 200
"""Steps of L-BFGS. On standardised features the accuracy is final long before the last digits of the weights are."""


@typed("train", "test")
def linear_probe(train: Split, test: Split, penalty: float = 1e-2) -> float:
    """Return the accuracy on test samples of a multinomial logistic regression on standardised features.

    Parameters
    ----------
    train, test : Split, or pair of inputs and labels
        Features in place of inputs, of shape (N, n), and class indices.
    penalty : float
        Penalty on half the squared weights, relative to the mean log-likelihood per training sample; biases are free.

    Returns
    -------
    float
        Accuracy, in [0, 1].

    Raises
    ------
    InputError
        If the training samples have fewer than two classes, or features are not finite.
    """
    train, test = as_split(train), as_split(test)
    _check(train, test)
    if not 0 < penalty < math.inf:
        raise InputError(f"the penalty of a probe must be a positive number, got {penalty}; 0.01 is usual")
    regression = LogisticRegression(C=1 / (penalty * len(train.labels)), max_iter=_STEPS, tol=1e-4)
    probe = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe.fit(train.inputs.numpy(), train.labels.numpy())
    return float(probe.score(test.inputs.numpy(), test.labels.numpy()))


def nearest_neighbours(train: Split, test: Split, count: int = 5) -> float:
    """Return the accuracy on test samples of a vote of the nearest training samples.

    Distances are angles, because most contrastive objectives depend on directions only. A row of zeros is equally far from all others.

    Parameters
    ----------
    train, test : Split
        Features in place of inputs, of shape (N, n), and class indices.
    count : int
        Number of voting neighbours, at most the number of training samples.

    Returns
    -------
    float
        Accuracy, in [0, 1].

    Raises
    ------
    InputError
        If the training samples have fewer than two classes, features are not finite, or there are fewer training samples than neighbours.
    """
    _check(train, test)
    if not 1 <= count <= len(train.labels):
        raise InputError(f"cannot ask {count} neighbours of {len(train.labels)} training samples; choose 1 to {len(train.labels)}")
    vote = KNeighborsClassifier(count, metric="cosine", algorithm="brute")
    vote.fit(train.inputs.numpy(), train.labels.numpy())
    return float(vote.score(test.inputs.numpy(), test.labels.numpy()))


def _check(train: Split, test: Split) -> None:
    if int(train.labels.min()) == int(train.labels.max()):
        raise InputError("a probe needs training samples of at least two classes; probe with more samples")
    for features in (train.inputs, test.inputs):
        if not bool(features.isfinite().all()):
            raise InputError("a probe needs finite features, got NaN or infinity; train with a lower learning rate")


def separability(first: Tensor, second: Tensor) -> float:
    """Return the accuracy with which a hyperplane separates two sets of features; ½ is chance.

    The hyperplane is fitted to every second pair of rows and tested on the other pairs.

    Parameters
    ----------
    first, second : Tensor of shape (N, n)
        Two views, or modalities, of the same samples in the same order. Both rows of a pair are fitted, or both are tested.

    Returns
    -------
    float
        Share of held-out rows on the right side, in [0, 1]; 1 for a contrastive gap.
    """
    count = len(first)
    if count < 4 or first.shape != second.shape:
        raise InputError(
            f"separability needs two sets of the same shape with at least 4 rows, got {tuple(first.shape)} and {tuple(second.shape)}"
        )
    learned, tested = (
        Split(torch.cat([first[part::2], second[part::2]]), torch.arange(2).repeat_interleave(len(first[part::2]))) for part in (0, 1)
    )
    return linear_probe(learned, tested)
