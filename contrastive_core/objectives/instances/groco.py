"""GroCo: positives must rank above the hardest negatives in a differentiable sorting network."""

from dataclasses import dataclass
from math import pi
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import others_among, sample_of_rows, view_rows
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.multiview import VIEWS
from contrastive_core.objectives.objective import Stateless
from contrastive_core.objectives.tiled_function import tiled
from contrastive_core.types import Batch


def soft_permutation(values: Tensor, steepness: float) -> Tensor:
    r"""Sort each row in ascending order by an odd-even network of soft swaps.

    Neighbours at distance :math:`\Delta` keep their order with probability :math:`\tfrac12 + \mathrm{atan}(s \Delta)/\pi`, the Cauchy
    distribution.

    Parameters
    ----------
    values : Tensor of shape (N, L)
        Values to sort.
    steepness : float
        s, per unit of the values.

    Returns
    -------
    Tensor of shape (N, L, L)
        Probability for value i to land in slot j; rows and columns sum to 1.
    """
    size = values.shape[1]
    landing = torch.eye(size, dtype=values.dtype, device=values.device).expand(len(values), size, size)
    for layer in range(size):
        low = torch.arange(layer % 2, size - 1, 2, device=values.device)
        if not len(low):
            continue
        a, b = values[:, low], values[:, low + 1]
        keep = 0.5 + (steepness * (b - a)).atan() / pi
        values = values.index_copy(1, low, keep * a + (1 - keep) * b).index_copy(1, low + 1, keep * b + (1 - keep) * a)
        first, second, kept = landing[:, :, low], landing[:, :, low + 1], keep[:, None, :]
        landing = landing.index_copy(2, low, kept * first + (1 - kept) * second)
        landing = landing.index_copy(2, low + 1, kept * second + (1 - kept) * first)
    return landing


@final
@dataclass(frozen=True)
class GroCo(Stateless):
    r"""Group-ordering contrast: the similarities of a row are sorted softly, and its positives must land in the top slots.

    The negatives of a row are the k most similar rows of its own view, its positives the other views of its sample. Both go through an
    odd-even sorting network in ascending order. C is the mean binary cross-entropy of "lands in a positive slot" and "lands in a
    negative slot". The rows that a row is compared with carry no gradient, nor does the choice of negatives. One positive and one
    negative give :math:`-\log(\tfrac12 + \mathrm{atan}(s \Delta)/\pi)`.

    Attributes
    ----------
    negatives : int
        Largest k; a small batch has fewer.
    steepness : float
        s of the soft swaps.
    """

    negatives: int = 10
    steepness: float = 1.0

    needs = VIEWS
    source = "Shvetsova et al. (2023), Learning by sorting (GroCo)"
    verified = "sorting network equals diffsort; pairs, loss and defaults as in the official code, read and not run"
    strength = 0.02

    def __post_init__(self) -> None:
        require_at_least(1, negatives=self.negatives)
        require_positive(steepness=self.steepness)

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        index = view_rows(batch, 2)
        held_rows, sample = unit(held), sample_of_rows(index)
        view = torch.empty_like(sample)
        view[index] = torch.arange(index.shape[1], device=index.device).expand_as(index)
        wanted, count = index.shape[1] - 1, min(self.negatives, len(index) - 1)
        is_positive = torch.arange(count + wanted, device=index.device) >= count

        def term(part: slice, rows: Tensor) -> Tensor:
            same = sample[part, None] == sample[None, :]
            judged, live = held_rows[part] @ held_rows.T, rows[part] @ held_rows.T  # (T, B)
            strange = ~same & (view[part, None] == view[None, :])
            hard = judged.masked_fill(~strange, -float("inf")).topk(count, dim=1).indices.flip(1)  # ascending
            friend = same & others_among(part, len(rows), rows)
            near = judged.masked_fill(~friend, -float("inf")).topk(wanted, dim=1).indices.flip(1)
            landing = soft_permutation(live.gather(1, torch.cat([hard, near], dim=1)), self.steepness)
            top = landing[:, :, count:].sum(2).clamp(0, 1)  # (T, L): probability of a positive slot; rounding may pass 1
            bottom = landing[:, :, :count].sum(2).clamp(0, 1)
            return (_cross_entropy(top, is_positive) + _cross_entropy(bottom, ~is_positive)).sum() / (2 * len(rows) * len(is_positive))

        return tiled(term, len(held), len(held) + len(is_positive) ** 3, unit(output))


def _cross_entropy(probability: Tensor, truth: Tensor) -> Tensor:
    tiny = torch.finfo(probability.dtype).tiny
    return -torch.where(truth, probability, 1 - probability).clamp(min=tiny).log()
