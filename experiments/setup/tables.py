"""Names of all networks and dynamics that the learning commands know; the learning rules are in ``rules``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contrastive_core.dynamics import DYNAMICS as CORE
from contrastive_core.registry import Table
from eqprop import DYNAMICS as EQUILIBRIUM_PROPAGATION

if TYPE_CHECKING:
    from contrastive_core.network import Network

BUILDERS: Table[Callable[..., Network]] = Table(
    "network",
    {
        "layered": "experiments.setup.networks:layered",
        "resistive": "experiments.setup.networks:resistive",
        "resistor-graph": "experiments.setup.hardware_networks:resistor_graph",
        "oscillator": "experiments.setup.networks:oscillator",
        "ising": "experiments.setup.hardware_networks:ising",
        "spiking": "experiments.setup.hardware_networks:spiking",
        "binary": "experiments.setup.hardware_networks:binary",
    },
)
"""Builder of each network from the options, the data and a generator for its initial parameters."""

DYNAMICS = CORE | EQUILIBRIUM_PROPAGATION
"""All dynamics, by name: the union of the packages' tables."""

ANNEAL = "anneal"
