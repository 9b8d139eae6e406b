"""The training loop: what it chooses and reports, and that a run stopped at any moment goes on bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from systems import RULE_NAMES, build_rule, make_system, seeded
from torch import Tensor
from training_cases import COST, SETTING, Stopped, assert_same_bits, make_network, make_splits, parameters_of, run, without_times

from contrastive_core.baselines.feedforward import FeedforwardBackprop
from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.data.batches import batches
from contrastive_core.data.splits import Split, Splits
from contrastive_core.errors import CheckpointError, DivergenceError, InputError
from contrastive_core.files.checkpoint import load_checkpoint, load_parameters, save_checkpoint
from contrastive_core.files.writing import remove
from contrastive_core.network import Network
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Estimate, Setting, Settling
from contrastive_core.training.evaluation import evaluate
from contrastive_core.training.loop import Plan, Progress, generator_of, train
from contrastive_core.training.optimisers import OPTIMISERS, SCHEDULES
from contrastive_core.training.optimisers.builders import layer_groups
from contrastive_core.training.optimisers.lion import Lion
from contrastive_core.types import Batch

# Resuming


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_resumed_run_is_the_run_that_was_not_stopped(optimiser: str, schedule: str, tmp_path: Path) -> None:
    """A resumed run that differs in one bit is another run: its result cannot be paired with anything."""
    plan = Plan(epochs=4, batch_size=16, optimiser=optimiser, schedule=schedule, learning_rates=(0.02, 0.01), weight_decay=1e-3, decay=0.7)
    straight, whole = run(plan, tmp_path / "straight")
    with pytest.raises(Stopped):
        run(plan, tmp_path / "stopped", stop_after=2)
    # Whatever the fresh network and the global generator are: everything comes from the checkpoint.
    torch.manual_seed(123)
    resumed, rest = run(plan, tmp_path / "stopped", network=make_network(seed=5))
    assert_same_bits(parameters_of(straight), parameters_of(resumed))
    first, second = (load_checkpoint(tmp_path / name) for name in ("straight", "stopped"))
    assert_same_bits(first[0], second[0])
    assert without_times(whole.history) == without_times(rest.history)
    assert (whole.best_epoch, whole.validation, whole.test) == (rest.best_epoch, rest.validation, rest.test)
    for record in (first[1], second[1]):
        record["history"] = without_times(record["history"])
    assert first[1] == second[1]


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_rule_resumes_to_the_same_bits(rule: str, tmp_path: Path) -> None:
    """Rules with draws of their own must take their generator up where it was."""
    plan = Plan(epochs=3, batch_size=32, learning_rates=(0.05,))
    run(plan, tmp_path / "straight", rule=rule)
    with pytest.raises(Stopped):
        run(plan, tmp_path / "stopped", rule=rule, stop_after=1)
    run(plan, tmp_path / "stopped", rule=rule)
    # The checkpoints hold the parameters of the last epoch; the network ends with those of the best, which may be the first.
    assert_same_bits(*(load_checkpoint(tmp_path / name)[0] for name in ("straight", "stopped")))


def test_resumed_run_reports_the_epochs_it_had_done(tmp_path: Path) -> None:
    """The journal of a resumed run has every epoch once."""
    plan, seen = Plan(epochs=3, batch_size=32), []
    with pytest.raises(Stopped):
        run(plan, tmp_path / "checkpoint", stop_after=2)
    run(plan, tmp_path / "checkpoint", on_epoch=lambda record: seen.append(record["epoch"]))
    assert seen == [1, 2, 3]
    again: list[float] = []
    run(plan, tmp_path / "checkpoint", on_epoch=lambda record: again.append(record["epoch"]))
    assert again == [1, 2, 3]


CHILD = """
import os, sys
from pathlib import Path
sys.path[:0] = sys.argv[2].split(os.pathsep)
from contrastive_core.training.loop import Plan
from training_cases import run
waits = sys.argv[3] == "wait"

