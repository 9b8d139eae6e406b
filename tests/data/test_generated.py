"""Generator of samples and views: its law, its latents level by level, and generated samples beside real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import eqlab, found, refused
from systems import seeded
from torch import Tensor

from contrastive_core.data import DATASETS
from contrastive_core.data.generated.mixture import LatentMixture, fit_mixture
from contrastive_core.data.splits import Split
from contrastive_core.data.views.bias_flip import BiasFlip, marked
from contrastive_core.sampling.replication import Replicated

WIDE = (-1e9, 1e9)


def rows(count: int = 400, width: int = 6) -> Tensor:
    """Three clouds, stretched."""
    centres = 3 * torch.randn((3, width), generator=seeded(1), dtype=torch.float64)
    noise = torch.randn((count, width), generator=seeded(2), dtype=torch.float64) * torch.linspace(1.0, 0.1, width)
    return centres[torch.arange(count) % 3] + noise


@pytest.fixture(scope="module")
def mixture() -> LatentMixture:
    return replace(fit_mixture(rows(), 3, 2, 0), box=WIDE)


def test_densities_are_those_of_the_components(mixture: LatentMixture) -> None:
    """If this fails, samples are assigned to components by something else than their likelihood."""
    code, _ = mixture.encode(rows())
    for k, share in enumerate(mixture.shares):
        law = torch.distributions.MultivariateNormal(mixture.centres[k], scale_tril=mixture.factors[k])
        torch.testing.assert_close(mixture.log_densities(code)[:, k], share.log() + law.log_prob(code), rtol=1e-9, atol=1e-9)


def test_the_variance_of_the_latents_is_that_of_the_data(mixture: LatentMixture) -> None:
    """If this fails, the shares of the levels are shares of something else: expectation maximisation keeps the whole variance."""
    told = mixture.information(rows())
    assert told["component_variance"] + told["code_variance"] + told["residual_variance"] == pytest.approx(1)
    mean = mixture.shares @ mixture.centres
    spread = mixture.shares @ ((mixture.centres - mean).square().sum(1) + mixture.factors.square().sum((1, 2)))
    total = spread + mixture.deviations.square().sum() - 2 * 1e-4  # the regular part of two code variances
    assert float(total) == pytest.approx(float(rows().var(0, correction=0).sum()), rel=1e-6)
    assert 0.9 * torch.log(torch.tensor(3.0)) < told["component_nats"] <= torch.log(torch.tensor(3.0)) + 1e-9  # clouds apart, of equal size


@pytest.mark.parametrize("level", ["residual", "code", "both"])
def test_a_view_moves_its_level_and_keeps_the_others(mixture: LatentMixture, level: str) -> None:
    """If this fails, a view of fine details changes what the sample is, or one of strength 0 changes anything."""
    data = rows()
    torch.testing.assert_close(mixture.view(data, level, 0.0, seeded(3)), data, rtol=1e-9, atol=1e-9)
    for before, after, moves in zip(
        mixture.encode(data), mixture.encode(mixture.view(data, level, 0.8, seeded(3))), (level != "residual", level != "code"), strict=True
    ):
        assert torch.allclose(before, after, atol=1e-9) is not moves


def test_views_keep_the_law_of_the_latents(mixture: LatentMixture) -> None:
    """If this fails, views are drawn from another distribution than the samples; a mere sum of sample and noise must be noticed."""
    count = 20000
    wide = replace(mixture, threshold=-float("inf"))
    data = wide.sample(count, seeded(4))
    seen = wide.view(data, "both", 0.6, seeded(5))
    code, residual = wide.encode(seen)
    one = wide.log_densities(code).argmax(1) == 0
    white = torch.linalg.solve_triangular(wide.factors[0], (code[one] - wide.centres[0]).T, upper=False)
    # Variances of Gaussians over their exact values err by sqrt(2 / N); 4.5 standard errors. The clouds do not overlap.
    for values in (*white, *(residual / wide.deviations).T):
        assert abs(float(values.var()) - 1) < 4.5 * (2 / len(values)) ** 0.5
    control = wide.encode(data)[1] / wide.deviations + 0.6 * torch.randn(residual.shape, generator=seeded(6), dtype=torch.float64)
    assert abs(float(control.var()) - 1) > 0.3


def test_unlikely_samples_are_thrown_away() -> None:
    """If this fails, generated samples lie where the data have none."""
    made = fit_mixture(rows(), 3, 2, 0)
    samples = made.sample(300, seeded(7))
    assert samples.shape == (300, 6)
    inside = replace(made, box=WIDE)
    assert float(made.log_densities(made.encode(inside.sample(300, seeded(7)))[0]).logsumexp(1).min()) >= made.threshold
    real = made.log_densities(made.encode(rows())[0]).logsumexp(1)
    assert float((real < made.threshold).double().mean()) == pytest.approx(0.05, abs=0.01)


def test_real_samples_are_repeated_and_generated_ones_shown_once() -> None:
    """If this fails, generated samples dilute the real ones as if these were not repeated, or a sample meets itself."""
    labels = torch.cat([torch.zeros(10, dtype=torch.int64), torch.full((25,), -1)])
    batches = Replicated(3)(Split(torch.zeros(35, 2), labels), lambda: torch.zeros(35, 1), 8, seeded(8))
    counts = torch.bincount(torch.cat(batches), minlength=35)
    assert counts[:10].tolist() == [3] * 10
    assert counts[10:].tolist() == [1] * 25
    assert all(len(batch) == len(batch.unique()) for batch in batches)


def test_the_command_trains_on_generated_samples_and_latent_views(tmp_path: Path) -> None:
    """If this fails, no command reaches the generator, or what it cannot do is a traceback."""
    small = ("contrast", "--train-size", 60, "--batch-size", 20, "--hidden", 7, "--embedding", 6, "--probe-test", 60, "--epochs", 1)
    small = (*small, "--seeds", 1, "--threads", 1, "--quiet", "--engine", "serial", "--rules", "backprop", "--components", 3)
    made = (*small, "--generated", 20, "--latent-views", "both", "--sampling", "replication", "--out", tmp_path / "made")
    told = found(*made)["rules"]["backprop"]["generator"]
    assert told["component_variance"] + told["code_variance"] + told["residual_variance"] == pytest.approx(1)
    assert "generator: a sample tells" in eqlab(*made).stdout
    assert "generated samples have no labels" in refused(*made[:-1], tmp_path / "no", "--cost", "supcon")
    assert "needs as many samples, got 60" in refused(*made[:-1], tmp_path / "no", "--components", 61)
    assert "a code is shorter than the 64 values" in refused(*made[:-1], tmp_path / "no", "--codes", 64)
    assert "have no effect without a generator" in eqlab(*small, "--out", tmp_path / "idle").stderr


def test_marks_agree_with_the_class_in_training_alone_and_a_view_flips_them() -> None:
    """If this fails, the data have no bias to be rid of, the test has it too, or flipped views keep it or change the digit."""
    splits = DATASETS["digits-biased"](None, 0)
    plain = DATASETS["digits"](None, 0)

    def marks(inputs: Tensor) -> Tensor:
        every = marked(torch.zeros(10, 1, 8, 8), torch.arange(10)).flatten(1)
        # Marks have one or two pixels: by the mean of what they cover, which is 1 for the own mark and below 1 for others.
        return (inputs @ (every / every.sum(1, keepdim=True)).T).argmax(1)

    for split, share, other in (
        (splits.train, 0.955, plain.train),
        (splits.validation, 0.1, plain.validation),
        (splits.test, 0.1, plain.test),
    ):
        error = (share * (1 - share) / len(split.labels)) ** 0.5  # of 95 % by class, and one in ten of the rest by chance
        assert abs(float((marks(split.inputs) == split.labels).double().mean()) - share) < 4.5 * error
        assert torch.equal(split.inputs.reshape(-1, 8, 8)[:, :, 1:-1], other.inputs.reshape(-1, 8, 8)[:, :, 1:-1])
    few = splits.train.inputs
    seen = BiasFlip()(few, 1.0, seeded(9))
    assert torch.equal(seen.reshape(-1, 8, 8)[:, :, 1:-1], few.reshape(-1, 8, 8)[:, :, 1:-1])
    agreeing = float((marks(seen) == splits.train.labels).double().mean())
    assert abs(agreeing - 0.1) < 4.5 * (0.09 / len(few)) ** 0.5
