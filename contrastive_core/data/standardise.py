"""Standardisation of inputs, channel by channel."""

import torch
from torch import Tensor

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
    planes = _planes(splits.train.inputs, splits.shape)
    spread, mean = torch.std_mean(planes, dim=(0, 2), correction=0)  # (C,)
    constant = torch.nonzero(planes.amin((0, 2)) == planes.amax((0, 2))).flatten().tolist()
    if constant:
        raise InputError(
            f"channel {constant[0]} of the inputs is constant over the {len(planes)} training samples and cannot be standardised; "
            "leave standardisation out"
        )

    def scaled(split: Split) -> Split:
        planes = _planes(split.inputs, splits.shape)
        return Split(((planes - mean[:, None]) * (deviation / spread)[:, None]).reshape(split.inputs.shape), split.labels, split.given)

    train, validation, test = (scaled(split) for split in splits[:3])
    source = f"{splits.source}; channels scaled to mean 0 and deviation {deviation:g} over the training split"
    return splits.with_parts(train, validation, test, source)


def _planes(inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return inputs with an axis of channels, of shape (N, C, pixels)."""
    return inputs.reshape(len(inputs), shape[0] if shape else inputs.shape[1], -1)
