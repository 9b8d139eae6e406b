"""Convergent learning: matching of the units of two networks by their activities (Li et al., 2015)."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import SpectralClustering
from sklearn.linear_model import Lasso
from torch import Tensor

from contrastive_core.errors import InputError, ShapeError
from contrastive_core.guards.typed import typed


class Matching(NamedTuple):
    """Pairs of units of two networks.

    Attributes
    ----------
    first, second : Tensor of shape (K,)
        Indices of the paired units.
    correlation : Tensor of shape (K,)
        Correlation of each pair over the samples, with its sign.
    """

    first: Tensor
    second: Tensor
    correlation: Tensor


class Sparse(NamedTuple):
    """Result of a sparse matching, in which few units of one network predict each unit of another.

    Attributes
    ----------
    explained : Tensor of shape (m,)
        Explained share of each unit's variance, on the samples of the fit.
    used : Tensor of shape (m,)
        Number of predicting units (int64).
    """

    explained: Tensor
    used: Tensor


def correlations(first: Tensor, second: Tensor) -> Tensor:
    """Return the correlation of every unit of one network with every unit of another, over the same samples.

    Parameters
    ----------
    first : Tensor of shape (N, n)
        Activities of one network.
    second : Tensor of shape (N, m)
        Activities of the other network, for the same samples.

    Returns
    -------
    Tensor of shape (n, m)
        Correlations in float64; 0 for units that never change.

    Raises
    ------
    ShapeError
        If the numbers of samples differ or there is only one.
    InputError
        If an activity is not finite.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ShapeError(f"units are compared on the same samples, at least 2, got {len(first)} and {len(second)}")
    if not bool(first.isfinite().all() & second.isfinite().all()):
        raise InputError("activities are not finite; match networks whose training did not diverge")
    one, other = _standardise(first), _standardise(second)
    return one.T @ other / len(first)


def one_to_one(correlation: Tensor) -> Matching:
    """Pair units so that the sum of their absolute correlations is largest; each unit is in at most one pair.

    Signs are ignored, because with odd activations a unit and its weights can change sign without changing the network.
    """
    size = correlation.abs().numpy()
    rows, columns = linear_sum_assignment(size, maximize=True)
    first, second = torch.from_numpy(rows), torch.from_numpy(columns)
    return Matching(first, second, correlation[first, second])


def semi_matching(correlation: Tensor) -> Matching:
    """Pair each unit of the first network with the most correlated unit of the second, which may be in many pairs."""
    second = correlation.abs().argmax(1)
    first = torch.arange(len(correlation))
    return Matching(first, second, correlation[first, second])


def sparse_matching(first: Tensor, second: Tensor, penalty: float = 0.1) -> Sparse:
    r"""Predict each unit of the second network from few units of the first, by the lasso.

    Minimises :math:`\tfrac{1}{2N}\|y - Xw\|^2 + \alpha\|w\|_1` for standardised activities. With a penalty of 1 no unit is used.

    Parameters
    ----------
    first : Tensor of shape (N, n)
        Predicting activities.
    second : Tensor of shape (N, m)
        Predicted activities.
    penalty : float
        :math:`\alpha`, positive.

    Returns
    -------
    Sparse
        Result for each unit of the second network; both numbers are 0 for a unit that never changes.
    """
    if not penalty > 0:
        raise InputError(f"the penalty of a sparse matching must be positive, got {penalty}")
    predictors, wanted = _standardise(first), _standardise(second)
    gram = (predictors.T @ predictors).numpy()
    explained, used = torch.zeros(wanted.shape[1], dtype=torch.float64), torch.zeros(wanted.shape[1], dtype=torch.int64)
    for unit in range(wanted.shape[1]):
        target = wanted[:, unit]
        if float(target.square().sum()) == 0:
            continue
        lasso = Lasso(penalty, fit_intercept=False, precompute=gram, max_iter=5000, tol=1e-4)
        lasso.fit(predictors.numpy(), target.numpy())
        weights = torch.from_numpy(lasso.coef_)
        explained[unit] = 1 - (target - predictors @ weights).square().mean() / target.square().mean()
        used[unit] = int((weights != 0).sum())
    return Sparse(explained, used)


def clusters(first: Tensor, second: Tensor, count: int, seed: int = 0) -> NDArray[np.int64]:
    """Cluster the units of both networks together, by spectral clustering of their absolute correlations.

    Parameters
    ----------
    first : Tensor of shape (N, n)
        Activities of one network.
    second : Tensor of shape (N, m)
        Activities of the other network.
    count : int
        Number of clusters, between 2 and n + m.
    seed : int
        Seed of the final k-means.

    Returns
    -------
    ndarray of shape (n + m,)
        Cluster of each unit; units of the first network come first.
    """
    both = torch.cat([first, second], 1)
    if not 2 <= count <= both.shape[1]:
        raise InputError(f"cannot form {count} clusters of {both.shape[1]} units; choose from 2 to {both.shape[1]}")
    affinity = (
        correlations(both, both).abs().fill_diagonal_(1.0).clamp(min=1e-9)
    )  # connects the graph, also through units that never change
    labels: NDArray[np.int64] = SpectralClustering(count, affinity="precomputed", random_state=seed).fit_predict(affinity.numpy())
    return labels.astype(np.int64)


def balance(labels: NDArray[np.int64], num_first: int) -> float:
    """Return how evenly clusters mix the units of two networks, in [0, 1].

    1 means that every cluster has the overall ratio of units, 0 that no cluster mixes them. The measure is 1 minus the mutual
    information of cluster and network, divided by the entropy of the network.
    """
    network = (np.arange(len(labels)) >= num_first).astype(np.int64)
    joint = np.zeros((labels.max() + 1, 2))
    np.add.at(joint, (labels, network), 1 / len(labels))
    rows, columns = joint.sum(1, keepdims=True), joint.sum(0, keepdims=True)
    inside = joint > 0
    information = float((joint[inside] * np.log((joint / (rows @ columns + (joint == 0)))[inside])).sum())
    entropy = float(-(columns[columns > 0] * np.log(columns[columns > 0])).sum())
    return 1.0 - information / entropy if entropy else 1.0


@typed()
def linear_cka(first: Tensor, second: Tensor) -> float:
    r"""Return :math:`\|Y^T X\|_F^2 / (\|X^T X\|_F \|Y^T Y\|_F)` of centred activities (Kornblith et al., 2019), in [0, 1].

    It is 1 if one is a rotation and scaling of the other, which no matching of units detects, and 0 if one never changes.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ShapeError(f"representations are compared on the same samples, at least 2, got {len(first)} and {len(second)}")
    x, y = (features.double() - features.double().mean(0) for features in (first, second))
    size = (x.T @ x).norm() * (y.T @ y).norm()
    return float((y.T @ x).square().sum() / size) if float(size) > 0 else 0.0


def _standardise(features: Tensor) -> Tensor:
    centred = features.double() - features.double().mean(0)
    scale = centred.square().mean(0).sqrt()
    # Rounding leaves a tiny variance in a constant unit, which must not be scaled up to 1.
    constant = scale <= 1e-12 * features.double().abs().amax(0)
    return torch.where(constant, 0.0, centred / torch.where(constant, 1.0, scale))
