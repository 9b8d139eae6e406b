"""Learning rules, and the pieces that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

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


class Estimate(NamedTuple):
    """Estimate of a gradient on a batch.

    Attributes
    ----------
    gradients : Gradients
        The estimated gradient of the mean cost.
    relaxations : mapping of str to Relaxation
        Every phase that was run, by name and in order; "free" is always there.
    contrast : Contrast, optional
        Phases that the gradients are the contrast of, for hardware that writes them one by one; None for rules without such phases,
        and from kernels that contrast by themselves.
    """

    gradients: Gradients
    relaxations: Mapping[str, Relaxation]
    contrast: Contrast | None = None


class Rule(ABC):
    """Turns a batch into an estimate of the gradient of the mean cost.

    Attributes
    ----------
    settles : bool
        Whether it relaxes a free state by steps, from where a batch says.
    """

    settles: ClassVar[bool] = True

    @abstractmethod
    def estimate(self, network: Network, batch: Batch, *, generator: torch.Generator | None = None) -> Estimate:
        """Estimate the gradient of the mean cost of a batch.

        Parameters
        ----------
        network : Network
            Read, never changed: the same call gives the same estimate. Hardware is read as :meth:`Network.begin_use_` left it.
        batch : Batch
            Inputs of shape (B, n_in) and their labels, and possibly the states that free phases start from.
        generator : torch.Generator, optional
            Source of randomness, for rules that have any.

        Returns
        -------
        Estimate
            A gradient per parameter, and the relaxations it came from.

        Raises
        ------
        DivergenceError
            If a phase diverges.
        """

    @abstractmethod
    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the state that the rule's network answers inputs of shape (B, n_in) with."""


@dataclass(frozen=True)
class Settling:
    """Relaxation of the phases of a rule.

    Dynamics with noise draw it from the generator that a rule is given. Where there is none, as in inference, it is that of seed 0: the
    same inputs have the same answer.

    Attributes
    ----------
    dynamics : Dynamics
        Dynamics of the free phase; later phases visit its blocks in reverse order.
    free : Stop
        Tolerance and budget of the free phase.
    second : Stop
        Tolerance and budget of the phases that start from the free state. The tolerance is relative to the size of the
        contrast: an absolute one of the same number, fit for the free phase, leaves estimates that train at first and
        diverge as the weights grow. None runs the whole budget.
    backend : str
        Backend of the relaxations, as in :func:`contrastive_core.relaxation.relax.relax`.
    """

    dynamics: Dynamics = field(default_factory=BlockDescent)
    free: Stop = Stop(1e-3, 100)
    second: Stop = Stop(1e-3, 100)
    backend: str = "auto"

    def __post_init__(self) -> None:
        for stop in (self.free, self.second):  # here, once, because kernels that do all phases do not ask in every batch
            require_sensible(stop)

    def free_phase(self, clamped: Clamped, start: State | None = None, generator: torch.Generator | None = None) -> Relaxation:
        """Relax with only the inputs acting, from a state or from rest."""
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
        """Relax from the free state in each of some nudged or held phases, blocks in reverse order.

        ``unit`` is the displacement of the outputs that a phase causes, per unit of error. The first layer moves by that
        times the layers' ratio of stiffness, which is what the relative tolerance is measured in.
        """
        stop, noise = self._second_stop(clamped.network, unit), self._noise(generator)
        with torch.no_grad():
            return relax_each(clamped, start, self.dynamics.reversed(), stop, phases, backend=self.backend, generator=noise)

    def all_phases(
        self, clamped: Clamped, phases: Sequence[Phase], unit: float, generator: torch.Generator | None = None
    ) -> list[Relaxation]:
        """Relax from rest, and then as ``second_phases`` does in phases that do not depend on the free state."""
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
        """Relax as ``all_phases`` does and contrast, where a kernel does all of it at once; else None."""
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

    :math:`[\partial_\theta E(s^+) - \partial_\theta E(s^-)] / (\beta\, n)`, where :math:`s^\pm` are the phases of the n signs and
    the free state stands in for a sign that is not run. Costs with a readout add their direct gradient.

    Parameters
    ----------
    network, batch, cost, settling
        Network and samples to relax, cost to lower, and dynamics, tolerances and budgets.
    signs : tuple of int
        (1,), (-1,) or (1, -1).
    displacement : float
        Displacement of the outputs by a phase, per unit of error.
    strength : float
        :math:`\beta`, what the contrast is divided by.
    phases : sequence of Nudge or Hold, or callable
        The phases to run, one per sign, or what maps the free state to them.
    generator : torch.Generator, optional
        Source of the noise of dynamics that have any.

    Returns
    -------
    Estimate
        With the relaxations "free" and "positive" or "negative" or both.

    Raises
    ------
    InputError
        If the strength is 0 or infinite in the network's dtype.
    DivergenceError
        If a phase diverges.
    """
    if not 1e-4 <= strength <= 6e4:  # inside is room in every dtype, and asking a module for its own takes as long as sweeps
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
    r"""The one configuration from which every rule is built, so that only the rule differs between two runs.

    Attributes
    ----------
    cost : Cost
        Cost to be lowered.
    settling : Settling
        Dynamics, tolerances and budgets of the relaxations.
    strength : float
        :math:`\beta` of equilibrium propagation, in units of the stiffness of the output layer.
    fraction : float
        :math:`\eta` of coupled learning: how far the outputs are held towards lower cost.
    frozen : bool
        Whether the nudge is the force at the free state, held constant.
    unroll : int, optional
        Steps that BPTT goes back through; None is the whole relaxation.
    homeostasis : float
        Weight of the asymmetry of the field's Jacobian, which equilibrium propagation lowers beside the cost.
    """

    cost: Cost
    settling: Settling = field(default_factory=Settling)
    strength: float = 0.2
    fraction: float = 0.2
    frozen: bool = False
    unroll: int | None = None
    homeostasis: float = 0.0
