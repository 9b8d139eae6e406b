"""Heat of circuits: by hand, against what their sources deliver, inside ngspice, and in the account of a device."""

from __future__ import annotations

import json
import math
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Eqlab
from systems import seeded

from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS
from contrastive_core.data.batches import batches
from contrastive_core.data.splits import Split, Splits
from contrastive_core.devices.accounting import Account, account
from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.array_effects import ConductanceNoise
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.devices.operation_costs import Constants
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import InputError
from contrastive_core.networks.layered import Layered
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import State
from eqprop import RULES
from eqprop.circuit import Parts
from eqprop.curves import MeasuredDiode
from eqprop.diodes import Diode, IdealDiode, ShockleyDiode
from eqprop.lattice import Graph, square_lattice
from eqprop.resistive import Resistive
from eqprop.resistor_graph import ResistorGraph
from eqprop.spice import available, netlist, run_ngspice
from experiments.hardware.energy_bill import ConstantOptions
from experiments.hardware.measures import measure

DIODES = {
    "ideal": IdealDiode(),
    "shockley": ShockleyDiode(1e-3, 0.1),
    "measured": MeasuredDiode((-1.0, -0.1, 0.1, 0.3, 1.0), (-0.01, -0.001, 0.001, 0.2, 3.0)),
}
AMPLIFIERS = {"none": (1.0, None), "kendall": (4.0, None), "conserving": (3.0, 3.0)}
CONTINUOUS = Constants(continuous=True, adc_bits=0)


def build(diode: Diode | None = None, amplifier: str = "none", rail: float = 0.5) -> tuple[Resistive, torch.Tensor]:
    generator = seeded(1)
    voltage, current = AMPLIFIERS[amplifier]
    parts = Parts(diode or IdealDiode(), voltage, current, input_gain=2.0, rail=rail, bounds=((0.02, 5.0),))
    network = Resistive((3, 6, 4, 2), parts, gain=2.0, generator=generator, dtype=torch.float64)
    for index in range(3):
        network.bias(index).data.uniform_(-0.3, 0.3, generator=generator)
    return network.requires_grad_(False), torch.rand((4, 3), generator=generator, dtype=torch.float64)


def settled(network: Any, inputs: torch.Tensor) -> State:
    clamped = network.clamp(inputs)
    return relax(clamped, network.initial_state(clamped), BlockDescent(), Stop(1e-14, 50_000)).state


def watts(network: Any, state: State, inputs: torch.Tensor) -> torch.Tensor:
    found = network.dissipation(state, network.clamp(inputs))
    assert found is not None
    return torch.stack(list(found.heat.values())).sum(0)


def delivered(network: Resistive, state: State, inputs: torch.Tensor) -> torch.Tensor:
    """Power of sources, bias currents and amplifiers: voltage times current of each, device by device."""
    gain, ratio = network.parts.voltage_gain, network.parts.ratio
    power = torch.zeros(len(inputs), dtype=torch.float64)
    below, own = network.sources(inputs), 1.0  # the share of a source's power that is its own, not taken from the node before it
    for index, layer in enumerate(state):
        across = below[:, :, None] - layer[:, None, :]
        power = power + own * (below * (network.conductance(index) * across).sum(2)).sum(1) + layer @ network.bias(index)
        # An amplifier at A v sends i up and takes a_c i from its node at v: (A - a_c) v i, which is 1 - a_c/A of what it sends.
        below, own = gain * layer, 1 - ratio
    return power


def test_two_sources_and_one_node_by_hand() -> None:
    """3 V through 2 S and -3 V through 1 S meet at 1 V: 2 * 2^2 + 1 * 4^2 = 24 W. A factor of two here is one in every table."""
    network = Resistive((1, 1), Parts(rail=0.0), dtype=torch.float64).requires_grad_(False)
    network.conductance(0).copy_(torch.tensor([[2.0], [1.0]]))
    inputs = torch.tensor([[3.0], [6.0]], dtype=torch.float64)
    state = settled(network, inputs)
    assert state[0].flatten().tolist() == pytest.approx([1.0, 2.0], rel=1e-14, abs=0)
    assert watts(network, state, inputs).tolist() == pytest.approx([24.0, 96.0], rel=1e-14, abs=0)
    # The same with a node between two resistors in parallel and an output that carries no current.
    graph = Graph(4, [(0, 2), (1, 2), (2, 3)], (0, 1), (3,))
    resistors = ResistorGraph(graph, dtype=torch.float64).requires_grad_(False)
    resistors.conductance.copy_(torch.tensor([2.0, 1.0, 7.0]))
    held = torch.tensor([[3.0, -3.0]], dtype=torch.float64)
    assert float(watts(resistors, settled(resistors, held), held)) == pytest.approx(24.0, rel=1e-13, abs=0)


