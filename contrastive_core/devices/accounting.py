"""What learning on a device costs, in joules and seconds, every constant in the open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from contrastive_core.devices.on_device import OnDevice
from contrastive_core.errors import InputError


@dataclass(frozen=True)
class Constants:
    r"""What an operation costs.

    A read of an array takes :math:`V^2 G\,t` per device, a pulse :math:`V_w^2 \bar G\,t_w`, a conversion of b bits
    :math:`\mathrm{FoM}\; 2^b`. The defaults are typical of the sources named and are meant to be replaced.

    Attributes
    ----------
    v_read, t_read : float
        Volts and seconds of one sweep of a relaxation: .2 V and 10 ns read 10 microsiemens for 4 fJ.
    v_write, t_write : float
        Volts and seconds of a pulse; NeuroSim's ideal device has 2 V and 10 ns.
    fom : float
        Joules per conversion step of an analog-to-digital converter (Walden's figure of merit); 10 to 50 fJ are common, recalled.
    t_convert : float
        Seconds per conversion; 1.28 GS/s, as in ISAAC (Shafiee et al., 2016), recalled.
    adc_bits : int
        Of the converters.
    """

    v_read: float = 0.2
    t_read: float = 10e-9
    v_write: float = 2.0
    t_write: float = 10e-9
    fom: float = 30e-15
    t_convert: float = 0.78e-9
    adc_bits: int = 8

    def __post_init__(self) -> None:
        values = (self.v_read, self.t_read, self.v_write, self.t_write, self.fom, self.t_convert)
        if not all(0 <= value < float("inf") for value in values) or self.adc_bits < 1:
            raise InputError(f"voltages, times and energies are finite and not negative, got {self}")


class Account(NamedTuple):
    """What a training run cost.

    Attributes
    ----------
    settle_energy, convert_energy, write_energy : float
        Joules.
    seconds : float
        Samples one after the other, rows of an array written in parallel.
    sweeps, conversions, pulses : float
        What was counted.
    """

    settle_energy: float
    convert_energy: float
    write_energy: float
    seconds: float
    sweeps: float
    conversions: float
    pulses: float

    @property
    def energy(self) -> float:
        """Return all joules."""
        return self.settle_energy + self.convert_energy + self.write_energy


def account(network: OnDevice, sweeps: float, phases: float, constants: Constants) -> Account:
    """Add up what was done with a network on a device.

    Parameters
    ----------
    network : OnDevice
        As training left it; its present conductances stand for those on the way.
    sweeps : float
        Of all samples and phases together: each reads all arrays once.
    phases : float
        Relaxations of one sample whose states were read, all samples together.
    constants : Constants
        What an operation costs.

    Returns
    -------
    Account
        With units driven at the read voltage throughout, an upper bound where states are below 1.
    """
    siemens = [network.device.conductance.siemens(level) for level in network.levels().values()]
    total, devices = (float(sum(part)) for part in zip(*((g.sum(), g.numel()) for g in siemens), strict=True))
    conversions = phases * sum(network.sizes)
    pulses, longest = (float(count) for count in network.pulses)
    settle = sweeps * constants.v_read**2 * total * constants.t_read
    convert = conversions * constants.fom * 2**constants.adc_bits
    write = pulses * constants.v_write**2 * (total / devices) * constants.t_write
    seconds = sweeps * constants.t_read + phases * constants.t_convert + longest * constants.t_write
    return Account(settle, convert, write, seconds, sweeps, conversions, pulses)
