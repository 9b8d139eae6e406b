"""Views of pictures with channels: windows, reflections, and one change for all channels."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from systems import seeded
from torch import Tensor

from contrastive_core.data.views import VIEWS
from contrastive_core.data.views.crop import Crop, window
from contrastive_core.data.views.flip import Flip
from contrastive_core.data.views.images import warp
from contrastive_core.data.views.multiview import MultiView
from contrastive_core.data.views.resized_crop import SmallCrop
from contrastive_core.data.views.rotate import turn
from contrastive_core.errors import InputError
from contrastive_core.types import Batch

OF_PICTURES = sorted(set(VIEWS) - {"mask", "noise", "replace", "window"})
"""Views of squares; the others take each entry, or each row as a series."""


def pictures(count: int = 6, channels: int = 3, height: int = 8, width: int = 8) -> Tensor:
    return torch.rand(count, channels, height, width, generator=seeded(0), dtype=torch.float64)


@pytest.mark.parametrize(("padding", "mode"), [("edge", "replicate"), ("zero", "constant")])
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 6, 10), (2, 7, 5)])
def test_every_crop_is_a_window_of_the_picture_with_its_border(
    shape: tuple[int, int, int], padding: Literal["edge", "zero"], mode: str
) -> None:
    """If this fails, crops tear pictures apart, or pad with something else than what the published settings pad with."""
    border, (channels, height, width) = 3, shape
    images = pictures(49, *shape)
    padded = torch.nn.functional.pad(images, (border,) * 4, mode=mode)
    corners = torch.cartesian_prod(torch.arange(7), torch.arange(7))
    cut = window(images, corners[:, 0], corners[:, 1], border, padding)
    for picture, whole, (down, right) in zip(cut, padded, corners.tolist(), strict=True):
        assert torch.equal(picture, whole[:, down : down + height, right : right + width])
    assert torch.equal(cut[24], images[24])  # the middle window is the picture
    assert cut.shape == (49, channels, height, width)


def test_crops_are_uniform_over_all_windows() -> None:
    """If this fails, some windows are never seen, or the picture drifts to a side."""
    count, border = 8100, 1
    images = torch.arange(9.0).reshape(1, 1, 3, 3).repeat(count, 1, 1, 1)
    centres = Crop(border)(images, 1.0, seeded(0))[:, 0, 1, 1].long()  # names the window
    found = centres.bincount(minlength=9)
    # Nine windows, each with probability 1/9: mean 900, standard deviation 28.3.
    assert float((found - count / 9).abs().max()) < 4.5 * math.sqrt(count * 8 / 81)
    assert torch.equal(Crop(4)(images[:5], 0.1, seeded(0)), images[:5])  # 0.4 pixels round to none


def test_the_crop_of_the_command_line_pads_as_its_name_says() -> None:
    """If this fails, ``--augment crop-zero`` repeats edges, or draws other windows than ``crop``."""
    images = 1 + pictures(200)
    edge, zero = (VIEWS[name]()(images, 1.0, seeded(5)) for name in ("crop", "crop-zero"))
    assert bool((edge >= 1).all())
    assert int((zero == 0).sum()) > 0
    assert torch.equal(zero, torch.where(zero == 0, 0.0, edge))


def test_a_flip_of_a_flip_is_the_picture_and_half_are_flipped() -> None:
    """If this fails, a reflection loses pixels, or turns pictures upside down."""
    count = 2000
    images = pictures(count, 3, 2, 3)
    once = Flip()(images, 1.0, seeded(3))
    assert torch.equal(Flip()(once, 1.0, seeded(3)), images)  # the same draws flip the same pictures back
    flipped = (once != images).flatten(1).any(1)
    assert torch.equal(once[flipped], images[flipped][:, :, :, [2, 1, 0]])
    # A fair coin: mean 1000, standard deviation 22.4. A tenth of the strength flips 5 %, standard deviation 9.7.
    assert abs(int(flipped.sum()) - count / 2) < 4.5 * math.sqrt(count / 4)
    rare = (Flip()(images, 0.1, seeded(4)) != images).flatten(1).any(1)
    assert abs(int(rare.sum()) - 0.05 * count) < 4.5 * math.sqrt(count * 0.05 * 0.95)


@pytest.mark.parametrize("name", OF_PICTURES)
def test_channels_change_together(name: str) -> None:
    """If this fails, the colours of a picture come apart, or channels are taken for pictures of their own."""
    grey = pictures(5, 1, 8, 8)
    coloured = torch.cat((grey, 0.5 * grey, grey), 1)
    before = coloured.clone()
    view = VIEWS[name]()
    alone, together = view(grey, 1.0, seeded(1)), view(coloured, 1.0, seeded(1))
    assert together.shape == coloured.shape
    share = torch.full_like(alone, 0.5)
    if name == "bias-flip":
        share[..., [0, -1]] = 1  # edges do not follow the picture: a mark is 1 in every channel
    assert torch.allclose(together, torch.cat((alone, share * alone, alone), 1), atol=1e-12, rtol=0)
    assert torch.equal(coloured, before)
    # Rows are squares of one channel.
    assert torch.equal(view(grey.flatten(1), 1.0, seeded(1)), alone.flatten(1))


@pytest.mark.parametrize("name", OF_PICTURES)
def test_oblong_pictures_keep_their_shape(name: str) -> None:
    """If this fails, spectrograms cannot be augmented."""
    images = pictures(4, 2, 6, 10)
    assert VIEWS[name]()(images, 1.0, seeded(0)).shape == images.shape
    assert torch.allclose(VIEWS[name]()(images, 0.0, seeded(0)), images, atol=1e-12, rtol=0)


def test_a_quarter_turn_of_an_oblong_keeps_distances() -> None:
    """If this fails, turning an oblong picture also shears it, because its sides count as equally long."""
    images = torch.zeros(1, 1, 5, 9, dtype=torch.float64)
    images[0, 0, 2, 6] = 1.0  # two pixels right of the centre (2, 4)
    turned = turn(images, torch.tensor([math.pi / 2], dtype=torch.float64))
    expected = torch.zeros_like(images)
    expected[0, 0, 0, 4] = 1.0  # two pixels above it
    assert torch.allclose(turned, expected, atol=1e-12, rtol=0)
    half = torch.eye(2, dtype=torch.float64)[None]
    right = warp(images, half, torch.tensor([[2 / 9, 0.0]], dtype=torch.float64))  # a pixel is 2/9 of half the width
    assert float(right[0, 0, 2, 7]) == pytest.approx(1.0)


def test_multi_view_shows_rows_as_pictures_of_the_shape_it_is_given() -> None:
    """If this fails, augmentations of colour pictures mix their channels, or refuse them."""
    images = pictures(4, 3, 8, 8)
    batch = Batch(images.flatten(1), torch.arange(4))
    shown = MultiView((Flip(1.0),), count=1, shape=(3, 8, 8)).present(batch, seeded(0))
    assert torch.equal(shown.inputs, images.flip(3).flatten(1))
    assert torch.equal(shown.labels, batch.labels)
    pairs = MultiView((Flip(1.0),), count=2, shape=(3, 8, 8)).present(batch, seeded(0))
    assert torch.equal(pairs.inputs, images.flip(3).flatten(1).repeat(2, 1))


def test_repetition_keeps_the_order_of_columns_and_leaves_none_out_but_the_last() -> None:
    """If this fails, columns are drawn anew and not repeated; at 16 columns up to 5 are."""
    places = torch.arange(16.0).repeat(50, 1, 16, 1)
    shown = VIEWS["repeat"]()(places, 1.0, seeded(0))
    assert torch.equal(shown[:, :, :1].expand(-1, -1, 16, -1), shown)  # all rows alike
    columns = shown[:, 0, 0]
    steps = columns.diff(dim=1)
    assert bool(((steps == 0) | (steps == 1)).all())
    assert bool((columns[:, 0] == 0).all())
    repeated = (steps == 0).sum(1)
    assert int(repeated.max()) == 5
    assert int(repeated.min()) == 0
    assert not bool(((steps[:, 1:] == 0) & (steps[:, :-1] == 0)).any())  # none more than twice


def test_small_windows_show_a_region_of_their_area() -> None:
    """If this fails, multi-crop shows the whole picture, or places outside of it."""
    count, side = 400, 64
    across = torch.linspace(-1, 1, side, dtype=torch.float64).expand(side, side)
    slope = torch.stack([across, across.T]).expand(count, 2, side, side)
    crop = SmallCrop(0.2, 0.5)
    shown = crop(slope, 0.0, seeded(0))
    edges = [shown[:, 0].mean(1), shown[:, 1].mean(2)]  # where columns and rows of the window come from
    # A window of share w spans w of the slope; enlarging from 28 pixels repeats the outermost half pixel on both ends.
    sides = [(edge[:, -1] - edge[:, 0]) / 2 * 28 / 27 for edge in edges]
    areas = sides[0] * sides[1]
    assert float(areas.min()) + 0.02 > 0.2
    assert float(areas.max()) < 0.52
    assert float(areas.mean()) == pytest.approx(0.35, abs=4.5 * 0.3 / (12 * count) ** 0.5 + 0.01)
    assert float(shown.abs().max()) <= 1
    assert float(edges[0].mean(1).std()) > 0.1  # anywhere in the picture, not its middle


def test_the_last_views_are_small_windows_and_the_first_ones_whole() -> None:
    """If this fails, SwAV's codes are of small windows, or its further views have the same size."""
    batch = Batch(pictures(5, 1).flatten(1), torch.zeros(5, dtype=torch.int64))
    made = MultiView((), count=5, crops=3, shape=(1, 8, 8)).present(batch, seeded(0))
    parts = made.inputs.split(5)
    assert all(torch.equal(part, batch.inputs) for part in parts[:2])
    assert all(not torch.equal(part, batch.inputs) for part in parts[2:])
    assert not torch.equal(parts[2], parts[3])
    assert made.views is not None
    assert made.views.tolist() == sorted([0, 1, 2, 3, 4] * 5)
    with pytest.raises(InputError, match="beside at least 2 whole ones, got 3 of 4"):
        MultiView((), count=4, crops=3)
    with pytest.raises(InputError, match="shares in order"):
        SmallCrop(0.5, 0.2)
