"""Checkpoints: tensors and a JSON record in one safetensors file, written atomically and read without pickle."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as format_tensors
from torch import Tensor, nn

from contrastive_core.errors import CheckpointError
from contrastive_core.files.bounded import read_bytes
from contrastive_core.files.writing import write_bytes
from contrastive_core.guards.typed import typed


@typed()
def save_checkpoint(path: str | PathLike[str], tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write tensors and a record to a file, atomically.

    Parameters
    ----------
    path : path-like
        File in an existing directory. An existing checkpoint is replaced once the new one is complete.
    tensors : mapping of str to Tensor
        Tensors by name, such as parameters, optimiser states and generator states.
    record : mapping
        Further values, of JSON types.

    Raises
    ------
    CheckpointError
        If a value of the record is of no JSON type.
    """
    try:
        words = json.dumps(record)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"the record of a checkpoint has a value that is no JSON ({error}); give numbers, texts, lists or dicts"
        ) from error
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(Path(path), format_tensors(flat, metadata={"eqlab": words}))


@typed()
def load_checkpoint(path: str | PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_checkpoint` wrote.

    Returns
    -------
    tensors : dict of str to Tensor
        Tensors on the CPU.
    record : dict
        JSON record.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or not a checkpoint of eqlab.
    """
    try:
        content = read_bytes(Path(path))
    except OSError as error:
        raise CheckpointError(f"cannot read checkpoint {path}: {error.strerror}; give the path of an existing checkpoint") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is no checkpoint of eqlab: {error}; give the path of a checkpoint") from error
    try:
        tensors = parse_tensors(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        record: dict[str, Any] = dict(json.loads(header["__metadata__"]["eqlab"]))
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is damaged or not a checkpoint of eqlab ({type(error).__name__}); delete it to start afresh, or give another"
        ) from error
    return tensors, record


def check_parameters(network: nn.Module, tensors: Mapping[str, Tensor], prefix: str, path: Path) -> None:
    """Check that the tensors named ``prefix + name`` fit a network's parameters and buffers, and are numbers.

    Raises
    ------
    CheckpointError
        If a name or shape differs, because the checkpoint is of another network; or a number is not finite.
    """
    expected = {name: tuple(parameter.shape) for name, parameter in network.state_dict().items()}
    found = {name.removeprefix(prefix): tuple(tensor.shape) for name, tensor in tensors.items() if name.startswith(prefix)}
    if found != expected:
        raise CheckpointError(
            f"{path} is of another network: it holds {_shapes(found)}, this network needs {_shapes(expected)}; "
            "use the configuration that the checkpoint was trained with"
        )
    odd = [name for name in found if not bool(tensors[prefix + name].isfinite().all())]
    if odd:
        raise CheckpointError(f"{path} holds numbers that are not finite, in {', '.join(odd)}; take another checkpoint, or train again")


def load_parameters(network: nn.Module, tensors: Mapping[str, Tensor], prefix: str, path: Path) -> None:
    """Copy the tensors named ``prefix + name`` into a network's parameters and buffers, in place.

    Raises
    ------
    CheckpointError
        If a name or shape differs, because the checkpoint is of another network; or a number is not finite. Nothing has been changed then.
    """
    check_parameters(network, tensors, prefix, path)
    network.load_state_dict({name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)})


def _shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items()) or "no parameters"
