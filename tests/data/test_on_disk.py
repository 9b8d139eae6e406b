"""Inputs that stay in their file: the same samples, an order by blocks, and memory that does not grow with the file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from contrastive_core.data.batches import batches
from contrastive_core.data.named.arrays import own_data
from contrastive_core.data.on_disk import blocks
from contrastive_core.data.on_disk.blocks import Blocks, blocks_of, windows
from contrastive_core.data.own import staying
from contrastive_core.data.own.reading import read_own
from contrastive_core.data.splits import Split, Splits, limit
from contrastive_core.data.standardise import standardise
from contrastive_core.errors import DataError, InputError
from contrastive_core.generators import generator_of
from contrastive_core.networks.layered import Layered
from contrastive_core.training.loop import train
from contrastive_core.training.plan import Plan
from contrastive_core.training.ranks import Ranks
from eqprop import RULES
from experiments.machine import peak_memory
from experiments.setup.data import read_data
from experiments.setup.data_options import DataOptions

N, WIDTH = 300, 12


@pytest.fixture
def pair(tmp_path: Path) -> str:
    """Pictures of 8 bits of three classes and two channels, as two files."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, N)
    np.save(tmp_path / "x.npy", (60 * labels[:, None, None, None] + draw.integers(0, 60, (N, 2, 2, 3))).astype(np.uint8))
    np.save(tmp_path / "y.npy", labels)
    return f"{tmp_path}/x.npy,{tmp_path}/y.npy"


def _loaded(splits: Splits) -> Splits:
    """Return the same samples in the same order, in memory."""
    return splits._replace(**{name: Split(getattr(splits, name).inputs[:], getattr(splits, name).labels) for name in splits._fields[:3]})


def test_rows_of_a_file_are_those_of_the_array(pair: str) -> None:
    """Splits hold the samples that they hold in memory, in the order of the file, so that results can be compared."""
    plain, mapped = read_own(pair), read_own(pair, memory_mapped=True)
    array = torch.from_numpy(np.load(pair.split(",")[0]).reshape(N, WIDTH)).float()
    for one, other in zip(plain[:3], mapped[:3], strict=True):
        places = other.inputs.places
        assert (np.diff(places) > 0).all()
        for rows in (slice(3, 9), slice(None, None, 7), torch.tensor([5, 0, 5, -1]), other.labels == 2):
            assert torch.equal(other.inputs[rows], array[places][rows])
        assert torch.equal(other.inputs[-1], array[places[-1]])
        by_rows = [np.unique(split.inputs[:].numpy(), axis=0) for split in (one, other)]
        assert np.array_equal(*by_rows)
    assert mapped.shape == plain.shape == (2, 2, 3)
    assert "memory-mapped" in mapped.source


@pytest.mark.parametrize("count", [1, 7, 40, 41])
def test_order_is_that_of_an_obvious_shuffle_of_blocks(count: int) -> None:
    """Blocks are drawn first, then every window of held rows is shuffled: the order follows from the seed alone."""
    got = windows(count, Blocks(4, 12), generator_of(3, 1))
    draw = generator_of(3, 1)
    runs = [list(range(start, min(start + 4, count))) for start in range(0, count, 4)]
    order = [row for run in torch.randperm(len(runs), generator=draw).tolist() for row in runs[run]]
    expected = []
    for start in range(0, count, 12):
        held = order[start : start + 12]
        expected.append([held[place] for place in torch.randperm(len(held), generator=draw).tolist()])
    assert [window.tolist() for window in got] == expected
    assert sorted(row for window in expected for row in window) == list(range(count))
    if count > 12:
        assert [window.tolist() for window in windows(count, Blocks(4, 12), generator_of(4, 1))] != expected


