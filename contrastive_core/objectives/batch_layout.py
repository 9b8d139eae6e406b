"""Structure of a batch: views of instances, labels, and the checks of what an objective needs."""

from __future__ import annotations

import torch
from torch import Tensor

from contrastive_core.errors import DivergenceError, InputError, ShapeError
from contrastive_core.objectives.embeddings import nearest, tiles, unit
from contrastive_core.objectives.needs import Extra, Labels, Needs, Origin
from contrastive_core.types import Batch


def view_rows(batch: Batch, fewest: int = 2, most: int | None = None) -> Tensor:
    """Return the row of every view of every instance.

    Parameters
    ----------
    batch : Batch
        Batch with ``instances`` of shape (B,), its rows in any order.
    fewest, most : int, optional
        Fewest and most views that an instance must have.

    Returns
    -------
    Tensor of shape (N, M)
        Row indices; column m holds view m of each instance.

    Raises
    ------
    InputError
        If instances are missing, differ in their number of views, or have one view twice.
    """
    if batch.instances is None:
        raise InputError(f"the batch has no instances, but this objective pairs {fewest} or more views of each; give Batch.instances")
    _, instance, counts = torch.unique(batch.instances, return_inverse=True, return_counts=True)
    num_views = int(counts.max())
    if int(counts.min()) != num_views or num_views < fewest or (most is not None and num_views > most):
        wanted = f"exactly {fewest}" if most == fewest else f"{fewest} or more"
        raise InputError(
            f"views do not pair up: instances have {int(counts.min())} to {num_views} views, expected {wanted} of every one; "
            "give each sample the same number of views"
        )
    if batch.views is None:
        return torch.argsort(instance, stable=True).view(-1, num_views)
    if len(torch.unique(torch.stack([instance, batch.views]), dim=1).T) != len(instance):
        raise InputError("views do not pair up: an instance has the same view twice; number the views of a sample 0, 1, ...")
    number = torch.unique(batch.views, return_inverse=True)[1]
    return torch.argsort(instance * (int(number.max()) + 1) + number).view(-1, num_views)


