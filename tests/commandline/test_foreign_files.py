"""Files that others may have written: sizes are bounded, and what does not fit is one sentence."""

from __future__ import annotations

import io
import json
import sqlite3
import struct
import tomllib
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Found, Refused

from contrastive_core.data.formats.idx import open_idx
from contrastive_core.devices.pulse_files import read_pulses
from contrastive_core.errors import InputError
from contrastive_core.files import arrays
from contrastive_core.files.arrays import load_array, load_arrays
from contrastive_core.files.bounded import read_bytes
from contrastive_core.files.checkpoint import load_checkpoint
from eqprop.curves import read_curve
from experiments.commandline.documents import read_bounded, read_json, read_toml

DEEP = "[" * 3000 + "]" * 3000
LONG = "9" * 5000


@pytest.mark.parametrize(
    "text", [f"seed = {LONG}", f"seed = -{LONG}", f"seed = 0x{'f' * 5000}", f"x = {DEEP}", f"[a]\nb = [{LONG}]", "a = {b = " * 2000]
)
def test_toml_beyond_bounds_is_no_toml(text: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        read_toml(text)


@pytest.mark.parametrize("text", [LONG, f"-{LONG}", f'{{"a": [{LONG}]}}', "[" * 200_000 + "]" * 200_000, '{"a":' * 200_000])
def test_json_beyond_bounds_is_no_json(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        read_json(text)


def test_documents_within_bounds_are_read_as_they_are() -> None:
    wide = 2**200  # a seed may be wider than 64 bits
    assert read_toml(f"seed = {wide}\nx = [[1.5], []]") == {"seed": wide, "x": [[1.5], []]}
    assert read_json(f'{{"seed": {wide}}}') == {"seed": wide}


def test_a_file_without_end_is_not_read_whole() -> None:
    with pytest.raises(ValueError, match="more than"):
        read_bytes(Path("/dev/zero"))
    with pytest.raises(OSError, match="Not a regular file"):
        read_bounded(Path("/dev/zero"))


def npy(shape: tuple[int, ...], dtype: str = "<f8", body: bytes = b"") -> bytes:
    """An array whose header declares what its body may not have."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


BROKEN = {
    "terabytes": npy((10**13,)),
    "more than there is": npy((3,), body=bytes(16)),
    "a product of sizes beyond 64 bits": npy((2**40, 2**40), body=bytes(8)),
    "a negative size": npy((-1,), body=bytes(8)),
    "objects": npy((1,), "|O", bytes(8)),
    "complex numbers": npy((1,), "<c16", bytes(16)),
    "times": npy((1,), "<M8[s]", bytes(8)),
    "a header that is no dictionary": b"\x93NUMPY\x01\x00\x04\x00[[[[",
    "a deep header": b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"[" * 9000,
    "another version": b"\x93NUMPY\x09\x00" + bytes(80),
    "nothing": b"",
    "no array": b"PK nonsense",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_damaged_array_is_a_value_error_and_takes_no_memory(case: str, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(BROKEN[case])
    with pytest.raises(ValueError):  # noqa: PT011 - the reasons differ
        load_array(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("energy.npy", BROKEN[case])
    with pytest.raises(ValueError):  # noqa: PT011
        load_arrays(tmp_path / "a.npz")


def test_structured_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3, dtype=[("x", "f8"), ("y", "i4")]))
    with pytest.raises(ValueError, match="numbers are expected"):
        load_array(tmp_path / "a.npy")


def test_an_archive_that_unpacks_to_too_much_is_refused_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(10_000))
    monkeypatch.setattr(arrays, "LARGEST", 50_000)
    with pytest.raises(ValueError, match="take more than 50000 bytes"):
        load_arrays(tmp_path / "bomb.npz")


@pytest.mark.parametrize("damage", range(60, 120, 10))
def test_a_compressed_array_with_a_wrong_byte_is_a_value_error(damage: int, tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.arange(1000))
    content = bytearray(stream.getvalue())
    content[damage] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError):  # noqa: PT011
        load_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "value", [np.arange(6.0).reshape(2, 3), np.float32(3), np.array(["a", "bc"]), np.zeros((0, 4)), np.asfortranarray(np.eye(3))]
)
def test_whole_arrays_are_read_as_numpy_reads_them(value: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", value)
    np.savez(tmp_path / "a.npz", value=value)
    for read in (load_array(tmp_path / "a.npy"), load_arrays(tmp_path / "a.npz")["value"]):
        assert read.dtype == np.asarray(value).dtype
        np.testing.assert_array_equal(read, value)


WRONG = {
    "long integer": ("seed = " + LONG, "too many digits"),
    "deep list": ("hidden = " + DEEP, "nested too deeply"),
    "a value as a table": ("[when.rule]\nbackprop = 1", "when.rule.backprop must be a table of options, got 1"),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_configuration_is_one_sentence(case: str, refused: Refused) -> None:
    text, message = WRONG[case]
    Path("c.toml").write_text(text)
    assert message in refused("train", "--config", "c.toml", "--rule", "backprop")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("assignment", [f"seed={LONG}", f"hidden={DEEP}", f"learning_rate={LONG}"])
def test_a_wild_assignment_is_one_sentence(assignment: str, refused: Refused) -> None:
    refused("train", "--set", assignment)


@pytest.mark.usefixtures("here")
def test_a_record_of_another_version_is_one_sentence(found: Found, refused: Refused) -> None:
    """If this fails, a journal of an older version ends in a traceback."""
    command = ("recall", "--size", 60, "--sweeps", 10, "--burn-in", 2, "--chains", 2, "--quiet", "--out", "r")
    found(*command)
    for metrics in ('{"overlap": 3}', LONG, "[" * 100_000):
        with closing(sqlite3.connect("r/journal.sqlite")) as connection, connection:
            connection.execute("UPDATE trials SET metrics = ?", (metrics,))
        refused(*command)


READERS = {
    "checkpoint": load_checkpoint,
    "pulses": read_pulses,
    "curve": read_curve,
    "pictures": open_idx,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("size", [2**33, 2**42])
def test_a_file_beyond_all_bounds_is_one_sentence(reader: str, size: int, tmp_path: Path) -> None:
    """A sparse file of terabytes takes no disk to send; reading it would take the memory of the machine."""
    path = tmp_path / "sparse.csv"
    with path.open("wb") as stream:
        stream.truncate(size)
    with pytest.raises(InputError, match=r"it has more than \d+ bytes"):
        READERS[reader](path)


def test_a_device_is_no_archive_of_arrays() -> None:
    """If this fails, a link to a device without end takes the memory of the machine."""
    with pytest.raises(ValueError, match="no regular file"):
        load_arrays("/dev/zero")
