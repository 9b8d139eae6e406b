"""Devices by name, with the numbers that were published for them.

The numbers are those of the presets of aihwkit 1.2.0 (Rasch et al., 2021) and of NeuroSim (Chen, Peng and Yu, 2018), whose names they
have as aliases. Those of aihwkit were read in its code, those of NeuroSim are recalled. Measurements are named as the codes name them, and
were not looked up. Weights are dimensionless there, and so are the steps and bounds here; conductances are scaled
to the range of the pairing. Left out everywhere: noise of a write that only the next read sees, spreads of the write law's own slopes and
of lifetimes, and the choice whether noise scales with a saturating step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.effect import Effect
from contrastive_core.devices.effects.finite_states import FiniteStates
from contrastive_core.devices.effects.leak import GrowingPair, Leak
from contrastive_core.devices.effects.variation import CycleToCycle, DeviceToDevice, PulseNoise, Spread
from contrastive_core.devices.write_law import ExponentialStep, LinearStep, alpha_of_label, exponential_device
from contrastive_core.guards.typed import typed
from contrastive_core.registry import unknown_name


class Preset(NamedTuple):
    """A published device.

    Attributes
    ----------
    description, alias, source
        Kind of the device, its name elsewhere, and the source of its numbers.
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
        Slopes :math:`\gamma_p` and :math:`\gamma_d`.
    effects : tuple of Effect
        Effects that the device has.
    """
    span, middle = w_max - w_min, (w_max + w_min) / 2
    up, down = 1 - gamma_up * middle / w_max, 1 - gamma_down * middle / w_min
    law = LinearStep(gamma_up * span / (2 * w_max * up), gamma_down * span / (-2 * w_min * down))
    conductance = Conductance(1e-6, 1e-4, Pairing.OFFSET, w_max=w_max, reference=-w_min / span)

    def build(seed: int) -> Device:
        return Device(conductance, law, dw_min / span, up, down, effects, seed=seed)

    return build


def _reram_exponential(seed: int) -> Device:
    law = ExponentialStep(a_up=-1.18445, a_down=-0.081404, gamma_up=5, gamma_down=5, a=-0.5, b=-0.5)
    effects = (DeviceToDevice(0.2, 0.259359, 0.05, 0.3, 0.3), CycleToCycle(5.0))
    return Device(Conductance(1e-6, 1e-4, Pairing.OFFSET, w_max=1.0), law, 0.00135 / 2, effects=effects, seed=seed)


def _phase_change(seed: int) -> Device:
    # For weights w from 0 to 2: the published law is in terms of -w, which is a (2z - 1) + b for a = b = -1.
    law = ExponentialStep(a_up=-27.235, a_down=-2.235, gamma_up=2.5, gamma_down=2.5, a=-1.0, b=-1.0)
    effects = (GrowingPair(), DeviceToDevice(0.2, 0.0, 0.05, 0.1), CycleToCycle(0.6))
    return Device(Conductance(1e-7, 25e-6, Pairing.DIFFERENTIAL, w_max=2.0), law, 0.01 / 2, effects=effects, seed=seed)


def _silver_silicon(seed: int) -> Device:
    made = exponential_device(alpha_of_label(2.4), alpha_of_label(4.88), 97)
    effects = (FiniteStates(97), CycleToCycle(0.035, PulseNoise.RANGE))
    return Device(Conductance(pairing=Pairing.OFFSET), made.law, 1 / 96, made.step_up * 96, made.step_down * 96, effects, seed=seed)


def _soft(dw_min: float, spread: DeviceToDevice, sigma_c2c: float, w_max: float = 1.0, w_min: float = -1.0) -> Callable[[int], Device]:
    return linear_device(dw_min, w_max, w_min, 1, 1, (spread, CycleToCycle(sigma_c2c)))


def _log_normal(dw_min: float, w_max: float, w_min: float) -> DeviceToDevice:
    return DeviceToDevice(dw_min, 0.0, 0.01, w_max, w_min, Spread.LOGNORMAL)


_ECRAM_SPREAD = DeviceToDevice(0.1, 0.0, 0.01, 0.05, 0.05)
_GONG = "fit to Gong et al. (2018), Nat. Commun., in aihwkit"
_ARRAY = "fit to Gong, Rasch et al. (2022), IEDM, in aihwkit"
_SPECIFIED = "specification of Gokmen and Vlasov (2016), Front. Neurosci. 10:333, in aihwkit"

PRESETS: dict[str, Preset] = {
    "ideal": Preset("no imperfection but a finite range", "", "by definition", lambda seed: Device(seed=seed)),
    "idealized": Preset(
        "10000 states and no asymmetry",
        "Idealized",
        _SPECIFIED,
        linear_device(0.0002, 1, -1, 0, 0, (DeviceToDevice(0.3, 0.0, 0.0, 0.3, 0.3), CycleToCycle(0.3))),
    ),
    "gokmen-vlasov": Preset(
        "1200 states and little asymmetry",
        "GokmenVlasov",
        _SPECIFIED,
        linear_device(0.0016, 1, -1, 0, 0, (DeviceToDevice(0.3, 0.0, 0.01, 0.3, 0.3), CycleToCycle(0.3))),
    ),
    "reram-soft-bounds": Preset(
        "resistive memory with saturating steps",
        "ReRamSB",
        _GONG,
        _soft(0.002, DeviceToDevice(0.3, 0.0, 0.01, 0.3 / 1.25, 0.3 / 0.75), 3.75, 1.25, -0.75),
    ),
    "reram-exponential": Preset("resistive memory with exponential steps", "ReRamES", _GONG, _reram_exponential),
    "reram-array-om": Preset(
        "array of resistive memory, optimised material; without its 13.5 % of corrupt devices",
        "ReRamArrayOM",
        _ARRAY,
        _soft(0.0949, _log_normal(0.7829, 0.3499, 0.5695), 0.4158),
    ),
    "reram-array-hfo2": Preset(
        "array of resistive memory, hafnium oxide; without its 9.8 % of corrupt devices",
        "ReRamArrayHfO2",
        _ARRAY,
        _soft(0.4622, _log_normal(0.7125, 0.4295, 0.5990), 0.2174),
    ),
    "capacitor": Preset(
        "charge on a capacitor, which leaks",
        "Capacitor",
        "fit to Li et al. (2018), VLSI, in aihwkit",
        linear_device(0.005, 1, -1, 0.05, 0.05, (Leak(1e6), DeviceToDevice(0.1, 0.0, 0.06, 0.07, 0.07), CycleToCycle(0.3))),
    ),
    "ecram": Preset(
        "lithium electrochemical memory",
        "EcRam",
        "fit to Tang et al. (2018), IEDM, in aihwkit",
        linear_device(0.002, 1.1724, -0.8276, 0.1153, 0.5085, (_ECRAM_SPREAD, CycleToCycle(0.3))),
    ),
    "ecram-metal-oxide": Preset(
        "metal-oxide electrochemical memory",
        "EcRamMO",
        "data of Kim et al. (2019), IEDM, in aihwkit",
        linear_device(2.8214e-4, 1.1714, -0.8286, 0.4152, 0.7342, (_ECRAM_SPREAD, CycleToCycle(2.0))),
    ),
    "pcm": Preset(
        "phase change memory in growing pairs; add drift.model=pcm and pcm-noise for its drift and noise",
        "PCM",
        "fit to Nandakumar et al. (2020), Front. Neurosci. 14:406, in aihwkit",
        _phase_change,
    ),
    "silver-silicon": Preset(
        "Ag:a-Si, 97 states, labels of nonlinearity 2.4 and -4.88",
        "RealDevice",
        "default of NeuroSim (Chen, Peng and Yu, 2018), recalled",
        _silver_silicon,
    ),
}
"""Every preset. A description names the effects of its source that are left out."""


@typed()
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
