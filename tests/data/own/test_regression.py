"""Numbers and tags as labels: scores are those of scikit-learn, scales are those of the training split, and commands report them."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Eqlab, Found, Refused
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, mean_absolute_error, mean_squared_error, r2_score

from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.data import DATASETS
from contrastive_core.data.named.arrays import own_data
from contrastive_core.data.splits import Splits
from contrastive_core.errors import InputError
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Setting
from contrastive_core.training.evaluation import evaluate
from contrastive_core.training.judge import Judge, judge_of
from contrastive_core.training.loop import train
from contrastive_core.training.plan import Plan
from contrastive_core.types import Batch
from eqlab import RULES

# Both sides compute in float64 from the same numbers; sums of some hundred terms round to 1e-13.
EXACT = 1e-10


def linear(count: int = 120, width: int = 1) -> dict[str, Any]:
    """Targets that are linear in the inputs, far from mean 0 and deviation 1."""
    draw = np.random.default_rng(0)
    inputs = draw.standard_normal((count, 3))
    return {"inputs": inputs, "targets": 500 + inputs @ draw.standard_normal((3, width)) * 40}


def of_parts(judge: Judge, output: torch.Tensor, labels: torch.Tensor) -> tuple[float, dict[str, float]]:
    """Error and scores of samples that two processes share."""
    sums, loss, cost = torch.zeros(0), 0.0, SquaredError()
    for part in (slice(0, 17), slice(17, None)):
        batch = Batch(torch.zeros(len(labels[part]), 1), labels[part])
        found = judge.sums(output[part], batch)
        sums = sums + found if sums.numel() else found
        loss += float(judge.losses(cost, output[part], batch).sum())
    return judge.error(loss / len(labels)), judge.scores(sums)


def test_scores_of_numbers_are_those_of_scikit_learn() -> None:
    """If this fails, a table names something RMSE or R2 that nobody else means by it."""
    draw = torch.Generator().manual_seed(0)
    labels, output = (torch.randn(60, 2, generator=draw, dtype=torch.float64) for _ in range(2))
    scale = torch.tensor([3.0, 0.5])
    true, said = (labels * scale).numpy(), (output * scale).numpy()
    error, scores = of_parts(Judge("regression", 2, (3.0, 0.5)), output, labels)
    assert error == pytest.approx(math.sqrt(mean_squared_error(true, said)), rel=EXACT)
    assert scores["mae"] == pytest.approx(mean_absolute_error(true, said), rel=EXACT)
    assert scores["r2"] == pytest.approx(r2_score(true, said), rel=EXACT)
    same = labels.new_ones(60, 1)
    assert of_parts(Judge("regression", 1, (1.0,)), output[:, :1], same)[1]["r2"] == r2_score(same, output[:, :1])


def test_scores_of_classes_and_tags_are_those_of_scikit_learn() -> None:
    """If this fails, a rare class weighs less, or more, than the field's standard score says."""
    draw = torch.Generator().manual_seed(1)
    output, labels = torch.randn(90, 4, generator=draw), (torch.rand(90, generator=draw) ** 4 * 3).long()  # a class that never occurs
    error, scores = of_parts(Judge("classification", 4), output, labels)
    said = output.argmax(1)
    assert error == float((said != labels).double().mean())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn says that a class is said which no sample has
        assert scores["balanced_error"] == pytest.approx(1 - balanced_accuracy_score(labels, said), rel=EXACT)
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, said, average="macro"), rel=EXACT)
    tags = (torch.rand(90, 4, generator=draw) < 0.3).float()
    error, scores = of_parts(Judge("multi-label", 4), output, tags)
    assert error == 1 - accuracy_score(tags.numpy(), output.numpy() > 0.5)
    assert scores["macro_f1"] == pytest.approx(f1_score(tags.numpy(), output.numpy() > 0.5, average="macro"), rel=EXACT)


def test_targets_are_standardised_by_the_training_split_alone_and_come_back_in_their_unit() -> None:
    """If this fails, something of the test split is learnt, or errors are in no unit that anybody has."""
    arrays = linear(width=2)
    arrays["split"] = np.repeat([0, 1, 2], [80, 20, 20])
    splits = own_data(arrays, names=("price", "rent"))
    assert (splits.task, splits.num_classes, [one.name for one in splits.targets]) == ("regression", 2, ["price", "rent"])
    for column, target in enumerate(splits.targets):
        np.testing.assert_allclose(
            [target.mean, target.deviation], [arrays["targets"][:80, column].mean(), arrays["targets"][:80, column].std()]
        )
        back = splits.test.labels[:, column].double() * target.deviation + target.mean
        np.testing.assert_allclose(back.numpy(), arrays["targets"][100:, column], rtol=1e-6)  # labels are float32
    moved = {**arrays, "targets": arrays["targets"] + np.repeat([0, 900], [80, 40])[:, None]}
    assert own_data(moved).targets[0].mean == splits.targets[0].mean
    assert own_data({**arrays, "targets": 2 * arrays["targets"]}).digest != own_data(arrays).digest


def test_strata_spread_the_largest_targets_and_the_rarest_tags_over_the_splits() -> None:
    """If this fails, a test split may have none of the values that matter."""
    parts = own_data({"inputs": np.ones((200, 1)) * np.arange(200)[:, None], "targets": np.arange(200.0)})
    assert [round(float((part.inputs > 99.5).double().mean()), 1) for part in parts[:3]] == [0.5, 0.5, 0.5]
    tags = np.zeros((200, 2))
    tags[:100, 0], tags[:20, 1] = 1, 1
    parts = own_data({"inputs": np.random.default_rng(0).random((200, 3)), "targets": tags})
    assert parts.task == "multi-label"
    assert [int(part.labels[:, 1].sum()) for part in parts[1:3]] == [3, 3]  # 15 % of 20


