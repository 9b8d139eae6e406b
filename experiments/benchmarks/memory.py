"""``eqlab bench memory``: peak memory of gradients, over the depth of the network and the length of the relaxation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from contrastive_core.errors import EqlabError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import cell, format_table
from experiments.commandline.quantities import Positive, distinct
from experiments.commandline.recorded import from_settings
from experiments.machine import GIVING_BACK, extra_memory
from experiments.report.ending import finish
from experiments.runs.forms import ANY, list_of, mapping_of
from experiments.runs.provenance import versions
from experiments.setup.options import RuleName
from experiments.setup.own_options import instance, rule_options
from experiments.setup.tables import RULES
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import SERIAL
from experiments.trials.experiment import Experiment, Metric, Outcome
from experiments.trials.worker import Given

MEBIBYTE = 2**20


class BenchMemoryOptions(CommandOptions):
    """Networks and relaxations; each case computes one gradient of one batch.

    Attributes
    ----------
    rules
        Learning rules.
    depths, sweeps
        Numbers of hidden layers, and of sweeps in each phase, in every combination.
    width, batch
        Units of every hidden layer, and samples.
    """

    rules: Annotated[tuple[RuleName, ...], AfterValidator(distinct)] = Field(
        ("ep-centered", "unrolled", "backprop"), min_length=1, description="Learning rules to measure."
    )
    depths: Annotated[tuple[Positive, ...], AfterValidator(distinct)] = Field(
        (1, 2, 4, 8), min_length=1, description="Numbers of hidden layers."
    )
    sweeps: Annotated[tuple[Positive, ...], AfterValidator(distinct)] = Field(
        (5, 20, 80), min_length=1, description="Numbers of sweeps in each phase; backprop has no phases."
    )
    width: Positive = Field(256, description="Number of units of every hidden layer.")
    batch: Positive = Field(512, description="Number of samples.")


METRICS = {
    "versions": Metric("versions of the software", form=mapping_of(ANY)),
    "rows": Metric(
        "by rule, depth and sweeps: peak memory above that before the gradient, memory of one state of the batch, and of one gradient",
        "mebibyte",
        timing=True,
        form=list_of(mapping_of(ANY)),
    ),
}


def trial(options: BenchMemoryOptions, seed: int, *, on_row: Callable[[], object] = lambda: None) -> Outcome:
    """Measure every case.

    Parameters
    ----------
    options : BenchMemoryOptions
        Cases to measure.
    seed : int
        Seed of weights and samples.
    on_row : callable
        Called after each case.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``.
    """
    rows: list[dict[str, Any]] = []
    code = "import sys; from experiments.benchmarks.memory import measure; measure(*sys.argv[1:])"
    # A process of its own, because memory that this one has kept would hide what a case needs.
    command = [sys.executable, "-c", code, json.dumps(options.settings()), str(seed)]
    with subprocess.Popen(command, env={**os.environ, **GIVING_BACK}, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            rows.append(json.loads(line))
            on_row()
    if child.returncode:
        raise EqlabError(f"measuring memory ended with exit code {child.returncode} after {len(rows)} cases; its message stands above")
    return Outcome({"versions": versions(), "rows": rows})


EXPERIMENT = Experiment(BenchMemoryOptions, trial, METRICS, headline=())


def measure(given: str, seed: str) -> None:
    """Measure every case in this process, and print a line of JSON for each.

    Parameters
    ----------
    given : str
        Settings of the options as JSON.
    seed : str
        Seed of weights and samples.
    """
    options = from_settings(BenchMemoryOptions, json.loads(given))
    for depth, sweeps, rule in product(options.depths, options.sweeps, options.rules):
        row = {"rule": rule, "depth": depth, "sweeps": sweeps, **_measured(options, rule, depth, sweeps, int(seed))}
        print(json.dumps(row), flush=True)


def _measured(options: BenchMemoryOptions, name: str, depth: int, sweeps: int, seed: int) -> dict[str, float | None]:
    """Measure one gradient, the second one: kernels have compiled by then."""
    from contrastive_core.certificate import Stop
    from contrastive_core.costs.squared_error import SquaredError
    from contrastive_core.rule import Setting, Settling
    from contrastive_core.types import Batch
    from experiments.benchmarks.settling_networks import network_of, samples

    sizes = (784, *[options.width] * depth, 10)
    data = samples(sizes[0], sizes[-1], None, seed)
    network = network_of(sizes, 1.0, False, None, seed)
    rows = [index % len(data.labels) for index in range(options.batch)]
    batch = Batch(data.inputs[rows], data.labels[rows])
    whole = Stop(None, sweeps)  # no tolerance: every case takes all its sweeps
    own: tuple[Any, ...] = tuple(instance(kind, options) for kind in rule_options(options))
    rule = RULES[name](Setting(SquaredError(), Settling(free=whole, second=whole), own=own))
    rule.estimate(network, batch)
    number_size = batch.inputs.element_size()
    return {
        "peak_mb": extra_memory(lambda: rule.estimate(network, batch)),
        "state_mb": number_size * options.batch * (options.width * depth + 10) / MEBIBYTE,
        "gradient_mb": number_size * sum(parameter.numel() for parameter in network.parameters()) / MEBIBYTE,
    }


def table(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the rows as texts, one for each rule and depth, with a column for each number of sweeps."""
    lengths = list(dict.fromkeys(row["sweeps"] for row in rows))
    found = {(row["rule"], row["depth"], row["sweeps"]): row for row in rows}
    header = ("rule", "hidden layers", "one state", "gradient", *(f"{sweeps} sweeps" for sweeps in lengths))
    return header, [
        (
            *(rule, str(depth)),
            *(cell(found[rule, depth, lengths[0]][name], ".1f") for name in ("state_mb", "gradient_mb")),
            *(cell(found[rule, depth, sweeps]["peak_mb"], ".1f") for sweeps in lengths),
        )
        for rule, depth in dict.fromkeys((row["rule"], row["depth"]) for row in rows)
    ]


@command(BenchMemoryOptions, "memory")
def bench_memory(options: BenchMemoryOptions, invocation: Invocation) -> None:
    """Measure the peak memory of gradients, over the depth of the network and the length of the relaxation.

    The peak is that of one gradient of one batch, above the memory before it, in mebibytes. Equilibrium propagation keeps states of its
    phases and no trajectory, so that its memory does not grow with the number of sweeps; unrolled keeps every sweep. Linux alone tells
    the peak.

    \b
    Examples:
      eqlab bench memory
      eqlab bench memory --depths 2 --sweeps 10,40,160,640 --width 512
    """  # noqa: D301
    count = len(options.rules) * len(options.depths) * len(options.sweeps)
    with computation(options, invocation, SERIAL) as opened, invocation.progress(count, "measuring") as bar:
        result = compute_one(study_of("bench-memory", options), opened, Given(options, {"on_row": bar.update}))
    text = f"784-{options.width}-...-10, {options.batch} samples, peak memory in MiB\n\n{format_table(*table(result['rows']))}"
    finish(opened.run, invocation, result, text)
