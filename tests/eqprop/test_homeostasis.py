"""Feedback that learns for itself, and the homeostasis that keeps the field's Jacobian symmetric."""

import dataclasses

import pytest
import torch
from torch import Tensor

from contrastive_core.analysis.gradient_quality import compare_gradients
from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS
from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.feedback import AsymmetricFeedback
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.errors import InputError
from contrastive_core.network import Clamped
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.untied import Feedback, Untied
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch, Gradients, State
from eqprop import RULES
from eqprop.homeostasis import Homeostatic, asymmetry, asymmetry_gradient
from eqprop.resistive import Resistive
from eqprop.settings import Homeostasis

SETTING = Setting(COSTS["squared-error"](), Settling(free=Stop(1e-12, 2000), second=Stop(1e-10, 2000)), strength=0.01)
SIZES = (5, 6, 4, 3)


def untied(sigma: float, scale: float = 1.0, activation: str = "tanh", gain: float = 0.7) -> Untied:
    generator, own = torch.Generator().manual_seed(1), ACTIVATIONS[activation]
    tied = Layered(SIZES, activation=own, output_activation=own, energy_scale=scale, gain=gain, generator=generator, dtype=torch.float64)
    deviations = {f"weight_{n}": sigma * torch.randn(tied.weight(n - 1).shape, generator=generator, dtype=torch.float64) for n in (2, 3)}
    return Untied(tied, deviations, mode=Feedback.LEARNING)


def batch(rows: int = 8) -> Batch:
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(rows, SIZES[0], generator=generator, dtype=torch.float64)
    return Batch(inputs, torch.rand(rows, SIZES[-1], generator=generator, dtype=torch.float64) * 2 - 1)


def somewhere(network: Untied, rows: int = 8) -> tuple[Clamped, State]:
    """Return the network with a batch held, and a state inside all bounds."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        clamped = network.clamp(batch(rows).inputs)
    return clamped, tuple(0.1 + 0.5 * torch.rand(rows, n, generator=generator, dtype=torch.float64) for n in network.sizes)


def noise_like(state: State, seed: int = 0) -> State:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(layer.shape, generator=generator, dtype=torch.float64) for layer in state)


def closed_form(network: Untied) -> Tensor:
    """Return the sum over layers of the squared distance of feedback and forward weights, in units of their stiffness."""
    scale = network.inside.energy_scale
    parts = [scale ** (2 * n) * (network.inside.weight(n - 1) - network.get_parameter(f"feedback_{n}")).square().sum() for n in (2, 3)]
    return torch.stack(parts).sum()


@pytest.mark.parametrize("activation", ["tanh", "hard-sigmoid"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_asymmetry_is_that_of_the_jacobian_and_of_the_weights(scale: float, activation: str) -> None:
    """If this fails, what is lowered is not what turns the gradient. One row, all unit vectors instead of noise: an exact trace."""
    network = untied(0.8, scale, activation)
    clamped, state = somewhere(network, 1)
    widths = [layer.shape[1] for layer in state]

    def field(flat: Tensor) -> Tensor:
        return torch.cat(network.force(tuple(flat.reshape(1, -1).split(widths, 1)), clamped), 1).reshape(-1)

    jacobian = torch.autograd.functional.jacobian(field, torch.cat(state, 1).reshape(-1))
    expected = float((jacobian - jacobian.T).square().sum()) / 2
    rows = torch.eye(sum(widths), dtype=torch.float64)
    total = sum(float(asymmetry(network, clamped, state, row.reshape(1, -1).split(widths, 1)).detach()) for row in rows)
    assert total == pytest.approx(expected, rel=1e-12)
    assert total == pytest.approx(float(closed_form(network).detach()), rel=1e-12)
    assert expected > 0.01  # a control: there is something to lower


def test_noise_finds_the_asymmetry_on_average() -> None:
    """If this fails, homeostasis is biased by how it is measured. 20000 rows, each with noise of its own; z below 4.5."""
    network = untied(0.8, 0.7)
    clamped, state = somewhere(network, 1)
    rows, generator = 20_000, torch.Generator().manual_seed(6)
    many = Clamped(network, clamped.inputs.expand(rows, -1), clamped.drive.expand(rows, -1))
    spread = tuple(layer.expand(rows, -1) for layer in state)
    noise = tuple(torch.randn(layer.shape, generator=generator, dtype=torch.float64) for layer in spread)
    found, exact = float(asymmetry(network, many, spread, noise).detach()), float(closed_form(network).detach())
    # The variance of e^T M e over normal e is twice the squared norm of the symmetric part of M; M = J^T J - J^2 has at most |M|^2.
    each = torch.stack([asymmetry(network, clamped, state, tuple(n[row : row + 1] for n in noise)).detach() for row in range(200)])
    error = float(each.std()) / rows**0.5
    assert abs(found - exact) < 4.5 * error
    assert abs(found - 1.1 * exact) > 4.5 * error  # a control, which a working test has to reject


def test_its_gradient_is_that_of_finite_differences() -> None:
    """If this fails, homeostasis moves weights somewhere else. Central differences of 1e-5: 1e-10 of error and 1e-11 of rounding."""
    network = untied(0.8, 0.7)
    clamped, state = somewhere(network)
    noise = noise_like(state)
    gradients = asymmetry_gradient(network, clamped, state, noise)
    assert set(gradients) == {"weight_2", "weight_3", "feedback_2", "feedback_3"}  # the inputs' weights are in no Jacobian
    for name, gradient in gradients.items():
        parameter = network.get_parameter(name)
        for place in ((0, 0), (3, 2)):
            values = []
            for step in (1e-5, -1e-5):
                with torch.no_grad():
                    parameter[place] += step
                values.append(float(asymmetry(network, clamped, state, noise).detach()))
                with torch.no_grad():
                    parameter[place] -= step
            assert float(gradient[place]) == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-8)


def true_gradient(network: Untied, presented: Batch) -> Gradients:
    """Return the gradient of the cost at the fixed point of the field, feedback included, through 200 rounds of it."""
    leaves = {name: parameter.detach().clone().requires_grad_() for name, parameter in network.named_parameters()}
    layers = [torch.zeros(len(presented.labels), n, dtype=torch.float64) for n in network.sizes]
    for _ in range(200):
        below = presented.inputs
        for index in range(3):
            drive = below @ leaves[f"weight_{index + 1}"] + leaves[f"bias_{index + 1}"]
            if index < 2:
                drive = drive + layers[index + 1] @ leaves[f"feedback_{index + 2}"].T
            layers[index] = torch.tanh(drive)
            below = layers[index]
    cost = SETTING.cost.value(layers[-1], presented).mean()
    return dict(zip(leaves, torch.autograd.grad(cost, list(leaves.values())), strict=True))


def cosine(network: Untied) -> float:
    estimate = RULES["ep-centered"](SETTING).estimate(network, batch()).gradients
    found = compare_gradients(estimate, true_gradient(network, batch()))[1].cosine
    assert found is not None
    return found


def test_with_a_symmetric_jacobian_both_halves_are_the_exact_gradient() -> None:
    """If this fails, the contrast of feedback that learns is not the gradient for it, even where the theory says so."""
    network = untied(0.0)
    estimate = RULES["ep-centered"](SETTING).estimate(network, batch()).gradients
    # Second order in the strength of .01, times a few.
    assert compare_gradients(estimate, true_gradient(network, batch()))[1].relative_error < 1e-3
    clamped, state = somewhere(network)
    assert abs(float(asymmetry(network, clamped, state, noise_like(state)).detach())) < 1e-12


def test_homeostasis_makes_the_jacobian_symmetric_and_turns_the_gradient_to_the_true_one() -> None:
    """If this fails, the remedy for weights that are not symmetric does not work. The cost's own gradient is left out of the steps."""
    network = untied(1.0)
    before, start = float(closed_form(network).detach()), cosine(network)
    for step in range(80):
        clamped, state = somewhere(network, 64)
        gradients = asymmetry_gradient(network, clamped, state, noise_like(state, step))
        with torch.no_grad():
            for name, gradient in gradients.items():
                network.get_parameter(name).sub_(0.05 * gradient)
    after, end = float(closed_form(network).detach()), cosine(network)
    assert start < 0.97
    assert after < 0.02 * before
    assert end > 0.999


