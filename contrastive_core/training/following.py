"""Tolerances that follow the noise: phases stop where their error is a set share of what the choice of mini-batches brings anyway.

An estimate takes the gradients of a few mini-batches at tight tolerances. It compares them with those at the tolerances of the moment,
once with the free and once with the later phases loose. Relaxations converge geometrically, so that the errors elsewhere on a ladder of
tolerances follow from these two. The loosest pair within the share is then measured itself, and tightened until it keeps the share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import islice, product
from typing import NamedTuple, final

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.data.batches import batches
from contrastive_core.data.splits import Split
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.devices.on_device import held_by
from contrastive_core.errors import InputError
from contrastive_core.generators import generator_of
from contrastive_core.network import Network
from contrastive_core.rule import Rule, Settling
from contrastive_core.training.evaluation import unconverged
from contrastive_core.training.gradient_noise import Errors, spread
from contrastive_core.training.plan import Plan
from contrastive_core.training.ranks import Ranks
from contrastive_core.types import Batch

COST = 0.02
"""Largest share of a training's gradient evaluations that estimates take, after the first ones."""
_FIRST = 50
"""Updates between the first two estimates. The number doubles until estimates are as rare as their cost asks for."""
_BATCHES = 4
"""Mini-batches of an estimate."""
_RATIO = 10**0.5
"""Ratio of neighbouring tolerances on the ladder."""
_RUNGS = range(-4, 5)
"""Rungs of the ladder: from a hundredth to a hundred times the tolerances that training begins with."""
_LOOSEST = 0.32
"""Largest tolerance on the ladder: of a state, a third of a unit's range, and of a contrast, a third of its size."""
_TIGHT = 1e-3
"""Tolerances of the reference, relative to those that training begins with."""
_ROUNDINGS = 64
"""Smallest tolerance of the reference, in roundings of a number of size 1."""
_CLEAR = 3.0
"""Ratio of the tightest tolerance on the ladder to that of the reference, at least."""
_PATIENCE = 10
"""Ratio of the budgets in estimates to those of training, because the reference takes longer."""


class _Found(NamedTuple):
    """Gradients of mini-batches in rows, the share of certified phases that did not settle, and the number of phases after the free one."""

    rows: Tensor
    unconverged: float
    later: int


