"""Data sets of pictures in published files: MNIST and its relatives in IDX files, the CIFAR data sets in records, SVHN in MAT files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from contrastive_core.data.catalog import describe
from contrastive_core.data.entry import Entry
from contrastive_core.data.files import check_name, fetch, find, is_published, opened
from contrastive_core.data.formats.idx import check_counts, parse_images, parse_labels
from contrastive_core.data.formats.matlab import parse_mat
from contrastive_core.data.formats.opening import DataFile
from contrastive_core.data.formats.records import SHAPE, parse_records
from contrastive_core.data.published import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from contrastive_core.data.splits import Split, Splits, assemble
from contrastive_core.errors import DataError

_KINDS = {"idx": "IDX files", "records": "binary files", "mat": "MAT files"}


class _Pictures(NamedTuple):
    """Pictures of the training and test files, of one shape."""

    training: Split
    test: Split
    shape: tuple[int, ...]


def load_folder(name: str, data_dir: Path | None) -> Splits:
    """Load the data set called ``name``; the end of its training pictures is validation, in the catalog's proportion.

    Parameters
    ----------
    name : str
        Data set with files in the catalog.
    data_dir : Path, optional
        Folder with the files or their archive, or with a subfolder that has them. None takes the download cache and downloads missing
        files; nothing is ever downloaded if a folder is given.

    Returns
    -------
    Splits
        Inputs in [0, 1], pixels divided by 255, in the published order: of shape (N, rows x columns), or (N, 3 x 32 x 32) for colour
        pictures. The published files give the sizes of the catalog.

    Raises
    ------
    DataError
        If a file is missing, damaged, of another data set or inconsistent with the others, or if a download fails.
    """
    entry = describe(name)
    files: dict[str, DataFile] = {}
    for file_name, file in opened(entry, fetch(name) if data_dir is None else find(name, data_dir)).items():
        if isinstance(file, DataError):
            raise file
        check_name(name, file_name, file)
        files[file_name] = file
    training, test, shape = _read_idx(entry, files) if entry.format == "idx" else _read_colour(entry, files)
    # The published training files end with the catalog's number of validation pictures; smaller ones are divided in the same ratio.
    share, available = (entry.num_train + entry.num_validation) // entry.num_validation, len(training.labels)
    if available < share:
        path = files[entry.files[0].name].path
        raise DataError(f"{path}: {available} images, expected at least {share} to leave one for validation; give a larger file")
    num_train = available - available // share
    return assemble(
        Split(training.inputs[:num_train], training.labels[:num_train]),
        Split(training.inputs[num_train:], training.labels[num_train:]),
        test,
        num_classes=entry.num_classes,
        source=f"{name}: {_describe_files(entry, files)}, pixels / 255, the last {available - num_train} of "
        f"{available} training images as validation",
        shape=shape,
    )


def mnist(data_dir: Path | None, seed: int) -> Splits:
    """Load MNIST, handwritten digits, as :func:`load_folder` does; the seed is not used."""
    return load_folder("mnist", data_dir)


def fashion_mnist(data_dir: Path | None, seed: int) -> Splits:
    """Load Fashion-MNIST, articles of clothing, as :func:`load_folder` does; the seed is not used."""
    return load_folder("fashion-mnist", data_dir)


def kmnist(data_dir: Path | None, seed: int) -> Splits:
    """Load KMNIST, cursive Japanese characters, as :func:`load_folder` does; the seed is not used."""
    return load_folder("kmnist", data_dir)


def cifar10(data_dir: Path | None, seed: int) -> Splits:
    """Load CIFAR-10, colour pictures of animals and vehicles, as :func:`load_folder` does; the seed is not used."""
    return load_folder("cifar10", data_dir)


def cifar100(data_dir: Path | None, seed: int) -> Splits:
    """Load CIFAR-100 with its 100 fine labels, as :func:`load_folder` does; the seed is not used."""
    return load_folder("cifar100", data_dir)


def svhn(data_dir: Path | None, seed: int) -> Splits:
    """Load SVHN, digits in house numbers, as :func:`load_folder` does; the seed is not used."""
    return load_folder("svhn", data_dir)


def _read_idx(entry: Entry, files: Mapping[str, DataFile]) -> _Pictures:
    """Read pairs of IDX files, whose images must have one size."""
    training, shape = _read_pair(files[TRAIN_IMAGES], files[TRAIN_LABELS], entry.num_classes)
    test, test_shape = _read_pair(files[TEST_IMAGES], files[TEST_LABELS], entry.num_classes)
    if test_shape != shape:
        raise DataError(
            f"{files[TEST_IMAGES].path}: images of {test_shape[1]}x{test_shape[2]} pixels, expected {shape[1]}x{shape[2]} as in "
            f"{files[TRAIN_IMAGES].path.name}; check that both files belong to the same data set"
        )
    return _Pictures(training, test, shape)


def _read_pair(images_file: DataFile, labels_file: DataFile, num_classes: int) -> tuple[Split, tuple[int, ...]]:
    """Read images and their labels, and return the images' shape (1, rows, columns) beside them."""
    images = parse_images(images_file)  # (N, rows, columns)
    labels = parse_labels(labels_file, num_classes)
    check_counts(images_file.path, labels_file.path, len(images), len(labels))
    return _split([(images.reshape(len(images), -1), labels)]), (1, *images.shape[1:])


def _read_colour(entry: Entry, files: Mapping[str, DataFile]) -> _Pictures:
    """Read records or MAT files; the last of the data set's files is for testing."""
    *training, test = (
        parse_records(files[file.name], entry.num_classes) if entry.format == "records" else parse_mat(files[file.name])
        for file in entry.files
    )
    return _Pictures(_split(training), _split([test]), SHAPE)


def _split(parts: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> Split:
    """Put pixels and labels of several files together, pixels divided by 255 in float32."""
    inputs = np.empty((sum(len(labels) for _, labels in parts), parts[0][0].shape[1]), np.float32)
    start = 0
    for pixels, labels in parts:
        np.divide(pixels, np.float32(255), out=inputs[start : start + len(labels)], dtype=np.float32)
        start += len(labels)
    return Split(torch.from_numpy(inputs), torch.from_numpy(np.concatenate([labels for _, labels in parts]).astype(np.int64)))


def _describe_files(entry: Entry, files: Mapping[str, DataFile]) -> str:
    """Describe the files: published, different, or unknown."""
    verdicts, kind = [is_published(published, files[published.name]) for published in entry.files], _KINDS[entry.format]
    if all(verdicts):
        return f"the published {kind}"
    if False in verdicts:
        return f"{kind} other than the published ones"
    return f"{kind} that could not be compared with the published ones"
