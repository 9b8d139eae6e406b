"""Fits of measured pulses: noise of writing apart from noise of reading, spread apart from cycles, units, and files of devices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Eqlab

from contrastive_core.devices.effects.array_effects import ConductanceNoise, NoiseKind
from contrastive_core.devices.effects.finite_states import FiniteStates, Rounding
from contrastive_core.devices.effects.variation import CycleToCycle, DeviceToDevice
from contrastive_core.devices.pulse_files import UNITS, Train, read_pulses
from contrastive_core.devices.pulse_fit import fit_pulses
from contrastive_core.errors import DataError, InputError
from experiments.hardware.hardware import cells_of
from experiments.hardware.options import HardwareOptions
from experiments.setup.device_files import is_device_file, read_device, write_device
from experiments.setup.devices import assemble, split

LOW, SPAN, PULSES = 1e-6, 9e-5, 50
STEP = SPAN / PULSES
HEADER = "device_id,cycle,pulse,polarity,conductance_S"


def rise(alpha: float) -> np.ndarray:
    share = np.linspace(0, 1, PULSES + 1)
    return np.expm1(-alpha * share) / np.expm1(-alpha)


def measured(write: float, read: float, spread: float = 0.0, devices: int = 4, cycles: int = 20) -> list[Train]:
    """Return trains with deviations of writes that stay and of readings that do not, in mean steps, and a spread between devices."""
    random = np.random.default_rng(5)
    trains = []
    for device in range(devices):
        scale = 1 + spread * (device - (devices - 1) / 2)
        for cycle in range(cycles):
            for up, alpha in ((True, 2.0), (False, 3.0)):
                curve = SPAN * scale * rise(alpha)
                walk = STEP * write * np.concatenate(([0.0], np.cumsum(random.standard_normal(PULSES))))
                noise = STEP * read * random.standard_normal(PULSES + 1)
                start = LOW if up else LOW + SPAN
                trains.append(Train(str(device), str(cycle), up, start + (1 if up else -1) * curve + walk + noise + 2e-4))
    return trains


@pytest.mark.parametrize(("write", "read"), [(0.3, 0.0), (0.0, 0.3), (0.2, 0.1), (0.05, 0.4)])
def test_noise_of_reading_is_no_noise_of_writing(write: float, read: float) -> None:
    """If this fails, a device that is read with noise is simulated as one that is written with noise, which adds up along a train.

    n = 8000 increments. The variance of a write is the sum of a variance v = w^2 + 2 r^2 and twice a covariance, each known to about
    v sqrt(2/n) and v sqrt(1/n) times at most 1.3 for neighbours: within 4.5 standard errors.
    """
    trains = measured(write, read)
    fit = fit_pulses(trains)
    found_write, found_read = fit.sigma_c2c * (fit.g_max - fit.g_min) / PULSES / STEP, fit.sigma_read * fit.g_max / STEP
    scale = (write**2 + 2 * read**2) / np.sqrt(8000)
    assert abs(found_write**2 - write**2) < 4.5 * 2.6 * scale
    assert abs(found_read**2 - read**2) < 4.5 * 1.3 * scale


def test_noises_of_two_cycles_are_not_those_of_their_mean() -> None:
    """If this fails, few cycles look less noisy: their mean takes half of the variance with it, and half of the covariance.

    40 devices, 2 directions, 50 pulses and one free deviation each are n = 4000 increments; the tolerances are those of many cycles.
    """
    write, read = 0.2, 0.3
    fit = fit_pulses(measured(write, read, devices=40, cycles=2))
    found_write, found_read = fit.sigma_c2c * (fit.g_max - fit.g_min) / PULSES / STEP, fit.sigma_read * fit.g_max / STEP
    scale = (write**2 + 2 * read**2) / np.sqrt(4000)
    assert abs(found_write**2 - write**2) < 4.5 * 2.6 * scale
    assert abs(found_read**2 - read**2) < 4.5 * 1.3 * scale
    assert abs(read**2 / 2 - read**2) > 4.5 * 1.3 * scale  # what the mean leaves of it is told apart


@pytest.mark.parametrize("cycles", [1, 2, 20])
def test_spread_between_devices_is_none_of_their_cycles(cycles: int) -> None:
    """If this fails, differences between devices count twice. Steps of four devices without noise, 20 % apart."""
    fit = fit_pulses(measured(0.0, 0.0, spread=0.2, cycles=cycles))
    # The scale of each device is 1 + 0.2 (-1.5, -0.5, 0.5, 1.5).
    assert fit.sigma_d2d == pytest.approx(0.2 * np.std([-1.5, -0.5, 0.5, 1.5], ddof=1), rel=1e-9, abs=0)
    assert fit.sigma_c2c < 0.02  # what the pooled curve leaves of one cycle: alphas of a pooled fit are off by a little
    if cycles > 1:
        assert fit.sigma_c2c < 1e-9


def test_noise_of_steps_is_no_spread_between_devices() -> None:
    """If this fails, noisy devices look different. Mean steps from end to end are off by write / sqrt(P m) for m trains."""
    fit = fit_pulses(measured(0.5, 0.5))
    assert fit.sigma_d2d is not None
    assert fit.sigma_d2d < 3 * np.hypot(0.5 / np.sqrt(PULSES), 0.5 * np.sqrt(2) / PULSES) / np.sqrt(40)


def columns(scale: float, first: bool = True) -> str:
    up, down = np.linspace(1, 10, 21), np.linspace(10, 1, 21)
    return "".join(f"{scale * u:.6g},{scale * d:.6g}\n" for u, d in zip(up if first else down, down if first else up, strict=True))


@pytest.mark.parametrize(("unit", "scale"), [("millisiemens", 1e-3), ("microsiemens", 1), ("nanosiemens", 1e3)])
def test_units_of_columns_are_those_that_are_named(unit: str, scale: float, tmp_path: Path) -> None:
    """If this fails, a device is a million times too large."""
    path = tmp_path / "pulses.csv"
    path.write_text(columns(scale))
    with np.errstate(all="raise"):
        found = read_pulses(path, unit)[0].conductance
    np.testing.assert_allclose(found, np.linspace(1, 10, 21) * 1e-6, rtol=1e-5)


@pytest.mark.parametrize(("unit", "scale"), [("ohm", 1e5), ("kiloohm", 1e2), ("megaohm", 0.1)])
def test_resistances_are_inverted(unit: str, scale: float, tmp_path: Path) -> None:
    """If this fails, a resistance is taken for a conductance: potentiation would lower it."""
    path = tmp_path / "pulses.csv"
    path.write_text(columns(scale, first=False))
    np.testing.assert_allclose(read_pulses(path, unit)[0].conductance, 1 / (np.linspace(10, 1, 21) * 1e5), rtol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e5, 1e2, 0.05, 1e-14])
def test_values_that_are_no_siemens_are_refused(scale: float, tmp_path: Path) -> None:
    """If this fails, microsiemens and ohms become siemens without a word."""
    path = tmp_path / "pulses.csv"
    path.write_text(columns(scale))
    with pytest.raises(DataError, match=r"memory devices lie between .* --unit"):
        read_pulses(path)
    assert read_pulses(path, "siemens")[0].conductance[0] == pytest.approx(scale)  # a unit that is named is used


BAD = {
    "1,1e-6\n2,2e-6\n3,3e-6\n4,4e-6\n": "line 4 .* counts 1, 2, 3, .*numbers of pulses",
    "10,1e-6\n20,2e-6\n30,3e-6\n40,4e-6\n": "line 4 .* counts 10, 20, 30",
    "1e-6,4\n2e-6,3\n3e-6,2\n4e-6,1\n": "line 4 .* counts 4, 3, 2",
    "1e-6,2e-6\n,1e-6\n3e-6,1e-6\n4e-6,1e-7\n": "line 2 .* got ''",
    "1e-6,\n2e-6,\n3e-6,\n4e-6,\n": "column 2 .* is empty",
    f"{HEADER}\n1,1,0,P,1e-6\n1,1,1,P,2e-6\n1,1,1,P,2e-6\n": "line 4 .* repeats pulse 1 of device 1, cycle 1, polarity P, which line 3",
    f"{HEADER}\n1,1,0,P,1e-6\n1,1,1,P,2e-6\n1,1,1.0,P,2e-6\n": "line 4 .* repeats pulse 1",
    f"{HEADER}\n1,1,0,D,1e-6\n1,1,2,D,2e-6\n1,1,3,D,2e-6\n1,1,4,D,2e-6\n": "line 3 .* pulse 2 .* follows pulse 0",
    f"{HEADER}\n1,1,nan,P,1e-6\n": "pulse is a number",
    f"{HEADER}\n" + "".join(f"1,1,{n},{p},{n + 1}\n" for p in "PD" for n in range(4)): "memory devices lie between",
}


@pytest.mark.parametrize("text", BAD)
def test_files_that_mean_something_else_are_refused(text: str, tmp_path: Path) -> None:
    """If this fails, numbers of pulses are fitted as conductances, or repetitions as one long train."""
    path = tmp_path / "pulses.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=BAD[text]):
        read_pulses(path)


def test_a_unit_does_not_contradict_a_header(tmp_path: Path) -> None:
    """If this fails, conductance_S holds microsiemens."""
    path = tmp_path / "pulses.csv"
    path.write_text(f"{HEADER}\n" + "".join(f"1,1,{n},{p},{n + 1}e-6\n" for p in "PD" for n in range(4)))
    with pytest.raises(DataError, match="says siemens"):
        read_pulses(path, "microsiemens")


def test_columns_of_unequal_length_are_trains_of_their_own_lengths(tmp_path: Path) -> None:
    """If this fails, a file of 20 pulses up and 10 down cannot be read."""
    path = tmp_path / "pulses.csv"
    path.write_text("".join(f"{n + 1}e-6,{f'{11 - n}e-6' if n < 6 else ' '}\n" for n in range(11)))
    up, down = read_pulses(path)
    assert (len(up.conductance), len(down.conductance)) == (11, 6)


def test_units_are_those_of_the_option() -> None:
    """If this fails, the help names units that do not exist."""
    from experiments.hardware.device_fit import Unit

    assert set(Unit.__args__) == set(UNITS)


def test_a_fit_is_a_device(tmp_path: Path) -> None:
    """If this fails, a fit ends as a list of numbers."""
    fit = fit_pulses(measured(0.3, 0.1, spread=0.1))
    write_device(tmp_path / "device.toml", fit.settings(), "a fit\nof pulses")
    device = assemble(str(tmp_path), (), 3)
    assert device == assemble(str(tmp_path / "device.toml"), (), 3)
    assert (device.conductance.g_min, device.conductance.g_max, device.seed) == (fit.g_min, fit.g_max, 3)
    by_name = assemble(
        "ideal", split((f"law.model=neurosim law.alpha_p={fit.alpha_p} law.alpha_d={fit.alpha_d} law.num_pulses={PULSES}").split())[0], 3
    )
    assert (device.law, device.step, device.step_up) == (by_name.law, by_name.step, by_name.step_up)
    assert fit.sigma_d2d is not None
    assert set(device.effects) == {
        ConductanceNoise(fit.sigma_read, NoiseKind.ABSOLUTE),
        FiniteStates(PULSES + 1, Rounding.STOCHASTIC),
        DeviceToDevice(fit.sigma_d2d),
        CycleToCycle(fit.sigma_c2c),
    }
    changed = assemble(str(tmp_path), split(("cycle-to-cycle.sigma_c2c=0",))[0], 3)
    assert CycleToCycle(0.0) in changed.effects


def test_settings_beside_a_file_of_a_device_win_over_it(tmp_path: Path) -> None:
    """If this fails, what is said on the command line has no effect. A study holds the settings of the file, and then the others."""
    write_device(tmp_path / "device.toml", fit_pulses(measured(0.3, 0.1)).settings(), "a fit")
    given = {"device_file": str(tmp_path), "imperfections": ("cycle-to-cycle.sigma_c2c=0.75",), "vary": ("law.alpha_p=0.5",)}
    options = HardwareOptions.model_validate(given)
    for cell in cells_of(options).values():
        device = assemble(cell.preset, split(cell.imperfections)[0], 0)
        assert CycleToCycle(0.75) in device.effects
        assert FiniteStates(PULSES + 1, Rounding.STOCHASTIC) in device.effects  # the rest of the file is there
    assert device.law.m_up == pytest.approx(np.tanh(0.5 / 2), rel=1e-12)  # type: ignore[union-attr]  # the varied cell is the last


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[conductance", "not a TOML file"),
        ("g_min = 1\n", "has a table"),
        ("[law]\na = [1]\n", "has a table"),
        ("[lwa]\nm = 1\n", "did you mean 'law'"),
    ],
)
def test_bad_files_of_devices_are_refused(text: str, words: str, tmp_path: Path) -> None:
    """If this fails, a damaged file ends in a traceback or in another device."""
    path = tmp_path / "device.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        assemble(str(path), (), 0)
    with pytest.raises(InputError, match="cannot read the device"):
        read_device(str(tmp_path / "none.toml"))


def test_pulses_lead_to_a_trained_network(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, the way from a measurement to a trained network has a gap. The record of a trial holds what the file says."""
    pulses = tmp_path / "pulses.csv"
    rows = [
        f"{t.device},{t.cycle},{n},{'P' if t.potentiating else 'D'},{g}"
        for t in measured(0.1, 0.1, 0.05)
        for n, g in enumerate(t.conductance)
    ]
    pulses.write_text("\n".join([HEADER, *rows]) + "\n")
    fit = json.loads(eqlab("device", "fit", str(pulses), "--json", "--quiet", "--out", str(tmp_path / "fit")).stdout)
    assert Path(fit["device"]) == tmp_path / "fit" / "device.toml"
    tiny = ("hardware", "--set", "train_size=64", "--epochs", "1", "--hidden", "4", "--seeds", "1", "--engine", "serial", "--quiet")
    found = eqlab(
        *tiny, "--preset", str(tmp_path / "fit"), "--vary", "cycle-to-cycle.sigma_c2c=0", "--json", "--out", str(tmp_path / "run")
    )
    first, second = json.loads(found.stdout)["rows"]
    assert first["varied"] == "unvaried"
    assert first["device"]["conductance"]["g_max"] == fit["g_max"]
    assert first["device"]["cycle-to-cycle"]["sigma_c2c"] == fit["sigma_c2c"]
    assert second["device"]["cycle-to-cycle"]["sigma_c2c"] == 0
    assert eqlab("device", "show", str(tmp_path / "fit" / "device.toml"), "--quiet", "--out", str(tmp_path / "show")).exit_code == 0


def test_a_directory_with_a_device_is_one_whatever_its_path_looks_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit could not be given to ``hardware`` if its directory were taken for the name of a published device."""
    monkeypatch.chdir(tmp_path)
    for name in ("fit", "ideal"):
        (tmp_path / name).mkdir()
        write_device(tmp_path / name / "device.toml", {}, "a fit")
    assert all(is_device_file(path) for path in ("fit", "./fit", "fit/", "./ideal", "none.toml"))
    assert not any(is_device_file(name) for name in ("ideal", "none"))  # no directory shadows a published name
