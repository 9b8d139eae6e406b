"""Builder of the dynamics from the options of a command."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from eqprop import DYNAMICS as SPECIAL
from experiments.setup.own_options import network_kind
from experiments.setup.tables import ANNEAL, DYNAMICS, NETWORKS

if TYPE_CHECKING:
    from contrastive_core.dynamics.base import Dynamics
    from experiments.setup.options import LearningOptions


def build_dynamics(options: LearningOptions) -> Dynamics:
    """Return the dynamics of free phases that the options ask for, or raise ``InputError`` where two of them do not go together."""
    kind = network_kind(options.network)
    if options.node_capacitance is not None and not kind.unit_stiffness:
        raise InputError(f"--node-capacitance is of nodes whose stiffness is 1, and a {options.network} network has others; leave it out")
    if options.node_temperature:
        if options.over_relaxation != 1:
            raise InputError("--over-relaxation is for block descent, and --node-temperature for gradient flow; leave one of them out")
        return _heat_bath(options)
    if options.dynamics in SPECIAL and options.dynamics not in kind.dynamics:
        able = " or ".join(name for name in NETWORKS if options.dynamics in NETWORKS[name].dynamics)
        raise InputError(f"a {options.network} network does not follow {options.dynamics}; give --network {able} or another --dynamics")
    dynamics = _annealing(options) if options.dynamics == ANNEAL else DYNAMICS[options.dynamics]()
    if options.over_relaxation != 1:
        if "over_relaxation" not in {field.name for field in fields(dynamics)}:
            raise InputError(f"--over-relaxation is for sweeps layer by layer, and {options.dynamics} does none; leave it out")
        dynamics = replace(dynamics, over_relaxation=options.over_relaxation)  # type: ignore[call-arg]
    if options.step is None:
        return dynamics
    if "step_size" not in {field.name for field in fields(dynamics)}:
        raise InputError(f"--step is the Euler step of gradient-flow and momentum, and {options.dynamics} has none; leave it out")
    return replace(dynamics, step_size=options.step)  # type: ignore[call-arg]


def _heat_bath(options: LearningOptions) -> Dynamics:
    from contrastive_core.dynamics.langevin import Langevin, temperature_of_nodes

    if options.dynamics not in ("gradient-flow", type(options).model_fields["dynamics"].default):
        raise InputError(f"--node-temperature is that of a heat bath, and {options.dynamics} is another dynamics; leave one of the two out")
    temperature, farad = options.node_temperature, options.node_capacitance
    if ANNEAL in network_kind(options.network).dynamics:  # spins, which have no gradient to flow along
        from eqprop.thermal.heat_bath import HeatBath

        if options.step is not None:
            raise InputError("--step is the Euler step of a flow, and spins in a heat bath turn at once; leave it out")
        return HeatBath(temperature)
    temperature = temperature if farad is None else temperature_of_nodes(temperature, farad)
    return Langevin(temperature) if options.step is None else Langevin(temperature, options.step)


def _annealing(options: LearningOptions) -> Dynamics:
    from eqprop.annealing import Annealing

    given = options.anneal
    if given.hot > given.cold:
        raise InputError(
            f"--anneal-hot {given.hot:g} is above --anneal-cold {given.cold:g}, and anneals go from small inverse temperatures "
            "to large ones; give a smaller --anneal-hot"
        )
    return Annealing(given.reads, given.sweeps, given.hot, given.cold, given.reverse)
