"""Colour pictures in published files: what is read is what the files say, and what is damaged is refused."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import colour_files
import numpy as np
import pytest
import torch
from colour_files import BATCHES, archive, drawn, mat, record
from download_server import Server
from idx_files import write

from contrastive_core.data import DATASETS
from contrastive_core.data.catalog import CATALOG, describe
from contrastive_core.data.entry import Entry
from contrastive_core.data.files import fetch, find
from contrastive_core.data.formats.opening import open_members
from contrastive_core.data.verification import verify
from contrastive_core.errors import DataError

FILES: dict[str, Callable[[], dict[str, bytes]]] = {
    "cifar10": colour_files.cifar10,
    "cifar100": colour_files.cifar100,
    "svhn": colour_files.svhn,
}


def publish(monkeypatch: pytest.MonkeyPatch, name: str, contents: dict[str, bytes], download: Callable[[str], bytes]) -> Entry:
    """Make small files the published ones."""
    files = tuple(
        replace(file, archive=sha256(download(file.name)).hexdigest(), content=sha256(contents[file.name]).hexdigest())
        for file in describe(name).files
    )
    entry = replace(describe(name), files=files, mirror=f"https://mirror.invalid/{name}/")
    monkeypatch.setitem(CATALOG, name, entry)
    return entry


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, server: Server) -> Entry:
    """Make the small files the published ones of cifar10, and serve their archive."""
    contents = colour_files.cifar10()
    packed = archive(contents, "cifar-10-batches-bin")
    entry = publish(monkeypatch, "cifar10", contents, lambda _: packed)
    server.files = {f"{entry.mirror}cifar-10-binary.tar.gz": packed}
    return entry


def test_a_record_is_a_label_and_the_planes_of_a_picture(tmp_path: Path) -> None:
    """If this fails, red and blue are swapped or pictures are turned, and a network learns other pictures than all others."""
    picture = np.zeros((3, 32, 32), np.uint8)
    picture[0, 0, 1], picture[1, 2, 0], picture[2, 31, 31] = 255, 51, 102
    content = bytes([7]) + bytes([0, 255]) + bytes(1022) + bytes(64) + bytes([51]) + bytes(959) + bytes(1023) + bytes([102])
    assert record((7,), picture) == content
    splits = DATASETS["cifar10"](write(tmp_path, dict.fromkeys((*BATCHES, "test_batch.bin"), 2 * content)), 0)
    shown = splits.test.inputs.reshape(-1, *splits.shape)
    assert splits.shape == (3, 32, 32)
    assert torch.nonzero(shown[0]).tolist() == [[0, 0, 1], [1, 2, 0], [2, 31, 31]]
    assert shown[0][shown[0] > 0].tolist() == [1.0, pytest.approx(0.2), pytest.approx(0.4)]
    assert splits.test.labels.tolist() == [7, 7]


def test_cifar10_is_read_file_by_file_with_the_last_tenth_for_validation(tmp_path: Path) -> None:
    """If this fails, the validation pictures are not those of other runs, or pictures lose their labels."""
    splits = DATASETS["cifar10"](write(tmp_path, colour_files.cifar10()), 0)
    pixels = np.concatenate([drawn(4, number) for number in range(5)]).reshape(20, -1)
    labels = [(number + i) % 10 for number in range(5) for i in range(4)]
    expected = torch.from_numpy(pixels.astype(np.float32) / np.float32(255))
    assert torch.equal(torch.cat((splits.train.inputs, splits.validation.inputs)), expected)
    assert splits.train.labels.tolist() == labels[:18]
    assert splits.validation.labels.tolist() == labels[18:]
    assert splits.test.labels.tolist() == [5, 6, 7, 8]
    assert splits.num_classes == 10
    assert "the last 2 of 20 training images as validation" in splits.source
    assert "binary files other than the published ones" in splits.source


def test_cifar100_has_fine_labels(tmp_path: Path) -> None:
    """If this fails, 100 classes are learnt from 20 labels."""
    splits = DATASETS["cifar100"](write(tmp_path, colour_files.cifar100()), 0)
    assert splits.train.labels.tolist() == [99 - i for i in range(11)]
    assert torch.equal(splits.test.inputs, torch.from_numpy(drawn(12, 1).reshape(12, -1).astype(np.float32) / np.float32(255)))
    assert splits.num_classes == 100


@pytest.mark.parametrize("compressed", [False, True])
def test_svhn_is_turned_from_its_arrays_and_ten_is_zero(compressed: bool, tmp_path: Path) -> None:
    """If this fails, the zeros are an eleventh class, or pictures are transposed."""
    folder = write(tmp_path, colour_files.svhn())
    pictures = drawn(12, 5)
    labels = np.array([[10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1]], np.uint8).T
    arrays = {"X": np.transpose(pictures, (2, 3, 1, 0)), "y": labels}
    (folder / "test_32x32.mat").write_bytes(mat(arrays, compressed))
    splits = DATASETS["svhn"](folder, 0)
    assert splits.test.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert torch.equal(splits.test.inputs, torch.from_numpy(pictures.reshape(12, -1).astype(np.float32) / np.float32(255)))
    assert splits.shape == (3, 32, 32)
    assert [len(split.labels) for split in splits[:3]] == [11, 1, 12]


@pytest.mark.parametrize("name", FILES)
def test_the_catalog_divides_the_published_numbers(name: str) -> None:
    """45000 and 5000 of 50000, and 65932 and 7325 of 73257: a loader that divides otherwise contradicts the list of data sets."""
    entry = CATALOG[name]
    available = {"cifar10": 50000, "cifar100": 50000, "svhn": 73257}[name]
    assert (entry.num_train, entry.num_validation) == (available - available // 10, available // 10)
    assert (entry.num_train + entry.num_validation) // entry.num_validation == 10
    contents = [file.content or "" for file in entry.files]
    assert len(set(contents)) == len(contents)
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in (*contents, entry.files[0].archive))
    assert entry.mirror.endswith("/")


BAD = {
    "empty": ("cifar10", BATCHES[2], b"", "is empty, expected records of 3073 bytes (label and 3x32x32 pixels); copy"),
    "cut short": ("cifar10", "test_batch.bin", bytes(3072), "truncated or another file, 3072 bytes are no whole number of records of 3073"),
    "one byte more": ("cifar10", BATCHES[0], bytes(2 * 3073 + 1), "truncated or another file, 6147 bytes are no whole number of records"),
    "a record of the other set": ("cifar10", BATCHES[4], bytes(3074), "truncated or another file, 3074 bytes are no whole number"),
    "label of no class": ("cifar10", BATCHES[1], bytes(3073) + b"\x0a" + bytes(3072), "label 10 in record 1, expected 0 to 9; check"),
    "coarse label": ("cifar100", "train.bin", b"\x14\x00" + bytes(3072), "coarse label 20 in record 0, expected 0 to 19; check"),
    "fine label": ("cifar100", "test.bin", b"\x00\x64" + bytes(3072), "fine label 100 in record 0, expected 0 to 99; check"),
    "too few": ("cifar100", "train.bin", 9 * bytes(3074), "9 images, expected at least 10 to leave one for validation; give"),
    "no MAT file": ("svhn", "train_32x32.mat", b"<!DOCTYPE html>" + bytes(200), "cannot be read as a MAT file of version 5 ("),
    "empty MAT": ("svhn", "test_32x32.mat", b"", "cannot be read as a MAT file of version 5 ("),
    "newer MAT": (
        "svhn",
        "test_32x32.mat",
        b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM",
        "cannot be read as a MAT file of version 5 (",
    ),
    "cut MAT": ("svhn", "test_32x32.mat", colour_files.svhn()["test_32x32.mat"][:-50], "cannot be read as a MAT file of version 5 ("),
    "other arrays": (
        "svhn",
        "train_32x32.mat",
        mat({"X": np.zeros((2, 3))}),
        "holds X of shape 2x3 (float64), expected X of shape 32x32x3xN",
    ),
    "no labels": (
        "svhn",
        "train_32x32.mat",
        mat({"X": np.zeros((32, 32, 3, 2), np.uint8)}),
        "holds X of shape 32x32x3x2 (uint8), expected",
    ),
    "labels missing": (
        "svhn",
        "train_32x32.mat",
        mat({"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((3, 1), np.uint8)}),
        "holds X of shape 32x32x3x4 (uint8) and y of shape 3x1 (uint8), expected X of shape 32x32x3xN (uint8) and y of shape Nx1; check",
    ),
    "terabytes": (
        "svhn",
        "test_32x32.mat",
        mat({"X": np.zeros((32, 32, 3, 2), np.uint8)}, compressed=False)[:128] + (14).to_bytes(4, "little") + b"\xf0\xff\xff\xff",
        "cannot be read as a MAT file of version 5 (truncated, 0 bytes where 4294967280 are declared); copy",
    ),
    "label eleven": (
        "svhn",
        "test_32x32.mat",
        mat({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1], [11]], np.uint8)}),
        "label 11 at index 1, expected 1 to 10; copy",
    ),
    "label zero": (
        "svhn",
        "test_32x32.mat",
        mat({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[0], [1]], np.uint8)}),
        "label 0 at index 0, expected 1 to 10; copy",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_each_damage_is_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    """The sentence names the file, what was found and what was expected; damaged data must never become an experiment."""
    name, file, content, sentence = BAD[case]
    write(tmp_path, FILES[name]() | {file: content})
    with pytest.raises(DataError) as refusal:
        DATASETS[name](tmp_path, 0)
    message = str(refusal.value)
    assert message.startswith(f"{tmp_path / file}: {sentence}")
    assert "\n" not in message
    assert "; " in message  # what to do
    if case != "too few":
        assert message in {report.problem for report in verify(name, tmp_path)}


def test_a_mat_file_with_any_damaged_byte_is_read_or_refused(tmp_path: Path) -> None:
    """If this fails, one flipped bit on a disk is a traceback of somebody else's code. Headers are where a flip does most."""
    content = mat({"X": np.zeros((32, 32, 3, 1), np.uint8), "y": np.ones((1, 1), np.uint8)}, compressed=False)
    draw = np.random.default_rng(0)
    folder = write(tmp_path, colour_files.svhn())
    refused = 0
    for place in (*range(128, 200), *draw.integers(0, len(content), 60).tolist()):
        damaged = bytearray(content)
        damaged[place] ^= int(draw.integers(1, 256))
        (folder / "test_32x32.mat").write_bytes(damaged)
        try:
            DATASETS["svhn"](folder, 0)
        except DataError:
            refused += 1
    assert refused > 30


