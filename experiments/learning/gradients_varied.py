"""``eqlab gradients --vary``: the comparison of gradients at several values of a setting and over several seeds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple

from pydantic import BaseModel

from contrastive_core.errors import InputError
from contrastive_core.registry import unknown_name
from experiments.commandline.assignments import split_values
from experiments.commandline.exits import TrialsFailedError
from experiments.commandline.invocation import Invocation
from experiments.commandline.kinds import field_kind, flag_name, from_assignment, kind_at
from experiments.commandline.options import Layer, nested, resolve_layers
from experiments.commandline.output import format_table
from experiments.learning.gradient_cases import case_of, remember_checkpoint
from experiments.learning.gradient_options import EXACT, CommandGradientsOptions
from experiments.learning.gradient_summary import HEADER, SEEDS, found_of, rows_of, summary, values_of
from experiments.report.ending import finish
from experiments.runs.records import Task
from experiments.setup.checks import at_temperature, require_held, require_temperature
from experiments.sweeps.axes import Axis, axis_of, refuse_repeated
from experiments.sweeps.compute import by_name, computation, compute, study_of

_FORM = "SETTING=VALUE,VALUE,..."
_OWN = ("seed", "seeds", "vary", "engine", "data_dir", "checkpoint")
"""Options that are no setting of one comparison."""


class Varied(NamedTuple):
    """Options of a comparison at the values of one setting.

    Attributes
    ----------
    name : str
        Name of the setting as it is typed; ``seeds`` if there is none.
    axes : tuple of Axis
        Its values; empty if only seeds vary.
    points : dict of str to CommandGradientsOptions
        Options at each value, by its text.
    """

    name: str
    axes: tuple[Axis, ...]
    points: dict[str, CommandGradientsOptions]


def compare_varied(options: CommandGradientsOptions, invocation: Invocation) -> None:
    """Compute the missing trials of the run, and show each rule's cosine and error at every value.

    Parameters
    ----------
    options : CommandGradientsOptions
        Options of the command.
    invocation : Invocation
        Output for results and progress.

    Raises
    ------
    InputError
        If the setting or a value does not fit; nothing is computed then.
    TrialsFailedError
        If a trial or one of its rules failed; the others are shown first.
    """
    name, axes, points = varied_of(options)
    for text, point in points.items():
        try:
            network = case_of(point, options.seed).network
            require_held(point.rules, network)
            require_temperature(point, point.rules)
        except InputError as error:
            raise InputError(f"{name}={text}: {error}" if axes else str(error)) from error
    changes = [{axis.keys[0]: value} for axis in axes for (value,) in axis.values] or [{}]
    seeds = range(options.seed, options.seed + options.seeds)
    tasks = [Task(f"{name}={text} #{seed}", change, seed) for text, change in zip(points, changes, strict=True) for seed in seeds]
    study = study_of("gradients", next(iter(points.values())), axes, options.seeds, options.seed)
    with computation(options, invocation, options.engine) as opened:
        remember_checkpoint(options.checkpoint, opened)
        trials = compute(study, tasks, opened)
    found = [trial.metrics for trial in trials.values() if trial.metrics]
    for warning in dict.fromkeys(warning for metrics in found for warning in metrics["warnings"]):
        invocation.warn(warning)
    result = summary(name, values_of(axes), found_of(trials.values(), axes), options.seeds)
    beside = "" if options.against == EXACT else f"; compared with {options.against}"
    draws = "" if not axes else f", {options.seeds} seed{'s' * (options.seeds > 1)} at each value"
    text = f"{result['network']} on {options.samples} samples of {options.data}{draws}{beside}"
    finish(opened.run, invocation, result, f"{text}\n\n{format_table((name, *HEADER), rows_of(result))}")
    failed = {key: trial.error or "no result" for key, trial in trials.items() if not trial.metrics}
    for key, trial in trials.items():
        failed |= {
            f"{key}, {rule}": record["error"] for rule, record in (trial.metrics or {}).get("rules", {}).items() if "error" in record
        }
    if failed:
        raise TrialsFailedError(f"{len(failed)} failed: " + "; ".join(f"{key}: {error}" for key, error in failed.items()))


def varied_of(options: CommandGradientsOptions) -> Varied:
    """Return the options at each value of the varied setting.

    Raises
    ------
    InputError
        If there is no such setting, or a value does not fit or stands twice.
    """
    if options.vary is None:
        return Varied(SEEDS, (), {str(options.seeds): at_temperature(options)})
    typed, texts = split_values(options.vary, "--vary", _FORM)
    names = {flag_name(key)[2:]: key for key in _settings(type(options))}
    key = names.get(flag_name(typed)[2:])
    if key is None:
        raise unknown_name("setting of a comparison of gradients", typed, list(names))
    if key in _OWN:
        raise InputError(f"--vary takes a setting of the comparison, and {typed} is none; for several draws of the weights give --seeds N")
    if len(texts) < 2:
        raise InputError(f"--vary {options.vary!r} needs two or more values, as in {_FORM}")
    kind, points = kind_at(type(options), tuple(key.split("."))), list[tuple[str, CommandGradientsOptions]]()
    given = {
        name: value for name, value in options.settings().items() if name in options.model_fields_set and name not in ("vary", "seeds")
    }
    for text in texts:
        value = Layer("{key} (in --vary)", nested({key: from_assignment(text, kind)}))
        points.append((text, at_temperature(resolve_layers(type(options), [Layer("{flag}", given), value]))))
    named = by_name(points)
    values = [reduce(getattr, key.split("."), point) for point in named.values()]  # settings at their default are not recorded
    axis = axis_of(key, [list(value) if isinstance(value, tuple) else value for value in values])
    refuse_repeated(axis)
    return Varied(flag_name(key)[2:], (axis,), named)


def _settings(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Walk the dotted names of all settings."""
    for key, field in model.model_fields.items():
        inner = field_kind(field).model
        yield from _settings(inner, f"{before}{key}.") if inner else (f"{before}{key}",)
