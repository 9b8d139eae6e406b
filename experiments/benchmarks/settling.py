"""``eqlab bench settle``: what equilibrium propagation costs beside backpropagation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, field_validator

from contrastive_core.errors import InputError
from contrastive_core.kernels import BACKEND_NAMES
from experiments.benchmarks.devices import CPU, DeviceNames, Seconds, ThreadCounts, computing_with, timed, timed_device
from experiments.benchmarks.settling_metrics import METRICS
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import OneOf
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.commandline.quantities import EnergyScale, Positive
from experiments.machine import processor
from experiments.report.ending import finish
from experiments.runs.provenance import versions
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import SERIAL
from experiments.trials.experiment import Experiment, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from experiments.benchmarks.settling_cases import TimedGradient

NETWORKS = ("784-512-10", "784-512-512-10", "784-1024-1024-1024-10")
WEIGHTS = ("initial", "trained")
_SIZES = re.compile(r"0*[1-9][0-9]*(x0*[1-9][0-9]*)?", re.ASCII)

JUDGED = 256
"""Samples on which gradients are compared with exact ones, whatever the batch: of a few samples, one with a slow response decides."""


class BenchSettleOptions(CommandOptions):
    """Cases to measure; each computes one gradient of one batch.

    Attributes
    ----------
    networks, energy_scales, weights, batches, thread_counts, devices
        Cases to measure, in every combination.
    data_dir
        Directory of the samples.
    backends
        Backends of centered equilibrium propagation.
    repeats
        Interleaved measurements, whose median counts.
    first_call
        Whether to time the first call of a process, too.
    """

    networks: tuple[str, ...] = Field(
        NETWORKS,
        min_length=1,
        description="Layer sizes of each network, inputs first and joined by dashes; 256x4 stands for four layers of 256.",
    )
    energy_scales: tuple[EnergyScale, ...] = Field(
        (1.0,), min_length=1, description="Ratios of feedback to forward coupling, above 0 and at most 1."
    )
    weights: tuple[Annotated[str, OneOf("weights", WEIGHTS)], ...] = Field(
        ("initial",), min_length=1, description="Weights to measure with: those of initialisation, or those after an epoch of training."
    )
    data_dir: Path | None = Field(None, description="Directory with the MNIST files; none: random samples.")
    batches: tuple[Positive, ...] = Field((1, 32, 256), min_length=1, description="Batch sizes, in samples.")
    thread_counts: ThreadCounts = Field((1,), min_length=1, description="Numbers of threads to measure with.")
    devices: DeviceNames = CPU
    backends: tuple[Annotated[str, OneOf("backend", BACKEND_NAMES)], ...] = Field(
        ("auto", "torch"), min_length=1, description="Implementations of the relaxation in centered equilibrium propagation."
    )
    first_call: bool = Field(False, description="Also time the first call of a process, with an empty and with a filled cache of kernels.")
    repeats: Positive = Field(7, description="Number of interleaved measurements of each case, whose median counts.")

    @field_validator("networks")
    @classmethod
    def _check_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            sizes_of(network)
        return networks


def sizes_of(network: str) -> tuple[int, ...]:
    """Read layer sizes.

    Parameters
    ----------
    network : str
        Two or more positive numbers joined by dashes, inputs first; "256x4" for four times 256.

    Returns
    -------
    tuple of int

    Raises
    ------
    InputError
        If it is anything else.
    """
    parts = [part.split("x") if _SIZES.fullmatch(part) else [] for part in network.split("-")]
    if len(parts) < 2 or [] in parts:
        raise InputError(f"a network is two or more layer sizes joined by dashes, such as 784-512-10 or 784-256x4-10, got {network!r}")
    return tuple(int(size) for size, *times in parts for _ in range(int(*times or "1")))


def trial(options: BenchSettleOptions, seed: int, *, on_row: Callable[[], object] = lambda: None) -> Outcome:
    """Measure every case of every size.

    Parameters
    ----------
    options : BenchSettleOptions
        Cases to measure.
    seed : int
        Seed of networks and samples.
    on_row : callable
        Called after each size.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``.
    """
    from experiments.benchmarks.settling_networks import first_call_seconds

    options, rows = options.model_copy(update={"seed": seed}), list[dict[str, Any]]()
    for combination in _combinations(options):
        rows.extend(_rows(options, *combination))
        on_row()
    first = {"first_call_seconds": first_call_seconds()} if options.first_call else {}
    return Outcome({"processor": processor(), "versions": versions(), "repeats": options.repeats, "rows": rows, **first})


EXPERIMENT = Experiment(BenchSettleOptions, trial, METRICS, headline=())


def _combinations(options: BenchSettleOptions) -> list[tuple[str, float, str, int, int, str]]:
    chosen = options.networks, options.energy_scales, options.weights, options.batches, options.thread_counts, options.devices
    return list(product(*chosen))


@command(BenchSettleOptions, "settle")
def bench_settle(options: BenchSettleOptions, invocation: Invocation) -> None:
    """Measure samples per CPU-second of equilibrium propagation and of backpropagation.

    \b
    Examples:
      eqlab bench settle
      eqlab bench settle --networks 784-512-10 --batches 32 --backends auto
      eqlab bench settle --networks 784-256x2-10,784-256x10-10 --energy-scales 1,0.1,0.01 --batches 32

    Parameters
    ----------
    options : BenchSettleOptions
        Cases to measure.
    invocation : Invocation
        Destination of the results.
    """  # noqa: D301
    with (
        computation(options, invocation, SERIAL) as opened,
        invocation.progress(len(_combinations(options)), "measuring") as bar,
    ):
        result = compute_one(study_of("bench-settle", options), opened, Given(options, {"on_row": bar.update}))
    text = _text(result["rows"])
    if options.first_call:
        cold, warm = (result["first_call_seconds"][cache] for cache in ("cold", "warm"))
        text += f"\n\nfirst estimate of a process: {cold:.1f} s with a cold cache of kernels, {warm:.1f} s with a warm one"
    finish(opened.run, invocation, result, text)


def _rows(
    options: BenchSettleOptions, network: str, scale: float, weights: str, batch: int, threads: int, device: str
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Measure every case of one size; the measurements of different cases take turns."""
    from contrastive_core.types import Batch
    from experiments.benchmarks.devices import peak_of
    from experiments.benchmarks.settling_cases import cases
    from experiments.benchmarks.settling_networks import network_of, samples

    place, sizes = timed_device(device), sizes_of(network)
    with computing_with(threads):
        data = samples(sizes[0], sizes[-1], options.data_dir, options.seed)
        if batch > len(data.labels):
            raise InputError(f"a batch of {batch} samples needs as many, and there are {len(data.labels)}; give at most {len(data.labels)}")
        network_there = deepcopy(network_of(sizes, scale, weights == "trained", options.data_dir, options.seed)).to(place.memory)
        chosen, judged = (
            Batch(data.inputs[:count].clone().to(place.memory), data.labels[:count].clone().to(place.memory)) for count in (batch, JUDGED)
        )
        measured = cases(network_there, chosen, options.backends, judged)
        first = {case: timed(case.run, place) for case in measured}
        seconds: dict[TimedGradient, list[Seconds]] = {case: [] for case in measured}
        for _ in range(options.repeats):
            for case in measured:
                timed(case.run, place)  # brings its own data back into the caches
                seconds[case].append(timed(case.run, place))
        for case in measured:  # after all timing: counting costs memory and time
            yield {
                "case": case.name,
                "network": network,
                "energy_scale": scale,
                "weights": weights,
                "batch": batch,
                "threads": threads,
                "device": place.name,
                "backend": case.backend,
                "strength": case.strength,
                **_setting(case),
                "samples_per_cpu_second": batch / median(one.processor for one in seconds[case]),
                "samples_per_second": batch / median(one.elapsed for one in seconds[case]),
                "sweeps": case.sweeps(),
                "cosine": case.cosine(),
                "peak_memory_mb": peak_of(case.run, place),
                "first_call_seconds": first[case].on(place),
            }


