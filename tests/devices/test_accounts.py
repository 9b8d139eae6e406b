"""Every term of an account of energy and time, counted by hand on a network of 2-3-1 units."""

from __future__ import annotations

import math

import pytest
import torch

from contrastive_core.devices.accounting import Account, account
from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.devices.operation_costs import Constants
from contrastive_core.errors import InputError
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.notation import convolutional
from experiments.hardware.energy_bill import billed, by_phase

LOWER, UPPER = 2e-6, 5e-6
"""Siemens of each of the 2 x 3 devices below, and of each of the 3 x 1 devices above."""

FREE, POSITIVE, SAMPLES = 60.0, 24.0, 4.0
"""Sweeps of all samples by phase, and samples."""

PULSES, LONGEST = 100.0, 7.0


def chip() -> OnDevice:
    network = Layered((2, 3, 1), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    held = OnDevice(network, Device(Conductance(0.0, 1e-5, Pairing.OFFSET, w_max=1.0)))
    held.get_buffer("level_weight_1").fill_(LOWER / 1e-5)
    held.get_buffer("level_weight_2").fill_(UPPER / 1e-5)
    held.pulses.copy_(torch.tensor([PULSES, LONGEST]))
    return held


def bill(**constants: float) -> Account:
    """Return the account with all costs 0 but the ones given, so that each term stands alone."""
    off = {"v_read": 0.0, "t_read": 0.0, "v_write": 0.0, "t_write": 0.0, "fom": 0.0, "adc_bits": 0, "t_convert": 0.0, "e_mac": 0.0}
    return account(chip(), {"free": FREE, "positive": POSITIVE}, SAMPLES, Constants(**{**off, **constants}))  # type: ignore[arg-type]


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-12, abs=0)


def test_a_sweep_reads_all_devices() -> None:
    """If this fails, settling is off by a power of the voltage. 6 x 2 + 3 x 5 = 27 microsiemens at 3 V for 2 ns."""
    found = bill(v_read=3.0, t_read=2e-9)
    assert found.settle_power == close(9 * 27e-6)
    assert found.settle_time == close(2e-9)
    assert found.phases["free"].settle_energy == close(60 * 9 * 27e-6 * 2e-9)
    assert found.phases["positive"].settle_energy == close(24 * 9 * 27e-6 * 2e-9)
    assert found.energy == close(84 * 9 * 27e-6 * 2e-9)
    assert found.seconds == close(84 * 2e-9)


def test_a_circuit_that_settles_takes_the_time_of_its_slowest_node() -> None:
    """If this fails, sweeps of the simulation cost energy. Hidden nodes see 2 x 2 + 5 = 9, the output 3 x 5 = 15 microsiemens."""
    found = bill(v_read=3.0, continuous=True, c_node=2e-12, settle_error=0.01)
    time = 2e-12 / 9e-6 * math.log(100)
    assert found.settle_time == close(time)
    assert found.phases["positive"].seconds == close(4 * time)
    assert found.settle_energy == close(2 * 4 * time * 9 * 27e-6)
    assert found.bound


def test_states_are_converted_in_each_phase_and_inputs_once() -> None:
    """If this fails, converters are billed twice, or not. 4 units behind, 2 inputs before, 2^5 and 2^3 steps of 1 fJ, 1 ns each."""
    behind = bill(fom=1e-15, adc_bits=5, t_convert=1e-9)
    assert [phase.conversions for phase in behind.phases.values()] == [4 * 4, 4 * 4]
    assert behind.convert_energy == close(2 * 16 * 32e-15)
    assert behind.seconds == close(2 * 4 * 1e-9)
    before = bill(fom=1e-15, dac_bits=3, t_convert=1e-9)
    assert [phase.conversions for phase in before.phases.values()] == [4 * 2, 0]
    assert before.convert_energy == close(8 * 8e-15)
    assert before.seconds == close(4 * 1e-9)
    both = bill(fom=1e-15, adc_bits=5, dac_bits=3, t_convert=1e-9)
    assert both.convert_energy == close(2 * 16 * 32e-15 + 8 * 8e-15)
    assert both.seconds == close(3 * 4 * 1e-9)


