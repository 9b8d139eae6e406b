"""Learning rules, and the pieces that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.cost import Cost
from contrastive_core.costs import COSTS
from contrastive_core.dynamics import DYNAMICS
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import InputError
from contrastive_core.expect import expect, expect_number
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Contrast, Network
from contrastive_core.phases import Nudge, Phase
from contrastive_core.relaxation.backends import Case, clamped_for_all
from contrastive_core.relaxation.displace import Displaced, Planned, displace_each, has_differences, plan_from_rest
from contrastive_core.relaxation.relax import relax, relax_each, require_finite, require_sensible
from contrastive_core.types import Batch, Gradients, Samples, State, as_batch

S = TypeVar("S")

_ACCURACY = 1e-3
"""Relative accuracy that is wanted of displacements if a phase has no tolerance, the tolerance by default."""


@typed("relaxations")  # a mapping that may be made on first access: to look into it would make it, in every batch
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
    errors : Gradients, optional
        Standard error of every entry, for rules that average over independent chains.
    """

    gradients: Gradients
    relaxations: Mapping[str, Relaxation]
    contrast: Contrast | None = None
    errors: Gradients | None = None


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
    averages : bool
        Whether it averages over a stationary distribution, which needs a temperature.
    scale : {"strength", "fraction"} or None
        Field of :class:`Setting` whose limit 0 makes the estimate exact in its order; None if the rule has no such setting.
    options : tuple of type
        Frozen dataclasses of the settings that belong to this rule, taken out of a setting by :meth:`Setting.of`.
    """

    settles: ClassVar[bool] = True
    contrasts: ClassVar[bool] = False
    holds_outputs: ClassVar[bool] = False
    averages: ClassVar[bool] = False
    scale: ClassVar[str | None] = None
    options: ClassVar[tuple[type[Any], ...]] = ()

    @abstractmethod
    def estimate(self, network: Network, batch: Samples, *, generator: torch.Generator | None = None) -> Estimate:
        """Estimate the gradient of the mean cost of a batch.

        Parameters
        ----------
        network : Network
            Network, which is not changed, so that a repeated call gives the same estimate. Weights on hardware are those of the last
            :meth:`Network.begin_use_`.
        batch : Batch, or pair of inputs and labels
            Inputs of shape (B, n_in), labels, and optionally the states from which free phases start. :func:`presented` makes a batch
            of pairs, arrays and lists.
        generator : torch.Generator, optional
            Source of randomness, for rules that have any.

        Returns
        -------
        Estimate
            Gradient of every parameter, and the relaxations that it comes from.

        Raises
        ------
        InputError
            If the network or the batch is something else.
        DivergenceError
            If a phase diverges.
        """

    @abstractmethod
    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the state from which outputs are read, for inputs of shape (B, n_in)."""


def presented(network: Network, samples: Samples) -> Batch:
    """Return what a rule is given as a batch of tensors, the first step of every estimate.

    Parameters
    ----------
    network : Network
        Network of the estimate.
    samples : Batch, or pair of inputs and labels
        Samples, as tensors, arrays or lists.

    Raises
    ------
    InputError
        If the network is no network, or the samples are no batch.
    """
    expect(network, Network, "network", "a rule estimates the gradient of a network on a batch, in this order")
    return as_batch(samples)


