"""Draws that runs of one seed share, and optimisers and schedules against plain loops."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from systems import RULE_NAMES, build_rule, make_system, seeded
from torch import Tensor
from training_cases import COST, SETTING, assert_same_bits, make_network, make_splits, parameters_of

from contrastive_core.baselines.feedforward import FeedforwardBackprop
from contrastive_core.certificate import Relaxation
from contrastive_core.data.batches import batches
from contrastive_core.generators import generator_of
from contrastive_core.network import Network
from contrastive_core.rule import Estimate, Rule
from contrastive_core.training.loop import train
from contrastive_core.training.optimisers import OPTIMISERS, SCHEDULES
from contrastive_core.training.optimisers.builders import layer_groups
from contrastive_core.training.optimisers.lion import Lion
from contrastive_core.training.plan import Plan
from contrastive_core.types import Batch


def test_purposes_of_a_seed_are_independent_streams() -> None:
    """Two rules with one seed share initial weights and data order; were streams shared, a rule's draws would shift the order."""
    draws = {(seed, purpose): torch.randn(2000, generator=generator_of(seed, purpose)) for seed in (0, 1) for purpose in (0, 1, 2)}
    assert torch.equal(draws[0, 1], torch.randn(2000, generator=generator_of(0, 1)))
    keys = list(draws)
    for i, first in enumerate(keys):
        for second in keys[:i]:
            # Correlation of 2000 independent pairs: standard error 1 / sqrt(2000) = .022; z = 4.5.
            assert abs(float((draws[first] * draws[second]).mean())) < 0.1


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_rule_sees_the_same_data_in_the_same_order(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A paired difference between rules is only one of rules if everything else is the same."""
    seen: list[Tensor] = []
    built = build_rule(rule, SETTING)

    class Watched(Rule):
        """Records what it is shown."""

        def estimate(self, network: Network, batch: Batch, *, generator: torch.Generator | None = None) -> Estimate:
            seen.append(batch.inputs)
            return built.estimate(network, batch, generator=generator)

        def infer(self, network: Network, inputs: Tensor) -> Relaxation:
            return built.infer(network, inputs)

    splits = make_splits()
    train(make_network(), Watched(), COST, splits, Plan(epochs=2, batch_size=32), 3)
    order = generator_of(3, 1)
    expected = [batch.inputs for _ in range(2) for batch in batches(splits.train, 32, order)]
    assert len(seen) == len(expected)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(seen, expected, strict=True))
    assert not torch.equal(seen[0], seen[3])  # another order each epoch


def test_initial_weights_depend_on_the_generator_only() -> None:
    """Equal seeds must give equal weights, whatever else the network is told."""
    first, second = (make_system(a, sizes=(6, 8, 3), energy_scale=s).network for a, s in (("tanh", 1.0), ("hard-sigmoid", 0.3)))
    assert_same_bits(parameters_of(first), parameters_of(second))
    for index, fan_in in enumerate((6, 8)):
        # Uniform in +-g / sqrt(fan in), g = .6 here: inside the bound, and more than half of it used (48 and 24 draws).
        largest = float(first.weight(index).detach().abs().max())
        assert 0.5 * 0.6 / fan_in**0.5 < largest <= 0.6 / fan_in**0.5


def test_lion_is_its_loop_by_hand() -> None:
    """Sign of the interpolated momentum, decoupled decay, and a memory of its own rate, in that order."""
    rate, first, second, decay = 0.01, 0.9, 0.99, 0.1
    parameter = torch.nn.Parameter(torch.randn(5, generator=seeded(0), dtype=torch.float64))
    value, memory = parameter.detach().clone(), torch.zeros(5, dtype=torch.float64)
    optimiser = Lion([parameter], lr=rate, betas=(first, second), weight_decay=decay)
    for step in range(30):
        gradient = torch.randn(5, generator=seeded(step), dtype=torch.float64)
        parameter.grad = gradient.clone()
        optimiser.step()
        for i in range(5):
            direction = first * float(memory[i]) + (1 - first) * float(gradient[i])
            value[i] -= rate * ((direction > 0) - (direction < 0) + decay * float(value[i]))
            memory[i] = second * memory[i] + (1 - second) * gradient[i]
        torch.testing.assert_close(parameter.detach(), value, rtol=0, atol=1e-14)  # eps a step, on values of size 1
    torch.testing.assert_close(optimiser.state[parameter]["momentum"], memory, rtol=0, atol=1e-15)


def test_layers_learn_at_their_own_rates() -> None:
    """Published settings give each layer its rate, input side first; a swap would train another network."""
    network, splits = make_network(), make_splits(train_size=16)
    before = parameters_of(network)
    rule = build_rule("implicit", SETTING)
    gradients = rule.estimate(network, Batch(*splits.train)).gradients
    plan = Plan(epochs=1, batch_size=16, momentum=0.0, schedule="constant", learning_rates=(0.5, 0.001))
    train(network, rule, COST, splits, plan, 0)
    for name, parameter in network.named_parameters():
        rate = {"1": 0.5, "2": 0.001}[name[-1]]
        # One step of gradient descent; batches come in another order, so sums differ by float32 rounding.
        torch.testing.assert_close(before[name] - parameter.detach(), rate * gradients[name], rtol=1e-3, atol=2e-7)


def test_groups_put_weights_and_biases_of_a_layer_together() -> None:
    """And the readout is a layer of its own, the last."""
    network = make_system(sizes=(5, 4, 3), readout=2).network
    groups = layer_groups(network, (0.1, 0.2, 0.3))
    assert [[p.shape for p in group["params"]] for group in groups] == [[(5, 4), (4,)], [(4, 3), (3,)], [(3, 2), (2,)]]
    assert [group["lr"] for group in groups] == [0.1, 0.2, 0.3]
    assert [group["lr"] for group in layer_groups(network, (0.1,))] == [0.1] * 3


@pytest.mark.parametrize(("schedule", "factors"), [("constant", (1, 1, 1)), ("exponential", (1, 0.5, 0.25)), ("cosine", (1, 0.75, 0.25))])
def test_schedules_step_once_an_epoch(schedule: str, factors: tuple[float, ...]) -> None:
    """Stepped per batch, a cosine over epochs would be over after the first of them."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = OPTIMISERS["sgd"]([{"params": [parameter], "lr": 0.4}], 0.0, 0.0)
    steps = SCHEDULES[schedule](optimiser, 3, 0.5)
    rates = []
    for _ in range(3):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        steps.step()
    assert rates == pytest.approx([0.4 * factor for factor in factors], rel=1e-12)


class Constant(Rule):
    """A rule whose gradient is 1 everywhere, so that parameters show the learning rates they were moved by."""

    def estimate(self, network: Network, batch: Batch, *, generator: torch.Generator | None = None) -> Estimate:
        """Return ones."""
        return Estimate({name: torch.ones_like(p) for name, p in network.named_parameters()}, {"free": self.infer(network, batch.inputs)})

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the bottom-up pass."""
        return FeedforwardBackprop(COST).infer(network, inputs)


def test_training_steps_the_schedule_once_an_epoch_and_the_optimiser_once_a_batch() -> None:
    """A schedule that stands still, or runs per batch, trains with other rates than the plan says."""
    network = make_system("tanh", sizes=(6, 8, 3)).network
    values = [float(network.bias_1.detach()[0])]
    plan = Plan(epochs=3, batch_size=40, momentum=0.0, schedule="exponential", decay=0.5, learning_rates=(0.001,))
    rule = Constant()
    train(network, rule, COST, make_splits(), plan, 0, on_epoch=lambda _: values.append(float(network.bias_1.detach()[0])))
    # 96 samples in batches of 40: three steps an epoch.
    moved = [before - after for before, after in pairwise(values)]
    assert moved == pytest.approx([3e-3, 1.5e-3, 0.75e-3], rel=1e-9)


def test_clipping_bounds_the_norm_of_the_whole_gradient_and_keeps_its_direction() -> None:
    """Clipped layer by layer, the step would point elsewhere."""
    splits, rule = make_splits(train_size=16), build_rule("implicit", SETTING)
    steps = {}
    for clip in (None, 0.01, 100.0):
        network = make_network()
        before = parameters_of(network)
        train(network, rule, COST, splits, Plan(epochs=1, batch_size=16, momentum=0.0, learning_rates=(1.0,), clip_norm=clip), 0)
        steps[clip] = torch.cat([(before[name] - p.detach()).flatten() for name, p in network.named_parameters()]).double()
    free, clipped = steps[None], steps[0.01]
    assert float(free.norm()) > 0.1
    assert float(clipped.norm()) == pytest.approx(0.01, rel=1e-3)  # float32 weights of size .1, steps of .001
    assert float(free @ clipped / (free.norm() * clipped.norm())) > 1 - 1e-6
    assert torch.equal(steps[100.0], free)
