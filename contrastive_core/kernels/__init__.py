"""The backends beside the torch reference, by name; adding one is its files and one line here.

The torch code of ``Dynamics.step`` is the definition; a kernel here computes the same thing faster, for the cases it knows, and
:mod:`contrastive_core.relaxation.backends` says which those are. ``numba`` is imported in this package only, when a kernel runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.certificate import Relaxation, Stop
    from contrastive_core.dynamics.base import Dynamics
    from contrastive_core.kernels.availability import Place
    from contrastive_core.kernels.settling.request import Contrasted, FromRest
    from contrastive_core.network import Clamped, Network
    from contrastive_core.phases import Phase
    from contrastive_core.types import Batch, State

    Settle = Callable[[Clamped, State, Dynamics, Stop, Sequence[Phase]], list[Relaxation]]
    SettleFromRest = Callable[[Clamped, Dynamics, Stop, Stop, Sequence[Phase]], list[Relaxation] | None]
    Contrast = Callable[[Network, Batch, FromRest], Contrasted | None]

BACKENDS: Table[Settle] = Table(
    "backend",
    {"numba": "contrastive_core.kernels.settling.route_cpu:settle", "cuda": "contrastive_core.kernels.settling.route_cuda:settle"},
)
"""Each relaxes checked phases that it can do from one start, as the reference would."""

FROM_REST: Table[SettleFromRest] = Table(
    "backend",
    {
        "numba": "contrastive_core.kernels.settling.route_cpu:settle_from_rest",
        "cuda": "contrastive_core.kernels.settling.route_cuda:settle_from_rest",
    },
)
"""Each relaxes a free phase and those that follow it in one go, or returns None where it has no such kernel."""

PLACES: Table[Place] = Table(
    "backend", {"numba": "contrastive_core.kernels.availability:CPU", "cuda": "contrastive_core.kernels.availability:CUDA"}
)
"""Where each computes, and what it needs to have there."""

CONTRASTS: Table[Contrast] = Table(
    "backend",
    {
        "numba": "contrastive_core.kernels.settling.route_gradient:contrast_from_rest",
        "cuda": "contrastive_core.kernels.settling.route_gradient:on_cuda",
    },
)
"""Each does that and contrasts the later phases into a gradient, or returns None where it has no such kernel or something is wrong."""

BACKEND_NAMES = ("auto", "torch", *BACKENDS)
"""Every name that ``backend=`` takes."""
