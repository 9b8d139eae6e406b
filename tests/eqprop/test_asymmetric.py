"""Feedback of its own: the corrected nudge is the adjoint at any angle, and what feedback does while forward weights learn."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from command_line import found, refused

from contrastive_core.analysis.gradient_quality import compare_gradients
from contrastive_core.baselines.implicit import Implicit
from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS
from contrastive_core.errors import InputError
from contrastive_core.generators import generator_of
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.exchanged import Exchanged
from contrastive_core.networks.kind import Blueprint
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.notation import convolutional
from contrastive_core.networks.untied import Feedback, Untied
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from eqprop import RULES
from eqprop.untied.kind import UNTIED, UntiedOptions, turned

SETTING = Setting(COSTS["squared-error"](), Settling(free=Stop(1e-13, 3000), second=Stop(1e-12, 3000)), strength=1e-3)


def network_at(angle: float, mode: str = "fixed", seed: int = 0, scale: float = 1.0) -> Untied:
    tanh = ACTIVATIONS["tanh"]
    blueprint = Blueprint(8, 4, (10, 7), tanh, tanh, scale, readout=False, gain=0.7, dtype=torch.float64)
    return UNTIED.build(blueprint, UntiedOptions(mode, angle), generator_of(seed, 0))  # type: ignore[arg-type, return-value]


def samples(seed: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(6, 8, generator=generator, dtype=torch.float64)
    return Batch(inputs, torch.rand(6, 4, generator=generator, dtype=torch.float64) * 2 - 1)


def unrolled_gradient(network: Untied, batch: Batch) -> dict[str, torch.Tensor]:
    """Return the gradient through the iterated field, written out, with the feedback held."""
    leaves = {name: parameter.detach().clone().requires_grad_() for name, parameter in network.named_parameters()}
    feedback = {index: network.feedback_weight(index).detach().T for index in (1, 2)}
    scale = network.inside.energy_scale
    states = [torch.zeros(6, size, dtype=torch.float64) for size in network.sizes]
    for _ in range(300):
        for index in range(3):
            below = batch.inputs if index == 0 else states[index - 1]
            drive = below @ leaves[f"weight_{index + 1}"] + leaves[f"bias_{index + 1}"]
            if index < 2:
                drive = drive + scale * states[index + 1] @ feedback[index + 1]
            states[index] = torch.tanh(drive)
    cost = SETTING.cost.value(states[-1], batch).mean()
    return dict(zip(leaves, torch.autograd.grad(cost, list(leaves.values())), strict=True))


@pytest.mark.parametrize("angle", [0, 15, 30, 45, 60, 90, 135])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_corrected_nudge_gives_the_exact_gradient_at_every_angle(angle: float, scale: float) -> None:
    """If this fails, the correction is not the antisymmetric part of the Jacobian; plain EP is the control at large angles."""
    network, batch = network_at(angle, scale=scale), samples()
    assert network.angles() == pytest.approx((angle, angle), abs=1e-6)
    exact = unrolled_gradient(network, batch)
    implicit = Implicit(SETTING.cost, SETTING.settling).estimate(network, batch).gradients
    assert compare_gradients(implicit, exact)[1].relative_error < 1e-9
    corrected, plain = (RULES[name](SETTING).estimate(network, batch).gradients for name in ("ep-asymmetric", "ep-centered"))
    # Centered at 1e-3: the bias is of the order of 1e-6.
    assert compare_gradients(corrected, exact)[1].cosine > 1 - 1e-10
    assert compare_gradients(corrected, exact)[1].relative_error < 1e-4
    if angle >= 30:
        assert compare_gradients(plain, exact)[1].cosine < 0.999


def test_cosines_of_plain_propagation_fall_with_the_angle() -> None:
    """Means over four draws; how fast they fall depends on the weights, so that only the order is a law."""
    means = []
    for angle in (0, 15, 30, 45, 60, 90):
        cosines = []
        for seed in range(4):
            network, batch = network_at(angle, seed=seed), samples(seed)
            exact = Implicit(SETTING.cost, SETTING.settling).estimate(network, batch).gradients
            cosines.append(compare_gradients(RULES["ep-centered"](SETTING).estimate(network, batch).gradients, exact)[1].cosine)
        means.append(sum(cosines) / len(cosines))
    assert means[0] > 1 - 1e-9
    assert all(later < earlier - 0.01 for earlier, later in pairwise(means))


def test_taking_feedback_for_tied_misses_the_gradient_even_at_angle_zero() -> None:
    """The contrast of an energy counts the feedback's half of every connection, which does not learn here."""
    network, batch = network_at(0.0), samples()
    exact = Implicit(SETTING.cost, SETTING.settling).estimate(network, batch).gradients
    assert compare_gradients(RULES["ep-centered"](SETTING).estimate(network, batch).gradients, exact)[1].cosine > 1 - 1e-9
    cosine = compare_gradients(RULES["ep-as-tied"](SETTING).estimate(network, batch).gradients, exact)[1].cosine
    assert 0.9 < cosine < 0.999


