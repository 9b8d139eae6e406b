"""The one place that decides what relaxes a case: a kernel or, with the reason, the torch reference.

The rule of ``auto``, for one case: the kernels of the memory that the tensors are in, numba on the CPU and cuda on a CUDA device,
if they can do the case, else the torch reference. They can do block descent of dense layered networks in float32 or float64 for every
built-in activation, with the outputs free, held, or nudged by squared error, cross-entropy or any frozen nudge, if no autograd graph is
wanted and the nudge is not so small that displacements would lose digits; numba also that of any other network that is a
:class:`~contrastive_core.network.Ladder`, without cross-entropy. On the machines it was measured on (``eqlab bench settle``) numba lost
to the reference at none of the benchmark's sizes, so that size is not part of the rule. On a CUDA device nothing has been measured yet.
A dynamics may bring compiled steps of its own (:attr:`~contrastive_core.dynamics.base.Dynamics.compiled`), which count as numba's.
Block descent of networks with convolutions takes the steps of the reference in a network that keeps what it has convolved
(:mod:`contrastive_core.relaxation.cached`), wherever its tensors are.

This module does not import numba; a kernel is imported when it is first used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import BackendError
from contrastive_core.kernels import BACKEND_NAMES, CACHED, PLACES
from contrastive_core.kernels.settling.elements.codes import has_code
from contrastive_core.kernels.settling.elements.output_phase import KNOWN_COSTS, are_alike, fused_depth
from contrastive_core.network import Clamped, Network
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge, Phase
from contrastive_core.relaxation.cached import cached, cached_clamped, is_convolutional
from contrastive_core.types import State

STEPS = "steps"
"""Kind of a route without a kernel: the steps of the dynamics, one by one."""

FLOATS = (torch.float32, torch.float64)


class Case(NamedTuple):
    """Phases to relax, as far as the choice of a kernel depends on them.

    Attributes
    ----------
    network : Network
        Network that relaxes.
    given : Tensor
        Drive of its first layer or, if a gradient is wanted, its inputs.
    dynamics : Dynamics
        Dynamics of the first phase.
    phases : sequence of Nudge, Hold or None
        Nudges and holds, one for each phase; from rest, for each after the free one.
    state : State, optional
        Start of every phase; None if the phases are to be contrasted, which begins with a free phase from rest.
    labels : Tensor, optional
        Labels of the batch if the phases are to be contrasted into a gradient in the same call.
    displaced : bool
        Whether the phases relax in displacements from the state; always so if they are contrasted.
    """

    network: Network
    given: Tensor
    dynamics: Dynamics
    phases: Sequence[Phase]
    state: State | None = None
    labels: Tensor | None = None
    displaced: bool = False


class Route(NamedTuple):
    """Choice of what relaxes a case.

    Attributes
    ----------
    backend : str
        "torch" for the reference, or the backend whose kernel or compiled steps do it.
    kind : str
        Kind of the kernel, or STEPS.
    reason : str
        Reason why no kernel does it, as the end of a sentence; empty if one does.
    """

    backend: str
    kind: str
    reason: str

    @property
    def kernel(self) -> str:
        """Name of the kernel in the tables of :mod:`contrastive_core.kernels`."""
        return f"{self.backend} {self.kind}"


def plan(case: Case, backend: str = "auto") -> Route:
    """Choose what relaxes a case.

    Parameters
    ----------
    case : Case
        Case to be relaxed.
    backend : str
        One of ``BACKEND_NAMES``.

    Returns
    -------
    Route
        A kernel, or the reference with the reason why the backend has none.

    Raises
    ------
    BackendError
        If the backend does not exist.
    """
    if backend == "torch":
        return Route(backend, STEPS, "the torch reference was asked for")
    if backend not in BACKEND_NAMES:
        raise BackendError(f"unknown backend {backend!r}; choose one of: {', '.join(BACKEND_NAMES)}")
    if backend == CACHED or (backend == "auto" and is_convolutional(case.network)):
        reason = _against_cache(case)
        return Route("torch", STEPS, reason) if reason else Route(CACHED, STEPS, "")
    name = ("cuda" if case.given.is_cuda else "numba") if backend == "auto" else backend
    # One backend is asked, by memory: asking cuda wakes a driver, which a user of the CPU should not wait for.
    place = PLACES[name]
    reason = place.missing() or _elsewhere(place.memory(), case)
    kind = STEPS
    if not reason:
        kind, reason = _kind(name, case)
    return Route("torch", STEPS, reason) if reason else Route(name, kind, "")


def required(case: Case, backend: str) -> Route:
    """Choose what relaxes a case as :func:`plan` does, but refuse a case that a named backend cannot do.

    Raises
    ------
    BackendError
        If the backend does not exist, or is named and cannot do the case.
    """
    route = plan(case, backend)
    if backend in BACKEND_NAMES[2:] and route.backend != backend:
        here = ", ".join(["torch", *(name for name in BACKEND_NAMES[2:] if plan(case, name).backend == name)])
        raise BackendError(
            f"backend {backend!r} cannot do this: {route.reason}. What works here: {here}. "
            "Use backend='torch', or 'auto' to let the case decide"
        )
    return route


def clamped_for_all(network: Network, inputs: Tensor, dynamics: Dynamics, backend: str) -> Clamped:
    """Hold the inputs for all phases of a batch, so that what one phase has convolved serves the others where a plan allows it.

    Parameters
    ----------
    network : Network
        Network of the phases.
    inputs : Tensor
        Inputs of the batch.
    dynamics, backend
        Dynamics and backend of the phases.
    """
    if is_convolutional(network) and plan(Case(network, inputs, dynamics, (None,)), backend).backend == CACHED:
        network = cached(cast(Layered, network))
    return network.clamp(inputs)


def clamped_for(route: Route, clamped: Clamped) -> Clamped:
    """Return the network with its inputs held in which a route without a kernel takes its steps."""
    return cached_clamped(clamped) if route.backend == CACHED else clamped


def has_minimum(network: Network, phase: Phase) -> bool:
    """Whether the energy surely keeps its minimum under a phase, as far as the cost says how curved it is.

    A frozen nudge adds no curvature, a live one at most the steepest of the cost at the outputs. Costs that know no bound are judged
    where they have led, by :func:`contrastive_core.relaxation.convexity.certified_convex`.
    """
    if not isinstance(phase, Nudge) or phase.frozen is not None or math.isinf(phase.cost.steepest):
        return True
    return network.has_minimum(phase.strength * phase.cost.steepest)


def _against_cache(case: Case) -> str:
    """Say why a case cannot keep what it convolves."""
    if not is_convolutional(case.network):
        return "it is for layered networks with convolutions"
    if type(case.dynamics) is not BlockDescent:
        return f"it does block descent, not {type(case.dynamics).__name__}"
    return _against_relaxation(case, ())


def _elsewhere(memory: str, case: Case) -> str:
    """Say in which memory a backend works, if the tensors are in another."""
    tensors = (case.given, *(case.state or ())) if case.labels is None else (case.given, case.labels)
    if memory == "cpu" and all(tensor.is_cpu for tensor in tensors):
        return ""  # the common case, asked in every batch: names of devices are made anew at each question
    for tensor in tensors:
        if tensor.device.type != memory:
            found = sorted({tensor.device.type for tensor in tensors})
            return f"it works on tensors in the memory of {memory}, and these are on {' and '.join(found)}"
    return ""


def _kind(backend: str, case: Case) -> tuple[str, str]:
    """Return the kind of kernel that does a case, and what is against it, as the end of a sentence; empty if nothing is."""
    network, dynamics = case.network, case.dynamics
    # Exact types: a subclass may override what the kernels have compiled in.
    costs, cpu_only = KNOWN_COSTS, ""
    if type(dynamics) is not BlockDescent:
        if dynamics.compiled is None:
            return STEPS, f"it does block descent, not {type(dynamics).__name__}"
        # Its compiled steps take whatever phase the dynamics takes.
        kind, costs, cpu_only = STEPS, (), f"{type(dynamics).__name__} has a kernel"
    elif type(network) is Layered and network.is_dense:
        if any(not has_code(activation) for activation in network.activations):
            return STEPS, "it knows the built-in activations only"
        kind = _layered_kind(backend, network, case)
        if dynamics.over_relaxation != 1 and kind != "deep":
            limits = "Layered networks with several hidden layers of units with bounds, and without a readout, only"
            return kind, f"it over-relaxes {limits}" if backend == "numba" else "it does not over-relax"
        if lost := _without_digits(network, case):
            return kind, lost
    elif network.pieces.ladder is not None:
        kind, costs, cpu_only = "ladder", (SquaredError,), f"a {type(network).__name__} has a kernel"
    else:
        kind = "network of filters, residual edges or memories" if isinstance(network, Layered) else type(network).__name__
        return STEPS, f"it settles dense layered networks and quadratic energies in boxes, and this is a {kind} that is neither"
    if cpu_only and backend != "numba":
        return kind, f"{cpu_only} on the CPU only"
    if case.labels is not None:
        if backend == "cuda":
            return kind, "its kernels relax phases, and contrast none"
        return kind, _against_gradient(kind, case, case.labels)
    return kind, _against_relaxation(case, costs)


def _without_digits(network: Layered, case: Case) -> str:
    """Say whether displacements of a nudge would have no digits in a kernel, which holds them unscaled."""
    if not case.displaced and case.labels is None:
        return ""
    limits = torch.finfo(case.given.dtype)
    for phase in case.phases:
        # A displacement of a rounding of the largest has all its digits too, as long as it is above the smallest normal number.
        if isinstance(phase, Nudge) and min(abs(phase.strength), network.stiffness[-1]) * limits.eps < limits.tiny:
            name = str(case.given.dtype).removeprefix("torch.")
            return f"it holds displacements unscaled, and those of a nudge of {abs(phase.strength):.1g} have too few digits in {name}"
    return ""


def _layered_kind(backend: str, network: Layered, case: Case) -> str:
    """Return the kind of kernel for a layered network."""
    depth = fused_depth(network)
    # On a device one kernel relaxes all depths.
    if depth == 0 or backend == "cuda":
        return "any-depth"
    if not network.output_is_last_layer:
        for phase in case.phases:
            if isinstance(phase, Nudge) and phase.frozen is None:  # its pull goes through the readout, and follows the units
                return "any-depth"
    return "one-hidden" if depth == 1 else "deep"


def _against_relaxation(case: Case, costs: tuple[type, ...]) -> str:
    """Say why kernels that know some costs, or steps that know all, cannot relax a case."""
    if costs:
        for phase in case.phases:
            if isinstance(phase, Nudge) and phase.frozen is None and type(phase.cost) not in costs:
                known = ", ".join(kind.__name__ for kind in costs)
                return f"it knows the nudges of {known}, and any frozen one, not {type(phase.cost).__name__}"
    tensors = (case.given, *(case.state or ()))  # the drive has the dtype and the place of the parameters
    if case.given.dtype not in FLOATS or any(tensor.dtype != case.given.dtype for tensor in tensors):
        return "it works in float32 or float64, one for all tensors"
    # Asked last: walking over the parameters takes longest.
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (*tensors, *case.network.parameters())):
        return "it leaves no autograd graph; settle under torch.no_grad()"
    return ""


def _against_gradient(kind: str, case: Case, labels: Tensor) -> str:
    """Say why a case cannot be contrasted in the call that relaxes it; asked once per batch, so that loops stand for generators."""
    network, inputs, shape = cast(Layered, case.network), case.given, labels.shape
    if kind not in ("one-hidden", "deep"):
        return "it contrasts networks with hidden layers of units with bounds and few outputs, without a readout"
    if not network.output_is_last_layer or not case.phases or not are_alike(case.phases):
        return "it contrasts nudges of the output units that differ in strength only"
    for phase in case.phases:
        if not isinstance(phase, Nudge) or phase.frozen is not None or type(phase.cost) not in KNOWN_COSTS:
            return "it contrasts live nudges by a known cost"
        if not has_minimum(network, phase):
            return "the energy has no minimum at this nudging strength"
    bias = network.bias(0)  # stands for all parameters; walking over them takes longer than the plan
    if inputs.dtype != bias.dtype or bias.dtype not in FLOATS or labels.dtype != torch.int64 or bias.is_cpu != inputs.is_cpu:
        return "it works in float32 or float64, one for all tensors in one memory, with classes of int64"
    if len(shape) != 1 or shape[0] == 0 or inputs.shape != (shape[0], network.num_inputs) or not labels.is_contiguous():
        return "it takes a row of inputs and a class for every sample"
    return "it leaves no autograd graph; detach the inputs" if inputs.requires_grad else ""
