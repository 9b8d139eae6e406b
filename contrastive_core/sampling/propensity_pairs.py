"""Pairs by inverse propensity: negatives that look alike and mean something else, positives that look different and mean the same."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.mixing.mixing import Memoryless, drawing
from contrastive_core.objectives.batch_layout import extra, view_rows
from contrastive_core.objectives.checks import require_at_least, require_positive
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.queue import TEACHER
from contrastive_core.objectives.needs import Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.sampling.propensity import draw_pairs
from contrastive_core.types import Batch


def negative_propensities(surface: Tensor, meaning: Tensor, samples: Tensor, sharpness: float) -> Tensor:
    r"""Return the propensity of each pair to be told apart without learning, of shape (B, B); 0 for pairs of one sample.

    :math:`p_{ak} = e^{\kappa (m_{ak} - s_{ak})}` of the cosines s of the surface and m of the meaning, divided by the largest of a row.
    Its inverse prefers pairs that look alike and mean something else, which a batch drawn at random hardly has.

    Parameters
    ----------
    surface, meaning : Tensor of shape (B, B)
        s and m.
    samples : Tensor of shape (B,)
        Sample of each row.
    sharpness : float
        :math:`\kappa`, at most 150, so that no exponential underflows.
    """
    logits = (sharpness * (meaning - surface)).masked_fill(samples[:, None] == samples[None, :], -torch.inf)
    return (logits - logits.amax(1, keepdim=True)).exp()


@final
@dataclass(frozen=True)
class PropensityPairs(Memoryless):
    r"""Inverse-propensity pairs inside each batch (DebCSE, Miao, Du & Zhang, 2023), of any size.

    Surface is the cosine s of two inputs, and meaning the cosine m of a teacher's outputs for them: those of an earlier run, or of the
    momentum encoder. The positive of a sample's first view is drawn from its further views with probability :math:`\propto 1/p^+`,
    :math:`p^+ = e^{\kappa (s - m)}`. Negatives count by :math:`w_{ak} = N\,(1/p_{ak}) / \sum_j (1/p_{aj})`, with the propensities of
    :func:`negative_propensities` and N negatives, or K of them are drawn with that probability. ``unbiased`` draws carry the importance
    weights that undo the choice, so that a denominator is on average that of all negatives.

    The abstract says that surface and semantic similarity choose positives and negatives; the exponentials are ours.

    Attributes
    ----------
    sharpness : float
        :math:`\kappa`, positive and at most 150; the smaller, the less pairs differ.
    draws : int
        K; 0 takes all negatives with their weights.
    unbiased : bool
        Whether drawn negatives carry their importance weights.
    """

    sharpness: float = 5.0
    draws: int = 16
    unbiased: bool = False

    def __post_init__(self) -> None:
        require_positive(sharpness=self.sharpness)
        require_at_least(0, draws=self.draws)
        if self.sharpness > 150:
            raise InputError(f"sharpness must be at most 150, got {self.sharpness}; at 150 one negative practically stands for all")
        if self.unbiased and not self.draws:
            raise InputError("unbiased is about drawn negatives, and all of them count; give draws, such as 16, or leave unbiased out")

    def refusal(self, objective: Objective) -> str | None:
        """Refuse objectives that hear no weights of pairs, need classes, or have tensors of their own for each row."""
        if "pair_weights" not in objective.hears:
            return "it takes no weights of pairs; take nt-xent, dcl, dclw or clip"
        if objective.needs.fewest != 2 or any(wanted.origin is Origin.GIVEN for wanted in objective.needs.extras):
            return "it is no objective of two views alone"
        return None

    def needs(self, objective: Objective) -> Needs:
        """Return the objective's needs, with a teacher and any number of views to choose from."""
        return objective.needs._replace(most=None, extras=(*objective.needs.extras, TEACHER))

    def loss(self, objective: Objective, output: Tensor, held: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the loss of the chosen pairs."""
        generator = drawing(seed)
        rows = self._chosen(batch, generator)
        weights = self.weights(batch, rows, generator)
        extras = {**(batch.extras or {}), "pair_weights": weights.to(output.dtype)}
        size = len(rows) // 2
        pair = Batch(
            batch.inputs[rows],
            batch.labels[rows],
            torch.arange(size, device=rows.device).repeat(2),
            torch.arange(2, device=rows.device).repeat_interleave(size),
            extras,
        )
        return objective.loss(output[rows], held[rows], pair)

    def _chosen(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the first view of each sample, then the view drawn as its positive, of shape (2 N,)."""
        index = view_rows(batch)
        first, others = index[:, :1], index[:, 1:]
        logits = [sign * torch.cosine_similarity(values[first], values[others], dim=2) for sign, values in self._sides(batch)]
        chosen = torch.multinomial((-self.sharpness * (logits[0] + logits[1])).softmax(1), 1, generator=generator)
        return torch.cat([index[:, 0], others.gather(1, chosen)[:, 0]])

    def _sides(self, batch: Batch) -> list[tuple[float, Tensor]]:
        """Return what surface and meaning are measured on, with their signs in the exponent of a positive's propensity."""
        return [(1.0, batch.inputs.flatten(1).double()), (-1.0, extra(batch, TEACHER.name).detach().flatten(1).double())]

    def weights(self, batch: Batch, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Return the weight of each pair of the rows among the negatives, of shape (2 N, 2 N); pairs of one sample have 1.

        Parameters
        ----------
        batch : Batch
            Views, with a teacher's outputs.
        rows : Tensor of shape (2 N,)
            Rows of the batch, first views first.
        generator : torch.Generator
            Source of the draws.
        """
        samples = torch.arange(len(rows) // 2, device=rows.device).repeat(2)
        surface, meaning = (unit(values[rows]) @ unit(values[rows]).T for _, values in self._sides(batch))
        propensities = negative_propensities(surface, meaning, samples, self.sharpness)
        allowed, count = propensities > 0, len(rows) - 2
        if self.draws:
            places, importance = draw_pairs(propensities, self.draws, generator)
            shares = torch.zeros_like(propensities).scatter_add_(1, places, importance if self.unbiased else torch.ones_like(importance))
            weights = shares * (count / self.draws)
        else:
            inverse = torch.where(allowed, 1 / propensities, 0.0)
            weights = inverse * (count / inverse.sum(1, keepdim=True))
        return torch.where(samples[:, None] == samples[None, :], 1.0, weights)
