"""Story of an engineer: from measured pulses to joules per inference, and to a programmed chip, by the lines of the documents."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from command_line import Eqlab

DOCUMENT = Path(__file__).parents[3] / "docs" / "hardware.md"
SMALL = ("--set", "train_size=64", "--epochs", "1", "--hidden", "4", "--seeds", "1", "--engine", "serial", "--quiet")


def documented() -> list[list[str]]:
    """Return the commands of the section, without the name of the program."""
    section = DOCUMENT.read_text().split("## From measured pulses to a chip\n")[1].split("\n## ")[0]
    return [shlex.split(line.removeprefix("$ eqlab ")) for line in section.splitlines() if line.startswith("$ eqlab ")]


def test_an_engineer_goes_from_pulses_to_a_chip_by_documented_lines(eqlab: Eqlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the way of the user for whom the hardware is simulated ends before its last step."""
    monkeypatch.chdir(tmp_path)
    found = {}
    warned = ""
    for command in documented():
        result = eqlab(*command, *(SMALL if command[0] == "hardware" else ()), "--json")
        assert result.exit_code == 0, (command, result.output)
        warned += result.stderr if command[0] == "hardware" else ""
        found[" ".join(command[:2] if command[0] == "device" else command[:1])] = json.loads(result.stdout)
    assert found["device fit"]["g_max"] == pytest.approx(100e-6, rel=0.05, abs=0)  # the range of the published device
    assert "has no effect" not in warned  # a fit states more than has an effect, and the engineer did not write it
    study = found["hardware"]
    assert study["rows"][0]["device"]["conductance"]["g_max"] == found["device fit"]["g_max"]
    # Digital joules are those of another machine; the device's are a sum of parts, none of which is more than the whole.
    for row in study["rows"]:
        assert 0 < row["inference_energy"] < row["sample_energy"] < row["energy"]
        assert 0 < row["inference_seconds"] < row["sample_seconds"]
        assert row["inference_digital_energy"] > 0
    assert "without any effect it is" in study["verdict"][0]
    keys = [trial["trial"] for trial in found["runs"]["runs"][0]["trials"]]
    assert found["device export"]["trial"] in keys
    table = tmp_path / "table"
    target, pulses = (np.loadtxt(table / f"weight_1.plus{kind}.csv", delimiter=",") for kind in ("", ".pulses"))
    assert target.shape == pulses.shape == (64, 4)
    assert found["device fit"]["g_min"] * 0.99 < target.min() < target.max() < found["device fit"]["g_max"] * 1.01
    assert pulses.max() <= 1000
    assert found["device import"]["test_error"] == pytest.approx(found["device import"]["target_error"], abs=1 / 360)


def test_a_device_is_given_once(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, one of two devices is ignored."""
    (tmp_path / "device.toml").write_text("[conductance]\ng_max = 2e-5\n")
    result = eqlab("hardware", "--preset", "ecram", "--device-file", tmp_path, *SMALL)
    assert (result.exit_code, "a device is given once" in result.stderr) == (2, True)
    missing = eqlab("hardware", "--device-file", "ecram", *SMALL)
    assert (missing.exit_code, "cannot read the device ecram" in missing.stderr) == (2, True)