def test_pulses_heat_devices_charge_wires_and_disturb_neighbours() -> None:
    """If this fails, a write is off by a square of its voltage. The mean device has 3 microsiemens; 2 V, 10 ns, 1 fF."""
    pulse = 4 * 3e-6 * 10e-9
    assert bill(v_write=2.0, t_write=10e-9).write_energy == close(100 * pulse)
    assert bill(v_write=2.0, c_wire=1e-15).write_energy == close(100 * 4e-15)
    # Neighbours in row and column: 2 + 1 for each of 6 devices, 0 + 2 for each of 3; 24/9 on average, at a quarter of the square.
    assert bill(v_write=2.0, t_write=10e-9, half_selected=True).write_energy == close(100 * pulse * (1 + 24 / 9 / 4))


def test_writes_take_the_longest_train_and_its_rows() -> None:
    """If this fails, latencies of writing are those of all pulses. 7 pulses of 10 ns; the array above has 3 rows."""
    assert bill(t_write=10e-9).write_seconds == close(7 * 10e-9)
    assert bill(t_write=10e-9, rows_in_parallel=False).write_seconds == close(3 * 7 * 10e-9)
    assert bill(t_write=10e-9).seconds == close(7 * 10e-9)


def test_digital_arithmetic_is_an_operation_per_weight_and_sweep() -> None:
    """If this fails, the comparison with digital hardware is off by the size of the network: 9 weights, 2 pJ."""
    found = bill(e_mac=2e-12)
    assert [phase.operations for phase in found.phases.values()] == [60 * 9, 24 * 9]
    assert found.digital_energy == close(84 * 9 * 2e-12)
    assert found.energy == 0


def test_an_inference_is_a_free_phase_and_a_training_sample_is_all_phases_and_writes() -> None:
    """If this fails, joules per inference are those of training. All terms at once, each counted for one of 4 samples."""
    on = {"v_read": 3.0, "t_read": 2e-9, "v_write": 2.0, "t_write": 10e-9, "fom": 1e-15, "adc_bits": 5, "dac_bits": 3, "t_convert": 1e-9}
    found = bill(**on, e_mac=2e-12)
    inference, sample = found.per_inference(), found.per_training_sample()
    reading, converting = 9 * 27e-6 * 2e-9, 4 * 32e-15
    assert inference.energy == close(15 * reading + converting + 2 * 8e-15)
    assert inference.seconds == close(15 * 2e-9 + 2 * 1e-9)
    assert inference.digital_energy == close(15 * 9 * 2e-12)
    assert sample.energy == close(21 * reading + 2 * converting + 2 * 8e-15 + 25 * 4 * 3e-6 * 10e-9)
    assert sample.seconds == close(21 * 2e-9 + 3 * 1e-9 + 7 * 10e-9 / 4)
    assert sample.digital_energy == close(21 * 9 * 2e-12)
    metrics = billed(found)
    assert (metrics["inference_energy"], metrics["inference_seconds"]) == (inference.energy, inference.seconds)
    assert (metrics["inference_digital_energy"], metrics["sample_digital_energy"]) == (inference.digital_energy, sample.digital_energy)
    assert (metrics["sample_energy"], metrics["sample_seconds"]) == (sample.energy, sample.seconds)


