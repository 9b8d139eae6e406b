"""Standardisation of inputs, channel by channel."""

import torch
from torch import Tensor

from contrastive_core.data.on_disk.rows import MappedRows
from contrastive_core.data.splits import Split, Splits
from contrastive_core.errors import InputError


def standardise(splits: Splits, deviation: float = 1.0) -> Splits:
    r"""Shift and scale each channel of the inputs to mean 0 and a given standard deviation.

    :math:`x' = d\,(x - \mu_c)/\sigma_c`, with :math:`\mu_c` and :math:`\sigma_c` the mean and the standard deviation of channel c over all
    pixels of the training split alone, so that nothing of the validation and test splits is learnt. Each input of rows that are no
    pictures is a channel.

    Parameters
    ----------
    splits : Splits
        A data set.
    deviation : float
        Standard deviation d of every channel afterwards, positive. Laborieux et al. (2021) divide by :math:`3\sigma_c`, which is 1/3.

    Returns
    -------
    Splits
        Data set with a new digest, and the standardisation in its source.

    Raises
    ------
    InputError
        If the deviation is not positive, or a channel is constant over the training split.
    """
    if not 0 < deviation < float("inf"):
        raise InputError(f"the standard deviation of standardised inputs must be positive, got {deviation}; 1 is usual")
    mean, spread, same = _moments(splits.train.inputs, splits.shape)
    constant = torch.nonzero(same).flatten().tolist()
    if constant:
        raise InputError(
            f"channel {constant[0]} of the inputs is constant over the {len(splits.train.labels)} training samples and cannot be "
            "standardised; leave standardisation out"
        )

    def scaled(split: Split) -> Split:
        if isinstance(split.inputs, MappedRows):
            pixels = split.inputs.shape[1] // len(mean)
            to = [one.repeat_interleave(pixels) for one in (mean, deviation / spread)]
            return Split(split.inputs.scaled(*to), split.labels, split.given)
        planes = _planes(split.inputs, splits.shape)
        return Split(((planes - mean[:, None]) * (deviation / spread)[:, None]).reshape(split.inputs.shape), split.labels, split.given)

    train, validation, test = (scaled(split) for split in splits[:3])
    source = f"{splits.source}; channels scaled to mean 0 and deviation {deviation:g} over the training split"
    return splits.with_parts(train, validation, test, source)


def _moments(inputs: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and deviation of each channel, and whether it is constant, each of shape (C,)."""
    if not isinstance(inputs, MappedRows):
        planes = _planes(inputs, shape)
        spread, mean = torch.std_mean(planes, dim=(0, 2), correction=0)
        return mean, spread, planes.amin((0, 2)) == planes.amax((0, 2))
    count, total = 0, torch.zeros((), dtype=torch.float64)
    squares, low, high = total, total + torch.inf, total - torch.inf
    for chunk in inputs.chunks():
        planes = _planes(chunk.double(), shape)
        variance, mean = torch.var_mean(planes, dim=(0, 2), correction=0)
        more = planes.shape[0] * planes.shape[2]
        # Chan, Golub and LeVeque's update of a sum of squares about the mean: sums of raw squares would cancel.
        shift = mean - total / max(count, 1)
        squares = squares + more * variance + shift.square() * (count * more / (count + more))
        count, total = count + more, total + more * mean
        low, high = torch.minimum(low, planes.amin((0, 2))), torch.maximum(high, planes.amax((0, 2)))
    return (total / count).float(), (squares / count).sqrt().float(), low == high


def _planes(inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return inputs with an axis of channels, of shape (N, C, pixels)."""
    return inputs.reshape(len(inputs), shape[0] if shape else inputs.shape[1], -1)
