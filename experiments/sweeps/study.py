"""The definition of a sweep: an experiment, its settings, axes and seeds, as a file or the command line gives them."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.kinds import NONE
from experiments.commandline.options import Layer, Options, assignment, flatten, merge, nested, read_config, resolve_layers
from experiments.commandline.recorded import from_settings
from experiments.runs.records import Task
from experiments.sweeps.axes import Axis, make_axes, points, read_axis
from experiments.trials.experiment import EXPERIMENTS, Experiment, described, find_experiment, self_description
from experiments.trials.seeds import child_seed
from experiments.trials.worker import Work

MOST_TRIALS = 10**8
"""Largest number of trials of a sweep: about 10 GB of journal and an hour to plan."""


class Declaration(Options):
    """Sweep as it is written in a file for ``--file`` and in the ``config.toml`` of a sweep.

    Attributes
    ----------
    experiment
        Name of the experiment, or ``module:object``.
    seeds, seed, paired
        Trials per point, the root of all draws, and whether all points meet the same draws.
    set
        Settings that no axis changes.
    grid, zip, random
        Axes, as ``experiments.sweeps.axes`` reads them.
    """

    experiment: str
    seeds: int = Field(1, gt=0)
    seed: int = Field(0, ge=0)
    paired: bool = True
    set: dict[str, Any] = Field({})
    grid: dict[str, list[Any]] = Field({})
    zip: dict[str, list[Any]] = Field({})
    random: dict[str, Any] = Field({})


@dataclass(frozen=True)
class Study:
    """Trials of a run, ready to be planned.

    Attributes
    ----------
    declared : dict
        Identity of the study: a ``Declaration`` with every setting resolved, as stored in the ``config.toml`` of a sweep.
    settings : dict
        Options of the experiment that no axis changes, including those of this machine.
    axes : tuple of Axis
        Axes with all values.
    about : dict
        Self-description of an experiment that is a plug-in.
    """

    declared: dict[str, Any]
    settings: dict[str, Any]
    axes: tuple[Axis, ...]
    about: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def described(self) -> Experiment:
        """Experiment for showing results; the module of a plug-in is not imported for it."""
        return described(self.declared["experiment"], self.about)

    @property
    def experiment(self) -> Experiment:
        """Experiment of the trials; imported here, not before."""
        return find_experiment(self.declared["experiment"])

    def meaning(self, option: str) -> str | None:
        """Return the description of an option of the experiment, without importing a plug-in; None if there is none."""
        field = self.described.options.model_fields.get(option)
        known: dict[str, str | None] = self.about.get("options", {})
        return field.description if field else known.get(option)

    @property
    def work(self) -> Work:
        """Common part of all trials."""
        return Work(self.declared["experiment"], self.settings)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each axis, and number of seeds."""
        return (*(len(axis.values) for axis in self.axes), self.declared["seeds"])

    def tasks(self) -> Iterator[Task]:
        """Walk all trials, the seeds of a point next to each other; a trial's key is its number."""
        root, seeds, paired = self.declared["seed"], self.declared["seeds"], self.declared["paired"]
        shared = array("q", (child_seed(root, replicate) for replicate in range(seeds)) if paired else ())
        number = 0
        for changes in points(self.axes):
            for replicate in range(seeds):
                yield Task(str(number), changes, shared[replicate] if paired else child_seed(root, number))
                number += 1

    def facts(self) -> dict[str, Any]:
        """Return the facts for the journal, from which ``from_facts`` makes the study again."""
        about = self_description(self.declared["experiment"])
        grid = {"declared": self.declared, "settings": self.settings, "axes": [list(axis) for axis in self.axes]}
        return {**grid, "forms": self.experiment.forms(), **about}


