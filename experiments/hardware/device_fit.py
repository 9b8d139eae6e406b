"""``eqlab device fit``: a device fitted to measured pulses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.report.ending import finish
from experiments.runs.forms import FINITE, FLAG, NUMBER, list_of, record_of
from experiments.sweeps.compute import computation, compute_one, remember_input, study_of
from experiments.trials.experiment import Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from contrastive_core.devices.pulse_files import Train
    from contrastive_core.devices.pulse_fit import Fit

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


@command(FitOptions, "fit", draws=True)
def fit_device(options: FitOptions, invocation: Invocation) -> None:
    """Fit a device to the measured pulse responses in the CSV file FILE.

    Either two columns without a header, consecutive conductances under potentiating and under depressing pulses, or a header with
    device_id, cycle, pulse, polarity (P or D) and conductance_S. The device is written to device.toml in the run directory, for
    --device-file RUN of the commands that train.

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
    from experiments.setup.device_files import NAME, write_device

    if not options.file:
        raise InputError("which file? give the path of a CSV file of conductances")
    trains, fit = fitted = _fitted(options)
    for caution in (*_unequal(trains), *fit.cautions()):
        invocation.warn(caution)
    digest = sha256(b"".join(train.conductance.tobytes() for train in trains)).hexdigest()
    with computation(options, invocation, "serial") as opened:
        remember_input(opened, "pulses", digest, f"measurements than {options.file} has")
        result = compute_one(study_of("device-fit", options), opened, Given(options, {"fitted": fitted}))
    device = opened.run.path / NAME

    def write() -> str:
        if not device.exists():  # the file may have been edited since an earlier start
            write_device(device, fit.settings(), f"device fitted to {len(trains)} pulse trains of {Path(options.file).name}")
        return f"device: {device}"

    shown = {key: value for key, value in result.items() if key not in ("measured", "rising", "falling")}
    text = f"{len(trains)} trains\n\n{format_table(HEADER, fit_rows(result))}"
    finish(opened.run, invocation, {"device": str(device), **shown}, text, write)


def _fitted(options: FitOptions) -> tuple[list[Train], Fit]:
    from contrastive_core.devices.pulse_files import read_pulses
    from contrastive_core.devices.pulse_fit import fit_pulses

    trains = read_pulses(Path(options.file), options.unit)
    return trains, fit_pulses(trains)


def trial(options: FitOptions, seed: int, *, fitted: tuple[list[Train], Fit] | None = None) -> Outcome:
    """Fit a device to measured pulses.

    Parameters
    ----------
    options : FitOptions
        File of measurements.
    seed : int
        Not used: nothing is drawn.
    fitted : tuple, optional
        Pulse trains and their fit, if they are made already.

    Returns
    -------
    Outcome
        Metrics of ``EXPERIMENT``.
    """
    trains, fit = fitted or _fitted(options)
    measured: list[dict[str, Any]] = []
    values = 0
    for train in trains:
        values += len(train.conductance)
        if values > _MOST_SHOWN and measured:
            break
        measured.append({"up": train.potentiating, "siemens": train.conductance.tolist()})
    curves = {"rising": fit.curve(True).tolist(), "falling": fit.curve(False).tolist()}
    return Outcome({"trains": len(trains), **fit.record(), "measured": measured, **curves})


_MOST_SHOWN = 20_000
"""Measured conductances that are kept for the figure."""

_FIT_METRICS = {
    "g_min": Metric("lower end of the fitted curves", "siemens", form=NUMBER),
    "g_max": Metric("upper end of the fitted curves", "siemens", form=NUMBER),
    "alpha_p": Metric("nonlinearity of potentiation", form=NUMBER),
    "alpha_d": Metric("nonlinearity of depression", form=NUMBER),
    "num_pulses": Metric("number of pulses over the range", "pulse", form=NUMBER),
    "n_states": Metric("number of conductances that a train visits", form=NUMBER),
    "sigma_c2c": Metric("spread of a step within a device, relative to the mean step", form=NUMBER),
    "sigma_read": Metric("spread of a reading, as a share of g_max", form=NUMBER),
    "sigma_d2d": Metric("relative spread of the mean steps of devices", form=NUMBER),
    "residual": Metric("root mean square distance of the data from the fit, as a share of the range", form=NUMBER),
}

EXPERIMENT = Experiment(
    FitOptions,
    trial,
    {
        "trains": Metric("number of pulse trains", form=FINITE),
        **_FIT_METRICS,
        "measured": Metric(
            "measured conductances of the first trains, in siemens", form=list_of(record_of(up=FLAG, siemens=list_of(NUMBER)))
        ),
        "rising": Metric("fitted conductances under potentiation, in siemens", form=list_of(NUMBER)),
        "falling": Metric("fitted conductances under depression, in siemens", form=list_of(NUMBER)),
    },
    headline=("g_min", "g_max", "residual"),
)

HEADER = ("parameter", "value", "meaning")


def fit_rows(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the fitted parameters, as rows under ``HEADER``."""
    meaning = {name: metric.description + ("" if metric.unit == "1" else f" ({metric.unit})") for name, metric in _FIT_METRICS.items()}
    return [(name, "-" if result[name] is None else f"{result[name]:.6g}", meaning[name]) for name in meaning if name in result]


def _unequal(trains: Sequence[Train]) -> list[str]:
    """Return what was assumed of trains of several lengths."""
    pulses = sorted({len(train.conductance) - 1 for train in trains})
    if len(pulses) == 1:
        return []
    return [f"trains have {pulses[0]} to {pulses[-1]} pulses; each is taken as a run over the whole range, num_pulses is the longest"]
