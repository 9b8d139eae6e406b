"""``eqlab device import``: the network that a chip really holds, from conductances that were read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.hardware.device_export import DATA_DIR, TRIAL
from experiments.report.ending import finish
from experiments.runs.directory import find_run
from experiments.runs.forms import FINITE, NUMBER, TEXT, list_of, mapping_of, record_of
from experiments.sweeps.compute import computation, compute_one, remember_input, study_of
from experiments.trials.experiment import AMOUNT, SHARE, Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from contrastive_core.devices.programming import ProgrammingTable
    from experiments.hardware.learnt import TrainedNetwork


class ImportOptions(CommandOptions):
    """A trained network, and the conductances of the chip that was programmed with it.

    Attributes
    ----------
    run, trial
        Directory of the run that holds the network.
    read
        Measured conductances.
    data_dir
        Directory with the files of the run's data set.
    """

    run: Annotated[str, Positional()] = Field(
        "", description="Name or path of a run of hardware, train or compare; contrast has no classes to test."
    )
    trial: str | None = Field(None, description=TRIAL)
    read: Path | None = Field(None, description="Directory or .npz file of conductances read back, as 'device export' writes it; required.")
    data_dir: Path | None = Field(None, exclude=True, description=DATA_DIR)


_ARRAY = record_of(shape=list_of(FINITE), rms=NUMBER, worst=NUMBER, side=TEXT, row=FINITE, column=FINITE, outside=NUMBER)

METRICS = {
    "trial": Metric("trial that trained the network", form=TEXT),
    "test_error": Metric("share of test samples misclassified by the network that was written", bounds=SHARE),
    "target_error": Metric("share of test samples misclassified by the network that was to be written", bounds=SHARE),
    "arrays": Metric(
        "by array: shape, rms and largest deviation, its place, and share of the devices beyond the tolerance", form=mapping_of(_ARRAY)
    ),
    "tolerance": Metric("distance from a target within which a conductance counts as written", "siemens", bounds=AMOUNT),
    "cells": Metric(
        "by array: targets and measured conductances of some devices, in siemens", form=mapping_of(mapping_of(list_of(NUMBER)))
    ),
    "warnings": Metric("doubts about the unit", form=list_of(TEXT)),
}

_SHOWN = 300
"""Devices of an array whose conductances are kept for the figure."""


class Compared(NamedTuple):
    """A network as it was to be written, and as it was.

    Attributes
    ----------
    learnt : TrainedNetwork
        Trained network.
    target, written : ProgrammingTable
        Conductances asked for and read back.
    warnings : list of str
        Doubts about the unit.
    """

    learnt: TrainedNetwork
    target: ProgrammingTable
    written: ProgrammingTable
    warnings: list[str]


def read_back(options: ImportOptions) -> Compared:
    """Read the conductances of a chip, and the targets of the same network in the same range and scale.

    Raises
    ------
    InputError
        If no run or table is named, or the table is not one of the run's network.
    """
    from contrastive_core.devices.conductance_files import read_table
    from contrastive_core.devices.programming import program
    from experiments.hardware.learnt import learnt_by

    if not options.run or options.read is None:
        raise InputError("which run, and which table? give: eqlab device import RUN --read DIRECTORY (or FILE.npz)")
    learnt = learnt_by(find_run(options.run).path, options.trial, options.data_dir)
    if learnt.cost is None:
        raise InputError(f"{options.run} is a run of contrast, whose network has no classes; give a run of train, compare or hardware")
    written, warnings = read_table(options.read, learnt.shapes(), learnt.vectors())
    device = replace(learnt.device, conductance=written.conductance)
    target = program(learnt.weights, device, {name: array.w_max for name, array in written.arrays.items()})
    return Compared(learnt, target, written, warnings)


def trial(options: ImportOptions, seed: int, *, prepared: Compared | None = None) -> Outcome:
    """Measure how far a chip is from its targets, and what its network gets wrong.

    Parameters
    ----------
    options : ImportOptions
        Run and table.
    seed : int
        Not used: nothing is drawn.
    prepared : Compared, optional
        Network and conductances, if they are read already.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``.
    """
    from contrastive_core.devices.conductance_files import SIDES
    from contrastive_core.devices.programming import deviations
    from experiments.hardware.learnt import error_with

    learnt, target, written, warnings = prepared or read_back(options)
    sides = SIDES[target.conductance.pairing]
    found, cells = {}, {}
    for name, deviation in deviations(target, written).items():
        asked, measured = target.arrays[name].siemens, written.arrays[name].siemens
        chosen = slice(None, None, -(-asked.size // _SHOWN))
        cells[name] = {"target": asked.ravel()[chosen].tolist(), "written": measured.ravel()[chosen].tolist()}
        found[name] = {"shape": list(asked.shape[1:]), **deviation._asdict(), "side": sides[deviation.side]}
    wrong = error_with(learnt, {name: written.weight(name) for name in written.arrays} | written.vectors)
    metrics = {"trial": learnt.key, "test_error": wrong, "target_error": error_with(learnt, learnt.weights), "arrays": found}
    return Outcome(metrics | {"tolerance": written.tolerance, "cells": cells, "warnings": warnings})


EXPERIMENT = Experiment(ImportOptions, trial, METRICS, headline=("test_error", "target_error"))

HEADER = ("array", "rows x columns", "rms µS", "largest µS", "at row, column", "beyond tolerance %")

CAPTION = "Deviation of the measured conductances from their targets; the place of the largest one counts rows and columns from 0."


def deviation_rows(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the deviations of every array, as rows under ``HEADER``."""
    return [
        (
            name,
            "x".join(map(str, one["shape"])),
            f"{1e6 * one['rms']:.3g}",
            f"{1e6 * one['worst']:.3g}",
            f"{one['row']}, {one['column']} ({one['side']})",
            f"{100 * one['outside']:.1f}",
        )
        for name, one in result["arrays"].items()
    ]


