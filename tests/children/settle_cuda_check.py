"""Run in a process of its own, with numba's CUDA simulator: the CUDA kernel of settling against the torch reference."""

from __future__ import annotations

import itertools
import math
import random

import simulator
import torch
from kernel_cases import EQUAL, ORDERS, PHASES, SIZES, assert_equal, build, phase_of

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.costs import COSTS, SAMPLE_COSTS
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.settling.elements import launch_cuda
from contrastive_core.kernels.settling.elements.codes import has_code
from contrastive_core.network import Clamped
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.relaxation.displace import displace_each
from contrastive_core.relaxation.relax import relax, relax_each
from contrastive_core.types import State

simulator.prepare()
KNOWN = tuple(name for name in ACTIVATIONS if has_code(ACTIVATIONS[name]))
"""Activations that kernels know."""

THREADS = (4, 3, 16)
"""Fewer than units, so that a layer takes several rounds; a number that divides nothing; and more, so that sums are shared out."""


def both(clamped: Clamped, state: State, dynamics: Dynamics, stop: Stop, phase: Phase | None) -> list[Relaxation]:
    with torch.no_grad():
        return [relax(clamped, state, dynamics, stop, phase, backend=backend) for backend in ("torch", "cuda")]


def fixed_budget() -> None:
    """Every size and phase, with each order, cost, activation, type and number of threads several times among them."""
    circle = (itertools.cycle(values) for values in (ORDERS, SAMPLE_COSTS, KNOWN, KNOWN[::-1], EQUAL, THREADS))
    for (sizes, phase), order, cost, hidden, last, dtype, threads in zip(itertools.product(SIZES, PHASES), *circle, strict=False):
        launch_cuda.THREADS = threads
        network, clamped, state, batch = build(SIZES[sizes], hidden=hidden, last=last, dtype=dtype, rows=2)
        reference, kernel = both(clamped, state, BlockDescent(order), Stop(None, 3), phase_of(phase, cost, network, state, batch))
        assert_equal(reference, kernel, EQUAL[dtype])
        assert kernel.steps.tolist() == reference.steps.tolist()


def readout() -> None:
    """A cost behind a readout pulls the last layer through weights that the equilibrium does not have."""
    cases = itertools.product(("none", "one", "two"), SAMPLE_COSTS, ("live", "frozen"))
    for (sizes, cost, phase), hidden, dtype, threads in zip(
        cases, itertools.cycle(KNOWN), itertools.cycle(EQUAL), itertools.cycle(THREADS)
    ):
        launch_cuda.THREADS = threads
        network, clamped, state, batch = build(SIZES[sizes], hidden=hidden, readout=5, dtype=dtype, rows=2)
        reference, kernel = both(clamped, state, BlockDescent(), Stop(None, 3), phase_of(phase, cost, network, state, batch))
        assert_equal(reference, kernel, EQUAL[dtype])


def displacements() -> None:
    """Nudges of both signs in difference coordinates, from free states with units on their bounds and settled to any degree."""
    draw, pressed = random.Random(0).choice, 0
    for sizes, cost, frozen, outputs in itertools.product(("none", "one", "two", "three"), SAMPLE_COSTS, (False, True), (None, 5)):
        # Drawn, because circles would bring the same values together again and again.
        hidden, last, dtype, order = draw(KNOWN), draw(KNOWN), draw(tuple(EQUAL)), draw(ORDERS)
        launch_cuda.THREADS = draw(THREADS)
        network, clamped, state, batch = build(SIZES[sizes], hidden=hidden, last=last, readout=outputs, dtype=dtype, rows=2)
        lowered, dynamics, strength = COSTS[cost](), BlockDescent(order), 0.2 * network.stiffness[-1]
        with torch.no_grad():
            network.bias(0).mul_(3.0)  # so that more units rest on their bounds
            clamped = network.clamp(batch.inputs)
            free = relax(clamped, state, dynamics, Stop(None, 4), backend="torch").state
            force = lowered.gradient(network.output(free), batch) if frozen else None
            nudges = [Nudge(lowered, batch, sign * strength, force) for sign in (1, -1)]
            for stop in (Stop(None, 2), Stop(1e-2, 4)):
                (around, expected), (_, found) = (
                    displace_each(clamped, free, dynamics, stop, nudges, backend=backend) for backend in ("torch", "cuda")
                )
                if hidden == "hard-sigmoid":
                    pressed += int((around.drives[0] != free[0]).sum())
                for (reference, end), (kernel, relaxed) in zip(expected, found, strict=True):
                    assert relaxed.steps.tolist() == end.steps.tolist()
                    assert_equal(end, relaxed, 2 * EQUAL[dtype])
                    for one, other in zip(reference.layers, kernel.layers, strict=True):
                        assert float((one - other).abs().max()) <= 10 * EQUAL[dtype] * max(1.0, float(one.abs().max()))
    assert pressed > 10


