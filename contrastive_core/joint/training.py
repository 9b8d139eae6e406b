"""Training of a joint model; an interrupted one resumes to the same bits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from contrastive_core.data.batches import batches
from contrastive_core.data.splits import Splits
from contrastive_core.errors import DivergenceError, InputError
from contrastive_core.generators import generator_of
from contrastive_core.joint.arms import Arm, Training, uniform_noise
from contrastive_core.joint.costs import log_density
from contrastive_core.joint.input_gradient import Classifier
from contrastive_core.joint.measures import detection_area
from contrastive_core.joint.plan import JointPlan
from contrastive_core.progress.share import counted
from contrastive_core.training.evaluation import unconverged
from contrastive_core.training.optimisers import OPTIMISERS, SCHEDULES
from contrastive_core.training.optimisers.builders import layer_groups
from contrastive_core.training.training_state import Session
from contrastive_core.types import Batch

DIVERGED = "diverged"
"""Name in the record of the epoch in which a training diverged; no epoch follows it."""
_SUMS = ("train_error", "sweeps_per_sample", "unconverged", "gap", "area")


@dataclass(frozen=True)
class JointResult:
    """A trained joint model.

    Attributes
    ----------
    classifier : Classifier
        Model with the averaged parameters after the last epoch that ended.
    history : list of dict
        Record of every epoch.
    steps : int
        Steps towards a sample that the training has reached.
    chains : Tensor of shape (chains, n_in)
        Ends of the kept chains.
    """

    classifier: Classifier
    history: list[dict[str, float]]
    steps: int
    chains: Tensor

    @property
    def diverged(self) -> int | None:
        """Epoch in which the training diverged; None if it did not."""
        last = self.history[-1]
        return int(last["epoch"]) if last[DIVERGED] else None


def train_joint(
    classifier: Classifier,
    arm: Arm,
    splits: Splits,
    plan: JointPlan,
    seed: int,
    *,
    checkpoint: Path | None = None,
    identity: str = "{}",
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> JointResult:
    """Train a classifier in place.

    Parameters
    ----------
    classifier : Classifier
        Model with its initial weights.
    arm : Arm
        Terms of the loss.
    splits : Splits
        Data in the box from 0 to 1; the test split is not used.
    plan : JointPlan
        Settings.
    seed : int
        Seed of the order of the data and of all draws.
    checkpoint : Path, optional
        Checkpoint, written after every epoch; training resumes from it if it exists.
    identity : str
        JSON text that identifies the settings.
    on_epoch : callable, optional
        Called with the record of every epoch, those of a checkpoint included.

    Returns
    -------
    JointResult
        Averaged model, history and chains. A training that diverges ends there, with the model of the epoch before.

    Raises
    ------
    InputError
        If the data leave the box.
    CheckpointError
        If the checkpoint is damaged or of other settings.
    """
    if not 0 <= float(splits.train.inputs.min()) <= float(splits.train.inputs.max()) <= 1:
        raise InputError("attacks and samples stay in the box from 0 to 1, and these inputs do not; take data of pictures, such as digits")
    session, state = _begin(classifier, splits, plan, seed)
    if checkpoint is not None and checkpoint.exists():
        session.load(checkpoint, identity)
    for record in session.history:
        if on_epoch is not None:
            on_epoch(record)
    done = len(session.history)
    for epoch in counted(range(done + 1, plan.epochs + 1), plan.epochs, "epoch", done=done):
        if session.history and session.history[-1][DIVERGED]:
            break
        began, cpu_began = time.perf_counter(), time.process_time()
        try:
            record = _epoch(session, arm, replace(state, epoch=epoch), splits)
            session.best, session.best_epoch = _copy(_averaged(session)), epoch
        except DivergenceError:
            record = dict.fromkeys(_SUMS, 0.0) | {DIVERGED: 1.0}
        cpu_seconds, seconds = time.process_time() - cpu_began, time.perf_counter() - began
        judged = _settled(classifier, session.best)
        wrong = judged.outputs(splits.validation.inputs).argmax(1) != splits.validation.labels
        record |= {"epoch": epoch, "validation_error": float(wrong.double().mean()), "steps": int(state.steps)}
        session.history.append({**record, "seconds": seconds, "cpu_seconds": cpu_seconds})
        if checkpoint is not None:
            session.save(checkpoint, identity)
        if on_epoch is not None:
            on_epoch(session.history[-1])
    return JointResult(_settled(classifier, session.best), session.history, int(state.steps), state.chains)


def _begin(classifier: Classifier, splits: Splits, plan: JointPlan, seed: int) -> tuple[Session, Training]:
    """Return what a training changes, before its first update."""
    network, draws = classifier.network, generator_of(seed, 2)
    optimiser = OPTIMISERS["adam"](layer_groups(network, (plan.learning_rate,)), 0.9, plan.weight_decay)
    first = _copy(dict(network.named_parameters()))
    window = max(1, round(plan.window / plan.batch_size))
    chains = uniform_noise(splits.train.inputs.new_empty(plan.chains, splits.train.inputs.shape[1]), draws)
    state = Training(classifier, plan, torch.zeros(1, dtype=torch.int64), chains, splits.num_classes, draws, 0)
    extras = {f"average.{name}": parameter.clone() for name, parameter in first.items()}
    # Areas that are not known yet are NaN, and so is their mean, which then raises nothing.
    extras |= {"steps": state.steps, "chains": chains, "areas": torch.full((window,), math.nan, dtype=torch.float64)}
    generators = {"order": generator_of(seed, 1), "draws": draws}
    return Session(network, optimiser, SCHEDULES["constant"](optimiser, plan.epochs, 1.0), generators, first, extras), state


def _epoch(session: Session, arm: Arm, state: Training, splits: Splits) -> dict[str, float]:
    """Take one pass over the training split, in place; returns means over it."""
    sums, seen = np.zeros(len(_SUMS)), 0
    count = -(-len(splits.train.labels) // state.plan.batch_size)
    for _, batch in counted(enumerate(batches(splits.train, state.plan.batch_size, session.generators["order"])), count):
        sums += len(batch.labels) * np.array(_update(session, arm, state, batch))
        seen += len(batch.labels)
    return dict(zip(_SUMS, (sums / seen).tolist(), strict=True)) | {DIVERGED: 0.0}


def _update(session: Session, arm: Arm, state: Training, batch: Batch) -> tuple[float, ...]:
    """Take one step, in place; returns the means of ``_SUMS`` over the batch."""
    network, plan = session.network, state.plan
    terms = arm(state, batch)
    estimates = [state.classifier.learn(term.cost, term.batch, state.draws) for term in terms]
    for name, parameter in network.named_parameters():
        parts = [term.weight * one.gradients[name] for term, one in zip(terms, estimates, strict=True)]
        parameter.grad = torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
    if not all(bool(torch.isfinite(parameter.grad).all()) for parameter in network.parameters() if parameter.grad is not None):
        raise DivergenceError("the gradient is not finite; lower the learning rate")
    with torch.no_grad():
        outputs = [network.output(one.relaxations["free"].state) for one in estimates]
    session.optimiser.step()
    with torch.no_grad():
        network.constrain_()
        for name, average in _averaged(session).items():
            average.lerp_(network.get_parameter(name), 1 - plan.average)
    wrong = terms[0].cost.errors(outputs[0], terms[0].batch).double().mean()
    phases = [phase for one in estimates for phase in one.relaxations.values()]
    sweeps = sum(float(phase.steps.double().mean()) for phase in phases)
    missed = sum(unconverged(phase) for phase in phases) / len(phases)
    return float(wrong), sweeps, missed, *(_contrast(session, state, outputs[1], terms[1].rising) if len(terms) > 1 else (0.0, 0.5))


def _contrast(session: Session, state: Training, output: Tensor, rising: bool) -> tuple[float, float]:
    """Return by how much data exceed samples in log density, and the area of detection; lets samples step on where it is large."""
    data, samples = log_density(output).chunk(2)
    if not bool(torch.isfinite(output).all()):
        raise DivergenceError("log densities are not finite; lower the learning rate")
    area, areas = detection_area(data, samples), session.extras["areas"]
    areas.copy_(torch.cat((areas[1:], areas.new_tensor([area]))))
    if rising and float(areas.mean()) >= state.plan.raise_at and int(state.steps) < state.plan.most_steps:
        state.steps.add_(1)
        areas.fill_(math.nan)
    return float(data.mean() - samples.mean()), area


def _averaged(session: Session) -> dict[str, Tensor]:
    """Return the averaged parameters by name."""
    return {name.removeprefix("average."): value for name, value in session.extras.items() if name.startswith("average.")}


def _copy(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _settled(classifier: Classifier, parameters: dict[str, Tensor]) -> Classifier:
    """Return a copy of the classifier that has these parameters."""
    network = deepcopy(classifier.network)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(parameters[name])
    return replace(classifier, network=network)
