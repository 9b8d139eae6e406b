"""``eqlab device export``: programming tables of trained networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import FromFile, Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.commandline.quantities import PositiveFloat
from experiments.runs.directory import find_run
from experiments.setup.devices import checked_device

if TYPE_CHECKING:
    from contrastive_core.devices.device import Device
    from experiments.hardware.learnt import TrainedNetwork

TRIAL = "Key of the trial, as 'eqlab runs show' lists it; none: the only trial of the run."
DATA_DIR = "Directory with the files of the run's data set; none: the download cache."


class ExportOptions(CommandOptions):
    """A trained network, and the table that its conductances are written to.

    Attributes
    ----------
    run, trial
        Run that holds the network.
    write
        Place of the table.
    device_file, g_min, g_max, pairing, w_max, tolerance
        Range and accuracy of the devices.
    data_dir
        Directory with the files of the run's data set.
    """

    run: Annotated[str, Positional()] = Field(
        "", exclude=True, description="Name or path of a run of hardware, train, compare or contrast."
    )
    trial: str | None = Field(None, description=TRIAL)
    write: Path | None = Field(
        None, exclude=True, description="Directory for CSV files, file that ends in .npz, or list of cells that ends in .csv; required."
    )
    device_file: Annotated[dict[str, Any] | None, FromFile(checked_device)] = Field(
        None, description="Device to program: a device.toml, or the run of a fit; none: that of the run."
    )
    g_min: float | None = Field(None, ge=0, description="Smallest conductance in siemens; none: that of the device, 1e-6 if ideal.")
    g_max: float | None = Field(None, gt=0, description="Largest conductance in siemens; none: that of the device, 1e-4 if ideal.")
    pairing: Literal["single", "offset", "differential"] | None = Field(
        None, description="Conductances that make a weight; none: those of the device, differential if ideal."
    )
    w_max: PositiveFloat | None = Field(
        None, description="Weight at the end of the range; none: the full range, the largest weight of each array at its end."
    )
    tolerance: PositiveFloat | None = Field(
        None, description="Distance from a target within which a conductance counts as written, in siemens; none: half a pulse."
    )
    data_dir: Path | None = Field(None, exclude=True, description=DATA_DIR)


def _device_of(options: ExportOptions, learnt: TrainedNetwork) -> Device:
    """Return the device to program: that of the run, or of a file, with the range that is given."""
    from contrastive_core.devices.conductance import Pairing
    from experiments.setup.devices import filed_device

    device = filed_device(options.device_file, 0) if options.device_file else learnt.device
    given: dict[str, Any] = {name: value for name in ("g_min", "g_max") if (value := getattr(options, name)) is not None}
    if options.pairing is not None:
        given["pairing"] = Pairing(options.pairing)
    return replace(device, conductance=replace(device.conductance, **given))


@command(ExportOptions, "export")
def export_device(options: ExportOptions, invocation: Invocation) -> None:
    """Write the conductances of a trained network as a programming table: a matrix with a header for each array, and the biases.

    RUN is the directory of a run of hardware, train, compare or contrast. --write names a directory for CSV files, or a file that ends in
    .npz or .csv. Rows are the units below, columns the units above. Headers state unit, range, weight per siemens, sign convention and
    tolerance. A second matrix has the number of pulses from the smallest conductance to each target. Conductances use the full range of the
    device. A .csv file is a list for programmers of arrays: array, row, column, target, tolerance and pulses of each device, and no biases.

    \b
    Examples:
      eqlab device export runs/train-1 --write table --g-min 1e-6 --g-max 1e-4
      eqlab device export runs/train-1 --write table.npz --device-file runs/fit
      eqlab device export runs/train-1 --write cells.csv --tolerance 5e-7
      eqlab device export runs/hardware-1 --trial "ep-centered unvaried #0" --write table

    Parameters
    ----------
    options : ExportOptions
        Network and table.
    invocation : Invocation
        Start of the command, for output.

    Raises
    ------
    InputError
        If no run or place is named, a weight has no conductance, or the table cannot be written.
    """  # noqa: D301
    import numpy as np

    from contrastive_core.devices.cell_list import write_cells
    from contrastive_core.devices.conductance_files import FORMULAS, write_table
    from contrastive_core.devices.programming import program
    from experiments.hardware.learnt import learnt_by

    if not options.run or options.write is None:
        raise InputError("which run, and to which place? give: eqlab device export RUN --write DIRECTORY (or FILE.npz, FILE.csv)")
    if options.write.suffix not in ("", ".npz", ".csv"):
        raise InputError(f"--write is a directory, or a file that ends in .npz or .csv, got {options.write}; give one of them")
    learnt = learnt_by(find_run(options.run).path, options.trial, options.data_dir)
    table = program(learnt.weights, _device_of(options, learnt), dict.fromkeys(learnt.shapes(), options.w_max))
    if options.tolerance is not None:
        table = table._replace(tolerance=options.tolerance)
    kind, rows, listed = table.conductance, [], []
    for name, array in table.arrays.items():
        factor, shape = kind.weight_per_siemens(array.w_max), list(array.siemens.shape[1:])
        wanted = learnt.weights[name].detach().double().cpu().numpy().reshape(shape)
        if raised := int((np.abs(table.weight(name) - wanted) > 1e-9 * array.w_max).sum()):
            invocation.warn(f"{raised} weights of {name} are below the smallest conductance and are raised to it")
        low, high = float(array.siemens.min()), float(array.siemens.max())
        listed.append({"array": name, "shape": shape, "weight_per_siemens": factor, "lowest": low, "highest": high})
        cells = (f"{factor:.9g}", f"{1e6 * low:.4g}", f"{1e6 * high:.4g}", int(table.pulses[name].max()) if table.pulses else None)
        rows.append((name, "x".join(map(str, shape)), *cells))
    if not table.pulses:
        invocation.warn("the range of this device is more than 100000 pulses long, so that the table has no numbers of pulses")
    listing = options.write.suffix == ".csv"
    sheets = write_cells(options.write, table) if listing else write_table(options.write, table)
    header = ("array", "rows x columns", "weight per siemens", "lowest µS", "highest µS", "most pulses")
    if listing and table.vectors:
        invocation.warn(
            f"a list of cells has no {', '.join(table.vectors)}; write a directory or an .npz file for the biases and the scales"
        )
    told = f"weight = {FORMULAS[kind.pairing]}; tolerance {1e6 * table.tolerance:.3g} µS; biases: {', '.join(table.vectors) or 'none'}"
    result = {"table": str(options.write), "trial": learnt.key, "arrays": listed, "sheets": sheets, "tolerance": table.tolerance}
    invocation.result(result, f"{learnt.key}: {options.write}\n\n{format_table(header, rows)}\n\n{told}")
