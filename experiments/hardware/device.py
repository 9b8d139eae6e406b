"""``eqlab device``: published devices, and how they answer to pulses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.group import lazy_group
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.report.ending import finish
from experiments.runs.forms import FINITE, TEXT, list_of
from experiments.sweeps.compute import computation, compute_one, remember_input, study_of
from experiments.trials.experiment import Experiment, Metric, Outcome


class ShowOptions(CommandOptions):
    """A device and what is sent to it.

    Attributes
    ----------
    name
        Name of the preset, or another name for it.
    pulses, samples
        Pulses in each direction, and devices.
    write
        File of simulated measurements.
    """

    name: Annotated[str, Positional()] = Field(
        "", description="Name of a published device, as 'eqlab device list' shows it, or a device.toml, or the run directory of a fit."
    )
    pulses: int = Field(200, gt=0, le=100_000, description="Number of pulses up, and then down.")
    samples: int = Field(5, gt=0, le=10_000, description="Number of devices, each with random draws of its own.")
    write: Path | None = Field(
        None, exclude=True, description="CSV file to write the conductances to, as 'eqlab device fit' reads measured ones; none: no file."
    )


@command(CommandOptions, "list")
def list_devices(options: CommandOptions, invocation: Invocation) -> None:
    """List the published devices with the sources of their numbers.

    \b
    Examples:
      eqlab device list
      eqlab device list --json

    Parameters
    ----------
    options : CommandOptions
        Not used.
    invocation : Invocation
        Start of the command, for output.
    """  # noqa: D301
    from contrastive_core.devices.presets import PRESETS

    listed = [
        {"name": name, "alias": preset.alias, "description": preset.description, "source": preset.source}
        for name, preset in PRESETS.items()
    ]
    rows = [(one["name"], one["alias"] or "-", one["description"], one["source"]) for one in listed]
    invocation.result({"devices": listed}, format_table(("name", "alias", "description", "numbers from"), rows))


@command(ShowOptions, "show", draws=True)
def show_device(options: ShowOptions, invocation: Invocation) -> None:
    """Send pulses up and down to the published device NAME, and draw how its conductance follows.

    \b
    Examples:
      eqlab device show ecram
      eqlab device show ReRamSB --pulses 1000 --samples 20
      eqlab device show ecram --pulses 1000 --write pulses.csv

    Parameters
    ----------
    options : ShowOptions
        Device, and the pulses that it gets.
    invocation : Invocation
        Start of the command, for output.

    Raises
    ------
    InputError
        If no device is named.
    """  # noqa: D301
    from contrastive_core.devices.presets import PRESETS
    from contrastive_core.devices.settings import effective_settings
    from experiments.setup.devices import assemble

    if not options.name:
        raise InputError(f"which device? name one of: {', '.join(PRESETS)}")
    settings = json.dumps(effective_settings(assemble(options.name, (), options.seed)), sort_keys=True)
    with computation(options, invocation, "serial") as opened:
        remember_input(opened, "device", sha256(settings.encode()).hexdigest(), f"settings than {options.name} has")
        result = compute_one(study_of("device-show", options), opened)

    def write() -> str:
        assert options.write is not None
        _write(result, options.write)
        return f"written: {options.write}; fit a device with: eqlab device fit {options.write}"

    table = format_table(RESPONSE_HEADER, response_rows(result))
    text = f"{result['description']}; {result['source']}\n\n{table}"
    finish(opened.run, invocation, {"device": options.name, **result}, text, None if options.write is None else write)


def response(options: ShowOptions, seed: int) -> Outcome:
    """Send pulses up and down to a device.

    Parameters
    ----------
    options : ShowOptions
        Device, and the pulses that it gets.
    seed : int
        Seed of all draws.

    Returns
    -------
    Outcome
        Metrics of ``EXPERIMENT``.
    """
    from contrastive_core.devices.presets import find_preset
    from contrastive_core.devices.pulse_response import pulse_response
    from experiments.setup.device_files import is_device_file
    from experiments.setup.devices import assemble

    if is_device_file(options.name):
        description, source = Path(options.name).name, "a file"
    else:
        description, _, source, _ = find_preset(options.name)
    curves = 1e6 * pulse_response(assemble(options.name, (), seed), options.pulses, options.samples)
    return Outcome({"description": description, "source": source, "pulses": options.pulses, "microsiemens": curves.T.tolist()})


def _write(result: Mapping[str, Any], path: Path) -> None:
    """Write the curves as measured pulses: a potentiating and a depressing train of each device, which meet in one conductance."""
    from contrastive_core.devices.pulse_files import tidy_csv
    from contrastive_core.files.writing import write_named

    if any(value <= 0 for curve in result["microsiemens"] for value in curve):
        raise InputError("this device reaches a conductance of 0, which no measured file holds; choose another device")
    pulses = result["pulses"]
    trains = [
        (str(number), polarity, [1e-6 * value for value in values])
        for number, curve in enumerate(result["microsiemens"], start=1)
        for polarity, values in (("P", curve[: pulses + 1]), ("D", curve[pulses:]))
    ]
    try:
        write_named({path: tidy_csv(trains).encode()}, "--write")
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); choose another --write") from error


EXPERIMENT = Experiment(
    ShowOptions,
    response,
    {
        "description": Metric("kind of the device", form=TEXT),
        "source": Metric("origin of its numbers", form=TEXT),
        "pulses": Metric("number of pulses up, and then down", "pulse", form=FINITE),
        "microsiemens": Metric("conductances of each device, from before the first pulse", form=list_of(list_of(FINITE))),
    },
    headline=(),
)

RESPONSE_HEADER = ("pulses", "mean conductance, µS")


def response_rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the mean conductance after some pulses, as rows under ``RESPONSE_HEADER``."""
    pulses, curves = result["pulses"], result["microsiemens"]
    shown = sorted({0, 1, pulses // 2, pulses, pulses + 1, 3 * pulses // 2, 2 * pulses})
    names = [f"{min(n, pulses)} up{f', {n - pulses} down' if n > pulses else ''}" for n in shown]
    return [(name, f"{sum(curve[n] for curve in curves) / len(curves):.3f}") for name, n in zip(names, shown, strict=True)]


device = lazy_group(
    "device",
    "Show published devices, fit devices to measured pulses, and write and read back the conductances of trained networks.",
    {
        "list": "experiments.hardware.device:list_devices",
        "show": "experiments.hardware.device:show_device",
        "fit": "experiments.hardware.device_fit:fit_device",
        "export": "experiments.hardware.device_export:export_device",
        "import": "experiments.hardware.device_import:import_device",
    },
)
