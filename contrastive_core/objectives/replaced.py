"""Detection of the values of a view that are not those of its sample."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from contrastive_core.cost import Cost
from contrastive_core.errors import InputError
from contrastive_core.objectives.reconstruction import SAMPLES
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class ReplacedDetection(Cost):
    r"""The binary cross-entropy of outputs that tell, for each value of a view, whether it was replaced.

    :math:`C = -\sum_j [t_j \log \sigma(o_j) + (1 - t_j) \log(1 - \sigma(o_j))]`, where :math:`t_j` is 1 if value j of the view is not
    that of the sample. A value that was replaced by an equal one counts as not replaced, as in the source. Eigenvalues of the Hessian
    lie between 0 and one quarter. Use linear output units.

    Source: Clark et al. (2020), ELECTRA, whose generator of replacements is a network; the view ``replace`` stands for it here. The
    formula is from memory.
    """

    curvature_bound = 0.25

    def value(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the binary cross-entropy summed over the values of each sample in nats, of shape (B,)."""
        return binary_cross_entropy_with_logits(output, replaced(batch).to(output.dtype), reduction="none").sum(1)

    def gradient(self, output: Tensor, batch: Batch) -> Tensor:
        r"""Return :math:`\sigma(o) - t`, of shape (B, n_in)."""
        return output.sigmoid() - replaced(batch).to(output.dtype)

    def errors(self, output: Tensor, batch: Batch) -> Tensor:
        """Return a mask of the samples of which a value is judged wrongly."""
        return ((output > 0) != replaced(batch)).any(1)


def replaced(batch: Batch) -> Tensor:
    """Return which values of each view are not those of the sample behind it, of shape (B, n_in) and dtype bool.

    Raises
    ------
    InputError
        If the batch has only views.
    """
    if SAMPLES not in (batch.extras or {}):
        raise InputError("detection of replaced values needs samples beside their views; show views by contrast")
    samples: Tensor = (batch.extras or {})[SAMPLES]
    return torch.ne(batch.inputs.flatten(1), samples.flatten(1))
