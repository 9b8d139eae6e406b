"""Options of the data of a learning command: what reaches the training, and what is written down."""

from pathlib import Path

import pytest
from command_line import Eqlab, Found

from experiments.runs.directory import RunDirectory

TINY = ("--train-size", "96", "--hidden", "8", "--epochs", "1", "--quiet", "--threads", "1", "--rule", "backprop")

pytestmark = pytest.mark.usefixtures("here")


def test_standardised_and_augmented_samples_reach_the_training(found: Found, tmp_path: Path) -> None:
    """If this fails, the options are accepted and change nothing, or a run does not say what it was trained on."""
    plain = found("train", *TINY, "--out", tmp_path / "plain")
    scaled = found("train", *TINY, "--standardise", "1", "--out", tmp_path / "scaled")
    shown = found("train", *TINY, "--augment", "crop,flip", "--out", tmp_path / "shown")
    assert scaled["data_source"].endswith("; channels scaled to mean 0 and deviation 1 over the training split")
    assert len({one["test_cost"] for one in (plain, scaled, shown)}) == 3
    assert shown["data_digest"] == plain["data_digest"] != scaled["data_digest"]
    configs = [RunDirectory(tmp_path / name).read_config() for name in ("plain", "scaled", "shown")]
    assert [config.get("standardise") for config in configs] == [None, 1.0, None]
    assert [config.get("augment") for config in configs] == [None, None, ["crop", "flip"]]
    # Runs from before these options existed have no such keys, and are resumed by settings without them.
    assert not {"standardise", "augment"} & set(configs[0])


def test_unsuitable_data_options_are_refused_in_a_sentence(refused: Eqlab) -> None:
    """If this fails, a slip in an option costs a traceback or an epoch."""
    assert "unknown view 'flop'; did you mean 'flip'" in refused("train", *TINY, "--augment", "flop")
    assert "needs square images" in refused("train", "--data", "two-moons", *TINY, "--augment", "crop")
    assert "greater than 0" in refused("train", *TINY, "--standardise", "0")
    assert "--left-out names a speaker, and digits has none" in refused("train", *TINY, "--left-out", "theo")
    assert "spoken-digits is not downloaded; give --data-dir" in refused("train", "--data", "spoken-digits", *TINY)
    assert "spoken-digits is not downloaded; give --data-dir" in refused("data", "fetch", "spoken-digits", "--quiet")
    assert "views are drawn anew" in refused("train", "--train-size", "96", "--epochs", "1", "--quiet", "--warm-start", "--augment", "flip")
    assert "contrast shows samples by --views alone; add flip to --views" in refused("contrast", "--quiet", "--augment", "flip")
