"""Objectives against public libraries, where they are installed (``pip install eqlab[oracles]``); value and gradient to 1e-10."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
import torch
from embedded import embeddings, paired
from systems import seeded
from torch import Tensor
from torch.nn.functional import normalize

from contrastive_core.objectives.instances.alignment_uniformity import AlignmentUniformity
from contrastive_core.objectives.instances.clustering import SwAV
from contrastive_core.objectives.instances.groco import soft_permutation
from contrastive_core.objectives.instances.individual_temperatures import RGCL, ISogCLR
from contrastive_core.objectives.instances.nt_xent import DCL, DCLW, NTXent
from contrastive_core.objectives.instances.queue import QueueInfoNCE
from contrastive_core.objectives.instances.spectral import BarlowTwins, VICReg
from contrastive_core.objectives.labelled.ranking import Triplet
from contrastive_core.objectives.labelled.supervised import SupCon
from contrastive_core.objectives.modalities.bimodal import CLIP
from contrastive_core.objectives.objective import Objective
from contrastive_core.types import Batch

N = 7
pytestmark = pytest.mark.filterwarnings("ignore")
"""Warnings of the libraries, such as about copies of their tensors, are not ours."""


def library(name: str, *bare: str) -> Any:
    """Import an optional library; skip without it, saying so.

    Packages in ``bare`` are entered without running their own import, which needs what the losses do not: torchvision, lightning.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what other packages warn of on import is not ours
        try:
            for package in bare:
                spec = None if package in sys.modules else find_spec(package)
                if spec is not None and spec.submodule_search_locations is not None:
                    sys.modules[package] = ModuleType(package)
                    sys.modules[package].__path__ = list(spec.submodule_search_locations)
            return import_module(name)
        except ImportError as error:
            pytest.skip(f"{name} cannot be imported ({error}); the extra 'oracles' has it, see CONTRIBUTING.md")


def lightly(name: str) -> Any:
    """A module of lightly's losses, which need no layer of torchvision, whose builds are for CUDA."""
    layers = ModuleType("torchvision.ops")
    layers.StochasticDepth = None  # type: ignore[attr-defined]
    with patch.dict(sys.modules, {"torchvision": ModuleType("torchvision"), layers.__name__: layers}):
        return library(f"lightly.loss.{name}", "lightly", "lightly.loss", "lightly.models", "lightly.models.modules")


def solo(name: str) -> Any:
    """A module of solo-learn."""
    return library(f"solo.{name}", "solo", "solo.losses", "solo.utils")


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
def test_nt_xent_equals_pytorch_metric_learning(tau: float) -> None:
    """The most used loss of all has one value."""
    metric = library("pytorch_metric_learning.losses")
    agree(NTXent(tau), lambda o: metric.NTXentLoss(temperature=tau)(o, paired(N)), pairs())


@pytest.mark.parametrize("tau", [0.07, 0.5])
def test_nt_xent_equals_lightly(tau: float) -> None:
    """It had defects when distributed; on one machine it is the formula."""
    agree(NTXent(tau), lambda o: lightly("ntx_ent_loss").NTXentLoss(temperature=tau)(*o.chunk(2)), pairs())


@pytest.mark.parametrize("tau", [0.07, 0.5])
def test_nt_xent_equals_solo_learn(tau: float) -> None:
    """Written there as a masked cross-entropy."""
    agree(NTXent(tau), lambda o: solo("losses.simclr").simclr_loss_func(*o.chunk(2), temperature=tau), pairs())


def test_nt_xent_of_pytorch_metric_learning_sticks_where_it_is_large() -> None:
    """The disagreement, explained: log(num / den + tiny) cannot exceed -log(tiny) = 87.3 in float32, and has gradient 0 there."""
    metric = library("pytorch_metric_learning.losses")
    a = torch.tensor([[1.0, 0.0]])
    output = torch.cat([a, torch.tensor([[0.9999, 0.01]]), -a, torch.tensor([[0.0, 1.0]])])
    batch = Batch(torch.zeros(4, 1), torch.zeros(4, dtype=torch.int64), paired(2))
    row = output.clone().requires_grad_()
    theirs = metric.NTXentLoss(temperature=0.02)
    theirs.reducer = library("pytorch_metric_learning.reducers").DoNothingReducer()
    losses = theirs(row, paired(2))["loss"]["losses"]
    assert float(losses[0].detach()) == pytest.approx(-math.log(torch.finfo(torch.float32).tiny), abs=1e-4)
    (stuck,) = torch.autograd.grad(losses[0], row)
    assert float(stuck.abs().max()) < 1e-5  # what the other rows round to
    assert float(NTXent(0.02).gradient(output, batch).abs().max()) > 0.1


