"""Networks of resistors on any graph, whose nodes settle where the dissipation is least."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from contrastive_core.errors import InputError
from contrastive_core.expect import expect
from contrastive_core.forms import Dissipation
from contrastive_core.generators import source_of
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Network, Pieces
from contrastive_core.networks.input_checks import as_inputs
from contrastive_core.phases import Pull
from contrastive_core.types import Gradients, State
from eqprop.lattice import Graph


@final
@typed("graph", "generator")
class ResistorGraph(Network):
    r"""Resistors on a graph, with some nodes held at the inputs and some read.

    .. math:: E = \tfrac12 \sum_{e = (i, j)} g_e (v_i - v_j)^2,

    half the power that the resistors turn into heat. The first block is the inner nodes, the second the outputs; each is solved for
    directly with the other held. A circuit of passive resistors is linear: its outputs are averages of the held voltages.

    The parameter ``conductance`` has shape (edges,), in siemens; with voltages in volt the energy is in watt. Such networks and coupled
    learning on them are those of Stern, Hexner, Rocks and Liu (2021), "Supervised learning in physical networks: from machine learning to
    learning machines"; verified numerically, not re-read.

    Parameters
    ----------
    graph : Graph
        Nodes and resistors.
    bounds : (float, float)
        Smallest and largest conductance; the smallest is positive, so that no node is cut off.
    initial : (float, float)
        Range of the initial conductances, which are uniform in it; equal ends make all of them equal.
    input_gain : float
        Volt per unit of input.
    mirrored : bool
        Whether the second half of the sources is held at minus the inputs of the first: an average weighs nothing negatively.
    generator : torch.Generator or int
        Source of the initial conductances, or a seed.
    dtype : torch.dtype
        Dtype of the parameters, and so of everything computed with them.

    Raises
    ------
    InputError
        If the bounds or the initial range are no range of positive conductances, the gain is not positive, or an odd number of
        sources is to be mirrored.
    """

    first: Tensor
    second: Tensor
    rails: Tensor

    def __init__(
        self,
        graph: Graph,
        *,
        bounds: tuple[float, float] = (1e-3, math.inf),
        initial: tuple[float, float] = (0.5, 1.5),
        input_gain: float = 1.0,
        mirrored: bool = False,
        generator: torch.Generator | int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        expect(graph, Graph, "graph", "make one of its nodes and resistors")
        for low, high in (bounds, initial):
            if not 0 < low <= high:
                raise InputError(f"conductances need a positive lower and a larger upper bound, got {low:g} and {high:g} S")
        if not 0 < input_gain < math.inf:
            raise InputError(f"input_gain must be positive and finite, got {input_gain}; 1 holds the sources at the inputs")
        if mirrored and len(graph.sources) % 2:
            raise InputError(f"{len(graph.sources)} sources are no two halves, one the mirror of the other; give an even number")
        self.graph, self.bounds = graph, bounds
        self.input_gain, self.mirrored = input_gain, mirrored
        self.num_inputs = len(graph.sources) // (2 if mirrored else 1)
        self.sizes = (len(graph.inner), len(graph.outputs))
        self.stiffness = (1.0, 1.0)  # a nudge in units of it is a conductance in siemens
        self.output_is_last_layer, self.has_readout = True, False
        place = {node: index for index, node in enumerate([*graph.held, *graph.inner, *graph.outputs])}
        ends = torch.tensor([[place[first], place[second]] for first, second in graph.edges])
        self.register_buffer("first", ends[:, 0], persistent=False)
        self.register_buffer("second", ends[:, 1], persistent=False)
        self.register_buffer("rails", torch.tensor([voltage for _, voltage in graph.rails], dtype=dtype), persistent=False)
        start = torch.zeros(len(graph.edges), dtype=dtype)
        self.conductance = nn.Parameter(start.uniform_(*initial, generator=source_of(generator)))
        self.constrain_()

    @property
    def pieces(self) -> Pieces:
        """Return the bounds of the conductances, in siemens, the heat of the resistors, and the measures of a node."""
        return Pieces(bounds={"conductance": self.bounds}, dissipation=self._dissipation, scales=self._scales, magnitudes=self._magnitudes)

    def laplacian(self) -> Tensor:
        """Return the conductance matrix of held nodes, inner nodes and outputs, in this order; shape (N, N)."""
        size = self.graph.num_nodes
        flat = self.conductance.new_zeros(size * size)
        for one, other in ((self.first, self.second), (self.second, self.first)):
            flat = flat.index_add(0, one * size + one, self.conductance).index_add(0, one * size + other, -self.conductance)
        return flat.reshape(size, size)

    def _held(self, inputs: Tensor) -> Tensor:
        scaled = self.input_gain * inputs
        return torch.cat([scaled, *([-scaled] if self.mirrored else []), self.rails.expand(len(inputs), -1)], 1)

    def _free(self) -> Tensor:
        """Return the conductance matrix of the nodes that are not held."""
        start = len(self.graph.held)
        return self.laplacian()[start:, start:]

    def _blocks(self, rows: Tensor) -> State:
        """Split values of inner nodes and outputs, side by side in (B, free nodes), into blocks."""
        return torch.split_with_sizes(rows, self.sizes, dim=1)

    def clamp(self, inputs: Tensor) -> Clamped:
        """Hold the sources; the drive is the current that held nodes send into inner nodes and outputs, side by side, at 0 V."""
        inputs = as_inputs(inputs, self.num_inputs, self.conductance.dtype)
        held = self._held(inputs)
        return Clamped(self, inputs, -held @ self.laplacian()[: held.shape[1], held.shape[1] :])

    def _across(self, state: State, clamped: Clamped) -> Tensor:
        """Return the voltage across every resistor, of shape (B, edges)."""
        voltages = torch.cat([self._held(clamped.inputs), *state], 1)
        return voltages[:, self.first] - voltages[:, self.second]

    def energy(self, state: State, clamped: Clamped) -> Tensor:
        """Return the energy of each sample, of shape (B,)."""
        return 0.5 * self._across(state, clamped).square() @ self.conductance

    def _dissipation(self, state: State, clamped: Clamped) -> Dissipation:
        """Return the heat of the resistors, which is twice the energy."""
        return Dissipation({"conductance": 2 * self.energy(state, clamped)}, {"conductance": torch.diagonal(self._free())})

    def force(self, state: State, clamped: Clamped) -> State:
        """Return the current that is left over at every node."""
        return self._blocks(torch.addmm(clamped.drive, torch.cat(state, 1), self._free(), alpha=-1))

    def energy_gradient(self, state: State, clamped: Clamped, minus: State | None = None, factor: float = 1.0) -> Gradients:
        r"""Return :math:`\tfrac12\langle(v_i - v_j)^2\rangle` of every resistor, less that of ``minus``."""
        across = self._across(state, clamped)
        if minus is None:
            return {"conductance": 0.5 * factor * across.square().mean(0)}
        other = self._across(minus, clamped)
        return {"conductance": 0.5 * factor * ((across - other) * (across + other)).mean(0)}

    def minimiser(self, index: int, state: State, clamped: Clamped, pull: Pull | None = None) -> Tensor:
        """Return a block's voltages with the other block held, by a direct solution; the exact minimum."""
        matrix, inner = self._free(), self.sizes[0]
        own, other = (slice(None, inner), slice(inner, None)) if index == 0 else (slice(inner, None), slice(None, inner))
        current = clamped.drive[:, own] - state[1 - index] @ matrix[other, own]
        block = matrix[own, own]
        if pull is not None:
            current = current + pull.linear
            block = block + pull.curvature * torch.eye(len(block), dtype=block.dtype, device=block.device)
        solution: Tensor = torch.linalg.solve(block, current.T).T
        return solution

    def compliance(self, state: State) -> State:
        """Return the inverse of each node's whole conductance."""
        diagonal = torch.diagonal(self._free()).detach()
        return self._blocks((1 / diagonal).expand(len(state[0]), -1))

    def _scales(self, clamped: Clamped) -> tuple[Tensor, ...]:
        """Return each node's whole conductance, in siemens: forces are currents."""
        return torch.split_with_sizes(torch.diagonal(self._free()), self.sizes)

    def _magnitudes(self, state: State, clamped: Clamped) -> State:
        """Return the voltages that solving a block makes of a rounding of every current, in units of it: weakly held nodes magnify it."""
        matrix, found, start = self._free(), [], 0
        highest = self._held(clamped.inputs).abs().amax(1, keepdim=True)  # no voltage is higher
        for size in self.sizes:
            block = matrix[start : start + size, start : start + size]
            found.append(highest * torch.linalg.solve(block, torch.diagonal(block)))
            start += size
        return tuple(found)

    def initial_state(self, clamped: Clamped, generator: torch.Generator | None = None) -> State:
        """Return all nodes at 0 V, or at normal voltages of 1 V drawn from the generator."""
        drive = clamped.drive
        if generator is None:
            return self._blocks(torch.zeros_like(drive))
        return self._blocks(torch.randn(drive.shape, generator=generator, dtype=drive.dtype, device=drive.device))

    def project(self, state: State) -> State:
        """Return the state itself: voltages have no bounds."""
        return state

    def feedforward(self, clamped: Clamped) -> State:
        """Return the free state, by one direct solution: a graph has no direction, and so no feedback to leave out."""
        return self._blocks(torch.linalg.solve(self._free(), clamped.drive.T).T)

    def output(self, state: State) -> Tensor:
        """Return the voltages of the outputs, of shape (B, n_out)."""
        return state[-1]

    def pull_back(self, state: State, gradient: Tensor) -> Tensor:
        """Return the gradient itself: outputs are nodes."""
        return gradient

    def output_conductance(self) -> Tensor:
        """Return the conductance matrix seen from the outputs, of shape (n_out, n_out): the Schur complement on them."""
        matrix, inner = self._free(), self.sizes[0]
        through = torch.linalg.solve(matrix[:inner, :inner], matrix[:inner, inner:])
        seen: Tensor = matrix[inner:, inner:] - matrix[inner:, :inner] @ through
        return seen

    def least_curvature(self, enough: float = -math.inf) -> float:
        """Return minus the smallest eigenvalue of the conductance matrix seen from the outputs."""
        with torch.no_grad():
            return -float(torch.linalg.eigvalsh(self.output_conductance())[0])
