"""Random damage to files: to bytes, to text, and to what a journal, a checkpoint or an archive holds."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

Damage = Callable[[Path, random.Random], None]
NUMBERS = (
    "nan",
    "inf",
    "-1",
    "0",
    "1e400",
    "-1e308",
    "9" * 5000,
    '"text"',
    "true",
    "[]",
    "[" * 2000,
    "null",
    "{}",
    "",
    "1e-320",
    str(2**63),
)
JSON = (None, True, -1, 0, 2**63, 1e308, "", "text", "\x1b[31m", "../../x", [], [[]], {}, {"a": {}}, ["x"] * 50, [1, "a"], "x" * 3000)


def damage(path: Path, own: Sequence[Damage], rng: random.Random) -> str:
    """Damage a file, and return how.

    Parameters
    ----------
    path : Path
        File of the workspace.
    own : sequence of callable
        Damage that only this kind of file can take.
    rng : Random
        Source of every choice.
    """
    general = (*_BYTES, *(TEXT if path.suffix in (".toml", ".csv", ".json", ".py") else ()))
    chosen = rng.choice(own if own and rng.random() < 0.65 else general)
    chosen(path, rng)
    if rng.random() < 0.2 and path.is_file() and not path.is_symlink():
        rng.choice(general)(path, rng)
    return chosen.__name__


def _truncate(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.choice((0, 1, rng.randrange(len(content) + 1), len(content) - 1))] if content else b"")


def _flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 3, 30)) if content else 0):
        content[rng.randrange(min(len(content), rng.choice((64, 2**30))))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _swap_blocks(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    cuts = sorted(rng.randrange(len(content) + 1) for _ in range(3))
    path.write_bytes(content[: cuts[0]] + content[cuts[1] : cuts[2]] + content[cuts[0] : cuts[1]] + content[cuts[2] :])


def _insert(path: Path, rng: random.Random) -> None:
    content, place = path.read_bytes(), rng.randrange(path.stat().st_size + 1)
    path.write_bytes(
        content[:place] + rng.choice((rng.randbytes(9), b"\x00" * 64, b"[" * 3000, b"9" * 5000, b"\xff\xfe")) + content[place:]
    )


def header(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    place = rng.randrange(0, 33)
    lie = struct.pack(rng.choice("<>") + rng.choice("IQ"), rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1)))
    content[place : place + len(lie)] = lie
    path.write_bytes(content)


def _other_file(path: Path, rng: random.Random) -> None:
    root = next(parent for parent in path.parents if parent.name == "w")
    others = sorted(one for one in root.rglob("*") if one.is_file())
    path.write_bytes(rng.choice(others).read_bytes())


def _other_thing(path: Path, rng: random.Random) -> None:
    path.unlink()
    if rng.random() < 0.4:
        path.mkdir()
    elif rng.random() < 0.5:
        path.symlink_to(rng.choice(("/dev/zero", path.name, "/proc/self/mem", "nowhere")))


_BYTES = (_truncate, _flip, _swap_blocks, _insert, header, _other_file, _other_thing)


def number(path: Path, rng: random.Random) -> None:
    text = path.read_text(errors="replace")
    found = list(re.finditer(r"-?\d[\d.e+-]*", text))
    if found:
        one = rng.choice(found)
        path.write_text(text[: one.start()] + rng.choice(NUMBERS) + text[one.end() :])


def lines(path: Path, rng: random.Random) -> None:
    lines = path.read_text(errors="replace").splitlines(keepends=True)
    if lines:
        place = rng.randrange(len(lines))
        change = rng.choice(
            ([], [lines[place]] * 2, [lines[place][::-1]], [lines[place].upper()], ["\ud7ff" * 9 + "\n"], [lines[place]] * 20000)
        )
        lines[place : place + 1] = change
        path.write_text("".join(lines))


def word(path: Path, rng: random.Random) -> None:
    text = path.read_text(errors="replace")
    found = list(re.finditer(r"\w+", text))
    if found:
        one, other = rng.choice(found), rng.choice(found)
        path.write_text(text[: one.start()] + rng.choice((other[0], other[0] + "x", "é", "x" * 300)) + text[one.end() :])


def _encoding(path: Path, rng: random.Random) -> None:
    text = path.read_text(errors="replace")
    path.write_bytes(text.replace("\n", rng.choice(("\r\n", "\r", "\n"))).encode(rng.choice(("utf-16", "utf-8-sig", "utf-32"))))


TEXT = (number, number, lines, word, word, _encoding)


def changed(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one part replaced, removed or nested deeply."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key, copy = rng.choice(sorted(value)), dict(value)
        match rng.randrange(8):
            case 0:
                del copy[key]
            case 1:
                copy[rng.choice(("x", "", "\ud7ff", key.upper()))] = copy.pop(key)
            case _:
                copy[key] = changed(copy[key], rng)
        return copy
    if isinstance(value, list) and value and rng.random() < 0.9:
        place = rng.randrange(len(value))
        return rng.choice((value * 2, value[:place], [*value[:place], changed(value[place], rng), *value[place + 1 :]]))
    return rng.choice(JSON)


def parts(path: Path, rng: random.Random) -> None:
    path.write_text(json.dumps(changed(json.loads(path.read_text()), rng)))


_COLUMNS = (
    *("facts.content",) * 3,
    *("trials.metrics", "trials.options") * 2,
    *(f"trials.{name}" for name in ("seed", "key", "status", "seconds", "started", "error", "versions")),
    *("facts.name", "history.metrics", "history.epoch", "versions.content"),
)
_STATEMENTS = (
    "PRAGMA user_version = 1",
    "PRAGMA user_version = 99",
    "DROP TABLE history",
    "DROP TABLE facts",
    "ALTER TABLE trials RENAME COLUMN metrics TO results",
    "ALTER TABLE trials RENAME TO others; CREATE VIEW trials AS SELECT * FROM others",
    "DELETE FROM facts",
    "DELETE FROM trials",
    "DELETE FROM versions",
    "UPDATE trials SET status = 'running'",
    "UPDATE trials SET metrics = NULL",
    "UPDATE trials SET versions = 77",
    "INSERT INTO trials (key, options, seed, status) VALUES ('extra', '{}', '0', 'done')",
)


def row(path: Path, rng: random.Random) -> None:
    """Change a value of the journal: a number, a text, or a part of a text in JSON."""
    with closing(sqlite3.connect(path)) as connection:
        table, column = rng.choice(_COLUMNS).split(".")
        key = {"history": "trial"}.get(table, "rowid")
        rows = connection.execute(f"SELECT {key}, {column} FROM {table}").fetchall()
        if not rows:
            return
        place, value = rng.choice(rows)
        try:
            new = json.dumps(changed(json.loads(value), rng)) if rng.random() < 0.8 else rng.choice(NUMBERS)
        except (ValueError, TypeError):
            new = rng.choice((*NUMBERS, "../../x", "done", "failed", "pending", "NaN", "\x1b[31m", b"\xff\xfe", 1.5, -1))
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (new, place))
        connection.commit()


def schema(path: Path, rng: random.Random) -> None:
    """Change what a journal consists of."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(rng.choice(_STATEMENTS))


