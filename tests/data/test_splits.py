"""Splits and batches: they never move, share no sample, and hold every sample once."""

import pytest
import torch

from contrastive_core.data.batches import batches
from contrastive_core.data.division import split_stratified
from contrastive_core.data.splits import Split, Splits, assemble, limit
from contrastive_core.errors import InputError


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


def test_a_shape_says_how_rows_are_pictures() -> None:
    """A convolution over rows of another shape would mix pixels that are no neighbours."""
    parts = [Split(torch.zeros(count, 12), torch.zeros(count, dtype=torch.int64)) for count in (5, 2, 2)]
    splits = assemble(*parts, num_classes=2, source="", shape=(3, 2, 2))
    assert splits.shape == limit(splits, train=3).shape == (3, 2, 2)
    assert splits.digest == assemble(*parts, num_classes=2, source="").digest  # records of old runs stay comparable
    for wrong in ((3, 2), (2, 2, 2), (12,)):
        with pytest.raises(InputError, match="rows of 12 inputs are no pictures of shape"):
            assemble(*parts, num_classes=2, source="", shape=wrong)
