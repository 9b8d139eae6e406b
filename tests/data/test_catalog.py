"""Table of data sets: what it lists, what it says of each, and the digits that are always there."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from idx_files import idx, write
from sklearn.datasets import load_digits

from contrastive_core.data import DATASETS
from contrastive_core.data.catalog import CATALOG, describe
from contrastive_core.data.published import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from contrastive_core.errors import UnknownNameError

NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


SELF_CONTAINED = [name for name, entry in CATALOG.items() if entry.kind in ("bundled", "synthetic")]

IN_IDX_FILES = [name for name, entry in CATALOG.items() if entry.kind == "download" and entry.format == "idx"]


def test_names_and_descriptions_need_no_heavy_import() -> None:
    """``--help`` and ``data list`` would take seconds."""
    code = (
        "import sys; from contrastive_core.data import DATASETS; from contrastive_core.data.catalog import CATALOG;"
        "assert list(DATASETS) == list(CATALOG); assert not {'torch', 'numpy', 'sklearn', 'pooch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_data_set_has_its_name_and_an_unknown_one_lists_them() -> None:
    assert list(DATASETS) == [
        "digits",
        "digits-shuffled",
        "mnist",
        "fashion-mnist",
        "kmnist",
        "cifar10",
        "cifar100",
        "svhn",
        "spoken-digits",
        "bars-and-stripes",
        "two-moons",
        "teacher",
        "digits-halves",
        "digits-poisoned",
        "digits-text",
        "digits-spectrum",
        "digits-graded",
        "digits-weighted",
        "digits-asymmetric",
        "digits-neighbours",
        "digits-answers",
        "digits-attributes",
        "digits-biased",
        "digits-regions",
        "digits-foreground",
        "pulses",
        "diabetes",
        "synthetic-houses",
    ]
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
        if entry.labels == "regression":  # standardised inputs, and a column for each target
            assert split.labels.shape == (size, entry.num_classes)
            continue
        assert split.inputs.min() >= 0
        assert split.inputs.max() <= 1
        assert split.labels.shape == (size,)
        assert split.labels.dtype == torch.int64
        assert set(split.labels.tolist()) == set(range(entry.num_classes))
    assert (splits.num_classes, splits.task) == (entry.num_classes, entry.labels)
    pictures = {"digits": (1, 8, 8), "digits-shuffled": (1, 8, 8), "bars-and-stripes": (1, 4, 4)}
    pictures |= {"digits-graded": (1, 8, 8), "digits-biased": (1, 8, 8), "digits-regions": (1, 4, 4), "digits-foreground": (1, 4, 4)}
    pictures |= dict.fromkeys(("digits-weighted", "digits-neighbours", "digits-asymmetric", "digits-answers"), (1, 8, 8))
    assert splits.shape == pictures.get(name, ())
    assert splits.source.startswith(f"{name}: ")


@pytest.mark.parametrize("name", IN_IDX_FILES)
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
