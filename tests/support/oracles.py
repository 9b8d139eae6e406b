"""Slow, obvious references: finite differences, dense linear algebra, and the chain rule written out by hand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from contrastive_core.cost import Cost
from contrastive_core.network import Clamped, Network
from contrastive_core.types import Batch, Gradients, State


def number(value: Tensor) -> float:
    """Return a tensor of one element as a number, outside any graph."""
    return float(value.detach())


def relative_error(estimate: Tensor, exact: Tensor) -> float:
    """Return the norm of the difference over that of the exact tensor."""
    return number((estimate - exact).norm() / exact.norm())


def joined(gradients: Gradients) -> Tensor:
    """Return all gradients as one vector."""
    return torch.cat([value.flatten() for value in gradients.values()])


def gradient_error(estimate: Gradients, exact: Gradients) -> float:
    """Return the relative error of the whole gradient, after checking that the same parameters are meant."""
    assert list(estimate) == list(exact)
    return relative_error(joined(estimate), joined(exact))


def cosine(estimate: Gradients, exact: Gradients) -> float:
    """Return the cosine between two whole gradients."""
    return number(torch.nn.functional.cosine_similarity(joined(estimate), joined(exact), dim=0))


def central_difference(function: Callable[[Tensor], Tensor], point: Tensor, step: float) -> Tensor:
    """Return the gradient of a scalar function entry by entry: error step² f'''/6 + rounding of f / step."""
    gradient = torch.zeros_like(point)
    for index in range(point.numel()):
        shift = torch.zeros_like(point)
        shift.view(-1)[index] = step
        gradient.view(-1)[index] = (function(point + shift) - function(point - shift)) / (2 * step)
    return gradient


def slope_along(function: Callable[[], float], parameter: Tensor, direction: Tensor, step: float) -> float:
    """Return the derivative of ``function`` as a parameter moves along a direction; the parameter is put back.

    Four points, so that the error is step⁴ f⁽⁵⁾ / 30 + 1.5 * rounding of f / step.
    """
    original = parameter.detach().clone()
    slope = 0.0
    with torch.no_grad():
        for distance, weight in ((1, 2 / 3), (-1, -2 / 3), (2, -1 / 12), (-2, 1 / 12)):
            parameter.copy_(original + distance * step * direction)
            slope += weight * function() / step
        parameter.copy_(original)
    return slope


def state_hessian(network: Network, clamped: Clamped, state: State, sample: int) -> Tensor:
    """Return the second derivative of one sample's energy by differentiating the energy twice, of shape (n, n)."""
    row = Clamped(network, clamped.inputs[sample : sample + 1], clamped.drive[sample : sample + 1].detach())
    flat = torch.cat([layer[sample] for layer in state]).detach()

    def energy(units: Tensor) -> Tensor:
        return network.energy(torch.split_with_sizes(units[None], network.sizes, dim=1), row).sum()

    return torch.autograd.functional.hessian(energy, flat)


def dense_gradient(
    network: Network, batch: Batch, state: State, cost: Cost, error_of: Callable[[Tensor, Tensor], Tensor] | None = None
) -> Gradients:
    r"""Return :math:`-\langle v \cdot \partial_\theta \partial_s E\rangle`, :math:`H v = \partial C/\partial s`, sample by sample.

    Only for interior states and outputs that are the last layer. ``error_of`` maps a sample's output error and its effective
    curvature :math:`d^2 E_\mathrm{eff}/do^2`, the Schur complement of H on the outputs, to the error that takes its place.
    """
    clamped = network.clamp(batch.inputs)
    errors = cost.gradient(network.output(state), batch)
    units = tuple(layer.detach().requires_grad_() for layer in state)
    hidden = sum(network.sizes[:-1])
    with torch.enable_grad():
        slopes = torch.autograd.grad(network.energy(units, clamped).sum(), units, create_graph=True)
        total = torch.zeros((), dtype=state[0].dtype)
        for sample in range(len(errors)):
            matrix = state_hessian(network, clamped, state, sample)
            schur = matrix[hidden:, hidden:] - matrix[hidden:, :hidden] @ torch.linalg.solve(
                matrix[:hidden, :hidden], matrix[:hidden, hidden:]
            )
            source = torch.zeros(len(matrix), dtype=matrix.dtype)
            source[hidden:] = errors[sample] if error_of is None else error_of(errors[sample], schur)
            adjoint = torch.linalg.solve(matrix, source)
            total = total - adjoint @ torch.cat([slope[sample] for slope in slopes]) / len(errors)
        named = dict(network.named_parameters())
        return dict(zip(named, torch.autograd.grad(total, list(named.values())), strict=True))


def hand_backprop(network: Network, batch: Batch, output_error: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor]) -> Gradients:
    """Return the gradient of a chain of layers with a linear last one, by the textbook recursion.

    ``output_error`` is dC/do of the summed cost, ``slope`` the derivative of the hidden activation in terms of its value.
    """
    num_layers = len(network.sizes)
    values = [batch.inputs]
    for index in range(num_layers):
        drive = values[-1] @ network.weight(index) + network.bias(index)
        values.append(network.activations[index].value(drive))
    delta = output_error(values[-1]) / len(batch.inputs)
    gradients: Gradients = {}
    for index in reversed(range(num_layers)):
        gradients[f"bias_{index + 1}"] = delta.sum(0)
        gradients[f"weight_{index + 1}"] = values[index].T @ delta
        if index:
            delta = (delta @ network.weight(index).T) * slope(values[index])
    return {name: gradients[name].detach() for name, _ in network.named_parameters()}
