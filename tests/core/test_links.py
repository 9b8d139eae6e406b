"""Links between layers, the poolings of convolutions, and the notation of layers."""

from __future__ import annotations

import math

import pytest
import torch
from systems import largest_difference, seeded
from torch.nn import functional

from contrastive_core.devices.device import Device
from contrastive_core.devices.effects.neurons import NeuronGain
from contrastive_core.devices.on_device import OnDevice
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.contraction import set_radius
from contrastive_core.errors import BackendError, InputError, ShapeError
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.links import Convolution, Dense
from contrastive_core.networks.notation import convolutional
from contrastive_core.networks.pooling import UNPOOLED, Average, Maximum, Pooling
from contrastive_core.networks.smooth_pooling import LogSumExp, SoftmaxWeighted
from contrastive_core.relaxation.backends import Case, plan, required
from eqprop.binary import BinaryWeights
from experiments.hardware.learnt import rows_and_columns

POOLINGS: list[Pooling] = [
    UNPOOLED,
    Average(2),
    Maximum(2),
    LogSumExp(2, 0.3),
    SoftmaxWeighted(2, 0.3),
    Average(3),
    Maximum(3),
    LogSumExp(3),
    SoftmaxWeighted(3),
]


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


@pytest.mark.parametrize("pooling", POOLINGS, ids=str)
def test_feedback_is_the_slope_of_the_pooling(pooling: Pooling) -> None:
    """An energy has symmetric forces; another way back would be the field of none. Windows leave a row and a column over here."""
    z = drawn(2, 3, 7, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    value = pooling.value(z)
    above = drawn(*value.shape, seed=1)
    (slope,) = torch.autograd.grad(value, z, above)
    with torch.no_grad():
        found = pooling.spread(above, pooling.route(z), z.shape[1:])  # type: ignore[arg-type]
    torch.testing.assert_close(found, slope, rtol=0, atol=1e-14)


def test_poolings_are_what_they_are_called() -> None:
    """The limits of the two smooth ones are the other two: the mean at a high temperature, the maximum at a low one."""
    z = drawn(2, 3, 6, 6)
    mean, top = functional.avg_pool2d(z, 2), functional.max_pool2d(z, 2)
    for smooth in (LogSumExp, SoftmaxWeighted):
        torch.testing.assert_close(smooth(2, 1e5).value(z), mean, rtol=0, atol=1e-4)
        torch.testing.assert_close(smooth(2, 1e-4).value(z), top, rtol=0, atol=2e-4)
    window, temperature = z[:1, :1, :2, :2].flatten(), 0.7
    weights = (window / temperature).softmax(0)
    assert float(LogSumExp(2, temperature).value(z)[0, 0, 0, 0]) == pytest.approx(
        temperature * math.log(sum(math.exp(float(x) / temperature) for x in window) / 4), abs=1e-14
    )
    assert float(SoftmaxWeighted(2, temperature).value(z)[0, 0, 0, 0]) == pytest.approx(float(weights @ window), abs=1e-14)
    assert bool(torch.isfinite(LogSumExp(2).value(1e4 * z)).all())


@pytest.mark.parametrize("pooling", POOLINGS, ids=str)
def test_a_difference_of_a_pooling_is_that_of_two_values(pooling: Pooling) -> None:
    """Rounding of two values near each other would be divided by a scale of 1e-4 and less."""
    z, change = drawn(2, 3, 7, 8), drawn(2, 3, 7, 8, seed=1)
    route = pooling.route(z)
    for scale in (0.3, 1e-3, -0.2, -1e-3):
        if isinstance(pooling, Maximum):
            scale *= 1e-4  # the largest entries are taken to stay where they are
        found, turned = pooling.difference(z, route, change, scale)  # type: ignore[arg-type]
        moved = z + scale * change
        # Roundings of a value of size 1, over the scale.
        torch.testing.assert_close(found, (pooling.value(moved) - pooling.value(z)) / scale, rtol=0, atol=5e-15 / abs(scale))
        if turned is not None and route is not None:
            expected = (pooling.route(moved) - route) / scale  # type: ignore[operator]
            torch.testing.assert_close(turned, expected, rtol=0, atol=5e-15 / abs(scale))
    limits, near = (pooling.difference(z, route, change, scale) for scale in (0.0, 1e-7))  # type: ignore[arg-type]
    for limit, other in zip(limits, near, strict=True):
        if limit is not None and other is not None:
            torch.testing.assert_close(limit, other, rtol=0, atol=1e-4)


@pytest.mark.parametrize("pooling", [LogSumExp(2, 0.1), SoftmaxWeighted(2, 0.1)], ids=str)
@pytest.mark.parametrize("scale", [1.0, -1.0])
def test_large_differences_do_not_overflow(pooling: LogSumExp | SoftmaxWeighted, scale: float) -> None:
    """Exponents of 20 000 are no number in any float; a first sweep from rest may ask for them."""
    z, change = drawn(2, 1, 4, 4), 2000 * drawn(2, 1, 4, 4, seed=1)
    moved = z + scale * change
    for found, form in zip(pooling.difference(z, pooling.route(z), change, scale), (pooling.value, pooling.route), strict=True):
        # Values and slopes of up to 20 000, whose roundings are 1e-12.
        torch.testing.assert_close(found, (form(moved) - form(z)) / scale, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("pooling", [UNPOOLED, Average(2), Maximum(2)], ids=str)
def test_a_convolution_is_one_bilinear_form_seen_from_three_sides(stride: int, padding: int, pooling: Pooling) -> None:
    """Drive, feedback and gradient come from three calls of torch; a wrong padding in one of them is another network."""
    link = Convolution((3, 9, 8), 4, 3, stride, padding, pooling)
    below, weight = drawn(2, *link.below).requires_grad_(), drawn(*link.weight_shape, seed=1).requires_grad_()
    above, bias = drawn(2, *link.above, seed=2), drawn(4, seed=3)
    drive = link.up(below, weight, bias)
    assert tuple(drive.shape[1:]) == link.above
    down, gradient = torch.autograd.grad((drive * above).sum(), (below, weight))
    with torch.no_grad():
        route = link.route(link.respond(below, weight)) if link.routed else None
        pressed, onto = link.pressed(above, route), drawn(2, *link.below, seed=4)
        torch.testing.assert_close(link.down(pressed, weight, onto, 0.3), onto + 0.3 * down, rtol=0, atol=1e-13)
        torch.testing.assert_close(link.gradient(below, pressed), gradient, rtol=0, atol=1e-13)
        torch.testing.assert_close(link.gradient(below, pressed, weight, 0.3), weight + 0.3 * gradient, rtol=0, atol=1e-13)


def test_average_pooling_folds_into_a_larger_filter() -> None:
    """Filters of k with the mean over 2 x 2 are filters of k + 1 with a stride of 2: the identity behind the fast schedule."""
    plain, folded = Convolution((3, 8, 8), 4, 3, 1, 1, Average(2)), Convolution((3, 8, 8), 4, 4, 2, 1)
    weight, below, above = drawn(*plain.weight_shape), drawn(2, 3, 8, 8, seed=1), drawn(2, 4, 4, 4, seed=2)
    larger = sum(functional.pad(weight, (left, 1 - left, top, 1 - top)) for left in (0, 1) for top in (0, 1)) / 4
    nothing = torch.zeros(4, dtype=torch.float64)
    torch.testing.assert_close(folded.up(below, torch.as_tensor(larger), nothing), plain.up(below, weight, nothing), rtol=0, atol=1e-13)
    back = [link.down(link.pressed(above, None), w, torch.zeros_like(below), 1.0) for link, w in ((plain, weight), (folded, larger))]  # type: ignore[arg-type]
    torch.testing.assert_close(back[0], back[1], rtol=0, atol=1e-13)


PUBLISHED = {
    # Filters and biases counted by hand.
    "32c5 p2 64c5 p2 10": ((1, 28, 28), [(32, 12, 12), (64, 4, 4), (10,)], 832 + 51264 + 10250),
    "32c3+1 p2 64c3+1 p2 128c3+1 p2 128c3+1 10": (
        (3, 32, 32),
        [(32, 16, 16), (64, 8, 8), (128, 4, 4), (128, 4, 4), (10,)],
        896 + 18496 + 73856 + 147584 + 20490,
    ),
    "128c3+1 p2 256c3+1 p2 512c3+1 p2 512c3 p2 10": (
        (3, 32, 32),
        [(128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 1, 1), (10,)],
        3584 + 295168 + 1180160 + 2359808 + 5130,
    ),
}


@pytest.mark.parametrize("layers", PUBLISHED)
def test_published_networks_can_be_written(layers: str) -> None:
    """LeNet 32-64, the four-layer network and VGG-5 of the comparisons, with their shapes and numbers of parameters."""
    inputs, shapes, count = PUBLISHED[layers]
    network = Layered(convolutional(layers, inputs))
    assert list(network.shapes) == shapes
    assert network.sizes == tuple(math.prod(shape) for shape in shapes)
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    bound = 0.7 / math.sqrt(network.weight(1)[0].numel())
    assert 0.95 * bound < float(network.weight(1).detach().abs().max()) <= bound


def test_residual_edges_copy_or_have_weights_of_their_own() -> None:
    """Between equal shapes a residual edge is a copy; otherwise filters of 1 x 1, with the stride that the pictures need."""
    architecture = convolutional("8c3+1>3 p2 8c3+1>5 8c3+1 16c3s2+1 16c3+1 10", (3, 8, 8))
    named = {edge.name or "copy": edge.link for edge in architecture.edges if edge.target > edge.source + 1}
    assert set(named) == {"copy", "weight_skip_2_5"}
    link = named["weight_skip_2_5"]
    assert isinstance(link, Convolution)
    assert (link.kernel, link.stride, link.weight_shape) == (1, 2, (16, 8, 1, 1))
    assert architecture.skips == ((0, 2), (1, 4))
    assert not architecture.is_dense
    assert list(dict(Layered(architecture).named_parameters()))[-6:-2] == ["bias_4", "weight_5", "weight_skip_2_5", "bias_5"]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("", "needs at least one layer, got ''"),
        ("32c5 q2 10", "'q2' is no layer; write 32c3 for 32 channels"),
        ("p2 10", "a pooling belongs to the convolution before it, and 'p2' has none"),
        ("8 p2 10", "'p2' has none"),
        ("8c3 p2 p2 10", "'p2' has none"),
        ("8c3 p1 10", "at least 2 x 2"),
        ("8c3 p2@0.5 10", "'p2@0.5' has no temperature; only l and w"),
        ("8c3 l2@0 10", "temperatures positive"),
        ("0c3 10", "are positive, got '0c3'"),
        ("8c0 10", "are positive, got '8c0'"),
        ("8c3s0 10", "are positive, got '8c3s0'"),
        ("8c5 8c7 10", "layer 2, 8c7: a filter of 7 does not fit into pictures of 4 x 4 in 8 channels"),
        ("8c5 8c3 p3 10", "layer 2, 8c3 p3: a window of 3 does not fit into pictures of 2 x 2 in 8 channels"),
        ("8c3 10 8c3", "layer 3, 8c3: filters see pictures, and below is a row of 10 units"),
        ("8c3>2 8c3 10", "layer 1, 8c3>2: a residual edge leads at least two layers up, and the layers are 1 to 3, got >2"),
        ("8c1>3 8c2 8c1 10", "from layer 1 to 3: no filter of 1 x 1 leads from 8 x 8 in 8 channels to 7 x 7 in 8 channels"),
        ("8c3+1>9 8c3+1 10", "got >9"),
    ],
)
def test_layers_that_do_not_fit_are_named(layers: str, message: str) -> None:
    """A network of eight layers is mended only if the message says which one is wrong."""
    with pytest.raises(InputError) as caught:
        convolutional(layers, (1, 8, 8))
    assert message in str(caught.value)


