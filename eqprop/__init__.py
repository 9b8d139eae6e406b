"""Equilibrium propagation: its rules, the physical networks that it trains and their own dynamics, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.dynamics.base import Dynamics
    from contrastive_core.networks.kind import NetworkKind
    from contrastive_core.rule import Rule, Setting

RULES: Table[Callable[[Setting], Rule]] = Table(
    "rule",
    {
        "ep-positive": "eqprop.rule:positive",
        "ep-negative": "eqprop.rule:negative",
        "ep-centered": "eqprop.rule:centered",
        "ep-random": "eqprop.rule:random_sign",
        "ep-asymmetric": "eqprop.rule:asymmetric",
        "ep-as-tied": "eqprop.untied.as_tied:as_tied",
        "ep-richardson4": "eqprop.holomorphic.rules:richardson4",
        "ep-richardson6": "eqprop.holomorphic.rules:richardson6",
        "ep-lock-in": "eqprop.holomorphic.rules:lock_in_amplifier",
        "ep-holomorphic": "eqprop.holomorphic.rules:holomorphic",
        "ep-holomorphic-online": "eqprop.holomorphic.online:turning",
        "ep-continual": "eqprop.continual.updates:build",
        "ep-stdp": "eqprop.continual.spike_timing:build",
    },
)

THERMAL_RULES: Table[Callable[[Setting], Rule]] = Table(
    "rule",
    {
        "ep-thermal": "eqprop.thermal.rule:centered",
        "ep-free-energy": "eqprop.thermal.rule:free_energy",
        "ep-covariance": "eqprop.thermal.rule:covariance",
        "thermal-exact": "eqprop.thermal.rule:exact",
    },
)
"""Rules that average over a stationary distribution, and need a heat bath."""

NETWORKS: Table[NetworkKind] = Table(
    "network",
    {
        "resistive": "eqprop.kinds:RESISTIVE",
        "resistor-graph": "eqprop.kinds:RESISTOR_GRAPH",
        "oscillator": "eqprop.kinds:OSCILLATOR",
        "ising": "eqprop.kinds:ISING",
        "spiking": "eqprop.kinds:SPIKING",
        "binary": "eqprop.kinds:BINARY",
        "untied": "eqprop.untied.kind:UNTIED",
    },
)

DYNAMICS: Table[Callable[[], Dynamics]] = Table("dynamics", {"anneal": "eqprop.annealing:Annealing"})
"""Dynamics that only some networks follow, as their kinds say."""
