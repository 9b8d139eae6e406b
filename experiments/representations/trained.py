"""Networks that runs have trained, with what they were before, made again from a run's directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from contrastive_core import plugins
from contrastive_core.errors import InputError
from experiments.commandline.options import Layer, resolve_layers
from experiments.learning.compare import CompareOptions
from experiments.learning.train import KEY, CommandTrainOptions
from experiments.representations.activities import Trained
from experiments.representations.build import build_embedding, build_objective, objective_setting
from experiments.representations.options import ContrastiveOptions, ContrastOptions
from experiments.runs.directory import RunDirectory
from experiments.runs.inside import file_of
from experiments.setup.build import build_network, build_setting, load_data
from experiments.setup.options import LearningOptions
from experiments.setup.tables import RULES
from experiments.sweeps.paired import seeds_of, trial_key

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits


def trained_networks(path: Path, data_dir: Path | None) -> list[Trained]:
    """Return every network that a run of train, compare or contrast has finished.

    Parameters
    ----------
    path : Path
        Directory of the run.
    data_dir : Path, optional
        Folder with the files of the data set.

    Returns
    -------
    list of Trained
        Networks in the order of rules and seeds.

    Raises
    ------
    InputError
        If there is no such run, it is of another command, or it has no finished network.
    CheckpointError
        If a checkpoint is missing or damaged.
    """
    options, done = finished(path, data_dir)
    if not done:
        raise InputError(f"{path} has no finished network; finish it first, see 'eqlab runs show {path}'")
    splits = load_data(options)
    return [load_trained(path, options, one, splits) for one in done]


def beside_of(path: Path) -> Path:
    """Return the directory of the second seed of a run."""
    return path.with_name(f"{path.name}-second")


class Finished(NamedTuple):
    """A trial that is done.

    Attributes
    ----------
    key : str
        Name of the trial in the journal.
    rule : str
        Rule that trained the network.
    seed : int
        Seed of the initial weights.
    data : str
        Digest of the data.
    """

    key: str
    rule: str
    seed: int
    data: str


def finished(path: Path, data_dir: Path | None) -> tuple[LearningOptions, list[Finished]]:
    """Return the options of a run of train, compare or contrast, and its trials that are done, in the order of rules and seeds.

    Parameters
    ----------
    path : Path
        Directory of the run.
    data_dir : Path, optional
        Folder with the files of the data set.

    Raises
    ------
    InputError
        If there is no such run, or it is of another command.
    """
    run = RunDirectory(path)
    command = run.read_provenance()["command"] if run.config.is_file() else None
    if command is None:
        raise InputError(f"there is no run {path}; see 'eqlab runs list'")
    model, keys = _model_of(command, path)
    with plugins.only_told():
        options = resolve_layers(model, [Layer("{key} (in config.toml)", run.read_config())]).model_copy(update={"data_dir": data_dir})
    with run.journal(readonly=True) as journal:
        data = {trial.key: (trial.metrics or {}).get("data_digest", "") for trial in journal.trials("done")}
    return options, [Finished(key, rule, seed, data[key]) for key, rule, seed in keys(options) if key in data]


def _model_of(command: str, path: Path) -> tuple[type[LearningOptions], Any]:
    """Return the options of a command that trains, and what lists key, rule and seed of its trials."""
    if command == "train":
        return CommandTrainOptions, lambda options: [(KEY, options.rule, options.seed)]

    def keys(options: Any) -> list[tuple[str, str, int]]:
        return [(trial_key(rule, seed), rule, seed) for rule in options.rules for seed in seeds_of(options.seed, options.seeds)]

    if command == "compare":
        return CompareOptions, keys
    if command == "contrast":
        return ContrastOptions, keys
    if command == "fit":
        raise InputError(
            f"the network of {path} was made by a Python script, which alone can make it again; give runs of train, compare or contrast, "
            "or use the network in the script"
        )
    if command == "sweep":
        raise InputError(f"{path} is a sweep, which keeps no networks of its trials; train the one that is wanted by eqlab train")
    raise InputError(f"{path} is a run of 'eqlab {command}', which trains no network; give runs of train, compare or contrast")


def load_trained(path: Path, options: LearningOptions, one: Finished, splits: Splits) -> Trained:
    """Return the network of a trial that is done.

    Parameters
    ----------
    path : Path
        Directory of the run.
    options : LearningOptions
        Options of the run, from ``finished``.
    one : Finished
        The trial.
    splits : Splits
        The data of the run.

    Raises
    ------
    CheckpointError
        If its checkpoint is missing or damaged.
    """
    from contrastive_core.files.checkpoint import load_checkpoint, load_parameters

    untrained, network = (
        build_embedding(options, splits, one.seed) if isinstance(options, ContrastiveOptions) else build_network(options, splits, one.seed)
        for _ in range(2)
    )
    file = file_of(path / "checkpoints", one.key, ".safetensors")
    tensors, _ = load_checkpoint(file)
    load_parameters(network, tensors, "best.", file)
    setting = objective_setting(options, build_objective(options)) if isinstance(options, ContrastiveOptions) else build_setting(options)
    return Trained(path.name, one.rule, one.seed, network, untrained, RULES[one.rule](setting), splits)
