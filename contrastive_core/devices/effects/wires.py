"""Voltage drop along the wires of a crossbar, by an exact solution of its node equations."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csc_matrix
from scipy.sparse.linalg import splu
from torch import Tensor

from contrastive_core.devices.conductance import Conductance
from contrastive_core.devices.effect import Draws, Effect, Hooks
from contrastive_core.errors import InputError, ShapeError

Array = NDArray[np.float64]


@final
@dataclass(frozen=True)
class WireResistance(Effect):
    r"""Wires that are not perfect: an array acts as the matrix from its inputs' voltages to its columns' currents.

    Cell (i, j) joins row i to column j. A row is driven at the side of column 0, a column is held at 0 volts (by a virtual ground)
    below its last row; there is a piece of wire between neighbouring cells, between a source and the first cell of its row, and between
    the last cell of a column and its ground. Each array of a differential pair is a crossbar of its own.

    Every use of the device solves again, with one sparse factorisation per array and as many solutions as the array's shorter side;
    unknowns are the two nodes of every cell. A 128x64 array takes some tenths of a second, a 1024x1024 one minutes and
    gigabytes: studies of training belong on small arrays.

    Attributes
    ----------
    r_wire_row, r_wire_col : float
        Resistance of a piece of a row's or a column's wire, in ohm; 0 is a perfect wire. 0.35 is aihwkit's.
    """

    r_wire_row: float = 0.0
    r_wire_col: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.r_wire_row < float("inf") and 0 <= self.r_wire_col < float("inf")):
            raise InputError(f"wires have resistances of 0 ohm or more, got {self.r_wire_row} and {self.r_wire_col}; 0 is a perfect wire")

    @property
    def hooks(self) -> Hooks:
        """Act on the reading of arrays."""
        return Hooks(array=self.seen)

    def seen(self, conductance: Tensor, kind: Conductance, seconds: float, draws: Draws) -> Tensor:
        """Return the effective conductances from inputs to columns.

        Raises
        ------
        ShapeError
            If the devices are in no rows and columns.
        """
        if conductance.dim() != 3:
            shape = tuple(conductance.shape[1:])
            raise ShapeError(f"wires belong to arrays of rows and columns, and these devices have shape {shape}; leave the effect out")
        # Wires conduct about 1e5 times as well as devices: in float32 the devices would be lost.
        arrays = conductance.detach().to("cpu", torch.float64).numpy()
        effective = np.stack([effective_conductance(array, self.r_wire_row, self.r_wire_col) for array in arrays])
        return torch.from_numpy(effective).to(conductance)


def effective_conductance(cells: Array, r_row: float, r_col: float) -> Array:
    r"""Return the currents into the columns' grounds per volt at each row's source.

    With the node equations :math:`L v = i` parted into terminals T and inner nodes I, the terminals see the Schur complement
    :math:`L_{TT} - L_{TI} L_{II}^{-1} L_{IT}`; the effective conductance is minus its block of sources and grounds.

    Parameters
    ----------
    cells : ndarray of shape (rows, columns)
        Conductances in siemens.
    r_row, r_col : float
        Resistance of a piece of wire, in ohm; a perfect wire is one node.

    Returns
    -------
    ndarray of shape (rows, columns)
        Siemens; ``cells`` themselves if both wires are perfect.
    """
    rows, columns = cells.shape
    laplacian = _laplacian(cells, r_row, r_col)
    terminals = rows + columns
    inner = laplacian[terminals:, terminals:]
    direct: Array = -laplacian[:rows, rows:terminals].toarray()
    if inner.shape[0] == 0:
        return direct
    from_rows, from_columns = laplacian[terminals:, :rows], laplacian[terminals:, rows:terminals]
    solve = splu(inner).solve
    # The matrix is symmetric: solving for the shorter side gives the same couplings.
    through: Array = from_columns.T @ solve(from_rows.toarray()) if rows < columns else (from_rows.T @ solve(from_columns.toarray())).T
    return direct + through.T


def _laplacian(cells: Array, r_row: float, r_col: float) -> csc_matrix:
    """Return the conductance Laplacian of the circuit: sources first, then grounds, then inner nodes of rows and of columns."""
    rows, columns = cells.shape
    terminals, count = rows + columns, cells.size
    grid = np.arange(count).reshape(rows, columns)
    source, ground = np.arange(rows)[:, None], rows + np.arange(columns)[None, :]
    # A perfect wire is one node with its terminal, so that its cells need no unknowns of their own.
    on_row = terminals + grid if r_row > 0 else np.broadcast_to(source, cells.shape)
    first_of_columns = terminals + (count if r_row > 0 else 0)
    on_column = first_of_columns + grid if r_col > 0 else np.broadcast_to(ground, cells.shape)
    ends = [(on_row, on_column, cells)]
    if r_row > 0:
        along = np.concatenate((source, on_row), axis=1)
        ends.append((along[:, :-1], along[:, 1:], np.full(cells.shape, 1 / r_row)))
    if r_col > 0:
        along = np.concatenate((on_column, ground), axis=0)
        ends.append((along[:-1], along[1:], np.full(cells.shape, 1 / r_col)))
    one, other, value = (np.concatenate([part.ravel() for part in parts]) for parts in zip(*ends, strict=True))
    size = first_of_columns + (count if r_col > 0 else 0)
    coupling = coo_matrix((value, (one, other)), shape=(size, size))
    coupling = coupling + coupling.T
    degree = np.asarray(coupling.sum(axis=1)).ravel()
    diagonal = coo_matrix((degree, (np.arange(size), np.arange(size))), shape=(size, size))
    return csc_matrix(diagonal - coupling)
