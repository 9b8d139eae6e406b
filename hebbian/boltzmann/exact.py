"""Sums over all states of small machines: log Z, likelihood, its gradient, and the law of the Gibbs chain."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.types import Gradients, State
from hebbian.boltzmann.machine import BoltzmannMachine
from hebbian.boltzmann.marginals import log_weight, of_visible
from hebbian.boltzmann.units import Unit

LARGEST = 25
"""Number of units of which all states are enumerated at most: 2^25 states take seconds, and each further unit doubles them."""
_TOGETHER = 2**14
"""States that are held in memory together."""


def enumerated_units(machine: BoltzmannMachine) -> int:
    """Return the number of units that log Z is enumerated over: the smaller half of the layers, or all with lateral couplings."""
    return sum(machine.sizes[index] for index in _summed(machine))


def can_enumerate(machine: BoltzmannMachine, most: int = LARGEST) -> bool:
    """Whether log Z is computed exactly: few discrete units have to be enumerated."""
    return enumerated_units(machine) <= most


def states(units: Unit, count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return all states of some discrete units, of shape (2^count, count), in binary order, the first unit slowest.

    Raises
    ------
    InputError
        If there are too many, or the unit is continuous.
    """
    return torch.cat(list(_blocks(units, count, dtype))) if _checked(units, count) else torch.zeros(1, 0, dtype=dtype)


def log_partition(machine: BoltzmannMachine) -> float:
    """Return log Z, by enumeration of the cheaper half of the layers and closed sums over the others.

    Raises
    ------
    InputError
        If more than ``LARGEST`` units have to be enumerated.
    """
    with torch.no_grad():
        parts = [weights.logsumexp(0) for weights in _weights(machine)]
        return float(torch.stack(parts).logsumexp(0))


def log_visible(machine: BoltzmannMachine, visible: Tensor) -> Tensor:
    """Return the unnormalised log probability of visible values of shape (B, n_0), hidden units summed out, of shape (B,).

    Restricted machines have it in closed form. Deep ones enumerate their even hidden layers, general ones all hidden units.

    Raises
    ------
    InputError
        If more than ``LARGEST`` units have to be enumerated.
    """
    parts = [weights.logsumexp(1) for weights in _weights_given(machine, machine.accept(visible))]
    return torch.stack(parts).logsumexp(0)


def log_likelihood(machine: BoltzmannMachine, visible: Tensor) -> Tensor:
    """Return the exact log likelihood of each sample, of shape (B,), in nats.

    Raises
    ------
    InputError
        If more than ``LARGEST`` units have to be enumerated.
    """
    with torch.no_grad():
        return log_visible(machine, visible) - log_partition(machine)


def exact_gradient(machine: BoltzmannMachine, visible: Tensor) -> Gradients:
    r"""Return the gradient of the mean of :math:`-\log p(v)`: the exact contrast of the posterior and the machine.

    Raises
    ------
    InputError
        If more than ``LARGEST`` units have to be enumerated.
    """
    visible = machine.accept(visible)
    total, given = log_partition(machine), log_visible(machine, visible).detach()
    named = dict(machine.named_parameters())
    found = {name: torch.zeros_like(parameter) for name, parameter in named.items()}

    def add(value: Tensor) -> None:
        parts = torch.autograd.grad(value, list(named.values()), allow_unused=True)
        for name, part in zip(named, parts, strict=True):
            found[name] += 0 if part is None else part

    # The gradient of a logarithm of a sum is the mean of the terms' gradients, so that one block is in memory at a time.
    for weights in _weights(machine):
        add(((weights.detach() - total).exp() * weights).sum())
    for weights in _weights_given(machine, visible):
        add(-((weights.detach() - given[:, None]).exp() * weights).sum() / len(visible))
    return found


def transition(machine: BoltzmannMachine) -> Tensor:
    """Return the chances of one Gibbs sweep of a restricted machine, from each visible state (row) to each other (column).

    States are those of :func:`states`. A power of this matrix is the law of contrastive divergence after that many sweeps.

    Raises
    ------
    InputError
        If the machine is not restricted, not discrete, or has more than ``LARGEST`` units.
    """
    if not machine.restricted:
        raise InputError(
            "a transition matrix of visible units is that of a restricted machine, with one hidden layer and no lateral couplings"
        )
    below, above = machine.units
    _checked(below, sum(machine.sizes))
    _checked(above, sum(machine.sizes))
    dtype = machine.bias(0).dtype
    seen, hidden = states(below, machine.sizes[0], dtype), states(above, machine.sizes[1], dtype)
    up = _chances(above, machine.field(1, (seen, hidden[:1])), hidden)  # (2^n_v, 2^n_h)
    down = _chances(below, machine.field(0, (seen[:1], hidden)), seen)
    return (up @ down).detach()


def second_eigenvalue(machine: BoltzmannMachine) -> float:
    """Return the largest eigenvalue of the Gibbs chain below 1: the share of its slowest deviation that a sweep leaves.

    Raises
    ------
    InputError
        Same as in :func:`transition`.
    """
    chances, root = transition(machine), _visible_law(machine).sqrt()
    # The chain is reversible, so that this matrix is symmetric and has the same eigenvalues.
    balanced = root[:, None] * chances / root
    return float(torch.linalg.eigvalsh((balanced + balanced.T) / 2)[-2])


