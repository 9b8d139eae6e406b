"""Faster ways to compute what ``Dynamics.step`` defines, for the cases that they cover.

:mod:`contrastive_core.relaxation.backends` decides which kernel does a case. ``numba`` is imported in this package only, when a
kernel runs.
"""

from __future__ import annotations

from typing import Any

from contrastive_core.registry import Table

BACKENDS: Table[Any] = Table(
    "backend",
    {"numba": "contrastive_core.kernels.settling.route_cpu:settle", "cuda": "contrastive_core.kernels.settling.route_cuda:settle"},
)
"""Each relaxes checked phases that it can do from one start, as the reference would."""

FROM_REST: Table[Any] = Table(
    "backend",
    {
        "numba": "contrastive_core.kernels.settling.route_cpu:settle_from_rest",
        "cuda": "contrastive_core.kernels.settling.route_cuda:settle_from_rest",
    },
)
"""Each relaxes a free phase and those that follow it in one go, or returns None where it has no such kernel."""

PLACES: Table[Any] = Table(
    "backend", {"numba": "contrastive_core.kernels.availability:CPU", "cuda": "contrastive_core.kernels.availability:CUDA"}
)
"""Where each computes, and what it needs to have there."""

CONTRASTS: Table[Any] = Table(
    "backend",
    {
        "numba": "contrastive_core.kernels.settling.route_gradient:contrast_from_rest",
        "cuda": "contrastive_core.kernels.settling.route_gradient:on_cuda",
    },
)
"""Each does that and contrasts the later phases into a gradient, or returns None where it has no such kernel or something is wrong."""

BACKEND_NAMES = ("auto", "torch", *BACKENDS)
"""Every name that ``backend=`` takes."""
