"""Forms of metrics: a record of another form is named and left out by whatever reads it, and refused where it would be shown."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from command_line import Found, refused
from fuzz_records import RUNS, Change, change, changes, made, problems

from experiments.runs.forms import ANY, FINITE, FLAG, NUMBER, TEXT, Form, list_of, mapping_of, misfit, missing_or, record_of
from experiments.trials.experiment import EXPERIMENTS

pytestmark = pytest.mark.usefixtures("here")

TRIED = 1
"""Changes of the records of each command; ``tests/fuzz/fuzz_records.py`` tries all."""
TRAINING = ("--data", "two-moons", "--hidden", 4, "--train-size", 32, "--epochs", 1, "--quiet")


@pytest.mark.parametrize("command", RUNS)
def test_no_value_of_another_form_ends_in_a_traceback(command: str, tmp_path: Path) -> None:
    """If this fails, one edited or damaged record takes every page and table of its run with it."""
    folder, original = tmp_path / "run", tmp_path / "original"
    line = made(command, folder)
    shutil.copytree(folder, original)
    chosen = random.Random(command).sample(changes(original), TRIED)
    ways = random.Random(command).sample(range(1, 5), TRIED)  # shown again, and read in one other way
    assert [(one, wrong) for one, way in zip(chosen, ways, strict=True) for wrong in problems(original, line, one, (0, way))] == []


def test_every_metric_of_our_experiments_states_its_form() -> None:
    """If this fails, damage of a metric is found by nothing, or only by the table that falls over it."""
    unstated = [f"{name}: {metric}" for name in EXPERIMENTS for metric, form in EXPERIMENTS[name].forms().items() if form == ANY]
    assert unstated == []


FITS: tuple[tuple[Any, Form], ...] = (
    (None, NUMBER), (1, NUMBER), (0.5, FINITE), ("a", TEXT), (True, FLAG), (None, missing_or(TEXT)), ({"a": [1, None]}, ANY),
    ([], list_of(NUMBER)), ([1, None], list_of(NUMBER)), ({"a": None}, mapping_of(NUMBER)), ({"b": 1}, record_of(a=TEXT)), (3, "later"),
)  # fmt: skip
MISFITS: tuple[tuple[Any, Form, str], ...] = (
    ("1", NUMBER, '"1" for m, where a number belongs'),
    (True, NUMBER, "true for m, where a number belongs"),
    (None, FINITE, "null for m, where a number belongs"),
    (1, FLAG, "1 for m, where true or false belongs"),
    (None, mapping_of(NUMBER), "null for m, where a mapping belongs"),
    ({"a": 1, "b": [None]}, mapping_of(NUMBER), "[null] for m.b, where a number belongs"),
    ([1, [2]], list_of(NUMBER), "[2] for m[1], where a number belongs"),
    ({"a": {"b": None}}, record_of(a=record_of(b=list_of(TEXT))), "null for m.a.b, where a list belongs"),
    (7, missing_or(TEXT), "7 for m, where a text belongs"),
)


def test_a_form_names_the_first_place_that_does_not_fit() -> None:
    assert [misfit(value, form, "m") for value, form in FITS] == [None] * len(FITS)
    assert [misfit(value, form, "m") for value, form, _ in MISFITS] == [answer for *_, answer in MISFITS]


def test_readers_name_one_damaged_record_and_leave_it_out(found: Found) -> None:
    """If this fails, a text counts as 0 in a mean, as it does in SQLite, or one record takes the others with it."""
    found("compare", *TRAINING, "--rules", "ep-centered,backprop", "--seeds", 1, "--engine", "serial", "--out", "run")
    before = found("runs", "show", "./run")["runs"][0]
    change(Path("run"), Change(("energy_decrease",), "x"))
    after = found("runs", "show", "./run")["runs"][0]
    assert (before["counts"]["done"], after["counts"]["done"], after["counts"]["failed"]) == (2, 1, 1)
    sentence = 'its record is damaged ("x" for energy_decrease, where a number belongs) and left out; restore it from a copy'
    assert [one["error"] for one in after["failures"]] == [sentence]
    others = {name: value for name, value in before["metrics"].items() if "backprop" in name}
    assert others
    assert after["metrics"].items() == others.items()
    assert [one["error"] for one in found("sweep", "collect", "./run")["failures"]] == [sentence]
    assert sentence in Path(found("report", "./run")["report"]).read_text().replace("&quot;", '"').replace("&#34;", '"')


def test_a_run_that_states_no_forms_is_read_as_before(found: Found) -> None:
    """If this fails, runs of earlier versions cannot be read; shown again, they are held against the forms of this version."""
    found("train", *TRAINING, "--out", "run")
    with closing(sqlite3.connect("run/journal.sqlite")) as connection, connection:
        (forms,) = connection.execute("SELECT content FROM facts WHERE name = 'forms'").fetchone()
        assert json.loads(forms)["gradient_cosine"] == mapping_of(NUMBER)
        connection.execute("DELETE FROM facts WHERE name = 'forms'")
    change(Path("run"), Change(("gradient_cosine",), None))
    assert found("runs", "show", "./run")["runs"][0]["counts"]["done"] == 1
    assert "has null for gradient_cosine, where a mapping belongs; restore the journal" in refused("train", *TRAINING, "--out", "run")
