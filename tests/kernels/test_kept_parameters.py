"""Kernels that keep arrays of a network's parameters see what becomes of the parameters."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch

from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Setting, Settling
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
