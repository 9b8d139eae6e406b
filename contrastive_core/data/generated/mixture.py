r"""A generator with two levels of latents: a mixture of Gaussians over the leading principal components.

.. math:: k \sim \pi, \quad z \sim N(\mu_k, \Sigma_k), \quad r_d \sim N(0, \sigma_d^2), \quad x = m + U z + V r

with the principal components U that make the code z, and V, all others, that make the residual r.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_whole

LEVELS = ("residual", "code", "both")
"""Latents that a view may draw anew, beside the component, which it keeps."""
_REGULAR = 1e-4
"""Added to variances of codes, so that components of few samples are no planes; values of pictures lie in [0, 1]."""
_FILTER = 0.05
"""Share of the real samples that are less likely than every generated one."""


@final
@dataclass(frozen=True)
class LatentMixture:
    r"""Fitted generator; tensors are of float64.

    Attributes
    ----------
    mean : Tensor of shape (n,)
        m.
    axes : Tensor of shape (n, n)
        Principal components as rows: those of the code first.
    shares : Tensor of shape (K,)
        :math:`\pi`.
    centres : Tensor of shape (K, d)
        :math:`\mu`.
    factors : Tensor of shape (K, d, d)
        Lower triangular :math:`L_k` with :math:`\Sigma_k = L_k L_k^T`.
    deviations : Tensor of shape (n - d,)
        :math:`\sigma`.
    box : tuple of float
        Least and largest value of the data, between which samples and views stay.
    threshold : float
        Log density of codes below which generated samples are thrown away.
    """

    mean: Tensor
    axes: Tensor
    shares: Tensor
    centres: Tensor
    factors: Tensor
    deviations: Tensor
    box: tuple[float, float]
    threshold: float = -float("inf")

    def encode(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return code and residual of samples, of shape (N, d) and (N, n - d)."""
        turned = (inputs.double() - self.mean) @ self.axes.T
        width = self.centres.shape[1]
        return turned[:, :width], turned[:, width:]

    def decode(self, code: Tensor, residual: Tensor) -> Tensor:
        """Return the samples of codes and residuals, of shape (N, n), inside the box of the data."""
        return (self.mean + torch.cat([code, residual], 1) @ self.axes).clamp(*self.box)

    def log_densities(self, code: Tensor) -> Tensor:
        r"""Return :math:`\log \pi_k N(z; \mu_k, \Sigma_k)`, of shape (N, K)."""
        terms = []
        for share, centre, factor in zip(self.shares, self.centres, self.factors, strict=True):
            white = torch.linalg.solve_triangular(factor, (code - centre).T, upper=False)
            volume = factor.diagonal().log().sum() + 0.5 * len(centre) * math.log(2 * math.pi)
            terms.append(share.log() - 0.5 * white.square().sum(0) - volume)
        return torch.stack(terms, 1)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return generated samples, of shape (count, n); those less likely than 95 % of the real ones are thrown away.

        Raises
        ------
        InputError
            If the count is not at least 1.
        """
        expect_whole(count, "count", "1000 samples, for example", least=1)
        kept: list[Tensor] = []
        while sum(map(len, kept)) < count:
            component = torch.multinomial(self.shares, count, replacement=True, generator=generator)
            code = self._drawn(component, generator)
            kept.append(code[self.log_densities(code).logsumexp(1) >= self.threshold])
        codes = torch.cat(kept)[:count]
        return self.decode(codes, torch.randn((count, len(self.deviations)), generator=generator, dtype=torch.float64) * self.deviations)

    def view(self, inputs: Tensor, level: str, strength: float, generator: torch.Generator) -> Tensor:
        r"""Return samples with some of their latents moved, of shape (N, n).

        A latent moves by :math:`z' = \mu + \sqrt{1 - s^2} (z - \mu) + s \epsilon` with noise :math:`\epsilon` of its own law, which keeps
        that law: 0 changes nothing, and 1 draws it anew. The component is drawn from its posterior and kept.

        Parameters
        ----------
        inputs : Tensor of shape (N, n)
            Samples.
        level : str
            Name in ``LEVELS``.
        strength : float
            s; above 1 it counts as 1.
        generator : torch.Generator
            Source of the draws.
        """
        move = min(strength, 1.0)
        keep = (1 - move**2) ** 0.5
        code, residual = self.encode(inputs)
        if level in ("code", "both"):
            posterior = self.log_densities(code).softmax(1)
            component = torch.multinomial(posterior, 1, generator=generator)[:, 0]
            centre = self.centres[component]
            code = centre + keep * (code - centre) + move * (self._drawn(component, generator) - centre)
        if level in ("residual", "both"):
            noise = torch.randn(residual.shape, generator=generator, dtype=torch.float64) * self.deviations
            residual = keep * residual + move * noise
        return self.decode(code, residual)

    def information(self, inputs: Tensor) -> dict[str, float]:
        """Return what each latent tells: nats that a sample tells about its component, and the share of the variance of each level.

        Shares are those of the model, by the law of total variance: between components, of codes inside a component, and of residuals.
        """
        posterior = self.log_densities(self.encode(inputs)[0]).softmax(1)
        told = torch.special.entr(posterior.mean(0)).sum() - torch.special.entr(posterior).sum(1).mean()
        mean = self.shares @ self.centres
        between = self.shares @ (self.centres - mean).square().sum(1)
        within = self.shares @ self.factors.square().sum((1, 2))
        rest = self.deviations.square().sum()
        total = between + within + rest
        return {
            "component_nats": float(told),
            "component_variance": float(between / total),
            "code_variance": float(within / total),
            "residual_variance": float(rest / total),
        }

    def _drawn(self, component: Tensor, generator: torch.Generator) -> Tensor:
        """Return codes drawn from their components."""
        noise = torch.randn((len(component), self.centres.shape[1]), generator=generator, dtype=torch.float64)
        return self.centres[component] + torch.einsum("nij,nj->ni", self.factors[component], noise)


def fit_mixture(inputs: Tensor, components: int, codes: int, seed: int) -> LatentMixture:
    """Fit the generator: principal components, then a mixture of Gaussians of their leading coordinates by expectation maximisation.

    Parameters
    ----------
    inputs : Tensor of shape (N, n)
        Real samples.
    components, codes : int
        Number K of components, and of principal components d in a code.
    seed : int
        Seed of the first centres.

    Raises
    ------
    InputError
        If there are fewer samples than components, or a code is not shorter than a sample.
    """
    from sklearn.mixture import GaussianMixture

    rows = inputs.double()
    if components > len(rows):
        raise InputError(f"a mixture of {components} components needs as many samples, got {len(rows)}; give fewer components")
    if not 1 <= codes < rows.shape[1]:
        raise InputError(f"a code is shorter than the {rows.shape[1]} values of a sample and has at least 1, got {codes}")
    mean = rows.mean(0)
    _, singular, axes = torch.linalg.svd(rows - mean, full_matrices=True)
    turned = (rows - mean) @ axes.T
    model = GaussianMixture(components, reg_covar=_REGULAR, random_state=seed).fit(turned[:, :codes].numpy())
    deviations = torch.zeros(rows.shape[1], dtype=torch.float64)
    deviations[: len(singular)] = singular / len(rows) ** 0.5
    made = LatentMixture(
        mean,
        axes,
        torch.from_numpy(model.weights_),
        torch.from_numpy(model.means_),
        torch.linalg.cholesky(torch.from_numpy(model.covariances_)),
        deviations[codes:],
        (float(rows.min()), float(rows.max())),
    )
    likely = made.log_densities(turned[:, :codes]).logsumexp(1)
    return replace(made, threshold=float(likely.quantile(_FILTER)))


@final
@dataclass(frozen=True)
class LatentView:
    """View of a sample from the latents of a generator.

    Attributes
    ----------
    mixture : LatentMixture
        Generator.
    level : str
        Latents that move, a name in ``LEVELS``.
    """

    mixture: LatentMixture
    level: str

    def __call__(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Return views of samples or pictures, in their shape."""
        return self.mixture.view(inputs.flatten(1), self.level, strength, generator).to(inputs.dtype).reshape(inputs.shape)
