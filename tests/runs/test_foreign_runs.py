"""Runs that somebody else made or edited: their names lead nowhere else, and nothing that they name is run unasked."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import processes
import pytest
from command_line import Found, Refused
from sweep_cases import new

from contrastive_core.errors import DataError
from experiments.runs.arrays import read_arrays
from experiments.runs.directory import RunDirectory
from experiments.runs.inside import file_of
from experiments.runs.live_epochs import announce, read_live
from experiments.trials.worker import checkpoint_of

pytestmark = pytest.mark.usefixtures("here")

OUTSIDE = ("../mine", "/tmp/mine", "a/b", "..", ".", ".hidden", "", "a\0b", "a\nb", "a\\b", "x" * 300)


def edit(name: str, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(f"runs/{name}/journal.sqlite")) as connection, connection:
        connection.execute(statement, values)


@pytest.mark.parametrize("key", OUTSIDE)
def test_a_key_that_is_no_file_name_makes_no_path(key: str, tmp_path: Path) -> None:
    """If this fails, a received journal chooses files of the user that are deleted or overwritten."""
    run = RunDirectory(tmp_path)
    for make in (lambda: checkpoint_of(tmp_path, key), lambda: announce(tmp_path, key), lambda: file_of(tmp_path, key, ".npz")):
        with pytest.raises(DataError, match="no plain file name"):
            make()
    assert read_arrays(run, key) == {}, "a page leaves the arrays out"
    assert read_live(tmp_path, key) == []


@pytest.mark.parametrize("key", ["0", "ep-centered-3", "noisy_ep:noisy-0", "größe 1", "a..b"])
def test_every_key_that_this_program_makes_is_a_file(key: str, tmp_path: Path) -> None:
    assert file_of(tmp_path, key, ".npz") == tmp_path / f"{key}.npz"


@pytest.mark.parametrize("experiment", ["arrays", "checkpoints"])
def test_an_edited_sweep_touches_no_file_outside_of_it(experiment: str, refused: Refused) -> None:
    if experiment == "arrays":
        new("s", "--seeds", 2, "--set", "arrays=true")
    else:
        new("s", "--seeds", 2, "--set", "data=two-moons", "--set", "train_size=20", "--set", "epochs=1", experiment="train", chunk=1)
    Path("victim").mkdir()
    kept = {Path(f"victim/mine{ending}") for ending in (".npz", ".safetensors", ".ndjson")}
    for path in kept:
        path.write_text("precious")
    edit("s", "UPDATE trials SET key = '../../../victim/mine' WHERE id = 1")
    assert "no plain file name" in refused("sweep", "run", "s", "--engine", "serial", "--quiet")
    assert {path: path.read_text() for path in Path("victim").iterdir()} == dict.fromkeys(kept, "precious")


LINKS = {"checkpoints": "folder", "live": "folder", "trajectories/0.npz": "file", "report.html": "file", "provenance.json": "copy"}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("command", [("sweep", "run"), ("sweep", "collect"), ("report",)])
def test_a_link_in_a_run_is_not_followed(link: str, command: tuple[str, ...], refused: Refused) -> None:
    """If this fails, a received run shows or overwrites what its links lead to, because files are written through links."""
    new("s", "--seeds", 2)
    path, target = Path("runs/s") / link, Path("target")
    if LINKS[link] == "folder":
        target.mkdir()
        if path.is_dir():
            path.rmdir()
    else:
        target.write_bytes(path.read_bytes() if LINKS[link] == "copy" else b"precious")
        path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target.resolve())
    before = target.read_bytes() if target.is_file() else None
    assert "is a link, which may lead out of the run" in refused(*command, "s")
    assert (target.read_bytes() if target.is_file() else None) == before


def test_resuming_a_run_follows_no_link(found: Found, refused: Refused) -> None:
    arguments = ("recall", "--size", 60, "--sweeps", 10, "--burn-in", 2, "--chains", 2, "--quiet", "--out", "r")
    found(*arguments)
    Path("elsewhere").mkdir()
    Path("r/figures").rename("old")
    Path("r/figures").symlink_to(Path("elsewhere").resolve())
    assert "is a link" in refused(*arguments)
    assert not any(Path("elsewhere").iterdir())


EVIL = """
from pathlib import Path
Path("executed").touch()
from trials import EXPERIMENT
"""


def forge(name: str, old: str, module: str) -> None:
    """Name another module wherever a run names one, as whoever sends it can."""
    path = Path(f"runs/{name}/config.toml")
    path.write_text(path.read_text().replace(old, module))
    edit(name, "UPDATE facts SET content = replace(content, ?, ?)", old, module)


def in_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own, which has imported nothing before."""
    return processes.run(Path.cwd(), *arguments, check=False)


