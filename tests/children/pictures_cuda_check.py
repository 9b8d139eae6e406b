"""Run in a process of its own, in numba's CUDA simulator: the kernels around convolutions against torch's functions."""

from __future__ import annotations

import torch

from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS
from contrastive_core.kernels.settling.pictures import host_cuda, pool_cpu
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.notation import convolutional
from contrastive_core.phases import Sides
from contrastive_core.relaxation import cached
from contrastive_core.rule import Settling
from contrastive_core.types import Batch
from eqprop.rule import EquilibriumPropagation


def pooling() -> None:
    """Windows with equal entries, rows and columns left over, NaN, both types."""
    source = torch.Generator().manual_seed(0)
    for size, shape in ((2, (3, 4, 5, 7)), (3, (1, 2, 6, 7))):
        for dtype in (torch.float32, torch.float64):
            z = torch.randint(-3, 3, shape, generator=source).to(dtype).contiguous(memory_format=torch.channels_last)
            z[0, 1, 0, 1] = float("nan")
            bias = torch.rand(shape[1], generator=source, dtype=dtype)
            for mine, theirs in zip(host_cuda.pooled(z, bias, size), pool_cpu.pooled(z, bias, size), strict=True):
                torch.testing.assert_close(mine, theirs, rtol=0, atol=0, equal_nan=True)
            above, route = pool_cpu.pooled(z.nan_to_num(), bias, size)
            mine, theirs = (side.unpooled(above, route, size, shape[2:]) for side in (host_cuda, pool_cpu))
            assert torch.equal(mine, theirs)
            assert mine.is_contiguous(memory_format=torch.channels_last)
    print("pooling")


def gradients() -> None:
    """A network whose links take the kernels of a device learns as on the CPU."""
    network = Layered(convolutional("3c3+1 p2 4c2 p2 3", (1, 6, 7)), dtype=torch.float64, energy_scale=0.5, gain=1.5)
    batch = Batch(torch.rand((2, 1, 6, 7), dtype=torch.float64, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 2]))
    rule = EquilibriumPropagation(COSTS["squared-error"](), Settling(free=Stop(None, 3), second=Stop(None, 2)), 0.1, Sides.CENTERED)
    expected = rule.estimate(network, batch).gradients
    taken: list[str] = []
    cached.place_of = lambda like: taken.append(like.device.type) or "cuda"  # type: ignore[assignment, func-returns-value]
    found = rule.estimate(network, batch).gradients
    assert taken
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-12, atol=1e-13)
    print("gradients")


pooling()
gradients()
