"""Training of a Boltzmann machine: stochastic descent of -log p with momentum, resumable to the same bits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contrastive_core.errors import CheckpointError, DivergenceError, InputError
from contrastive_core.files.checkpoint import check_parameters, load_checkpoint, load_parameters, save_checkpoint
from contrastive_core.generators import generator_of
from hebbian.boltzmann import bits
from hebbian.boltzmann.annealed import base_rates
from hebbian.boltzmann.chains import Chains
from hebbian.boltzmann.learning import Learning
from hebbian.boltzmann.machine import BoltzmannMachine

LARGEST = 1e4
"""Largest weight or bias of a machine that learns. In a field of 20 a unit changes once in 5e8 draws already."""


@dataclass(frozen=True)
class MachinePlan:
    """Settings of the training of a machine.

    Attributes
    ----------
    epochs, batch_size : int
        Passes over the data, and samples per update.
    learning_rate : float
        Rate of the first epoch, per mean gradient of a batch.
    final_rate : float
        Rate of the last epoch as a share of the first; the rate falls linearly. Kept chains follow weights only if these slow down.
    momentum : float
        Momentum of the descent, in [0, 1).
    weight_decay : float
        Decay of weights and lateral couplings, not of biases.
    learning : Learning
        Way to learn.
    sampled : bool
        Whether the data are probabilities, from which binary values are drawn anew for every batch.
    """

    epochs: int = 10
    batch_size: int = 100
    learning_rate: float = 0.05
    final_rate: float = 0.1
    momentum: float = 0.5
    weight_decay: float = 0.0
    learning: Learning = field(default_factory=Learning)
    sampled: bool = False

    def __post_init__(self) -> None:
        told = (self.epochs, self.batch_size, self.learning_rate, self.final_rate, self.momentum, self.weight_decay)
        shares = 0 <= self.final_rate <= 1 and 0 <= self.momentum < 1
        if min(told[:2]) < 1 or not (0 < self.learning_rate < float("inf") and shares and 0 <= self.weight_decay < float("inf")):
            raise InputError(
                f"training needs an epoch, a sample, a positive learning rate, shares from 0 to 1 and no negative decay, got {told}"
            )

    @property
    def moving(self) -> bool:
        """Whether updates need velocities, for momentum or decay."""
        return self.momentum > 0 or self.weight_decay > 0

    def rate(self, epoch: int) -> float:
        """Return the rate of an epoch, counted from 1."""
        done = (epoch - 1) / max(self.epochs - 1, 1)
        return self.learning_rate * (1 - done + done * self.final_rate)


@dataclass
class MachineSession:
    """All that an update changes.

    Attributes
    ----------
    machine : BoltzmannMachine
        Machine, trained in place.
    velocities : dict of str to Tensor
        Momentum of each parameter.
    chains : Chains
        Chains of the negative phase.
    generators : dict of str to Generator
        Sources of the order of the data and of all draws.
    sparse : bool
        Whether updates add the rows of ones only, as :mod:`hebbian.boltzmann.bits` does, because ones are few.
    history : list of dict
        One record per epoch.
    """

    machine: BoltzmannMachine
    velocities: dict[str, Tensor]
    chains: Chains
    generators: dict[str, torch.Generator]
    sparse: bool = False
    history: list[dict[str, float]] = field(default_factory=list)

    def save(self, path: Path, identity: str) -> None:
        """Write a checkpoint, from which :meth:`load` restores the same bits."""
        tensors: dict[str, Tensor] = {f"parameter.{name}": parameter for name, parameter in self.machine.named_parameters()}
        tensors |= {f"velocity.{name}": velocity for name, velocity in self.velocities.items()}
        tensors |= {f"chain.{index}": layer for index, layer in enumerate(self.chains.state)}
        tensors |= {f"generator.{name}": generator.get_state() for name, generator in self.generators.items()}
        save_checkpoint(path, tensors, {"identity": identity, "history": self.history, "accepted": self.chains.accepted})

    def load(self, path: Path, identity: str) -> None:
        """Restore a checkpoint.

        Raises
        ------
        CheckpointError
            If it is damaged, or of another machine or other settings.
        """
        tensors, record = load_checkpoint(path)
        check_parameters(self.machine, tensors, "parameter.", path)
        wanted = {f"velocity.{name}" for name in self.velocities} | {f"chain.{index}" for index in range(len(self.chains.state))}
        missing = (wanted | {f"generator.{name}" for name in self.generators}) - tensors.keys()
        if missing or not {"identity", "history", "accepted"} <= record.keys():
            raise CheckpointError(f"{path} is no checkpoint of a Boltzmann machine; delete it to train from the beginning, or give another")
        if json.loads(record["identity"]) != json.loads(identity):
            raise CheckpointError(f"{path} was trained with other settings; use its own, or start in another directory")
        load_parameters(self.machine, tensors, "parameter.", path)
        self.velocities = {name: tensors[f"velocity.{name}"] for name in self.velocities}
        state = tuple(tensors[f"chain.{index}"] for index in range(len(self.chains.state)))
        self.chains = Chains(state, self.chains.base, float(record["accepted"]))
        for name, generator in self.generators.items():
            generator.set_state(tensors[f"generator.{name}"])
        self.history = list(record["history"])


def begin(machine: BoltzmannMachine, data: Tensor, plan: MachinePlan, seed: int) -> MachineSession:
    """Return the progress before the first update; the visible biases of the machine are set to the base rates of the data.

    Parameters
    ----------
    machine : BoltzmannMachine
        Machine, which is trained in place.
    data : Tensor of shape (N, n_0)
        Training data.
    plan : MachinePlan
        Settings.
    seed : int
        Seed of order and draws.

    References
    ----------
    Hinton (2012), A practical guide to training restricted Boltzmann machines, section 8, for the start of the visible biases.
    """
    base = base_rates(machine.accept(data), machine.units[0].name)
    valued = plan.sampled or bool(((data == 0) | (data == 1)).all())  # grey pixels are means, not bits
    sparse = valued and plan.learning.name in ("cd", "pcd") and bits.suits(machine, data)
    generators = {"order": generator_of(seed, 1), "draws": generator_of(seed, 2)}
    with torch.no_grad():
        machine.bias(0).copy_(base)
    velocities = {name: torch.zeros_like(parameter) for name, parameter in machine.named_parameters()}
    return MachineSession(machine, velocities, plan.learning.start(machine, generators["draws"], base), generators, sparse)


def train_epoch(progress: MachineSession, data: Tensor, plan: MachinePlan, on_step: Callable[[int], None] | None = None) -> None:
    """Take one pass over the data in random order; changes the progress in place.

    Parameters
    ----------
    progress : MachineSession
        Machine, momentum, chains and generators.
    data : Tensor of shape (N, n_0)
        Training data, as values or probabilities of the visible units.
    plan : MachinePlan
        Settings.
    on_step : callable, optional
        Called with the number of each update, counted from 1.
    """
    machine, draws = progress.machine, progress.generators["draws"]
    rate = plan.rate(len(progress.history) + 1)
    order = torch.randperm(len(data), generator=progress.generators["order"])
    for step, rows in enumerate(torch.split(order, plan.batch_size), start=1):
        visible = data[rows]
        if plan.sampled:
            visible = drawn(machine, visible, draws)
        with torch.no_grad():
            _update(progress, visible, plan, rate)
        if on_step is not None:
            on_step(step)
    _refuse_diverged(machine, len(progress.history) + 1)


def _update(progress: MachineSession, visible: Tensor, plan: MachinePlan, rate: float) -> None:
    """Take one step; changes the progress in place."""
    machine, draws = progress.machine, progress.generators["draws"]
    if progress.sparse:
        _update_by_bits(progress, visible, plan, rate)
        return
    if plan.learning.contrasts and not plan.moving:
        plus, minus, progress.chains = plan.learning.phases(machine, visible, progress.chains, draws)
        machine.descend_(plus, minus, rate)
        return
    with torch.enable_grad():
        gradients, progress.chains = plan.learning.estimate(machine, visible, progress.chains, draws)
    for name, parameter in machine.named_parameters():
        velocity = progress.velocities[name].mul_(plan.momentum).add_(gradients[name])
        if plan.weight_decay and not name.startswith("bias"):
            velocity.add_(parameter, alpha=plan.weight_decay)
        parameter.sub_(velocity, alpha=rate)


def _update_by_bits(progress: MachineSession, visible: Tensor, plan: MachinePlan, rate: float) -> None:
    """Take one step of contrastive divergence, kept chains or not, where ones are few; changes the progress in place."""
    machine, kept = progress.machine, plan.learning.name == "pcd"
    chains = progress.chains.state if kept else None
    found = bits.phases(machine, visible, chains, plan.learning.plan.sweeps, progress.generators["draws"])
    if kept:
        progress.chains = progress.chains._replace(state=found.state)
    bits.descend_(machine, found, rate, progress.velocities if plan.moving else None, plan.momentum, plan.weight_decay)


def _refuse_diverged(machine: BoltzmannMachine, epoch: int) -> None:
    largest = max(float(parameter.detach().abs().max()) for parameter in machine.parameters())
    if not largest <= LARGEST:  # not-a-number too
        raise DivergenceError(
            f"training diverged: the largest weight or bias is {largest:.3g} after epoch {epoch}, where at most {LARGEST:g} leaves units "
            "random; lower the learning rate"
        )


def drawn(machine: BoltzmannMachine, chances: Tensor, generator: torch.Generator) -> Tensor:
    """Draw values of the visible units whose chances of the upper value are given, in [0, 1]."""
    low, high = machine.units[0].values
    return low + (high - low) * (torch.rand(chances.shape, generator=generator, dtype=chances.dtype) < chances).to(chances.dtype)


def train_machine(
    machine: BoltzmannMachine,
    data: Tensor,
    plan: MachinePlan,
    seed: int,
    *,
    measure: Callable[[MachineSession], Mapping[str, Any]],
    checkpoint: Path | None = None,
    identity: str = "{}",
    on_step: Callable[[int], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> MachineSession:
    """Train a machine in place.

    Parameters
    ----------
    machine : BoltzmannMachine
        Machine; its visible biases are set to the base rates of the data first.
    data : Tensor of shape (N, n_0)
        Training data.
    plan : MachinePlan
        Settings.
    seed : int
        Seed of order and draws.
    measure : callable
        Returns what the record of an epoch holds beside ``epoch``, ``seconds`` and ``accepted``.
    checkpoint : Path, optional
        Checkpoint, written after every epoch; training resumes from it if it exists.
    identity : str
        JSON text that identifies the settings.
    on_step, on_epoch : callable, optional
        Callbacks with the number of each update and with the record of each epoch, those of a checkpoint included.

    Returns
    -------
    MachineSession
        State after the last epoch, with the history.

    Raises
    ------
    CheckpointError
        If the checkpoint is damaged or of other settings.
    DivergenceError
        If weights or biases are not finite, or above ``LARGEST``.
    """
    data = machine.accept(data)
    progress = begin(machine, data, plan, seed)
    if checkpoint is not None and checkpoint.exists():
        progress.load(checkpoint, identity)
    tell = on_epoch or (lambda record: None)
    for record in progress.history:
        tell(record)
    while len(progress.history) < plan.epochs:
        began = time.perf_counter()
        train_epoch(progress, data, plan, on_step)
        seconds = time.perf_counter() - began
        epoch = len(progress.history) + 1
        record = {"epoch": epoch, "seconds": seconds, "accepted": progress.chains.accepted, **measure(progress)}
        progress.history.append(record)
        if checkpoint is not None:
            progress.save(checkpoint, identity)
        tell(record)
    return progress
