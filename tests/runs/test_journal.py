"""The journal: what is committed stays, whatever happens to its writer."""

import json
import math
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from contrastive_core.errors import DataError, InputError
from experiments.commandline.output import to_json
from experiments.runs import sqlite_file
from experiments.runs.journal import Journal, StoreError
from experiments.runs.pages import retry_failed, settle
from experiments.runs.records import Record

_WRITER = """
import sys
from pathlib import Path
from experiments.runs.journal import Journal
from experiments.runs.pages import settle
from experiments.runs.records import Record
with Journal(Path(sys.argv[1])) as journal:
    start = int(sys.argv[2])
    for index in range(start, start + 10**6):
        key = f"trial-{index}"
        with journal.transaction():
            journal.plan([(key, {"index": index}, index)])
            history = [(epoch, f'{{"error": {epoch / 7}}}') for epoch in range(3)]
            settle(journal, [Record(key, f'{{"error": {index / 7}}}', None, None, 0.5, history)])
        print(index, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def done(key: str, metrics: Mapping[str, Any], seconds: float = 0.0, history: Sequence[tuple[int, Mapping[str, Any]]] = ()) -> Record:
    epochs = [(epoch, to_json(found, indent=False)) for epoch, found in history]
    return Record(key, to_json(metrics, indent=False), None, None, seconds, epochs)


def failed(key: str, error: str, history: Sequence[tuple[int, Mapping[str, Any]]] = ()) -> Record:
    return done(key, {}, 0.1, history)._replace(metrics=None, error=error)


def integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def test_a_trial_is_stored_with_all_that_it_was_and_found(path: Path) -> None:
    seed = 2**100 + 1  # wider than SQLite's integers
    with Journal(path, versions={"eqlab": "1"}) as journal:
        journal.plan([("a", {"rule": "ep", "rate": 0.1}, seed)])
        assert journal.counts() == {"pending": 1, "running": 0, "done": 0, "failed": 0}
        history = [(1, {"error": 0.5}), (0, {"error": math.nan, "layers": [1.0, math.inf]}), (1, {"error": 0.25})]
        settle(journal, [done("a", {"error": 0.25, "bias": -math.inf}, 1.5, history)])
    with Journal(path) as journal:
        trial = journal.trial("a")
        assert trial is not None
        assert trial.started is not None
        assert trial._replace(started=None) == (
            "a", {"rule": "ep", "rate": 0.1}, seed, "done", {"error": 0.25, "bias": None}, None, 1.5, None, {"eqlab": "1"},
        )  # fmt: skip
        assert journal.history("a") == [(0, {"error": None, "layers": [1.0, None]}), (1, {"error": 0.25})]
        assert journal.trial("b") is None
        assert journal.history("b") == []


def test_numbers_that_are_not_finite_are_null_in_the_file_itself(path: Path) -> None:
    with Journal(path) as journal:
        journal.plan([("a", {}, 0)])
        settle(journal, [done("a", {"error": math.nan})])
    connection = sqlite3.connect(path)
    assert json.loads(connection.execute("SELECT metrics FROM trials").fetchone()[0]) == {"error": None}
    connection.close()


def test_trials_come_in_the_order_planned_and_can_be_chosen_by_status(path: Path) -> None:
    with Journal(path) as journal:
        journal.plan((key, {"key": key}, seed) for seed, key in enumerate("zab"))
        settle(journal, [failed("a", "the energy has no minimum")])
        journal.plan([("a", {"key": "other"}, 9), ("c", {}, 3)])  # what is there is left alone
        assert [(trial.key, trial.status) for trial in journal.trials()] == [
            ("z", "pending"), ("a", "failed"), ("b", "pending"), ("c", "pending"),
        ]  # fmt: skip
        assert [(trial.key, trial.error, trial.seed) for trial in journal.trials("failed")] == [("a", "the energy has no minimum", 1)]
        assert journal.counts() == {"pending": 3, "running": 0, "done": 0, "failed": 1}


def test_a_failed_trial_is_computed_anew_and_keeps_its_history(path: Path) -> None:
    with Journal(path) as journal:
        journal.plan([("a", {"x": 1}, 0)])
        settle(journal, [failed("a", "stopped", [(epoch, {"error": epoch}) for epoch in range(4)])])
        assert retry_failed(journal) == 1
        trial = journal.trial("a")
        assert trial is not None
        assert (trial.status, trial.error, trial.seconds) == ("pending", None, None)
        assert len(journal.history("a")) == 4


def test_a_trial_is_done_once(path: Path) -> None:
    with Journal(path) as journal:
        journal.plan([("a", {"x": 1}, 0)])
        settle(journal, [done("a", {}, 1.0)])
        for second in (done("a", {}, 2.0), failed("a", "no"), done("b", {}, 2.0)):
            with pytest.raises(InputError, match="1 of 1 trials have a result already"):
                settle(journal, [second])
        assert [trial.seconds for trial in journal.trials()] == [1.0]
        assert journal.history("a") == []


def test_a_transaction_is_committed_whole_or_not_at_all(path: Path) -> None:
    with Journal(path) as journal:
        with journal.transaction():
            journal.plan([("a", {}, 0)])
            journal.plan([("b", {}, 0)])
        with pytest.raises(InputError, match="have a result already"), journal.transaction():  # noqa: PT012, several writes are the point
            settle(journal, [done("a", {})])
            journal.plan([("c", {}, 0)])
            settle(journal, [done("a", {})])
        assert journal.counts() == {"pending": 2, "running": 0, "done": 0, "failed": 0}


def test_no_committed_record_is_lost_when_the_writer_is_killed(path: Path) -> None:
    """Each kill comes at a random moment; what the writer said was written must be there, whole, and at most one trial more."""
    moments = random.Random(0)
    start = 0
    for _ in range(4):
        command = [sys.executable, "-c", _WRITER, str(path), str(start)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(moments.randrange(20, 60)):
                last = int(writer.stdout.readline())
            killer = threading.Timer(moments.random() / 50, writer.kill)
            killer.start()
            last = max([last, *(int(line) for line in writer.stdout if line.endswith("\n"))])
            killer.join()
        assert writer.returncode == -9
        with Journal(path) as journal:
            kept = [trial.seed for trial in journal.trials("done")]
            assert journal.counts()["pending"] == 0
            assert all(len(journal.history(f"trial-{index}")) == 3 for index in kept)
        assert kept[: last + 1] == list(range(last + 1))
        assert len(kept) <= last + 2
        assert integrity(path) == "ok"
        start = len(kept)


def test_a_reader_sees_what_is_committed_while_the_writer_goes_on(path: Path) -> None:
    with Journal(path) as writer:
        writer.plan([("a", {}, 0)])
        with Journal(path, readonly=True) as reader:
            assert reader.counts()["pending"] == 1
            settle(writer, [done("a", {"error": 1.0})])
            assert reader.counts()["done"] == 1
            with pytest.raises(StoreError, match="readonly"):
                reader.plan([("b", {}, 0)])


def test_a_second_writer_is_kept_out_until_the_first_has_closed(path: Path) -> None:
    with Journal(path), pytest.raises(InputError, match="another process is writing"):
        Journal(path)
    Journal(path).close()


def test_a_file_system_without_locks_still_gets_a_journal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(sqlite_file.fcntl, "flock", refuse)
    with Journal(path) as journal:
        journal.plan([("a", {}, 0)])
    with Journal(path, readonly=True) as journal:
        assert journal.counts()["pending"] == 1


def test_a_closed_journal_is_one_plain_file(path: Path) -> None:
    with Journal(path) as journal:
        journal.plan([("a", {}, 0)])
        assert (path.parent / "journal.sqlite-wal").exists()  # this file system supports it
    assert [entry.name for entry in path.parent.iterdir()] == ["journal.sqlite"]


def test_a_network_file_system_gets_no_write_ahead_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "file_system", lambda _: "nfs4")
    with Journal(path) as journal:
        journal.plan([("a", {}, 0)])
        assert not (path.parent / "journal.sqlite-wal").exists()
        assert journal.counts()["pending"] == 1


def test_the_file_system_of_a_path_is_found() -> None:
    assert sqlite_file.file_system(Path("/proc/self/status")) == "proc"


def test_a_damaged_journal_is_named_with_what_to_do(path: Path) -> None:
    with Journal(path) as journal:
        journal.plan((f"trial-{index}", {"index": index}, index) for index in range(2000))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = bytes(4096)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"journal.sqlite is damaged .*; restore it from a copy"):
        Journal(path)


def test_a_record_that_is_no_json_is_damage_and_not_a_bug(path: Path) -> None:
    """If this fails, a journal with a single bad record ends every look at its run in a traceback."""
    with Journal(path) as journal:
        journal.plan([("a", {}, 0)])
        with journal.transaction():
            journal.connection.execute("UPDATE trials SET options = '{broken'")
    with Journal(path, readonly=True) as journal:
        trial = journal.trial("a")
    assert trial is not None
    assert (trial.status, trial.error) == ("failed", "its record is damaged (settings) and left out; restore it from a copy")
    with pytest.raises(DataError, match=r"journal.sqlite is damaged .*; restore it from a copy"), Journal(path) as journal:
        journal.trial("a")


@pytest.mark.parametrize("content", [b"not a database at all" * 400, b"SQLite format 3\x00" + bytes(50)])
def test_a_file_that_is_no_database_is_refused_by_writers_and_readers(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for readonly in (False, True):
        with pytest.raises(InputError, match=r"journal\.sqlite"):
            Journal(path, readonly=readonly)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("statement", "words"), [("CREATE TABLE a (b)", "not a journal of eqlab"), ("PRAGMA user_version = 99", "format 99")]
)
def test_a_database_of_another_kind_or_version_is_refused(path: Path, statement: str, words: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.close()
    for readonly in (False, True):
        with pytest.raises(DataError, match=words):
            Journal(path, readonly=readonly)


def test_reading_needs_a_journal(path: Path) -> None:
    with pytest.raises(InputError, match="there is no journal"):
        Journal(path, readonly=True)
    assert not path.exists()


def test_a_full_disk_is_one_sentence_and_what_was_written_is_kept(path: Path) -> None:
    with Journal(path) as journal:
        journal.plan([("a", {}, 0)])
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count = {pages}")  # as a disk without room for one page more
        with pytest.raises(StoreError, match=r"cannot write the journal .* full; what was recorded before is kept"):
            settle(journal, [done("a", {}, history=[(0, {"text": "x" * 100_000})])])
        assert journal.history("a") == []
        settle(journal, [done("a", {})])
        assert journal.counts()["done"] == 1
