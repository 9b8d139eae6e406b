"""``eqlab gradients --cost all``: the comparison of gradients for every objective, each a trial of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contrastive_core.errors import InputError
from contrastive_core.objectives import OBJECTIVES
from experiments.commandline.exits import TrialsFailedError, resumable
from experiments.commandline.invocation import Invocation
from experiments.commandline.output import format_table
from experiments.learning.gradient_cases import objective_of, prepare
from experiments.learning.gradient_options import CommandGradientsOptions
from experiments.runs.directory import open_run
from experiments.runs.pages import remember, retry_failed
from experiments.runs.records import Task
from experiments.setup.rules import require_held
from experiments.trials.runner import Run
from experiments.trials.worker import Work


def compare_all(options: CommandGradientsOptions, work: Work, invocation: Invocation) -> None:
    """Compute what is missing of the run, and show every objective's cosines.

    Parameters
    ----------
    options : CommandGradientsOptions
        Of the command.
    work : Work
        What the trials have in common: all but the cost.
    invocation : Invocation
        Where results and progress go.

    Raises
    ------
    InputError
        If an objective cannot be what the options ask for, before anything is computed.
    TrialsFailedError
        If an objective or one of its rules failed; the others are shown first.
    """
    for name in OBJECTIVES:
        asked = options.model_copy(update={"cost": name})
        try:
            _, network, _ = prepare(asked, asked.samples, asked.checkpoint, asked.seed, objective_of(asked), asked.outputs)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        require_held(options.rules, network)  # says nothing about one objective
    run = open_run(options, invocation)
    with resumable(invocation.resume_command(run.path)), run.journal() as journal:
        with journal.transaction():
            remember(journal, {"experiment": work.experiment})
            journal.plan(Task(name, {"cost": name}, options.seed) for name in OBJECTIVES)
            retry_failed(journal)
        Run(run, journal, work).compute(options.engine, invocation, invocation.command)
        trials = {name: journal.trial(name) for name in OBJECTIVES}
    found = {name: trial.metrics for name, trial in trials.items() if trial and trial.metrics}
    failed = {name: trial.error or "no result" if trial else "no result" for name, trial in trials.items() if name not in found}
    failed |= {f"{name}, {rule}": record["error"] for name, rule, record in _records(found) if "error" in record}
    header, rows = table(found)
    lowest = min((value for *_, record in _records(found) for value in _cosines(record)), default=None)
    shown = "-" if lowest is None else f"1 - {max(0.0, 1 - lowest):.1e}"  # rounded, all would be 1
    text = f"{format_table(header, rows)}\n\nlowest cosine: {shown}\nrun directory: {run.path}"
    invocation.result({"run": str(run.path), "lowest_cosine": lowest, "objectives": found}, text)
    if failed:
        raise TrialsFailedError(f"{len(failed)} failed: " + "; ".join(f"{name}: {error}" for name, error in failed.items()))


def table(found: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[Sequence[Any]]]:
    """Return the cosines of every objective and rule as a header and rows, a column for each parameter.

    Parameters
    ----------
    found : mapping
        By objective the metrics of its trial.
    """
    parameters = next((list(record["cosine"]) for *_, record in _records(found) if "error" not in record), [])
    header = ("objective", "rule", "strength", *(f"cos {name}" for name in parameters), "relative error", "unconverged %")
    rows: list[Sequence[Any]] = []
    for name, rule, record in _records(found):
        strength = f"{found[name]['strength']:.1e}"
        if "error" in record:
            rows.append((name, rule, strength, *("-" for _ in parameters), "failed", "-"))
            continue
        shown = ["-" if value is None else f"{value:.5f}" for value in record["cosine"].values()]
        rows.append((name, rule, strength, *shown, f"{record['relative_error']:.1e}", f"{100 * record['unconverged']:.1f}"))
    return header, rows


def _records(found: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, Mapping[str, Any]]]:
    return [(name, rule, record) for name, metrics in found.items() for rule, record in metrics["rules"].items()]


def _cosines(record: Mapping[str, Any]) -> list[float]:
    return [value for value in record.get("cosine", {}).values() if value is not None]