def test_diode_turns_its_voltage_times_its_current_into_heat() -> None:
    """One source, one resistor, one diode at ground: all that the source delivers is heat in the two."""
    diode = ShockleyDiode(1e-3, 0.1)
    network = Resistive((1, 2, 1), Parts(diode, rail=0.0), gain=0.0, dtype=torch.float64).requires_grad_(False)
    network.conductance(0)[0, 0], network.conductance(1)[1, 0] = 2.0, 1e-9
    inputs = torch.tensor([[-1.0]], dtype=torch.float64)
    state = settled(network, inputs)
    drop = -float(state[0][0, 0])  # an excitatory node's diode conducts from ground
    current = 1e-3 * math.expm1(drop / 0.1)
    assert drop > 0.3
    assert current == pytest.approx(2.0 * (1.0 - drop), rel=1e-12, abs=0)
    assert float(watts(network, state, inputs)) == pytest.approx(1.0 * current, rel=1e-12, abs=0)
    found = network.dissipation(state, network.clamp(inputs))
    assert float(found.heat["conductance_1"]) - 2.0 * (1.0 - drop) ** 2 == pytest.approx(drop * current, rel=1e-12, abs=0)


@pytest.mark.parametrize("amplifier", AMPLIFIERS)
@pytest.mark.parametrize("diode", DIODES)
def test_heat_is_what_the_sources_deliver_where_currents_balance(diode: str, amplifier: str) -> None:
    """Tellegen's theorem: energy is conserved. A part that is forgotten or counted twice breaks it."""
    network, inputs = build(DIODES[diode], amplifier)
    state = settled(network, inputs)
    # Some 80 terms of up to 20 W, a few roundings each; a voltage that is off by 1e-14 moves a source's power by as much.
    torch.testing.assert_close(watts(network, state, inputs), delivered(network, state, inputs), rtol=1e-11, atol=1e-11)
    elsewhere = network.project(tuple(layer + 0.1 for layer in state))  # where currents do not balance the two have to differ
    gap = watts(network, elsewhere, inputs) - delivered(network, elsewhere, inputs)
    assert float(gap.abs().min()) > 1e-3


