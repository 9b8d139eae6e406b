"""``eqlab hardware``: training on imperfect devices, one imperfection after another."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name
from experiments.commandline.completion import complete
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.hardware.ablation import verdict
from experiments.hardware.device_settings import check_suits, idle
from experiments.hardware.measures import measure
from experiments.hardware.options import HardwareOptions, HardwareTrialOptions
from experiments.hardware.table import base_of, key_of, rows_of, table, variations_of
from experiments.learning.train import METRICS as TRAINING
from experiments.report.ending import finish
from experiments.runs.forms import ANY, FLAG, NUMBER, TEXT, mapping_of, record_of
from experiments.runs.intervals import mean
from experiments.runs.records import Task
from experiments.setup.build import plan_of
from experiments.setup.checks import require_temperature
from experiments.setup.data import check_data_seed
from experiments.setup.device_files import is_device_file, settings_in
from experiments.setup.devices import assemble, caution, checked_device, read_assignment, split
from experiments.setup.tables import RULES
from experiments.sweeps.axes import Axis
from experiments.sweeps.compute import computation, compute, metrics_of, refuse_failed, study_of
from experiments.trials.engine import check_engine
from experiments.trials.experiment import AMOUNT, Experiment, Metric, Outcome

if TYPE_CHECKING:
    from contrastive_core.devices.device import Device
    from contrastive_core.devices.on_device import OnDevice
    from contrastive_core.network import Network

METRICS = {name: TRAINING[name] for name in ("network", "test_error", "test_cost", "validation_error", "best_epoch", "epochs")} | {
    "sweeps_per_sample": TRAINING["sweeps_per_sample"],
    "signal_to_noise": Metric("rms displacement between the phases over rms error of reading a state, at the end", bounds=AMOUNT),
    "inference_energy": Metric("energy of one inference: a free phase and its conversions", "joule", bounds=AMOUNT),
    "inference_digital_energy": Metric("energy of as many digital operations as one inference", "joule", bounds=AMOUNT),
    "inference_seconds": Metric("time of one inference", "second", bounds=AMOUNT),
    "sample_energy": Metric("energy of one training sample: all phases, and its share of the writes", "joule", bounds=AMOUNT),
    "sample_digital_energy": Metric("energy of as many digital operations as one training sample", "joule", bounds=AMOUNT),
    "sample_seconds": Metric("time of one training sample", "second", bounds=AMOUNT),
    "energy": Metric("energy of all training", "joule", bounds=AMOUNT),
    "settle_energy": Metric("energy of arrays while states settle, or of resistors and diodes", "joule", bounds=AMOUNT),
    "settle_power": Metric(
        "heat of a circuit that settles by itself, or else the bound v_read^2 times all conductances", "watt", bounds=AMOUNT
    ),
    "settle_is_bound": Metric("whether the power of settling is the bound", form=FLAG),
    "convert_energy": Metric("energy of converting inputs and states", "joule", bounds=AMOUNT),
    "write_energy": Metric("energy of pulses", "joule", bounds=AMOUNT),
    "digital_energy": Metric("energy of as many digital multiplications and additions", "joule", bounds=AMOUNT),
    "device_seconds": Metric("time of all training on the device", "second", bounds=AMOUNT),
    "settle_time": Metric("time of one sweep, or of one phase if circuits settle by themselves", "second", bounds=AMOUNT),
    "pulses": Metric("number of pulses sent in training", "pulse", bounds=AMOUNT),
    "phases": Metric(
        "sweeps, operations, conversions, joules and seconds of each kind of phase, and of writing", form=mapping_of(mapping_of(NUMBER))
    ),
    "constants": Metric(
        "value, unit and source of the cost of each operation", form=mapping_of(record_of(value=ANY, unit=TEXT, source=TEXT))
    ),
    "device": Metric(
        "effective settings of conductance, law, device and effects, given and default ones", form=mapping_of(mapping_of(ANY))
    ),
}


def trial(
    options: HardwareTrialOptions,
    seed: int,
    *,
    checkpoint: Path | None = None,
    on_step: Callable[..., None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Outcome:
    """Train one network on one device; network and device share the seed.

    Parameters
    ----------
    options : HardwareTrialOptions
        All options but the seed.
    seed : int
        Seed of initial weights, data order, the rule's draws and the device's draws.
    checkpoint : Path, optional
        Checkpoint, written after every epoch; training resumes from it if it exists.
    on_step, on_epoch : callable, optional
        Called with the progress after every step, and with the record of every epoch.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``, and a record per epoch.
    """
    from dataclasses import replace

    from contrastive_core.data.splits import join
    from contrastive_core.devices.on_device import OnDevice
    from contrastive_core.devices.settings import effective_settings
    from contrastive_core.training.evaluation import evaluate
    from contrastive_core.training.loop import train
    from experiments.setup.build import architecture, build_setting, ideal_network, load_data

    settings, changes = split((*settings_in(options.device_file or {}), *options.imperfections))
    identity = json.dumps({"options": options.resolved(), "seed": seed})  # checkpoints on disk hold this very text
    options = changed(options, changes)
    device, splits = assemble(options.preset, settings, seed), load_data(options)
    if options.final:
        splits = splits._replace(train=join(splits.train, splits.validation))
    network, setting = ideal_network(options, splits, seed), build_setting(options)
    held = None if options.transfer == "ideal" else OnDevice(network, device)
    rule, plan = RULES[options.rule](setting), replace(plan_of(options), keep_last=options.final)
    result = train(
        held or network,
        rule,
        setting.cost,
        splits,
        plan,
        seed,
        checkpoint=checkpoint,
        identity=identity,
        on_step=on_step,
        on_epoch=on_epoch,
    )
    held = held or OnDevice(network, device)
    judged = held if options.transfer != "device" else moved(held, ideal_network(options, splits, seed), device, seed)
    test = result.test if options.transfer == "none" else evaluate(judged, rule, setting.cost, splits.test)
    metrics = {
        "network": architecture(network, splits),
        "rule": options.rule,
        "seed": seed,
        "test_error": test.error,
        "test_cost": test.cost,
        "validation_error": None if options.final else result.validation.error,
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "sweeps_per_sample": mean([record["sweeps_per_sample"] for record in result.history]),
    }
    measured = measure(held, rule, splits, plan.batch_size, result.history, options.constants)
    return Outcome(metrics | measured | {"device": effective_settings(device)}, result.history)


EXPERIMENT = Experiment(HardwareTrialOptions, trial, METRICS, headline=("test_error", "energy"), checkpoints=True, live=True)


def changed(
    options: HardwareTrialOptions, changes: Mapping[str, str], given_by: str = "--own, --vary or --imperfections"
) -> HardwareTrialOptions:
    """Return the options of a trial with the settings of training that stand among its imperfections.

    Parameters
    ----------
    options : HardwareTrialOptions
        Options of the trial.
    changes : mapping of str to str
        Settings of training, the second result of :func:`experiments.hardware.device_settings.split`.
    given_by : str
        Option that gave them, for messages.
    """
    from experiments.commandline.options import resolve

    if "seed" in changes:
        raise InputError("seed is no setting of a device or of training here; give the first seed as --seed and their number as --seeds")
    given = [f"{key}={value}" for key, value in changes.items()]
    return resolve(HardwareTrialOptions, flags=options.settings(), assignments=given, assigned_by=given_by)


def moved(held: OnDevice, network: Network, device: Device, seed: int) -> OnDevice:
    """Return the network that was learnt on one device, programmed into another device of the same kind with draws of its own.

    Parameters
    ----------
    held : OnDevice
        Trained network on its device.
    network : Network
        New network of the same shape, to be put on the other device.
    device : Device
        Device of the training.
    seed : int
        Seed of the trial, from which the seed of the other device follows.
    """
    from dataclasses import replace

    from contrastive_core.data.seeds import spawn
    from contrastive_core.devices.on_device import OnDevice

    other = OnDevice(network, replace(device, seed=int(spawn(seed, 1)[0].integers(2**31))))
    other.take_over(held)
    return other


@command(HardwareOptions, "hardware", draws=True)
def hardware_command(options: HardwareOptions, invocation: Invocation) -> None:
    """Train on imperfect devices, and compare accuracy and energy over the values of an imperfection.

    \b
    Examples:
      eqlab hardware --vary adc.adc_bits=4,6,8,10 --rules ep-centered,contrastive-hebbian
      eqlab hardware --vary "finite-states.n_states=16,64,256 finite-states.rounding=stochastic"
      eqlab hardware --config hardware-digits
    """  # noqa: D301
    from experiments.setup.build import load_data

    check_engine(options.engine)
    options = _with_file(options)
    if options.ablate and "vary" not in options.model_fields_set:
        options = options.model_copy(update={"vary": ()})  # the default variation answers another question
    for one in (read_assignment(text, "--own", "RULE.SETTING=VALUE") for text in options.own):
        if one.part not in options.rules:
            raise unknown_name("rule of this study", one.part, list(options.rules))
    cells = cells_of(options)
    filed = split(settings_in(options.device_file or {}))[0]
    told: set[str] = set()
    for cell in cells.values():
        settings, changes = split(cell.imperfections)
        device = assemble(cell.preset, settings, 0)
        trained = _trained(options, cell, changes)
        check_data_seed(trained)
        require_temperature(trained, (trained.rule,))
        rules = options.rules if trained.rule in options.rules else (trained.rule,)
        check_suits(device, trained, rules, trained.constants.constants())
        given = [one for one in settings if one not in filed]  # a fit states more than has an effect
        for warning in (*idle(device, given), *caution(device, trained.rule)):
            if warning not in told:
                invocation.warn(warning)
            told.add(warning)
    first = next(iter(cells.values()))
    load_data(first)  # data that cannot be learnt here are refused before anything is trained
    study = study_of("hardware", first, [_axis(cells)], options.seeds, options.seed)
    seeds = range(options.seed, options.seed + options.seeds)
    tasks = [
        Task(f"{name} #{seed}", {"rule": cell.rule, "imperfections": list(cell.imperfections)}, seed)
        for name, cell in cells.items()
        for seed in seeds
    ]
    with computation(options, invocation, options.engine) as opened:
        trials = metrics_of(compute(study, tasks, opened))
    rows = rows_of(options, trials)
    finish(opened.run, invocation, {"rows": rows, "verdict": verdict(rows)}, table(rows))
    refuse_failed(trials, "trials")


def _trained(options: HardwareOptions, cell: HardwareTrialOptions, changes: Mapping[str, str]) -> HardwareTrialOptions:
    """Return the options of a cell's trial; where they cannot be, the error names the option that is to blame, if it is one alone."""
    try:
        return changed(cell, changes)
    except InputError:
        own = [f"{one.name}={one.value}" for one in map(read_assignment, options.own) if one.part == cell.rule]
        varied = [text for variation in variations_of(options) for point in variation.points for text in point]
        for flag, settings in (("--own", own), ("--vary", varied), ("--imperfections", options.imperfections)):
            for text in settings:
                changed(_point(options, cell.rule, ()).model_copy(update={"imperfections": ()}), split((text,))[1], flag)
        raise