def test_an_archive_is_read_without_unpacking_it(tmp_path: Path, published: Entry) -> None:
    """If this fails, a user has to unpack by hand, or a read leaves files behind."""
    plain = write(tmp_path / "plain", colour_files.cifar10())
    packed = write(tmp_path / "packed", {"cifar-10-binary.tar.gz": archive(colour_files.cifar10(), "cifar-10-batches-bin")})
    unpacked = write(tmp_path / "data" / "cifar-10-batches-bin", colour_files.cifar10()).parent
    splits = [DATASETS["cifar10"](folder, 0) for folder in (plain, packed, unpacked)]
    assert len({one.digest for one in splits}) == 1
    assert all("the published binary files" in one.source for one in splits)
    assert [path.name for path in packed.iterdir()] == ["cifar-10-binary.tar.gz"]
    assert set(find("cifar10", packed).values()) == {packed / "cifar-10-binary.tar.gz"}
    assert [report.published for report in verify("cifar10", packed)] == [True] * 6


def test_an_archive_is_downloaded_once_and_checked(tmp_path: Path, published: Entry, server: Server) -> None:
    """If this fails, six files are six downloads of 170 MB."""
    splits = DATASETS["cifar10"](None, 0)
    assert server.asked == [f"{published.mirror}cifar-10-binary.tar.gz"]
    assert DATASETS["cifar10"](None, 0).digest == splits.digest
    assert len(server.asked) == 1
    folder = tmp_path / "mine"
    fetch("cifar10", folder)
    assert [path.name for path in folder.iterdir()] == ["cifar-10-binary.tar.gz"]
    assert DATASETS["cifar10"](folder, 0).digest == splits.digest
    (folder / "data_batch_4.bin").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"data_batch_4.bin: not the published file of 'cifar10', and existing files are not overwritten"):
        fetch("cifar10", folder)
    (folder / "data_batch_4.bin").unlink()
    (folder / "cifar-10-binary.tar.gz").write_bytes(b"mine too")
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz: not the published file of 'cifar10'"):
        fetch("cifar10", folder)
    server.files = dict.fromkeys(server.files, b"tampered")
    with pytest.raises(DataError, match=r"get data_batch_1.bin, .*, test_batch.bin or cifar-10-binary.tar.gz by other means"):
        fetch("cifar10", tmp_path / "new")


