"""Updates that add the rows of ones only: the gradient of dense products, from the same draws."""

import numpy as np
import pytest
import torch

from contrastive_core.kernels.spins.counter_random import uniform
from hebbian.boltzmann import bits
from hebbian.boltzmann.chains import ChainPlan
from hebbian.boltzmann.learning import Learning
from hebbian.boltzmann.machine import BoltzmannMachine
from hebbian.boltzmann.training import MachinePlan, begin, train_epoch

VISIBLE, HIDDEN, SAMPLES = 90, 33, 13


def _machine(dtype: torch.dtype, hidden_bias: float = -2.0) -> BoltzmannMachine:
    machine = BoltzmannMachine((VISIBLE, HIDDEN), gain=0.5, generator=1, dtype=dtype)
    with torch.no_grad():
        machine.bias(0).fill_(-1.5)
        machine.bias(1).fill_(hidden_bias)
    return machine


def _batch(dtype: torch.dtype, share: float = 0.2) -> torch.Tensor:
    return (torch.rand((SAMPLES, VISIBLE), generator=torch.Generator().manual_seed(2)) < share).to(dtype)


def _drawn(means: torch.Tensor, seed: int, step: int) -> torch.Tensor:
    chances = uniform(seed, 0, step, np.arange(means.numel()).reshape(means.shape))
    return (torch.from_numpy(chances) < means).to(means.dtype)


@pytest.mark.parametrize("hidden_bias", [-2.0, 2.0], ids=["few hidden ones", "many hidden ones"])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-7)])
def test_sparse_phases_equal_dense_products_of_the_same_draws(dtype: torch.dtype, tolerance: float, kept: bool, hidden_bias: float) -> None:
    """Would fail if a one were left out of a sum, a chain not continued, or a draw correlated with another."""
    machine, visible, sweeps = _machine(dtype, hidden_bias), _batch(dtype), 3
    seed = int(torch.randint(2**63 - 1, (), generator=torch.Generator().manual_seed(3)))
    chains = (torch.zeros(7, VISIBLE, dtype=dtype), (torch.arange(7 * HIDDEN).reshape(7, HIDDEN) % 5 == 0).to(dtype)) if kept else None
    with torch.no_grad():
        found = bits.phases(machine, visible, chains, sweeps, torch.Generator().manual_seed(3))
        weight, below, above = machine.weight(1), machine.bias(0), machine.bias(1)
        at_data = torch.sigmoid(visible @ weight + above)
        hidden = _drawn(at_data, seed, 0) if chains is None else chains[1]
        for sweep in range(sweeps):
            state = _drawn(torch.sigmoid(hidden @ weight.T + below), seed, 2 * sweep + 1)
            means = torch.sigmoid(state @ weight + above)
            hidden = _drawn(means, seed, 2 * sweep + 2)
        gradient = machine.contrast((visible, at_data), (state, means))
        # Sums of up to 90 terms of order 1 in single precision, and means by a float32 exponential of relative error 2e-7.
        assert torch.equal(found.state[0], state)
        assert torch.equal(found.state[1], hidden)
        for name, parameter in machine.named_parameters():
            out = torch.ones_like(parameter)
            bits.add_contrast_(out, name, found, 0.5)
            torch.testing.assert_close(out, 1 + 0.5 * gradient[name], atol=max(tolerance, 3e-7), rtol=0)


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.01)])
@pytest.mark.parametrize("name", ["cd", "pcd"])
def test_sparse_training_learns_what_dense_training_learns(name: str, momentum: float, decay: float) -> None:
    """Would fail if momentum, decay or a sign differed between the two ways: draws differ, so that many samples are compared."""
    learned = []
    for sparse in (True, False):
        machine = _machine(torch.float64)
        data = _batch(torch.float64).repeat(80, 1)  # 1040 samples: the noise of a mean is below .5 / sqrt(1040) = .016
        plan = MachinePlan(2, len(data), 0.5, 1.0, momentum, decay, Learning(name, ChainPlan(2, len(data))))
        session = begin(machine, data, plan, 0)
        assert session.sparse
        session.sparse = sparse
        for _ in range(plan.epochs):
            train_epoch(session, data, plan)
            session.history.append({})
        learned.append(machine)
    start = _machine(torch.float64)
    difference = max(float((a - b).detach().abs().max()) for a, b in zip(*(machine.parameters() for machine in learned), strict=True))
    moved = float((learned[0].weight(1) - start.weight(1)).detach().abs().max())
    # Two updates of rate .5, up to 1.9 times with momentum: at most 2.9 * .5 * sqrt(2) * .016 = .033 standard errors, times 3.
    assert difference < 0.1
    assert moved > 2 * difference


@pytest.mark.parametrize(
    ("machine", "plan", "share"),
    [
        (BoltzmannMachine((VISIBLE, HIDDEN, 5)), MachinePlan(), 0.2),
        (BoltzmannMachine((VISIBLE, HIDDEN), visible="spin"), MachinePlan(), 0.2),
        (BoltzmannMachine((VISIBLE, HIDDEN), hidden="spin"), MachinePlan(), 0.2),
        (BoltzmannMachine((VISIBLE, HIDDEN)), MachinePlan(), 0.6),
        (BoltzmannMachine((VISIBLE, HIDDEN)), MachinePlan(learning=Learning("tempered")), 0.2),
    ],
)
def test_other_machines_keep_dense_products(machine: BoltzmannMachine, plan: MachinePlan, share: float) -> None:
    """Would fail if units of other values, or many ones, were counted as few bits."""
    assert not begin(machine, _batch(torch.float32, share), plan, 0).sparse


def test_grey_pixels_are_no_bits() -> None:
    """Would fail if means between 0 and 1 were rounded up to ones."""
    data = 0.5 * _batch(torch.float32)
    assert not begin(BoltzmannMachine((VISIBLE, HIDDEN)), data, MachinePlan(), 0).sparse
    assert begin(BoltzmannMachine((VISIBLE, HIDDEN)), data, MachinePlan(sampled=True), 0).sparse
