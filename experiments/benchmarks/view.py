"""Contents of reports about benchmarks with pictures."""

from __future__ import annotations

from experiments.benchmarks import memory, training
from experiments.figures.machines.memory import memory_picture
from experiments.figures.writing import time_and_error
from experiments.report.contents import Contents, ReportTable
from experiments.report.run_reader import OpenedRun


def show_bench_memory(opened: OpenedRun) -> Contents:
    """Show the peak memory of every rule against the number of sweeps."""
    found = next(opened.journal.trials("done"), None)
    if found is None or found.metrics is None:
        return Contents([], {})
    rows = found.metrics["rows"]
    pictures = {"memory": memory_picture(rows)} if any(row["peak_mb"] for row in rows) else {}
    return Contents([ReportTable("Peak memory in MiB", *memory.table(rows))], pictures)


def show_bench_train(opened: OpenedRun) -> Contents:
    """Show the time to every target, and error against time."""
    found = next(opened.journal.trials("done"), None)
    if found is None or found.metrics is None:
        return Contents([], {})
    histories: dict[str, list[list[dict[str, float]]]] = {}
    several = len({run.get("threads") for run in found.metrics["runs"]}) > 1
    for run in found.metrics["runs"]:
        name = f"{run['rule']}, threads: {run['threads']}" if several else run["rule"]
        histories.setdefault(name, []).append(run["epochs"])
    return Contents([ReportTable("Time to accuracy", *training.table(found.metrics))], {"time-and-error": time_and_error(histories)})
