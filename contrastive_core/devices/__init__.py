"""Effects of hardware, by name and in the order in which they act; adding one is its file and one line here.

A device stands between the weights that a rule asks for and the weights that the energy sees: :class:`OnDevice
<contrastive_core.devices.on_device.OnDevice>` puts any network on one, and no rule knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.devices.effect import Effect

EFFECTS: Table[type[Effect]] = Table(
    "effect",
    {
        "programming-error": "contrastive_core.devices.effects.array_effects:ProgrammingError",
        "drift": "contrastive_core.devices.effects.array_effects:Drift",
        "stuck-at": "contrastive_core.devices.effects.array_effects:StuckAt",
        "conductance-noise": "contrastive_core.devices.effects.array_effects:ConductanceNoise",
        "pcm-noise": "contrastive_core.devices.effects.phase_change:PhaseChangeNoise",
        "wires": "contrastive_core.devices.effects.wires:WireResistance",
        "neuron-gain": "contrastive_core.devices.effects.neurons:NeuronGain",
        "asymmetric-feedback": "contrastive_core.devices.effects.feedback:AsymmetricFeedback",
        "neuron-offset": "contrastive_core.devices.effects.periphery:NeuronOffset",
        "dac": "contrastive_core.devices.effects.periphery:InputConverter",
        "nudge-error": "contrastive_core.devices.effects.periphery:NudgeError",
        "node-noise": "contrastive_core.devices.effects.periphery:NodeNoise",
        "adc": "contrastive_core.devices.effects.periphery:StateConverter",
        "rule-bias": "contrastive_core.devices.effects.periphery:RuleBias",
        "leak": "contrastive_core.devices.effects.leak:Leak",
        "growing-pair": "contrastive_core.devices.effects.leak:GrowingPair",
        "finite-states": "contrastive_core.devices.effects.finite_states:FiniteStates",
        "pulse-train": "contrastive_core.devices.effects.finite_states:PulseTrain",
        "device-to-device": "contrastive_core.devices.effects.variation:DeviceToDevice",
        "cycle-to-cycle": "contrastive_core.devices.effects.variation:CycleToCycle",
    },
)
