"""Programming tables: what is written is what the network has, pulses lead to it, and what is read back is what the chip holds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from contrastive_core.devices.cell_list import write_cells
from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.conductance_files import read_table, write_table
from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.feedback import AsymmetricFeedback
from contrastive_core.devices.effects.finite_states import FiniteStates
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.devices.presets import PRESETS
from contrastive_core.devices.programming import ProgrammingTable, deviations, program, pulse_curve
from contrastive_core.devices.pulse_response import pulse_response
from contrastive_core.devices.write_law import ExponentialStep, LinearStep, PowerStep, exponential_device
from contrastive_core.errors import DataError, InputError
from contrastive_core.networks.layered import Layered

SHAPES = {"weight_1": (3, 4), "weight_2": (4, 2)}
SIZES = {"bias_1": 4, "bias_2": 2}


def weights_of(pairing: Pairing = Pairing.DIFFERENTIAL) -> dict[str, torch.Tensor]:
    network = Layered((3, 4, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    return {name: weight.abs() + 0.1 for name, weight in found.items()} if pairing is Pairing.SINGLE else found


def table_of(pairing: Pairing = Pairing.DIFFERENTIAL) -> ProgrammingTable:
    device = Device(Conductance(1e-6, 1e-4, pairing, reference=0.4))
    return program(weights_of(pairing), device, dict.fromkeys(SHAPES))


@pytest.mark.parametrize("place", ["table", "table.npz"])
@pytest.mark.parametrize("pairing", list(Pairing))
def test_weights_and_biases_are_those_that_are_read_back(pairing: Pairing, place: str, tmp_path: Path) -> None:
    """If this fails, a chip that is programmed from the table computes another network."""
    table, weights = table_of(pairing), weights_of(pairing)
    write_table(tmp_path / place, table)
    read, warnings = read_table(tmp_path / place, SHAPES, SIZES)
    assert warnings == []
    for name in SHAPES:
        np.testing.assert_array_equal(read.arrays[name].siemens, table.arrays[name].siemens)
        np.testing.assert_allclose(read.weight(name), weights[name].numpy(), rtol=1e-12, atol=1e-14)
    for name in SIZES:
        np.testing.assert_array_equal(read.vectors[name], weights[name].numpy())
    assert read.tolerance == table.tolerance
    assert all(found.worst == found.outside == 0 for found in deviations(table, read).values())


@pytest.mark.parametrize("pairing", list(Pairing))
def test_the_header_says_how_weights_follow_from_the_matrices(pairing: Pairing, tmp_path: Path) -> None:
    """If this fails, only this program can read its table. The formula of the header is computed with the numbers of the header."""
    write_table(tmp_path / "table", table_of(pairing))
    for name, (rows, columns) in SHAPES.items():
        matrices, header = {}, {}
        for file in (tmp_path / "table").glob(f"{name}.*.csv"):
            if not file.name.endswith(".pulses.csv"):
                matrices[file.name.split(".")[1]] = np.loadtxt(file, delimiter=",", comments="#")
                lines = [line[2:].split(": ", 1) for line in file.read_text().splitlines() if line.startswith("# ")]
                header = dict(lines)
        assert header["unit"] == "siemens"
        assert {matrix.shape for matrix in matrices.values()} == {(rows, columns)}
        numbers = {key: float(value) for key, value in header.items() if key in ("weight_per_siemens", "reference_siemens")}
        weight = eval(header["weight"], {}, {**matrices, **numbers})
        np.testing.assert_allclose(weight, weights_of(pairing)[name].numpy(), rtol=1e-12, atol=1e-14)


def test_a_list_of_cells_has_a_row_for_every_device(tmp_path: Path) -> None:
    """If this fails, a programmer writes a target to another cell, or to another width. Cells are put back in their places by hand."""
    table = table_of()
    arrays = write_cells(tmp_path / "cells.csv", table)
    assert arrays == [f"{name}.{side}" for name in SHAPES for side in ("plus", "minus")]
    rows = list(csv.DictReader((tmp_path / "cells.csv").read_text().splitlines()))
    assert len(rows) == 2 * sum(rows * columns for rows, columns in SHAPES.values())
    for row in rows:
        name, side = row["array"].split(".")
        place = (int(side == "minus"), int(row["row"]), int(row["column"]))
        assert float(row["target_siemens"]) == table.arrays[name].siemens[place]
        assert int(row["pulses"]) == table.pulses[name][place]
        assert float(row["tolerance_siemens"]) == table.tolerance
    assert len({(row["array"], row["row"], row["column"]) for row in rows}) == len(rows)


@pytest.mark.parametrize("pairing", list(Pairing))
def test_the_largest_weight_is_at_the_end_of_the_range(pairing: Pairing) -> None:
    """If this fails, a chip is used in a part of its range. Of an offset pair of reference .4 either end may be reached."""
    for array in table_of(pairing).arrays.values():
        ends = array.siemens.max() == pytest.approx(1e-4, rel=1e-12, abs=0), array.siemens.min() == pytest.approx(1e-6, rel=1e-12, abs=0)
        assert any(ends) if pairing is Pairing.OFFSET else ends[0]
        assert array.siemens.min() >= 1e-6 * (1 - 1e-12)
        assert array.siemens.max() <= 1e-4 * (1 + 1e-12)


def test_a_chosen_largest_weight_scales_all_arrays_alike() -> None:
    """If this fails, --w-max is ignored: conductances above the smallest one fall in its proportion."""
    full = program(weights_of(), Device(), {"weight_1": None})
    largest = full.arrays["weight_1"].w_max
    half = program(weights_of(), Device(), {"weight_1": 2 * largest})
    np.testing.assert_allclose(half.arrays["weight_1"].siemens - 1e-6, (full.arrays["weight_1"].siemens - 1e-6) / 2, rtol=1e-9, atol=1e-20)
    with pytest.raises(InputError, match="above w_max"):
        program(weights_of(), Device(), {"weight_1": largest / 2})


def test_weights_without_a_conductance_are_refused() -> None:
    """If this fails, a negative weight is written as none."""
    for pairing, reference in ((Pairing.SINGLE, 0.5), (Pairing.OFFSET, 0.0)):
        with pytest.raises(InputError, match=rf"weights of weight_1 are out of the range of {pairing.value} conductances"):
            program(weights_of(), Device(Conductance(pairing=pairing, reference=reference)), {"weight_1": None})
    for lost in (np.nan, np.inf, -np.inf):
        weights = weights_of()
        weights["weight_2"][1, 0] = lost
        with pytest.raises(InputError, match="1 weights of weight_2 are not finite"):
            program(weights, Device(), dict.fromkeys(SHAPES))


LAWS = {
    "constant": (LinearStep(), 1.0),
    "soft bounds": (LinearStep(1.0, 1.0), 1.0),
    "exponential pulses": (exponential_device(3.0, 2.0, 50).law, 50 * exponential_device(3.0, 2.0, 50).step_up),
    "power": (PowerStep(1.5, 1.0), 1.0),
    "exponential steps": (ExponentialStep(), 1.0),
}


@pytest.mark.parametrize("name", list(LAWS))
def test_the_pulses_of_a_table_lead_to_the_nearest_conductance(name: str) -> None:
    """If this fails, a chip that is sent the pulses holds another network. They are sent to a device without spread, one by one."""
    law, step_up = LAWS[name]
    device = Device(Conductance(1e-6, 1e-4), law, 0.02, step_up, effects=(FiniteStates(51),))
    table = program(weights_of(), device, {"weight_1": None})
    sent = pulse_response(device, 200, 1)[:201, 0].numpy()
    target, pulses = table.arrays["weight_1"].siemens, table.pulses["weight_1"]
    reached = np.unique(sent.round(18))
    nearest = np.abs(target[..., None] - reached).min(-1)
    np.testing.assert_allclose(np.abs(sent[np.minimum(pulses, 200)] - target), nearest, rtol=0, atol=1e-12)
    assert pulses.max() > pulses.min() == 0
    assert table.tolerance == pytest.approx(0.5 * 0.02 * 99e-6, rel=1e-12, abs=0)


def test_every_published_device_has_a_curve_of_pulses() -> None:
    """If this fails, the table of some device hangs, or has no pulses."""
    for preset in PRESETS.values():
        curve = pulse_curve(preset.build(0))
        assert (np.diff(curve) > 0).all()
        assert len(curve) > 2


def test_a_range_of_too_many_pulses_has_no_counts() -> None:
    """If this fails, a table says 100000 pulses where there are a million."""
    table = program(weights_of(), Device(step=1e-6), {"weight_1": None})
    assert table.pulses == {}
    assert program(weights_of(), Device(step=1e-4), {"weight_1": None}).pulses["weight_1"].max() == 10_000


def test_feedback_arrays_keep_their_names(tmp_path: Path) -> None:
    """If this fails, two arrays of one layer are taken for one."""
    network = Layered((3, 4, 2), generator=torch.Generator().manual_seed(0))
    held = OnDevice(network, Device(effects=(AsymmetricFeedback(learning=True),)))
    names = write_table(tmp_path / "t", program(held.stored(), Device(), dict.fromkeys(held.levels())))
    assert {name.split(".")[0] for name in names} == {"weight_1", "weight_2", "feedback_2", "bias_1", "bias_2"}


@pytest.mark.parametrize(("unit", "factor"), [("microsiemens", 1e6), ("nanosiemens", 1e9), ("millisiemens", 1e3), ("kiloohm", None)])
def test_measured_values_may_be_in_any_unit_that_the_header_states(unit: str, factor: float | None, tmp_path: Path) -> None:
    """If this fails, a network of millionths is tested."""
    table = table_of()
    write_table(tmp_path / "t", table)
    for file in (tmp_path / "t").glob("weight_*.csv"):
        if file.name.endswith(".pulses.csv"):
            continue
        lines = file.read_text().replace("unit: siemens", f"unit: {unit}").splitlines()
        converted = [line if line[0] == "#" else ",".join(_in_unit(cell, factor) for cell in line.split(",")) for line in lines]
        file.write_text("\n".join(converted) + "\n")
    read, warnings = read_table(tmp_path / "t", SHAPES, SIZES)
    assert warnings == []
    np.testing.assert_allclose(read.arrays["weight_1"].siemens, table.arrays["weight_1"].siemens, rtol=1e-12)


def _in_unit(cell: str, factor: float | None) -> str:
    return repr(float(cell) * factor) if factor else repr(1e-3 / float(cell))


def test_microsiemens_that_are_called_siemens_are_doubted(tmp_path: Path) -> None:
    """If this fails, an engineer tests a network that no chip holds, and is not told. Small deviations are a control."""
    for scale, doubted in ((1e6, True), (1.5, False)):
        table = table_of()
        for array in table.arrays.values():
            array.siemens[...] *= scale
        write_table(tmp_path / f"{scale:g}.npz", table)
        _, warnings = read_table(tmp_path / f"{scale:g}.npz", SHAPES, SIZES)
        assert [("microsiemens" in warning) for warning in warnings] == [doubted] * 2 * doubted


def test_siemens_that_are_called_microsiemens_are_doubted(tmp_path: Path) -> None:
    """If this fails, one header of another unit changes a network without a word."""
    write_table(tmp_path / "t", table_of())
    _edited(tmp_path / "t", "weight_1.minus", "unit: siemens", "unit: microsiemens")
    _, warnings = read_table(tmp_path / "t", SHAPES, SIZES)
    assert len(warnings) == 1
    assert "weight_1.minus reach" in warnings[0]


def _copied(folder: Path, source: str, target: str) -> None:
    (folder / f"{target}.csv").write_text((folder / f"{source}.csv").read_text())


def _edited(folder: Path, name: str, before: str, after: str) -> None:
    file = folder / f"{name}.csv"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: (t / "weight_1.plus.csv").unlink(), r"lacks weight_1\.plus"),
        (lambda t: (t / "bias_2.csv").unlink(), "lacks bias_2"),
        (lambda t: (t / "weight_9.plus.csv").write_text("1,2\n"), r"has weight_9\.plus, which this network does not have"),
        (lambda t: _edited(t, "weight_1.plus", "unit: siemens", "unit: furlong"), "states the unit 'furlong'; state one of: siemens"),
        (lambda t: _edited(t, "weight_1.plus", "# unit: siemens\n", ""), "states the unit 'none'"),
        (lambda t: _edited(t, "weight_1.plus", "weight_per_siemens: ", "weight_per_siemens: x"), "for weight_per_siemens, which must be"),
        (lambda t: _edited(t, "weight_1.plus", "g_max: 0.0001", "g_max: 0.0002"), "state different ranges"),
        (lambda t: _edited(t, "weight_1.plus", "pairing: differential", "pairing: triple"), "has the pairing 'triple'"),
        (lambda t: _edited(t, "bias_1", "\n0.0,", "\n1,0.0,"), "bias_1 has 1x5 values and the network needs 1x4"),
        (lambda t: (t / "bias_1.csv").write_text("# unit: dimensionless\n1,2,nan,4\n"), "bias_1 has values that are not finite"),
        (lambda t: (t / "bias_1.csv").write_text("# unit: dimensionless\n1,2,three,4\n"), "line 2 of .*bias_1.csv is no row of numbers"),
        (lambda t: (t / "bias_1.csv").write_text("# unit: dimensionless\n"), "has no numbers"),
        (lambda t: _copied(t, "weight_1.minus", "weight_1.plus"), r"weight_1\.plus says that it holds weight_1\.minus"),
        (lambda t: _copied(t, "weight_2.plus", "weight_1.plus"), r"weight_1\.plus says that it holds weight_2\.plus"),
    ],
)
def test_tables_of_another_network_or_unit_are_refused(change: object, words: str, tmp_path: Path) -> None:
    """If this fails, a damaged or foreign table becomes a network."""
    write_table(tmp_path / "t", table_of())
    change(tmp_path / "t")  # type: ignore[operator]
    with pytest.raises(DataError, match=words):
        read_table(tmp_path / "t", SHAPES, SIZES)


@pytest.mark.parametrize("content", ["measured on Monday, by hand\n", "", "\u00b5S,1\n", "chip,7\n1,2\n"])
def test_notes_beside_a_table_are_no_part_of_it(content: str, tmp_path: Path) -> None:
    """If this fails, a table that somebody has annotated cannot be read back."""
    write_table(tmp_path / "t", table_of())
    before = read_table(tmp_path / "t", SHAPES, SIZES)
    (tmp_path / "t" / "notes.csv").write_text(content, "utf-16" if content[:1] == "\u00b5" else "utf-8")
    after = read_table(tmp_path / "t", SHAPES, SIZES)
    assert repr(after) == repr(before)
    (tmp_path / "t" / "bias_9.csv").write_text("1,2\n")
    with pytest.raises(DataError, match="has bias_9, which this network does not have"):
        read_table(tmp_path / "t", SHAPES, SIZES)


@pytest.mark.parametrize("value", ["-1e-06", "nan", "inf"])
def test_values_that_are_no_conductances_are_refused(value: str, tmp_path: Path) -> None:
    """If this fails, a broken measurement becomes a weight."""
    write_table(tmp_path / "t", table_of())
    file = tmp_path / "t" / "weight_2.minus.csv"
    lines = file.read_text().splitlines()
    lines[-1] = ",".join([value, *lines[-1].split(",")[1:]])
    file.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"weight_2\.minus has values that are no conductances"):
        read_table(tmp_path / "t", SHAPES, SIZES)


def test_shapes_are_those_of_the_network(tmp_path: Path) -> None:
    """If this fails, a transposed table is a network of other units."""
    write_table(tmp_path / "t.npz", table_of())
    with pytest.raises(DataError, match=r"weight_1.plus has 3x4 values and the network needs 4x3 \(rows are units below"):
        read_table(tmp_path / "t.npz", {"weight_1": (4, 3), "weight_2": (4, 2)}, SIZES)
    for missing in ("nowhere", "nowhere.npz"):
        with pytest.raises(DataError, match=r"nowhere"):
            read_table(tmp_path / missing, SHAPES, SIZES)


def test_a_table_is_written_where_nothing_else_is(tmp_path: Path) -> None:
    """If this fails, the files of two networks are mixed, or a user's own are lost."""
    table, folder = table_of(), tmp_path / "t"
    write_table(folder, table)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    write_table(folder, table)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files \(notes.txt\)"):
        write_table(folder, table)
    with pytest.raises(InputError, match=r"a directory of CSV files or one \.npz file"):
        write_table(tmp_path / "g.txt", table)
    with pytest.raises(InputError, match="cannot write"):
        write_table(tmp_path / "nowhere" / "g.npz", table)


