"""Agreement of two branches without negatives: BYOL, whose target follows slowly, and SimSiam, whose target is the network itself."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from contrastive_core.objectives.batch_layout import extra, view_rows
from contrastive_core.objectives.embeddings import unit
from contrastive_core.objectives.instances.queue import KEYS
from contrastive_core.objectives.needs import Extra, Needs, Origin
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch

MAP = Extra("map", "(n, n)", Origin.LEARNT, "the predictor, a linear map")


class Predicted(Objective):
    """Objective whose rows are predicted by a learnt linear map."""

    strength = 0.01

    @final
    def start(self, width: int, samples: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the identity as the predictor."""
        return {MAP.name: torch.eye(width)}

    @final
    def carry(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return an empty dict: the predictor is learnt by gradient."""
        return {}


@final
@dataclass(frozen=True)
class BYOL(Predicted):
    r"""Prediction of a momentum encoder's output for the next view, :math:`C = 2 - 2 \langle \cos(h(z_a), k_a) \rangle`, in [0, 4].

    h is a learnt linear map, in the paper two layers with batch normalisation; k carries no gradient.
    """

    needs = Needs(extras=(KEYS, MAP))
    source = "Grill et al. (2020), BYOL"
    verified = "from the paper, not re-read; equals an independent twin"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        keys = unit(extra(batch, KEYS.name).detach())
        return 2 - 2 * (unit(unit(output) @ extra(batch, MAP.name)) * keys).sum(1).mean()


@final
@dataclass(frozen=True)
class SimSiam(Predicted):
    r"""Prediction of the network's own output for the other view, :math:`C = -\tfrac12 \langle \cos(h(x), y) + \cos(h(y), x) \rangle`.

    The predicted side carries no gradient: it is held. h is a learnt linear map, in the paper two layers with batch normalisation.
    """

    needs = Needs(extras=(MAP,))
    source = "Chen & He (2021), SimSiam"
    verified = "from the paper, not re-read; equals an independent twin"

    def loss(self, output: Tensor, held: Tensor, batch: Batch) -> Tensor:
        """Return the mean over rows of both views."""
        index = view_rows(batch, 2, 2)
        predicted, still = unit(unit(output) @ extra(batch, MAP.name)), unit(held.detach())
        ways = [(predicted[index[:, view]] * still[index[:, 1 - view]]).sum(1).mean() for view in (0, 1)]
        return -torch.stack(ways).mean()
