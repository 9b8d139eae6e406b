"""Networks of earlier runs that a run of ``eqlab contrast`` comes after: a stage is a run (MCL)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from experiments.representations.activities import Trained, activities
from experiments.representations.options import ContrastiveOptions, ContrastOptions
from experiments.representations.trained import finished, load_trained
from experiments.runs.directory import find_run
from experiments.runs.pages import recall, remember
from experiments.setup.build import load_data
from experiments.sweeps.compute import Computation
from experiments.sweeps.paired import seeds_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from contrastive_core.data.splits import Splits
    from contrastive_core.sampling.sampler import Sampler

SAMPLING = "inside-clusters"
"""Sampling of a run that comes after another one."""


def earlier(options: ContrastiveOptions, rule: str, seed: int, splits: Splits) -> list[Trained]:
    """Return the networks of one rule and seed of all stages before a run, the first stage first.

    Parameters
    ----------
    options : ContrastiveOptions
        Options of the run; ``after`` names the run of the previous stage, and that run's ``after`` the one before it.
    rule : str
        Rule that trained the networks.
    seed : int
        Seed of the networks.
    splits : Splits
        Data of the run.

    Returns
    -------
    list of Trained
        Networks of the earlier stages; empty for a first stage.

    Raises
    ------
    InputError
        If the run samples otherwise than inside clusters, or a stage is no run of ``eqlab contrast``, is of other data, or has not
        finished that rule and seed.
    CheckpointError
        If a checkpoint is missing or damaged.
    """
    found: list[Trained] = []
    after = options.after
    if after is not None and options.sampling != SAMPLING:
        raise InputError(f"a run after another samples inside the clusters of that one; give --sampling {SAMPLING}, or leave it out")
    while after is not None:
        path = find_run(after).path
        there, done = finished(path, options.data_dir)
        if not isinstance(there, ContrastiveOptions):
            raise InputError(f"{path} is no run of 'eqlab contrast', which alone is a stage; give --after a run of contrast")
        one = next((one for one in done if (one.rule, one.seed) == (rule, seed)), None)
        if one is None:
            raise InputError(f"{path} has no finished network of {rule} and seed {seed}; finish it, or choose rules and seeds that it has")
        if one.data != splits.digest:
            raise InputError(f"{path} was trained on other data or another split; a stage goes on with the data of the stage before")
        found.append(load_trained(path, there, one, splits))
        after = there.after
    return found[::-1]


def fingerprint(stages: Sequence[Trained]) -> str:
    """Return the SHA-256 over the parameters of networks, in hexadecimal."""
    from hashlib import sha256

    total = sha256()
    for one in stages:
        for name, values in sorted(one.network.state_dict().items()):
            total.update(name.encode() + values.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def staged(sampler: Sampler, stages: Sequence[Trained], generator: torch.Generator) -> Sampler:
    """Return the sampler of a run that comes after stages: inside the clusters of what their networks answer to training samples.

    Without stages it is the run's own; ``earlier`` has refused stages of a run that samples otherwise.
    """
    from contrastive_core.sampling.clusters import InsideClusters

    if not stages or not isinstance(sampler, InsideClusters):
        return sampler
    return sampler.of_stages([activities(one.network, one.answer, one.splits.train.inputs)[1] for one in stages], generator)


def side_by_side(stages: Sequence[Trained], inputs: Tensor) -> Tensor:
    """Return the outputs of all stages' networks for some inputs, concatenated, of shape (N, the sum of their widths)."""
    import torch

    return torch.cat([activities(one.network, one.answer, inputs)[1] for one in stages], dim=1)


def follow(options: ContrastOptions) -> tuple[ContrastOptions, str | None]:
    """Return the options of a run that may come after another, with its sampling, and the fingerprint of all networks before it.

    Raises
    ------
    InputError
        As ``earlier``, for any rule and seed.
    """
    if options.after is None:
        return options, None
    if "sampling" not in options.model_fields_set:
        options = options.model_copy(update={"sampling": SAMPLING})
    splits = load_data(options)
    before = [
        one for rule in options.rules for seed in seeds_of(options.seed, options.seeds) for one in earlier(options, rule, seed, splits)
    ]
    return options, fingerprint(before)


def remember_stages(stages: str | None, opened: Computation) -> None:
    """Refuse to resume a run after other networks than before."""
    # The configuration has the path of the earlier run only, whose networks may be others now.
    if recall(opened.journal).get("stages", stages) != stages:
        raise InputError(f"{opened.run.path} came after other networks than --after has now; give back that run, or choose another --out")
    remember(opened.journal, {"stages": stages})