def test_inputs_are_pictures_or_their_rows() -> None:
    """Data sets give rows in the order of channels, rows and columns, which is that of a picture in memory."""
    network = Layered(convolutional("3c3 3", (2, 4, 5)), dtype=torch.float64)
    pictures = drawn(3, 2, 4, 5)
    given = [network.clamp(inputs) for inputs in (pictures, pictures.flatten(1))]
    assert torch.equal(given[0].drive, given[1].drive)
    torch.testing.assert_close(given[0].drive, functional.conv2d(pictures, network.weight(0)), rtol=0, atol=1e-13)
    with pytest.raises(ShapeError, match=r"must have shape \(batch, 2, 4, 5\), got \(3, 4, 5, 2\)"):
        network.clamp(pictures.permute(0, 2, 3, 1))
    with pytest.raises(ShapeError, match=r"must have shape \(batch, 40\), got \(3, 41\)"):
        network.clamp(drawn(3, 41))
    with pytest.raises(InputError, match="the outputs are a row of units, and the last layer is a picture"):
        Layered(convolutional("3c3 4c2", (2, 4, 5)))
    read = Layered(convolutional("3c3 4c2", (2, 4, 5)), readout=3, dtype=torch.float64)
    assert read.output(read.feedforward(read.clamp(pictures))).shape == (3, 3)


