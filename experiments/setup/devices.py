"""Device of a network, put together from its settings in written form, such as ``adc.adc_bits=6``, or from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name
from experiments.commandline.assignments import read_settings, split_assignment
from experiments.setup.device_files import given_device, is_device_file, read_device, settings_in
from experiments.setup.own_options import rule_named
from experiments.setup.write_laws import read_law

if TYPE_CHECKING:
    from contrastive_core.devices.device import Device

NUMBERS = ("step", "step_up", "step_down", "seconds")
"""Settings of the device itself, which are numbers."""


class Assignment(NamedTuple):
    """Setting in written form.

    Attributes
    ----------
    part, name, value : str
        ``part.name=value``; the part is empty for a setting of the training run.
    """

    part: str
    name: str
    value: str


def read_assignment(text: str, flag: str = "--imperfections", form: str = "EFFECT.PARAMETER=VALUE") -> Assignment:
    """Read ``part.name=value`` or ``name=value``.

    Raises
    ------
    InputError
        If there is no equals sign, or no value.
    """
    key, value = split_assignment(text, flag, form)
    if not value:
        raise InputError(f"{flag} needs {form}, got {text!r}, which has no value")
    part, _, name = key.rpartition(".")
    return Assignment(part, name, value)


def split(assignments: Sequence[str]) -> tuple[list[Assignment], dict[str, str]]:
    """Return the settings of the device, and those of the training run by name."""
    read = [read_assignment(text) for text in assignments]
    return [one for one in read if one.part], {one.name: one.value for one in read if not one.part}


def assemble(preset: str, settings: Sequence[Assignment], seed: int) -> Device:
    """Put a device together.

    Parameters
    ----------
    preset : str
        Published device to start from ("ideal" has no imperfection), or the file of a device.
    settings : sequence of Assignment
        Parts are ``conductance``, ``law``, ``device`` and the names of ``EFFECTS``; a named effect is switched on, unless its setting
        ``off`` is true. Without its law, a device has equal and constant steps.
    seed : int
        Seed of all random draws of the device.

    Returns
    -------
    Device
        Device with each named effect. Other parameters of an effect are those of the preset, or neutral defaults.

    Raises
    ------
    InputError
        If a part, parameter or value does not exist or makes no sense.
    """
    from contrastive_core.devices import EFFECTS
    from contrastive_core.devices.presets import find_preset
    from contrastive_core.devices.write_law import LinearStep

    if is_device_file(preset):
        preset, settings = "ideal", [*split(read_device(preset))[0], *settings]
    device = find_preset(preset).build(seed)
    changes: dict[str, dict[str, str]] = {}
    for one in settings:
        if one.part not in ("conductance", "law", "device", *EFFECTS):
            raise unknown_name("part of a device", one.part, ["conductance", "law", "device", *EFFECTS])
        changes.setdefault(one.part, {})[one.name] = one.value
    off = [part for part, given in changes.items() if _switched_off(part, given)]
    numbers = read_settings(type(device), "device", changes.pop("device", {}), NUMBERS)
    conductance = replace(device.conductance, **read_settings(type(device.conductance), "conductance", changes.pop("conductance", {})))
    law = device.law
    if "law" in changes:
        law, steps = read_law(changes.pop("law"))
        numbers = steps | numbers
    effects: dict[Any, Any] = {type(effect): effect for effect in device.effects}
    for part, given in changes.items():
        kind: Any = EFFECTS[part]
        values = read_settings(kind, part, given)
        effects[kind] = replace(effects[kind], **values) if kind in effects else kind(**values)
    for part in off:
        if part == "law":
            law, numbers = LinearStep(), numbers | {"step_up": 1.0, "step_down": 1.0}
        else:
            effects.pop(EFFECTS[part])
    return replace(device, conductance=conductance, law=law, effects=tuple(effects.values()), **numbers)


def filed_device(settings: Mapping[str, Mapping[str, Any]], seed: int) -> Device:
    """Put together the device that a file describes, of the settings that ``given_device`` returned; raises as ``assemble`` does."""
    return assemble("ideal", split(settings_in(settings))[0], seed)


def checked_device(given: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a device as ``given_device`` does; those of a file are put together too.

    Raises
    ------
    InputError
        If the file cannot be read, or its settings make no device; the message names file and part.
    """
    found = given_device(given)
    if isinstance(given, str):
        try:
            filed_device(found, 0)
        except InputError as error:
            raise InputError(f"{given}, {_faulty_part(found)}{error}") from error
    return found


def _faulty_part(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Name the first part that makes no device by itself; nothing if each does, and only together they do not."""
    for part, table in found.items():
        try:
            filed_device({part: table}, 0)
        except InputError:
            return f"[{part}]: "
    return ""


def _switched_off(part: str, given: dict[str, str]) -> bool:
    """Take ``off`` out of the settings of an effect or the law, in place, and return whether it is true."""
    text = given.pop("off", None) if part not in ("conductance", "device") else None
    if text not in (None, "true", "false"):
        raise InputError(f"{part}.off must be true or false, got {text!r}; correct the value")
    return text == "true"


def caution(device: Device, rule: str) -> list[str]:
    """Return warnings about a device that spoils the updates of a rule.

    Parameters
    ----------
    device : Device
        Device that holds the weights.
    rule : str
        Name of the rule that trains the weights.

    Raises
    ------
    InputError
        If the device needs the two phases of a contrast, and the rule has none.
    """
    if not device.writes_each_phase:
        return []
    if not rule_named(rule).contrasts:
        raise InputError(f"{rule} has no two phases, which pulse-train.scheme=two-pass needs; take a rule that contrasts, or scheme=net")
    return [
        "two-pass writes each phase on its own; the part that both have in common moves conductances to their bounds or to the balance of "
        "the write law, so expect accuracies at chance; pulse-train.scheme=net writes the difference once"
    ]
