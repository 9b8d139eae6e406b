"""A relaxation of a fixed number of steps as a CUDA graph: the device runs all of its sweeps after one launch."""

from __future__ import annotations

from collections.abc import Callable

import torch

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.costs.labels import with_targets
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.errors import BackendError
from contrastive_core.network import Clamped
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.relaxation.relax import relax
from contrastive_core.types import State

Replay = Callable[[Clamped, State, Phase], Relaxation]
"""Relaxes a batch of the shape and kind that was captured."""

WARM_UP = 3
"""Relaxations before the capture: libraries set themselves up in the first ones, which a graph must not contain."""


def capture(clamped: Clamped, state: State, dynamics: Dynamics, budget: int, phase: Phase = None) -> Replay:
    """Capture a relaxation of the torch reference, which can be replayed for other inputs, states and labels.

    A relaxation of a fixed budget asks the device nothing, so that its steps can be recorded; one with a tolerance has to ask after
    each step whether to go on, and cannot. Parameters may be changed in place between replays, as optimisers do.

    Parameters
    ----------
    clamped, state, dynamics, phase
        Same as in :func:`contrastive_core.relaxation.relax.relax`, on a CUDA device.
    budget : int
        Number of steps, all of which are taken.

    Returns
    -------
    callable
        Takes a clamped batch, a state and a phase of the same shapes, network, cost and strength, and returns the relaxation.

    Raises
    ------
    BackendError
        If the tensors are not on a CUDA device, or the cost looks at more of a batch than targets.
    """
    if not clamped.drive.is_cuda:
        raise BackendError(
            f"only work on a CUDA device can be captured in a graph, and these tensors are on {clamped.drive.device}; "
            "move the network and the batch there, or use relax"
        )
    if isinstance(phase, Nudge) and phase.frozen is None and not phase.cost.one_hot:
        raise BackendError(f"{type(phase.cost).__name__} reads more of a batch than targets and cannot be captured in a graph; use relax")
    with torch.no_grad():
        own = [tensor.detach().clone() for tensor in _tensors(clamped, state, phase)]
        own_clamped, own_state, own_phase = _with_tensors(clamped, state, phase, own)

        def run() -> Relaxation:
            return relax(own_clamped, own_state, dynamics, Stop(None, budget), own_phase, backend="torch")

        # The warm-up must not run in the stream that is captured, and capture needs all of it to be over.
        side = torch.cuda.Stream(clamped.drive.device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = run()

    def replay(clamped: Clamped, state: State, phase: Phase = None) -> Relaxation:
        with torch.no_grad():
            for mine, given in zip(own, _tensors(clamped, state, phase), strict=True):
                mine.copy_(given)
            graph.replay()  # reads the tensors that were captured, into which the caller's were copied
            # Copies, because the next replay overwrites the captured results.
            certificate = (tensor.clone() for tensor in (result.steps, result.residual, result.status))
            return Relaxation(tuple(layer.clone() for layer in result.state), *certificate)

    return replay


def _tensors(clamped: Clamped, state: State, phase: Phase) -> list[torch.Tensor]:
    """Return all tensors that change from batch to batch."""
    ready = with_targets(phase, clamped, state)
    tensors = [clamped.inputs, clamped.drive, *state]
    if isinstance(ready, Hold):
        tensors.append(ready.output)
    elif isinstance(ready, Nudge):
        tensors.append(ready.batch.labels)
        if ready.frozen is not None:
            tensors.append(ready.frozen)
    return tensors


def _with_tensors(clamped: Clamped, state: State, phase: Phase, tensors: list[torch.Tensor]) -> tuple[Clamped, State, Phase]:
    """Put the tensors that ``_tensors`` returns into the places that it took them from."""
    (inputs, drive), layers, rest = tensors[:2], tuple(tensors[2 : 2 + len(state)]), tensors[2 + len(state) :]
    own = clamped._replace(inputs=inputs, drive=drive)
    if isinstance(phase, Hold):
        return own, layers, Hold(rest[0])
    if isinstance(phase, Nudge):
        return own, layers, phase._replace(batch=phase.batch._replace(labels=rest[0]), frozen=rest[1] if rest[1:] else None)
    return own, layers, None