def learnt(splits: Splits, epochs: int = 15) -> Any:
    """A network without hidden nonlinearity to speak of, trained on the data."""
    network = Layered((splits.train.inputs.shape[1], 8, splits.num_classes), activation="tanh", energy_scale=0.1, generator=0)
    rule = RULES["ep-centered"](Setting(SquaredError()))
    return train(network, rule, SquaredError(), splits, Plan(epochs=epochs, optimiser="adam", learning_rates=(0.02,)), 0), network, rule


def test_training_lowers_the_error_in_the_unit_of_the_targets() -> None:
    """If this fails, an epoch is chosen by an error that is not the one reported."""
    splits = own_data(linear())
    result, network, rule = learnt(splits)
    with torch.no_grad():
        said = network.output(rule.infer(network, splits.test.inputs).state).double() * splits.targets[0].deviation
    true = splits.test.labels.double() * splits.targets[0].deviation
    # Outputs are float32 and relaxed to a tolerance in both, in the same way.
    assert result.test.error == pytest.approx(math.sqrt(mean_squared_error(true, said)), rel=1e-5)
    assert result.test.scores["r2"] == pytest.approx(r2_score(true, said), rel=1e-5)
    assert result.test.scores["r2"] > 0.9  # a linear law without noise; a network that learns nothing has at most 0
    errors = [record["validation_rmse"] for record in result.history]
    assert result.best_epoch == 1 + int(np.argmin(errors))
    assert errors[0] > 2 * min(errors)
    assert result.history[-1]["train_rmse"] < splits.targets[0].deviation / 2
    untrained = Layered((3, 8, 1), activation="tanh", energy_scale=0.1, generator=0)
    assert evaluate(untrained, rule, SquaredError(), splits.test, judge=judge_of(splits)).scores["r2"] < 0.5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"targets": np.ones((9, 1))}, "column 0 of 'targets' is the same for all samples"),
        ({"targets": [*range(8), math.nan]}, "'targets' has 1 entries that are NaN or infinite"),
        ({"targets": np.ones(5)}, "'targets' has the shape (5,) for 9 samples"),
        ({"targets": np.arange(9), "labels": np.arange(9) % 2}, "a data set has one task"),
        ({"targets": None, "labels": np.zeros(9, int)}, "all 9 samples are of one class"),
        ({"targets": [0, 0, 0, 0, 0, 0, 0, 0, 1], "split": [0] * 7 + [1, 2]}, "the same for all training samples"),
    ],
)
def test_targets_from_which_nothing_is_learnt_are_refused(changes: dict[str, Any], words: str) -> None:
    """If this fails, a NaN or a division by 0 is trained on."""
    arrays = {"inputs": np.random.default_rng(0).random((9, 2)), "targets": np.arange(9.0), **changes}
    with pytest.raises(InputError) as caught:
        own_data({name: value for name, value in arrays.items() if value is not None})
    assert words in str(caught.value)
    assert ";" in str(caught.value)


def test_bundled_numbers_are_those_of_scikit_learn() -> None:
    """If this fails, an error on diabetes is not comparable with anybody's."""
    from sklearn.datasets import load_diabetes

    splits = DATASETS["diabetes"](None, 0)
    back = torch.cat([part.labels for part in splits[:3]]).double() * splits.targets[0].deviation + splits.targets[0].mean
    np.testing.assert_allclose(np.sort(back.numpy()[:, 0]), np.sort(load_diabetes(return_X_y=True)[1]), rtol=1e-5)


TINY = ("--hidden", 4, "--activation", "tanh", "--epochs", 2, "--quiet", "--train-size", 64)


@pytest.mark.usefixtures("here")
def test_commands_report_numbers_by_rmse_and_never_by_an_error(found: Found, refused: Refused, eqlab: Eqlab) -> None:
    """If this fails, a regression is judged by the share of its largest outputs, which is 0 for one output."""
    trained = found("train", "--data", "diabetes", *TINY, "--out", "t")
    assert {"test_rmse", "test_mae", "test_r2", "validation_rmse"} <= set(trained)
    assert not {"test_error", "validation_error"} & set(trained)
    compared = found(
        "compare", "--data", "diabetes", "--rules", "ep-centered,backprop", "--seeds", 2, "--engine", "serial", *TINY, "--out", "c"
    )
    record = compared["rules"]["ep-centered"]
    assert record["test_rmse"]["mean"] > 10  # in the unit of the target, whose deviation is 77
    assert "test_error" not in record
    assert abs(record["paired_difference"]["mean"]) < record["test_rmse"]["mean"]
    figure = (Path("c") / "figures" / "comparison.csv").read_text()
    assert "test_rmse" in figure
    assert "percent" not in figure
    assert "validation_rmse" in (Path("t") / "figures" / "learning-curves.csv").read_text()
    assert "test RMSE" in (Path("c") / "report.html").read_text()
    assert "needs classes" in refused("train", "--data", "diabetes", "--cost", "cross-entropy", *TINY)
    for others in (("contrast",), ("boltzmann", "--labels"), ("joint",), ("hardware",)):
        assert "judges classes" in refused(*others, "--data", "diabetes", "--quiet")
