"""Evaluation of a network on a split: error, cost, scores, and effort to settle."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from contrastive_core.certificate import Relaxation, Status
from contrastive_core.cost import Cost
from contrastive_core.costs import COSTS
from contrastive_core.data.batches import batches
from contrastive_core.data.splits import Split
from contrastive_core.errors import DivergenceError
from contrastive_core.expect import expect
from contrastive_core.guards.typed import typed
from contrastive_core.network import Network
from contrastive_core.rule import Rule
from contrastive_core.training.judge import ERRORS_ALONE, Judge
from contrastive_core.training.ranks import ALONE, Ranks
from contrastive_core.training.views_of_samples import Contrasting

_CHUNK = 500
"""Samples settled together. This bounds memory and does not change results, because each sample stops on its own."""

_DRAWS = 20240602
"""Seed of the views in evaluations, an arbitrary constant."""


class Evaluation(NamedTuple):
    """Averages over a split.

    Attributes
    ----------
    error : float
        Share of wrong samples, in [0, 1]; of a regression, the root of the mean squared error in the unit of the targets.
    cost : float
        Mean cost.
    sweeps : float
        Mean steps per sample to settle.
    unconverged : float
        Share of samples that did not settle within the budget.
    energy_decrease : float
        Mean energy at rest minus mean energy at the free state.
    scores : mapping of str to float
        Further scores of the task, by the names in ``contrastive_core.data.task.TASKS``; empty without a judge.
    """

    error: float
    cost: float
    sweeps: float
    unconverged: float
    energy_decrease: float
    scores: Mapping[str, float] = MappingProxyType({})


@typed("network", "rule", "cost", "split")
def evaluate(
    network: Network,
    rule: Rule,
    cost: Cost,
    split: Split | tuple[Any, Any],
    contrasting: Contrasting | None = None,
    ranks: Ranks = ALONE,
    judge: Judge = ERRORS_ALONE,
) -> Evaluation:
    """Settle every sample of a split, or of a pair of inputs and labels, and average error, cost and effort.

    Costs that couple the rows of a batch are averaged over chunks of 500 samples. Objectives of views are averaged over batches of views,
    without batches in which there is nothing to contrast; views are equal in all evaluations and have full strength. Several ranks share
    the samples of every chunk. The judge says what an error is, and gives further scores.

    Raises
    ------
    InputError
        If an argument has another type.
    DivergenceError
        If the mean cost or energy is not finite, which no summary could count.
    """
    check_parts(network, rule)
    cost = COSTS.made(cost, Cost)
    totals, seen, sums = torch.zeros(5, dtype=torch.float64), 0.0, torch.zeros(0, dtype=torch.float64)
    generator = torch.Generator().manual_seed(_DRAWS)
    with torch.no_grad():
        for chunk in batches(split, _CHUNK if contrasting is None else contrasting.batch_size):
            samples, weight = ranks.share(chunk)  # by samples, as the last chunk can be smaller
            batch = samples if contrasting is None else contrasting.present(samples, generator)
            if contrasting is not None and not contrasting.contrasts(batch):
                continue
            network.begin_use_()
            answer = rule.infer(network, batch.inputs)
            output = network.output(answer.state)
            network.begin_use_()  # measuring an energy is a use of its own
            clamped = network.clamp(batch.inputs)
            descent = network.energy(network.initial_state(clamped), clamped) - network.energy(answer.state, clamped)
            means = [
                float(judge.losses(cost, output, batch).mean()),
                float(cost.value(output, batch).double().mean()),
                float(answer.steps.double().mean()),
                unconverged(answer),
                float(descent.double().mean()),
            ]
            for quantity, value in (("cost of the settled outputs", means[1]), ("energy of the settled states", means[4])):
                if not math.isfinite(value):
                    raise DivergenceError(f"the {quantity} is not finite; lower the learning rate or the gain")
            totals += weight * torch.tensor(means, dtype=torch.float64)
            seen += weight
            part = judge.sums(output, batch) * (weight / len(batch.labels))  # a chunk that all ranks compute counts once
            sums = sums + part if sums.numel() else part
    flat = ranks.sum(torch.cat([totals, torch.tensor([seen], dtype=torch.float64), sums.flatten()]))
    loss, mean_cost, sweeps, early, fall = (flat[:5] / (float(flat[5]) or 1)).tolist()
    return Evaluation(judge.error(loss), mean_cost, sweeps, early, fall, judge.scores(flat[6:].view(sums.shape)))


def check_parts(network: Network, rule: Rule) -> None:
    """Refuse what is no network or no rule."""
    expect(network, Network, "network", "Layered((64, 32, 10)) is one")
    expect(rule, Rule, "rule", "RULES['ep-centered']('squared-error') is one")


def outputs(network: Network, rule: Rule, inputs: Tensor) -> Tensor:
    """Return the outputs of the states that the rule infers from the inputs, of shape (N, n)."""
    with torch.no_grad():
        answers = []
        for part in torch.split(inputs, _CHUNK):
            network.begin_use_()
            answers.append(network.output(rule.infer(network, part).state))
        return torch.cat(answers)


def unconverged(relaxation: Relaxation) -> float:
    """Return the share of samples that did not reach their tolerance."""
    return float((relaxation.status != int(Status.CONVERGED)).double().mean())
