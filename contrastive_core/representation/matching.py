"""Convergent learning: which units of two networks answer the same samples alike (Li et al., 2015)."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import SpectralClustering
from sklearn.linear_model import Lasso
from torch import Tensor

from contrastive_core.errors import InputError, ShapeError


class Matching(NamedTuple):
    """Pairs of units of two networks.

    Attributes
    ----------
    first, second : Tensor of shape (K,)
        Indices of the paired units.
    correlation : Tensor of shape (K,)
        Their correlation over the samples, with its sign.
    """

    first: Tensor
    second: Tensor
    correlation: Tensor


class Sparse(NamedTuple):
    """How well few units of one network predict each unit of another.

    Attributes
    ----------
    explained : Tensor of shape (m,)
        Share of each unit's variance that is explained, on the samples it was fitted to.
    used : Tensor of shape (m,)
        How many units that took (int64).
    """

    explained: Tensor
    used: Tensor


def correlations(first: Tensor, second: Tensor) -> Tensor:
    """Return the correlation over the samples of every unit of one network with every unit of another.

    Parameters
    ----------
    first : Tensor of shape (N, n)
        Activities of one network.
    second : Tensor of shape (N, m)
        Of the other, for the same samples.

    Returns
    -------
    Tensor of shape (n, m)
        In float64; 0 for units that never change.

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
    """Pair units so that the sum of the sizes of their correlations is largest; each unit is in at most one pair.

    The size counts, not the sign: with odd activations a unit and its weights can change sign without changing the network.
    """
    size = correlation.abs().numpy()
    rows, columns = linear_sum_assignment(size, maximize=True)
    first, second = torch.from_numpy(rows), torch.from_numpy(columns)
    return Matching(first, second, correlation[first, second])


def semi_matching(correlation: Tensor) -> Matching:
    """Give each unit of the first network the unit of the second with the largest size of correlation; that may be in many pairs."""
    second = correlation.abs().argmax(1)
    first = torch.arange(len(correlation))
    return Matching(first, second, correlation[first, second])


def sparse_matching(first: Tensor, second: Tensor, penalty: float = 0.1) -> Sparse:
    r"""Predict each unit of the second network from few units of the first, by the lasso.

    Minimises :math:`\tfrac{1}{2N}\|y - Xw\|^2 + \alpha\|w\|_1` over standardised activities, so that a penalty of 1 uses no unit.

    Parameters
    ----------
    first : Tensor of shape (N, n)
        Activities that predict.
    second : Tensor of shape (N, m)
        Activities to be predicted.
    penalty : float
        :math:`\alpha`, positive.

    Returns
    -------
    Sparse
        For each unit of the second network; one that never changes is explained by none.
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
    """Cluster the units of both networks together by the sizes of their correlations, spectrally.

    Parameters
    ----------
    first : Tensor of shape (N, n)
        Activities of one network.
    second : Tensor of shape (N, m)
        Of the other.
    count : int
        Number of clusters, between 2 and n + m.
    seed : int
        Of the last step, k-means.

    Returns
    -------
    ndarray of shape (n + m,)
        The cluster of each unit, those of the first network first.
    """
    both = torch.cat([first, second], 1)
    if not 2 <= count <= both.shape[1]:
        raise InputError(f"{count} clusters of {both.shape[1]} units; choose a number from 2 to these")
    affinity = correlations(both, both).abs().fill_diagonal_(1.0).clamp(min=1e-9)  # a connected graph, units that never change too
    labels: NDArray[np.int64] = SpectralClustering(count, affinity="precomputed", random_state=seed).fit_predict(affinity.numpy())
    return labels.astype(np.int64)


def balance(labels: NDArray[np.int64], num_first: int) -> float:
    """Return how evenly clusters mix the units of two networks: 1 where every cluster has the networks' own ratio, 0 where none mixes.

    It is 1 less the mutual information of cluster and network over the entropy of the network.
    """
    network = (np.arange(len(labels)) >= num_first).astype(np.int64)
    joint = np.zeros((labels.max() + 1, 2))
    np.add.at(joint, (labels, network), 1 / len(labels))
    rows, columns = joint.sum(1, keepdims=True), joint.sum(0, keepdims=True)
    inside = joint > 0
    information = float((joint[inside] * np.log((joint / (rows @ columns + (joint == 0)))[inside])).sum())
    entropy = float(-(columns[columns > 0] * np.log(columns[columns > 0])).sum())
    return 1.0 - information / entropy if entropy else 1.0


def linear_cka(first: Tensor, second: Tensor) -> float:
    r"""Return :math:`\|Y^T X\|_F^2 / (\|X^T X\|_F \|Y^T Y\|_F)` of centred activities (Kornblith et al., 2019), in [0, 1].

    1 where one is a rotation and scaling of the other, which no matching of units sees; 0 where one never changes.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ShapeError(f"representations are compared on the same samples, at least 2, got {len(first)} and {len(second)}")
    x, y = (features.double() - features.double().mean(0) for features in (first, second))
    size = (x.T @ x).norm() * (y.T @ y).norm()
    return float((y.T @ x).square().sum() / size) if float(size) > 0 else 0.0


def _standardise(features: Tensor) -> Tensor:
    centred = features.double() - features.double().mean(0)
    scale = centred.square().mean(0).sqrt()
    # What rounding leaves of a constant is no variance.
    constant = scale <= 1e-12 * features.double().abs().amax(0)
    return torch.where(constant, 0.0, centred / torch.where(constant, 1.0, scale))
