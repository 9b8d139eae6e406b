"""Kernels that keep arrays of a network's parameters see what becomes of the parameters."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache

import pytest
import torch

from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS
from contrastive_core.errors import InputError
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.relaxation import displace
from contrastive_core.relaxation.backends import plan
from contrastive_core.rule import Rule, Setting, Settling
from contrastive_core.types import Batch
from eqprop import RULES


def _step(network: Layered) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1)


def _replace(network: Layered) -> None:
    for parameter in network.parameters():
        parameter.data = parameter.data.flip(0) + 0.05


def _load(network: Layered) -> None:
    network.load_state_dict({name: value + 0.1 for name, value in network.state_dict().items()})


def _transpose(network: Layered) -> None:
    network.weight(0).data = network.weight(0).data.T


CHANGES: dict[str, Callable[[Layered], object]] = {
    "in place": _step,
    "new memory": _replace,
    "loaded": _load,
    "transposed where it lies": _transpose,
    "single precision": lambda network: network.float(),
    "new parameters": lambda network: network.register_parameter("bias_2", torch.nn.Parameter(network.bias(1).detach() + 0.2)),
}


def _gradients(network: Layered, backend: str) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.rand(8, 16, generator=generator, dtype=torch.float64).to(network.bias(0).dtype)
    batch = Batch(inputs, torch.randint(0, 3, (8,), generator=generator))
    settling = Settling(free=Stop(None, 8), second=Stop(None, 8), backend=backend)
    return RULES["ep-centered"](Setting(COSTS["squared-error"](), settling, strength=0.1)).estimate(network, batch).gradients


@pytest.mark.parametrize("change", CHANGES)
def test_estimates_follow_parameters_however_they_change(change: str) -> None:
    """Otherwise a network would be trained, or measured, at the weights that it had when it was first seen."""
    generator = torch.Generator().manual_seed(0)
    network = Layered((16, 16, 3), activation=ACTIVATIONS["hard-sigmoid"], generator=generator, dtype=torch.float64)
    _gradients(network, "numba")  # seen once
    CHANGES[change](network)
    # Contrasts of 8 sweeps, divided by a strength of 0.1: a few hundred roundings.
    tolerance = 1e-3 if network.bias(0).dtype == torch.float32 else 1e-11
    for twin in (network, deepcopy(network)):
        fast, slow = _gradients(twin, "numba"), _gradients(twin, "torch")
        for name, value in slow.items():
            assert torch.allclose(fast[name], value, rtol=tolerance, atol=tolerance), name


@cache  # the same rule, not an equal one, asks again
def _rule(name: str, strength: float, backend: str = "numba") -> Rule:
    settling = Settling(free=Stop(None, 8), second=Stop(None, 8), backend=backend)
    return RULES[name](Setting(COSTS["squared-error"](), settling, strength=strength))


def test_repeated_estimates_are_planned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise planning would take as long as the relaxation of a small batch, or another rule or batch would get the last one's plan."""
    planned: list[object] = []
    monkeypatch.setattr(displace, "plan", lambda case, backend: planned.append(case) or plan(case, backend))
    generator = torch.Generator().manual_seed(0)
    network = Layered((16, 16, 3), generator=generator, dtype=torch.float64)
    inputs, labels = torch.rand(8, 16, generator=generator, dtype=torch.float64), torch.randint(0, 3, (8,), generator=generator)
    whole, part, other = Batch(inputs, labels), Batch(inputs[:5], labels[:5]), Batch(inputs.flip(0), (labels + 1) % 3)
    for name, strength, batch, plans in (
        ("ep-positive", 0.1, whole, 1),
        ("ep-positive", 0.1, other, 0),
        ("ep-positive", 0.3, other, 1),
        ("ep-negative", 0.3, other, 1),
        ("ep-negative", 0.3, part, 1),
        ("ep-negative", 0.3, Batch(part.inputs, part.labels, start=tuple(torch.zeros(5, n, dtype=torch.float64) for n in (16, 3))), 0),
    ):
        planned.clear()
        found, expected = (_rule(name, strength, backend).estimate(network, batch) for backend in ("numba", "torch"))
        assert len(planned) == plans + (batch.start is None)  # the reference's is asked for, too
        for key, value in expected.gradients.items():
            assert torch.allclose(found.gradients[key], value, rtol=1e-11, atol=1e-11), key  # as above
        for key, relaxation in expected.relaxations.items():
            assert torch.allclose(found.relaxations[key].state[0], relaxation.state[0], rtol=1e-11, atol=1e-11), key
    # A network whose energy is changed is another one.
    for change in ({"energy_scale": 0.3, "stiffness": (0.3, 0.09)}, {"activations": (ACTIVATIONS["clipped-relu"], network.activations[1])}):
        for name, value in change.items():
            setattr(network, name, value)
        found, expected = (_rule("ep-negative", 0.3, backend).estimate(network, part).gradients for backend in ("numba", "torch"))
        for key, gradient in expected.items():
            assert torch.allclose(found[key], gradient, rtol=1e-10, atol=1e-10), key
    # What no plan covers is refused in the words of the reference.
    rule = _rule("ep-positive", 0.1)
    rule.estimate(network, whole)
    with pytest.raises(InputError, match="class"):
        rule.estimate(network, Batch(inputs, labels + 3))
