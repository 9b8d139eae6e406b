"""Costs of the single operations of a device, in joules and seconds, with the unit and source of every default."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple

from contrastive_core.errors import InputError


class DefaultSource(NamedTuple):
    """Unit and source of a constant's default.

    Attributes
    ----------
    unit, source
        Unit of the default, and the publication or reasoning that it is from.
    """

    unit: str
    source: str


_NEUROSIM = "ideal device of NeuroSim (Chen, Peng and Yu, 2018), recalled"
_TYPICAL = "typical; 0.2 V, 10 microsiemens and 10 ns are 4 fJ"
_CIRCUIT = "1 pF per node and 0.1 %, as in a transient simulation of a 16-16-3 resistive network that settled in 6.5 time constants"

ORIGINS = {
    "v_read": DefaultSource("volt", _TYPICAL),
    "t_read": DefaultSource("second", _TYPICAL),
    "continuous": DefaultSource("", "a choice: read once per sweep, or settle by itself"),
    "c_node": DefaultSource("farad", _CIRCUIT),
    "settle_error": DefaultSource("", _CIRCUIT),
    "v_write": DefaultSource("volt", _NEUROSIM),
    "t_write": DefaultSource("second", _NEUROSIM),
    "c_wire": DefaultSource("farad", "none unless it is known"),
    "half_selected": DefaultSource("", "a choice: a transistor at each device, or none"),
    "rows_in_parallel": DefaultSource("", "a choice: all rows are written at once, or one after the other"),
    "fom": DefaultSource("joule", "Walden's figure of merit, 10 to 50 fJ per conversion step are common, recalled"),
    "adc_bits": DefaultSource("bit", "typical"),
    "dac_bits": DefaultSource("bit", "typical; 0 for inputs that are voltages already"),
    "t_convert": DefaultSource("second", "1.28 GS/s, as in ISAAC (Shafiee et al., 2016), recalled"),
    "e_mac": DefaultSource("joule", "8-bit addition .03 and multiplication .2 pJ in 45 nm (Horowitz, 2014), recalled"),
}
"""Unit and source of every constant's default."""


@dataclass(frozen=True)
class Constants:
    r"""Costs of the single operations.

    A read of an array takes :math:`V^2 G\,t` per device, a pulse :math:`V_w^2 (\bar G\,t_w + C_w)`, a conversion of b bits
    :math:`\mathrm{FoM}\; 2^b`. A circuit that settles by itself dissipates its power
    :math:`\sum_e g_e\, \Delta v_e^2 + \sum_i I(v_i)\, v_i`, resistors and diodes, for :math:`\tau \ln(1/\epsilon)`, with
    :math:`\tau = \max_i C / \sum_j g_{ij}` of its slowest node. The defaults are those of ``ORIGINS`` and are meant to be replaced.

    Attributes
    ----------
    v_read, t_read : float
        Volts at which units are driven (those of a circuit have voltages of their own), and seconds of one sweep of a relaxation that
        reads its arrays.
    continuous : bool
        Whether circuits settle by themselves, in a time that follows from their conductances, instead of sweep by sweep.
    c_node : float
        Farad of a node that settles by itself.
    settle_error : float
        :math:`\epsilon`, the share of a change that is left when it counts as settled; in (0, 1).
    v_write, t_write : float
        Volts and seconds of a pulse.
    c_wire : float
        Farad of the wires that a pulse charges.
    half_selected : bool
        Whether the other devices of a pulse's row and column see half of its voltage.
    rows_in_parallel : bool
        Whether the rows of an array are written at once.
    fom : float
        Joules per conversion step.
    adc_bits, dac_bits : int
        Bits of the converters behind every unit and before every input; 0 for none.
    t_convert : float
        Seconds per conversion, all units at once.
    e_mac : float
        Joules of a digital multiplication and addition, for comparison.
    """

    v_read: float = 0.2
    t_read: float = 10e-9
    continuous: bool = False
    c_node: float = 1e-12
    settle_error: float = 1e-3
    v_write: float = 2.0
    t_write: float = 10e-9
    c_wire: float = 0.0
    half_selected: bool = False
    rows_in_parallel: bool = True
    fom: float = 30e-15
    adc_bits: int = 8
    dac_bits: int = 0
    t_convert: float = 0.78e-9
    e_mac: float = 0.23e-12

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < math.inf:
                raise InputError(f"voltages, times, capacities and energies are finite and not negative, got {field.name} {value}")
        if not 0 < self.settle_error < 1:
            raise InputError(f"settle_error is the share of a change that is left, in (0, 1), got {self.settle_error}; 0.001 is usual")
        if max(self.adc_bits, self.dac_bits) > 32:
            raise InputError(f"converters have up to 32 bits, got {self.adc_bits} and {self.dac_bits}; 0 is none")

    def conversion(self, bits: int) -> float:
        """Return the joules of a conversion; none without a converter."""
        return self.fom * 2**bits if bits else 0.0

    def settle_time(self, slowest: float) -> float:
        """Return the settling time of a circuit whose slowest node sees a conductance of ``slowest`` siemens.

        Raises
        ------
        InputError
            If the node sees no conductance, and so never settles.
        """
        if not slowest > 0:
            raise InputError("a node that no conductance leads to never settles by itself; give conductance.g_min a positive value")
        return self.c_node / slowest * math.log(1 / self.settle_error)

    def record(self) -> dict[str, dict[str, float | str]]:
        """Return value, unit and source of every constant, by name; a value that is not the default is the user's."""
        plain, given = asdict(Constants()), asdict(self)
        return {
            name: {"value": value, "unit": ORIGINS[name].unit, "source": ORIGINS[name].source if value == plain[name] else "given"}
            for name, value in given.items()
        }
