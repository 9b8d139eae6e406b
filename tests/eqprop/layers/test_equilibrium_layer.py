"""A network at equilibrium between torch layers: its gradients are those of autograd through the relaxation, whatever stands around it."""

from __future__ import annotations

import copy
import runpy
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import eqlab
from contrastive_core.networks.notation import convolutional
from eqprop.layers.equilibrium_layer import EquilibriumLayer

TIGHT = eqlab.Settling(free=eqlab.Stop(1e-13, 5000), second=eqlab.Stop(1e-10, 5000))
DOUBLE = {"dtype": torch.float64}


def _untied(**_: Any) -> Any:
    network = eqlab.Layered((6, 5, 4), activation="tanh", gain=0.9, **DOUBLE)
    return eqlab.Untied(network, {"weight_2": 0.3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(3), **DOUBLE)})


NETWORKS: dict[str, Any] = {
    "dense": lambda: eqlab.Layered((6, 5, 4), activation="tanh", output_activation="tanh", gain=0.9, **DOUBLE),
    "readout": lambda: eqlab.Layered((6, 5, 4), activation="logistic", energy_scale=0.3, readout=3, **DOUBLE),
    "convolutional": lambda: eqlab.Layered(convolutional("3c3+1 a2 4", (2, 4, 4)), activation="tanh", energy_scale=0.3, **DOUBLE),
    "picture": lambda: eqlab.Layered(
        convolutional("3c3+1 a2 2c3+1", (2, 4, 4)), activation="logistic", output_activation="tanh", picture_output=True, **DOUBLE
    ),
    "resistive": lambda: eqlab.Resistive((6, 5, 4), **DOUBLE),
    "oscillator": lambda: eqlab.Oscillators((6, 5, 4), **DOUBLE),
}
"""Networks of which each samples' gradient is smooth at the nudges of the tests."""


