"""The law of small machines: energy, log Z, likelihood and gradients against loops over all states."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from boltzmann import naive
from boltzmann.machines import KINDS, machine_of, with_biases

from contrastive_core.errors import InputError, ShapeError
from hebbian.boltzmann.exact import (
    LARGEST,
    exact_gradient,
    expected_divergence,
    log_likelihood,
    log_partition,
    log_visible,
    second_eigenvalue,
    states,
    transition,
)
from hebbian.boltzmann.likelihood import unnormalised
from hebbian.boltzmann.machine import BoltzmannMachine, Path
from hebbian.boltzmann.marginals import log_weight
from hebbian.boltzmann.mean_field import log_partition_at, log_visible_bound, settle
from hebbian.boltzmann.posterior import posterior_means
from hebbian.boltzmann.pseudo import pseudo_likelihood, pseudo_likelihood_gradient
from hebbian.boltzmann.spins import as_spin_network
from hebbian.boltzmann.two_modes import two_modes
from hebbian.boltzmann.units import UNITS

DTYPE = torch.float64


def samples(machine: BoltzmannMachine, count: int = 5) -> torch.Tensor:
    return machine.random_state(count, torch.Generator().manual_seed(8))[0]


@pytest.mark.parametrize("kind", KINDS)
def test_energy_and_log_partition_are_those_of_loops_over_states(kind: str) -> None:
    """Everything else is built on the energy: a factor 2 in a lateral coupling would change every law."""
    machine = machine_of(kind)
    joint, _, log_z = naive.law(machine)
    state = tuple(torch.tensor(np.stack(layer)) for layer in zip(*joint, strict=True))
    assert np.allclose(machine.energy(state).detach(), [naive.energy_of(machine, one) for one in joint], atol=1e-12)
    assert log_partition(machine) == pytest.approx(log_z, abs=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_likelihood_is_that_of_loops_over_states(kind: str) -> None:
    """Hidden units have to be summed out of the numerator and all units out of Z."""
    machine = machine_of(kind)
    visible = samples(machine)
    assert float(log_likelihood(machine, visible).mean()) == pytest.approx(naive.log_likelihood_of(machine, visible.numpy()), abs=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_minus_log_likelihood_is_data_less_model(kind: str) -> None:
    r"""The sign of all learning: :math:`\partial(-\log p) = \langle\partial E\rangle_{data} - \langle\partial E\rangle`.

    Central differences of step 1e-5 leave h^2 f'''/6 and eps f/h, below 1e-9 here.
    """
    machine, step = machine_of(kind), 1e-5
    visible = samples(machine)
    gradients = exact_gradient(machine, visible)
    for name, parameter in machine.named_parameters():
        place = (0, 1) if parameter.dim() == 2 else (1,)
        values = []
        for sign in (1, -1):
            moved = machine_of(kind)
            with torch.no_grad():
                moved.get_parameter(name)[place] += sign * step
            values.append(-naive.log_likelihood_of(moved, visible.numpy()))
        assert float(gradients[name][place]) == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-8), name


def test_contrast_of_the_two_laws_is_the_exact_gradient() -> None:
    """The contrast that samplers feed has the scale and the sign of the exact gradient, for lateral couplings too."""
    machine = machine_of("general")
    visible = states(UNITS["binary"], 4)[[3, 9]]
    joint, chances, _ = naive.law(machine)
    copies = np.round(chances * 2e6).astype(int)  # a sample in which every state stands as often as it is likely, to 1e-6
    rows = np.repeat(np.arange(len(joint)), copies)
    state = tuple(torch.tensor(np.stack(layer))[rows] for layer in zip(*joint, strict=True))
    posterior = np.concatenate([rows_of(machine, joint, chances, row) for row in visible.numpy()])
    data = tuple(torch.tensor(np.stack(layer))[posterior] for layer in zip(*joint, strict=True))
    exact = exact_gradient(machine, visible)
    for name, part in machine.contrast(data, state).items():
        assert torch.allclose(part, exact[name], atol=2e-5), name


def rows_of(machine: BoltzmannMachine, joint: list[tuple[np.ndarray, ...]], chances: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return the numbers of states with given visible values, 100 000 in all, each as often as the posterior says."""
    fits = np.array([np.array_equal(state[0], row) for state in joint])
    share = np.where(fits, chances, 0) / chances[fits].sum()
    counts = np.floor(share * 1e5).astype(int)
    counts[np.argmax(share)] += 100_000 - counts.sum()
    return np.repeat(np.arange(len(joint)), counts)


@pytest.mark.parametrize("kind", ["restricted", "restricted spins", "spins above binary", "deep", "deep, four layers"])
@pytest.mark.parametrize("kept", [0, 1])
def test_summing_out_half_of_the_layers_leaves_log_partition(kind: str, kept: int) -> None:
    """Either half can be kept, so that the cheaper one is enumerated."""
    machine = machine_of(kind)
    joint, _, log_z = naive.law(machine)
    unique = {tuple(np.concatenate(state[kept::2])): state for state in joint}
    state = tuple(torch.tensor(np.stack(layer)) for layer in zip(*unique.values(), strict=True))
    assert float(log_weight(machine, state, kept=kept).detach().logsumexp(0)) == pytest.approx(log_z, abs=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_path_leads_from_independent_units_to_the_machine(kind: str) -> None:
    """Tempering and annealing move along this path; at its ends it has to be what they start from and aim at."""
    machine, base = machine_of(kind), torch.linspace(-1, 1, KINDS[kind]["sizes"][0], dtype=DTYPE)
    state = machine.random_state(6, torch.Generator().manual_seed(1), base)
    assert torch.allclose(machine.energy_on(state, Path(1.0, base)), machine.energy(state))
    assert torch.allclose(machine.energy_on(state, Path(0.0, base)), -state[0] @ base)
    if not machine.lateral:
        for near in (0.3, torch.tensor(0.3, dtype=DTYPE)):
            field = machine.field(0, state, Path(near, base))
            assert torch.allclose(field, 0.3 * machine.field(0, state) + 0.7 * base)


@pytest.mark.parametrize("kind", KINDS)
def test_units_are_spins_of_the_core(kind: str) -> None:
    """One spin core: the energy of the machine is that of a SpinNetwork up to a constant, for binary units too."""
    machine = machine_of(kind)
    network, constant = as_spin_network(machine)
    joint = naive.joint_states(machine)
    values = torch.tensor(np.stack([np.concatenate(state) for state in joint]))
    low = torch.cat([torch.full((size,), unit.values[0], dtype=DTYPE) for unit, size in zip(machine.units, machine.sizes, strict=True)])
    spins = 2 * (values != low).to(DTYPE) - 1
    clamped = network.clamp(torch.zeros_like(spins))
    expected = torch.tensor([naive.energy_of(machine, state) for state in joint])
    assert torch.allclose(network.energy((spins,), clamped) - constant, expected, atol=1e-12)


def test_gaussian_visible_units_are_a_mixture_of_gaussians() -> None:
    """With Gaussian visible units, p(v) is a mixture of 2^n unit Gaussians, one per hidden state, in closed form."""
    machine = with_biases(BoltzmannMachine((2, 3), visible="gaussian", gain=0.9, generator=1, dtype=DTYPE), 2)
    hidden = states(UNITS["binary"], 3)
    means = (machine.bias(0) + hidden @ machine.weight(1).T).detach()
    shares = (hidden @ machine.bias(1) + 0.5 * means.square().sum(1)).detach().softmax(0)
    visible = torch.randn(7, 2, generator=torch.Generator().manual_seed(0), dtype=DTYPE)
    density = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(shares), torch.distributions.Independent(torch.distributions.Normal(means, 1.0), 1)
    )
    assert torch.allclose(log_likelihood(machine, visible), density.log_prob(visible), atol=1e-10)


def test_gaussian_hidden_units_make_a_hopfield_network() -> None:
    """Summed out, Gaussian units above spins leave Hebb's couplings: log weight = b v + |c + v W|^2/2 + const."""
    machine = with_biases(BoltzmannMachine((5, 2), visible="spin", hidden="gaussian", gain=0.7, generator=1, dtype=DTYPE), 2)
    visible = states(UNITS["spin"], 5)
    field = machine.bias(1) + visible @ machine.weight(1)
    expected = visible @ machine.bias(0) + 0.5 * field.square().sum(1) + math.log(2 * math.pi)
    assert torch.allclose(log_visible(machine, visible), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_naive_mean_field_is_a_lower_bound(kind: str) -> None:
    """Gibbs and Bogoliubov: at any means, so also at those that it settles to and at data."""
    machine = machine_of(kind)
    start = machine.random_state(4, torch.Generator().manual_seed(2))
    any_means = tuple(0.3 + 0.4 * layer if unit.values[0] == 0 else 0.5 * layer for layer, unit in zip(start, machine.units, strict=True))
    for means in (any_means, settle(machine, start, sweeps=300).state):
        assert float(log_partition_at(machine, means).detach().max()) <= log_partition(machine)
    visible = samples(machine)
    bound = log_visible_bound(machine, posterior_means(machine, visible, 200)).detach()
    assert bool((bound <= log_visible(machine, visible) + 1e-9).all())
    exact = machine.restricted or len(machine.sizes) == 1
    assert torch.allclose(unnormalised(machine, visible), log_visible(machine, visible).detach() if exact else bound, atol=1e-3)


def test_orders_of_mean_field_and_tap_in_the_coupling() -> None:
    """Mean field leaves out W^2 and TAP W^3: with a sign wrong in the reaction, TAP would be of order 2 as well."""
    errors: dict[int, list[float]] = {1: [], 2: []}
    for gain in (0.2, 0.1):
        machine = machine_of("general", gain)
        for order in errors:
            start = machine.random_state(1, torch.Generator().manual_seed(0))
            found = settle(machine, start, order=order, sweeps=500, tolerance=1e-13, damping=0.3)
            assert found.residual < 1e-12
            errors[order].append(abs(float(log_partition_at(machine, found.state, order=order).detach()) - log_partition(machine)))
    slopes = {order: math.log2(pair[0] / pair[1]) for order, pair in errors.items()}
    assert slopes[1] == pytest.approx(2, abs=0.3)
    assert slopes[2] == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize("kind", ["restricted", "restricted spins", "spins above binary", "fully visible"])
def test_pseudo_likelihood_is_the_sum_of_conditionals(kind: str) -> None:
    """Conditionals come from ratios of marginals that loops over all states give."""
    machine = machine_of(kind)
    joint, chances, _ = naive.law(machine)
    marginal: dict[tuple[float, ...], float] = {}
    for state, chance in zip(joint, chances, strict=True):
        marginal[tuple(state[0])] = marginal.get(tuple(state[0]), 0.0) + float(chance)
    visible = samples(machine)
    low, high = machine.units[0].values
    for row, value in zip(visible.tolist(), pseudo_likelihood(machine, visible).tolist(), strict=True):
        total = 0.0
        for site in range(len(row)):
            other = [low + high - one if place == site else one for place, one in enumerate(row)]
            total += math.log(marginal[tuple(row)] / (marginal[tuple(row)] + marginal[tuple(other)]))
        assert value == pytest.approx(total, abs=1e-10)
    size = visible.shape[1]
    parts = [pseudo_likelihood(machine, visible, torch.tensor([site])) for site in range(size)]
    assert torch.allclose(sum(parts) / size, pseudo_likelihood(machine, visible))  # random sites are unbiased
    gradients = pseudo_likelihood_gradient(machine, visible)
    moved, step = machine_of(kind), 1e-6
    with torch.no_grad():
        for name, parameter in moved.named_parameters():
            parameter -= step * gradients[name]
    fall = -float((pseudo_likelihood(moved, visible) - pseudo_likelihood(machine, visible)).detach().mean())
    assert fall / step == pytest.approx(-float(sum(part.square().sum() for part in gradients.values())), rel=1e-4)


@pytest.mark.parametrize(
    ("coupling", "eigenvalue", "cosines"),
    [(0.5, 0.360, {1: 0.998}), (1.5, 0.985, {1: 0.925, 10: 0.976, 30: 0.995}), (3.0, 1.0, {1: 0.800, 10: 0.801, 30: 0.803})],
)
def test_contrastive_divergence_by_powers_of_its_kernel(coupling: float, eigenvalue: float, cosines: dict[int, float]) -> None:
    """Expected CD-k has no noise in this test: more sweeps help until modes hardly mix, and then nothing but tempering does.

    The kernel of loops over hidden states is the reference for the matrix; the cosines follow from it alone.
    """
    machine = two_modes(coupling)
    kernel, seen, hidden = transition(machine), states(UNITS["binary"], 6), states(UNITS["binary"], 4)
    naive_kernel = np.zeros((64, 64))
    _, chances, _ = naive.law(machine)
    table = chances.reshape(64, 16)
    for number in range(16):
        down = table[:, number] / table[:, number].sum()
        naive_kernel += np.outer(table[:, number] / table.sum(1), down)
    assert np.allclose(kernel.numpy(), naive_kernel, atol=1e-12)
    assert float(torch.linalg.eigvals(kernel).abs().sort().values[-2]) == pytest.approx(eigenvalue, abs=5e-4)
    assert second_eigenvalue(machine) == pytest.approx(eigenvalue, abs=5e-4)
    data = torch.zeros(64, dtype=DTYPE)
    data[-1], data[0] = 0.7, 0.3
    rows = seen[[63] * 7 + [0] * 3]
    exact = torch.cat([part.flatten() for part in exact_gradient(machine, rows).values()])
    for sweeps, expected in cosines.items():
        after = data @ torch.linalg.matrix_power(kernel, sweeps)
        weights = torch.sigmoid(machine.field(1, (seen, hidden[:1]))).detach()
        order = [name for name, _ in machine.named_parameters()]
        moments = {
            "weight_1": seen.T @ ((after - data)[:, None] * weights),
            "bias_0": (after - data) @ seen,
            "bias_1": (after - data) @ weights,
        }
        slow = torch.cat([moments[name].flatten() for name in order])
        found = torch.cat([part.flatten() for part in expected_divergence(machine, rows, sweeps).values()])
        assert torch.allclose(found, slow, atol=1e-12)
        assert float(torch.cosine_similarity(found, exact, dim=0)) == pytest.approx(expected, abs=6e-4), sweeps


def test_large_enumerations_and_bad_machines_are_refused_in_one_sentence() -> None:
    """A mistake must not start a computation of hours, or model nothing."""
    with pytest.raises(InputError, match=r"enumeration of 30 units would sum over 2\^30 states, and at most 25"):
        log_partition(BoltzmannMachine((30, 30)))
    with pytest.raises(InputError, match="continuum of values"):
        transition(BoltzmannMachine((3, 2), visible="gaussian"))
    with pytest.raises(InputError, match="at least 1 sweep, got 0"):
        expected_divergence(two_modes(1.0), torch.zeros(2, 6), 0)
    with pytest.raises(InputError, match="no dependence"):
        BoltzmannMachine((3,))
    with pytest.raises(InputError, match="Gaussian units that act on each other"):
        BoltzmannMachine((3, 2), visible="gaussian", hidden="gaussian")
    with pytest.raises(InputError, match="did you mean 'spin'"):
        BoltzmannMachine((3, 2), visible="spins")
    with pytest.raises(ShapeError, match=r"must have shape \(samples, 3\)"):
        exact_gradient(BoltzmannMachine((3, 2)), torch.zeros(2, 4))
    with pytest.raises(InputError, match="must be finite"):
        exact_gradient(BoltzmannMachine((3, 2)), torch.full((2, 3), math.nan))
    with pytest.raises(InputError, match="values 0 and 1; make the data binary"):
        pseudo_likelihood(BoltzmannMachine((3, 2)), torch.full((2, 3), 0.5))
    with pytest.raises(InputError, match="restricted or fully visible"):
        pseudo_likelihood(BoltzmannMachine((3, 2, 2)), torch.zeros(2, 3))
    assert LARGEST == 25
