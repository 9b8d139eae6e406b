"""Collapse: what an objective is worth when all samples are answered alike."""

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.types import Batch


def collapsed_value(cost: Cost, batch: Batch, width: int) -> float:
    r"""Return the value of a cost on a batch whose rows are all the same, in float64.

    For objectives with a softmax over the batch it is a closed form of the numbers of samples and views alone, such as
    :math:`\log(2N - 1)` for NT-Xent: a training cost that stays there has learned nothing.

    Parameters
    ----------
    cost : Cost
        The objective.
    batch : Batch
        Of the sizes, labels and instances at which it is measured.
    width : int
        Number of outputs.

    Returns
    -------
    float
        The mean cost.
    """
    rows: Tensor = torch.ones(len(batch.inputs), width, dtype=torch.float64)
    extras = {name: extra.double() if extra.is_floating_point() else extra for name, extra in (batch.extras or {}).items()}
    batch = batch._replace(extras=extras)
    with torch.no_grad():
        return float(cost.value(rows, batch).mean())
