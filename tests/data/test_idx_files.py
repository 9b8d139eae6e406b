"""Data sets in files: what is read is what the files say, and what is damaged is refused."""

import gzip
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from download_server import Server
from idx_files import HEIGHT, NUM_TEST, NUM_TRAIN, WIDTH, idx, small_arrays, write

from contrastive_core.data import DATASETS
from contrastive_core.data.catalog import CATALOG, describe
from contrastive_core.data.entry import Entry
from contrastive_core.data.files import fetch, find
from contrastive_core.data.formats.idx import open_idx
from contrastive_core.data.published import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from contrastive_core.data.verification import verify
from contrastive_core.errors import DataError

NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


SELF_CONTAINED = [name for name, entry in CATALOG.items() if entry.kind in ("bundled", "synthetic")]

IN_IDX_FILES = [name for name, entry in CATALOG.items() if entry.kind == "download" and entry.format == "idx"]


@pytest.fixture
def contents() -> dict[str, bytes]:
    return {name: idx(array) for name, array in small_arrays().items()}


@pytest.fixture
def folder(tmp_path: Path, contents: dict[str, bytes]) -> Path:
    return write(tmp_path / "images", contents)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, server: Server, contents: dict[str, bytes]) -> Entry:
    """Make the small files the published ones of mnist, and serve them."""
    archives = {name: gzip.compress(content, mtime=0) for name, content in contents.items()}
    files = tuple(
        replace(file, archive=sha256(archives[file.name]).hexdigest(), content=sha256(contents[file.name]).hexdigest())
        for file in describe("mnist").files
    )
    entry = replace(describe("mnist"), mirror="https://mirror.invalid/mnist/", files=files)
    monkeypatch.setitem(CATALOG, "mnist", entry)
    server.files = {f"{entry.mirror}{name}.gz": archive for name, archive in archives.items()}
    return entry


def test_images_are_read_as_the_files_say(folder: Path) -> None:
    """Row-major pixels over 255, in the order of the file, and the last twelfth for validation."""
    arrays, splits = small_arrays(), DATASETS["mnist"](folder, 0)
    for split, images, labels in (
        (splits.train, arrays[TRAIN_IMAGES][:22], arrays[TRAIN_LABELS][:22]),
        (splits.validation, arrays[TRAIN_IMAGES][22:], arrays[TRAIN_LABELS][22:]),
        (splits.test, arrays[TEST_IMAGES], arrays[TEST_LABELS]),
    ):
        assert split.inputs.dtype == torch.float32
        assert split.labels.dtype == torch.int64
        expected = [[pixel / 255 for row in image for pixel in row] for image in images.tolist()]
        # pixel / 255 rounds once in float32, and so does the expected value.
        assert torch.equal(split.inputs, torch.tensor(expected, dtype=torch.float32))
        assert split.labels.tolist() == labels.tolist()
    assert splits.num_classes == 10
    assert splits.shape == (1, HEIGHT, WIDTH)
    assert "IDX files other than the published ones" in splits.source
    assert str(folder) not in splits.source


def test_the_folder_split_is_the_same_for_every_seed(folder: Path) -> None:
    assert DATASETS["mnist"](folder, 0).digest == DATASETS["mnist"](folder, 1).digest


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("pattern", ["{}", "{}.gz", "dotted", "dotted.gz"])
def test_names_and_compression_do_not_matter(compressed: bool, pattern: str, folder: Path, tmp_path: Path) -> None:
    """Compression is told from the content: browsers unpack files and keep the ``.gz``."""
    packed = {
        pattern.replace("dotted", name.replace("-idx", ".idx")).format(name): gzip.compress(content) if compressed else content
        for name, content in ((file.name, file.read_bytes()) for file in folder.iterdir())
    }
    assert DATASETS["mnist"](write(tmp_path / "packed", packed), 0).digest == DATASETS["mnist"](folder, 0).digest


def test_a_folder_of_folders_is_searched_by_name(tmp_path: Path, contents: dict[str, bytes]) -> None:
    write(tmp_path / "mnist", contents)
    assert find("mnist", tmp_path) == {name: tmp_path / "mnist" / name for name in NAMES}
    with pytest.raises(DataError, match=f"^{tmp_path}: no {TRAIN_IMAGES}, "):
        find("kmnist", tmp_path)


def header(magic: int, *shape: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in (magic, *shape))


LABELS = bytes(range(10))

