"""The computations that ``eqlab bench conv`` times: one gradient of one batch of a convolutional network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from contrastive_core.baselines.implicit import Implicit
from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.links import Convolution
from contrastive_core.networks.notation import convolutional
from contrastive_core.phases import Sides
from contrastive_core.rule import Settling
from contrastive_core.types import Batch
from eqprop.rule import EquilibriumPropagation
from experiments.benchmarks.accuracy import SMALL, Gradients, loosest
from experiments.benchmarks.settling_cases import STRENGTH, TEXTBOOK_SWEEPS, TRUNCATED, Run, TimedGradient, ep, ep_sweeps

GOOD = 0.997
"""Cosine to the exact gradient that ``ep-matched`` must reach."""

RATE = 1e-3
"""Learning rate of the short training, by Adam."""


class Pictures(NamedTuple):
    """A network of filters as plain tensors, and a batch with one-hot targets."""

    network: Layered
    weights: list[Tensor]
    biases: list[Tensor]
    inputs: Tensor
    targets: Tensor


def network_of(layers: str, shape: tuple[int, ...], scale: float, seed: int, dtype: torch.dtype = torch.float32) -> Layered:
    """Return a network of hard-sigmoid layers and linear outputs."""
    return Layered(convolutional(layers, shape), energy_scale=scale, generator=seed, dtype=dtype)


def samples(network: Layered, count: int, seed: int) -> Batch:
    """Draw pictures: a smooth pattern for each class, and as much noise."""
    generator = torch.Generator().manual_seed(seed)
    channels, *sides = network.architecture.inputs
    coarse = torch.rand((network.sizes[-1], channels, 4, 4), generator=generator)
    patterns = functional.interpolate(coarse, size=tuple(sides), mode="bilinear")
    labels = torch.randint(network.sizes[-1], (count,), generator=generator)
    return Batch((patterns[labels] + torch.rand((count, channels, *sides), generator=generator)) / 2, labels)


def train(network: Layered, batch_size: int, steps: int, seed: int) -> None:
    """Train a network in place for some steps by one-sided equilibrium propagation."""
    rule, data = EquilibriumPropagation(SquaredError(), Settling(), SMALL, Sides.POSITIVE), samples(network, 16 * batch_size, seed)
    optimiser, generator = torch.optim.Adam(network.parameters(), RATE), torch.Generator().manual_seed(seed)
    for _ in range(steps):
        chosen = torch.randint(len(data.labels), (batch_size,), generator=generator)
        gradients = rule.estimate(network, Batch(data.inputs[chosen], data.labels[chosen])).gradients
        for name, parameter in network.named_parameters():
            parameter.grad = gradients[name]
        optimiser.step()
    for parameter in network.parameters():
        parameter.grad = None


def cases(network: Layered, batch: Batch, names: Sequence[str]) -> list[TimedGradient]:
    """Set up cases on one network and one batch.

    Parameters
    ----------
    network : Layered
        Network of convolutions with maxima or without poolings, and dense layers.
    batch : Batch
        Pictures and classes.
    names : sequence of str
        Cases to set up.

    Returns
    -------
    list of TimedGradient
        Equilibrium propagation at the tolerance of ``train``, with the loosest tolerances that reach the cosine ``GOOD``, by a
        truncated schedule, and as in textbooks; backpropagation in both orders of memory, and the floor.
    """
    exact = exact_gradients(network, batch)

    def ours(name: str, settling: Settling, strength: float = SMALL, sides: Sides = Sides.POSITIVE) -> TimedGradient:
        rule = EquilibriumPropagation(SquaredError(), settling, strength, sides)
        run = ep(rule, network, batch)
        return TimedGradient(name, run, "auto", ep_sweeps(rule, network, batch), run, exact, strength, settling)

    def plain(name: str, make: Callable[[Pictures], Run], order: torch.memory_format, sweeps: float = 0.0) -> TimedGradient:
        run = make(pictures(network, batch, order))
        return TimedGradient(name, run, None, lambda: sweeps, None if name == "floor" else run, None if name == "floor" else exact)

    last, first = torch.channels_last, torch.contiguous_format
    made: dict[str, Callable[[str], TimedGradient]] = {
        "ep-train": lambda name: ours(name, Settling(), STRENGTH, Sides.CENTERED),
        "ep-matched": lambda name: ours(name, loosest(network, batch, exact, GOOD)),
        "ep-truncated": lambda name: ours(name, TRUNCATED),
        "ep-textbook": lambda name: plain(name, ep_textbook, first, 3.0 * TEXTBOOK_SWEEPS),
        "backprop-channels-last": lambda name: plain(name, backprop, last),
        "backprop-channels-first": lambda name: plain(name, backprop, first),
        "floor": lambda name: plain(name, floor, last),
    }
    return [made[name](name) for name in names]


def exact_gradients(network: Layered, batch: Batch) -> Gradients:
    """Return the gradients of the equilibrium by implicit differentiation in float64."""
    twin = Layered(network.architecture, energy_scale=network.energy_scale, dtype=torch.float64).to(batch.inputs.device)
    twin.load_state_dict({name: value.double() for name, value in network.state_dict().items()})
    rule = Implicit(SquaredError(), Settling(free=Stop(1e-8, 500), second=Stop(1e-6, 500)))
    return tuple(rule.estimate(twin, Batch(batch.inputs.double(), batch.labels)).gradients.values())


def pictures(network: Layered, batch: Batch, order: torch.memory_format) -> Pictures:
    """Return copies of a network's parameters and a batch in an order of memory, without anything of ours around them."""
    depth = len(network.sizes)
    weights = [network.weight(index).detach().clone() for index in range(depth)]
    weights = [weight.contiguous(memory_format=order) if weight.dim() == 4 else weight for weight in weights]
    targets = functional.one_hot(batch.labels, network.sizes[-1]).to(batch.inputs.dtype)
    biases = [network.bias(index).detach().clone() for index in range(depth)]
    return Pictures(network, weights, biases, batch.inputs.contiguous(memory_format=order), targets)


