"""Measures of a joint model: robustness, calibration, detection, and the distance of its samples to data."""

from __future__ import annotations

import torch
from torch import Tensor

from contrastive_core.errors import ShapeError
from contrastive_core.joint.attack import attack_path, random_start
from contrastive_core.joint.input_gradient import Classifier
from contrastive_core.types import Batch

_BINS = 15
"""Bins of the calibration error, as Guo et al. (2017) have."""


def withstood(
    classifier: Classifier, batch: Batch, radius: float, steps: int, restarts: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return which samples stay in their class at every point of an attack, as two masks of shape (B,).

    Parameters
    ----------
    classifier : Classifier
        Network under attack.
    batch : Batch
        Samples with their classes.
    radius : float
        Euclidean radius.
    steps : int
        Steps of an attack, each of 2.5 radii over the number of steps.
    restarts : int
        Attacks from random points of the ball, beside the one that starts at the sample.
    generator : torch.Generator
        Source of the random points.

    Returns
    -------
    plain, worst : Tensor of shape (B,)
        Under the attack that starts at the sample, and under that one and all others.
    """
    kept = classifier.outputs(batch.inputs).argmax(1) == batch.labels
    plain, rate = kept.clone(), 2.5 * radius / steps
    for attempt in range(restarts + 1 if radius else 0):
        left = kept.nonzero()[:, 0]  # what fell to an earlier attack needs no other
        if not len(left):
            break
        centre = batch.inputs[left]
        begin = random_start(centre, radius, generator) if attempt else None
        for point in attack_path(classifier, Batch(centre, batch.labels[left]), radius, steps, rate, begin):
            kept[left] &= classifier.outputs(point.inputs).argmax(1) == point.labels
        if attempt == 0:
            plain = kept.clone()
    return plain, kept


def calibration_error(output: Tensor, labels: Tensor, bins: int = _BINS) -> float:
    """Return the expected calibration error: the mean over bins of confidence of the distance between confidence and accuracy.

    Parameters
    ----------
    output : Tensor of shape (B, n_out)
        Logits.
    labels : Tensor of shape (B,)
        Classes.
    bins : int
        Number of bins of equal width over [0, 1].

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, ICML, Eq. (5).
    """
    confidence, chosen = output.double().softmax(1).max(1)
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1  # a bin has its upper edge
    gaps = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, (chosen == labels).double() - confidence)
    return float(gaps.abs().sum() / len(labels))


def detection_area(inside: Tensor, outside: Tensor) -> float:
    """Return the area under the curve of detection (AUROC): the chance that a score of data exceeds one of other inputs, ties half.

    Parameters
    ----------
    inside, outside : Tensor of shape (N,) and (M,)
        Scores of data and of other inputs, finite.
    """
    from sklearn.metrics import roc_auc_score

    labels = torch.cat((torch.ones(len(inside)), torch.zeros(len(outside))))
    return float(roc_auc_score(labels.numpy(), torch.cat((inside, outside)).double().numpy()))


def kernel_width(first: Tensor, second: Tensor) -> float:
    """Return the median Euclidean distance between rows of both together, each pair once: the usual width of the Gaussian kernel."""
    return float(torch.pdist(torch.cat((first, second)).double()).median())


def squared_discrepancy(first: Tensor, second: Tensor, width: float) -> float:
    r"""Return the squared maximum mean discrepancy of two samples, without bias, so that it can be negative.

    .. math:: \widehat{\mathrm{MMD}}^2 = \frac{1}{n(n-1)}\sum_{i \ne j} k(x_i, x_j) + \frac{1}{m(m-1)}\sum_{i \ne j} k(y_i, y_j)
              - \frac{2}{nm}\sum_{ij} k(x_i, y_j), \qquad k(x, y) = e^{-|x - y|^2/2w^2}.

    Parameters
    ----------
    first, second : Tensor of shape (n, d) and (m, d)
        Samples of at least two rows each.
    width : float
        Width w of the kernel.

    Raises
    ------
    ShapeError
        If a sample has fewer than two rows, or the rows differ in length.

    References
    ----------
    Gretton et al. (2012), A kernel two-sample test, JMLR 13, Eq. (3).
    """
    if min(len(first), len(second)) < 2 or first.shape[1] != second.shape[1]:
        raise ShapeError(f"two samples of at least two equal rows are compared, got {tuple(first.shape)} and {tuple(second.shape)}")
    one, other = first.double(), second.double()

    def kernel(rows: Tensor, columns: Tensor) -> Tensor:
        return torch.exp(torch.cdist(rows, columns).square() / (-2 * width**2))

    def within(rows: Tensor) -> Tensor:
        # The diagonal is left out exactly: k(x, x) = 1 only up to the rounding of the distance.
        values = kernel(rows, rows).fill_diagonal_(0.0)
        return values.sum() / (len(rows) * (len(rows) - 1))

    return float(within(one) + within(other) - 2 * kernel(one, other).mean())


def nearest(rows: Tensor, stock: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance from each row to the nearest of a stock, and its index; both of shape (B,)."""
    found = torch.cdist(rows, stock).min(1)
    return found.values, found.indices
