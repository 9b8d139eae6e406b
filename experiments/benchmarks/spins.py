"""``eqlab bench spins``: CPU time per spin update of every kernel, beside a dense one."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from experiments.benchmarks.devices import CPU, DeviceNames, TimedDevice, timed, timed_device
from experiments.benchmarks.spin_rivals import rival_note, rivals
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.commandline.quantities import Positive
from experiments.machine import processor
from experiments.report.ending import finish
from experiments.runs.forms import ANY, NUMBER, TEXT, list_of, mapping_of, record_of
from experiments.runs.provenance import versions
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import SERIAL
from experiments.trials.experiment import Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hebbian.multitasking import Multitasking

DENSE = "dense (textbook)"


class BenchSpinsOptions(CommandOptions):
    """Cases to measure, on one thread of the CPU and on devices.

    Attributes
    ----------
    size, patterns, dilution, ratio
        Size and patterns of the network, and its temperature relative to the critical one.
    replicas
        Replicas of the kernel that runs them side by side.
    devices, chains
        Devices to measure on, and number of chains that each kernel of a device runs at once.
    repeats
        Interleaved measurements, whose median counts.
    """

    size: Positive = Field(10_000, description="Number of spins.")
    patterns: Positive = Field(10, description="Number of stored patterns.")
    dilution: float = Field(0.3, ge=0, lt=1, description="Fraction of blank entries in the patterns.")
    ratio: float = Field(0.4, gt=0, description="Temperature relative to the critical one.")
    replicas: Positive = Field(64, description="Number of replicas that the replica kernel runs side by side.")
    devices: DeviceNames = CPU
    chains: Positive = Field(4096, exclude_if=(4096).__eq__, description="Number of chains that each kernel of a CUDA device runs at once.")
    repeats: Positive = Field(5, description="Number of interleaved measurements of each kernel, whose median counts.")


class SpinCase(NamedTuple):
    """Kernel and the work that is timed.

    Attributes
    ----------
    name : str
        Name of the kernel.
    run : callable
        Function that makes the updates and returns the final overlap with the first pattern.
    updates : int
        Number of spins that a run updates.
    place : TimedDevice, optional
        Device that runs it; None for the CPU.
    preparation : callable, optional
        Function that does what of a run is no update; its time is subtracted.
    """

    name: str
    run: Callable[[], float]
    updates: int
    place: TimedDevice | None = None
    preparation: Callable[[], float] | None = None


def measure(options: BenchSpinsOptions) -> list[dict[str, Any]]:
    """Time every kernel from the retrieval state of the first pattern.

    Parameters
    ----------
    options : BenchSpinsOptions
        Cases to measure.

    Returns
    -------
    list of dict
        Record per kernel: ``nanoseconds`` of CPU, or of elapsed time on a device, per update, ``times_dense`` and the final ``overlap``,
        which is the same for all.
    """
    from contrastive_core.kernels.spins.threads import limited

    cases, cpu = _cases(options), timed_device("cpu")
    with limited(1):
        overlaps = {case.name: case.run() for case in cases}  # compiles, and warms the caches
        seconds: dict[str, list[float]] = {case.name: [] for case in cases}
        for _ in range(options.repeats):
            for case in cases:
                place = case.place or cpu
                spent = timed(case.run, place).on(place) - (timed(case.preparation, place).on(place) if case.preparation else 0.0)
                seconds[case.name].append(spent / case.updates)
    cost = {name: 1e9 * median(values) for name, values in seconds.items()}
    return [
        {"kernel": case.name, "nanoseconds": cost[case.name], "times_dense": cost[DENSE] / cost[case.name], "overlap": overlaps[case.name]}
        for case in cases
    ]


def _cases(options: BenchSpinsOptions) -> list[SpinCase]:
    from contrastive_core.guards.memory import require_memory
    from hebbian.montecarlo import simulate
    from hebbian.multitasking import cue, store_patterns
    from hebbian.patterns import draw_patterns
    from hebbian.storage import remember

    require_memory(4 * options.size**2, f"the dense matrix of {options.size} spins needs", "give a smaller --size")
    patterns = draw_patterns(options.patterns, options.size, options.dilution, options.seed)
    system = store_patterns(remember(patterns, options.dilution))
    temperature = options.ratio * (1 - options.dilution)
    weights = [1.0] + [0.0] * (options.patterns - 1)

    def case(name: str, sampler: str, chains: int, sweeps: int) -> SpinCase:
        start = cue(patterns, weights, chains, 1.0, options.seed + 1)

        def run() -> float:
            trace = simulate(system, start, temperature, sampler, 1, num_sweeps=sweeps, every=sweeps)
            return float(trace.overlaps[-1, :, 0].mean())

        return SpinCase(name, run, chains * sweeps * options.size)

    lanes = f"{options.replicas} replicas in lanes"
    if (name := "cuda") in options.devices:
        from experiments.benchmarks.spin_devices import device_runs

        place = timed_device(name)
        runs = device_runs(system, temperature, options.chains, options.seed, place.memory)
        there = [SpinCase(f"{place.name}: {kernel}", run, updates, place) for kernel, run, updates in runs]
    else:
        there = []
    # At few spins more sweeps, so that the fixed cost of a run stays below some per cent.
    few, many = max(100, 1_000_000 // options.size), max(600, 6_000_000 // options.size)
    return [
        _dense_case(system, temperature, options.seed),
        case("overlap, random site", "glauber", 1, few),
        case("overlap, fixed order", "glauber-fixed", 1, few),
        case("overlap, Metropolis", "metropolis", 1, few),
        case(f"{lanes}, random site", "glauber-lanes", options.replicas, few),
        case(f"{lanes}, fixed order", "glauber-fixed-lanes", options.replicas, few),
        case("parallel (Little)", "little", 1, many),
        case("block, Gaussian hidden layer", "block", 1, many),
        *there,
        *(
            SpinCase(rival.name, rival.run, rival.sweeps * options.size, preparation=rival.preparation)
            for rival in rivals(system, temperature)
        ),
    ]


def _dense_case(system: Multitasking, temperature: float, seed: int) -> SpinCase:
    import numpy as np

    from contrastive_core.kernels.spins import counter_random
    from contrastive_core.kernels.spins.dense_cpu import dense
    from hebbian.multitasking import cue

    features = system.features.astype(np.float32)
    couplings: NDArray[np.float32] = features.T @ features
    couplings /= np.float32(system.num_spins)
    np.fill_diagonal(couplings, 0)
    weights = [1.0] + [0.0] * (system.num_features - 1)
    spins = cue(system.patterns, weights, 1, 1.0, seed + 1)[0].astype(np.float32)

    sweeps = max(1, 10_000_000 // system.num_spins**2)

    def run() -> float:
        dense(couplings, spins, 1 / temperature, *counter_random.key_of(1), 0, sweeps)
        return float(system.patterns[0] @ spins) / system.num_spins

    return SpinCase(DENSE, run, sweeps * system.num_spins)


METRICS = {
    "processor": Metric("model of the processor", form=TEXT),
    "versions": Metric("versions of the software", form=mapping_of(ANY)),
    "threads": Metric("threads", form=NUMBER),
    "repeats": Metric("interleaved measurements of each kernel, whose median counts", form=NUMBER),
    "rows": Metric(
        "by kernel: nanoseconds per update, ratio to the textbook's, overlap at the end",
        timing=True,
        form=list_of(record_of(kernel=TEXT, nanoseconds=NUMBER, times_dense=NUMBER, overlap=NUMBER)),
    ),
    "note": Metric("remark on the samplers of others", form=TEXT),
}


def trial(options: BenchSpinsOptions, seed: int) -> Outcome:
    """Time every kernel on one network.

    Parameters
    ----------
    options : BenchSpinsOptions
        Cases to measure.
    seed : int
        Seed of patterns and spins.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``.
    """
    found = {
        "processor": processor(),
        "versions": versions(),
        "threads": 1,
        "repeats": options.repeats,
        "rows": measure(options.model_copy(update={"seed": seed})),
        "note": rival_note(options.size),
    }
    return Outcome(found)


EXPERIMENT = Experiment(BenchSpinsOptions, trial, METRICS, headline=())


@command(BenchSpinsOptions, "spins")
def bench_spins(options: BenchSpinsOptions, invocation: Invocation) -> None:
    """Measure the CPU time per spin update of every kernel, on one thread.

    The dense kernel sums each field over a matrix; the others use the low rank of the couplings. With up to 4000
    spins, dwave-samplers and OpenJij are measured too where they are installed; they do not use the low rank.

    \b
    Examples:
      eqlab bench spins
      eqlab bench spins --size 2000
    """  # noqa: D301
    with computation(options, invocation, SERIAL) as opened:
        result = compute_one(study_of("bench-spins", options), opened, Given(options))
    header = ("kernel", "ns per update", "times dense", "overlap")
    table = format_table(header, [[row["kernel"], row["nanoseconds"], row["times_dense"], row["overlap"]] for row in result["rows"]])
    network = f"N = {options.size}, P = {options.patterns}, d = {options.dilution:g}, T = {options.ratio:g} T_c"
    finish(opened.run, invocation, result, f"{network}; one thread, median of {options.repeats}\n\n{table}\n\n{result['note']}")
