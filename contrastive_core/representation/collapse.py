"""Value of an objective after collapse, when all outputs are equal."""

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.types import Batch


def collapsed_value(cost: Cost, batch: Batch, width: int) -> float:
    r"""Return the value of a cost on a batch with equal rows, in float64.

    For objectives with a softmax over the batch it depends on the numbers of samples and views only, for example :math:`\log(2N - 1)`
    for NT-Xent. If the cost stays at this value in training, nothing has been learned.

    Parameters
    ----------
    cost : Cost
        Objective, or any other cost.
    batch : Batch
        Batch that gives sizes, labels and instances.
    width : int
        Number of outputs.

    Returns
    -------
    float
        Mean cost.
    """
    rows: Tensor = torch.ones(len(batch.inputs), width, dtype=torch.float64)
    extras = {name: extra.double() if extra.is_floating_point() else extra for name, extra in (batch.extras or {}).items()}
    batch = batch._replace(extras=extras)
    with torch.no_grad():
        return float(cost.value(rows, batch).mean())
