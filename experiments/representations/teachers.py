"""Teachers: networks of earlier runs that stay as they are, and whose outputs an objective may have as its targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from experiments.representations.activities import Trained
from experiments.representations.build import build_objective
from experiments.representations.options import ContrastiveOptions, ContrastOptions
from experiments.representations.stages import fingerprint
from experiments.representations.trained import finished, load_trained
from experiments.runs.directory import find_run
from experiments.setup.build import load_data
from experiments.sweeps.compute import Computation, remember_input
from experiments.sweeps.paired import seeds_of

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits
    from contrastive_core.training.momentum_encoder import Teacher


def teaching(options: ContrastiveOptions, rule: str, seed: int) -> tuple[Trained, int | None] | None:
    """Return the network that teaches a rule and a seed, with the width of its embedding; None without a teacher.

    A run of one network teaches all. A run of several teaches each rule and seed by its own. The width is None where all outputs teach.

    Raises
    ------
    InputError
        If there is no such run, it trains no network, or it has not finished that rule and seed.
    CheckpointError
        If its checkpoint is missing or damaged.
    """
    if options.teacher is None:
        return None
    path = find_run(options.teacher).path
    there, done = finished(path, options.data_dir)
    one = done[0] if len(done) == 1 else next((one for one in done if (one.rule, one.seed) == (rule, seed)), None)
    if one is None:
        raise InputError(f"{path} has no finished network of {rule} and seed {seed} that could teach; choose rules and seeds that it has")
    width = getattr(build_objective(there), "embedding", None) if isinstance(there, ContrastiveOptions) else None
    return load_trained(path, there, one, load_data(there)), width


def teacher_of(options: ContrastiveOptions, rule: str, seed: int, splits: Splits) -> Teacher | None:
    """Return the teacher, which must read as many inputs as the data have; None without one. Raises as ``teaching``."""
    from contrastive_core.training.momentum_encoder import Teacher

    if (found := teaching(options, rule, seed)) is None:
        return None
    trained, width = found
    wanted, given = trained.network.num_inputs, splits.train.inputs.shape[1]
    if wanted != given:
        raise InputError(f"the teacher {options.teacher} reads {wanted} values of a sample, and {options.data} has {given}; give another")
    return Teacher(trained.network, trained.answer, width)


def remember_teachers(options: ContrastOptions, opened: Computation) -> None:
    """Refuse to resume a run under other teachers; the configuration has only the path of their run."""
    if options.teacher is None:
        return
    pairs = [(rule, seed) for rule in options.rules for seed in seeds_of(options.seed, options.seeds)]
    networks = [found[0] for rule, seed in pairs if (found := teaching(options, rule, seed)) is not None]
    remember_input(opened, "teacher", fingerprint(networks), "teachers than --teacher has")