def tensors(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    table, body = json.loads(content[8 : 8 + size]), content[8 + size :]
    match rng.randrange(4):
        case 0:
            table["__metadata__"]["eqlab"] = json.dumps(changed(json.loads(table["__metadata__"]["eqlab"]), rng))
        case 1:
            name = rng.choice([one for one in table if one != "__metadata__"])
            table[name] = rng.choice((changed(table[name], rng), table[name] | {"shape": [10**7, 10**7]}, table[name] | {"dtype": "I8"}))
        case 2:
            body = bytes(rng.choice((0, 255, 127)) for _ in range(1)) * len(body)
        case 3:
            table = changed(table, rng)
    text = json.dumps(table).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def _npy(rng: random.Random) -> bytes:
    shape = rng.choice(((10**13,), (2**40, 2**40), (-1,), (0,), (), (1, 1, 1), (3, 60), (60,), (2,), (0, 60), (3, 0)))
    dtype = rng.choice(("<f8", ">i8", "<u1", "<b1", "<U9", "<c16", "|O", "<M8[s]", "<f2", "|V3"))
    header = rng.choice(
        (f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}", "[" * 900, "{}", "__import__('os')")
    ).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return (
        b"\x93NUMPY"
        + rng.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x09\x00"))
        + struct.pack("<H", len(header))
        + header
        + rng.randbytes(1440)
    )


def array(path: Path, rng: random.Random) -> None:
    if rng.random() < 0.5:
        path.write_bytes(_npy(rng))
    else:
        values = rng.choice((0.0, 1.0, -1.0, np.nan, np.inf, 1e308, 0.5, 2.0))
        content = np.full(rng.choice(((3, 60), (60,), (), (0, 3), (3, 1), (1, 60), (2, 3, 4), (1000, 60))), values)
        with np.errstate(invalid="ignore", over="ignore"):
            np.save(path, content.astype(rng.choice(("f8", "f4", "i8", "u1", "?", "U5", "f2", "c8"))), allow_pickle=False)


def archive(path: Path, rng: random.Random) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name, wild = rng.choice(sorted(members)), io.BytesIO()
    np.save(wild, np.full(rng.choice(((3,), (), (5, 5), (0,), (2, 2, 2))), rng.choice((np.nan, np.inf, 1e308, -1.0))))
    members[name] = rng.choice((_npy(rng), wild.getvalue(), b"", members[name][::-1]))
    if rng.random() < 0.3:
        members[rng.choice(("x.npy", "../x.npy", "y"))] = members.pop(name)
    if rng.random() < 0.1:
        members["bomb.npy"] = bytes(2**27)
    with zipfile.ZipFile(path, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))) as archive:
        for one, content in members.items():
            archive.writestr(one, content)


def tables(path: Path, rng: random.Random) -> None:
    """Give a module tables of any type."""
    name = rng.choice(("RULES", "NETWORKS", "COSTS", "DATASETS", "EXPERIMENTS"))
    path.write_text(f"{path.read_text()}{name} = {rng.choice((changed({'mine': 'x'}, rng), *JSON))!r}\n")


def bomb(path: Path, _: random.Random) -> None:
    """Write a gzip file of some megabytes that unpacks to more than the memory."""
    path.write_bytes(gzip.compress(bytes(2**25), 9) * 100)
