"""Networks of spiking neurons: rates are counts of spikes, and tend to those of the hard sigmoid."""

from __future__ import annotations

import math

import oracles
import pytest
import torch
from systems import System, build_rule, seeded, settle

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.networks.activation import HARD_SIGMOID
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from eqprop.spiking import SpikeCount, spiking


def fired(drive: float, window: int) -> int:
    """Spikes of an integrate-and-fire neuron, step by step."""
    potential, spikes = 0.5, 0
    for _ in range(window):
        potential += min(max(drive, 0.0), 1.0)
        if potential >= 1:
            potential, spikes = potential - 1, spikes + 1
    return spikes


@pytest.mark.parametrize("window", [1, 4, 64])
def test_rate_is_the_count_of_an_integrate_and_fire_neuron(window: int) -> None:
    """Without the neuron behind it, a rounded activation would be no spiking network."""
    # Drives away from the thresholds, where one rounding of the running sum decides.
    drives = [(k + 0.3) / (7 * window) for k in range(-3, 7 * window + 4)]
    found = SpikeCount(window).value(torch.tensor(drives, dtype=torch.float64)) * window
    assert found.round().tolist() == [fired(drive, window) for drive in drives]


def test_rates_tend_to_those_of_the_hard_sigmoid_as_the_window_grows() -> None:
    """The limit of long windows is the network that equilibrium propagation was written for, at an error of 1/T."""
    errors = {}
    for window in (16, 256, 4096):
        network = spiking((5, 12, 3), window=window, gain=0.7, generator=seeded(0), dtype=torch.float64)
        smooth = Layered((5, 12, 3), output_activation=HARD_SIGMOID, gain=0.7, generator=seeded(0), dtype=torch.float64)
        inputs = torch.rand((50, 5), generator=seeded(1), dtype=torch.float64)
        batch = Batch(inputs, torch.zeros(50, dtype=torch.int64))
        rates, limit = (settle(System(which, batch), BlockDescent()).state for which in (network, smooth))
        distance = torch.cat(rates, 1) - torch.cat(limit, 1)
        # Each rate is within 1/2T of the sigmoid of its drive; the map contracts by the norm of the only coupling.
        coupling = float(torch.linalg.matrix_norm(network.weight(1).detach(), 2))
        assert coupling < 1
        assert float(distance.norm(dim=1).max()) <= math.sqrt(15) / (2 * window) / (1 - coupling)
        errors[window] = float(distance.square().mean().sqrt())
    for short, long in ((16, 256), (256, 4096)):
        # Some thousand rounding errors of either sign: their size is known to a few per cent, and drives that rest or saturate have none.
        assert errors[short] / errors[long] == pytest.approx(16, rel=0.25)


def test_block_descent_over_rates_never_raises_the_energy_and_stops() -> None:
    """Counts are found by neurons that know no energy; that it falls makes their equilibrium one."""
    network = spiking((5, 8, 6, 3), window=8, gain=1.5, generator=seeded(2), dtype=torch.float64)
    system = System(network, Batch(torch.rand((20, 5), generator=seeded(1), dtype=torch.float64), torch.zeros(20, dtype=torch.int64)))
    clamped, descent = system.clamped, BlockDescent()
    with torch.no_grad():
        state = network.project(network.initial_state(clamped, seeded(4)))
        energy, residual = network.energy(state, clamped), torch.ones(20)
        for _ in range(100):
            state, residual = descent.step(state, clamped)
            new = network.energy(state, clamped)
            assert bool((new <= energy + 1e-13).all())
            energy = new
    assert float(residual.max()) == 0.0
    assert all(torch.equal(layer, network.activations[0].project(layer)) for layer in state)


def test_gradient_from_spikes_tends_to_that_of_rates_as_one_over_window_and_strength() -> None:
    """A nudge has to move counts: what it moves by is known to a spike, 1 / (beta T) of the contrast."""
    batch = Batch(torch.rand((200, 5), generator=seeded(1), dtype=torch.float64), torch.arange(200) % 3)
    smooth = Layered((5, 12, 3), output_activation=HARD_SIGMOID, gain=0.7, generator=seeded(0), dtype=torch.float64)
    errors = {}
    for strength in (0.5, 0.1):
        setting = Setting(SquaredError(), Settling(BlockDescent(), Stop(1e-12, 2000), Stop(1e-9, 2000)), strength=strength)
        rule = build_rule("ep-centered", setting)
        limit = rule.estimate(smooth, batch).gradients
        for window in (16, 4096):
            network = spiking((5, 12, 3), window=window, gain=0.7, generator=seeded(0), dtype=torch.float64)
            errors[strength, window] = oracles.gradient_error(rule.estimate(network, batch).gradients, limit)
    slope = math.log(errors[0.5, 16] / errors[0.5, 4096]) / math.log(4096 / 16)
    # Some thousand roundings of either sign average to a few per cent of their own size: .05 in a slope over a factor of 256.
    assert slope == pytest.approx(1, abs=0.15)
    assert errors[0.1, 4096] > 1.5 * errors[0.5, 4096]
    assert errors[0.1, 16] > 1.5 * errors[0.5, 16]
