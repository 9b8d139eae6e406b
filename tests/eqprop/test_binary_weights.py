"""Binary weights: their flips, their scale, and the devices that hold them."""

from __future__ import annotations

import torch
from systems import seeded

from contrastive_core.devices.device import Device
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.networks.layered import Layered
from eqprop.binary import BinaryWeights
from experiments.setup.devices import assemble, read_assignment


def test_momentum_and_projection_flip_as_the_published_inertia_and_threshold_do() -> None:
    r"""The published rule filters the gradient and flips where it presses against the weight by more than a threshold."""
    network = BinaryWeights(Layered((6, 5, 3), generator=seeded(0), dtype=torch.float64))
    scales = [float(network.inside.weight(index).detach().abs().max()) for index in range(2)]
    rates, momentum = (0.3, 0.7), 0.9
    gamma = 1 - momentum
    weights = [network.inside.weight(index) for index in range(2)]
    optimiser = torch.optim.SGD([{"params": [w], "lr": rate} for w, rate in zip(weights, rates, strict=True)], momentum=momentum)
    signs = [w.detach().sign() for w in weights]
    inertia = [torch.zeros_like(w) for w in weights]
    flips = 0
    for step in range(40):
        for index, weight in enumerate(weights):
            weight.grad = 0.2 * torch.randn(weight.shape, generator=seeded(100 * index + step), dtype=torch.float64)
            inertia[index] = (1 - gamma) * inertia[index] + gamma * weight.grad
            threshold = gamma * scales[index] / rates[index]
            flip = signs[index] * inertia[index] > threshold
            signs[index] = torch.where(flip, -signs[index], signs[index])
            flips += int(flip.sum())
        optimiser.step()
        network.constrain_()
        for weight, sign, scale in zip(weights, signs, scales, strict=True):
            torch.testing.assert_close(weight.detach(), scale * sign, rtol=1e-15, atol=0)
    assert 20 < flips < 40 * 45 / 2  # some, and not most of them


def test_scale_of_binary_weights_is_the_mean_size_of_those_they_replace() -> None:
    """It decides how strongly layers act on each other, and so whether anything settles."""
    real = Layered((6, 5, 3), generator=seeded(0), dtype=torch.float64)
    before = [real.weight(index).detach().clone() for index in range(2)]
    BinaryWeights(real)
    for old, new in zip(before, (real.weight(0), real.weight(1)), strict=True):
        torch.testing.assert_close(new.detach(), old.sign() * old.abs().mean(), rtol=1e-15, atol=0)


def test_devices_of_two_states_write_binary_weights_as_the_projection_does() -> None:
    """The rule is the write of a device with two states; on one the substrate must stay what it is."""
    settings = ("conductance.pairing=offset", "finite-states.n_states=2")
    network = BinaryWeights(Layered((4, 3, 2), generator=seeded(0), dtype=torch.float64))
    twin = BinaryWeights(Layered((4, 3, 2), generator=seeded(0), dtype=torch.float64))
    device: Device = assemble("ideal", [read_assignment(text) for text in settings], 0)
    held = OnDevice(network, device)
    for step in range(5):
        for own, other in zip(held.parameters(), twin.parameters(), strict=True):
            change = torch.randn(own.shape, generator=seeded(step), dtype=torch.float64)
            own.data += 0.3 * change
            other.data += 0.3 * change
        held.constrain_()
        twin.constrain_()
        for own, other in zip(held.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-9)
