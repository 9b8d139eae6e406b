"""Learning rules, and the pieces that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor

from contrastive_core.certificate import Deferred, Relaxation, Stop
from contrastive_core.cost import Cost
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import InputError
from contrastive_core.gradients import direct_gradient
from contrastive_core.kernels.settling.elements.request import Contrasted, FromRest
from contrastive_core.network import Clamped, Contrast, Network
from contrastive_core.phases import PHASE_NAMES, SIDE_NAMES, Phase
from contrastive_core.relaxation.relax import contrast_from_rest, relax, relax_each, relax_from_rest, require_finite, require_sensible
from contrastive_core.types import Batch, Gradients, State

S = TypeVar("S")


class Estimate(NamedTuple):
    """Estimate of a gradient on a batch.

    Attributes
    ----------
    gradients : Gradients
        Estimated gradient of the mean cost.
    relaxations : mapping of str to Relaxation
        Phases by name, in the order in which they ran; "free" is always present.
    contrast : Contrast, optional
        Contrasted phases, for hardware that writes them one by one. None for rules without such phases, and for kernels that compute the
        contrast themselves.
    """

    gradients: Gradients
    relaxations: Mapping[str, Relaxation]
    contrast: Contrast | None = None


class Rule(ABC):
    """Learning rule: estimates the gradient of the mean cost of a batch.

    Attributes
    ----------
    settles : bool
        Whether it relaxes a free state by steps, from the start that a batch may give.
    contrasts : bool
        Whether the estimate is the contrast of two phases, which a device could write one after the other.
    holds_outputs : bool
        Whether a phase holds the outputs, which the network must allow.
    scale : {"strength", "fraction"} or None
        Field of :class:`Setting` whose limit 0 makes the estimate exact in its order; None if the rule has no such setting.
    options : tuple of type
        Frozen dataclasses of the settings that belong to this rule, taken out of a setting by :meth:`Setting.of`.
    """

    settles: ClassVar[bool] = True
    contrasts: ClassVar[bool] = False
    holds_outputs: ClassVar[bool] = False
    scale: ClassVar[str | None] = None
    options: ClassVar[tuple[type[Any], ...]] = ()

    @abstractmethod
    def estimate(self, network: Network, batch: Batch, *, generator: torch.Generator | None = None) -> Estimate:
        """Estimate the gradient of the mean cost of a batch.

        Parameters
        ----------
        network : Network
            Network, which is not changed, so that a repeated call gives the same estimate. Weights on hardware are those of the last
            :meth:`Network.begin_use_`.
        batch : Batch
            Inputs of shape (B, n_in), labels, and optionally the states from which free phases start.
        generator : torch.Generator, optional
            Source of randomness, for rules that have any.

        Returns
        -------
        Estimate
            Gradient of every parameter, and the relaxations that it comes from.

        Raises
        ------
        DivergenceError
            If a phase diverges.
        """

    @abstractmethod
    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the state from which outputs are read, for inputs of shape (B, n_in)."""


@dataclass(frozen=True)
class Settling:
    """Relaxation of the phases of a rule.

    Noisy dynamics draw from the generator that a rule is given. Without one, as in inference, they use a generator of seed 0, so that
    equal inputs give equal outputs.

    Attributes
    ----------
    dynamics : Dynamics
        Dynamics of the free phase; later phases visit its blocks in reverse order.
    free : Stop
        Tolerance and budget of the free phase.
    second : Stop
        Tolerance and budget of the phases that start from the free state. The tolerance is relative to the size of the contrast. An
        absolute tolerance that suits the free phase would let training start well and then diverge as the weights grow. None runs the
        whole budget.
    backend : str
        Backend of the relaxations, as in :func:`contrastive_core.relaxation.relax.relax`.
    """

    dynamics: Dynamics = field(default_factory=BlockDescent)
    free: Stop = Stop(1e-3, 100)
    second: Stop = Stop(1e-3, 100)
    backend: str = "auto"

    def __post_init__(self) -> None:
        for stop in (self.free, self.second):  # once here, because fused kernels do not check every batch
            require_sensible(stop)

    def free_phase(self, clamped: Clamped, start: State | None = None, generator: torch.Generator | None = None) -> Relaxation:
        """Relax the free phase, from a given state or from rest."""
        if start is not None and self.dynamics.whole:
            raise InputError(f"{type(self.dynamics).__name__} forgets where a free phase starts; leave the warm start out")
        with torch.no_grad():
            state = clamped.network.initial_state(clamped) if start is None else start
            relaxation = relax(clamped, state, self.dynamics, self.free, backend=self.backend, generator=self._noise(generator))
        require_finite(relaxation, "free")
        return relaxation

    def second_phases(
        self, clamped: Clamped, start: State, phases: Sequence[Phase], unit: float, generator: torch.Generator | None = None
    ) -> list[Relaxation]:
        """Relax nudged or held phases from the free state, with blocks in reverse order.

        ``unit`` is the displacement of the outputs in a phase, per unit of error. The first layer moves by ``unit`` times the ratio of
        stiffness of last and first layer; the relative tolerance is measured in this displacement.
        """
        stop, noise = self._second_stop(clamped.network, unit), self._noise(generator)
        with torch.no_grad():
            return relax_each(clamped, start, self.dynamics.reversed(), stop, phases, backend=self.backend, generator=noise)

    def all_phases(
        self, clamped: Clamped, phases: Sequence[Phase], unit: float, generator: torch.Generator | None = None
    ) -> list[Relaxation]:
        """Relax the free phase from rest, and then phases that do not depend on the free state, as in ``second_phases``."""
        if self.dynamics.noisy:
            noise = self._noise(generator)
            free = self.free_phase(clamped, None, noise)
            return [free, *self.second_phases(clamped, free.state, phases, unit, noise)]
        stop = self._second_stop(clamped.network, unit)
        with torch.no_grad():
            return relax_from_rest(clamped, self.dynamics, self.free, stop, phases, backend=self.backend)

    def _noise(self, generator: torch.Generator | None) -> torch.Generator | None:
        return torch.Generator().manual_seed(0) if generator is None and self.dynamics.noisy else generator

    def contrast(
        self, network: Network, batch: Batch, phases: Sequence[Phase], unit: float, signs: tuple[int, ...], factor: float
    ) -> Contrasted | None:
        """Relax as in ``all_phases`` and contrast the phases in one kernel; None if no kernel covers the case."""
        stop = self._second_stop(network, unit)
        settings = FromRest(self.dynamics, self.free, stop, phases, signs, factor)
        return contrast_from_rest(network, batch, settings, backend=self.backend)

    def _second_stop(self, network: Network, unit: float) -> Stop:
        stiffness, (tolerance, budget, unstable) = network.stiffness, self.second
        return Stop(None if tolerance is None else tolerance * unit * stiffness[-1] / stiffness[0], budget, unstable)