def two_views(rows: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the rows of the first and of the second view, of shape (N, n) each, with the samples in the same order."""
    index = view_rows(batch)
    return rows[index[:, 0]], rows[index[:, 1]]


def sample_of_rows(index: Tensor) -> Tensor:
    """Return the sample number of each row, of shape (N M,), from the (N, M) row indices of :func:`view_rows`."""
    sample = torch.empty(index.numel(), dtype=torch.int64, device=index.device)
    sample[index] = torch.arange(len(index), device=index.device)[:, None].expand_as(index)
    return sample


def others_among(rows: slice, num_rows: int, like: Tensor) -> Tensor:
    """Return a mask of shape (T, num_rows), for a slice of T rows, that is False only where a row meets itself."""
    numbers = torch.arange(num_rows, device=like.device)
    return numbers[rows, None] != numbers[None, :]


def partners(rows: Tensor) -> Tensor:
    """Return the row of the other view for each of 2 N rows, from the (N, 2) row indices of their pairs."""
    other = torch.empty(rows.numel(), dtype=rows.dtype, device=rows.device)
    other[rows[:, 0]], other[rows[:, 1]] = rows[:, 1], rows[:, 0]
    return other


def numbers(batch: Batch) -> Tensor:
    """Return real labels as one number per row, of shape (B,)."""
    return batch.labels.reshape(-1)


def extra(batch: Batch, name: str) -> Tensor:
    """Return the extra with this name; the batch must have been checked."""
    return (batch.extras or {})[name]


def check(output: Tensor, batch: Batch, needs: Needs, name: str) -> Tensor:
    """Check that a batch meets the needs of an objective, and return the outputs at which gradients stop, of shape (B, n).

    Parameters
    ----------
    output : Tensor of shape (B, n)
        Embeddings.
    batch : Batch
        Samples that they belong to.
    needs : Needs
        Requirements of the objective.
    name : str
        Name of the objective, for messages.

    Raises
    ------
    DivergenceError
        If an output or an extra is not finite.
    ShapeError
        If outputs, labels, instances, held outputs and given extras differ in length.
    InputError
        If labels, instances or extras are missing, labels are not finite, or there is only one sample.
    """
    size = len(output)
    if not bool(torch.isfinite(output).all()):
        bad = int((~torch.isfinite(output).all(1)).sum())
        raise DivergenceError(
            f"{bad} of {size} embeddings are not finite; {name} needs numbers: lower the learning rate or the nudging strength, or check "
            "the inputs"
        )
    for what, rows in (("labels", batch.labels), ("instances", batch.instances), ("views", batch.views), ("held outputs", batch.held)):
        if rows is not None and len(rows) != size and (what != "labels" or needs.labels is not Labels.NONE):
            raise ShapeError(f"{len(rows)} {what} for {size} embeddings; give one for each row")
    samples = size if batch.instances is None else len(torch.unique(batch.instances))
    if samples < 2:
        raise InputError(f"{name} contrasts samples with each other and got {samples}; give a batch of at least 2 samples")
    if needs.fewest > 1:
        view_rows(batch, needs.fewest, needs.most)
    _check_labels(batch, needs.labels, name)
    for wanted in needs.extras:
        if wanted.name not in (batch.extras or {}):
            raise InputError(
                f"{name} needs {wanted.name!r} of shape {wanted.shape}: {wanted.meaning} ({wanted.origin.value}); put it into Batch.extras"
            )
        _check_extra(extra(batch, wanted.name), wanted, size)
    return output.detach() if batch.held is None else batch.held


def _check_extra(tensor: Tensor, wanted: Extra, size: int) -> None:
    # Extras given with the batch have one row for each of its rows; learnt and carried ones may have any shape.
    if wanted.origin is Origin.GIVEN and (tensor.dim() == 0 or len(tensor) != size):
        raise ShapeError(f"{wanted.name!r} is of shape {tuple(tensor.shape)} for {size} embeddings; give {wanted.shape}")
    if not bool(torch.isfinite(tensor).all()):
        raise DivergenceError(f"{wanted.name!r} ({wanted.meaning}) has values that are not finite; check what makes it")


def _check_labels(batch: Batch, kind: Labels, name: str) -> None:
    labels = batch.labels
    if kind is Labels.CLASSES:
        if labels.dim() != 1 or labels.is_floating_point():
            raise InputError(f"{name} needs a class index for each row, got {tuple(labels.shape)} of {labels.dtype}; {_HINT}")
        if bool((labels < 0).any()):
            raise InputError(f"{name} needs labels, and {int((labels < 0).sum())} of {len(labels)} rows have none (-1); {_HINT}")
        if bool((labels == labels[0]).all()):
            raise InputError(f"all {len(labels)} labels are {int(labels[0])}; {name} contrasts classes: give a batch of two or more")
    elif kind is Labels.NUMBERS and (labels.numel() != len(labels) or not labels.is_floating_point()):
        raise InputError(f"{name} needs one real number for each row as label, got {tuple(labels.shape)} of {labels.dtype}; {_HINT}")
    elif kind is Labels.VECTORS and (labels.dim() != 2 or not labels.is_floating_point()):
        raise InputError(f"{name} needs a real vector for each row as label, got {tuple(labels.shape)} of {labels.dtype}; {_HINT}")
    if kind in (Labels.NUMBERS, Labels.VECTORS) and not bool(torch.isfinite(labels).all()):
        raise InputError(
            f"{name} learns from labels, and {int((~torch.isfinite(labels)).sum())} of their values are not finite; leave them out"
        )


_HINT = "use labelled data, or an objective that needs no such labels (eqlab objectives lists them)"


def wrong_neighbours(output: Tensor, batch: Batch, kind: Labels, paired: bool = False) -> Tensor:
    """Return a mask of shape (B,) that is True where the nearest other row, by cosine, is not a positive.

    For ``paired`` outputs, whose halves are two modalities, a row is True where the nearest second half is not its own.
    """
    if paired:
        first, second = (unit(half) for half in output.chunk(2, 1))
        found = torch.cat([(first[part] @ second.T).argmax(1) for part in tiles(len(first), len(first))])
        missed: Tensor = found != torch.arange(len(output), device=output.device)
        return missed
    neighbour = nearest(unit(output))
    if kind is Labels.CLASSES:
        return batch.labels[neighbour] != batch.labels
    if kind in (Labels.NUMBERS, Labels.VECTORS):
        labels = batch.labels.reshape(len(output), -1)
        pairs = len(labels) * (len(labels) - 1)
        typical = torch.stack([torch.cdist(labels[part], labels).sum() for part in tiles(len(labels), len(labels))]).sum() / pairs
        far: Tensor = (labels[neighbour] - labels).norm(dim=1) > typical
        return far
    if batch.instances is None:
        return torch.zeros(len(output), dtype=torch.bool, device=output.device)
    return batch.instances[neighbour] != batch.instances
