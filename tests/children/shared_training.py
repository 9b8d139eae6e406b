"""A program that trains together with others of its kind; rank 0 prints what it found as JSON.

``torchrun --nproc-per-node 2 shared_training.py FOLDER`` needs the folder for checkpoints.
"""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
from oracles import gradient_error
from systems import RULE_NAMES, build_rule, make_cost, make_system, seeded
from torch import Tensor
from training_cases import Stopped, make_network, parameters_of, run

from contrastive_core.certificate import Stop
from contrastive_core.errors import InputError
from contrastive_core.rule import Setting, Settling
from contrastive_core.training.plan import Plan
from contrastive_core.training.ranks import ALONE, Ranks, joined

TIGHT = Stop(1e-10, 5000)
PLAN = Plan(epochs=3, batch_size=19, learning_rates=(0.05,), clip_norm=1.0)
"""96 samples in batches of 19 leave one over: fewer than there are ranks."""


def same_on_all(ranks: Ranks, tensors: dict[str, Tensor]) -> bool:
    """Return whether all ranks have the bits of rank 0."""
    own = torch.cat([tensor.detach().reshape(-1) for tensor in tensors.values()])
    first = own.clone()
    distributed.broadcast(first, 0)
    return int(ranks.sum(torch.tensor(int(torch.equal(own, first))))) == ranks.size


def gradients(ranks: Ranks, name: str) -> dict[str, Any]:
    """Compare the mean of the ranks' gradients with the gradient of the whole batch."""
    system = make_system("tanh", batch_size=7)
    rule = build_rule(name, Setting(make_cost("squared-error"), Settling(free=TIGHT, second=TIGHT)))
    whole = rule.estimate(system.network, system.batch, generator=seeded(3)).gradients
    part, weight = ranks.share(system.batch)
    own = rule.estimate(system.network, part, generator=ranks.generator(seeded(3))).gradients
    mean = ranks.mean(own, weight)
    return {
        "error": gradient_error(mean, whole),
        "own_error": gradient_error(own, whole),
        "rows": len(part.labels),
        "same": same_on_all(ranks, mean),
    }


def training(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Train together and alone, and go on together from a run alone and the other way round."""
    together, result = run(PLAN, folder / "together", rule="ep-centered", ranks=ranks)
    alone, other = run(PLAN, folder / f"alone-{ranks.rank}", rule="ep-centered")
    resumed = {}
    for name, before, after in (("alone", ranks, ALONE), ("together", ALONE, ranks)):
        place = folder / f"resumed-{name}"
        if before.size > 1 or ranks.rank == 0:
            with contextlib.suppress(Stopped):
                run(PLAN, place, rule="ep-centered", stop_after=1, ranks=before)
        ranks.sum(torch.zeros(1))  # nobody goes on before the checkpoint is written
        if after.size > 1 or ranks.rank == 0:
            network, _ = run(PLAN, place, rule="ep-centered", ranks=after, network=make_network(seed=5))
            resumed[name] = gradient_error(parameters_of(network), parameters_of(alone))
    return {
        "error": gradient_error(parameters_of(together), parameters_of(alone)),
        "same": same_on_all(ranks, parameters_of(together)),
        "resumed": resumed,
        "history": [record["train_cost"] for record in result.history],
        "history_alone": [record["train_cost"] for record in other.history],
        "test": [*result.test[:-1], *result.test.scores.values()],
        "test_alone": [*other.test[:-1], *other.test.scores.values()],
    }


def following(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Follow the noise together and alone."""
    plan = replace(PLAN, follow_noise=0.5)
    together, result = run(plan, folder / "following", rule="ep-centered", ranks=ranks)
    alone, other = run(plan, folder / f"following-{ranks.rank}", rule="ep-centered")
    numbers = torch.tensor([[record["tolerance"], record["nudged_tolerance"], record["error_share"]] for record in result.history])
    return {
        "error": gradient_error(parameters_of(together), parameters_of(alone)),
        "same": same_on_all(ranks, {**parameters_of(together), "numbers": numbers}),
        "tolerances": [[record["tolerance"], record["nudged_tolerance"]] for record in result.history],
        "tolerances_alone": [[record["tolerance"], record["nudged_tolerance"]] for record in other.history],
    }


def refusals(ranks: Ranks) -> dict[str, str]:
    """Return the sentences with which training together is refused."""
    said = {}
    coupled = make_cost("similarity")
    cases: dict[str, Any] = {"warm start": {"plan": Plan(warm_start=True)}, "cost": {"cost": coupled}}
    for name, settings in cases.items():
        try:
            run(settings.pop("plan", PLAN), rule="ep-centered", ranks=ranks, **settings)
        except InputError as error:
            said[name] = str(error)
    return said


if __name__ == "__main__":
    with joined() as group:
        found = {
            "size": group.size,
            "told": group.told(f"from rank {group.rank}, déjà vu"),
            "gradients": {name: gradients(group, name) for name in RULE_NAMES},
            "training": training(group, Path(sys.argv[1])),
            "following": following(group, Path(sys.argv[1])),
            "refusals": refusals(group),
        }
        if group.rank == 0:
            print(json.dumps(found))
