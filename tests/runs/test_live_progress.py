"""Progress of trials while they run: shares that loops tell, lines on stderr and the sentence of a watched run."""

import math
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from systems import build_rule
from training_cases import COST, SETTING, make_network, make_splits

from contrastive_core.progress import share
from contrastive_core.progress.share import counted, listening, part, tell
from contrastive_core.training.loop import train
from contrastive_core.training.plan import Plan
from experiments.commandline.invocation import Invocation
from experiments.commandline.recorded import from_settings
from experiments.runs import live_shares
from experiments.runs.live_epochs import announce, forget, running
from experiments.runs.live_shares import announce_share, discard_shares, read_share
from experiments.trials.experiment import find_experiment
from experiments.trials.progress import StatusLine, duration, under_way
from hebbian import montecarlo
from hebbian.multitasking import cue, store_patterns
from hebbian.patterns import draw_patterns
from hebbian.storage import remember

Told = list[tuple[float, str]]


@pytest.fixture
def told() -> Told:
    """Return the list that ``heard`` fills."""
    return []


def test_a_loop_in_a_loop_tells_of_its_part_of_the_whole(told: Told) -> None:
    """If this fails, shares of nested loops jump, and the time left follows them."""
    with listening(lambda done, place: told.append((done, place))):
        for _ in counted(range(2), name="epoch"):
            for _ in counted(iter("abcd"), 4):
                tell(0.5)
    expected: Told = []
    for epoch in (0, 1):
        name = f"epoch {epoch + 1} of 2"
        expected += [(epoch / 2, name)]
        for step in range(4):
            expected += [(epoch / 2 + step / 8, name), (epoch / 2 + step / 8 + 1 / 16, name)]
    assert told == expected


def test_parts_and_earlier_items_count(told: Told) -> None:
    """If this fails, a resumed training begins at 0 again."""
    with listening(lambda done, place: told.append((done, place))), part(0.5, 1.0, "training"):
        for _ in counted(range(3, 5), 4, "epoch", done=2):
            pass
    assert told == [(0.5, "training"), (0.75, "training, epoch 3 of 4"), (0.875, "training, epoch 4 of 4")]


def test_a_loop_that_an_error_cut_leaves_the_next_computation_alone(told: Told) -> None:
    """If this fails, a failed trial's open loop shifts the shares of the trial after it."""
    loops = []

    def fails() -> None:
        loop = counted(range(4))
        loops.append(loop)  # a traceback keeps a loop open like this
        next(loop), next(loop)
        raise ValueError("cut")

    with listening(lambda done, _: told.append((done, ""))), pytest.raises(ValueError, match="cut"):
        fails()
    del told[:]
    with listening(lambda done, _: told.append((done, ""))):
        steps = counted(range(2))
        next(steps)
        loops.pop().close()
        next(steps)
        tell(1.0)
    assert [done for done, _ in told] == [0.0, 0.5, 1.0]


def test_without_a_listener_and_in_other_threads_nothing_is_told(told: Told) -> None:
    """If this fails, a helper thread's loop is taken for a part of the computation."""
    assert list(counted(range(3))) == [0, 1, 2]
    with listening(lambda done, _: told.append((done, ""))):
        thread = threading.Thread(target=lambda: list(counted(range(3))))
        thread.start()
        thread.join()
    assert told == []
    assert share._telling.get() is None


@pytest.mark.parametrize("sampler", ["glauber", "block", "descent", "glauber-lanes", "lumped"])
@pytest.mark.parametrize("every", [1, 3])
def test_chains_that_tell_of_their_sweeps_have_the_same_bits(sampler: str, every: int, monkeypatch: pytest.MonkeyPatch, told: Told) -> None:
    """If this fails, showing progress changes results."""
    system = store_patterns(remember(draw_patterns(2, 60, 0.2, np.random.default_rng(0)), 0.2))
    start = cue(system.patterns, np.array([1.0, 0.5]), 3, 0.8, 1)
    temperature = 0.0 if sampler == "descent" else 0.3
    whole = montecarlo.simulate(system, start, temperature, sampler, 5, num_sweeps=31, every=every)
    monkeypatch.setattr(montecarlo, "_BLOCK", 3 * 60 * 4)
    with listening(lambda done, _: told.append((done, ""))):
        pieces = montecarlo.simulate(system, start, temperature, sampler, 5, num_sweeps=31, every=every)
    assert len({done for done, _ in told}) >= 31 // (4 if every == 1 else 3)
    assert pieces.next_step == whole.next_step == 31
    for one, other in zip(pieces[:3], whole[:3], strict=True):
        assert np.array_equal(one, other)


