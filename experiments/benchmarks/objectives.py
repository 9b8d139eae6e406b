"""``eqlab bench objectives``: the streamed log-softmax against a plain dense one, in time and memory."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from contrastive_core.errors import BackendError, ConvergenceError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.machine import processor
from experiments.report.ending import finish
from experiments.runs.forms import ANY, FINITE, NUMBER, TEXT, list_of, mapping_of, missing_or
from experiments.runs.provenance import versions
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import SERIAL
from experiments.trials.experiment import Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from torch import Tensor

Rows = Annotated[int, Field(ge=4, multiple_of=2)]
TEMPERATURE = 0.2
TINY = 1e-3
"""Largest relative difference of the two gradients that rounding in float32 explains."""


class BenchObjectivesOptions(CommandOptions):
    """Batches to time.

    Attributes
    ----------
    rows, width, large, repeats
        Sizes of the batches, and number of timings.
    """

    rows: tuple[Rows, ...] = Field((512, 4096), description="Batch sizes, in embeddings, on which both implementations are timed.")
    width: int = Field(128, gt=0, description="Number of outputs, the width of an embedding.")
    large: Rows | None = Field(32768, description="Batch size, in embeddings, whose peak memory is measured; none: no such measurement.")
    repeats: int = Field(7, ge=1, description="Number of timings, after one that does not count, whose median counts.")


def dense(output: Tensor) -> tuple[Tensor, Tensor]:
    """Return value and gradient of NT-Xent by its definition: the whole matrix, masked, and autograd."""
    import torch

    leaf = output.detach().requires_grad_()
    rows = torch.nn.functional.normalize(leaf)
    scores = rows @ rows.T / TEMPERATURE
    scores = scores.masked_fill(torch.eye(len(rows), dtype=torch.bool), -float("inf"))
    value = torch.nn.functional.cross_entropy(scores, torch.arange(len(rows)).roll(len(rows) // 2))
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


def streamed(output: Tensor) -> tuple[Tensor, Tensor]:
    """Return value and gradient of NT-Xent by the streamed objective of this package."""
    import torch

    from contrastive_core.objectives.instances.nt_xent import NTXent
    from contrastive_core.types import Batch

    size = len(output)
    batch = Batch(output, torch.zeros(size), torch.arange(size // 2).repeat(2))
    leaf = output.detach().requires_grad_()
    value = NTXent(TEMPERATURE).value(leaf, batch)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


def random_rows(rows: int, width: int, seed: int) -> Tensor:
    """Return the random batch on which both implementations are timed, in float32."""
    import torch

    return torch.randn((rows, width), generator=torch.Generator().manual_seed(seed))


def compare(rows: int, width: int, repeats: int, seed: int = 0) -> dict[str, Any]:
    """Measure the processor time of both implementations on one batch, in turns, and check that they agree.

    Returns
    -------
    dict
        ``rows``, ``width``, medians ``dense_s`` and ``streamed_s``, ``speed`` (their ratio) and ``difference`` of the gradients.
    """
    output = random_rows(rows, width, seed)
    exact, ours = dense(output)[1], streamed(output)[1]
    difference = float((exact - ours).norm() / exact.norm())
    if not difference < TINY:
        raise ConvergenceError(f"the streamed gradient differs from the dense one by {difference:.1e} at {rows} rows")
    times: dict[Callable[[Tensor], tuple[Tensor, Tensor]], list[float]] = {dense: [], streamed: []}
    for _ in range(repeats):
        for method, record in times.items():  # in turns, so that other load on the machine slows both
            start = time.process_time()
            method(output)
            record.append(time.process_time() - start)
    slow, fast = (statistics.median(times[method]) for method in (dense, streamed))
    return {"rows": rows, "width": width, "dense_s": slow, "streamed_s": fast, "speed": slow / fast, "difference": difference}


_ALONE = "from experiments.benchmarks.objectives import alone; alone({rows}, {width}, {threads}, {seed})"


def alone(rows: int, width: int, threads: int, seed: int) -> None:
    """Print peak memory in bytes before and after one value and gradient, and the seconds; run in a process of its own."""
    import torch

    torch.set_num_threads(threads)
    streamed(random_rows(8, width, seed))  # torch loads libraries on first use, which are no memory of the loss
    before = _peak()
    output = random_rows(rows, width, seed)
    start = time.perf_counter()
    streamed(output)
    print(before, _peak(), time.perf_counter() - start)


def _peak() -> int:
    """Return this process's largest resident memory so far, in bytes; getrusage would count that of the parent process, too."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if found is None:
        raise BackendError("peak memory is read from /proc/self/status, which is not here; give --set large=null to leave it out")
    return 1024 * int(found[1])


