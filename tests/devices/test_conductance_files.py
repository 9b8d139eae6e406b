"""Conductances in files: what is written is what the network has, and is read back as it was."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Eqlab

from contrastive_core.devices.conductance import Conductance, Pairing
from contrastive_core.devices.conductance_files import COLUMNS, conductances, read_conductances, weights_per_siemens, write_conductances
from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.feedback import AsymmetricFeedback
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.errors import DataError, InputError
from contrastive_core.networks.layered import Layered
from experiments.hardware.conductance_export import held_by

TINY = ("--set", "train_size=64", "--epochs", "1", "--hidden", "4", "--quiet")


def held(pairing: Pairing = Pairing.DIFFERENTIAL) -> OnDevice:
    network = Layered((3, 4, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    if pairing is Pairing.SINGLE:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.abs_().add_(0.01)
    return OnDevice(network, Device(Conductance(1e-6, 1e-4, pairing, w_max=2.0, reference=0.4)))


@pytest.mark.parametrize("ending", ["csv", "npz"])
@pytest.mark.parametrize("pairing", list(Pairing))
def test_weights_are_a_factor_times_the_difference_of_what_is_read_back(pairing: Pairing, ending: str, tmp_path: Path) -> None:
    """If this fails, a chip that is programmed from the file computes another network. To the last bit of each conductance."""
    network, file = held(pairing), tmp_path / f"g.{ending}"
    layers = conductances(network)
    write_conductances(file, layers)
    read = read_conductances(file)
    assert list(read) == ["1", "2"]
    for name, pair in read.items():
        np.testing.assert_array_equal(pair.plus, layers[name].plus)
        np.testing.assert_array_equal(pair.minus, layers[name].minus)
        weight = weights_per_siemens(network)[name] * (pair.plus - pair.minus)
        np.testing.assert_allclose(weight, network.get_parameter(f"weight_{name}").detach().numpy(), rtol=1e-12, atol=1e-14)
        assert pair.plus.min() >= 1e-6 * (1 - 1e-12)
        assert pair.plus.max() <= 1e-4 * (1 + 1e-12)


def test_the_columns_are_those_of_the_format(tmp_path: Path) -> None:
    """If this fails, other programs read rows as columns, or find no header. Row i of layer l is unit i below."""
    network, file = held(), tmp_path / "g.csv"
    write_conductances(file, conductances(network))
    header, *rows = csv.reader(file.read_text().splitlines())
    assert tuple(header) == COLUMNS == ("layer", "i", "j", "G_plus", "G_minus")
    assert len(rows) == 3 * 4 + 4 * 2
    found = {tuple(row[:3]): (float(row[3]), float(row[4])) for row in rows}
    level = network.levels()["weight_1"]
    assert found["1", "2", "3"] == tuple(network.device.conductance.siemens(level[:, 2, 3]).tolist())


def test_feedback_arrays_keep_their_names() -> None:
    """If this fails, two arrays of one layer are taken for one."""
    network = Layered((3, 4, 2), generator=torch.Generator().manual_seed(0))
    assert list(conductances(OnDevice(network, Device(effects=(AsymmetricFeedback(learning=True),))))) == ["1", "2", "feedback_2"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1"),
        ("layer,i,j,G\n1,0,0,1e-6\n", "line 1"),
        ("layer,i,j,G_plus,G_minus\n1,0,0,1e-6\n", "line 2"),
        ("layer,i,j,G_plus,G_minus\n1,0,0,1e-6,0\n1,0,1,nan,0\n", "line 3 .* finite and not negative"),
        ("layer,i,j,G_plus,G_minus\n1,0,0,1e-6,0\n1,0,2,1e-6,0\n", "2 devices, and 1 x 3 places"),
    ],
)
def test_files_that_are_not_of_this_kind_are_refused(text: str, words: str, tmp_path: Path) -> None:
    """If this fails, a truncated file becomes a network."""
    file = tmp_path / "g.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=words):
        read_conductances(file)
    with pytest.raises(DataError, match="cannot read conductances"):
        read_conductances(tmp_path / "nothing.npz")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """If this fails, half of a network is left where a whole one was."""
    with pytest.raises(InputError, match=r"\.csv or \.npz"):
        write_conductances(tmp_path / "g.txt", conductances(held()))
    with pytest.raises(InputError, match="cannot write"):
        write_conductances(tmp_path / "nowhere" / "g.csv", conductances(held()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["plus", "minus"])
@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_conductances_that_are_not_finite_are_not_written(ending: str, side: str, lost: float, tmp_path: Path) -> None:
    """If this fails, a chip is programmed from a training that diverged."""
    layers = conductances(held())
    getattr(layers["2"], side)[1, 0] = lost
    with pytest.raises(InputError, match="1 conductances of layer 2 are not finite"):
        write_conductances(tmp_path / f"g.{ending}", layers)
    assert list(tmp_path.iterdir()) == []


def test_trained_devices_are_exported_as_they_were_chosen(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, the file holds another network than the one whose accuracy is reported: the one of the chosen epoch."""
    run, file = tmp_path / "study", tmp_path / "g.npz"
    study = ("hardware", "--vary", "finite-states.n_states=64", "--preset", "ecram", "--seeds", "1", "--engine", "serial")
    assert eqlab(*study, *TINY, "--out", run).exit_code == 0
    refused = eqlab("device", "export", run, "--write", file)
    assert refused.exit_code == 2
    assert "name one with --trial" in refused.stderr
    key = "ep-centered finite-states.n_states 64 #0"
    result = eqlab("device", "export", run, "--trial", key, "--write", file, "--json")
    assert result.exit_code == 0, result.output
    factors = {layer["layer"]: layer["weight_per_siemens"] for layer in json.loads(result.stdout)["layers"]}
    _, network = held_by(run, key, None, None)
    network.clamp(torch.zeros(1, 64))  # reads the arrays into the weights
    for name, pair in read_conductances(file).items():
        weight = network.get_parameter(f"weight_{name}").detach().double().numpy()
        np.testing.assert_allclose(factors[name] * (pair.plus - pair.minus), weight, rtol=0, atol=1e-6)  # float32 weights of size 1
    own = eqlab("device", "export", run, "--trial", key, "--write", file, "--g-max", "1e-3")
    assert own.exit_code == 2
    assert "leave the range out" in own.stderr


