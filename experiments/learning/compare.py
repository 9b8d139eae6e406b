"""``eqlab compare``: many rules on one network, cost, initial weights, data and optimiser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from contrastive_core.data.task import error_among
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.output import format_table
from experiments.commandline.quantities import Positive, distinct
from experiments.commandline.sections import COMPUTATION, RULE
from experiments.learning.comparison import summarise, table
from experiments.report.ending import finish
from experiments.runs.records import Record
from experiments.setup.build import architecture
from experiments.setup.checks import at_temperature, check
from experiments.setup.options import ContinuedOptions, FollowingOptions, RuleName
from experiments.setup.parameters import remember_start
from experiments.setup.tables import BASELINE, COMPARED
from experiments.sweeps.axes import axis_of
from experiments.sweeps.compute import computation, compute, study_of, teller
from experiments.sweeps.paired import read_paired, refuse_failures, seeds_of, tasks_of
from experiments.trials.engine import check_engine


class CompareOptions(ContinuedOptions, FollowingOptions):
    """Rules and seeds; everything else is the same for all.

    Attributes
    ----------
    gives_way
        The single rule of a training's configuration, which gives way to the rules that are asked for.
    rules
        The learning rules.
    seeds
        Number of seeds, from ``seed`` on; each gives the same initial weights and data order to every rule.
    engine
        Engine that computes the trials.
    """

    gives_way: ClassVar[Mapping[str, str]] = {"rule": "rules"}  # configurations of training are those of a comparison, with rules

    rules: Annotated[tuple[RuleName, ...], AfterValidator(distinct), RULE] = Field(
        COMPARED, min_length=1, description="Learning rules to compare."
    )
    seeds: Annotated[Positive, RULE] = Field(
        3, description="Number of paired seeds, each of which gives every rule the same initial weights and data order."
    )
    engine: Annotated[str, COMPUTATION] = Field(
        "process",
        exclude=True,
        description="Engine that computes the trials: serial, process:N, dask:N (by default one worker per core), tcp://HOST:PORT or "
        "a scheduler file.",
    )


@command(CompareOptions, "compare", draws=True)
def compare_command(options: CompareOptions, invocation: Invocation) -> None:
    """Train one network under many learning rules and compare their accuracy and cost.

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
    check_engine(options.engine)
    invocation.warn_of_threads()
    options = at_temperature(options)
    prepared = check(options, invocation, rules=options.rules)
    network = architecture(prepared.network, prepared.splits)
    seeds = seeds_of(options.seed, options.seeds)
    study = study_of("train", options, [axis_of("rule", options.rules)], options.seeds)
    with computation(options, invocation, options.engine) as opened:
        remember_start(options, options.rules, seeds, opened)
        compute(study, tasks_of(options.rules, seeds), opened, told=teller(invocation, _sentence))
        found = read_paired(opened.journal, options.rules, seeds)
    rules = summarise(found.metrics, found.errors)
    result = {
        "network": network,
        "data": options.data,
        "baseline": BASELINE,
        "seeds": list(seeds),
        "rules": rules,
    }
    text = f"{network} on {options.data}, {options.seeds} paired seeds\n\n{format_table(*table(rules))}"
    finish(opened.run, invocation, result, text)
    refuse_failures(rules)


def _sentence(record: Record) -> str:
    metrics = json.loads(record.metrics or "")
    error = error_among(metrics, "test")
    return f"test {error.title} {error.text(metrics[f'test_{error.name}'])}, {record.seconds:.1f} s"
