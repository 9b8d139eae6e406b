"""Geometry of features on the sphere: alignment, uniformity, tolerance, isotropy, class share, gap, hardness and spectrum."""

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.errors import InputError, ShapeError


def alignment(first: Tensor, second: Tensor, power: float = 2.0) -> float:
    r"""Return the mean of :math:`\|x - y\|^\alpha` over positive pairs, rows of unit length (Wang & Isola, 2020); 0 is best.

    Parameters
    ----------
    first, second : Tensor of shape (N, n)
        Two views of the same samples, in the same order.
    power : float
        :math:`\alpha`.

    Returns
    -------
    float
        Alignment, at least 0.
    """
    if first.shape != second.shape:
        raise ShapeError(f"views do not pair up: {tuple(first.shape)} and {tuple(second.shape)}; give both views of every sample")
    return float((normalize(first) - normalize(second)).norm(dim=1).pow(power).mean())


def uniformity(features: Tensor, sharpness: float = 2.0) -> float:
    r"""Return :math:`\log \mathrm{mean}_{i<j}\, e^{-t\|x_i - x_j\|^2}` of rows of unit length (Wang & Isola, 2020); 0 is collapse.

    Parameters
    ----------
    features : Tensor of shape (N, n)
        Features of at least two samples.
    sharpness : float
        :math:`t`.

    Returns
    -------
    float
        Uniformity, at most 0.
    """
    cosines = _off_diagonal(features)
    return float(torch.logsumexp(2 * sharpness * (cosines - 1), 0)) - math.log(len(cosines))


def tolerance(features: Tensor, labels: Tensor) -> float:
    """Return the mean cosine between samples of one class (Wang & Liu, 2021); high if classes survive uniformity.

    Parameters
    ----------
    features : Tensor of shape (N, n)
        Features of the samples.
    labels : Tensor of shape (N,)
        Class indices; at least one class has two samples.

    Returns
    -------
    float
        Tolerance, in [-1, 1].
    """
    unit = normalize(features.double())
    same = (labels[:, None] == labels[None, :]).fill_diagonal_(False)
    if not bool(same.any()):
        raise InputError("tolerance needs two samples with the same label, got none; measure it on more samples")
    return float((unit @ unit.T)[same].mean())


def class_share(features: Tensor, labels: Tensor) -> float:
    """Return the share of the variance of features that lies between the means of classes, in [0, 1]; 0 for features without variance.

    Parameters
    ----------
    features : Tensor of shape (N, n)
        Features of the samples.
    labels : Tensor of shape (N,)
        Class indices.
    """
    centred = features.double() - features.double().mean(0)
    classes, members = torch.unique(labels, return_inverse=True)
    sums = torch.zeros(len(classes), centred.shape[1], dtype=torch.float64).index_add_(0, members, centred)
    between = (sums.square().sum(1) / members.bincount()).sum()
    total = centred.square().sum()
    return float(between / total) if float(total) > 0 else 0.0


def isotropy(features: Tensor) -> float:
    """Return 1 minus the mean cosine of two different rows (Su & Collier, 2022); 1 is isotropic, 0 collapsed."""
    return 1.0 - float(_off_diagonal(features).mean())


def partition_isotropy(features: Tensor) -> float:
    r"""Return the ratio of the smallest to the largest :math:`Z(c) = \sum_i e^{c \cdot x_i}`, in (0, 1]; 1 is isotropic.

    c are the eigenvectors of :math:`X^T X` with both signs. The measure is that of Mu & Viswanath (2018), recalled and not re-read.
    """
    features = features.double()
    axes = torch.linalg.eigh(features.T @ features).eigenvectors
    sums = torch.logsumexp(features @ torch.cat([axes, -axes], 1), 0)
    return float((sums.min() - sums.max()).exp())


def gap(first: Tensor, second: Tensor) -> float:
    """Return the distance between the centres of two sets of unit rows (contrastive gap; Fahim et al., 2024); 0 is no gap."""
    return float((normalize(first).mean(0) - normalize(second).mean(0)).norm())


def relative_penalties(features: Tensor, instances: Tensor, temperature: float) -> Tensor:
    r"""Return :math:`e^{s_{aj}/\tau} / \sum_k e^{s_{ak}/\tau}` over the negatives of each row (Wang & Liu, 2021).

    Entry (a, j) is the share of negative j in the force that drives row a away from its negatives. At high temperature all shares are
    equal; at low temperature the hardest negative has all of it.

    Parameters
    ----------
    features : Tensor of shape (R, n)
        Outputs for all views.
    instances : Tensor of shape (R,)
        Sample of each row; rows of one sample are not negatives of each other.
    temperature : float
        :math:`\tau`, positive.

    Returns
    -------
    Tensor of shape (R, R)
        Shares; each row sums to 1, and entries of pairs that are not negatives are 0.
    """
    if not temperature > 0:
        raise InputError(f"temperature must be positive, got {temperature}; 0.5 is usual")
    negative = instances[:, None] != instances[None, :]
    if not bool(negative.any(1).all()):
        raise InputError("every row needs a negative: give views of at least 2 samples")
    unit = normalize(features)
    return (unit @ unit.T / temperature).masked_fill(~negative, -torch.inf).softmax(1)


def hardness(features: Tensor, instances: Tensor, temperature: float) -> float:
    """Return the mean share of the repulsion from the hardest tenth of each row's negatives; 0.1 is no preference."""
    penalties = relative_penalties(features, instances, temperature)
    negatives = int((instances[:, None] != instances[None, :]).sum(1).min())
    return float(penalties.topk(max(1, negatives // 10), dim=1).values.sum(1).mean())


def spectrum(features: Tensor) -> Tensor:
    """Return the standard deviations of the features along their principal axes, largest first."""
    centred = features.double() - features.double().mean(0)
    values: Tensor = torch.linalg.svdvals(centred) / max(1, len(features)) ** 0.5
    return values


def effective_rank(features: Tensor) -> float:
    """Return the exponential of the entropy of the normalised singular values (Roy & Vetterli, 2007); 0 for features without variance."""
    values = spectrum(features)
    if float(values.sum()) == 0:
        return 0.0
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


def _off_diagonal(features: Tensor) -> Tensor:
    if len(features) < 2:
        raise InputError(f"pairs need at least 2 samples, got {len(features)}; give more")
    unit = normalize(features.double())
    rows, columns = torch.triu_indices(len(unit), len(unit), 1)
    return (unit @ unit.T)[rows, columns]
