"""``eqlab compare``: many rules on one network, cost, initial weights, data and optimiser."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from experiments.bulk import remember, retry_failed
from experiments.chunk import Task
from experiments.engine import check_engine
from experiments.exits import TrialsFailedError, resumable
from experiments.figures import write_pictures
from experiments.flags import command
from experiments.grid import Axis
from experiments.learning import Positive, distinct
from experiments.markers import OneOf
from experiments.output import format_table
from experiments.records import Record
from experiments.report import render, write_report
from experiments.review import check
from experiments.rules import BASELINE, RULES
from experiments.rundir import RunDirectory, open_run
from experiments.runner import Run
from experiments.session import Session
from experiments.statistics import interval, mean
from experiments.store import Journal
from experiments.study import Study
from experiments.train import PlanOptions


class CompareOptions(PlanOptions):
    """Rules and seeds; everything else is the same for all.

    Attributes
    ----------
    rules
        The learning rules.
    seeds
        How many seeds, from ``seed`` on; each gives the same initial weights and data order to every rule.
    engine
        Where trials are computed.
    """

    rules: Annotated[tuple[Annotated[str, OneOf("rule", RULES)], ...], AfterValidator(distinct)] = Field(
        tuple(RULES), min_length=1, description="Rules to compare."
    )
    seeds: Positive = Field(3, description="Paired seeds per rule.")
    engine: str = Field(
        "process", exclude=True, description="serial, process:N, dask:N (by default one per core), tcp://HOST:PORT or a scheduler file."
    )


def study_of(options: CompareOptions) -> Study:
    """Return the comparison as a grid: training, with the rules as an axis and the seeds as repetitions."""
    shared = {name: value for name, value in options.settings().items() if name in PlanOptions.model_fields}
    stored = {name: value for name, value in options.resolved().items() if name in PlanOptions.model_fields}
    axis = Axis("rule", ("rule",), [[rule] for rule in options.rules])
    grid = {"grid": {"rule": list(options.rules)}, "zip": {}, "random": {}}
    declared = {"experiment": "train", "seeds": options.seeds, "seed": options.seed, "paired": True, "set": stored, **grid}
    return Study(declared, shared, (axis,))


def summarise(metrics: Mapping[str, Sequence[Mapping[str, Any] | None]], errors: Mapping[str, str | None]) -> dict[str, dict[str, Any]]:
    """Return the record of each rule: intervals over seeds, and the paired difference to backprop.

    Parameters
    ----------
    metrics : mapping of str to sequence
        For each rule its trials' metrics in the order of the seeds, None where a trial failed.
    errors : mapping of str to str
        Why a rule failed, None for one that did not.

    Returns
    -------
    dict
        As ``--json`` prints it under ``rules``.
    """
    baseline = metrics.get(BASELINE, [])
    return {rule: _record(trials, baseline, errors[rule]) for rule, trials in metrics.items()}


def _record(trials: Sequence[Mapping[str, Any] | None], baseline: Sequence[Mapping[str, Any] | None], error: str | None) -> dict[str, Any]:
    done = [trial for trial in trials if trial is not None]
    status = "done" if len(done) == len(trials) else "failed"
    record: dict[str, Any] = {"status": status, "error": error, "test_error": None, "paired_difference": None}
    if not done:
        return record
    record["test_error"] = interval([trial["test_error"] for trial in done])
    pairs = [(ours, theirs) for ours, theirs in zip(trials, baseline, strict=False) if ours is not None and theirs is not None]
    if pairs and trials is not baseline:
        record["paired_difference"] = interval([ours["test_error"] - theirs["test_error"] for ours, theirs in pairs])
    for name in ("sweeps_per_sample", "seconds_per_sample", "cpu_seconds_per_sample", "unconverged", "energy_decrease", "validation_error"):
        record[name] = sum(trial[name] for trial in done) / len(done)
    record["best_epochs"] = [trial["best_epoch"] for trial in done]
    cosines = [trial["gradient_cosine"] for trial in done]
    record["gradient_cosine"] = {name: mean([cosine[name] for cosine in cosines]) for name in cosines[0]}
    return record


def table(records: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the comparison as a header and rows of texts."""
    header = (
        *("rule", "test error %", "95 % interval", "minus backprop", "95 % interval", "sweeps", "CPU us/sample", "unconverged %"),
        *("energy decrease", "lowest cosine"),
    )
    rows = []
    for rule, record in records.items():
        if record["test_error"] is None:
            rows.append((rule, "failed", *("-",) * (len(header) - 2)))
            continue
        cosines = [value for value in record["gradient_cosine"].values() if value is not None]
        rows.append(
            (
                rule if record["status"] == "done" else f"{rule} (some failed)",
                *_percent(record["test_error"]),
                *_percent(record["paired_difference"]),
                f"{record['sweeps_per_sample']:.1f}",
                f"{1e6 * record['cpu_seconds_per_sample']:.0f}",
                f"{100 * record['unconverged']:.2f}",
                f"{record['energy_decrease']:.3f}",
                f"{min(cosines):.4f}" if cosines else "-",
            )
        )
    return header, rows


