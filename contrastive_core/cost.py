"""Costs: functions of a network's outputs that a rule lowers."""

import math
from abc import ABC, abstractmethod
from typing import final

from torch import Tensor

from contrastive_core.types import Batch


class Cost(ABC):
    r"""A differentiable cost :math:`C(o, y)` of a network's outputs.

    Attributes
    ----------
    curvature : float
        :math:`c` if the Hessian of each sample's cost is :math:`c` times the identity, else 0. A non-zero value lets output units with
        a quadratic energy take their exact nudged minimum instead of one step towards it.
    curvature_bound : float
        Upper bound of the eigenvalues of each sample's Hessian at any outputs, where they vary; infinite where none is known. It limits
        negative nudges.
    coupled : bool
        Whether rows of a batch act on each other; they then relax and stop together.
    one_hot : bool
        Whether class indices mean no more than their one-hot rows. Labels are then converted once per relaxation, because checking
        indices in every sweep would make the host wait for the device.
    analytic : bool
        Whether the gradient is an analytic function of the outputs, and takes complex ones.
    """

    curvature: float = 0.0
    curvature_bound: float = math.inf
    coupled: bool = False
    one_hot: bool = False
    analytic: bool = False

    @property
    @final
    def steepest(self) -> float:
        """Largest curvature that a nudge can meet: the constant one, or else the bound."""
        return self.curvature or self.curvature_bound

    @abstractmethod
    def value(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the cost of each sample, of shape (B,), or of the whole batch, of shape (), if rows are coupled.

        Parameters
        ----------
        output : Tensor of shape (B, n_out)
            Outputs of the network.
        batch : Batch
            Samples that the outputs belong to.
        """

    @abstractmethod
    def gradient(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the gradient of the mean cost with respect to ``output``, times B; shape (B, n_out)."""

    @abstractmethod
    def errors(self, output: Tensor, batch: Batch) -> Tensor:
        """Return a mask of wrong samples, of shape (B,) and dtype bool, if the cost defines decisions."""
