"""Devices by name, with the numbers that were published for them.

The numbers are those of the presets of aihwkit (Rasch et al., 2021) and of NeuroSim (Chen, Peng and Yu, 2018), whose names they have as
aliases; they were read in those codes, and the measurements behind them were not looked up. Weights are dimensionless there, and
so are the steps and bounds here; conductances are scaled to the range of the pairing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.effect import Effect
from contrastive_core.devices.states import FiniteStates
from contrastive_core.devices.variation import CycleToCycle, DeviceToDevice
from contrastive_core.devices.write_law import ExponentialStep, LinearStep, alpha_of_label, exponential_device
from contrastive_core.table import unknown_name


class Preset(NamedTuple):
    """A published device.

    Attributes
    ----------
    description, alias, source
        What it is, what it is called elsewhere, and where its numbers are from.
    build : callable
        Maps a seed to the device.
    """

    description: str
    alias: str
    source: str
    build: Callable[[int], Device]


def linear_device(
    dw_min: float, w_max: float, w_min: float, gamma_up: float, gamma_down: float, effects: tuple[Effect, ...] = ()
) -> Callable[[int], Device]:
    r"""Return the maker of an offset device with steps linear in the weight, in the terms of aihwkit's LinearStep device.

    :math:`\Delta w = \mathrm{dw}\,(1 - \gamma_p w/w_\max)` up, :math:`-\mathrm{dw}\,(1 - \gamma_d w/w_\min)` down. With both
    :math:`\gamma` 1 it is SoftBounds, with both 0 ConstantStep.

    Parameters
    ----------
    dw_min : float
        Step at weight 0.
    w_max, w_min : float
        Bounds, of either sign.
    gamma_up, gamma_down : float
        Slopes.
    effects : tuple of Effect
        What else the device has.
    """
    span, middle = w_max - w_min, (w_max + w_min) / 2
    up, down = 1 - gamma_up * middle / w_max, 1 - gamma_down * middle / w_min
    law = LinearStep(gamma_up * span / (2 * w_max * up), gamma_down * span / (-2 * w_min * down))
    conductance = Conductance(1e-6, 1e-4, Pairing.OFFSET, w_max=w_max, reference=-w_min / span)

    def build(seed: int) -> Device:
        return Device(conductance, law, dw_min / span, up, down, effects, seed=seed)

    return build


def _reram_exponential(seed: int) -> Device:
    law = ExponentialStep(a_up=-1.184, a_down=-0.0814, gamma_up=5, gamma_down=5, a=-0.5, b=-0.5)
    return Device(Conductance(1e-6, 1e-4, Pairing.OFFSET, w_max=1.0), law, 0.00135 / 2, seed=seed)


def _silver_silicon(seed: int) -> Device:
    made = exponential_device(alpha_of_label(2.4), alpha_of_label(4.88), 97)
    effects = (FiniteStates(97), CycleToCycle(0.035 * 96))  # NeuroSim's spread is a fraction of the range, ours of a step
    return Device(Conductance(pairing=Pairing.OFFSET), made.law, 1 / 96, made.step_up * 96, made.step_down * 96, effects, seed=seed)


_AIHWKIT, _NEUROSIM = "presets of aihwkit", "defaults of NeuroSim"
_SPREAD = (DeviceToDevice(0.3), CycleToCycle(0.3))

PRESETS: dict[str, Preset] = {
    "ideal": Preset("no imperfection but a finite range", "", "by definition", lambda seed: Device(seed=seed)),
    "idealized": Preset("a device with very many states", "Idealized", _AIHWKIT, linear_device(0.0002, 0.6, -0.6, 0, 0)),
    "gokmen-vlasov": Preset(
        "1200 states and little asymmetry",
        "GokmenVlasov",
        _AIHWKIT,
        linear_device(0.0016, 0.6, -0.6, 0, 0, (DeviceToDevice(0.3, 0.0, 0.01), CycleToCycle(0.3))),
    ),
    "reram-soft-bounds": Preset(
        "resistive memory with saturating steps",
        "ReRamSB",
        _AIHWKIT,
        linear_device(0.002, 1.25, -0.75, 1, 1, (DeviceToDevice(0.3), CycleToCycle(3.75))),
    ),
    "reram-exponential": Preset("resistive memory with exponential steps, without its spread", "ReRamES", _AIHWKIT, _reram_exponential),
    "capacitor": Preset("charge on a capacitor, without its leak", "Capacitor", _AIHWKIT, linear_device(0.005, 1, -1, 0.05, 0.05, _SPREAD)),
    "ecram": Preset("electrochemical memory", "EcRam", _AIHWKIT, linear_device(0.002, 1.1724, -0.8276, 0.1153, 0.5085, _SPREAD)),
    "ecram-metal-oxide": Preset(
        "metal-oxide electrochemical memory",
        "EcRamMO",
        _AIHWKIT,
        linear_device(2.82e-4, 1, -1, 0.4152, 0.7342, (DeviceToDevice(0.3), CycleToCycle(2.0))),
    ),
    "silver-silicon": Preset("Ag:a-Si, 97 states, labels of nonlinearity 2.4 and -4.88", "RealDevice", _NEUROSIM, _silver_silicon),
}
"""Every preset. Where the source has more effects than ours, the description says which are left out."""


def find_preset(name: str) -> Preset:
    """Return a preset by its name or alias, whatever its case.

    Raises
    ------
    UnknownNameError
        If there is none, with the closest name.
    """
    wanted = name.lower()
    for known, preset in PRESETS.items():
        if wanted in (known, preset.alias.lower()) and wanted:
            return preset
    raise unknown_name("device", name, list(PRESETS))
