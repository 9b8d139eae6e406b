"""Devices that benches measure on, and the time that a computation takes there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import AfterValidator, Field

from contrastive_core.errors import InputError
from experiments.commandline.markers import OneOf
from experiments.commandline.quantities import Positive, distinct
from experiments.machine import available_cores
from experiments.setup.options import DEVICES

if TYPE_CHECKING:
    import torch

CPU = ("cpu",)
"""Devices of a bench unless others are named."""

DeviceNames = Annotated[
    tuple[Annotated[str, OneOf("device", DEVICES)], ...],
    AfterValidator(distinct),
    Field(min_length=1, exclude_if=CPU.__eq__, description="Devices to measure on; times on cuda are elapsed times, from idle to idle."),
]
"""Option of the benches that measure on a device too; recorded runs on the CPU do not have it."""


def within_cores(thread_counts: tuple[int, ...]) -> tuple[int, ...]:
    """Return the numbers of threads.

    Raises
    ------
    InputError
        If one is above the number of cores, so that threads would wait for each other while they are timed.
    """
    most, cores = max(thread_counts, default=0), available_cores()
    if most > cores:
        raise InputError(f"{most} threads would share the {cores} cores that this process may use; give at most {cores}")
    return thread_counts


ThreadCounts = Annotated[tuple[Positive, ...], AfterValidator(distinct), AfterValidator(within_cores)]
"""Option of the benches that measure with several numbers of threads."""


@contextmanager
def computing_with(threads: int | None) -> Iterator[None]:
    """Let kernels and the linear algebra of torch compute with a number of threads; None leaves both as they are.

    Yields
    ------
    None
    """
    import torch

    from contrastive_core.threads import chosen_threads, share_among

    before = torch.get_num_threads(), chosen_threads()
    if threads is not None:
        torch.set_num_threads(threads)
        share_among(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        share_among(before[1])


class TimedDevice(NamedTuple):
    """Device of a bench.

    Attributes
    ----------
    name : str
        "cpu", "cuda", or "simulator" for numba's simulator of CUDA, whose times say nothing about a device.
    memory : torch.device
        Device whose memory holds the tensors.
    """

    name: str
    memory: torch.device


class Seconds(NamedTuple):
    """Time of one run.

    Attributes
    ----------
    processor : float
        Processor time of this process, in all its threads.
    elapsed : float
        Time from the moment when all earlier work is done to that when the run's work is.
    """

    processor: float
    elapsed: float

    def on(self, place: TimedDevice) -> float:
        """Return the time that counts at a place: processor time on the CPU, elapsed time on a device."""
        return self.processor if place.name == "cpu" else self.elapsed


def timed_device(name: str) -> TimedDevice:
    """Return a device by name.

    Parameters
    ----------
    name : str
        "cpu" or "cuda"; in numba's simulator the memory of the CPU stands for that of a device.

    Returns
    -------
    TimedDevice

    Raises
    ------
    InputError
        If there is no such device.
    """
    import torch

    from contrastive_core.kernels.availability import simulated
    from experiments.setup.build import device_named

    if name == "cuda" and simulated():
        return TimedDevice("simulator", torch.device("cpu"))
    return TimedDevice(name, device_named(name, "--devices"))


def timed(run: Callable[[], object], place: TimedDevice) -> Seconds:
    """Return the time of one run; at least the clock's tick."""
    wait(place)
    processor, elapsed = process_time(), perf_counter()
    run()
    wait(place)
    return Seconds(max(process_time() - processor, 1e-9), max(perf_counter() - elapsed, 1e-9))


def wait(place: TimedDevice) -> None:
    """Wait until all work on a device is done."""
    import torch

    if place.memory.type == "cuda":
        torch.cuda.synchronize(place.memory)


def peak_of(run: Callable[[], object], place: TimedDevice) -> float | None:
    """Return the most memory during a run, in mebibytes: of this process, or of torch's on the device; None where nobody tells it."""
    import torch

    from experiments.machine import peak_memory

    if place.memory.type != "cuda":
        return peak_memory(run)
    torch.cuda.reset_peak_memory_stats(place.memory)
    run()
    wait(place)
    return torch.cuda.max_memory_allocated(place.memory) / 2**20
