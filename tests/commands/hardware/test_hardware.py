"""The hardware command: what is written becomes the device that is meant, and a study leaves what it found."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from circuits import SWITCHED_ON
from command_line import Eqlab

from contrastive_core.devices import EFFECTS
from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.array_effects import ConductanceNoise, NoiseKind, ProgrammingError
from contrastive_core.devices.effects.finite_states import FiniteStates, Rounding
from contrastive_core.devices.effects.periphery import StateConverter
from contrastive_core.devices.effects.variation import CycleToCycle
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.devices.presets import PRESETS
from contrastive_core.devices.write_law import LinearStep
from contrastive_core.errors import InputError
from contrastive_core.networks.layered import Layered
from experiments.hardware.device_settings import read_variation
from experiments.hardware.hardware import moved, trial
from experiments.hardware.options import HardwareTrialOptions
from experiments.hardware.table import PER_SAMPLE, PER_SAMPLE_HEADER, cost_rows, table
from experiments.setup.devices import assemble, split

TINY = ("--set", "train_size=64", "--epochs", "2", "--hidden", "8", "--strength", "0.05", "--seeds", "2", "--engine", "serial", "--quiet")


def device(*assignments: str, preset: str = "ideal") -> Device:
    return assemble(preset, split(assignments)[0], 7)


def test_what_is_written_is_the_device_that_is_meant() -> None:
    """If this fails, a table's rows are named after effects that they do not have."""
    made = device(
        "adc.adc_bits=6",
        "adc.adc_range=2",
        "finite-states.rounding=stochastic",
        "conductance.pairing=single",
        "law.m=0.5",
        "device.seconds=9",
    )
    assert made.effects == (StateConverter(6, 2.0), FiniteStates(None, Rounding.STOCHASTIC))
    assert made.conductance.pairing is Pairing.SINGLE
    assert (made.law, made.seconds, made.seed) == (LinearStep(0.5, 0.5), 9.0, 7)
    assert device("conductance-noise.kind=abs").effects == (ConductanceNoise(0.0, NoiseKind.ABSOLUTE),)


def test_a_setting_changes_a_preset_and_leaves_the_rest_of_it() -> None:
    """If this fails, a published device loses its other numbers when one is varied."""
    published, changed = PRESETS["reram-soft-bounds"].build(7), device("cycle-to-cycle.sigma_c2c=1", preset="ReRamSB")
    assert changed.law == published.law
    assert [effect for effect in changed.effects if not isinstance(effect, CycleToCycle)] == [
        effect for effect in published.effects if not isinstance(effect, CycleToCycle)
    ]
    assert CycleToCycle(1.0) in changed.effects


def test_settings_with_several_values_vary_together_and_the_others_are_held() -> None:
    """If this fails, a study varies something else than it says."""
    found = read_variation("finite-states.n_states=16,64 finite-states.rounding=stochastic")
    assert found.values == ("16", "64")
    assert found.points[1] == ("finite-states.n_states=64", "finite-states.rounding=stochastic")
    together = read_variation("stuck-at.p_sa0=0.1,0.2 stuck-at.p_sa1=0.3,0.4 device.step=0.01")
    assert together.points[1] == ("stuck-at.p_sa0=0.2", "stuck-at.p_sa1=0.4", "device.step=0.01")
    assert together.name == "stuck-at.p_sa0 stuck-at.p_sa1 device.step=0.01"
    with pytest.raises(InputError, match="needs one value or 3"):
        read_variation("adc.adc_bits=4,6,8 adc.adc_range=1,2")
    with pytest.raises(InputError, match="empty value"):
        read_variation("adc.adc_bits=,")


