"""Cross-entropy of a softmax over the outputs."""

from typing import final

from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.costs.labels import targets, wrong_decisions
from contrastive_core.types import Samples


@final
class CrossEntropy(Cost):
    r"""The cross-entropy :math:`C = -\sum_k y_k \log p_k`, :math:`p = \mathrm{softmax}(o)`, per sample.

    Use it with linear output units, or with a trained readout outside the equilibrium (``Layered(readout=...)``). Eigenvalues of its
    Hessian :math:`\mathrm{diag}(p) - p p^T` lie between 0 and one half, so that a live nudge settles for strengths between -2 and 2,
    in units of the output stiffness. At -2 and beyond the energy of quadratic outputs may have several minima, none of which need follow
    the free state, and the nudge is refused. Real-valued targets must be distributions.
    """

    curvature_bound = 0.5
    one_hot = True
    analytic = True

    def value(self, output: Tensor, batch: Samples) -> Tensor:
        """Return the cross-entropy of each sample in nats, of shape (B,)."""
        return -(targets(output, batch) * output.log_softmax(1)).sum(1)

    def gradient(self, output: Tensor, batch: Samples) -> Tensor:
        """Return :math:`p - y`, of shape (B, n_out)."""
        return _softmax(output) - targets(output, batch)

    def errors(self, output: Tensor, batch: Samples) -> Tensor:
        """Return a mask that is True where the most probable class is not the label."""
        return wrong_decisions(output, batch)


def _softmax(output: Tensor) -> Tensor:
    """Return the softmax of real outputs, or its continuation to complex ones, which torch does not have."""
    if not output.is_complex():
        return output.softmax(1)
    powers = (output - output.real.amax(1, keepdim=True)).exp()
    return powers / powers.sum(1, keepdim=True)
