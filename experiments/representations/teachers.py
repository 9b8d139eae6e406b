"""Networks of earlier runs that stay as they are: their outputs are targets of an objective, or their codes make pseudo-classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from experiments.representations.activities import Trained, activities
from experiments.representations.build import build_objective
from experiments.representations.options import ContrastiveOptions, ContrastOptions
from experiments.representations.stages import fingerprint
from experiments.representations.trained import finished, load_trained
from experiments.runs.directory import find_run
from experiments.setup.build import load_data
from experiments.sweeps.compute import Computation, remember_input
from experiments.sweeps.paired import seeds_of

if TYPE_CHECKING:
    from contrastive_core.data.splits import Split, Splits
    from contrastive_core.sampling.sampler import Sampler
    from contrastive_core.training.momentum_encoder import Teacher

_PAIRS = 1000
"""Samples whose targets are measured."""


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
    return None if options.teacher is None else _network(options.teacher, options, rule, seed, "teach")


def _network(run: str, options: ContrastiveOptions, rule: str, seed: int, use: str) -> tuple[Trained, int | None]:
    path = find_run(run).path
    there, done = finished(path, options.data_dir)
    one = done[0] if len(done) == 1 else next((one for one in done if (one.rule, one.seed) == (rule, seed)), None)
    if one is None:
        raise InputError(f"{path} has no finished network of {rule} and seed {seed} that could {use}; choose rules and seeds that it has")
    width = getattr(build_objective(there), "embedding", None) if isinstance(there, ContrastiveOptions) else None
    return load_trained(path, there, one, load_data(there)), width


def teacher_of(options: ContrastiveOptions, rule: str, seed: int, splits: Splits) -> Teacher | None:
    """Return the teacher, which must read as many inputs as the data have; None without one.

    Raises
    ------
    InputError
        As ``teaching``, or if a space is asked for that the outputs for the training samples do not span.
    """
    from contrastive_core.representation.target_space import target_space
    from contrastive_core.training.momentum_encoder import Teacher

    if (found := teaching(options, rule, seed)) is None:
        if options.teacher_space != "as-is":
            raise InputError(f"--teacher-space {options.teacher_space} is fitted to the outputs of a teacher; give --teacher RUN")
        return None
    trained, width = found
    _check_inputs(trained, f"the teacher {options.teacher}", options, splits)
    space = None
    if options.teacher_space != "as-is":
        space = target_space(options.teacher_space, activities(trained.network, trained.answer, splits.train.inputs)[1][:, :width], seed)
    return Teacher(trained.network, trained.answer, width, space)


def of_targets(teacher: Teacher | None, split: Split) -> dict[str, float] | None:
    """Measure how isotropic a teacher's targets are, as its outputs and in the space that they teach in; None without a teacher."""
    from contrastive_core.representation.geometry import isotropy, partition_isotropy

    if teacher is None:
        return None
    outputs = activities(teacher.network, teacher.rule, split.inputs[:_PAIRS])[1][:, : teacher.width]
    targets = outputs if teacher.space is None else teacher.space(outputs)
    return {
        "isotropy_outputs": isotropy(outputs),
        "partition_outputs": partition_isotropy(outputs),
        "isotropy_targets": isotropy(targets),
        "partition_targets": partition_isotropy(targets),
    }


def coded(options: ContrastiveOptions, sampler: Sampler, rule: str, seed: int, splits: Splits) -> Sampler:
    """Return the sampler, with pseudo-classes from the codes of an earlier network if the options name its run.

    Codes are the activities of the network's last hidden layer for the training samples.

    Parameters
    ----------
    options : ContrastiveOptions
        Options with the run.
    sampler : Sampler
        Sampler of the options.
    rule : str
        Rule that trains.
    seed : int
        Seed of the trial; the first centres of the clusters follow from it.
    splits : Splits
        Data that training sees.

    Raises
    ------
    InputError
        If the sampler has no pseudo-classes, the network reads other inputs, or as ``teaching``.
    """
    from contrastive_core.generators import generator_of
    from contrastive_core.sampling.clusters import OnePerClass

    if options.codes_of is None:
        return sampler
    if not isinstance(sampler, OnePerClass):
        raise InputError(f"--codes-of gives pseudo-classes, and --sampling {options.sampling} has none; give --sampling one-per-class")
    trained, _ = _network(options.codes_of, options, rule, seed, "give codes")
    _check_inputs(trained, f"the network of {options.codes_of}", options, splits)
    codes = activities(trained.network, trained.answer, splits.train.inputs)[0]
    return sampler.of_codes(codes, options.batch_size, generator_of(seed, 7))


def _check_inputs(trained: Trained, name: str, options: ContrastiveOptions, splits: Splits) -> None:
    wanted, given = trained.network.num_inputs, splits.train.inputs.shape[1]
    if wanted != given:
        raise InputError(f"{name} reads {wanted} values of a sample, and {options.data} has {given}; give another")


def remember_teachers(options: ContrastOptions, opened: Computation) -> None:
    """Refuse to resume a run under other teachers or codes; the configuration has only the paths of their runs."""
    pairs = [(rule, seed) for rule in options.rules for seed in seeds_of(options.seed, options.seeds)]
    for name, run in (("teacher", options.teacher), ("codes_of", options.codes_of)):
        if run is not None:
            networks = [_network(run, options, rule, seed, "be used")[0] for rule, seed in pairs]
            remember_input(opened, name, fingerprint(networks), f"networks than --{name.replace('_', '-')} has")
