"""Wires: the sparse solution against node equations written out by hand, and identities of linear circuits."""

import numpy as np
import pytest
import torch

from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.wires import WireResistance, effective_conductance
from contrastive_core.errors import InputError, ShapeError


def cells(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(rows).uniform(1e-6, 1e-4, (rows, columns))


def test_a_three_by_two_crossbar_obeys_its_node_equations() -> None:
    """If this fails, the drop along the wires is that of another circuit."""
    g, row, column = cells(3, 2), 1 / 700.0, 1 / 400.0
    a, b, c, d, e, f = g.ravel()
    # Unknowns: the nodes on the rows r11 r12 r21 r22 r31 r32, then on the columns c11 c12 c21 c22 c31 c32; Kirchhoff's current law.
    matrix = np.zeros((12, 12))
    for node, conductances in enumerate(
        (2 * row + a, row + b, 2 * row + c, row + d, 2 * row + e, row + f)  # sources feed r11, r21 and r31; rows end at r12, r22 and r32
    ):
        matrix[node, node] = conductances
    for node, conductances in enumerate(
        (column + a, column + b, 2 * column + c, 2 * column + d, 2 * column + e, 2 * column + f)  # grounds are below c31 and c32
    ):
        matrix[6 + node, 6 + node] = conductances
    for cell in range(6):
        matrix[cell, 6 + cell] = matrix[6 + cell, cell] = -g.ravel()[cell]
    for one, other in ((0, 1), (2, 3), (4, 5)):
        matrix[one, other] = matrix[other, one] = -row
    for one, other in ((6, 8), (8, 10), (7, 9), (9, 11)):
        matrix[one, other] = matrix[other, one] = -column
    drives = np.zeros((12, 3))
    drives[0, 0] = drives[2, 1] = drives[4, 2] = row
    voltages = np.linalg.solve(matrix, drives)
    currents = column * voltages[10:].T
    found = effective_conductance(g, 700.0, 400.0)
    np.testing.assert_allclose(found, currents, rtol=1e-11)  # twelve unknowns, condition of some hundreds
    assert np.abs(found / g - 1).max() > 0.03  # a control: the wires matter here


@pytest.mark.parametrize(("r_row", "r_col"), [(0.0, 0.0), (0.0, 1e-9), (1e-9, 0.0), (1e-9, 1e-9)])
def test_perfect_wires_change_nothing(r_row: float, r_col: float) -> None:
    """If this fails, an array on perfect wires is not the array that was programmed. A drop of at most 1e-9 * 1e-4 * 10 volts per piece."""
    g = cells(5, 7)
    np.testing.assert_allclose(effective_conductance(g, r_row, r_col), g, rtol=1e-9)


@pytest.mark.parametrize(("r_row", "r_col"), [(500.0, 0.0), (0.0, 300.0)])
def test_one_perfect_wire_leaves_independent_ladders(r_row: float, r_col: float) -> None:
    """If this fails, a wire of 0 ohm is a cut one. A single cell is three resistances in series, of which one may be absent."""
    g = np.array([[1e-3]])
    assert effective_conductance(g, r_row, r_col)[0, 0] == pytest.approx(1 / (1e3 + r_row + r_col), rel=1e-12, abs=0)
    if r_col == 0:  # cells of one row with its columns at 0 volts, and other rows do not act on it
        both = effective_conductance(cells(4, 3), r_row, 0.0)
        np.testing.assert_allclose(both[1:2], effective_conductance(cells(4, 3)[1:2], r_row, 0.0), rtol=1e-12)


def test_driving_the_columns_and_reading_the_rows_is_reciprocal() -> None:
    """If this fails, the circuit is not one of resistances: read from the other side it has to be the same matrix, transposed."""
    g = cells(6, 4)
    # Turned by half a turn and transposed, columns are driven where they were grounded, and rows grounded where they were driven.
    turned = effective_conductance(np.ascontiguousarray(g[::-1, ::-1].T), 40.0, 90.0)
    np.testing.assert_allclose(effective_conductance(g, 90.0, 40.0), turned.T[::-1, ::-1], rtol=1e-11)
    np.testing.assert_raises(AssertionError, np.testing.assert_allclose, effective_conductance(g, 40.0, 90.0), turned.T[::-1, ::-1], 1e-3)


def test_cells_far_from_source_and_ground_are_seen_least() -> None:
    """If this fails, rows are driven or columns grounded at the wrong side."""
    effective = effective_conductance(np.full((8, 8), 1e-4), 20.0, 20.0)
    assert np.all(np.diff(effective, axis=1) < 0)
    assert np.all(np.diff(effective, axis=0) > 0)
    assert np.all(effective < 1e-4)


def test_each_array_of_a_pair_has_wires_of_its_own() -> None:
    """If this fails, the conductances that act are not those that the wires make of the programmed ones."""
    conductance = Conductance(1e-6, 1e-4, Pairing.DIFFERENTIAL)
    level = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    seen = conductance.siemens(Device(conductance, effects=(WireResistance(30.0, 10.0),)).seen(level, "weight", 1))
    for array, found in zip(conductance.siemens(level).numpy(), seen.numpy(), strict=True):
        np.testing.assert_allclose(found, effective_conductance(array, 30.0, 10.0), rtol=1e-12)


def test_an_independent_solver_agrees() -> None:
    """If this fails, this convention of where wires begin and end is not that of badcrossbar."""
    badcrossbar = pytest.importorskip("badcrossbar")
    g = cells(6, 4)
    for row in range(6):
        volts = np.eye(6)[:, row : row + 1]
        solution = badcrossbar.compute(volts, 1 / g, r_i_word_line=2.0, r_i_bit_line=3.0)
        np.testing.assert_allclose(np.ravel(solution.currents.output), effective_conductance(g, 2.0, 3.0)[row], rtol=1e-9)


def test_wires_that_cannot_be_are_refused() -> None:
    """If this fails, a study of wires that gain energy gives numbers."""
    with pytest.raises(InputError, match="0 ohm or more"):
        WireResistance(-1.0)
    with pytest.raises(ShapeError, match="arrays of rows and columns"):
        Device(effects=(WireResistance(0.35, 0.35),)).seen(torch.zeros(1, 2, 3, 4), "weight", 1)
