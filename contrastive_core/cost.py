"""Costs: functions of a network's outputs that a rule lowers."""

from abc import ABC, abstractmethod

from torch import Tensor

from contrastive_core.types import Batch


class Cost(ABC):
    r"""A differentiable cost :math:`C(o, y)` of a network's outputs.

    Attributes
    ----------
    curvature : float
        :math:`c` if the Hessian of each sample's cost is :math:`c` times the identity, else 0. Output units with a quadratic
        energy then take their exact nudged minimum instead of one step towards it.
    coupled : bool
        Whether the rows of a batch act on each other; if so, they relax and stop together.
    one_hot : bool
        Whether class indices stand for their one-hot rows and nothing else. A relaxation then looks at the labels once: checking
        indices on a device makes the host wait for it, which a sweep must not.
    """

    curvature: float = 0.0
    coupled: bool = False
    one_hot: bool = False

    @abstractmethod
    def value(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the cost of each sample, of shape (B,), or of the whole batch, of shape (), where rows are coupled.

        Parameters
        ----------
        output : Tensor of shape (B, n_out)
            The network's outputs.
        batch : Batch
            The samples they belong to.
        """

    @abstractmethod
    def gradient(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the gradient of the mean cost with respect to ``output``, times B; shape (B, n_out)."""

    @abstractmethod
    def errors(self, output: Tensor, batch: Batch) -> Tensor:
        """Return which samples the output gets wrong, of shape (B,) and dtype bool, where the cost defines a decision."""