def contrast(
    network: Network,
    batch: Batch,
    cost: Cost,
    settling: Settling,
    signs: tuple[int, ...],
    displacement: float,
    strength: float,
    phases: Sequence[Phase] | Callable[[State], Sequence[Phase]],
    generator: torch.Generator | None = None,
) -> Estimate:
    r"""Estimate a gradient by the contrast of two relaxed states.

    :math:`[\partial_\theta E(s^+) - \partial_\theta E(s^-)] / (\beta\, n)`, where :math:`s^\pm` are the ends of the phases of the n
    signs. The free state takes the place of a sign that is not run. With a readout, its direct gradient is added.

    Parameters
    ----------
    network, batch, cost, settling
        Network and samples to relax, cost to lower, and dynamics, tolerances and budgets.
    signs : tuple of int
        Signs of the phases: (1,), (-1,) or (1, -1).
    displacement : float
        Displacement of the outputs by a phase, per unit of error.
    strength : float
        Divisor :math:`\beta` of the contrast.
    phases : sequence of Nudge or Hold, or callable
        Phases to run, one per sign, or a function that returns them for the free state.
    generator : torch.Generator, optional
        Source of noise for noisy dynamics.

    Returns
    -------
    Estimate
        Estimate with the relaxations "free" and "positive", "negative" or both.

    Raises
    ------
    InputError
        If the strength is 0 or infinite in the network's dtype.
    DivergenceError
        If a phase diverges.
    """
    if not 1e-4 <= strength <= 6e4:  # safe in every dtype; looking up the network's dtype costs as much as sweeps
        _require_representable(strength, next(network.parameters()).dtype)
    factor = 1 / (strength * len(signs))
    if not callable(phases):
        phases = [network.applied(phase) for phase in phases]
        from_rest = batch.start is None
        at_once = settling.contrast(network, batch, phases, displacement, signs, factor) if from_rest else None
        if at_once is not None:
            return Estimate(at_once[0], Deferred(PHASE_NAMES[signs], at_once[1]))
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
    if batch.start is None and not callable(phases):
        free, *later = settling.all_phases(clamped, phases, displacement, generator)
        require_finite(free, "free")
    else:
        free = settling.free_phase(clamped, batch.start, generator)
        with torch.no_grad():
            chosen = [network.applied(phase) for phase in phases(free.state)] if callable(phases) else phases
        later = settling.second_phases(clamped, free.state, chosen, displacement, generator)
    seconds = dict(zip(signs, later, strict=True))
    for sign, second in seconds.items():
        require_finite(second, SIDE_NAMES[sign], network)
    plus, minus = seconds.get(1, free), seconds.get(-1, free)
    with torch.no_grad():
        gradients = network.energy_gradient(plus.state, clamped, minus.state, factor)
    for name, value in direct_gradient(network, free.state, cost, batch).items():
        gradients[name] = gradients[name] + value
    relaxations = {"free": free} | {SIDE_NAMES[sign]: second for sign, second in seconds.items()}
    return Estimate(gradients, relaxations, Contrast(clamped, plus.state, minus.state, factor))


def _require_representable(strength: float, dtype: torch.dtype) -> None:
    limits = torch.finfo(dtype)
    if not limits.tiny <= strength <= limits.max:
        name = str(dtype).removeprefix("torch.")
        raise InputError(
            f"a strength or fraction of {strength:g} is {'0' if strength < 1 else 'infinite'} in {name}; use one nearer to 0.1, or float64"
        )


@dataclass(frozen=True)
class Setting:
    r"""Configuration from which every rule is built, so that two runs differ in the rule only.

    Attributes
    ----------
    cost : Cost
        Cost to be lowered.
    settling : Settling
        Dynamics, tolerances and budgets of the relaxations.
    strength : float
        :math:`\beta` of equilibrium propagation, in units of the stiffness of the output layer.
    fraction : float
        :math:`\eta` of coupled learning, the step of the held outputs towards lower cost.
    frozen : bool
        Whether the nudge is constant, equal to the force at the free state.
    own : tuple of object
        Settings that only some rules have: instances of the dataclasses in their ``options``.
    """

    cost: Cost
    settling: Settling = field(default_factory=Settling)
    strength: float = 0.2
    fraction: float = 0.2
    frozen: bool = False
    own: tuple[Any, ...] = ()

    def of(self, kind: type[S]) -> S:
        """Return the settings of a kind in the ``options`` of a rule, by default those that the kind itself has."""
        return next((one for one in self.own if isinstance(one, kind)), None) or kind()