def expected_divergence(machine: BoltzmannMachine, visible: Tensor, sweeps: int) -> Gradients:
    r"""Return the expectation of the update of contrastive divergence, by a power of the kernel of its chain.

    With the law q of the data and the kernel K of a sweep it is :math:`\sum_v (q K^k - q)(v)\, \partial_\theta \log \sum_h e^{-E(v, h)}`,
    a gradient to be descended as :func:`exact_gradient` is, to which it tends for many sweeps.

    Parameters
    ----------
    machine : BoltzmannMachine
        Restricted machine of discrete units.
    visible : Tensor of shape (B, n_0)
        Data, in the values of the visible units.
    sweeps : int
        k, at least 1.

    Raises
    ------
    InputError
        Same as in :func:`transition`, or without a sweep.
    """
    if sweeps < 1:
        raise InputError(f"contrastive divergence takes at least 1 sweep, got {sweeps}")
    chances, visible = transition(machine), machine.accept(visible)
    low, high = machine.units[0].values
    powers = 2 ** torch.arange(machine.sizes[0] - 1, -1, -1)
    places = ((visible > (low + high) / 2) * powers).sum(1)
    law = torch.bincount(places, minlength=len(chances)).to(chances) / len(visible)
    moved = law @ torch.linalg.matrix_power(chances, sweeps) - law
    named = dict(machine.named_parameters())
    with torch.enable_grad():
        weight = (moved * log_visible(machine, states(machine.units[0], machine.sizes[0], chances.dtype))).sum()
        return dict(zip(named, torch.autograd.grad(weight, list(named.values())), strict=True))


def _visible_law(machine: BoltzmannMachine) -> Tensor:
    """Return the probability of each visible state of :func:`states`."""
    seen = states(machine.units[0], machine.sizes[0], machine.bias(0).dtype)
    return log_visible(machine, seen).detach().softmax(0)


def _chances(unit: Unit, fields: Tensor, values: Tensor) -> Tensor:
    """Return the probability of each row of values in each row of fields."""
    return (fields @ values.T - unit.log_partition(fields).sum(1, keepdim=True)).exp()


def _summed(machine: BoltzmannMachine) -> tuple[int, ...]:
    """Return the layers whose states are enumerated: discrete ones, and as few units as possible."""
    count = len(machine.sizes)
    if machine.lateral:
        return tuple(range(count))
    halves = [tuple(range(parity, count, 2)) for parity in (0, 1)]
    discrete = [half for half in halves if all(machine.units[index].values for index in half)]
    return min(discrete, key=lambda half: sum(machine.sizes[index] for index in half))


def _weights(machine: BoltzmannMachine) -> Iterator[Tensor]:
    """Yield the log weights of all states of the enumerated layers, in blocks of shape (M,)."""
    layers = _summed(machine)
    for state in _states_of(machine, layers):
        yield log_weight(machine, state, kept=layers[0] % 2)


def _weights_given(machine: BoltzmannMachine, visible: Tensor) -> Iterator[Tensor]:
    """Yield the log weights of all states of the enumerated hidden layers with each sample, in blocks of shape (B, M)."""
    count = len(machine.sizes)
    layers = tuple(range(1, count)) if machine.lateral else tuple(range(2, count, 2))
    for state in _states_of(machine, layers, len(visible)):
        rows = visible[:, None].expand(-1, len(state[1]) if count > 1 else 1, -1)
        yield log_weight(machine, (rows, *(layer[None].expand(len(visible), -1, -1) for layer in state[1:])))


def _states_of(machine: BoltzmannMachine, layers: tuple[int, ...], together: int = 1) -> Iterator[State]:
    """Yield all states of some layers, in blocks of shape (M, n_l), with zeros in the other layers."""
    dtype, total = machine.bias(0).dtype, sum(machine.sizes[index] for index in layers)
    if not layers:
        yield of_visible(machine, machine.bias(0).new_zeros(1, machine.sizes[0]))
        return
    # Units of all enumerated layers are of one kind, unless a visible layer of another kind is among them.
    for index in layers:
        _checked(machine.units[index], total)
    for bits in _bits(total, max(_TOGETHER // together, 1)):
        parts = iter(torch.split(bits.to(dtype), [machine.sizes[index] for index in layers], dim=1))
        yield tuple(
            _valued(machine.units[index], next(parts)) if index in layers else bits.new_zeros(len(bits), size, dtype=dtype)
            for index, size in enumerate(machine.sizes)
        )


def _blocks(unit: Unit, count: int, dtype: torch.dtype) -> Iterator[Tensor]:
    for bits in _bits(count, _TOGETHER):
        yield _valued(unit, bits.to(dtype))


def _bits(count: int, together: int) -> Iterator[Tensor]:
    powers = 2 ** torch.arange(count - 1, -1, -1)
    for start in range(0, 2**count, together):
        numbers = torch.arange(start, min(start + together, 2**count))
        yield (numbers[:, None] & powers) > 0


def _valued(unit: Unit, bits: Tensor) -> Tensor:
    low, high = unit.values
    return low + (high - low) * bits


def _checked(unit: Unit, count: int) -> bool:
    if not unit.values:
        raise InputError(f"{unit.name} units have a continuum of values, which is not enumerated; take binary units or spins")
    if count > LARGEST:
        raise InputError(
            f"enumeration of {count} units would sum over 2^{count} states, and at most {LARGEST} units are enumerated; "
            "take a smaller machine, or estimate by annealed importance sampling"
        )
    return count > 0