def test_a_rule_adds_homeostasis_to_its_own_gradient() -> None:
    """If this fails, the option has no effect, or replaces what it should accompany."""
    network, generator = untied(1.0), torch.Generator().manual_seed(0)
    plain = RULES["ep-centered"](SETTING)
    both = RULES["ep-centered"](dataclasses.replace(SETTING, own=(Homeostasis(0.3),)))
    assert isinstance(both, Homeostatic)
    together = both.estimate(network, batch(), generator=torch.Generator().manual_seed(0))
    alone = plain.estimate(network, batch())
    state = alone.relaxations["free"].state
    noise = tuple(torch.randn(layer.shape, generator=generator, dtype=torch.float64) for layer in state)
    extra = asymmetry_gradient(network, network.clamp(batch().inputs), state, noise)
    for name, gradient in alone.gradients.items():
        expected = gradient + 0.3 * extra[name] if name in extra else gradient
        torch.testing.assert_close(together.gradients[name], expected, rtol=1e-9, atol=1e-10)
    with pytest.raises(InputError, match="probes the network with noise"):
        both.estimate(network, batch())
    with pytest.raises(InputError, match="positive weight"):
        Homeostatic(plain, -1.0)


def test_feedback_arrays_that_learn_are_arrays_of_the_device() -> None:
    """If this fails, feedback learns outside of the hardware, without its writes."""
    tied = Layered(SIZES, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    held = OnDevice(tied, Device(effects=(AsymmetricFeedback(0.5, learning=True),)))
    assert set(held.levels()) == {"weight_1", "weight_2", "weight_3", "feedback_2", "feedback_3"}
    before = held.get_parameter("feedback_2").detach().clone()
    assert not torch.allclose(before, held.get_parameter("weight_2"))
    with torch.no_grad():
        held.get_parameter("feedback_2").add_(0.01)
    held.constrain_()
    torch.testing.assert_close(held.get_parameter("feedback_2").detach(), before + 0.01, rtol=0, atol=1e-9)
    assert float(held.pulses[0]) > 0


@pytest.mark.parametrize("build", [Layered, Resistive])
def test_a_single_layer_has_no_asymmetry_and_adds_no_gradient(build: type[Layered | Resistive]) -> None:
    """Its Jacobian is diagonal whatever the parameters are; a network without hidden layers is learned all the same."""
    network = build((3, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        clamped = network.clamp(torch.rand((4, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
        state = network.initial_state(clamped)
    noise = (torch.ones(4, 2, dtype=torch.float64),)
    assert float(asymmetry(network, clamped, state, noise)) == 0
    assert asymmetry_gradient(network, clamped, state, noise) == {}
