"""Warm starts: free phases that begin where each sample settled at its last visit."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile

import pytest
import torch
from click.testing import CliRunner
from systems import RULE_NAMES, System, build_rule, exact_settling, make_cost, make_system, seeded
from training_cases import Stopped, assert_same_bits, parameters_of, run

from contrastive_core.analysis.gradient_quality import compare_gradients
from contrastive_core.errors import InputError
from contrastive_core.files.checkpoint import load_checkpoint, save_checkpoint
from contrastive_core.rule import Estimate, Setting
from contrastive_core.training.history_file import history_of
from contrastive_core.training.plan import Plan
from contrastive_core.training.warm_start import LastStates
from contrastive_core.types import Batch, State
from experiments.cli import cli

PLAN = Plan(epochs=3, batch_size=16, learning_rates=(0.002,), keep_last=True, warm_start=True)
SETTLING_RULES = [name for name in RULE_NAMES if build_rule(name, Setting(make_cost("squared-error"))).settles]


def moved_a_little() -> tuple[System, State]:
    """A system, and where its samples settled before its weights were moved by a hundredth of their size."""
    system = make_system("tanh", batch_size=6)
    rule = build_rule("implicit", Setting(make_cost("squared-error"), exact_settling()))
    before = rule.infer(system.network, system.batch.inputs).state
    generator = seeded(5)
    with torch.no_grad():
        for parameter in system.network.parameters():
            parameter += 0.01 * parameter.std() * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return system, before


@pytest.mark.parametrize("name", SETTLING_RULES)
def test_a_warm_start_finds_the_gradient_of_a_cold_one_in_fewer_steps(name: str) -> None:
    """If this fails, remembering states changes what is learnt, or saves nothing."""
    system, before = moved_a_little()
    rule = build_rule(name, Setting(make_cost("squared-error"), exact_settling(), strength=0.1, fraction=0.1))

    def estimate(start: State | None) -> Estimate:  # type: ignore[no-untyped-def]
        return rule.estimate(system.network, system.batch._replace(start=start), generator=seeded(0))

    cold, warm, others = estimate(None), estimate(before), estimate(tuple(layer.roll(1, 0) for layer in before))
    free, nearly = cold.relaxations["free"], warm.relaxations["free"]
    # Both stop within 1e-13 / (1 - contraction) of the one minimum; contrasts divide that by the strength of .1. The unrolled
    # gradient lacks what lies before its start, a factor of 1e-13 / 1e-2 of the whole.
    for layer, same in zip(free.state, nearly.state, strict=True):
        torch.testing.assert_close(layer, same, rtol=0, atol=1e-11)
    _, whole = compare_gradients(warm.gradients, cold.gradients)
    assert whole.relative_error < 1e-8
    assert nearly.steps.double().mean() < free.steps.double().mean()
    # The control: the states of other samples are no good start, so what helps is that each sample gets its own.
    assert nearly.steps.double().mean() < others.relaxations["free"].steps.double().mean()


def test_training_by_warm_starts_takes_fewer_sweeps_from_the_second_epoch_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the option costs memory and saves no work, or the first visit starts elsewhere than at rest."""
    _, warm = run(PLAN, rule="ep-centered")
    _, cold = run(Plan(epochs=3, batch_size=16, learning_rates=(0.002,)), rule="ep-centered")
    assert warm.history[0]["sweeps_per_sample"] == pytest.approx(cold.history[0]["sweeps_per_sample"], rel=1e-6)
    assert warm.history[2]["sweeps_per_sample"] < 0.97 * cold.history[2]["sweeps_per_sample"]
    recall = LastStates.recall

    def of_another(self: LastStates, batch: Batch) -> Batch:
        assert batch.instances is not None
        return recall(self, batch._replace(instances=batch.instances.roll(1)))._replace(instances=batch.instances)

    monkeypatch.setattr(LastStates, "recall", of_another)  # the control
    _, mixed = run(PLAN, rule="ep-centered")
    assert mixed.history[2]["sweeps_per_sample"] > 1.01 * warm.history[2]["sweeps_per_sample"]


def test_a_resumed_run_of_warm_starts_ends_in_the_same_bits(tmp_path: Path) -> None:
    """If this fails, a run that was killed is not the run that was asked for: its states are part of what goes on."""
    straight, _ = run(PLAN, rule="ep-centered")
    with pytest.raises(Stopped):
        run(PLAN, tmp_path / "stopped", rule="ep-centered", stop_after=2)
    tensors, record = load_checkpoint(tmp_path / "stopped")
    forgotten = {name: 0 * tensor if "last_state" in name else tensor for name, tensor in tensors.items()}
    assert sorted(name for name in tensors if "last_state" in name) == ["extra.last_state_1", "extra.last_state_2"]
    save_checkpoint(tmp_path / "forgotten", forgotten, record)
    copyfile(history_of(tmp_path / "stopped"), history_of(tmp_path / "forgotten"))
    resumed, _ = run(PLAN, tmp_path / "stopped", rule="ep-centered")
    assert_same_bits(parameters_of(straight), parameters_of(resumed))
    other, _ = run(PLAN, tmp_path / "forgotten", rule="ep-centered")  # the control: without the states it is another run
    assert any(not torch.equal(first, second) for first, second in zip(straight.parameters(), other.parameters(), strict=True))


def test_a_rule_without_states_refuses_a_warm_start(tmp_path: Path) -> None:
    """If this fails, an option that can do nothing is swallowed, or found wrong only after a run was begun."""
    with pytest.raises(InputError, match="FeedforwardBackprop settles no states"):
        run(PLAN, rule="backprop")
    out = tmp_path / "run"
    arguments = ["train", "--rule", "backprop", "--warm-start", "--train-size", "64", "--hidden", "8", "--quiet", "--out", str(out)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert "settles no states that a warm start could reuse; leave the warm start out" in result.stderr
    assert not out.exists()


def test_the_command_says_what_a_warm_start_keeps_in_memory(tmp_path: Path) -> None:
    """If this fails, a run on a large data set fills the memory without a word."""
    arguments = ["train", "--warm-start", "--train-size", "64", "--hidden", "8", "--epochs", "2", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    # 8 hidden and 10 output units of 64 samples, 4 bytes each: 4608 bytes.
    assert "keeps 18 units of 64 samples: 0.00461 MB, in checkpoints too" in result.stderr
