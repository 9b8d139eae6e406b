"""Views: random changes of samples, as strong as they are told to be."""

from collections.abc import Callable

import torch
from torch import Tensor

View = Callable[[Tensor, float, torch.Generator], Tensor]
"""A random change that keeps what a sample is: maps inputs, a strength and a generator to changed inputs.

Inputs have the shape (N, n_in) and are not modified; images are flat rows of square pictures, and pixels that enter from outside are 0.
The strength is at least 0 and scales the amplitudes, which are fields of the view: 0 changes nothing, 1 is the whole amplitude. All draws
come from the generator, each sample has its own, and equal generators give equal views. The result is on the device and of the dtype of
the inputs. A view of images raises ``ShapeError`` where the inputs are no squares.
"""


def uniform(count: int, bound: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw ``count`` numbers uniformly from [-bound, bound), of the dtype of ``like``."""
    return (2 * torch.rand(count, generator=generator, dtype=like.dtype, device=like.device) - 1) * bound
