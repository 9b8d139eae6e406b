"""Training of Boltzmann machines: what each way to learn reaches on two modes, momentum and decay, and resuming to the same bits."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from boltzmann.machines import machine_of

from contrastive_core.errors import CheckpointError, DivergenceError, InputError
from hebbian.boltzmann.annealed import base_rates
from hebbian.boltzmann.chains import ChainPlan
from hebbian.boltzmann.exact import exact_gradient, log_likelihood, states
from hebbian.boltzmann.learning import Learning
from hebbian.boltzmann.likelihood import find_log_partition
from hebbian.boltzmann.machine import BoltzmannMachine
from hebbian.boltzmann.training import MachinePlan, MachineSession, begin, drawn, train_epoch, train_machine
from hebbian.boltzmann.two_modes import uneven_modes
from hebbian.boltzmann.units import UNITS

DTYPE = torch.float64


def unevenly() -> torch.Tensor:
    """Return 100 samples: all units on in 80 and all off in 20, one unit in 25 turned."""
    return uneven_modes(100, 6, 0.8, 0.04, torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", ["mean-field", "tap", "pseudo-likelihood"])
def test_approximate_ways_to_learn_descend(name: str) -> None:
    """They are no maximum likelihood, but from independent units they have to raise it."""
    data = unevenly()
    machine = BoltzmannMachine((6, 4), gain=0.1, dtype=DTYPE)
    with torch.no_grad():
        machine.bias(0).copy_(base_rates(data, "binary"))
    before = float(log_likelihood(machine, data).mean())
    learning, source = Learning(name, ChainPlan(3, 20)), torch.Generator().manual_seed(4)
    chains = learning.start(machine, source)
    for _ in range(80):
        gradients, chains = learning.estimate(machine, data, chains, source)
        with torch.no_grad():
            for parameter_name, parameter in machine.named_parameters():
                parameter.sub_(gradients[parameter_name], alpha=0.5)
    assert float(log_likelihood(machine, data).mean()) > before + 0.3


@pytest.mark.parametrize("kind", ["restricted", "deep", "general", "fully visible"])
def test_one_step_of_training_is_the_gradient_times_the_rate(kind: str) -> None:
    """The fused update and the update with momentum take the same step."""
    data = states(machine_of(kind).units[0], machine_of(kind).sizes[0])[:10]
    ends = []
    for momentum in (0.0, 1e-300):  # the second is no momentum either, but does not take the fused update
        machine = machine_of(kind)
        plan = MachinePlan(1, 10, 0.3, momentum=momentum, learning=Learning("pcd", ChainPlan(1, 10)))
        train_epoch(begin(machine, data, plan, 1), data, plan)
        ends.append(torch.cat([parameter.detach().flatten() for parameter in machine.parameters()]))
    assert torch.allclose(*ends, atol=1e-12)
    assert not torch.allclose(ends[0], torch.cat([p.detach().flatten() for p in machine_of(kind).parameters()]), atol=1e-3)


def test_momentum_and_decay_are_those_of_stochastic_gradient_descent() -> None:
    """Two exact updates against the written-out recursion v <- m v + g + d w, w <- w - rate v; biases do not decay."""
    machine, plan = machine_of("restricted"), MachinePlan(1, 4, 0.1, 1.0, 0.5, 0.2, Learning("exact", ChainPlan(1, 2)))
    data = states(UNITS["binary"], 5)[:8]
    progress = begin(machine, data, plan, 1)
    assert torch.allclose(machine.bias(0).detach(), base_rates(data, "binary"))
    order = torch.randperm(8, generator=begin(machine_of("restricted"), data, plan, 1).generators["order"])
    expected = {name: parameter.detach().clone() for name, parameter in machine.named_parameters()}
    velocity = {name: torch.zeros_like(parameter) for name, parameter in expected.items()}
    twin = machine_of("restricted")
    for rows in order.split(4):
        with torch.no_grad():
            for name, parameter in twin.named_parameters():
                parameter.copy_(expected[name])
        for name, gradient in exact_gradient(twin, data[rows]).items():
            velocity[name] = 0.5 * velocity[name] + gradient + (0.0 if name.startswith("bias") else 0.2) * expected[name]
        expected = {name: value - 0.1 * velocity[name] for name, value in expected.items()}
    train_epoch(progress, data, plan)
    for name, parameter in machine.named_parameters():
        assert torch.allclose(parameter, expected[name], atol=1e-12), name


def nothing(progress: MachineSession) -> dict[str, float]:
    return {"size": float(len(progress.history))}


@pytest.mark.parametrize("name", ["pcd", "parallel-tempering", "cd", "tap"])
def test_an_interrupted_training_resumes_to_the_same_bits(name: str, tmp_path: Path) -> None:
    """Chains, momentum and generators have to be in the checkpoint, or a resumed run is another experiment."""
    data = states(UNITS["binary"], 5)
    plan = MachinePlan(4, 8, 0.1, momentum=0.5, learning=Learning(name, ChainPlan(1, 10, 3)))
    whole = machine_of("restricted")
    train_machine(whole, data, plan, 3, measure=nothing)

    class StoppedError(Exception):
        """End of the first part."""

    def stop(record: dict[str, float]) -> None:
        if record["epoch"] == 2:
            raise StoppedError

    file = tmp_path / "machine.safetensors"
    with pytest.raises(StoppedError):
        train_machine(machine_of("restricted"), data, plan, 3, measure=nothing, checkpoint=file, identity='{"a": 1}', on_epoch=stop)
    resumed, told = machine_of("restricted"), list[float]()
    train_machine(
        resumed, data, plan, 3, measure=nothing, checkpoint=file, identity='{"a": 1}', on_epoch=lambda record: told.append(record["epoch"])
    )
    assert told == [1, 2, 3, 4]
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), resumed.parameters(), strict=True))
    with pytest.raises(CheckpointError, match="other settings"):
        train_machine(machine_of("restricted"), data, plan, 3, measure=nothing, checkpoint=file, identity='{"a": 2}')
    with pytest.raises(CheckpointError, match="another network"):
        train_machine(BoltzmannMachine((5, 9), dtype=DTYPE), data, plan, 3, measure=nothing, checkpoint=file, identity='{"a": 1}')


def test_draws_from_probabilities_have_their_means() -> None:
    """Grey pixels are drawn anew for each batch; spins of the same chance too."""
    for kind in ("binary", "spin"):
        machine = BoltzmannMachine((3, 2), visible=kind, dtype=DTYPE)
        chances = torch.tensor([0.1, 0.5, 0.8], dtype=DTYPE).expand(20_000, 3)
        share = (drawn(machine, chances, torch.Generator().manual_seed(1)) == 1).double().mean(0)
        assert torch.allclose(share, chances[0], atol=4.5 * 0.5 / math.sqrt(20_000))


def test_log_partition_is_enumerated_where_it_is_cheap() -> None:
    """An estimate with an error is no substitute where the sum takes no time."""
    source = torch.Generator().manual_seed(0)
    small = find_log_partition(BoltzmannMachine((40, 4)), source)
    large = find_log_partition(BoltzmannMachine((40, 30)), source, runs=10, steps=10)
    assert (small.method, small.error, large.method) == ("enumeration", 0.0, "AIS")
    assert large.error > 0


def test_bad_training_is_refused() -> None:
    """Settings that cannot train, and weights that are not finite, end in a sentence."""
    with pytest.raises(InputError, match="a positive learning rate"):
        MachinePlan(learning_rate=0.0)
    with pytest.raises(InputError, match=r"no negative decay, got .*nan"):
        MachinePlan(weight_decay=math.nan)
    data = 1e20 * torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    machine = BoltzmannMachine((3, 2), visible="gaussian")
    plan = MachinePlan(3, 10, 1e20, learning=Learning("cd"))
    with pytest.raises(DivergenceError, match="lower the learning rate"):
        train_machine(machine, data, plan, 0, measure=nothing)