def _forward(case: Pictures, index: int, below: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the drive of a layer from below, pooled, and the places of its maxima."""
    link, bias = case.network.into[index][0].link, case.biases[index]
    if not isinstance(link, Convolution):
        return torch.addmm(bias, below.flatten(1), case.weights[index]), None
    response = functional.conv2d(below, case.weights[index], bias, link.stride, link.padding)
    return functional.max_pool2d(response, link.pooling.size, return_indices=True) if link.pooling.size > 1 else (response, None)


def _spread(case: Pictures, index: int, above: Tensor, places: Tensor | None) -> Tensor:
    """Return a layer led back through its maxima."""
    link = case.network.into[index][0].link
    if places is None or not isinstance(link, Convolution):
        return above
    return functional.max_unpool2d(above, places, link.pooling.size, output_size=link.response_shape[1:])  # type: ignore[arg-type]


def backprop(case: Pictures) -> Run:
    """Return ordinary backpropagation of the feedforward network of the same weights, by torch's autograd."""
    parameters = [one.requires_grad_() for pair in zip(case.weights, case.biases, strict=True) for one in pair]

    def run() -> Gradients:
        layer = case.inputs
        for index in range(len(case.weights)):
            layer, _ = _forward(case, index, layer)
            layer = layer if index + 1 == len(case.weights) else layer.clamp(0, 1)
        return torch.autograd.grad(0.5 * (layer - case.targets).square().sum(1).mean(), parameters)

    return run


def _transposed(case: Pictures, index: int, pressed: Tensor, like: Tensor) -> Tensor:
    """Return the feedback of a layer."""
    link, weight = case.network.into[index][0].link, case.weights[index]
    if not isinstance(link, Convolution):
        return (pressed @ weight.T).view(like.shape)
    return link.down(pressed, weight, torch.zeros_like(like), 1.0)


def _weights(case: Pictures, index: int, below: Tensor, pressed: Tensor) -> Tensor:
    """Return the product of both sides of a layer's weights, summed over samples."""
    return case.network.into[index][0].link.gradient(below, pressed)  # type: ignore[union-attr]


def ep_textbook(case: Pictures) -> Run:
    """Return centered equilibrium propagation as it is usually written: states, all layers at once, fixed sweeps, inputs in every sweep."""
    depth, scale = len(case.weights), case.network.energy_scale

    def sweep(state: list[Tensor], beta: float) -> list[Tensor]:
        below = [case.inputs, *state[:-1]]
        drives = [_forward(case, index, below[index]) for index in range(depth)]
        new: list[Tensor] = []
        for index in range(depth - 1):
            pressed = _spread(case, index + 1, state[index + 1], drives[index + 1][1])
            new.append((drives[index][0] + scale * _transposed(case, index + 1, pressed, state[index])).clamp(0, 1))
        return [*new, drives[-1][0] + beta * (case.targets - state[-1])]

    @torch.no_grad()
    def run() -> Gradients:
        state = [case.inputs.new_zeros((len(case.inputs), *shape)) for shape in case.network.architecture.shapes]
        for _ in range(TEXTBOOK_SWEEPS):
            state = sweep(state, 0.0)
        free, sums = state, list[list[Tensor]]()
        for sign in (1, -1):
            state = free
            for _ in range(TEXTBOOK_SWEEPS):
                state = sweep(state, sign * STRENGTH)
            sums.append([])
            for index, layer in enumerate(state):
                below = case.inputs if index == 0 else state[index - 1]
                pressed = _spread(case, index, layer, _forward(case, index, below)[1])
                sums[-1] += [_weights(case, index, below, pressed), layer.sum((0, *range(2, layer.dim())))]
        # The stiffness of a layer over that of the outputs, which is in the strength.
        factors = [-(scale ** (index + 1 - depth)) / (2 * STRENGTH * len(case.inputs)) for index in range(depth) for _ in range(2)]
        return tuple(factor * (plus - minus) for factor, plus, minus in zip(factors, *sums, strict=True))

    return run


def floor(case: Pictures) -> Run:
    """Return the products of backpropagation alone: responses, feedback and gradients of the weights, without poolings and units."""
    below = [case.inputs, *(torch.rand((len(case.inputs), *shape)).to(case.inputs) for shape in case.network.architecture.shapes[:-1])]
    below = [layer.contiguous(memory_format=torch.channels_last) if layer.dim() == 4 else layer for layer in below]

    @torch.no_grad()
    def run() -> Gradients:
        found: list[Tensor] = []
        for index, layer in enumerate(below):
            response = case.network.into[index][0].link.respond(layer, case.weights[index])
            found.append(_weights(case, index, layer, response))
            if index:
                _transposed(case, index, response, layer)
        return tuple(found)

    return run
