"""Data sets of images and labels in four IDX files: MNIST, Fashion-MNIST and KMNIST."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from contrastive_core.data.catalog import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, Entry, describe
from contrastive_core.data.files import check_name, fetch, find, is_published
from contrastive_core.data.idx import IdxFile, check_counts, open_idx, parse_images, parse_labels
from contrastive_core.data.splits import Split, Splits, assemble
from contrastive_core.errors import DataError

# A twelfth of 60000 training images gives the usual 55000 and 5000; smaller files are divided in the same ratio.
_VALIDATION_SHARE = 12


def load_folder(name: str, data_dir: Path | None) -> Splits:
    """Load the data set called ``name``; the last twelfth of its training images is validation.

    Parameters
    ----------
    name : str
        Data set with files in the catalog.
    data_dir : Path, optional
        Folder with the four files, or with a subfolder ``name`` that has them. None takes the download cache and downloads missing
        files; nothing is ever downloaded if a folder is given.

    Returns
    -------
    Splits
        Inputs of shape (N, rows x columns) in [0, 1], pixels divided by 255, in the published order. The published files give 55000,
        5000 and 10000 samples.

    Raises
    ------
    DataError
        If a file is missing, damaged, of another data set or inconsistent with the others, or if a download fails.
    """
    entry = describe(name)
    paths = fetch(name) if data_dir is None else find(name, data_dir)
    files = {file_name: open_idx(path) for file_name, path in paths.items()}
    for file_name, file in files.items():
        check_name(name, file_name, file)
    training, shape = _read_pair(files[TRAIN_IMAGES], files[TRAIN_LABELS], entry.num_classes)
    test, test_shape = _read_pair(files[TEST_IMAGES], files[TEST_LABELS], entry.num_classes)
    _check_sizes(files, len(training.labels), shape, test_shape)
    num_train = len(training.labels) - len(training.labels) // _VALIDATION_SHARE
    return assemble(
        Split(training.inputs[:num_train], training.labels[:num_train]),
        Split(training.inputs[num_train:], training.labels[num_train:]),
        test,
        num_classes=entry.num_classes,
        source=f"{name}: {_describe_files(entry, files)}, pixels / 255, the last {len(training.labels) - num_train} of "
        f"{len(training.labels)} training images as validation",
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


def _read_pair(images_file: IdxFile, labels_file: IdxFile, num_classes: int) -> tuple[Split, tuple[int, ...]]:
    """Read images and their labels, and return the images' shape (1, rows, columns) beside them."""
    images = parse_images(images_file)  # (N, rows, columns)
    labels = parse_labels(labels_file, num_classes)
    check_counts(images_file.path, labels_file.path, len(images), len(labels))
    inputs = images.reshape(len(images), -1).astype(np.float32)  # (N, n_in)
    inputs /= 255
    return Split(torch.from_numpy(inputs), torch.from_numpy(labels.astype(np.int64))), (1, *images.shape[1:])


def _check_sizes(files: Mapping[str, IdxFile], num_training: int, shape: tuple[int, ...], test_shape: tuple[int, ...]) -> None:
    """Refuse images of different sizes, and too few images to leave one for validation."""
    if test_shape != shape:
        raise DataError(
            f"{files[TEST_IMAGES].path}: images of {test_shape[1]}x{test_shape[2]} pixels, expected {shape[1]}x{shape[2]} as in "
            f"{files[TRAIN_IMAGES].path.name}; check that both files belong to the same data set"
        )
    if num_training < _VALIDATION_SHARE:
        raise DataError(
            f"{files[TRAIN_IMAGES].path}: {num_training} images, expected at least {_VALIDATION_SHARE} to leave one "
            "for validation; give a larger file"
        )


def _describe_files(entry: Entry, files: Mapping[str, IdxFile]) -> str:
    """Describe the files: published, different, or unknown."""
    verdicts = [is_published(published, files[published.name]) for published in entry.files]
    if all(verdicts):
        return "the published IDX files"
    if False in verdicts:
        return "IDX files other than the published ones"
    return "IDX files that could not be compared with the published ones"
