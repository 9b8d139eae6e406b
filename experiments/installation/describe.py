"""``eqlab data describe``: what a data set, or data of one's own, hold before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from contrastive_core.data import DATASETS
from contrastive_core.data.own.kinds import kind_of
from contrastive_core.data.task import TASKS
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import OneOf, Positional
from experiments.commandline.output import format_table
from experiments.setup.data import read_data
from experiments.setup.data_options import DataOptions

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.data.splits import Split, Splits

_MOST_ROWS = 20
"""Classes and targets that the table shows."""


class DescribeOptions(DataOptions):
    """A data set, and how it is read.

    Attributes
    ----------
    data
        The data set.
    """

    data: Annotated[str, OneOf("data set", DATASETS, files=kind_of), Positional()] = Field(
        "digits", description="Name of a data set, or own data."
    )


@command(DescribeOptions, "describe")
def describe_data(options: DescribeOptions, invocation: Invocation) -> None:
    """Describe DATA as training reads it: task, splits, inputs, classes or targets, and what may need a cure.

    \b
    Examples:
      eqlab data describe digits
      eqlab data describe houses.csv --target price --group street
      eqlab data describe photos/

    Parameters
    ----------
    options : DescribeOptions
        Data set and its options.
    invocation : Invocation
        Start of the command, for output.

    Raises
    ------
    InputError
        If there is no such data set, or it cannot be learnt.
    """  # noqa: D301
    splits = read_data(options, any_task=True)
    found = described(splits)
    invocation.save_result("described", found, _text(found))


def described(splits: Splits) -> dict[str, Any]:
    """Return a description of a data set as JSON holds it.

    Parameters
    ----------
    splits : Splits
        The data set.

    Returns
    -------
    dict
        Task, sizes, range of the inputs, counts of each class or tag or scale of each target in each split, named arrays, digest, and
        hints on what may need a cure.
    """
    parts = {name: getattr(splits, name) for name in ("train", "validation", "test")}
    found: dict[str, Any] = {
        "source": splits.source,
        "task": splits.task,
        "outputs": splits.num_classes,
        "inputs": {
            "number": splits.train.inputs.shape[1],
            "shape": list(splits.shape),
            "modalities": [list(shape) for shape in splits.modalities],
            **_range(splits.train.inputs),
        },
        "splits": {name: {"samples": len(part.labels), **_counts(splits, part)} for name, part in parts.items()},
        "targets": [target._asdict() for target in splits.targets],
        "classes": list(splits.classes),
        "arrays": sorted(splits.train.given),
        "digest": splits.digest,
    }
    return found | {"hints": _hints(found)}


def _range(inputs: Tensor) -> dict[str, Any]:
    """Return the range of inputs, their mean, and the number of those that are the same for all samples."""
    import torch

    from contrastive_core.data.on_disk.rows import chunks_of

    low, high = torch.full((2, inputs.shape[1]), torch.inf) * torch.tensor([[1], [-1]])
    total = 0.0
    for chunk in chunks_of(inputs):
        low, high = torch.minimum(low, chunk.amin(0)), torch.maximum(high, chunk.amax(0))
        total += float(chunk.double().sum())
    mean, constant = total / inputs.numel(), int((low == high).sum())
    return {"least": float(low.min()), "mean": mean, "most": float(high.max()), "constant": constant}


def _counts(splits: Splits, part: Split) -> dict[str, Any]:
    if splits.task == "regression":
        means = [float(one) for one in part.labels.double().mean(0)]
        return {"means": [target.mean + target.deviation * one for target, one in zip(splits.targets, means, strict=True)]}
    if splits.task == "multi-label":
        return {"counts": part.labels.sum(0).long().tolist()}
    return {"counts": part.labels.bincount(minlength=splits.num_classes).tolist()}


def _hints(found: dict[str, Any]) -> list[str]:
    inputs, hints = found["inputs"], []
    if max(abs(inputs["least"]), abs(inputs["most"])) > 10:
        hints.append(f"inputs lie between {inputs['least']:.4g} and {inputs['most']:.4g}; give --standardise 1")
    if inputs["constant"]:
        hints.append(f"{inputs['constant']} inputs are the same for all training samples; --standardise refuses them")
    counts = found["splits"]["train"].get("counts")
    if found["task"] == "classification" and max(counts) >= 2 * min(counts):
        hints.append(f"the rarest class has {min(counts)} training samples and the most frequent {max(counts)}; look at the balanced error")
    return hints


def _text(found: dict[str, Any]) -> str:
    inputs, splits = found["inputs"], found["splits"]
    shape = f" ({'x'.join(map(str, inputs['shape']))})" if inputs["shape"] else ""
    output = TASKS[found["task"]].output
    ending = "" if found["outputs"] == 1 else "es" if output.endswith("s") else "s"
    head = [
        ("source", found["source"]),
        ("task", f"{found['task']} of {found['outputs']} {output}{ending}"),
        ("samples", ", ".join(f"{one['samples']} {name}" for name, one in splits.items())),
        ("inputs", f"{inputs['number']}{shape}, from {inputs['least']:.4g} to {inputs['most']:.4g}, mean {inputs['mean']:.4g}"),
        *([("arrays", ", ".join(found["arrays"]))] if found["arrays"] else []),
        ("digest", found["digest"][:16]),
    ]
    if found["targets"]:
        header: tuple[str, ...] = ("target", "mean", "deviation", *(f"mean of {name}" for name in splits))
        rows: list[tuple[Any, ...]] = [
            (one["name"], one["mean"], one["deviation"], *(part["means"][place] for part in splits.values()))
            for place, one in enumerate(found["targets"])
        ]
    else:
        header = (output, *splits)
        names = found["classes"] or [str(place) for place in range(found["outputs"])]
        rows = [(name, *(part["counts"][place] for part in splits.values())) for place, name in enumerate(names)]
    more = f"\n... and {len(rows) - _MOST_ROWS} more" if len(rows) > _MOST_ROWS else ""
    hints = "".join(f"\n{hint}" for hint in found["hints"])
    table = f"{format_table(header, rows[:_MOST_ROWS])}{more}"
    return f"{format_table(('quantity', 'value'), head)}\n\n{table}{chr(10) * bool(hints)}{hints}"
