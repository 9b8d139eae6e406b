"""The kernel of circuits equals the reference."""

from __future__ import annotations

import math

import pytest
import torch
from circuits import SIZES, build
from systems import seeded

from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import BackendError
from contrastive_core.kernels.settling import ladder_cpu
from contrastive_core.phases import Hold, Nudge
from contrastive_core.relaxation.backends import Case, plan
from contrastive_core.relaxation.relax import relax
from contrastive_core.types import Batch
from eqprop.diodes import ShockleyDiode

SHOCKLEY = ShockleyDiode(1e-6, 0.05)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("sizes", [(4, 3), (4, 7, 3), SIZES, (3, 4, 5, 6, 2)])
def test_kernel_equals_the_reference(sizes: tuple[int, ...], dtype: torch.dtype) -> None:
    """The kernel is what trains; the reference is what is proven."""
    network, batch = build(sizes, dtype=dtype)
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        start = network.initial_state(clamped, seeded(1))
        strength = 0.3 * network.stiffness[-1]
        held = Hold(torch.rand(start[-1].shape, generator=seeded(2), dtype=dtype))
        frozen = Nudge(SquaredError(), batch, -strength, torch.ones_like(start[-1]))
        for phase in (None, Nudge(SquaredError(), batch, strength), frozen, held):
            for order in ("forward", "backward", "even-odd"):
                for stop in (Stop(None, 3), Stop(1e-4, 500)):
                    pair = [relax(clamped, start, BlockDescent(order), stop, phase, backend=b) for b in ("torch", "numba")]
                    # Rounding of sums of ten terms, over a contraction.
                    for one, other in zip(pair[0].state, pair[1].state, strict=True):
                        torch.testing.assert_close(one, other, rtol=0, atol=1e-12 if dtype == torch.float64 else 2e-5)
                    assert torch.equal(pair[0].status, pair[1].status)
                    if dtype == torch.float64:
                        assert torch.equal(pair[0].steps, pair[1].steps)
                        torch.testing.assert_close(pair[0].residual, pair[1].residual, rtol=0, atol=1e-12)


def test_a_second_call_of_the_kernel_never_compiles() -> None:
    """Phases, stops, starts, widths and numbers of samples are no types; a compilation would cost seconds each."""
    seen = []
    for hidden, rows in ((5, 4), (1, 1), (6, 2)):
        network, batch = build((4, hidden, 3))
        clamped, batch = network.clamp(batch.inputs[:rows]), Batch(batch.inputs[:rows], batch.labels[:rows])
        strength = 0.01 * network.stiffness[-1]
        for start in (network.initial_state(clamped), tuple(layer.T.contiguous().T for layer in network.initial_state(clamped, seeded(1)))):
            frozen = Nudge(SquaredError(), batch, -strength, torch.ones_like(start[-1]))
            for phase in (None, Hold(start[-1].clone()), frozen, Nudge(SquaredError(), batch, strength)):
                for stop in (Stop(None, 2), Stop(1e-3, 2)):
                    with torch.no_grad():
                        relax(clamped, start, BlockDescent(), stop, phase, backend="numba")
                    seen.append(len(ladder_cpu.settle_rows.signatures))
    assert seen[0] > 0
    assert seen[-1] == seen[0]


def test_kernel_reports_states_that_are_not_finite() -> None:
    """A diverged sample must not look settled, nor spoil the others."""
    network, batch = build()
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        drive = clamped.drive.clone()
        drive[1] = math.nan
        ended = relax(clamped._replace(drive=drive), network.initial_state(clamped), BlockDescent(), Stop(1e-6, 50), backend="numba")
    assert ended.status.tolist() == [0, 2, 0, 0]


def test_kernel_leaves_exponential_diodes_to_the_reference() -> None:
    """It would settle them as ideal ones."""
    network, batch = build(diode=SHOCKLEY)
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        state = network.initial_state(clamped)
        assert plan(Case(clamped.network, clamped.drive, BlockDescent(), [None], state)).backend == "torch"
        with pytest.raises(BackendError, match="quadratic energies in boxes, and this is a Resistive"):
            relax(clamped, state, BlockDescent(), Stop(), backend="numba")