def test_deviations_are_those_of_the_devices() -> None:
    """If this fails, a bad device is called good. Counted by hand: of 24 devices one is 4 µS off and one 3 µS; the tolerance is .05 µS."""
    table, written = table_of(), table_of()
    written.arrays["weight_1"].siemens[1, 2, 3] += 4e-6
    written.arrays["weight_1"].siemens[0, 0, 1] -= 3e-6
    written.arrays["weight_1"].siemens[0, 0, 0] += 1e-9
    found = deviations(table, written)
    assert found["weight_1"].worst == pytest.approx(4e-6, rel=1e-9, abs=0)
    assert (found["weight_1"].side, found["weight_1"].row, found["weight_1"].column) == (1, 2, 3)
    assert found["weight_1"].rms == pytest.approx(np.sqrt((16e-12 + 9e-12 + 1e-18) / 24), rel=1e-9, abs=0)
    assert found["weight_1"].outside == pytest.approx(2 / 24)
    assert found["weight_2"].rms == 0


def test_pulses_are_whole_numbers_in_files_of_their_own(tmp_path: Path) -> None:
    """If this fails, a programmer of chips rounds pulses."""
    write_table(tmp_path / "t", table_of())
    rows = [row for row in csv.reader((tmp_path / "t" / "weight_2.minus.pulses.csv").read_text().splitlines()) if row[0][0] != "#"]
    assert [[int(cell) for cell in row] for row in rows] == table_of().pulses["weight_2"][1].tolist()