def memory(rows: int, width: int, threads: int, seed: int = 0) -> dict[str, Any]:
    """Measure the peak memory of one value and gradient in a fresh process.

    Returns
    -------
    dict
        ``rows``, ``width``, ``peak_bytes`` of the whole process, ``base_bytes`` before, ``seconds``, and ``dense_bytes``, the
        size of one matrix of similarities.
    """
    program = _ALONE.format(rows=rows, width=width, threads=threads, seed=seed)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, peak, seconds = (float(word) for word in done.stdout.split())
    sizes = {"base_bytes": int(before), "peak_bytes": int(peak), "dense_bytes": 4 * rows**2}
    return {"rows": rows, "width": width, "seconds": seconds, **sizes}


METRICS = {
    "temperature": Metric("temperature of the objective", form=NUMBER),
    "cases": Metric(
        "by batch: processor time of both ways, their ratio, difference of their gradients", timing=True, form=list_of(mapping_of(FINITE))
    ),
    "memory": Metric("peak memory of a large batch, and of one dense matrix", "byte", timing=True, form=missing_or(mapping_of(FINITE))),
    "processor": Metric("model of the processor", form=TEXT),
    "versions": Metric("versions of the software", form=mapping_of(ANY)),
}


def trial(options: BenchObjectivesOptions, seed: int) -> Outcome:
    """Time both ways on every batch, and measure the memory of the large one.

    Parameters
    ----------
    options : BenchObjectivesOptions
        Cases to measure.
    seed : int
        Seed of the batches.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``.
    """
    import torch

    cases = [compare(rows, options.width, options.repeats, seed) for rows in options.rows]
    large = None if options.large is None else memory(options.large, options.width, torch.get_num_threads(), seed)
    machine = {"processor": processor(), "versions": versions()}
    return Outcome({"temperature": TEMPERATURE, "cases": cases, "memory": large, **machine})


EXPERIMENT = Experiment(BenchObjectivesOptions, trial, METRICS, headline=())


@command(BenchObjectivesOptions, "objectives", without=("threads",))
def bench_objectives(options: BenchObjectivesOptions, invocation: Invocation) -> None:
    """Time value and gradient of NT-Xent against a plain dense torch version, and measure the peak memory of a large batch.

    \b
    Examples:
      eqlab bench objectives
      eqlab bench objectives --rows 1024 --large none

    Parameters
    ----------
    options : BenchObjectivesOptions
        Sizes of the batches, and number of timings.
    invocation : Invocation
        Destination of the results.
    """  # noqa: D301
    with computation(options, invocation, SERIAL) as opened:
        result = compute_one(study_of("bench-objectives", options), opened, Given(options))
    cases, large = result["cases"], result["memory"]
    header = ("rows", "width", "dense CPU ms", "streamed CPU ms", "dense / streamed", "gradients differ by")
    body = [
        (c["rows"], c["width"], f"{1e3 * c['dense_s']:.1f}", f"{1e3 * c['streamed_s']:.1f}", f"{c['speed']:.2f}", f"{c['difference']:.1e}")
        for c in cases
    ]
    text = format_table(header, body)
    if large is not None:
        text += (
            f"\n\n{large['rows']} x {large['width']}: peak {large['peak_bytes'] / 2**30:.2f} GiB of the whole process "
            f"({large['base_bytes'] / 2**30:.2f} GiB before), {large['seconds']:.1f} s; one dense matrix alone is "
            f"{large['dense_bytes'] / 2**30:.2f} GiB"
        )
    finish(opened.run, invocation, result, text)