def on_step(progress):
    print("step", flush=True)
    if waits:
        sys.stdin.readline()

plan = Plan(epochs=8, batch_size=16, optimiser="adam", learning_rates=(0.01,))
run(plan, Path(sys.argv[1]), on_step=on_step)
print("done", flush=True)
"""
STEPS_OF_CHILD = 8 * 6


def start_child(checkpoint: Path, waits: bool) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", CHILD, str(checkpoint), os.pathsep.join(sys.path), "wait" if waits else "run"]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish_child(checkpoint: Path) -> int:
    """Run to the end; return how many steps were taken."""
    child = start_child(checkpoint, waits=False)
    output, errors = child.communicate(timeout=120)
    assert (child.returncode, errors) == (0, "")
    assert output.splitlines()[-1] == "done"
    return output.count("step")


def test_run_killed_at_random_moments_ends_in_the_same_bits(tmp_path: Path) -> None:
    """SIGKILL leaves no time to tidy up: what counts is what was on the disk, and that it was whole."""
    assert finish_child(tmp_path / "straight") == STEPS_OF_CHILD
    moments = random.Random(3)
    for last in (10, 9, 13):
        # The child may take `last` steps and is killed a moment after it reported one of the last four: it cannot have finished,
        # and is anywhere in a step, an evaluation or the writing of a checkpoint, which is due every 6 steps. The first one has
        # reported at least 7, so that there is a checkpoint.
        child = start_child(tmp_path / "killed", waits=True)
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("\n" * last)
        child.stdin.flush()
        for _ in range(last - moments.randrange(4)):
            assert child.stdout.readline() == "step\n"
        time.sleep(moments.uniform(0, 0.02))
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=60)
        assert child.returncode == -signal.SIGKILL
        load_checkpoint(tmp_path / "killed")  # whole at every moment
    # Some epochs were done before the kills, so that there was something to resume.
    assert 0 < finish_child(tmp_path / "killed") < STEPS_OF_CHILD
    assert_same_bits(load_checkpoint(tmp_path / "straight")[0], load_checkpoint(tmp_path / "killed")[0])


def test_checkpoint_of_another_network_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """Weights that happen to fit in part must not be mixed with others."""
    run(Plan(epochs=1), tmp_path / "checkpoint")
    other = make_network(sizes=(6, 5, 3))
    before = parameters_of(other)
    with pytest.raises(
        CheckpointError, match=r"of another network: it holds .*weight_1 6x8.*this network needs weight_1 6x5.*use the configuration"
    ):
        run(Plan(epochs=2), tmp_path / "checkpoint", network=other)
    assert_same_bits(before, parameters_of(other))


def test_checkpoint_of_other_settings_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """Half a run with one learning rate and half with another is neither."""
    run(Plan(epochs=1), tmp_path / "checkpoint")
    network = make_network(seed=4)
    before = parameters_of(network)
    with pytest.raises(CheckpointError, match="trained with other settings; use its own, or start in another directory"):
        run(Plan(epochs=2), tmp_path / "checkpoint", network=network, identity="b")
    assert_same_bits(before, parameters_of(network))


@pytest.mark.parametrize("kept", [0, 5, 8, 100, -1])
def test_truncated_checkpoint_is_refused(kept: int, tmp_path: Path) -> None:
    """A checkpoint cut short anywhere must not be resumed from."""
    run(Plan(epochs=1), tmp_path / "checkpoint")
    content = (tmp_path / "checkpoint").read_bytes()
    (tmp_path / "checkpoint").write_bytes(content[:kept])
    with pytest.raises(CheckpointError, match=r"is damaged or not a checkpoint of eqlab .*delete it to start afresh, or give another"):
        run(Plan(epochs=2), tmp_path / "checkpoint")


def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    """Other files, and safetensors of other programs, are told apart from ours."""
    from safetensors.torch import save

    (tmp_path / "text").write_text("not a checkpoint, but long enough to have a header length", "utf-8")
    (tmp_path / "foreign").write_bytes(save({"parameter.weight_1": torch.zeros(6, 8)}))
    (tmp_path / "tagged").write_bytes(save({"a": torch.zeros(1)}, metadata={"format": "pt"}))
    for name in ("text", "foreign", "tagged"):
        with pytest.raises(CheckpointError, match="damaged or not a checkpoint of eqlab"):
            load_checkpoint(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"cannot read checkpoint .*No such file.*give the path of an existing checkpoint"):
        load_checkpoint(tmp_path / "missing")


def test_removing_a_file_takes_what_killed_writers_left_of_it_and_nothing_else(tmp_path: Path) -> None:
    """If this fails, every kill leaves the weights of a network behind, or removing one checkpoint takes another's."""
    for name in ("0.st", ".0.st.1f.tmp", "10.st", ".10.st.1f.tmp"):
        (tmp_path / name).touch()
    remove(tmp_path / "0.st")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".10.st.1f.tmp", "10.st"]