def _percent(value: Mapping[str, Any] | None) -> tuple[str, str]:
    if value is None:
        return "-", "-"
    low, high = value["ci95"]
    return _two_digits(value["mean"]), "-" if low is None else f"[{_two_digits(low)}, {_two_digits(high)}]"


def _two_digits(share: float) -> str:
    """Return a share in percent, without the minus sign of a rounded zero."""
    return f"{round(100 * share, 2) + 0.0:.2f}"


@command(CompareOptions, "compare")
def compare_command(options: CompareOptions, session: Session) -> None:
    """Train one network under many learning rules and show side by side what each costs and how well it learns.

    Every rule gets the same network, cost, data and optimiser, and with each seed the same initial weights and data order, so that
    differences to backprop are paired. Intervals are Student's over the seeds; other columns are means over them. The lowest cosine is
    that of the rule's gradient to the exact one, over the parameters, at the initial weights. Sweeps are steps of relaxation, of the
    adjoint too, but not the linear solve of implicit nor the backward pass of unrolled: CPU time has those. Workers of the engine
    compute with one thread each, whatever --threads says.

    \b
    Examples:
      eqlab compare
      eqlab compare --rules ep-centered,ep-positive,backprop --seeds 5 --strength 0.1
      eqlab compare --config mnist --data-dir DIRECTORY-OF-IDX-FILES --rules ep-centered,backprop
    """  # noqa: D301
    from experiments.portrait import portray

    check_engine(options.engine)
    session.use_threads()
    network = check(options, session)
    run = open_run(options, session)
    with resumable(session.resume_command(run.path)), run.journal() as journal:
        _run_trials(options, session, run, journal)
        result = _collect(options, journal, network)
    result["run"] = str(run.path)
    header, rows = table(result["rules"])
    page = portray(run)
    write_pictures(run.figures, page.pictures)
    write_report(run.path / "report.html", render(page))
    text = f"{result['network']} on {result['data']}, {options.seeds} paired seeds\n\n{format_table(header, rows)}"
    session.result(result, f"{text}\n\nreport: {run.path / 'report.html'}")
    failed = {rule: record["error"] for rule, record in result["rules"].items() if record["status"] == "failed"}
    if failed:
        raise TrialsFailedError(
            f"{len(failed)} of {len(result['rules'])} rules have failed trials: "
            + "; ".join(f"{rule}: {error}" for rule, error in failed.items())
        )


def _run_trials(options: CompareOptions, session: Session, run: RunDirectory, journal: Journal) -> None:
    """Compute the trials that the journal does not have yet; one that fails is recorded and the others go on."""
    study = study_of(options)
    with journal.transaction():
        remember(journal, study.facts())
        journal.plan(Task(trial_key(rule, seed), {"rule": rule}, seed) for rule in options.rules for seed in _seeds(options))
        retry_failed(journal)

    def note(record: Record) -> None:
        if record.metrics is None:
            session.note(f"{record.key}: failed: {record.error}")
        else:
            session.note(f"{record.key}: test error {100 * json.loads(record.metrics)['test_error']:.2f} %, {record.seconds:.1f} s")

    work = study.work._replace(checkpoints=str(run.checkpoints.resolve()))
    Run(run, journal, work, on_record=note).compute(options.engine, session, "compare")


def _collect(options: CompareOptions, journal: Journal, network: str) -> dict[str, Any]:
    metrics: dict[str, list[Mapping[str, Any] | None]] = {}
    errors: dict[str, str | None] = {}
    for rule in options.rules:
        trials = [journal.trial(trial_key(rule, seed)) for seed in _seeds(options)]
        metrics[rule] = [trial.metrics if trial else None for trial in trials]
        errors[rule] = next((trial.error for trial in trials if trial and trial.error), None)
    records = summarise(metrics, errors)
    first = next((done for trials in metrics.values() for done in trials if done), {"network": network})
    return {
        "network": first["network"],
        "data": options.data,
        "baseline": BASELINE,
        "seeds": list(_seeds(options)),
        "rules": records,
    }


def _seeds(options: CompareOptions) -> Iterable[int]:
    return range(options.seed, options.seed + options.seeds)


def trial_key(rule: str, seed: int) -> str:
    """Name the trial of a rule and a seed within the run."""
    return f"{rule}-{seed}"