def test_a_mat_file_is_downloaded_as_it_is(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    """If this fails, SVHN is looked for under the name of a compressed file that nobody serves."""
    contents = colour_files.svhn()
    entry = publish(monkeypatch, "svhn", contents, contents.__getitem__)
    server.files = {f"{entry.mirror}{name}": content for name, content in contents.items()}
    splits = DATASETS["svhn"](None, 0)
    assert server.asked == [f"{entry.mirror}{name}" for name in contents]
    assert "the published MAT files" in splits.source


@pytest.mark.parametrize("other", [("cifar10", "data_batch_2.bin", "data_batch_1.bin"), ("cifar10", "test_batch.bin", "data_batch_3.bin")])
def test_swapped_files_are_recognised(other: tuple[str, str, str], tmp_path: Path, published: Entry) -> None:
    """If this fails, a network is tested on what it was trained on."""
    name, used, really = other
    contents = colour_files.cifar10()
    write(tmp_path, contents | {used: contents[really]})
    with pytest.raises(DataError, match=f"this is {really} of {name!r}, expected {used} of {name!r}; choose"):
        DATASETS[name](tmp_path, 0)


def test_a_packed_array_is_unpacked_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a megabyte of packed zeros takes the memory of the machine; the bound is lowered so that the test does not."""
    monkeypatch.setattr("contrastive_core.data.formats.matlab._LARGEST_ARRAY", 3000)
    folder = write(tmp_path, colour_files.svhn())
    with pytest.raises(DataError, match="an array has over 3000 bytes"):
        DATASETS["svhn"](folder, 0)


WHOLE = archive(colour_files.cifar10(), "cifar-10-batches-bin")


def pipe() -> bytes:
    """An archive in which a file of the data set is no file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as packed:
        for name in colour_files.cifar10():
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.SYMTYPE
            entry.linkname = "/etc/passwd"
            packed.addfile(entry)
    return stream.getvalue()


BAD_ARCHIVES = {
    "no gzip": (b"<!DOCTYPE html>", "corrupt archive (Not a gzipped file"),
    "cut short": (WHOLE[: len(WHOLE) // 2], "corrupt archive (Compressed file ended before"),
    "no tar": (gzip.compress(b"x" * 2000), "corrupt archive ("),
    "another tar": (
        archive({"other.bin": b""}, "folder"),
        "holds no data_batch_1.bin, data_batch_2.bin, data_batch_3.bin, data_batch_4.bin, ",
    ),
    "links": (pipe(), "holds no data_batch_1.bin, "),
    "cut within": (gzip.compress(gzip.decompress(WHOLE)[:40000]), "corrupt archive (unexpected end of data"),
}


@pytest.mark.parametrize("case", BAD_ARCHIVES)
def test_a_damaged_archive_is_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    """If this fails, half a download is half a data set, or a link in an archive is a file of the machine."""
    content, sentence = BAD_ARCHIVES[case]
    path = write(tmp_path, {"cifar-10-binary.tar.gz": content}) / "cifar-10-binary.tar.gz"
    with pytest.raises(DataError) as refusal:
        DATASETS["cifar10"](tmp_path, 0)
    assert str(refusal.value).startswith(f"{path}: {sentence}")
    assert {str(report.problem) for report in verify("cifar10", tmp_path)} == {str(refusal.value)}


def test_an_archive_is_unpacked_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a megabyte of packed zeros takes the memory of the machine; the bound is lowered so that the test does not."""
    monkeypatch.setattr("contrastive_core.data.formats.opening._LARGEST_CONTENT", 2**20)
    path = write(tmp_path, {"a.tar.gz": gzip.compress(bytes(2**20 + 1))}) / "a.tar.gz"
    with pytest.raises(DataError, match="unpacks to more than 1048576 bytes"):
        open_members(path, ["a"])
