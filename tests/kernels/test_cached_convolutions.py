"""Networks that convolve nothing twice: the phases and gradients of the reference, in fewer convolutions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from contrastive_core.certificate import Stop
from contrastive_core.contrast import contrast
from contrastive_core.costs import COSTS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.errors import BackendError
from contrastive_core.kernels import PICTURES
from contrastive_core.networks.activation import CLIPPED_RELU
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.notation import convolutional
from contrastive_core.phases import Hold, Nudge, Sides
from contrastive_core.relaxation.backends import Case, plan
from contrastive_core.relaxation.cached import cached
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Estimate, Settling
from contrastive_core.types import Batch
from eqprop.rule import EquilibriumPropagation

LAYERS = {
    "max": "4c3+1 p2 6c3+1 p2 5",
    "average": "4c3+1 a2 6c3 a2 5",
    "log-sum-exp": "4c3+1 l2 6c3 l2@0.5 5",
    "softmax-weighted": "4c3+1 w2 6c3 w2@2 5",
    "strides and rows left over": "4c3+1 p2 6c2s2+1 a2 7 5",
    "residual": "4c3+1 p2 6c3+1>4 6c3+1 a2 7 5",
}
ORDERS = ("forward", "backward", "even-odd", "odd-even")


def system(layers: str, scale: float = 0.3, **settings: Any) -> tuple[Layered, Batch]:
    """Return a network on pictures of 9 x 8 with random biases, and a batch whose samples settle in different numbers of sweeps."""
    source = torch.Generator().manual_seed(3)
    settings = {"dtype": torch.float64, "gain": 1.2, "generator": source, "energy_scale": scale, **settings}
    network = Layered(convolutional(layers, (2, 9, 8)), **settings)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("bias"):
                parameter.uniform_(-0.2, 0.4, generator=source)
    inputs = torch.rand((5, 2, 9, 8), generator=source, dtype=torch.float64) * torch.tensor([0.0, 0.3, 1.0, 2.0, 4.0])[:, None, None, None]
    return network, Batch(inputs, torch.tensor([0, 1, 2, 3, 4]))


def estimates(network: Layered, batch: Batch, settling: dict[str, Any], sides: str, **rule: Any) -> list[Estimate]:
    """Return the estimates of the reference and of the network that keeps what it convolves."""
    cost = COSTS[rule.pop("cost", "squared-error")]()
    return [
        EquilibriumPropagation(cost, Settling(**settling, backend=backend), 0.1, Sides(sides), **rule).estimate(network, batch)
        for backend in ("torch", "cached")
    ]


def assert_equal(ours: Estimate, reference: Estimate) -> None:
    """Assert that two estimates are the same but for the order of sums of some hundred numbers of order 1."""
    for name, relaxation in reference.relaxations.items():
        other = ours.relaxations[name]
        assert torch.equal(other.steps, relaxation.steps)
        assert torch.equal(other.status, relaxation.status)
        torch.testing.assert_close(other.residual, relaxation.residual, rtol=0, atol=1e-12)
        for mine, theirs in zip(other.state, relaxation.state, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)
    assert list(ours.gradients) == list(reference.gradients)
    for name, gradient in reference.gradients.items():
        torch.testing.assert_close(ours.gradients[name], gradient, rtol=1e-9, atol=1e-11, msg=name)


@pytest.mark.parametrize("sides", ["positive", "centered"])
@pytest.mark.parametrize("scale", [1.0, 0.1])
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_phases_and_gradients_are_those_of_the_reference(layers: str, scale: float, sides: str) -> None:
    """A schedule that keeps too much would use responses of a layer that has moved since."""
    reference, ours = estimates(*system(layers, scale), {"free": Stop(1e-5, 60), "second": Stop(1e-4, 60)}, sides)
    assert scale < 1 or len(set(reference.relaxations["free"].steps.tolist())) > 1, "samples were meant to stop one by one"
    assert_equal(ours, reference)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("layers", ["max", "log-sum-exp", "residual"])
def test_every_order_of_the_layers_is_that_of_the_reference(layers: str, order: Any) -> None:
    settling = {"dynamics": BlockDescent(order, 1.2), "free": Stop(None, 3), "second": Stop(None, 2)}
    reference, ours = estimates(*system(LAYERS[layers]), settling, "centered")
    assert_equal(ours, reference)


@pytest.mark.parametrize("settings", [{"readout": 5}, {"activation": "logistic"}, {"activation": "clipped-relu"}], ids=str)
@pytest.mark.parametrize("rule", [{"cost": "cross-entropy"}, {"frozen": True}], ids=str)
def test_readouts_units_and_nudges_are_those_of_the_reference(settings: dict[str, Any], rule: dict[str, Any]) -> None:
    """Layers at rest at 0 are skipped; logistic units rest at 1/2, and send feedback from the first sweep on."""
    reference, ours = estimates(
        *system("4c3+1 p2 6c3 a2 5", **settings), {"free": Stop(1e-6, 90), "second": Stop(1e-6, 90)}, "centered", **rule
    )
    assert_equal(ours, reference)


def test_held_outputs_and_warm_starts_are_those_of_the_reference() -> None:
    network, batch = system(LAYERS["max"])
    held = [Hold(torch.full((5, 5), 0.3, dtype=torch.float64))]
    start = tuple(
        torch.rand((5, *shape), dtype=torch.float64, generator=torch.Generator().manual_seed(1)) for shape in network.pieces.shapes
    )
    found = [
        contrast(network, batch._replace(start=start), COSTS["squared-error"](), Settling(backend=backend), (1,), 1e-20, 1.0, held)
        for backend in ("torch", "cached")
    ]
    assert_equal(found[1], found[0])


class Convolutions(TorchDispatchMode):
    """Count of the convolutions inside: forward, transposed, and gradients of weights; and of ways back through maxima, for samples."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down, self.gradients, self.routed, self.spread = 0, 0, 0, 0, 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.ops.aten.convolution.default:
            self.down, self.up = self.down + args[6], self.up + (not args[6])
        self.gradients += function is torch.ops.aten.convolution_backward.default
        self.routed += len(args[0]) if function is torch.ops.aten.max_pool2d_with_indices.default else 0
        self.spread += function is torch.ops.aten.max_unpool2d.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("free", "nudged"), [(1, 1), (2, 1), (3, 2)])
