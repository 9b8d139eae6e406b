"""Run directories and provenance: a run is made once and resumed only as the same run."""

import json
import re
import shlex
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.runs import provenance as provenance_module
from experiments.runs.directory import RunDirectory, open_run, resume_run
from experiments.runs.pages import settle
from experiments.runs.provenance import provenance, source_commit, without_home
from experiments.runs.records import Record
from experiments.runs.sqlite_file import locked


class Demo(CommandOptions):
    hidden: tuple[int, ...] = (64,)
    rate: float = 1e-3
    clip: float | None = None
    data_dir: str | None = Field(None, exclude=True)


def invocation(out: Path | None, command: str = "demo", *argv: str) -> Invocation:
    return Invocation(command, (command, *argv), out, json=False, quiet=True, threads=2)


def test_a_new_run_stores_its_configuration_and_provenance(tmp_path: Path) -> None:
    run = open_run(Demo(data_dir="/data"), invocation(tmp_path / "a" / "run", "demo", "--rate", "0.001"))
    assert run == RunDirectory(tmp_path / "a" / "run", resumed=False)
    assert tomllib.loads(run.config.read_text()) == {"seed": 0, "hidden": [64], "rate": 0.001, "clip": "none"}
    assert run.read_config() == Demo().resolved()
    stored = run.read_provenance()
    assert stored["command"] == "demo"
    assert stored["starts"][0]["argv"] == ["eqlab", "demo", "--rate", "0.001"]
    assert stored["starts"][0]["threads"] == 2
    assert run.checkpoints.is_dir()
    assert run.figures.is_dir()
    with run.journal() as journal:
        journal.plan([("a", {}, 0)])
        settle(journal, [Record("a", "{}", None, None, 0.0)])
        trial = journal.trial("a")
    assert trial is not None
    assert trial.versions == provenance_module.versions()
    with run.journal(readonly=True) as journal:
        assert journal.counts()["done"] == 1


def test_the_same_run_is_resumed_and_notes_the_new_start(tmp_path: Path) -> None:
    open_run(Demo(), invocation(tmp_path))
    run = open_run(Demo(data_dir="/elsewhere"), invocation(tmp_path, "demo", "again"))
    assert run.resumed
    assert [start["argv"][2:] for start in run.read_provenance()["starts"]] == [[], ["again"]]


def test_a_run_with_another_configuration_is_refused_with_every_difference(tmp_path: Path) -> None:
    open_run(Demo(), invocation(tmp_path))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError) as caught:
        open_run(Demo(hidden=(32, 8), clip=1.5), invocation(tmp_path))
    assert 'hidden is [64] there and [32, 8] here; clip is "none" there and 1.5 here' in str(caught.value)
    assert "rate" not in str(caught.value)
    assert "choose another --out" in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_setting_that_only_one_configuration_has_is_a_difference(tmp_path: Path) -> None:
    run = open_run(Demo(), invocation(tmp_path))
    run.config.write_text(run.config.read_text().replace("rate = 0.001", "old = 3"))
    with pytest.raises(InputError, match=r"old is 3 there and missing here; rate is missing there and 0\.001 here"):
        resume_run(tmp_path, Demo(), invocation(tmp_path))


def test_a_run_of_another_command_is_refused(tmp_path: Path) -> None:
    open_run(Demo(), invocation(tmp_path))
    with pytest.raises(InputError, match="holds a run of 'eqlab demo', not 'eqlab other'"):
        open_run(Demo(), invocation(tmp_path, "other"))


