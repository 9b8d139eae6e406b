"""``eqlab.fit``: its page, the run that it leaves, resumption to the same bits, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from command_line import Eqlab
from documents import blocks

import eqlab
from experiments.runs.directory import find_run
from experiments.scripted.fit import ScriptOptions, trial

PLAN = eqlab.TrainingPlan(epochs=3, batch_size=24)


@pytest.fixture
def few() -> Any:
    """Return the first digits of each split."""
    data = eqlab.DATASETS["digits"](None, 0)
    return data._replace(train=data.train.take(slice(48)), validation=data.validation.take(slice(24)), test=data.test.take(slice(24)))


def network(generator: int = 0) -> Any:
    """Return a small network."""
    return eqlab.Layered((64, 4, 10), generator=generator)


def test_the_page_is_a_run_that_the_program_knows(
    eqlab: Eqlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If this fails, a training from Python cannot be found, shown or reported."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").touch()
    monkeypatch.setattr(sys, "argv", ["mine.py", "--fast"])
    (code,) = [block for block in blocks("training.md") if block.language == "python"]
    exec(compile(code.text, "training.md", "exec"), {"__name__": "page"})
    assert capsys.readouterr().out == code.after
    (listed,) = json.loads(eqlab("runs", "list", "--json").stdout)["runs"]
    assert (listed["name"], listed["command"], listed["trials"], listed["done"]) == ("mine", "fit", 1, 1)
    shown = eqlab("runs", "show", "runs/mine")
    assert (shown.exit_code, "by: python mine.py --fast" in shown.stdout) == (0, True), shown.stdout
    refused = eqlab("export", "mine", "--write", "mine.onnx")
    assert (refused.exit_code, "was made by a Python script" in refused.stderr) == (2, True)
    assert json.loads(eqlab("report", "runs/mine", "--json").stdout)["figures"] == ["learning-curves"]
    page = Path("runs/mine/report.html").read_text("utf-8")
    assert "Left out" not in page
    assert "64-32-10" in page


def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path: Path, few: Any) -> None:
    """If this fails, a script that was stopped has to begin again, or ends at other numbers."""
    whole, stopped = network(), network()
    expected = eqlab.fit(whole, "ep-centered", few, PLAN)

    def stop(record: dict[str, float]) -> None:
        if record["epoch"] == 2:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        eqlab.fit(stopped, "ep-centered", few, PLAN, run=tmp_path / "a", callbacks=[stop])
    seen: list[float] = []
    resumed, again = network(), network()
    for later in (resumed, again):  # the rest of the run, and then the complete one
        seen.clear()
        fitted = eqlab.fit(later, "ep-centered", few, PLAN, run=tmp_path / "a", callbacks=[lambda record: seen.append(record["epoch"])])
        assert seen == [1, 2, 3]
        assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), later.parameters(), strict=True))
        times = ["seconds", "cpu_seconds"]
        pd.testing.assert_frame_equal(fitted.history.drop(columns=times), expected.history.drop(columns=times))
        assert (fitted.best_epoch, fitted.test) == (expected.best_epoch, expected.test)
    with find_run(f"{tmp_path}/a").journal(readonly=True) as journal:
        assert [epoch.metrics["train_cost"] for epoch in journal.history("fit")] == expected.history["train_cost"].tolist()


def test_other_objects_in_the_same_place_are_refused(tmp_path: Path, few: Any) -> None:
    """If this fails, the history of one network is shown as that of another, or a mistake is no sentence."""
    plan = eqlab.TrainingPlan(epochs=1, batch_size=24)
    rule = eqlab.RULES["ep-positive"](eqlab.Setting("squared-error", strength=0.1))
    eqlab.fit(network(), rule, few, plan, run=tmp_path / "a")
    other = eqlab.RULES["ep-positive"](eqlab.Setting("squared-error", strength=0.2))
    with pytest.raises(eqlab.InputError, match=r"rule is .*strength=0\.1.* there and .*strength=0\.2.* here"):
        eqlab.fit(network(), other, few, plan, run=tmp_path / "a")
    with pytest.raises(eqlab.InputError, match="parameters is"):
        eqlab.fit(network(1), rule, few, plan, run=tmp_path / "a")
    with pytest.raises(eqlab.InputError, match=r"plan\.epochs is 1 there and 2 here"):
        eqlab.fit(network(), rule, few, eqlab.TrainingPlan(epochs=2, batch_size=24), run=tmp_path / "a")
    with pytest.raises(eqlab.InputError, match="unknown rule 'ep-centred'"):
        eqlab.fit(network(), "ep-centred", few)
    with pytest.raises(eqlab.InputError, match="data must be"):
        eqlab.fit(network(), rule, few.train)  # type: ignore[arg-type]


def test_a_sweep_cannot_make_the_objects_of_a_script() -> None:
    """If this fails, a sweep over trainings of a script fails without a reason."""
    with pytest.raises(eqlab.InputError, match="run the script"):
        trial(ScriptOptions(), 0)