def test_both_devices_of_a_pair_read_load_their_nodes_and_disturb() -> None:
    """If this fails, differential arrays cost and settle as one device a weight. Pairs of 2 and 1 microsiemens below, 5 and 4 above."""
    network = Layered((2, 3, 1), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    held = OnDevice(network, Device(Conductance(0.0, 1e-5, Pairing.DIFFERENTIAL, w_max=1.0)))
    for name, pair in (("level_weight_1", (0.2, 0.1)), ("level_weight_2", (0.5, 0.4))):
        held.get_buffer(name).copy_(torch.tensor(pair, dtype=torch.float64).reshape(2, 1, 1).expand_as(held.get_buffer(name)))
    held.pulses.copy_(torch.tensor([PULSES, LONGEST]))
    sweeps, on = {"free": FREE}, {"v_read": 3.0, "t_read": 2e-9, "adc_bits": 0, "v_write": 2.0, "t_write": 10e-9, "e_mac": 2e-12}
    total = 6 * 3e-6 + 3 * 9e-6
    read = account(held, sweeps, SAMPLES, Constants(**on))  # type: ignore[arg-type]
    assert read.settle_energy == close(60 * 9 * total * 2e-9)
    # Digital hardware multiplies once for each of the 9 weights, however many devices hold it.
    assert read.phases["free"].operations == 60 * 9
    assert read.digital_energy == close(60 * 9 * 2e-12)
    assert read.write_energy == close(100 * 4 * total / 18 * 10e-9)
    disturbed = account(held, sweeps, SAMPLES, Constants(**on, half_selected=True))  # type: ignore[arg-type]
    # 2 + 1 others for each of 12 devices, 0 + 2 for each of 6: 48/18 on average, at a quarter of the square.
    assert disturbed.write_energy == close(100 * 4 * total / 18 * 10e-9 * (1 + 48 / 18 / 4))
    # A hidden node sees 2 x (2 + 1) + (5 + 4) = 15 microsiemens, the output 3 x (5 + 4) = 27.
    settled = account(held, sweeps, SAMPLES, Constants(**on, continuous=True, c_node=2e-12, settle_error=0.01))  # type: ignore[arg-type]
    assert settled.settle_time == close(2e-12 / 15e-6 * math.log(100))
    assert settled.settle_energy == close(4 * 2e-12 / 15e-6 * math.log(100) * 9 * total)


def test_sweeps_are_divided_in_the_proportions_of_a_batch() -> None:
    """If this fails, a phase is billed for another one's sweeps. 12 and 3 steps of 45 are 36 and 9; without steps, halves."""
    assert by_phase([("free", 12.0), ("positive", 3.0)], 45.0) == {"free": 36.0, "positive": 9.0}
    assert by_phase([("free", 0.0), ("positive", 0.0)], 10.0) == {"free": 5.0, "positive": 5.0}


def test_filters_are_read_at_every_place_of_a_picture() -> None:
    """If this fails, a convolution is billed as the small matrix of its filters; here a sweep reads them at 4 places in turn."""
    network = Layered(convolutional("3c2 1", (1, 3, 3)), dtype=torch.float64)
    held = OnDevice(network, Device(Conductance(0.0, 1e-5, Pairing.OFFSET, w_max=1.0)))
    held.get_buffer("level_weight_1").fill_(LOWER / 1e-5)  # 3 filters of 2 x 2
    held.get_buffer("level_weight_2").fill_(UPPER / 1e-5)  # 3 x 4 units below, 1 above
    off = {"v_write": 0.0, "t_write": 0.0, "fom": 1e-15, "adc_bits": 0, "dac_bits": 1, "t_convert": 0.0, "e_mac": 1e-12}
    found = account(held, {"free": FREE}, SAMPLES, Constants(v_read=3.0, t_read=2e-9, **off))  # type: ignore[arg-type]
    assert found.phases["free"].settle_energy == close(60 * 9 * 2e-9 * (4 * 12 * LOWER + 12 * UPPER))
    assert found.phases["free"].seconds == close(60 * 4 * 2e-9)
    assert found.digital_energy == close(60 * (4 * 12 + 12) * 1e-12)
    assert found.phases["free"].conversions == 9 * SAMPLES
    with pytest.raises(InputError, match="filters are read place by place"):
        account(held, {"free": FREE}, SAMPLES, Constants(continuous=True))
