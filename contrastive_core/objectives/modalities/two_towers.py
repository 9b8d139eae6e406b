"""Objective of two encoders whose outputs stand side by side: between the modalities, and inside each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError, ShapeError
from contrastive_core.objectives.batch_layout import view_rows
from contrastive_core.objectives.needs import Labels, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch


@final
@dataclass(frozen=True)
class TwoTowers(Objective):
    r"""The sum of an objective between two modalities and one inside each modality.

    The first half of a row of outputs is the embedding of the first modality, the second half that of the second one. Between them, each
    sample has two rows, one of each modality, and with M views :math:`C = \langle C_\mathrm{across}\rangle_m + \sum_k C_\mathrm{inside,k}`,
    a mean over the views and a sum over the modalities. One nudge lowers the sum, and each tower relaxes by its own energy. CLIP across and
    NT-Xent inside are CleanCLIP (Bansal et al., 2023).

    Attributes
    ----------
    across : Objective
        Objective between the modalities, which are its two views.
    inside : Objective, optional
        Objective of the views of a sample in one modality, without extras; None for none.
    """

    across: Objective
    inside: Objective | None = None

    halves = ("first", "second")
    paired = True

    def __post_init__(self) -> None:
        """Refuse objectives that do not pair two modalities, or need more than labels inside one.

        Raises
        ------
        InputError
            If an objective does not fit.
        """
        needs = self.across.needs
        if needs.fewest > 2 or (needs.most is not None and needs.most < 2):
            raise InputError(f"two modalities are two views, and {type(self.across).__name__} takes {needs.fewest} or more")
        if self.inside is not None and self.inside.needs.extras:
            names = ", ".join(extra.name for extra in self.inside.needs.extras)
            raise InputError(f"an objective inside a modality has no extras, and {type(self.inside).__name__} needs {names}; take nt-xent")
        kinds = {one.needs.labels for one in (self.across, self.inside) if one is not None} - {Labels.NONE}
        if len(kinds) > 1:
            raise InputError("the objectives between and inside modalities share their labels, and need different kinds; change one")
        if getattr(self.across, "embedding", None) is not None:
            raise InputError("costs of samples have outputs of their own, which two towers have not; leave them out of the sum")

    @property
    def needs(self) -> Needs:  # type: ignore[override]
        """Needs of both, where the modalities count as no views."""
        inside = Needs(fewest=1, most=None) if self.inside is None else self.inside.needs
        labels = next((one.needs.labels for one in (self.across, self.inside) if one and one.needs.labels is not Labels.NONE), Labels.NONE)
        return Needs(inside.fewest, inside.most, labels, self.across.needs.extras)

    @property
    def strength(self) -> float:
        """Strength at which the nudges of all parts together are as weak as each alone at its own strength."""
        return 1 / (1 / self.across.strength + (0 if self.inside is None else 2 / self.inside.strength))

    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the initial extras of the objective between the modalities."""
        return self.across.start(width // 2, samples, generator)

    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the carried extras of the objective between the modalities, for its first view."""
        rows = next(iter(_views(batch, len(output)).T))
        return self.across.carry(stacked(output[rows]), self._paired(batch, rows))

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over views between the modalities, and the sum over modalities inside them."""
        if output.shape[1] % 2:
            raise ShapeError(f"{output.shape[1]} outputs are no two halves of equal width, one for each modality; give an even number")
        views = _views(batch, len(output)).T
        terms = [self.across.loss(stacked(output[rows]), stacked(held[rows]), self._paired(batch, rows)) for rows in views]
        total = torch.stack(terms).mean()
        if self.inside is None:
            return total
        for own, still in zip(output.chunk(2, 1), held.chunk(2, 1), strict=True):
            total = total + self.inside.loss(own, still, batch._replace(held=still))
        return total

    def _paired(self, batch: Batch, rows: Tensor) -> Batch:
        """Return one view of the samples as a batch of two modalities, all of the first before all of the second."""
        extras = dict(batch.extras or {})
        for extra in self.across.needs.extras:
            if extra.origin is Origin.GIVEN:
                extras[extra.name] = extras[extra.name][rows].repeat(2, *(1,) * (extras[extra.name].dim() - 1))
        places = torch.arange(len(rows), device=rows.device)
        labels = batch.labels[rows].repeat(2, *(1,) * (batch.labels.dim() - 1))
        held = None if batch.held is None else stacked(batch.held[rows])
        return Batch(batch.inputs[rows].repeat(2, 1), labels, places.repeat(2), _sides(places), extras, held)


def stacked(output: Tensor) -> Tensor:
    """Return rows of two modalities, of shape (2 N, n), all of the first before all of the second, from outputs of shape (N, 2 n)."""
    return torch.cat(output.chunk(2, 1))


def _sides(places: Tensor) -> Tensor:
    return torch.arange(2, device=places.device).repeat_interleave(len(places))


def _views(batch: Batch, size: int) -> Tensor:
    """Return the row of every view of every sample, of shape (N, M); without instances each row is a sample."""
    return view_rows(batch, 1) if batch.instances is not None else torch.arange(size, device=batch.inputs.device)[:, None]
