"""Reports and their figures: what a page says is what the records hold, however many there are and however the run ended."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import processes
import pytest
from command_line import Eqlab, Found, Refused, refused
from pages import HOSTILE
from pages import Page as Parsed
from pictures import check, group, points, texts
from sweep_cases import digest, new

from experiments.figures.pareto import front
from experiments.figures.writing import heat_map, histogram, pareto, profile
from experiments.report.contents import Contents
from experiments.report.grid_view import binned
from experiments.report.html import render
from experiments.report.page import build_joint_report, build_report
from experiments.report.run_reader import open_for_reading, state_of
from experiments.report.views import show
from experiments.runs.columns import metric_paths, read_columns
from experiments.runs.directory import RunDirectory
from experiments.runs.live_epochs import announce, forget, read_live, running
from experiments.sweeps.axes import Axis

pytestmark = [pytest.mark.usefixtures("rendered"), pytest.mark.usefixtures("here")]


def page_of(name: str) -> tuple[str, Parsed]:
    html = render(build_report(RunDirectory(Path("runs") / name)))
    return html, Parsed(html)


def test_a_front_holds_the_points_that_no_other_beats() -> None:
    """If this fails, a rule that is worse in everything is recommended. The twin compares every pair; small integers make many ties."""
    for seed in range(40):
        drawn = [tuple(map(float, pair)) for pair in np.random.default_rng(seed).integers(0, 6, (12, 2)).tolist()]

        def beaten(point: tuple[float, ...], drawn: list[tuple[float, ...]] = drawn) -> bool:
            return any(other[0] <= point[0] and other[1] <= point[1] and other != point for other in drawn)

        assert sorted(front(drawn)) == [index for index, point in enumerate(drawn) if not beaten(point)]  # type: ignore[arg-type]
    assert front([]) == []


def test_a_pareto_figure_joins_the_front_and_names_its_points() -> None:
    picture = pareto({"time": {"a": (1.0, 3.0), "b": (2.0, 1.0), "c": (3.0, 2.0), "d": (math.nan, 1.0), "e": (None, 0.0)}}, "error")
    assert [point["name"] for point in picture.data["panels"]["time"]["front"]] == ["a", "b"]
    assert [point["name"] for point in picture.data["panels"]["time"]["others"]] == ["c"]
    assert {"a", "b", "c", "time", "error"} <= set(texts(picture))
    assert len(points(picture, "others-0")) == 1
    check(picture)


def test_a_long_axis_is_put_together_in_order() -> None:
    values = list(range(100, 0, -1))
    axis = binned(Axis("draw", ("x", "y"), [[float(value), 0] for value in values]), 10)
    assert axis.name == "x (with y)"
    assert axis.labels == [5.5 + 10 * index for index in range(10)]
    assert axis.places[0] == 9  # the value 100
    names = binned(Axis("rule", ("rule",), [["b"], ["a"]]), 10)
    assert (names.labels, names.places.tolist()) == (["b", "a"], [0, 1])


def test_a_map_hatches_what_failed_and_leaves_empty_what_is_missing() -> None:
    """If this fails, a region in which nothing works looks like one that was not tried."""
    means, failed = [[1.0, None, None], [4.0, 5.0, 6.0]], [[0.0, 1.0, None], [0.0, 0.5, 0.0]]
    picture = heat_map("loss", ("x", "y"), ([1.0, 2.0, 3.0], ["a", "b"]), means, failed)
    assert group(picture, "failed-1-0") is not None
    assert group(picture, "failed-2-0") is None
    assert group(picture, "some-failed-1-1") is not None
    assert {"1", "4", "5", "6", "loss", "x", "y", "a", "b"} <= set(texts(picture))
    cells = group(picture, "cells")
    assert cells is not None
    assert len({part.get("style", "") for part in cells.iter() if "fill: #" in part.get("style", "")}) == 4  # numbers that differ
    check(picture)


@pytest.mark.parametrize("odd", [math.nan, 0.0, -1.0, 1e-300, 1e200], ids=str)
def test_grids_of_numbers_that_cannot_be_drawn_break_nothing(odd: float) -> None:
    check(heat_map(HOSTILE, (HOSTILE, "y"), ([odd, 1.0], [HOSTILE, "b"]), [[odd, 1.0], [odd, None]], [[odd, 1.0], [None, 0.5]]))
    check(profile(HOSTILE, [odd, 2.0], {HOSTILE: {"mean": [odd, 1.0], "low": [None, odd], "high": [2.0, None], "failed": [1.0, odd]}}))
    check(profile("x", [HOSTILE, "b"], {"m": {"mean": [odd, None], "low": [None, None], "high": [None, None], "failed": [0.0, 1.0]}}))
    check(histogram({HOSTILE: [odd, 1.0, None]}))
    check(pareto({HOSTILE: {HOSTILE: (odd, odd), "b": (1.0, odd)}}, HOSTILE))
    check(histogram({}))
    check(pareto({}, ""))


def test_a_report_of_a_sweep_shows_its_map_its_failures_and_its_means(found: Found) -> None:
    """If this fails, what a page says is not what the records hold. Toy values are x plus the seed modulo 1000, computed by hand."""
    new("a", "--grid", "x=1,2", "--grid", "how=well,raise", "--seeds", 3, "--set", f"name={HOSTILE}")
    found("sweep", "run", "a", "--engine", "serial", code=3)
    result = found("report", "a", "--figures", "figures")
    html, page = page_of("a")
    written = Path(result["report"]).read_text()
    assert re.sub(r'<p class="files">.*\n', "", written) == html
    assert result["bytes"] == len(written.encode()) < 500_000
    assert "6 of 12 trials done, 6 failed" in page.text
    assert "Failures; the first 5 of 6" in page.text
    assert "ZeroDivisionError: x is not to be divided by" in page.text
    assert HOSTILE in page.text  # escaped: the parser found text, not elements
    assert not {tag for tag, _ in page.elements} & {"script", "img"}
    data = json.loads(Path("figures/map-of-value.json").read_text())
    assert data["failed"] == [[0.0, 0.0], [1.0, 1.0]]
    with RunDirectory(Path("runs/a")).journal(readonly=True) as journal:
        values = [trial.metrics["value"] for trial in journal.trials("done") if trial.metrics]
        columns = read_columns(journal, metric_paths(journal))
    assert np.nansum(columns.values["value"]) == sum(values)
    assert data["means"][0] == pytest.approx([sum(values[:3]) / 3, sum(values[3:]) / 3])
    assert data["means"][1] == [None, None]
    rows = list(csv.DictReader(Path("figures/map-of-value.csv").read_text().splitlines()))
    assert [float(row["value_V"]) for row in rows if row["how"] == "well"] == pytest.approx(data["means"][0])
    assert {row["share_failed"] for row in rows if row["how"] == "raise"} == {"1.0"}


def test_a_report_links_to_the_numbers_of_its_figures_where_it_writes_them(found: Found) -> None:
    """If this fails, a link leads nowhere, or the numbers of a figure are not found."""
    new("a b", "--grid", "x=1,2", "--seeds", 2)
    found("sweep", "run", "a b", "--engine", "serial")
    places = {"runs/a b/report.html": (), "elsewhere/c.html": ("--figures", "my figures"), "d.html": ()}
    for path, options in places.items():
        out = () if path.startswith("runs") else ("--out", path)
        found("report", "a b", *out, *options, *(("--figure-format", "pdf") if path != "d.html" else ()))
        links = [str(one["href"]) for tag, one in Parsed(Path(path).read_text()).elements if tag == "a"]
        assert len(links) == (0 if path == "d.html" else 2)
        assert all((Path(path).parent / unquote(link)).is_file() for link in links)
    assert Path("my figures/over-x.pdf").exists()
    assert Path("runs/a b/figures/over-x.pdf").exists()
    assert "--figures" in refused("report", "a b", "--out", "d.html", "--figure-format", "pdf")
    assert "--figures" in refused("report", "a b", "--out", "d.html", "--width", "single")
    assert "unknown format of figures 'gif'" in refused("report", "a b", "--figure-format", "svg,gif")
    for wrong in ("triple", "39", "nan", "1e9"):
        assert "40 to 500 millimetres, or one of single (89), double (183)" in refused("report", "a b", "--width", wrong)


def test_table_of_a_report_has_the_mean_of_each_point(found: Found) -> None:
    """If this fails, trials of different settings are averaged. Three seeds a point, the last axis fastest."""
    new("a", "--grid", "x=1,20", "--grid", "layers=[1],[2],[3]", "--seeds", 3)
    found("sweep", "run", "a", "--engine", "serial")
    run = RunDirectory(Path("runs/a"))
    with run.journal(readonly=True) as journal:
        values = [trial.metrics["value"] for trial in journal.trials("done") if trial.metrics]
    (means,) = [table for table in build_report(run).tables if table.title == "Means over seeds"]
    assert means.header[:2] == ["point", "value"]
    assert [row[0] for row in means.rows] == [f"x {x}, layers [{number}]" for x in (1, 20) for number in (1, 2, 3)]
    assert [row[1] for row in means.rows] == pytest.approx([sum(values[first : first + 3]) / 3 for first in range(0, 18, 3)])
    assert [row[3] for row in means.rows] == [3] * 6


def test_several_runs_are_compared_in_one_page(found: Found) -> None:
    for name, x in (("a", "1,2"), ("b", "1,3")):
        new(name, "--grid", f"x={x}", "--seeds", 2)
        found("sweep", "run", name, "--engine", "serial")
    result = found("report", "a", "runs/b", "--out", "both.html")
    page = Parsed(Path("both.html").read_text())
    assert result["figures"] == ["a: over-x", "b: over-x"]
    cells = [text for _, _, text in page.cells]
    setting = cells.index("grid.x")
    assert cells[setting : setting + 3] == ["grid.x", "[1.0, 2.0]", "[1.0, 3.0]"]
    first = cells.index("value at x 1.0")
    assert cells[first + 1] == cells[first + 2]
    assert (cells[cells.index("value at x 2.0") + 2], cells[cells.index("value at x 3.0") + 1]) == ("\N{EN DASH}",) * 2
    assert found("report", "a", "b")["report"] == "runs/report-a-b.html"


def test_sixty_runs_are_one_page_that_says_once_what_is_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a comparison of many runs is larger than documented: it repeats for each run what all runs share."""
    new("run-0", "--grid", "x=1,2")
    with sqlite3.connect("runs/run-0/journal.sqlite") as connection:
        connection.execute("UPDATE trials SET status = 'done', metrics = json_object('value', id), seconds = 0")
    connection.close()
    common = "\n".join(f'common-{index} = "{"c" * 100}"' for index in range(80))
    for index in range(1, 60):
        shutil.copytree("runs/run-0", f"runs/run-{index}")
    for index in range(60):
        config = Path(f"runs/run-{index}/config.toml")
        config.write_text(f'{config.read_text()}\n[filler]\n{common}\nown = "{index}{"o" * 900}"\n')
        provenance = Path(f"runs/run-{index}/provenance.json")
        written = json.loads(provenance.read_text())
        written["starts"] = [{"argv": ["eqlab", f"run-{index}"], "machine": "m" * 500, "started": f"2026-01-01T00:00:{index:02d}+00:00"}]
        provenance.write_text(json.dumps(written))
    views: list[Contents] = []
    monkeypatch.setattr("experiments.report.page.refuse_special_files", lambda path: None)
    monkeypatch.setattr("experiments.report.run_reader.refuse_edited", lambda run, facts: None)
    monkeypatch.setattr("experiments.report.page.show", lambda run, fronts: views[0] if views else views.append(show(run)) or views[0])
    page = build_joint_report([RunDirectory(Path(f"runs/run-{index}")) for index in range(60)])
    html = render(page)
    assert len(html.encode()) < 500_000
    assert len(page.pictures) > 1
    assert sum(key.endswith("common-7") for key in page.config) == 1
    assert sum(value == "m" * 500 for value in page.provenance.values()) == 1
    assert [page.provenance[f"run-{index}.start.argv"] for index in (0, 59)] == ['["eqlab", "run-0"]', '["eqlab", "run-59"]']
    assert len(page.tables[0].rows) == 60
    assert page.tables[1].title == "Means over the seeds that are done"  # a setting of 60 x 900 letters has no room


