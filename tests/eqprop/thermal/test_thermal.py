"""Equilibrium propagation at a temperature, against sums over all states, Gaussian laws and finite differences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from contrastive_core.analysis.autocorrelation import autocorrelation_time, pooled_autocorrelation_time
from contrastive_core.certificate import Status, Stop
from contrastive_core.costs.cross_entropy import CrossEntropy
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.dynamics.langevin import Langevin
from contrastive_core.errors import InputError
from contrastive_core.network import Network
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Nudge
from contrastive_core.rule import Estimate, Setting, Settling
from contrastive_core.types import Batch, Gradients
from eqprop import THERMAL_RULES
from eqprop.ising import Ising
from eqprop.settings import Thermal
from eqprop.thermal.chains import certificate, replicated, run_chains
from eqprop.thermal.exact import expected_cost, expected_gradient, free_energy, is_gaussian, slope, spin_states
from eqprop.thermal.heat_bath import HeatBath
from experiments.setup.devices import assemble, split
from experiments.thermal.study import differences

COST, TEMPERATURE, STRENGTH = SquaredError(), 1.0, 0.2


def machine(voters: int | None = None) -> Ising:
    """Return ten spins, three of them outputs."""
    return Ising((3, 7, 3), gains=(1.0, 1.5), coupling_limit=9.0, voters=voters, generator=2, dtype=torch.float64)


def batch(num_inputs: int = 3, labels: tuple[int, ...] = (0, 2)) -> Batch:
    """Return two samples."""
    inputs = torch.randn(2, num_inputs, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Batch(inputs, torch.tensor(labels))


def flat(gradients: Gradients) -> Tensor:
    """Return all entries in one vector."""
    return torch.cat([value.flatten() for value in gradients.values()])


def sampled(name: str, network: Network, samples: Batch, settling: Settling, **own: float) -> Estimate:
    """Return the estimate of a rule with 64 replicas."""
    setting = Setting(COST, settling, strength=STRENGTH, own=(Thermal(64, 0.2, **own),))  # type: ignore[arg-type]
    return THERMAL_RULES[name](setting).estimate(network, samples, generator=torch.Generator().manual_seed(3))


BATH = Settling(HeatBath(TEMPERATURE), Stop(None, 120), Stop(None, 120))


@pytest.mark.parametrize("cost", [SquaredError(), CrossEntropy()], ids=["squared-error", "cross-entropy"])
def test_the_covariance_is_the_slope_of_the_expected_cost(cost: SquaredError | CrossEntropy) -> None:
    """If this fails, the one-phase rule descends something else than the mean cost."""
    network = machine()
    exact = flat(slope(network, batch(), cost, TEMPERATURE))
    found = differences(network, lambda: expected_cost(network, batch(), cost, TEMPERATURE))
    torch.testing.assert_close(exact, found, rtol=0, atol=1e-8)
    assert float((flat(slope(network, batch(), cost, 1.1 * TEMPERATURE)) - found).abs().max()) > 1e-4  # a wrong temperature shows


def test_a_finite_contrast_is_the_gradient_of_a_difference_of_free_energies() -> None:
    """If this fails, strong nudges have no objective, and their updates need not go down anything."""
    network, strength = machine(), 1.7

    def objective() -> Tensor:
        ends = [free_energy(network, batch(), COST, TEMPERATURE, b) for b in (strength, 0.0)]
        return (ends[0] - ends[1]) / strength

    parts = [flat(expected_gradient(network, batch(), COST, TEMPERATURE, b)) for b in (strength, 0.0)]
    contrast = (parts[0] - parts[1]) / strength
    torch.testing.assert_close(contrast, differences(network, objective), rtol=0, atol=1e-8)
    assert float((contrast - flat(slope(network, batch(), COST, TEMPERATURE))).norm()) > 1e-2  # another objective than the mean cost


def test_exact_contrasts_have_orders_one_two_and_four() -> None:
    """If this fails, a sign or a factor of the contrasts is wrong by more than any sample would show."""
    network = machine()
    exact = flat(slope(network, batch(), COST, TEMPERATURE))

    def mean(strength: float) -> Tensor:
        return flat(expected_gradient(network, batch(), COST, TEMPERATURE, strength))

    def centered(strength: float) -> Tensor:
        return (mean(strength) - mean(-strength)) / (2 * strength)

    forms: dict[float, Callable[[float], Tensor]] = {
        1: lambda b: (mean(b) - mean(0.0)) / b,
        2: centered,
        4: lambda b: (4 * centered(b / 2) - centered(b)) / 3,
    }
    for order, form in forms.items():
        errors = [float((form(b) - exact).norm()) for b in (0.1, 0.05)]
        assert torch.log2(torch.tensor(errors[0] / errors[1])) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("voters", [None, 3])
def test_the_heat_bath_leaves_the_nudged_law_unchanged(voters: int | None) -> None:
    """If this fails, chains visit another distribution than e^{-(E + beta C)/T}; votes couple the outputs through the cost."""
    network, count = Ising((3, 2, 3), gains=(2.0, 3.0), voters=voters, generator=2, dtype=torch.float64), 4000
    labels = (0, 2) if voters is None else (0, 0)
    one = Batch(batch().inputs[:1], torch.tensor(labels[:1]))
    network.requires_grad_(False)
    states = spin_states(5).split([2, 3], 1)
    clamped = network.clamp(one.inputs)
    energy = network.energy(states, clamped)
    cost = COST.value(network.output(states), Batch(one.inputs.expand(32, -1), one.labels.expand(32)))
    law = torch.softmax(-(energy + 2.0 * cost) / TEMPERATURE, 0)
    rows = Batch(one.inputs.expand(count, -1), one.labels.expand(count))
    many, phase, generator = network.clamp(rows.inputs), Nudge(COST, rows, 2.0), torch.Generator().manual_seed(4)
    state = network.initial_state(many)
    for _ in range(30):  # forgets the start: these five spins have autocorrelation times of a few sweeps
        state, _ = HeatBath(TEMPERATURE).step(state, many, phase, generator)
    index = ((torch.cat(state, 1) > 0).long() * (2 ** torch.arange(5))).sum(1)
    counts = torch.bincount(index, minlength=32).double()
    chi_square = float(((counts - count * law).square() / (count * law).clamp(min=1e-9))[count * law > 1].sum())
    assert chi_square < 31 + 4.5 * (2 * 31) ** 0.5  # mean and deviation of chi square with 31 degrees of freedom
    free = torch.softmax(-energy / TEMPERATURE, 0)  # a control: without the nudge it is another law
    assert float(((counts - count * free).square() / (count * free).clamp(min=1e-9))[count * free > 1].sum()) > 80


@pytest.mark.parametrize("name", ["ep-thermal", "ep-free-energy", "ep-covariance"])
def test_sampled_forms_agree_with_the_sum_and_not_with_its_negative(name: str) -> None:
    """If this fails, averages or their error bars are wrong."""
    network = machine()
    found = sampled(name, network, batch(), BATH)
    means = {b: flat(expected_gradient(network, batch(), COST, TEMPERATURE, b)) for b in (STRENGTH, 0.0, -STRENGTH)}
    exact = {
        "ep-thermal": (means[STRENGTH] - means[-STRENGTH]) / (2 * STRENGTH),
        "ep-free-energy": (means[STRENGTH] - means[0.0]) / STRENGTH,
        "ep-covariance": flat(slope(network, batch(), COST, TEMPERATURE)),
    }[name]
    assert found.errors is not None
    estimate, errors = flat(found.gradients), flat(found.errors)
    # The norm of all errors together has fewer excursions than any entry; 4 standard errors for each entry.
    moving = errors > 0
    assert float(((estimate - exact)[moving] / errors[moving]).abs().max()) < 4
    assert 0.4 < float(((estimate - exact)[moving] / errors[moving]).square().mean()) < 2.5
    assert float(((estimate + exact)[moving] / errors[moving]).abs().max()) > 8  # the control


def test_common_draws_lower_the_variance_of_a_contrast() -> None:
    """If this fails, phases do not share their random numbers."""
    spread = []
    for common in (True, False):
        errors = sampled("ep-thermal", machine(), batch(), BATH, common_draws=common).errors
        assert errors is not None
        spread.append(float(flat(errors).norm()))
    # Half of the variance is the least that shared draws have to save at this strength: sqrt(.5) of the error.
    assert spread[0] < 0.71 * spread[1]


def test_the_covariance_has_at_most_half_the_error_of_the_contrast_at_equal_sampling() -> None:
    """If this fails, one phase without a nudge is no better than two with one, and the page says otherwise."""
    double = Settling(HeatBath(TEMPERATURE), Stop(None, 240), Stop(None, 120))
    contrast = sampled("ep-thermal", machine(), batch(), BATH).errors
    covariance = sampled("ep-covariance", machine(), batch(), double).errors
    assert contrast is not None
    assert covariance is not None
    assert float(flat(covariance).norm()) < 0.5 * float(flat(contrast).norm())


@pytest.mark.parametrize(("temperature", "mixes"), [(1.0, True), (0.3, False)])
def test_chains_that_stay_in_modes_of_their_own_have_not_converged(temperature: float, mixes: bool) -> None:
    """If this fails, error bars of a machine that does not mix are trusted: each chain forgets its start within its mode in no time."""
    network, replicas, dropped = machine(), 32, 40
    many = replicated(batch(), replicas)
    with torch.no_grad():
        clamped = network.clamp(many.inputs)
        start = network.initial_state(clamped)
        record = run_chains(clamped, start, HeatBath(temperature), None, many, COST, (dropped, 160), replicas, 5)
    alone = autocorrelation_time(record.costs.reshape(160, -1).numpy())
    assert math.exp(-2 * dropped / alone) < 1e-4  # chains about means of their own look well mixed at both temperatures
    certified = certificate(record)
    assert bool((certified.status == int(Status.CONVERGED)).all()) is mixes
    if not mixes:
        assert pooled_autocorrelation_time(record.costs.numpy()) > 100
        # Which modes replicas are in explains nearly all of the variance of the cost, and no sweep changes it.
        assert float(record.costs.mean(0).var(0).min() / record.costs.var((0, 1)).min()) > 0.5


def test_linear_networks_have_the_gaussian_law() -> None:
    """If this fails, the reference of thermal gradients is wrong for linear networks, or noise has no part in it."""
    network, samples = Layered((3, 2, 2), activation="linear", generator=2, dtype=torch.float64), batch(labels=(0, 1))
    assert is_gaussian(network, COST)
    assert not is_gaussian(network, CrossEntropy())
    assert not is_gaussian(Layered((3, 2, 2), activation="tanh", dtype=torch.float64), COST)
    exact = flat(slope(network, samples, COST, 0.3))
    found = differences(network, lambda: expected_cost(network, samples, COST, 0.3))
    torch.testing.assert_close(exact, found, rtol=0, atol=1e-9)
    settling = Settling(Langevin(0.3, 0.02), Stop(None, 600), Stop(None, 10))
    estimate = sampled("ep-covariance", network, samples, settling)
    assert estimate.errors is not None
    # Steps of .02 change variances by 1 %, far below these errors of 5 to 10 %.
    pulls = (flat(estimate.gradients) - exact) / flat(estimate.errors)
    assert float(pulls.abs().max()) < 4
    cold = flat(slope(network, samples, COST, 1e-9))
    assert float(((cold - exact) / flat(estimate.errors)).abs().max()) > 4  # the gradient of one state at rest is rejected


@pytest.mark.parametrize("activation", ["linear", "tanh", "hard-sigmoid"])
def test_one_unit_is_integrated(activation: str) -> None:
    """If this fails, the quadrature misses a part of the unit's range: it must give the Gaussian law where that is known."""
    network = Layered((3, 1), output_activation=activation, generator=2, dtype=torch.float64)
    samples = Batch(batch().inputs, torch.tensor([[0.4], [-0.2]], dtype=torch.float64))
    for temperature in (0.5, 0.01):
        exact = flat(slope(network, samples, COST, temperature))
        found = differences(network, lambda: expected_cost(network, samples, COST, temperature))  # noqa: B023
        torch.testing.assert_close(exact, found, rtol=0, atol=1e-8)
    parts = [flat(expected_gradient(network, samples, COST, 0.5, b)) for b in (1e-3, -1e-3)]
    torch.testing.assert_close((parts[0] - parts[1]) / 2e-3, flat(slope(network, samples, COST, 0.5)), rtol=0, atol=1e-5)


