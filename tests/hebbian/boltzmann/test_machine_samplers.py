"""Samplers of Boltzmann machines against enumeration: stationary laws, expected contrasts, and annealed importance sampling."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from boltzmann import naive
from boltzmann.machines import KINDS, machine_of, with_biases
from scipy.stats import chi2

from contrastive_core.errors import InputError
from contrastive_core.types import State
from hebbian.boltzmann import chains as negative
from hebbian.boltzmann.annealed import base_rates, estimate_log_partition, schedule
from hebbian.boltzmann.chains import CHAINS, ChainPlan
from hebbian.boltzmann.exact import log_partition, states, transition
from hebbian.boltzmann.gibbs import conditional_means, sweep
from hebbian.boltzmann.learning import LEARNING, Learning
from hebbian.boltzmann.machine import BoltzmannMachine, Path
from hebbian.boltzmann.posterior import posterior_means
from hebbian.boltzmann.two_modes import two_modes
from hebbian.boltzmann.units import UNITS

CHAIN_COUNT = 4000
Z_MOST = 4.5
"""Standard errors that chance passes once in 150 000 tests."""


def generator(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def frequencies(machine: BoltzmannMachine, visible: torch.Tensor) -> np.ndarray:
    """Count how often each visible state occurs, in binary order."""
    bits = (visible == machine.units[0].values[1]).long()
    numbers = bits @ (2 ** torch.arange(bits.shape[1] - 1, -1, -1))
    return np.bincount(numbers.numpy(), minlength=2 ** bits.shape[1])


def visible_law(machine: BoltzmannMachine) -> np.ndarray:
    """Return the probability of each visible state, in binary order."""
    _, chances, _ = naive.law(machine)
    return chances.reshape(2 ** machine.sizes[0], -1).sum(1)


def p_value(counts: np.ndarray, law: np.ndarray) -> float:
    """Return the chance of a chi-square as large as this, with rare states (expected below 5) taken together."""
    expected = law * counts.sum()
    rare = expected < 5
    pairs = [*zip(counts[~rare], expected[~rare], strict=True)]
    if rare.any() and expected[rare].sum() > 1:
        pairs.append((counts[rare].sum(), expected[rare].sum()))
    statistic = sum((count - mean) ** 2 / mean for count, mean in pairs)
    return float(chi2.sf(statistic, len(pairs) - 1))


def swept(machine: BoltzmannMachine, sweeps: int, path: Path | None = None, first: int = 1) -> State:
    source = generator()
    state = machine.random_state(CHAIN_COUNT, source)
    for _ in range(sweeps):
        state = sweep(machine, state, source, path=path, first=first)
    return state


@pytest.mark.parametrize("kind", KINDS)
def test_stationary_law_of_gibbs_sampling_is_the_machines(kind: str) -> None:
    """4000 independent chains after 40 sweeps: a chi-square over all visible states, and the law of a machine next to it is rejected."""
    machine = machine_of(kind)
    counts = frequencies(machine, swept(machine, 40)[0])
    assert p_value(counts, visible_law(machine)) > 1e-4
    assert p_value(counts, visible_law(machine_of(kind, gain=1.2))) < 1e-6


def test_either_order_of_layers_has_the_same_law() -> None:
    """Persistent chains draw even layers first, to use one product twice."""
    machine = machine_of("deep")
    assert p_value(frequencies(machine, swept(machine, 40, first=0)[0]), visible_law(machine)) > 1e-4


def test_sampling_on_a_path_has_the_law_of_the_path() -> None:
    """Replicas at a point b sample b E + (1 - b) E_0; for a machine without base this is the machine of b times the parameters."""
    machine, near = machine_of("general"), 0.5
    cooler = machine_of("general")
    with torch.no_grad():
        for parameter in cooler.parameters():
            parameter.mul_(near)
    counts = frequencies(machine, swept(machine, 30, Path(torch.full((CHAIN_COUNT, 1), near, dtype=torch.float64)))[0])
    assert p_value(counts, visible_law(cooler)) > 1e-4
    assert p_value(counts, visible_law(machine)) < 1e-6


@pytest.mark.parametrize("kind", ["restricted", "restricted spins", "deep", "spins above binary"])
def test_conditional_means_are_those_of_enumeration(kind: str) -> None:
    """The mean of a unit given the other half is a ratio of sums over states; it replaces draws in all statistics."""
    machine = machine_of(kind)
    joint, chances, _ = naive.law(machine)
    given = joint[len(joint) // 3]
    fits = np.array([all(np.array_equal(state[i], given[i]) for i in range(0, len(given), 2)) for state in joint])
    share = np.where(fits, chances, 0) / chances[fits].sum()
    found = conditional_means(machine, tuple(torch.tensor(layer)[None] for layer in given))
    for index, layer in enumerate(found):
        mean = sum(weight * state[index] for weight, state in zip(share, joint, strict=True))
        assert np.allclose(layer[0].detach(), mean, atol=1e-12)


def test_gaussian_units_have_the_moments_of_their_mixture() -> None:
    """Means and second moments of sampled Gaussian visible units, in standard errors; variance 1 of a unit given the others enters both."""
    machine = with_biases(BoltzmannMachine((2, 3), visible="gaussian", gain=0.9, generator=1, dtype=torch.float64), 2)
    hidden = states(UNITS["binary"], 3)
    means = (machine.bias(0) + hidden @ machine.weight(1).T).detach()
    shares = (hidden @ machine.bias(1) + 0.5 * means.square().sum(1)).detach().softmax(0)
    visible = swept(machine, 60)[0]
    for power, exact in ((1, shares @ means), (2, shares @ (means.square() + 1))):
        values = visible.pow(power)
        z = (values.mean(0) - exact) / (values.std(0) / math.sqrt(CHAIN_COUNT))
        assert float(z.abs().max()) < Z_MOST
        wrong = (values.mean(0) - exact - 0.4) / (values.std(0) / math.sqrt(CHAIN_COUNT))
        assert float(wrong.abs().min()) > Z_MOST


@pytest.mark.parametrize("name", ["pcd", "tempered", "parallel-tempering"])
@pytest.mark.parametrize("kind", ["restricted", "deep", "general"])
def test_kept_chains_have_the_law_of_the_machine(name: str, kind: str) -> None:
    """Exchanges and tempered transitions accept by a ratio of weights; a wrong one leaves another law, most of all of two modes."""
    machine = machine_of(kind, gain=1.2)
    plan = ChainPlan(1, CHAIN_COUNT, replicas=4)
    source, base = generator(), torch.linspace(-0.5, 0.5, machine.sizes[0], dtype=torch.float64)
    chains = negative.start(machine, plan, name, source, base)
    if name == "tempered" and machine.lateral:
        with pytest.raises(InputError, match="take parallel-tempering"):
            CHAINS[name](machine, (), chains, plan, source)
        return
    for _ in range(40):
        found, chains = CHAINS[name](machine, (), chains, plan, source)
    assert p_value(frequencies(machine, found[0]), visible_law(machine)) > 1e-4
    assert p_value(frequencies(machine, found[0]), visible_law(machine_of(kind, gain=1.0))) < 1e-6
    assert (chains.accepted == 1) is (name == "pcd")


def test_parallel_tempering_crosses_between_modes_where_gibbs_sampling_does_not() -> None:
    """At coupling 3 the second eigenvalue is 1 to four digits: chains started in one mode stay there unless replicas carry them over."""
    machine, plan = two_modes(3.0), ChainPlan(1, 400, replicas=12)
    source = generator()
    shares = {}
    for name in ("pcd", "parallel-tempering"):
        chains = negative.start(machine, plan, name, source)
        chains = chains._replace(state=tuple(torch.zeros_like(layer) for layer in chains.state))
        for _ in range(100):
            found, chains = CHAINS[name](machine, (), chains, plan, source)
        shares[name] = float((found[0].mean(1) > 0.5).double().mean())
    law = visible_law(machine)
    exact = float(law[states(UNITS["binary"], 6).mean(1).numpy() > 0.5].sum())
    assert shares["pcd"] < 0.02
    assert shares["parallel-tempering"] == pytest.approx(exact, abs=Z_MOST * math.sqrt(0.25 / 400))


@pytest.mark.parametrize(("sweeps", "wrong"), [(1, 2), (2, 1)])
def test_sampled_contrastive_divergence_has_the_expected_statistics(sweeps: int, wrong: int) -> None:
    """Chains restarted at data follow the power of the kernel; one sweep more or fewer is rejected."""
    machine = two_modes(1.0)
    seen = states(UNITS["binary"], 6)
    visible = seen[[63, 0]].repeat(20_000, 1)[:30_000]
    posterior = posterior_means(machine, visible)
    plan = ChainPlan(sweeps)
    found, _ = CHAINS["cd"](machine, posterior, negative.Chains(posterior), plan, generator())
    data = torch.zeros(64, dtype=torch.float64)
    data[[63, 0]] = 0.5
    for power, fits in ((sweeps, True), (wrong, False)):
        expected = data @ torch.linalg.matrix_power(transition(machine), power)
        # The share of samples that left both patterns; each sample is independent.
        stayed = float(expected[[63, 0]].sum())
        share = float((found[0].sum(1) % 6 == 0).double().mean())
        z = abs(share - stayed) / math.sqrt(stayed * (1 - stayed) / len(visible))
        assert (z < Z_MOST) is fits


@pytest.mark.parametrize("kind", [*KINDS, "gaussian"])
def test_annealed_importance_sampling_finds_log_partition_within_its_error(kind: str) -> None:
    """The estimate lies within 4.5 of its own standard errors of the enumerated log Z, and the log Z of a machine next to it does not."""

    def made(gain: float) -> BoltzmannMachine:
        if kind == "gaussian":
            return with_biases(BoltzmannMachine((3, 4), visible="gaussian", gain=gain, generator=3, dtype=torch.float64), 3)
        return machine_of(kind, gain)

    machine = made(1.0)
    base = base_rates(machine.random_state(50, generator(1))[0], machine.units[0].name)
    found = estimate_log_partition(machine, generator(), runs=400, steps=100, base=base)
    assert 0 < found.error < 0.1
    assert abs(found.value - log_partition(machine)) < Z_MOST * found.error
    assert abs(found.value - log_partition(made(1.3))) > Z_MOST * found.error
    assert 1 < found.effective_size <= 400


def test_more_steps_of_annealing_have_less_error() -> None:
    """The variance of log weights falls with the number of steps: an error that did not would not be that of annealing."""
    machine = two_modes(1.5)
    few, many = (estimate_log_partition(machine, generator(), runs=300, steps=steps) for steps in (10, 160))
    assert many.error < few.error / 2
    points = schedule(160)
    assert (float(points[0]), float(points[-1]), len(points)) == (0, 1, 161)
    assert bool((points.diff() > 0).all())


def test_equal_seeds_give_equal_bits_and_others_do_not() -> None:
    """Runs are resumed and compared by bits; a draw outside the given generator would show here."""
    machine = machine_of("restricted")
    visible = states(UNITS["binary"], 5)[:8]

    def estimates(seed: int, name: str) -> torch.Tensor:
        learning = Learning(name, ChainPlan(2, 16, 3), num_classes=2)
        source = generator(seed)
        chains = learning.start(machine, source)
        for _ in range(3):
            gradients, chains = learning.estimate(machine, visible, chains, source)
        return torch.cat([part.flatten() for part in gradients.values()])

    for name in LEARNING:
        assert torch.equal(estimates(1, name), estimates(1, name)), name
        if name not in ("exact", "mean-field", "tap", "conditional"):
            assert (name == "pseudo-likelihood") or not torch.equal(estimates(1, name), estimates(2, name)), name


def refused(make: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        make()
    return str(error.value)


def test_bad_settings_are_refused_in_one_sentence() -> None:
    """Settings that would sample nothing, or give an error of one run, are mistakes."""
    machine = machine_of("restricted")
    assert "at least 1 sweep, 2 chains, 2 replicas" in refused(lambda: ChainPlan(0))
    assert "from 0 to below 1" in refused(lambda: ChainPlan(hottest=1.0))
    assert "at least 2 runs" in refused(lambda: estimate_log_partition(machine, generator(), runs=1))
    assert "at least 10 steps" in refused(lambda: estimate_log_partition(machine, generator(), steps=3))
    assert "did you mean 'tap'" in refused(lambda: Learning("tapp"))
    assert "exact has no phases" in refused(lambda: Learning("exact").phases(machine, torch.zeros(1, 5), None, generator()))  # type: ignore[arg-type]
