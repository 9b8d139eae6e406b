"""Energy bill as options: every constant of the account, with the defaults and sources of the library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from experiments.commandline.options import Options
from experiments.commandline.quantities import NotNegative
from experiments.commandline.sections import Section

if TYPE_CHECKING:
    from contrastive_core.devices.accounting import Account
    from contrastive_core.devices.operation_costs import Constants

Bits = Annotated[int, Field(ge=0, le=32)]


class ConstantOptions(Options, section=Section("Constants of the energy bill")):
    """Costs of operations, in SI units.

    Attributes
    ----------
    v_read, t_read, continuous, c_node, settle_error
        Costs of settling.
    v_write, t_write, c_wire, half_selected, rows_in_parallel
        Costs of a pulse.
    fom, adc_bits, dac_bits, t_convert, e_mac
        Costs of conversions and of digital arithmetic.
    """

    v_read: NotNegative = Field(
        0.2, description="Voltage at which units are driven, in volt; a circuit that settles by itself has its own."
    )
    t_read: NotNegative = Field(10e-9, description="Duration of a sweep of a relaxation, in second.")
    continuous: bool = Field(
        False, description="Bill circuits that settle by themselves, at their own power for tau ln(1/error), instead of sweep by sweep."
    )
    c_node: NotNegative = Field(1e-12, description="Capacitance of a node that settles by itself, in farad.")
    settle_error: float = Field(1e-3, gt=0, lt=1, description="Remaining fraction of a change at which a node counts as settled.")
    v_write: NotNegative = Field(2.0, description="Voltage of a programming pulse, in volt.")
    t_write: NotNegative = Field(10e-9, description="Duration of a programming pulse, in second.")
    c_wire: NotNegative = Field(0.0, description="Capacitance of the wires that a pulse charges, in farad.")
    half_selected: bool = Field(False, description="Bill half of a pulse's voltage to the other devices of its row and column.")
    rows_in_parallel: bool = Field(True, description="Write all rows of an array at once.")
    fom: NotNegative = Field(30e-15, description="Energy per conversion step of a converter, in joule.")
    adc_bits: Bits = Field(8, description="Resolution of the converter behind each unit, in bits; 0: no converter.")
    dac_bits: Bits = Field(0, description="Resolution of the converter before each input, in bits; 0: no converter.")
    t_convert: NotNegative = Field(0.78e-9, description="Duration of a conversion, in second.")
    e_mac: NotNegative = Field(0.23e-12, description="Energy of a digital multiply-accumulate in joule, for comparison.")

    def constants(self) -> Constants:
        """Return them as the library takes them."""
        from contrastive_core.devices.operation_costs import Constants

        return Constants(**self.model_dump())


def billed(bill: Account) -> dict[str, Any]:
    """Return what a training run cost, as metrics.

    Parameters
    ----------
    bill : Account
        Account of the run.

    Returns
    -------
    dict
        Joules and seconds by kind, and all counts by phase.
    """
    inference, sample = bill.per_inference(), bill.per_training_sample()
    return {
        "inference_energy": inference.energy,
        "inference_digital_energy": inference.digital_energy,
        "inference_seconds": inference.seconds,
        "sample_energy": sample.energy,
        "sample_digital_energy": sample.digital_energy,
        "sample_seconds": sample.seconds,
        "energy": bill.energy,
        "settle_energy": bill.settle_energy,
        "convert_energy": bill.convert_energy,
        "write_energy": bill.write_energy,
        "digital_energy": bill.digital_energy,
        "device_seconds": bill.seconds,
        "settle_power": bill.settle_power,
        "settle_is_bound": bill.bound,
        "settle_time": bill.settle_time,
        "pulses": bill.pulses,
        "phases": {name: phase._asdict() for name, phase in bill.phases.items()}
        | {"write": {"pulses": bill.pulses, "longest": bill.longest, "write_energy": bill.write_energy, "seconds": bill.write_seconds}},
    }


def by_phase(relaxed: Sequence[tuple[str, float]], total: float) -> dict[str, float]:
    """Part sweeps among phases in the proportions of one batch.

    Parameters
    ----------
    relaxed : sequence of tuple of str and float
        Phases of the batch by name, with their mean steps.
    total : float
        Sweeps of all phases and samples together.

    Returns
    -------
    dict of str to float
        In the order of the phases; they add up to the total.
    """
    steps = sum(count for _, count in relaxed)
    return {name: total * (count / steps if steps else 1 / len(relaxed)) for name, count in relaxed}
