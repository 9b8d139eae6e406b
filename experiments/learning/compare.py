"""``eqlab compare``: many rules on one network, cost, initial weights, data and optimiser."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from experiments.commandline.exits import resumable
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import OneOf
from experiments.commandline.output import format_table
from experiments.commandline.quantities import Positive, distinct
from experiments.figures.writing import write_pictures
from experiments.learning.train import PlanOptions
from experiments.report.html import render, write_report
from experiments.runs.directory import open_run
from experiments.runs.intervals import interval, mean
from experiments.runs.records import Record
from experiments.setup.checks import check
from experiments.setup.rules import BASELINE, RULES
from experiments.sweeps.paired import Found, paired_difference, refuse_failures, run_paired, seeds_of, study_of
from experiments.trials.engine import check_engine


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
    differences = paired_difference(trials, baseline, "test_error")
    if differences and trials is not baseline:
        record["paired_difference"] = interval(differences)
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
def compare_command(options: CompareOptions, invocation: Invocation) -> None:
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
    from experiments.report.page import portray

    check_engine(options.engine)
    invocation.use_threads()
    network = check(options, invocation, rules=options.rules)
    run = open_run(options, invocation)
    with resumable(invocation.resume_command(run.path)), run.journal() as journal:
        found = run_paired(study_of("train", PlanOptions, options), options, invocation, run, journal, _sentence)
    result = _result(options, found, network) | {"run": str(run.path)}
    header, rows = table(result["rules"])
    page = portray(run)
    write_pictures(run.figures, page.pictures)
    write_report(run.path / "report.html", render(page))
    text = f"{result['network']} on {result['data']}, {options.seeds} paired seeds\n\n{format_table(header, rows)}"
    invocation.result(result, f"{text}\n\nreport: {run.path / 'report.html'}")
    refuse_failures(result["rules"])


def _sentence(record: Record) -> str:
    return f"test error {100 * json.loads(record.metrics or '')['test_error']:.2f} %, {record.seconds:.1f} s"


def _result(options: CompareOptions, found: Found, network: str) -> dict[str, Any]:
    first = next((done for trials in found.metrics.values() for done in trials if done), {"network": network})
    return {
        "network": first["network"],
        "data": options.data,
        "baseline": BASELINE,
        "seeds": list(seeds_of(options)),
        "rules": summarise(found.metrics, found.errors),
    }
