"""Interface of augmentations: random changes of samples, with an adjustable strength."""

from collections.abc import Callable

import torch
from torch import Tensor

View = Callable[[Tensor, float, torch.Generator], Tensor]
"""Random change that keeps the meaning of a sample: maps inputs, a strength and a generator to changed inputs.

Inputs are pictures of shape (N, C, H, W), or vectors of shape (N, n), and are not modified; the result has their shape, device and dtype.
A view of pictures takes vectors as squares of one channel, and raises ``ShapeError`` if they are none. All channels of a picture change
alike; pixels that enter from outside are 0, except where a view says otherwise. The strength is at least 0 and scales the amplitudes,
which are fields of the view: 0 changes nothing, 1 is the whole amplitude. All draws come from the generator and differ between samples;
equal generators give equal views.
"""


def uniform(count: int, bound: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw ``count`` numbers uniformly from [-bound, bound), of the dtype of ``like``."""
    return (2 * torch.rand(count, generator=generator, dtype=like.dtype, device=like.device) - 1) * bound
