"""What an augmentation is: a random change of each sample, as strong as it is told to be."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class View(ABC):
    """A random change that keeps what a sample is; every sample of a batch draws its own.

    Amplitudes are fields of the final classes; a strength between 0 and 1 scales them, and 0 changes nothing.
    """

    @abstractmethod
    def apply(self, inputs: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Return changed inputs.

        Parameters
        ----------
        inputs : Tensor of shape (N, n_in)
            Not modified; images are flat rows of square pictures, and what enters from outside of them is 0.
        strength : float
            At least 0; 1 is the whole amplitude.
        generator : torch.Generator
            Source of all draws; equal generators give equal views.

        Returns
        -------
        Tensor of shape (N, n_in)
            On the device and of the dtype of the inputs.

        Raises
        ------
        ShapeError
            If the view needs images and the inputs are no squares.
        """


def uniform(count: int, bound: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw ``count`` numbers uniformly from [-bound, bound), of the dtype of ``like``."""
    return (2 * torch.rand(count, generator=generator, dtype=like.dtype, device=like.device) - 1) * bound
