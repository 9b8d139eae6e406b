"""Figures of networks with filters, of the movement of each layer, and of time against accuracy: they show what the run computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import found
from pictures import check, group, history, points
from torch.nn.functional import avg_pool2d

import eqlab
from contrastive_core.certificate import Stop
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.files.checkpoint import load_checkpoint
from experiments.figures.writing import feature_maps, filters, layer_relaxation, time_and_error
from experiments.learning.features import features
from experiments.learning.relaxation import trajectory
from experiments.runs.arrays import mean_trace

pytestmark = pytest.mark.usefixtures("rendered")


def test_features_are_the_filters_and_the_settled_layers() -> None:
    """Activities are those of the equilibrium, not of the bottom-up pass; maps of more than 16 x 16 are averaged over squares."""
    network = eqlab.Layered(eqlab.convolutional("12c3+1 4c3 5", (2, 20, 20)), energy_scale=0.5, dtype=torch.float64)
    settling = eqlab.Settling(free=Stop(1e-12, 500))
    sample = torch.rand(1, 800, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    kept = features(network, eqlab.RULES["ep-centered"](eqlab.Setting("squared-error", settling)), sample)
    assert {name: array.shape for name, array in kept.items()} == {
        "filters": (12, 2, 3, 3),
        "map_0": (1, 10, 10),
        "map_1": (9, 10, 10),
        "map_2": (4, 9, 9),
    }
    clamped = network.clamp(sample)
    state = network.initial_state(clamped)
    with torch.no_grad():
        for _ in range(200):
            state, _, _ = BlockDescent().advance(state, None, clamped)
    assert np.array_equal(kept["filters"], network.weight(0).detach().numpy())
    assert np.allclose(kept["map_1"], avg_pool2d(state[0][:, :9], 2)[0].numpy(), atol=1e-10)
    assert np.allclose(kept["map_2"], avg_pool2d(state[1], 2)[0].numpy(), atol=1e-10)
    assert np.allclose(kept["map_0"], avg_pool2d(sample.reshape(1, 2, 20, 20).mean(1, keepdim=True), 2)[0].numpy())


def test_the_change_of_the_layers_is_the_residual_of_block_descent() -> None:
    """A sweep of block descent moves each layer to its minimum: what moved most is the residual."""
    network = eqlab.Layered((6, 5, 4, 3), dtype=torch.float64)
    clamped = network.clamp(torch.rand(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    with torch.no_grad():
        traces = trajectory(clamped, network.initial_state(clamped), BlockDescent(), 5)
    changes = np.stack([traces[f"change_{layer}"] for layer in (1, 2, 3)])
    assert changes.shape == (3, 5, 4)
    assert changes.max(0) == pytest.approx(traces["residual"])
    assert len({tuple(layer.ravel()) for layer in changes}) == 3
    reduced = mean_trace(traces)
    assert reduced["change_2"] == pytest.approx(changes[1].max(1))
    assert reduced["energy"] == pytest.approx(traces["energy"].mean(1))


def test_a_training_shows_the_filters_of_its_checkpoint(tmp_path: Path) -> None:
    """If this fails, the report shows filters of other weights, or none."""
    line = ["train", "--network", "convolutional", "--layers", "3c3+1 p2 10", "--train-size", 64, "--epochs", 1, "--energy-scale", 0.1]
    found(*line, "--out", tmp_path / "run")
    figures = tmp_path / "run" / "figures"
    (weights,) = (np.array(json.loads((figures / "filters.json").read_text())["filters"]),)
    saved, _ = load_checkpoint(tmp_path / "run" / "checkpoints" / "train.safetensors")
    (stored,) = (array.numpy() for name, array in saved.items() if name.endswith("weight_1") and array.ndim == 4 and "best" in name)
    assert weights == pytest.approx(stored)
    maps = json.loads((figures / "feature-maps.json").read_text())["layers"]
    assert {name: np.shape(tiles) for name, tiles in maps.items()} == {"inputs": (1, 8, 8), "layer 1": (3, 4, 4)}


def test_a_network_of_rows_has_no_filters(tmp_path: Path) -> None:
    found("train", "--hidden", 4, "--train-size", 64, "--epochs", 1, "--out", tmp_path / "run")
    assert not list((tmp_path / "run" / "figures").glob("f*"))


def test_gradients_show_the_relaxation_of_each_layer(tmp_path: Path) -> None:
    """The largest change of all layers is the residual that the figure beside it shows."""
    found("gradients", "--hidden", "8,8", "--samples", 4, "--rules", "implicit", "--out", tmp_path / "run")
    figures = tmp_path / "run" / "figures"
    layers = json.loads((figures / "relaxation-of-layers.json").read_text())["layers"]
    shown = json.loads((figures / "relaxation.json").read_text())["traces"]["free phase"]["residual"]
    assert list(layers) == ["layer 1", "layer 2", "layer 3"]
    largest = [max((value for value in sweep if value), default=None) for sweep in zip(*layers.values(), strict=True)]
    assert largest == pytest.approx(shown)


def test_time_adds_up_over_the_epochs_and_seeds_have_their_median() -> None:
    """Three seeds of 2, 3 and 7 s an epoch: the curve is that of 3 s."""
    seeds = [[{**epoch, "cpu_seconds": seconds} for epoch in history(0.01 * n)] for n, seconds in enumerate((2.0, 3.0, 7.0))]
    picture = time_and_error({"ep-centered": seeds, "backprop": []})
    curve = picture.data["rules"]["ep-centered"]
    assert curve["cpu_seconds"] == pytest.approx([3.0, 6.0, 9.0, 12.0, 15.0])
    assert curve["validation_error"] == pytest.approx([0.5 / epoch + 0.01 for epoch in range(1, 6)])
    assert len(points(picture, "rule-0")) == 5
    assert [row["training_CPU_s"] for row in picture.rows] == pytest.approx([3.0, 6.0, 9.0, 12.0, 15.0])
    check(picture)


def test_epochs_without_a_time_are_left_out() -> None:
    """Journals of early versions have no processor time; a time without it would be too short."""
    records: list[dict[str, Any]] = [{**epoch, "cpu_seconds": 1.0} for epoch in history()]
    records[2]["cpu_seconds"] = None
    assert time_and_error({"backprop": [records]}).data["rules"]["backprop"]["cpu_seconds"] == [1.0, 2.0]


def test_the_figures_hold_every_number_and_draw_no_missing_one() -> None:
    layers = layer_relaxation({"layer 1": [1.0, 0.1, 0.0], "layer 2": [float("nan"), 2.0]})
    assert layers.data == {"layers": {"layer 1": [1.0, 0.1, None], "layer 2": [None, 2.0]}}
    assert group(layers, "layer-1") is not None
    for picture in (layers, filters([[[[0.0, 0.0], [0.0, None]]]]), feature_maps({"inputs": [[[1.0]], [[2.0]]]})):
        check(picture)
