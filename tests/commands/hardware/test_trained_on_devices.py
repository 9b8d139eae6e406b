"""Trainings whose weights a device holds, which ``--device-file`` gives to every learning command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import eqlab, found, refused

from contrastive_core.devices.on_device import OnDevice, held_by
from experiments.hardware.hardware import trial as trial_on_hardware
from experiments.hardware.learnt import learnt_by
from experiments.hardware.options import HardwareTrialOptions
from experiments.learning.train import trial
from experiments.representations.trained import finished, load_trained
from experiments.runs.directory import RunDirectory
from experiments.setup.build import build_network, load_data
from experiments.setup.device_files import given_device, settings_in
from experiments.setup.options import TrialOptions

TINY = ("--set", "train_size=64", "--epochs", "1", "--hidden", "4", "--quiet")
IDEAL = "[conductance]\ng_min = 1e-6\ng_max = 1e-4\n"
NOISY = f"""{IDEAL}
[law]
model = "neurosim"
alpha_p = 2
alpha_d = 1.5
num_pulses = 50
[conductance-noise]
sigma_read = 0.01
kind = "abs"
[finite-states]
n_states = 51
rounding = "stochastic"
[node-noise]
sigma_v = 0.001
"""


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """Directory of a fit with a noisy device."""
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "device.toml").write_text(NOISY)
    return tmp_path / "fit"


def changed(device: Path) -> None:
    (device / "device.toml").write_text(NOISY.replace("51", "16"))


def plain(history: Any) -> list[dict[str, float]]:
    return [{name: value for name, value in record.items() if "seconds" not in name} for record in history]


@pytest.mark.parametrize("text", [IDEAL, NOISY], ids=["ideal", "noisy"])
def test_a_training_on_a_device_is_that_of_a_hardware_study(text: str, tmp_path: Path) -> None:
    """If this fails, one file is two devices. The settings stand in a file here, and one by one among the imperfections there."""
    (tmp_path / "device.toml").write_text(text)
    shared = {"train_size": 64, "epochs": 2, "hidden": (4,)}
    options = TrialOptions.model_validate({**shared, "device_file": str(tmp_path)})
    one = trial(options, 3)
    other = trial_on_hardware(HardwareTrialOptions.model_validate({**shared, "imperfections": settings_in(given_device(str(tmp_path)))}), 3)
    assert plain(one.history) == plain(other.history)
    assert all(one.metrics[name] == other.metrics[name] for name in ("test_error", "test_cost", "validation_error", "device"))
    without = trial(TrialOptions.model_validate(shared), 3)
    assert "device" not in without.metrics
    difference = abs(plain(without.history)[-1]["train_cost"] - plain(one.history)[-1]["train_cost"])
    # An ideal device rounds weights to levels and back, by about 2^-24 of the range, times the steps of relaxation that this tips over.
    assert 0 < difference < (1e-4 if text == IDEAL else 0.1)


def test_the_settings_of_a_device_and_not_its_path_identify_a_run(device: Path, tmp_path: Path) -> None:
    """If this fails, a run goes on with another device, or cannot go on where the file lies elsewhere."""
    run = tmp_path / "run"
    first = found("train", *TINY, "--device-file", device, "--out", run)
    assert first["device"]["finite-states"]["n_states"] == 51
    moved = device.rename(tmp_path / "elsewhere")
    assert found("train", *TINY, "--device-file", moved, "--out", run) == first
    assert found("train", "--config", run / "config.toml", "--quiet", "--out", run) == first  # the record is enough
    assert "cannot read the device" in refused("train", *TINY, "--device-file", device, "--out", run)
    assert "device_file.finite-states.n_states is 51 there and missing here" in refused("train", *TINY, "--out", run)
    changed(moved)
    assert "device_file.finite-states.n_states is 51 there and 16 here" in refused("train", *TINY, "--device-file", moved, "--out", run)
    (moved / "device.toml").unlink()
    assert eqlab("report", run).exit_code == 0


def test_an_entry_of_a_file_is_changed_without_the_file(device: Path, tmp_path: Path) -> None:
    """If this fails, a setting beside the file takes the place of the whole file, and nothing is said."""
    given = ("--device-file", device, "--set", "device_file.finite-states.n_states=16")
    result = found("train", *TINY, *given, "--out", tmp_path / "run")
    assert result["device"]["finite-states"]["n_states"] == 16
    assert result["device"]["conductance-noise"]["sigma_read"] == 0.01


def test_a_checkpoint_is_used_on_the_device_of_its_training_only(device: Path, tmp_path: Path) -> None:
    """If this fails, gradients are those of another device than that on which the network was trained."""
    for name, given in {"on": ("--device-file", device), "off": ()}.items():
        found("train", *TINY, *given, "--out", tmp_path / name)
    on, off = (tmp_path / name / "checkpoints" / "train.safetensors" for name in ("on", "off"))
    asked = ("gradients", "--hidden", "4", "--activation", "hard-sigmoid", "--samples", "4", "--rules", "ep-centered", "--quiet")
    same = found(*asked, "--device-file", device, "--checkpoint", on, "--out", tmp_path / "g")
    assert same["rules"]["ep-centered"]["norm_ratio"] > 0
    assert "trained on another device; give the --device-file of its training" in refused(*asked, "--checkpoint", on)
    assert "trained on no device; leave --device-file out" in refused(*asked, "--device-file", device, "--checkpoint", off)
    changed(device)
    assert "trained on another device" in refused(*asked, "--device-file", device, "--checkpoint", on)


def test_a_trained_device_is_loaded_and_exported_as_it_was_chosen(device: Path, tmp_path: Path) -> None:
    """If this fails, what is compared or programmed is not the network whose error the run reports."""
    run = tmp_path / "run"
    found("compare", *TINY, "--rules", "ep-centered", "--seeds", "1", "--engine", "serial", "--device-file", device, "--out", run)
    options, (one,) = finished(run, None)
    network = load_trained(run, options, one, load_data(options)).network
    assert isinstance(network, OnDevice)
    learnt = learnt_by(run, None, None)
    assert learnt.device == network.device
    assert learnt.weights.keys() == network.stored().keys()
    assert all(bool((learnt.weights[name] == weight).all()) for name, weight in network.stored().items())
    found("device", "export", run, "--write", tmp_path / "t.npz")
    # Exported conductances use the full range; 51 states of a device without variation are 50 pulses.
    back = found("device", "import", run, "--read", tmp_path / "t.npz", "--out", tmp_path / "chip")
    assert all(array["worst"] < 1e-12 for array in back["arrays"].values())


def test_a_sweep_holds_the_device_with_which_it_was_made(device: Path, tmp_path: Path) -> None:
    """If this fails, trials of one sweep are on two devices, as soon as the file changes."""
    tiny = [word for setting in ("train_size=64", "epochs=1", "hidden=4", f"device_file={device}") for word in ("--set", setting)]
    sweep = f"{tmp_path}/sweep"
    assert eqlab("sweep", "new", sweep, "train", *tiny, "--grid", "device_file.node-noise.sigma_v=0,0.5").exit_code == 0
    changed(device)
    assert eqlab("sweep", "run", sweep, "--engine", "serial", "--quiet").exit_code == 0
    shown = found("runs", "show", sweep)["runs"][0]["configuration"]["set"]["device_file"]
    assert (shown["finite-states"]["n_states"], shown["node-noise"]) == (51, {})
    many = refused("sweep", "new", f"{sweep}2", "train", "--grid", f"device_file={device},{device}")
    assert "device_file is no axis" in many
    assert "give it as device_file=" in refused("sweep", "new", f"{sweep}3", "hardware", "--set", f"preset={device}", "--seeds", "2")


@pytest.mark.parametrize("command", ["compare", "contrast"])
def test_two_passes_are_refused_for_rules_without_phases(command: str, tmp_path: Path) -> None:
    """If this fails, a training on such a device fails after it has begun, or in the middle of a comparison."""
    (tmp_path / "two.toml").write_text('[pulse-train]\nscheme = "two-pass"\n')
    rules = ("--rules", "ep-centered,backprop")
    assert "backprop has no two phases" in refused(command, *TINY, *rules, "--device-file", tmp_path / "two.toml", "--out", tmp_path / "r")
    assert not (tmp_path / "r").exists()
    assert "leave --device-file out" in refused("spice", "--device-file", tmp_path / "two.toml", "--out", tmp_path / "s")


def test_contrast_trains_on_a_device(device: Path, tmp_path: Path) -> None:
    """If this fails, representations are those of ideal weights, though a device was asked for."""
    given = (*TINY, "--rules", "ep-centered", "--seeds", "1", "--engine", "serial", "--set", "cost=momentum-queue")
    found("contrast", *given, "--device-file", device, "--out", tmp_path / "run")
    with RunDirectory(tmp_path / "run").journal(readonly=True) as journal:
        (one,) = journal.trials("done")
    options, _ = finished(tmp_path / "run", None)
    assert options.device_file == given_device(str(device))
    assert one.metrics is not None
    assert one.metrics["device"]["finite-states"]["n_states"] == 51


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no settings"),
        ("a = 1\n", "has a table of numbers"),
        ("[adc]\nx = 2020-01-01\n", "has a table"),
        ("[adc]\nx = inf\n", "has a"),
    ],
)
def test_files_without_settings_of_a_device_are_refused(text: str, words: str, tmp_path: Path) -> None:
    """If this fails, an empty file would be recorded as no device, and the run would be trained on an ideal one."""
    (tmp_path / "device.toml").write_text(text)
    assert words in refused("train", *TINY, "--device-file", tmp_path)


def test_the_exact_gradient_is_that_of_the_network_which_the_device_holds(device: Path) -> None:
    """If this fails, the exact gradient has the noise of a reading, and a noiseless rule would be called wrong."""
    options = TrialOptions.model_validate({"train_size": 8, "hidden": (4,), "device_file": str(device)})
    network = build_network(options, load_data(options), 0)
    assert isinstance(network, OnDevice)
    assert held_by(network) is network.inside
    assert held_by(network.inside) is network.inside
    assert json.loads(json.dumps(options.settings()))["device_file"] == options.device_file
