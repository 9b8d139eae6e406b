"""On a real device, where there is one: ``python -m pytest -m gpu``. Not one of these has run so far."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from kernel_cases import EQUAL, PHASES, SIZES, assert_equal, build, nudged_from_rest, phase_of

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.costs import SAMPLE_COSTS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.availability import CUDA
from contrastive_core.network import Clamped
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.relaxation.backends import Case, plan
from contrastive_core.relaxation.cuda_graph import capture
from contrastive_core.relaxation.displace import displace_each
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch, State
from experiments.cli import cli
from experiments.setup.tables import RULES

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device and a build of torch for it"),
]
kernel_works = pytest.mark.skipif(torch.cuda.is_available() and CUDA.missing() is not None, reason="needs eqlab[cuda]")


def on_device(network: Layered, state: State, batch: Batch, phase: Phase | None) -> tuple[Clamped, State, Phase | None]:
    """Move all tensors of a case to the device; the network is moved in place."""
    network.to("cuda")
    there = Batch(batch.inputs.cuda(), batch.labels.cuda())
    if isinstance(phase, Hold):
        phase = Hold(phase.output.cuda())
    elif isinstance(phase, Nudge):
        phase = phase._replace(batch=there, frozen=None if phase.frozen is None else phase.frozen.cuda())
    return network.clamp(there.inputs), tuple(layer.cuda() for layer in state), phase


def fetched(relaxation: Relaxation) -> Relaxation:
    return Relaxation(tuple(layer.cpu() for layer in relaxation.state), *(tensor.cpu() for tensor in relaxation[1:]))


@kernel_works
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("cost", SAMPLE_COSTS)
@pytest.mark.parametrize("sizes", [*SIZES.values(), (784, 512, 10), (784, 512, 512, 10)])
def test_kernel_on_the_device_equals_the_reference_on_the_cpu(sizes: tuple[int, ...], cost: str, phase: str) -> None:
    """The simulator has no memory model: only a device shows a missing barrier."""
    for dtype, hidden, rows in ((torch.float64, "tanh", 5), (torch.float32, "hard-sigmoid", 130)):
        network, clamped, state, batch = build(sizes, hidden=hidden, dtype=dtype, rows=rows)
        action = phase_of(phase, cost, network, state, batch)
        with torch.no_grad():
            reference = relax(clamped, state, BlockDescent(), Stop(None, 6), action, backend="torch")
            clamped, state, action = on_device(network, state, batch, action)
            assert plan(Case(network, clamped.drive, BlockDescent(), [action], state), "auto").backend == "cuda"
            assert_equal(reference, fetched(relax(clamped, state, BlockDescent(), Stop(None, 6), action, backend="cuda")), 5 * EQUAL[dtype])
            assert_equal(
                reference, fetched(relax(clamped, state, BlockDescent(), Stop(None, 6), action, backend="torch")), 5 * EQUAL[dtype]
            )


@kernel_works
@pytest.mark.parametrize("cost", SAMPLE_COSTS)
@pytest.mark.parametrize("readout", [None, 5])
@pytest.mark.parametrize("sizes", [*SIZES.values(), (784, 512, 512, 10)])
def test_displacements_on_the_device_are_those_of_the_reference_on_the_cpu(sizes: tuple[int, ...], readout: int | None, cost: str) -> None:
    """Nudges of both signs run in one launch, each from the same free state."""
    for dtype, hidden, rows in ((torch.float64, "logistic", 5), (torch.float32, "hard-sigmoid", 130)):
        network, clamped, state, batch = build(sizes, hidden=hidden, readout=readout, dtype=dtype, rows=rows)
        lowered = SAMPLE_COSTS[cost]()
        nudges = [Nudge(lowered, batch, sign * 0.2 * network.stiffness[-1]) for sign in (1, -1)]
        with torch.no_grad():
            free = relax(clamped, state, BlockDescent(), Stop(None, 6), backend="torch").state
            _, expected = displace_each(clamped, free, BlockDescent(), Stop(None, 6), nudges, backend="torch")
            clamped, free, _ = on_device(network, free, batch, None)
            there = Batch(batch.inputs.cuda(), batch.labels.cuda())
            moved = [nudge._replace(batch=there) for nudge in nudges]
            _, found = displace_each(clamped, free, BlockDescent(), Stop(None, 6), moved, backend="cuda")
        for (reference, end), (kernel, relaxed) in zip(expected, found, strict=True):
            assert_equal(end, fetched(relaxed), 5 * EQUAL[dtype])
            for one, other in zip(reference.layers, kernel.layers, strict=True):
                assert float((one - other.cpu()).abs().max()) <= 50 * EQUAL[dtype] * max(1.0, float(one.abs().max()))


@kernel_works
def test_nudges_from_rest_stop_where_the_reference_stops_them() -> None:
    """With a tolerance, each sample must stop on the device where it stops on the CPU."""
    network, clamped, _, batch = build((784, 512, 10), rows=40)
    cost = SAMPLE_COSTS["squared-error"]()
    nudges = [Nudge(cost, batch, sign * 0.1 * network.stiffness[-1]) for sign in (1, -1)]
    with torch.no_grad():
        expected = nudged_from_rest(clamped, BlockDescent(), Stop(1e-6, 60), Stop(1e-6, 60), nudges, "torch")
        state = clamped.network.initial_state(clamped)
        clamped, _, _ = on_device(network, state, batch, None)
        there = Batch(batch.inputs.cuda(), batch.labels.cuda())
        moved = [nudge._replace(batch=there) for nudge in nudges]
        found = nudged_from_rest(clamped, BlockDescent(), Stop(1e-6, 60), Stop(1e-6, 60), moved, "cuda")
    for reference, kernel in zip(expected, found, strict=True):
        assert int((reference.steps - kernel.steps.cpu()).abs().max()) <= 1
        for first, second in zip(reference.state, kernel.state, strict=True):
            assert float((first - second.cpu()).abs().max()) < 1e-5  # the tolerance, over one minus the rate of the relaxation


@pytest.mark.parametrize("phase", PHASES)
def test_a_graph_replays_the_relaxation_for_other_inputs(phase: str) -> None:
    """A graph that kept anything of the batch it was captured with would train on that batch for ever."""
    network, _, state, batch = build((20, 30, 10), rows=8)
    first = on_device(network, state, batch, phase_of(phase, "cross-entropy", network, state, batch))
    replay = capture(*first[:2], BlockDescent(), 7, first[2])
    _, _, state, batch = build((20, 30, 10), rows=8, seed=1)
    with torch.no_grad():
        network.weight(0).mul_(0.9)  # as an optimiser does, in place
    cpu = Layered((20, 30, 10), energy_scale=0.8, dtype=torch.float64)
    cpu.load_state_dict({name: value.cpu() for name, value in network.state_dict().items()})
    second = on_device(network, state, batch, phase_of(phase, "cross-entropy", cpu, state, batch))
    with torch.no_grad():
        expected = relax(*second[:2], BlockDescent(), Stop(None, 7), second[2], backend="torch")
    assert_equal(fetched(expected), fetched(replay(*second)), 1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_rules_estimate_the_same_gradient_on_the_device(rule: str) -> None:
    """Otherwise a comparison of rules would depend on where it was computed."""
    network, _, _, batch = build((20, 30, 10), hidden="tanh", rows=16, scale=1.0)
    settling = Settling(free=Stop(1e-11, 500), second=Stop(1e-9, 500))
    estimator = RULES[rule](Setting(SAMPLE_COSTS["squared-error"](), settling, strength=0.05))
    draw = torch.Generator().manual_seed
    expected = estimator.estimate(network, batch, generator=draw(3)).gradients
    network.to("cuda")
    found = estimator.estimate(network, Batch(batch.inputs.cuda(), batch.labels.cuda()), generator=draw(3)).gradients
    for name, gradient in expected.items():
        assert found[name].is_cuda
        # Residuals of 1e-11, amplified by 1/strength and the condition of the curvature.
        assert float((found[name].cpu() - gradient).abs().max()) < 1e-7


@pytest.mark.parametrize("command", [("train",), ("compare", "--seeds", "1", "--engine", "serial"), ("gradients",)])
def test_commands_compute_on_the_device(command: tuple[str, ...], tmp_path: Path) -> None:
    small = () if command[0] == "gradients" else ("--train-size", "96", "--epochs", "1")
    result = CliRunner().invoke(cli, [*command, *small, "--hidden", "12", "--device", "cuda", "--json", "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)
