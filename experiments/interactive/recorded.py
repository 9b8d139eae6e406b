"""Recorded phases: the state, the energy, the cost and the residual of every sweep, and the certificate at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.generators import generator_of
from contrastive_core.phases import SIDE_NAMES, Nudge
from contrastive_core.relaxation.relax import relax, require_finite
from experiments.learning.relaxation import followed

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.cost import Cost
    from contrastive_core.dynamics.base import Dynamics
    from contrastive_core.network import Clamped, Network
    from contrastive_core.phases import Phase
    from contrastive_core.rule import Setting
    from contrastive_core.types import Batch, State

_NOISE = 4
"""Purpose of the first generator of thermal noise; each phase has its own."""
SIGNS = tuple(SIDE_NAMES)
"""Signs of the nudged phases, in the order in which they are shown."""


class Recorded(NamedTuple):
    """Phase of a batch, sweep by sweep.

    Attributes
    ----------
    states : State
        One (K + 1, B, n) tensor per layer: the start, and the state after each of K sweeps.
    outputs : Tensor of shape (K + 1, B, n_out)
        Outputs that the cost sees.
    energy, cost : Tensor of shape (K + 1, B)
        E and C of these states.
    residual : Tensor of shape (K, B)
        Residual of each sweep, which for noisy dynamics is that of the drift.
    relaxation : Relaxation
        Certificate of each sample, whose ``steps`` say how many of the sweeps are its own.
    tolerance : float, optional
        Residual at which the phase stops; None for one that lasts for its budget.
    strength : float
        Factor of the cost in the energy that the phase lowers; 0 in the free phase.
    """

    states: State
    outputs: Tensor
    energy: Tensor
    cost: Tensor
    residual: Tensor
    relaxation: Relaxation
    tolerance: float | None
    strength: float

    def frames(self, sample: int) -> int:
        """Return the number of states of a sample: its start, and one after each of its sweeps."""
        return int(self.relaxation.steps[sample]) + 1


class Thought(NamedTuple):
    """Free phase of a batch, and the nudged phases from its end.

    Attributes
    ----------
    clamped : Clamped
        Network with the inputs of the batch.
    free : Recorded
        Free phase.
    nudged : mapping of (float, int) to Recorded
        Nudged phase by strength, in units of the output layer's stiffness, and sign.
    """

    clamped: Clamped
    free: Recorded
    nudged: Mapping[tuple[float, int], Recorded]

    @property
    def phases(self) -> Iterator[Recorded]:
        """All phases, the free one first."""
        return iter((self.free, *self.nudged.values()))


def think(network: Network, batch: Batch, setting: Setting, strengths: Iterable[float], seed: int) -> Thought:
    """Relax the free phase of a batch, and from its end a positive and a negative nudge of each strength.

    The torch code of the dynamics relaxes, whatever backend the setting names.

    Parameters
    ----------
    network : Network
        Network that relaxes.
    batch : Batch
        Samples.
    setting : Setting
        Cost, dynamics, tolerances and budgets.
    strengths : iterable of float
        Strengths in units of the output layer's stiffness.
    seed : int
        Seed of thermal noise; every phase draws its own.

    Raises
    ------
    DivergenceError
        If a phase diverges, or a negative nudge leaves the energy no minimum.
    """
    cost, settling = setting.cost, setting.settling
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        free = _record(clamped, network.initial_state(clamped), settling.dynamics, settling.free, None, (cost, batch), (seed, _NOISE))
        require_finite(free.relaxation, "free")
        start, nudged = free.relaxation.state, {}
        for index, (strength, sign) in enumerate(((one, sign) for one in strengths for sign in SIGNS), _NOISE + 1):
            phase = network.applied(Nudge(cost, batch, sign * strength * network.stiffness[-1]))
            stop = settling.second_stop(network, strength)
            found = _record(clamped, start, settling.dynamics.reversed(), stop, phase, (cost, batch), (seed, index))
            require_finite(found.relaxation, f"{SIDE_NAMES[sign]} nudged", network, cost)
            nudged[strength, sign] = found
    return Thought(clamped, free, nudged)


def as_long_as(setting: Setting, rested: Thought) -> Setting:
    """Return a setting whose phases, which noise keeps from resting, last as long as the longest free phase that came to rest."""
    sweeps = max(1, int(rested.free.relaxation.steps.max()))
    later = setting.settling.second._replace(tolerance=None, budget=sweeps)
    return replace(setting, settling=replace(setting.settling, free=Stop(None, sweeps), second=later))


def _record(
    clamped: Clamped, start: State, dynamics: Dynamics, stop: Stop, phase: Phase, judged: tuple[Cost, Batch], draws: tuple[int, int]
) -> Recorded:
    """Relax, and follow the same sweeps once more with the same noise; samples that had stopped move on unseen."""
    cost, batch = judged
    relaxation = relax(clamped, start, dynamics, stop, phase, backend="torch", generator=generator_of(*draws))
    sweeps = list(followed(clamped, start, dynamics, int(relaxation.steps.max()), phase, generator_of(*draws)))
    states = [start, *(state for state, _ in sweeps)]
    outputs = [clamped.network.output(state) for state in states]
    return Recorded(
        states=tuple(torch.stack([layer.flatten(1) for layer in layers]) for layers in zip(*states, strict=True)),
        outputs=torch.stack(outputs),
        energy=torch.stack([clamped.network.energy(state, clamped) for state in states]),
        cost=torch.stack([cost.value(output, batch) for output in outputs]),
        residual=torch.stack([residual for _, residual in sweeps]) if sweeps else relaxation.residual.new_empty((0, len(batch.labels))),
        relaxation=relaxation,
        tolerance=stop.tolerance,
        strength=phase.strength if isinstance(phase, Nudge) else 0.0,
    )
