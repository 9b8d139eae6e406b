"""Training that starts from the parameters of an earlier run: what is taken over, what is drawn afresh, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Found, Refused

from contrastive_core.files.checkpoint import load_checkpoint

DATA = ("--train-size", 60, "--batch-size", 20, "--threads", 1, "--quiet")
TRAIN = ("train", *DATA, "--epochs", 1, "--learning-rates", 0.01)
VIEWS = ("contrast", *DATA, "--embedding", 6, "--probe-test", 60, "--epochs", 1, "--seeds", 1, "--engine", "serial")
LIKE_VIEWS = ("--hidden", 7, "--activation", "tanh", "--energy-scale", 0.1)
NO_STEP = ("--learning-rates", 1e-12)


def parameters(path: Path, prefix: str = "best.") -> dict[str, torch.Tensor]:
    tensors, _ = load_checkpoint(path)
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


@pytest.fixture(scope="module")
def runs(found: Found, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("starts")
    found(*TRAIN, "--hidden", 8, "--out", place / "first")
    found(*VIEWS, "--hidden", 7, "--rules", "ep-centered,backprop", "--out", place / "views")
    return place


@pytest.fixture
def train_refused(refused: Refused, runs: Path, tmp_path: Path) -> Any:
    """The error of ``train --start-from`` with a run or a file, and further options."""
    return lambda start, *more: refused(*TRAIN, "--out", tmp_path / "no", "--start-from", start, *more)


@pytest.mark.parametrize("source", ["first", "first/checkpoints/train.safetensors"])
def test_training_starts_from_the_parameters_of_the_run(found: Found, runs: Path, tmp_path: Path, source: str) -> None:
    """If this fails, fine-tuning forgets what was learnt: with steps of nearly 0 the network must be the earlier one, not the seed's."""
    found(*TRAIN, "--hidden", 8, "--seed", 1, "--start-from", runs / source, *NO_STEP, "--out", tmp_path / "on")
    before, after = (parameters(run / "checkpoints" / "train.safetensors") for run in (runs / "first", tmp_path / "on"))
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=1e-6)  # 3 steps of at most 1e-12, rounded in float32
    found(*TRAIN, "--hidden", 8, "--seed", 1, *NO_STEP, "--out", tmp_path / "control")
    control = parameters(tmp_path / "control" / "checkpoints" / "train.safetensors")
    assert not torch.allclose(control["weight_1"], before["weight_1"], atol=1e-2)


def test_every_rule_starts_from_its_own_network(found: Found, runs: Path, tmp_path: Path) -> None:
    """If this fails, a comparison of rules goes on from one rule's network under the name of another."""
    rules = ("ep-centered", "backprop")
    found(*VIEWS, "--hidden", 7, "--rules", ",".join(rules), "--start-from", runs / "views", *NO_STEP, "--out", tmp_path / "on")
    first, second = (
        [parameters(run / "checkpoints" / f"{rule}-0.safetensors") for rule in rules] for run in (runs / "views", tmp_path / "on")
    )
    assert not torch.equal(first[0]["weight_1"], first[1]["weight_1"])
    for before, after in zip(first, second, strict=True):
        torch.testing.assert_close(after["weight_1"], before["weight_1"], rtol=0, atol=1e-6)


def test_a_fresh_head_keeps_the_layers_below_it(found: Found, runs: Path, tmp_path: Path) -> None:
    """If this fails, a classifier behind pretrained layers starts from outputs of the embedding, or from untrained layers."""
    source = runs / "views" / "checkpoints" / "ep-centered-0.safetensors"
    found(*TRAIN, *LIKE_VIEWS, "--start-from", source, "--start-head", "fresh", *NO_STEP, "--out", tmp_path / "on")
    found(*TRAIN, *LIKE_VIEWS, *NO_STEP, "--out", tmp_path / "drawn")
    before, after = parameters(source), parameters(tmp_path / "on" / "checkpoints" / "train.safetensors")
    drawn = parameters(tmp_path / "drawn" / "checkpoints" / "train.safetensors")
    torch.testing.assert_close(after["weight_1"], before["weight_1"], rtol=0, atol=1e-6)
    torch.testing.assert_close(after["weight_2"], drawn["weight_2"], rtol=0, atol=1e-6)
    assert after["weight_2"].shape == (7, 10)