@typed("dynamics", "free", "second")
@dataclass(frozen=True)
class Settling:
    """Relaxation of the phases of a rule.

    Noisy dynamics draw from the generator that a rule is given. Without one, as in inference, they use a generator of seed 0, so that
    equal inputs give equal outputs.

    Attributes
    ----------
    dynamics : Dynamics
        Dynamics of the free phase, or its name in ``DYNAMICS`` of the core; later phases visit its blocks in reverse order.
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
        object.__setattr__(self, "dynamics", DYNAMICS.made(self.dynamics, Dynamics))
        for name, stop in (("free", self.free), ("second", self.second)):
            expect(stop, Stop, name, "write Stop(tolerance, budget)")
            require_sensible(stop)  # once here, because fused kernels do not check every batch

    def free_phase(self, clamped: Clamped, start: State | None = None, generator: torch.Generator | None = None) -> Relaxation:
        """Relax the free phase, from a given state or from rest."""
        if start is not None and self.dynamics.whole:
            raise InputError(f"{type(self.dynamics).__name__} forgets where a free phase starts; leave the warm start out")
        with torch.no_grad():
            state = clamped.network.initial_state(clamped) if start is None else start
            relaxation = relax(clamped, state, self.dynamics, self.free, backend=self.backend, generator=self.noise(generator))
        require_finite(relaxation, "free")
        return relaxation

    def clamp(self, network: Network, inputs: Tensor) -> Clamped:
        """Hold the inputs for all phases of a batch, so that the later ones can use what the first has computed."""
        return clamped_for_all(network, inputs, self.dynamics, self.backend)

    def second_phases(
        self, clamped: Clamped, start: State, phases: Sequence[Phase], unit: float, generator: torch.Generator | None = None
    ) -> list[Relaxation]:
        """Relax nudged or held phases from the free state, with blocks in reverse order.

        ``unit`` is the displacement of the outputs in a phase, per unit of error. The first layer moves by ``unit`` times the ratio of
        stiffness of last and first layer; the relative tolerance is measured in this displacement.
        """
        stop, noise = self.second_stop(clamped.network, unit), self.noise(generator)
        with torch.no_grad():
            return relax_each(clamped, start, self.dynamics.reversed(), stop, phases, backend=self.backend, generator=noise)

    def noise(self, generator: torch.Generator | None) -> torch.Generator | None:
        """Return the source of noise of all phases: the given one or, for noisy dynamics without one, a generator of seed 0."""
        return torch.Generator().manual_seed(0) if generator is None and self.dynamics.noisy else generator

    def planned(self, network: Network, batch: Batch, nudges: Sequence[Phase], signs: tuple[int, ...], factor: float) -> Planned | None:
        """Find a kernel that relaxes from rest and contrasts nudges from the free state; None if no kernel covers the case."""
        case = Case(network, batch.inputs, self.dynamics, nudges, None, batch.labels)
        return plan_from_rest(case, (self.free, self.second), signs, factor, backend=self.backend)

    def displaced(self, clamped: Clamped, free: State, phases: Sequence[Phase], unit: float) -> Displaced:
        """Relax nudged or held phases in difference coordinates around a free state, with blocks in reverse order.

        ``unit`` is as in :meth:`second_phases`; in these coordinates the tolerance is relative already.
        """
        with torch.no_grad():
            return displace_each(clamped, free, self.dynamics, self.second, phases, unit=unit, backend=self.backend)

    def in_differences(self, network: Network, phases: Sequence[Phase], unit: float) -> bool:
        """Whether nudged or held phases relax in difference coordinates.

        Nudges do wherever the network has these coordinates. Held outputs keep states, for which there are kernels, as long as a float
        has room beside the state for the accuracy that is wanted of the smallest displacement.
        """
        if not has_differences(network, self.dynamics, phases):
            return False
        if all(isinstance(phase, Nudge) for phase in phases):
            return True
        accuracy, stiffness = self.second.tolerance or _ACCURACY, network.stiffness
        return accuracy * unit * stiffness[-1] / stiffness[0] < torch.finfo(next(network.parameters()).dtype).eps

    def second_stop(self, network: Network, unit: float) -> Stop:
        """Return the stop of nudged or held phases whose outputs move by ``unit`` per unit of error."""
        stiffness, (tolerance, budget, unstable) = network.stiffness, self.second
        return Stop(None if tolerance is None else tolerance * unit * stiffness[-1] / stiffness[0], budget, unstable)


@typed("cost", "settling", "strength", "fraction", "own")
@dataclass(frozen=True)
class Setting:
    r"""Configuration from which every rule is built, so that two runs differ in the rule only.

    Attributes
    ----------
    cost : Cost
        Cost to be lowered, or its name or class in ``COSTS``.
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

    def __post_init__(self) -> None:
        accept_parts(self)
        expect_number(self.strength, "strength", "0.2 is the default")
        expect_number(self.fraction, "fraction", "0.2 is the default")
        expect(self.own, tuple, "own", "give the settings of rules as a tuple of their dataclasses")

    def of(self, kind: type[S]) -> S:
        """Return the settings of a kind in the ``options`` of a rule, by default those that the kind itself has."""
        return next((one for one in self.own if isinstance(one, kind)), None) or kind()


def as_setting(given: Setting | Cost | type[Cost] | str) -> Setting:
    """Return the setting that a rule is built from; a cost, its class or its name stands for the setting with defaults."""
    return given if isinstance(given, Setting) else Setting(COSTS.made(given, Cost))


def accept_parts(holder: Any) -> None:
    """Put the cost that a name or a class means into a rule or a setting, in place, and refuse parts of other types.

    Parameters
    ----------
    holder : object
        Frozen dataclass with a ``cost``, and a ``settling`` unless it relaxes nothing.

    Raises
    ------
    InputError
        If the cost is no cost, or the settling no :class:`Settling`.
    """
    object.__setattr__(holder, "cost", COSTS.made(holder.cost, Cost))
    if "settling" in type(holder).__dataclass_fields__:
        expect(holder.settling, Settling, "settling", "write Settling(free=Stop(tolerance, budget))")