def test_batches_of_a_file_follow_its_order(pair: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch holds the rows that its indices say, and all but the last are full."""
    monkeypatch.setattr(blocks, "RUN", 5 * WIDTH)
    monkeypatch.setattr(blocks, "HELD", 4)
    train_split = read_own(pair, memory_mapped=True).train
    sizes = blocks_of(train_split.inputs, 8)
    assert sizes == (5, 16)  # four blocks are 20 rows, of which 16 are whole batches
    shown = list(batches(train_split, 8, generator_of(0, 1)))
    rows = torch.cat(windows(len(train_split.labels), sizes, generator_of(0, 1)))
    assert torch.equal(torch.cat([batch.instances for batch in shown]), rows)
    assert {len(batch.labels) for batch in shown[:-1]} == {8}
    for batch in shown:
        assert torch.equal(batch.inputs, train_split.inputs[batch.instances])
        assert torch.equal(batch.labels, train_split.labels[batch.instances])


@pytest.mark.parametrize("deviation", [None, 0.5])
def test_training_from_a_file_equals_training_in_memory(pair: str, deviation: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same order of samples, weights and scores are those of training in memory, to the bit."""
    splits = read_own(pair, memory_mapped=True, deviation=deviation)
    orders = partial(windows, len(splits.train.labels), blocks_of(splits.train.inputs, 32))

    def shuffled(count: int, *, generator: torch.Generator, device: object) -> torch.Tensor:
        monkeypatch.undo()
        order = torch.cat(orders(generator))
        monkeypatch.setattr(torch, "randperm", shuffled)
        return order

    def trained(data: Splits) -> tuple[torch.Tensor, float]:
        network = Layered((WIDTH, 8, 3), generator=0)
        result = train(network, RULES["ep-centered"]("squared-error"), "squared-error", data, Plan(epochs=2), 0)
        return torch.cat([one.flatten() for one in network.parameters()]).detach(), result.test.cost

    from_file = trained(splits)
    monkeypatch.setattr(torch, "randperm", shuffled)
    in_memory = trained(_loaded(splits))
    assert torch.equal(from_file[0], in_memory[0])
    assert from_file[1] == in_memory[1]


def test_interrupted_training_goes_on_in_the_same_order(pair: str, tmp_path: Path) -> None:
    """A resumed run presents the samples that an uninterrupted one presents."""
    splits, rule = read_own(pair, memory_mapped=True), RULES["ep-positive"]("squared-error")

    def trained(checkpoint: Path | None, stop: int = 9) -> torch.Tensor:
        def ended(record: dict[str, float]) -> None:
            if record["epoch"] == stop:
                raise KeyboardInterrupt

        network = Layered((WIDTH, 4, 3), generator=0)
        train(network, rule, "squared-error", splits, Plan(epochs=3, keep_last=True), 0, checkpoint=checkpoint, on_epoch=ended)
        return torch.cat([one.flatten() for one in network.parameters()]).detach()

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "checkpoint", stop=2)
    assert torch.equal(trained(tmp_path / "checkpoint"), trained(None))


def test_ranks_share_the_batches_of_a_file(pair: str) -> None:
    """Several processes present the same batches, each its part, because the order follows from the seed alone."""
    split = read_own(pair, memory_mapped=True).train
    parts = [[Ranks(rank, 2).share(batch)[0] for batch in batches(split, 32, generator_of(0, 1))] for rank in (0, 1)]
    for one, other, whole in zip(*parts, batches(split, 32, generator_of(0, 1)), strict=True):
        assert torch.equal(torch.cat((one.inputs, other.inputs)), whole.inputs)


