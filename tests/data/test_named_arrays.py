"""Data sets of named arrays: what a file says reaches every batch, what is made has the law that it names, what is wrong is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Refused
from numpy.typing import NDArray

from contrastive_core.data import DATASETS
from contrastive_core.data.batches import batches
from contrastive_core.data.given import chosen, joined, repeated
from contrastive_core.data.named.arrays import own_data
from contrastive_core.data.named.graded_digits import SEGMENTS, slants
from contrastive_core.data.named.modal_digits import LETTERS, NAMES
from contrastive_core.data.named.regions import STROKES, matches
from contrastive_core.data.own.reading import read_own
from contrastive_core.data.splits import Split, join, limit, place
from contrastive_core.data.standardise import standardise
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.errors import InputError
from contrastive_core.sampling.together import Together

N = 40


def arrays(**changes: Any) -> dict[str, Any]:
    """Every array of a small data set; a change to None leaves one out."""
    draw = np.random.default_rng(0)
    relation = draw.integers(-1, 2, (N, N))
    made: dict[str, Any] = {
        "inputs": draw.random((N, 2, 3)),
        "second": draw.random((N, 5)),
        "labels": np.arange(N) % 4,
        "split": np.repeat([0, 1, 2], [20, 10, 10]),
        "numbers": draw.random(N),
        "vectors": draw.random((N, 7)),
        "trials": np.arange(N) // 4,
        "patients": np.arange(N) // 8,
        "images": np.arange(N) // 2,
        "positions": draw.random((N, 2)),
        "guide": draw.random((N, 3)),
        "predictions": draw.random(N),
        "pairs": np.triu(relation) + np.triu(relation, 1).T,
        "pair_weights": draw.random((N, N)),
        "weights": draw.random(N),
        "negatives": draw.random((N, 2, 11)),
    }
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


def test_what_a_file_says_of_samples_and_pairs_is_what_batches_hold(tmp_path: Path) -> None:
    """If this fails, objectives are trained with what belongs to other samples."""
    given = arrays()
    np.savez(tmp_path / "own.npz", **given)
    splits = read_own(tmp_path / "own.npz")
    assert splits.modalities == ((1, 2, 3), (5,))
    assert splits.digest == own_data(given, source="own.npz").digest
    for batch in batches(splits.validation, 4, torch.Generator().manual_seed(0)):
        assert batch.extras is not None
        assert batch.instances is not None
        rows = 20 + batch.instances.numpy()
        both = np.concatenate([given["inputs"].reshape(N, 6), given["second"]], 1)
        np.testing.assert_array_equal(batch.inputs.numpy(), both[rows].astype(np.float32))
        for name in batch.extras:
            whole: NDArray[Any] = given[name][rows][:, rows] if name in ("pairs", "pair_weights") else given[name][rows]
            np.testing.assert_array_equal(batch.extras[name].numpy(), whole.astype(batch.extras[name].numpy().dtype))
    assert set(splits.train.given) == set(given) - {"inputs", "second", "labels", "split"}


def test_tensors_of_samples_follow_them_through_views_limits_and_scaling() -> None:
    """If this fails, a view is trained with the label of another sample."""
    splits = own_data(arrays(second=None, negatives=None))
    views = MultiView((), 3).present(next(batches(splits.train, 5)), torch.Generator())
    assert views.extras is not None
    assert torch.equal(views.extras["numbers"], splits.train.given["numbers"][:5].repeat(3))
    pairs = views.extras["pairs"]
    assert all(torch.equal(pairs[a : a + 5, b : b + 5], splits.train.given["pairs"][:5, :5]) for a in (0, 5, 10) for b in (0, 5, 10))
    fewer = limit(splits, train=6)
    assert torch.equal(fewer.train.given["pairs"], splits.train.given["pairs"][:6, :6])
    assert fewer.digest != splits.digest
    for same in (place(splits, torch.device("cpu")), standardise(splits)):
        assert torch.equal(same.train.given["vectors"], splits.train.given["vectors"])
    one = Split(torch.ones(2, 1), torch.arange(2), {"numbers": torch.ones(2)})
    assert torch.equal(join(one, one).given["numbers"], torch.ones(4))
    with pytest.raises(InputError, match="cannot be put together: numbers"):
        joined({"numbers": torch.ones(2)}, {})
    assert repeated(None, 2) is None
    assert chosen({}, slice(1)) == {}
    inputs, labels = one
    assert torch.equal(inputs, one.inputs)
    assert torch.equal(labels, one.labels)


def test_splits_that_are_not_given_keep_groups_whole_or_classes_even() -> None:
    """If this fails, a patient is trained on and tested."""
    grouped = own_data(arrays(split=None, images=None, second=None, negatives=None))
    patients = [set(split.given["patients"].tolist()) for split in grouped[:3]]
    assert set.union(*patients) == set(range(5))
    assert sum(map(len, patients)) == 5
    plain = own_data({"inputs": np.random.default_rng(1).random((N, 3)), "labels": np.arange(N) % 4})
    assert [len(split.labels) for split in plain[:3]] == [28, 6, 6]
    with pytest.raises(InputError, match="2 patients cannot be divided"):
        own_data({"inputs": np.ones((8, 2)), "labels": np.arange(8) % 2, "patients": np.arange(8) % 2})


def test_classes_may_be_names_or_quarters_of_the_numbers() -> None:
    """Probes judge by classes, and data of numbers alone have none."""
    inputs = np.arange(24.0).reshape(12, 2)
    named = own_data({"inputs": inputs, "labels": ["cat", "ant", "bee"] * 4, "split": ["train"] * 6 + ["validation"] * 3 + ["test"] * 3})
    assert named.train.labels.tolist() == [2, 0, 1, 2, 0, 1]
    assert named.num_classes == 3
    cut = own_data({"inputs": inputs, "numbers": np.arange(12.0), "split": [0, 1, 2] * 4})
    assert torch.cat([split.labels for split in cut[:3]]).bincount().tolist() == [3, 3, 3, 3]
    assert "cut into 4 classes" in cut.source


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"numbrs": np.ones(N)}, "unknown array 'numbrs'; did you mean 'numbers'"),
        ({"inputs": None}, "there is no array 'inputs'"),
        ({"inputs": np.ones(N)}, "'inputs' must have the shape"),
        ({"inputs": np.full((N, 3), np.nan)}, "'inputs' has 120 entries that are NaN or infinite"),
        ({"inputs": np.array([["a"]] * N)}, "'inputs' must hold numbers"),
        ({"second": np.ones((N - 1, 2))}, f"modalities must pair up, and there are {N} inputs and {N - 1} second inputs"),
        ({"labels": None, "numbers": None}, "there is no array 'labels'"),
        ({"labels": np.ones(N)}, "names or whole numbers"),
        ({"labels": np.arange(N - 1)}, "for 40 samples"),
        ({"split": np.zeros(N, dtype=int)}, "leaves no sample for validation"),
        ({"split": np.full(N, 3)}, "'split' must be 0, 1 and 2"),
        ({"numbers": np.ones((N, 2))}, "'numbers' has the shape"),
        ({"weights": np.full(N, np.nan)}, "'weights' has 40 entries that are NaN"),
        ({"weights": -np.ones(N)}, "a weight of -1"),
        ({"weights": np.zeros(N)}, "all 'weights' are 0"),
        ({"pair_weights": np.ones((N, N - 1))}, "'pair_weights' has the shape"),
        ({"pairs": np.full((N, N), 2)}, "'pairs' must be 1 for positives"),
        ({"pairs": np.triu(np.ones((N, N)))}, "'pairs' must be symmetric"),
        ({"trials": np.full(N, 0.5)}, "'trials' must hold whole numbers"),
        ({"positions": np.ones((N, 3))}, "two coordinates"),
        ({"negatives": np.ones((N, 2, 4))}, "'negatives' are inputs of 4 values, and samples have 11"),
        ({"vectors": np.ones((N, 0))}, "'vectors' is empty"),
    ],
)
def test_arrays_that_make_no_data_set_are_refused_in_a_sentence(changes: dict[str, Any], problem: str) -> None:
    """A NaN that passes here is a diverged training an hour later."""
    with pytest.raises(InputError) as refusal:
        own_data(arrays(**changes))
    assert problem in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_files_that_are_missing_or_no_archive_are_refused_by_the_program(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    assert "there is no file" in refused("train", "--data", tmp_path / "none.npz", "--quiet")
    assert "cannot be read as an NPZ file" in refused("train", "--data", tmp_path / "bad.npz", "--quiet")
    np.savez(tmp_path / "odd.npz", inputs=np.ones((9, 2)))
    assert "there is no array 'labels'" in refused("gradients", "--data", tmp_path / "odd.npz", "--quiet")


def test_whole_groups_meet_and_every_sample_is_shown_once() -> None:
    """If this fails, regions of an image have no neighbours in their batch."""
    split = Split(torch.zeros(30, 1), torch.zeros(30, dtype=torch.int64), {"images": torch.arange(30) // 3})
    shown = Together()(split, lambda: split.inputs, 8, torch.Generator().manual_seed(0))
    assert sorted(torch.cat(shown).tolist()) == list(range(30))
    assert all(len(rows) <= 8 and (torch.bincount(rows // 3) % 3 == 0).all() for rows in shown)
    with pytest.raises(InputError, match="no groups by 'trials'; they have images"):
        Together("trials")(split, lambda: split.inputs, 8, torch.Generator())


def test_made_labels_are_what_they_are_said_to_be() -> None:
    """Slant of a bar that moves one column a row is 1; segments, texts, halves and regions are those of the image."""
    bar = np.eye(8)
    np.testing.assert_allclose(slants(np.stack([bar, bar[:, ::-1]])), [1, -1], atol=1e-12)
    digits, graded = DATASETS["digits"](None, 0), DATASETS["digits-graded"](None, 0)
    assert torch.equal(graded.test.inputs, digits.test.inputs)
    assert all(
        vector.tolist() == list(map(int, SEGMENTS[label]))
        for vector, label in zip(graded.test.given["vectors"], graded.test.labels, strict=True)
    )
    train = graded.train.given
    assert abs(float(train["numbers"].mean())) < 1e-6
    left = float((train["predictions"] - train["numbers"]).square().mean())
    assert left < 0.5  # a ridge regression explains most of a variance of 1
    halves = DATASETS["digits-halves"](None, 0).test.inputs.view(-1, 2, 8, 4)
    assert torch.equal(torch.cat([halves[:, 0], halves[:, 1]], 2).flatten(1), digits.test.inputs)
    text = DATASETS["digits-text"](None, 0).test
    written = ["".join(LETTERS[place] for place in row[64:].view(20, 27).argmax(1)) for row in text.inputs[:20]]
    assert all(NAMES[label] in one for one, label in zip(written, text.labels, strict=False))
    assert len(set(written)) > 10
    spectrum = DATASETS["digits-spectrum"](None, 0).test.inputs[:, 64:].view(-1, 8, 5)
    torch.testing.assert_close(spectrum[:, 0, 0], digits.test.inputs.sum(1) / 64, rtol=1e-5, atol=1e-6)
    regions = DATASETS["digits-regions"](None, 0).test
    assert torch.equal(regions.inputs[4].view(4, 4), digits.test.inputs[0].view(8, 8)[2:6, 2:6])
    assert regions.given["positions"][4].tolist() == [1, 1]


def test_pulses_have_the_period_of_their_class_and_patients_of_one_class() -> None:
    """The autocorrelation of a train of pulses is largest at its period."""
    splits = DATASETS["pulses"](None, 3)
    for period, label in ((12, 0), (16, 1), (22, 2)):
        rows = splits.train.inputs[splits.train.labels == label].double()
        rows = rows - rows.mean(1, keepdim=True)
        lags = [float((rows[:, : 64 - lag] * rows[:, lag:]).mean()) for lag in range(8, 26)]
        assert abs(8 + int(np.argmax(lags)) - period) <= 1
    train = splits.train
    assert all(len(set(train.labels[train.given["patients"] == one].tolist())) == 1 for one in train.given["patients"].unique())
    assert not set(train.given["patients"].tolist()) & set(splits.test.given["patients"].tolist())


def test_made_words_on_pairs_are_what_they_are_said_to_be() -> None:
    """If this fails, a command of a source paper trains with another relation than it names."""
    near, weighted, apart = (DATASETS[name](None, 0).train for name in ("digits-neighbours", "digits-weighted", "digits-asymmetric"))
    marked = (near.given["pairs"] > 0) & ~torch.eye(len(near.labels), dtype=torch.bool)
    unit = torch.nn.functional.normalize(near.inputs.double())
    cosines = (unit @ unit.T).fill_diagonal_(-1)
    third = cosines.topk(3, dim=1).values[:, -1]
    expected = (cosines >= third[:, None] - 1e-12) & (cosines >= third[None, :] - 1e-12)
    assert float((expected != marked).double().sum()) <= 4  # equally near images, of which the first is taken
    assert torch.equal(near.given["weights"] > 0, marked.any(1))
    hard, image = weighted.given["negatives"][:, 0], weighted.inputs
    assert not (hard == image).all(1).any()
    waves = [torch.fft.fft2(rows[:20].view(-1, 8, 8))[:, 3:6].abs().mean() for rows in (weighted.given["negatives"][:, 2], image)]
    assert float(waves[0]) < 0.1 * float(waves[1])  # the upper half of the frequencies is gone, but for grey levels that were cut
    assert set(weighted.given["pair_weights"].unique().tolist()) == {0.5, 1.0}
    zeros = apart.labels == 0
    both = zeros[:, None] & zeros[None, :]
    assert torch.equal(apart.given["pairs"] > 0, both | torch.eye(len(zeros), dtype=torch.bool))


def test_a_match_finds_the_part_that_makes_an_attribute_of_the_whole() -> None:
    """Parts are noise but one of the samples that have the attribute: if this fails, a text has a region that does not show it."""
    draw = np.random.default_rng(0)
    parts, has = draw.standard_normal((200, 6, 5)), np.arange(200) < 100
    place = draw.integers(0, 6, 200)
    parts[np.arange(200), place] += np.where(has[:, None], 6 * np.array([1, -1, 1, 0, 0]) / np.sqrt(3), 0)
    found = matches(parts, has, parts)
    assert (found[has] == place[has]).mean() > 0.98  # six deviations from the noise, against the largest of five
    assert abs((found[~has] == place[~has]).mean() - 1 / 6) < 4.5 * np.sqrt(5 / 36 / 100)


def test_regions_and_strokes_are_those_of_their_digit() -> None:
    """If this fails, CLIP learns pairs of a region and another image's stroke."""
    splits = DATASETS["digits-attributes"](None, 0)
    texts = splits.train.inputs[:, 64:].reshape(-1, 20, len(LETTERS)).argmax(2)
    for row in (0, 1, 2500):
        words = "".join(LETTERS[letter] for letter in texts[row]).strip()
        stroke, _, name = words.partition(" of ")
        assert SEGMENTS[NAMES.index(name)][STROKES.index(stroke)] == "1"
        assert int(splits.train.labels[row]) == NAMES.index(name)
    seen = splits.train.inputs[:, :64].reshape(-1, 8, 8) > 0
    assert int(seen.any(1).sum(1).max()) <= 4
    assert int(seen.any(2).sum(1).max()) <= 4


def test_a_part_of_the_pulses_has_all_classes() -> None:
    """Probes take the first samples of a split; if this fails, they see one patient, and one class."""
    for split in DATASETS["pulses"](None, 0)[:3]:
        assert len(split.labels[:20].unique()) == 3
