"""``eqlab bench conv``: what a gradient of a convolutional network costs, by equilibrium propagation and by backpropagation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from contrastive_core.errors import InputError
from contrastive_core.progress.share import counted
from experiments.benchmarks.devices import CPU, DeviceNames, timed, timed_device
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import OneOf
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.commandline.quantities import EnergyScale, Positive
from experiments.machine import processor
from experiments.report.ending import finish
from experiments.runs.forms import ANY, FINITE, TEXT, list_of, mapping_of
from experiments.runs.provenance import versions
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import SERIAL
from experiments.trials.experiment import Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from experiments.benchmarks.settling_cases import TimedGradient

NAMED = {
    "lenet": ("1x28x28 32c5 p2 64c5 p2 10", 32),
    "four-layers": ("3x32x32 32c3+1 p2 64c3+1 p2 128c3+1 p2 128c3+1 p2 10", 64),
    "vgg-5": ("3x32x32 128c3+1 p2 256c3+1 p2 512c3+1 p2 512c3 p2 10", 32),
}
"""Networks by name: pictures and layers, and samples of a batch."""

WEIGHTS = ("initial", "trained")
BASELINE = "backprop-channels-last"
CASES = ("ep-train", "ep-matched", "ep-truncated", "ep-textbook", BASELINE, "backprop-channels-first", "floor")
"""Computations, in the order in which they take turns; all times are over that of the baseline."""
_PICTURE = re.compile(r"(\d+)x(\d+)x(\d+) +(.+)", re.ASCII)


class BenchConvOptions(CommandOptions):
    """Cases to measure; each computes one gradient of one batch, on one thread.

    Attributes
    ----------
    networks, energy_scales, weights, devices
        Networks to measure, in every combination.
    only
        Cases to measure with each; the baseline is always one of them.
    batch
        Samples of a batch.
    training_steps
        Steps of the training before weights count as trained.
    repeats
        Interleaved measurements, whose median counts.
    """

    networks: tuple[str, ...] = Field(
        ("lenet", "four-layers"),
        min_length=1,
        description="Networks: lenet, four-layers, vgg-5, or pictures and layers as in '1x28x28 32c5 p2 10', with maxima only.",
    )
    energy_scales: tuple[EnergyScale, ...] = Field(
        (0.01,), min_length=1, description="Ratios of feedback to forward coupling, above 0 and at most 1."
    )
    weights: tuple[Annotated[str, OneOf("weights", WEIGHTS)], ...] = Field(
        WEIGHTS, min_length=1, description="Weights to measure with: those of initialisation, or those after a short training."
    )
    only: tuple[Annotated[str, OneOf("case", CASES)], ...] = Field(
        CASES,
        min_length=1,
        exclude_if=CASES.__eq__,  # recorded runs do not have it
        description=f"Cases to measure with each network; {BASELINE} is always added, because times are over its own.",
    )
    devices: DeviceNames = CPU
    batch: Positive | None = Field(None, description="Samples of a batch; none: 64 for four-layers, 32 for the others.")
    training_steps: Positive = Field(100, description="Steps of the short training, by Adam on drawn pictures.")
    repeats: Positive = Field(7, description="Number of interleaved measurements of each case, whose median counts.")

    @field_validator("networks")
    @classmethod
    def _check_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            layers_of(network)
        return networks


def layers_of(network: str) -> tuple[str, tuple[int, ...], int]:
    """Read a network.

    Parameters
    ----------
    network : str
        Name in ``NAMED``, or the shape of the pictures and the layers.

    Returns
    -------
    layers : str
        Layers in the notation of convolutional networks.
    shape : tuple of int
        Channels, height and width of the pictures.
    batch : int
        Samples of a batch.

    Raises
    ------
    InputError
        If it is neither.
    """
    written, batch = NAMED.get(network, (network, 32))
    found = _PICTURE.fullmatch(written)
    if found is None or re.search(r"[alw>]", found[4]) or "c" not in found[4]:
        raise InputError(
            f"a network is {', '.join(NAMED)}, or pictures and layers with filters and maxima as in '1x28x28 32c5 p2 10', got {network!r}"
        )
    return found[4], tuple(int(size) for size in found.groups()[:3]), batch


METRICS = {
    "processor": Metric("model of the processor", form=TEXT),
    "versions": Metric("versions of the software", form=mapping_of(ANY)),
    "repeats": Metric("interleaved measurements of each case, whose median counts", form=FINITE),
    "rows": Metric(
        "by case: processor time per sample (elapsed on a device), ratio to autograd with channels last, sweeps, cosine to the exact one",
        timing=True,
        form=list_of(mapping_of(ANY)),
    ),
}


def trial(options: BenchConvOptions, seed: int) -> Outcome:
    """Measure every case of every network.

    Parameters
    ----------
    options : BenchConvOptions
        Cases to measure.
    seed : int
        Seed of networks and samples.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``.
    """
    rows: list[dict[str, Any]] = []
    for combination in counted(list(product(options.networks, options.energy_scales, options.weights, options.devices)), name="network"):
        rows.extend(_rows(options, seed, *combination))
    return Outcome({"processor": processor(), "versions": versions(), "repeats": options.repeats, "rows": rows})


EXPERIMENT = Experiment(BenchConvOptions, trial, METRICS, headline=())


@command(BenchConvOptions, "conv")
def bench_conv(options: BenchConvOptions, invocation: Invocation) -> None:
    """Measure the processor time of gradients of convolutional networks, beside their cosine to the exact gradient.

    One thread; the cases take turns, and the median counts. ep-train is centered equilibrium propagation at the tolerance of train,
    ep-matched one-sided with the loosest tolerances of a cosine of .997, ep-truncated one free and one nudged sweep after a pass up,
    and ep-textbook three times 15 sweeps of states. The floor is the products of backpropagation alone.

    \b
    Examples:
      eqlab bench conv
      eqlab bench conv --networks vgg-5 --batch 16 --training-steps 10 --repeats 3 --only ep-truncated,floor
      eqlab bench conv --networks "1x28x28 16c5 p2 10" --energy-scales 1,0.1

    Parameters
    ----------
    options : BenchConvOptions
        Cases to measure.
    invocation : Invocation
        Destination of the results.
    """  # noqa: D301
    with computation(options, invocation, SERIAL) as opened:
        result = compute_one(study_of("bench-conv", options), opened, Given(options))
    finish(opened.run, invocation, result, _text(result["rows"]))


def _rows(options: BenchConvOptions, seed: int, network: str, scale: float, weights: str, device: str) -> Iterator[dict[str, Any]]:
    """Measure every case of one network; the measurements of different cases take turns."""
    import torch

    from contrastive_core.types import Batch
    from experiments.benchmarks.convolution_cases import cases, network_of, samples, train

    place = timed_device(device)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        layers, shape, batch = layers_of(network)
        batch = options.batch or batch
        built = network_of(layers, shape, scale, seed)
        if weights == "trained":
            train(built, batch, options.training_steps, seed)
        drawn = samples(built, batch, seed)
        there = Batch(drawn.inputs.to(place.memory), drawn.labels.to(place.memory))
        measured = cases(built.to(place.memory), there, [case for case in CASES if case in (*options.only, BASELINE)])
        seconds: dict[TimedGradient, list[float]] = {case: [] for case in measured}
        for case in measured:
            case.run()  # libraries choose and compile on first use
        for _ in counted(range(options.repeats), name="turn"):
            for case in measured:
                seconds[case].append(timed(case.run, place).on(place))
        cost = {case: median(seconds[case]) / batch for case in measured}
        base = next(cost[case] for case in measured if case.name == BASELINE)
        for case in measured:
            yield {
                "network": network,
                "energy_scale": scale,
                "weights": weights,
                "batch": batch,
                "device": place.name,
                "case": case.name,
                "strength": case.strength,
                "tolerance": None if case.settling is None else case.settling.free.tolerance,
                "microseconds_per_sample": 1e6 * cost[case],
                "times_autograd": cost[case] / base,
                "sweeps": case.sweeps(),
                "cosine": case.cosine(),
            }
    finally:
        torch.set_num_threads(before)


def _text(rows: Sequence[dict[str, Any]]) -> str:
    columns = {
        "network": "network",
        "energy_scale": "scale",
        "weights": "weights",
        "batch": "batch",
        "device": "device",
        "case": "case",
        "strength": "strength",
        "tolerance": "tolerance",
        "microseconds_per_sample": "us per sample",
        "times_autograd": "x autograd",
        "sweeps": "sweeps",
        "cosine": "cosine",
    }
    return format_table(tuple(columns.values()), [tuple(row.get(name) for name in columns) for row in rows])
