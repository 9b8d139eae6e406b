"""Networks that ``eqlab match`` trains itself: a pair of rules where it is given no run, and second seeds of runs that have one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.commandline.exits import TrialsFailedError, resumable
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import Layer, resolve, resolve_layers
from experiments.learning.compare import CompareOptions
from experiments.learning.train import CommandTrainOptions
from experiments.representations.contrast import check_contrast
from experiments.representations.options import ContrastiveOptions, ContrastOptions
from experiments.runs.directory import RunDirectory, open_run
from experiments.setup.checks import check
from experiments.setup.options import PlanOptions
from experiments.sweeps.paired import run_paired, study_of

TRAINERS: dict[str, type[CompareOptions] | type[ContrastOptions]] = {"compare": CompareOptions, "contrast": ContrastOptions}
"""The options of commands that train paired rules."""


def train_pair(command: str, config: str | None, settings: Mapping[str, Any], invocation: Invocation) -> Path:
    """Train what a command would, and return the directory of its run.

    Parameters
    ----------
    command : str
        A name in ``TRAINERS``.
    config : str, optional
        A configuration of it.
    settings : mapping
        Of its options.
    invocation : Invocation
        The run is kept in ``networks`` under its ``out``, or where runs are.

    Returns
    -------
    Path
        Of a run whose trials are all done.

    Raises
    ------
    InputError
        If the settings are not the command's, or cannot be trained.
    TrialsFailedError
        If a trial failed.
    """
    options = resolve(TRAINERS[command], config=config, flags=settings)
    if isinstance(options, ContrastOptions):
        check_contrast(options, invocation)
    else:
        check(options, invocation, rules=options.rules)
    return _train(command, options, replace(invocation, command=command, out=invocation.out and invocation.out / "networks"))


def second_seed(path: Path, data_dir: Path | None, engine: str, invocation: Invocation) -> Path | None:
    """Train one further seed of a run of train, compare or contrast that has one, beside it.

    Parameters
    ----------
    path : Path
        The run; the new one has its name with ``-second`` after it, and is gone on from if it is there.
    data_dir : Path, optional
        Where the files of its data set are.
    engine : str
        Where trials are computed.
    invocation : Invocation
        Where progress goes.

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
        own = {name: settings.pop(name) for name in set(settings) - set(CompareOptions.model_fields)}
        changed = [name for name, value in own.items() if value != CommandTrainOptions.model_fields[name].default]
        if changed:
            invocation.warn(f"{path.name} gets no second seed: 'eqlab compare', which would train it, has no {', '.join(sorted(changed))}")
            return None
    elif settings.get("seeds", 1) > 1:
        return None
    settings |= {"seed": settings["seed"] + 1, "seeds": 1}
    options = resolve_layers(TRAINERS[command], [Layer("{key} (in config.toml)", settings)])
    options = options.model_copy(update={"data_dir": data_dir, "engine": engine})
    beside = path.with_name(f"{path.name}-second")
    invocation.note(f"{path.name} has one seed: training another, kept in {beside}")
    return _train(command, options, replace(invocation, command=command, out=beside))


def _train(command: str, options: CompareOptions | ContrastOptions, invocation: Invocation) -> Path:
    shared: tuple[str, type[PlanOptions]] = ("contrastive", ContrastiveOptions) if command == "contrast" else ("train", PlanOptions)
    run = open_run(options, invocation)
    with resumable(invocation.resume_command(run.path)), run.journal() as journal:
        found = run_paired(study_of(*shared, options), options, invocation, run, journal, lambda record: f"{record.seconds:.1f} s")
    failed: Sequence[str] = [f"{rule}: {error}" for rule, error in found.errors.items() if error]
    if failed:
        raise TrialsFailedError(f"{run.path} has failed trials: {'; '.join(failed)}")
    return run.path
