"""Published devices, measured pulses and what operations cost."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from contrastive_core.devices.accounting import account, slowest_node
from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.finite_states import FiniteStates
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.devices.operation_costs import Constants
from contrastive_core.devices.presets import PRESETS, find_preset, linear_device
from contrastive_core.devices.pulse_files import Train, read_pulses
from contrastive_core.devices.pulse_fit import fit_pulses
from contrastive_core.errors import DataError, InputError, UnknownNameError
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
    assert fit.g_max - fit.g_min == pytest.approx(9e-5, rel=0.01, abs=0)
    assert fit.residual == pytest.approx(0.002, rel=0.2, abs=0)  # 260 points: the deviation is known to 4 %
    np.testing.assert_allclose(fit.curve(True), 1e-6 + 9e-5 * rise(2.0, 64), atol=3e-7)
    wrong = fit_pulses([Train("a", "1", True, trains[1].conductance[::-1]), trains[1]])
    assert wrong.alpha_p == pytest.approx(0, abs=1e-3)  # the control: mirrored pulses are no saturating device, and the law has none
    assert "steps that grow" in wrong.cautions()[0]
    assert fit.cautions() == []


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
        ("1e-6,2e-6\n2e-6,1e-6\n", "line 2 .* 1 potentiating pulses"),
        (
            "device_id,cycle,pulse,polarity,conductance_S\n7,1,0,P,1e-6\n7,1,1,P,2e-6\n7,1,0,D,2e-6\n7,1,2,P,3e-6\n",
            "line 5 .* 2 potentiating pulses of device 7",
        ),
        ("1e-6,2e-6,3\n", "has 3 columns; expected two columns .* or a header with device_id,cycle,pulse,polarity,conductance_S"),
        ("up,down\n1e-6,2e-6\n", "line 1 .* another header, 'up,down'; expected two .* device_id,cycle,pulse,polarity,conductance_S"),
        ("\n cycle , G\n1,1e-6\n", "line 2 .* another header, 'cycle,G'; expected two columns of conductances in siemens without a header"),
        ("1e-6,2e-6x\n2e-6,1e-6\n", "line 1 .* got '2e-6x'"),
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
    bill = account(held, {"free": 70, "positive": 30}, samples=5, constants=Constants(t_convert=1e-9))
    total = float(device.conductance.siemens(held.levels()["weight_1"]).sum())
    assert bill.settle_energy == pytest.approx(100 * 0.04 * total * 1e-8, rel=1e-12, abs=0)
    assert bill.phases["free"].settle_energy == pytest.approx(0.7 * bill.settle_energy, rel=1e-12, abs=0)
    assert bill.phases["free"].operations == 70 * 6
    assert bill.digital_energy == pytest.approx(100 * 6 * 0.23e-12, rel=1e-12, abs=0)
    assert bill.convert_energy == pytest.approx(10 * 3 * 30e-15 * 256, rel=1e-12, abs=0)
    assert bill.write_energy == pytest.approx(float(held.pulses[0]) * 4 * total / 6 * 1e-8, rel=1e-12, abs=0)
    assert bill.seconds == pytest.approx(100e-8 + 10e-9 + float(held.pulses[1]) * 1e-8, rel=1e-12, abs=0)
    assert bill.energy == pytest.approx(bill.settle_energy + bill.convert_energy + bill.write_energy, rel=1e-15, abs=0)
    # Everything that can be switched on: inputs converted, wires charged, 1 + 2 other devices at half of the voltage, rows in turn.
    more = Constants(t_convert=1e-9, dac_bits=7, c_wire=1e-15, half_selected=True, rows_in_parallel=False)
    other = account(held, {"free": 70, "positive": 30}, samples=5, constants=more)
    assert other.phases["free"].conversions - bill.phases["free"].conversions == 5 * 2
    assert other.convert_energy - bill.convert_energy == pytest.approx(5 * 2 * 30e-15 * 128, rel=1e-9, abs=0)
    pulse = 4 * total / 6 * 1e-8 + 4e-15 + total / 6 * 1e-8 * 3
    assert other.write_energy == pytest.approx(float(held.pulses[0]) * pulse, rel=1e-12, abs=0)
    assert other.seconds == pytest.approx(100e-8 + 15e-9 + 2 * float(held.pulses[1]) * 1e-8, rel=1e-12, abs=0)


def test_settling_takes_the_logarithm_of_time_constants_of_the_slowest_node() -> None:
    """If this fails, latencies are off by the ratio of a network's nodes. Against the exponential of the circuit's matrix.

    Published for one network of 16-16-3 nodes of 1 pF, from its transient: .1 % after 7.29 ns, 6.5 time constants of the slowest node
    (the logarithm of 1000 is 6.9).
    """
    ratios = []
    for seed in range(5):
        random = np.random.default_rng(seed)
        arrays = [torch.from_numpy(10 ** random.uniform(-6, -4, (1, *shape))) for shape in ((16, 16), (16, 3))]
        first, second = (array[0].numpy() for array in arrays)
        matrix = np.diag(np.concatenate((first.sum(0) + second.sum(1), second.sum(0))))
        matrix[:16, 16:], matrix[16:, :16] = -second, -second.T
        slowest = slowest_node(arrays)
        assert slowest == pytest.approx(np.diag(matrix).min(), rel=1e-12, abs=0)
        # From rest, the error is the exponential of -G t / C times the end state of sources of random voltages.
        end = np.linalg.solve(matrix, np.concatenate((random.uniform(-1, 1, 16) @ first, np.zeros(3))))
        values, vectors = np.linalg.eigh(matrix / 1e-12)
        times = np.linspace(0, 40e-9, 4001)
        left = np.abs(vectors @ (np.exp(-np.outer(values, times)) * (vectors.T @ end)[:, None])).max(0) / np.abs(end).max()
        settled = times[np.flatnonzero(left > 1e-3)[-1]]
        ratios.append(settled / Constants().settle_time(slowest))
    # The slowest mode of coupled nodes is slower than the slowest node, and takes part in the answer or not: within a half of it.
    assert all(0.5 < ratio < 1.5 for ratio in ratios)
    tau = 7.29e-9 / 6.5
    assert Constants().settle_time(1e-12 / tau) == pytest.approx(7.29e-9 * 6.9 / 6.5, rel=2e-3, abs=0)


def test_the_textbook_numbers_of_an_operation_follow_from_the_constants() -> None:
    """If this fails, a constant has another unit than it says. A read, ISAAC's converter, NeuroSim's pulse."""
    assert Constants().v_read ** 2 * 10e-6 * Constants().t_read == pytest.approx(4e-15, rel=1e-12, abs=0)
    assert Constants(fom=2e-3 / 1.28e9 / 256).conversion(8) == pytest.approx(1.6e-12, rel=0.03, abs=0)
    assert Constants().conversion(0) == 0
    record = Constants(v_read=0.5).record()
    assert record["v_read"] == {"value": 0.5, "unit": "volt", "source": "given"}
    assert record["fom"]["unit"] == "joule"
    assert all(entry["source"] for entry in record.values())
    for name in ("v_read", "t_read", "c_node", "v_write", "t_write", "c_wire", "fom", "t_convert", "e_mac", "adc_bits", "dac_bits"):
        with pytest.raises(InputError, match=f"not negative, got {name} -1"):
            Constants(**{name: -1})
    with pytest.raises(InputError, match="settle_error"):
        Constants(settle_error=1.0)


def test_a_circuit_that_settles_by_itself_is_billed_by_its_power_and_time() -> None:
    """If this fails, energies of analog settling hang on how many sweeps the simulation took."""
    network = Layered((2, 3), output_activation=ACTIVATIONS["linear"], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    held = OnDevice(network, Device(Conductance(1e-6, 1e-5, Pairing.OFFSET, w_max=1.0)))
    siemens = held.device.conductance.siemens(held.levels()["weight_1"])
    for sweeps in (10, 1000):
        bill = account(held, {"free": sweeps}, samples=4, constants=Constants(continuous=True, adc_bits=0))
        time = 1e-12 / float(siemens.sum((0, 1)).min()) * np.log(1000)
        assert bill.settle_time == pytest.approx(time, rel=1e-12, abs=0)
        assert bill.energy == pytest.approx(4 * time * 0.04 * float(siemens.sum()), rel=1e-12, abs=0)
        assert bill.phases["free"].seconds == pytest.approx(4 * time, rel=1e-12, abs=0)