def _with_file(options: HardwareOptions) -> HardwareOptions:
    """Return the options with the settings of a file that is given as preset, and refuse two devices."""
    if options.device_file is not None and options.preset != "ideal":
        raise InputError(f"a device is given once, and here by --preset {options.preset} and by --device-file; leave one of them out")
    if not is_device_file(options.preset):
        return options
    return options.model_copy(update={"preset": "ideal", "device_file": checked_device(options.preset)})


def cells_of(options: HardwareOptions) -> dict[str, HardwareTrialOptions]:
    """Return the options of every cell of a study by name: a rule on the device as it is, and at each value of what is varied."""
    base = base_of(options)
    cells = {key_of(rule, base, ""): _point(options, rule, ()) for rule in options.rules}
    for variation in variations_of(options):
        for rule in options.rules:
            for value, point in zip(variation.values, variation.points, strict=True):
                cells[key_of(rule, variation.name, value)] = _point(options, rule, point)
    return cells


def _axis(cells: Mapping[str, HardwareTrialOptions]) -> Axis:
    """Return the cells as one axis: they form no grid, but differ in two settings together."""
    return Axis("zip", ("rule", "imperfections"), [[cell.rule, list(cell.imperfections)] for cell in cells.values()])


def _point(options: HardwareOptions, rule: str, point: tuple[str, ...]) -> HardwareTrialOptions:
    # The seed stays out: it is the trial's own, and the identity of a checkpoint has the options of the trial.
    model = complete(HardwareTrialOptions, {"rule": rule, "network": options.network})
    shared = {name: value for name, value in options if name in model.model_fields and name not in ("imperfections", "device_file", "seed")}
    own = [f"{one.name}={one.value}" for one in map(read_assignment, options.own) if one.part == rule]
    # Settings of a file stand among the imperfections of a trial, where the checkpoints of earlier versions have them.
    filed = settings_in(options.device_file or {})
    settings = (*own, *filed, *options.imperfections, *point)
    for text in settings:
        read_assignment(text)
    return model.model_validate({**shared, "rule": rule, "imperfections": settings})
