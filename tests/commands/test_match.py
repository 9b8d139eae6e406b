"""The command match: rules beside seeds beside untrained networks, from the checkpoints of runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Eqlab, Found

from contrastive_core.representation.matching import correlations, one_to_one
from experiments.representations.activities import activities
from experiments.representations.trained import trained_networks

TINY = ("--train-size", "96", "--hidden", "10", "--epochs", "2", "--activation", "tanh", "--quiet", "--threads", "1", "--engine", "serial")


@pytest.fixture
def match(found: Found) -> Found:
    """The command with one thread: returns the JSON that it prints."""
    return partial(found, "match", "--threads", 1)


@pytest.fixture(scope="module")
def compared(eqlab: Eqlab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("match") / "run"
    result = eqlab("compare", *TINY, "--rules", "ep-centered,backprop", "--seeds", "2", "--out", out)
    assert result.exit_code == 0, result.output
    return out


def test_two_rules_stand_beside_two_seeds_and_untrained_networks(match: Found, compared: Path, tmp_path: Path) -> None:
    """If this fails, a matched correlation has nothing to be judged by."""
    result = match(compared, "--samples", "200", "--out", tmp_path)
    assert set(result["kinds"]) == {
        "ep-centered and backprop, same seed",
        "ep-centered and backprop, two seeds",
        "ep-centered, two seeds",
        "backprop, two seeds",
        "ep-centered, before and after",
        "backprop, before and after",
        "untrained, two seeds",
    }
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"match-curves.csv", "match-curves.json", "match-curves.svg"}
    assert match(compared, "--samples", "200", "--out", tmp_path) == result  # read back from the journal
    # EP follows backprop's gradient closely, and both start from the same weights; two seeds share nothing but the data.
    same, other = (result["kinds"][f"ep-centered and backprop, {which}"]["hidden"] for which in ("same seed", "two seeds"))
    assert same["one_to_one"] > 0.9 > other["one_to_one"]
    assert same["cka"] > other["cka"]


def test_matched_correlations_are_those_of_the_checkpoints(match: Found, compared: Path) -> None:
    """If this fails, other networks are matched than the ones that were trained."""
    networks = {(one.rule, one.seed): one for one in trained_networks(compared, None)}
    first, second = networks["ep-centered", 0], networks["backprop", 0]
    inputs = first.splits.test.inputs[:200]
    hidden = [activities(one.network, one.answer, inputs)[0] for one in (first, second)]
    expected = float(one_to_one(correlations(*hidden)).correlation.abs().mean())
    result = match(compared, "--samples", "200")
    assert result["pairs"]["ep-centered and backprop, same seed"][0]["hidden"]["one_to_one"] == pytest.approx(expected)
    assert not torch.equal(next(first.network.parameters()), next(first.untrained.parameters()))


def test_the_units_that_correspond_are_told(match: Found, compared: Path) -> None:
    """If this fails, a user learns how well units match and not which ones do."""
    networks = {(one.rule, one.seed): one for one in trained_networks(compared, None)}
    first, second = networks["ep-centered", 0], networks["backprop", 0]
    inputs = first.splits.test.inputs[:200]
    hidden = [activities(one.network, one.answer, inputs)[0].double().numpy() for one in (first, second)]
    between = np.corrcoef(*hidden, rowvar=False)[:10, 10:]
    told = match(compared, "--samples", "200", "--clusters", "5")["pairs"]["ep-centered and backprop, same seed"][0]["hidden"]
    assert [pair[:2] for pair in told["matched"]] == [[unit, unit] for unit in range(10)]  # both grew from the same weights
    assert [pair[2] for pair in told["matched"]] == pytest.approx(between.diagonal().tolist(), abs=1e-6)
    assert [pair[1] for pair in told["best"]] == np.abs(between).argmax(1).tolist()
    assert len(told["clusters"]["first"]) == len(told["clusters"]["second"]) == 10
    # A cluster holds a unit and its copy, whose correlation is near 1, more often than not; shuffled ones would share 2 of 10.
    assert sum(a == b for a, b in zip(told["clusters"]["first"], told["clusters"]["second"], strict=True)) >= 5


def test_a_network_matches_its_copy_exactly(match: Found, compared: Path, tmp_path: Path) -> None:
    """If this fails, loading or answering is not deterministic."""
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(compared, copy)
    result = match(compared, copy, "--samples", "100")
    twins = result["kinds"]["run/ep-centered and copy/ep-centered, same seed"]
    for layer in ("hidden", "output"):
        assert twins[layer]["one_to_one"] == pytest.approx(1.0)
        assert twins[layer]["cka"] == pytest.approx(1.0)


def test_two_runs_of_one_seed_get_a_second_one_each(eqlab: Eqlab, match: Found, tmp_path: Path) -> None:
    """If this fails, an EP network and a backprop network stand without two seeds of one rule beside them."""
    for rule in ("ep-centered", "backprop"):
        assert eqlab("train", *TINY, "--rule", rule, "--engine", "serial", "--out", tmp_path / rule).exit_code == 0
    runs = (tmp_path / "ep-centered", tmp_path / "backprop")
    result = match(*runs, "--samples", "50", "--engine", "serial", "--quiet")
    assert {"ep-centered, two seeds", "backprop, two seeds", "untrained, two seeds"} < set(result["kinds"])
    assert [len(result["pairs"][f"ep-centered and backprop, {which}"]) for which in ("same seed", "two seeds")] == [2, 2]
    seconds = [trained_networks(path.with_name(f"{path.name}-second"), None) for path in runs]
    assert [(one.rule, one.seed) for (one,) in seconds] == [("ep-centered", 1), ("backprop", 1)]
    changed = [path.stat().st_mtime_ns for path in tmp_path.glob("*-second/checkpoints/*")]
    again = match(*runs, "--samples", "50", "--engine", "serial", "--quiet")
    assert again["kinds"] == result["kinds"]
    assert [path.stat().st_mtime_ns for path in tmp_path.glob("*-second/checkpoints/*")] == changed  # nothing is trained twice


def test_without_runs_a_pair_is_trained(match: Found, tmp_path: Path) -> None:
    """If this fails, the question needs two other commands first."""
    settings = [("train_size", "96"), ("hidden", "[8]"), ("embedding", "4"), ("epochs", "1"), ("batch_size", "24")]
    chosen = [word for key, value in settings for word in ("--set", f"training.{key}={value}")]
    result = match("--train", "contrast", *chosen, "--samples", "50", "--engine", "serial", "--quiet", "--out", tmp_path)
    assert "ep-centered and backprop, same seed" in result["kinds"]
    assert len(trained_networks(tmp_path / "networks", None)) == 4


def test_bad_input_is_one_sentence(eqlab: Eqlab, compared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, networks of different data are compared, or a missing run ends in a traceback."""

    def refused(*arguments: object) -> str:
        result = eqlab("match", *arguments, "--threads", "1")
        assert result.exit_code == 2, result.output
        return result.stderr

    assert "did you mean 'epochs'" in refused("--set", "training.epoch=2")
    assert "--rules says what is trained where no run is given" in refused(compared, "--rules", "implicit,backprop")
    assert "--training says what is trained" in refused(compared, "--set", "training.epochs=3")
    assert "--seeds says how many are trained" in refused("--no-more-seeds")
    assert "training.seeds would be overruled; give --seeds" in refused("--set", "training.seeds=7")
    assert "greater than or equal to 3" in refused(compared, "--samples", "2")  # of two samples, all units correlate by 1 or -1
    assert "must be 'compare' or 'contrast'" in refused("--train", "contrst")
    assert "there is no run" in refused(tmp_path / "nothing")
    idle = eqlab("match", compared, "--samples", "20", "--data-dir", tmp_path, "--quiet", "--threads", "1", "--out", tmp_path / "idle")
    assert "--data-dir has no effect: digits is bundled data and needs no files" in idle.stderr
    monkeypatch.chdir(compared.parent)
    assert f"give ./{compared.name} if that is meant" in refused(compared.name)
    assert "named twice" in refused(compared, compared)
    other = tmp_path / "moons"
    assert eqlab("train", *TINY, "--data", "two-moons", "--out", other).exit_code == 0
    assert "different data" in refused(compared, other)
    assert not other.with_name("moons-second").exists()
    torn = next(other.glob("**/*.safetensors"))
    torn.write_bytes(torn.read_bytes()[:100])
    assert "is damaged" in refused(other)
