r"""Kernel and complexity of an augmentation: what a probe can learn from its views, whatever the network.

An augmentation shows a sample x as a view a with probability p(a|x). With p(a), the mean over samples, its kernel is

.. math:: K(x, x') = \int \frac{p(a|x)\,p(a|x')}{p(a)}\,da ,

and the best linear probe of a representation of views is regression with this kernel. The complexity is the largest K(x, x): 1 if all
samples look alike, and the number of samples if no two share a view (Zhai et al., 2023, whose κ is the square root of it).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from sklearn.kernel_ridge import KernelRidge
from torch import Tensor

from contrastive_core.data.views.mask import Mask
from contrastive_core.data.views.noise import Noise
from contrastive_core.errors import InputError

Density = Callable[[Tensor, Tensor, float], Tensor]
"""Maps views (M, n), samples (N, n) and a strength to log p(a|x), of shape (M, N), up to a constant of the view."""


def noise_density(shown: Tensor, inputs: Tensor, strength: float) -> Tensor:
    """Return the log density of Gaussian noise."""
    return -torch.cdist(shown, inputs).square() / (2 * (strength * Noise().scale) ** 2)


def mask_density(shown: Tensor, inputs: Tensor, strength: float) -> Tensor:
    """Return the log probability of masked inputs: an input of 0 looks the same with and without a mask."""
    share = min(strength * Mask().share, 1.0)
    kept, lost, never, sure = inputs.new_tensor([1 - share, share, 0.0, 1.0]).log()
    blank = shown[:, None] == 0
    found = torch.where(shown[:, None] == inputs, kept, torch.where(blank, lost, never))
    return torch.where(inputs == 0, torch.where(blank, sure, never), found).sum(2)


DENSITIES: dict[str, Density] = {"noise": noise_density, "mask": mask_density}
"""Augmentations whose probabilities are known, by name."""


class Augmentation(NamedTuple):
    """Kernel of an augmentation over some samples.

    Attributes
    ----------
    kernel : Tensor of shape (N, N)
        K, symmetric and positive semidefinite; the mean of all entries is 1, that of a row is so but for the error of sampling.
    complexity : float
        Largest diagonal entry, from 1 to N.
    """

    kernel: Tensor
    complexity: float


def augmentation_kernel(
    inputs: Tensor, name: str, view: Callable[[Tensor, float, torch.Generator], Tensor], strength: float, draws: int, seed: int = 0
) -> Augmentation:
    """Estimate the kernel of an augmentation from views of every sample.

    K(x, x') is the mean of p(a|x) p(a|x') / p(a)² over views a of all samples, a Gram matrix of features p(a|x)/p(a). The cost is
    O(draws N² (n + N)).

    Parameters
    ----------
    inputs : Tensor of shape (N, n)
        Samples.
    name : str
        Name in ``DENSITIES``.
    view : View
        Augmentation of that name.
    strength : float
        Factor of its amplitude, positive.
    draws : int
        Number of views of each sample.
    seed : int
        Seed of the views.

    Returns
    -------
    Augmentation
        Kernel in float64, and complexity.

    Raises
    ------
    InputError
        If nothing is known about the probabilities of this augmentation, or it changes nothing.
    """
    if name not in DENSITIES:
        raise InputError(f"the kernel of {name} is not known; the augmentations {', '.join(DENSITIES)} have one")
    if not strength > 0:
        raise InputError(f"an augmentation of strength {strength:g} changes nothing; give a positive --view-strength")
    inputs, density, generator = inputs.double(), DENSITIES[name], torch.Generator().manual_seed(seed)
    kernel = torch.zeros(len(inputs), len(inputs), dtype=torch.float64)
    for sample in inputs:
        views = view(sample.expand(draws, -1), strength, generator)
        features = len(inputs) * density(views, inputs, strength).softmax(1)  # p(a|x) / p(a), of shape (draws, N)
        kernel += features.T @ features / (draws * len(inputs))
    return Augmentation(kernel, float(kernel.diagonal().max()))


def kernel_probe(augmentation: Augmentation, labels: Tensor, learned: int, penalty: float = 1e-2) -> float:
    """Return the accuracy of ridge regression with an augmentation's kernel, in [0, 1].

    Parameters
    ----------
    augmentation : Augmentation
        Kernel over all samples, those that are learnt first.
    labels : Tensor of shape (N,)
        Class indices.
    learned : int
        Number of samples whose labels are learnt; the others are tested.
    penalty : float
        Penalty of the ridge regression, relative to the number of learnt samples.
    """
    targets = torch.nn.functional.one_hot(labels).double()
    targets = targets - targets[:learned].mean(0)  # no view shared with any learnt sample: no evidence for a class
    kernel = augmentation.kernel.numpy()
    ridge = KernelRidge(alpha=penalty * learned, kernel="precomputed").fit(kernel[:learned, :learned], targets[:learned].numpy())
    decided = torch.from_numpy(ridge.predict(kernel[learned:, :learned])).argmax(1)
    return float((decided == labels[learned:]).double().mean())
