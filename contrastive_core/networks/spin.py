"""Networks of binary spins with any symmetric couplings: Hopfield networks and Ising machines without noise."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from contrastive_core.errors import InputError, ShapeError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Network, Pieces
from contrastive_core.networks.input_checks import as_inputs
from contrastive_core.phases import Pull
from contrastive_core.types import Gradients, State


@final
@typed()
class SpinNetwork(Network):
    r"""One layer of spins in [-1, 1], each acting on all others, with an external field as input.

    .. math:: E = -\tfrac12\, s^T J s - (b + x) \cdot s, \qquad J = J^T,\ J_{ii} = 0.

    The energy is linear in every single spin, so its minima are at the corners of the box, where spins are -1 or 1, and descent
    spin by spin ends in one. The outputs are the spins themselves: holding them at a pattern and taking
    :math:`\partial E/\partial J` is Hebb's rule.

    Parameters ``couplings`` have shape (N, N) and ``bias`` (N,). Only the symmetric part of the couplings, without the diagonal, acts.
    A step costs O(N^2) per sample; Monte Carlo at low rank is done by :mod:`contrastive_core.kernels.spins.chains_cpu`.

    Parameters
    ----------
    num_spins : int
        Number N of spins.
    couplings : Tensor of shape (N, N), optional
        Start value, symmetric; 0 without.
    dtype : torch.dtype
        Dtype of the parameters, and so of everything computed with them.

    Raises
    ------
    InputError
        If N is not positive, or the couplings are not symmetric or not finite.
    ShapeError
        If the couplings do not have shape (N, N).
    """

    def __init__(self, num_spins: int, couplings: Tensor | None = None, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        if num_spins < 1:
            raise InputError(f"the number of spins must be at least 1, got {num_spins}")
        values = torch.zeros(num_spins, num_spins, dtype=dtype) if couplings is None else couplings.detach().to(dtype).clone()
        if values.shape != (num_spins, num_spins):
            raise ShapeError(f"couplings must have shape ({num_spins}, {num_spins}), got {tuple(values.shape)}")
        if not bool(torch.isfinite(values).all()) or not torch.equal(values, values.T):
            raise InputError("couplings must be finite and symmetric; average them with their transpose")
        self.num_inputs, self.num_spins, self.sizes = num_spins, num_spins, (num_spins,)
        self.stiffness = (1.0,)  # spins have no energy of their own
        self.output_is_last_layer, self.has_readout = True, False
        self.couplings = nn.Parameter(values)
        self.bias = nn.Parameter(torch.zeros(num_spins, dtype=dtype))

    def _symmetric(self) -> Tensor:
        half = self.couplings - torch.diag(torch.diagonal(self.couplings))
        return 0.5 * (half + half.T)

    @property
    def pieces(self) -> Pieces:
        """Return none: couplings have no bounds."""
        return Pieces()

    def clamp(self, inputs: Tensor) -> Clamped:
        """Apply an external field of shape (B, N) to the spins; zeros leave the network to itself."""
        inputs = as_inputs(inputs, self.num_spins, self.bias.dtype)
        return Clamped(self, inputs, inputs + self.bias)

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of each sample, of shape (B,)."""
        spins = state[0]
        return -(spins * (0.5 * spins @ self._symmetric() + clamped.drive)).sum(1)

    def force(self, state: State, clamped: Clamped) -> State:
        """Return the local field J s + b + x of every spin."""
        return (torch.addmm(clamped.drive, state[0], self._symmetric()),)

    def energy_gradient(self, state: State, clamped: Clamped, minus: State | None = None, factor: float = 1.0) -> Gradients:
        r"""Return :math:`-\tfrac12\langle s s^T\rangle` without its diagonal, and :math:`-\langle s\rangle`, less those of ``minus``."""
        gradients = self._gradient(state[0])
        if minus is not None:
            other = self._gradient(minus[0])
            gradients = {name: value - other[name] for name, value in gradients.items()}
        return {name: factor * value for name, value in gradients.items()}

    def _gradient(self, spins: Tensor) -> Gradients:
        moments = spins.T @ spins / spins.shape[0]
        return {"couplings": -0.5 * (moments - torch.diag(torch.diagonal(moments))), "bias": -spins.mean(0)}

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return the spins after one sweep in which each, in order, turns to the field of the newest others.

        The layer acts on itself, so its joint minimum is not at hand; a sweep never raises the energy and stays put exactly in
        its minima. A spin without a field keeps its value. The curvature of a pull is a constant for spins of -1 and 1.
        """
        couplings = self._symmetric()
        drive = clamped.drive if pull is None else clamped.drive + pull.linear
        columns = list(state[0].unbind(1))
        field = torch.addmm(drive, state[0], couplings)  # (B, N), kept up to date below
        for spin in range(self.num_spins):
            old = columns[spin]
            new = torch.where(field[:, spin] == 0, old, torch.sign(field[:, spin]))
            if not torch.equal(new, old):
                columns[spin] = new
                field = torch.addr(field, new - old, couplings[spin])
        return torch.stack(columns, 1)

    def compliance(self, state: State) -> State:
        """Return zeros: spins are held by their bounds wherever descent ends."""
        return (torch.zeros_like(state[0]),)

    def initial_state(self, clamped: Clamped, generator: torch.Generator | None = None) -> State:
        """Return spins of 0, which no field acts on, or random spins of -1 and 1 where a generator is given."""
        drive = clamped.drive
        if generator is None:
            return (torch.zeros_like(drive),)
        bits = torch.randint(2, drive.shape, generator=generator, device=drive.device)
        return ((2 * bits - 1).to(drive.dtype),)

    def project(self, state: State) -> State:
        """Return each spin clipped to [-1, 1]."""
        return (state[0].clamp(-1, 1),)

    def feedforward(self, clamped: Clamped) -> State:
        """Return the response to bias and field alone, without couplings."""
        return (torch.sign(clamped.drive),)

    def output(self, state: State) -> Tensor:
        """Return the spins, of shape (B, N)."""
        return state[0]

    def pull_back(self, state: State, gradient: Tensor) -> Tensor:
        """Return the gradient itself: outputs are spins."""
        return gradient

    def least_curvature(self, enough: float = -math.inf) -> float:
        """Return minus infinity: the box is bounded, and a minimum always exists."""
        return -math.inf
