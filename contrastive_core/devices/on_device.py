"""Any network on imperfect hardware, as a network."""

from __future__ import annotations

import math
from functools import partial
from typing import final

import torch
from torch import Tensor

from contrastive_core.devices.device import Device
from contrastive_core.devices.effect import BiasEffect, CircuitEffect, ContrastEffect, InputEffect, NudgeEffect, ReadEffect
from contrastive_core.devices.passes import Contrasted, common_mode, in_two_passes
from contrastive_core.errors import InputError
from contrastive_core.network import Network
from contrastive_core.types import Clamped, Gradients, Nudge, Phase, Pull, State


@final
class OnDevice(Network):
    """A network whose weights are held by devices.

    Its parameters are those of the network inside, under their own names, and hold what the energy sees; the conductances are buffers.
    Whenever inputs are clamped, the arrays are read into the parameters; after a step of an optimiser :meth:`constrain_` turns the
    difference into pulses. Relaxations run on the network inside, with its kernels, and no rule knows about hardware. Matrices
    and what has bounds are held by arrays, other vectors (biases) are not.

    The conductances and the count of uses are state that belongs to the hardware, and so to this module.

    Parameters
    ----------
    network : Network
        What is put on hardware; its weights are programmed, and its parameters are changed from then on.
    device : Device
        What holds them.

    Raises
    ------
    InputError
        If phases are to be written one by one where a phase on its own has no gradient: with feedback of its own.
    """

    clock: Tensor
    pulses: Tensor
    """All pulses sent, and the sum over writes of the longest train of an array; fractions where the states are not finite."""

    def __init__(self, network: Network, device: Device) -> None:
        super().__init__()
        self.device = device
        if device.writes_each_phase and device.having(CircuitEffect):
            raise InputError("feedback of its own has no energy whose phases could be written one by one; write the difference (net)")
        for effect in device.having(CircuitEffect):
            network = effect.built(network, partial(device.draws, effect, use=0))
        self._inside = (network,)  # in a tuple: a submodule would show its parameters a second time, with a prefix
        self._largest: dict[str, float] = {}
        self._seen: dict[str, Tensor] = {}
        self._contrasted: Contrasted | None = None
        bounds = network.parameter_bounds()
        for name, parameter in network.named_parameters():
            self.register_parameter(name, parameter)
            if parameter.dim() > 1 or name in bounds:
                own = bounds[name][1] if name in bounds else math.inf
                self._largest[name] = own if math.isfinite(own) else device.conductance.largest_weight(parameter.detach())
                level = device.conductance.levels(parameter.detach(), self._largest[name])
                self.register_buffer(_level(name), level)
            else:
                self.register_buffer(_level(name), parameter.detach().clone())
        self.register_buffer("clock", torch.zeros((), dtype=torch.int64))
        self.register_buffer("pulses", torch.zeros(2, dtype=torch.float64))
        self._look()

    @property
    def inside(self) -> Network:
        """Return the network whose energy sees the devices."""
        return self._inside[0]

    def levels(self) -> dict[str, Tensor]:
        """Return the normalised conductances of every array, of shape (1 or 2, ...)."""
        return {name: self.get_buffer(_level(name)) for name in self._largest}

    def largest_weights(self) -> dict[str, float]:
        """Return the largest weight that each array can hold."""
        return dict(self._largest)

    def constrain_(self) -> None:
        """Send pulses for what an optimiser has changed since the arrays were last read, in place."""
        with torch.no_grad():
            changes = {name: parameter - self._seen[name] for name, parameter in self.named_parameters()}
            for part in in_two_passes(changes, self._contrasted) if self.device.writes_each_phase else (changes,):
                self.clock += 1
                for name, change in part.items():
                    self._write(name, change)
        self._contrasted = None
        self._look()

    def _write(self, name: str, change: Tensor) -> None:
        """Send the pulses of one pass to an array, or change a vector, in place."""
        level = self.get_buffer(_level(name))
        if name not in self._largest:
            level.add_(change)
            return
        written = self.device.write(level, self._request(name, level, change), name, int(self.clock))
        level.copy_(written.level)
        counts = written.pulses.abs()
        self.pulses += torch.stack((counts.sum(), counts.max())).to(self.pulses)

    def _request(self, name: str, level: Tensor, change: Tensor) -> Tensor:
        """Turn a change of weights into one of levels, so that a differential pair meets at its reset state where it can."""
        conductance, largest = self.device.conductance, self._largest[name]
        wanted = conductance.levels(conductance.weight(level, largest) + change, largest)
        return wanted - level

    def _look(self) -> None:
        """Read the arrays into the parameters, in place."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                level, use = self.get_buffer(_level(name)), int(self.clock)
                if name in self._largest:
                    parameter.copy_(self.device.conductance.weight(self.device.seen(level, name, use), self._largest[name]))
                else:
                    parameter.copy_(level)
                    last = name.endswith(f"_{len(self.sizes)}")
                    for effect in self.device.having(BiasEffect):
                        parameter.copy_(effect.seen(parameter, last, self.device.draws(effect, name, use)))
                self._seen[name] = parameter.detach().clone()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of units of each free layer, input side first."""
        return self.inside.sizes

    @property
    def stiffness(self) -> tuple[float, ...]:
        """Scale of each layer's own energy."""
        return self.inside.stiffness

    def clamp(self, inputs: Tensor) -> Clamped:
        """Read the arrays, and hold the inputs that the circuits make of ``inputs``, of shape (B, n_in)."""
        self.clock += 1
        self._look()
        for effect in self.device.having(InputEffect):
            inputs = effect.driven(inputs, self.device.draws(effect, "inputs", int(self.clock)))
        return self.inside.clamp(inputs)

    def applied(self, phase: Phase) -> Phase:
        """Return what the circuits make of a nudge, and other phases as they are."""
        effects = self.device.having(NudgeEffect)
        if not effects or not isinstance(phase, Nudge):
            return phase
        like = next(self.parameters())
        output = self.inside.output(tuple(like.new_zeros(len(phase.batch.labels), size) for size in self.sizes))
        for effect in effects:
            phase = effect.nudged(phase, output, self.device.draws(effect, "nudge", int(self.clock)))
        return phase

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of each sample, of shape (B,), with the weights as they are seen."""
        return self.inside.energy(state, clamped)

    def force(self, state: State, clamped: Clamped) -> State:
        """Return the force with the weights as they are seen."""
        return self.inside.force(state, clamped)

    def energy_gradient(self, state: State, clamped: Clamped, minus: State | None = None, factor: float = 1.0) -> Gradients:
        """Return the contrast that the circuits compute from what they read of the states."""
        states = (self.read(state, "plus"), None if minus is None else self.read(minus, "minus"))
        gradients = self.inside.energy_gradient(states[0], clamped, states[1], factor)
        for effect in self.device.having(ContrastEffect):
            for name in self._largest:
                gradients[name] = effect.computed(gradients[name], self.device.draws(effect, name, int(self.clock)))
        if self.device.writes_each_phase and states[1] is not None:
            self._contrasted = Contrasted(dict(gradients), common_mode(self.inside, clamped, states[0], states[1], factor))
        return gradients

    def read(self, state: State, phase: str) -> State:
        """Return what the learning rule is told of a state; ``phase`` names the reading, which has draws of its own."""
        layers = list(state)
        for effect in self.device.having(ReadEffect):
            for index, layer in enumerate(layers):
                last = index + 1 == len(layers)
                layers[index] = effect.read(layer, last, self.device.draws(effect, f"{phase} {index}", int(self.clock)))
        return tuple(layers)

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return the stationary value of a block."""
        return self.inside.minimiser(index, state, clamped, pull)

    def compliance(self, state: State) -> State:
        """Return the diagonal of the inverse of each unit's own curvature."""
        return self.inside.compliance(state)

    def initial_state(self, clamped: Clamped, generator: torch.Generator | None = None) -> State:
        """Return the state that a free phase starts from."""
        return self.inside.initial_state(clamped, generator)

    def project(self, state: State) -> State:
        """Return ``state`` moved to the nearest point inside the units' bounds."""
        return self.inside.project(state)

    def feedforward(self, clamped: Clamped) -> State:
        """Return one bottom-up pass with the weights as they are seen."""
        return self.inside.feedforward(clamped)

    def output(self, state: State) -> Tensor:
        """Return the outputs that the cost sees, of shape (B, n_out); not through a converter."""
        return self.inside.output(state)

    def pull_back(self, gradient: Tensor) -> Tensor:
        """Turn a gradient on the outputs into one on the last layer."""
        return self.inside.pull_back(gradient)

    def pull_back_at(self, state: State, gradient: Tensor) -> Tensor:
        """Return the same at a state."""
        return self.inside.pull_back_at(state, gradient)

    @property
    def has_readout(self) -> bool:
        """Whether the outputs are read out by weights of their own."""
        return self.inside.has_readout

    @property
    def output_is_last_layer(self) -> bool:
        """Whether the outputs are the units of the last layer themselves."""
        return self.inside.output_is_last_layer

    def has_minimum(self, curvature: float) -> bool:
        """Whether the energy keeps a minimum when a nudge adds this curvature to the last layer."""
        return self.inside.has_minimum(curvature)

    def least_curvature(self) -> float:
        """Return the curvature above which a nudge leaves the energy a minimum."""
        return self.inside.least_curvature()


def _level(name: str) -> str:
    return f"level_{name}"
