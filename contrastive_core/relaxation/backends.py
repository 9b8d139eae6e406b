"""What each backend can do, and how ``auto`` chooses.

The rule of ``auto``, for one relaxation: the kernels of the memory that the tensors are in, numba on the CPU and cuda on a CUDA device,
wherever they can do the case, the torch reference everywhere else. They can do block descent of layered networks in float32 or float64,
where no autograd graph is wanted, for every activation, with the outputs free, held, or nudged by squared error, cross-entropy or any
frozen nudge; numba also that of any other network that is a :class:`~contrastive_core.network.Ladder`, with the same but cross-entropy. On
the machines it was measured on (``eqlab bench settle``) numba lost to the reference at none of the benchmark's sizes, so that size is not
part of the rule. On a CUDA device nothing has been measured yet. A dynamics may bring a kernel of its own
(:attr:`~contrastive_core.dynamics.base.Dynamics.compiled`), which counts as numba's.

This module does not import numba; a backend is imported when it is first used.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import BackendError
from contrastive_core.kernels import BACKEND_NAMES, BACKENDS, PLACES
from contrastive_core.kernels.settling.elements.output_phase import KNOWN_COSTS, fused_depth
from contrastive_core.network import Clamped
from contrastive_core.networks.activation import Clipped, Logistic, Tanh
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge, Phase
from contrastive_core.types import State

KNOWN_ACTIVATIONS = (Clipped, Tanh, Logistic)


def obstacle(clamped: Clamped, state: State, dynamics: Dynamics, phase: Phase) -> str | None:
    """Find out why no kernel can do a case, wherever its tensors are.

    Parameters
    ----------
    clamped, state, dynamics, phase
        As in :func:`contrastive_core.relaxation.relax.relax`.

    Returns
    -------
    str or None
        The end of a sentence; None if they can.
    """
    if dynamics.compiled is None:
        reason = _other_than_block_descent(clamped, dynamics, phase)
    else:
        reason = None if clamped.drive.is_cpu else f"{type(dynamics).__name__} has a kernel on the CPU only"
    if reason is not None:
        return reason
    tensors = (clamped.drive, *state)  # the drive has the dtype and the place of the parameters
    dtype = clamped.drive.dtype
    if dtype not in (torch.float32, torch.float64) or any(layer.dtype != dtype for layer in state):
        return "it works in float32 or float64, one for all tensors"
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (*tensors, *clamped.network.parameters())):
        return "it leaves no autograd graph; settle under torch.no_grad()"
    return None


def _other_than_block_descent(clamped: Clamped, dynamics: Dynamics, phase: Phase) -> str | None:
    """Say what the kernels of block descent cannot do about a case."""
    network = clamped.network
    live = phase.cost if isinstance(phase, Nudge) and phase.frozen is None else None
    if type(dynamics) is not BlockDescent:
        return f"it does block descent, not {type(dynamics).__name__}"
    if dynamics.over_relaxation != 1 and not (type(network) is Layered and fused_depth(network) > 1 and network.output_is_last_layer):
        return "it over-relaxes Layered networks with several hidden layers of units with bounds, and without a readout, only"
    if type(network) is Layered:
        costs = KNOWN_COSTS
        if any(type(activation) not in KNOWN_ACTIVATIONS for activation in network.activations):
            return "it knows the built-in activations only"
    elif network.pieces.ladder is not None:
        costs = (SquaredError,)
        if not clamped.drive.is_cpu:
            return f"a {type(network).__name__} has a kernel on the CPU only"
    else:
        return f"it settles Layered networks and quadratic energies in boxes, and this is a {type(network).__name__} that is neither"
    if live is not None and type(live) not in costs:
        return f"it knows the nudges of {', '.join(kind.__name__ for kind in costs)}, and any frozen one, not {type(live).__name__}"
    return None


def choose(backend: str, clamped: Clamped, state: State, dynamics: Dynamics, phases: Sequence[Phase]) -> str:
    """Choose the backend that the phases of a relaxation are done with.

    Parameters
    ----------
    backend : str
        One of ``BACKEND_NAMES``.
    clamped, state, dynamics, phases
        As in :func:`contrastive_core.relaxation.relax.relax_each`.

    Returns
    -------
    str
        A name in ``BACKENDS``, or "torch" for the reference.

    Raises
    ------
    BackendError
        If the backend does not exist, or is named and cannot do the case.
    """
    if backend not in BACKEND_NAMES:
        raise BackendError(f"unknown backend {backend!r}; choose one of: {', '.join(BACKEND_NAMES)}")
    if backend == "torch":
        return backend
    reason = next((reason for phase in phases if (reason := obstacle(clamped, state, dynamics, phase))), None)
    able = () if reason else BACKENDS
    fit = (name for name in able if not _elsewhere(name, clamped, state, dynamics) and not PLACES[name].missing())
    if backend == "auto":
        return next(fit, "torch")
    reason = PLACES[backend].missing() or _elsewhere(backend, clamped, state, dynamics) or reason
    if reason is None:
        return backend
    here = ", ".join(["torch", *fit])
    raise BackendError(
        f"backend {backend!r} cannot do this: {reason}. What works here: {here}. Use backend='torch', or 'auto' to let the case decide"
    )


def _elsewhere(backend: str, clamped: Clamped, state: State, dynamics: Dynamics) -> str | None:
    """Say what a backend cannot do that others can: in which memory it works, if the tensors are in another, and over-relaxation."""
    if backend == "cuda" and isinstance(dynamics, BlockDescent) and dynamics.over_relaxation != 1:
        return "it does not over-relax"
    memory, found = PLACES[backend].memory(), {tensor.device.type for tensor in (clamped.drive, *state)}
    if found == {memory}:
        return None
    return f"it works on tensors in the memory of {memory}, and these are on {' and '.join(sorted(found))}"
