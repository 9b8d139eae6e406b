"""Labels as targets: class indices become one-hot rows, real-valued targets stay as they are."""

import torch
from torch import Tensor

from contrastive_core.errors import InputError, ShapeError
from contrastive_core.network import Clamped
from contrastive_core.phases import Nudge, Phase
from contrastive_core.types import Samples, State, as_batch

INDICES = (torch.int64, torch.int32)
"""Types of class indices."""


def targets(output: Tensor, batch: Samples) -> Tensor:
    """Return the target of each output unit.

    Parameters
    ----------
    output : Tensor of shape (B, n_out)
        Outputs, whose shape and dtype the targets take.
    batch : Batch, or pair of inputs and labels
        Samples whose labels are class indices of shape (B,) or targets of shape (B, n_out).

    Returns
    -------
    Tensor of shape (B, n_out)
        One-hot rows for class indices, the labels themselves otherwise.

    Raises
    ------
    ShapeError
        If targets and outputs differ in shape.
    InputError
        If a class index has no output unit, or labels of shape (B,) are neither int64 nor int32.
    """
    labels = as_batch(batch).labels
    if labels.dim() != 1:
        if labels.shape != output.shape:
            raise ShapeError(f"targets have shape {tuple(labels.shape)}, the outputs {tuple(output.shape)}; they must be equal")
        return labels.to(output.dtype)
    if labels.shape[0] != output.shape[0]:
        raise ShapeError(f"{labels.shape[0]} labels for {output.shape[0]} outputs; give one label per sample")
    if labels.dtype not in INDICES:
        found = str(labels.dtype).removeprefix("torch.")
        raise InputError(f"one label per sample is a class index of int64, got {found}; use labels.long(), or targets of shape (B, n_out)")
    num_classes = output.shape[1]
    if labels.numel():
        lowest, highest = (int(bound) for bound in labels.aminmax())
        if lowest < 0 or highest >= num_classes:
            raise InputError(
                f"labels run from {lowest} to {highest}, but there are {num_classes} output units; "
                "give the network one output unit per class"
            )
    return torch.zeros_like(output).scatter_(1, labels[:, None], 1.0)


def with_targets(phase: Phase, clamped: Clamped, state: State) -> Phase:
    """Replace class indices in a nudge by their one-hot targets, if the cost allows it.

    Checking class indices on a device makes the host wait for the device, so this is done once before a relaxation.

    Parameters
    ----------
    phase : Nudge, Hold or None
        Phase; not modified.
    clamped, state
        Network that the phase acts on, and any state of it.

    Returns
    -------
    Nudge, Hold or None
        Phase with targets, or ``phase`` itself if it needs none.
    """
    if not isinstance(phase, Nudge) or phase.frozen is not None or not phase.cost.one_hot:
        return phase
    wanted = targets(clamped.network.output(state), phase.batch)
    return phase._replace(batch=phase.batch._replace(labels=wanted))


def wrong_decisions(output: Tensor, batch: Samples) -> Tensor:
    """Return a mask of shape (B,) that is True where the largest output is not the labelled class, or not the largest target."""
    labels = as_batch(batch).labels
    truth = labels if labels.dim() == 1 else labels.argmax(1)
    return output.argmax(1) != truth
