"""A weight that is not finite ends every backend as it ends the reference, however many samples there are and however they are settled."""

from __future__ import annotations

import itertools

import pytest
import torch
from kernel_cases import SIZES, build

from contrastive_core.certificate import Status, Stop
from contrastive_core.costs import COSTS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import DivergenceError
from contrastive_core.kernels.settling.any_depth.sweeps import FEW
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from eqprop import RULES


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
@pytest.mark.parametrize("rows", [1, 4, FEW, FEW + 1, 40])
@pytest.mark.parametrize("sizes", ["one", "wide", "vector", "two", "three"])
def test_infinite_weight_between_layers_ends_every_backend_as_it_ends_the_reference(sizes: str, rows: int, value: float) -> None:
    """Kernels leave out what is 0, and 0 times infinity is NaN: a network that has diverged would go on training, at its bounds."""
    dynamics, stop = BlockDescent(), Stop(1e-6, 30)
    for layer, hidden in itertools.product(range(1, len(SIZES[sizes]) - 1), ("hard-sigmoid", "tanh")):
        network, clamped, _, batch = build(SIZES[sizes], hidden=hidden, last="hard-sigmoid", rows=rows)
        network.weight(layer).data[1, 2] = value
        with torch.no_grad():
            rest = network.initial_state(clamped)
            expected, found = (relax(clamped, rest, dynamics, stop, backend=backend) for backend in ("torch", "numba"))
        assert expected.status.tolist() == [int(Status.DIVERGED)] * rows  # at rest a unit is 0, and meets the weight
        assert found.status.tolist() == expected.status.tolist()
        assert found.steps.tolist() == expected.steps.tolist()
        assert _refusal(network, batch, "numba") == _refusal(network, batch, "torch")


def _refusal(network: torch.nn.Module, batch: Batch, backend: str) -> str:
    """Return what an estimate says."""
    rule = RULES["ep-centered"](Setting(COSTS["squared-error"](), Settling(backend=backend), strength=0.2))
    with pytest.raises(DivergenceError) as caught:
        rule.estimate(network, batch)
    return str(caught.value)