def _setting(case: TimedGradient) -> dict[str, Any]:
    """Return how a case relaxes, None where it is not ours."""
    from contrastive_core.dynamics.block_descent import BlockDescent

    if case.settling is None:
        return dict.fromkeys(("tolerance", "nudged_tolerance", "over_relaxation"))
    over = case.settling.dynamics.over_relaxation if isinstance(case.settling.dynamics, BlockDescent) else None
    return {"tolerance": case.settling.free.tolerance, "nudged_tolerance": case.settling.second.tolerance, "over_relaxation": over}


def _text(rows: Sequence[dict[str, Any]]) -> str:
    """Show the rows with their ratios to textbook EP and to autograd, and then the sizes where a kernel loses."""
    speed = {_key(row): _speed(row) for row in rows}
    table = [
        (
            *_size(row), row["case"], row["backend"], _speed(row), *(_speed(row) / speed[(*_size(row), case, None)] for case in _BASELINES),
            row["strength"], row["tolerance"], row["nudged_tolerance"], row["over_relaxation"], row["sweeps"],
            None if row["cosine"] is None else 1 - row["cosine"], row["peak_memory_mb"],
        )
        for row in rows
    ]  # fmt: skip
    header = (
        *("network", "scale", "weights", "batch", "threads", "device", "case", "backend", "samples/s", "x textbook", "x autograd"),
        *("strength", "free", "nudged", "over", "sweeps", "1-cosine", "MB"),
    )
    lost = [
        f"{row['backend']} loses to torch at {', '.join(map(str, _size(row)))} (network, scale, weights, batch, threads, device)"
        for row in rows
        if row["case"] == "ep-centered" and _speed(row) < speed.get((*_size(row), "ep-centered", "torch"), 0.0)
    ]
    return "\n".join([format_table(header, table), "", *(lost or ["no kernel loses to torch at these sizes"])])


_BASELINES = ("ep-textbook", "backprop-autograd")


def _size(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["network"], row["energy_scale"], row["weights"], row["batch"], row["threads"], row.get("device", "cpu")


def _speed(row: dict[str, Any]) -> float:
    """Return samples per second of the time that counts on the row's device."""
    return float(row["samples_per_cpu_second" if row.get("device", "cpu") == "cpu" else "samples_per_second"])


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return *_size(row), row["case"], row["backend"]
