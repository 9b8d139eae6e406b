"""Moves of clipped units away from a free state in one pass over their memory, for which torch takes fourteen; CPU only."""

import torch
from torch import Tensor

from contrastive_core.kernels.settling.elements import formulas
from contrastive_core.kernels.settling.elements.loops_cpu import Array, Number, njit, press, respond


@njit
def _move(scale: Number, low: Number, high: Number, value: Array, drive: Array, step: Array, moved: Array) -> None:
    real = value.dtype.type
    scale, low, high = real(scale), real(low), real(high)
    least, most = (low, high) if scale > 0 else (high, low)
    for row in range(value.shape[0]):
        units, change, out = value[row], step[row], moved[row]
        press(drive[row], units, low, high, out)
        for j in range(units.shape[0]):
            out[j] = respond(formulas.CLIPPED, out[j] / scale + change[j], (least - units[j]) / scale, (most - units[j]) / scale)


def moved(value: Tensor, drive: Tensor, step: Tensor, scale: float, low: float, high: float) -> Tensor:
    """Return the changes of clipped units by steps of their drives, as ``Clipped.change`` defines them, from drives not settled yet.

    Parameters
    ----------
    value, drive, step : Tensor of shape (B, n) or (B, C, H, W)
        Units of the free state, what drives them there, and the steps in units of the scale.
    scale, low, high : float
        Scale, of either sign, and bounds of the units.
    """
    units, driven, change = (one.permute(0, 2, 3, 1).contiguous() if one.dim() == 4 else one.contiguous() for one in (value, drive, step))
    out = torch.empty_like(units)
    _move(scale, low, high, *[one.flatten(1).numpy() for one in (units, driven, change, out)])
    return out.permute(0, 3, 1, 2) if out.dim() == 4 else out
