"""A batch for any objective, made of a data set's samples, so that every objective can be examined on the same data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contrastive_core.objectives.needs import Labels, Origin

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from contrastive_core.data.splits import Split
    from contrastive_core.network import Network
    from contrastive_core.objectives.objective import Objective
    from contrastive_core.types import Batch

NOISE = 0.1
"""Standard deviation of what a view adds to a sample, whose values lie in [0, 1]."""


def present(objective: Objective, split: Split, samples: int, network: Network, seed: int) -> Batch:
    """Return noisy views of the first samples, with labels and extras as the objective needs them.

    Parameters
    ----------
    objective : Objective
        Objective to be examined.
    split : Split
        Split with samples and classes; labels that are numbers or vectors, and given extras, are made from the class if it has none.
    samples : int
        Number of samples.
    network : Network
        Network that gives the width and takes the place of a second network if the objective needs one.
    seed : int
        Seed of the noise and of all other draws.

    Returns
    -------
    Batch
        Batch with the fewest views that the objective takes, at least two; all first views stand first.
    """
    import torch

    from contrastive_core.data.given import repeated
    from contrastive_core.objectives.said import SAID
    from contrastive_core.objectives.weighted_sum import embedded
    from contrastive_core.types import Batch

    generator, dtype = torch.Generator().manual_seed(seed), next(network.parameters()).dtype
    views = max(2, objective.needs.fewest)
    inputs = split.inputs[:samples].to(dtype).repeat(views, 1)
    inputs = inputs + NOISE * torch.randn(inputs.shape, generator=generator, dtype=dtype)
    classes, given = split.labels[:samples], repeated(split.take(slice(samples)).given, views) or {}
    labels = {
        Labels.NONE: lambda: classes,
        Labels.CLASSES: lambda: classes,
        Labels.NUMBERS: lambda: split.given.get("numbers", split.labels)[:samples].to(dtype),
        # Classes that have something in common.
        Labels.VECTORS: lambda: split.given.get("vectors", 0.2 + torch.nn.functional.one_hot(split.labels))[:samples].to(dtype),
    }[objective.needs.labels]()
    with torch.no_grad():
        width = network.output(network.feedforward(network.clamp(inputs))).shape[1]
    extras = {
        name: value.to(dtype) if value.is_floating_point() else value for name, value in objective.start(width, samples, generator).items()
    }
    for extra in objective.needs.extras:
        if extra.origin is Origin.GIVEN:
            own, kind = given.get(extra.name), extra.name.rpartition(".")[2]
            made = _GIVEN[kind](network, inputs, classes.repeat(views), generator) if own is None else own
            made = made.to(dtype) if made.is_floating_point() else made
            extras[extra.name] = embedded(objective, made) if kind in ("keys", "teacher") else made
    if "positions" in extras and "positions" not in given:
        # Four samples stand for neighbouring places of one image; each has its place and the next ones within the usual threshold.
        places = torch.arange(samples).repeat(views)
        extras |= {"images": places // 4, "positions": torch.stack([0.6 * (places % 4), 0.0 * places], 1).to(dtype)}
    # What the data say of rows and pairs; an objective that does not hear it refuses the batch.
    extras |= {name: value.to(dtype) if value.is_floating_point() else value for name, value in given.items() if name in SAID[:3]}
    if "negatives" in given:
        with torch.no_grad():
            seen = network.output(network.feedforward(network.clamp(given["negatives"].flatten(0, 1).to(dtype))))
        extras["negatives"] = embedded(objective, seen).view(len(inputs), -1, width)
    instances, numbers = torch.arange(samples).repeat(views), torch.arange(views).repeat_interleave(samples)
    return Batch(inputs, labels.repeat(views, *([1] * (labels.dim() - 1))), instances, numbers, extras)


def _keys(network: Network, inputs: Tensor, classes: Tensor, generator: torch.Generator) -> Tensor:
    """Return what the same weights answer bottom-up to inputs with a little other noise."""
    import torch

    with torch.no_grad():
        other = inputs + NOISE * torch.randn(inputs.shape, generator=generator, dtype=inputs.dtype)
        return network.output(network.feedforward(network.clamp(other)))


def _guide(network: Network, inputs: Tensor, classes: Tensor, generator: torch.Generator) -> Tensor:
    """Return the inputs: the network that changes nothing."""
    return inputs


def _trials(network: Network, inputs: Tensor, classes: Tensor, generator: torch.Generator) -> Tensor:
    """Return two classes to a trial."""
    return classes // 2


def _patients(network: Network, inputs: Tensor, classes: Tensor, generator: torch.Generator) -> Tensor:
    """Return one class to a patient."""
    return classes


def _positions(network: Network, inputs: Tensor, classes: Tensor, generator: torch.Generator) -> Tensor:
    """Return one place; those of images are set together."""
    return inputs.new_zeros(len(inputs), 2)


def _predictions(network: Network, inputs: Tensor, classes: Tensor, generator: torch.Generator) -> Tensor:
    """Return the same number for all: the worst predictor there is."""
    return inputs.new_zeros(len(inputs))


def _mixing(network: Network, inputs: Tensor, classes: Tensor, generator: torch.Generator) -> Tensor:
    """Return draws from (0, 1)."""
    import torch

    return torch.rand(len(inputs), generator=generator, dtype=inputs.dtype)


_GIVEN: dict[str, Callable[[Network, Tensor, Tensor, torch.Generator], Tensor]] = {
    "keys": _keys,
    "teacher": _keys,
    "guide": _guide,
    "trials": _trials,
    "patients": _patients,
    "positions": _positions,
    "predictions": _predictions,
    "mixing": _mixing,
}
