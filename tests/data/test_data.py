"""Data sets: what is read is what the files say, what is damaged is refused, and the splits never move."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests
import torch
from sklearn.datasets import load_digits

from contrastive_core.data import DATASETS
from contrastive_core.data.batches import batches
from contrastive_core.data.catalog import CATALOG, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, Entry, describe
from contrastive_core.data.files import fetch, find, verify
from contrastive_core.data.splits import Split, Splits, assemble, limit, split_stratified
from contrastive_core.errors import DataError, InputError, UnknownNameError

NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
NUM_TRAIN, NUM_TEST, HEIGHT, WIDTH = 24, 10, 3, 2
SELF_CONTAINED = [name for name, entry in CATALOG.items() if entry.kind != "download"]
DOWNLOADED = [name for name, entry in CATALOG.items() if entry.kind == "download"]


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    """Encode an array as an IDX file, straight from the format's definition."""
    return bytes([0, 0, code, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def small_arrays() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(3)
    return {
        TRAIN_IMAGES: draw.integers(0, 256, (NUM_TRAIN, HEIGHT, WIDTH), dtype=np.uint8),
        TRAIN_LABELS: np.arange(NUM_TRAIN, dtype=np.uint8) % 10,
        TEST_IMAGES: draw.integers(0, 256, (NUM_TEST, HEIGHT, WIDTH), dtype=np.uint8),
        TEST_LABELS: np.arange(NUM_TEST, dtype=np.uint8)[::-1].copy(),
    }


def write(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def contents() -> dict[str, bytes]:
    return {name: idx(array) for name, array in small_arrays().items()}


@pytest.fixture
def folder(tmp_path: Path, contents: dict[str, bytes]) -> Path:
    return write(tmp_path / "images", contents)


class Server:
    """Stands for the network: serves bytes by address, or fails as requests does, and counts what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def choose_downloader(self, url: str, progressbar: bool = False) -> Callable[[str, str, object], None]:
        return self.download

    def download(self, url: str, output: str, _: object) -> None:
        self.asked.append(url)
        if url not in self.files:
            raise requests.exceptions.ConnectionError("Name or service not known")
        Path(output).write_bytes(self.files[url])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    server = Server()
    monkeypatch.setattr(pooch.core, "choose_downloader", server.choose_downloader)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    return server


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


# The table of data sets


def test_names_and_descriptions_need_no_heavy_import() -> None:
    """``--help`` and ``data list`` would take seconds."""
    code = (
        "import sys; from contrastive_core.data import DATASETS; from contrastive_core.data.catalog import CATALOG;"
        "assert list(DATASETS) == list(CATALOG); assert not {'torch', 'numpy', 'sklearn', 'pooch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_data_set_has_its_name_and_an_unknown_one_lists_them() -> None:
    assert list(DATASETS) == ["digits", "digits-shuffled", "mnist", "fashion-mnist", "kmnist", "two-moons", "teacher"]
    with pytest.raises(UnknownNameError, match="unknown data set 'mnits'; did you mean 'mnist'"):
        describe("mnits")


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_what_the_catalog_says_is_what_is_loaded(name: str) -> None:
    """A table of sizes that nobody checks ends up in a paper."""
    entry, splits = CATALOG[name], DATASETS[name](None, 0)
    sizes = (entry.num_train, entry.num_validation, entry.num_test)
    for split, size in zip(splits[:3], sizes, strict=True):
        assert split.inputs.shape == (size, entry.num_inputs)
        assert split.inputs.dtype == torch.float32
        assert split.inputs.min() >= 0
        assert split.inputs.max() <= 1
        assert split.labels.shape == (size,)
        assert split.labels.dtype == torch.int64
        assert set(split.labels.tolist()) == set(range(entry.num_classes))
    assert splits.num_classes == entry.num_classes
    assert splits.source.startswith(f"{name}: ")


@pytest.mark.parametrize("name", DOWNLOADED)
def test_published_files_give_the_sizes_of_the_catalog(name: str, tmp_path: Path) -> None:
    """55000, 5000 and 10000 are the numbers that results on these sets are compared at (images of one pixel will do)."""
    entry = CATALOG[name]
    images = np.arange(60000, dtype=np.uint32).astype(np.uint8).reshape(-1, 1, 1)
    labels = np.arange(60000, dtype=np.uint32).astype(np.uint8) % 10
    arrays = (images, labels, images[:10000], labels[:10000])
    splits = DATASETS[name](write(tmp_path, {file: idx(array) for file, array in zip(NAMES, arrays, strict=True)}), 0)
    assert [len(split.labels) for split in splits[:3]] == [entry.num_train, entry.num_validation, entry.num_test] == [55000, 5000, 10000]
    assert torch.equal(splits.validation.labels, torch.from_numpy(labels[55000:]).long())
    assert "the last 5000 of 60000 training images as validation" in splits.source


# Digits


def test_digits_have_the_same_share_of_every_class_in_every_split() -> None:
    """Each count is within one of its share of what was there to choose from: that is what stratified means."""
    splits = DATASETS["digits"](None, 0)
    train, validation, test = (split.labels.bincount().double() for split in splits[:3])
    assert (test - (train + validation + test) * 350 / 1797).abs().max() < 1
    assert (validation - (train + validation) * 250 / 1447).abs().max() < 1


def test_digits_are_those_of_scikit_learn() -> None:
    """If this fails, results on digits are not comparable with anybody's: the file is read without the library that owns it."""
    images, labels = load_digits(return_X_y=True)
    splits = DATASETS["digits"](None, 0)
    parts = (splits.train, splits.validation, splits.test)
    found = torch.cat([torch.cat((part.inputs * 16, part.labels[:, None].float()), 1) for part in parts]).double()
    wanted = torch.from_numpy(np.column_stack((images, labels)))
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, wanted.tolist()))


def test_digits_are_split_alike_for_every_seed() -> None:
    """If the split moved with the training seed, spread between seeds would mix two causes and test samples would leak."""
    first, second = DATASETS["digits"](None, 0), DATASETS["digits"](None, 1)
    assert first.digest == second.digest
    assert torch.equal(first.train.inputs, second.train.inputs)


def test_characterises_digits_split() -> None:
    """The split is made of integers only, so it is the same on every machine and for every version of NumPy."""
    assert DATASETS["digits"](None, 0).digest == "88a027fa8f3e46ce74db816d18378b922a810588871529c9710f1290ba340fee"


def test_shuffled_digits_are_numpys_permutation_of_them() -> None:
    """If this fails, results cannot be laid beside those of others who divide the digits like this."""
    images, labels = load_digits(return_X_y=True)
    splits, order = DATASETS["digits-shuffled"](None, 123), np.random.default_rng(123).permutation(1797)
    found = [torch.cat([split[part] for split in splits[:3]]) for part in (0, 1)]
    assert torch.equal(found[0], torch.from_numpy(images[order] / 16).float())
    assert found[1].tolist() == labels[order].tolist()
    assert splits.test.labels.bincount(minlength=10).tolist() == np.bincount(labels[order[1437:]]).tolist()


# Splits


def numbered(num_samples: int, num_classes: int) -> Split:
    numbers = torch.arange(num_samples)
    return Split(numbers[:, None].float(), numbers % num_classes)


def test_stratified_splits_are_disjoint_exhaustive_and_repeatable() -> None:
    """A sample in two splits is a sample that was trained on and tested on."""
    parts = split_stratified(numbered(103, 3), 20, 30)
    numbers = [part.inputs[:, 0].long() for part in parts]
    assert [len(part) for part in numbers] == [53, 20, 30]
    assert sorted(torch.cat(numbers).tolist()) == list(range(103))
    for part, number in zip(parts, numbers, strict=True):
        assert torch.equal(part.labels, number % 3)
    again = split_stratified(numbered(103, 3), 20, 30)
    assert all(torch.equal(part.inputs, other.inputs) for part, other in zip(parts, again, strict=True))


def test_stratified_splits_are_shuffled() -> None:
    """The first training samples are used as a small training set: sorted by class, they would be of one class."""
    train = split_stratified(Split(torch.zeros(400, 1), torch.arange(400) // 100), 40, 40)[0]
    # 80 of 320 draws without replacement: 20 of each class expected, standard deviation 3.4, so 4.5 of them is 15.
    assert (train.labels[:80].bincount(minlength=4) - 20).abs().max() <= 15


@pytest.mark.parametrize(("num_validation", "num_test"), [(0, 3), (3, 0), (5, 5), (-1, 3)])
def test_empty_splits_are_refused(num_validation: int, num_test: int) -> None:
    with pytest.raises(InputError, match=f"cannot take {num_validation} validation and {num_test} test samples from 10"):
        split_stratified(numbered(10, 2), num_validation, num_test)


def small_splits() -> Splits:
    return assemble(numbered(8, 2), numbered(3, 2), numbered(4, 2), num_classes=2, source="numbers")


def test_limit_keeps_the_first_training_samples_and_says_so() -> None:
    splits = small_splits()
    smaller = limit(splits, train=5)
    assert torch.equal(smaller.train.inputs, splits.train.inputs[:5])
    assert torch.equal(smaller.train.labels, splits.train.labels[:5])
    assert smaller.validation is splits.validation
    assert smaller.test is splits.test
    assert smaller.source == "numbers; only the first 5 of 8 training samples"
    assert smaller.digest != splits.digest
    assert limit(splits, train=8).digest == splits.digest


@pytest.mark.parametrize("train", [0, -1, 9])
def test_limit_refuses_what_is_not_there(train: int) -> None:
    with pytest.raises(InputError, match=f"cannot keep {train} training samples; choose a number from 1 to 8"):
        limit(small_splits(), train=train)


def test_digest_changes_with_one_byte_and_with_the_division() -> None:
    """The digest is the provenance of every record: unequal data with equal digests would be reported as the same experiment."""
    digest = small_splits().digest
    assert digest == small_splits().digest
    for changed in ("train", "validation", "test"):
        for tensor in (0, 1):
            parts = {"train": numbered(8, 2), "validation": numbered(3, 2), "test": numbered(4, 2)}
            parts[changed][tensor].view(-1).view(torch.uint8)[-1] ^= 1
            assert assemble(**parts, num_classes=2, source="numbers").digest != digest
    same_bytes = Split(numbered(8, 2).inputs.view(torch.int32), numbered(8, 2).labels)
    assert assemble(same_bytes, numbered(3, 2), numbered(4, 2), num_classes=2, source="numbers").digest != digest
    everything = numbered(8, 2)
    cuts = [
        assemble(*(Split(*(t[a:b] for t in everything)) for a, b in ((0, k), (k, 7), (7, 8))), num_classes=2, source="").digest
        for k in (4, 5)
    ]
    assert cuts[0] != cuts[1]


# Synthetic sets


SEEDED = [name for name, entry in CATALOG.items() if entry.seeded]


@pytest.mark.parametrize("name", SEEDED)
def test_what_is_drawn_follows_its_seed_and_nothing_else(name: str) -> None:
    splits = DATASETS[name](None, 5)
    torch.manual_seed(1)
    np.random.default_rng(1).random()
    assert DATASETS[name](None, 5).digest == splits.digest
    assert DATASETS[name](None, 6).digest != splits.digest
    assert "seed 5" in splits.source


@pytest.mark.parametrize("name", [name for name in SELF_CONTAINED if name not in SEEDED])
def test_what_is_not_drawn_is_the_same_for_every_seed(name: str) -> None:
    """If this fails, the catalog tells commands to refuse a seed that matters."""
    assert DATASETS[name](None, 5).digest == DATASETS[name](None, 6).digest


@pytest.mark.parametrize("name", ["two-moons", "teacher"])
def test_synthetic_splits_share_no_sample(name: str) -> None:
    """One stream reused for two splits would make the test samples training samples."""
    rows = [tuple(row) for split in DATASETS[name](None, 5)[:3] for row in split.inputs.tolist()]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("name", SEEDED)
def test_what_is_drawn_refuses_negative_seeds(name: str) -> None:
    with pytest.raises(InputError, match="seed must be at least 0, got -1"):
        DATASETS[name](None, -1)


def test_two_moons_lie_on_their_half_circles() -> None:
    """Undo the scaling: points are the formula's half circles plus noise of standard deviation 0.1."""
    inputs, labels = DATASETS["two-moons"](None, 2).train
    points = inputs.double() * torch.tensor([4.0, 2.5]) - torch.tensor([1.5, 1.0])
    centred = torch.where(labels[:, None] == 0, points, torch.tensor([1.0, 0.5]) - points)
    radius_error = centred.norm(dim=1) - 1
    # The radius' error is the noise along it: n = 1000, so its standard deviation is known to 0.1 / sqrt(2000) = 0.0022; 4.5 of these.
    # The noise across adds 0.1^2 / 2 = 0.005 to the mean radius, which is known to 0.1 / sqrt(1000) = 0.0032.
    assert abs(radius_error.std().item() - 0.1) < 0.010
    assert abs(radius_error.mean().item() - 0.005) < 0.0145
    # Half circles, not circles: the noise puts a point 0.5 beyond the flat side once in 3.5 million.
    assert centred[:, 1].min() > -0.5
    assert labels.bincount().tolist() == [500, 500]


def test_teacher_labels_are_those_of_one_network() -> None:
    """Label the samples by the formula, one at a time; labels of another network would make the task unlearnable."""
    seed = 4
    draw = np.random.default_rng(np.random.SeedSequence(seed).spawn(4)[0])
    first = draw.normal(0, (3 / 16) ** 0.5, (16, 32))
    second = draw.normal(0, (1 / 32) ** 0.5, (32, 4))
    splits = DATASETS["teacher"](None, seed)
    for split in splits[:3]:
        for inputs, label in zip(split.inputs[:50].tolist(), split.labels[:50].tolist(), strict=True):
            hidden = [np.tanh(sum((2 * x - 1) * first[i, j] for i, x in enumerate(inputs))) for j in range(32)]
            scores = [sum(h * second[j, k] for j, h in enumerate(hidden)) for k in range(4)]
            assert scores.index(max(scores)) == label


# IDX folders


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
    "too few labels": (TEST_LABELS, header(0x0801, 9) + LABELS[:9], f"9 labels, expected 10 as there are images in {TEST_IMAGES}; check"),
    "too many labels": (TRAIN_LABELS, header(0x0801, 25) + bytes(25), f"25 labels, expected 24 as there are images in {TRAIN_IMAGES}"),
    "other image size": (TEST_IMAGES, header(0x0803, 10, 5, 1) + bytes(50), f"5 pixels per image, expected 6 as in {TRAIN_IMAGES}; check"),
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
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
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


# Downloads


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
    with pytest.raises(DataError, match=f"{TRAIN_LABELS}: not recognised as the published file of 'mnist'; move it away"):
        fetch("mnist", folder)
    assert (folder / TRAIN_LABELS).read_bytes() == b"mine"


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_sets_without_files_have_nothing_to_fetch_or_verify(name: str, tmp_path: Path, server: Server) -> None:
    assert fetch(name) == {}
    assert find(name, tmp_path) == {}
    assert verify(name, tmp_path) == ()


@pytest.mark.parametrize("name", DOWNLOADED)
def test_catalog_of_files_is_complete(name: str) -> None:
    """A digest with a typing error would refuse every download."""
    entry = CATALOG[name]
    assert tuple(file.name for file in entry.files) == NAMES
    assert entry.mirror.endswith("/")
    digests = [digest for file in entry.files for digest in (file.archive, file.content) if digest is not None]
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)
    assert len(set(digests)) == len(digests)


# Verification


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
        f"{folder / TRAIN_LABELS}: 5 labels, expected {NUM_TRAIN} as there are images in {TRAIN_IMAGES}; "
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


# Batches


@pytest.mark.parametrize("batch_size", [1, 4, 10, 99])
@pytest.mark.parametrize("shuffled", [False, True])
def test_batches_present_every_sample_exactly_once(batch_size: int, shuffled: bool) -> None:
    """An epoch that skips or repeats samples is not an epoch."""
    split = numbered(10, 3)
    presented = list(batches(split, batch_size, torch.Generator().manual_seed(0) if shuffled else None))
    sizes = [len(batch.labels) for batch in presented]
    assert sizes == [batch_size] * (10 // batch_size) + [10 % batch_size] * (10 % batch_size > 0)
    order = torch.cat([batch.inputs[:, 0] for batch in presented]).long()
    assert sorted(order.tolist()) == list(range(10))
    assert torch.equal(torch.cat([batch.labels for batch in presented]), order % 3)
    assert (order.tolist() == list(range(10))) is not shuffled
    assert torch.equal(torch.cat([batch.instances for batch in presented if batch.instances is not None]), order)


def test_batches_follow_their_generator() -> None:
    """Same seed, same run; and every epoch of one generator has an order of its own."""

    def orders(seed: int) -> list[list[float]]:
        generator = torch.Generator().manual_seed(seed)
        return [torch.cat([batch.inputs[:, 0] for batch in batches(numbered(50, 2), 7, generator)]).tolist() for _ in range(2)]

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)
    assert orders(1)[0] != orders(1)[1]


def test_the_order_is_drawn_when_batches_are_asked_for() -> None:
    """Reading the batches later must not change what the generator is used for in between."""
    generator, twin = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    waiting = batches(numbered(50, 2), 50, generator)
    torch.rand(3, generator=generator)
    assert torch.equal(next(waiting).inputs, next(batches(numbered(50, 2), 50, twin)).inputs)


@pytest.mark.parametrize("batch_size", [0, -3])
def test_batch_size_is_checked_before_the_first_batch(batch_size: int) -> None:
    with pytest.raises(InputError, match=f"batch_size must be at least 1, got {batch_size}"):
        batches(numbered(4, 2), batch_size)
