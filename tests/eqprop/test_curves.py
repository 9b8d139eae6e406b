"""Measured diodes: interpolation, Kirchhoff's law, and files that are no curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from systems import seeded

from contrastive_core.errors import DataError, InputError
from eqprop.curves import MeasuredDiode, read_curve
from eqprop.diodes import ShockleyDiode
from experiments.cli import cli

CURVE = MeasuredDiode((-1.0, -0.2, 0.3, 0.5, 0.6, 1.0), (-0.1, -0.1, 0.0, 0.2, 1.0, 5.0))


def test_current_is_numpys_interpolation_and_content_its_integral() -> None:
    """The energy would belong to another curve than the one that was measured."""
    v = torch.linspace(-0.95, 0.95, 77, dtype=torch.float64).requires_grad_()
    current = CURVE.current(v.detach())
    np.testing.assert_allclose(current.numpy(), np.interp(v.detach().numpy(), CURVE.voltages, CURVE.currents), rtol=0, atol=1e-14)
    (slope,) = torch.autograd.grad(CURVE.content(v).sum(), v)
    torch.testing.assert_close(slope, current, rtol=0, atol=1e-14)
    assert float(CURVE.content(torch.zeros(1, dtype=torch.float64)).sum()) == 0


@pytest.mark.parametrize("count", [2, 3, 4, 5, 9, 100])
def test_solution_obeys_kirchhoffs_law_beyond_the_measured_points_too(count: int) -> None:
    """Every segment, and both ends, must be found by the bisection, whatever the number of points."""
    steps = torch.rand((2, count), generator=seeded(count), dtype=torch.float64)
    steps[1, ::3] = 0  # flat stretches
    v, i = steps.cumsum(1)
    diode = MeasuredDiode(tuple((v - v.mean()).tolist()), tuple((i - i.mean()).tolist()))
    conductance = torch.tensor([0.01, 1.0, 50.0], dtype=torch.float64)
    current = torch.linspace(-60, 60, 201, dtype=torch.float64)[:, None]
    found = diode.solve(conductance, current)
    # Rounding of currents of some hundred.
    torch.testing.assert_close(conductance * found + diode.current(found), current.expand(201, 3), rtol=0, atol=1e-9)


def test_fine_curve_of_an_exponential_diode_tends_to_its_closed_form() -> None:
    """Two solvers of one physics have to agree, in proportion to the square of the points' distance."""
    exact, errors = ShockleyDiode(1e-6, 0.05), []
    conductance, current = torch.tensor([0.1], dtype=torch.float64), torch.linspace(-0.1, 0.1, 41, dtype=torch.float64)
    for count in (101, 201):
        v = torch.linspace(-1, 1, count, dtype=torch.float64)
        diode = MeasuredDiode(tuple(v.tolist()), tuple(exact.current(v).tolist()))
        errors.append(float((diode.solve(conductance, current) - exact.solve(conductance, current)).abs().max()))
    assert 3 < errors[0] / errors[1] < 5
    assert errors[1] < 1e-3


def test_files_are_read_with_and_without_names(tmp_path: Path) -> None:
    """A line of names taken as data, or data as names, loses a point."""
    (tmp_path / "a.csv").write_text("v,i\n0,0\n1,2\n")
    (tmp_path / "b.csv").write_text("0,0\n\n1,2\n")
    np.savez(tmp_path / "c.npz", v=[0.0, 1.0], i=[0.0, 2.0])
    for name in ("a.csv", "b.csv", "c.npz"):
        assert read_curve(tmp_path / name) == MeasuredDiode((0.0, 1.0), (0.0, 2.0))


BROKEN = {
    "0,0\n1,nan\n": "line 2 is not finite",
    "v,i\n0,0\n0,1\n": "line 3 does not increase the voltage",
    "v,i\n0,1\n1,0.5\n": "line 3 lowers the current",
    "v,i\n0,0\n1\n": "line 3 is not two numbers: '1'",
    "v,i\n0,0\n": "1 points; a curve needs two or more",
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_curve_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    """A falling current has several operating points, and a NaN none."""
    path = tmp_path / "curve.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_curve(path)
    assert BROKEN[text] in str(caught.value)
    result = CliRunner().invoke(cli, ["train", "--network", "resistive", "--circuit-diode-curve", str(path)])
    assert (result.exit_code, BROKEN[text] in result.output) == (2, True), result.output


def test_other_mistakes_are_one_sentence(tmp_path: Path) -> None:
    """They come from people, too."""
    (tmp_path / "x.npz").write_text("no archive")
    with pytest.raises(DataError, match="cannot read the curve"):
        read_curve(tmp_path / "missing.csv")
    with pytest.raises(DataError, match="is no curve"):
        read_curve(tmp_path / "x.npz")
    with pytest.raises(InputError, match="point 2 of the curve lowers"):
        MeasuredDiode((0.0, 1.0), (1.0, 0.0))
    with pytest.raises(InputError, match="two or more points"):
        MeasuredDiode((0.0,), (1.0,))
