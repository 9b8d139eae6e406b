"""Published devices, measured pulses and what operations cost."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from contrastive_core.devices.accounting import Constants, account
from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.devices.presets import PRESETS, find_preset, linear_device
from contrastive_core.devices.pulses import Train, fit_pulses, read_pulses
from contrastive_core.devices.states import FiniteStates
from contrastive_core.errors import DataError, UnknownNameError
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered


@pytest.mark.parametrize(
    ("w_max", "w_min", "gamma_up", "gamma_down"), [(0.6, -0.6, 1, 1), (1.1724, -0.8276, 0.1153, 0.5085), (1, -0.7, 0, 0)]
)
def test_a_linear_device_steps_as_its_weight_says(w_max: float, w_min: float, gamma_up: float, gamma_down: float) -> None:
    """If this fails, published parameters, which are those of weights, mean another device."""
    device = linear_device(0.01, w_max, w_min, gamma_up, gamma_down)(0)
    weight = torch.tensor([[0.3, -0.2, 0.0]], dtype=torch.float64)[0]
    level = device.conductance.levels(weight, w_max)
    for sign in (1, -1):
        expected = weight.clone()
        for _ in range(5):
            expected += 0.01 * (1 - gamma_up * expected / w_max) if sign > 0 else -0.01 * (1 - gamma_down * expected / w_min)
        request = torch.full_like(level, sign * 5 * 0.01 / (w_max - w_min))
        got = device.conductance.weight(device.write(level, request, "w", 1).level, w_max)
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_are_devices_that_learn_in_the_right_direction(name: str) -> None:
    """If this fails, a preset cannot be trained, or its pulses go astray. Means over 4000 devices."""
    device = PRESETS[name].build(0)
    kind = device.conductance
    level = torch.full((2 if kind.pairing is Pairing.DIFFERENTIAL else 1, 4000), 0.5, dtype=torch.float64)
    change = torch.zeros_like(level)
    change[0] = 0.1
    moved = [float((kind.weight(device.write(level, sign * change, "w", 1).level - level, 1.0)).mean()) for sign in (1, -1)]
    nothing = float(kind.weight(torch.zeros_like(level), 1.0).mean())
    assert moved[0] - nothing > 0.02
    assert moved[1] - nothing < -0.02


def test_every_preset_names_the_measurement_that_it_is_a_fit_to() -> None:
    """If this fails, a study cannot say whose device it is of."""
    for name, preset in PRESETS.items():
        assert name == "ideal" or re.search(r"\d{4}\)", preset.source), name
    assert {"ReRamSB", "ReRamES", "ReRamArrayOM", "ReRamArrayHfO2", "Capacitor", "EcRam", "EcRamMO", "GokmenVlasov", "Idealized", "PCM"} < {
        preset.alias for preset in PRESETS.values()
    }


def test_presets_are_found_by_the_names_they_have_elsewhere() -> None:
    """If this fails, a user of another simulator cannot name their device."""
    assert find_preset("ReRamSB") is PRESETS["reram-soft-bounds"]
    with pytest.raises(UnknownNameError, match="did you mean 'ecram'"):
        find_preset("ecrum")


def rise(alpha: float, count: int) -> np.ndarray:
    share = np.linspace(0, 1, count + 1)
    return np.expm1(-alpha * share) / np.expm1(-alpha)


def test_a_fit_recovers_the_device_that_made_the_pulses() -> None:
    """If this fails, a study of a measured device is one of another. Noise of 0.2 % of the range, 2 x 2 trains of 64 pulses."""
    random = np.random.default_rng(0)
    trains = []
    for number in ("a", "b"):
        up = 1e-6 + 9e-5 * rise(2.0, 64) + 1.8e-7 * random.standard_normal(65)
        down = 9.1e-5 - 9e-5 * rise(5.0, 64) + 1.8e-7 * random.standard_normal(65)
        trains += [Train(number, "1", True, up), Train(number, "1", False, down)]
    fit = fit_pulses(trains)
    # The curvature of a curve of 65 points with relative noise .002 fixes alpha to about 12 * .002 / sqrt(65) * alpha or better.
    assert fit.alpha_p == pytest.approx(2.0, abs=0.05)
    assert fit.alpha_d == pytest.approx(5.0, abs=0.1)
    assert fit.g_max - fit.g_min == pytest.approx(9e-5, rel=0.01)
    assert fit.residual == pytest.approx(0.002, rel=0.2)  # 260 points: the deviation is known to 4 %
    np.testing.assert_allclose(fit.curve(True), 1e-6 + 9e-5 * rise(2.0, 64), atol=3e-7)
    wrong = fit_pulses([Train("a", "1", True, trains[1].conductance[::-1]), trains[1]])
    assert wrong.alpha_p < 0  # the control: mirrored pulses are no saturating device


def test_both_layouts_of_pulse_data_are_read(tmp_path: Path) -> None:
    """If this fails, measured data have to be rewritten before they can be used."""
    up, down = np.linspace(1, 9, 5) * 1e-6, np.linspace(9, 1, 5) * 1e-6
    plain = tmp_path / "plain.csv"
    plain.write_text("\ufeff" + "\n".join(f"{u},{d}" for u, d in zip(up, down, strict=True)) + "\n", encoding="utf-8")
    tidy = tmp_path / "tidy.csv"
    lines = ["device_id,cycle,pulse,polarity,conductance_S,t_s"]
    lines += [f"7,1,{n},{p},{g},0" for p, values in (("D", down), ("P", up)) for n, g in reversed(list(enumerate(values)))]
    tidy.write_text("\n".join(lines))
    for path in (plain, tidy):
        found = {train.potentiating: train.conductance for train in read_pulses(path)}
        np.testing.assert_array_equal(found[True], up)
        np.testing.assert_array_equal(found[False], down)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1e-6,2e-6\n2e-6,nan\n3e-6,1e-6\n4e-6,1e-7\n", "line 2 .* got 'nan'"),
        ("1e-6,2e-6\n2e-6,1e-6\n-3e-6,1e-6\n4e-6,1e-7\n", "line 3 .* got '-3e-6'"),
        ("1e-6,2e-6\n2e-6,1e-6\n", "1 potentiating pulses"),
        ("1e-6,2e-6,3\n", "has 3 columns"),
        ("", "is empty"),
        ("device_id,cycle,pulse,conductance_S\n1,1,1,1e-6\n", "lacks the columns polarity"),
        ("device_id,cycle,pulse,polarity,conductance_S\n1,1,1,X,1e-6\n", "line 2 .* P or D"),
    ],
)
def test_bad_pulse_data_are_refused_with_their_line(text: str, words: str, tmp_path: Path) -> None:
    """If this fails, a typo in a file of thousands of lines becomes a device."""
    path = tmp_path / "pulses.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_pulses(path)


def test_the_account_is_the_sum_over_operations() -> None:
    """If this fails, energies in a table are not those of the stated constants."""
    network = Layered((2, 3), output_activation=ACTIVATIONS["linear"], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    device = Device(Conductance(0.0, 1e-5, Pairing.OFFSET, w_max=1.0), effects=(FiniteStates(11),))
    held = OnDevice(network, device)
    with torch.no_grad():
        held.get_parameter("weight_1").zero_()
    held.constrain_()  # now every conductance is in the middle, up to the rounding of a state: 6 devices of about 5 microsiemens
    before = held.pulses.clone()
    with torch.no_grad():
        held.get_parameter("weight_1")[0, 0] += 0.4  # two steps of 1/10 of the range of 2
    held.constrain_()
    assert (held.pulses - before).tolist() == [2, 2]
    bill = account(held, sweeps=100, phases=10, constants=Constants(t_convert=1e-9))
    total = float(device.conductance.siemens(held.levels()["weight_1"]).sum())
    assert bill.settle_energy == pytest.approx(100 * 0.04 * total * 1e-8, rel=1e-12)
    assert bill.convert_energy == pytest.approx(10 * 3 * 30e-15 * 256, rel=1e-12)
    assert bill.write_energy == pytest.approx(float(held.pulses[0]) * 4 * total / 6 * 1e-8, rel=1e-12)
    assert bill.seconds == pytest.approx(100e-8 + 10e-9 + float(held.pulses[1]) * 1e-8, rel=1e-12)
    assert bill.energy == pytest.approx(bill.settle_energy + bill.convert_energy + bill.write_energy, rel=1e-15)
