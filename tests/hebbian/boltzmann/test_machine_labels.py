"""Label units: the likelihood of classes, and clamped minus free as the limit of a strong nudge."""

from __future__ import annotations

import math

import pytest
import torch

from hebbian.boltzmann.exact import log_visible
from hebbian.boltzmann.labels import class_log_weights, conditional_gradient, labelled
from hebbian.boltzmann.machine import BoltzmannMachine


def test_conditional_learning_is_clamped_minus_free_and_the_limit_of_a_strong_nudge() -> None:
    r"""At infinite strength, :math:`(E_\beta - E_0)[\partial E]` of a stationary distribution is the gradient of -log p(y|x).

    The nudge is :math:`\beta |o - y|^2/2` on the label units, of which exactly one is on. Deviations fall as exp(-beta).
    """
    machine = BoltzmannMachine((5, 4), gain=1.0, generator=2, dtype=torch.float64)
    inputs = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    label, count = torch.tensor([1]), 3
    exact = conditional_gradient(machine, labelled(machine, inputs, label, count), count)
    rows = torch.cat([labelled(machine, inputs, torch.tensor([one]), count) for one in range(count)])
    hidden = torch.sigmoid(machine.field(1, (rows, torch.zeros(count, 4, dtype=torch.float64))))
    scores = class_log_weights(machine, inputs, count)[0]
    weight = -rows[:, :, None] * hidden[:, None]  # dE/dW of each class, hidden units averaged
    cost = (rows[:, 2:] - rows[1, 2:]).square().sum(1) / 2
    errors = []
    for strength in (5.0, 10.0, 40.0):
        nudged, free = (scores - strength * cost).softmax(0), scores.softmax(0)
        contrast = ((nudged - free)[:, None, None] * weight).sum(0).detach()
        errors.append(float((contrast - exact["weight_1"]).norm() / exact["weight_1"].norm()))
    assert errors[2] < 1e-10
    assert errors[0] / errors[1] == pytest.approx(math.exp(5.0), rel=0.1)
    assert errors[0] > 1e-4  # a control: a weak nudge is another gradient


def test_class_weights_are_those_of_whole_samples() -> None:
    """One product for all classes has to give the likelihood of each class as its own sample would."""
    machine = BoltzmannMachine((6, 4), visible="spin", gain=0.8, generator=2, dtype=torch.float64)
    inputs = 2 * torch.randint(2, (5, 3), generator=torch.Generator().manual_seed(1)).double() - 1
    scores = class_log_weights(machine, inputs, 3)
    for one in range(3):
        rows = labelled(machine, inputs, torch.full((5,), one), 3)
        assert torch.allclose(scores[:, one], log_visible(machine, rows))
