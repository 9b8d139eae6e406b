"""Uses of a device: estimates change nothing between two of them, and each one draws its noise anew."""

from __future__ import annotations

import pytest
import torch
from systems import RULE_NAMES, build_rule, seeded
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.data.splits import Split, Splits
from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.array_effects import ConductanceNoise
from contrastive_core.devices.effects.periphery import NodeNoise, NudgeError, StateConverter
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Setting, Settling
from contrastive_core.training.loop import train
from contrastive_core.training.plan import Plan
from contrastive_core.types import Batch, Gradients

SETTING = Setting(SquaredError(), Settling(free=Stop(1e-8, 500), second=Stop(1e-6, 500)))
NOISY = Device(effects=(ConductanceNoise(0.05), NodeNoise(0.01), StateConverter(8), NudgeError(0.1, 0.1, 0.0, 0.5)), seed=2)


def held() -> OnDevice:
    return OnDevice(Layered((4, 5, 3), generator=seeded(0), dtype=torch.float64), NOISY)


def batch() -> Batch:
    return Batch(torch.rand(8, 4, generator=seeded(1), dtype=torch.float64), torch.arange(8) % 3)


def estimate(network: OnDevice, name: str) -> Gradients:
    return build_rule(name, SETTING).estimate(network, batch(), generator=seeded(5)).gradients


def contents(network: OnDevice) -> dict[str, Tensor]:
    """Return a copy of all parameters and buffers, the count of uses among them."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("name", RULE_NAMES)
def test_an_estimate_on_a_noisy_device_changes_nothing_and_is_the_same_again(name: str) -> None:
    """If this fails, asking for a gradient rewrites weights, and a measurement cannot be repeated."""
    network = held()
    network.begin_use_()
    before = contents(network)
    first, again = estimate(network, name), estimate(network, name)
    after = contents(network)
    assert before.keys() == after.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert all(torch.equal(first[key], again[key]) for key in first)
    # The control: another use draws other noise, which the estimate sees.
    network.begin_use_()
    assert int(network.clock) == int(before["clock"]) + 1
    other = estimate(network, name)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_a_use_on_its_own_reads_the_same_arrays_with_other_noise() -> None:
    """If this fails, a reading changes what is stored, or noise does not depend on the use that draws it."""
    network, twin = held(), held()
    levels = {name: level.clone() for name, level in network.levels().items()}
    network.begin_use_()
    weight = network.get_parameter("weight_1").detach().clone()
    network.begin_use_()
    assert not torch.equal(network.get_parameter("weight_1"), weight)
    assert all(torch.equal(network.levels()[name], level) for name, level in levels.items())
    twin.begin_use_()
    assert torch.equal(twin.get_parameter("weight_1"), weight)  # the first use of an equal device


def test_training_begins_a_use_for_every_batch_and_every_evaluation() -> None:
    """If this fails, batches share their noise, as if a device were read once for all of them."""

    def split(size: int, seed: int) -> Split:
        inputs = torch.rand(size, 4, generator=seeded(seed), dtype=torch.float64)
        return Split(inputs, (3 * inputs[:, 0]).long())

    network, splits = held(), Splits(split(24, 1), split(8, 2), split(8, 3), 3, "", "")
    plan = Plan(epochs=2, batch_size=8, keep_last=True)
    train(network, build_rule("ep-centered", SETTING), SETTING.cost, splits, plan, 0)
    batches, passes, evaluations = 2 * 3, 1, 2 + 2  # each evaluation fits in one chunk: an answer, and its energy
    assert int(network.clock) == batches * (1 + passes) + 2 * evaluations
