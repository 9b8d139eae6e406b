"""Costs of learning on a device, in joules and seconds, from the costs of its operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from contrastive_core.devices.on_device import OnDevice
from contrastive_core.devices.operation_costs import Constants
from contrastive_core.errors import InputError
from contrastive_core.forms import Dissipation


class PhaseBill(NamedTuple):
    """Cost of one kind of phase, over all of training.

    Attributes
    ----------
    sweeps, operations, conversions : float
        Reads of all arrays, a multiplication and addition per weight and read, and conversions of states.
    settle_energy, convert_energy : float
        Joules.
    seconds : float
        Duration, with the samples one after the other.
    """

    sweeps: float
    operations: float
    conversions: float
    settle_energy: float
    convert_energy: float
    seconds: float


class PerSample(NamedTuple):
    """Cost of one sample.

    Attributes
    ----------
    energy, digital_energy : float
        Joules on the device, and of as many digital multiplications and additions.
    seconds : float
        Duration on the device.
    """

    energy: float
    digital_energy: float
    seconds: float


class Account(NamedTuple):
    """Cost of a training run.

    Attributes
    ----------
    phases : dict of str to PhaseBill
        Cost of each kind of phase, by its name.
    pulses, longest : float
        Pulses sent in all, and the sum over writes of the longest train of an array.
    write_energy, write_seconds : float
        Joules and seconds of the pulses.
    settle_power : float
        Watts while states settle.
    bound : bool
        Whether the power is the bound of units driven at the read voltage, and not the heat of a circuit.
    settle_time : float
        Seconds of one phase of one sample, where circuits settle by themselves; else of one sweep.
    digital_energy : float
        Joules of as many digital multiplications and additions, without those of memory.
    samples : float
        Number of samples that went through every phase, each time that it did.
    """

    phases: dict[str, PhaseBill]
    pulses: float
    longest: float
    write_energy: float
    write_seconds: float
    settle_power: float
    bound: bool
    settle_time: float
    digital_energy: float
    samples: float

    @property
    def settle_energy(self) -> float:
        """Return the joules of settling."""
        return sum(phase.settle_energy for phase in self.phases.values())

    @property
    def convert_energy(self) -> float:
        """Return the joules of converters."""
        return sum(phase.convert_energy for phase in self.phases.values())

    @property
    def energy(self) -> float:
        """Return all joules."""
        return self.settle_energy + self.convert_energy + self.write_energy

    @property
    def seconds(self) -> float:
        """Return all seconds, one after the other."""
        return sum(phase.seconds for phase in self.phases.values()) + self.write_seconds

    def per_training_sample(self) -> PerSample:
        """Return the cost of one sample of training: all phases, and its share of the writes."""
        return PerSample(self.energy / self.samples, self.digital_energy / self.samples, self.seconds / self.samples)

    def per_inference(self, free: str = "free") -> PerSample:
        """Return the cost of one inference: a free phase with its conversions, and no write.

        Parameters
        ----------
        free : str
            Name of the free phase.
        """
        phase = self.phases[free]
        # Digital energy is the same multiple of operations in every phase.
        operations = sum(one.operations for one in self.phases.values())
        digital = self.digital_energy * phase.operations / operations if operations else 0.0
        energy = phase.settle_energy + phase.convert_energy
        return PerSample(energy / self.samples, digital / self.samples, phase.seconds / self.samples)


def account(
    network: OnDevice, sweeps: Mapping[str, float], samples: float, constants: Constants, circuit: Dissipation | None = None
) -> Account:
    """Add up the costs of a training run on a device.

    Parameters
    ----------
    network : OnDevice
        Network after training; its present conductances stand for those on the way.
    sweeps : mapping of str to float
        Sweeps of all samples together, by phase; each sweep reads all arrays once, and those of filters once for each place of a picture.
    samples : float
        Samples that went through every phase, and whose states were read at its end.
    constants : Constants
        Costs of the single operations.
    circuit : Dissipation, optional
        Heat of the network at the free states of some samples, for a circuit: its mean stands for that of all samples and
        phases, from beginning to end. It counts where circuits settle by themselves.

    Returns
    -------
    Account
        Without a circuit that settles by itself, units are driven at the read voltage throughout: an upper bound where states are
        below 1. A circuit's settling is the heat of its resistors and diodes, at the voltages that it states; what amplifiers, nudges
        and sources turn into heat themselves is not counted.

    Raises
    ------
    InputError
        If filters are to settle by themselves.
    """
    arrays = {name: _crossbar(network.device.conductance.siemens(level)) for name, level in network.levels().items()}
    reads = {name: network.pieces.reads.get(name, 1) for name in arrays}
    require_billable(network, constants)
    total, devices = (float(sum(part)) for part in zip(*((g.sum(), g.numel()) for g in arrays.values()), strict=True))
    # A pair of devices is one weight. Arrays work side by side: a sweep lasts as long as the one that is read most often.
    weights, longest = sum(level[0].numel() * reads[name] for name, level in network.levels().items()), max(reads.values())
    driven = float(sum(g.sum() * reads[name] for name, g in arrays.items()))
    power, time = constants.v_read**2 * driven / longest, constants.t_read * longest
    if constants.continuous and circuit is not None:
        power = float(sum(watts.double().mean() for watts in circuit.heat.values()))
        time = constants.settle_time(min(float(node.min()) for node in circuit.nodes.values()))
    elif constants.continuous:
        time = constants.settle_time(slowest_node(list(arrays.values())))
    outputs = sum(network.sizes)
    inputs = network.num_inputs if network.pieces.reads else next(iter(arrays.values())).shape[1]
    phases = {}
    for index, (name, count) in enumerate(sweeps.items()):
        settling = time * (samples if constants.continuous else count)
        # Inputs are converted once for all phases of a sample.
        before = samples * inputs if index == 0 and constants.dac_bits else 0.0
        behind = samples * outputs if constants.adc_bits else 0.0
        convert = before * constants.conversion(constants.dac_bits) + behind * constants.conversion(constants.adc_bits)
        converting = samples * constants.t_convert * (bool(before) + bool(behind))
        phases[name] = PhaseBill(count, count * weights, before + behind, power * settling, convert, settling + converting)
    pulses, trains = (float(count) for count in network.pulses)
    each = constants.v_write**2 * (total / devices * constants.t_write + constants.c_wire)
    if constants.half_selected:
        others = sum(g.numel() * (g.shape[1] + g.shape[2] - 2) for g in arrays.values()) / devices
        each += (constants.v_write / 2) ** 2 * total / devices * constants.t_write * others
    rows = 1 if constants.rows_in_parallel else max(g.shape[1] for g in arrays.values())
    digital = constants.e_mac * sum(phase.operations for phase in phases.values())
    bound = circuit is None or not constants.continuous
    return Account(phases, pulses, trains, pulses * each, trains * constants.t_write * rows, power, bound, time, digital, samples)


def require_billable(network: OnDevice, constants: Constants) -> None:
    """Refuse the bill of a circuit that settles by itself for filters, which are read at one place of a picture after the other.

    Parameters
    ----------
    network : OnDevice
        Network on a device.
    constants : Constants
        Costs of the single operations.

    Raises
    ------
    InputError
        If filters are to settle by themselves.
    """
    if constants.continuous and network.pieces.reads:
        raise InputError("filters are read place by place, and no circuit of them settles by itself; bill them sweep by sweep")


def _crossbar(siemens: Tensor) -> Tensor:
    """Return an array as it is laid out, of shape (1 or 2, rows, columns): filters see their window on the rows, one filter a column."""
    return siemens.flatten(2).transpose(1, 2) if siemens.dim() == 5 else siemens


def slowest_node(arrays: Sequence[Tensor]) -> float:
    """Return the smallest conductance that a node sees, in siemens.

    Parameters
    ----------
    arrays : sequence of Tensor of shape (1 or 2, below, above)
        In the order of the layers; where the columns of one are the rows of the next, they are the same nodes.
    """
    columns = [array.sum((0, 1)) for array in arrays]
    for index, array in enumerate(arrays[1:]):
        if array.shape[1] == len(columns[index]):
            columns[index] = columns[index] + array.sum((0, 2))
    return min(float(column.min()) for column in columns)
