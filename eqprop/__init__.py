"""Equilibrium propagation; its rules, the physical networks that it trains and their own dynamics, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.dynamics.base import Dynamics
    from contrastive_core.network import Network
    from contrastive_core.rule import Rule, Setting

RULES: Table[Callable[[Setting], Rule]] = Table(
    "rule",
    {
        "ep-positive": "eqprop.rule:positive",
        "ep-negative": "eqprop.rule:negative",
        "ep-centered": "eqprop.rule:centered",
        "ep-random": "eqprop.rule:random_sign",
    },
)

NETWORKS: Table[Callable[..., Network]] = Table(
    "network",
    {
        "resistive": "eqprop.resistive:Resistive",
        "resistor-graph": "eqprop.resistor_graph:ResistorGraph",
        "oscillator": "eqprop.oscillator:Oscillators",
        "ising": "eqprop.ising:Ising",
        "spiking": "eqprop.spiking:spiking",
        "binary": "eqprop.binary:BinaryWeights",
    },
)

DYNAMICS: Table[Callable[[], Dynamics]] = Table("dynamics", {"anneal": "eqprop.annealing:Annealing"})
"""Those that only some networks follow."""