def from_facts(facts: Mapping[str, Any], *, shown: bool = False) -> Study:
    """Make a study from the facts in its journal.

    Parameters
    ----------
    facts : mapping
        Facts of the journal.
    shown : bool
        Whether the study is only shown. Its settings are then not checked, and no plug-in is imported.

    Returns
    -------
    Study
        Study as it was declared.

    Raises
    ------
    InputError
        If this version cannot run it.
    """
    if missing := [name for name in ("axes", "declared", "settings") if name not in facts]:
        raise InputError(f"the journal of this sweep has no {missing[0]!r}; restore it from a copy, or begin another sweep")
    axes = tuple(Axis(name, tuple(keys), values) for name, keys, values in facts["axes"])
    study = Study(facts["declared"], facts["settings"], axes, facts.get("about", {}))
    if not shown:
        from_settings(study.experiment.options, merge(study.settings, nested(next(points(axes)))))
    return study


def declare(
    experiment: str | None,
    *,
    file: str | None = None,
    settings: Sequence[str] = (),
    grid: Sequence[str] = (),
    given: Mapping[str, Any] | None = None,
) -> Study:
    """Make a study from a file and the command line, which wins.

    Parameters
    ----------
    experiment : str or None
        Its name; None if the file has it.
    file : str, optional
        A TOML file of a ``Declaration``.
    settings : sequence of str
        ``key=value`` each, for the experiment.
    grid : sequence of str
        ``axis=v1,v2`` each.
    given : mapping, optional
        ``seeds``, ``seed`` and ``paired``, where the command line has them.

    Returns
    -------
    Study
        With every setting checked.

    Raises
    ------
    InputError
        If anything is unknown, wrong, missing or contradicts itself.
    """
    layers = [read_config(file)] if file else []
    layers.append(Layer("--{key}", {**({"experiment": experiment} if experiment else {}), **(given or {})}))
    if not experiment and not any("experiment" in layer.values for layer in layers):
        raise InputError(f"which experiment? give one of: {', '.join(EXPERIMENTS)}")
    declared = resolve_layers(Declaration, layers)
    model = find_experiment(declared.experiment).options
    base = [Layer("{key} (in [set])", nested(declared.set)), *(assignment(text, model) for text in settings)]
    listed: dict[str, list[Any]] = {key: list(values) for key, values in flatten(declared.grid).items()}
    typed = [read_axis(text, model) for text in grid]
    for key, values in typed:
        if sum(other == key for other, _ in typed) > 1:
            raise InputError(f"--grid gives {key} more than once; give it once with all its values, as in --grid {key}=V1,V2")
        listed[key] = values
    _check_fixed(base, [*listed, *flatten(declared.zip), *declared.random])
    axes = make_axes(model, base, listed, flatten(declared.zip), declared.random, declared.seed)
    if not axes and declared.seeds == 1:
        raise InputError("the grid is empty: nothing varies; give --grid AXIS=VALUE,VALUE or --seeds N")
    trials = declared.seeds * math.prod(len(axis.values) for axis in axes)
    if trials > MOST_TRIALS:
        raise InputError(f"the sweep would have {trials} trials, and at most {MOST_TRIALS} are possible; take fewer seeds or values")
    first = Layer("{key} (an axis)", nested(next(points(axes))))
    whole = resolve_layers(model, [*base, first])
    resolved, everything = whole.resolved(), whole.settings()
    for settings_of in (resolved, everything):
        _remove(settings_of, [("seed",), *(tuple(key.split(".")) for axis in axes for key in axis.keys)])
    spelled = {axis.name: [NONE if value is None else value for (value,) in axis.values] for axis in axes if axis.name in listed}
    stored = declared.model_dump(mode="json") | {"set": resolved, "grid": spelled}
    return Study(stored, json.loads(json.dumps(everything)), axes)


def _check_fixed(base: Sequence[Layer], varied: Sequence[str]) -> None:
    fixed = {key for layer in base for key in flatten(layer.values)}
    if "seed" in fixed:
        raise InputError("seed is no setting of a sweep; give the root of all draws as --seed N")
    for key in varied:
        if key in fixed:
            raise InputError(f"{key} is both set and an axis; keep one of them")


def _remove(settings: dict[str, Any], paths: Sequence[tuple[str, ...]]) -> None:
    for *parents, leaf in paths:
        table = settings
        for parent in parents:
            table = table[parent]
        table.pop(leaf, None)
