"""Layered Hopfield networks of any depth, in the activity form, with a scale of their feedback."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from functools import partial, reduce
from math import prod
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_number, expect_whole
from contrastive_core.generators import source_of
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Network, Pieces
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.activation import HARD_SIGMOID, LINEAR, Activation, least_curvature
from contrastive_core.networks.architecture import Architecture, chain, described
from contrastive_core.networks.initial import initial_weight
from contrastive_core.networks.links import Edge, Identity, Weighted, as_picture, per_channel
from contrastive_core.networks.memory import Memories
from contrastive_core.per_sample import total
from contrastive_core.phases import Pull
from contrastive_core.types import Gradients, State


@final
@typed("sizes", "activation", "output_activation", "energy_scale", "readout", "gain", "generator")
class Layered(Network):
    r"""A network whose layers act on their neighbours through symmetric weights.

    .. math:: E = \sum_{l=1}^{L} \lambda^l \left[ G_l(s_l) - s_l \cdot (s_{l-1} W_l + b_l) \right], \qquad s_0 = x,

    with :math:`G_l' = \sigma_l^{-1}`, so that layers are stationary at
    :math:`s_l = \sigma_l(s_{l-1} W_l + b_l + \lambda s_{l+1} W_{l+1}^T)`. The layer energy scale :math:`\lambda` is the ratio of
    feedback to forward coupling: 1 is the usual symmetric network, small values approach a feedforward one, and the energy
    is exact for any value. Nudging strengths belong in units of :math:`\lambda^L`, the stiffness of the last layer.

    Parameters ``weight_l`` have shape (n_{l-1}, n_l), ``bias_l`` (n_l,). With a readout, the outputs are
    :math:`s_L W_r + b_r`, outside the equilibrium: ``weight_readout`` of shape (n_L, n_out), ``bias_readout`` (n_out,). Weights
    start uniform in :math:`\pm g/\sqrt{\mathrm{fan\ in}}`, biases at 0.

    In an architecture, layers may be pictures of shape (C, H, W) that are linked by convolutions with poolings, with a bias for each
    channel. A residual edge, with weights ``weight_skip_j_l`` or none, adds :math:`s_j` to what drives layer l. Feedback through it to
    layer j has the factor :math:`\lambda^{l-j}`. Memories of layer l, :math:`M` of shape (n_l, patterns) in ``memory_l``, add
    :math:`-\lambda^l/k \log \sum_\mu \exp(k\, s_l \cdot M_\mu)`.

    The activity form is that of Scellier et al. (2023) and Laborieux et al. (2021); Scellier & Bengio (2017) write the interaction in
    :math:`\rho(s)` instead, with the same minima inside the box of the hard sigmoid.

    Parameters
    ----------
    sizes : sequence of int, or Architecture
        Units of each layer from the inputs to the last: (n_0, n_1, ..., n_L), at least two; or an architecture, such as that of
        :func:`~contrastive_core.networks.notation.convolutional`.
    activation : Activation or str
        Activation of the hidden layers, or its name in ``ACTIVATIONS``.
    output_activation : Activation or str
        Activation of the last layer, or its name; with a readout, that of the hidden layers takes its place.
    energy_scale : float
        :math:`\lambda`, in (0, 1].
    readout : int, optional
        Number of outputs of a trained linear readout of the last layer.
    picture_output : bool
        Whether the outputs may be a picture (C, H, W), for torch layers behind the network; costs need a row.
    gain : float
        :math:`g` of the initial weights; 0 makes all of them 0.
    generator : torch.Generator or int
        Source of the initial weights, or a seed. Equal seeds give equal weights, which are those of ``eqlab train`` with that seed.
    dtype : torch.dtype
        Dtype of the parameters and of everything computed with them.

    Raises
    ------
    InputError
        If a size is not positive, the scale is outside (0, 1], or an argument has another type.
    """

    def __init__(
        self,
        sizes: Sequence[int] | Architecture,
        *,
        activation: Activation | str = HARD_SIGMOID,
        output_activation: Activation | str = LINEAR,
        energy_scale: float = 1.0,
        readout: int | None = None,
        picture_output: bool = False,
        gain: float = 0.7,
        generator: torch.Generator | int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        architecture, source = sizes if isinstance(sizes, Architecture) else chain(sizes), source_of(generator)
        hidden, last = (ACTIVATIONS.made(given, Activation) for given in (activation, output_activation))
        if not 0 < expect_number(energy_scale, "energy_scale", "1 is the usual symmetric network") <= 1:
            raise InputError(f"energy_scale must lie in (0, 1], got {energy_scale}; 1 is the usual symmetric network")
        self.architecture, self.is_dense, self._forms = architecture, architecture.is_dense, architecture.forms()
        self.into, self.out_of, self.memories = architecture.into(), architecture.out_of(), architecture.remembered()
        self.num_inputs, self.sizes = prod(architecture.inputs), tuple(prod(shape) for shape in architecture.shapes)
        self.energy_scale = energy_scale
        self.stiffness = tuple(energy_scale ** (index + 1) for index in range(len(self.sizes)))
        self.has_readout, self.output_is_last_layer = readout is not None, readout is None
        self.activations: tuple[Activation, ...] = (hidden,) * (len(self.sizes) - 1) + (hidden if self.has_readout else last,)
        architecture.require_settling(self.activations, self.has_readout or picture_output)
        for name, parameter in architecture.parameters(gain, source, dtype):
            self.register_parameter(name, parameter)
        if readout is not None:
            expect_whole(readout, "readout", "leave it out for none", least=1)
            self.weight_readout: nn.Parameter = initial_weight((self.sizes[-1], readout), self.sizes[-1], gain, source, dtype)
            self.bias_readout: nn.Parameter = nn.Parameter(torch.zeros(readout, dtype=dtype))

    def weight(self, index: int) -> Tensor:
        """Return the weights into block ``index`` from the layer below, of shape (n below, n), or of filters."""
        return cast(Tensor, self._parameters[f"weight_{index + 1}"])  # an attribute of a module takes ten times as long

    def weight_of(self, part: Edge | Memories) -> Any:
        """Return the weights of an edge, None if it has none, or the patterns of a memory."""
        return self._parameters.get(part.name)

    def bias(self, index: int) -> Tensor:
        """Return the bias of block ``index``, of shape (n,), or (C,) for a picture."""
        return cast(Tensor, self._parameters[f"bias_{index + 1}"])

    @property
    def pieces(self) -> Pieces:
        """Return the description, the magnitudes and the layers that see each other: weights and biases have no bounds."""
        shown = partial(described, self.activations, self.weight_readout.shape[1] if self.has_readout else None)
        return Pieces(describe=shown, magnitudes=self._magnitudes, **self._forms)

    def clamp(self, inputs: Tensor) -> Clamped:
        """Hold the inputs and compute the drive of the first layer, ``inputs @ weight_1 + bias_1``, once."""
        inputs = self.architecture.held(inputs, self.bias(0).dtype)
        return Clamped(self, inputs, reduce(lambda u, edge: edge.link.up(inputs, self.weight_of(edge), u), self.into[0], self.bias(0)))

    def _bottom_up(self, index: int, state: State, clamped: Clamped) -> Tensor:
        if index == 0:
            return clamped.drive
        drive = self.bias(index)
        for edge in self.into[index]:
            drive = edge.link.up(state[edge.source], self.weight_of(edge), drive)
        return drive

    def drive(self, index: int, state: State, clamped: Clamped) -> Tensor:
        """Return the total input to block ``index``, feedback included, of shape (B, n)."""
        drive = self._bottom_up(index, state, clamped)
        for edge in self.out_of[index]:
            drive = edge.link.down(self._pressed(edge, state, clamped), self.weight_of(edge), drive, self.feedback(edge))
        for memory in self.memories[index]:
            drive = memory.drawn(state[index], self.weight_of(memory), drive)
        return drive

    def feedback(self, edge: Edge) -> float:
        r"""Return the factor of what a layer hears through an edge from above, :math:`\lambda^{l-j}`."""
        return self.energy_scale ** (edge.target - edge.source)

    def _pressed(self, edge: Edge, state: State, clamped: Clamped) -> Tensor:
        """Return what presses on the response of an edge: the layer above, led back through the pooling."""
        return edge.link.pressed(state[edge.target], self.route(edge, state, clamped))

    def route(self, edge: Edge, state: State, clamped: Clamped) -> Tensor | None:
        """Return the way back through the pooling of an edge at the present state; None if it depends on nothing."""
        return edge.link.route(self.respond(edge, state, clamped)) if edge.link.routed else None

    def respond(self, edge: Edge, state: State, clamped: Clamped) -> Tensor:
        """Return the response of an edge before the pooling."""
        return edge.link.respond(self._below(edge, state, clamped), self.weight_of(edge))

    def _magnitudes(self, state: State, clamped: Clamped) -> State:
        """Return the absolute inputs to each unit, summed, times its slope."""
        sizes: dict[str, Any] = {"": None} | {name: parameter.abs() for name, parameter in self.named_parameters()}
        found: list[Tensor] = []
        for index, layer in enumerate(state):
            acting = self.bias(index).abs()
            for edge in self.into[index]:
                acting = edge.link.up(self._below(edge, state, clamped).abs(), sizes[edge.name], acting)
            for edge in self.out_of[index]:
                pressed = self._pressed(edge, state, clamped).abs()
                acting = edge.link.down(pressed, sizes[edge.name], acting, self.feedback(edge))
            for memory in self.memories[index]:
                acting = acting + memory.shares(layer, self.weight_of(memory)) @ sizes[memory.name].T
            found.append(acting * self.activations[index].slope(layer))
        return tuple(found)

    def _below(self, edge: Edge, state: State, clamped: Clamped) -> Tensor:
        return clamped.inputs if edge.source < 0 else state[edge.source]

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of each sample, of shape (B,)."""
        terms = [
            scale * total(activation.potential(layer) - layer * self._bottom_up(index, state, clamped))
            for index, (layer, activation, scale) in enumerate(zip(state, self.activations, self.stiffness, strict=True))
        ]
        terms += [self.stiffness[m.layer] * m.energy(state[m.layer], self.weight_of(m)) for m in self.architecture.memories]
        return torch.stack(terms).sum(0)

    def force(self, state: State, clamped: Clamped) -> State:
        r"""Return :math:`\lambda^l (u_l - \sigma_l^{-1}(s_l))`, with :math:`u_l` the total input to layer l."""
        return tuple(
            scale * (self.drive(index, state, clamped) - activation.inverse(layer))
            for index, (layer, activation, scale) in enumerate(zip(state, self.activations, self.stiffness, strict=True))
        )

    def energy_gradient(self, state: State, clamped: Clamped, minus: State | None = None, factor: float = 1.0) -> Gradients:
        r"""Return :math:`-\lambda^l \langle s_{l-1}^T s_l \rangle` and :math:`-\lambda^l \langle s_l \rangle`, less those of ``minus``."""
        gradients: Gradients = {}
        for index, layer in enumerate(state):
            # All factors go into the activities, which are much smaller than the weights: a pass over fresh memory of the size
            # of the weights costs as much as the product itself at small batches.
            scale = -factor * self.stiffness[index] / layer.shape[0]
            other = None if minus is None else minus[index]
            change = (layer if other is None else layer - other) * scale
            for edge in self.into[index]:
                if not isinstance(edge.link, Identity):
                    gradients[edge.name] = self._weight_gradient(edge, edge.link, (state, minus), change, scale, clamped)
            for memory in self.memories[index]:
                gradients[memory.name] = memory.gradient(layer, other, self.weight_of(memory), scale)
            gradients[f"bias_{index + 1}"] = per_channel(change)
        return gradients | self.readout_zeros()

    def _weight_gradient(
        self, edge: Edge, link: Weighted, states: tuple[State, State | None], change: Tensor, scale: float, clamped: Clamped
    ) -> Tensor:
        """Return the contrast of an edge's weights between two states, of which the layer above has the scaled difference ``change``."""
        (state, minus), below = states, self._below(edge, states[0], clamped)
        if minus is None:
            return link.gradient(below, link.pressed(change, self.route(edge, state, clamped)))
        other = self._pressed(edge, minus, clamped)
        # Where each state has another way back, it is the difference of what presses, not what presses by the difference.
        pressed = (self._pressed(edge, state, clamped) - other) * scale if link.routed else link.pressed(change, None)
        # The first layer sees the same inputs in both states: one product of the difference serves both, and loses
        # fewer digits than a difference of products.
        weight = link.gradient(below, pressed)
        return weight if edge.source < 0 else link.gradient(below - minus[edge.source], other, weight, scale)

    def readout_zeros(self) -> Gradients:
        """Return the part of the readout in a gradient of the energy, in which it has none; empty without a readout."""
        return {name: torch.zeros_like(self.get_parameter(name)) for name in ("weight_readout", "bias_readout") if self.has_readout}

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        r"""Return :math:`\sigma(u)`, or under a pull :math:`(\lambda^L u + linear)/(\lambda^L + curvature)` in the box.

        With a smooth activation the pull acts inside it, :math:`\sigma(u + (linear - curvature\, s)/\lambda^L)`, as the
        step-by-step theorem of Ernoult et al. (2019) needs.
        """
        drive, activation = self.drive(index, state, clamped), self.activations[index]
        if pull is not None:
            scale = self.stiffness[index]
            if activation.quadratic:
                drive = (scale * drive + pull.linear) / (scale + pull.curvature * activation.stretch)
            else:
                drive = drive + (pull.linear - pull.curvature * state[index]) / scale
        return activation.value(drive)

    def compliance(self, state: State) -> State:
        r"""Return :math:`\sigma_l' / \lambda^l` at each unit."""
        return tuple(a.slope(layer) / scale for a, layer, scale in zip(self.activations, state, self.stiffness, strict=True))

    def initial_state(self, clamped: Clamped, generator: torch.Generator | None = None) -> State:
        r"""Return the response to no input, :math:`\sigma(0)`, or to standard normal input drawn from the generator."""
        drives = self.architecture.first_drives(clamped.drive, generator)
        shapes = [(len(clamped.drive), *shape) for shape in self.architecture.shapes]
        # At rest it is one unit's response, seen everywhere: nothing may write into it.
        return tuple(a.value(u).expand(shape) for a, u, shape in zip(self.activations, drives, shapes, strict=True))

    def project(self, state: State) -> State:
        """Return each unit clipped to the interval of its activation."""
        return tuple(a.project(layer) for a, layer in zip(self.activations, state, strict=True))

    def feedforward(self, clamped: Clamped) -> State:
        r"""Return :math:`s_l = \sigma_l(s_{l-1} W_l + b_l)` from the inputs up; memories draw each layer once, from there."""
        state: State = ()
        for index, activation in enumerate(self.activations):
            drive = self._bottom_up(index, state, clamped)
            layer = activation.value(drive)
            for memory in self.memories[index]:
                layer = activation.value(memory.drawn(layer, self.weight_of(memory), drive))
            state = (*state, layer)
        return state

    def output(self, state: State) -> Tensor:
        """Return the last layer, or its linear readout; shape (B, n_out), or (B, C, H, W) for a picture."""
        return torch.addmm(self.bias_readout, state[-1].flatten(1), self.weight_readout) if self.has_readout else state[-1]

    def pull_back(self, state: State, gradient: Tensor) -> Tensor:
        """Return the gradient on the last layer: through the transposed readout, if there is one."""
        return as_picture(gradient @ self.weight_readout.T, self.architecture.shapes[-1]) if self.has_readout else gradient

    def least_curvature(self, enough: float = -math.inf) -> float:
        """Return minus the stiffness of the softest output; minus infinity where the last layer's activation is smooth and so bounded."""
        return least_curvature(self.activations[-1], self.stiffness[-1], self.weight_readout.detach() if self.has_readout else None, enough)

    def responding(self, activations: Sequence[Activation]) -> Layered:
        """Return the same network, its parameters shared, whose layers respond by other activations."""
        twin = copy(self)
        twin.activations = tuple(activations)
        return twin
