"""Deep resistive networks: circuits of resistors, diodes and amplifiers that settle where their dissipation is least."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from contrastive_core.forms import Dissipation, Ladder
from contrastive_core.generators import source_of
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Network, Pieces
from contrastive_core.networks.initial import initial_weight, layer_sizes
from contrastive_core.networks.input_checks import as_inputs
from contrastive_core.phases import Pull
from contrastive_core.types import Gradients, State
from eqprop import stability
from eqprop.circuit import Parts, box, dissipation_gradient, heat, polarities


@final
@typed("sizes", "gain", "generator")
class Resistive(Network):
    r"""Layers of nodes joined by variable conductances, with diodes on hidden nodes and amplifiers between layers.

    .. math:: E = \sum_{l=1}^{L} \lambda^{l-1} \left[ \tfrac12 \sum_{ij} g^l_{ij} (a_l v^{l-1}_i - v^l_j)^2 - b_l \cdot v^l
        + \sum_j \int_0^{w_j} I(w)\, dw \right], \qquad a_1 = 1,\ a_{l>1} = A,\ \lambda = a_c/A.

    Sources hold the inputs twice, at :math:`+x` and :math:`-x` times the input gain, and two rails. The first half of every hidden layer
    is excitatory, with a diode from ground (:math:`w = -v`) that keeps :math:`v \ge 0`; the second inhibitory (:math:`w = v`), with
    :math:`v \le 0`; outputs have no diodes. A node sends :math:`A v` upwards and takes :math:`a_c` times the current back: with both 1
    there are no amplifiers, and the energy is half the power that the resistors turn into heat. With ideal diodes it is a convex
    quadratic in a box.

    Parameters ``conductance_l`` have shape (sources or n_{l-1}, n_l), in siemens; ``bias_l`` (n_l,) are the currents of sources, in ampere.
    Voltages are in volt and energies in watt; any consistent scaling of all does as well. Conductances start uniform in
    :math:`\pm g/\sqrt{\mathrm{fan\ in}}` moved into their bounds, so that about half of them start at the lower one; biases at 0.

    Kendall et al. (2020) introduced these networks. Block descent and initial values follow Scellier (2024), "A fast algorithm to
    simulate nonlinear resistive networks" (repository). The amplified energy is our derivation, verified against ngspice.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, nodes of each hidden layer, outputs: (n_0, ..., n_L), at least two; n_0 counts inputs before they are doubled.
    parts : Parts
        Diodes, amplifiers, sources and bounds.
    gain : float
        :math:`g` of the initial conductances; 0 puts all of them at their lower bounds.
    generator : torch.Generator or int
        Source of the initial conductances, or a seed.
    dtype : torch.dtype
        Dtype of the parameters, and so of everything computed with them.

    Raises
    ------
    InputError
        If a size is not positive, or the parts have bounds for another number of layers.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        parts: Parts | None = None,
        *,
        gain: float = 1.0,
        generator: torch.Generator | int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        sizes, source = layer_sizes(sizes), source_of(generator)
        self.parts = Parts() if parts is None else parts
        self.num_inputs, self.sizes = sizes[0], tuple(sizes[1:])
        self.bounds = self.parts.bounds_of(len(self.sizes))
        # A nudge in units of the last stiffness is a conductance in siemens that is seen before the amplifiers.
        self.stiffness = tuple(self.parts.ratio**index for index in range(len(self.sizes)))
        self.output_is_last_layer, self.has_readout = True, False
        sources = 2 * sizes[0] + (2 if self.parts.rail else 0)
        for number, (below, above) in enumerate(pairwise((sources, *self.sizes)), start=1):
            self.register_parameter(f"conductance_{number}", initial_weight((below, above), below, gain, source, dtype))
            self.register_parameter(f"bias_{number}", nn.Parameter(torch.zeros(above, dtype=dtype)))
        # An excitatory node has its diode's anode at ground, an inhibitory one the cathode; +1 and -1.
        for index, size in enumerate(self.sizes[:-1]):
            self.register_buffer(f"polarity_{index + 1}", polarities(size, dtype), persistent=False)
        self.constrain_()

    def conductance(self, index: int) -> Tensor:
        """Return the conductances into block ``index``, of shape (sources or n below, n), in siemens."""
        parameter: Tensor = getattr(self, f"conductance_{index + 1}")
        return parameter

    def bias(self, index: int) -> Tensor:
        """Return the currents into block ``index``, of shape (n,), in ampere."""
        parameter: Tensor = getattr(self, f"bias_{index + 1}")
        return parameter

    def polarity(self, index: int) -> Tensor:
        """Return +1 for the excitatory and -1 for the inhibitory nodes of hidden block ``index``, of shape (n,)."""
        buffer: Tensor = getattr(self, f"polarity_{index + 1}")
        return buffer

    def sources(self, inputs: Tensor) -> Tensor:
        """Return the voltages of the sources for inputs of shape (B, n_in): plus and minus the inputs, and the rails."""
        scaled = self.parts.input_gain * inputs
        rails = [scaled.new_tensor([[self.parts.rail, -self.parts.rail]]).expand(len(inputs), 2)] if self.parts.rail else []
        return torch.cat([scaled, -scaled, *rails], dim=1)

    @property
    def pieces(self) -> Pieces:
        """Return the bounds of conductances in siemens, the heat and, with ideal diodes, the ladder."""
        bounds = {f"conductance_{number}": pair for number, pair in enumerate(self.bounds, start=1)}
        ladder = self._ladder if self.parts.diode.ideal else None
        return Pieces(bounds, ladder=ladder, dissipation=self._dissipation, scales=self._scales, magnitudes=self._magnitudes)

    def clamp(self, inputs: Tensor) -> Clamped:
        """Set the sources, and replace their action on the first layer by a current (the drive) and a conductance (the load)."""
        inputs = as_inputs(inputs, self.num_inputs, self.conductance(0).dtype)
        drive = torch.addmm(self.bias(0), self.sources(inputs), self.conductance(0))
        return Clamped(self, inputs, drive, self.conductance(0).sum(0))

    def _coupling(self, index: int) -> Tensor:
        """Return the couplings of block ``index`` to the one below, of shape (n below, n)."""
        factor = self.stiffness[index] * self.parts.voltage_gain
        return self.conductance(index) if factor == 1 else factor * self.conductance(index)

    def _below(self, index: int, load: Tensor | None = None) -> Tensor:
        """Return the conductance between each node of a block and the layer below, of shape (n,)."""
        conductance = self.conductance(index).sum(0) if load is None or index else load
        # A node that nothing is connected to stays at 0 V instead of 0 / 0.
        return (self.stiffness[index] * conductance).clamp(min=torch.finfo(conductance.dtype).tiny)

    def _total(self, index: int, load: Tensor | None = None) -> Tensor:
        """Return the conductance between each node of a block and all its neighbours together, of shape (n,)."""
        total = self._below(index, load)
        if index + 1 == len(self.sizes):
            return total
        return total + self.stiffness[index + 1] * self.parts.voltage_gain**2 * self.conductance(index + 1).sum(1)

    def _bottom_up(self, index: int, state: State, clamped: Clamped) -> Tensor:
        """Return the current that the layer below would send into each node at 0 V, of shape (B, n)."""
        if index == 0:
            return clamped.drive
        return torch.addmm(self.stiffness[index] * self.bias(index), state[index - 1], self._coupling(index))

    def _current(self, index: int, state: State, clamped: Clamped) -> Tensor:
        """Return the current that both neighbours would send into each node at 0 V, of shape (B, n)."""
        current = self._bottom_up(index, state, clamped)
        if index + 1 == len(self.sizes):
            return current
        return torch.addmm(current, state[index + 1], self._coupling(index + 1).T)

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of each sample, of shape (B,)."""
        total = state[0].new_zeros(len(state[0]))
        for index, (below, layer) in enumerate(self._ends(state, clamped)):
            part = 0.5 * heat(below, layer, self.conductance(index)) - layer @ self.bias(index)
            if index + 1 < len(state):
                part = part + self.parts.diode.content(-self.polarity(index) * layer).sum(1)
            total = total + self.stiffness[index] * part
        return total

    def _dissipation(self, state: State, clamped: Clamped) -> Dissipation:
        """Return the heat of resistors and diodes; amplifiers deliver power, and are taken to have no heat."""
        found = Dissipation({}, {})
        for index, (below, layer) in enumerate(self._ends(state, clamped)):
            name, watts = f"conductance_{index + 1}", heat(below, layer, self.conductance(index))
            if index + 1 < len(state):
                forward = -self.polarity(index) * layer
                watts = watts + (forward * self.parts.diode.current(forward)).sum(1)
            found.heat[name], found.nodes[name] = watts, self._total(index) / self.stiffness[index]
        return found

    def _ends(self, state: State, clamped: Clamped) -> Iterator[tuple[Tensor, Tensor]]:
        return zip((self.sources(clamped.inputs), *(self.parts.voltage_gain * layer for layer in state[:-1])), state, strict=True)

    def force(self, state: State, clamped: Clamped) -> State:
        """Return the current that is left over at every node, its diode's included."""
        forces = []
        for index, layer in enumerate(state):
            force = self._current(index, state, clamped) - self._total(index, clamped.load) * layer
            if index + 1 < len(state):
                force = force + self.stiffness[index] * self.polarity(index) * self.parts.diode.current(-self.polarity(index) * layer)
            forces.append(force)
        return tuple(forces)

    def energy_gradient(self, state: State, clamped: Clamped, minus: State | None = None, factor: float = 1.0) -> Gradients:
        r"""Return :math:`\tfrac12\lambda^{l-1}\langle(a_l v^{l-1}_i - v^l_j)^2\rangle` and :math:`-\lambda^{l-1}\langle v^l\rangle`."""
        gradients: Gradients = {}
        below, below_minus = self.sources(clamped.inputs), None  # the sources are the same in both states
        for index, layer in enumerate(state):
            scale = factor * self.stiffness[index] / layer.shape[0]
            other = None if minus is None else minus[index]
            pair = None if other is None else (below_minus, other)
            gradients[f"conductance_{index + 1}"] = dissipation_gradient(below, layer, pair, scale)
            gradients[f"bias_{index + 1}"] = -scale * (layer if other is None else layer - other).sum(0)
            below = self.parts.voltage_gain * layer
            below_minus = None if other is None else self.parts.voltage_gain * other
        return gradients

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return each node where the currents into it vanish, its diode's included; the exact minimum."""
        current, total = self._current(index, state, clamped), self._total(index, clamped.load)
        if pull is not None:
            current, total = current + pull.linear, total + pull.curvature
        return self._node(index, total, current)

    def _node(self, index: int, total: Tensor, current: Tensor) -> Tensor:
        if index + 1 == len(self.sizes):
            return current / total
        polarity = self.polarity(index)
        scale = self.stiffness[index]  # of all that a node's energy consists of but its diode's, which solve knows unscaled
        return -polarity * self.parts.diode.solve(total / scale, -polarity * current / scale)

    def compliance(self, state: State) -> State:
        """Return the inverse of each node's whole conductance; 0 for one that an ideal diode holds at 0 V."""
        compliances = []
        for index, layer in enumerate(state):
            total = self._total(index).detach().expand_as(layer)
            if index + 1 < len(state):
                total = total + self.stiffness[index] * self.parts.diode.slope(-self.polarity(index) * layer)
            compliances.append(1 / total)
        return tuple(compliances)

    def _scales(self, clamped: Clamped) -> tuple[Tensor, ...]:
        """Return the conductance between each node and all its neighbours, in siemens: forces are currents."""
        return tuple(self._total(index, clamped.load) for index in range(len(self.sizes)))

    def _magnitudes(self, state: State, clamped: Clamped) -> State:
        """Return the highest voltage that each layer sees, which no mean exceeds: plus and minus the inputs cancel in a node's own."""
        ends = (self.sources(clamped.inputs), *(self.parts.voltage_gain * layer for layer in state[:-1]))
        above = (*(layer / self.parts.voltage_gain for layer in state[1:]), state[-1])
        return tuple(
            torch.maximum(low.abs().amax(1, keepdim=True), high.abs().amax(1, keepdim=True)).expand_as(layer)
            for low, layer, high in zip(ends, state, above, strict=True)
        )

    def initial_state(self, clamped: Clamped, generator: torch.Generator | None = None) -> State:
        """Return all nodes at 0 V, or at normal voltages of 1 V drawn from the generator, on the side their diodes allow."""
        drive = clamped.drive
        if generator is None:
            return tuple(drive.new_zeros(1, 1).expand(len(drive), size) for size in self.sizes)
        draws = (torch.randn((len(drive), size), generator=generator, dtype=drive.dtype, device=drive.device) for size in self.sizes)
        return self.project(tuple(draws))

    def project(self, state: State) -> State:
        """Return each node moved to the nearest voltage that its diode allows."""
        hidden = (-self.polarity(index) * self.parts.diode.project(-self.polarity(index) * layer) for index, layer in enumerate(state[:-1]))
        return (*hidden, state[-1])

    def feedforward(self, clamped: Clamped) -> State:
        """Return the voltages with each layer read through ideal buffers, so that it is not loaded by the layer above."""
        state: State = ()
        for index in range(len(self.sizes)):
            state = (*state, self._node(index, self._below(index, clamped.load), self._bottom_up(index, state, clamped)))
        return state

    def output(self, state: State) -> Tensor:
        """Return the voltages of the last layer, of shape (B, n_out)."""
        return state[-1]

    def pull_back(self, state: State, gradient: Tensor) -> Tensor:
        """Return the gradient itself: outputs are nodes."""
        return gradient

    def least_curvature(self, enough: float = -math.inf) -> float:
        r"""Return minus the smallest eigenvalue of the conductance matrix seen from the outputs, all diodes blocking.

        It is the Schur complement on the outputs; a nudge of more negative curvature drives some combination of outputs away without
        bound, at least as long as no diode conducts. A circuit that has a minimum with all diodes blocking has one whatever they do.
        """
        with torch.no_grad():
            bound = -stability.margin_at_least(*self._matrix(), self.parts.voltage_gain) if enough > -math.inf else math.inf
            return bound if bound < enough else -stability.margin(*self._matrix())

    def _matrix(self, load: Tensor | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """Return the conductance matrix: its diagonal, and its blocks beside the diagonal with the sign changed."""
        indices = range(len(self.sizes))
        return [self._total(index, load) for index in indices], [self._coupling(index) for index in indices[1:]]

    def _ladder(self, clamped: Clamped) -> Ladder:
        """Return the quadratic energy in its boxes."""
        drives = (clamped.drive, *(self.stiffness[index] * self.bias(index) for index in range(1, len(self.sizes))))
        curvatures, couplings = self._matrix(clamped.load)
        signs = [*(self.polarity(index) for index in range(len(self.sizes) - 1)), None]
        lows, highs = zip(*(box(polarity, self.bias(index)) for index, polarity in enumerate(signs)), strict=True)
        return Ladder(drives, tuple(curvatures), tuple(couplings), lows, highs)
