"""Spaces of targets: affine maps that spread a teacher's outputs evenly over all directions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from contrastive_core.errors import InputError

Space = Literal["as-is", "whitened", "independent"]
"""Names of spaces: outputs as they are, their whitened principal components, or their independent components."""

_FLAT = 1e-6
"""Smallest deviation, relative to the largest, of a direction that can be whitened: below it a float32 output has only rounding errors."""
_ITERATIONS = 2000


@final
@dataclass(frozen=True)
class TargetSpace:
    r"""Affine map :math:`t \mapsto (t - m) W`.

    Attributes
    ----------
    mean : Tensor of shape (n,)
        m.
    matrix : Tensor of shape (n, n)
        W.
    """

    mean: Tensor
    matrix: Tensor

    def __call__(self, outputs: Tensor) -> Tensor:
        """Return outputs in this space, of shape (B, n) and the dtype of the outputs."""
        return ((outputs.double() - self.mean) @ self.matrix).to(outputs.dtype)


def target_space(name: Space, outputs: Tensor, seed: int) -> TargetSpace | None:
    """Fit a space to a teacher's outputs; None leaves outputs as they are.

    Whitened outputs have mean 0 and the identity as covariance. Independent components are a rotation of these, which makes their
    coordinates as independent as a rotation can (FastICA of standardised outputs). DefSent+ takes independent components as entries.

    Parameters
    ----------
    name : str
        Name of the space.
    outputs : Tensor of shape (N, n)
        Outputs for the training samples.
    seed : int
        Seed of the first rotation.

    Raises
    ------
    InputError
        If the outputs do not vary in every direction, or the rotation does not settle.
    """
    from sklearn.decomposition import PCA, FastICA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.preprocessing import StandardScaler

    if name == "as-is":
        return None
    rows = outputs.double().numpy()
    deviations = torch.linalg.svdvals(outputs.double() - outputs.double().mean(0))
    varying = int((deviations > _FLAT * deviations[0].clamp(min=torch.finfo(torch.float64).tiny)).sum())
    if len(rows) <= rows.shape[1] or varying < rows.shape[1]:
        raise InputError(
            f"the teacher's {rows.shape[1]} outputs vary in {varying} directions over {len(rows)} samples, and all must vary to be "
            "whitened; give a teacher of fewer outputs, more samples, or --teacher-space as-is"
        )
    if name == "whitened":
        found = PCA(whiten=True, svd_solver="full").fit(rows)
        return TargetSpace(torch.from_numpy(found.mean_), torch.from_numpy((found.components_.T / found.explained_variance_**0.5).copy()))
    scaled = StandardScaler().fit(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            parts = FastICA(whiten="unit-variance", random_state=seed, max_iter=_ITERATIONS).fit(scaled.transform(rows))
        except ConvergenceWarning:
            raise InputError(
                f"the independent components of the teacher's outputs did not settle in {_ITERATIONS} iterations; give --teacher-space "
                "whitened"
            ) from None
    matrix = parts.components_.T / scaled.scale_[:, None]
    mean = scaled.mean_ + scaled.scale_ * parts.mean_
    return TargetSpace(torch.from_numpy(mean), torch.from_numpy(matrix.copy()))
