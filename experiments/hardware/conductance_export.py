"""Networks on devices, made again from the runs that trained them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrastive_core import plugins
from contrastive_core.errors import CheckpointError, InputError
from experiments.runs.directory import RunDirectory

if TYPE_CHECKING:
    from contrastive_core.devices.conductance import Conductance
    from contrastive_core.devices.on_device import OnDevice


def held_by(path: Path, trial: str | None, chosen: Conductance | None, data_dir: Path | None) -> tuple[str, OnDevice]:
    """Return the trained network of a trial on its device.

    Parameters
    ----------
    path : Path
        A run of hardware, which has devices, or of train, compare or contrast, which are put on ideal ones.
    trial : str, optional
        Its key, as ``eqlab runs show`` lists them; may be left out where there is one only.
    chosen : Conductance, optional
        The range for runs without devices; None is the default one. Runs of hardware have their own.
    data_dir : Path, optional
        Folder with the files of the run's data set.

    Returns
    -------
    tuple of str and OnDevice
        The trial's key, and the network.

    Raises
    ------
    InputError
        If there is no such run or trial, or a range is given for a run that has one.
    CheckpointError
        If the checkpoint is missing or damaged.
    """
    from contrastive_core.devices.conductance import Conductance
    from contrastive_core.devices.device import Device
    from contrastive_core.devices.on_device import OnDevice
    from experiments.representations.trained import trained_networks

    run = RunDirectory(path)
    if run.config.is_file() and run.read_provenance()["command"] == "hardware":
        if chosen is not None:
            raise InputError(f"{path} is a run of hardware, whose devices have a range; leave the range out")
        return _on_hardware(run, trial, data_dir)
    found = {f"{one.rule} #{one.seed}": one for one in trained_networks(path, data_dir)}
    key = _choose(path, trial, list(found))
    return key, OnDevice(found[key].network, Device(chosen or Conductance()))


def _choose(path: Path, trial: str | None, keys: list[str]) -> str:
    if trial is None and len(keys) == 1:
        return keys[0]
    if trial not in keys:
        asked = "which trial?" if trial is None else f"there is no finished trial {trial!r};"
        shown = ", ".join(map(repr, keys[:20])) + (" and so on" if len(keys) > 20 else "")
        raise InputError(f"{asked} {path} has {shown or 'none'}; name one with --trial")
    return trial


@plugins.only_told()
def _on_hardware(run: RunDirectory, trial: str | None, data_dir: Path | None) -> tuple[str, OnDevice]:
    from experiments.runs.pages import recall
    from experiments.sweeps.study import from_facts

    with run.journal(readonly=True) as journal:
        study = from_facts({name: fact for name, fact in recall(journal).items() if name in ("declared", "settings", "axes")})
        done = {one.key: one for one in journal.trials("done")}
    key = _choose(run.path, trial, list(done))
    return key, _rebuilt(run, study.settings, key, done[key], data_dir)


def _rebuilt(run: RunDirectory, shared: dict[str, Any], key: str, done: Any, data_dir: Path | None) -> OnDevice:
    from contrastive_core.devices.on_device import OnDevice
    from contrastive_core.files.checkpoint import load_checkpoint, load_parameters
    from experiments.commandline.options import merge, nested
    from experiments.commandline.recorded import from_settings
    from experiments.hardware.device_settings import assemble, split
    from experiments.hardware.hardware import changed
    from experiments.hardware.options import HardwareTrialOptions
    from experiments.setup.build import build_network, load_data
    from experiments.trials.worker import checkpoint_of

    options = from_settings(HardwareTrialOptions, merge(shared, nested(done.options)))
    settings, changes = split(options.imperfections)
    options = changed(options, changes).model_copy(update={"data_dir": data_dir} if data_dir else {})
    network = build_network(options, load_data(options), done.seed)
    device, file = assemble(options.preset, settings, done.seed), checkpoint_of(run.checkpoints, key)
    tensors, _ = load_checkpoint(file)
    if options.transfer == "ideal":
        load_parameters(network, tensors, "best.", file)
        return OnDevice(network, device)
    held = OnDevice(network, device)
    try:
        held.load_state_dict({name.removeprefix("best."): tensor for name, tensor in tensors.items() if name.startswith("best.")})
    except RuntimeError as error:
        raise CheckpointError(f"{file} is of another network or device than the run's configuration; train the run again") from error
    return held
