r"""Costs of the logits of a classifier that is also a density of its inputs.

With logits :math:`f(x)` the energy of an input and a class is :math:`E(x, y) = -f_y(x)`, that of an input alone
:math:`E(x) = -\log \sum_y e^{f_y(x)}`, and :math:`p(y|x) = \mathrm{softmax}\, f(x)` (Grathwohl et al., 2020).
"""

from typing import final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from contrastive_core.cost import Cost
from contrastive_core.costs.labels import targets, wrong_decisions
from contrastive_core.types import Samples, as_batch


def log_density(output: Tensor) -> Tensor:
    r"""Return :math:`u = \log \sum_y e^{f_y} = -E(x)`, the log density without its constant, of shape (B,).

    Parameters
    ----------
    output : Tensor of shape (B, n_out)
        Logits.

    References
    ----------
    Grathwohl et al. (2020), Your classifier is secretly an energy based model and you should treat it like one, ICLR, arXiv:1912.03263.
    """
    return output.logsumexp(1)


def _signs(batch: Samples) -> Tensor:
    """Return 1 for data, label 1, and -1 for samples of the model, label 0."""
    return 2 * as_batch(batch).labels - 1


def _mistaken(output: Tensor, batch: Samples) -> Tensor:
    """Return a mask of data whose log density is below 0, and of samples whose log density is not."""
    return (log_density(output) > 0) != (as_batch(batch).labels == 1)


@final
class Discrimination(Cost):
    r"""Binary cross-entropy of data, label 1, against samples of the model, label 0, with the logit :math:`u = \log \sum_y e^{f_y}`.

    :math:`C = \log(1 + e^{-u})` for data and :math:`\log(1 + e^u)` for samples. Its gradient is that of :class:`Likelihood` with data
    weighted by :math:`\sigma(-u)` and samples by :math:`\sigma(u)`: what the model tells apart already, moves it no further. The
    largest eigenvalue of its Hessian lies below 3/4.

    References
    ----------
    Yin et al. (2025), Joint discriminative-generative modeling via dual adversarial training, arXiv:2510.13872.
    """

    curvature_bound = 0.75

    def value(self, output: Tensor, batch: Samples) -> Tensor:
        """Return the cross-entropy of each row in nats, of shape (B,)."""
        return softplus(-_signs(batch) * log_density(output))

    def gradient(self, output: Tensor, batch: Samples) -> Tensor:
        r"""Return :math:`-\sigma(-u)\, p` for data and :math:`\sigma(u)\, p` for samples, of shape (B, n_out)."""
        signs = _signs(batch)
        return (-signs * torch.sigmoid(-signs * log_density(output)))[:, None] * output.softmax(1)

    def errors(self, output: Tensor, batch: Samples) -> Tensor:
        """Return a mask of rows on the wrong side of a log density of 0."""
        return _mistaken(output, batch)


@final
class Likelihood(Cost):
    r"""Contrast whose gradient is that of the negative log likelihood: :math:`-u` for data, label 1, and :math:`u` for samples, label 0.

    The largest eigenvalue of its Hessian is at most 1/2.
    """

    curvature_bound = 0.5

    def value(self, output: Tensor, batch: Samples) -> Tensor:
        """Return minus or plus the log density of each row, of shape (B,)."""
        return -_signs(batch) * log_density(output)

    def gradient(self, output: Tensor, batch: Samples) -> Tensor:
        """Return minus or plus the class probabilities, of shape (B, n_out)."""
        return -_signs(batch)[:, None] * output.softmax(1)

    def errors(self, output: Tensor, batch: Samples) -> Tensor:
        """Return a mask of rows on the wrong side of a log density of 0."""
        return _mistaken(output, batch)


@final
class ClassEnergy(Cost):
    """Energy of an input with its class, minus the logit of the label: what the ascent to a sample of that class lowers."""

    one_hot = True
    curvature_bound = 0.0

    def value(self, output: Tensor, batch: Samples) -> Tensor:
        """Return minus the logit of each label, of shape (B,)."""
        return -(targets(output, batch) * output).sum(1)

    def gradient(self, output: Tensor, batch: Samples) -> Tensor:
        """Return minus the one-hot labels, of shape (B, n_out)."""
        return -targets(output, batch)

    def errors(self, output: Tensor, batch: Samples) -> Tensor:
        """Return a mask of rows whose largest logit is another one."""
        return wrong_decisions(output, batch)
