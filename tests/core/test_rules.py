"""Contract of every learning rule: a gradient for every parameter, the same for any order of samples, and nothing changed."""

from __future__ import annotations

import oracles
import pytest
import systems
import torch
from oracles import number
from systems import (
    LAYERED,
    RULE_NAMES,
    SETTING,
    TIGHT,
    System,
    gradients_of,
    make_system,
    seeded,
)

from contrastive_core.baselines.settings import Unrolling
from contrastive_core.certificate import Deferred, Status, Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Sides
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from hebbian.coupled import ContrastiveHebbian


@pytest.mark.parametrize("name", RULE_NAMES)
def test_estimate_has_a_gradient_for_every_parameter_and_changes_nothing(name: str) -> None:
    """Rules are compared on one network in turn: one that left a trace would bias the next."""
    system = make_system("tanh")
    parameters = dict(system.network.named_parameters())
    kept = [t.detach().clone() for t in (*parameters.values(), *system.batch[:2])]
    estimate = systems.build_rule(name, SETTING).estimate(system.network, system.batch, generator=seeded(0))
    assert list(estimate.gradients) == list(parameters)
    for key, gradient in estimate.gradients.items():
        assert gradient.shape == parameters[key].shape
        assert not gradient.requires_grad
    assert next(iter(estimate.relaxations)) == "free"
    assert not any(layer.requires_grad for phase in estimate.relaxations.values() for layer in phase.state)
    assert all(p.grad is None for p in parameters.values())
    for before, after in zip(kept, (*parameters.values(), *system.batch[:2]), strict=True):
        assert torch.equal(before, after)


# A batch that moves the weights inside its phase is no mean over its samples.
@pytest.mark.parametrize("name", [name for name in RULE_NAMES if name != "ep-continual"])
def test_estimate_is_the_mean_over_samples_in_any_order(name: str) -> None:
    """The gradient of a mean cost is the mean of one-sample gradients: no dependence on B, none on the order."""
    system = make_system("tanh", batch_size=5)
    whole = gradients_of(name, SETTING, system)
    shuffled = System(system.network, Batch(*(t[torch.tensor([3, 0, 4, 2, 1])] for t in system.batch[:2])))
    # Sums of 5 terms in another order, eps each, divided by 2 beta = .2.
    assert oracles.gradient_error(gradients_of(name, SETTING, shuffled), whole) < 1e-13
    alone = [gradients_of(name, SETTING, System(system.network, Batch(*(t[row : row + 1] for t in system.batch[:2])))) for row in range(5)]
    mean = {key: torch.stack([g[key] for g in alone]).mean(0) for key in whole}
    # As above, with another order of summation inside each product, over some tens of sweeps.
    assert oracles.gradient_error(mean, whole) < 1e-12


@pytest.mark.parametrize("name", RULE_NAMES)
def test_same_seed_gives_the_same_estimate_bit_for_bit(name: str) -> None:
    """Paired comparisons and resumed runs rest on it."""
    first, second = (gradients_of(name, SETTING, make_system("tanh"), seed=3) for _ in range(2))
    for key in first:
        assert torch.equal(first[key], second[key])


@pytest.mark.parametrize("name", RULE_NAMES)
def test_inference_is_the_free_phase_of_the_estimate(name: str) -> None:
    """Test errors are measured on what inference returns; it must be the state that the rule learns from."""
    system = make_system("tanh")
    rule = systems.build_rule(name, SETTING)
    free = rule.estimate(system.network, system.batch, generator=seeded(0)).relaxations["free"]
    # The unrolled pass runs with a graph, which a kernel cannot leave: the same arithmetic in another order of summation.
    for one, other in zip(rule.infer(system.network, system.batch.inputs).state, free.state, strict=True):
        assert float((one - other).abs().max()) < 1e-12


