"""Faster ways to compute what ``Dynamics.step`` defines, for the cases that they cover.

:func:`contrastive_core.relaxation.backends.plan` decides which kernel does a case; adding one is its file, one line here and its case
there. ``numba`` is imported in this package only, when a kernel runs.
"""

from __future__ import annotations

from typing import Any

from contrastive_core.registry import Table

PLACES: Table[Any] = Table(
    "backend", {"numba": "contrastive_core.kernels.availability:CPU", "cuda": "contrastive_core.kernels.availability:CUDA"}
)
"""Backends beside the torch reference: where each computes, and what it needs to have there."""

SETTLING: Table[Any] = Table(
    "kernel",
    {
        "numba one-hidden": "contrastive_core.kernels.settling.one_hidden.host_cpu:settle_pair",
        "numba deep": "contrastive_core.kernels.settling.any_depth.host_cpu:settle_deep",
        "numba any-depth": "contrastive_core.kernels.settling.any_depth.host_cpu:settle_blocks",
        "numba ladder": "contrastive_core.kernels.settling.ladder_cpu:settle_ladder",
        "cuda any-depth": "contrastive_core.kernels.settling.any_depth.host_cuda:settle_blocks",
    },
)
"""Kernels that relax one phase per strength of an action, by backend and kind."""

DISPLACING: Table[Any] = Table(
    "kernel",
    {
        "numba one-hidden": "contrastive_core.kernels.settling.one_hidden.host_cpu:displace_pair",
        "numba deep": "contrastive_core.kernels.settling.any_depth.host_cpu:displace_deep",
        "numba any-depth": "contrastive_core.kernels.settling.any_depth.host_cpu:displace_blocks",
        "cuda any-depth": "contrastive_core.kernels.settling.any_depth.host_cuda:displace_blocks",
    },
)
"""Kernels that relax one nudge per strength of an action in displacements from a free state."""

CONTRASTING: Table[Any] = Table(
    "kernel",
    {
        "numba one-hidden": "contrastive_core.kernels.settling.one_hidden.host_cpu:PairEstimate",
        "numba deep": "contrastive_core.kernels.settling.any_depth.contrast_cpu:DeepEstimate",
    },
)
"""Kernels that relax from rest and contrast the phases into a gradient: made of a request once, and called for every batch."""

PICTURES: Table[Any] = Table(
    "kernel",
    {
        "cpu pooled": "contrastive_core.kernels.settling.pictures.pool_cpu:pooled",
        "cpu unpooled": "contrastive_core.kernels.settling.pictures.pool_cpu:unpooled",
        "cpu moved": "contrastive_core.kernels.settling.pictures.units_cpu:moved",
        "cuda pooled": "contrastive_core.kernels.settling.pictures.host_cuda:pooled",
        "cuda unpooled": "contrastive_core.kernels.settling.pictures.host_cuda:unpooled",
    },
)
"""Elementwise steps around convolutions, by type of device and name."""

CACHED = "cached"
"""Backend of networks with convolutions: steps of the reference in which nothing is convolved twice."""

BACKEND_NAMES = ("auto", "torch", CACHED, *PLACES)
"""Names that ``backend=`` takes."""
