"""Options of training on imperfect devices, for its trials and for its command."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from contrastive_core.devices import EFFECTS
from contrastive_core.errors import InputError
from experiments.commandline.markers import Repeated
from experiments.commandline.quantities import Positive, distinct
from experiments.commandline.sections import COMPUTATION, DATA, DEVICE, RULE
from experiments.hardware.energy_bill import ConstantOptions
from experiments.setup.device_files import is_device_file
from experiments.setup.options import PlanOptions, RuleName, TrainOptions

_Settings = Annotated[tuple[str, ...], Repeated("EFFECT.PARAMETER=VALUE")]

Transfer = Literal["none", "ideal", "device"]
"""Device on which conductances are learnt: the judged one itself, one without imperfections, or another of its kind."""

_PRESET = "Device to start from: a published one, as 'eqlab device list' shows them, or the path of a device.toml or of a fit's run."


def _published(preset: str) -> str:
    """Refuse a path: a trial holds the settings of a file, and a file that is read by each trial may change between two of them."""
    if is_device_file(preset):
        raise InputError(f"the preset of a trial is a published device, and {preset} is a file; give it as device_file={preset}")
    return preset


_TRANSFER = "Network whose conductances the device is judged with: an ideal one, or another device of its kind; none: it learns itself."


class HardwareTrialOptions(TrainOptions):
    """Training of a network on a device by one rule.

    Attributes
    ----------
    preset, imperfections
        The device.
    transfer
        Device on which the conductances are learnt.
    constants
        Costs of operations.
    final
        Whether nothing is kept for validation.
    """

    preset: Annotated[str, AfterValidator(_published), DEVICE] = Field(
        "ideal", description="Published device to start from, as 'eqlab device list' shows them."
    )
    imperfections: Annotated[_Settings, DEVICE] = Field(
        (), description="Setting of the device or, without a dot, of training; may be repeated."
    )
    transfer: Annotated[Transfer, DEVICE] = Field("none", description=_TRANSFER)
    constants: ConstantOptions = Field(
        default_factory=lambda: ConstantOptions.model_validate({}), description="Constants of the energy bill, in SI units."
    )
    final: Annotated[bool, DATA] = Field(False, description="Train on the validation split too, and report the network of the last epoch.")


class HardwareOptions(PlanOptions):
    """Rules, devices and seeds; everything else is the same for all.

    Attributes
    ----------
    rules, own, vary, ablate, imperfections, preset, transfer, constants, final, seeds
        The study.
    engine
        Engine that computes the trials.
    """

    rules: Annotated[tuple[RuleName, ...], AfterValidator(distinct), RULE] = Field(
        ("ep-centered",), min_length=1, description="Learning rules to compare."
    )
    own: Annotated[tuple[str, ...], Repeated("RULE.SETTING=VALUE"), RULE] = Field(
        (), description="Setting of training for one rule, such as ep-centered.strength=0.05; may be repeated."
    )
    vary: Annotated[tuple[str, ...], Repeated("EFFECT.PARAMETER=V1,V2,..."), DEVICE] = Field(
        ("node-noise.sigma_v=0.001,0.01,0.1",),
        description="Parameter of an effect, or of conductance, law or device, and its values; without a dot, a setting of training. "
        "Others after spaces are held, or vary along if they have as many values. May be repeated. "
        f"none: only the device itself, as with --ablate unless --vary is given. Effects: {', '.join(EFFECTS)}.",
    )
    ablate: Annotated[bool, DEVICE] = Field(False, description="Switch each effect of the device off in turn, and say which costs most.")
    imperfections: Annotated[_Settings, DEVICE] = Field(
        (), description="Setting of the device in all trials, such as adc.adc_bits=8; may be repeated."
    )
    preset: Annotated[str, DEVICE] = Field("ideal", description=_PRESET)
    transfer: Annotated[Transfer, DEVICE] = Field("none", description=_TRANSFER)
    constants: ConstantOptions = Field(
        default_factory=lambda: ConstantOptions.model_validate({}), description="Constants of the energy bill, in SI units."
    )
    final: Annotated[bool, DATA] = Field(False, description="Train on the validation split too, and report the network of the last epoch.")
    seeds: Annotated[Positive, RULE] = Field(
        3, description="Number of paired seeds, each with the same initial weights, data order and device draws in all trials."
    )
    engine: Annotated[str, COMPUTATION] = Field(
        "process",
        exclude=True,
        description="Engine that computes the trials: serial, process:N, dask:N, tcp://HOST:PORT or a scheduler file.",
    )