def test_heat_of_a_graph_is_what_its_sources_and_rails_deliver() -> None:
    """Power delivered to a lattice, from the currents at the held nodes only."""
    graph = Graph(12, [*square_lattice(3, 4), (0, 5), (1, 2)], (0, 3, 8), (10, 5), ((11, 1.0),))
    network = ResistorGraph(graph, generator=seeded(2), input_gain=3.0, dtype=torch.float64).requires_grad_(False)
    inputs = torch.randn((4, 3), generator=seeded(3), dtype=torch.float64)
    state = settled(network, inputs)
    held = torch.cat([3.0 * inputs, torch.ones(4, 1, dtype=torch.float64)], 1)
    voltages = torch.cat([held, *state], 1)
    currents = voltages @ network.laplacian()  # out of each node
    torch.testing.assert_close(watts(network, state, inputs), (held * currents[:, :4]).sum(1), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("amplifier", AMPLIFIERS)
def test_node_sees_the_current_that_it_takes_to_lift_it_by_a_volt(amplifier: str) -> None:
    """The time constant of a node is its capacity over this, and settling is billed for it."""
    network, inputs = build(amplifier=amplifier)
    clamped = network.clamp(inputs)
    state = settled(network, inputs)
    found = network.dissipation(state, clamped)
    before = network.force(state, clamped)
    for index, name in enumerate(found.nodes):
        for node in range(network.sizes[index]):
            lifted = list(state)
            lifted[index] = state[index].clone()
            lifted[index][:, node] += 1
            after = network.force(tuple(lifted), clamped)
            current = (before[index] - after[index])[:, node] / network.stiffness[index]  # as it flows in the circuit
            torch.testing.assert_close(current, found.nodes[name][node].expand(4), rtol=1e-12, atol=0)


@pytest.mark.skipif(not available(), reason="ngspice is not installed (Debian: apt-get install ngspice)")
@pytest.mark.parametrize("amplifier", ["none", "conserving"])
def test_heat_is_what_sources_deliver_inside_ngspice(amplifier: str) -> None:
    """Heat of the circuit in a program that shares nothing with this one; amplifiers that conserve power deliver none."""
    network, inputs = build(ShockleyDiode(1e-3, 0.1), amplifier)
    state = settled(network, inputs)
    text = netlist(network, inputs[:1])
    sources, names = network.sources(inputs[:1])[0].tolist(), [f"i(vs{index})" for index in range(8)]
    printed = run_ngspice(text.replace("quit 0", "print " + " ".join(names) + "\nquit 0"))
    currents = [float(re.search(rf"^{re.escape(name)} = (\S+)$", printed, re.MULTILINE)[1]) for name in names]
    # SPICE counts a source's current from plus to minus inside it.
    power = -sum(voltage * current for voltage, current in zip(sources, currents, strict=True))
    power += sum(float(layer[0] @ network.bias(index)) for index, layer in enumerate(state))
    # SPICE's tolerance of 1e-9 of each current, and the last digit of the thermal voltage.
    assert float(watts(network, state, inputs)[0]) == pytest.approx(power, rel=1e-6, abs=0)


def put_on(network: Any, pairing: Pairing = Pairing.SINGLE, w_max: float = 5.0, **more: Any) -> OnDevice:
    return OnDevice(network, Device(Conductance(1e-6, 1e-4, pairing, w_max=w_max, **more)))


def bill(held: OnDevice, inputs: torch.Tensor, constants: Constants = CONTINUOUS) -> Account:
    state = settled(held, inputs)
    return account(held, {"free": 30, "positive": 10}, 5, constants, held.dissipation(state, held.clamp(inputs)))


def test_circuit_that_settles_by_itself_is_billed_for_the_heat_of_its_devices() -> None:
    """Power by hand at the devices' own conductances, and the time of the slowest node; not how many sweeps were simulated."""
    network = Resistive((1, 1), Parts(rail=0.0, bounds=((0.05, 5.0),)), dtype=torch.float64).requires_grad_(False)
    network.conductance(0).copy_(torch.tensor([[2.0], [1.0]]))
    held, inputs = put_on(network), torch.tensor([[3.0], [6.0]], dtype=torch.float64)
    # 5 S stand for 1e-4 S: 4e-5 and 2e-5 S, and 24 W and 96 W become 480 and 1920 microwatts; their mean counts.
    torch.testing.assert_close(held.device.conductance.siemens(held.levels()["conductance_1"]).flatten().tolist(), [4e-5, 2e-5])
    found, time = bill(held, inputs), 1e-12 / 6e-5 * math.log(1000)
    assert found.settle_power == pytest.approx(1200e-6, rel=1e-12, abs=0)
    assert found.settle_time == pytest.approx(time, rel=1e-12, abs=0)
    assert found.phases["free"].settle_energy == pytest.approx(5 * 1200e-6 * time, rel=1e-12, abs=0)
    assert found.settle_energy == pytest.approx(2 * 5 * 1200e-6 * time, rel=1e-12, abs=0)  # two phases, as long as each other
    assert not found.bound
    other = bill(held, inputs, Constants(continuous=True, adc_bits=0, v_read=7.0))
    assert other.settle_energy == found.settle_energy  # voltages are the circuit's own


def test_heat_is_that_of_the_noise_that_states_settled_with() -> None:
    """Under read noise a second look at the arrays has other conductances, where currents do not balance: power is off by per cent."""
    network, inputs = build()
    part = Split(inputs, torch.tensor([0, 1, 0, 1]))
    splits = Splits(part, part, part, 2, "", "")
    rule = RULES["ep-centered"](Setting(COSTS["squared-error"](), Settling(free=Stop(1e-12, 5000), second=Stop(1e-6, 5000)), strength=0.01))
    device = Device(Conductance(1e-6, 1e-4, Pairing.SINGLE, w_max=5.0), effects=(ConductanceNoise(0.2),))
    held, twin = (OnDevice(deepcopy(network), device) for _ in range(2))
    constants = ConstantOptions.model_validate({"continuous": True, "adc_bits": 0})
    found = measure(held, rule, splits, 4, [{"sweeps_per_sample": 1.0}], constants)["settle_power"]
    twin.begin_use_()
    clamped = twin.clamp(next(batches(part, 4)).inputs)
    free = relax(clamped, twin.initial_state(clamped), BlockDescent(), Stop(1e-12, 5000)).state
    heat = twin.dissipation(free, clamped)
    assert heat is not None
    assert found == pytest.approx(float(sum(watts.mean() for watts in heat.heat.values())), rel=1e-9, abs=0)


def test_arrays_that_are_read_sweep_by_sweep_keep_the_bound() -> None:
    """An array that is read has its units driven at the read voltage, whatever circuit it stands for."""
    network, inputs = build()
    held = put_on(network)
    total = sum(float(held.device.conductance.siemens(level).sum()) for level in held.levels().values())
    for constants, time in ((Constants(), 40 * 10e-9), (Constants(v_read=0.5, t_read=1e-9), 40e-9)):
        found = bill(held, inputs, constants)
        assert (found.bound, found.settle_power) == (True, pytest.approx(constants.v_read**2 * total, rel=1e-12, abs=0))
        assert found.settle_energy == pytest.approx(time * constants.v_read**2 * total, rel=1e-12, abs=0)


@pytest.mark.parametrize("pairing", [Pairing.OFFSET, Pairing.DIFFERENTIAL])
def test_devices_in_pairs_are_no_resistors_of_a_circuit(pairing: Pairing) -> None:
    """A pair makes a weight out of two currents, at voltages that the circuit does not have."""
    network, inputs = build()
    held = put_on(network, pairing)
    assert held.dissipation(settled(held, inputs), held.clamp(inputs)) is None
    assert bill(held, inputs).bound


def test_networks_that_are_no_circuits_have_no_power() -> None:
    """Their energies have no unit; a number of watts would be made up."""
    network = Layered((3, 4, 2), generator=seeded(0), dtype=torch.float64)
    clamped = network.clamp(torch.rand(2, 3, dtype=torch.float64))
    assert network.dissipation(network.initial_state(clamped), clamped) is None


def test_arrays_of_other_ranges_are_scaled_each_on_its_own() -> None:
    """Layers with bounds of their own use the whole range of the devices: 5 S of the first and .5 S of the second are 100 uS."""
    parts = Parts(ShockleyDiode(1e-3, 0.1), rail=0.5, bounds=((0.05, 5.0), (0.005, 0.5)))
    network = Resistive((3, 6, 2), parts, gain=0.5, generator=seeded(1), dtype=torch.float64).requires_grad_(False)
    inputs = torch.rand((4, 3), generator=seeded(2), dtype=torch.float64)
    held = put_on(network)
    state = settled(held, inputs)
    own, seen = network.dissipation(state, network.clamp(inputs)), held.dissipation(state, held.clamp(inputs))
    for name, scale in (("conductance_1", 1e-4 / 5), ("conductance_2", 1e-4 / 0.5)):
        torch.testing.assert_close(seen.heat[name], scale * own.heat[name], rtol=1e-12, atol=0)
        torch.testing.assert_close(seen.nodes[name], scale * own.nodes[name], rtol=1e-12, atol=0)


def test_graph_settles_as_its_slowest_node_and_not_as_one_node_of_all_resistors() -> None:
    """Resistors on a graph are no array with columns: the sum of all was billed as if it were one node's."""
    graph = Graph(12, [*square_lattice(3, 4), (0, 5), (1, 2)], (0, 3, 8), (10, 5), ((11, 1.0),))
    network = ResistorGraph(graph, generator=seeded(2), dtype=torch.float64).requires_grad_(False)
    held, inputs = put_on(network), torch.rand((4, 3), generator=seeded(3), dtype=torch.float64)
    siemens, seen = held.device.conductance.siemens(held.levels()["conductance"])[0], [0.0] * 12
    for (first, second), value in zip(graph.edges, siemens.tolist(), strict=True):
        seen[first] += value
        seen[second] += value
    slowest = min(seen[node] for node in range(12) if node not in graph.held)
    assert bill(held, inputs).settle_time == pytest.approx(1e-12 / slowest * math.log(1000), rel=1e-12, abs=0)


def test_node_without_any_conductance_is_refused() -> None:
    """It keeps its voltage for ever, and a division by zero would say nothing."""
    with pytest.raises(InputError, match="never settles by itself; give conductance"):
        Constants().settle_time(0.0)


def test_command_and_run_show_the_joules_of_settling_and_whether_they_are_a_bound(eqlab: Eqlab, tmp_path: Path) -> None:
    """A bound that looks like a measurement is compared with one."""
    tiny = ("--set", "train_size=32", "--epochs", 1, "--hidden", 8, "--strength", 0.05, "--seeds", 1, "--engine", "serial")
    tiny = (*tiny, "--config", "hardware-digits")
    vary = ("--vary", "conductance.pairing=differential", "--constants-continuous", "--out", tmp_path / "o")
    result = eqlab("hardware", *tiny, *vary, "--json", "--quiet")
    assert result.exit_code == 0, result.output
    single, paired = json.loads(result.stdout)["rows"]
    assert (single["settle_is_bound"], paired["settle_is_bound"]) == (0, 1)
    shown = eqlab("hardware", *tiny, *vary, "--quiet").stdout
    assert "settling µJ" in shown
    assert f" {1e6 * single['settle_energy']:.3g}" in shown
    assert f"<= {1e6 * paired['settle_energy']:.3g}" in shown
    listed = json.loads(eqlab("runs", "show", tmp_path / "o", "--json").stdout)["runs"][0]["metrics"]
    # Two devices are two points, which are never averaged.
    energies = [value for name, value in listed.items() if name.startswith("settle_energy at ")]
    assert sorted(energies) == pytest.approx(sorted([single["settle_energy"], paired["settle_energy"]]), rel=1e-12, abs=0)
    assert sorted(value for name, value in listed.items() if name.startswith("settle_is_bound at ")) == [0, 1]
    assert all(value > 0 for name, value in listed.items() if name.startswith("settle_power at "))