class Relaxed(nn.Module):
    """Oracle: the free phase step by step, with the graph of every step."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        clamped = self.network.clamp(inputs)
        stop = eqlab.Stop(1e-13, 5000)
        ended = eqlab.relax(clamped, self.network.initial_state(clamped), eqlab.BlockDescent(), stop, backend="torch")
        return self.network.output(ended.state)


def gradients(kind: str, network: Any, layer: nn.Module) -> dict[str, Tensor]:
    """Gradients of all parameters of torch - layer - torch under a loss that no cost of ours is, and of the inputs."""
    torch.manual_seed(1)
    shape = (2, 4, 4) if kind in ("convolutional", "picture") else (6,)
    before = nn.Conv2d(2, 2, 3, padding=1, **DOUBLE) if len(shape) == 3 else nn.Linear(6, 6, **DOUBLE)
    width = {"readout": 3, "picture": 8, "oscillator": 4}.get(kind, 4)
    behind = nn.Sequential(nn.Flatten(), nn.Linear(width, 3, **DOUBLE), nn.Tanh(), nn.Linear(3, 2, **DOUBLE))
    model = nn.Sequential(before, nn.Tanh(), layer, behind)
    inputs = torch.rand(5, *shape, **DOUBLE).requires_grad_()
    network.zero_grad()
    (model(inputs).exp().sum(1) * torch.arange(1.0, 6.0)).mean().backward()
    assert inputs.grad is not None
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None} | {"inputs": inputs.grad}


@pytest.mark.parametrize("kind", NETWORKS)
def test_gradients_are_those_of_autograd_through_the_relaxation(kind: str) -> None:
    """If this fails, an equilibrium block sends a wrong error current to the torch layers before it, or learns a wrong gradient.

    Two sides have a bias of order 2 in the strength: with a relative size of about 1 at strength 1 it is 1e-6 at 1e-3, and a hundred
    times larger at 1e-2. Ten times that is allowed for the curvature of the networks.
    """
    network = NETWORKS[kind]()
    exact = gradients(kind, network, Relaxed(network))
    errors = []
    for strength in (1e-2, 1e-3):
        layer = EquilibriumLayer(network, strength, settling=TIGHT, unconverged="raise")
        found = gradients(kind, network, layer)
        assert set(found) == set(exact)
        errors.append(max(float((found[name] - exact[name]).norm() / exact[name].norm()) for name in exact))
    # Phases that couple weakly are soft: a nudge moves them ten times as far as units of stiffness 1.
    assert errors[1] <= (1e-4 if kind == "oscillator" else 1e-5)
    # No diode of this circuit switches, so that it is linear, without a bias: what is left is rounding over a nudge of 1e-3.
    assert errors[0] < 1e-9 if kind == "resistive" else errors[0] / errors[1] == pytest.approx(100, rel=0.2)


def test_two_blocks_joined_by_torch_have_the_gradients_of_their_relaxation() -> None:
    """If this fails, a block of the hybrid sends a wrong error current through the layers between, and the block below learns from it.

    The network is that of the gallery, small: a block from picture to picture, batch normalisation, a block of rows. Two biases of order 2
    in a strength of 1e-3 add up, with relative sizes of about 1 at strength 1.
    """
    hybrid = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "gallery" / "hybrid.py"))["hybrid"]
    found = []
    for block in (Relaxed, lambda network: EquilibriumLayer(network, 1e-3, settling=TIGHT, unconverged="raise")):
        model = hybrid(block, seed=0, shape=(1, 8, 8), width=1, dtype=torch.float64)
        pictures = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1), **DOUBLE).requires_grad_()
        nn.functional.cross_entropy(model(pictures), torch.arange(6)).backward()
        found.append({name: parameter.grad for name, parameter in model.named_parameters()} | {"pictures": pictures.grad})
    errors = {name: float((found[1][name] - exact).norm() / exact.norm()) for name, exact in found[0].items()}
    # Normalisation takes the mean of a batch away, and with it most of the gradient of the bias before it, but not of its error.
    assert errors.pop("0.network.bias_2") <= 1e-4
    assert max(errors.values()) <= 1e-5, errors


def test_one_side_has_a_bias_of_order_one() -> None:
    """A control of the order above, and of the sides of a rule: one nudge less doubles as a test that the second is needed."""
    network = NETWORKS["dense"]()
    exact = gradients("dense", network, Relaxed(network))["inputs"]
    errors = []
    for strength in (1e-2, 1e-3):
        rule = eqlab.RULES["ep-positive"](eqlab.Setting("squared-error", TIGHT, strength=strength))
        errors.append(float((gradients("dense", network, EquilibriumLayer(network, rule))["inputs"] - exact).norm() / exact.norm()))
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.2)


def test_feedback_of_its_own_needs_exchanged_weights() -> None:
    """If this fails, the layer ignores what its rule says of untied feedback; the plain rule is the control that has to be wrong."""
    network = _untied()
    exact = gradients("dense", network, Relaxed(network))
    errors = []
    for name in ("ep-asymmetric", "ep-centered"):
        rule = eqlab.RULES[name](eqlab.Setting("squared-error", TIGHT, strength=1e-3))
        found = gradients("dense", network, EquilibriumLayer(network, rule))
        errors.append(float((found["inputs"] - exact["inputs"]).norm() / exact["inputs"].norm()))
    assert errors[0] <= 1e-5 < 1e-2 < errors[1]


def test_gradients_are_linear_in_what_comes_from_behind() -> None:
    """If this fails, a mean over a large batch nudges too weakly, or a scaled loss too strongly; the nudge follows the largest entry."""
    network, found = NETWORKS["dense"](), []
    for scale in (1.0, 1e-12, 1e9, 0.0):
        layer = EquilibriumLayer(network, settling=TIGHT)
        network.zero_grad()
        (scale * layer(torch.rand(5, 6, generator=torch.Generator().manual_seed(0), **DOUBLE)).sin().sum()).backward()
        found.append(network.weight_1.grad.clone())
    # The scale is divided out and multiplied in again: some roundings of 2e-16, and the tolerance of 1e-10 that a phase may end at.
    torch.testing.assert_close(found[1] / 1e-12, found[0], rtol=1e-9, atol=0)
    torch.testing.assert_close(found[2] / 1e9, found[0], rtol=1e-9, atol=0)
    assert not found[3].any()


def test_what_is_not_asked_for_is_not_computed() -> None:
    """If this fails, a frozen block moves, or data pay for a gradient that nobody reads."""
    network = NETWORKS["dense"]()
    network.weight_1.requires_grad_(False)
    layer = EquilibriumLayer(network, settling=TIGHT)
    inputs = torch.rand(3, 6, **DOUBLE)
    layer(inputs).sum().backward()
    assert network.weight_1.grad is None
    assert inputs.grad is None
    assert network.weight_2.grad is not None
    with torch.no_grad():
        assert layer(inputs).grad_fn is None


def test_the_certificate_is_that_of_the_last_pass() -> None:
    """If this fails, a user takes the state of an earlier batch, or of a phase that did not run, for the equilibrium of this one."""
    layer = EquilibriumLayer(NETWORKS["dense"](), settling=TIGHT)
    assert layer.certificate == {}
    first, second = torch.rand(3, 6, **DOUBLE), torch.rand(4, 6, **DOUBLE)
    output = layer(first)
    assert list(layer.certificate) == ["free"]
    layer(second)
    assert len(layer.certificate["free"].residual) == 4
    output.sum().backward()
    assert list(layer.certificate) == ["free", "positive", "negative"]
    assert all(len(phase.residual) == 3 and float(phase.residual.max()) <= 1e-10 for phase in layer.certificate.values())
    torch.testing.assert_close(layer.certificate["free"].state[-1], output.detach(), rtol=0, atol=0)


def test_unconverged_samples_warn_once_raise_call_or_pass() -> None:
    """If this fails, outputs far from equilibrium are used without a word, or the words of every batch hide all others."""
    short = eqlab.Settling(free=eqlab.Stop(1e-13, 2), second=eqlab.Stop(1e-13, 2))
    network, inputs, told = NETWORKS["dense"](), torch.rand(3, 6, **DOUBLE), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.simplefilter("default")
        layer = EquilibriumLayer(network, settling=short)
        for _ in range(3):
            layer(inputs).sum().backward()
    assert [warning.category for warning in caught] == [eqlab.ConvergenceWarning] * 3  # one for each phase
    assert "within 2 steps" in str(caught[0].message)
    with pytest.raises(eqlab.ConvergenceError, match="3 of 3 samples did not settle in the free phase"):
        EquilibriumLayer(network, settling=short, unconverged="raise")(inputs)
    EquilibriumLayer(network, settling=short, unconverged="ignore")(inputs).sum().backward()
    EquilibriumLayer(network, settling=short, unconverged=lambda name, phase: told.append((name, len(phase.status))))(
        inputs
    ).sum().backward()
    assert told == [("free", 3), ("positive", 3), ("negative", 3)]
    fixed = eqlab.Settling(free=eqlab.Stop(None, 2), second=eqlab.Stop(None, 2))
    EquilibriumLayer(network, settling=fixed, unconverged="raise")(inputs).sum().backward()  # without a tolerance nothing is missed


def test_the_state_of_a_model_goes_round() -> None:
    """If this fails, a trained block cannot be saved with the torch network around it."""
    one, other = (nn.Sequential(nn.Linear(6, 6), EquilibriumLayer(eqlab.Layered((6, 5, 4), generator=seed))) for seed in (0, 1))
    inputs = torch.rand(3, 6)
    before = one(inputs).detach()
    assert not torch.equal(other(inputs), before)
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(other(inputs).detach(), before, rtol=0, atol=0)
    twin = copy.deepcopy(one)
    with torch.no_grad():
        next(iter(twin.parameters())).add_(1)
    torch.testing.assert_close(one(inputs).detach(), before, rtol=0, atol=0)


def test_second_derivatives_and_changed_parameters_are_refused() -> None:
    """If this fails, a gradient penalty is trained by zeros, or a step between both passes by a gradient of neither."""
    network = eqlab.Layered((6, 5, 4), activation="tanh")
    model, inputs = nn.Sequential(EquilibriumLayer(network), nn.Linear(4, 2)), torch.rand(3, 6).requires_grad_()
    (slope,) = torch.autograd.grad(model(inputs).sum(), inputs, create_graph=True)
    with pytest.raises(eqlab.InputError, match="no second derivatives"):
        slope.pow(2).sum().backward()
    output = model(inputs).sum()
    with torch.no_grad():
        network.weight_1.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.backward()
    others = {name: parameter.detach().clone().requires_grad_() for name, parameter in model.named_parameters()}
    output = torch.func.functional_call(model, others, (inputs,)).sum()
    with pytest.raises(eqlab.InputError, match="other parameters now than in its forward pass"):
        output.backward()


def test_a_compiled_network_runs_the_layer_uncompiled() -> None:
    """If this fails, the compiler traces the loop of a relaxation, for minutes, and a budget becomes a constant."""
    model, inputs = nn.Sequential(nn.Linear(6, 6), EquilibriumLayer(eqlab.Layered((6, 5, 4))), nn.Tanh()), torch.rand(3, 6)
    plain = model(inputs)
    plain.sum().backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    compiled = torch.compile(model, backend="eager")(inputs)
    compiled.sum().backward()
    torch.testing.assert_close(compiled, plain)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name])


def test_under_autocast_the_layer_keeps_the_precision_of_its_parameters() -> None:
    """If this fails, residuals are roundings of half precision, and the contrast of two such states is noise."""
    layer = EquilibriumLayer(eqlab.Layered((6, 5, 4), activation="tanh"))
    inputs = torch.rand(3, 6).bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(inputs)
    assert output.dtype == torch.float32
    torch.testing.assert_close(output, layer(inputs.float()), rtol=0, atol=0)
    output.bfloat16().sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.dtype == torch.bfloat16
    assert layer.network.weight_1.grad.dtype == torch.float32


def test_a_scaler_of_the_loss_skips_a_step_whose_gradient_overflows() -> None:
    """If this fails, mixed precision stops at its first overflow; without autocast the same gradient is refused."""
    layer = EquilibriumLayer(eqlab.Layered((6, 5, 4), activation="tanh"))
    before, inputs = layer.network.weight_1.detach().clone(), torch.rand(3, 6)
    optimiser, scaler = torch.optim.SGD(layer.parameters(), lr=0.1), torch.amp.GradScaler("cpu", init_scale=2.0**16)
    with torch.autocast("cpu", dtype=torch.float16):
        loss = (layer(inputs).half() * 100).sum()  # 100 times 65536 is infinite in half precision
    scaler.scale(loss).backward()
    scaler.step(optimiser)
    scaler.update()
    assert scaler.get_scale() == 2.0**15
    torch.testing.assert_close(layer.network.weight_1.detach(), before, rtol=0, atol=0)
    with pytest.raises(eqlab.DivergenceError, match="gradient that comes to the layer is not finite"):
        (layer(inputs) * float("inf")).sum().backward()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EquilibriumLayer(nn.Linear(2, 2)), "network must be a Network"),
        (lambda: EquilibriumLayer(eqlab.Layered((2, 2)), "ep-centered"), "learns by equilibrium propagation, got 'ep-centered'"),
        (lambda: EquilibriumLayer(eqlab.Layered((2, 2)), eqlab.RULES["backprop"]("squared-error")), "learns by equilibrium propagation"),
        (lambda: EquilibriumLayer(eqlab.Layered((2, 2)), 0.0), "strength must be positive"),
        (lambda: EquilibriumLayer(eqlab.Layered((2, 2)), True), "learns by equilibrium propagation, got True"),
        (lambda: EquilibriumLayer(eqlab.Layered((2, 2)), unconverged="shout"), "unconverged must be 'warn', 'raise', 'ignore'"),
        (
            lambda: EquilibriumLayer(eqlab.Layered((2, 2)), eqlab.RULES["ep-centered"]("squared-error"), settling=eqlab.Settling()),
            "a settling of its own",
        ),
        (lambda: EquilibriumLayer(eqlab.Layered((2, 2)))([[1.0, 2.0]]), "inputs must be a Tensor"),
        (lambda: EquilibriumLayer(eqlab.Layered((2, 2)))(torch.rand(3, 5)), r"inputs must have shape \(batch, 2\)"),
        (lambda: EquilibriumLayer(eqlab.Layered((2, 2)))(torch.full((3, 2), float("nan"))), "inputs contain NaN"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(make: Any, message: str) -> None:
    """If this fails, a mistake in a model of many layers ends in a traceback of somebody else's."""
    with pytest.raises(eqlab.InputError, match=message):
        make()


def test_a_device_is_refused() -> None:
    """If this fails, an optimiser writes into weights that a device has to program phase by phase."""
    network = eqlab.OnDevice(eqlab.Layered((4, 3)), "ideal")
    with pytest.raises(eqlab.InputError, match="holds its own weights"):
        EquilibriumLayer(network)
