"""Tables, JSON and TOML that commands print and write."""

import json
import math
import os
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrastive_core.errors import InputError
from contrastive_core.files.writing import write_pieces
from experiments.commandline.output import format_table, to_json, to_toml, write_bytes, write_text
from experiments.sweeps.study import from_facts


def test_table_aligns_numbers_to_the_right_and_counts_wide_and_combining_letters() -> None:
    table = format_table(("rule", "error", "n"), [("日本", 0.0123456, 3), ("e\u0301", None, 12), ("long name", 100.0, None)])
    assert table.splitlines() == [
        "rule        error  n",
        "--------- ------- --",
        "日本      0.01235  3",
        "e\u0301               - 12",
        "long name     100  -",
    ]


def test_table_shows_truth_values_as_words_and_a_header_without_rows() -> None:
    assert format_table(("a",), [(True,), (False,)]).splitlines()[2:] == ["yes", "no"]
    assert format_table(("a", "bc"), []).splitlines() == ["a bc", "- --"]
    assert format_table(("a",), [("x",), ("",)]).split("\n") == ["a", "-", "x", ""]


def test_json_has_null_where_a_number_is_not_finite() -> None:
    text = to_json({"a": math.nan, "b": [math.inf, (1.5,)], "c": np.float32(-np.inf), "d": np.int64(3), "e": Path("x"), "f": True})
    assert json.loads(text) == {"a": None, "b": [None, [1.5]], "c": None, "d": 3, "e": "x", "f": True}


def test_json_has_arrays_as_lists_and_other_letters_as_they_are() -> None:
    assert json.loads(to_json({"a": np.array([[1.0, np.nan]]), 3: "日本"})) == {"a": [[1.0, None]], "3": "日本"}


def test_json_refuses_what_it_cannot_write() -> None:
    with pytest.raises(TypeError, match="serializable: object"):
        to_json({"a": object()})
    with pytest.raises(InputError, match="not Unicode"):
        to_json({"a": Path("\udcff")})


_LEAVES = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
_KEYS = st.text(min_size=1)


@given(st.recursive(st.dictionaries(_KEYS, _LEAVES | st.lists(_LEAVES)), lambda inner: st.dictionaries(_KEYS, inner | _LEAVES)))
def test_toml_reads_back_what_was_written(values: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(values)) == values


@pytest.mark.parametrize(
    "value", [1e-3, 1e-7, 1e22, 5e-324, 0.1, -0.0, 'a"b\\c\nd\te\x7f\x00', "日本 😀", [[1, 2], ["a"]], [], 2**80, True]
)
def test_toml_keeps_awkward_values(value: object) -> None:
    read = tomllib.loads(to_toml({"a b": {"key": value}}))["a b"]["key"]
    assert read == value
    assert type(read) is type(value)


def test_toml_leaves_out_none_and_refuses_what_it_cannot_say() -> None:
    assert to_toml({"a": None, "b": 1}) == "b = 1\n"
    assert to_toml({"a": {"b": None}, "c": math.inf}) == "c = inf\n\n[a]\n"
    with pytest.raises(InputError, match="Unicode"):
        to_toml({"a": "\udcff"})
    with pytest.raises(TypeError, match="object"):
        to_toml({"a": object()})


def test_what_exists_and_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    """A rename onto a device, such as /dev/null, would take it from every program on the machine; a pipe stands for one here."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place, words in ((pipe, "Not a regular file"), (tmp_path, "Is a directory")):
        with pytest.raises(OSError, match=words) as caught:
            write_text(place, "lost")
        assert caught.value.filename == str(place)
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    """Links such as /dev/stdout belong to the machine, and one to a folder elsewhere was put there to be followed."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "long ago")
    write_bytes(path, b"now")
    assert path.read_bytes() == b"now"
    with pytest.raises(ZeroDivisionError):
        write_pieces(path, (b"%d" % (1 // number) for number in (1, 0)))  # what is written piece by piece can end in an error
    assert path.read_bytes() == b"now"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_text(tmp_path / "folder", "x")  # a directory is in the way of the renaming
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.txt", "folder"]


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30])
def test_whole_numbers_beyond_64_bits_are_a_sentence(number: int) -> None:
    """If this fails, a long seed ends in the traceback of a library."""
    assert to_json({"seed": 2**63 - 1}, indent=False) == '{"seed":9223372036854775807}'
    with pytest.raises(InputError, match="beyond 64 bits"):
        to_json({"seed": number})


@pytest.mark.parametrize("name", ["axes", "declared", "settings"])
def test_a_journal_without_a_part_of_its_sweep_is_a_sentence(name: str) -> None:
    """If this fails, looking at a damaged sweep ends in a KeyError."""
    facts = {"axes": [], "declared": "train", "settings": {}}
    del facts[name]
    with pytest.raises(InputError, match=f"has no '{name}'; restore it from a copy"):
        from_facts(facts, shown=True)
