"""Numbers of a hardware report, each computed a second time from the counts in the journal."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean

import pytest
from command_line import Eqlab

from experiments.hardware.table import MEANS
from experiments.runs.directory import RunDirectory

SAMPLES, EPOCHS = 64, 2
SMALL = ("--set", f"train_size={SAMPLES}", "--epochs", str(EPOCHS), "--hidden", "4", "--seeds", "2", "--engine", "serial", "--quiet")
READ, STEP, MAC, CONVERSION = 0.3, 2e-8, 1e-12, 4e-14
CONSTANTS = ("--constants-v-read", READ, "--constants-t-read", STEP, "--constants-e-mac", MAC, "--constants-fom", CONVERSION)


def test_every_number_of_a_study_follows_from_the_counts_of_its_trials(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, a term of a bill is left out, doubled or shared out wrongly between the trials and the table."""
    result = eqlab("hardware", "--vary", "adc.adc_bits=4", *map(str, CONSTANTS), "--json", "--out", tmp_path / "run", *SMALL)
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    with RunDirectory(tmp_path / "run").journal(readonly=True) as journal:
        trials = {trial.key: (trial.metrics or {}, journal.history(trial.key)) for trial in journal.trials("done")}
    assert len(trials) == 4
    for row in rows:
        mine = [metrics for key, (metrics, _) in trials.items() if key.startswith(f"ep-centered {row['varied']} {row['value']}".strip())]
        assert len(mine) == 2
        assert row["accuracy"]["mean"] == pytest.approx(1 - mean(metrics["test_error"] for metrics in mine), rel=1e-12, abs=0)
        for name in MEANS:
            given = [metrics[name] for metrics in mine if metrics[name] is not None]
            assert row[name] == (pytest.approx(mean(given), rel=1e-12, abs=0) if given else None)
    for metrics, history in trials.values():
        phases = {name: phase for name, phase in metrics["phases"].items() if name != "write"}
        written, seen = metrics["phases"]["write"], SAMPLES * EPOCHS
        # Sweeps are shared out among the phases, and none is lost.
        sweeps = SAMPLES * sum(epoch.metrics["sweeps_per_sample"] for epoch in history)
        assert sum(phase["sweeps"] for phase in phases.values()) == pytest.approx(sweeps, rel=1e-9, abs=0)
        # Volts and siemens: all arrays are read once in each sweep, so that joules follow from the sweeps alone.
        watts = metrics["settle_power"]
        for phase in phases.values():
            assert phase["settle_energy"] == pytest.approx(watts * STEP * phase["sweeps"], rel=1e-9, abs=0)
            assert phase["convert_energy"] == pytest.approx(CONVERSION * 2**8 * phase["conversions"], rel=1e-9, abs=0)
        parts = [phase["settle_energy"] + phase["convert_energy"] for phase in phases.values()]
        assert metrics["energy"] == pytest.approx(sum(parts) + written["write_energy"], rel=1e-9, abs=0)
        assert metrics["sample_energy"] == pytest.approx(metrics["energy"] / seen, rel=1e-9, abs=0)
        free = phases["free"]
        assert metrics["inference_energy"] == pytest.approx((free["settle_energy"] + free["convert_energy"]) / seen, rel=1e-9, abs=0)
        assert metrics["inference_seconds"] == pytest.approx(free["seconds"] / seen, rel=1e-9, abs=0)
        assert metrics["device_seconds"] == pytest.approx(sum(p["seconds"] for p in phases.values()) + written["seconds"], rel=1e-9, abs=0)
        assert metrics["digital_energy"] == pytest.approx(MAC * sum(p["operations"] for p in phases.values()), rel=1e-9, abs=0)
        assert metrics["inference_digital_energy"] == pytest.approx(MAC * free["operations"] / seen, rel=1e-9, abs=0)
        # 64 inputs, 4 hidden units and 10 outputs: the two devices of a weight do one multiplication in each sweep.
        assert free["operations"] == pytest.approx((64 * 4 + 4 * 10) * free["sweeps"], rel=1e-9, abs=0)
        assert free["conversions"] == pytest.approx((4 + 10) * seen, rel=1e-9, abs=0)
        # Volts squared over the sum of 592 devices between 1 and 100 microsiemens.
        assert READ**2 * 592 * 1e-6 < watts < READ**2 * 592 * 1e-4