def test_a_directory_with_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="not empty and holds no run; choose another --out"):
        open_run(Demo(), invocation(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_resuming_needs_the_directory_of_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not the directory of a run: it has no config\.toml"):
        resume_run(tmp_path, Demo(), invocation(tmp_path))


def test_an_empty_directory_and_one_of_a_start_that_was_killed_are_used(tmp_path: Path) -> None:
    run = open_run(Demo(), invocation(tmp_path))
    run.config.unlink()  # written last
    (tmp_path / ".config.toml.12345678.tmp").write_text("half")
    assert not open_run(Demo(), invocation(tmp_path)).resumed


def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write to .*file/run \(Not a directory\); choose another --out"):
        open_run(Demo(), invocation(tmp_path / "file" / "run"))
    with pytest.raises(InputError, match=r"cannot write to .*file \(.*\); choose another --out"):
        open_run(Demo(), invocation(tmp_path / "file"))


_STARTS = ("provenance.json", '{"command": "demo", "starts": [1]}')


@pytest.mark.parametrize(("name", "content"), [("config.toml", "a ="), ("provenance.json", "{"), ("provenance.json", "[]"), _STARTS])
def test_a_damaged_run_is_named(tmp_path: Path, name: str, content: str) -> None:
    open_run(Demo(), invocation(tmp_path))
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=rf"{re.escape(name)} is .*damaged"):
        open_run(Demo(), invocation(tmp_path))


def test_a_run_without_a_place_gets_a_name_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [open_run(Demo(), invocation(None, "data fetch")).path for _ in range(3)]
    assert len(set(names)) == 3
    assert all(re.fullmatch(rf"runs/data-fetch-\d{{8}}-\d{{6}}-{Demo().digest()[:8]}(-\d)?", str(name)) for name in names)


def test_the_resume_command_is_the_command_line_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a b"
    assert shlex.split(invocation(None, "demo", "--rate", "1").resume_command(path)) == ["eqlab", "demo", "--rate", "1", "--out", str(path)]
    assert shlex.split(invocation(path, "demo", "--out", str(path)).resume_command(path)) == ["eqlab", "demo", "--out", str(path)]


def test_provenance_has_versions_and_no_names_of_people_or_homes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/srv/people/someone")
    record = provenance(["train", "--data-dir", "/srv/people/someone/mnist", "--out=/home/another/runs", "--set=x=/Users/third"], 1)
    assert record["argv"] == ["eqlab", "train", "--data-dir", "~/mnist", "--out=~/runs", "--set=x=~"]
    assert {"eqlab", "python", "numpy", "torch", "numba", "scipy"} <= set(record["versions"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["started"])
    assert not re.search("someone|another|third", json.dumps(record))


def test_only_home_directories_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    assert without_home("/data/home/mnist /home/a/b") == "/data/home/mnist ~/b"


def test_a_copy_outside_a_checkout_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance_module, "_SOURCE", tmp_path)
    source_commit.cache_clear()
    try:
        assert source_commit() == (None, None)
    finally:
        source_commit.cache_clear()


@pytest.mark.parametrize("resumed", [False, True])
def test_what_identifies_a_run_is_written_under_its_lock(tmp_path: Path, resumed: bool) -> None:
    """If this fails, two commands begun at once label the results of one with the configuration of the other."""
    if resumed:
        open_run(Demo(), invocation(tmp_path))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with locked(tmp_path), pytest.raises(InputError, match="another process is writing"):
        open_run(Demo(), invocation(tmp_path, "demo", "second"))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    open_run(Demo(), invocation(tmp_path))


def test_of_two_configurations_begun_at_once_one_is_refused(tmp_path: Path) -> None:
    """All threads find an empty directory at first; whoever locks it writes, the others see a run or its lock."""
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(open_run, Demo(rate=0.1 * (1 + number)), invocation(tmp_path / "run")) for number in range(8)]
    opened = [number for number, call in enumerate(calls) if call.exception() is None]
    assert len(opened) == 1
    assert RunDirectory(tmp_path / "run").read_config()["rate"] == 0.1 * (1 + opened[0])
    assert all(isinstance(call.exception(), InputError) for number, call in enumerate(calls) if number not in opened)


def test_a_start_of_a_run_is_not_lost_to_one_at_the_same_time(tmp_path: Path) -> None:
    open_run(Demo(), invocation(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(open_run, Demo(), invocation(tmp_path, "demo", str(number))) for number in range(8)]
    done = sum(call.exception() is None for call in calls)
    assert len(RunDirectory(tmp_path).read_provenance()["starts"]) == 1 + done
