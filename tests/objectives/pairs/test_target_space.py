"""Spaces of targets: whitened outputs, and independent components."""

from __future__ import annotations

import re

import pytest
import torch

from contrastive_core.errors import InputError
from contrastive_core.representation.geometry import isotropy, partition_isotropy
from contrastive_core.representation.target_space import Space, target_space

SOURCES = torch.rand((2000, 3), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
MIXED = SOURCES @ torch.tensor([[3.0, 0.2, 0.0], [0.5, 1.0, 0.1], [1.0, 0.4, 0.3]], dtype=torch.float64) + 4


@pytest.mark.parametrize("name", ["whitened", "independent"])
def test_targets_have_mean_zero_and_the_identity_as_covariance(name: Space) -> None:
    """If this fails, some directions still count more than others, and the targets are not isotropic."""
    space = target_space(name, MIXED, 0)
    assert space is not None
    found = space(MIXED)
    torch.testing.assert_close(found.mean(0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-10)
    # PCA divides by N - 1 and FastICA by N: the covariance is known to 1/N = 5e-4.
    torch.testing.assert_close(found.T @ found / len(found), torch.eye(3, dtype=torch.float64), rtol=0, atol=6e-4)
    assert isotropy(MIXED) < 0.05  # far from the origin, all in one direction: the control
    assert isotropy(found) > 0.95
    assert partition_isotropy(found) > 10 * partition_isotropy(MIXED)


def test_independent_components_are_the_sources_of_a_mixture() -> None:
    """If this fails, the rotation is any one, and the targets are whitened principal components under another name."""
    space, white = target_space("independent", MIXED, 0), target_space("whitened", MIXED, 0)
    assert space is not None
    assert white is not None
    matched = [torch.corrcoef(torch.cat([SOURCES, made(MIXED)], 1).T)[:3, 3:].abs().amax(1).min() for made in (space, white)]
    assert matched[0] > 0.99  # the error of the rotation falls as 1/sqrt(N), about .02 as an angle, 2e-4 in the cosine
    assert matched[1] < 0.95  # principal components of this mixture are no sources: the control


def test_outputs_without_variance_in_a_direction_are_refused() -> None:
    """If this fails, a whitened target is rounding errors divided by rounding errors."""
    flat = torch.cat([MIXED, MIXED[:, :1] + MIXED[:, 1:2]], 1)
    with pytest.raises(InputError, match=re.escape("4 outputs vary in 3 directions over 2000 samples")):
        target_space("whitened", flat, 0)
    assert target_space("as-is", flat, 0) is None
