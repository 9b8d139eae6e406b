"""Augmentations and batches of views: what each leaves as it was, what it does exactly, and how its draws are distributed."""

from __future__ import annotations

import math

import pytest
import torch
from systems import seeded
from torch import Tensor

from contrastive_core.data.splits import Split, assemble
from contrastive_core.data.views import VIEWS
from contrastive_core.data.views.affine import Affine
from contrastive_core.data.views.blur import blur
from contrastive_core.data.views.erase import Erase
from contrastive_core.data.views.images import warp
from contrastive_core.data.views.mask import Mask
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.data.views.noise import Noise
from contrastive_core.data.views.replace import Replace
from contrastive_core.data.views.rotate import Rotate, turn
from contrastive_core.data.views.shift import Shift, shift
from contrastive_core.data.views.window import Window
from contrastive_core.data.views.zoom import Zoom, magnify
from contrastive_core.errors import InputError, ShapeError
from contrastive_core.types import Batch

SIDE = 8
ROUNDING = 1e-12
"""Grid coordinates carry a few roundings of float64 (2e-16), times the side of 8 and the slope of at most 1 between two pixels."""


def images(count: int = 6, seed: int = 0, side: int = SIDE) -> Tensor:
    return torch.rand(count, side * side, generator=seeded(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", VIEWS)
def test_strength_zero_is_the_identity_and_equal_seeds_give_equal_views(name: str) -> None:
    """If this fails, growing augmentations do not start from the data, or a run cannot be repeated."""
    view, inputs = VIEWS[name](), images()
    before = inputs.clone()
    assert torch.allclose(view(inputs, 0.0, seeded(1)), inputs, atol=ROUNDING, rtol=0)
    first, again, other = (view(inputs, 1.0, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.allclose(first, inputs)
    assert torch.equal(inputs, before)
    assert first.shape == inputs.shape
    assert first.dtype == inputs.dtype


@pytest.mark.parametrize("name", VIEWS)
def test_every_sample_draws_its_own_change(name: str) -> None:
    """If this fails, all samples of a batch are changed alike, and the change itself tells them from other batches."""
    same = images(1).repeat(64, 1)
    assert len(torch.unique(VIEWS[name]()(same, 1.0, seeded(0)), dim=0)) > (1 if name == "flip" else 4)


@pytest.mark.parametrize("name", sorted(set(VIEWS) - {"mask", "noise", "replace", "window"}))
def test_views_of_images_refuse_what_is_no_square(name: str) -> None:
    """If this fails, vectors are moved about as if they were pictures."""
    with pytest.raises(ShapeError, match="not a square"):
        VIEWS[name]()(torch.rand(3, 10), 1.0, seeded(0))


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -3), (-1, 4), (8, 0), (-9, 1)])
def test_shift_by_whole_pixels_is_a_roll_with_zero_fill(down: int, right: int) -> None:
    """If this fails, a shifted image has lost pixels or wrapped around."""
    inputs = images(3)
    rolled = torch.roll(inputs.view(3, SIDE, SIDE), (down, right), (1, 2))
    places = torch.arange(SIDE)
    rows = (places - down >= 0) & (places - down < SIDE)
    columns = (places - right >= 0) & (places - right < SIDE)
    expected = rolled * (rows[:, None] & columns[None, :])
    moved = shift(inputs, torch.full((3,), down), torch.full((3,), right))
    assert torch.equal(moved, expected.reshape(3, -1))


def test_warp_by_whole_pixels_is_the_shift() -> None:
    """If this fails, interpolated images are off by a part of a pixel."""
    inputs = images(2)
    offsets = torch.tensor([[2.0, -1.0]], dtype=torch.float64).repeat(2, 1) * 2 / SIDE  # in units of half the side
    moved = warp(inputs, torch.eye(2, dtype=torch.float64).repeat(2, 1, 1), offsets)
    assert torch.allclose(moved, shift(inputs, torch.full((2,), -1), torch.full((2,), 2)), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("side", [8, 7])
@pytest.mark.parametrize("quarters", [1, 2, 3, -1])
def test_turning_by_quarters_is_rot90(side: int, quarters: int) -> None:
    """If this fails, images turn about another point or the other way."""
    inputs = images(2, side=side)
    turned = turn(inputs, torch.full((2,), quarters * math.pi / 2, dtype=torch.float64))
    expected = torch.rot90(inputs.view(2, side, side), quarters, (1, 2))
    # The corners' coordinates can fall outside by a rounding, which takes that share of them away.
    assert torch.allclose(turned, expected.reshape(2, -1), atol=1e-9, rtol=0)


def test_magnifying_twice_shows_the_middle_half() -> None:
    """If this fails, zooming in shrinks, or moves the centre."""
    side = 16
    ramp = torch.arange(side, dtype=torch.float64) + 1
    inputs = ramp.repeat(side, 1).reshape(1, -1)
    grown = magnify(inputs, torch.tensor([2.0], dtype=torch.float64)).view(side, side)
    # New pixel j has its centre at (j + ½ - 8) / 2 from the middle of the old image, on a linear ramp.
    expected = (torch.arange(side, dtype=torch.float64) + 0.5 - side / 2) / 2 + side / 2 - 0.5 + 1
    assert torch.allclose(grown, expected.repeat(side, 1), atol=1e-9, rtol=0)


def test_blur_keeps_constants_and_means_and_is_symmetric() -> None:
    """If this fails, blurred images change their brightness."""
    widths = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64)
    constant = torch.full((3, SIDE * SIDE), 0.7, dtype=torch.float64)
    assert torch.allclose(blur(constant, widths), constant, atol=ROUNDING, rtol=0)
    point = torch.zeros(3, 41, 41, dtype=torch.float64)
    point[:, 20, 20] = 1.0
    spread = blur(point.reshape(3, -1), widths).view(3, 41, 41)
    assert torch.equal(spread[0], point[0])
    assert torch.allclose(spread.sum((1, 2)), torch.ones(3, dtype=torch.float64), atol=ROUNDING, rtol=0)
    assert torch.allclose(spread, spread.transpose(1, 2), atol=ROUNDING, rtol=0)
    variance = (spread[2].sum(0) * (torch.arange(41) - 20).square()).sum()
    assert float(variance) == pytest.approx(4.0, rel=0.03)  # sampled and cut at 3 standard deviations: 2.7 % of the variance is beyond


def test_erase_takes_a_rectangle_of_the_drawn_area() -> None:
    """If this fails, erasing removes more than it says, or no rectangle."""
    count, side, most = 4000, 20, 0.3
    kept = Erase(most)(torch.ones(count, side * side, dtype=torch.float64), 1.0, seeded(0)).view(count, side, side)
    erased = kept == 0
    rows, columns = erased.any(2), erased.any(1)
    assert torch.equal(erased, rows[:, :, None] & columns[:, None, :])
    for line in (rows, columns):  # and it is in one piece
        assert int(line.int().diff(dim=1).clamp(min=0).sum(1).add(line[:, 0].int()).max()) == 1
    share = erased.double().mean((1, 2))
    # Uniform in [0, most]: mean most/2, variance most²/12; rounding both sides to pixels adds less than 1 % to the mean.
    error = most / math.sqrt(12 * count)
    assert abs(float(share.mean()) - most / 2) < 4.5 * error + 0.01 * most
    assert float(share.max()) < most * (1 + 2 / (side * math.sqrt(most / 2))) ** 2


def test_replaced_values_come_from_their_own_sample_at_the_rate_that_is_stated() -> None:
    """If this fails, a value tells by itself that it was replaced, or the amplitude is another one than its documentation's."""
    distinct = torch.arange(400 * 100, dtype=torch.float64).view(400, 100)
    for strength in (1.0, 0.4):
        shown = Replace(0.25)(distinct, strength, seeded(0))
        assert torch.equal(shown // 100, distinct // 100)  # rows hold values of their own
        rate = 0.25 * strength * 99 / 100  # one place in a hundred replaces itself
        moved = (shown != distinct).double()
        assert abs(float(moved.mean()) - rate) < 4.5 * math.sqrt(rate * (1 - rate) / moved.numel())
        sources = (shown - distinct // 100 * 100)[moved == 1]  # uniform over the places: mean 49.5, variance (100² - 1) / 12
        assert abs(float(sources.mean()) - 49.5) < 4.5 * math.sqrt(9999 / 12 / len(sources))
    coloured = distinct.view(400, 1, 10, 10).repeat(1, 3, 1, 1)
    assert torch.equal(Replace()(coloured, 1.0, seeded(1))[:, 2], Replace()(coloured[:, :1], 1.0, seeded(1))[:, 0])


def test_mask_and_noise_have_the_rates_they_state() -> None:
    """If this fails, the amplitude of a view is another one than its documentation's."""
    ones = torch.ones(400, 100, dtype=torch.float64)
    for strength in (1.0, 0.4):
        gone = (Mask(0.25)(ones, strength, seeded(0)) == 0).double()
        rate = 0.25 * strength
        assert abs(float(gone.mean()) - rate) < 4.5 * math.sqrt(rate * (1 - rate) / gone.numel())
        added = Noise(0.1)(ones, strength, seeded(1)) - ones
        scale = 0.1 * strength
        assert abs(float(added.mean())) < 4.5 * scale / math.sqrt(added.numel())
        assert abs(float(added.std()) - scale) < 4.5 * scale / math.sqrt(2 * added.numel())
    # A control: the rate of another share is told apart.
    assert abs(float((Mask(0.24)(ones, 1.0, seeded(0)) == 0).double().mean()) - 0.25) > 4.5 * math.sqrt(0.25 * 0.75 / ones.numel())


def test_shifts_are_uniform_over_whole_pixels() -> None:
    """If this fails, some directions are shown more often than others."""
    count, side = 4000, 10
    point = torch.zeros(count, side, side, dtype=torch.float64)
    point[:, 5, 5] = 1.0
    moved = Shift(0.2)(point.reshape(count, -1), 1.0, seeded(0)).view(count, side, side)
    found = moved.sum(0)[3:8, 3:8] / count
    assert float(found.sum()) == pytest.approx(1.0)
    assert float((found - 1 / 25).abs().max()) < 4.5 * math.sqrt(1 / 25 * 24 / 25 / count)


@pytest.mark.parametrize("view", [Rotate(30.0), Zoom(0.5), Affine(shift=0.0)])
def test_warps_keep_a_round_spot_in_the_middle(view: Rotate | Zoom | Affine) -> None:
    """If this fails, turning or zooming is not about the image's centre."""
    side = 21
    places = torch.arange(side, dtype=torch.float64) - 10
    spot = torch.exp(-(places[:, None].square() + places.square()) / 8).reshape(1, -1).repeat(50, 1)
    moved = view(spot, 1.0, seeded(0)).view(50, side, side)
    centre = torch.stack([(moved.sum(axis) * places).sum(1) for axis in (1, 2)]) / moved.sum((1, 2))
    assert float(centre.abs().max()) < 1e-3  # bilinear interpolation of a spot of width 2 is symmetric up to its cut tails, e^-12


def test_affine_shifts_are_uniform_up_to_their_share_of_the_side() -> None:
    """If this fails, offsets in units of half the side are taken for ones of the whole side, or the other way round."""
    side, count, share = 41, 2000, 0.1
    places = torch.arange(side, dtype=torch.float64) - 20
    spot = torch.exp(-(places[:, None].square() + places.square()) / 8).reshape(1, -1).repeat(count, 1)
    moved = Affine(degrees=0.0, zoom=0.0, shear=0.0, shift=share)(spot, 1.0, seeded(0)).view(count, side, side)
    centre = torch.stack([(moved.sum(axis) * places).sum(1) for axis in (1, 2)]) / moved.sum((1, 2))
    most = share * side
    assert float(centre.abs().max()) == pytest.approx(most, rel=0.01)
    # Uniform in [-b, b]: the square has the mean b²/3 and the variance 4 b⁴/45.
    assert float(centre.square().mean()) == pytest.approx(most**2 / 3, abs=4.5 * most**2 * math.sqrt(4 / 45 / (2 * count)))


def test_ratio_of_the_sides_of_what_is_erased_is_log_uniform_up_to_the_aspect() -> None:
    """If this fails, erased rectangles are longer than they are said to be, or all squares."""
    count, side, aspect = 1500, 100, 2.0
    kept = Erase(0.2, aspect)(torch.ones(count, side * side), 1.0, seeded(0)).view(count, side, side)
    heights, widths = ((kept == 0).any(axis).sum(1).double() for axis in (2, 1))
    large = heights * widths > 400  # where rounding of the sides by half a pixel is below 1/28 of them
    ratios = (heights / widths)[large].log()
    assert float(ratios.abs().max()) < math.log(aspect) + 2 / 28
    # Uniform in [-b, b], with the variance of two roundings, at most 2/12/14², beside it.
    expected, error = math.log(aspect) ** 2 / 3, 4.5 * math.log(aspect) ** 2 * math.sqrt(4 / 45 / int(large.sum()))
    assert float(ratios.square().mean()) == pytest.approx(expected, abs=error + 1e-3)


def test_strength_grows_linearly_and_then_stays() -> None:
    """If this fails, growing augmentations jump or never reach their amplitude."""
    growing = MultiView((), strength=2.0, growth=0.5)
    assert [growing.strength_at(progress) for progress in (0.0, 0.25, 0.5, 1.0)] == [0.0, 1.0, 2.0, 2.0]
    assert MultiView((), strength=2.0).strength_at(0.0) == 2.0


def test_multi_view_batches_pair_the_views_of_a_sample() -> None:
    """If this fails, objectives attract views of different samples."""
    inputs, labels = images(5), torch.tensor([3, 1, 4, 1, 5])
    shown = MultiView((Noise(1e-6),), count=3).present(Batch(inputs, labels), seeded(0))
    assert shown.inputs.shape == (15, SIDE * SIDE)
    assert shown.instances is not None
    for row, (instance, view) in enumerate(zip([*range(5)] * 3, [0] * 5 + [1] * 5 + [2] * 5, strict=True)):
        assert row == 5 * view + instance
        assert shown.instances[row] == instance
        assert shown.views is not None
        assert shown.views[row] == view
        assert torch.allclose(shown.inputs[row], inputs[instance], atol=1e-4)
        assert shown.labels[row] == labels[instance]
    assert not torch.equal(shown.inputs[:5], shown.inputs[5:10])
    numbered = MultiView(()).present(Batch(inputs, labels, torch.tensor([7, 2, 9, 4, 0])), seeded(0))
    assert numbered.instances is not None
    assert numbered.instances.tolist() == [7, 2, 9, 4, 0] * 2


def test_wrong_views_are_refused_with_a_sentence() -> None:
    """If this fails, one sample is contrasted with nothing, or a negative strength mirrors images."""
    with pytest.raises(InputError, match="at least 2 samples"):
        MultiView(()).present(Batch(images(1), torch.zeros(1, dtype=torch.int64)), seeded(0))
    with pytest.raises(InputError, match="at least 1 view"):
        MultiView((), count=0)
    for wrong in ({"strength": -1.0}, {"growth": 1.5}, {"strength": math.nan}):
        with pytest.raises(InputError, match="strength must be at least 0"):
            MultiView((), **wrong)


def test_the_splits_stay_as_they_are() -> None:
    """If this fails, views change the data that later epochs and the probes see."""
    split = Split(images(8), torch.arange(8))
    digest = assemble(split, split, split, num_classes=8, source="").digest
    MultiView(tuple(VIEWS[name]() for name in VIEWS)).present(Batch(split.inputs, split.labels), seeded(0))
    assert assemble(split, split, split, num_classes=8, source="").digest == digest


def test_ordered_views_are_of_growing_strength_and_others_of_one() -> None:
    """If this fails, a strong view chases one that is as strong: view m of M must have m/M of the strength, and draws stay as they were."""
    seen: list[tuple[int, float]] = []

    def scale(inputs: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
        seen.append((len(inputs), strength))
        return inputs * (1 + strength)

    samples = Batch(torch.ones(4, 3), torch.arange(4))
    ordered = MultiView((scale,), 3, 0.6, ordered=True).present(samples, torch.Generator())
    torch.testing.assert_close(ordered.inputs[:, 0], torch.tensor([1.2, 1.4, 1.6]).repeat_interleave(4))
    MultiView((scale,), 3, 0.6).present(samples, torch.Generator())
    assert [count for count, _ in seen] == [4, 4, 4, 12]
    assert [strength for _, strength in seen] == pytest.approx([0.2, 0.4, 0.6, 0.6])


def test_nearer_clips_of_a_series_are_likelier_pairs() -> None:
    """The interval of two clips has the law 1 - t/K of Qian et al. (2021): if this fails, positives are as far apart as chance has it."""
    steps, count, apart = 9, 20000, 4
    series = torch.arange(1.0, steps + 1).repeat(2 * count, 1)
    shown = Window(5 / steps)(series, 1.0, seeded(0))
    start = shown[:, 0].long() - 1
    assert torch.equal(shown[:, 5:], torch.zeros(2 * count, apart))
    assert torch.equal(shown[:, :5], start[:, None] + torch.arange(1.0, 6.0))  # a clip without gaps, from its first step on
    found = torch.bincount((start[:count] - start[count:]).abs(), minlength=apart + 1).double()
    # Of the K + 1 starts, K + 1 - t have a clip t steps later; each pair but that of equal clips comes in two orders.
    law = torch.tensor([5, 8, 6, 4, 2], dtype=torch.float64) / 25
    for expected, fits in ((law, True), (torch.full((5,), 0.2, dtype=torch.float64), False)):
        squares = ((found - count * expected) ** 2 / (count * expected)).sum()
        assert (float(squares) < 4 + 4.5 * math.sqrt(8)) == fits  # chi-squared of 4 degrees of freedom: mean 4, variance 8
