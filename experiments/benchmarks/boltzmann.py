"""``eqlab bench boltzmann``: what an update of a restricted Boltzmann machine costs, beside other libraries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from statistics import median
from time import process_time
from typing import Annotated, Any, Literal

from pydantic import Field

from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.commandline.quantities import Positive
from experiments.machine import processor
from experiments.report.ending import finish
from experiments.runs.forms import ANY, FINITE, TEXT, list_of, mapping_of
from experiments.runs.provenance import versions
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import SERIAL
from experiments.trials.experiment import Experiment, Metric, Outcome
from experiments.trials.worker import Given

BASELINE = "scikit-learn"
Share = Annotated[float, Field(gt=0, lt=1)]


class BenchBoltzmannOptions(CommandOptions):
    """Cases to measure; each takes one update by persistent contrastive divergence with one sweep, on one thread.

    Attributes
    ----------
    visible, hidden, batches, dtypes
        Units of the layers, and what is measured in every combination.
    visible_share, hidden_share
        Shares of ones.
    repeats
        Interleaved measurements, whose median counts.
    """

    visible: Positive = Field(784, description="Number of visible units.")
    hidden: Positive = Field(500, description="Number of hidden units.")
    batches: tuple[Positive, ...] = Field((100, 10), min_length=1, description="Samples of a batch, and as many kept chains.")
    dtypes: tuple[Literal["float32", "float64"], ...] = Field(
        ("float32", "float64"), min_length=1, description="Precisions of weights and states; all cases have the same."
    )
    visible_share: Share = Field(0.13, description="Share of visible units that are on, in data and chains: that of MNIST is .13.")
    hidden_share: Share = Field(0.15, description="Share of hidden units that are on: .1 to .3 in machines trained on MNIST.")
    repeats: Positive = Field(21, description="Number of interleaved measurements of each case, whose median counts.")


METRICS = {
    "processor": Metric("model of the processor", form=TEXT),
    "versions": Metric("versions of the software", form=mapping_of(ANY)),
    "repeats": Metric("interleaved measurements of each case, whose median counts", form=FINITE),
    "rows": Metric(
        "by case: processor time per update, speed over scikit-learn, and the share of the time that dense products alone would take",
        timing=True,
        form=list_of(mapping_of(ANY)),
    ),
}


def trial(options: BenchBoltzmannOptions, seed: int, *, on_row: Callable[[], object] = lambda: None) -> Outcome:
    """Measure every case at every batch size and precision.

    Parameters
    ----------
    options : BenchBoltzmannOptions
        Cases to measure.
    seed : int
        Seed of weights, data and draws.
    on_row : callable
        Called after each combination.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``.
    """
    rows: list[dict[str, Any]] = []
    for dtype, batch in product(options.dtypes, options.batches):
        rows.extend(_rows(options, seed, dtype, batch))
        on_row()
    return Outcome({"processor": processor(), "versions": versions(), "repeats": options.repeats, "rows": rows})


EXPERIMENT = Experiment(BenchBoltzmannOptions, trial, METRICS, headline=())


@command(BenchBoltzmannOptions, "boltzmann")
def bench_boltzmann(options: BenchBoltzmannOptions, invocation: Invocation) -> None:
    """Measure the processor time of updates of a restricted Boltzmann machine, beside scikit-learn and plain torch.

    One thread; the cases take turns, and the median counts. Each case takes one update of persistent contrastive divergence with one
    sweep, with as many chains as samples. eqlab adds the rows of units that are on and eqlab-dense multiplies dense matrices, as
    scikit-learn and the textbook loop do. dense-products is the five matrix products of an update alone: the bound of all dense ways.

    \b
    Examples:
      eqlab bench boltzmann
      eqlab bench boltzmann --batches 10 --dtypes float32 --hidden-share 0.3

    Parameters
    ----------
    options : BenchBoltzmannOptions
        Cases to measure.
    invocation : Invocation
        Destination of the results.
    """  # noqa: D301
    with (
        computation(options, invocation, SERIAL) as opened,
        invocation.progress(len(options.dtypes) * len(options.batches), "measuring") as bar,
    ):
        result = compute_one(study_of("bench-boltzmann", options), opened, Given(options, {"on_row": bar.update}))
    finish(opened.run, invocation, result, f"{options.visible}-{options.hidden}\n\n{_text(result['rows'])}")


def _rows(options: BenchBoltzmannOptions, seed: int, dtype: str, batch: int) -> list[dict[str, Any]]:
    """Measure every case at one precision and batch size; the measurements of different cases take turns."""
    import torch

    from experiments.benchmarks.boltzmann_cases import cases

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        shares = options.visible_share, options.hidden_share
        measured = cases(options.visible, options.hidden, batch, shares, getattr(torch, dtype), seed)
        seconds: dict[str, list[float]] = {name: [] for name in measured}
        for run in measured.values():
            run()  # kernels compile on first use
        for _ in range(options.repeats):
            for name, run in measured.items():
                run()  # weights of the other cases are still in the caches
                start = process_time()
                run()
                seconds[name].append(process_time() - start)
    finally:
        torch.set_num_threads(before)
    cost = {name: max(median(times), 1e-9) for name, times in seconds.items()}
    return [
        {
            "dtype": dtype,
            "batch": batch,
            "case": name,
            "microseconds": 1e6 * cost[name],
            "times_faster": cost[BASELINE] / cost[name],
            "products_share": cost["dense-products"] / cost[name],
        }
        for name in measured
    ]


def _text(rows: Sequence[dict[str, Any]]) -> str:
    header = ("dtype", "batch", "case", "us per update", "x scikit-learn", "dense products / time")
    return format_table(header, [tuple(row.values()) for row in rows])
