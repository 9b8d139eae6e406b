"""Any network on imperfect hardware, as a network."""

from __future__ import annotations

import math
from functools import partial
from typing import final

import torch
from torch import Tensor

from contrastive_core.devices.conductance import Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.presets import find_preset
from contrastive_core.devices.two_pass import CommonMode, common_mode, in_two_passes
from contrastive_core.errors import InputError
from contrastive_core.forms import Dissipation
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Contrast, Network, Pieces
from contrastive_core.networks.wrapper import SameEnergy
from contrastive_core.phases import Nudge
from contrastive_core.types import Gradients, State


@final
@typed()
class OnDevice(SameEnergy[Network], Network):
    """A network whose weights are held by devices.

    Its parameters are those of the network inside, under their own names, and hold what the energy sees; the conductances are buffers.
    :meth:`begin_use_` reads the arrays into the parameters, and all draws until the next use depend on the count of uses alone: an
    estimate changes nothing, and the same one is the same again. After a step of an optimiser :meth:`constrain_` turns the
    difference into pulses. Relaxations run on the network inside, with its kernels, and no rule knows about hardware. Matrices
    and parameters with bounds are held by arrays, other vectors (biases) are not.

    The conductances and the count of uses are state that belongs to the hardware, and so to this module.

    Parameters
    ----------
    network : Network
        Network to be put on hardware; its weights are programmed, and its parameters are changed from then on.
    device : Device or str
        Hardware that holds the weights, or the name of a published device, which then has seed 0; ``find_preset(name).build(seed)``
        has another one.

    Raises
    ------
    UnknownNameError
        If there is no published device of that name.
    InputError
        If phases are to be written one by one where a phase on its own has no gradient: with feedback of its own.
    """

    clock: Tensor
    pulses: Tensor
    """All pulses sent, and the sum over writes of the longest train of an array; fractions where the states are not finite."""

    def __init__(self, network: Network, device: Device | str) -> None:
        device = find_preset(device).build(0) if isinstance(device, str) else device
        circuits = device.acting(lambda hooks: hooks.circuit)
        if device.writes_each_phase and circuits:
            raise InputError("feedback of its own has no energy whose phases could be written one by one; write the difference (net)")
        for effect, built in circuits:
            network = built(network, partial(device.draws, effect, use=0))
        super().__init__()
        self.enclose(network)
        self.device = device
        self._largest: dict[str, float] = {}
        self._seen: dict[str, Tensor] = {}
        bounds = network.pieces.bounds
        for name, parameter in network.named_parameters():
            self.register_parameter(name, parameter)
            # Matrices and bounded conductances are arrays; biases are currents of sources, which no device holds.
            if parameter.dim() > 1 or name in bounds:
                # A finite bound of the network is the range of its devices; other weights get room to grow.
                own = bounds[name][1] if name in bounds else math.inf
                self._largest[name] = own if math.isfinite(own) else device.conductance.largest_weight(parameter.detach())
                level = device.conductance.levels(parameter.detach(), self._largest[name])
                self.register_buffer(_level(name), device.programmed(level, name))
            else:
                self.register_buffer(_level(name), parameter.detach().clone())
        self.register_buffer("clock", torch.zeros((), dtype=torch.int64))
        self.register_buffer("pulses", torch.zeros(2, dtype=torch.float64))
        self._look_()

    def levels(self) -> dict[str, Tensor]:
        """Return the normalised conductances of every array, of shape (1 or 2, ...)."""
        return {name: self.get_buffer(_level(name)) for name in self._largest}

    def largest_weights(self) -> dict[str, float]:
        """Return the largest weight that each array can hold."""
        return dict(self._largest)

    def stored(self) -> dict[str, Tensor]:
        """Return the parameters that the arrays and vectors hold, without the errors of reading them."""
        found = {}
        for name, _ in self.named_parameters():
            level = self.get_buffer(_level(name)).detach()
            found[name] = self.device.conductance.weight(level, self._largest[name]) if name in self._largest else level.clone()
        return found

    def take_over(self, other: OnDevice) -> None:
        """Program the arrays to the levels of another device under a network of the same shape, and copy its vectors, in place."""
        self._largest = other.largest_weights()
        for name, _ in self.named_parameters():
            level = other.get_buffer(_level(name))
            self.get_buffer(_level(name)).copy_(self.device.programmed(level, name) if name in self._largest else level)
        self._look_()

    @property
    def pieces(self) -> Pieces:
        """Return reading and writing of the arrays, errors of nudges, and the heat at the devices' scale."""
        inside = self.inside.pieces
        return Pieces(
            write_=self._write_,
            read_=self._read_,
            hold=inside.hold,
            nudge=self._nudge,
            dissipation=self._dissipation,
            describe=inside.describe,
            shapes=inside.shapes,
            skips=inside.skips,
            reads=inside.reads,
        )

    def _read_(self) -> None:
        """Begin another use of the device, in place, and read the arrays into the parameters."""
        self.clock += 1
        self._look_()

    def _write_(self, contrast: Contrast | None) -> None:
        """Send pulses for the changes that an optimiser has made since the arrays were last read, in place."""
        changes = {name: parameter - self._seen[name] for name, parameter in self.named_parameters()}
        # The phases are read again with the draws of their own use, so before the clock goes on.
        for part in in_two_passes(changes, self._common_mode(contrast)) if self.device.writes_each_phase else (changes,):
            self.clock += 1
            for name, change in part.items():
                self._send_(name, change)
        self._look_()

    def _common_mode(self, contrast: Contrast | None) -> CommonMode | None:
        """Return the two phases of a contrast as the circuits read them; None without a contrast."""
        if contrast is None:
            return None
        clamped, plus, minus, factor = contrast
        difference = self.energy_gradient(plus, clamped, minus, factor)
        return CommonMode(difference, common_mode(self.inside, clamped, self.read(plus, "plus"), self.read(minus, "minus"), factor))

    def _send_(self, name: str, change: Tensor) -> None:
        """Send the pulses of one pass to an array, or change a vector, in place."""
        level = self.get_buffer(_level(name))
        if name not in self._largest:
            level.add_(change)
            return
        request = self.device.conductance.requested(level, change, self._largest[name])
        written = self.device.write(level, request, name, int(self.clock))
        level.copy_(written.level)
        counts = written.pulses.abs()
        self.pulses += torch.stack((counts.sum(), counts.max())).to(self.pulses)

    def _look_(self) -> None:
        """Read the arrays into the parameters, in place."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                level, use = self.get_buffer(_level(name)), int(self.clock)
                if name in self._largest:
                    parameter.copy_(self.device.conductance.weight(self.device.seen(level, name, use), self._largest[name]))
                else:
                    parameter.copy_(level)
                    last = name.endswith(f"_{len(self.sizes)}")
                    for effect, seen in self.device.acting(lambda hooks: hooks.bias):
                        parameter.copy_(seen(parameter, last, self.device.draws(effect, name, use)))
                self._seen[name] = parameter.detach().clone()

    def clamp(self, inputs: Tensor) -> Clamped:
        """Hold ``inputs``, of shape (B, n_in), as the circuits convert them, with the weights of the present use."""
        for effect, driven in self.device.acting(lambda hooks: hooks.inputs):
            inputs = driven(inputs, self.device.draws(effect, "inputs", int(self.clock)))
        return self.inside.clamp(inputs)

    def _nudge(self, nudge: Nudge) -> Nudge:
        """Return a nudge with the errors of the circuits."""
        effects = self.device.acting(lambda hooks: hooks.nudge)
        if not effects:
            return nudge
        # A nudge is asked for before its phase has a state: only shape and dtype of the outputs are known.
        like = next(self.parameters())
        output = self.inside.output(tuple(like.new_zeros(len(nudge.batch.labels), *shape) for shape in self.shapes))
        for effect, nudged in effects:
            nudge = nudged(nudge, output, self.device.draws(effect, "nudge", int(self.clock)))
        return nudge

    def _dissipation(self, state: State, clamped: Clamped) -> Dissipation | None:
        """Return the heat at the devices' scale; None unless each resistor of a circuit is a device of its own.

        Voltages are the network's. The conductances of an array are a factor of the network's, and so are currents there: those of its
        diodes, and of amplifiers between arrays of different factors.
        """
        kind, found = self.device.conductance, self.inside.dissipation(state, clamped)
        if found is None or kind.pairing is not Pairing.SINGLE:
            return None
        scales = {name: kind.weight_per_siemens(largest) for name, largest in self._largest.items()}
        return Dissipation(*({name: value / scales[name] for name, value in part.items()} for part in found))

    def energy_gradient(self, state: State, clamped: Clamped, minus: State | None = None, factor: float = 1.0) -> Gradients:
        """Return the contrast that the circuits compute from the states as they read them."""
        read_minus = None if minus is None else self.read(minus, "minus")
        return self.computed(self.inside.energy_gradient(self.read(state, "plus"), clamped, read_minus, factor))

    def computed(self, gradients: Gradients) -> Gradients:
        """Return a contrast of states that have been read, as the circuits compute it; given gradients are not changed."""
        gradients = dict(gradients)
        for effect, computed in self.device.acting(lambda hooks: hooks.contrast):
            for name in self._largest:
                gradients[name] = computed(gradients[name], self.device.draws(effect, name, int(self.clock)))
        return gradients

    def read(self, state: State, phase: str) -> State:
        """Return a state as the learning rule is told; ``phase`` names the reading, which has draws of its own."""
        layers = list(state)
        for effect, told in self.device.acting(lambda hooks: hooks.read):
            for index, layer in enumerate(layers):
                last = index + 1 == len(layers)
                layers[index] = told(layer, last, self.device.draws(effect, f"{phase} {index}", int(self.clock)))
        return tuple(layers)


def held_by(network: Network) -> Network:
    """Return the network that devices hold, with the weights of the present use and no errors of circuits; any other network itself."""
    return network.inside if isinstance(network, OnDevice) else network


def _level(name: str) -> str:
    return f"level_{name}"