LOOKING = (("report", "s"), ("sweep", "status", "s"), ("sweep", "collect", "s"), ("runs", "show", "s"), ("runs", "list"))


@pytest.mark.parametrize("module", ["evil", "evil.inner"])
@pytest.mark.parametrize("command", [*LOOKING, ("sweep", "run", "s"), ("sweep", "retry-failed", "s"), ("device", "export", "runs/s")])
def test_nothing_that_a_run_names_is_imported_unasked(command: tuple[str, ...], module: str) -> None:
    """If this fails, opening a run that somebody sent runs their program."""
    new("s", "--seeds", 2)
    forge("s", "trials:EXPERIMENT", f"{module}:EXPERIMENT")
    folder = Path(module.partition(".")[0]) if "." in module else Path()
    folder.mkdir(exist_ok=True)
    Path(folder, "__init__.py" if "." in module else "evil.py").write_text(EVIL)
    if "." in module:
        Path(folder, "inner.py").write_text(EVIL)
    done = in_process(*command)
    assert not Path("executed").exists()
    assert "Traceback" not in done.stderr
    assert done.returncode == (0 if command in LOOKING else 2), done.stderr
    if command[:2] in {("sweep", "run"), ("sweep", "retry-failed")}:
        assert f"add --plugin {module} if you trust it" in done.stderr


@pytest.mark.parametrize("engine", ["serial", "process:1"])
def test_a_run_computes_with_the_module_that_the_user_names(engine: str) -> None:
    new("s", "--seeds", 2)
    forge("s", "trials:EXPERIMENT", "evil:EXPERIMENT")
    Path("evil.py").write_text(EVIL)
    done = in_process("sweep", "run", "s", "--plugin", "evil", "--engine", engine)
    assert done.returncode == 0, done.stderr
    assert Path("executed").exists()


@pytest.mark.parametrize("engine", ["serial", "process:1"])
def test_a_later_value_of_an_axis_is_not_imported_either(engine: str) -> None:
    """The first point of a grid is checked before the sweep; the module of a later one is named in its trial only."""
    axis = ("--grid", "rule=ep-centered,backprop", "--set", "data=two-moons", "--set", "train_size=20", "--set", "epochs=1")
    new("s", *axis, experiment="train")
    forge("s", "backprop", "evil:RULE")
    edit("s", "UPDATE trials SET options = replace(options, 'backprop', 'evil:RULE')")
    Path("evil.py").write_text(EVIL)
    done = in_process("sweep", "run", "s", "--engine", engine)
    assert done.returncode == 3, done.stderr
    assert "add --plugin evil if you trust it" in done.stderr
    assert not Path("executed").exists()


def test_a_page_names_the_view_that_its_records_do_not_fit(found: Found) -> None:
    found("recall", "--size", 60, "--sweeps", 10, "--burn-in", 2, "--chains", 2, "--quiet", "--out", "runs/r")
    edit("r", "UPDATE trials SET metrics = '{\"flow\": {}}'")
    found("report", "r")
    page = Path("runs/r/report.html").read_text()
    assert "Left out" in page
    assert "a record of the run has no &#39;theory&#39;" in page


