"""Standardised inputs: means and deviations of the training split, channel by channel."""

import pytest
import torch

from contrastive_core.data.splits import Split, Splits, assemble
from contrastive_core.data.standardise import standardise
from contrastive_core.errors import InputError

ROUNDING = 1e-5
"""Means of some thousand float32 values of size 1 are off by 6e-8 times the square root of their number, at most."""


def coloured(shape: tuple[int, ...] = (3, 4, 5)) -> Splits:
    """Pictures whose channels have means 0, 1, 2, ... and deviations 1, 2, 3, ..., and a test split that is off by 7."""
    generator = torch.Generator().manual_seed(0)
    channels, pixels = (shape[0], shape[1] * shape[2]) if shape else (4, 1)

    def draw(count: int, shift: float = 0.0) -> Split:
        numbers = torch.arange(float(channels))[:, None]
        values = numbers + (1 + numbers) * torch.randn(count, channels, pixels, generator=generator) + shift
        return Split(values.flatten(1), torch.zeros(count, dtype=torch.int64))

    return assemble(draw(200), draw(30), draw(40, 7.0), num_classes=2, source="drawn", shape=shape)


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 2, 2), ()])
@pytest.mark.parametrize("deviation", [1.0, 1 / 3])
def test_standardised_channels_have_mean_zero_and_the_deviation_asked_for(shape: tuple[int, ...], deviation: float) -> None:
    """If this fails, a network of published settings gets inputs of another size."""
    splits = coloured(shape)
    channels = shape[0] if shape else 4
    values = standardise(splits, deviation).train.inputs.double().reshape(200, channels, -1)
    assert float(values.mean((0, 2)).abs().max()) < ROUNDING
    assert float((values.std((0, 2), correction=0) - deviation).abs().max()) < ROUNDING


def test_validation_and_test_follow_the_training_split_alone() -> None:
    """If this fails, statistics of the test split leak into what is trained."""
    splits = coloured()
    scaled = standardise(splits)
    train = splits.train.inputs.double().reshape(200, 3, -1)
    mean, spread = train.mean((0, 2))[:, None], train.std((0, 2), correction=0)[:, None]
    for before, after in ((splits.validation, scaled.validation), (splits.test, scaled.test)):
        expected = (before.inputs.double().reshape(-1, 3, 20) - mean) / spread
        assert torch.allclose(after.inputs.double(), expected.flatten(1), atol=ROUNDING)
        assert torch.equal(after.labels, before.labels)
    other = standardise(splits._replace(test=Split(splits.test.inputs * 50, splits.test.labels)))
    assert torch.equal(other.train.inputs, scaled.train.inputs)


def test_the_record_says_that_inputs_are_standardised() -> None:
    """If this fails, two runs on different inputs have the same provenance."""
    splits = coloured()
    before = splits.train.inputs.clone()
    scaled = standardise(splits, 0.5)
    assert scaled.source == "drawn; channels scaled to mean 0 and deviation 0.5 over the training split"
    assert scaled.digest not in {splits.digest, standardise(splits).digest}
    assert scaled.shape == (3, 4, 5)
    assert torch.equal(splits.train.inputs, before)


def test_what_cannot_be_standardised_is_refused() -> None:
    """If this fails, a constant channel becomes NaN."""
    splits = coloured()
    inputs = splits.train.inputs.reshape(200, 3, 20).clone()
    inputs[:, 1] = 0.1  # whose float32 mean over 4000 values is off
    with pytest.raises(InputError, match="channel 1 of the inputs is constant over the 200 training samples"):
        standardise(splits._replace(train=Split(inputs.flatten(1), splits.train.labels)))
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="must be positive, got"):
            standardise(splits, wrong)