def test_fine_tuning_by_a_sum_starts_from_views(found: Found, runs: Path, tmp_path: Path) -> None:
    """If this fails, contrast-regularised fine-tuning (Core-tuning) has no command."""
    result = found(
        *VIEWS, "--hidden", 7, "--rules", "backprop", "--cost", "cross-entropy + focal-supcon", "--output-activation", "linear",
        "--start-from", runs / "views", "--start-head", "fresh", "--out", tmp_path / "tuned",
    )  # fmt: skip
    assert result["rules"]["backprop"]["status"] == "done"
    assert set(result["rules"]["backprop"]["terms"]) == {"cross-entropy", "focal-supcon"}


@pytest.mark.parametrize(
    ("start", "more", "said"),
    [
        (
            "first",
            ("--hidden", 9),
            r"weight_1 is 64x8, this network's is 64x9; give the layers .*, or leave --start-from out",
        ),
        ("first", ("--hidden", "8,4"), r"weight_2 is 8x10, this network's is 8x4"),
        ("first", ("--hidden", 8, "--activation", "tanh"), r"other settings of the network; give the same: --activation hard-sigmoid"),
        ("first", ("--hidden", 8, "--network", "oscillator"), r"other settings of the network; give the same: --network layered"),
        ("missing", ("--hidden", 8), r"there is no run"),
        ("missing.safetensors", ("--hidden", 8), r"cannot read checkpoint .*missing.safetensors"),
        ("views", ("--hidden", 7), r"no finished network of ep-centered and seed 7 to start from; choose rules and seeds that it has"),
        ("views", (*LIKE_VIEWS, "--seed", 0), r"other settings .* --output-activation tanh"),
        ("views", (*LIKE_VIEWS, "--seed", 0, "--output-activation", "tanh"), r"weight_2 is 7x6, .* 7x10; .* by --start-head fresh"),
    ],
)
def test_what_does_not_fit_is_refused(train_refused: Any, runs: Path, start: str, more: tuple[object, ...], said: str) -> None:
    """If this fails, weights of another network are read as if they were this one's."""
    import re

    line = train_refused(runs / start, *(("--seed", 7) if "--seed" not in more else ()), *more)
    assert re.search(said, line), line


def test_a_run_does_not_go_on_from_other_parameters(found: Found, refused: Refused, runs: Path, tmp_path: Path) -> None:
    """If this fails, half a run is of one start and half of another."""
    start = tmp_path / "start.safetensors"
    start.write_bytes((runs / "first" / "checkpoints" / "train.safetensors").read_bytes())
    command = (*TRAIN, "--hidden", 8, "--start-from", start, "--out", tmp_path / "on")
    first = found(*command)
    assert found(*command) == first
    found(*TRAIN, "--hidden", 8, "--seed", 3, "--out", tmp_path / "other")
    start.write_bytes((tmp_path / "other" / "checkpoints" / "train.safetensors").read_bytes())
    assert "holds a run with other parameters than --start-from has" in refused(*command)


def test_a_network_without_layers_has_no_head(train_refused: Any, found: Found, tmp_path: Path) -> None:
    """If this fails, a fresh head of a network without one is a setting without effect."""
    graph = ("--network", "resistor-graph", "--data", "two-moons", "--hidden", 4)
    found(*TRAIN, *graph, "--out", tmp_path / "graph")
    assert "has no layer of outputs that could start afresh" in train_refused(tmp_path / "graph", *graph, "--start-head", "fresh")
