"""Objectives against public libraries, where they are installed (``pip install eqlab[oracles]``); value and gradient to 1e-10."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from embedded import embeddings, paired
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.costs.bimodal import CLIP
from contrastive_core.costs.clustering import SwAV
from contrastive_core.costs.distance import AlignmentUniformity
from contrastive_core.costs.pairs import DCL, DCLW, NTXent
from contrastive_core.costs.queue import QueueInfoNCE
from contrastive_core.costs.ranking import Triplet
from contrastive_core.costs.sorting import soft_permutation
from contrastive_core.costs.spectral import BarlowTwins, VICReg
from contrastive_core.costs.supervised import SupCon
from contrastive_core.objective import Objective
from contrastive_core.types import Batch

N = 7
pytestmark = pytest.mark.filterwarnings("ignore")
"""What the libraries warn of, such as how they copy their tensors, is not ours."""


def library(name: str) -> Any:
    """Import an optional library; skip without it, saying so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what other packages warn of on import is not ours
        try:
            return import_module(name)
        except ImportError as error:
            pytest.skip(f"{name} cannot be imported ({error}); the extra 'oracles' has it")


def agree(objective: Objective, theirs: Callable[[Tensor], Tensor], batch: Batch, rows: int = 2 * N, bound: float = 1e-10) -> None:
    """Compare value and gradient."""
    output = embeddings(rows, 3)
    leaf = output.clone().requires_grad_()
    value = theirs(leaf)
    (gradient,) = torch.autograd.grad(value, leaf)
    assert float(objective.value(output, batch)) == pytest.approx(float(value.detach()), abs=bound, rel=bound)
    scale = max(1.0, float(gradient.abs().max()))
    assert float((objective.gradient(output, batch) / rows - gradient).abs().max()) < bound * scale


def pairs(**extras: Tensor) -> Batch:
    return Batch(torch.zeros(2 * N, 1), torch.zeros(2 * N, dtype=torch.int64), paired(N), extras=extras)


@pytest.mark.parametrize("tau", [0.07, 0.5])
def test_nt_xent_equals_two_libraries(tau: float) -> None:
    """The most used loss of all has one value."""
    metric = library("pytorch_metric_learning.losses")
    agree(NTXent(tau), lambda o: metric.NTXentLoss(temperature=tau)(o, paired(N)), pairs())
    lightly = library("lightly.loss")
    agree(NTXent(tau), lambda o: lightly.NTXentLoss(temperature=tau)(*o.chunk(2)), pairs())


def test_supcon_and_triplet_equal_pytorch_metric_learning() -> None:
    """Rows without positives are dropped there as here."""
    metric = library("pytorch_metric_learning.losses")
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 2, 3, 1, 1, 0, 2, 2, 1])
    batch = Batch(torch.zeros(14, 1), labels)
    agree(SupCon(0.1), lambda o: metric.SupConLoss(temperature=0.1)(o, labels), batch)
    agree(Triplet(0.2), lambda o: metric.TripletMarginLoss(margin=0.2)(o, labels), batch)


def test_decoupled_losses_equal_lightly() -> None:
    """With its weights held, as lightly detaches them."""
    lightly = library("lightly.loss")
    agree(DCL(0.1), lambda o: lightly.DCLLoss(temperature=0.1)(*o.chunk(2)), pairs())
    agree(DCLW(0.1, 0.5, live=False), lambda o: lightly.DCLWLoss(temperature=0.1, sigma=0.5)(*o.chunk(2)), pairs())


def test_alignment_and_uniformity_equal_lightly() -> None:
    """At lightly's sharpness of 1."""
    lightly = library("lightly.loss.hypersphere_loss")
    agree(AlignmentUniformity(2.0, 1.0, 1.0), lambda o: lightly.HypersphereLoss(t=1.0, lam=1.0, alpha=2.0)(*o.chunk(2)), pairs())


def test_vicreg_equals_lightly_at_half_the_variance_weight() -> None:
    """Lightly halves the sum over views of the variance term."""
    lightly = library("lightly.loss")
    agree(VICReg(variance=12.5), lambda o: lightly.VICRegLoss()(*o.chunk(2)), pairs())


def test_barlow_twins_equals_lightly_to_its_batch_normalisation() -> None:
    """Its batch normalisation adds 1e-5 to the variance, in float64 here as there."""
    lightly = library("lightly.loss")
    agree(BarlowTwins(), lambda o: lightly.BarlowTwinsLoss()(*o.chunk(2)), pairs(), bound=1e-3)


def test_swav_equals_lightly() -> None:
    """Codes by three iterations, without a gradient."""
    lightly = library("lightly.loss")
    prototypes = normalize(embeddings(5, 8))
    theirs = lightly.SwaVLoss(temperature=0.1, sinkhorn_iterations=3, sinkhorn_epsilon=0.05)

    def loss(output: Tensor) -> Tensor:
        result: Tensor = theirs([half @ prototypes.T for half in normalize(output).chunk(2)], [])
        return result

    agree(SwAV(num_prototypes=5), loss, pairs(prototypes=prototypes))


def test_infonce_with_a_queue_and_one_way_clip_equal_info_nce() -> None:
    """Unpaired negatives are a queue; in-batch ones are one way of CLIP."""
    info_nce = library("info_nce").info_nce
    keys, queue = embeddings(2 * N, 5), normalize(embeddings(20, 6))
    agree(QueueInfoNCE(0.1, 20), lambda o: info_nce(o, keys, queue, temperature=0.1), pairs(keys=keys, queue=queue))
    scale = torch.tensor(10.0, dtype=torch.float64).log()
    agree(CLIP(both_ways=False), lambda o: info_nce(*o.chunk(2), temperature=0.1), pairs(log_scale=scale))


def test_sorting_network_equals_diffsort() -> None:
    """Odd-even swaps with the Cauchy distribution."""
    functional = library("diffsort.functional")
    values = embeddings(4, 2)
    networks = library("diffsort.networks").get_sorting_network("odd_even", 6, "cpu")
    _, theirs = functional.sort(networks, values, 3.0, distribution="cauchy")
    torch.testing.assert_close(soft_permutation(values, 3.0), theirs, rtol=0, atol=1e-10)
