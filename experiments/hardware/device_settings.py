"""Variations of a device in written form, such as ``adc.adc_bits=4,6``, and checks of a device before any training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from contrastive_core.errors import InputError
from experiments.commandline.assignments import split_values
from experiments.setup.devices import Assignment

if TYPE_CHECKING:
    from contrastive_core.devices.device import Device
    from contrastive_core.devices.operation_costs import Constants
    from experiments.setup.options import LearningOptions

_VARIATION = "EFFECT.PARAMETER=V1,V2,..."


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


def read_variation(text: str) -> Variation:
    """Read assignments separated by spaces; those with several values, separated by commas, vary together, and the others are constant.

    Raises
    ------
    InputError
        If an assignment has no value, if the first has a value twice, or if a later one has several values but not as many as the first.
    """
    parts = text.split() or [""]
    read = [split_values(part, "--vary", _VARIATION) for part in parts]
    keys, columns = [key for key, _ in read], [tuple(values) for _, values in read]
    values = columns[0]
    # Trials go by the value of the first setting: of two points that share it, the second would be shown for both.
    if twice := [value for value in values if values.count(value) > 1]:
        advice = "begin with a setting whose values differ" if len(columns) > 1 else "name each once, and give repetitions as --seeds N"
        raise InputError(f"--vary {text!r} has the value {twice[0]} twice; {advice}")
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
    from experiments.setup.build import ideal_network
    from experiments.setup.checks import require_held

    part = Split(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))
    layers = options.layers and ("1c1>3 1c1 2" if ">" in options.layers else "1c1 2")
    small = options.model_copy(update={"hidden": (2,) * len(options.hidden), "layers": layers, "device": "cpu"})
    held = OnDevice(ideal_network(small, Splits(part, part, part, 2, "", "", (1, 1, 2)), 0), device)
    require_held(rules, held)
    if constants is not None:
        require_billable(held, constants)
