"""Files that a user names: written where nothing is lost, by every command that takes the name of one."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import eqlab, refused

from contrastive_core.errors import InputError
from contrastive_core.files.writing import write_named

SWEEP = ("relaxation", "--grid", "gain=0.5,1", "--set", "hidden=[4]")
TUNE = ("tune", "--set", "train_size=128", "--hidden", "8", "--batches", "2", "--warmup", "0", "--strengths", "0.1", "--tolerances", "0.01")


def test_a_file_is_written_once_and_never_over_another(tmp_path: Path) -> None:
    """If this fails, a slip of the finger costs a file. Nothing is written if one of several files is in the way."""
    one, two = tmp_path / "one", tmp_path / "two"
    two.write_bytes(b"mine")
    with pytest.raises(InputError, match="two exists and holds something else; remove it, or choose another --write"):
        write_named({one: b"1", two: b"2"}, "--write")
    assert (one.exists(), two.read_bytes()) == (False, b"mine")
    two.write_bytes(b"")
    write_named({one: b"1", two: b"2"}, "--write")
    write_named({one: b"1", two: b"2"}, "--write")
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")


@pytest.mark.parametrize("name", ["show", "collect", "tune"])
def test_commands_write_a_file_again_but_no_other_one(name: str, tmp_path: Path) -> None:
    """If this fails, a command overwrites what the user had, or refuses its own file. ``device export`` has a test of its own."""
    file, sweep = tmp_path / "file", f"{tmp_path}/sweep"
    line: tuple[object, ...] = {
        "show": ("device", "show", "ecram", "--pulses", "10", "--write", file, "--out", tmp_path / "run"),
        "collect": ("sweep", "collect", sweep, "--csv", file),
        "tune": (*TUNE, "--nudged-tolerances", "0.1", "--write", file, "--quiet", "--out", tmp_path / "run"),
    }[name]
    if name == "collect":
        assert eqlab("sweep", "new", sweep, *SWEEP).exit_code == 0
    assert [eqlab(*line).exit_code for _ in range(2)] == [0, 0]
    file.write_text("mine")
    assert "file exists and holds something else" in eqlab(*line).stderr
    assert file.read_text() == "mine"


def test_a_report_takes_the_place_of_a_report_only(tmp_path: Path) -> None:
    """If this fails, a page that the user wrote is lost, or the page of a run that goes on cannot be drawn anew."""
    run, page = tmp_path / "run", tmp_path / "page.html"
    assert eqlab("device", "show", "ecram", "--pulses", "10", "--out", run).exit_code == 0
    assert [eqlab("report", run, "--out", page).exit_code for _ in range(2)] == [0, 0]
    page.write_text("<html>mine</html>")
    assert "is no page of eqlab" in refused("report", run, "--out", page)


def test_an_edited_device_outlives_the_same_fit(tmp_path: Path) -> None:
    """If this fails, settings that the user has changed in the file of a device are lost as soon as the fit is shown again."""
    pulses, run = tmp_path / "pulses.csv", tmp_path / "fit"
    pulses.write_text("\n".join(f"{1e-6 + 1e-6 * n},{11e-6 - 1e-6 * n}" for n in range(11)))
    assert eqlab("device", "fit", pulses, "--out", run).exit_code == 0
    (run / "device.toml").write_text("[adc]\nadc_bits = 4\n")
    assert eqlab("device", "fit", pulses, "--out", run).exit_code == 0
    assert (run / "device.toml").read_text() == "[adc]\nadc_bits = 4\n"
