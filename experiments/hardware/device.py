"""``eqlab device``: published devices, how they answer to pulses, devices fitted to measured pulses, and trained conductances."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.group import lazy_group
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.figures.devices import fit_picture, response_picture
from experiments.figures.writing import write_pictures
from experiments.runs.directory import open_run

if TYPE_CHECKING:
    from contrastive_core.devices.pulse_files import Train


class ShowOptions(CommandOptions):
    """A device and what is sent to it.

    Attributes
    ----------
    name
        Name of the preset, or another name for it.
    pulses, samples
        Pulses in each direction, and devices.
    """

    name: Annotated[str, Positional()] = Field(
        "", description="Name of a published device, as 'eqlab device list' shows it, or a device.toml, or the run directory of a fit."
    )
    pulses: int = Field(200, gt=0, le=100_000, description="Number of pulses up, and then down.")
    samples: int = Field(5, gt=0, le=10_000, description="Number of devices, each with random draws of its own.")


Unit = Literal["siemens", "millisiemens", "microsiemens", "nanosiemens", "ohm", "kiloohm", "megaohm"]
"""Keys of ``contrastive_core.devices.pulse_files.UNITS``, which a command's help must not import."""


class FitOptions(CommandOptions):
    """Measured pulses.

    Attributes
    ----------
    file
        CSV file of measured pulse responses.
    unit
        Unit of two columns without a header.
    """

    file: Annotated[str, Positional()] = Field("", description="CSV file of measured pulse responses.")
    unit: Unit | None = Field(None, description="Unit of two columns without a header; none: siemens, if they are plausible.")


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


@command(ShowOptions, "show")
def show_device(options: ShowOptions, invocation: Invocation) -> None:
    """Send pulses up and down to the published device NAME, and draw how its conductance follows.

    \b
    Examples:
      eqlab device show ecram
      eqlab device show ReRamSB --pulses 1000 --samples 20

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
    from contrastive_core.devices.presets import PRESETS, find_preset
    from contrastive_core.devices.pulse_response import pulse_response
    from experiments.hardware.device_files import is_device_file
    from experiments.hardware.device_settings import assemble

    if not options.name:
        raise InputError(f"which device? name one of: {', '.join(PRESETS)}")
    if is_device_file(options.name):
        description, source = Path(options.name).name, "a file"
    else:
        description, _, source, _ = find_preset(options.name)
    device = assemble(options.name, (), options.seed)
    run = open_run(options, invocation)
    curves = 1e6 * pulse_response(device, options.pulses, options.samples)
    mean = curves.mean(1)
    write_pictures(run.figures, {"pulse-response": response_picture(description, curves.T.tolist(), options.pulses)})
    shown = sorted({0, 1, options.pulses // 2, options.pulses, options.pulses + 1, 3 * options.pulses // 2, 2 * options.pulses})
    rows = [(f"{min(n, options.pulses)} up{f', {n - options.pulses} down' if n > options.pulses else ''}", f"{mean[n]:.3f}") for n in shown]
    result = {"run": str(run.path), "device": options.name, "pulses": options.pulses, "microsiemens": curves.T.tolist()}
    text = f"{description}; {source}\n\n{format_table(('pulses', 'mean conductance, uS'), rows)}\n\nfigure: {run.figures}"
    invocation.result(result, text)


@command(FitOptions, "fit")
def fit_device(options: FitOptions, invocation: Invocation) -> None:
    """Fit a device to the measured pulse responses in the CSV file FILE.

    Either two columns without a header, consecutive conductances under potentiating and under depressing pulses, or a header with
    device_id, cycle, pulse, polarity (P or D) and conductance_S. The device is written to device.toml in the run directory, for
    'eqlab hardware --preset RUN'.

    \b
    Examples:
      eqlab device fit pulses.csv
      eqlab device fit pulses.csv --unit microsiemens --out runs/fit

    Parameters
    ----------
    options : FitOptions
        File of measurements.
    invocation : Invocation
        Start of the command, for output.

    Raises
    ------
    InputError
        If no file is named.
    """  # noqa: D301
    from contrastive_core.devices.pulse_files import read_pulses
    from contrastive_core.devices.pulse_fit import fit_pulses
    from experiments.hardware.device_files import NAME, write_device

    if not options.file:
        raise InputError("which file? give the path of a CSV file of conductances")
    trains = read_pulses(Path(options.file), options.unit)
    fit = fit_pulses(trains)
    for caution in (*_unequal(trains), *fit.cautions()):
        invocation.warn(caution)
    run = open_run(options, invocation)
    write_device(run.path / NAME, fit.settings(), f"device fitted to {len(trains)} pulse trains of {Path(options.file).name}")
    measured = [{"device": train.device, "up": train.potentiating, "siemens": train.conductance.tolist()} for train in trains]
    write_pictures(run.figures, {"fit": fit_picture(measured, fit.curve(True).tolist(), fit.curve(False).tolist())})
    result: dict[str, Any] = {"run": str(run.path), "device": str(run.path / NAME), "trains": len(trains), **fit.record()}
    rows = [(name, "-" if value is None else f"{value:.6g}") for name, value in fit.record().items()]
    places = f"device: {run.path / NAME}\nfigure: {run.figures}"
    invocation.result(result, f"{len(trains)} trains\n\n{format_table(('parameter', 'value'), rows)}\n\n{places}")


def _unequal(trains: Sequence[Train]) -> list[str]:
    """Return what was assumed of trains of several lengths."""
    pulses = sorted({len(train.conductance) - 1 for train in trains})
    if len(pulses) == 1:
        return []
    return [f"trains have {pulses[0]} to {pulses[-1]} pulses; each is taken as a run over the whole range, num_pulses is the longest"]


device = lazy_group(
    "device",
    "Show published devices, fit devices to measured pulses, and write and read back the conductances of trained networks.",
    {
        "list": "experiments.hardware.device:list_devices",
        "show": "experiments.hardware.device:show_device",
        "fit": "experiments.hardware.device:fit_device",
        "export": "experiments.hardware.device_export:export_device",
        "import": "experiments.hardware.device_import:import_device",
    },
)