LONG, DEEP = "9" * 5000, "[" * 950 + "]" * 950
DAMAGE = {
    "no JSON": ("metrics", "nothing"),
    "a list": ("metrics", "[1]"),
    "a number that is none": ("metrics", '{"steps": NaN}'),
    "a number without end": ("metrics", f'{{"steps": {LONG}}}'),
    "deep metrics": ("metrics", f'{{"steps": {DEEP}}}'),
    "bytes": ("metrics", b"\xff\xfe"),
    "no metrics": ("metrics", None),
    "settings": ("options", "7"),
    "seed": ("seed", "one"),
    "status": ("status", "finished"),
    "seconds": ("seconds", "long"),
    "error": ("error", b"\x00"),
    "name": ("key", b"1"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_one_damaged_record_is_named_and_takes_nothing_with_it(case: str, found: Found) -> None:
    """If this fails, one bad record takes the page about all others, or its trial is averaged as if it were whole."""
    column, value = DAMAGE[case]
    new("s", "--seeds", 3)
    assert found("sweep", "run", "s", "--engine", "serial")
    whole = found("sweep", "collect", "s", "--csv", "whole.csv")
    with closing(sqlite3.connect("runs/s/journal.sqlite")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE trials SET {column} = ? WHERE id = 2", (value,))
    words = "its record is damaged"
    collected = found("sweep", "collect", "s", "--csv", "s.csv")
    assert words in collected["failures"][0]["error"]
    assert collected["failures"][0]["trial"] == 1
    assert collected["counts"] == {"pending": 0, "running": 0, "done": whole["counts"]["done"] - 1, "failed": 1}
    before, after = (Path(name).read_text().splitlines() for name in ("whole.csv", "s.csv"))
    assert [line for line in before if line.split(",")[0] != "1"] == [line for line in after if line.split(",")[0] != "1"], "others changed"
    assert words in found("sweep", "status", "s")["failures"][0]["error"]
    assert words in found("runs", "show", "s")["runs"][0]["failures"][0]["error"]
    assert found("report", "s", "--out", "s.html")
    assert words in Path("s.html").read_text()
    assert found("runs", "list")["runs"][0]["failed"] == 1


@pytest.mark.parametrize("epoch", ['{"loss": 1', "7", b"\xff"])
def test_a_damaged_epoch_is_left_out_of_a_history(epoch: object, found: Found) -> None:
    found("train", "--data", "two-moons", "--train-size", 20, "--hidden", 4, "--epochs", 3, "--rule", "backprop", "--out", "runs/t")
    edit("t", "UPDATE history SET metrics = ? WHERE epoch = 2", epoch)
    with RunDirectory(Path("runs/t")).journal(readonly=True) as journal:
        assert [one.epoch for one in journal.history("train")] in ([0, 1, 3], [1, 3])
    assert found("report", "t")


FACTS = ('{"seeds": 2}', "7", "[[1]]", '[["gain", ["gain"], [[1], 2]]]', '[["gain", "gain", []]]', "null")


@pytest.mark.parametrize("command", [("sweep", "collect", "s"), ("sweep", "status", "s"), ("report", "s")])
@pytest.mark.parametrize("content", FACTS)
def test_axes_of_another_form_are_damage(content: str, command: tuple[str, ...], refused: Refused) -> None:
    """If this fails, an edited journal ends in a traceback."""
    new("s", "--seeds", 2)
    edit("s", "UPDATE facts SET content = ? WHERE name = 'axes'", content)
    assert "is damaged (the fact axes has another form" in refused(*command)


@pytest.mark.parametrize("statement", ["DELETE FROM trials WHERE id = 1", "DELETE FROM facts WHERE name = 'declared'"])
def test_a_journal_without_a_part_of_its_grid_is_damage(statement: str, refused: Refused) -> None:
    new("s", "--seeds", 3)
    edit("s", statement)
    refused("sweep", "collect", "s")