@pytest.mark.parametrize("kind", LAYERED)
@pytest.mark.parametrize("name", RULE_NAMES)
def test_float32_stays_float32(kind: str, name: str) -> None:
    """A silent promotion halves the speed; a silent demotion of float64 makes every exact test meaningless."""
    system = make_system("tanh", kind=kind, dtype=torch.float32)
    loose = Setting(SquaredError(), Settling(BlockDescent(), Stop(1e-5, 200), Stop(1e-4, 200)), strength=0.2)
    estimate = systems.build_rule(name, loose).estimate(system.network, system.batch, generator=seeded(0))
    assert {g.dtype for g in estimate.gradients.values()} == {torch.float32}
    assert {layer.dtype for phase in estimate.relaxations.values() for layer in phase.state} == {torch.float32}
    assert {phase.residual.dtype for phase in estimate.relaxations.values()} == {torch.float32}
    double = make_system("tanh", kind=kind)
    with torch.no_grad():
        for parameter, value in zip(double.network.parameters(), system.network.parameters(), strict=True):
            parameter.copy_(value)
    exact = systems.build_rule(name, loose).estimate(double.network, system.batch, generator=seeded(0))
    # float32's 6e-8 on states of size 1, over a contrast of size .1 to .4.
    assert oracles.gradient_error({k: g.double() for k, g in estimate.gradients.items()}, exact.gradients) < 1e-4


def test_random_sign_draws_both_one_sided_estimates_from_its_generator() -> None:
    """Unbiased to second order only if both signs come up equally often."""
    system = make_system("tanh")
    sided = {sign: gradients_of(f"ep-{sign}", SETTING, system) for sign in ("positive", "negative")}
    draws = [Sides.RANDOM.signs(generator)[0] for generator in [seeded(0)] for _ in range(400)]
    # 400 fair coins: mean 0, standard error .05; z = 4.5.
    assert abs(sum(draws) / 400) < 0.225
    seen = set()
    for seed in range(8):
        estimate = gradients_of("ep-random", SETTING, system, seed)
        seen |= {sign for sign, exact in sided.items() if all(torch.equal(estimate[key], exact[key]) for key in exact)}
    assert seen == {"positive", "negative"}


def test_second_tolerance_is_relative_to_the_contrast() -> None:
    """An absolute tolerance fit for the free phase leaves a nudged state unsettled, and training diverges late."""
    system = make_system("tanh", energy_scale=0.5)
    for name, unit in (("ep-centered", 0.05), ("coupled-centered", 0.02)):
        setting = Setting(SquaredError(), Settling(BlockDescent(), TIGHT, Stop(1e-3, 500)), strength=0.05, fraction=0.02)
        phases = systems.build_rule(name, setting).estimate(system.network, system.batch).relaxations
        for sign in ("positive", "negative"):
            # Held outputs: stiffness of the last over the first layer, .5^3 / .5. Nudges are measured in the displacement itself.
            assert number(phases[sign].residual.max()) <= 1e-3 * (1 if name == "ep-centered" else unit * 0.25)
            assert phases[sign].status.tolist() == [int(Status.CONVERGED)] * 4


def test_tables_build_what_they_name() -> None:
    """The command line, reports and these tests reach everything through the tables."""
    assert len(RULE_NAMES) == len(set(RULE_NAMES))
    setting = Setting(SquaredError(), strength=0.3, fraction=0.4, frozen=True, own=(Unrolling(5),))
    rules = {name: systems.build_rule(name, setting) for name in RULE_NAMES}
    for name, sides in {"positive": Sides.POSITIVE, "negative": Sides.NEGATIVE, "centered": Sides.CENTERED}.items():
        assert (rules[f"ep-{name}"].strength, rules[f"ep-{name}"].sides, rules[f"ep-{name}"].frozen) == (0.3, sides, True)
        assert (rules[f"coupled-{name}"].fraction, rules[f"coupled-{name}"].sides) == (0.4, sides)
    assert rules["contrastive-hebbian"] == ContrastiveHebbian(setting.cost, setting.settling)
    assert rules["ep-random"].sides is Sides.RANDOM
    assert rules["unrolled"].truncation == 5


def test_certificates_of_a_fused_estimate_are_made_when_somebody_asks() -> None:
    """If this fails, every batch of a training run pays for certificates that nobody reads: three to six times its gradient."""
    network = Layered((6, 5, 3))
    estimate = systems.build_rule("ep-centered", Setting("squared-error")).estimate(
        network, Batch(torch.rand(4, 6), torch.tensor([0, 1, 2, 0]))
    )
    assert isinstance(estimate.relaxations, Deferred)
    assert "_made" not in vars(estimate.relaxations)
    assert [relaxation.steps.shape for relaxation in estimate.relaxations.values()] == [(4,)] * 3
    assert "_made" in vars(estimate.relaxations)
