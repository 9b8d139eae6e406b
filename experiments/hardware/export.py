"""``eqlab export``: trained networks in the formats of other programs."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import format_table
from experiments.commandline.quantities import PositiveFloat
from experiments.hardware.device_export import DATA_DIR, TRIAL
from experiments.runs.directory import find_run

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.network import Network
    from experiments.hardware.learnt import TrainedNetwork

_SHOWN = 1000
"""Largest number of test samples on which a file is compared with the network."""


class InterchangeOptions(CommandOptions):
    """A trained network, and the file that it is written to.

    Attributes
    ----------
    run, trial
        Run that holds the network.
    write
        Place of the file, whose ending is its format.
    sweeps, time_constant
        Settings of ONNX alone, and of NIR alone.
    data_dir
        Directory with the files of the run's data set.
    """

    run: Annotated[str, Positional()] = Field(
        "", exclude=True, description="Name or path of a run of train, compare, contrast or hardware."
    )
    trial: str | None = Field(None, description=TRIAL)
    write: Path | None = Field(None, exclude=True, description="File that ends in .onnx or .nir; required.")
    sweeps: int | None = Field(
        None, ge=0, le=1000, description="Sweeps of the relaxation in an ONNX graph; 0: its feedforward limit; none: 0."
    )
    time_constant: PositiveFloat | None = Field(
        None, description="Time constant of the leaky integrators in a NIR graph, in second; none: 0.01."
    )
    data_dir: Path | None = Field(None, exclude=True, description=DATA_DIR)


class InFormat(NamedTuple):
    """A network in a format.

    Attributes
    ----------
    content : bytes
        Content of the file.
    nodes : list of str
        Kind of every node.
    outputs : callable or None
        Outputs of the graph for inputs; None if nothing here can run it.
    kept : str
        Sentence on what the file holds of the network, and what it leaves out.
    """

    content: bytes
    nodes: list[str]
    outputs: Callable[[Tensor], Tensor] | None
    kept: str


def _as_onnx(network: Network, options: InterchangeOptions, source: str) -> InFormat:
    import torch

    from contrastive_core.interchange.onnx_graph import to_onnx

    sweeps = options.sweeps or 0
    made = to_onnx(network, sweeps)  # type: ignore[arg-type]
    made.metadata_props.add(key="inputs", value=source)

    def outputs(inputs: Tensor) -> Tensor:
        from onnx.reference import ReferenceEvaluator

        (found,) = ReferenceEvaluator(made).run(None, {"inputs": inputs.numpy()})
        return torch.from_numpy(found)

    kept = f"the graph has {sweeps} sweeps of the relaxation" if sweeps else "the graph is the feedforward limit, without feedback"
    return InFormat(made.SerializeToString(deterministic=True), [node.op_type for node in made.graph.node], outputs, kept)


def _as_nir(network: Network, options: InterchangeOptions, source: str) -> InFormat:
    from contrastive_core.interchange.library import library
    from contrastive_core.interchange.nir_graph import LOST, to_nir

    given = {} if options.time_constant is None else {"time_constant": options.time_constant}
    made, stream = to_nir(network, **given), BytesIO()  # type: ignore[arg-type]
    made.metadata["inputs"] = source
    library("nir").write(stream, made)
    return InFormat(stream.getvalue(), [type(node).__name__ for node in made.nodes.values()], None, LOST)


FORMATS: dict[str, tuple[Callable[[Network, InterchangeOptions, str], InFormat], str]] = {
    ".onnx": (_as_onnx, "sweeps"),
    ".nir": (_as_nir, "time_constant"),
}
"""Writer of each format by the ending of its files, and the option that is for this format alone."""


@command(InterchangeOptions, "export", without=("config", "set", "seed", "threads", "out"))
def export_command(options: InterchangeOptions, invocation: Invocation) -> None:
    """Write a trained network as ONNX, for runtimes of feedforward networks, or as NIR, for neuromorphic hardware and its simulators.

    RUN is a run of train, compare, contrast or hardware. --write names a file whose ending is the format. An ONNX graph is the feedforward
    limit of the network, or --sweeps of its relaxation; it is run on up to 1000 test samples and compared with the network. A NIR graph
    has leaky integrators with feedback; its metadata name the activations, for which NIR has no nodes. Device errors are left out.

    \b
    Examples:
      eqlab export runs/train-1 --write network.onnx
      eqlab export runs/train-1 --write network.onnx --sweeps 20
      eqlab export runs/compare-1 --trial "ep-centered #0" --write network.nir

    Parameters
    ----------
    options : InterchangeOptions
        Network and file.
    invocation : Invocation
        Start of the command, for output.

    Raises
    ------
    InputError
        If no run or file is named, a library is missing, the format has no nodes for the network, or the file cannot be written.
    """  # noqa: D301
    from contrastive_core.files.writing import write_named
    from experiments.hardware.learnt import learnt_by

    if not options.run or options.write is None:
        raise InputError("which run, and to which file? give: eqlab export RUN --write FILE.onnx (or FILE.nir)")
    if options.write.suffix not in FORMATS:
        raise InputError(f"the ending of {options.write} is no format; end it in one of: {', '.join(FORMATS)}")
    writer, _ = FORMATS[options.write.suffix]
    for ending, (_, own) in FORMATS.items():
        if ending != options.write.suffix and getattr(options, own) is not None:
            raise InputError(f"--{own.replace('_', '-')} is for files that end in {ending}; leave it out")
    learnt = learnt_by(find_run(options.run).path, options.trial, options.data_dir)
    network = learnt.holding(learnt.weights)
    if not learnt.rule.settles and (options.sweeps or options.write.suffix == ".nir"):
        invocation.warn(f"{learnt.key} was trained without feedback, and with the feedback of this file it computes something else")
    written = writer(network, options, learnt.splits.source)
    compared = {} if written.outputs is None else _compared(learnt, network, written.outputs)
    try:
        write_named({options.write: written.content}, "file")
    except OSError as error:
        raise InputError(f"cannot write {options.write} ({error.strerror}); choose another place") from error
    counts = {kind: written.nodes.count(kind) for kind in dict.fromkeys(written.nodes)}
    lines = [f"{learnt.key}: {options.write}, {', '.join(f'{count} {kind}' for kind, count in counts.items())}", written.kept]
    if compared:
        lines[1:1] = [_table(compared)]
    result = {"file": str(options.write), "trial": learnt.key, "nodes": counts, "kept": written.kept, **compared}
    invocation.result(result, "\n\n".join(lines))


def _compared(learnt: TrainedNetwork, network: Network, outputs_of: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    """Return how far the outputs of the file are from those at equilibrium, and the share of wrong classes of both."""
    from contrastive_core.training.evaluation import outputs

    inputs, labels = learnt.splits.test.inputs[:_SHOWN], learnt.splits.test.labels[:_SHOWN]
    clamped = network.clamp(inputs).inputs.contiguous()
    settled, found = outputs(network, learnt.rule, inputs), outputs_of(clamped)
    measured: dict[str, Any] = {"samples": len(inputs), "largest_difference": float((found - settled).abs().max())}
    if learnt.cost is not None and learnt.splits.task == "classification":
        for name, answers in (("network_error", settled), ("file_error", found)):
            measured[name] = float((answers.argmax(1) != labels).double().mean())
    return measured


def _table(compared: dict[str, Any]) -> str:
    errors = [f"{100 * compared[name]:.2f}" if name in compared else None for name in ("network_error", "file_error")]
    cells = (compared["samples"], *errors, f"{compared['largest_difference']:.2g}")
    return format_table(("test samples", "error of the network %", "error of the file %", "largest difference of an output"), [cells])
