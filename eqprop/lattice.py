"""Circuits on any graph: nodes that are joined, held and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from contrastive_core.errors import InputError


@final
@dataclass(frozen=True)
class Graph:
    """Nodes, numbered from 0, and the resistors between them.

    Attributes
    ----------
    num_nodes : int
        Number of nodes.
    edges : sequence of (int, int)
        The two nodes of every resistor; any order, several between the same two if wanted.
    sources : sequence of int
        Nodes held at the inputs, in the order of the inputs.
    outputs : sequence of int
        Nodes that are read.
    rails : sequence of (int, float)
        Nodes held at a fixed voltage, and that voltage.

    Raises
    ------
    InputError
        If a node does not exist, has two roles or is not connected to one that is held, if an edge joins a node to itself, or if there
        are no sources, no outputs or no nodes beside those.
    """

    num_nodes: int
    edges: Sequence[tuple[int, int]]
    sources: Sequence[int]
    outputs: Sequence[int]
    rails: Sequence[tuple[int, float]] = ()

    def __post_init__(self) -> None:
        roles = [*self.held, *self.outputs]
        strange = [node for node in [*roles, *(node for edge in self.edges for node in edge)] if not 0 <= node < self.num_nodes]
        if strange:
            raise InputError(f"there is no node {strange[0]}; nodes are numbered from 0 to {self.num_nodes - 1}")
        twice = [node for node in roles if roles.count(node) > 1]
        if twice:
            raise InputError(f"node {twice[0]} has two roles; a node is a source, a rail, an output or none of these")
        if not (self.sources and self.outputs and self.inner):
            raise InputError("a graph needs at least one source, one output, and one node beside sources, rails and outputs")
        for first, second in self.edges:
            if first == second:
                raise InputError(f"an edge joins node {first} to itself; it carries no current, leave it out")
        floating = sorted({*self.inner, *self.outputs} - self._reached())
        if floating:
            raise InputError(f"node {floating[0]} is connected to no source or rail, so that its voltage is anything; add an edge")

    @property
    def held(self) -> list[int]:
        """Sources and then rails."""
        return [*self.sources, *(node for node, _ in self.rails)]

    @property
    def inner(self) -> list[int]:
        """Nodes without a role, in order."""
        taken = {*self.held, *self.outputs}
        return [node for node in range(self.num_nodes) if node not in taken]

    def _reached(self) -> set[int]:
        neighbours: dict[int, list[int]] = {node: [] for node in range(self.num_nodes)}
        for first, second in self.edges:
            neighbours[first].append(second)
            neighbours[second].append(first)
        reached, waiting = set(self.held), list(self.held)
        while waiting:
            new = set(neighbours[waiting.pop()]) - reached
            reached |= new
            waiting += new
        return reached


def square_lattice(rows: int, columns: int) -> list[tuple[int, int]]:
    """Return the edges of a square lattice, whose nodes are numbered row by row.

    Parameters
    ----------
    rows, columns : int
        Size of the lattice.

    Returns
    -------
    list of (int, int)
        Every node with its right and its lower neighbour.
    """
    across = [(row * columns + column, row * columns + column + 1) for row in range(rows) for column in range(columns - 1)]
    return across + [(node, node + columns) for node in range((rows - 1) * columns)]


def scattered(
    lattice: tuple[int, int], links: int, *, sources: int, outputs: int, rails: Sequence[float] = (), generator: torch.Generator
) -> Graph:
    """Return a square lattice with further resistors between random nodes, and with sources, rails and outputs at random places.

    Parameters
    ----------
    lattice : (int, int)
        Rows and columns.
    links : int
        Further resistors, each between two different nodes; several may join the same two.
    sources, outputs : int
        Number of nodes that are held at inputs, and that are read.
    rails : sequence of float
        Voltages of the rails.
    generator : torch.Generator
        Draws places and links.

    Returns
    -------
    Graph
        Connected graph, because the lattice is connected.

    Raises
    ------
    InputError
        If the lattice has no room for all, or fewer than no links are asked for.
    """
    rows, columns = lattice
    taken, nodes = sources + outputs + len(rails), rows * columns
    if rows < 1 or columns < 1 or nodes <= taken:
        raise InputError(
            f"{rows} by {columns} nodes are not enough for {sources} sources, {len(rails)} rails, {outputs} outputs and a node besides; "
            f"give a lattice of more than {taken} nodes"
        )
    if links < 0:
        raise InputError(f"there are {links} links; give 0 for the lattice alone, or more")
    first = torch.randint(nodes, (links,), generator=generator)
    second = (first + 1 + torch.randint(nodes - 1, (links,), generator=generator)) % nodes  # never the same node
    edges = [*square_lattice(rows, columns), *zip(first.tolist(), second.tolist(), strict=True)]
    places = torch.randperm(nodes, generator=generator).tolist()
    held = [(place, voltage) for place, voltage in zip(places[sources + outputs :], rails, strict=False)]
    return Graph(nodes, edges, places[:sources], places[sources : sources + outputs], held)
