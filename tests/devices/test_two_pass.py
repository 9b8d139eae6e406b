"""Writing the phases of a contrast one by one: the difference where nothing saturates, and its loss where something does."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS
from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.feedback import AsymmetricFeedback
from contrastive_core.devices.effects.finite_states import PulseTrain, Scheme
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.devices.write_law import LinearStep
from contrastive_core.errors import InputError
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from eqprop import RULES
from eqprop.circuit import Parts
from eqprop.resistive import Resistive
from experiments.cli import cli
from experiments.setup.devices import assemble, caution, split

SETTING = Setting(COSTS["squared-error"](), Settling(free=Stop(1e-12, 2000), second=Stop(1e-10, 2000)), strength=0.01)
STEP = 1e-9
"""Step of a pulse, as a fraction of the range: small enough to leave no trace of its rounding above 1e-9."""


def circuit() -> Resistive:
    generator = torch.Generator().manual_seed(1)
    return Resistive((4, 6, 3), Parts(bounds=((0.0, 1.0),)), generator=generator, dtype=torch.float64)


def batch(inputs: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(3)
    return Batch(torch.randn(8, inputs, generator=generator, dtype=torch.float64), torch.arange(8) % 3)


def two_passes(m: float = 0.0) -> Device:
    return Device(Conductance(0.0, 1.0, Pairing.SINGLE), LinearStep(m, m), step=STEP, effects=(PulseTrain(Scheme.TWO_PASS, 10**12),))


def descend(held: OnDevice, rate: float, optimiser: type[torch.optim.Optimizer] = torch.optim.SGD) -> dict[str, Tensor]:
    """Take one step of gradient descent, and return the gradients."""
    held.begin_use_()
    estimate = RULES["ep-centered"](SETTING).estimate(held, batch())
    for name, parameter in held.named_parameters():
        parameter.grad = estimate.gradients[name]
    optimiser(held.parameters(), lr=rate).step()  # type: ignore[call-arg]
    held.constrain_(estimate.contrast)
    return estimate.gradients


def phases(rate: float) -> list[dict[str, Tensor]]:
    """Return what the two phases ask for on their own, from states relaxed by hand."""
    bare = circuit()
    estimate, clamped = RULES["ep-centered"](SETTING).estimate(bare, batch()), bare.clamp(batch().inputs)
    factor = rate / (2 * SETTING.strength * bare.stiffness[-1])
    with torch.no_grad():
        return [bare.energy_gradient(estimate.relaxations[phase].state, clamped, None, factor) for phase in ("positive", "negative")]


@pytest.mark.parametrize("rate", [1e-4, 0.01])
def test_each_pass_goes_through_the_bounds_on_its_own(rate: float) -> None:
    """If this fails, a circuit without a memory for the first phase looks as good as one with it. Closed form for constant steps."""
    held, net = (OnDevice(circuit(), device) for device in (two_passes(), dataclasses.replace(two_passes(), effects=())))
    before = {name: level.clone() for name, level in held.levels().items()}
    descend(held, rate)
    descend(net, rate)
    plus, minus = phases(rate)
    for name, level in held.levels().items():
        expected = ((before[name] - plus[name]).clamp(0, 1) + minus[name]).clamp(0, 1)
        torch.testing.assert_close(level, expected, rtol=0, atol=1e-8)  # two roundings to STEP, states relaxed to 1e-10 / .02
        # What is common is not negative in a circuit: the first pass empties devices, and the second leaves a phase, not the contrast.
        difference = (before[name] - plus[name] + minus[name]).clamp(0, 1)
        torch.testing.assert_close(net.levels()[name], difference, rtol=0, atol=1e-8)
        assert float((level - difference).abs().max()) > rate  # the control: half of the devices start at their lower bound


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.Adam])
def test_where_nothing_saturates_both_passes_are_the_difference(optimiser: type[torch.optim.Optimizer]) -> None:
    """If this fails, the passes do not add up to what the optimiser asked for."""
    levels = []
    for scheme in (Scheme.TWO_PASS, Scheme.NET):
        network = Layered((4, 6, 3), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        kind = Conductance(0.0, 1.0, Pairing.OFFSET, w_max=1000.0)
        held = OnDevice(network, Device(kind, step=STEP, effects=(PulseTrain(scheme, 10**12),)))
        descend(held, 0.01, optimiser)
        levels.append(held.levels())
        assert int(held.clock) == (3 if scheme is Scheme.TWO_PASS else 2)  # the pulses of each pass have noise of their own
    for name in levels[0]:
        torch.testing.assert_close(levels[0][name], levels[1][name], rtol=0, atol=3 * STEP)


def test_steps_that_depend_on_the_level_keep_part_of_what_is_common() -> None:
    """If this fails, a saturating device is no worse written twice than once. Closed form of one small pass each way, to second order."""
    rate, m = 1e-6, 0.25
    held = OnDevice(circuit(), two_passes(m))
    before = {name: level.clone() for name, level in held.levels().items()}
    descend(held, rate)
    for name, level in held.levels().items():
        plus, minus = (phase[name] for phase in phases(rate))
        z = before[name]
        after = z - plus * (1 + m * (2 * z - 1))
        expected = (after.clamp(0, 1) + minus * (1 - m * (2 * after.clamp(0, 1) - 1))).clamp(0, 1)
        inside = (after > 0) & (expected > 0)
        # A pass of many pulses follows the exponential of its slope, which its first order is off by 2 m x^2.
        bound = 2 * m * float((plus.abs() + minus.abs()).square().max()) + 1e-8
        torch.testing.assert_close(level[inside], expected[inside], rtol=0, atol=bound)
        # Up and down steps differ by 2 m (2z - 1): that much of what is common stays, many times the contrast.
        assert float((level - z - (minus - plus)).abs()[inside].max()) > 3 * bound


def test_devices_and_rules_without_two_phases_are_refused() -> None:
    """If this fails, a study of two passes writes once."""
    held = OnDevice(circuit(), two_passes())
    with pytest.raises(InputError, match="contrasts two phases"):
        held.constrain_()
    network = Layered((4, 6, 3), generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="write the difference"):
        OnDevice(network, Device(effects=(PulseTrain(Scheme.TWO_PASS), AsymmetricFeedback())))


def test_the_command_warns_of_two_passes_and_refuses_rules_without_phases(tmp_path: Path) -> None:
    """If this fails, accuracies at chance are taken for the rule's, or a study fails after hours."""
    out = tmp_path / "run"
    tried = ("hardware", "--vary", "pulse-train.scheme=net,two-pass", "--rules", "ep-centered,implicit", "--out", str(out))
    result = CliRunner().invoke(cli, tried)
    assert result.exit_code == 2
    warning, refusal = result.stderr.splitlines()
    assert "warning: two-pass writes each phase on its own" in warning
    assert "implicit has no two phases" in refusal
    assert not out.exists()
    assert caution(assemble("ideal", split(("pulse-train.scheme=net",))[0], 0), "ep-centered") == []