def test_shares_are_announced_from_the_first_second_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a million short trials write a file each, or what a checkpoint brought counts as the pace of this start."""
    clock = [100.0]
    monkeypatch.setattr(live_shares.time, "monotonic", lambda: clock[0])
    listener = announce_share(tmp_path, "a")
    listener(0.0, "")
    listener(0.5, "epoch 11 of 20")
    assert running(tmp_path) == []
    clock[0] += 1.5
    listener(0.6, "epoch 13 of 20")
    listener(0.7, "epoch 15 of 20")  # within a second of the last one
    assert read_share(tmp_path, "a") == (0.6, 0.5, "epoch 13 of 20")
    assert running(tmp_path) == ["a"]
    forget(tmp_path, "a")
    assert running(tmp_path) == []
    assert read_share(tmp_path, "a") is None
    announce(tmp_path, "b")
    announce(tmp_path, "c")
    forget(tmp_path, "a", "b", "../c")  # of a whole chunk, most of whose trials have no file
    assert running(tmp_path) == ["c"]
    (tmp_path / "c.share").write_text("{}")
    discard_shares(tmp_path)  # of a killed start, whose epochs stay
    assert [path.name for path in tmp_path.iterdir()] == ["c.ndjson"]
    forget(tmp_path / "gone", "a")
    listener = announce_share(tmp_path / "gone", "a")
    clock[0] += 9
    listener(0.5, "")  # a lost directory is no trial's concern


@pytest.mark.parametrize("text", ["", "[1]", '{"done": 2, "since": 0, "place": ""}', '{"done": null, "since": 0, "place": ""}', "\xff"])
def test_a_damaged_share_is_none(text: str, tmp_path: Path) -> None:
    """If this fails, a half-written file stops a watcher."""
    (tmp_path / "a.share").write_text(text, encoding="latin-1")
    assert read_share(tmp_path, "a") is None


def test_progress_says_how_far_the_running_trials_are(tmp_path: Path) -> None:
    """If this fails, a study of one long trial says nothing until it is over."""
    assert under_way(None) == under_way(tmp_path) == under_way(tmp_path / "missing") == ("", 0.0, 0.0)
    announce(tmp_path, "a")
    assert under_way(tmp_path).text == "; 1 under way"
    (tmp_path / "b.share").write_text('{"done": 0.15, "since": 0.05, "place": "epoch 4 of 20"}')
    assert under_way(tmp_path).text == "; 2 under way, 15 % done (epoch 4 of 20)"
    (tmp_path / "a.share").write_text('{"done": 0.31, "since": 0, "place": ""}')
    now = under_way(tmp_path)
    assert now.text == "; 2 under way, 15 % done (epoch 4 of 20) to 31 % done"
    # 0.41 trials of work in 41 s, and 2 - 0.46 trials to do, at 1 trial in 100 s.
    assert now.pace(0, 2, 41.0) == "0.01 per second, 3 min left"
    assert math.isclose(now.done - now.since, 0.41)


def test_lines_of_one_long_trial_have_its_share_and_time_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If this fails, a single long trial shows neither a share nor a time, or --quiet shows them."""
    (tmp_path / "a.share").write_text('{"done": 0.25, "since": 0, "place": "chains"}')
    counts = {"done": 0, "failed": 0, "pending": 1, "running": 0}
    for quiet in (True, False):
        invocation = Invocation("phase", (), None, False, quiet, 1)
        with StatusLine(invocation, "phase", counts, tmp_path) as line:
            line._shown -= 11
            line._start = time.monotonic() - 10
            line.show()
        err = capsys.readouterr().err
        assert (err == "") is quiet
    assert re.fullmatch(r"phase: 0 of 1 trials, 0\.025 per second, 30 s left, 0 failed; 1 under way, 25 % done \(chains\)\n", err), err


@pytest.mark.parametrize(
    ("seconds", "said"), [(45.4, "45 s"), (120, "2 min"), (9000, "2.5 h"), (356_400, "99.0 h"), (15_000_120, "174 days")]
)
def test_a_time_is_told_in_the_unit_in_which_people_count_it(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_resumed_training_tells_from_its_checkpoint_on(tmp_path: Path, told: Told) -> None:
    """If this fails, an epoch of an hour passes without a line, or a resumed training says that it begins."""
    rule, splits = build_rule("backprop", SETTING), make_splits()
    steps = -(-len(splits.train.labels) // 8)
    for epochs in (1, 3):
        del told[:]
        with listening(lambda done, place: told.append((done, place))):
            train(make_network(), rule, COST, splits, Plan(epochs, 8, schedule="constant"), 1, checkpoint=tmp_path / "checkpoint")
    assert [place for _, place in told] == [f"epoch {epoch} of 3" for epoch in (2, 3) for _ in range(steps + 1)]
    assert np.allclose([done for done, _ in told[1 : steps + 1]], 1 / 3 + np.arange(steps) / steps / 3)


SMALL: dict[str, dict[str, object]] = {
    "basins": {"size": 100, "networks": 3, "sweeps": 10},
    "capacity": {"size": 100, "load": 0.1, "spins": 300},
    "gradients": {"hidden": [4], "samples": 4, "rules": ["ep-centered", "implicit", "ep-positive"]},
    "hardware": {"hidden": [4], "train_size": 30, "epochs": 3},
    "ising": {"epochs": 0, "spins": 8, "searches": 5, "search_sweeps": 5},
    "learn": {"size": 100, "sweeps": 10, "burn_in": 0, "chains": 2},
    "phase": {"size": 100, "sweeps": 10, "burn_in": 0},
    "recall": {"size": 100, "sweeps": 10, "burn_in": 0, "chains": 2},
    "train": {"hidden": [4], "train_size": 30, "epochs": 3},
    "tune": {"hidden": [4], "batch_size": 8, "batches": 2, "warmup": 0, "cosine": 0.5},
}


@pytest.mark.parametrize("name", SMALL)
def test_long_experiments_tell_of_their_shares(name: str, told: Told) -> None:
    """If this fails, one long trial of a command shows no line of progress."""
    experiment = find_experiment(name)
    with listening(lambda done, place: told.append((done, place))):
        experiment.trial(from_settings(experiment.options, SMALL[name]), 0)
    shares = [done for done, _ in told]
    assert len(set(shares)) >= 3
    assert min(shares) >= 0
    assert max(shares) <= 1
    assert np.all(np.diff(shares) >= 0)
    assert any(place for _, place in told)
