"""Networks, phases and comparisons on which kernels are tested against the reference."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.costs import COSTS
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.network import Clamped
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.relaxation.displace import displace_each
from contrastive_core.relaxation.relax import relax
from contrastive_core.types import Batch, State

ORDERS = ("forward", "backward", "even-odd", "odd-even")

# No hidden layer; one (the fused kernel), with outputs too wide for it and not a multiple of its unrolling, with whole vectors only, with
# vectors and units left over and more outputs than one pass takes; two and three.
SIZES = {
    "none": (6, 3),
    "one": (6, 9, 7),
    "wide": (6, 5, 67),
    "vector": (6, 112, 7),
    "classes": (6, 19, 13),
    "two": (6, 9, 8, 3),
    "three": (6, 7, 5, 4, 5),
}

PHASES = ("free", "held", "live", "frozen", "negative")

# Rounding of a few hundred operations on numbers of order one, with different orders of summation, carried through a contraction.
EQUAL = {torch.float64: 1e-12, torch.float32: 2e-5}


def build(
    sizes: tuple[int, ...],
    *,
    hidden: str = "hard-sigmoid",
    last: str = "linear",
    scale: float = 0.8,
    readout: int | None = None,
    dtype: torch.dtype = torch.float64,
    rows: int = 5,
    seed: int = 0,
) -> tuple[Layered, Clamped, State, Batch]:
    """Return a network with random biases, its clamped inputs, a random state and the batch."""
    generator = torch.Generator().manual_seed(seed)
    network = Layered(
        sizes, activation=ACTIVATIONS[hidden], output_activation=ACTIVATIONS[last], energy_scale=scale, readout=readout,
        gain=1.0, generator=generator, dtype=dtype,
    )  # fmt: skip
    for index in range(len(sizes) - 1):
        network.bias(index).data.uniform_(-0.3, 0.3, generator=generator)
    inputs = torch.rand(rows, sizes[0], generator=generator, dtype=dtype)
    labels = torch.randint(readout or sizes[-1], (rows,), generator=generator)
    with torch.no_grad():
        clamped = network.clamp(inputs)
        state = network.initial_state(clamped, generator)
    return network, clamped, tuple(layer.clone() for layer in state), Batch(inputs, labels)


def phase_of(name: str, cost: str, network: Layered, state: State, batch: Batch, scale: float = 0.8) -> Phase | None:
    """Return the phase of a name, with a nudge that is weaker the deeper the network is."""
    strength = 0.3 * scale ** len(network.sizes)
    if name == "free":
        return None
    if name == "held":
        return Hold(torch.rand(state[-1].shape, generator=torch.Generator().manual_seed(1), dtype=state[-1].dtype))
    output = network.output(state).detach()
    frozen = COSTS[cost]().gradient(output, batch) if name == "frozen" else None
    return Nudge(COSTS[cost](), batch, -strength if name == "negative" else strength, frozen)


def both(clamped: Clamped, state: State, dynamics: Dynamics, stop: Stop, phase: Phase | None) -> list[Relaxation]:
    """Relax by the reference and by the kernel."""
    with torch.no_grad():
        return [relax(clamped, state, dynamics, stop, phase, backend=backend) for backend in ("torch", "numba")]


def nudged_from_rest(
    clamped: Clamped, dynamics: BlockDescent, free: Stop, second: Stop, nudges: Sequence[Nudge], backend: str
) -> list[Relaxation]:
    """Relax the free phase from rest, and from its end nudges in difference coordinates."""
    first = relax(clamped, clamped.network.initial_state(clamped), dynamics, free, backend=backend)
    _, ends = displace_each(clamped, first.state, dynamics, second, nudges, backend=backend)
    return [first, *(relaxation for _, relaxation in ends)]


def amplification(clamped: Clamped, state: State, dynamics: Dynamics, stop: Stop, phase: Phase | None) -> float:
    """Return how many times the reference magnifies a small change of its start, at least 1: it does the same to rounding.

    A sweep that is no contraction makes more of each rounding than ``EQUAL`` allows for.
    """
    generator = torch.Generator().manual_seed(2)
    size = 1e-3  # small beside units of order one, large beside the rounding of float32
    shifts = [size * (2 * torch.rand(layer.shape, generator=generator, dtype=layer.dtype) - 1) for layer in state]
    moved = tuple(layer + shift for layer, shift in zip(state, shifts, strict=True))
    with torch.no_grad():
        ends = [relax(clamped, start, dynamics, stop, phase, backend="torch").state for start in (state, moved)]
    return max(1.0, *(float((one - other).abs().max()) / size for one, other in zip(*ends, strict=True)))


def assert_equal(reference: Relaxation, kernel: Relaxation, bound: float) -> None:
    """Compare two relaxations; ``bound`` is relative to the largest unit or residual."""
    for expected, found in zip(reference.state, kernel.state, strict=True):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert float((found - expected).abs().max()) <= bound * max(1.0, float(expected.abs().max()))
    assert float((kernel.residual - reference.residual).abs().max()) <= bound * max(1.0, float(reference.residual.max()))
    assert kernel.status.tolist() == reference.status.tolist()
    assert kernel.status.dtype == reference.status.dtype
    assert kernel.steps.dtype == reference.steps.dtype