@final
@dataclass
class Following:
    """Rule whose tolerances follow the noise, with everything that an interrupted training needs to go on.

    Attributes
    ----------
    rule : Rule
        Rule with the tolerances that training begins with.
    share : float
        Largest share of the noise that the error may have.
    updates : int
        Number of updates over which error and noise add up.
    batch_size : int
        Samples of a mini-batch.
    ranks : Ranks
        Processes that share every batch.
    generator : torch.Generator
        Source of the mini-batches and of the rule's draws in estimates, which nothing else draws from.
    numbers : Tensor of shape (8,)
        Updates so far, update of the next estimate, rungs of both tolerances, noise and share of the last estimate, unconverged share of
        its reference, and gradient evaluations of all estimates; changed in place.
    """

    rule: Rule
    share: float
    updates: int
    batch_size: int
    ranks: Ranks
    generator: torch.Generator
    numbers: Tensor = field(default_factory=lambda: torch.zeros(8, dtype=torch.float64))
    _made: tuple[tuple[int, int], Rule] | None = None

    @property
    def tolerances(self) -> tuple[float, float]:
        """Tolerances of the moment, of the free phase and of later ones."""
        free, later = _begun(self.rule)
        return free * _RATIO ** int(self.numbers[2]), later * _RATIO ** int(self.numbers[3])

    @property
    def record(self) -> dict[str, float]:
        """Tolerances of the moment and results of the last estimate, for the record of an epoch."""
        free, later = self.tolerances
        noise, share, early, evaluations = self.numbers[4:].tolist()
        estimated = {"gradient_noise": noise, "error_share": share, "reference_unconverged": early, "evaluations": evaluations}
        return {"tolerance": free, "nudged_tolerance": later, **estimated}

    def next_rule(self, network: Network, samples: Split, augmenting: MultiView | None = None) -> Rule:
        """Return the rule for the next update, with tolerances that are estimated anew when it is time.

        Parameters
        ----------
        network : Network
            Network of the moment.
        samples : Split
            Samples of the training.
        augmenting : MultiView, optional
            Augmentation of the samples.
        """
        updates, due = self.numbers[:2].tolist()
        if updates >= due:
            before = float(self.numbers[7])
            self._estimate(network, samples, augmenting)
            # Weights change fast at first, so that early estimates are more frequent than their cost alone would allow.
            self.numbers[1] = updates + min(max(updates, _FIRST), round((float(self.numbers[7]) - before) / COST))
        self.numbers[0] += 1
        rungs = int(self.numbers[2]), int(self.numbers[3])
        if self._made is None or self._made[0] != rungs:
            self._made = rungs, _with(self.rule, *self.tolerances)
        return self._made[1]

    def _estimate(self, network: Network, samples: Split, augmenting: MultiView | None) -> None:
        count = min(_BATCHES, len(samples.labels) // self.batch_size)
        shown = list(islice(batches(samples, self.batch_size, self.generator), count))
        if augmenting is not None:
            shown = [augmenting.present(batch, self.generator) for batch in shown]
        seeds = torch.randint(2**62, (count,), generator=self.generator).tolist()
        probe, begun, now = list(zip(shown, seeds, strict=True)), _begun(self.rule), self.tolerances
        tight = _reference(begun, network)
        reference = self._gradients(network, probe, tight, certify=True)
        noise = spread(reference.rows)
        self.numbers[4], self.numbers[6] = noise, reference.unconverged
        if noise == 0:  # no sample has a gradient at all, so that there is nothing to follow
            return
        alone = [self._gradients(network, probe, pair).rows for pair in ((now[0], tight[1]), (tight[0], now[1]))]
        ladders = [_ladder(tolerance, bound) for tolerance, bound in zip(begun, tight, strict=True)]
        rungs = self._loosest(Errors.of([rows - reference.rows for rows in alone]), noise, ladders, reference.later)
        while True:
            self.numbers[2:4] = torch.tensor(rungs, dtype=torch.float64)
            error = self._gradients(network, probe, self.tolerances).rows - reference.rows
            self.numbers[5] = share = Errors.of([error]).share(noise, self.updates)
            if share <= self.share or rungs == (ladders[0][0], ladders[1][0]):
                return
            rungs = max(rungs[0] - 1, ladders[0][0]), max(rungs[1] - 1, ladders[1][0])

    def _loosest(self, errors: Errors, noise: float, ladders: Sequence[Sequence[int]], later: int) -> tuple[int, int]:
        """Return the rungs that save most sweeps of those whose predicted error keeps the share, at most one above the present ones."""
        here = int(self.numbers[2]), int(self.numbers[3])
        free, second = ([rung for rung in ladder if rung <= at + 1] for ladder, at in zip(ladders, here, strict=True))
        found = {
            (one, two): errors.share(noise, self.updates, (_RATIO ** (one - here[0]), _RATIO ** (two - here[1])))
            for one, two in product(free, second if later else here[1:])
        }
        kept = [pair for pair, share in found.items() if share <= self.share] or [min(found)]
        return max(kept, key=lambda pair: (pair[0] + later * pair[1], -found[pair]))

    def _gradients(self, network: Network, probe: Sequence[tuple[Batch, int]], to: tuple[float, float], *, certify: bool = False) -> _Found:
        """Return the gradients of the mini-batches at other tolerances, equal on all ranks."""
        rule, entries, early, later = _with(self.rule, *to, patience=_PATIENCE), [], 0.0, 0
        for batch, seed in probe:
            part, weight = self.ranks.share(batch)
            network.begin_use_()
            estimate = rule.estimate(network, part, generator=self.ranks.generator(torch.Generator().manual_seed(seed)))
            entries += [gradient.flatten() for gradient in self.ranks.mean(estimate.gradients, weight).values()]
            later = len(estimate.relaxations) - 1
            if certify:  # certificates of fused phases are made on demand, and cost as much as the gradient
                early += weight / len(batch.labels) * sum(map(unconverged, estimate.relaxations.values())) / (later + 1)
        self.numbers[7] += len(probe)
        share = float(self.ranks.sum(torch.tensor([early / len(probe)], dtype=torch.float64)))
        return _Found(torch.cat(entries).view(len(probe), -1), share, later)


def require_following(rule: Rule, network: Network, cost: Cost, plan: Plan, num_samples: int, *, contrasted: bool = False) -> None:
    """Refuse tolerances that follow the noise where there are none, or where the gradients of mini-batches cannot be compared.

    Parameters
    ----------
    rule, network, cost, plan
        Parts of the training.
    num_samples : int
        Number of training samples.
    contrasted : bool
        Whether views of the samples are contrasted.

    Raises
    ------
    InputError
        If the plan follows the noise and the rest does not allow it; the message has the reason.
    """
    if plan.follow_noise is None:
        if plan.noise_horizon is not None:
            raise InputError(
                "a noise horizon (--noise-horizon) is that of tolerances that follow the noise; leave it out, or give their share by "
                "--follow-noise"
            )
        return
    if not follows(rule):
        name = type(rule).__name__
        raise InputError(f"{name} has no relaxations whose tolerances could follow the noise; leave that out, or take another rule")
    settling: Settling = rule.settling  # type: ignore[attr-defined]
    reasons = {
        "phases last for their budgets": None in (settling.free.tolerance, settling.second.tolerance),
        f"a phase of {type(settling.dynamics).__name__} is no relaxation to a tolerance": settling.dynamics.whole
        or settling.dynamics.noisy,
        "the cost couples the samples of a batch": cost.coupled or contrasted,
        "the weights of devices change as they are used": held_by(network) is not network,
        "a warm start changes the error of a phase": plan.warm_start,
        f"{num_samples} samples are not two mini-batches of {plan.batch_size}": num_samples < 2 * plan.batch_size,
    }
    for reason, holds in reasons.items():
        if holds:
            raise InputError(f"tolerances cannot follow the noise, because {reason}; leave one of the two out")
    begun = _begun(rule)
    for tolerance, tight in zip(begun, _reference(begun, network), strict=True):
        if not _CLEAR * tight <= tolerance <= _LOOSEST:
            raise InputError(
                f"tolerances that follow the noise begin between {_CLEAR * tight:.2g} and {_LOOSEST:g}, got {tolerance:g}; "
                "0.001 is the default"
            )


def follow(rule: Rule, plan: Plan, num_samples: int, seed: int, ranks: Ranks) -> Following | None:
    """Return the rule of a training whose plan follows the noise, or None; :func:`require_following` has let it pass."""
    if plan.follow_noise is None:
        return None
    updates = plan.noise_horizon or -(-num_samples // plan.batch_size)
    return Following(rule, plan.follow_noise, updates, plan.batch_size, ranks, generator_of(seed, 5))


def follows(rule: Rule) -> bool:
    """Whether the rule relaxes to tolerances, which may follow the noise."""
    return rule.settles and not rule.averages and is_dataclass(rule) and "settling" in {one.name for one in fields(rule)}


def _begun(rule: Rule) -> tuple[float, float]:
    """Return the tolerances that training begins with."""
    settling: Settling = rule.settling  # type: ignore[attr-defined]
    free, later = settling.free.tolerance, settling.second.tolerance
    assert free is not None
    assert later is not None
    return free, later


def _reference(begun: tuple[float, float], network: Network) -> tuple[float, float]:
    """Return the tolerances of the reference: a thousandth of the first ones, as far as the network's numbers resolve that."""
    least = _ROUNDINGS * torch.finfo(next(network.parameters()).dtype).eps
    return max(_TIGHT * begun[0], least), max(_TIGHT * begun[1], least)


def _ladder(begun: float, tight: float) -> list[int]:
    """Return the rungs whose tolerances are neither near to the reference nor meaningless."""
    return [rung for rung in _RUNGS if _CLEAR * tight <= begun * _RATIO**rung <= _LOOSEST or rung == 0]


def _with(rule: Rule, free: float, later: float, patience: int = 1) -> Rule:
    """Return a rule with other tolerances and longer budgets."""
    old: Settling = rule.settling  # type: ignore[attr-defined]
    stops = [stop._replace(tolerance=to, budget=patience * stop.budget) for stop, to in ((old.free, free), (old.second, later))]
    changed: Rule = replace(rule, settling=replace(old, free=stops[0], second=stops[1]))  # type: ignore[type-var]
    return changed
