"""The training loop: which epoch it chooses, what it reports, and how it fails."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from systems import RULE_NAMES, build_rule, make_system, seeded
from training_cases import COST, SETTING, Stopped, assert_same_bits, make_network, make_splits, parameters_of, run, without_times

from contrastive_core.baselines.feedforward import FeedforwardBackprop
from contrastive_core.certificate import Stop
from contrastive_core.data.splits import Split, Splits
from contrastive_core.errors import CheckpointError, DivergenceError, InputError
from contrastive_core.files.checkpoint import save_checkpoint
from contrastive_core.network import Network
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.training.evaluation import evaluate
from contrastive_core.training.loop import train
from contrastive_core.training.plan import Plan
from contrastive_core.training.results import Progress
from contrastive_core.types import Batch


def poisoned(splits: Splits) -> Splits:
    """Data with rotated test labels, so that a good validation error is a bad test error."""
    return splits._replace(test=Split(splits.test.inputs, (splits.test.labels + 1) % 3))


def test_validation_chooses_the_epoch_and_test_has_no_say() -> None:
    """Choosing by the test split is the commonest way to a number that does not hold."""
    plan, results = Plan(epochs=6, batch_size=8, learning_rates=(0.1,)), []
    for splits in (make_splits(), poisoned(make_splits())):
        network, snapshots = make_network(), []
        result = train(
            network,
            build_rule("ep-centered", SETTING),
            COST,
            splits,
            plan,
            1,
            on_epoch=lambda _, n=network, s=snapshots: s.append(parameters_of(n)),
        )
        errors = [record["validation_error"] for record in result.history]
        assert result.best_epoch == 1 + errors.index(min(errors))
        assert len(set(errors)) > 2  # there was a choice
        assert_same_bits(parameters_of(network), snapshots[result.best_epoch - 1])
        assert result.validation.error == min(errors)
        results.append(result)
    assert results[0].best_epoch == results[1].best_epoch
    assert without_times(results[0].history) == without_times(results[1].history)
    assert results[0].test.error != results[1].test.error


def test_test_split_is_read_once_and_only_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test error computed every epoch is one that someone will select by."""
    from contrastive_core.training import loop

    splits, asked = make_splits(), []

    def watched(network: Network, rule: Any, cost: Any, split: Split, *more: Any) -> Any:
        asked.append("test" if split is splits.test else "validation")
        return evaluate(network, rule, cost, split, *more)

    monkeypatch.setattr(loop, "evaluate", watched)
    train(make_network(), FeedforwardBackprop(COST), COST, splits, Plan(epochs=3), 0)
    assert asked == ["validation"] * 4 + ["test"]


def test_patience_stops_after_epochs_without_a_better_validation_error(tmp_path: Path) -> None:
    """And a resumed run has the patience that was left, not a new one."""
    frozen = Plan(epochs=20, learning_rates=(1e-12,), patience=3)
    _, result = run(frozen)
    assert (len(result.history), result.best_epoch) == (4, 1)
    with pytest.raises(Stopped):
        run(frozen, tmp_path / "checkpoint", stop_after=3)
    assert len(run(frozen, tmp_path / "checkpoint")[1].history) == 4
    learning = Plan(epochs=6, batch_size=8, learning_rates=(0.1,), patience=6)
    assert len(run(learning)[1].history) == 6


def test_diverging_run_stops_with_an_error_that_says_what_to_change() -> None:
    """Not with NaN in the record."""
    linear = make_system("linear", sizes=(6, 8, 3), dtype=torch.float32).network
    rule = build_rule("ep-centered", Setting(COST, Settling(free=Stop(1e-3, 400), second=Stop(1e-3, 400))))
    with pytest.raises(DivergenceError, match=r"diverged in the .* phase: states were not finite within .* lower the learning rate"):
        train(linear, rule, COST, make_splits(), Plan(epochs=20, learning_rates=(5.0,)), 0)


def test_gradient_that_is_not_finite_stops_the_run() -> None:
    """Backpropagation has no relaxation to notice; the loop must."""
    network = make_system("linear", sizes=(6, 8, 3), dtype=torch.float32).network
    with pytest.raises(DivergenceError, match=r"the gradient is not finite in epoch \d+, step \d+; lower the learning rate or the gain"):
        train(network, FeedforwardBackprop(COST), COST, make_splits(), Plan(epochs=40, learning_rates=(1e6,)), 0)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_rule_learns_the_task(rule: str) -> None:
    """An integration of everything: after a few epochs the cost is well below its start, where guessing leaves it."""
    network = make_network()
    start = evaluate(network, build_rule(rule, SETTING), COST, make_splits().train)
    _, result = run(Plan(epochs=8, batch_size=8, learning_rates=(0.1,)), rule=rule, network=network)
    assert result.history[-1]["train_cost"] < 0.8 * start.cost
    assert result.history[-1]["train_cost"] < 0.9 * result.history[0]["train_cost"]


