"""Stages of contrast: a run after another learns inside the clusters of what the networks before it answer (MCL)."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Found, Refused
from systems import seeded
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.generators import generator_of
from contrastive_core.sampling.clusters import InsideClusters, InsideGiven
from contrastive_core.sampling.sampler import cluster
from experiments.representations.activities import activities
from experiments.representations.options import ContrastiveTrialOptions
from experiments.representations.stages import earlier, fingerprint, side_by_side, staged
from experiments.representations.trial import trial
from experiments.setup.build import load_data

RULES = ("ep-centered", "backprop")
TINY = ("--train-size", 48, "--hidden", 12, "--embedding", 6, "--batch-size", 12, "--probe-test", 60, "--seeds", 1, "--threads", 1)
SMALL: dict[str, Any] = {"train_size": 48, "hidden": (12,), "embedding": 6, "batch_size": 12, "probe_test": 60, "epochs": 2}
LATER = ("--set", "sampler.clusters=2")
COMMAND = ("contrast", *TINY, "--epochs", 2, "--quiet", "--engine", "serial")


@pytest.fixture(scope="module")
def contrast(found: Found) -> Found:
    """The command on little data: returns the JSON that it prints."""
    return partial(found, *COMMAND)


@pytest.fixture
def contrast_refused(refused: Refused) -> Refused:
    """The command with arguments that it refuses: returns the one line of its error."""
    return partial(refused, *COMMAND)


@pytest.fixture(scope="module")
def chain(contrast: Found, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    place = tmp_path_factory.mktemp("stages")
    first = contrast("--out", place / "first")
    second = contrast("--after", place / "first", *LATER, "--out", place / "second")
    other = contrast("--view-strength", 0.3, "--out", place / "other")
    return place, [first, second, other]


def options_after(run: Path, rule: str) -> ContrastiveTrialOptions:
    return ContrastiveTrialOptions(**SMALL, rule=rule, after=str(run), sampling="inside-clusters", sampler={"clusters": 2})


def clusters_after(run: Path, rule: str) -> Tensor:
    options = options_after(run, rule)
    sampler = staged(InsideClusters(2), earlier(options, rule, 0, load_data(options)), generator_of(0, 5))
    assert isinstance(sampler, InsideGiven)
    return sampler.clusters


def test_samples_are_together_that_every_stage_put_together() -> None:
    """If this fails, a stage is shown negatives that an earlier one has told apart already."""
    features = [torch.randn(30, 3, generator=seeded(index)) for index in (0, 1)]
    one, other = (cluster(rows, 3, generator) for generator in [seeded(2)] for rows in features)
    combined = InsideClusters(3).of_stages(features, seeded(2)).clusters
    together = (one[:, None] == one) & (other[:, None] == other)
    assert torch.equal(combined[:, None] == combined, together)
    corners = torch.tensor([[0.0, 0.0], [0.0, 9.0], [9.0, 0.0], [9.0, 9.0]])
    with pytest.raises(InputError, match="no two samples share"):
        InsideClusters(2).of_stages([corners[:, :1], corners[:, 1:]], seeded(2))


@pytest.mark.parametrize("rule", RULES)
def test_clusters_are_those_of_what_the_network_before_answers(chain: tuple[Path, list[dict[str, Any]]], rule: str) -> None:
    """If this fails, a stage goes on from something else than the run that it names."""
    place, _ = chain
    options = options_after(place / "first", rule)
    (one,) = earlier(options, rule, 0, load_data(options))
    expected = cluster(activities(one.network, one.answer, one.splits.train.inputs)[1], 2, generator_of(0, 5))
    clusters = clusters_after(place / "first", rule)
    assert torch.equal(clusters[:, None] == clusters, expected[:, None] == expected)
    control = clusters_after(place / "other", rule)
    assert not torch.equal(control[:, None] == control, clusters[:, None] == clusters)


@pytest.mark.parametrize("rule", RULES)
def test_a_chain_has_the_outputs_of_every_stage_side_by_side(chain: tuple[Path, list[dict[str, Any]]], rule: str) -> None:
    """If this fails, what the first stage learned is lost in the last one's features."""
    place, (_, second, _) = chain
    options = options_after(place / "second", rule)
    splits = load_data(options)
    stages = earlier(options, rule, 0, splits)
    assert [one.run for one in stages] == ["first", "second"]
    outputs = side_by_side(stages, splits.test.inputs)
    assert outputs.shape == (len(splits.test.labels), 12)
    assert torch.equal(outputs[:, 6:], activities(stages[1].network, stages[1].answer, splits.test.inputs)[1])
    assert not torch.equal(outputs[:, :6], outputs[:, 6:])
    assert second["rules"][rule]["probe_stages"] is not None


