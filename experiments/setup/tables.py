"""Rules, networks and dynamics that the learning commands know, by name: the unions of the packages' tables."""

from contrastive_core.baselines import RULES as BASELINES
from contrastive_core.baselines.settings import Unrolling
from contrastive_core.dynamics import DYNAMICS as CORE_DYNAMICS
from contrastive_core.networks import NETWORKS as CORE_NETWORKS
from eqprop import DYNAMICS as SPECIAL_DYNAMICS
from eqprop import NETWORKS as PHYSICAL_NETWORKS
from eqprop import RULES as EQUILIBRIUM_PROPAGATION
from eqprop import THERMAL_RULES
from eqprop.settings import Homeostasis, Thermal
from hebbian import RULES as HEBBIAN

RULES = EQUILIBRIUM_PROPAGATION | HEBBIAN | BASELINES | THERMAL_RULES

THERMAL_EXACT = "thermal-exact"
"""Rule whose gradient is exact at a temperature."""

COMPARED = ("ep-positive", "ep-negative", "ep-centered", "ep-random", *HEBBIAN, *BASELINES)
"""Rules that are compared if none are named: those that need nothing of their own, on any network."""

BASELINE = "backprop"
"""Rule that the others are compared with."""

RULE_SETTINGS = (Homeostasis, Unrolling, Thermal)
"""Settings of rules that are options of every learning command; those of other rules are options where the rule is named."""

NETWORKS = CORE_NETWORKS | PHYSICAL_NETWORKS

LIGHT = ("contrastive_core.networks.kinds", "eqprop.kinds", "eqprop.untied.kind")
"""Modules of kinds of networks that import nothing heavy; their options are options of every learning command, those of other
networks where the network is named."""

DYNAMICS = CORE_DYNAMICS | SPECIAL_DYNAMICS

ANNEAL = "anneal"
