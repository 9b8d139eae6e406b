"""Pairs drawn with probability inverse to their propensity, against the bias of surface similarity."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError
from contrastive_core.objectives.checks import require_positive
from contrastive_core.sampling.sampler import Shuffled


def draw_pairs(propensities: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    r"""Draw partners with probability :math:`\propto 1/p`, with importance weights that undo the bias (DebCSE, Miao et al., 2023).

    Pairs that are likely through shallow similarity alone are drawn less often. With the weights :math:`w_j = p_j \sum_k (1/p_k) / K`, a
    weighted mean over drawn partners has the expectation of the plain mean over all of them.

    Parameters
    ----------
    propensities : Tensor of shape (B, K)
        Propensity of each partner, positive, from the similarity that shall not count; 0 for a partner that is not allowed.
    count : int
        Partners per row, drawn with replacement.
    generator : torch.Generator
        Source of the draws.

    Returns
    -------
    places : Tensor of shape (B, count)
        Partners of each row.
    weights : Tensor of shape (B, count)
        Importance weights, of mean 1.
    """
    allowed = propensities > 0
    if not bool(propensities.isfinite().all()) or bool((propensities < 0).any()) or not bool(allowed.any(1).all()):
        raise InputError("propensities must be finite and not negative, and every row needs a partner with a positive one")
    inverse = torch.where(allowed, 1 / propensities, 0.0)
    shares = inverse / inverse.sum(1, keepdim=True)
    places = torch.multinomial(shares, count, replacement=True, generator=generator)
    return places, 1 / (shares.gather(1, places) * allowed.sum(1, keepdim=True))


@final
@dataclass(frozen=True)
class BalancedPropensity:
    r"""Batches in which samples with similar inputs meet less often than by chance.

    Samples are joined to pairs and pairs to batches. The second sample of a pair is drawn from a chunk of a random order with
    probability :math:`\propto 1/p`, :math:`p = e^{\kappa \cos}`, with the cosine of the inputs. The idea is that of DebCSE, which uses
    propensities of sentences.

    Attributes
    ----------
    sharpness : float
        :math:`\kappa`, at most 300, beyond which the exponential overflows.
    """

    sharpness: float = 5.0

    def __post_init__(self) -> None:
        require_positive(sharpness=self.sharpness)
        if self.sharpness > 300:
            raise InputError(f"sharpness must be at most 300, got {self.sharpness}; at 300 similar samples practically never meet")

    def __call__(self, split: Split, features: Callable[[], Tensor], batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Draw the second sample of each pair without replacement, from chunks of at most 16 batches."""
        unit = normalize(split.inputs.double())
        made: list[Tensor] = []
        for part in Shuffled()(split, features, 16 * batch_size, generator):
            half = len(part) // 2
            firsts, free = part[:half], part[half:].clone()
            pairs = []
            for first in firsts.tolist():
                propensities = (self.sharpness * (unit[free] @ unit[first])).exp()
                place = int(draw_pairs(propensities[None], 1, generator)[0])
                pairs.append(torch.stack([torch.tensor(first), free[place]]))
                free = torch.cat([free[:place], free[place + 1 :]])
            made += torch.split(torch.cat([*pairs, free]), batch_size)
        return [batch for batch in made if len(batch) > 1]
