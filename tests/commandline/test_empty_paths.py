"""Empty paths, which an unset variable of a shell leaves behind, are refused by every command in one sentence."""

from __future__ import annotations

from pathlib import Path

import flag_tables
import pytest
from command_line import refused

from experiments.commandline.parameters import FieldType

SENTENCE = "needs a path, got an empty text; give a path, or leave the option out"
PATHS = [
    (name, flag)
    for name, command in flag_tables.ALL.items()
    for flag, option in flag_tables.flags(command).items()
    if option.type.name == "path" or (isinstance(option.type, FieldType) and option.type.name == "path")
]


@pytest.mark.parametrize(("name", "flag"), PATHS)
def test_an_empty_path_is_refused(name: str, flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an empty text is the current directory, or no option at all, as each command sees fit."""
    monkeypatch.chdir(tmp_path)
    first = ["x"] if name.startswith("sweep ") else []
    assert f"{flag} {SENTENCE}" in refused(*name.split(), *first, flag, "")
    assert not list(tmp_path.iterdir())


def test_the_paths_of_all_commands_are_found() -> None:
    """A control: a check of nothing proves nothing."""
    assert {("train", "--out"), ("train", "--device-file"), ("device import", "--read"), ("sweep new", "--file")} <= set(PATHS)
    assert len(PATHS) > 60


@pytest.mark.parametrize("words", [("report",), ("runs", "rm"), ("watch",), ("match",), ("sweep", "run"), ("contrast", "--after")])
def test_an_empty_name_of_a_run_is_refused(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, an empty name is that of the root of all files."""
    monkeypatch.chdir(tmp_path)
    assert "'' names no run; give a name, or a path with a slash" in refused(*words, "")