def test_supcon_and_triplet_equal_pytorch_metric_learning() -> None:
    """Rows without positives are dropped there as here."""
    metric = library("pytorch_metric_learning.losses")
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 2, 3, 1, 1, 0, 2, 2, 1])
    batch = Batch(torch.zeros(14, 1), labels)
    agree(SupCon(0.1), lambda o: metric.SupConLoss(temperature=0.1)(o, labels), batch)
    agree(Triplet(0.2), lambda o: metric.TripletMarginLoss(margin=0.2)(o, labels), batch)


def test_decoupled_losses_equal_lightly() -> None:
    """With its weights held, as lightly detaches them."""
    module = lightly("dcl_loss")
    agree(DCL(0.1), lambda o: module.DCLLoss(temperature=0.1)(*o.chunk(2)), pairs())
    agree(DCLW(0.1, 0.5, live=False), lambda o: module.DCLWLoss(temperature=0.1, sigma=0.5)(*o.chunk(2)), pairs())


def test_alignment_and_uniformity_equal_lightly() -> None:
    """At lightly's sharpness of 1."""
    theirs = lightly("hypersphere_loss").HypersphereLoss(t=1.0, lam=1.0, alpha=2.0)
    agree(AlignmentUniformity(2.0, 1.0, 1.0), lambda o: theirs(*o.chunk(2)), pairs())


def test_vicreg_equals_solo_learn() -> None:
    """With the variance summed over both views, as in the paper."""
    agree(VICReg(), lambda o: solo("losses.vicreg").vicreg_loss_func(*o.chunk(2)), pairs())


def test_vicreg_equals_lightly_at_half_the_variance_weight() -> None:
    """Lightly halves the sum over views of the variance term."""
    agree(VICReg(variance=12.5), lambda o: lightly("vicreg_loss").VICRegLoss()(*o.chunk(2)), pairs())


def test_vicreg_equals_pytorch_metric_learning_at_half_the_variance_weight() -> None:
    """It halves the sum too."""
    metric = library("pytorch_metric_learning.losses")
    agree(VICReg(variance=12.5), lambda o: metric.VICRegLoss()(o.chunk(2)[0], ref_emb=o.chunk(2)[1]), pairs())


def test_barlow_twins_equals_lightly() -> None:
    """Its batch normalisation adds 1e-5 to the variance, as here."""
    agree(BarlowTwins(), lambda o: lightly("barlow_twins_loss").BarlowTwinsLoss()(*o.chunk(2)), pairs())


def test_barlow_twins_equals_solo_learn_but_for_its_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disagreement, explained: solo-learn multiplies by 0.025; and it normalises in float32, unless told otherwise."""
    module = solo("losses.barlow")
    monkeypatch.setattr(torch.nn, "BatchNorm1d", partial(torch.nn.BatchNorm1d, dtype=torch.float64))
    agree(BarlowTwins(), lambda o: module.barlow_loss_func(*o.chunk(2)) / 0.025, pairs())


def test_swav_equals_lightly() -> None:
    """Codes by three iterations, without a gradient."""
    prototypes = normalize(embeddings(5, 8))
    theirs = lightly("swav_loss").SwaVLoss(temperature=0.1, sinkhorn_iterations=3, sinkhorn_epsilon=0.05)
    agree(SwAV(num_prototypes=5), lambda o: theirs([z @ prototypes.T for z in normalize(o).chunk(2)], []), pairs(prototypes=prototypes))


def test_swav_equals_solo_learn() -> None:
    """Its own Sinkhorn iteration, and its own swapped prediction."""
    prototypes = normalize(embeddings(5, 8))
    sinkhorn, swapped = solo("utils.sinkhorn_knopp").SinkhornKnopp(3, 0.05), solo("losses.swav").swav_loss_func

    def loss(output: Tensor) -> Tensor:
        scores = [z @ prototypes.T for z in normalize(output).chunk(2)]
        result: Tensor = swapped(scores, [sinkhorn(score.detach()) for score in scores], temperature=0.1)
        return result

    agree(SwAV(num_prototypes=5), loss, pairs(prototypes=prototypes))


def test_infonce_with_a_queue_equals_solo_learn() -> None:
    """MoCo's loss there takes unit rows."""
    keys, queue = embeddings(2 * N, 5), normalize(embeddings(20, 6))
    moco = solo("losses.moco").moco_loss_func
    agree(QueueInfoNCE(0.1, 20), lambda o: moco(normalize(o), normalize(keys), queue.T, temperature=0.1), pairs(keys=keys, queue=queue))