def test_only_an_ideal_device_is_called_ideal(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, the row that others are compared with claims an ideal device, and is an imperfect one."""
    for name, what in {"preset": ("--preset", "ecram"), "imperfections": ("--imperfections", "node-noise.sigma_v=0.1")}.items():
        result = eqlab("hardware", *what, "--vary", "neuron-offset.sigma_offset=1", "--json", "--out", tmp_path / name, *TINY)
        assert result.exit_code == 0, result.output
        assert [row["varied"] for row in json.loads(result.stdout)["rows"]] == ["unvaried", "neuron-offset.sigma_offset"]


def test_a_study_reports_every_point_beside_the_ideal_one(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, accuracy, signal and energy under an imperfection are not those of the trial."""
    out = tmp_path / "out"
    study = ("--vary", "node-noise.sigma_v=1", "--vary", "finite-states.n_states=2", "--json", "--out", out)
    result = eqlab("hardware", *study, *TINY)
    assert result.exit_code == 0, result.output
    rows = {row["varied"]: row for row in json.loads(result.stdout)["rows"]}
    assert set(rows) == {"ideal", "node-noise.sigma_v", "finite-states.n_states"}
    assert rows["ideal"]["signal_to_noise"] is None  # nothing is misread
    assert rows["node-noise.sigma_v"]["signal_to_noise"] < 0.1
    assert rows["finite-states.n_states"]["pulses"] == 0  # no change is half of the whole range
    assert rows["ideal"]["pulses"] > 1000
    assert all(row["energy"] > 0 and len(row["accuracy"]["seeds"]) == 2 for row in rows.values())
    assert (out / "figures" / "effects.svg").read_text().startswith("<?xml")
    assert (out / "figures" / "front.svg").exists()
    again = eqlab("hardware", *study, *TINY)
    assert json.loads(again.stdout)["rows"] == json.loads(result.stdout)["rows"]  # resumed from the journal


def test_a_rule_has_its_own_settings_and_a_variation_may_be_one_of_rules(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, rules are compared at each other's learning rates, or a row is named after a rule that was not trained."""
    arguments = (
        "--rules",
        "ep-centered,ep-negative",
        "--own",
        "ep-negative.learning_rates=1e-9",
        "--vary",
        "rule=backprop",
        "--json",
        "--out",
        tmp_path / "o",
    )
    result = eqlab("hardware", *arguments, "--set", "train_size=32", "--epochs", "1", "--hidden", "4", "--seeds", "1", "--engine", "serial")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert [row["rule"] for row in rows] == ["ep-centered", "ep-negative", "backprop", "backprop"]
    pulses = [row["pulses"] for row in rows]
    assert pulses[1] < 1e-6 * pulses[0]  # as the learning rates, but for how large the two gradients are
    assert pulses[3] < 1e-6 * pulses[2]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("ep-centered.strength", "--own needs RULE.SETTING=VALUE, got 'ep-centered.strength'"),
        ("ep-centered.strength=", "--own needs RULE.SETTING=VALUE, got 'ep-centered.strength=', which has no value"),
        ("strength=1", "unknown rule of this study ''"),
        ("backprop.strength=1", "unknown rule of this study 'backprop'"),
        ("ep-centered.strenght=1", "did you mean 'strength'"),
        ("ep-centered.strength=much", "--own"),
    ],
)
def test_a_mistake_in_a_rules_own_setting_is_told_of_own(eqlab: Eqlab, given: str, words: str, tmp_path: Path) -> None:
    """If this fails, a user looks for the mistake in another option, which may be the default one."""
    result = eqlab("hardware", "--own", given, *TINY, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert words in result.stderr
    assert "--own" in result.stderr or "--vary" not in result.stderr
    assert "Traceback" not in result.stderr


def test_final_training_keeps_nothing_for_validation_and_reports_its_last_epoch() -> None:
    """If this fails, numbers that are meant for all training samples are those of fewer, or of an epoch chosen after looking."""
    options = HardwareTrialOptions(train_size=64, epochs=3, hidden=(4,), patience=1, learning_rates=(1e-9,))
    chosen, last = (trial(options.model_copy(update={"final": final, "patience": None}), 0).metrics for final in (False, True))
    assert (chosen["best_epoch"], last["best_epoch"]) == (1, 3)  # nothing changes, and the first of equal epochs is the best
    assert chosen["validation_error"] is not None
    assert last["validation_error"] is None
    assert last["settle_energy"] / chosen["settle_energy"] == pytest.approx((64 + 250) / 64, rel=0.05, abs=0)
    # Three epochs of 64 and of 314 samples, each through every phase: a sample is counted once per epoch.
    for found, samples in ((chosen, 64), (last, 314)):
        assert found["energy"] / found["sample_energy"] == pytest.approx(3 * samples, rel=1e-12, abs=0)
        sweeps = sum(phase["sweeps"] for name, phase in found["phases"].items() if name != "write")
        assert sweeps / found["sweeps_per_sample"] == pytest.approx(3 * samples, rel=1e-9, abs=0)
        assert 0 < found["inference_energy"] < found["sample_energy"]


def test_every_effect_that_is_listed_can_be_trained_with_all_others() -> None:
    """If this fails, an effect can be set and not be studied, or two of them cannot meet."""
    assert list(SWITCHED_ON) == list(EFFECTS)
    chosen = tuple(f"{name}.{(first := fields(effect)[0]).name}={getattr(effect, first.name)}" for name, effect in SWITCHED_ON.items())
    options = HardwareTrialOptions(
        imperfections=tuple(text.replace("Scheme.NET", "net") for text in chosen), train_size=64, epochs=1, hidden=(8,)
    )
    metrics = trial(options, 0).metrics
    assert 0 <= metrics["test_error"] <= 1
    assert metrics["signal_to_noise"] > 0
    assert metrics["energy"] > 0


def test_the_help_names_every_effect(eqlab: Eqlab) -> None:
    """If this fails, an effect exists that nobody finds."""
    words = "".join(eqlab("hardware", "--help").stdout.split())  # names are broken at their hyphens
    assert [name for name in EFFECTS if name not in words] == []


def test_a_network_that_was_trained_elsewhere_suffers_more_from_static_errors_than_one_trained_on_the_device(eqlab: Eqlab) -> None:
    """If this fails, training in place does not learn around what is fixed, the reason to do it; nor is another device another one."""
    more = ("--set", "train_size=300", "--epochs", "10", "--hidden", "32", "--activation", "tanh")
    common = ("--vary", "neuron-offset.sigma_offset=0.3", "--json", *TINY, *more)
    accuracy = {}
    for source in ("none", "ideal", "device"):
        result = eqlab("hardware", "--transfer", source, *common)
        assert result.exit_code == 0, result.output
        accuracy[source] = [row["accuracy"]["mean"] for row in json.loads(result.stdout)["rows"]]
    # Offsets of a third of a unit's range, on 360 test samples per seed: the standard error of an accuracy is below .026 / sqrt(2).
    for source in ("ideal", "device"):
        assert accuracy["none"][1] > accuracy[source][1] + 0.1
        assert abs(accuracy["none"][0] - accuracy[source][0]) < 0.1  # a control: without errors they are alike
    assert accuracy["none"][0] == accuracy["device"][0]  # conductances and all


def test_another_chip_has_the_levels_of_the_first_and_draws_of_its_own() -> None:
    """If this fails, a transfer is made to the very chip that the network was trained on.

    Errors of two chips are independent: the correlation of 1200 of them is within 4.5 / sqrt(1200).
    """
    device = Device(Conductance(w_max=5.0), effects=(ProgrammingError(0.05),), seed=3)
    first = OnDevice(Layered((40, 30), generator=torch.Generator().manual_seed(0)), device)
    other = moved(first, Layered((40, 30), generator=torch.Generator().manual_seed(1)), device, 3)
    assert torch.equal(other.levels()["weight_1"], first.levels()["weight_1"])
    meant = device.conductance.weight(first.levels()["weight_1"], 5.0)
    errors = [held.get_parameter("weight_1").detach() - meant for held in (first, other)]
    assert all(0.2 < float(error.std()) < 0.5 for error in errors)  # a control: there are errors
    correlation = torch.corrcoef(torch.stack([error.flatten() for error in errors]))[0, 1]
    assert abs(float(correlation)) < 4.5 / 1200**0.5


def test_columns_of_the_tables_are_the_metrics_of_their_names() -> None:
    """If this fails, joules of one kind stand under the name of another. Every number is another one."""
    costs = {name: float(number) for number, name in enumerate(PER_SAMPLE, start=11)}
    row = {
        "varied": "adc.adc_bits",
        "value": "4",
        "rule": "ep-centered",
        "accuracy": None,
        "validation_error": 0.25,
        "device": None,
        **costs,
    }
    row |= {"signal_to_noise": 3.0, "energy": 2e-6, "settle_energy": 1e-6, "settle_is_bound": 1.0, "device_seconds": 8.0, "pulses": 7.0}
    header, _, line = table([row]).splitlines()[:3]
    assert header.split()[-7:] == ["%", "signal/noise", "energy", "µJ", "settling", "µJ", "pulses"]
    assert line.split()[-6:] == ["75.0", "3", "2", "<=", "1", "7"]
    assert PER_SAMPLE_HEADER[3:] == (
        "J per inference",
        "digital J",
        "s per inference",
        "J per training sample",
        "digital J of it",
        "s of it",
    )
    assert cost_rows([row]) == [("adc.adc_bits", "4", "ep-centered", "11", "12", "13", "14", "15", "16")]


CONVOLUTIONAL = ("--network", "convolutional", "--layers", "2c3 p2 10")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--vary", "adc.adc_bits"), "--vary needs EFFECT.PARAMETER=V1,V2,..., got 'adc.adc_bits'"),
        (("--vary", "adz.adc_bits=4"), "did you mean 'adc'"),
        (("--vary", "adc.bits=4"), "did you mean 'adc_bits'"),
        (("--vary", "adc.adc_bits=four"), "valid integer"),
        (("--vary", "conductance.g_min=1"), "g_min < g_max"),
        (("--vary", "finite-states.n_states=0"), "at least 2 states"),
        (("--vary", "node-noise.sigma_v=-1"), "sigma_v >= 0"),
        (("--vary", "strenght=0.1"), "did you mean 'strength'"),
        (("--preset", "ecrum"), "did you mean 'ecram'"),
        (("--vary", "adc.adc_bits=4,4"), "'adc.adc_bits=4,4' has the value 4 twice; name each once, and give repetitions as --seeds N"),
        (("--vary", "adc.adc_bits=4,6,4 adc.adc_range=1,1,2"), "has the value 4 twice; begin with a setting whose values differ"),
        *((("--vary", text), "give the first seed as --seed and their number as --seeds") for text in ("seed=1,2", "strength=0.1 seed=1")),
        *((flag, "give the first seed as --seed") for flag in (("--own", "ep-centered.seed=1"), ("--imperfections", "seed=1"))),
        (("--own", "ep-centred.strength=1"), "did you mean 'ep-centered'"),
        (("--network", "resistor-graph", "--vary", "wires.r_wire_row=1"), "wires belong to arrays of rows and columns"),
        (("--network", "binary", "--vary", "asymmetric-feedback.sigma_asym=1"), "feedback arrays belong to layered networks"),
        (("--network", "ising", "--vary", "adc.adc_bits=4", "--imperfections", "asymmetric-feedback.sigma_asym=1"), "leave the effect out"),
        (("--vary", "network=layered,resistor-graph wires.r_wire_row=1"), "leave the effect out"),
        (("--network", "oscillator", "--rules", "ep-centered,coupled-positive"), "coupled-positive holds the outputs"),
        ((*CONVOLUTIONAL, "--vary", "wires.r_wire_row=1"), "wires belong to arrays of rows and columns"),
        ((*CONVOLUTIONAL, "--constants-continuous"), "no circuit of them settles by itself; bill them sweep by sweep"),
        (
            ("--network", "convolutional", "--layers", "2c3+1>3 2c3+1 10", "--vary", "asymmetric-feedback.sigma_asym=1"),
            "residual edges out",
        ),
        (("--network", "resistive", "--readout", "--vary", "adc.adc_bits=4"), "leave --readout out"),
    ],
)
def test_a_study_that_cannot_be_is_refused_before_it_starts(eqlab: Eqlab, arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """If this fails, a typo is found after hours, or is a study of something else."""
    result = eqlab("hardware", *arguments, *TINY, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_devices_are_listed_shown_and_fitted(eqlab: Eqlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the commands of devices do not do what their help says."""
    monkeypatch.chdir(tmp_path)
    assert {"ecram", "reram-soft-bounds"} <= {one["name"] for one in json.loads(eqlab("device", "list", "--json").stdout)["devices"]}
    shown = json.loads(eqlab("device", "show", "ideal", "--pulses", "10", "--samples", "2", "--json").stdout)
    assert shown["microsiemens"][0] == pytest.approx([1 + 0.099 * n for n in (*range(11), *range(9, -1, -1))])
    lines = [f"{1e-6 + 1e-6 * n},{11e-6 - 1e-6 * n}" for n in range(11)]
    (tmp_path / "pulses.csv").write_text("\n".join(lines))
    fitted = json.loads(eqlab("device", "fit", "pulses.csv", "--json").stdout)
    assert (fitted["g_min"], fitted["g_max"]) == (pytest.approx(1e-6), pytest.approx(11e-6))
    assert fitted["alpha_p"] == pytest.approx(0, abs=1e-6)
    refused = eqlab("device", "fit", "nothing.csv")
    assert refused.exit_code == 2
    assert "cannot read" in refused.stderr


def test_filters_learn_on_devices_whose_neurons_and_feedback_are_their_own(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, effects that act on weights one by one do not act on filters, or the bill reads them once for all places."""
    effects = (
        "neuron-gain.sigma_gain=0.1",
        "asymmetric-feedback.sigma_asym=0.1",
        "cycle-to-cycle.sigma_c2c=0.1",
        "node-noise.sigma_v=1e-3",
    )
    settings = [word for effect in effects for word in ("--imperfections", effect)]
    arguments = (*CONVOLUTIONAL, *settings, "--vary", "adc.adc_bits=8", *TINY, "--seeds", "1", "--engine", "serial")
    result = eqlab("hardware", *arguments, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert len(rows) == 2
    assert all(row["energy"] > 0 for row in rows)
