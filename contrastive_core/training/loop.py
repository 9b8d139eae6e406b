"""Training loop for every rule; an interrupted run resumes with bit-identical results."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.costs import COSTS
from contrastive_core.data.batches import batches
from contrastive_core.data.splits import Splits, require_loaded
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.errors import DivergenceError, InputError
from contrastive_core.expect import expect, expect_whole
from contrastive_core.generators import generator_of
from contrastive_core.guards.typed import typed
from contrastive_core.network import Network
from contrastive_core.networks.untied import Untied
from contrastive_core.progress.share import counted
from contrastive_core.rule import Rule
from contrastive_core.training.evaluation import check_parts, evaluate, outputs, unconverged
from contrastive_core.training.following import follow, require_following
from contrastive_core.training.judge import ERRORS_ALONE, Judge, judge_of
from contrastive_core.training.optimisers import OPTIMISERS, SCHEDULES
from contrastive_core.training.optimisers.builders import layer_groups
from contrastive_core.training.plan import Plan
from contrastive_core.training.ranks import ALONE, Ranks, check_shared
from contrastive_core.training.results import Progress, Result
from contrastive_core.training.training_state import Session
from contrastive_core.training.views_of_samples import Contrasting, augmentation
from contrastive_core.training.warm_start import LastStates, memory


@typed("network", "rule", "cost", "splits", "plan")
def train(
    network: Network,
    rule: Rule,
    cost: Cost,
    splits: Splits,
    plan: Plan,
    seed: int,
    *,
    contrasting: Contrasting | None = None,
    ranks: Ranks = ALONE,
    checkpoint: Path | None = None,
    identity: str = "",
    on_step: Callable[[Progress], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Result:
    """Train a network in place, and test it at the epoch with the smallest validation error.

    Parameters
    ----------
    network : Network
        Network, whose parameters change; at the end they are those of the chosen epoch.
    rule : Rule
        Rule that estimates gradients.
    cost : Cost
        Cost that is reported, or its name; it should be the cost of the rule.
    splits : Splits
        Data set; the test split is used once, at the end.
    plan : Plan
        Epochs, optimiser, schedule and stopping.
    seed : int
        Seed of the data order, the views and the rule's draws.
    contrasting : Contrasting, optional
        Views of the samples, for objectives; None presents each sample once, as the plan augments it.
    ranks : Ranks
        Processes that share every batch. All of them call this function with equal arguments, and return the same result.
    checkpoint : Path, optional
        Checkpoint, written after every epoch; training resumes from it if it exists. Rank 0 writes it and names it to the others.
    identity : str
        Text that identifies the settings; a checkpoint with another identity is refused.
    on_step, on_epoch : callable, optional
        Callbacks with the progress after each step and with the record of each epoch, including epochs of a checkpoint.

    Returns
    -------
    Result
        History and final evaluation.

    Raises
    ------
    InputError
        If an argument has another type. If the plan asks for a warm start, but the rule does not settle states or views are drawn
        anew. If the plan augments samples that are contrasted, or follows a noise that nothing can follow.
    DivergenceError
        If a phase, the cost or the gradient is not finite.
    CheckpointError
        If the checkpoint is damaged or belongs to another network or other settings.
    """
    check_parts(network, rule)
    expect_whole(seed, "seed", "0 is the usual one", least=0)
    cost = COSTS.made(cost, Cost)
    expect(splits, Splits, "splits", "DATASETS[name](None, 0) gives them")
    expect(plan, Plan, "plan", "TrainingPlan(epochs=10) is one")
    check_shared(network, cost, ranks, contrasted=contrasting is not None, warm_start=plan.warm_start)
    if contrasting is not None:
        require_loaded(splits, "samples that are contrasted")
    augmenting = augmentation(plan.augment, splits.shape, contrasting)
    drawn_anew = contrasting is not None or augmenting is not None
    last = memory(network, rule, splits.train, drawn_anew=drawn_anew) if plan.warm_start else None
    num_samples = len(splits.train.labels)
    require_following(rule, network, cost, plan, num_samples, contrasted=contrasting is not None)
    following = follow(rule, plan, num_samples, seed, ranks)
    extras = ({} if contrasting is None else contrasting.kept) | ({} if last is None else last.named)
    groups = layer_groups(network, plan.learning_rates)
    if contrasting is not None and contrasting.learnt:
        groups.append({"params": list(contrasting.learnt.values()), "lr": plan.learning_rates[-1]})
    optimiser = OPTIMISERS[plan.optimiser](groups, plan.momentum, plan.weight_decay)
    schedule = SCHEDULES[plan.schedule](optimiser, plan.epochs, plan.decay)
    judge = judge_of(splits) if contrasting is None else ERRORS_ALONE
    chosen_by = f"validation_{judge.score.name}"
    generators = {"order": generator_of(seed, 1), "rule": generator_of(seed, 2)}
    if drawn_anew:
        generators["views"] = generator_of(seed, 3)
    if following is not None:
        extras, generators["noise"] = extras | {"following": following.numbers}, following.generator
    session = Session(network, optimiser, schedule, generators, _snapshot(network), extras, following=following)
    begun = ranks.told(str(checkpoint) if checkpoint is not None and checkpoint.exists() else "")
    if begun:
        session.load(Path(begun), identity)
    for record in session.history:
        if on_epoch is not None:
            on_epoch(record)
    done = len(session.history)
    for epoch in counted(range(done + 1, plan.epochs + 1), plan.epochs, "epoch", done=done):
        if _finished(session, plan):
            break
        start, cpu_start = time.perf_counter(), time.process_time()
        progress = train_epoch(session, rule, cost, splits, plan, contrasting, augmenting, last, ranks, epoch, on_step, judge)
        seconds = time.perf_counter() - start
        cpu_seconds = float(ranks.sum(torch.tensor(time.process_time() - cpu_start, dtype=torch.float64)))
        schedule.step()
        validation = evaluate(network, rule, cost, splits.validation, contrasting, ranks, judge)
        record = {
            "epoch": epoch,
            "train_cost": progress.train_cost,
            f"train_{judge.score.name}": progress.train_error,
            chosen_by: validation.error,
            "validation_cost": validation.cost,
            "sweeps_per_sample": progress.sweeps,
            "unconverged": progress.unconverged,
            "energy_decrease": validation.energy_decrease,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            **({} if following is None else following.record),
        }
        if isinstance(network, Untied):
            record["angle"] = float(np.mean(network.angles()))
        session.history.append(record)
        if plan.keep_last or session.best_epoch == 0 or validation.error < session.history[session.best_epoch - 1][chosen_by]:
            session.best_epoch, session.best = epoch, _snapshot(network)
        if checkpoint is not None and ranks.rank == 0:
            session.save(checkpoint, identity)
        if on_epoch is not None:
            on_epoch(record)
    network.load_state_dict(session.best)
    validation, test = (evaluate(network, rule, cost, split, contrasting, ranks, judge) for split in (splits.validation, splits.test))
    return Result(session.history, session.best_epoch, validation, test)


def _finished(session: Session, plan: Plan) -> bool:
    done = len(session.history)
    return done >= plan.epochs or (plan.patience is not None and session.best_epoch > 0 and done - session.best_epoch >= plan.patience)


def train_epoch(
    session: Session,
    rule: Rule,
    cost: Cost,
    splits: Splits,
    plan: Plan,
    contrasting: Contrasting | None,
    augmenting: MultiView | None,
    last: LastStates | None,
    ranks: Ranks,
    epoch: int,
    on_step: Callable[[Progress], None] | None,
    judge: Judge = ERRORS_ALONE,
) -> Progress:
    """Take one pass over the training split; changes the network in place.

    Parameters
    ----------
    session : Session
        Network, optimiser and generators, and the rule with tolerances that follow the noise, if there is one.
    rule, cost, splits, plan, contrasting, ranks, on_step
        Same as in :func:`train`.
    augmenting : MultiView, optional
        Augmentation of the samples.
    last : LastStates, optional
        States from which free phases start.
    epoch : int
        Number of the epoch, from 1.
    judge : Judge
        Loss of a sample.

    Raises
    ------
    DivergenceError
        If the gradient is not finite.
    InputError
        If no batch has anything to contrast.
    """
    network, seen = session.network, 0.0
    sums = np.zeros(4)
    if contrasting is None:
        num_steps = -(-len(splits.train.labels) // plan.batch_size)
        shown = batches(splits.train, plan.batch_size, session.generators["order"])
    else:
        features = partial(outputs, network, rule, splits.train.inputs)
        num_steps, shown = contrasting.gather(splits.train, features, plan.batch_size, session.generators["order"])
    progress = Progress(epoch, 0, num_steps, 0.0, 0.0, 0.0, 0.0)
    for step, batch in counted(enumerate(shown, start=1), num_steps):
        if augmenting is not None:
            batch = augmenting.present(batch, session.generators["views"])
        if contrasting is not None:
            batch = contrasting.present(batch, session.generators["views"], (epoch - 1 + (step - 1) / num_steps) / plan.epochs)
            if not contrasting.contrasts(batch):
                continue
            batch = contrasting.hardened(batch)
        batch, weight = ranks.share(batch)
        if session.following is not None:
            rule = session.following.next_rule(network, splits.train, augmenting)
        network.begin_use_()
        generator = ranks.generator(session.generators["rule"])
        estimate = rule.estimate(network, batch if last is None else last.recall(batch), generator=generator)
        gradients = ranks.mean(estimate.gradients, weight)
        if last is not None:
            last.keep(batch, estimate.relaxations["free"].state)
        for name, parameter in network.named_parameters():
            parameter.grad = gradients[name]
        norm = torch.nn.utils.get_total_norm(list(gradients.values()))
        if not bool(torch.isfinite(norm)):
            raise DivergenceError(f"the gradient is not finite in epoch {epoch}, step {step}; lower the learning rate or the gain")
        if plan.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(network.parameters(), plan.clip_norm, norm)
        with torch.no_grad():
            output = network.output(estimate.relaxations["free"].state)  # of the weights before the step
        if contrasting is not None:
            contrasting.learn(output, batch)
        session.optimiser.step()
        with torch.no_grad():
            network.constrain_(estimate.contrast)
            phases = estimate.relaxations.values()
            means = [
                float(cost.value(output, batch).mean()),
                float(judge.losses(cost, output, batch).mean()),
                sum(float(phase.steps.double().mean()) for phase in phases),
                sum(unconverged(phase) for phase in phases) / len(phases),
            ]
            if contrasting is not None:
                contrasting.carry(output, batch)
        sums += weight * np.array(means)  # by samples, as the last batch can be smaller
        seen += weight
        progress = Progress.of(epoch, step, num_steps, sums / seen, judge)
        if on_step is not None:
            on_step(progress)
    if not seen:
        raise InputError(f"no batch of epoch {epoch} has samples of two classes to contrast; raise the batch size, or use another sampler")
    *totals, all_seen = ranks.sum(torch.tensor([*sums, seen], dtype=torch.float64)).tolist()
    return Progress.of(epoch, progress.step, num_steps, np.array(totals) / all_seen, judge)


def _snapshot(network: Network) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
