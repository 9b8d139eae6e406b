"""Settings of a device by name: their effective values, and those that have no effect beside the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any

from contrastive_core.devices import EFFECTS
from contrastive_core.devices.conductance import Pairing
from contrastive_core.devices.device import Device

Settings = dict[str, dict[str, Any]]

_NUMBERS = ("step", "step_up", "step_down", "seconds")
"""Settings of a device that are numbers of its own."""


def effective_settings(device: Device) -> Settings:
    """Return the values that a device acts with, given and default ones alike.

    Parameters
    ----------
    device : Device
        Device to describe.

    Returns
    -------
    dict of str to dict
        Settings of ``conductance``, ``law``, ``device`` and each effect that is switched on, by name, in the order in which effects act.
        Values are numbers, texts and None; a number without an end is the text ``inf``.
    """
    kinds = {kind: name for name, kind in EFFECTS.items()}
    effects = {kinds[type(effect)]: _plain(effect) for effect in device.effects}
    return {
        "conductance": _plain(device.conductance),
        "law": {"model": _LAWS[type(device.law).__name__]} | _plain(device.law),
        "device": {name: getattr(device, name) for name in _NUMBERS},
    } | {name: effects[name] for name in EFFECTS if name in effects}


_LAWS = {"LinearStep": "linear", "PowerStep": "power", "ExponentialStep": "exponential"}


def _plain(part: Any) -> dict[str, Any]:
    return {field.name: _value(getattr(part, field.name)) for field in fields(part)}


def _value(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def without_effect(device: Device, named: Sequence[str]) -> list[str]:
    """Return a sentence for each named setting that changes nothing.

    Parameters
    ----------
    device : Device
        Device with the settings.
    named : sequence of str
        Names such as ``drift.t0``; those of no known setting are left out.
    """
    settings = effective_settings(device)
    told = []
    for name in dict.fromkeys(named):
        for wanted, idle, reason in _IDLE:
            part, _, setting = name.partition(".")
            # A whole part, such as "drift", has no effect whatever its settings are.
            if wanted in (name, part) and setting in settings.get(part, {}) and idle(settings):
                told.append(f"{name} has no effect: {reason}")
                break
    return told


_IDLE: tuple[tuple[str, Callable[[Settings], bool], str], ...] = (
    (
        "drift",
        lambda of: of["device"]["seconds"] <= of["drift"]["t0"],
        "drift begins t0 seconds after a write, and weights are used earlier; set device.seconds to more than drift.t0",
    ),
    ("drift.nu", lambda of: of["drift"]["model"] == "pcm", "the model pcm has exponents of its own"),
    ("drift.nu_std", lambda of: of["drift"]["model"] == "pcm", "the model pcm has a spread of its own"),
    (
        "drift.t0",
        lambda of: of["drift"]["model"] == "constant" and not any(of["drift"][name] for name in ("nu", "nu_std", "nu_k")),
        "all exponents are 0; set drift.nu",
    ),
    ("programming-error.sigma_prog", lambda of: of["programming-error"]["model"] != "constant", "the model has a spread of its own"),
    ("conductance-noise.kind", lambda of: of["conductance-noise"]["sigma_read"] == 0, "conductance-noise.sigma_read is 0"),
    (
        "conductance-noise.octaves",
        lambda of: of["conductance-noise"]["sigma_read"] == 0 or of["conductance-noise"]["kind"] != "1/f",
        "octaves belong to 1/f noise; set conductance-noise.kind=1/f and conductance-noise.sigma_read",
    ),
    (
        "pcm-noise",
        lambda of: of["device"]["seconds"] <= of["pcm-noise"]["t_read"],
        "this noise begins t_read seconds after a write, and weights are used earlier; set device.seconds to more",
    ),
    ("pcm-noise.t_read", lambda of: of["pcm-noise"]["q"] == 0, "pcm-noise.q is 0"),
    ("node-noise.reads", lambda of: of["node-noise"]["sigma_v"] == 0, "node-noise.sigma_v is 0"),
    ("neuron-offset.last", lambda of: of["neuron-offset"]["sigma_offset"] == 0, "neuron-offset.sigma_offset is 0"),
    ("adc.adc_rounding", lambda of: of["adc"]["adc_bits"] is None, "adc.adc_bits is not set, so that nothing is rounded"),
    ("finite-states.n_states", lambda of: of["finite-states"]["bits"] is not None, "finite-states.bits replaces it"),
    (
        "finite-states.rounding",
        lambda of: of["finite-states"]["bits"] is None and of["finite-states"]["n_states"] is None,
        "the number of states is not set, and so is infinite; set finite-states.n_states",
    ),
    ("pulse-train.desired_bl", lambda of: of["pulse-train"]["scheme"] == "sign", "the scheme sign sends one pulse"),
    ("device-to-device.spread", lambda of: of["device-to-device"]["dw_min_dtod"] == 0, "device-to-device.dw_min_dtod is 0"),
    (
        "device-to-device.w_min_dtod",
        lambda of: of["conductance"]["pairing"] != Pairing.OFFSET.value,
        "the lower bound is weight 0, which stays, unless conductance.pairing is offset",
    ),
    ("cycle-to-cycle.relative_to", lambda of: of["cycle-to-cycle"]["sigma_c2c"] == 0, "cycle-to-cycle.sigma_c2c is 0"),
    ("conductance.reference", lambda of: of["conductance"]["pairing"] != Pairing.OFFSET.value, "only conductance.pairing=offset has one"),
    ("conductance.headroom", lambda of: of["conductance"]["w_max"] is not None, "conductance.w_max replaces it"),
    (
        "device.step",
        lambda of: any(of.get("finite-states", {}).get(name) is not None for name in ("bits", "n_states")),
        "the number of finite states sets the step",
    ),
)
"""Settings, or whole parts, with the condition under which they change nothing and the reason that is told."""
