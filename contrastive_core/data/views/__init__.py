"""Table of augmentations of pictures and vectors by name; a new augmentation is a file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.data.views.base import View

VIEWS: Table[Callable[[], View]] = Table(
    "view",
    {
        "affine": "contrastive_core.data.views.affine:Affine",
        "bias-flip": "contrastive_core.data.views.bias_flip:BiasFlip",
        "blur": "contrastive_core.data.views.blur:Blur",
        "crop": "contrastive_core.data.views.crop:Crop",
        "crop-zero": "contrastive_core.data.views.crop:zero_padded_crop",
        "erase": "contrastive_core.data.views.erase:Erase",
        "flip": "contrastive_core.data.views.flip:Flip",
        "mask": "contrastive_core.data.views.mask:Mask",
        "noise": "contrastive_core.data.views.noise:Noise",
        "replace": "contrastive_core.data.views.replace:Replace",
        "repeat": "contrastive_core.data.views.repeat:Repeat",
        "resized-crop": "contrastive_core.data.views.resized_crop:ResizedCrop",
        "rotate": "contrastive_core.data.views.rotate:Rotate",
        "shift": "contrastive_core.data.views.shift:Shift",
        "window": "contrastive_core.data.views.window:Window",
        "zoom": "contrastive_core.data.views.zoom:Zoom",
    },
)
"""Every augmentation, with its default amplitude; ``mask``, ``noise``, ``replace`` and ``window`` take any vector, others pictures."""
