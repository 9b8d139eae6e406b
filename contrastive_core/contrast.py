"""Contrast of two relaxed states, which is the estimate of equilibrium propagation and of coupled learning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from contrastive_core.certificate import Deferred, Relaxation
from contrastive_core.cost import Cost
from contrastive_core.errors import InputError
from contrastive_core.gradients import direct_gradient
from contrastive_core.network import Clamped, Contrast, Network
from contrastive_core.networks.differences import Differences, Displacement
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import PHASE_NAMES, SIDE_NAMES, Phase
from contrastive_core.relaxation.displace import Planned
from contrastive_core.relaxation.relax import require_finite
from contrastive_core.rule import Estimate, Settling
from contrastive_core.types import Batch, Gradients, State


class Ends(NamedTuple):
    """Ends of the phases that started from one free state, whose contrasts are the gradients of parameters and of inputs.

    Attributes
    ----------
    clamped : Clamped
        Network with the inputs of all phases.
    free : Relaxation
        Free phase.
    seconds : mapping of int to Relaxation
        Nudged or held phase of each sign.
    around : Differences, optional
        Network around its free state; None if the phases relaxed as states.
    sides : mapping of int to Displacement
        Displacement at the end of each phase; empty if the phases relaxed as states.
    """

    clamped: Clamped
    free: Relaxation
    seconds: Mapping[int, Relaxation]
    around: Differences | None
    sides: Mapping[int, Displacement]

    @property
    def relaxations(self) -> dict[str, Relaxation]:
        """All phases by name, in the order in which they ran."""
        return {"free": self.free} | {SIDE_NAMES[sign]: second for sign, second in self.seconds.items()}

    @property
    def states(self) -> tuple[State, State]:
        """States of the positive and of the negative side; the free state takes the place of a side that did not run."""
        return self.seconds.get(1, self.free).state, self.seconds.get(-1, self.free).state

    def gradients(self, network: Network, factor: float) -> Gradients:
        r"""Return ``factor`` times :math:`\partial_\theta E(s^+) - \partial_\theta E(s^-)`, averaged over the batch."""
        with torch.no_grad():
            if self.around is None:
                plus, minus = self.states
                return network.energy_gradient(plus, self.clamped, minus, factor)
            return self.around.contrast(self.sides.get(1), self.sides.get(-1), factor * network.stiffness[-1])

    def input_gradient(self, network: Network, inputs: Tensor, factor: float) -> Tensor:
        r"""Return ``factor`` times :math:`\partial_x E(s^+) - \partial_x E(s^-)` of each sample, shaped as the inputs.

        In difference coordinates it is :math:`-\bar e_1 \cdot \partial_x u(x)`, with :math:`\bar e_1` the displacement of the first layer
        per unit of strength, averaged over the sides, and u the drive of that layer by the inputs: the factor is in it already.

        Parameters
        ----------
        network : Network
            Network that was clamped.
        inputs : Tensor
            Inputs as they were given to it, of any shape and real dtype that it takes.
        factor : float
            Factor of the contrast.
        """
        if self.around is not None:
            return drawn_back(network, inputs, torch.stack([side.layers[0] for side in self.sides.values()]).mean(0))
        with torch.enable_grad():
            held = inputs.detach().requires_grad_(True)
            plus, minus = (network.energy(state, network.clamp(held)).sum() for state in self.states)
            (gradient,) = torch.autograd.grad((plus - minus) * factor, held)
        return gradient


def drawn_back(network: Network, inputs: Tensor, first: Tensor) -> Tensor:
    r"""Return :math:`-e_1 \cdot \partial_x u(x)`: the displacement of the first layer per unit of strength, carried back to the inputs.

    Parameters
    ----------
    network : Network
        Layered network, whose inputs act through the drive u of its first layer.
    inputs : Tensor
        Inputs of the free phase.
    first : Tensor, shaped as the first layer
        :math:`e_1`.
    """
    with torch.enable_grad():
        held = inputs.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(network.clamp(held).drive, held, -first)
    return gradient


def relax_from(
    network: Network,
    clamped: Clamped,
    free: Relaxation,
    settling: Settling,
    phases: Mapping[int, Phase],
    displacement: float,
    generator: torch.Generator | None = None,
    *,
    cost: Cost | None = None,
    nudged: Callable[[Clamped, State], Clamped] | None = None,
) -> Ends:
    """Relax nudged or held phases from a free state, in difference coordinates where the network has them.

    Parameters
    ----------
    network, clamped, free
        Network, the same with its inputs held, and its free phase.
    settling : Settling
        Dynamics, tolerance and budget.
    phases : mapping of int to Nudge or Hold
        Phase of each sign, as it acts on the network.
    displacement, generator, nudged
        Same as in :func:`contrast`.
    cost : Cost, optional
        Cost that the message of a divergence names.

    Raises
    ------
    DivergenceError
        If a phase diverges.
    """
    chosen = list(phases.values())
    if settling.in_differences(network, chosen, displacement):
        around, ends = settling.displaced(clamped, free.state, chosen, displacement)
        sides, later = dict(zip(phases, (moved for moved, _ in ends), strict=True)), [relaxation for _, relaxation in ends]
    else:
        around, sides = None, {}
        start = clamped if nudged is None else nudged(clamped, free.state)
        later = settling.second_phases(start, free.state, chosen, displacement, generator)
    seconds = dict(zip(phases, later, strict=True))
    for sign, second in seconds.items():
        require_finite(second, SIDE_NAMES[sign], network, cost)
    return Ends(clamped, free, seconds, around, sides)


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
    nudged: Callable[[Clamped, State], Clamped] | None = None,
    key: object = None,
) -> Estimate:
    r"""Estimate a gradient by the contrast of two relaxed states.

    :math:`[\partial_\theta E(s^+) - \partial_\theta E(s^-)] / (\beta\, n)`, where :math:`s^\pm` are the ends of the phases of the n
    signs. The free state takes the place of a sign that is not run. With a readout, its direct gradient is added. Nudges of layered
    networks relax in difference coordinates, in which nothing cancels (:mod:`contrastive_core.networks.differences`), and so do held
    outputs where the contrast of states would be rounding.

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
    nudged : callable, optional
        Returns the network that relaxes in the nudged phases, from the clamped one and its free state; None is the same network.
    key : object, optional
        Value that stands for all arguments but the network and the batch, by which :func:`contrast_again` knows them.

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
        # Displacements are in units of the nudge, so that no number as small as the nudge itself is needed.
        size = displacement if settling.in_differences(network, (), displacement) else strength
        _require_representable(size, next(network.parameters()).dtype)
    factor = 1 / (strength * len(signs))
    if not callable(phases):
        phases = [network.applied(phase) for phase in phases]
        if batch.start is None and settling.in_differences(network, phases, displacement):
            planned = settling.planned(network, batch, phases, signs, factor)
            found = None if planned is None else planned(network, batch)
            if planned is not None and found is not None:
                held = tuple(parameter.detach() for parameter in network.parameters())
                _KNOWN[network] = _Known(key, _form(network, batch), PHASE_NAMES[signs], planned, held)
                return Estimate(found[0], Deferred(PHASE_NAMES[signs], found[1]))
    noise = settling.noise(generator)
    with torch.no_grad():
        clamped = settling.clamp(network, batch.inputs)
    free = settling.free_phase(clamped, batch.start, noise)
    with torch.no_grad():
        chosen = [network.applied(phase) for phase in phases(free.state)] if callable(phases) else phases
    by_sign = dict(zip(signs, chosen, strict=True))
    ends = relax_from(network, clamped, free, settling, by_sign, displacement, noise, cost=cost, nudged=nudged)
    gradients = ends.gradients(network, factor)
    for name, value in direct_gradient(network, free.state, cost, batch).items():
        gradients[name] = gradients[name] + value
    return Estimate(gradients, ends.relaxations, Contrast(clamped._replace(network=network), *ends.states, factor))