def test_without_feedback_it_is_backpropagation_by_relaxation() -> None:
    """With feedback of 0 the free phase is a feedforward pass, and the exchange sends errors down by the forward weights."""
    inner = network_at(90.0).inside
    gone = {name: -torch.ones_like(inner.get_parameter(name)) for name in ("weight_2", "weight_3")}
    network, batch = Untied(inner, gone, Feedback.FIXED), samples()
    leaves = {name: parameter.detach().clone().requires_grad_() for name, parameter in inner.named_parameters()}
    layer = batch.inputs
    for number in (1, 2, 3):
        layer = torch.tanh(layer @ leaves[f"weight_{number}"] + leaves[f"bias_{number}"])
    backprop = torch.autograd.grad(SETTING.cost.value(layer, batch).mean(), list(leaves.values()))
    estimate = RULES["ep-asymmetric"](SETTING).estimate(network, batch).gradients
    assert compare_gradients(estimate, dict(zip(leaves, backprop, strict=True)))[1].relative_error < 1e-5
    blind = RULES["ep-centered"](SETTING).estimate(network, batch).gradients
    assert float(blind["weight_1"].abs().max()) < 1e-12


def test_correction_leaves_tied_networks_and_the_free_state_alone() -> None:
    """Where forward and feedback weights are equal there is nothing to exchange, bit by bit."""
    network, batch = network_at(60.0), samples()
    both = [RULES[name](SETTING).estimate(network.inside, batch).gradients for name in ("ep-centered", "ep-asymmetric", "ep-as-tied")]
    for name, gradient in both[0].items():
        assert torch.equal(gradient, both[1][name])
        assert torch.equal(gradient, both[2][name])
    clamped = network.clamp(batch.inputs)
    free = SETTING.settling.free_phase(clamped).state
    turned_field = Exchanged(network, free)
    for one, other in zip(turned_field.force(free, clamped), network.force(free, clamped), strict=True):
        assert torch.equal(one, other)
    # Its Jacobian there is the transposed one: (J v) . w = v . (J' w), by central differences of size 1e-6.
    generator = torch.Generator().manual_seed(2)
    v, w = (tuple(torch.randn(layer.shape, generator=generator, dtype=torch.float64) for layer in free) for _ in range(2))

    def along(field: Untied | Exchanged, direction: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        ends = [field.force(tuple(s + sign * 1e-6 * d for s, d in zip(free, direction, strict=True)), clamped) for sign in (1, -1)]
        return tuple((plus - minus) / 2e-6 for plus, minus in zip(*ends, strict=True))

    left = sum(float((a * b).sum().detach()) for a, b in zip(along(network, v), w, strict=True))
    right = sum(float((a * b).sum().detach()) for a, b in zip(v, along(turned_field, w), strict=True))
    assert left == pytest.approx(right, rel=1e-7)


def test_differences_of_kolen_and_pollack_shrink_by_the_same_factor_in_every_step() -> None:
    """Equal updates cancel in the difference, and weight decay shrinks it by 1 - eta gamma: an identity, to rounding."""
    network, batch = network_at(70.0, "kolen-pollack"), samples()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=0.2)
    before = network.inside.weight(1).detach() - network.feedback_weight(1).detach()
    for step in range(1, 6):
        for name, gradient in RULES["ep-centered"](SETTING).estimate(network, batch).gradients.items():
            network.get_parameter(name).grad = gradient
        optimiser.step()
        difference = network.inside.weight(1).detach() - network.feedback_weight(1).detach()
        torch.testing.assert_close(difference, before * (1 - 0.1 * 0.2) ** step, rtol=1e-12, atol=1e-15)


