"""The how-to of a hardware study: from a CSV of pulses to accuracy, joules per inference and a programming table in its three commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Eqlab
from documents import commands, placed, prepare, small


def test_three_commands_lead_from_pulses_to_a_programming_table(eqlab: Eqlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an engineer who follows the page gets no accuracy, no energy or no table."""
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    shown = commands("hardware-study.md", "Three commands")
    assert [words[:2] if words[0] == "device" else words[:1] for words in shown] == [["device", "fit"], ["hardware"], ["device", "export"]]
    fit, study, table = (
        json.loads(done.stdout)
        for words in shown
        if (done := eqlab(*small(placed(words, "hardware-study.md")), "--json")).exit_code == 0 or pytest.fail(done.output)
    )
    assert (fit["g_min"], fit["g_max"]) == pytest.approx((2e-6, 50e-6), rel=0.02, abs=0)  # the range of the pulses, noise of 0.1 uS
    (row,) = study["rows"]
    assert 0 < row["accuracy"]["mean"] <= 1
    assert 0 < row["inference_energy"] < row["sample_energy"] < row["energy"]
    assert table["trial"] == "ep-centered unvaried #0"
    targets = [np.loadtxt(tmp_path / "table" / f"weight_1.{side}.csv", delimiter=",") for side in ("plus", "minus")]
    assert all(fit["g_min"] * 0.99 < target.min() <= target.max() < fit["g_max"] * 1.01 for target in targets)
