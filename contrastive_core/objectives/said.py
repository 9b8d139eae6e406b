r"""Statements of a batch about its rows and pairs: weights, pairs left out, positives and given negatives.

Objectives with the form of InfoNCE take all of it. With weights :math:`v_a` of rows and :math:`w_{ak}` of pairs, and embeddings
:math:`n_{aj}` of the negatives of row a, a mean over rows becomes :math:`\sum_a v_a (\cdot) / \sum_a v_a`, and the sum of a denominator
becomes :math:`\sum_k w_{ak} e^{s_{ak}/\tau} + \sum_j e^{s(a, n_{aj})/\tau}`. Numerators are not weighted.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.errors import InputError, ShapeError
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.log_softmax import Weigh, even, pooled, through
from contrastive_core.types import Batch

SAID = ("weights", "pair_weights", "pairs", "negatives")
"""Extras that say something of rows and pairs: of shape (B,), (B, B), (B, B) and (B, K, n)."""

HEARD = frozenset(SAID) - {"pairs"}
"""Extras that an objective of views takes. It takes ``pairs`` too, which may leave pairs out, but not name other positives."""


class Said(NamedTuple):
    """Statements of a batch about its rows and pairs.

    Attributes
    ----------
    weights : Tensor of shape (B,), optional
        Weight of each row as an anchor.
    logs : Tensor of shape (B, B), optional
        Logarithm of the weight of each pair in denominators; minus infinity leaves a pair out.
    positives : Tensor of shape (B, B), optional
        Pairs of rows that are positives, None where labels or instances say it.
    negatives : Tensor of shape (B, K, n), optional
        Embeddings of each row's own negatives, without a gradient.
    """

    weights: Tensor | None
    logs: Tensor | None
    positives: Tensor | None
    negatives: Tensor | None

    def share(self, rows: Tensor, asked: Tensor | None = None) -> Tensor:
        """Return the coefficient of each row in a mean over rows, of shape (N,)."""
        if self.weights is None:
            return even(rows)
        weights = self.weights.to(rows.dtype) if asked is None else self.weights[asked].to(rows.dtype)
        return weights / weights.sum().clamp(min=torch.finfo(rows.dtype).tiny)

    def weigh(self, base: Weigh | None = None, asked: Tensor | None = None, found: Tensor | None = None) -> Weigh | None:
        """Return a function that adds the log weights of pairs to those of ``base``.

        Parameters
        ----------
        base : Weigh, optional
            Function that leaves out what the objective leaves out.
        asked, found : Tensor of shape (N,) and (K,), optional
            Rows of the batch that are the rows and the columns; None for all.
        """
        if self.logs is None:
            return base
        logs = self.logs if asked is None else self.logs[asked]
        logs = logs if found is None else logs[:, found]

        def weigh(logits: Tensor, part: slice) -> None:
            if base is not None:
                base(logits, part)
            logits[:, : logs.shape[1]] += logs[part].to(logits.dtype)

        return weigh

    def pooled(
        self,
        rows: Tensor,
        columns: Tensor,
        scale: float | Tensor,
        share: Tensor,
        weigh: Weigh | None,
        asked: Tensor | None = None,
    ) -> Tensor:
        r"""Return :math:`\sum_a c_a \log \sum` over the columns, and over the given negatives of each row, of shape ()."""
        if self.negatives is None:
            return pooled(rows, columns, scale, share, weigh)
        own = self.negatives if asked is None else self.negatives[asked]
        others = unit(own.detach().flatten(0, 1).to(rows.dtype)).view(len(rows), -1, rows.shape[1])
        given = (scale * (others @ rows[:, :, None])[:, :, 0]).logsumexp(1)
        return through(rows, columns, scale, lambda sums: (share * torch.logaddexp(sums, given)).sum(), weigh)

    def matched(
        self,
        rows: Tensor,
        columns: Tensor,
        scale: float | Tensor,
        asked: Tensor | None = None,
        found: Tensor | None = None,
        weigh: Weigh | None = None,
    ) -> Tensor:
        """Return the weighted mean of each row's search for the column with its number, of shape ()."""
        share = self.share(rows, asked)
        own = (share * scale * (rows * columns[: len(rows)]).sum(1)).sum()
        return self.pooled(rows, columns, scale, share, self.weigh(weigh, asked, found), asked) - own


def said(batch: Batch) -> Said:
    """Return what a batch says of its rows and pairs; the batch must have been checked."""
    extras = batch.extras or {}
    weights, relation = extras.get("pair_weights"), extras.get("pairs")
    logs = None if weights is None else weights.log()
    if relation is not None:
        kept = torch.where(relation < 0, -torch.inf, 0.0).to(torch.get_default_dtype() if logs is None else logs.dtype)
        logs = kept if logs is None else logs + kept
    positives = None
    if relation is not None:
        positives = (relation > 0) & ~torch.eye(len(relation), dtype=torch.bool, device=relation.device)
    return Said(extras.get("weights"), logs, positives, extras.get("negatives"))


def check_said(batch: Batch, output: Tensor, hears: frozenset[str], name: str) -> None:
    """Refuse what an objective does not hear, and weights, relations and negatives that make no sense.

    Raises
    ------
    InputError
        If the objective does not take one of them, or a value is impossible.
    ShapeError
        If one has another shape than the batch.
    """
    extras, size = batch.extras or {}, len(output)
    for one in SAID:
        if one not in extras:
            continue
        values = extras[one]
        if one not in hears and not (one == "pairs" and "pair_weights" in hears):
            raise InputError(
                f"{name} takes no {one!r}, which the batch or the data have; leave them out, or take an objective of pair scores such as "
                "nt-xent, clip or supcon"
            )
        wanted = {"weights": (size,), "negatives": (size, *values.shape[1:2], output.shape[1])}.get(one, (size, size))
        if tuple(values.shape) != wanted:
            raise ShapeError(f"{one!r} are of shape {tuple(values.shape)} for {size} embeddings of {output.shape[1]}; give {wanted}")
        if not bool(torch.isfinite(values).all()):
            raise InputError(
                f"{one!r} have {int((~torch.isfinite(values)).sum())} values that are not finite; weights are numbers from 0 on"
            )
        if one in ("weights", "pair_weights") and bool((values < 0).any()):
            raise InputError(f"{one!r} have a weight of {float(values.min()):g}; weights are at least 0, and 0 leaves out")
        if one == "weights" and not bool(values.any()):
            raise InputError("all weights of the batch are 0, so that nothing is learnt; give some rows a positive weight")
        if one == "pairs":
            _check_relation(values, batch, "pairs" in hears, name)


def _check_relation(relation: Tensor, batch: Batch, positives: bool, name: str) -> None:
    other = ~torch.eye(len(relation), dtype=torch.bool, device=relation.device)
    marked = (relation > 0) & other
    if positives:
        if not bool(marked.any()):
            raise InputError("'pairs' leave no positives: no row has another one marked by 1; mark some, or leave 'pairs' out")
        return
    if batch.instances is not None:
        marked &= batch.instances[:, None] != batch.instances[None, :]
    if bool(marked.any()):
        raise InputError(
            f"'pairs' name positives of different samples, and {name} has the views of a sample as its only positives; take supcon, or "
            "mark pairs by 0 and -1 alone"
        )