def test_a_readout_learns_from_the_mean_of_its_own_gradient() -> None:
    """If this fails, outputs outside the equilibrium are trained on a single noisy state."""
    network = Layered((3, 1), output_activation="tanh", readout=2, generator=2, dtype=torch.float64)
    samples, settling = batch(labels=(0, 1)), Settling(Langevin(0.3, 0.02), Stop(None, 300), Stop(None, 10))
    exact = slope(network, samples, COST, 0.3)
    found = differences(network, lambda: expected_cost(network, samples, COST, 0.3))
    torch.testing.assert_close(flat(exact), found, rtol=0, atol=1e-8)
    estimate = sampled("ep-covariance", network, samples, settling).gradients
    # Steps of .02 forget a state in 50 sweeps, so that 64 chains of 240 sweeps count 64 * 240 / 100 = 154 samples: an error of .08 where a
    # gradient scatters as much as its mean, and 2.5 times that.
    assert float((estimate["weight_readout"] - exact["weight_readout"]).norm() / exact["weight_readout"].norm()) < 0.2


def test_the_covariance_is_of_states_and_costs_as_a_device_reads_them() -> None:
    """A study of noise would else show a rule that nothing disturbs: ideal circuits change nothing, and noisy ones do."""
    network, settling = Layered((3, 2, 3), generator=2, dtype=torch.float64), Settling(Langevin(0.1, 0.1), Stop(None, 20), Stop(None, 10))
    ideal, noisy = (OnDevice(network, assemble("ideal", settings, 0)) for settings in ((), split(("node-noise.sigma_v=0.3",))[0]))
    plain, same, other = (flat(sampled("ep-covariance", one, batch(), settling).gradients) for one in (network, ideal, noisy))
    torch.testing.assert_close(same, plain, rtol=1e-12, atol=1e-14)
    assert float((other - plain).norm() / plain.norm()) > 0.05


