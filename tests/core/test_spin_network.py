"""The spin network as a network of the core: derivatives, descent, and storage as a contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from contrastive_core.certificate import Status, Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.errors import InputError, ShapeError
from contrastive_core.networks.spin import SpinNetwork
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Settling
from contrastive_core.types import Batch, State
from hebbian.coupled import CoupledLearning, Sides
from hebbian.patterns import draw_patterns
from hebbian.storage import hebb, remember

N = 60
DTYPE = torch.float64


@pytest.fixture
def patterns() -> np.ndarray:
    return draw_patterns(2, N, 0.2, seed=1)


@pytest.fixture
def network(patterns: Any) -> SpinNetwork:
    return SpinNetwork(N, torch.from_numpy(hebb(remember(patterns, 0.2))), dtype=DTYPE)


def random_state(seed: int, batch: int = 3) -> State:
    return (torch.randn(batch, N, generator=torch.Generator().manual_seed(seed), dtype=DTYPE),)


def test_force_and_gradient_are_those_of_autograd(network: Any) -> None:
    """Closed forms must be derivatives of the energy, or dynamics and rules disagree."""
    clamped = network.clamp(random_state(1)[0])
    state = (random_state(2)[0].requires_grad_(),)
    energies = network.energy(state, clamped)
    (autograd,) = torch.autograd.grad(energies.sum(), state, retain_graph=True)
    torch.testing.assert_close(network.force(state, clamped)[0], -autograd, atol=1e-12, rtol=0)
    named = dict(network.named_parameters())
    exact = torch.autograd.grad(energies.mean(), list(named.values()))
    found = network.energy_gradient(state, clamped)
    for name, value in zip(named, exact, strict=True):
        torch.testing.assert_close(found[name], value, atol=1e-12, rtol=0)
    contrast = network.energy_gradient(state, clamped, random_state(3))
    other = network.energy_gradient(random_state(3), clamped)
    torch.testing.assert_close(contrast["couplings"], found["couplings"] - other["couplings"], atol=1e-12, rtol=0)


def test_descent_lowers_the_energy_and_certifies_a_minimum(network: Any) -> None:
    """A state with status converged must not be lowered by any single flip."""
    clamped = network.clamp(torch.zeros(4, N, dtype=DTYPE))
    start = network.initial_state(clamped, torch.Generator().manual_seed(0))
    kept = start[0].clone()
    relaxation = relax(clamped, start, BlockDescent(), Stop(0.0, 100))
    assert torch.equal(start[0], kept)
    assert (relaxation.status == int(Status.CONVERGED)).all()
    spins = relaxation.state[0]
    assert (spins.abs() == 1).all()
    assert (network.energy(relaxation.state, clamped) < network.energy(start, clamped)).all()
    assert (spins * network.force(relaxation.state, clamped)[0] >= -1e-12).all()  # fields are sums of 60 terms of 1/60


def test_descent_retrieves_a_stored_pattern(network: Any, patterns: Any) -> None:
    """Recall at T = 0: from a corrupted cue to a state that has the pattern on all its entries."""
    cue = np.where(patterns[0] == 0, 1, patterns[0]).astype(float)
    cue[np.random.default_rng(0).choice(N, 8, replace=False)] *= -1
    clamped = network.clamp(torch.zeros(1, N, dtype=DTYPE))
    spins = relax(clamped, (torch.from_numpy(cue[None]),), BlockDescent(), Stop(0.0, 100)).state[0][0].detach().numpy()
    assert spins @ patterns[0] == np.count_nonzero(patterns[0])


def test_gradient_flow_ends_in_a_corner(network: Any, patterns: Any) -> None:
    """The energy is linear in each spin, so its minima are spins of -1 and 1; only a spin blank in all patterns may stay inside."""
    clamped = network.clamp(torch.zeros(2, N, dtype=DTYPE))
    relaxation = relax(clamped, random_state(4, 2), GradientFlow(0.5), Stop(1e-9, 2000))
    assert (relaxation.status == int(Status.CONVERGED)).all()
    used = torch.from_numpy((patterns != 0).any(0))
    spins = relaxation.state[0][:, used]
    torch.testing.assert_close(spins.abs(), torch.ones_like(spins), atol=1e-12, rtol=0)


def test_hebbian_storage_is_the_contrast_of_the_clamped_phase(patterns: Any) -> None:
    """Contrastive Hebbian learning on an empty network is Hebb's rule: its free phase is at rest and contributes nothing."""
    count = len(patterns)
    rule = CoupledLearning(SquaredError(), Settling(), 1.0, Sides.POSITIVE)
    batch = Batch(torch.zeros(count, N, dtype=DTYPE), torch.from_numpy(patterns.astype(float)))
    estimate = rule.estimate(SpinNetwork(N, dtype=DTYPE), batch)
    # J <- J - rate * dE/dJ with dE/dJ = -1/2 mean over patterns: a rate of 2 K/N gives the sum over patterns by N.
    stored = -2 * count / N * estimate.gradients["couplings"]
    torch.testing.assert_close(stored, torch.from_numpy(hebb(remember(patterns, 0.2))), atol=1e-15, rtol=0)


def test_only_the_symmetric_part_without_diagonal_acts(network: Any) -> None:
    """A rule that updates J unevenly must not break detailed balance."""
    clamped = network.clamp(torch.zeros(3, N, dtype=DTYPE))
    before = network.energy(random_state(5), clamped)
    with torch.no_grad():
        skew = torch.randn(N, N, generator=torch.Generator().manual_seed(1), dtype=DTYPE)
        network.couplings.add_(skew - skew.T + torch.diag(torch.ones(N, dtype=DTYPE)))
    torch.testing.assert_close(network.energy(random_state(5), clamped), before, atol=1e-11, rtol=0)


def test_a_batch_of_one_equals_its_row(network: Any) -> None:
    """Samples do not act on each other."""
    fields = random_state(6)[0]
    start = network.initial_state(network.clamp(fields), torch.Generator().manual_seed(2))
    whole = relax(network.clamp(fields), start, BlockDescent(), Stop(0.0, 50)).state[0]
    single = relax(network.clamp(fields[1:2]), (start[0][1:2],), BlockDescent(), Stop(0.0, 50)).state[0]
    assert torch.equal(whole[1:2], single)


def test_bad_input_is_refused() -> None:
    """One sentence that says what to change."""
    network = SpinNetwork(3)
    for wrong in (torch.zeros(2, 4), torch.zeros(3)):
        with pytest.raises(ShapeError, match="inputs must have shape"):
            network.clamp(wrong)
    with pytest.raises(InputError, match="NaN"):
        network.clamp(torch.full((1, 3), float("nan")))
    with pytest.raises(InputError, match="symmetric"):
        SpinNetwork(2, torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    with pytest.raises(ShapeError, match="couplings must have shape"):
        SpinNetwork(2, torch.zeros(3, 3))
    with pytest.raises(InputError, match="at least 1"):
        SpinNetwork(0)
