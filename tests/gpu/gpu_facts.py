"""Run in a process of its own: what a CUDA device is and does, as JSON, or why there is none; ``launches`` counts kernels of gradients."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import torch

from contrastive_core.kernels import PLACES
from experiments.benchmarks.devices import timed, timed_device
from experiments.benchmarks.settling_cases import cases
from experiments.benchmarks.settling_networks import network_of, samples
from experiments.runs.provenance import versions

NETWORKS = ((784, 512, 10), (784, 512, 512, 10))
BATCH = 256


def device() -> dict[str, Any] | None:
    """Return the properties of the device, and the speeds that its times are judged by; None if there is no device."""
    if not torch.cuda.is_available():
        return None
    found, place = torch.cuda.get_device_properties(0), timed_device("cuda")

    def rate(run: Callable[[], object], work: float, repeats: int = 20) -> float:
        run()  # chooses and compiles
        return work * repeats / timed(lambda: [run() for _ in range(repeats)], place).elapsed

    one, small, large = (torch.zeros(count, device="cuda") for count in (1, 2**20, 2**28))
    square = torch.rand((4096, 4096), device="cuda")
    return {
        "name": found.name,
        "capability": [found.major, found.minor],
        "multiprocessors": found.multi_processor_count,
        "memory_gib": found.total_memory / 2**30,
        "launch_us": 1e6 / rate(lambda: one.add_(1), 1, 2000),
        "copy_gb_per_s": rate(lambda: large.add_(1), 2 * large.nbytes / 1e9),
        "copy_in_cache_gb_per_s": rate(lambda: small.add_(1), 2 * small.nbytes / 1e9, 500),
        "float32_tflop_per_s": rate(lambda: square @ square, 2 * 4096**3 / 1e12),
    }


def launches() -> list[dict[str, Any]]:
    """Count the launches of one gradient, and the time in which the device works, by torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    from contrastive_core.types import Batch

    rows = []
    for sizes in NETWORKS:
        data, network = samples(sizes[0], sizes[-1], None, 0), network_of(sizes, 1.0, False, None, 0).cuda()
        batch = Batch(data.inputs[:BATCH].cuda(), data.labels[:BATCH].cuda())
        for case in cases(network, batch, ["cuda", "torch"]):
            case.run()
            with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
                timed(case.run, timed_device("cuda"))
            kernels = [event for event in seen.events() or [] if event.device_type == torch.autograd.DeviceType.CUDA]
            busy = sum(event.device_time for event in kernels)
            rows.append({"network": "-".join(map(str, sizes)), "case": case.name, "backend": case.backend})
            rows[-1] |= {"launches": len(kernels), "busy_us": busy}
    return rows


if __name__ == "__main__":
    if "launches" in sys.argv:
        print(json.dumps({"rows": launches()}))
    else:
        print(json.dumps({"device": device(), "missing": PLACES["cuda"].missing(), "versions": versions()}))
