"""Trained networks of runs, made again to be programmed into devices: their weights, their device, and the test of their accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from contrastive_core import plugins
from contrastive_core.errors import CheckpointError, InputError
from experiments.runs.directory import RunDirectory

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.cost import Cost
    from contrastive_core.data.splits import Splits
    from contrastive_core.devices.device import Device
    from contrastive_core.devices.on_device import OnDevice
    from contrastive_core.network import Network
    from contrastive_core.rule import Rule


class TrainedNetwork(NamedTuple):
    """A trained network, apart from the errors of its devices.

    Attributes
    ----------
    key : str
        Trial that trained the network.
    network : Network
        Network without devices, whose parameters are overwritten.
    weights : dict of str to Tensor
        Trained parameters by name: those of the chosen epoch.
    arrays : tuple of str
        Names of the parameters that devices hold.
    device : Device
        Device of the run; ideal for runs without devices.
    rule : Rule
        Rule that trained the network.
    cost : Cost or None
        Cost that counts errors; None for networks that do not classify.
    splits : Splits
        Data of the run.
    """

    key: str
    network: Network
    weights: dict[str, Tensor]
    arrays: tuple[str, ...]
    device: Device
    rule: Rule
    cost: Cost | None
    splits: Splits

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return rows and columns of every array; devices without rows and columns make one column.

        Raises
        ------
        InputError
            If an array holds filters, which have no rows and columns.
        """
        return rows_and_columns({name: self.weights[name] for name in self.arrays})

    def holding(self, weights: Mapping[str, Any]) -> Network:
        """Return the network after writing weights of all parameters into it, in any shape of their size."""
        import torch

        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                parameter.copy_(torch.as_tensor(weights[name]).reshape(parameter.shape))
        return self.network

    def vectors(self) -> dict[str, int]:
        """Return the length of every parameter that no device holds."""
        return {name: weight.numel() for name, weight in self.weights.items() if name not in self.arrays}


def rows_and_columns(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, int]]:
    """Return rows and columns of weights by name; those without make one column, and filters are refused."""
    for name, weight in weights.items():
        if weight.dim() > 2:
            raise InputError(f"{name} holds filters, and a programming table has a row for each unit below; export a dense network")
    return {name: (weight.shape[0], weight.shape[1:].numel()) for name, weight in weights.items()}


def error_with(learnt: TrainedNetwork, weights: Mapping[str, Any]) -> float:
    """Return the share of test samples that the network gets wrong with other weights.

    Parameters
    ----------
    learnt : TrainedNetwork
        Trained network.
    weights : mapping of str to (Tensor or ndarray)
        Weights of all parameters, in any shape of their size.

    Raises
    ------
    InputError
        If the network does not classify.
    """
    from contrastive_core.training.evaluation import evaluate

    if learnt.cost is None:
        raise InputError("a run of contrast has no classes, whose accuracy could be measured; give a run of train, compare or hardware")
    return evaluate(learnt.holding(weights), learnt.rule, learnt.cost, learnt.splits.test).error


def learnt_by(path: Path, trial: str | None, data_dir: Path | None) -> TrainedNetwork:
    """Return the trained network of a trial.

    Parameters
    ----------
    path : Path
        A run of hardware, train, compare or contrast.
    trial : str, optional
        Its key, as ``eqlab runs show`` lists it; may be left out where there is one only.
    data_dir : Path, optional
        Folder with the files of the run's data set.

    Raises
    ------
    InputError
        If there is no such run or trial.
    CheckpointError
        If the checkpoint is missing or damaged.
    """
    from contrastive_core.devices.device import Device
    from contrastive_core.devices.on_device import OnDevice
    from experiments.representations.options import ContrastiveOptions
    from experiments.representations.trained import finished, load_trained
    from experiments.setup.build import build_setting, load_data

    run = RunDirectory(path)
    if run.config.is_file() and run.read_provenance()["command"] == "hardware":
        return _on_hardware(run, trial, data_dir)
    options, done = finished(path, data_dir)
    found = {f"{one.rule} #{one.seed}": one for one in done}
    key = choose_trial(path, trial, list(found))
    trained = load_trained(path, options, found[key], load_data(options, in_parts=True))
    weights = {name: parameter.detach().clone() for name, parameter in trained.network.named_parameters()}
    if isinstance(trained.network, OnDevice):
        held = trained.network
        weights = held.stored()
    else:
        held = OnDevice(trained.network, Device())
    cost = None if isinstance(options, ContrastiveOptions) else build_setting(options).cost
    return TrainedNetwork(key, held.inside, weights, tuple(held.levels()), held.device, trained.answer, cost, trained.splits)