def test_draws_depend_on_the_generator_alone() -> None:
    """If this fails, a run cannot be repeated."""
    first, again = (sampled("ep-thermal", machine(), batch(), BATH).gradients for _ in range(2))
    assert torch.equal(flat(first), flat(again))


@pytest.mark.parametrize("name", THERMAL_RULES)
def test_a_rule_without_a_temperature_says_so(name: str) -> None:
    """If this fails, averages are taken of a state at rest."""
    rule = THERMAL_RULES[name](Setting(COST))
    with pytest.raises(InputError, match="need a temperature, and BlockDescent comes to rest"):
        rule.estimate(machine(), batch())
    with pytest.raises(InputError, match="need a temperature"):
        rule.infer(machine(), batch().inputs)


def test_what_cannot_be_summed_is_refused_in_a_sentence() -> None:
    """If this fails, a user waits for 2^30 states, or compares with the wrong law."""
    with pytest.raises(InputError, match=r"30 spins have 2\^30 states, and at most 20"):
        slope(Ising((3, 27, 3)), batch(), COST, 1.0)
    with pytest.raises(InputError, match="no exact average is known for this network of 4 units"):
        slope(Layered((3, 2, 2), activation="tanh", dtype=torch.float64), batch(labels=(0, 1)), COST, 1.0)
    for temperature in (0.0, -1.0, float("inf")):
        with pytest.raises(InputError, match="positive temperature"):
            HeatBath(temperature)
    network = Layered((3, 2, 2))
    clamped = network.clamp(torch.zeros(1, 3))
    with pytest.raises(InputError, match="turns the spins of an Ising machine"):
        HeatBath(1.0).step(network.initial_state(clamped), clamped, generator=torch.Generator())


def test_spin_states_are_all_states() -> None:
    """If this fails, an enumeration leaves states out."""
    found = {tuple(row) for row in spin_states(4).tolist()}
    assert found == set(itertools.product((-1.0, 1.0), repeat=4))
