"""Tensors on a device: relaxations that never wait for it, and the answer of a machine without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from kernel_cases import PHASES, build, phase_of
from torch.utils._python_dispatch import TorchDispatchMode

from contrastive_core.certificate import Stop
from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.costs.labels import with_targets
from contrastive_core.dynamics import DYNAMICS
from contrastive_core.errors import BackendError
from contrastive_core.network import Clamped
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Hold, Nudge
from contrastive_core.relaxation import cuda_graph
from contrastive_core.relaxation.relax import relax
from contrastive_core.types import Batch
from experiments.cli import cli

WAITING = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal", "unique", "masked_select")
"""Operations whose results the host waits for, because it acts on the number or because their shape depends on it."""


class CountWaits(TorchDispatchMode):
    """Counts the operations of a block that make the host wait where tensors are on a device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += operation.overloadpacket.__name__ in WAITING
        return operation(*args, **(kwargs or {}))


def waits(*arguments: Any) -> int:
    with torch.no_grad(), CountWaits() as counter:
        relax(*arguments, backend="torch")
    return counter.count


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_fixed_budget_never_waits_for_the_device(dynamics: str, phase: str) -> None:
    """One wait per sweep costs more than the sweep, and a CUDA graph cannot contain any; a tolerance is the control that has them."""
    for cost in SAMPLE_COSTS:
        _, clamped, state, batch = build((6, 9, 8, 3), hidden="tanh", rows=4)
        action = phase_of(phase, cost, clamped.network, state, batch)
        ready, moves = with_targets(action, clamped, state), DYNAMICS[dynamics]()
        assert waits(clamped, state, moves, Stop(None, 6), ready) == 0
        assert waits(clamped, state, moves, Stop(None, 2), action) == waits(clamped, state, moves, Stop(None, 6), action)  # once for labels
        assert waits(clamped, state, moves, Stop(1e-12, 6), ready) >= 6


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_relaxation_stays_on_the_device_of_its_inputs(dynamics: str) -> None:
    """With tensors that have a device's type and no data: what comes from the CPU, or asks for a number, is an error there."""
    with torch.no_grad():
        for readout, cost, hidden in (
            (None, "squared-error", "hard-sigmoid"),
            (None, "cross-entropy", "tanh"),
            (4, "cross-entropy", "logistic"),
        ):
            network = Layered((6, 9, 8, 3), activation=ACTIVATIONS[hidden], readout=readout)
            for name, parameter in list(network.named_parameters()):  # a build without CUDA cannot move a network, only make tensors
                setattr(network, name, torch.nn.Parameter(torch.empty(parameter.shape, device="meta")))
            inputs = torch.empty(5, 6, device="meta")
            clamped = Clamped(network, inputs, torch.addmm(network.bias(0), inputs, network.weight(0)))
            batch = Batch(inputs, torch.empty(5, readout or 3, device="meta"))
            nudge = Nudge(SAMPLE_COSTS[cost](), batch, 0.1)
            for phase in (None, nudge, nudge._replace(frozen=torch.empty_like(batch.labels))):
                result = relax(clamped, network.initial_state(clamped), DYNAMICS[dynamics](), Stop(None, 3), phase, backend="torch")
                assert {tensor.device.type for tensor in (*result.state, *result[1:])} == {"meta"}


def test_a_graph_needs_a_device() -> None:
    """Capturing nothing, silently, would make a benchmark of graphs one of something else."""
    _, clamped, state, _ = build((6, 9, 7))
    with pytest.raises(BackendError, match="on cpu"):
        cuda_graph.capture(clamped, state, DYNAMICS["forward"](), 5)


@pytest.mark.parametrize("phase", PHASES)
def test_what_a_graph_owns_is_all_that_differs_between_batches(phase: str) -> None:
    """A replay copies these tensors and no others: one that is missing would keep the captured batch's value for ever."""
    for cost in SAMPLE_COSTS:
        network, *first = build((6, 9, 7))
        action = phase_of(phase, cost, network, first[1], first[2])
        own = [tensor.detach().clone() for tensor in cuda_graph._tensors(first[0], first[1], action)]
        mine = cuda_graph._with_tensors(first[0], first[1], action, own)
        _, other, state, batch = build((6, 9, 7), seed=1)
        wanted = phase_of(phase, cost, network, state, batch)
        if isinstance(wanted, Hold):
            wanted = Hold(wanted.output / 2)
        for kept, given in zip(own, cuda_graph._tensors(network.clamp(other.inputs), state, wanted), strict=True):
            kept.copy_(given)
        with torch.no_grad():
            expected = relax(network.clamp(other.inputs), state, DYNAMICS["forward"](), Stop(None, 3), wanted, backend="torch")
            found = relax(*mine[:2], DYNAMICS["forward"](), Stop(None, 3), mine[2], backend="torch")
        assert all(torch.equal(one, two) for one, two in zip(expected.state, found.state, strict=True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device here")
@pytest.mark.parametrize("command", ["train", "compare", "gradients"])
def test_commands_without_a_device_say_so_in_one_sentence(command: str, tmp_path: Path) -> None:
    """A run that fell back to the CPU would take hours on it before anyone noticed."""
    result = CliRunner().invoke(cli, [command, "--device", "cuda", "--hidden", "8", "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "--device cuda needs a CUDA device" in result.stderr
    assert not (tmp_path / "run").exists()
