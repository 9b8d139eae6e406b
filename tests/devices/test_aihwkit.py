"""Pulsed devices against curves that aihwkit 1.2.0 (Rasch et al., 2021) drew, and, where it is installed, against aihwkit itself.

The recorded numbers are the weights of one device after 1, 10, 50, 100 and 200 pulses up from weight 0, and after as many down from there,
with steps of .01, bounds of .6 to both sides and all variations off, as ``pytest -m aihwkit`` draws them again.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.periphery import quantise
from contrastive_core.devices.effects.variation import DeviceToDevice
from contrastive_core.devices.presets import linear_device
from contrastive_core.devices.write_law import ExponentialStep, PowerStep

STEP, BOUND, COUNTS = 0.01, 0.6, (1, 10, 50, 100, 200)

RECORDED = {
    "soft-bounds": (0.01, 0.0928238, 0.3410658, 0.4882552, 0.5791885, 0.5595353, 0.3967605, -0.0911131, -0.3803864, -0.5590988),
    "soft-bounds-up-down": (0.01, 0.0928238, 0.3410658, 0.4882552, 0.5791885, 0.563466, 0.4310691, 0.0027067, -0.2919446, -0.5195224),
    "constant-up-down": (0.01, 0.1, 0.4999998, 0.6, 0.6, 0.591, 0.51, 0.1499999, -0.3000003, -0.6),
    "linear": (0.01, 0.0970527, 0.4264019, 0.6, 0.6, 0.583, 0.4386529, -0.0467898, -0.4064856, -0.6),
    "power": (0.0030779, 0.0296113, 0.1264969, 0.2134675, 0.3236317, 0.3172235, 0.2627978, 0.0760498, -0.0765006, -0.2507409),
    "exponential": (0.0098343, 0.0979073, 0.4660916, 0.6, 0.6, 0.5900074, 0.5000935, 0.1017016, -0.3767085, -0.6),
}
ROUNDING = 2e-6
"""200 additions of float32 numbers of size .5, each off by 3e-8, of which some add up."""


def ours(name: str) -> Device:
    """Return the device of a recorded curve."""
    common = {"up_down": (0.2 if name.startswith("soft") else 0.1) if name.endswith("up-down") else 0.0}
    spread = (DeviceToDevice(0.0, **common),)
    slopes = {"soft-bounds": (1, 1), "soft-bounds-up-down": (1, 1), "constant-up-down": (0, 0), "linear": (0.4, 0.7)}
    if name in slopes:
        return linear_device(STEP, BOUND, -BOUND, *slopes[name], spread)(0)
    base = linear_device(STEP, BOUND, -BOUND, 0, 0)(0)
    if name == "power":  # its exponent is of the distance to the bound as a share of the range, half of which is our unit
        return Device(base.conductance, PowerStep(1.7, 1.7), base.step / 2)
    return Device(base.conductance, ExponentialStep(), base.step)


def answers(device: Device) -> list[float]:
    """Return the weights after the counts of pulses, up and then down, each pulse a write of its own."""
    level = device.conductance.levels(torch.zeros(1, dtype=torch.float64), BOUND)
    found = []
    for sign in (1, -1):
        for count in range(1, COUNTS[-1] + 1):
            level = device.write(level, torch.full_like(level, sign * device.step), "weight", count).level
            if count in COUNTS:
                found.append(float(device.conductance.weight(level, BOUND)))
    return found


@pytest.mark.parametrize("name", list(RECORDED))
def test_pulses_move_weights_as_the_recorded_device_did(name: str) -> None:
    """If this fails, a published device has another name than what it does here."""
    assert answers(ours(name)) == pytest.approx(RECORDED[name], abs=ROUNDING)


def theirs(name: str) -> Any:
    """Return the device of aihwkit that was recorded."""
    devices = pytest.importorskip("aihwkit.simulator.configs.devices")
    spreads = ("dw_min_dtod", "dw_min_std", "up_down_dtod", "w_max_dtod", "w_min_dtod")
    plain: dict[str, float] = {"dw_min": STEP, "w_max": BOUND, "w_min": -BOUND, "up_down": 0.0} | dict.fromkeys(spreads, 0.0)
    if name == "linear":
        own = {"gamma_up": 0.4, "gamma_down": 0.7, "gamma_up_dtod": 0.0, "gamma_down_dtod": 0.0}
        return devices.LinearStepDevice(**plain | own)
    if name == "power":
        return devices.PowStepDevice(**plain | {"pow_gamma": 1.7, "pow_gamma_dtod": 0.0})
    if name == "exponential":
        return devices.ExpStepDevice(**plain)
    if name == "constant-up-down":
        return devices.ConstantStepDevice(**plain | {"up_down": 0.1})
    return devices.SoftBoundsDevice(**plain | {"up_down": 0.2 if name.endswith("up-down") else 0.0})


@pytest.mark.aihwkit
@pytest.mark.parametrize("name", list(RECORDED))
def test_aihwkit_draws_the_recorded_curves(name: str) -> None:
    """If this fails, the record is not of aihwkit, or aihwkit has changed. Skipped where aihwkit is not installed."""
    configs, tiles = pytest.importorskip("aihwkit.simulator.configs"), pytest.importorskip("aihwkit.simulator.tiles")
    settings = configs.SingleRPUConfig(device=theirs(name))
    settings.update.desired_bl, settings.update.update_bl_management, settings.update.update_management = 1, False, False
    tile = tiles.AnalogTile(1, 1, settings)
    tile.set_weights(torch.zeros(1, 1))
    tile.set_learning_rate(STEP)
    one, found = torch.ones(1, 1), []
    for sign in (-1, 1):  # a weight changes by minus the rate times both factors
        for count in range(1, COUNTS[-1] + 1):
            tile.update(one, sign * one)
            if count in COUNTS:
                found.append(float(tile.get_weights()[0]))
    assert found == pytest.approx(RECORDED[name], abs=ROUNDING)


@pytest.mark.aihwkit
def test_aihwkit_converts_as_we_do() -> None:
    """If this fails, bits of a converter mean another step. 7 bits before and 9 behind one product, noise off; float32."""
    configs, tiles = pytest.importorskip("aihwkit.simulator.configs"), pytest.importorskip("aihwkit.simulator.tiles")
    settings = configs.SingleRPUConfig(device=theirs("soft-bounds"))
    forward = settings.forward
    forward.inp_res, forward.inp_bound, forward.out_res, forward.out_bound = 1 / 126, 1.0, 1 / 510, 2.0
    forward.out_noise, forward.inp_noise, forward.w_noise = 0.0, 0.0, 0.0
    forward.noise_management, forward.bound_management = configs.NoiseManagementType.NONE, configs.BoundManagementType.NONE
    tile = tiles.AnalogTile(3, 5, settings)
    generator = torch.Generator().manual_seed(0)
    weight: Tensor = (torch.rand(3, 5, generator=generator) - 0.5) * BOUND
    inputs = 2.4 * torch.rand(200, 5, generator=generator) - 1.2
    tile.set_weights(weight)
    expected = quantise(quantise(inputs, 7, 1.0) @ weight.T, 9, 2.0)
    off = (tile.forward(inputs).detach() - expected).abs()
    # A sum that lies within float32's rounding of the middle between two levels may be rounded to either.
    step = 4 / (2**9 - 2)
    assert float((off > 1e-6).double().mean()) < 0.01
    assert float(off.max()) < 1.01 * step
