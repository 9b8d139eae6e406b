"""Layered Hopfield networks of any depth, in the activity form, with a scale of their feedback."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from itertools import pairwise
from numbers import Integral
from typing import cast, final

import torch
from torch import Tensor, nn

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_number, shown
from contrastive_core.generators import source_of
from contrastive_core.network import Clamped, Network, Pieces
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.activation import HARD_SIGMOID, LINEAR, Activation
from contrastive_core.networks.initial import initial_weight, layer_sizes
from contrastive_core.networks.input_checks import as_inputs
from contrastive_core.phases import Pull
from contrastive_core.types import Gradients, State

_TINY = 1e-300
"""Least square of a readout that limits a nudge: one without weights limits none."""


@final
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

    The activity form is that of Scellier et al. (2023) and Laborieux et al. (2021); Scellier & Bengio (2017) write the
    interaction in :math:`\rho(s)` instead, which has the same minima inside the box of the hard sigmoid.

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer from the inputs to the last: (n_0, n_1, ..., n_L), at least two.
    activation : Activation or str
        Activation of the hidden layers, or its name in ``ACTIVATIONS``.
    output_activation : Activation or str
        Activation of the last layer, or its name; with a readout, that of the hidden layers takes its place.
    energy_scale : float
        :math:`\lambda`, in (0, 1].
    readout : int, optional
        Number of outputs of a trained linear readout of the last layer.
    gain : float
        :math:`g` of the initial weights; 0 makes all of them 0.
    generator : torch.Generator or int
        Source of the initial weights, or a seed. Equal seeds give equal weights, which are those of ``eqlab train`` with that seed.
    dtype : torch.dtype
        Dtype of the parameters, and so of everything computed with them.

    Raises
    ------
    InputError
        If a size is not positive, the scale is outside (0, 1], or an argument has another type.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: Activation | str = HARD_SIGMOID,
        output_activation: Activation | str = LINEAR,
        energy_scale: float = 1.0,
        readout: int | None = None,
        gain: float = 0.7,
        generator: torch.Generator | int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        sizes, source = layer_sizes(sizes), source_of(generator)
        hidden, last = (ACTIVATIONS.made(given, Activation) for given in (activation, output_activation))
        if readout is not None and not (isinstance(readout, Integral) and readout >= 1):
            raise InputError(f"readout must be a positive number of outputs, got {shown(readout)}; leave it out for none")
        if not 0 < expect_number(energy_scale, "energy_scale", "1 is the usual symmetric network") <= 1:
            raise InputError(f"energy_scale must lie in (0, 1], got {energy_scale}; 1 is the usual symmetric network")
        self.num_inputs, self.sizes = sizes[0], tuple(sizes[1:])
        self.energy_scale = energy_scale
        self.stiffness = tuple(energy_scale ** (index + 1) for index in range(len(self.sizes)))
        self.has_readout = readout is not None
        self.output_is_last_layer = not self.has_readout
        self.activations: tuple[Activation, ...] = (hidden,) * (len(self.sizes) - 1) + (hidden if self.has_readout else last,)
        for number, (below, above) in enumerate(pairwise(sizes), start=1):
            self.register_parameter(f"weight_{number}", initial_weight(below, above, gain, source, dtype))
            self.register_parameter(f"bias_{number}", nn.Parameter(torch.zeros(above, dtype=dtype)))
        if readout is not None:
            self.weight_readout: nn.Parameter = initial_weight(sizes[-1], readout, gain, source, dtype)
            self.bias_readout: nn.Parameter = nn.Parameter(torch.zeros(readout, dtype=dtype))

    def weight(self, index: int) -> Tensor:
        """Return the weights into block ``index``, of shape (n below, n)."""
        return cast(Tensor, self._parameters[f"weight_{index + 1}"])  # an attribute of a module takes ten times as long

    def bias(self, index: int) -> Tensor:
        """Return the bias of block ``index``, of shape (n,)."""
        return cast(Tensor, self._parameters[f"bias_{index + 1}"])

    @property
    def pieces(self) -> Pieces:
        """Return the description and the magnitudes: weights and biases have no bounds."""
        return Pieces(describe=self._describe, magnitudes=self._magnitudes)

    def _describe(self) -> str:
        """Return the activations, and the outputs of a readout."""
        names = list(dict.fromkeys(_name_of(one) for one in self.activations))
        readout = f", readout of {self.weight_readout.shape[1]}" if self.has_readout else ""
        return f"activation {names[0]}" + (f", outputs {names[-1]}" if len(names) > 1 else "") + readout

    def clamp(self, inputs: Tensor) -> Clamped:
        """Hold the inputs and compute the drive of the first layer, ``inputs @ weight_1 + bias_1``, once."""
        inputs = as_inputs(inputs, self.num_inputs, self.weight(0).dtype)
        return Clamped(self, inputs, torch.addmm(self.bias(0), inputs, self.weight(0)))

    def _bottom_up(self, index: int, state: State, clamped: Clamped) -> Tensor:
        if index == 0:
            return clamped.drive
        return torch.addmm(self.bias(index), state[index - 1], self.weight(index))  # (B, n)

    def drive(self, index: int, state: State, clamped: Clamped) -> Tensor:
        """Return the total input to block ``index``, feedback included, of shape (B, n)."""
        bottom_up = self._bottom_up(index, state, clamped)
        if index + 1 == len(self.sizes):
            return bottom_up
        return torch.addmm(bottom_up, state[index + 1], self.weight(index + 1).T, alpha=self.energy_scale)

    def _magnitudes(self, state: State, clamped: Clamped) -> State:
        """Return the absolute inputs to each unit, summed, times its slope."""
        found: State = ()
        for index, layer in enumerate(state):
            below = (clamped.inputs if index == 0 else state[index - 1]).abs()
            total = torch.addmm(self.bias(index).abs(), below, self.weight(index).abs())
            if index + 1 < len(state):
                total = torch.addmm(total, state[index + 1].abs(), self.weight(index + 1).abs().T, alpha=self.energy_scale)
            found = (*found, total * self.activations[index].slope(layer))
        return found

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of each sample, of shape (B,)."""
        terms = [
            scale * (activation.potential(layer) - layer * self._bottom_up(index, state, clamped)).sum(1)
            for index, (layer, activation, scale) in enumerate(zip(state, self.activations, self.stiffness, strict=True))
        ]
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
        below: Tensor = clamped.inputs
        below_minus: Tensor | None = None  # None: the layer below is the same in both states
        for index, layer in enumerate(state):
            # All factors go into the activities, which are much smaller than the weights: a pass over fresh memory of the size
            # of the weights costs as much as the product itself at small batches.
            scale = -factor * self.stiffness[index] / layer.shape[0]
            other = None if minus is None else minus[index]
            change = (layer if other is None else layer - other) * scale
            # The first layer sees the same inputs in both states: one product of the difference serves both, and loses
            # fewer digits than a difference of products.
            weight = below.T @ change
            if below_minus is not None and other is not None:
                weight.addmm_((below - below_minus).T, other, alpha=scale)
            gradients[f"weight_{index + 1}"] = weight
            gradients[f"bias_{index + 1}"] = change.sum(0)
            below, below_minus = layer, other
        if self.has_readout:
            gradients["weight_readout"] = torch.zeros_like(self.weight_readout)
            gradients["bias_readout"] = torch.zeros_like(self.bias_readout)
        return gradients

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        r"""Return :math:`\sigma(u)`, or under a pull :math:`(\lambda^L u + linear)/(\lambda^L + curvature)` in the box.

        With a smooth activation the pull acts inside it, :math:`\sigma(u + (linear - curvature\, s)/\lambda^L)`, as the
        step-by-step theorem of Ernoult et al. (2019) needs.
        """
        drive = self.drive(index, state, clamped)
        activation = self.activations[index]
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
        drive = clamped.drive
        shapes = [(drive.shape[0], size) for size in self.sizes]
        if generator is None:
            rest = drive.new_zeros(1, 1)  # one unit's response, seen everywhere: nothing may write into it
            return tuple(a.value(rest).expand(shape) for a, shape in zip(self.activations, shapes, strict=True))
        inputs = [torch.randn(shape, generator=generator, dtype=drive.dtype, device=drive.device) for shape in shapes]
        return tuple(a.value(u) for a, u in zip(self.activations, inputs, strict=True))

    def project(self, state: State) -> State:
        """Return each unit clipped to the interval of its activation."""
        return tuple(a.project(layer) for a, layer in zip(self.activations, state, strict=True))

    def feedforward(self, clamped: Clamped) -> State:
        r"""Return :math:`s_l = \sigma_l(s_{l-1} W_l + b_l)` from the inputs up."""
        state: State = ()
        for index, activation in enumerate(self.activations):
            state = (*state, activation.value(self._bottom_up(index, state, clamped)))
        return state

    def output(self, state: State) -> Tensor:
        """Return the last layer, or its linear readout; shape (B, n_out)."""
        return torch.addmm(self.bias_readout, state[-1], self.weight_readout) if self.has_readout else state[-1]

    def pull_back(self, state: State, gradient: Tensor) -> Tensor:
        """Return the gradient on the last layer: through the transposed readout, if there is one."""
        return gradient @ self.weight_readout.T if self.has_readout else gradient

    def least_curvature(self, enough: float = -math.inf) -> float:
        r"""Return minus the stiffness of the softest output; minus infinity where the last layer's activation is smooth and so bounded.

        Through a readout a nudge adds :math:`\beta c\, W_r W_r^T` to the last layer, so that it is over the largest eigenvalue of
        :math:`W_r W_r^T`. A box of quadratic units is refused from there on too: its minima are then corners, which a nudge does not move.
        """
        last = self.activations[-1]
        if not last.quadratic:
            return -math.inf
        softest = -self.stiffness[-1] / (float(last.stretch.max()) if isinstance(last.stretch, Tensor) else last.stretch)
        if not self.has_readout:
            return softest
        readout = self.weight_readout.detach()
        # No eigenvalue is larger than the sum of them all, which needs no decomposition.
        bound = softest / max(float(readout.square().sum()), _TINY)
        return bound if bound < enough else softest / max(float(torch.linalg.matrix_norm(readout, 2)) ** 2, _TINY)

    def responding(self, activations: Sequence[Activation]) -> Layered:
        """Return the same network, its parameters shared, whose layers respond by other activations."""
        twin = copy(self)
        twin.activations = tuple(activations)
        return twin


def _name_of(activation: Activation) -> str:
    """Return the name of a listed activation, and how another one is written."""
    return next((name for name in ACTIVATIONS if ACTIVATIONS[name] == activation), repr(activation))
