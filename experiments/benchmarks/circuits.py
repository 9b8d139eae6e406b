"""``eqlab bench circuits``: time per operating point of a resistive network, by ngspice and by block descent."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pydantic import Field

from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.commandline.quantities import Positive
from experiments.machine import processor
from experiments.report.ending import finish
from experiments.runs.forms import ANY, FINITE, TEXT, list_of, mapping_of, record_of
from experiments.runs.provenance import versions
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import SERIAL
from experiments.trials.experiment import Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.types import State
    from eqprop.resistive import Resistive


class BenchCircuitsOptions(CommandOptions):
    """Cases to measure.

    Attributes
    ----------
    hidden, samples, repeats
        Sizes of the layers between 64 doubled inputs and 10 outputs, operating points per run, and number of runs.
    """

    hidden: tuple[Positive, ...] = Field(
        (64,), description="Number of nodes in each hidden layer, between the inputs and outputs of the digits."
    )
    samples: Positive = Field(8, description="Number of operating points per run.")
    repeats: Positive = Field(5, description="Number of interleaved runs of each case, whose median counts.")


METRICS = {
    "network": Metric("layer sizes", form=TEXT),
    "samples": Metric("operating points per run", form=FINITE),
    "processor": Metric("model of the processor", form=TEXT),
    "versions": Metric("versions of the software", form=mapping_of(ANY)),
    "rows": Metric(
        "by case: microseconds per operating point, ratio to ngspice, largest difference of a voltage",
        timing=True,
        form=list_of(record_of(case=TEXT, microseconds=FINITE, times_ngspice=FINITE, difference=FINITE)),
    ),
}


def trial(options: BenchCircuitsOptions, seed: int) -> Outcome:
    """Time every way to an operating point on the same circuits.

    Parameters
    ----------
    options : BenchCircuitsOptions
        Cases to measure.
    seed : int
        Seed of conductances and inputs.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``.
    """
    network, inputs = _circuit(options, seed)
    cases = _cases(network, inputs)
    states = {name: run() for name, run in cases.items()}
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(options.repeats):
        for name, run in cases.items():
            start = perf_counter()
            run()
            seconds[name].append((perf_counter() - start) / options.samples)
    slowest = median(seconds["ngspice"])
    rows: list[dict[str, Any]] = [
        {
            "case": name,
            "microseconds": 1e6 * median(seconds[name]),
            "times_ngspice": slowest / median(seconds[name]),
            "difference": float(max((a - b).abs().max() for a, b in zip(states[name], states["ngspice"], strict=True))),
        }
        for name in cases
    ]
    sizes = "-".join(map(str, (network.conductance(0).shape[0], *network.sizes)))
    return Outcome({"network": sizes, "samples": options.samples, "processor": processor(), "versions": versions(), "rows": rows})


EXPERIMENT = Experiment(BenchCircuitsOptions, trial, METRICS, headline=())


@command(BenchCircuitsOptions, "circuits")
def bench_circuits(options: BenchCircuitsOptions, invocation: Invocation) -> None:
    """Measure the time per operating point of ngspice and of block descent, on the same circuits in one run.

    Block descent starts from rest and runs to a residual of 1e-9 of the largest voltage. ngspice is one process for all samples, so that
    reading the netlist is shared among them.

    \b
    Examples:
      eqlab bench circuits
      eqlab bench circuits --hidden 128,64 --samples 16

    Parameters
    ----------
    options : BenchCircuitsOptions
        Cases to measure.
    invocation : Invocation
        Destination of the results.
    """  # noqa: D301
    with computation(options, invocation, SERIAL) as opened:
        result = compute_one(study_of("bench-circuits", options), opened, Given(options))
    header = ("case", "us per operating point", "x ngspice", "difference to ngspice V")
    table = format_table(header, [tuple(row.values()) for row in result["rows"]])
    finish(opened.run, invocation, result, f"{result['network']}, {result['samples']} samples\n\n{table}")


def _circuit(options: BenchCircuitsOptions, seed: int) -> tuple[Resistive, Tensor]:
    import torch

    from contrastive_core.generators import generator_of
    from eqprop.circuit import Parts
    from eqprop.resistive import Resistive

    parts = Parts(input_gain=40.0, rail=0.0, bounds=((0.002, 0.5),))
    network = Resistive((64, *options.hidden, 10), parts, generator=generator_of(seed, 0), dtype=torch.float64)
    return network, torch.rand((options.samples, 64), generator=generator_of(seed, 1), dtype=torch.float64)


def _cases(network: Resistive, inputs: Tensor) -> dict[str, Callable[[], State]]:
    import torch

    from contrastive_core.certificate import Stop
    from contrastive_core.dynamics.block_descent import BlockDescent
    from contrastive_core.relaxation.relax import relax
    from eqprop.spice import Drawn, operating_points

    def descend(backend: str) -> Any:
        with torch.no_grad():
            clamped = network.clamp(inputs)
            start = network.initial_state(clamped)
            return relax(clamped, start, BlockDescent(), Stop(4e-8, 1000), backend=backend).state

    return {
        "ngspice": lambda: operating_points(network, inputs, drawn=Drawn()),
        "block descent, torch": lambda: descend("torch"),
        "block descent, numba": lambda: descend("numba"),
    }