def remembering(objective: Objective, samples: int) -> Batch:
    """A batch with the objective's memory, empty."""
    memory = {name: value.double() for name, value in objective.start(6, samples, seeded(0)).items()}
    return pairs(**memory)


def test_individual_temperatures_equal_libauc_for_one_modality(capsys: pytest.CaptureFixture[str]) -> None:
    """Its gradient is the sum over both views, twice the mean; temperatures move alike on a sample's first batch.

    The disagreement on later ones, explained: libauc's average for one modality is of exp(s / tau), the paper's of exp((s - s+) / tau),
    so that what is remembered of an older positive differs.
    """
    theirs = library("libauc.losses.contrastive").GCLoss_v1(N=N, enable_isogclr=True)
    theirs.learnable_tau, theirs.u, theirs.grad_tau = theirs.learnable_tau.double(), theirs.u.double(), theirs.grad_tau.double()
    batch, output = remembering(ISogCLR(), N), embeddings(2 * N, 3)
    leaf = output.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(theirs(*leaf.chunk(2), torch.arange(N)), leaf)
    ours = ISogCLR().gradient(output, batch) / (2 * N)
    torch.testing.assert_close(2 * ours, gradient, rtol=0, atol=1e-10)
    carried = ISogCLR().carry(output, batch)
    torch.testing.assert_close(carried["temperatures"][0], theirs.learnable_tau[:, 0], rtol=0, atol=1e-10)
    assert float((carried["temperatures"] - 0.1).abs().max()) > 1e-4


def test_individual_temperatures_equal_libauc_for_two_modalities(capsys: pytest.CaptureFixture[str]) -> None:
    """Three batches of the same samples: gradient, averages and temperatures, with what is remembered of the batches before.

    The disagreement, explained: libauc sums the weighted negatives where its average takes their mean, so that its gradient is N - 1 times
    as large.
    """
    objective = RGCL()
    theirs = library("libauc.losses.contrastive").GCLoss_v2(N=N, tau=0.05, temperature_scheme="individual_learnable")
    for name in ("u1", "u2", "b1", "b2", "learnable_tau_img", "learnable_tau_txt", "grad_tau_img", "grad_tau_txt"):
        setattr(theirs, name, getattr(theirs, name).double())
    batch = remembering(objective, N)
    for seed in range(3):
        output = embeddings(2 * N, seed)
        leaf = output.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(theirs(*normalize(leaf).chunk(2), torch.arange(N))[0], leaf)
        ours = objective.gradient(output, batch) / (2 * N)
        torch.testing.assert_close((N - 1) * ours, gradient, rtol=1e-10, atol=1e-10)
        batch = batch._replace(extras={**(batch.extras or {}), **objective.carry(output, batch)})
        assert batch.extras is not None
        taus, averages = batch.extras["temperatures"], batch.extras["averages"]
        torch.testing.assert_close(taus, torch.cat([theirs.learnable_tau_img, theirs.learnable_tau_txt], 1).T, rtol=0, atol=1e-10)
        remembered = torch.cat([theirs.u1 * theirs.b1.exp(), theirs.u2 * theirs.b2.exp()], 1).T
        torch.testing.assert_close(averages, remembered, rtol=1e-10, atol=0)


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