def test_what_has_not_moved_is_not_convolved_again(free: int, nudged: int) -> None:
    """Passes up and down are the whole cost: one too many in a sweep is a tenth of the gradient's time."""
    layers, above_first = "3c3+1 p2 4c3+1 p2 4c3+1 5", 2
    with Convolutions() as counted:
        EquilibriumPropagation(
            COSTS["squared-error"](), Settling(free=Stop(None, free), second=Stop(None, nudged)), 0.1, Sides.POSITIVE
        ).estimate(*system(layers))
    # From rest there is no feedback, the last nudged sweep ends at the first layer, and the drives that hold units at their bounds take
    # one pass down. The inputs are convolved once.
    assert counted.up == 1 + above_first * (free + nudged - 1)
    assert counted.down == above_first * (free - 1 + 1 + nudged)
    assert counted.gradients == 1 + 2 * above_first
    # One of the two layers above the first one is pooled. At rest one sample shows the way back for all.
    samples = 5
    assert counted.routed == 1 + samples * (1 + free)
    # Up: the sweeps after the first. Down: the drives and the nudged sweeps. The contrast finds what the last ones have led back, but
    # for the first layer.
    assert counted.spread == free - 1 + 1 + nudged + 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(6, 7), (6, 3, 4, 5)], ids=["rows", "pictures"])
@pytest.mark.parametrize("scale", [0.3, -0.3, 1e-9, -1e-9])
def test_units_move_in_one_pass_as_their_definition_says(scale: float, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Units inside and on both bounds, whatever an unfinished relaxation has left of their drives; NaN shows that a phase diverged."""
    source = torch.Generator().manual_seed(2)
    drive, step = (3 * torch.randn(shape, generator=source, dtype=dtype) for _ in range(2))
    value = (drive + 0.2 * torch.randn(shape, generator=source, dtype=dtype)).clamp(0, 6)
    # Some rest on a bound without pressing on it.
    drive[0], step[0] = value[0], step[0].abs() * (1 if scale > 0 else -1)
    step[1, 0] = torch.nan
    if len(shape) == 4:
        value, drive = (one.contiguous(memory_format=torch.channels_last) for one in (value, drive))
    expected = CLIPPED_RELU.change(value, CLIPPED_RELU.settled(value, lambda: drive), step, scale)
    found = PICTURES["cpu moved"](value, drive, step, scale, 0.0, 6.0)
    assert torch.isnan(found).sum() == torch.isnan(expected).sum() > 0
    assert (expected == 0).any()
    assert (expected != 0).any()
    torch.testing.assert_close(found, expected, rtol=4 * torch.finfo(dtype).eps, atol=0, equal_nan=True)


def test_bounded_units_of_a_cached_network_move_in_one_pass() -> None:
    """The last layer keeps its settled drives, which a nudge of bounded outputs starts from."""
    network, batch = system(LAYERS["max"], output_activation="hard-sigmoid")
    assert [activation.at_once is not None for activation in cached(network).activations] == [True, True, False]
    reference, ours = estimates(network, batch, {"free": Stop(None, 2), "second": Stop(None, 2)}, "centered")
    assert_equal(ours, reference)


def test_average_pooling_is_folded_into_filters_that_stride() -> None:
    """A convolution of 3 x 3 before means of 2 x 2 takes 36 multiplications a unit, and one of 4 x 4 with stride 2 takes 16."""
    network, _ = system(LAYERS["average"])
    links = [edge.link for edges in cached(network).into for edge in edges]
    assert [(one.link.kernel, one.link.stride, one.link.pooling.size) for one in links[:2]] == [(4, 2, 1)] * 2  # type: ignore[union-attr]


def test_auto_keeps_what_it_convolves_where_no_graph_is_wanted() -> None:
    network, batch = system(LAYERS["max"])
    with torch.no_grad():
        clamped = network.clamp(batch.inputs)
        state = network.initial_state(clamped)
        asked = Case(network, clamped.drive, BlockDescent(), [Nudge(COSTS["squared-error"](), batch, 0.1)], state)
        assert plan(asked).kernel == "cached steps"
        assert plan(asked, "torch").kernel == "torch steps"
        assert "not Synchronous" in plan(asked._replace(dynamics=Synchronous())).reason
    assert "no autograd graph" in plan(asked).reason
    dense = Layered((6, 5, 3))
    held = dense.clamp(torch.zeros(2, 6))
    with torch.no_grad(), pytest.raises(BackendError, match=r"layered networks with convolutions\. What works here: torch, numba\."):
        relax(held, dense.initial_state(held), BlockDescent(), Stop(), backend="cached")


def test_weights_may_change_between_batches() -> None:
    """Filters are kept for one batch only: gradients of the next one must be those of its weights."""
    network, batch = system(LAYERS["average"])
    settling = {"free": Stop(None, 3), "second": Stop(None, 2)}
    estimates(network, batch, settling, "positive")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(0.5)
    reference, ours = estimates(network, batch, settling, "positive")
    assert_equal(ours, reference)