def test_checkpoint_round_trip_keeps_every_bit_and_replaces_atomically(tmp_path: Path) -> None:
    """Rounded, reordered or half-written tensors would resume to another run."""
    tensors = {
        "a": torch.randn(3, 2, generator=seeded(0)).T,
        "b": torch.tensor(7),
        "c": torch.tensor([0.1, float("nan")], dtype=torch.float64),
    }
    path = tmp_path / "checkpoint"
    save_checkpoint(path, {"a": torch.zeros(1)}, {})
    save_checkpoint(path, tensors, {"history": [0.1, 1e-300], "name": "é"})
    loaded, record = load_checkpoint(path)
    assert {name: (t.dtype, t.shape) for name, t in loaded.items()} == {name: (t.dtype, t.shape) for name, t in tensors.items()}
    assert torch.equal(loaded["a"], tensors["a"])
    assert torch.equal(loaded["c"].view(torch.int64), tensors["c"].view(torch.int64))
    assert record == {"history": [0.1, 1e-300], "name": "é"}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]  # no temporary left behind
    header = path.read_bytes()
    assert json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])["__metadata__"].keys() == {"eqlab"}


def test_parameters_load_into_another_network_of_the_same_shape() -> None:
    """A checkpoint is of a shape, not of an object."""
    source, target = make_network(0), make_network(1)
    load_parameters(target, {f"best.{name}": value for name, value in parameters_of(source).items()}, "best.", Path("x"))
    assert_same_bits(parameters_of(source), parameters_of(target))


# Pairing


