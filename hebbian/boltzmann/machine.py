"""The Boltzmann machine: layers of stochastic units, their energy and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from contrastive_core.errors import InputError, ShapeError
from contrastive_core.generators import source_of
from contrastive_core.types import Gradients, State
from hebbian.boltzmann.units import Unit, unit_of


class Path(NamedTuple):
    r"""Point on the way from independent units to a machine, :math:`E_b = b E + (1 - b) E_0` with :math:`E_0 = -a \cdot v`.

    The weight :math:`e^{-s^2/2}` of Gaussian units is not scaled.

    Attributes
    ----------
    nearness : Tensor or float
        b, from 0 (independent units) to 1 (the machine); a tensor broadcasts over the axes of a state.
    base : Tensor of shape (n_0,), optional
        Biases a of the visible units at b = 0; None is 0. Those of hidden units are 0.
    """

    nearness: Tensor | float
    base: Tensor | None = None


@final
class BoltzmannMachine(nn.Module):
    r"""Layers of stochastic units with the law :math:`p(s) = e^{-E(s)}/Z`, at temperature 1.

    .. math:: E(s) = -\sum_l b_l \cdot s_l - \sum_l s_{l-1}^T W_l s_l - \tfrac12 \sum_l s_l^T L_l s_l \;[+ \tfrac12 |s_l|^2],

    where the lateral couplings L are symmetric without a diagonal, and the last term belongs to Gaussian layers. Layer 0 is visible.
    Two layers without lateral couplings are a restricted machine, more layers a deep one, and lateral couplings make it general; one
    layer with lateral couplings is a fully visible machine. Spins have the energy of
    :class:`contrastive_core.networks.spin.SpinNetwork`, and Gaussian hidden units above spins make a Hopfield network.

    A state is a tuple of tensors, one of shape (..., n_l) for each layer. The gradient of :math:`-\log p(v)` is
    :math:`\langle\partial E\rangle_{h|v} - \langle\partial E\rangle`, the contrast of :meth:`contrast`.

    Parameters
    ----------
    sizes : sequence of int
        Number of units of each layer, visible layer first.
    visible, hidden : Unit or str
        Kind of the units: ``binary`` (0 and 1), ``spin`` (-1 and 1) or ``gaussian``.
    lateral : bool
        Whether the units of a layer act on each other.
    gain : float
        Standard deviation of the initial weights and lateral couplings; biases start at 0.
    generator : torch.Generator or int
        Source of the initial weights, or a seed.
    dtype : torch.dtype
        Dtype of the parameters.

    Raises
    ------
    InputError
        If a size is not positive, one layer has no lateral couplings, or Gaussian units act on each other.

    References
    ----------
    Ackley, Hinton & Sejnowski (1985), Cognitive Science 9:147; Smolensky (1986), Parallel Distributed Processing 1, chapter 6;
    Salakhutdinov & Hinton (2009), Deep Boltzmann machines, AISTATS.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        visible: Unit | str = "binary",
        hidden: Unit | str = "binary",
        lateral: bool = False,
        gain: float = 0.01,
        generator: torch.Generator | int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.sizes, self.lateral = tuple(int(size) for size in sizes), lateral
        self.units = (unit_of(visible), *(unit_of(hidden) for _ in self.sizes[1:]))
        _check_parts(self.sizes, self.units, lateral)
        source = source_of(generator)

        def drawn(*shape: int) -> Tensor:
            return gain * torch.randn(shape, generator=source, dtype=dtype)

        for index, size in enumerate(self.sizes):
            self.register_parameter(f"bias_{index}", nn.Parameter(torch.zeros(size, dtype=dtype)))
            if index:
                self.register_parameter(f"weight_{index}", nn.Parameter(drawn(self.sizes[index - 1], size)))
            if lateral:
                couplings = drawn(size, size)
                self.register_parameter(f"lateral_{index}", nn.Parameter(torch.triu(couplings, 1) + torch.triu(couplings, 1).T))

    @property
    def restricted(self) -> bool:
        """Whether it has one hidden layer and no lateral couplings, so that hidden units can be summed out."""
        return len(self.sizes) == 2 and not self.lateral

    def weight(self, index: int) -> Tensor:
        """Return the weights from layer ``index - 1`` to layer ``index``."""
        return self.get_parameter(f"weight_{index}")

    def bias(self, index: int) -> Tensor:
        """Return the biases of a layer."""
        return self.get_parameter(f"bias_{index}")

    def couplings(self, index: int) -> Tensor:
        """Return the symmetric lateral couplings of a layer, without a diagonal."""
        given = self.get_parameter(f"lateral_{index}")
        half = given - torch.diag(torch.diagonal(given))
        return 0.5 * (half + half.T)

    def between(self, index: int, state: State) -> Tensor:
        """Return the field on a layer from its bias and the layers beside it, without lateral couplings."""
        parts = [state[index - 1] @ self.weight(index)] if index else []
        if index + 1 < len(self.sizes):
            parts.append(state[index + 1] @ self.weight(index + 1).T)
        return sum(parts, self.bias(index))

    def field(self, index: int, state: State, path: Path | None = None) -> Tensor:
        """Return the field on a layer, of the shape of that layer, at the machine or on the way to it."""
        field = self.between(index, state)
        if self.lateral:
            field = field + state[index] @ self.couplings(index)
        return field if path is None else scaled(field, index, path)

    def energy(self, state: State) -> Tensor:
        """Return the energy, of the shape of a state without its last axis."""
        total = self._own(state)
        for index, layer in enumerate(state):
            half = 0.5 * layer @ self.couplings(index) if self.lateral else 0.0
            above = self.bias(index) + (state[index - 1] @ self.weight(index) if index else 0.0)
            total = total - (layer * (above + half)).sum(-1)
        return total

    def _own(self, state: State) -> Tensor:
        """Return the part of the energy that no path scales: half the squares of Gaussian units."""
        squares = [0.5 * layer.square().sum(-1) for layer, unit in zip(state, self.units, strict=True) if not unit.values]
        return sum(squares, torch.zeros_like(state[0][..., 0]))

    def energy_on(self, state: State, path: Path) -> Tensor:
        """Return the energy at a point on the way to the machine."""
        nearness = path.nearness
        rest = self._own(state)
        base = 0.0 if path.base is None else state[0] @ path.base
        share = nearness.squeeze(-1) if isinstance(nearness, Tensor) and nearness.dim() else nearness
        return share * (self.energy(state) - rest) + rest - (1 - share) * base

    def contrast(self, plus: State, minus: State) -> Gradients:
        r"""Return :math:`\langle\partial_\theta E\rangle_+ - \langle\partial_\theta E\rangle_-`, each averaged over its samples.

        With the posterior at data as ``plus`` and samples of the machine as ``minus``, both of shape (B, n_l), it estimates the gradient
        of the mean of :math:`-\log p(v)`, to be descended.
        """
        found: Gradients = {}
        for index, (one, other) in enumerate(zip(plus, minus, strict=True)):
            found[f"bias_{index}"] = other.mean(0) - one.mean(0)
            if index:
                found[f"weight_{index}"] = _moments(plus[index - 1], one, minus[index - 1], other)
            if self.lateral:
                both = 0.5 * _moments(one, one, other, other)
                found[f"lateral_{index}"] = both - torch.diag(torch.diagonal(both))
        return {name: found[name] for name, _ in self.named_parameters()}

    def descend_(self, plus: State, minus: State, rate: float) -> None:
        """Subtract ``rate`` times the contrast from the parameters, in place.

        Weights are read and written once, in the product that gives the contrast: with small batches this is most of an update.
        """
        for index, (one, other) in enumerate(zip(plus, minus, strict=True)):
            share, share_minus = rate / len(one), rate / len(other)
            self.bias(index).add_(one.sum(0), alpha=share).sub_(other.sum(0), alpha=share_minus)
            if index:
                below = torch.cat((plus[index - 1], minus[index - 1]))
                self.weight(index).addmm_(below.T, torch.cat((share * one, -share_minus * other)))
            if self.lateral:
                both = 0.5 * torch.cat((share * one, -share_minus * other))
                self.get_parameter(f"lateral_{index}").addmm_(torch.cat((one, other)).T, both).fill_diagonal_(0)

    def random_state(self, count: int, generator: torch.Generator, base: Tensor | None = None) -> State:
        """Draw independent units, of shape (count, n_l): the law at the beginning of a path."""
        fields = [self.bias(index).new_zeros(count, size) for index, size in enumerate(self.sizes)]
        if base is not None:
            fields[0] = fields[0] + base
        return tuple(unit.draw(field, unit.noise(field.shape, generator, field)) for unit, field in zip(self.units, fields, strict=True))

    def accept(self, visible: Tensor) -> Tensor:
        """Return visible values of shape (B, n_0) in the dtype of the parameters.

        Raises
        ------
        ShapeError
            If they have another number of units.
        InputError
            If they are not finite.
        """
        if visible.dim() != 2 or visible.shape[1] != self.sizes[0] or not len(visible):
            raise ShapeError(f"visible values must have shape (samples, {self.sizes[0]}), got {tuple(visible.shape)}")
        if not bool(torch.isfinite(visible).all()):
            raise InputError("visible values must be finite; mend the data first")
        return visible.to(self.bias(0).dtype)


def scaled(field: Tensor, index: int, path: Path) -> Tensor:
    """Return the field on a layer at a point of a path, from its field at the machine."""
    near = path.nearness * field
    return near if index or path.base is None else near + (1 - path.nearness) * path.base


def _moments(one: Tensor, other: Tensor, one_minus: Tensor, other_minus: Tensor) -> Tensor:
    """Return the mean product in the second phase less that in the first, of shape (n, m): minus a contrast of energies."""
    second = one_minus.T @ other_minus
    return torch.addmm(second, one.T, other, beta=1 / len(one_minus), alpha=-1 / len(one))


def _check_parts(sizes: tuple[int, ...], units: tuple[Unit, ...], lateral: bool) -> None:
    if not sizes or min(sizes) < 1:
        raise InputError(f"a machine has layers of at least one unit each, visible layer first; got {sizes}")
    if len(sizes) == 1 and not lateral:
        raise InputError("one layer without lateral couplings models no dependence; add a hidden layer, or lateral couplings")
    beside = any(not below.values and not above.values for below, above in pairwise(units))
    if beside or (lateral and any(not unit.values for unit in units)):
        raise InputError(
            "Gaussian units that act on each other may have no normalised law; keep them in one layer without lateral couplings"
        )