def stopping() -> None:
    """Blocks stop one by one, where the reference stops their samples."""
    launch_cuda.THREADS = 4
    for sizes, phase in (("one", "free"), ("two", "live"), ("two", "held")):
        network, clamped, state, batch = build(SIZES[sizes], rows=5, scale=1.0)
        state = tuple(layer * torch.linspace(0, 1, 5, dtype=layer.dtype)[:, None] for layer in state)
        action = phase_of(phase, "squared-error", network, state, batch, scale=1.0)
        for tolerance, budget in ((1e-2, 12), (1e-1, 3)):
            reference, kernel = both(clamped, state, BlockDescent(), Stop(tolerance, budget), action)
            assert_equal(reference, kernel, EQUAL[torch.float64])
            assert kernel.steps.tolist() == reference.steps.tolist()
            if phase == "free" and budget == 12:
                assert len(set(kernel.steps.tolist())) > 1


def together() -> None:
    """Several phases from one start, on networks whose units are in shared or in global memory."""
    launch_cuda.THREADS = 4
    for sizes, cost, memory in (("one", "squared-error", 48 * 1024), ("three", "cross-entropy", 0), ("none", "cross-entropy", 48 * 1024)):
        launch_cuda.SHARED_BYTES = memory
        network, clamped, state, batch = build(SIZES[sizes], rows=3, hidden="logistic" if sizes == "three" else "hard-sigmoid")
        lowered = COSTS[cost]()
        phases = [Nudge(lowered, batch, sign * 0.2 * network.stiffness[-1]) for sign in (1, -1)]
        dynamics, second = BlockDescent("even-odd"), Stop(None, 2)
        mixed = [None, *phases, Hold(torch.full_like(state[-1], 0.5))]
        with torch.no_grad():
            expected = relax_each(clamped, state, dynamics, second, mixed, backend="torch")
            found = relax_each(clamped, state, dynamics, second, mixed, backend="cuda")
        for reference, kernel in zip(expected, found, strict=True):
            assert_equal(reference, kernel, EQUAL[torch.float64])
            assert kernel.steps.tolist() == reference.steps.tolist()
    launch_cuda.SHARED_BYTES = 48 * 1024


def divergence() -> None:
    """A NaN or an infinity in one sample is a status there, and no other sample notices."""
    launch_cuda.THREADS = 4
    for poison, tolerance, order in ((math.nan, 1e-6, "forward"), (math.inf, None, "backward"), (math.nan, None, "backward")):
        _, clamped, state, _ = build(SIZES["one"], rows=3)
        state[-1][1, 0] = poison
        reference, kernel = both(clamped, state, BlockDescent(order), Stop(tolerance, 4), None)
        assert kernel.status.tolist() == reference.status.tolist()
        assert kernel.steps.tolist() == reference.steps.tolist()
        for expected, found in zip(reference.state, kernel.state, strict=True):
            assert torch.allclose(expected, found, rtol=1e-12, atol=1e-12, equal_nan=True)


def inputs_stay() -> None:
    """Nothing that a caller owns is written to, and what is returned is the caller's."""
    network, clamped, state, _ = build(SIZES["two"], rows=2)
    tensors = [clamped.drive, *state, *network.parameters()]
    before = [tensor.detach().clone() for tensor in tensors]
    with torch.no_grad():
        first = relax(clamped, state, BlockDescent(), Stop(None, 2), backend="cuda")
        kept = [layer.clone() for layer in first.state]
        second = relax(clamped, state, BlockDescent(), Stop(None, 2), backend="cuda")
        for layer in second.state:
            layer.fill_(7.0)
    assert all(torch.equal(old, new) for old, new in zip(before, tensors, strict=True))
    assert all(torch.equal(old, new) for old, new in zip(kept, first.state, strict=True))


for check in (fixed_budget, readout, displacements, stopping, together, divergence, inputs_stay):
    check()
    print(check.__name__, flush=True)
