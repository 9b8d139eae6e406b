"""Classes that come later: what is shown of each, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import eqlab, found

from contrastive_core.errors import InputError
from experiments.representations.continual import with_classes
from experiments.representations.options import ContrastiveOptions
from experiments.setup.build import load_data

DATA = load_data(ContrastiveOptions())


@pytest.mark.parametrize("replay", [0, 3])
def test_chosen_classes_are_whole_and_others_are_replayed(replay: int) -> None:
    """If this fails, later classes leak into the first stage, or the memory is larger than it says."""
    shown = with_classes(ContrastiveOptions(classes=(5, 7), replay=replay), DATA)
    counts, all_counts = (torch.bincount(split.labels, minlength=10) for split in (shown.train, DATA.train))
    for number in range(10):
        assert counts[number] == (all_counts[number] if number in (5, 7) else replay)
    assert shown.test is DATA.test
    first = (DATA.train.labels == 0).nonzero()[:replay, 0]
    assert torch.equal(shown.train.inputs[shown.train.labels == 0], DATA.train.inputs[first])
    assert with_classes(ContrastiveOptions(), DATA) is DATA


@pytest.mark.parametrize(("classes", "said"), [((3, 12), "no training samples of class 12"), (tuple(range(10)), "names every class")])
def test_classes_that_make_no_stage_are_refused(classes: tuple[int, ...], said: str) -> None:
    """If this fails, a stage of a class that does not exist trains on nothing."""
    with pytest.raises(InputError, match=said):
        with_classes(ContrastiveOptions(classes=classes), DATA)


def test_a_second_stage_goes_on_from_the_first(tmp_path: Path) -> None:
    """If this fails, continual contrast has no command."""
    small: tuple[Any, ...] = ("contrast", "--batch-size", 64, "--hidden", 7, "--embedding", 6, "--probe-test", 60, "--epochs", 1)
    small = (*small, "--seeds", 1, "--threads", 1, "--quiet", "--engine", "serial", "--rules", "backprop", "--cost", "supcon + clip")
    found(*small, "--classes", "0,1", "--out", tmp_path / "first")
    second = (*small, "--start-from", tmp_path / "first", "--classes", "2,3", "--replay", 4, "--out", tmp_path / "second")
    assert found(*second)["rules"]["backprop"]["status"] == "done"
    idle = eqlab(*small, "--replay", 4, "--train-size", 128, "--out", tmp_path / "idle")
    assert "--replay has no effect without --classes" in idle.stderr