def test_a_run_that_was_killed_has_a_report_also_before_its_first_trial() -> None:
    new("a", "--grid", "x=1,2")
    html, page = page_of("a")
    assert "0 of 2 trials done" in page.text
    assert "time left unknown" in page.text
    assert "<progress" in html
    Path("runs/a/journal.sqlite").unlink()
    assert "nothing is recorded yet" in page_of("a")[1].text


def test_a_page_stays_small_and_says_what_it_leaves_out() -> None:
    """If this fails, a large sweep gives a page that no browser opens."""
    values = ",".join(map(str, range(3000)))
    new("a", "--grid", f"x={values}", "--grid", "layers=[1],[2]", chunk=100)
    with sqlite3.connect("runs/a/journal.sqlite") as connection:
        connection.execute("UPDATE trials SET status = 'done', metrics = json_object('value', id), seconds = 0")
    connection.close()
    html, page = page_of("a")
    assert len(html.encode()) < 500_000
    assert "6000 of 6000 trials done" in page.text
    assert "the first 20 of 6000 points" in page.text


def test_what_running_trials_tell_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    """If this fails, a line that is being written breaks the page, or an earlier attempt's epochs are shown as this one's."""
    announce(tmp_path, "3")({"epoch": 7, "validation_error": 0.1})
    tell = announce(tmp_path, "3")
    for epoch in (1, 2):
        tell({"epoch": epoch, "validation_error": math.nan})
    with (tmp_path / "3.ndjson").open("a") as stream:
        stream.write('[1]\n{"epoch": 3, "valid')
    assert [epoch.epoch for epoch in read_live(tmp_path, "3")] == [1, 2]
    assert read_live(tmp_path, "3")[0].metrics["validation_error"] is None
    (tmp_path / "4.ndjson").symlink_to("/etc/passwd")
    assert running(tmp_path) == ["3"]
    forget(tmp_path, "3")
    tell({"epoch": 3})  # a late word of a trial that was recorded already is dropped with the directory
    assert read_live(tmp_path / "gone", "3") == []
    announce(tmp_path / "gone", "3")({"epoch": 1})  # a full disk or a lost directory is no trial's concern