def test_a_run_of_train_is_exported_in_a_range_of_choice(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, weights that were trained without devices cannot be put on a chip."""
    run, file = tmp_path / "run", tmp_path / "g.csv"
    assert eqlab("train", *TINY, "--out", run).exit_code == 0
    result = eqlab("device", "export", run, "--write", file, "--g-min", "2e-6", "--g-max", "5e-5", "--pairing", "offset")
    assert result.exit_code == 0, result.output
    found = np.concatenate([pair.plus.ravel() for pair in read_conductances(file).values()])
    assert 2e-6 <= found.min() < found.max() <= 5e-5
    for arguments, words in (
        (("--g-min", "1", "--g-max", "0.5"), "g_min < g_max"),
        (("--trial", "nothing"), "no finished trial 'nothing'"),
    ):
        refused = eqlab("device", "export", run, "--write", file, *arguments)
        assert (refused.exit_code, words in refused.stderr) == (2, True), refused.output
    assert "which run" in eqlab("device", "export", run).stderr
    assert eqlab("device", "export", tmp_path / "none", "--write", file).exit_code == 2


def test_resistors_on_a_graph_are_exported_in_one_column(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, what a graph of resistors has learnt cannot leave the program."""
    run, file = tmp_path / "run", tmp_path / "g.csv"
    small = ("--network", "resistor-graph", "--graph-links", "40", "--epochs", "1", "--set", "train_size=32", "--quiet")
    assert eqlab("train", *small, "--out", run).exit_code == 0
    result = eqlab("device", "export", run, "--write", file, "--pairing", "single", "--json")
    assert result.exit_code == 0, result.output
    (factor,) = [layer["weight_per_siemens"] for layer in json.loads(result.stdout)["layers"]]
    _, network = held_by(run, None, Conductance(pairing=Pairing.SINGLE), None)
    ((name, pair),) = read_conductances(file).items()
    conductance = network.get_parameter(name).detach().double().numpy()
    assert pair.plus.shape == (len(conductance), 1)
    np.testing.assert_allclose(factor * (pair.plus - pair.minus)[:, 0], conductance, rtol=1e-5, atol=0)  # float32