def test_feedback_by_sign_follows_the_forward_weights_and_fixed_feedback_does_not() -> None:
    """Sign symmetry: the signs of the forward weights with their mean size, at any time."""
    by_sign, fixed = network_at(90.0, "sign"), network_at(90.0, "fixed")
    start = fixed.feedback_weight(1).clone()
    with torch.no_grad():
        for network in (by_sign, fixed):
            network.inside.weight(1).mul_(-3.0)
    weight = by_sign.inside.weight(1)
    assert torch.equal(by_sign.feedback_weight(1), weight.sign() * weight.abs().mean())
    assert torch.equal(fixed.feedback_weight(1), start)
    assert not any(name.startswith("feedback") for name, _ in fixed.named_parameters())
    assert "feedback_2" in fixed.state_dict()


def test_an_angle_is_turned_in_a_random_direction_with_the_norm_kept() -> None:
    """If this fails, a study of angles changes the size of the feedback too."""
    weight = torch.randn(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one, other = (turned(weight, 37.0, torch.Generator().manual_seed(seed)) for seed in (1, 2))
    for found_one in (one, other):
        assert float(found_one.norm()) == pytest.approx(float(weight.norm()))
        cosine = float((found_one * weight).sum() / weight.square().sum())
        assert math.degrees(math.acos(cosine)) == pytest.approx(37.0)
    assert not torch.allclose(one, other)
    with pytest.raises(InputError, match="raise --gain"):
        turned(torch.zeros(3, 3), 10.0, torch.Generator().manual_seed(0))


def test_the_correction_is_exact_through_filters_and_means_and_refuses_maxima() -> None:
    """Deviations go up by the feedback's filters and down by the forward ones; a maximum has no such exchange."""
    tanh, batch = ACTIVATIONS["tanh"], Batch(torch.rand(2, 16, dtype=torch.float64), torch.tensor([0, 1]))
    common = {"gain": 0.7, "dtype": torch.float64, "layers": "2c3+1 a2 3c3+1 3", "shape": (1, 4, 4)}
    network = UNTIED.build(Blueprint(16, 3, (), tanh, tanh, 0.8, False, **common), UntiedOptions("fixed", 60.0), generator_of(0, 0))
    exact = Implicit(SETTING.cost, SETTING.settling).estimate(network, batch).gradients
    corrected, plain = (RULES[name](SETTING).estimate(network, batch).gradients for name in ("ep-asymmetric", "ep-centered"))
    # Centered at 1e-3: the bias is of the order of 1e-6.
    assert compare_gradients(corrected, exact)[1].relative_error < 1e-4
    assert compare_gradients(plain, exact)[1].relative_error > 0.05
    layers = Layered(convolutional("2c3+1 p2 3", (1, 4, 4)), dtype=torch.float64)
    pooled = Untied(layers, {"weight_2": torch.zeros_like(layers.weight(1))}, Feedback.FIXED)
    with pytest.raises(InputError, match=r"takes average pooling \(a2\) or none"):
        RULES["ep-asymmetric"](SETTING).estimate(pooled, batch)


def test_commands_tell_the_angle_and_refuse_one_that_is_none() -> None:
    """Angles are printed by gradients, and at the end of a training by compare."""
    small = ["--network", "untied", "--hidden", "12", "--untied-angle", "60"]
    record = found("gradients", *small, "--samples", "8", "--rules", "ep-asymmetric,ep-centered")
    assert record["angles"] == pytest.approx([60.0], abs=1e-4)
    assert min(record["rules"]["ep-asymmetric"]["cosine"].values()) > 0.9999
    assert min(record["rules"]["ep-centered"]["cosine"].values()) < 0.99
    words = ["--untied-feedback", "kolen-pollack", "--weight-decay", "0.1", "--optimiser", "sgd", "--learning-rates", "0.1"]
    trained = found("compare", *small, *words, "--rules", "ep-centered,backprop", "--seeds", "1", "--epochs", "1", "--engine", "serial")
    assert trained["rules"]["ep-centered"]["angle"] < 60
    assert "less than or equal to 180" in refused("gradients", "--network", "untied", "--untied-angle", "200")
