"""Thermal noise: stationary variances of linear units against statistical mechanics."""

import math

import pytest
import torch
from torch import Tensor

from contrastive_core.certificate import Status, Stop
from contrastive_core.costs import COSTS
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.dynamics.langevin import Langevin, temperature_of_nodes
from contrastive_core.errors import InputError
from contrastive_core.network import Clamped
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from experiments.commandline.options import resolve
from experiments.setup.build import build_setting
from experiments.setup.options import LearningOptions
from experiments.setup.tables import RULES

ROWS, STEP, STEPS = 20_000, 0.1, 120
"""Independent samples, and steps of which 120 of .1 time constants forget the start to (1 - .1)^120 = 3e-6."""


def linear(*sizes: int, scale: float = 1.0) -> Layered:
    unit, generator = ACTIVATIONS["linear"], torch.Generator().manual_seed(1)
    network = Layered(
        sizes, activation=unit, output_activation=unit, energy_scale=scale, gain=0.6, generator=generator, dtype=torch.float64
    )
    return network.requires_grad_(False)


def shaken(clamped: Clamped, temperature: float, phase: Phase = None, steps: int = STEPS, seed: int = 2) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    start = clamped.network.initial_state(clamped)
    return relax(clamped, start, Langevin(temperature, STEP), Stop(None, steps), phase, generator=generator).state


def z_score(samples: Tensor, variance: float) -> float:
    """Return by how many standard errors the variance of normal samples about their mean is off."""
    return (float(samples.var()) / variance - 1) / math.sqrt(2 / samples.numel())


@pytest.mark.parametrize(("scale", "strength"), [(1.0, 0.0), (0.5, 0.0), (0.5, 0.25)])
def test_a_linear_unit_has_the_variance_of_equipartition(scale: float, strength: float) -> None:
    """If this fails, a temperature is not the temperature of the energy: T/k for a unit of stiffness k, a nudge's included."""
    network = linear(1, 1, scale=scale)
    inputs = torch.ones(ROWS, 1, dtype=torch.float64)
    clamped, cost = network.clamp(inputs), COSTS["squared-error"]()
    nudge = Nudge(cost, Batch(inputs, torch.zeros_like(inputs)), strength) if strength else None
    stiffness = scale + strength * cost.curvature
    rate = STEP * stiffness / scale  # of an Euler step, whose chain s' = (1 - rate) s + noise has the variance below, exactly
    expected = 0.3 / stiffness / (1 - rate / 2)
    found = shaken(clamped, 0.3, nudge)[0]
    assert abs(z_score(found, expected)) < 4.5
    assert abs(z_score(shaken(clamped, 1.2 * 0.3, nudge)[0], expected)) > 4.5  # a control, which a working test has to reject
    settled = relax(clamped, network.initial_state(clamped), GradientFlow(), Stop(1e-12, 1000), nudge).state[0]
    assert abs(float((found - settled).mean())) < 4.5 * math.sqrt(expected / ROWS)


def test_coupled_units_have_the_covariance_of_the_inverse_hessian() -> None:
    """If this fails, noise is not the noise of the whole energy, only of units on their own."""
    network = linear(1, 1, 1)
    clamped = network.clamp(torch.zeros(ROWS, 1, dtype=torch.float64))
    hidden, output = shaken(clamped, 0.3, steps=300)
    coupling = float(network.weight(1))
    hessian = torch.tensor([[1.0, -coupling], [-coupling, 1.0]], dtype=torch.float64)
    # An Euler step of h has the stationary covariance T H^-1 (1 - h H/2)^-1: both commute.
    eye = torch.eye(2, dtype=torch.float64)
    expected = 0.3 * torch.linalg.inv(hessian @ (eye - STEP * hessian / 2))
    product = float((hidden * output).mean())
    spread = math.sqrt(float(expected[0, 0] * expected[1, 1] + expected[0, 1] ** 2) / ROWS)
    assert abs(product - float(expected[0, 1])) < 4.5 * spread
    assert abs(product) > 9 * spread  # a control: units that do not act on each other would be rejected