def test_a_sweep_of_trainings_is_seen_growing_killed_and_resumed_from_its_checkpoint(found: Found) -> None:
    """If this fails, curves are seen only after hours, a kill costs a whole training, or watching changes a result."""
    settings = ("--grid", "rule=backprop,ep-centered", "--set", "train_size=96", "--set", "hidden=[8]", "--set", "epochs=30")
    for name in ("whole", "killed"):
        new(name, *settings, experiment="train", chunk=1)
    found("sweep", "run", "whole", "--engine", "serial")
    run = RunDirectory(Path("runs/killed"))
    command = [*processes.PROGRAM, "sweep", "run", "killed", "--engine", "process:1", "--quiet"]
    seen: list[int] = []
    with subprocess.Popen(command, env=processes.ENVIRONMENT, stdout=subprocess.DEVNULL) as driver:
        deadline = time.monotonic() + 60
        while len(set(seen)) < 3 and time.monotonic() < deadline and driver.poll() is None:
            with open_for_reading(run) as opened:
                assert opened is not None
                if opened.running:
                    seen.append(len(opened.history(opened.running[0])))
            time.sleep(0.01)
        saved = list(run.checkpoints.glob("*.safetensors"))
        driver.send_signal(signal.SIGKILL)
    assert len(set(seen)) >= 3, seen
    assert len(saved) == 1
    html, page = page_of("killed")
    assert "1 under way" in page.text
    assert 'id="f0-validation_error-0"' in html
    found("sweep", "run", "killed", "--engine", "serial")
    assert digest("killed") == digest("whole")
    assert list(run.checkpoints.iterdir()) == []
    assert not run.live.exists()
    with open_for_reading(run) as opened:
        assert opened is not None
        assert state_of(opened).startswith("2 of 2 trials done, 0 failed;")
        assert [len(opened.history(key)) for key in "01"] == [30, 30]
    assert {"learning-curves", "pareto"} <= set(found("report", "killed")["figures"])