def test_purposes_of_a_seed_are_independent_streams() -> None:
    """Two rules with one seed share initial weights and data order; were streams shared, a rule's draws would shift the order."""
    draws = {(seed, purpose): torch.randn(2000, generator=generator_of(seed, purpose)) for seed in (0, 1) for purpose in (0, 1, 2)}
    assert torch.equal(draws[0, 1], torch.randn(2000, generator=generator_of(0, 1)))
    keys = list(draws)
    for i, first in enumerate(keys):
        for second in keys[:i]:
            # Correlation of 2000 independent pairs: standard error 1 / sqrt(2000) = .022; z = 4.5.
            assert abs(float((draws[first] * draws[second]).mean())) < 0.1


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_every_rule_sees_the_same_data_in_the_same_order(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A paired difference between rules is only one of rules if everything else is the same."""
    seen: list[Tensor] = []
    built = build_rule(rule, SETTING)

    class Watched:
        """Records what it is shown."""

        def estimate(self, network: Network, batch: Batch, *, generator: torch.Generator | None = None) -> Estimate:
            seen.append(batch.inputs)
            return built.estimate(network, batch, generator=generator)

        def infer(self, network: Network, inputs: Tensor) -> Relaxation:
            return built.infer(network, inputs)

    splits = make_splits()
    train(make_network(), Watched(), COST, splits, Plan(epochs=2, batch_size=32), 3)  # type: ignore[arg-type]
    order = generator_of(3, 1)
    expected = [batch.inputs for _ in range(2) for batch in batches(splits.train, 32, order)]
    assert len(seen) == len(expected)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(seen, expected, strict=True))
    assert not torch.equal(seen[0], seen[3])  # another order each epoch


def test_initial_weights_depend_on_the_generator_only() -> None:
    """The same seed must give the same weights whatever else the network is told."""
    first, second = (make_system(a, sizes=(6, 8, 3), energy_scale=s).network for a, s in (("tanh", 1.0), ("hard-sigmoid", 0.3)))
    assert_same_bits(parameters_of(first), parameters_of(second))
    for index, fan_in in enumerate((6, 8)):
        # Uniform in +-g / sqrt(fan in), g = .6 here: inside the bound, and more than half of it used (48 and 24 draws).
        largest = float(first.weight(index).detach().abs().max())
        assert 0.5 * 0.6 / fan_in**0.5 < largest <= 0.6 / fan_in**0.5


# Optimisers


def test_lion_is_its_loop_by_hand() -> None:
    """Sign of the interpolated momentum, decoupled decay, and a memory of its own rate, in that order."""
    rate, first, second, decay = 0.01, 0.9, 0.99, 0.1
    parameter = torch.nn.Parameter(torch.randn(5, generator=seeded(0), dtype=torch.float64))
    value, memory = parameter.detach().clone(), torch.zeros(5, dtype=torch.float64)
    optimiser = Lion([parameter], lr=rate, betas=(first, second), weight_decay=decay)
    for step in range(30):
        gradient = torch.randn(5, generator=seeded(step), dtype=torch.float64)
        parameter.grad = gradient.clone()
        optimiser.step()
        for i in range(5):
            direction = first * float(memory[i]) + (1 - first) * float(gradient[i])
            value[i] -= rate * ((direction > 0) - (direction < 0) + decay * float(value[i]))
            memory[i] = second * memory[i] + (1 - second) * gradient[i]
        torch.testing.assert_close(parameter.detach(), value, rtol=0, atol=1e-14)  # eps a step, on values of size 1
    torch.testing.assert_close(optimiser.state[parameter]["momentum"], memory, rtol=0, atol=1e-15)


def test_layers_learn_at_their_own_rates() -> None:
    """Published settings give each layer its rate, input side first; a swap would train another network."""
    network, splits = make_network(), make_splits(train_size=16)
    before = parameters_of(network)
    rule = build_rule("implicit", SETTING)
    gradients = rule.estimate(network, Batch(*splits.train)).gradients
    plan = Plan(epochs=1, batch_size=16, momentum=0.0, schedule="constant", learning_rates=(0.5, 0.001))
    train(network, rule, COST, splits, plan, 0)
    for name, parameter in network.named_parameters():
        rate = {"1": 0.5, "2": 0.001}[name[-1]]
        # One step of gradient descent; batches come in another order, so sums differ by float32 rounding.
        torch.testing.assert_close(before[name] - parameter.detach(), rate * gradients[name], rtol=1e-3, atol=2e-7)


def test_groups_put_weights_and_biases_of_a_layer_together() -> None:
    """And the readout is a layer of its own, the last."""
    network = make_system(sizes=(5, 4, 3), readout=2).network
    groups = layer_groups(network, (0.1, 0.2, 0.3))
    assert [[p.shape for p in group["params"]] for group in groups] == [[(5, 4), (4,)], [(4, 3), (3,)], [(3, 2), (2,)]]
    assert [group["lr"] for group in groups] == [0.1, 0.2, 0.3]
    assert [group["lr"] for group in layer_groups(network, (0.1,))] == [0.1] * 3


@pytest.mark.parametrize(("schedule", "factors"), [("constant", (1, 1, 1)), ("exponential", (1, 0.5, 0.25)), ("cosine", (1, 0.75, 0.25))])
def test_schedules_step_once_an_epoch(schedule: str, factors: tuple[float, ...]) -> None:
    """Stepped per batch, a cosine over epochs would be over after the first of them."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = OPTIMISERS["sgd"]([{"params": [parameter], "lr": 0.4}], 0.0, 0.0)
    steps = SCHEDULES[schedule](optimiser, 3, 0.5)
    rates = []
    for _ in range(3):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        steps.step()
    assert rates == pytest.approx([0.4 * factor for factor in factors], rel=1e-12)


class Constant:
    """A rule whose gradient is 1 everywhere, so that parameters show the learning rates they were moved by."""

    def estimate(self, network: Network, batch: Batch, *, generator: torch.Generator | None = None) -> Estimate:
        """Return ones."""
        return Estimate({name: torch.ones_like(p) for name, p in network.named_parameters()}, {"free": self.infer(network, batch.inputs)})

    def infer(self, network: Network, inputs: Tensor) -> Relaxation:
        """Return the bottom-up pass."""
        return FeedforwardBackprop(COST).infer(network, inputs)


def test_training_steps_the_schedule_once_an_epoch_and_the_optimiser_once_a_batch() -> None:
    """A schedule that stands still, or runs per batch, trains with other rates than the plan says."""
    network = make_system("tanh", sizes=(6, 8, 3)).network
    values = [float(network.bias_1.detach()[0])]
    plan = Plan(epochs=3, batch_size=40, momentum=0.0, schedule="exponential", decay=0.5, learning_rates=(0.001,))
    rule: Any = Constant()
    train(network, rule, COST, make_splits(), plan, 0, on_epoch=lambda _: values.append(float(network.bias_1.detach()[0])))
    # 96 samples in batches of 40: three steps an epoch.
    moved = [before - after for before, after in pairwise(values)]
    assert moved == pytest.approx([3e-3, 1.5e-3, 0.75e-3], rel=1e-9)


def test_clipping_bounds_the_norm_of_the_whole_gradient_and_keeps_its_direction() -> None:
    """Clipped layer by layer, the step would point elsewhere."""
    splits, rule = make_splits(train_size=16), build_rule("implicit", SETTING)
    steps = {}
    for clip in (None, 0.01, 100.0):
        network = make_network()
        before = parameters_of(network)
        train(network, rule, COST, splits, Plan(epochs=1, batch_size=16, momentum=0.0, learning_rates=(1.0,), clip_norm=clip), 0)
        steps[clip] = torch.cat([(before[name] - p.detach()).flatten() for name, p in network.named_parameters()]).double()
    free, clipped = steps[None], steps[0.01]
    assert float(free.norm()) > 0.1
    assert float(clipped.norm()) == pytest.approx(0.01, rel=1e-3)  # float32 weights of size .1, steps of .001
    assert float(free @ clipped / (free.norm() * clipped.norm())) > 1 - 1e-6
    assert torch.equal(steps[100.0], free)


# Choice of the epoch, reports, failures


def poisoned(splits: Splits) -> Splits:
    """The same data with the test labels rotated, so that what is good on validation is bad on test."""
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
    with pytest.raises(CheckpointError, match=r"no checkpoint of a training run: it lacks .*generator.order.*history.*give another"):
        run(Plan(epochs=1), path)
    save_checkpoint(path, {}, [1, 2])  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=r"damaged or not a checkpoint of eqlab"):
        run(Plan(epochs=1), path)


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"clip_norm": 0.0}, {"epochs": 0}, {"batch_size": 0}])
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    """A patience of 0 would stop after one epoch, a clipping norm of 0 would stop learning, both without a word."""
    with pytest.raises(InputError, match=r"at least 1|positive"):
        Plan(**wrong)