BAD_FILES = {
    "wrong magic": (TRAIN_LABELS, b"<!DOCTYPE html>", "magic number 0x3C21444F, expected 0x00000801 (labels); this is not an IDX file"),
    "unknown type": (TRAIN_LABELS, header(0x0A01, 10) + LABELS, "magic number 0x00000A01, expected 0x00000801 (labels); this is not an"),
    "floats": (TRAIN_IMAGES, header(0x0D03, 1, 1, 1) + bytes(4), "type code 0x0D (float32), expected 0x08 (unsigned byte); convert"),
    "labels as images": (
        TRAIN_IMAGES,
        header(0x0801, 10) + LABELS,
        "magic number 0x00000801 (labels), expected 0x00000803 (images); check that no files were swapped",
    ),
    "images as labels": (
        TRAIN_LABELS,
        header(0x0803, 1, 2, 2) + bytes(4),
        "magic number 0x00000803 (images), expected 0x00000801 (labels); check that no files were swapped",
    ),
    "two axes": (TRAIN_IMAGES, header(0x0802, 1, 4) + bytes(4), "magic number 0x00000802 (2 axes), expected 0x00000803 (images)"),
    "empty file": (TEST_LABELS, b"", "truncated, 0 bytes where a header starting with 0x00000801 (labels) is expected; copy or download"),
    "short header": (TEST_IMAGES, header(0x0803, 10), "truncated, a header of 8 bytes where 16 are expected; copy or download"),
    "short data": (TEST_LABELS, header(0x0801, 10) + LABELS[:9], "truncated, 9 bytes of data, expected 10 for shape (10,); copy or"),
    "long data": (TEST_LABELS, header(0x0801, 10) + LABELS + b"x", "trailing bytes, 11 bytes of data, expected 10 for shape (10,)"),
    "no samples": (TEST_IMAGES, header(0x0803, 0, 28, 28), "holds no samples (shape (0, 28, 28)), expected at least one"),
    "label out of range": (TEST_LABELS, header(0x0801, 10) + LABELS[:7] + b"\x0a\x0b\x08", "label 10 at index 7, expected 0 to 9; check"),
    "too few labels": (TEST_LABELS, header(0x0801, 9) + LABELS[:9], f"9 labels, expected 10, the number of images in {TEST_IMAGES}; check"),
    "too many labels": (TRAIN_LABELS, header(0x0801, 25) + bytes(25), f"25 labels, expected 24, the number of images in {TRAIN_IMAGES}"),
    "other image size": (
        TEST_IMAGES,
        header(0x0803, 10, 5, 1) + bytes(50),
        f"images of 5x1 pixels, expected 3x2 as in {TRAIN_IMAGES}; check",
    ),
    "turned images": (TEST_IMAGES, header(0x0803, 10, 2, 3) + bytes(60), f"images of 2x3 pixels, expected 3x2 as in {TRAIN_IMAGES}; check"),
    "gzip cut short": (
        TRAIN_IMAGES,
        gzip.compress(bytes(100))[:-12],
        "corrupt gzip (Compressed file ended before the end-of-stream marker",
    ),
    "gzip checksum": (TRAIN_IMAGES, gzip.compress(bytes(100))[:-8] + bytes(8), "corrupt gzip (CRC check failed"),
    "gzip stream": (TRAIN_IMAGES, gzip.compress(bytes(100))[:10] + b"\xff" * 20, "corrupt gzip (Error -3 while decompressing data"),
    "gzip and more": (
        TRAIN_IMAGES,
        gzip.compress(bytes(100)) + b"more",
        "corrupt gzip (Not a gzipped file (b'mo')), expected a whole gzip",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_each_damage_is_refused_in_one_sentence(case: str, folder: Path) -> None:
    """The sentence names the file, what was found and what was expected; damaged data must never become an experiment."""
    name, content, sentence = BAD_FILES[case]
    (folder / name).write_bytes(content)
    with pytest.raises(DataError) as refusal:
        DATASETS["mnist"](folder, 0)
    message = str(refusal.value)
    assert message.startswith(f"{folder / name}: {sentence}")
    assert "\n" not in message
    assert "; " in message  # what to do


def test_too_few_images_for_a_validation_split_are_refused(folder: Path) -> None:
    write(folder, {TRAIN_IMAGES: idx(np.zeros((11, HEIGHT, WIDTH), np.uint8)), TRAIN_LABELS: idx(np.zeros(11, np.uint8))})
    with pytest.raises(DataError, match="11 images, expected at least 12 to leave one for validation"):
        DATASETS["mnist"](folder, 0)


def test_missing_files_are_all_named_and_nothing_is_downloaded(folder: Path, server: Server) -> None:
    """Quietly taking other data than was asked for is the worst that a loader can do."""
    (folder / TRAIN_LABELS).unlink()
    (folder / TEST_IMAGES).unlink()
    with pytest.raises(DataError, match=f"^{folder}: no {TRAIN_LABELS}, {TEST_IMAGES}; data set 'mnist' needs {', '.join(NAMES)} "):
        DATASETS["mnist"](folder, 0)
    with pytest.raises(DataError, match=f"^{folder / 'absent'}: no such folder; data set 'mnist' needs {', '.join(NAMES)} "):
        DATASETS["mnist"](folder / "absent", 0)
    assert server.asked == []


def test_a_file_that_cannot_be_read_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte: cannot be read \(Permission denied\); check"):
        DATASETS["mnist"](folder, 0)


def test_files_of_another_data_set_are_recognised(folder: Path, published: Entry) -> None:
    """MNIST and Fashion-MNIST files have the same names, shapes and labels; only the digest tells them apart."""
    assert "mnist: the published IDX files, " in DATASETS["mnist"](folder, 0).source
    with pytest.raises(DataError, match=f"this is {TRAIN_IMAGES} of 'mnist', expected {TRAIN_IMAGES} of 'fashion-mnist'; choose"):
        DATASETS["fashion-mnist"](folder, 0)


def test_swapped_files_of_one_data_set_are_recognised(folder: Path, published: Entry) -> None:
    (folder / TRAIN_IMAGES).write_bytes((folder / TEST_IMAGES).read_bytes())
    with pytest.raises(DataError, match=f"this is {TEST_IMAGES} of 'mnist', expected {TRAIN_IMAGES} of 'mnist'"):
        DATASETS["mnist"](folder, 0)


def test_without_a_folder_the_files_are_downloaded_once(folder: Path, published: Entry, server: Server) -> None:
    downloaded = DATASETS["mnist"](None, 0)
    assert server.asked == [f"{published.mirror}{name}.gz" for name in NAMES]
    assert downloaded.digest == DATASETS["mnist"](folder, 0).digest
    assert DATASETS["mnist"](None, 0).digest == downloaded.digest
    assert len(server.asked) == 4


def test_a_failed_download_says_how_to_do_without(published: Entry, server: Server) -> None:
    """Never a silent fallback: the sentence names the four files and --data-dir."""
    server.files.clear()
    with pytest.raises(DataError) as refusal:
        DATASETS["mnist"](None, 0)
    assert str(refusal.value) == (
        f"{published.mirror}{TRAIN_IMAGES}.gz: download failed (ConnectionError: Name or service not known); "
        f"get {', '.join(NAMES)} (.gz or not) by other means and give their folder with --data-dir"
    )


def test_a_download_with_another_digest_is_refused_and_not_kept(published: Entry, server: Server) -> None:
    server.files[f"{published.mirror}{TEST_LABELS}.gz"] += b"x"
    with pytest.raises(DataError, match=f"{TEST_LABELS}.gz: download failed \\(ValueError: SHA256 hash of downloaded file"):
        fetch("mnist")
    assert [report.path is not None for report in verify("mnist")] == [True, True, True, False]


def test_a_damaged_file_in_the_cache_is_replaced(published: Entry, server: Server) -> None:
    path = fetch("mnist")[TEST_LABELS]
    content = path.read_bytes()
    path.write_bytes(b"damaged")
    assert fetch("mnist")[TEST_LABELS].read_bytes() == content
    assert len(server.asked) == 5


def test_fetch_to_a_folder_adds_what_is_missing_and_overwrites_nothing(folder: Path, published: Entry, server: Server) -> None:
    (folder / TEST_LABELS).unlink()
    paths = fetch("mnist", folder)
    assert paths == {name: folder / (f"{name}.gz" if name == TEST_LABELS else name) for name in NAMES}
    assert len(server.asked) == 1
    (folder / TRAIN_LABELS).write_bytes(b"mine")
    with pytest.raises(DataError, match=f"{TRAIN_LABELS}: not the published file of 'mnist', and .*; move it away"):
        fetch("mnist", folder)
    assert (folder / TRAIN_LABELS).read_bytes() == b"mine"


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_sets_without_files_have_nothing_to_fetch_or_verify(name: str, tmp_path: Path, server: Server) -> None:
    assert fetch(name) == {}
    assert find(name, tmp_path) == {}
    assert verify(name, tmp_path) == ()


@pytest.mark.parametrize("name", IN_IDX_FILES)
def test_catalog_of_files_is_complete(name: str) -> None:
    """A digest with a typing error would refuse every download."""
    entry = CATALOG[name]
    assert tuple(file.name for file in entry.files) == NAMES
    assert entry.mirror.endswith("/")
    digests = [digest for file in entry.files for digest in (file.archive, file.content) if digest is not None]
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)
    assert len(set(digests)) == len(digests)


def test_verify_reports_every_file(folder: Path, contents: dict[str, bytes], published: Entry, server: Server) -> None:
    reports = verify("mnist", folder)
    for report, name, count in zip(reports, NAMES, (NUM_TRAIN, NUM_TRAIN, NUM_TEST, NUM_TEST), strict=True):
        assert report == (name, folder / name, len(contents[name]), sha256(contents[name]).hexdigest(), True, count, None)
    assert server.asked == []


def test_verify_recognises_a_file_that_was_packed_again(folder: Path, contents: dict[str, bytes], published: Entry) -> None:
    """Distributions strip names and times from gzip headers: the content is what counts."""
    packed = gzip.compress(contents[TRAIN_IMAGES], compresslevel=1, mtime=7)
    (folder / TRAIN_IMAGES).write_bytes(packed)
    report = verify("mnist", folder)[0]
    assert report.published is True
    assert report.num_bytes == len(packed)
    assert report.digest == sha256(contents[TRAIN_IMAGES]).hexdigest()


def test_verify_tells_other_damaged_and_missing_files_apart(folder: Path, contents: dict[str, bytes], published: Entry) -> None:
    other = bytearray(contents[TRAIN_IMAGES])
    other[-1] ^= 1
    write(folder, {TRAIN_IMAGES: bytes(other), TRAIN_LABELS: idx(np.zeros(5, np.uint8)), TEST_IMAGES: b"damaged"})
    (folder / TEST_LABELS).unlink()
    images, labels, damaged, missing = verify("mnist", folder)
    assert (images.published, images.num_samples, images.problem) == (False, NUM_TRAIN, None)
    assert (labels.num_samples, labels.problem) == (
        5,
        f"{folder / TRAIN_LABELS}: 5 labels, expected {NUM_TRAIN}, the number of images in {TRAIN_IMAGES}; "
        "check that both files belong to the same split",
    )
    assert (damaged.published, damaged.num_samples) == (False, None)
    assert str(damaged.problem).startswith(f"{folder / TEST_IMAGES}: magic number 0x64616D61, expected 0x00000803 (images)")
    assert missing == (TEST_LABELS, None, None, None, None, None, f"no {TEST_LABELS} (.gz or not) in {folder}; download or copy it there")


def test_verify_recognises_another_data_set(folder: Path, published: Entry) -> None:
    report = verify("fashion-mnist", folder)[0]
    assert report.published is False
    assert str(report.problem).startswith(f"{folder / TRAIN_IMAGES}: this is {TRAIN_IMAGES} of 'mnist', expected")


def test_verify_does_not_judge_what_it_cannot_know(folder: Path, server: Server) -> None:
    """Only the archives' digests of kmnist are known, so an unpacked file is neither the published one nor another."""
    assert [report.published for report in verify("kmnist", folder)] == [None] * 4
    assert "could not be compared with the published ones" in DATASETS["kmnist"](folder, 0).source


def lying(shape: tuple[int, ...], content: bytes) -> bytes:
    """A packed file whose header declares another shape than its content has."""
    return gzip.compress(bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape) + content)


BOMBS = {
    "zeros without a header": (gzip.compress(bytes(2**21)), "unpacks to more than"),
    "more than the header declares": (lying((3, 2, 2), bytes(2**21)), "its header declares 12"),
    "terabytes of pictures": (lying((2**32 - 1, 2**20, 1), b""), "declares 4503599626321920 bytes, at most 4294967296 are read"),
    "terabytes of labels": (lying((2**32 - 1, 2, 2), b""), "at most 4294967296 are read"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_packed_file_is_unpacked_as_far_as_it_declares(case: str, tmp_path: Path) -> None:
    """If this fails, a file of some megabytes takes the memory of the machine; unpacked here are some bytes."""
    content, words = BOMBS[case]
    (tmp_path / "bomb").write_bytes(content)
    with pytest.raises(DataError, match=words):
        open_idx(tmp_path / "bomb")


def test_a_file_larger_than_any_data_set_is_not_read(tmp_path: Path) -> None:
    """A sparse file takes no disk, and the memory of its declared size once it is read."""
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(DataError, match="more than 4294967296 bytes"):
        open_idx(tmp_path / "sparse")