def test_kernels_take_dense_layers_only() -> None:
    """A kernel that read filters as matrices would settle another network without a word."""
    network = Layered(convolutional("3c3 3", (2, 4, 4)))
    clamped = network.clamp(drawn(3, 32).float())
    case = Case(network, clamped.drive, BlockDescent(), [None], network.initial_state(clamped))
    route = plan(case, "numba")
    assert route.backend == "torch"
    assert route.reason.endswith("this is a network of filters, residual edges or memories that is neither")
    with pytest.raises(BackendError, match="network of filters, residual edges or memories"):
        required(case, "numba")
    rows = Layered(convolutional("6>3 5 4 3", (7,)))
    assert not rows.is_dense
    assert Layered(convolutional("6 5 3", (7,))).is_dense
    assert type(rows.architecture.edges[0].link) is Dense


def test_layers_with_an_edge_between_them_are_in_different_groups() -> None:
    """Two layers that act on each other and move at once are no block descent, as in the public residual network."""
    skips = [(0, 2), (1, 4), (2, 4)]
    groups = BlockDescent("even-odd").groups(6, skips)
    place = {index: number for number, group in enumerate(groups) for index in group}
    assert sorted(place) == list(range(6))
    assert all(place[low] != place[high] for low, high in [*skips, *((index, index + 1) for index in range(5))])
    assert BlockDescent("odd-even").groups(6, skips) == groups[::-1]
    assert BlockDescent("even-odd").groups(5) == [[0, 2, 4], [1, 3]]
    assert BlockDescent("odd-even").groups(1) == [[0]]


