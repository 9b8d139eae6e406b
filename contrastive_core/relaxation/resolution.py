"""Resolution of a certificate: roundings of the state, below which no residual means anything."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Status, Stop
from contrastive_core.network import Clamped
from contrastive_core.per_sample import largest
from contrastive_core.types import State

_ROUNDINGS = 2
"""Roundings of the sum of all that acts on a unit within which its stationary value is known."""
_FAR = 128
"""Roundings of the state from which on a tolerance is far above them all, unless what acts on a unit is many times its value."""


def certified(relaxation: Relaxation, clamp: Callable[[], Clamped], stop: Stop) -> Relaxation:
    """Return a relaxation whose certificate claims no more than its precision and its energy allow.

    A sample whose tolerance is below the resolution of its state is not converged, however small its residual: steps that are lost in
    rounding have stopped, which is no equilibrium. Its residual is then the resolution. A state so large that its energy overflows has
    diverged: nothing holds it.

    Parameters
    ----------
    relaxation : Relaxation
        End of a phase.
    clamp : callable
        Function that returns the network that was relaxed, with its inputs held; called only where the tolerance is near the roundings.
    stop : Stop
        Tolerance and budget of the phase.
    """
    state, status, residual = relaxation.state, relaxation.status, relaxation.residual
    with torch.no_grad():
        limits = torch.finfo(residual.dtype)
        # The usual case, which one number of the whole batch tells. Without a tolerance nothing waits for a device.
        if (
            stop.tolerance is not None
            and (most := _largest_of_all(state)) <= limits.max**0.5
            and stop.tolerance >= _FAR * limits.eps * most
        ):
            return relaxation
        size = torch.stack([largest(layer) for layer in state]).amax(0)
        status = torch.where(size > limits.max**0.5, int(Status.DIVERGED), status)
        if stop.tolerance is not None and bool((stop.tolerance < _FAR * limits.eps * size).any()):
            finest = resolution(state, clamp())
            lost = (finest > stop.tolerance) & (status == int(Status.CONVERGED))
            status = torch.where(lost, int(Status.BUDGET), status)
            residual = torch.where(lost, torch.maximum(residual, finest), residual)
    return relaxation._replace(status=status.to(torch.int8), residual=residual)


def certified_displacement(relaxation: Relaxation, layers: State, stop: Stop) -> Relaxation:
    """Return a nudged relaxation whose certificate claims no more than the roundings of its displacements allow.

    Parameters
    ----------
    relaxation : Relaxation
        End of a nudged phase in difference coordinates.
    layers : State
        Displacements, of which the residual is the largest change.
    stop : Stop
        Tolerance and budget of the phase.
    """
    if stop.tolerance is None:
        return relaxation
    eps = torch.finfo(relaxation.residual.dtype).eps
    if stop.tolerance >= _ROUNDINGS * eps * _largest_of_all(layers):
        return relaxation
    finest = _ROUNDINGS * eps * torch.stack([largest(layer) for layer in layers]).amax(0)
    lost = (finest > stop.tolerance) & (relaxation.status == int(Status.CONVERGED))
    status = torch.where(lost, int(Status.BUDGET), relaxation.status).to(torch.int8)
    return relaxation._replace(status=status, residual=torch.where(lost, torch.maximum(relaxation.residual, finest), relaxation.residual))


def _largest_of_all(layers: State) -> float:
    """Return the largest absolute value of a batch; NaN if there is one."""
    return float(torch.stack([layer.detach().abs().amax() for layer in layers]).amax())


def resolution(state: State, clamped: Clamped) -> Tensor:
    """Return the change of a unit that rounding alone can cause or hide, the largest over each sample's units; shape (B,).

    Parameters
    ----------
    state : State
        State of the network.
    clamped : Clamped
        Network with its inputs held.
    """
    network, eps = clamped.network, torch.finfo(state[0].dtype).eps
    with torch.no_grad():
        acting = state if network.pieces.magnitudes is None else network.pieces.magnitudes(state, clamped)
        # A unit that its bounds hold has its value exactly, and does not follow what acts on it: a spin flips, or it does not.
        free = tuple(slope > 0 for slope in network.compliance(state))
        terms = [
            largest(torch.where(movable, torch.maximum(total, layer.abs()), 0.0))
            for movable, total, layer in zip(free, acting, state, strict=True)
        ]
        return _ROUNDINGS * eps * torch.stack(terms).nan_to_num(nan=torch.inf).amax(0)
