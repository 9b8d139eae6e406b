"""Every learning rule that the commands know, by name: the union of what the packages list."""

from contrastive_core.baselines import RULES as BASELINES
from eqprop import RULES as EQUILIBRIUM_PROPAGATION
from hebbian import RULES as HEBBIAN

RULES = EQUILIBRIUM_PROPAGATION | HEBBIAN | BASELINES
BASELINE = "backprop"
"""The rule that the others are compared with."""