def test_states_keep_their_channels_last() -> None:
    """In the usual order poolings take 15 to 40 times as long; one layer in it slows down every sweep."""
    network = Layered(convolutional("3c3+1 p2 4c3+1 a2 5c2 l2 3", (1, 16, 16)), gain=1.0)
    clamped = network.clamp(drawn(3, 256).float())
    with torch.no_grad():
        for state in (network.feedforward(clamped), network.initial_state(clamped, seeded(1))):
            swept, _ = BlockDescent().step(state, clamped)
            for layer in (*state, *swept):
                assert layer.dim() == 2 or layer.is_contiguous(memory_format=torch.channels_last)
    assert largest_difference(network.project(state), state) == 0


def test_what_belongs_to_dense_layers_refuses_filters() -> None:
    """A factor, a table or a sign that is right for matrices alone would be applied to filters without a word."""
    network = Layered(convolutional("3c3+1>3 3c3+1 3", (1, 4, 4)))
    with pytest.raises(InputError, match="take a dense network"):
        set_radius(network, 0.5)
    with pytest.raises(InputError, match="leave residual edges out"):
        BinaryWeights(network)
    with pytest.raises(InputError, match="weight_1 holds filters"):
        rows_and_columns({"weight_1": network.get_parameter("weight_1").detach()})
    binary = BinaryWeights(Layered(convolutional("3c3+1 a2 3", (1, 4, 4))))
    assert binary.shapes == ((3, 2, 2), (3,))
    assert len(binary.get_parameter("weight_1").detach().abs().unique()) == 1


def test_every_unit_of_a_picture_has_a_gain_of_its_own() -> None:
    """Units of one channel share filters, not transistors: one gain per channel would be another device."""
    network = Layered(convolutional("3c3+1 a2 3", (1, 4, 4)), dtype=torch.float64)
    device = Device(effects=(NeuronGain(0.1),))
    held = OnDevice(network, device)
    stretch = held.inside.activations[0].stretch
    assert stretch.shape == (3, 2, 2)
    assert len(stretch.unique()) == 12
    state = held.feedforward(held.clamp(drawn(2, 16)))
    assert state[0].shape == (2, 3, 2, 2)
