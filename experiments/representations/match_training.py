"""Networks that ``eqlab match`` trains itself: a pair of rules if no run is given, and second seeds of runs of one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from contrastive_core import plugins
from experiments.commandline.completion import complete
from experiments.commandline.exits import TrialsFailedError
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import Layer, resolve, resolve_layers
from experiments.learning.compare import CompareOptions
from experiments.learning.train import CommandTrainOptions
from experiments.representations.contrast import check_contrast
from experiments.representations.options import ContrastOptions
from experiments.representations.trained import beside_of
from experiments.runs.directory import RunDirectory
from experiments.setup.checks import check
from experiments.sweeps.axes import axis_of
from experiments.sweeps.compute import computation, compute, study_of, teller
from experiments.sweeps.paired import read_paired, seeds_of, tasks_of

TRAINERS: dict[str, type[CompareOptions] | type[ContrastOptions]] = {"compare": CompareOptions, "contrast": ContrastOptions}
"""Options of the commands that train paired rules."""


def plan_pair(command: str, config: str | None, settings: Mapping[str, Any], invocation: Invocation) -> CompareOptions | ContrastOptions:
    """Return the options of a command that trains, and refuse what it cannot train before anything is written.

    Parameters
    ----------
    command : str
        Name in ``TRAINERS``.
    config : str, optional
        Configuration of the command.
    settings : mapping
        Options of the command by name.
    invocation : Invocation
        Output for warnings.

    Raises
    ------
    InputError
        If the settings are not the command's, or cannot be trained.
    """
    options = resolve(TRAINERS[command], config=config, flags=settings)
    if isinstance(options, ContrastOptions):
        check_contrast(options, invocation)
    else:
        check(options, invocation, rules=options.rules)
    return options


def train_pair(command: str, options: CompareOptions | ContrastOptions, invocation: Invocation) -> Path:
    """Train what a command would, and return the directory of its run.

    Parameters
    ----------
    command : str
        Name in ``TRAINERS``.
    options : CompareOptions or ContrastOptions
        Options from ``plan_pair``.
    invocation : Invocation
        Output for progress; its ``out`` is the run's directory.

    Returns
    -------
    Path
        Directory of a run whose trials are all done.

    Raises
    ------
    TrialsFailedError
        If a trial failed.
    """
    return _train(command, options, replace(invocation, command=command))


@plugins.only_told()
def second_seed(path: Path, data_dir: Path | None, engine: str, invocation: Invocation) -> Path | None:
    """Train one further seed of a run of train, compare or contrast that has one, beside it.

    Parameters
    ----------
    path : Path
        Directory of the run; the new one is ``beside_of`` it, and is resumed if it exists.
    data_dir : Path, optional
        Directory of the files of its data set.
    engine : str
        Name of the engine.
    invocation : Invocation
        Output for progress.

    Returns
    -------
    Path or None
        The new run; None if the run has several seeds already, or settings that are those of train alone.

    Raises
    ------
    TrialsFailedError
        If a trial failed.
    """
    run = RunDirectory(path)
    command, settings = run.read_provenance()["command"], run.read_config()
    if command == "train":
        settings["rules"] = [settings.pop("rule")]
        command = "compare"
        own = {name: settings.pop(name) for name in set(settings) - set(complete(CompareOptions, settings).model_fields)}
        changed = [name for name, value in own.items() if value != CommandTrainOptions.model_fields[name].default]
        if changed:
            invocation.warn(f"{path.name} gets no second seed: 'eqlab compare', which would train it, has no {', '.join(sorted(changed))}")
            return None
    elif settings.get("seeds", 1) > 1:
        return None
    settings |= {"seed": settings["seed"] + 1, "seeds": 1}
    options = resolve_layers(TRAINERS[command], [Layer("{key} (in config.toml)", settings)])
    options = options.model_copy(update={"data_dir": data_dir, "engine": engine})
    beside = beside_of(path)
    invocation.note(f"{path.name} has one seed: training another, kept in {beside}")
    return _train(command, options, replace(invocation, command=command, out=beside))


def _train(command: str, options: CompareOptions | ContrastOptions, invocation: Invocation) -> Path:
    experiment = "contrastive" if command == "contrast" else "train"
    seeds = seeds_of(options.seed, options.seeds)
    study = study_of(experiment, options, [axis_of("rule", options.rules)], options.seeds)
    with computation(options, invocation, options.engine) as opened:
        compute(
            study,
            tasks_of(options.rules, seeds),
            opened,
            told=teller(invocation, lambda record: f"{record.seconds:.1f} s"),
        )
        found = read_paired(opened.journal, options.rules, seeds)
    failed = [f"{rule}: {error}" for rule, error in found.errors.items() if error]
    if failed:
        raise TrialsFailedError(f"{opened.run.path} has failed trials: {'; '.join(failed)}")
    return opened.run.path
