"""Packed workspaces of active samples: one contiguous row per sample holds its layers, inputs from below, pull and strength."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.kernels.settling.any_depth import rows_cpu
from contrastive_core.kernels.settling.elements.llvm_cpu import VECTOR_BYTES
from contrastive_core.kernels.settling.elements.simd_cpu import GROUP

Array = NDArray[Any]


class RowLayout(NamedTuple):
    """Columns where the parts of a row begin.

    Attributes
    ----------
    sizes : tuple of int
        Units of each layer.
    units : tuple of int
        Units of each layer.
    below : tuple of int
        Input of each layer from below, without its bias; that of the first layer is its drive, which contains the bias.
    pull, strength : int
        Pull on the outputs, and strength of the nudge.
    width : int
        Length of a row.
    """

    sizes: tuple[int, ...]
    units: tuple[int, ...]
    below: tuple[int, ...]
    pull: int
    strength: int
    width: int


@cache
def row_layout(sizes: tuple[int, ...], targets: int, itemsize: int) -> RowLayout:
    """Lay out a row, every part at the start of a vector.

    Parameters
    ----------
    sizes : tuple of int
        Units of each layer.
    targets : int
        Width of the pull.
    itemsize : int
        Bytes of a number.

    Returns
    -------
    RowLayout
        Columns of the parts.
    """
    lanes = VECTOR_BYTES // itemsize
    widths = [*sizes, *sizes[:-1], -(-sizes[-1] // GROUP) * GROUP, targets, 1]
    starts = np.cumsum([0, *((width + lanes - 1) // lanes * lanes for width in widths)]).tolist()
    depth = len(sizes)
    pull, strength, width = starts[2 * depth :]
    # Rows a whole number of pages apart would share few sets of the caches: one vector more keeps them from it.
    return RowLayout(sizes, tuple(starts[:depth]), tuple(starts[depth : 2 * depth]), pull, strength, width + lanes)


class Frame(NamedTuple):
    """Constant inputs of units, and the values from which these are measured.

    Attributes
    ----------
    memory : array of shape (B or 1, w)
        Rows of both, one for each sample, or one for all.
    base, origin : tuple of int
        Column where each layer's constant input begins, and its origin.
    displaced : bool
        Whether units are displacements from the origin, and not states measured from 0.
    """

    memory: Array
    base: tuple[int, ...]
    origin: tuple[int, ...]
    displaced: bool


class Rows:
    """The samples that are still active, in the first ``count`` rows of the memory.

    Attributes
    ----------
    layout : RowLayout
        Columns of the parts of a row.
    frame : Frame
        Constant inputs and origins.
    where : array of shape (M,)
        Place of each active row in the batch, or in the batches of several phases one after the other.
    memory : Tensor of shape (M, w)
        All parts of all rows.
    count : int
        Number of active rows.
    current : set of int
        Layers whose input from below belongs to the present state.
    silent : set of int
        Layers that are 0 in every sample and act on no other.
    residual, taken : array of shape (M,)
        Largest change in the last sweep, and number of sweeps, of each row.
    steps : array of shape (M,)
        Sweeps of each sample that has stopped.
    """

    def __init__(self, layout: RowLayout, frame: Frame, memory: Tensor) -> None:
        self.layout, self.frame, self.memory, self.count = layout, frame, memory, len(memory)
        self.current, self.silent = {0}, set[int]()  # the drive of the first layer stays the same in every state
        self.residual = np.empty(self.count, memory.numpy().dtype)
        self.taken, self.steps = np.zeros(self.count, np.int64), np.empty(self.count, np.int64)
        self.where = np.arange(self.count)
        self._left: tuple[Tensor, Array] | None = None

    @staticmethod
    def begin(layout: RowLayout, frame: Frame, drive: Tensor, state: Sequence[Tensor | float]) -> Rows:
        """Return rows that start at a state, each layer a tensor or one value for all units, with the bias in the first layer's drive."""
        rows = Rows(layout, frame, drive.new_empty(len(drive), layout.width))
        for at, size, layer in zip(layout.units, layout.sizes, state, strict=True):
            rows.memory[:, at : at + size] = layer
        rows.memory[:, layout.below[0] : layout.below[0] + drive.shape[1]] = drive
        rows.silent = {index for index, layer in enumerate(state) if isinstance(layer, float) and layer == 0}
        return rows

    def act(self, strengths: Sequence[float], pull: Tensor | None) -> Rows:
        """Return these rows once for each of some strengths, one after the other, under a pull of shape (B, k); it ends these."""
        rows = Rows(self.layout, self.frame, torch.cat([self.memory] * len(strengths)) if len(strengths) > 1 else self.memory)
        rows.current, rows.silent = set(self.current), set(self.silent)
        parts = rows.memory.view(len(strengths), len(self.memory), -1)
        for part, strength in zip(parts, strengths, strict=True):
            part[:, self.layout.strength] = strength
        if pull is not None:
            parts[:, :, self.layout.pull : self.layout.pull + pull.shape[1]] = pull
        return rows

    def displaced(self, frame: Frame, strengths: Sequence[float], pull: Tensor | None) -> Rows:
        """Return rows of no displacement and of what it sends, once for each of some strengths, under a pull of shape (B, k)."""
        layout = self.layout
        rows = Rows(layout, frame, self.memory.new_zeros(len(strengths) * self.count, layout.width))
        rows.current, rows.silent = set(range(len(layout.sizes))), set(range(len(layout.sizes)))
        parts = rows.memory.view(len(strengths), self.count, -1)
        for part, strength in zip(parts, strengths, strict=True):
            part[:, layout.strength] = strength
        if pull is not None:
            parts[:, :, layout.pull : layout.pull + pull.shape[1]] = pull
        return rows

    def part(self, start: int, width: int) -> Tensor:
        """Return a part of the active rows, of shape (count, width), as a view."""
        return self.memory[: self.count, start : start + width]

    def given(self, start: int, width: int) -> Tensor:
        """Return a part of the frame for every active row, of shape (count or 1, width)."""
        memory = torch.from_numpy(self.frame.memory[:, start : start + width])
        return memory if len(memory) == 1 else memory[torch.from_numpy(self.where[: self.count]) % len(memory)]

    def layer(self, index: int) -> Tensor:
        """Return the units of a layer of the active rows, as a view."""
        return self.part(self.layout.units[index], self.layout.sizes[index])

    def below(self, index: int) -> Tensor:
        """Return the input from below of a layer of the active rows, as a view."""
        return self.part(self.layout.below[index], self.layout.sizes[index])

    def stop(self, tolerance: float) -> None:
        """Let the rows go that have reached a tolerance."""
        residual = self.residual[: self.count]
        # NaN compares false, so that a diverged sample stops too.
        active = int(np.count_nonzero(residual > tolerance))
        if active == self.count:
            return
        if active == 0 and self._left is None:
            self.steps[:], self.count = self.taken, 0  # all at once: they lie where they belong
            return
        if self._left is None:
            self._left = torch.empty_like(self.memory), np.empty_like(self.residual)
        left, residuals = self._left
        self.count = rows_cpu.stop_rows(
            self.memory.numpy(), self.where, residual, tolerance, self.taken, left.numpy(), self.steps, residuals
        )

    def end(self) -> None:
        """Let all rows go, and put every sample back into its place."""
        self.stop(np.inf)
        if self._left is not None:
            self.memory, self.residual = self._left
            self._left = None
        self.count = len(self.memory)

    def relaxations(self, stop: Stop, phases: int = 1) -> list[Relaxation]:
        """Return what ended, in memory of its own, for each of some phases that lie one after the other; displacements as they are."""
        status = np.empty(self.count, np.int8)
        rows_cpu.certify(self.residual, -1.0 if stop.tolerance is None else stop.tolerance, status)
        layers = [self.memory.new_empty(self.count, size) for size in self.layout.sizes]
        for at, layer in zip(self.layout.units, layers, strict=True):
            rows_cpu.take(self.memory.numpy(), at, layer.numpy(), status)
        certificate = [torch.from_numpy(array) for array in (self.steps, self.residual, status)]
        if phases == 1:
            return [Relaxation(tuple(layers), *certificate)]
        parts = zip(*(tensor.chunk(phases) for tensor in (*layers, *certificate)), strict=True)
        return [Relaxation(part[:-3], *part[-3:]) for part in parts]
