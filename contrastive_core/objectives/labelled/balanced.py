"""Costs of rare labels: squared error and softmax that are balanced by how often labels occur."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.objectives.batch_layout import extra, numbers
from contrastive_core.objectives.checks import require_positive
from contrastive_core.objectives.needs import Extra, Labels, Needs, Origin
from contrastive_core.objectives.objective import Objective, Stateless
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class BalancedSquaredError(Stateless):
    r"""Squared error that weighs rare numbers as much as frequent ones, by Monte Carlo over the batch.

    :math:`C = 2\sigma^2 \langle \log \sum_j e^{-(p_i - y_j)^2/2\sigma^2} + (p_i - y_i)^2/2\sigma^2 \rangle_i`, where the first output is
    the predicted number p and y are the labels. :math:`\sigma` is a setting here, and may be learnt in the source.

    Attributes
    ----------
    noise : float
        :math:`\sigma`, in units of the labels.
    """

    noise: float = 1.0

    needs = Needs(fewest=1, most=None, labels=Labels.NUMBERS)
    source = "Ren, Zhang, Yu & Liu (2022), Balanced MSE, as in CircuitGCL (2025)"
    verified = "value and gradient equal a rewriting of CircuitGCL's code"
    strength = 0.01

    def __post_init__(self) -> None:
        require_positive(noise=self.noise)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        predicted, labels = output[:, 0], numbers(batch).to(output.dtype)
        scale = 2 * self.noise**2

        def term(part: slice, predicted: Tensor) -> Tensor:
            logits = -(predicted[part, None] - labels[None, :]).square() / scale
            return (logits.logsumexp(1) - logits.diagonal(part.start)).sum()

        return scale * tiled(term, len(labels), len(labels), predicted) / len(labels)


@final
@dataclass(frozen=True)
class BalancedSoftmax(Objective):
    r"""Cross-entropy of logits shifted by the logarithm of class counts, :math:`C = -\langle \log \mathrm{softmax}(o + \log n)_y \rangle`.

    The first K outputs are logits. The counts n are those of the labels in all batches so far, which start at one of each class; in the
    source they are the counts of the training set. Predictions are the outputs without the shift.
    """

    needs = Needs(
        fewest=1,
        most=None,
        labels=Labels.CLASSES,
        extras=(Extra("counts", "(n,)", Origin.CARRIED, "labels of each class in all batches so far, and one"),),
    )
    source = "Ren et al. (2020), balanced meta-softmax, as in CircuitGCL (2025)"
    verified = "value and gradient equal a rewriting of CircuitGCL's code, for given counts"
    strength = 0.01

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return a count of one for every output."""
        return {"counts": torch.ones(width, device=generator.device)}

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the counts with the labels of this batch."""
        return {"counts": extra(batch, "counts") + self._classes(output, batch).bincount(minlength=output.shape[1])}

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        shifted = output + extra(batch, "counts").to(output.dtype).log()
        return torch.nn.functional.cross_entropy(shifted, self._classes(output, batch))

    def _classes(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the class of each row, and refuse more classes than outputs."""
        if int(batch.labels.max()) >= output.shape[1]:
            raise InputError(
                f"balanced-softmax takes one output for each class, and class {int(batch.labels.max())} has none of the "
                f"{output.shape[1]} outputs; give --embedding {int(batch.labels.max()) + 1} or more"
            )
        return batch.labels
