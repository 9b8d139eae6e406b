"""Label units: a machine over inputs and classes, which classifies by the likelihood of each class."""

from __future__ import annotations

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.types import Gradients
from hebbian.boltzmann.likelihood import unnormalised
from hebbian.boltzmann.machine import BoltzmannMachine


def labelled(machine: BoltzmannMachine, inputs: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Return visible values: the inputs, then one unit per class, of which that of the label has the upper value.

    Parameters
    ----------
    machine : BoltzmannMachine
        Machine, whose visible units have these values.
    inputs : Tensor of shape (B, n)
        Values of the input units.
    labels : Tensor of shape (B,)
        Class indices.
    num_classes : int
        Number of label units.
    """
    low, high = machine.units[0].values
    classes = torch.nn.functional.one_hot(labels, num_classes).to(inputs)
    return torch.cat((inputs, low + (high - low) * classes), 1)


def class_log_weights(machine: BoltzmannMachine, inputs: Tensor, num_classes: int) -> Tensor:
    r"""Return :math:`\log p^*(x, y)` for each sample and class, of shape (B, num_classes), whose softmax is :math:`p(y \mid x)`.

    Restricted machines have it in closed form, with a gradient; of others it is the bound of mean field.
    """
    if not machine.restricted:
        rows = [labelled(machine, inputs, torch.full((len(inputs),), one), num_classes) for one in range(num_classes)]
        return torch.stack([unnormalised(machine, row) for row in rows], 1)
    first = labelled(machine, inputs, torch.zeros(len(inputs), dtype=torch.long), num_classes)
    units = labelled(machine, inputs[:0].new_zeros(num_classes, 0), torch.arange(num_classes), num_classes)
    own, weight = inputs.shape[1], machine.weight(1)
    # Inputs act on the hidden units in one product for all classes.
    field = machine.bias(1) + first[:, :own] @ weight[:own]
    hidden = machine.units[1].log_partition(field[:, None] + units @ weight[own:]).sum(2)
    return hidden + (inputs @ machine.bias(0)[:own])[:, None] + units @ machine.bias(0)[own:]


def conditional_gradient(machine: BoltzmannMachine, visible: Tensor, num_classes: int) -> Gradients:
    r"""Return the gradient of the mean of :math:`-\log p(y \mid x)`: clamped minus free, with the inputs held in both phases.

    .. math:: \langle\partial E\rangle_{h | x, y} - \langle\partial E\rangle_{h, y | x},

    where the free phase is a sum over the classes. It is the limit of Equilibrium Propagation on the stationary distribution for an
    infinite nudge, times the nudge.

    Parameters
    ----------
    machine : BoltzmannMachine
        Restricted machine with label units after the inputs.
    visible : Tensor of shape (B, n_0)
        Inputs and label units.
    num_classes : int
        Number of label units.

    Raises
    ------
    InputError
        If the machine is not restricted.

    References
    ----------
    Larochelle & Bengio (2008), Classification using discriminative restricted Boltzmann machines, ICML.
    """
    if not machine.restricted:
        raise InputError("the conditional likelihood is summed for restricted machines; take one hidden layer without lateral couplings")
    inputs, labels = visible[:, :-num_classes], visible[:, -num_classes:].argmax(1)
    scores = class_log_weights(machine, inputs, num_classes)
    named = dict(machine.named_parameters())
    parts = torch.autograd.grad(torch.nn.functional.cross_entropy(scores, labels), list(named.values()))
    return dict(zip(named, parts, strict=True))
