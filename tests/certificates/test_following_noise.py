"""Tolerances that follow the noise: what noise and error are, that the error keeps its share, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from shutil import copyfile

import pytest
import torch
from click.testing import CliRunner
from systems import build_rule, make_cost, seeded
from torch import Tensor
from training_cases import SETTING, Stopped, assert_same_bits, make_network, make_splits, parameters_of, run, without_times

from contrastive_core.certificate import Stop
from contrastive_core.data.batches import batches
from contrastive_core.data.splits import Split
from contrastive_core.errors import InputError
from contrastive_core.files.checkpoint import load_checkpoint, save_checkpoint
from contrastive_core.network import Network
from contrastive_core.rule import Rule, Setting, Settling
from contrastive_core.training.following import Following, require_following
from contrastive_core.training.gradient_noise import Errors, joined, spread
from contrastive_core.training.history_file import history_of
from contrastive_core.training.plan import Plan
from contrastive_core.training.ranks import ALONE
from contrastive_core.types import Batch
from experiments.cli import cli
from experiments.setup.build import plan_of
from experiments.setup.options import TrialOptions

PLAN = Plan(epochs=3, batch_size=4, learning_rates=(0.02,), keep_last=True, follow_noise=0.1)
"""Estimates before the updates 0, 50 of 72."""
SAMPLES = make_splits(train_size=512).train
DOUBLE = Split(SAMPLES.inputs.double(), SAMPLES.labels)


def rule_at(free: float, later: float) -> Rule:
    return build_rule("ep-centered", Setting(make_cost("squared-error"), Settling(free=Stop(free, 500), second=Stop(later, 500))))


@cache
def trained() -> Network:
    """A network in float64 whose error is not that of its first weights, and which settles slowly enough to have a choice."""
    network, _ = run(Plan(epochs=10, batch_size=8, learning_rates=(0.1,), keep_last=True), rule="ep-centered")
    return network.double()


def gradients(network: Network, rule: Rule, shown: list[Batch]) -> Tensor:
    return torch.stack([joined(rule.estimate(network, batch).gradients).double() for batch in shown])


def settled(network: Network, share: float, updates: int, estimates: int = 8) -> Following:
    """Tolerances after some estimates at the same weights."""
    following = Following(rule_at(1e-3, 1e-3), share, updates, 32, ALONE, seeded(3))
    for _ in range(estimates):
        following.numbers[1] = 0  # an estimate is due
        following.next_rule(network, DOUBLE)
    return following


def test_noise_of_mini_batches_is_that_of_samples_over_the_root_of_their_number() -> None:
    """If this fails, the error is compared with another quantity than the noise of a mini-batch."""
    network, rule = make_network().double(), rule_at(1e-10, 1e-10)
    inputs, labels = DOUBLE.inputs[:4], DOUBLE.labels[:4]
    # All pairs of four samples, drawn with replacement: the variance of their means is exactly half of that of the samples.
    pairs = [Batch(inputs[list(pair)], labels[list(pair)]) for pair in product(range(4), repeat=2)]
    samples = [Batch(inputs[i : i + 1], labels[i : i + 1]) for i in range(4)]
    of_pairs, of_samples = (spread(gradients(network, rule, shown)) for shown in (pairs, samples))
    assert of_pairs**2 * 15 / 16 == pytest.approx(of_samples**2 * 3 / 4 / 2, rel=1e-9)
    assert of_samples > 0


def test_share_of_the_noise_counts_a_bias_as_often_as_there_are_updates() -> None:
    """If this fails, an error that does not average out is allowed to add up over the updates, or one that does is not allowed."""
    constant = torch.full((4, 3), 2.0, dtype=torch.float64)
    random = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], dtype=torch.float64)
    for updates in (1, 100):
        assert Errors.of([constant]).share(3.0, updates) == pytest.approx((updates * 12) ** 0.5 / 3)
        assert Errors.of([random]).share(3.0, updates) == pytest.approx(1 / 3)  # each error has the size 1, and their mean is 0
    both = constant + random
    assert Errors.of([both]).share(3.0, 1) == pytest.approx(float(both.square().sum(1).mean()) ** 0.5 / 3)  # the root mean square
    assert Errors.of([constant, random]).share(3.0, 7, (0.5, 3)) == pytest.approx(Errors.of([0.5 * constant + 3 * random]).share(3.0, 7))


@pytest.mark.parametrize(("share", "updates"), [(0.1, 1), (0.1, 16)])
def test_the_error_keeps_its_share_and_is_not_much_smaller(share: float, updates: int) -> None:
    """If this fails, training follows a wrong gradient, or pays for accuracy that nobody asked for."""
    network = trained()
    following = settled(network, share, updates)
    free, later = following.tolerances
    shown = list(batches(DOUBLE, 32))  # all samples, where an estimate has seen four mini-batches
    exact = gradients(network, rule_at(1e-12, 1e-12), shown)
    noise = float(torch.cov(exact.T).diagonal().sum().sqrt())

    def error(factor: float) -> float:
        off = gradients(network, rule_at(factor * free, factor * later), shown) - exact
        bias, around = off.mean(0), off - off.mean(0)
        variance = float(around.square().sum()) / (len(off) - 1)
        return float((updates * max(float(bias.square().sum()) - variance / len(off), 0) + variance) ** 0.5) / noise

    # Four mini-batches tell noise and error to about a fifth each.
    assert error(1) < 1.4 * share
    # One rung more for both phases is a factor of 3.2 in the error, and phases end between two sweeps.
    assert error(10) > share
    assert free > 1e-3 or later > 1e-3


def test_tolerances_grow_with_the_share_and_shrink_with_the_horizon() -> None:
    """If this fails, who asks for more accuracy does not get it."""
    network = trained()
    found = [settled(network, share, 16).tolerances for share in (1e-4, 1e-2, 1.0)]
    assert all(small[i] <= large[i] for small, large in pairwise(found) for i in range(2))
    assert found[0][0] * found[0][1] < found[1][0] * found[1][1] < found[2][0] * found[2][1]
    far = settled(network, 1e-2, 10_000).tolerances
    assert far[0] * far[1] < found[1][0] * found[1][1]


def test_estimates_are_as_rare_as_their_cost_asks_for() -> None:
    """If this fails, following the noise costs more than it can save."""
    network, following = make_network(), Following(rule_at(1e-3, 1e-3), 0.1, 1, 4, ALONE, seeded(3))
    taken = []
    for update in range(4000):
        before = float(following.numbers[7])
        following.next_rule(network, SAMPLES)
        if following.numbers[7] > before:
            taken.append(update)
    assert taken[:4] == [0, 50, 100, 200]
    # An estimate has at least 16 gradients, which are a fiftieth of 800 updates.
    assert all(later - earlier >= 800 for earlier, later in pairwise(taken[5:]))
    assert len(taken) > 8


def test_a_resumed_run_that_follows_the_noise_ends_in_the_same_bits(tmp_path: Path) -> None:
    """If this fails, a run that was killed goes on with other tolerances, or estimates at other times."""
    straight, result = run(PLAN, rule="ep-centered")
    with pytest.raises(Stopped):
        run(PLAN, tmp_path / "stopped", rule="ep-centered", stop_after=1)
    tensors, record = load_checkpoint(tmp_path / "stopped")
    save_checkpoint(tmp_path / "forgotten", tensors | {"extra.following": 0 * tensors["extra.following"]}, record)
    copyfile(history_of(tmp_path / "stopped"), history_of(tmp_path / "forgotten"))
    resumed, again = run(PLAN, tmp_path / "stopped", rule="ep-centered")
    assert_same_bits(parameters_of(straight), parameters_of(resumed))
    assert without_times(result.history) == without_times(again.history)
    _, other = run(PLAN, tmp_path / "forgotten", rule="ep-centered")  # the control: without the numbers it is another run
    assert without_times(result.history) != without_times(other.history)


def test_following_takes_fewer_sweeps_and_leaves_order_and_evaluation_alone() -> None:
    """If this fails, estimates disturb the draws of the training, or their tolerances are not those that phases stop at."""
    fixed, follows = (run(plan, rule="ep-random")[1] for plan in (replace(PLAN, follow_noise=None), replace(PLAN, follow_noise=1.0)))
    first, other = fixed.history[-1], follows.history[-1]
    assert other["sweeps_per_sample"] < 0.9 * first["sweeps_per_sample"]
    assert other["tolerance"] > 1e-3
    assert other["error_share"] <= 1.0
    assert other["unconverged"] == 0
    # The same samples in the same order with the same signs: costs differ by errors of a small share of the noise.
    assert other["train_cost"] == pytest.approx(first["train_cost"], rel=0.02)
    assert "tolerance" not in first


def test_what_cannot_follow_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """If this fails, an option that can do nothing is swallowed, or errors are compared with a noise that is none."""
    settling = SETTING.settling
    cases = {
        "FeedforwardBackprop has no relaxations": ("backprop", SETTING, PLAN),
        "a warm start changes the error": ("ep-centered", SETTING, replace(PLAN, warm_start=True)),
        "last for their budgets": ("ep-centered", replace(SETTING, settling=replace(settling, free=Stop(None, 5))), PLAN),
        "begin between": ("ep-centered", replace(SETTING, settling=replace(settling, second=Stop(1e-6, 50))), PLAN),
        "not two mini-batches of 64": ("ep-centered", SETTING, replace(PLAN, batch_size=64)),
        "give their share by --follow-noise": ("ep-centered", SETTING, replace(PLAN, follow_noise=None, noise_horizon=3)),
        "couples the samples": ("ep-centered", replace(SETTING, cost=make_cost("similarity")), PLAN),
    }
    for sentence, (name, setting, plan) in cases.items():
        with pytest.raises(InputError, match=sentence):
            require_following(build_rule(name, setting), make_network(), setting.cost, plan, 96)
    for wrong in ({"follow_noise": 0.0}, {"follow_noise": float("inf")}, {"noise_horizon": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Plan(**wrong)
    out = tmp_path / "run"
    result = CliRunner().invoke(cli, ["train", "--rule", "backprop", "--follow-noise", "0.1", "--quiet", "--out", str(out)])
    assert result.exit_code == 2
    assert "no relaxations whose tolerances could follow the noise" in result.stderr
    assert not out.exists()
    options = TrialOptions.model_validate({"follow_noise": 0.1})  # one of several rules of a comparison may have nothing to follow
    assert plan_of(options, build_rule("backprop", SETTING)).follow_noise is None
    assert plan_of(options, build_rule("ep-centered", SETTING)).follow_noise == 0.1
    assert "follow_noise" not in TrialOptions.model_validate({}).resolved()


def test_report_and_table_have_the_tolerances_that_were_used(tmp_path: Path) -> None:
    """If this fails, a report certifies phases without saying to which tolerance."""
    out = tmp_path / "run"
    arguments = ["train", "--follow-noise", "0.5", "--train-size", "320", "--hidden", "8", "--epochs", "2", "--out", str(out)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("tolerances ") == 2
    assert "of the noise" in result.stderr
    assert "error / noise" in result.stdout
    assert "Tolerances that follow the noise" in (out / "report.html").read_text()
