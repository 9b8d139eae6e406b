"""Ising machines: two layers of spins, in the sign convention of quantum annealers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from contrastive_core.errors import InputError
from contrastive_core.generators import source_of
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Contrast, Network, Pieces
from contrastive_core.networks.initial import initial_weight, layer_sizes
from contrastive_core.networks.input_checks import as_inputs
from contrastive_core.phases import Pull
from contrastive_core.types import Gradients, State


@final
@typed("sizes", "generator")
class Ising(Network):
    r"""Two layers of spins of -1 and 1 with couplings between them, in the sign convention of quantum annealers.

    .. math:: E = h(x) \cdot s_1 + s_1^T J s_2 + b_2 \cdot s_2, \qquad h(x) = \mathrm{clip}(b_1 + x W, \pm H),

    which is lowered, so that a positive coupling makes spins opposite. Fields and couplings are clipped to what a machine can set; the
    gradient passes through the clipping of fields. The network is that of Laydevant et al. (2024), "Training an Ising machine with
    equilibrium propagation", whose code was read.

    With voters, an output is the share of its voters that are 1, in [0, 1]; without, each output is a spin. A nudge either turns a spin
    round or leaves it, so that small nudges change nothing and the contrast is 0. Nudges are fields on the output spins,
    clipped together with the bias. Held outputs act as fields on the hidden spins: all voters of an output are held at
    one value in [-1, 1], the mean spin that gives its share.

    Parameters ``weight_1`` have shape (n_0, n_1), ``weight_2`` (n_1, n_2); ``hidden_bias`` and ``output_bias`` are vectors, in a
    group of their own for learning rates.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden spins and output spins.
    field_limit : float
        H, the largest field that a machine can set.
    coupling_limit : float
        The largest coupling.
    voters : int, optional
        Output spins that vote for each output.
    gains : tuple of float
        Initial weights are uniform in plus and minus these over :math:`\sqrt{\mathrm{fan\ in}}`; gains of 0 make them 0.
    generator : torch.Generator or int
        Source of the initial weights, or a seed.
    dtype : torch.dtype
        Dtype of the parameters.

    Raises
    ------
    InputError
        If there are not three positive sizes, a limit is not positive, or the output spins are no multiple of the voters.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        field_limit: float = 4.0,
        coupling_limit: float = 1.0,
        voters: int | None = None,
        gains: tuple[float, float] = (0.5, 0.25),
        generator: torch.Generator | int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        sizes, source = layer_sizes(sizes), source_of(generator)
        if len(sizes) != 3:
            raise InputError(f"an Ising machine has inputs, hidden spins and outputs, three positive numbers; got {tuple(sizes)}")
        if not (field_limit > 0 and coupling_limit > 0):
            raise InputError(f"the largest field and coupling must be positive, got {field_limit} and {coupling_limit}")
        if voters is not None and (voters < 1 or sizes[2] % voters):
            raise InputError(f"{sizes[2]} output spins are no whole number of outputs of {voters} voters; give a multiple")
        self.num_inputs, self.sizes, self.voters = sizes[0], (sizes[1], sizes[2]), voters
        self.stiffness = (1.0, 1.0)  # spins have no energy of their own
        self.output_is_last_layer, self.has_readout = voters is None, False
        self.field_limit, self.coupling_limit = field_limit, coupling_limit
        self.weight_1 = initial_weight(sizes[:2], sizes[0], gains[0], source, dtype, "each of the gains")
        self.weight_2 = initial_weight(sizes[1:], sizes[1], gains[1], source, dtype, "each of the gains")
        self.hidden_bias = nn.Parameter(torch.zeros(sizes[1], dtype=dtype))
        self.output_bias = nn.Parameter(torch.zeros(sizes[2], dtype=dtype))

    @property
    def pieces(self) -> Pieces:
        """Return the clipping of couplings, and how spins hold the outputs that they vote for."""
        # A device that holds the couplings has a range of its own, so that the limit is no bound for it.
        return Pieces(write_=self._clip_, hold=self._held)

    def _clip_(self, contrast: Contrast | None) -> None:
        """Clip the couplings to the machine's limit, in place."""
        self.weight_2.clamp_(-self.coupling_limit, self.coupling_limit)

    def _held(self, output: Tensor) -> Tensor:
        """Return the spins that vote for outputs, within their bounds."""
        spins = output if self.voters is None else (2 * output - 1).repeat_interleave(self.voters, 1)
        return spins.clamp(-1, 1)

    def clamp(self, inputs: Tensor) -> Clamped:
        """Set the fields of the hidden spins."""
        inputs = as_inputs(inputs, self.num_inputs, self.weight_1.dtype)
        drive = torch.addmm(self.hidden_bias, inputs, self.weight_1)
        # Outside its limits a field keeps its derivative: a clipped one would never be learned back.
        return Clamped(self, inputs, drive + (drive.clamp(-self.field_limit, self.field_limit) - drive).detach())

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of each sample, of shape (B,)."""
        hidden, output = state
        return (clamped.drive * hidden + (output @ self.weight_2.T) * hidden).sum(1) + output @ self.output_field()

    def force(self, state: State, clamped: Clamped) -> State:
        """Return minus the field of every spin."""
        hidden, output = state
        return -torch.addmm(clamped.drive, output, self.weight_2.T), -torch.addmm(self.output_field(), hidden, self.weight_2)

    def output_field(self, pull: Pull | None = None) -> Tensor:
        """Return the field that the machine sets on the output spins, of shape (n_2,), or (B, n_2) with the pull of a nudge."""
        field = self.output_bias if pull is None else self.output_bias - pull.linear
        return field + (field.clamp(-self.field_limit, self.field_limit) - field).detach()

    def energy_gradient(self, state: State, clamped: Clamped, minus: State | None = None, factor: float = 1.0) -> Gradients:
        r"""Return :math:`\langle x s_1^T\rangle`, :math:`\langle s_1 s_2^T\rangle` and the mean spins, less those of ``minus``."""
        gradients = self._moments(state, clamped)
        if minus is not None:
            other = self._moments(minus, clamped)
            gradients = {name: value - other[name] for name, value in gradients.items()}
        return {name: factor * value for name, value in gradients.items()}

    def _moments(self, state: State, clamped: Clamped) -> Gradients:
        (hidden, output), size = state, len(state[0])
        return {
            "weight_1": clamped.inputs.T @ hidden / size,
            "weight_2": hidden.T @ output / size,
            "hidden_bias": hidden.mean(0),
            "output_bias": output.mean(0),
        }

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return a layer with each spin along its force; one without a force keeps its value."""
        hidden, output = state
        if index == 0:
            force = -torch.addmm(clamped.drive, output, self.weight_2.T)
        else:
            force = -torch.addmm(self.output_field(pull), hidden, self.weight_2)
        return torch.where(force == 0, state[index], torch.sign(force))

    def compliance(self, state: State) -> State:
        """Return zeros: spins are held by their bounds."""
        return tuple(torch.zeros_like(layer) for layer in state)

    def initial_state(self, clamped: Clamped, generator: torch.Generator | None = None) -> State:
        """Return spins of 0, or random spins of -1 and 1 where a generator is given."""
        drive = clamped.drive
        shapes = [(len(drive), size) for size in self.sizes]
        if generator is None:
            return tuple(drive.new_zeros(shape) for shape in shapes)
        return tuple((2 * torch.randint(2, shape, generator=generator) - 1).to(drive) for shape in shapes)

    def project(self, state: State) -> State:
        """Return each spin clipped to [-1, 1]."""
        return tuple(layer.clamp(-1, 1) for layer in state)

    def feedforward(self, clamped: Clamped) -> State:
        """Return each layer along the force from below alone."""
        hidden = -torch.sign(clamped.drive)
        return hidden, -torch.sign(torch.addmm(self.output_field(), hidden, self.weight_2))

    def output(self, state: State) -> Tensor:
        """Return the output spins, of shape (B, n_2), or the shares of their votes, of shape (B, n_2 / voters)."""
        if self.voters is None:
            return state[-1]
        return 0.5 + 0.5 * state[-1].reshape(len(state[-1]), -1, self.voters).mean(2)

    def pull_back(self, state: State, gradient: Tensor) -> Tensor:
        """Return the gradient on each output spin."""
        return gradient if self.voters is None else (gradient / (2 * self.voters)).repeat_interleave(self.voters, 1)

    def least_curvature(self, enough: float = -math.inf) -> float:
        """Return minus infinity: there are finitely many states, and so a minimum."""
        return -math.inf
