"""Circuits of resistors, diodes and amplifiers that tests settle, and effects of hardware with settings that make a difference."""

from __future__ import annotations

from typing import Any

import torch
from systems import seeded

from contrastive_core.certificate import Stop
from contrastive_core.devices.effect import Effect
from contrastive_core.devices.effects.array_effects import ConductanceNoise, Drift, ProgrammingError, StuckAt
from contrastive_core.devices.effects.feedback import AsymmetricFeedback
from contrastive_core.devices.effects.finite_states import FiniteStates, PulseTrain
from contrastive_core.devices.effects.leak import GrowingPair, Leak
from contrastive_core.devices.effects.neurons import NeuronGain
from contrastive_core.devices.effects.periphery import InputConverter, NeuronOffset, NodeNoise, NudgeError, RuleBias, StateConverter
from contrastive_core.devices.effects.phase_change import PhaseChangeNoise
from contrastive_core.devices.effects.variation import CycleToCycle, DeviceToDevice
from contrastive_core.devices.effects.wires import WireResistance
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.relaxation.relax import relax
from contrastive_core.types import Batch, State
from eqprop.circuit import Parts
from eqprop.diodes import IdealDiode
from eqprop.resistive import Resistive

# No amplifiers; Kendall's, with the current gain 1/A; and those that conserve power, whose energy has one weight for all layers.
AMPLIFIERS = {"none": (1.0, None), "kendall": (4.0, None), "conserving": (3.0, 3.0)}

SIZES = (4, 6, 5, 3)


def build(
    sizes: tuple[int, ...] = SIZES,
    diode: Any = None,
    amplifier: str = "kendall",
    dtype: torch.dtype = torch.float64,
    low: float = 0.02,
) -> tuple[Resistive, Batch]:
    """A network whose bias currents are random too, and a batch."""
    generator = seeded(3)
    voltage, current = AMPLIFIERS[amplifier]
    parts = Parts(diode or IdealDiode(), voltage, current, input_gain=3.0, rail=0.5, bounds=((low, 5.0),))
    network = Resistive(sizes, parts, gain=2.0, generator=generator, dtype=dtype)
    for index in range(len(sizes) - 1):
        network.bias(index).data.uniform_(-0.3, 0.3, generator=generator)
    inputs = torch.rand((4, sizes[0]), generator=generator, dtype=dtype)
    return network, Batch(inputs, torch.randint(sizes[-1], (4,), generator=generator))


def settled(network: Resistive, batch: Batch, phase: Any = None) -> State:
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        return relax(clamped, network.initial_state(clamped), BlockDescent(), Stop(1e-14, 20_000), phase, backend="torch").state


SWITCHED_ON: dict[str, Effect] = {
    "programming-error": ProgrammingError(0.02),
    "drift": Drift(0.05, 0.02),
    "stuck-at": StuckAt(0.05, 0.05),
    "conductance-noise": ConductanceNoise(0.01),
    "pcm-noise": PhaseChangeNoise(0.0088),
    "wires": WireResistance(0.35, 0.35),
    "neuron-gain": NeuronGain(0.05),
    "asymmetric-feedback": AsymmetricFeedback(0.1),
    "neuron-offset": NeuronOffset(0.05),
    "dac": InputConverter(7),
    "nudge-error": NudgeError(0.05, 0.05),
    "node-noise": NodeNoise(0.01),
    "adc": StateConverter(8),
    "rule-bias": RuleBias(1e-3),
    "leak": Leak(1e6),
    "growing-pair": GrowingPair(),
    "finite-states": FiniteStates(64),
    "pulse-train": PulseTrain(desired_bl=31),
    "device-to-device": DeviceToDevice(0.3),
    "cycle-to-cycle": CycleToCycle(0.3),
}
"""Effects by their names in ``EFFECTS``; a test holds that none is missing."""
