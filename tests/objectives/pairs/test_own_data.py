"""Objectives that need more than views: trained by the program on bundled data and on a file, by what these say of their samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Found, Refused

from contrastive_core.data import DATASETS
from contrastive_core.data.batches import batches
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.objectives import OBJECTIVES
from contrastive_core.training.views_of_samples import contrasting

SMALL = ("--train-size", "72", "--hidden", "12", "--epochs", "1", "--batch-size", "24", "--threads", "1", "--seeds", "1")
COMMAND = ("contrast", *SMALL, "--probe-train", "72", "--probe-test", "40", "--quiet", "--engine", "serial")

TRAINED = {
    "comet": ("pulses", "--views", "noise", "--set", "objective.steps=4"),
    "conr": ("digits-graded",),
    "cwcl": ("digits-halves", "--views", "noise"),
    "pixpro": ("digits-regions", "--views", "noise", "--sampling", "together"),
    "softcon": ("digits-graded",),
    "soft-label": ("digits-graded",),
    "soft-supcon": ("digits-graded",),
    "supcon": ("digits-neighbours",),
    "triplet": ("digits-answers", "--views", "none", "--sampling", "together", "--set", "sampler.by=trials"),
    "slots": ("digits-regions", "--views", "noise", "--sampling", "together", "--set", "objective.num_prototypes=8"),
    "nt-xent": ("digits-weighted",),
    "dcl": ("digits-foreground", "--views", "noise"),
}
"""Objective, data that have what it needs, and options."""


@pytest.mark.parametrize("name", TRAINED)
def test_objectives_that_need_more_than_views_are_trained_by_the_program(name: str, found: Found, tmp_path: Path) -> None:
    """If this fails, a paper's objective is here and nobody can train it."""
    data, *options = TRAINED[name]
    result = found(*COMMAND, "--data", data, "--cost", name, *options, "--rules", "ep-centered", "--out", tmp_path / "run")
    record = result["rules"]["ep-centered"]
    assert record["status"] == "done"
    assert np.isfinite(record["objective"])
    assert record["unconverged"] < 0.2


@pytest.mark.parametrize(("name", "label"), [("conr", "numbers"), ("softcon", "vectors")])
def test_labels_are_the_array_of_their_kind(name: str, label: str) -> None:
    """If this fails, an objective of slants is trained with the classes."""
    train = DATASETS["digits-graded"](None, 0).train
    made = contrasting(OBJECTIVES[name](), MultiView(()), 6, 8, 72, torch.Generator(), torch.float64, given=train.given)
    batch = made.present(next(batches(train, 6)), torch.Generator())
    torch.testing.assert_close(batch.labels, train.given[label][:6].repeat(2, *(1,) * (train.given[label].dim() - 1)))
    hidden = made.blind().present(next(batches(train, 6)), torch.Generator())
    assert hidden.labels.tolist() == [-1] * 12


def test_a_file_is_trained_matched_and_compared_by_gradients(found: Found, refused: Refused, here: Path) -> None:
    """One way to give data, used by every command."""
    draw = np.random.default_rng(0)
    label = np.arange(90) % 3
    inputs = np.clip(0.3 * label[:, None] + 0.2 * draw.standard_normal((90, 9)), 0, 1)
    np.savez("own.npz", inputs=inputs, labels=label, numbers=inputs.mean(1), trials=np.arange(90) // 5)
    trained = found("train", "--data", "own.npz", "--hidden", "8", "--epochs", "1", "--quiet", "--out", "one")
    assert 0 <= trained["test_error"] <= 1
    run = ("contrast", *SMALL[4:], "--data", "own.npz", "--views", "noise", "--quiet", "--engine", "serial", "--out", "run")
    assert found(*run)["data"] == "own.npz"
    assert found(*run)["data"] == "own.npz"  # resumed
    assert found("match", "./run", "--no-more-seeds", "--clusters", "2", "--quiet")["samples"] == 10
    gradients = (
        "gradients",
        "--hidden",
        "6",
        "--outputs",
        "4",
        "--samples",
        "8",
        "--rules",
        "ep-centered",
        "--dtype",
        "float64",
        "--activation",
        "tanh",
        "--output-activation",
        "tanh",
        "--quiet",
    )
    compared = found(*gradients, "--data", "own.npz", "--cost", "comet", "--out", "g")
    assert min(compared["rules"]["ep-centered"]["cosine"].values()) > 0.999
    assert "COMET needs 'patients'" in refused("contrast", "--data", "own.npz", *SMALL[2:], "--cost", "comet", "--quiet")