def test_a_later_stage_says_what_it_came_after(contrast: Found, chain: tuple[Path, list[dict[str, Any]]]) -> None:
    """If this fails, nobody can tell later from which networks a result follows."""
    place, (first, second, other) = chain
    splits = load_data(options_after(place / "first", RULES[0]))
    networks = [earlier(options_after(place / "first", rule), rule, 0, splits)[0] for rule in RULES]
    assert second["after"] == {"run": str(place / "first"), "fingerprint": fingerprint(networks)}
    assert first["after"] is other["after"] is None
    assert first["rules"]["backprop"]["probe_stages"] is None
    config = (place / "second" / "config.toml").read_text("utf-8")
    assert 'sampling = "inside-clusters"' in config
    assert str(place / "first") in config
    assert contrast("--after", place / "first", *LATER, "--out", place / "second") == second


@pytest.mark.parametrize("rule", RULES)
def test_an_interrupted_stage_goes_on_to_the_same_result(chain: tuple[Path, list[dict[str, Any]]], rule: str, tmp_path: Path) -> None:
    """If this fails, a stage that was stopped is clustered otherwise than one that was not."""

    class Stopped(Exception):  # noqa: N818
        pass

    def stop(record: dict[str, float]) -> None:
        raise Stopped

    place, (_, second, _) = chain
    options, file = options_after(place / "first", rule), tmp_path / "c.safetensors"
    with pytest.raises(Stopped):
        trial(options, 0, checkpoint=file, on_epoch=stop)
    resumed = trial(options, 0, checkpoint=file).metrics
    for name in ("probe_stages", "objective", "alignment", "uniformity", "shortest"):
        assert resumed[name] == second["rules"][rule][name]


def test_a_run_that_is_no_stage_is_refused_in_a_sentence(
    contrast_refused: Refused, chain: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """If this fails, a mistaken chain ends in a traceback, or in a result of other networks."""
    place, _ = chain
    first = ("--after", place / "first", "--out", tmp_path / "run")
    assert "there is no run" in contrast_refused("--after", tmp_path / "none")
    assert "other data or another split" in contrast_refused(*first, "--train-size", 36)
    assert "no finished network of implicit and seed 0" in contrast_refused(*first, "--rules", "implicit")
    assert "no finished network of ep-centered and seed 1" in contrast_refused(*first, "--seed", 1)
    assert "give --sampling inside-clusters" in contrast_refused(*first, "--sampling", "similar-batches")
    assert not (tmp_path / "run").exists()


def test_a_stage_does_not_go_on_after_other_networks(
    contrast: Found, contrast_refused: Refused, chain: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    """If this fails, one table mixes what followed from different first stages, since only a path is in the configuration."""
    place, _ = chain
    shutil.copytree(place / "first", tmp_path / "before")
    given = ("--after", tmp_path / "before", "--rules", "backprop", *LATER, "--out", tmp_path / "run")
    contrast(*given)
    shutil.rmtree(tmp_path / "before")
    shutil.copytree(place / "other", tmp_path / "before")
    assert "came after other networks" in contrast_refused(*given)