def test_a_report_is_made_of_every_kind_of_run(eqlab: Eqlab, found: Found) -> None:
    """If this fails, there is a run that nobody can look at."""
    tiny = ("--train-size", 32, "--hidden", 4, "--epochs", 2, "--quiet")
    found("train", *tiny, "--out", "runs/train")
    found("compare", *tiny, "--rules", "ep-centered,backprop", "--seeds", 2, "--engine", "serial", "--out", "runs/compare")
    found("gradients", "--rules", "ep-centered,backprop", "--samples", 4, "--hidden", 4, "--out", "runs/gradients")
    small = ("--size", 100, "--sweeps", 10, "--burn-in", 2, "--chains", 2, "--engine", "serial")
    eqlab("phase", *small, "--dilutions", "0.2,0.8", "--ratios", "0.2,0.6", "--out", "runs/phase")
    eqlab("learn", *small, "--qualities", "0.5", "--examples", "3,9", "--out", "runs/learn")
    new("relaxation", "--grid", "gain=0.5,1", "--set", "samples=2", "--set", "trajectory=true", experiment="relaxation")
    found("sweep", "run", "relaxation", "--engine", "serial")
    expected = {
        "train": {"learning-curves"},
        "compare": {"comparison", "learning-curves", "pareto", "time-and-error"},
        "gradients": {"alignment", "relaxation", "relaxation-of-layers"},
        "phase": {"phase-3", "dilution-3"},
        "learn": {"learning", "thresholds"},
        "relaxation": {"over-gain", "relaxation", "relaxation-of-layers"},
    }
    for name, figures in expected.items():
        result = found("report", name)
        assert set(result["figures"]) == figures
        assert result["bytes"] < 500_000
        assert not Parsed(Path(result["report"]).read_text()).open
    everything = found("report", *expected, "--out", "all.html")
    assert everything["bytes"] < 500_000
    assert len(everything["figures"]) >= 6


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no name": (("report",), "which run?"),
    "no run": (("report", "b"), "there is no run runs/b"),
    "no run among several": (("report", "a", "b"), "there is no run runs/b"),
    "no run to watch": (("watch", "b", "--wait", "0"), "there is no run runs/b"),
    "nothing to watch": (("watch",), "which run?"),
    "a folder": (("report", "./folder"), "is not the directory of a run: it has no config.toml"),
    "a folder to watch": (("watch", "./folder", "--wait", "0"), "is not the directory of a run: it has no config.toml"),
    "one metric": (("report", "a", "--front", "value"), "--front needs two different metrics, got value"),
    "unknown metric": (("report", "a", "--front", "value,cuont"), "unknown metric 'cuont'; did you mean 'count'?"),
    "a directory as a file": (("report", "a", "--out", "folder"), "folder is a directory"),
    "a file as a directory": (
        ("report", "a", "--figures", "folder/file"),
        "file is a file, and figures are several files; give a directory",
    ),
    "unwritable": (("report", "a", "--out", "/proc/eqlab/report.html"), "cannot write the report"),
    "port": (("watch", "a", "--port", "99999"), "--port must be less than or equal to 65535"),
    "damaged": (("report", "damaged"), "journal.sqlite is damaged"),
    "damaged, watched": (("watch", "damaged"), "journal.sqlite is damaged"),
    "a link": (("report", "linked"), "is a link, which may lead out of the run"),
}


@pytest.fixture(scope="module")
def runs(found: Found, tmp_path_factory: pytest.TempPathFactory) -> Path:
    here, root = Path.cwd(), tmp_path_factory.mktemp("seeing")
    os.chdir(root)
    try:
        new("a", "--grid", "x=1,2", "--seeds", 200)
        found("sweep", "run", "a", "--engine", "serial")
        Path("folder").mkdir()
        Path("folder/file").touch()
        for name in ("damaged", "linked"):
            shutil.copytree("runs/a", f"runs/{name}")
        content = bytearray(Path("runs/damaged/journal.sqlite").read_bytes())
        content[2 * 4096 : 8 * 4096] = bytes(6 * 4096)
        Path("runs/damaged/journal.sqlite").write_bytes(content)
        Path("runs/linked/journal.sqlite").unlink()
        Path("runs/linked/journal.sqlite").symlink_to(root / "runs" / "a" / "journal.sqlite")
    finally:
        os.chdir(here)
    return root


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_sentence(refused: Refused, case: str, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a mistake ends in a traceback, or in a page about something else."""
    monkeypatch.chdir(runs)
    arguments, message = WRONG[case]
    assert message in refused(*arguments)
