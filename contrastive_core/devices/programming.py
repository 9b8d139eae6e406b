"""Programming tables: the target conductances of a network's arrays in a range, their pulses, and how far a chip is from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.errors import InputError

Matrix = NDArray[np.float64]

_MOST_PULSES = 100_000
_BLOCK = 256
_STILL = 1e-4
"""Change of the level by a pulse, relative to a pulse in the middle of the range, below which a device counts as saturated."""


class ProgrammedArray(NamedTuple):
    """Conductances of the weights of one parameter: an array, or two of a differential pair.

    Attributes
    ----------
    siemens : ndarray of shape (1 or 2, rows, columns)
        Rows are the units below, columns the units above. Of a differential pair the first array adds, the second subtracts.
    w_max : float
        Weight at the end of the range.
    """

    siemens: Matrix
    w_max: float


class ProgrammingTable(NamedTuple):
    """Targets of all arrays, and the numbers that no device holds.

    Attributes
    ----------
    conductance : Conductance
        Range of the devices, and the weight that they make.
    tolerance : float
        Distance from its target within which a conductance counts as written, in siemens.
    arrays : dict of str to ProgrammedArray
        Arrays by the name of their parameter.
    vectors : dict of str to ndarray of shape (n,)
        Biases by the name of their parameter, dimensionless.
    pulses : dict of str to ndarray of int
        Potentiating pulses from the smallest conductance to the nearest reachable one, of the shape of the array; empty for tables that
        were read back, and for devices of more than 100000 pulses.
    """

    conductance: Conductance
    tolerance: float
    arrays: dict[str, ProgrammedArray]
    vectors: dict[str, Matrix]
    pulses: dict[str, NDArray[np.int64]]

    def weight(self, name: str) -> Matrix:
        """Return the weights that the conductances of an array stand for, of shape (rows, columns)."""
        siemens, w_max = self.arrays[name]
        return self.conductance.weight(self.conductance.normalised(torch.from_numpy(siemens)), w_max).numpy()


class Deviation(NamedTuple):
    """Distance of the conductances of an array from their targets.

    Attributes
    ----------
    rms, worst : float
        Root mean square and largest deviation, in siemens.
    side, row, column : int
        Place of the largest deviation; side 0 adds to the weight, side 1 subtracts from it.
    outside : float
        Share of the devices beyond the tolerance.
    """

    rms: float
    worst: float
    side: int
    row: int
    column: int
    outside: float


def program(weights: Mapping[str, Tensor], device: Device, largest_weights: Mapping[str, float | None]) -> ProgrammingTable:
    """Return the conductances that stand for the weights of a network.

    Parameters
    ----------
    weights : mapping of str to Tensor
        Parameters of the network by name.
    device : Device
        Ideal or measured device, whose range, pairing, steps and write law are used; variations between devices are not, as no table can
        know them.
    largest_weights : mapping of str to (float or None)
        Parameters that devices hold, and the weight at the end of the range of each; None uses the full range, so that the largest
        weight is at its end.

    Returns
    -------
    ProgrammingTable
        Targets and pulses.

    Raises
    ------
    InputError
        If a weight is not finite, or the range has no conductance for it.
    """
    kind, found = device.conductance, {}
    for name, given in largest_weights.items():
        weight = weights[name].detach().double().cpu()
        weight = weight.reshape(len(weight), -1)
        if lost := int((~weight.isfinite()).sum()):
            raise InputError(f"{lost} weights of {name} are not finite, because the training diverged; train with a lower rate")
        largest = _full_range(kind, weight) if given is None else given
        level = kind.levels(weight, largest)
        _refuse_cut(name, weight, kind.weight(level, largest), kind, largest)
        found[name] = ProgrammedArray(kind.siemens(level).numpy(), largest)
    curve = pulse_curve(device)
    counted = found if len(curve) <= _MOST_PULSES else {}
    pulses = {name: _counts(curve, kind.normalised(torch.from_numpy(array.siemens)).numpy()) for name, array in counted.items()}
    vectors = {name: weight.detach().double().cpu().numpy().ravel() for name, weight in weights.items() if name not in found}
    # A verified write comes within half a pulse of its target, on average over the range.
    return ProgrammingTable(kind, kind.span * device.pulse() / 2, found, vectors, pulses)


def _full_range(kind: Conductance, weight: Tensor) -> float:
    """Return the weight at the end of the range for which the largest weight just fits."""
    largest = float(weight.max())
    if kind.pairing is Pairing.DIFFERENTIAL:
        largest = float(weight.abs().max())
    elif kind.pairing is Pairing.OFFSET and kind.reference > 0:
        # Below the reference there is less room than above, or more: the range ends at -w_max z0 / (1 - z0).
        largest = max(largest, -float(weight.min()) * (1 - kind.reference) / kind.reference)
    return max(largest, 1e-12)


def _refuse_cut(name: str, weight: Tensor, held: Tensor, kind: Conductance, largest: float) -> None:
    """Refuse weights for which there is no conductance; a single device cannot be below its smallest one, so that is let pass."""
    least = largest * kind.g_min / kind.g_max if kind.pairing is Pairing.SINGLE else 0.0
    cut = int(((held - weight).abs() > least + 1e-9 * largest).sum())
    if cut and float(weight.min()) < 0 and kind.pairing is not Pairing.DIFFERENTIAL:
        raise InputError(
            f"{cut} weights of {name} are out of the range of {kind.pairing.value} conductances, whose smallest weight is "
            f"{float(kind.weight(torch.zeros(1, 1, dtype=torch.float64), largest)):.3g}; give --pairing differential, or a larger --w-max"
        )
    if cut:
        raise InputError(f"{cut} weights of {name} are above w_max {largest:g}; leave --w-max out to use the full range")


def pulse_curve(device: Device) -> Matrix:
    """Return the levels of the mean device after 0, 1, 2, ... potentiating pulses from its smallest conductance.

    The curve ends where the device is saturated or at its largest conductance.
    """
    step = torch.tensor([device.pulse() * device.step_up], dtype=torch.float64)
    block, levels = torch.arange(1, _BLOCK + 1, dtype=torch.float64), np.zeros(1)
    while len(levels) <= _MOST_PULSES:
        # Blocks, because laws with a closed form take no longer for many pulses than for one.
        after = device.law.after(torch.full_like(block, levels[-1]), block, step, step).clamp(0, 1).numpy()
        gains = np.diff(after, prepend=levels[-1])
        still = np.flatnonzero(gains < _STILL * float(step))
        levels = np.concatenate([levels, after[: still[0] if len(still) else None]])
        if len(still):
            break
    return levels


def _counts(curve: Matrix, level: Matrix) -> NDArray[np.int64]:
    """Return the number of pulses whose level is nearest to each target."""
    above = np.clip(np.searchsorted(curve, level), 1, len(curve) - 1) if len(curve) > 1 else np.zeros(level.shape, int)
    below = np.maximum(above - 1, 0)
    return np.where(level - curve[below] <= curve[above] - level, below, above).astype(np.int64)


def deviations(target: ProgrammingTable, written: ProgrammingTable) -> dict[str, Deviation]:
    """Return how far each array is from its target.

    Parameters
    ----------
    target : ProgrammingTable
        Conductances that were asked for.
    written : ProgrammingTable
        Conductances that were read back, in arrays of the same shapes, with their tolerance.
    """
    found = {}
    for name, array in target.arrays.items():
        distance = np.abs(written.arrays[name].siemens - array.siemens)
        side, row, column = (int(place) for place in np.unravel_index(distance.argmax(), distance.shape))
        outside = float((distance > written.tolerance).mean())
        found[name] = Deviation(math.sqrt(float((distance**2).mean())), float(distance.max()), side, row, column, outside)
    return found