def test_standardisation_streams(pair: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Means and deviations of channels that are taken chunk by chunk are those of all samples."""
    monkeypatch.setattr("contrastive_core.data.on_disk.rows.CHUNK", 8 * WIDTH * 7)
    mapped = read_own(pair, memory_mapped=True)
    plain = standardise(_loaded(mapped), 0.5)
    streamed = standardise(mapped, 0.5)
    # Moments in float32 of 1260 pixels per channel: a few units of 1.2e-7 times inputs of up to 2 deviations.
    torch.testing.assert_close(streamed.test.inputs[:], plain.test.inputs, rtol=0, atol=3e-6)
    torch.testing.assert_close(standardise(streamed, 0.5).test.inputs[:], plain.test.inputs, rtol=0, atol=3e-6)
    assert len({mapped.digest, streamed.digest, limit(mapped, train=60).digest}) == 3
    kept = limit(mapped, train=60).train
    assert set(kept.labels.tolist()) == {0, 1, 2}
    assert torch.equal(kept.inputs[:], mapped.train.inputs[:][torch.arange(60) * len(mapped.train.labels) // 60])


def test_archives_stay_on_disk_with_their_groups(pair: str, tmp_path: Path) -> None:
    """An archive of named arrays keeps its inputs on the disk, and everything else of it has its effect."""
    x, y = (np.load(name) for name in pair.split(","))
    np.savez(tmp_path / "a.npz", labels=y, inputs=x, groups=np.arange(N) // 10)
    np.savez_compressed(tmp_path / "c.npz", labels=y, inputs=x)
    mapped = read_own(tmp_path / "a.npz", memory_mapped=True)
    assert np.array_equal(mapped.train.inputs[:].numpy(), x.reshape(N, WIDTH)[mapped.train.inputs.places])
    groups = [set(split.given["groups"].tolist()) for split in mapped[:3]]
    assert sum(map(len, groups)) == len(set.union(*groups)) == N // 10
    with pytest.raises(InputError, match=r"compressed .*numpy\.savez"):
        read_own(tmp_path / "c.npz", memory_mapped=True)


def test_files_larger_than_a_quarter_of_memory_stay(pair: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being told, inputs stay in the file only where loading them would fill memory, and the reason is said."""
    size = 4 * N * WIDTH
    for memory, stays in ((4 * size, False), (4 * size - 1, True)):
        monkeypatch.setattr(staying, "physical_memory", lambda memory=memory: memory)
        source = read_own(pair).source
        assert ("because inputs of" in source and "more than a quarter" in source) is stays
    assert "memory-mapped" not in read_own(pair, memory_mapped=False).source
    monkeypatch.undo()
    assert "memory-mapped" not in read_own(pair).source
    monkeypatch.setattr(staying, "LARGEST", N * WIDTH - 1)
    assert "memory-mapped because at most" in read_own(pair).source


def test_what_needs_all_inputs_is_refused(pair: str, tmp_path: Path) -> None:
    """Nothing reads a file as a whole without a word, and no damage of the file passes unseen."""
    inputs = read_own(pair, memory_mapped=True).train.inputs
    needs_all = (lambda: inputs.mean(), lambda: inputs.numpy(), lambda: inputs[:, 0], lambda: torch.cat([inputs]), lambda: inputs.double())
    for operation in needs_all:
        with pytest.raises(InputError, match=r"needs all inputs at once.*--no-memory-mapped"):
            operation()
    assert repr(inputs) == f"<210 rows of {WIDTH} inputs in {tmp_path}/x.npy>"
    with pytest.raises(InputError, match="only the inputs of NPY and NPZ"):
        read_own(tmp_path / "t.csv", memory_mapped=True)
    x = pair.split(",")[0]
    wrong = np.load(x).astype(np.float32)
    np.save(x, wrong)
    with pytest.raises(DataError, match="has changed"):
        inputs[:5]
    np.save(x, np.asfortranarray(wrong))
    with pytest.raises(InputError, match="by columns"):
        read_own(pair, memory_mapped=True)
    assert len(read_own(pair).train.labels) == 210
    wrong[7, 0, 0, 0] = np.nan
    np.save(x, wrong)
    with pytest.raises(InputError, match="1 entries that are NaN"):
        read_own(pair, memory_mapped=True)


def test_commands_take_inputs_in_parts_or_refuse_them(pair: str) -> None:
    """If this fails, a command that takes all inputs at once computes first, or one that continues a run of mapped data refuses it."""
    options = DataOptions(data=pair, memory_mapped=True)
    with pytest.raises(InputError, match="stay in their file"):
        read_data(options)
    assert read_data(options, in_parts=True).digest == read_data(options, any_task=True).digest
    with pytest.raises(InputError, match="is no file of your own"):
        read_data(DataOptions(data="digits", memory_mapped=True))


def test_memory_stays_below_the_file(pair: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch of batches over a file of 96 MB, and an evaluation, take less memory than the file."""
    count, width = 24_000, 4000
    stored = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.uint8, (count, width))
    stored[:, 0] = np.arange(count) % 251
    del stored  # so that its pages count for no longer
    np.save(tmp_path / "labels.npy", np.arange(count) % 2)
    for limit_of, size in (("data.on_disk.blocks.RUN", 2**16), ("data.named.arrays.CHUNK", 2**20), ("files.stored._MAPPED", 2**20)):
        monkeypatch.setattr(f"contrastive_core.{limit_of}", size)
    sums: list[float] = []

    def epoch(name: str) -> None:
        splits = read_own(name, memory_mapped=True)
        shown = [batches(splits.train, 100, generator_of(0, 1)), *(batches(split, 500) for split in splits[1:3])]
        sums.extend(float(batch.inputs.sum()) for one in shown for batch in one)

    before = peak_memory(partial(epoch, pair))  # with all that torch loads at its first use
    sums.clear()
    more = peak_memory(partial(epoch, f"{tmp_path}/large.npy,{tmp_path}/labels.npy"))
    assert sum(sums) == (np.arange(count) % 251).sum()
    if before is not None and more is not None:  # only Linux tells
        assert more - before < count * width / 2**21  # held are 4 MiB, and two batches of 500 rows take 16


def test_arrays_in_memory_are_no_rows_of_a_file() -> None:
    """Named arrays that a caller gives are taken as they are."""
    made = own_data({"inputs": np.random.default_rng(0).random((30, 4)), "labels": np.arange(30) % 2})
    assert type(made.train.inputs) is torch.Tensor
