"""Parameters of earlier trainings: those that a network takes over whole, and those that a new training starts from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from contrastive_core.errors import CheckpointError, InputError
from experiments.commandline.kinds import flag_name
from experiments.commandline.options import flatten
from experiments.runs.directory import find_run
from experiments.runs.inside import file_of
from experiments.setup.options import ContinuedOptions, LearningOptions
from experiments.setup.own_options import decisive_options, defaults_of_network
from experiments.sweeps.compute import Computation, remember_input
from experiments.sweeps.paired import trial_key

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.network import Network

ENDING = ".safetensors"
_SIZES = frozenset({"data", "hidden", "layers"})
"""Options that decide sizes alone, which are compared layer by layer."""
_NUMBERED = re.compile(r"(?:^|_)(\d+|readout)(?:_|$)")


class Earlier(NamedTuple):
    """Parameters that an earlier training kept.

    Attributes
    ----------
    path : Path
        File of the checkpoint.
    tensors : dict of str to Tensor
        Parameters and buffers by name.
    options : dict
        Options of the training, nested as they were resolved.
    seed : int, optional
        Seed of the training, if it is known.
    """

    path: Path
    tensors: dict[str, Tensor]
    options: dict[str, Any]
    seed: int | None


def read_earlier(path: Path) -> Earlier:
    """Read the parameters of the epoch that a training kept.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or no checkpoint of a training.
    """
    from contrastive_core.files.checkpoint import load_checkpoint

    tensors, record = load_checkpoint(path)
    kept = {name.removeprefix("best."): tensor for name, tensor in tensors.items() if name.startswith("best.")}
    try:
        identity = json.loads(record["identity"]) if record.get("identity") else {}
        options, seed = dict(identity.get("options", {})), identity.get("seed")
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} does not say with which settings it was trained; give another checkpoint") from error
    return Earlier(path, kept, options, seed)


def require_same_device(earlier: Earlier, options: LearningOptions) -> None:
    """Refuse parameters that were trained on another device, or on one where there is none now.

    Raises
    ------
    CheckpointError
        If the devices differ.
    """
    on_device = earlier.options.get("device_file")
    if on_device != options.device_file:
        advice = "give the --device-file of its training" if on_device else "leave --device-file out"
        raise CheckpointError(f"{earlier.path} was trained on {'another' if on_device else 'no'} device; {advice}")


def require_same_settings(earlier: Earlier, options: LearningOptions, seed: int, apart: Iterable[str] = ()) -> None:
    """Refuse parameters that were trained in another network or on another device.

    Parameters
    ----------
    earlier : Earlier
        Parameters.
    options : LearningOptions
        Options of the network that is to take them.
    seed : int
        Seed of that network.
    apart : iterable of str
        Options that may differ.

    Raises
    ------
    CheckpointError
        If a setting differs that makes it another network; the message has the flags that make it the same.
    """
    require_same_device(earlier, options)
    own = defaults_of_network(options.network)  # options at their defaults need not be recorded
    trained = own | flatten(earlier.options) | {"seed": seed if earlier.seed is None else earlier.seed}
    asked = own | flatten(options.resolved()) | {"seed": seed}
    decisive = {"data", *decisive_options(options.network)} - set(apart)
    different = [name for name in asked if name.split(".")[0] in decisive and name in trained and trained[name] != asked[name]]
    if different:
        flags = " ".join(_flag(name, trained[name]) for name in different)
        raise CheckpointError(f"{earlier.path} was trained with other settings of the network; give the same: {flags}")


def _flag(name: str, value: Any) -> str:
    return f"{flag_name(name)} {','.join(map(str, value)) if isinstance(value, list) else value}"


def take_over(network: Network, options: LearningOptions, path: Path, seed: int) -> None:
    """Put all parameters of a checkpoint into the network that it was trained in, in place.

    Raises
    ------
    CheckpointError
        If the checkpoint is missing, damaged, or of another network, device or data set.
    """
    from contrastive_core.files.checkpoint import check_parameters, load_parameters

    earlier = read_earlier(path)
    require_same_device(earlier, options)  # first, because a device holds other tensors
    check_parameters(network, earlier.tensors, "", path)
    require_same_settings(earlier, options, seed)
    load_parameters(network, earlier.tensors, "", path)


def begin(network: Network, options: LearningOptions, rule: str, seed: int) -> None:
    """Put the parameters that a training starts from into its network, in place; without ``--start-from`` nothing changes.

    The data set may be another one with as many input values. With a fresh head the outputs keep the weights that the seed has drawn, and
    may be of another number and activation.

    Parameters
    ----------
    network : Network
        Network with the weights of its seed.
    options : LearningOptions
        Options of the training.
    rule : str
        Rule of the training.
    seed : int
        Seed of the training.

    Raises
    ------
    InputError
        If there is no such run, or it has no finished network for this rule and seed.
    CheckpointError
        If the parameters do not fit the network; the message names the first layer that does not.
    """
    if not isinstance(options, ContinuedOptions) or options.start_from is None:
        return
    from contrastive_core.files.checkpoint import check_parameters

    earlier, fresh = read_earlier(source_of(options.start_from, rule, seed)), options.start_head == "fresh"
    require_same_settings(earlier, options, seed, _SIZES | ({"output_activation", "readout"} if fresh else set()))
    held = network.state_dict()
    heads = [_fresh(names, options.network) if fresh else set() for names in (held, earlier.tensors)]
    kept = {name: tensor for name, tensor in earlier.tensors.items() if name not in heads[1]}
    _require_same_layers(earlier.path, kept, {name: tensor for name, tensor in held.items() if name not in heads[0]})
    taken = kept | {name: held[name] for name in heads[0]}
    check_parameters(network, taken, "", earlier.path)
    network.load_state_dict(taken)


def _fresh(names: Iterable[str], network: str) -> set[str]:
    if not (head := _head(names)):
        raise InputError(f"a {network} network has no layer of outputs that could start afresh; leave --start-head out")
    return head


def _head(names: Iterable[str]) -> set[str]:
    """Return the names of the parameters of the last layer, or of the readout; empty for a network without layers."""
    layers = {name: found[1] for name in names if (found := _NUMBERED.search(name))}
    last = "readout" if "readout" in layers.values() else max(layers.values(), key=int, default="")
    return {name for name, layer in layers.items() if layer == last}


def _require_same_layers(path: Path, earlier: dict[str, Tensor], here: dict[str, Tensor]) -> None:
    head = _head(here) & _head(earlier)
    for name in [*here, *(name for name in earlier if name not in here)]:
        there, wanted = (_shape(tensors.get(name)) for tensors in (earlier, here))
        if there != wanted:
            advice = "or draw the outputs afresh by --start-head fresh" if name in head else "or leave --start-from out"
            raise CheckpointError(
                f"{path} does not fit layer by layer: its {name} is {there}, this network's is {wanted}; give the layers of that training, "
                f"{advice}"
            )


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else "x".join(map(str, tensor.shape)) or "a number"


def source_of(name: str, rule: str, seed: int) -> Path:
    """Return the checkpoint that a training of a rule and a seed starts from.

    A run of one network gives it to all. A run of several gives that of the same rule and seed.

    Parameters
    ----------
    name : str
        Name or path of a run, or path of a checkpoint.
    rule : str
        Rule of the training.
    seed : int
        Seed of the training.

    Raises
    ------
    InputError
        If there is no such run, or it has no finished network for this rule and seed.
    """
    if name.endswith(ENDING):
        return Path(name)
    run = find_run(name)
    with run.journal(readonly=True) as journal:
        done = [trial.key for trial in journal.trials("done")]
    kept = [key for key in done if file_of(run.checkpoints, key, ENDING).is_file()]
    if not kept:
        raise InputError(f"{run.path} has no finished network to start from; give a run of train, compare or contrast that has ended")
    key = kept[0] if len(kept) == 1 else trial_key(rule, seed)
    if key not in kept:
        raise InputError(
            f"{run.path} has no finished network of {rule} and seed {seed} to start from; choose rules and seeds that it has, or give one "
            f"of its checkpoints, such as {file_of(run.checkpoints, kept[0], ENDING)}"
        )
    return file_of(run.checkpoints, key, ENDING)


def remember_start(options: ContinuedOptions, rules: Sequence[str], seeds: Sequence[int], opened: Computation) -> None:
    """Refuse to resume a run that started from other parameters; the configuration has only the path of the run that it started from."""
    if options.start_from is None:
        return
    digests = [sha256(source_of(options.start_from, rule, seed).read_bytes()).hexdigest() for rule in rules for seed in seeds]
    remember_input(opened, "start", sha256("".join(digests).encode()).hexdigest(), "parameters than --start-from has")
