"""Ways to take one update of a restricted Boltzmann machine by persistent contrastive divergence, to be timed beside each other."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from contrastive_core.generators import generator_of
from hebbian.boltzmann.chains import ChainPlan
from hebbian.boltzmann.learning import Learning
from hebbian.boltzmann.machine import BoltzmannMachine
from hebbian.boltzmann.training import MachinePlan, MachineSession, begin, train_epoch

RATE = 1e-6
"""Learning rate, so small that all cases keep the shares of ones over all repeats."""


def machine_of(visible: int, hidden: int, shares: tuple[float, float], dtype: torch.dtype, seed: int) -> BoltzmannMachine:
    """Return a machine with weak random weights, whose biases give the layers these shares of ones."""
    machine = BoltzmannMachine((visible, hidden), gain=0.001, generator=generator_of(seed, 0), dtype=dtype)
    with torch.no_grad():
        for index, share in enumerate(shares):
            machine.bias(index).fill_(float(torch.logit(torch.tensor(share))))
    return machine


def cases(
    visible: int, hidden: int, batch: int, shares: tuple[float, float], dtype: torch.dtype, seed: int
) -> dict[str, Callable[[], object]]:
    """Return each way to take an update, by name, with machines of their own of the same start.

    Parameters
    ----------
    visible, hidden : int
        Units of the layers.
    batch : int
        Samples of a batch, and chains.
    shares : tuple of float
        Shares of ones among the visible and among the hidden units.
    dtype : torch.dtype
        Dtype of the weights.
    seed : int
        Seed of weights and data.
    """
    data = (torch.rand((batch, visible), generator=generator_of(seed, 1)) < shares[0]).to(dtype)

    def built() -> BoltzmannMachine:
        return machine_of(visible, hidden, shares, dtype, seed)

    return {
        "eqlab": _own(built(), data, shares, True, seed),
        "eqlab-dense": _own(built(), data, shares, False, seed),
        "scikit-learn": _sklearn(built(), data, seed),
        "textbook-torch": _textbook(built(), data, seed),
        "dense-products": _products(built(), data, shares, seed),
    }


def _own(machine: BoltzmannMachine, data: Tensor, shares: tuple[float, float], sparse: bool, seed: int) -> Callable[[], object]:
    plan = MachinePlan(1, len(data), RATE, 1.0, 0.0, 0.0, Learning("pcd", ChainPlan(1, len(data))))
    biases = machine.bias(0).detach().clone()
    session: MachineSession = begin(machine, data, plan, seed)
    session.sparse = session.sparse and sparse
    with torch.no_grad():  # base rates of so small a batch would replace the shares
        machine.bias(0).copy_(biases)
    session.chains = session.chains._replace(state=_chains(data, machine.sizes[1], shares[1], seed))
    return lambda: train_epoch(session, data, plan)


def _chains(data: Tensor, hidden: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    drawn = torch.rand((len(data), hidden), generator=generator_of(seed, 2)) < share
    return data.clone(), drawn.to(data)


def _sklearn(machine: BoltzmannMachine, data: Tensor, seed: int) -> Callable[[], object]:
    import numpy as np
    from sklearn.neural_network import BernoulliRBM

    batch, values = len(data), data.numpy()
    model = BernoulliRBM(machine.sizes[1], learning_rate=RATE, batch_size=batch, n_iter=1, random_state=seed).fit(values)
    model.components_[...] = machine.weight(1).detach().T.numpy()
    model.intercept_hidden_[...], model.intercept_visible_[...] = (machine.bias(index).detach().numpy() for index in (1, 0))
    source = np.random.RandomState(seed)
    # fit draws new weights; this is the update that it takes for every batch.
    return lambda: model._fit(values, source)


def _textbook(machine: BoltzmannMachine, data: Tensor, seed: int) -> Callable[[], object]:
    weight, below, above = (parameter.detach().clone() for parameter in (machine.weight(1), machine.bias(0), machine.bias(1)))
    source, share = generator_of(seed, 3), RATE / len(data)
    state = [torch.bernoulli(torch.sigmoid(data @ weight + above), generator=source)]

    def update() -> None:
        at_data = torch.sigmoid(data @ weight + above)
        fantasy = torch.bernoulli(torch.sigmoid(state[0] @ weight.T + below), generator=source)
        means = torch.sigmoid(fantasy @ weight + above)
        state[0] = torch.bernoulli(means, generator=source)
        weight.add_(data.T @ at_data - fantasy.T @ means, alpha=share)
        below.add_((data - fantasy).sum(0), alpha=share)
        above.add_((at_data - means).sum(0), alpha=share)

    return update


def _products(machine: BoltzmannMachine, data: Tensor, shares: tuple[float, float], seed: int) -> Callable[[], object]:
    """Return the five products of an update alone: what no way that multiplies dense matrices goes below."""
    weight = machine.weight(1).detach()
    hidden = _chains(data, machine.sizes[1], shares[1], seed)[1]
    return lambda: (data @ weight, hidden @ weight.T, data @ weight, data.T @ hidden, data.T @ hidden)