class _Known(NamedTuple):
    """The last contrast of a network by one kernel: key, form, names of the phases, the plan, and the parameters without a gradient."""

    key: object
    form: tuple[object, ...]
    names: tuple[str, ...]
    planned: Planned
    parameters: tuple[Tensor, ...]


_KNOWN: WeakKeyDictionary[Network, _Known] = WeakKeyDictionary()


def contrast_again(network: Network, batch: Batch, key: object) -> Estimate | None:
    """Estimate a gradient as the last call of :func:`contrast` did for a network, if that was by one kernel.

    A plan is worked out once for batches of one form: for a batch of 32 samples it takes as long as their relaxation.

    Parameters
    ----------
    network, batch
        Network and samples.
    key : object
        Key of that call.

    Returns
    -------
    Estimate, optional
        None if the last contrast had another key or another form of batch, or if something is wrong with this one.
    """
    known = _KNOWN.get(network)
    if known is None or known.key != key or batch.start is not None or known.form != _form(network, batch):
        return None
    found = known.planned(network, batch)
    # Without the check of types, which looks at every gradient.
    return None if found is None else Estimate._make((found[0], Deferred(known.names, found[1]), None, None))


def _form(network: Network, batch: Batch) -> tuple[object, ...]:
    """Return all of a batch and of a network of layers that a plan depends on, and where the parameters lie.

    Memory that is held is not given to anyone else, so that equal addresses mean the same parameters; a matrix may have been transposed
    on it, which its strides tell.
    """
    inputs, labels = batch.inputs, batch.labels
    places = [(parameter.data_ptr(), parameter.stride()) for parameter in network._parameters.values() if parameter is not None]
    here = inputs.is_cpu, inputs.requires_grad, labels.is_cpu, labels.is_contiguous()
    layered = cast(Layered, network)
    energy = layered.activations, layered.energy_scale, layered.stiffness
    return (inputs.shape, inputs.dtype, labels.shape, labels.dtype, *here, *energy, places)


def _require_representable(strength: float, dtype: torch.dtype) -> None:
    limits = torch.finfo(dtype)
    if not limits.tiny <= strength <= limits.max:
        name = str(dtype).removeprefix("torch.")
        raise InputError(
            f"a strength or fraction of {strength:g} is {'0' if strength < 1 else 'infinite'} in {name}; use one nearer to 0.1, or float64"
        )
