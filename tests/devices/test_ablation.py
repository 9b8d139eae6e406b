"""Ablation of devices: each effect is switched off alone, and the one that costs most is named."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from command_line import Eqlab

from contrastive_core.devices.effects.variation import CycleToCycle, DeviceToDevice
from contrastive_core.devices.presets import PRESETS
from contrastive_core.devices.write_law import LinearStep
from contrastive_core.errors import InputError
from experiments.hardware.ablation import ablation, ablation_rows, verdict
from experiments.hardware.effective import device_rows
from experiments.hardware.table import CAPTION
from experiments.setup.devices import assemble, split


def row(varied: str, value: str, accuracy: float | None, rule: str = "ep-centered", spread: float = 0.01) -> dict[str, Any]:
    seeds = [] if accuracy is None else [accuracy - spread, accuracy + spread] if spread else [accuracy]
    return {"varied": varied, "value": value, "rule": rule, "accuracy": {"mean": accuracy, "seeds": seeds}}


def test_each_point_lacks_one_effect_and_keeps_the_others() -> None:
    """If this fails, an ablation says of one effect what is another's."""
    found = ablation("ReRamSB", ("node-noise.sigma_v=0.1",))
    assert found.values == ("node-noise", "device-to-device", "cycle-to-cycle", "law", "all")
    whole = assemble("ReRamSB", split(("node-noise.sigma_v=0.1",))[0], 0)
    for value, point in zip(found.values[:3], found.points[:3], strict=True):
        device = assemble("ReRamSB", split(("node-noise.sigma_v=0.1", *point))[0], 0)
        gone = set(whole.effects) - set(device.effects)
        assert len(gone) == 1
        assert set(device.effects) < set(whole.effects)
        assert type(next(iter(gone))).__name__.lower() == value.replace("-", "")
        assert device.law == whole.law
    without_law = assemble("ReRamSB", split(found.points[3])[0], 0)
    assert (without_law.law, without_law.step_up, without_law.step_down) == (LinearStep(), 1.0, 1.0)
    assert without_law.effects == PRESETS["reram-soft-bounds"].build(0).effects
    assert assemble("ReRamSB", split(("node-noise.sigma_v=0.1", *found.points[4]))[0], 0).effects == ()


def test_off_is_true_or_false() -> None:
    """If this fails, an effect is switched off by a typing error."""
    effects = assemble("ReRamSB", split(("cycle-to-cycle.off=false",))[0], 0).effects
    assert {type(effect) for effect in effects} == {DeviceToDevice, CycleToCycle}
    with pytest.raises(InputError, match="true or false"):
        assemble("ReRamSB", split(("cycle-to-cycle.off=maybe",))[0], 0)
    with pytest.raises(InputError, match="has none"):
        ablation("ideal", ())


def test_the_verdict_names_the_effect_with_the_largest_gain() -> None:
    """If this fails, the engineer mends what costs little."""
    rows = [row("unvaried", "", 0.9), row("without", "adc", 0.92), row("without", "law", 0.95), row("without", "all", 0.97)]
    assert [(part, round(gain, 9)) for _, part, _, gain in ablation_rows(rows)] == [("all", 7.0), ("law", 5.0), ("adc", 2.0)]
    assert verdict(rows) == [
        "ep-centered: 90.0 % on this device; law costs most: without it accuracy is 95.0 %, 5.0 points higher, 95 % interval "
        "all equal (means over seeds); without any effect it is 97.0 %"
    ]
    # Differences of .04 and .06: mean .05, standard error .01, and Student's t of one degree of freedom is 12.706.
    unequal = verdict([rows[0], row("without", "law", 0.95, spread=0.02)])[0]
    assert "5.0 points higher, 95 % interval [-7.7, 17.7] (means over seeds)" in unequal
    alone = verdict([row("unvaried", "", 0.9, spread=0), row("without", "law", 0.95, spread=0)])[0]
    assert "5.0 points higher (one seed, which cannot tell a difference from chance)" in alone
    worse = [row("unvaried", "", 0.9), row("without", "adc", 0.88)]
    assert "no effect on its own costs accuracy" in verdict(worse)[0]


def test_without_an_ablation_the_verdict_names_the_lowest_accuracy() -> None:
    """If this fails, a report leaves its reader to find the worst row."""
    rows = [row("unvaried", "", 0.9), row("stuck-at.p_sa0", "0.1", 0.85), row("adc.adc_bits", "4", 0.5), row("without", "adc", None)]
    assert verdict(rows) == ["ep-centered: 90.0 % on the given device; lowest with adc.adc_bits 4, 50.0 % (means over seeds)"]
    assert verdict([row("ideal", "", 0.96)]) == ["ep-centered: 96.0 % on the ideal device (means over seeds)"]
    assert verdict([row("ideal", "", None)]) == []
    assert "one seed, which cannot tell" in verdict([row("ideal", "", 0.96, spread=0)])[0]


def test_an_ablation_is_run_and_told(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, the question of the engineer has no answer."""
    tiny = ("hardware", "--set", "train_size=64", "--epochs", "1", "--hidden", "4", "--seeds", "1", "--engine", "serial", "--quiet")
    one = ("--imperfections", "stuck-at.p_sa1=0.5", "--imperfections", "node-noise.sigma_v=0.01", "--ablate")
    found = eqlab(*tiny, *one, "--json", "--out", str(tmp_path / "run"))
    assert found.exit_code == 0, found.output
    result = json.loads(found.stdout)
    assert [(row["varied"], row["value"]) for row in result["rows"]] == [
        ("unvaried", ""),
        ("without", "stuck-at"),
        ("without", "node-noise"),
        ("without", "all"),
    ]
    assert "stuck-at" not in result["rows"][1]["device"]
    assert result["rows"][1]["device"]["node-noise"]["sigma_v"] == 0.01
    off = [(name, part) for name, part, text in device_rows(result["rows"]) if text == "off"]
    assert off == [
        ("without stuck-at", "stuck-at"),
        ("without node-noise", "node-noise"),
        ("without all", "stuck-at"),
        ("without all", "node-noise"),
    ]
    assert not any("varied" in text for _, _, text in device_rows(result["rows"]))
    assert len(result["verdict"]) == 1
    report = unescape((tmp_path / "run" / "report.html").read_text())
    assert all(title in report for title in ("Accuracy, energy and pulses", "Accuracy without each effect", result["verdict"][0], CAPTION))
    assert report.count("<svg") == 2  # the effects and the front, as the command draws them
    assert "pareto" not in report.lower().replace("pareto front", "")
