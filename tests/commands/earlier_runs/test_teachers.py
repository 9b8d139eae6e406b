"""Teachers of contrast: frozen networks of earlier runs, and the momentum encoder in their place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Found, Refused

from contrastive_core.generators import generator_of
from contrastive_core.sampling.clusters import OnePerClass, OnePerGiven
from contrastive_core.sampling.sampler import cluster
from contrastive_core.types import Batch
from experiments.representations.activities import activities
from experiments.representations.build import build_contrasting, build_embedding, build_objective, objective_setting
from experiments.representations.options import ContrastiveTrialOptions
from experiments.representations.teachers import coded, teacher_of, teaching
from experiments.representations.trial import trial
from experiments.setup.build import load_data
from experiments.setup.tables import RULES

SMALL: dict[str, Any] = {"train_size": 60, "hidden": (7,), "embedding": 6, "batch_size": 20, "probe_test": 60, "epochs": 1}
VIEWS = (
    "contrast",
    "--train-size",
    60,
    "--batch-size",
    20,
    "--probe-test",
    60,
    "--epochs",
    1,
    "--threads",
    1,
    "--quiet",
    "--engine",
    "serial",
)
TINY = (*VIEWS, "--hidden", 7, "--embedding", 6, "--seeds", 1)
BOTH = ("ep-centered", "backprop")


@pytest.fixture(scope="module")
def runs(found: Found, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("teachers")
    found(*TINY, "--rules", ",".join(BOTH), "--cost", "nt-xent + cross-entropy", "--out", place / "sum")
    found("train", "--data", "two-moons", "--hidden", 4, "--epochs", 1, "--threads", 1, "--quiet", "--out", place / "moons")
    return place


def options_of(cost: str, **more: Any) -> ContrastiveTrialOptions:
    return ContrastiveTrialOptions(**(SMALL | {"cost": cost, "temperature": None, "rule": "ep-centered", **more}))


def presented(options: ContrastiveTrialOptions) -> tuple[Batch, Any]:
    """A batch of views as training shows it, and the momentum encoder."""
    splits, objective = load_data(options), build_objective(options)
    network, rule = build_embedding(options, splits, 0), RULES[options.rule](objective_setting(options, objective))
    made = build_contrasting(options, splits, objective, network, rule, 0, teacher_of(options, options.rule, 0, splits))
    return made.present(Batch(splits.train.inputs[:5], splits.train.labels[:5]), torch.Generator().manual_seed(0)), made.follower


@pytest.mark.parametrize("rule", BOTH)
def test_the_targets_are_what_the_earlier_network_answers(runs: Path, rule: str) -> None:
    """If this fails, a network learns from another teacher than the one of its rule, or from outputs that are no embedding."""
    options = options_of("relation-distillation", teacher=str(runs / "sum"), rule=rule)
    batch, follower = presented(options)
    found = teaching(options, rule, 0)
    assert found is not None
    trained, width = found
    assert follower is None
    assert (trained.rule, width) == (rule, 6)
    expected = trained.network.output(trained.answer.infer(trained.network, batch.inputs).state)
    assert batch.extras is not None
    assert expected.shape[1] == 16  # of which ten are classes
    assert torch.equal(batch.extras["teacher"], expected[:, :6])


@pytest.mark.parametrize("cost", ["self-distillation", "bag-of-words(words=5)", "nt-xent + self-distillation + cross-entropy"])
def test_without_a_teacher_the_momentum_encoder_teaches(cost: str) -> None:
    """If this fails, self-distillation has no target, or one as wide as the outputs of other terms."""
    batch, follower = presented(options_of(cost))
    assert batch.extras is not None
    assert torch.equal(batch.extras["teacher"], follower.outputs(batch)[:, :6])


def test_a_frozen_teacher_is_followed(runs: Path) -> None:
    """If this fails, distillation from an earlier run does not lower its own loss."""
    outcome = trial(options_of("score-distillation", rule="backprop", teacher=str(runs / "sum"), epochs=8, learning_rates=(0.01,)), 0)
    assert outcome.metrics["objective"] < 0.6 * outcome.history[0]["train_cost"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ("--cost", "self-distillation", "--embedding", 4),
            "the teacher has 6 outputs and this embedding 4.*give --embedding 6",
        ),
        (("--cost", "relation-distillation", "--rules", "implicit"), "no finished network of implicit and seed 0 that could teach"),
        (
            ("--cost", "relation-distillation", "--data", "two-moons", "--views", "noise"),
            "reads 64 values .*, and two-moons has 2",
        ),
        (("--cost", "relation-distillation", "--teacher", "missing"), "there is no run"),
    ],
)
def test_teachers_that_do_not_fit_are_refused(refused: Refused, runs: Path, tmp_path: Path, more: tuple[object, ...], said: str) -> None:
    """If this fails, a network learns from numbers that mean something else."""
    line = refused(*TINY, "--rules", "backprop", "--out", tmp_path / "no", "--teacher", runs / "sum", *more)
    assert re.search(said, line), line


def test_a_teacher_without_effect_is_told(runs: Path, tmp_path: Path) -> None:
    """If this fails, --teacher is swallowed by objectives that have none."""
    from command_line import eqlab

    result = eqlab(*TINY, "--rules", "backprop", "--teacher", runs / "sum", "--out", tmp_path / "idle")
    assert result.exit_code == 0
    assert "--teacher has no effect: nt-xent has no term of a teacher" in result.stderr


def test_whitened_targets_are_those_of_the_teacher_in_another_space(runs: Path) -> None:
    """If this fails, the space is swallowed, is fitted to other outputs, or the report tells of targets that nobody saw."""
    options = options_of("entry-prediction", teacher=str(runs / "sum"), teacher_space="whitened")
    plain, (batch, _) = options.model_copy(update={"teacher_space": "as-is"}), presented(options)
    splits, teacher = load_data(options), teacher_of(plain, options.rule, 0, load_data(options))
    assert teacher is not None
    assert batch.extras is not None
    known = teacher.outputs(Batch(splits.train.inputs, splits.train.labels)).double()
    centred, shown = known - known.mean(0), teacher.outputs(batch).double() - known.mean(0)
    # Whitened rows have the scalar products of Mahalanobis: no choice of axes and signs is left.
    inverse = torch.linalg.inv(centred.T @ centred / (len(known) - 1))
    found = batch.extras["teacher"].double()
    torch.testing.assert_close(found @ found.T, shown @ inverse @ shown.T, rtol=1e-3, atol=1e-3)  # float32 outputs, condition to 1e3
    told = trial(options, 0).metrics["targets"]
    assert told["isotropy_targets"] > 0.9 > told["isotropy_outputs"]


def test_pseudo_classes_are_clusters_of_the_codes_of_an_earlier_network(runs: Path) -> None:
    """If this fails, one-per-class clusters the inputs although an autoencoder is given."""
    options = options_of("nt-xent", codes_of=str(runs / "sum"), sampling="one-per-class", batch_size=6)
    splits, found = load_data(options), teaching(options.model_copy(update={"teacher": options.codes_of}), options.rule, 0)
    assert found is not None
    codes = activities(found[0].network, found[0].answer, splits.train.inputs)[0]
    made, again = (coded(options, OnePerClass(), options.rule, 0, splits) for _ in range(2))
    assert isinstance(made, OnePerGiven)
    assert isinstance(again, OnePerGiven)
    assert torch.equal(made.classes, again.classes)
    assert codes.shape[1] == 7
    assert torch.equal(made.classes, cluster(codes, 12, generator_of(0, 7)))
    assert not torch.equal(made.classes, cluster(splits.train.inputs, 12, generator_of(0, 7)))  # the control
    batches = made(splits.train, lambda: splits.train.inputs, 6, torch.Generator().manual_seed(0))
    assert all(len(torch.unique(made.classes[rows])) == 6 for rows in batches)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--codes-of", "RUN"), "--sampling shuffled has none; give --sampling one-per-class"),
        (("--teacher-space", "whitened"), "fitted to the outputs of a teacher; give --teacher RUN"),
        (("--cost", "entry-prediction", "--teacher", "RUN", "--teacher-space", "whitened", "--train-size", 6), "over 6 samples"),
    ],
)
def test_codes_and_spaces_without_what_they_need_are_refused(
    refused: Refused, runs: Path, tmp_path: Path, more: tuple[object, ...], said: str
) -> None:
    """If this fails, an option is swallowed, or targets are divided by deviations that are rounding errors."""
    given = [runs / "sum" if word == "RUN" else word for word in more]
    line = refused(*TINY, "--rules", "backprop", "--batch-size", 6, "--out", tmp_path / "no", *given)
    assert said in line, line
