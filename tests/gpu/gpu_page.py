"""Page of ``make gpu-check``, in Markdown: what failed, what was measured, and what was to be expected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gpu_prediction import NETWORKS, REGISTERS_OF, SHARED, occupancy, shared_of, sweep

SIMULATED = """**There is no CUDA device here.** Everything below ran in numba's CUDA simulator, in small form. That shows that the code
runs to its end and computes what the CPU computes. **It says nothing about speed, and no time of a computation is shown.**"""


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join("" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in line) + " |"
        for line in lines
    )


def page(result: Mapping[str, Any]) -> str:
    """Return the page of a result of the check.

    Parameters
    ----------
    result : mapping
        ``simulated`` and ``parts``, each with name, seconds, failure and result.
    """
    parts = {part["name"]: part for part in result["parts"]}
    facts = (parts["device"]["result"] or {}) if "device" in parts else {}
    device = facts.get("device")
    show = {"settle": _settle, "large": _settle, "conv": _conv, "spins": _spins, "launches": _launches}
    sections = [
        "# gpu-check",
        SIMULATED if result["simulated"] else f"{device['name']}, compute capability {'.'.join(map(str, device['capability']))}.",
        *([f"The backend `cuda` does not work here: {facts['missing']}."] if facts.get("missing") else []),
        "## Parts",
        table(("part", "seconds", "ended"), [(p["name"], f"{p['seconds']:.0f}", p["failure"] or "well") for p in parts.values()]),
        *([f"## Device\n\n{table(('property', 'value'), list(device.items()))}"] if device else []),
        *(
            f"## {name}\n\n{show[name](part['result']['rows'], result['simulated'])}"
            for name, part in parts.items()
            if name in show and part["result"]
        ),
        "## Expected",
        "Blocks that one multiprocessor holds, and the share of its warps that they fill:",
        occupancies(registers_in(parts["registers"]["result"]) if parts.get("registers", {}).get("result") else REGISTERS_OF),
        "One sweep of `settle_blocks` over one sample in one phase, in float32:",
        sweeps(),
    ]
    return "\n\n".join(sections)


def _settle(rows: Sequence[Mapping[str, Any]], simulated: bool) -> str:
    """Show speeds over that of the CPU in the same case, and over backpropagation on the same device."""
    if simulated:
        return table(
            ("network", "batch", "case", "backend", "sweeps", "cosine"),
            [_cells(r, "network batch case backend sweeps cosine") for r in rows],
        )
    speed = {(r["network"], r["batch"], r["device"], r["case"], r["backend"]): r["samples_per_second"] for r in rows}
    header = ("network", "batch", "case", "backend", "samples/s", "x one thread of the CPU", "x autograd on the device", "1 - cosine")
    lines = []
    for r in rows:
        if r["device"] == "cpu":
            continue
        size, own = (r["network"], r["batch"]), r["samples_per_second"]
        cpu = speed.get((*size, "cpu", r["case"], r["backend"]))
        autograd = speed[(*size, r["device"], "backprop-autograd", None)]
        error = None if r["cosine"] is None else 1 - r["cosine"]
        lines.append((*size, r["case"], r["backend"], own, cpu and own / cpu, own / autograd, error))
    return table(header, lines)


def _conv(rows: Sequence[Mapping[str, Any]], simulated: bool) -> str:
    if simulated:
        return table(("network", "batch", "case", "sweeps", "cosine"), [_cells(r, "network batch case sweeps cosine") for r in rows])
    cpu = {(r["network"], r["case"]): r["microseconds_per_sample"] for r in rows if r["device"] == "cpu"}
    header = ("network", "batch", "case", "us per sample", "x one thread of the CPU", "time over autograd on the device", "cosine")
    shown = [r for r in rows if r["device"] != "cpu"]
    return table(
        header,
        [
            (
                *_cells(r, "network batch case microseconds_per_sample"),
                cpu[r["network"], r["case"]] / r["microseconds_per_sample"],
                *_cells(r, "times_autograd cosine"),
            )
            for r in shown
        ],
    )


def _spins(rows: Sequence[Mapping[str, Any]], simulated: bool) -> str:
    names = "kernel overlap" if simulated else "kernel nanoseconds times_dense overlap"
    return table(names.split(), [_cells(r, names) for r in rows])


def _launches(rows: Sequence[Mapping[str, Any]], _: bool) -> str:
    names = "network case backend launches busy_us"
    return table(names.split(), [_cells(r, names) for r in rows])


def _cells(row: Mapping[str, Any], names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names.split())


def registers_in(lines: Sequence[str]) -> dict[tuple[str, tuple[int, int]], int]:
    """Read the registers of each kernel from what ``ptx_check.py registers`` prints; of two types, those of float32, which come first."""
    found: dict[tuple[str, tuple[int, int]], int] = {}
    for line in lines:
        if seen := re.match(r"(\w+) (\d+)\.(\d+) .*Used (\d+) registers", line):
            found.setdefault((seen[1], (int(seen[2]), int(seen[3]))), int(seen[4]))
    return found


def occupancies(registers: Mapping[tuple[str, tuple[int, int]], int]) -> str:
    """Return a table of the occupancy of every kernel, by compute capability."""
    capabilities = [one for one in dict.fromkeys(capability for _, capability in registers) if one in SHARED]
    if not capabilities:
        return f"Nothing: limits are known for {', '.join(f'{major}.{minor}' for major, minor in SHARED)} only."

    def cell(kernel: str, capability: tuple[int, int]) -> str:
        threads, shared = shared_of(kernel)
        used = registers[kernel, capability]
        found = occupancy(capability, threads, used, shared)
        return f"{used} registers: {found.blocks} blocks, {found.share:.0%}, limit {found.limit}"

    header = ("kernel", "threads", "shared bytes", *(f"{major}.{minor}" for major, minor in capabilities))
    rows = [
        (f"`{kernel}`", *shared_of(kernel), *(cell(kernel, one) for one in capabilities))
        for kernel in dict.fromkeys(name for name, _ in registers)
    ]
    return table(header, rows)


def sweeps() -> str:
    """Return a table of the work of one sweep."""
    header = ("network", "shared bytes of a block", "weights read, bytes", "operations", "operations per byte", "barriers")
    found = [("-".join(map(str, sizes)), sweep(sizes)) for sizes in NETWORKS]
    return table(header, [(name, one.shared, one.read, one.operations, one.operations / one.read, one.barriers) for name, one in found])
