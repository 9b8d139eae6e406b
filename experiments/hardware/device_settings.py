"""Imperfections of hardware in written form, such as ``adc.adc_bits=6``, and the device that they describe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name
from experiments.commandline.assignments import read_settings, split_assignment, split_values
from experiments.hardware.device_files import is_device_file, read_device
from experiments.hardware.write_laws import read_law

if TYPE_CHECKING:
    from contrastive_core.devices.device import Device
    from contrastive_core.devices.operation_costs import Constants
    from experiments.setup.options import LearningOptions

NUMBERS = ("step", "step_up", "step_down", "seconds")
"""Settings of the device itself, which are numbers."""

_VARIATION = "EFFECT.PARAMETER=V1,V2,..."


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


class Variation(NamedTuple):
    """Varied setting: its name, its values, and the assignments that each value stands for.

    Attributes
    ----------
    name : str
        Name of the varied setting, and of the settings given beside it.
    values : tuple of str
        Values in written form.
    points : tuple of tuple of str
        Assignments of each value.
    """

    name: str
    values: tuple[str, ...]
    points: tuple[tuple[str, ...], ...]


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


def read_variation(text: str) -> Variation:
    """Read assignments separated by spaces; those with several values, separated by commas, vary together, and the others are constant.

    Raises
    ------
    InputError
        If an assignment has no value, or a later one has several values but not as many as the first.
    """
    parts = text.split() or [""]
    read = [split_values(part, "--vary", _VARIATION) for part in parts]
    keys, columns = [key for key, _ in read], [tuple(values) for _, values in read]
    values = columns[0]
    for part, column in zip(parts, columns, strict=True):
        if not column:
            raise InputError(f"--vary needs {_VARIATION}, got {part!r}, which has no value")
        if len(column) not in (1, len(values)):
            raise InputError(
                f"--vary {text!r} needs one value or {len(values)} for each setting after the first, and {part!r} has {len(column)}; "
                "give it a --vary of its own"
            )
    rows = zip(*(column * (len(values) // len(column)) for column in columns), strict=True)
    points = tuple(tuple(f"{key}={value}" for key, value in zip(keys, row, strict=True)) for row in rows)
    held = [key if len(column) > 1 else part for key, part, column in zip(keys, parts, columns, strict=True)]
    return Variation(" ".join((keys[0], *held[1:])), values, points)


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


def _switched_off(part: str, given: dict[str, str]) -> bool:
    """Take ``off`` out of the settings of an effect or the law, in place, and return whether it is true."""
    text = given.pop("off", None) if part not in ("conductance", "device") else None
    if text not in (None, "true", "false"):
        raise InputError(f"{part}.off must be true or false, got {text!r}; correct the value")
    return text == "true"


def idle(device: Device, settings: Sequence[Assignment]) -> list[str]:
    """Return warnings of settings that change nothing.

    Parameters
    ----------
    device : Device
        Device that was made from the settings.
    settings : sequence of Assignment
        Settings as given.
    """
    from contrastive_core.devices.settings import without_effect

    return without_effect(device, [f"{one.part}.{one.name}" for one in settings])


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
    from experiments.setup.own_options import rule_named

    if not device.writes_each_phase:
        return []
    if not rule_named(rule).contrasts:
        raise InputError(f"{rule} has no two phases, which pulse-train.scheme=two-pass needs; take a rule that contrasts, or scheme=net")
    return [
        "two-pass writes each phase on its own; the part that both have in common moves conductances to their bounds or to the balance of "
        "the write law, so expect accuracies at chance; pulse-train.scheme=net writes the difference once"
    ]


def check_suits(device: Device, options: LearningOptions, rules: Sequence[str], constants: Constants | None = None) -> None:
    """Put a device on a network of the same kind and few units, without any data.

    Whether a device suits a network depends on the kind of network and not on its size. Wires of large arrays would take minutes.

    Parameters
    ----------
    device : Device
        Device that is to hold the weights.
    options : LearningOptions
        Options of the network.
    rules : sequence of str
        Names of the rules that train the network.
    constants : Constants, optional
        Costs of the single operations, by which it will be billed.

    Raises
    ------
    InputError
        If the network cannot be built or billed, or has no place for an effect of the device or no outputs that the rules could hold.
    """
    import torch

    from contrastive_core.data.splits import Split, Splits
    from contrastive_core.devices.accounting import require_billable
    from contrastive_core.devices.on_device import OnDevice
    from experiments.setup.build import build_network
    from experiments.setup.checks import require_held

    part = Split(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))
    layers = options.layers and ("1c1>3 1c1 2" if ">" in options.layers else "1c1 2")
    small = options.model_copy(update={"hidden": (2,) * len(options.hidden), "layers": layers, "device": "cpu"})
    held = OnDevice(build_network(small, Splits(part, part, part, 2, "", "", (1, 1, 2)), 0), device)
    require_held(rules, held)
    if constants is not None:
        require_billable(held, constants)
