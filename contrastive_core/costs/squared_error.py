"""Half the squared distance of the outputs to their targets."""

from typing import final

from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.costs.labels import targets, wrong_decisions
from contrastive_core.types import Samples


@final
class SquaredError(Cost):
    r"""The squared error :math:`C = \tfrac12 |o - y|^2` per sample; class labels become one-hot targets.

    The Hessian is the identity. Quadratic output units are therefore nudged exactly, and a nudge of strength :math:`\beta \le -1`
    (times the stiffness of the output layer) leaves the energy without a minimum.

    Scellier & Bengio (2017) omit the factor one half.
    """

    curvature = 1.0
    one_hot = True
    analytic = True

    def value(self, output: Tensor, batch: Samples) -> Tensor:
        """Return half the squared distance of each output to its target, of shape (B,)."""
        return 0.5 * (output - targets(output, batch)).square().sum(1)

    def gradient(self, output: Tensor, batch: Samples) -> Tensor:
        """Return :math:`o - y`, of shape (B, n_out)."""
        return output - targets(output, batch)

    def errors(self, output: Tensor, batch: Samples) -> Tensor:
        """Return a mask that is True where the largest output is not the label."""
        return wrong_decisions(output, batch)
