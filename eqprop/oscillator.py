"""Oscillator Ising machines: layers of coupled oscillators whose phases settle where their energy is least."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from contrastive_core.errors import InputError
from contrastive_core.generators import source_of
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Network, Pieces
from contrastive_core.networks.initial import initial_weight, layer_sizes
from contrastive_core.networks.input_checks import as_inputs
from contrastive_core.phases import Pull
from contrastive_core.types import Gradients, State


@final
@typed("sizes", "gain", "generator")
class Oscillators(Network):
    r"""Layers of phases that pull on those of their neighbours, on a reference phase and on a second harmonic.

    .. math:: E = -\sum_{l=1}^{L} \left[ \sum_{ij} J^l_{ij} \cos(\varphi^{l-1}_i - \varphi^l_j) + \sum_j h^l_j \cos\varphi^l_j
        + \tfrac12 K \sum_j \cos 2\varphi^l_j \right], \qquad \varphi^0 = g x.

    Gradient flow of it is the physical dynamics of such machines,
    :math:`\dot\varphi_i = -\sum_j J_{ij}\sin(\varphi_i - \varphi_j) - h_i \sin\varphi_i - K\sin 2\varphi_i`. Inputs are phases of their
    own, g radian per unit; injection K locks phases to 0 and :math:`\pi`, which makes them spins. The outputs are the cosines of the
    last layer. They are not units, so that they can be nudged but not held.

    A block of phases sees a field :math:`(C, S)` in the plane, :math:`-C\cos\varphi - S\sin\varphi - \tfrac12 K\cos 2\varphi`: without
    injection its minimum is at :math:`\mathrm{atan2}(S, C)`. The energy has many minima; a nudged phase has to start from the free one.

    Parameters ``weight_l`` have shape (n_{l-1}, n_l), ``bias_l`` (n_l,): J and h. Equilibrium propagation on such machines is that of
    Wang, Wanjura and Marquardt (2024), "Training coupled phase oscillators as a neuromorphic platform using equilibrium propagation",
    and Gower (2025); formulas verified numerically, neither re-read.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, oscillators of each hidden layer, outputs: two or more.
    injection : float
        K, at least 0.
    input_gain : float
        g, radian per unit of input.
    gain : float
        Initial weights are uniform in plus and minus this over the square root of the fan-in; 0 makes all of them 0.
    generator : torch.Generator or int
        Source of the initial weights, or a seed.
    dtype : torch.dtype
        Dtype of the parameters, and so of everything computed with them.

    Raises
    ------
    InputError
        If a size is not positive, the injection negative, or the input gain not positive.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        injection: float = 0.0,
        input_gain: float = math.pi,
        gain: float = 0.7,
        generator: torch.Generator | int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        sizes, source = layer_sizes(sizes), source_of(generator)
        if not 0 <= injection < math.inf:
            raise InputError(f"injection must be 0 or a positive number, got {injection}; 0 leaves the second harmonic out")
        if not 0 < input_gain < math.inf:
            raise InputError(f"input_gain must be positive and finite, got {input_gain}; pi turns an input of 1 to the opposite phase")
        self.num_inputs, self.sizes = sizes[0], tuple(sizes[1:])
        self.stiffness = (1.0,) * len(self.sizes)  # a force on a phase is its velocity
        # Outputs are cosines of the last phases: no units, and no weights of their own either.
        self.output_is_last_layer, self.has_readout = False, False
        self.injection, self.input_gain = injection, input_gain
        for number, (below, above) in enumerate(pairwise(sizes), start=1):
            self.register_parameter(f"weight_{number}", initial_weight((below, above), below, gain, source, dtype))
            self.register_parameter(f"bias_{number}", nn.Parameter(torch.zeros(above, dtype=dtype)))

    def weight(self, index: int) -> Tensor:
        """Return the couplings into block ``index``, of shape (n below, n)."""
        parameter: Tensor = getattr(self, f"weight_{index + 1}")
        return parameter

    def bias(self, index: int) -> Tensor:
        """Return the couplings of block ``index`` to the reference phase, of shape (n,)."""
        parameter: Tensor = getattr(self, f"bias_{index + 1}")
        return parameter

    @property
    def pieces(self) -> Pieces:
        """Return the magnitudes: couplings have no bounds."""
        return Pieces(magnitudes=self._magnitudes)

    def clamp(self, inputs: Tensor) -> Clamped:
        """Set the phases of the inputs; the drive is the field of the first layer, its two components side by side."""
        inputs = as_inputs(inputs, self.num_inputs, self.weight(0).dtype)
        return Clamped(self, inputs, torch.cat(self._bottom_up(0, self.input_gain * inputs), 1))

    def _bottom_up(self, index: int, below: Tensor) -> tuple[Tensor, Tensor]:
        """Return the field of the phases below on a block, C and S, of shape (B, n) each."""
        return torch.addmm(self.bias(index), below.cos(), self.weight(index)), below.sin() @ self.weight(index)

    def _field(self, index: int, state: State, clamped: Clamped) -> tuple[Tensor, Tensor]:
        """Return the field of both neighbours on a block."""
        cosine, sine = clamped.drive.tensor_split(2, 1) if index == 0 else self._bottom_up(index, state[index - 1])
        if index + 1 == len(self.sizes):
            return cosine, sine
        above, weight = state[index + 1], self.weight(index + 1)
        return torch.addmm(cosine, above.cos(), weight.T), torch.addmm(sine, above.sin(), weight.T)

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of each sample, of shape (B,)."""
        total = state[0].new_zeros(len(state[0]))
        field = clamped.drive.tensor_split(2, 1)
        for index, layer in enumerate(state):
            cosine, sine = field if index == 0 else self._bottom_up(index, state[index - 1])
            total = total - (cosine * layer.cos() + sine * layer.sin() + 0.5 * self.injection * (2 * layer).cos()).sum(1)
        return total

    def force(self, state: State, clamped: Clamped) -> State:
        """Return the velocity of every phase."""
        velocities: State = ()
        for index, phase in enumerate(state):
            cosine, sine = self._field(index, state, clamped)
            velocities = (*velocities, sine * phase.cos() - cosine * phase.sin() - self.injection * (2 * phase).sin())
        return velocities

    def energy_gradient(self, state: State, clamped: Clamped, minus: State | None = None, factor: float = 1.0) -> Gradients:
        r"""Return minus the mean cosines of the differences that couplings join, and of the phases, less those of ``minus``."""
        gradients: Gradients = {}
        below, below_change = _plane(self.input_gain * clamped.inputs), None
        for index, layer in enumerate(state):
            scale = -factor / len(layer)
            other = None if minus is None else _plane(minus[index])
            change = _plane(layer) if minus is None else _plane_change(layer, minus[index])
            # The scalar product of two directions is the cosine between them; contrasts are products of differences, as in layers.
            weight = scale * (below.T @ change)
            if below_change is not None and other is not None:
                weight.addmm_(below_change.T, other, alpha=scale)
            gradients[f"weight_{index + 1}"] = weight
            gradients[f"bias_{index + 1}"] = scale * change[: len(layer)].sum(0)
            below, below_change = _plane(layer), None if other is None else change
        return gradients

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        r"""Return the phases along the field, at the turn nearest to the present ones: the exact minimum.

        A pull on the outputs is a field and an injection of its own: of :math:`-a\cos\varphi + \tfrac12 c\cos^2\varphi` the first term
        adds a to C, and the second takes c / 2 from K. Where an injection is left, it is one Newton step from the present phases, or a
        shorter one where that would raise the energy. A phase near the top of its well leaves it by up to a quarter turn.
        """
        phase, (cosine, sine), injection = state[index], self._field(index, state, clamped), self.injection
        if pull is not None:
            on_outputs = pull if pull.outputs is None else pull.outputs
            cosine, injection = cosine + on_outputs.linear, injection - on_outputs.curvature / 2
        if injection == 0:
            return phase + torch.remainder(torch.atan2(sine, cosine) - phase + math.pi, 2 * math.pi) - math.pi

        def energy(value: Tensor) -> Tensor:
            return -cosine * value.cos() - sine * value.sin() - 0.5 * injection * (2 * value).cos()

        force = sine * phase.cos() - cosine * phase.sin() - injection * (2 * phase).sin()
        curvature = cosine * phase.cos() + sine * phase.sin() + 2 * injection * (2 * phase).cos()
        # No curvature is larger than this, so that a step of force over it never raises the energy; tiny keeps 0 / 0 at 0.
        bound = torch.hypot(cosine, sine) + 2 * abs(injection)
        safe = phase + force / bound.clamp(min=torch.finfo(phase.dtype).tiny)
        # Where the curvature is a small part of its bound, a step over it may leave the well.
        convex = curvature > 0.1 * bound
        newton = phase + force / torch.where(convex, curvature, 1.0)
        target = torch.where(convex & (energy(newton) <= energy(safe)), newton, safe)
        # Near the top of a well the force is as small as at its bottom: long moves downhill tell them apart. At the very top either way
        # leads down.
        downhill = torch.where(force < 0, -math.pi, math.pi)
        for part in (1 / 8, 1 / 4, 1 / 2):
            leap = phase + part * downhill
            target = torch.where(~convex & (energy(leap) < energy(target)), leap, target)
        return target

    def _magnitudes(self, state: State, clamped: Clamped) -> State:
        """Return the sum of all couplings of each phase over the field that is left of them, in radian."""
        found: State = ()
        for index in range(len(state)):
            total = self.weight(index).abs().sum(0) + self.bias(index).abs()
            if index + 1 < len(state):
                total = total + self.weight(index + 1).abs().sum(1)
            field = torch.hypot(*self._field(index, state, clamped)) + 2 * self.injection
            # A phase that nothing pulls on stays where it is.
            found = (*found, torch.where(total + self.injection > 0, total / field, 0.0))
        return found

    def compliance(self, state: State) -> State:
        """Return ones: phases have no bounds, and their curvature is all their neighbours'."""
        return tuple(torch.ones_like(layer) for layer in state)

    def initial_state(self, clamped: Clamped, generator: torch.Generator | None = None) -> State:
        r"""Return phases of :math:`\pi/2`, where the cosine is 0, or uniform ones where a generator is given."""
        drive = clamped.drive
        if generator is None:
            return tuple(drive.new_full((len(drive), size), math.pi / 2) for size in self.sizes)
        draws = (torch.rand((len(drive), size), generator=generator, dtype=drive.dtype, device=drive.device) for size in self.sizes)
        return tuple(math.pi * (2 * draw - 1) for draw in draws)

    def project(self, state: State) -> State:
        """Return the state itself: phases have no bounds."""
        return state

    def feedforward(self, clamped: Clamped) -> State:
        """Return each layer along the field from below alone, without injection."""
        cosine, sine = clamped.drive.tensor_split(2, 1)
        state: State = (torch.atan2(sine, cosine),)
        for index in range(1, len(self.sizes)):
            cosine, sine = self._bottom_up(index, state[-1])
            state = (*state, torch.atan2(sine, cosine))
        return state

    def output(self, state: State) -> Tensor:
        """Return the cosines of the last layer, of shape (B, n_out)."""
        return state[-1].cos()

    def pull_back(self, state: State, gradient: Tensor) -> Tensor:
        """Return the gradient on the last phases: times minus their sines."""
        return -gradient * state[-1].sin()

    def least_curvature(self, enough: float = -math.inf) -> float:
        """Return minus infinity: phases are on circles, and a minimum always exists."""
        return -math.inf


def _plane(phase: Tensor) -> Tensor:
    """Return the directions of phases of shape (B, n): cosines above sines, of shape (2 B, n)."""
    return torch.cat([phase.cos(), phase.sin()])


def _plane_change(phase: Tensor, other: Tensor) -> Tensor:
    """Return the difference of two phases' directions, with the digits that a difference of cosines would lose."""
    middle, chord = 0.5 * (phase + other), 2 * (0.5 * (phase - other)).sin()
    return torch.cat([-middle.sin() * chord, middle.cos() * chord])
