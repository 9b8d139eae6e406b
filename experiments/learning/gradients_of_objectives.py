"""``eqlab gradients --cost all``: the comparison of gradients for every objective, each a trial of one run."""

from __future__ import annotations

from contrastive_core.errors import InputError
from contrastive_core.objectives import OBJECTIVES
from experiments.commandline.exits import TrialsFailedError
from experiments.commandline.invocation import Invocation
from experiments.commandline.output import format_table
from experiments.learning.gradient_cases import case_of, remember_checkpoint
from experiments.learning.gradient_options import CommandGradientsOptions
from experiments.learning.gradient_table import records_of, table_of_objectives
from experiments.report.ending import finish
from experiments.runs.records import Task
from experiments.setup.checks import require_held
from experiments.sweeps.axes import axis_of
from experiments.sweeps.compute import computation, compute, study_of


def compare_all(options: CommandGradientsOptions, invocation: Invocation) -> None:
    """Compute the missing trials of the run, and show every objective's cosines.

    Parameters
    ----------
    options : CommandGradientsOptions
        Options of the command.
    invocation : Invocation
        Output for results and progress.

    Raises
    ------
    InputError
        If an objective does not fit the options; nothing is computed then.
    TrialsFailedError
        If an objective or one of its rules failed; the others are shown first.
    """
    for name in OBJECTIVES:
        try:
            network = case_of(options.model_copy(update={"cost": name}), options.seed).network
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        require_held(options.rules, network)  # says nothing about one objective
    study = study_of("gradients", options, [axis_of("cost", list(OBJECTIVES))])
    with computation(options, invocation, options.engine) as opened:
        remember_checkpoint(options.checkpoint, opened)
        trials = compute(study, [Task(name, {"cost": name}, options.seed) for name in OBJECTIVES], opened)
    found = {name: trial.metrics for name, trial in trials.items() if trial.metrics}
    failed = {name: trial.error or "no result" for name, trial in trials.items() if name not in found}
    failed |= {f"{name}, {rule}": record["error"] for name, rule, record in records_of(found) if "error" in record}
    header, rows = table_of_objectives(found)
    cosines = [value for *_, record in records_of(found) for value in record.get("cosine", {}).values() if value is not None]
    lowest = min(cosines, default=None)
    shown = "-" if lowest is None else f"1 - {max(0.0, 1 - lowest):.1e}"  # rounded, all would be 1
    text = f"{format_table(header, rows)}\n\nlowest cosine: {shown}"
    finish(opened.run, invocation, {"lowest_cosine": lowest, "objectives": found}, text)
    if failed:
        raise TrialsFailedError(f"{len(failed)} failed: " + "; ".join(f"{name}: {error}" for name, error in failed.items()))
