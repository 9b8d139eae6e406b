"""The check of CUDA devices: in numba's simulator, with parts that fail, and its page of a device that is made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gpu_check
import pytest
from gpu_check import Part, check, main
from gpu_page import occupancies, page, registers_in, sweeps
from gpu_prediction import REGISTERS_OF, occupancy, sweep

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cuda.md"


def test_the_check_ends_in_the_simulator_without_a_word_on_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator's time that is taken for a device's would be worse than none; the other parts run by ``make gpu-check``."""
    without = Part("device", ("-c", 'print(\'{"device": null, "missing": null}\')'), 20)
    monkeypatch.setattr(gpu_check, "FACTS", without)
    assert main(["--out", str(tmp_path), "--parts", "settle"]) == 0
    found, text = json.loads((tmp_path / "gpu-check.json").read_text()), (tmp_path / "gpu-check.md").read_text()
    assert found["simulated"]
    rows = found["parts"][1]["result"]["rows"]
    assert {row["device"] for row in rows} == {"simulator"}
    assert {row["case"] for row in rows if row["backend"] == "cuda"} == {
        "ep-centered",
        "ep-one-sided",
        "ep-loose",
        "ep-truncated",
        "ep-matched",
    }
    assert next(row["cosine"] for row in rows if row["case"] == "ep-one-sided") > 0.999
    assert "says nothing about speed" in text
    assert "samples/s" not in text


def test_a_part_that_fails_or_takes_too_long_costs_no_other() -> None:
    """A check whose first part hangs on a new device would bring nothing home."""
    parts = (
        Part("breaks", ("-c", "raise SystemExit('no such kernel')"), 20),
        Part("hangs", ("-c", "import time; time.sleep(60)"), 1),
        Part("speaks", ("-c", "print('many words')"), 20),
        Part("works", ("-c", "print('{\"rows\": []}')"), 20),
    )
    ended = check(parts)
    assert [one.failure is None for one in ended] == [False, False, False, True]
    assert [word in (one.failure or "") for word, one in zip(("no such kernel", "more than 1 s", "no JSON"), ended, strict=False)] == [
        True
    ] * 3
    assert ended[-1].result == {"rows": []}
    assert "no time left" in (check(parts[3:], whole=0.5)[0].failure or "")
    text = page({"simulated": True, "parts": [one._asdict() for one in ended]})
    assert "no such kernel" in text


def test_the_page_of_a_device_shows_ratios_to_the_cpu_and_to_its_own_backpropagation() -> None:
    """No device has run this yet: its first page must not be lost to an error in the page."""

    def row(device: str, case: str, backend: str | None, speed: float) -> dict[str, Any]:
        cosine = None if backend is None else 0.75
        return {"network": "784-512-10", "batch": 32, "device": device, "case": case, "backend": backend} | {
            "samples_per_second": speed,
            "cosine": cosine,
        }

    settle = [
        row("cpu", "ep-centered", "auto", 10.0),
        row("cuda", "ep-centered", "auto", 400.0),
        row("cuda", "backprop-autograd", None, 800.0),
    ]
    conv = [
        {
            "network": "lenet",
            "batch": 32,
            "device": name,
            "case": "ep-train",
            "microseconds_per_sample": us,
            "times_autograd": 2.0,
            "cosine": 1.0,
        }
        for name, us in (("cpu", 90.0), ("cuda", 3.0))
    ]
    results: dict[str, Any] = {
        "device": {"device": {"name": "Some device", "capability": [9, 0]}, "missing": None},
        "settle": {"rows": settle},
        "conv": {"rows": conv},
        "spins": {"rows": [{"kernel": "cuda: lanes", "nanoseconds": 0.5, "times_dense": 9.0, "overlap": 0.9}]},
        "launches": {"rows": [{"network": "784-512-10", "case": "ep-centered", "backend": "cuda", "launches": 40, "busy_us": 99.0}]},
        "registers": ["settle_blocks 9.0 ptxas info    : Used 48 registers, used 1 barriers"],
    }
    parts = [{"name": name, "seconds": 1.0, "failure": None, "result": result} for name, result in results.items()]
    text = page({"simulated": False, "parts": parts})
    assert "| 784-512-10 | 32 | ep-centered | auto | 400 | 40 | 0.5 | 0.25 |" in text
    assert "| lenet | 32 | ep-train | 3 | 30 | 2 | 1 |" in text
    assert "48 registers: 10 blocks, 62%" in text  # 65536 / (4 warps of 48 x 32 registers) = 10.7 blocks of 4 of 64 warps
    assert registers_in(["pooled 12.0 Used 30 registers", "pooled 12.0 Used 99 registers"]) == {("pooled", (12, 0)): 30}
    assert "limits are known for" in occupancies({("pooled", (12, 0)): 30})


def test_occupancy_is_set_by_what_runs_out_first() -> None:
    """Each limit by hand: 64 warps, 65536 registers, 164 KiB with one more for each block, 32 blocks."""
    assert occupancy((8, 0), 128, 32, 0) == (16, "threads", 1.0)
    assert occupancy((8, 0), 128, 33, 0)[:2] == (12, "registers")  # 33 x 32 = 1056 are given as 1280 to a warp: 51 warps, 12 blocks of 4
    assert occupancy((8, 0), 128, 32, 40 * 1024)[:2] == (4, "shared memory")
    assert occupancy((9, 0), 32, 16, 0) == (32, "blocks", 0.5)


def test_a_sweep_reads_every_weight_between_the_layers_twice() -> None:
    """Layers of 3 and 2 units by hand: six weights of 4 bytes, read upwards and downwards, and four operations each."""
    found = sweep((9, 3, 2), threads=2)
    assert (found.read, found.operations) == (2 * 6 * 4, 4 * 6)
    assert found.shared == (2 + 5 + 1) * 4
    assert found.barriers == (2 * 2 + 1) + (2 * 1 + 1) + 2  # three units in two rounds of two threads
    assert sweep((9, 3, 2), threads=2, limit=16).shared == 2 * 4


def test_the_manual_shows_the_expectations_that_the_check_prints() -> None:
    """If this fails, the kernels' sizes have changed: copy the tables that ``make gpu-check`` prints."""
    text = PAGE.read_text(encoding="utf-8")
    assert occupancies(REGISTERS_OF) in text
    assert sweeps() in text