def verdict(result: Mapping[str, Any]) -> str:
    """Return a sentence: accuracy of what was written, of the targets, and the array with the largest deviation."""
    wrong, aim = (100 * (1 - result[name]) for name in ("test_error", "target_error"))
    name, one = max(result["arrays"].items(), key=lambda pair: pair[1]["rms"])
    return (
        f"{result['trial']}: {wrong:.2f} % of the test samples with the conductances that were written, {aim:.2f} % with their targets; "
        f"{name} deviates most, by {1e6 * one['rms']:.3g} µS (root mean square)"
    )


@command(ImportOptions, "import", draws=True)
def import_device(options: ImportOptions, invocation: Invocation) -> None:
    """Read conductances back from a programmed chip, and test the network that was really written.

    RUN is the run whose trial was exported, and --read a table with the same files, matrices and headers, whose values are measured.
    Conductances may be in any unit that the headers state (siemens to nanosiemens, ohm to megaohm). Pulses are not read.
    The network is tested with the measured conductances and biases, and with their targets; neither test has further device errors.

    \b
    Examples:
      eqlab device import runs/train-1 --read measured
      eqlab device import runs/hardware-1 --trial "ep-centered unvaried #0" --read measured.npz --out runs/chip

    Parameters
    ----------
    options : ImportOptions
        Network and table.
    invocation : Invocation
        Start of the command, for output.

    Raises
    ------
    InputError
        If no run or table is named, or the table is not one of the run's network.
    """  # noqa: D301
    prepared = read_back(options)
    for warning in prepared.warnings:
        invocation.warn(warning)
    with computation(options, invocation, "serial") as opened:
        remember_input(opened, "table", _digest(prepared.written), f"conductances than {options.read} has")
        result = compute_one(study_of("device-import", options), opened, Given(options, {"prepared": prepared}))
    shown = {key: value for key, value in result.items() if key != "cells"}
    finish(
        opened.run,
        invocation,
        {**shown, "verdict": verdict(result)},
        f"{format_table(HEADER, deviation_rows(result))}\n\n{verdict(result)}",
    )


def _digest(table: ProgrammingTable) -> str:
    values = [array.siemens.tobytes() + repr(array.w_max).encode() for array in table.arrays.values()]
    vectors = [vector.tobytes() for vector in table.vectors.values()]
    return sha256(b"".join([repr(asdict(table.conductance)).encode(), *values, *vectors])).hexdigest()