def choose_trial(path: Path, trial: str | None, keys: list[str]) -> str:
    """Return the key of the trial that is asked for, or of the only one; keys are those of the trials that have finished."""
    if trial is None and len(keys) == 1:
        return keys[0]
    if not keys:
        raise InputError(f"{path} has no finished trial; give a run that has ended")
    if trial not in keys:
        asked = "which trial?" if trial is None else f"there is no finished trial {trial!r};"
        shown = ", ".join(map(repr, keys[:20])) + (" and so on" if len(keys) > 20 else "")
        raise InputError(f"{asked} {path} has {shown}; name one with --trial")
    return trial


@plugins.only_told()
def _on_hardware(run: RunDirectory, trial: str | None, data_dir: Path | None) -> TrainedNetwork:
    from experiments.runs.pages import recall
    from experiments.sweeps.study import from_facts

    with run.journal(readonly=True) as journal:
        study = from_facts({name: fact for name, fact in recall(journal).items() if name in ("declared", "settings", "axes")})
        done = {one.key: one for one in journal.trials("done")}
    key = choose_trial(run.path, trial, list(done))
    return _rebuilt(run, study.settings, key, done[key], data_dir)


def _rebuilt(run: RunDirectory, shared: dict[str, Any], key: str, done: Any, data_dir: Path | None) -> TrainedNetwork:
    from contrastive_core.devices.on_device import OnDevice
    from contrastive_core.files.checkpoint import load_checkpoint, load_parameters
    from experiments.commandline.options import merge, nested
    from experiments.commandline.recorded import from_settings
    from experiments.hardware.hardware import changed
    from experiments.hardware.options import HardwareTrialOptions
    from experiments.setup.build import build_setting, ideal_network, load_data
    from experiments.setup.device_files import settings_in
    from experiments.setup.devices import assemble, split
    from experiments.setup.tables import RULES
    from experiments.trials.worker import checkpoint_of

    options = from_settings(HardwareTrialOptions, merge(shared, nested(done.options)))
    settings, changes = split((*settings_in(options.device_file or {}), *options.imperfections))
    options = changed(options, changes).model_copy(update={"data_dir": data_dir} if data_dir else {})
    splits, setting = load_data(options, in_parts=True), build_setting(options)
    network = ideal_network(options, splits, done.seed)
    device, file = assemble(options.preset, settings, done.seed), checkpoint_of(run.checkpoints, key)
    tensors, _ = load_checkpoint(file)
    weights = {}
    if options.transfer == "ideal":
        # The targets of a network that was trained without devices are its weights, not where the simulated devices ended.
        load_parameters(network, tensors, "best.", file)
        weights = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
        held = OnDevice(network, device)
    else:
        held = OnDevice(network, device)
        _load(held, tensors, file)
    return TrainedNetwork(
        key, held.inside, held.stored() | weights, tuple(held.levels()), device, RULES[options.rule](setting), setting.cost, splits
    )


def _load(held: OnDevice, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Copy the state of the chosen epoch into a network on its device, in place."""
    try:
        held.load_state_dict({name.removeprefix("best."): tensor for name, tensor in tensors.items() if name.startswith("best.")})
    except RuntimeError as error:
        raise CheckpointError(f"{file} is of another network or device than the run's configuration; train the run again") from error
