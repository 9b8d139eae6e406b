"""Unnamed settings of effects are neutral, every setting that acts is recorded, and one that does nothing is named."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
import torch
from circuits import SWITCHED_ON
from command_line import Eqlab

from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.array_effects import Drift
from contrastive_core.devices.effects.phase_change import DriftModel
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.devices.settings import effective_settings, without_effect
from contrastive_core.networks.layered import Layered
from experiments.hardware.device_settings import idle
from experiments.hardware.effective import device_rows
from experiments.setup.devices import assemble, split

STRUCTURAL = {"growing-pair", "asymmetric-feedback"}
"""Effects that build another circuit: pairs that only grow, and feedback arrays, whose rules contrast the field itself."""


def network() -> Layered:
    return Layered((3, 4, 2), dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def trace(device: Device) -> list[torch.Tensor]:
    """Return everything that a device does to a network: readings, a write, inputs, a state as it is read, and the weights after."""
    held = OnDevice(network(), replace(device, seconds=1e4))
    held.begin_use_()
    with torch.no_grad():
        seen = [parameter.clone() for parameter in held.parameters()]
        state = held.read((torch.full((2, 4), 0.3, dtype=torch.float64), torch.full((2, 2), 0.7, dtype=torch.float64)), "plus")
        clamped = held.clamp(torch.full((2, 3), 0.2, dtype=torch.float64))
        other = held.read((torch.full((2, 4), 0.1, dtype=torch.float64), torch.full((2, 2), 0.4, dtype=torch.float64)), "minus")
        told = held.energy_gradient(state, clamped, other)
        for parameter in held.parameters():
            parameter.add_(0.01)
        held.constrain_()
    return [*seen, *state, *told.values(), *held.parameters()]


@pytest.mark.parametrize("name", [name for name in SWITCHED_ON if name not in STRUCTURAL and name != "pulse-train"])
def test_an_effect_without_settings_is_neutral(name: str) -> None:
    """If this fails, naming one setting of an effect switches on imperfections that nobody asked for.

    A pulse train always sends whole pulses, and so is left out here.
    """
    made = type(SWITCHED_ON[name])()
    for got, ideal in zip(trace(Device(effects=(made,))), trace(Device()), strict=True):
        torch.testing.assert_close(got, ideal, rtol=1e-12, atol=1e-15)


def test_a_pulse_train_without_settings_has_no_longest_one() -> None:
    """If this fails, naming a threshold also cuts writes off."""
    effects = assemble("ideal", split(("pulse-train.threshold=0",))[0], 0).effects
    device = Device(Conductance(0.0, 1.0, Pairing.SINGLE), step=1e-3, effects=effects)
    level = torch.zeros(1, 1, dtype=torch.float64)
    assert float(device.write(level, level + 0.9, "weight", 1).level) == pytest.approx(0.9, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("stuck-at.p_sa0=0.1", ("stuck-at", "p_sa1", 0.0)),
        ("nudge-error.beta_offset=0.1", ("nudge-error", "beta_gain_err", 0.0)),
        ("drift.nu=0.05", ("drift", "nu_std", 0.0)),
        ("wires.r_wire_row=1", ("wires", "r_wire_col", 0.0)),
        ("device-to-device.up_down=0.3", ("device-to-device", "dw_min_dtod", 0.0)),
        ("rule-bias.rule_gain_sigma=0.1", ("rule-bias", "sigma_rule_bias", 0.0)),
        ("dac.dac_range=2", ("dac", "dac_bits", None)),
        ("adc.adc_bits=6", ("adc", "adc_range", 1.0)),
    ],
)
def test_effective_settings_hold_what_was_not_named(text: str, other: tuple[str, str, object]) -> None:
    """If this fails, a record does not say what acted."""
    part, name, value = other
    settings = effective_settings(assemble("ideal", split((text,))[0], 0))
    assert settings[part][name] == value
    assert list(settings) == ["conductance", "law", "device", part]
    assert set(settings[part]) == {field.name for field in fields(SWITCHED_ON[part])}  # type: ignore[arg-type]
    json.dumps(settings, allow_nan=False)


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ("drift.nu=0.05", "drift.nu has no effect: drift begins"),
        ("drift.nu=0.05 device.seconds=100", None),
        ("drift.nu=0.05 drift.model=pcm device.seconds=100", "drift.nu has no effect: the model pcm"),
        ("pcm-noise.q=0.01", "pcm-noise.q has no effect"),
        ("finite-states.rounding=stochastic", "finite-states.rounding has no effect"),
        ("finite-states.rounding=stochastic finite-states.n_states=9", None),
        ("finite-states.n_states=9 finite-states.bits=2", "finite-states.n_states has no effect"),
        ("finite-states.bits=2 device.step=0.1", "device.step has no effect"),
        ("node-noise.reads=10", "node-noise.reads has no effect"),
        ("conductance-noise.sigma_read=0.1 conductance-noise.octaves=3", "conductance-noise.octaves has no effect"),
        ("conductance-noise.sigma_read=0.1 conductance-noise.octaves=3 conductance-noise.kind=1/f", None),
        ("pulse-train.scheme=sign pulse-train.desired_bl=3", "pulse-train.desired_bl has no effect"),
        ("conductance.reference=0.2", "conductance.reference has no effect"),
        ("stuck-at.p_sa0=0", None),
    ],
)
def test_settings_that_change_nothing_are_named(texts: str, told: str | None) -> None:
    """If this fails, somebody studies a setting that does nothing, and does not learn it."""
    settings = split(texts.split())[0]
    found = idle(assemble("ideal", settings, 0), settings)
    assert [text for text in found if told is None or text.startswith(told)] == found
    assert bool(found) == (told is not None)


def test_warnings_are_of_what_was_named_alone() -> None:
    """If this fails, a device is warned of its own defaults."""
    assert without_effect(Device(effects=(Drift(0.1),)), ["stuck-at.p_sa0", "adc.adc_bits"]) == []


def test_pcm_exponents_are_absolute_values() -> None:
    """If this fails, devices from the lower tail do not drift at all, which their source does not say.

    With t = e t_0 the exponent is minus the change of ln G. At the largest conductance it is |N(0.049, 0.008)|, and the constant
    model beside it is cut off at 0. n = 4000.
    """
    level = torch.full((1, 4000), 0.001, dtype=torch.float64)
    kind = Conductance(0.0, 1.0, Pairing.SINGLE)
    for model, share in ((DriftModel.PCM, 0.0), (DriftModel.CONSTANT, 0.5)):
        seen = Device(kind, effects=(Drift(0.0, 0.1, model=model),), seconds=20 * 2.718281828459045).seen(level, "weight", 1)
        still = float((seen == level).double().mean())
        assert abs(still - share) <= 4.5 * (0.25 / 4000) ** 0.5 * (share > 0)


def test_runs_show_and_record_what_acted(eqlab: Eqlab, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """If this fails, neither table nor record says what else was on."""
    tiny = ("hardware", "--set", "train_size=64", "--epochs", "1", "--hidden", "4", "--seeds", "1", "--engine", "serial", "--quiet")
    out = tmp_path / "run"
    result = eqlab(*tiny, "--vary", "stuck-at.p_sa0=0,0.1", "--vary", "node-noise.reads=4", "--json", "--out", str(out))
    rows = json.loads(result.stdout)["rows"]
    assert rows[1]["device"]["stuck-at"] == {"p_sa0": 0.0, "p_sa1": 0.0}
    assert rows[1]["accuracy"] == rows[0]["accuracy"]
    assert ("stuck-at.p_sa0", "stuck-at", "p_sa0=varied, p_sa1=0") in device_rows(rows)
    assert "node-noise.reads has no effect" in result.stderr
    assert "Settings of the devices" in (out / "report.html").read_text()
