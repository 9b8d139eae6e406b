"""Each effect of hardware with settings that make a difference."""

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