def test_at_zero_temperature_it_is_gradient_flow() -> None:
    """If this fails, what noise does is compared with another dynamics."""
    clamped = linear(3, 4, 2).clamp(torch.rand(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    start = clamped.network.initial_state(clamped)
    cold, flow = (relax(clamped, start, dynamics, Stop(None, 20)) for dynamics in (Langevin(0.0, STEP), GradientFlow(STEP)))
    assert all(torch.equal(one, other) for one, other in zip(cold.state, flow.state, strict=True))
    assert torch.equal(cold.residual, flow.residual)


def test_noise_follows_from_the_generator_and_leaves_held_outputs_alone() -> None:
    """If this fails, a noisy run cannot be repeated, or what is clamped shakes."""
    clamped = linear(3, 4, 2).clamp(torch.rand(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    once, again, other = (shaken(clamped, 0.1, steps=5, seed=seed) for seed in (2, 2, 3))
    assert torch.equal(once[0], again[0])
    assert not torch.equal(once[0], other[0])
    output = torch.ones(5, 2, dtype=torch.float64)
    assert torch.equal(shaken(clamped, 0.1, Hold(output), steps=5)[-1], output)
    start, generator = clamped.network.initial_state(clamped), torch.Generator().manual_seed(4)
    hot = relax(clamped, start, Langevin(0.5, STEP), Stop(1e-6, 200), generator=generator)
    assert hot.status.tolist() == [int(Status.BUDGET)] * 5  # noise is not taken for rest


def test_heat_baths_that_cannot_be_are_refused() -> None:
    """If this fails, a noisy relaxation is silent."""
    clamped = linear(1, 1).clamp(torch.zeros(1, 1, dtype=torch.float64))
    with pytest.raises(InputError, match="needs a generator"):
        relax(clamped, clamped.network.initial_state(clamped), Langevin(0.1), Stop(None, 1))
    for make in (lambda: Langevin(-0.1), lambda: Langevin(float("nan")), lambda: Langevin(0.1, 0.0)):
        with pytest.raises(InputError, match="must be"):
            make()


def heat_bath(temperature: float, steps: int = STEPS) -> Setting:
    return Setting(COSTS["squared-error"](), Settling(Langevin(temperature, STEP), Stop(None, steps), Stop(None, steps)), strength=0.5)


@pytest.mark.parametrize("rule", ["ep-centered", "coupled-positive", "implicit"])
def test_a_rule_relaxes_to_boltzmann_statistics_at_its_temperature(rule: str) -> None:
    """If this fails, rules know no thermal noise, or one of another temperature: the free state has density e^(-E/T). z below 4.5."""
    network = linear(1, 1)
    presented = Batch(torch.ones(ROWS, 1, dtype=torch.float64), torch.zeros(ROWS, 1, dtype=torch.float64))
    built = RULES[rule](heat_bath(0.3))
    free = built.estimate(network.requires_grad_(), presented, generator=torch.Generator().manual_seed(2)).relaxations["free"].state[0]
    expected = 0.3 / (1 - STEP / 2)
    assert abs(z_score(free, expected)) < 4.5
    assert abs(z_score(free, 1.2 * expected)) > 4.5  # a control
    mean = float(network.clamp(presented.inputs).drive[0].detach())
    # The share of states above the mean plus one standard deviation, which tells a normal density from others of that variance.
    above = float((free > mean + math.sqrt(expected)).double().mean())
    share = 0.15865525393145707
    assert abs(above - share) < 4.5 * math.sqrt(share * (1 - share) / ROWS)
    answers = [built.infer(network, presented.inputs[:5]).state[0] for _ in range(2)]
    assert torch.equal(*answers)  # noise of seed 0: the same inputs have the same answer


def test_thermal_noise_leaves_the_gradient_right_on_average() -> None:
    """If this fails, thermal noise biases learning where theory says it only blurs it: in a linear network the contrast is linear."""
    network = linear(1, 1).requires_grad_()
    presented = Batch(torch.ones(ROWS, 1, dtype=torch.float64), torch.zeros(ROWS, 1, dtype=torch.float64))
    noisy, quiet = (
        RULES["ep-centered"](heat_bath(temperature)).estimate(network, presented, generator=torch.Generator().manual_seed(3)).gradients
        for temperature in (0.3, 0.0)
    )
    # Two phases of variance T/k each, k = 1 +- .5 (and Euler's), started alike but shaken apart; over 2 x .5 and 20000 samples.
    error = math.sqrt((0.3 / 1.5 / (1 - 0.15 / 2) + 0.3 / 0.5 / (1 - 0.05 / 2)) / ROWS)
    assert abs(float(noisy["weight_1"] - quiet["weight_1"])) < 4.5 * error
    assert float((noisy["weight_1"] - quiet["weight_1"]).abs()) > 0  # and there is noise


def test_the_temperature_of_nodes_is_their_voltage_noise() -> None:
    """If this fails, kelvin and farad mean another noise than the textbook's 64 microvolt at 1 pF and 300 K."""
    assert math.sqrt(temperature_of_nodes(300.0, 1e-12)) == pytest.approx(64.4e-6, rel=1e-3)
    for kelvin, farad in ((-1.0, 1e-12), (300.0, 0.0)):
        with pytest.raises(InputError, match="positive capacities"):
            temperature_of_nodes(kelvin, farad)


def test_options_make_a_heat_bath_and_refuse_what_cannot_be_one() -> None:
    """If this fails, a study of temperatures is one of another dynamics, or stops where noise happens to be small."""
    given = resolve(LearningOptions, flags={"node_temperature": 0.01, "step": 0.2, "budget": 30})
    settling = build_setting(given).settling
    assert settling.dynamics == Langevin(0.01, 0.2)
    assert (settling.free, settling.second.tolerance) == (Stop(None, 30), None)
    physical = build_setting(resolve(LearningOptions, flags={"node_temperature": 300.0, "node_capacitance": 1e-12})).settling.dynamics
    assert physical == Langevin(temperature_of_nodes(300.0, 1e-12))
    with pytest.raises(InputError, match="another dynamics"):
        build_setting(resolve(LearningOptions, flags={"node_temperature": 0.01, "dynamics": "anderson"}))
    with pytest.raises(InputError, match="stiffness is 1"):
        build_setting(resolve(LearningOptions, flags={"node_temperature": 300.0, "node_capacitance": 1e-12, "network": "resistive"}))