def test_progress_counts_samples_sweeps_and_steps() -> None:
    """The numbers beside the progress bar are averages over samples, the smaller last batch included."""
    seen: list[Progress] = []
    splits = make_splits(train_size=40)
    network, rule = make_network(), build_rule("ep-centered", SETTING)
    _, rate = seen, 1e-12  # so small that the network stays as it is
    result = train(network, rule, COST, splits, Plan(epochs=1, batch_size=32, learning_rates=(rate,)), 0, on_step=seen.append)
    assert [(p.epoch, p.step, p.num_steps) for p in seen] == [(1, 1, 2), (1, 2, 2)]
    whole = rule.estimate(network, Batch(*splits.train))
    assert seen[-1].sweeps == pytest.approx(sum(float(p.steps.double().mean()) for p in whole.relaxations.values()), rel=0.05)
    exact = evaluate(network, rule, COST, splits.train)
    assert seen[-1].train_cost == pytest.approx(exact.cost, rel=1e-5)
    assert seen[-1].train_error == pytest.approx(exact.error, abs=1e-6)
    assert result.history[0]["train_cost"] == seen[-1].train_cost


@pytest.mark.parametrize("bias", [1e30, -1e30, float("nan")])
@pytest.mark.parametrize("rule", ["ep-centered", "ep-positive", "backprop"])
def test_an_evaluation_without_a_finite_cost_is_no_result(rule: str, bias: float) -> None:
    """If this fails, a training whose outputs are finite and whose cost is not is recorded as done, with no test cost."""
    network = make_network()
    with torch.no_grad():
        network.bias(len(network.sizes) - 1).fill_(bias)
    with pytest.raises(DivergenceError, match="not finite"):
        evaluate(network, build_rule(rule, SETTING), COST, make_splits().train)


def test_evaluation_averages_over_samples_not_chunks() -> None:
    """Chunks of 500 with a smaller last one: a mean of means would weigh its samples more."""
    generator = seeded(4)
    inputs = torch.rand((730, 6), generator=generator)
    split = Split(inputs, torch.randint(3, (730,), generator=generator))
    network, rule = make_network(), build_rule("ep-centered", SETTING)
    result = evaluate(network, rule, COST, split)
    free = rule.infer(network, inputs)
    with torch.no_grad():
        clamped = network.clamp(inputs)
        fall = network.energy(network.initial_state(clamped), clamped) - network.energy(free.state, clamped)
    batch = Batch(*split)
    output = network.output(free.state)
    # float32 sums of 500 and 730 terms.
    assert result.error == pytest.approx(float(COST.errors(output, batch).double().mean()), abs=1e-12)
    assert result.cost == pytest.approx(float(COST.value(output, batch).double().mean()), rel=1e-5)
    assert result.sweeps == pytest.approx(float(free.steps.double().mean()), rel=1e-9)
    assert result.energy_decrease == pytest.approx(float(fall.double().mean()), rel=1e-5)
    assert result.energy_decrease > 0
    assert result.unconverged == 0
    short = Setting(COST, Settling(free=Stop(1e-3, 1)))
    assert evaluate(network, build_rule("ep-centered", short), COST, split).unconverged == 1


def test_plain_relaxation_is_what_inference_runs() -> None:
    """Inference starts from rest: a start left over from the batch before would make test errors depend on their order."""
    network, inputs = make_network(), make_splits().test.inputs
    with torch.no_grad():
        clamped = network.clamp(inputs)
        expected = relax(clamped, network.initial_state(clamped), SETTING.settling.dynamics, SETTING.settling.free)
    answer = build_rule("ep-centered", SETTING).infer(network, inputs)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(answer.state, expected.state, strict=True))


def test_a_file_that_holds_no_training_run_is_refused(tmp_path: Path) -> None:
    """Another eqlab file in the place of a checkpoint must not end in a KeyError halfway through."""
    path = tmp_path / "other.safetensors"
    save_checkpoint(path, {"parameter.weight_1": torch.zeros(2, 2)}, {"identity": "someone else's"})
    with pytest.raises(CheckpointError, match=r"not a checkpoint of a training run: it lacks .*generator.order.*history.*give another"):
        run(Plan(epochs=1), path)
    inspect.unwrap(save_checkpoint)(path, {}, [1, 2])
    with pytest.raises(CheckpointError, match=r"damaged or not a checkpoint of eqlab"):
        run(Plan(epochs=1), path)


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"clip_norm": 0.0}, {"epochs": 0}, {"batch_size": 0}])
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    """A patience of 0 would stop after one epoch, a clipping norm of 0 would stop learning, both without a word."""
    with pytest.raises(InputError, match=r"at least 1|positive"):
        Plan(**wrong)
