"""Progress of trials in epochs, while they run."""

from pathlib import Path

from experiments.runs.live_epochs import announce
from experiments.trials.progress import under_way


def test_progress_says_how_far_the_running_trials_are(tmp_path: Path) -> None:
    """If this fails, a study of one long trial says nothing until it is over."""
    assert under_way(None) == under_way(tmp_path) == under_way(tmp_path / "missing") == ""
    first, second = announce(tmp_path, "a"), announce(tmp_path, "b")
    assert under_way(tmp_path) == "; 2 under way after 0 epochs"
    for epoch in (1, 2, 3):
        first({"epoch": epoch})
    second({"epoch": 1})
    assert under_way(tmp_path) == "; 2 under way after 1 to 3 epochs"
