"""Kinds of units of a Boltzmann machine: their law in a field, and what mean-field theory needs of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from contrastive_core.registry import unknown_name

_LOG_2 = math.log(2)
_HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Unit:
    r"""Law of a unit s in a field a, :math:`p(s) \propto e^{a s}`, over its values; a Gaussian unit has the weight :math:`e^{-s^2/2}` too.

    Attributes
    ----------
    name : str
        Name in ``UNITS``.
    values : tuple of float
        Two values of a discrete unit; empty for a continuous one.
    mean : callable
        Mean of the unit, from its field.
    log_partition : callable
        Logarithm of the sum, or integral, of the weights, from the field.
    noise : callable
        Random numbers that a draw needs, from the shape, a generator and a tensor of the wanted dtype.
    draw : callable
        Value of the unit, from its field and this noise.
    variance, variance_slope : callable
        Variance of the unit as a function of its mean m, and its derivative with respect to m.
    entropy : callable
        Entropy of the unit as a function of its mean, less the mean energy of its fluctuations.
    """

    name: str
    values: tuple[float, ...]
    mean: Callable[[Tensor], Tensor]
    log_partition: Callable[[Tensor], Tensor]
    noise: Callable[[torch.Size, torch.Generator, Tensor], Tensor]
    draw: Callable[[Tensor, Tensor], Tensor]
    variance: Callable[[Tensor], Tensor]
    variance_slope: Callable[[Tensor], Tensor]
    entropy: Callable[[Tensor], Tensor]

    def __reduce__(self) -> tuple[Callable[[str], Unit], tuple[str]]:
        """Return how a copy is made: by the name, because laws are functions."""
        return unit_of, (self.name,)


def _uniform(shape: torch.Size, generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=like.dtype)


def _normal(shape: torch.Size, generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=like.dtype)


def _draw_binary(field: Tensor, noise: Tensor) -> Tensor:
    return (noise < torch.sigmoid(field)).to(field.dtype)


def _draw_spin(field: Tensor, noise: Tensor) -> Tensor:
    return 2 * (noise < torch.sigmoid(2 * field)).to(field.dtype) - 1


def _log_cosh(field: Tensor) -> Tensor:
    """Return log(2 cosh a) without overflow."""
    size = field.abs()
    return size + functional.softplus(-2 * size)


def _coin_entropy(chance: Tensor) -> Tensor:
    return -(torch.xlogy(chance, chance) + torch.xlogy(1 - chance, 1 - chance))


UNITS: dict[str, Unit] = {
    unit.name: unit
    for unit in (
        Unit(
            "binary",
            (0.0, 1.0),
            torch.sigmoid,
            functional.softplus,
            _uniform,
            _draw_binary,
            lambda m: m - m * m,
            lambda m: 1 - 2 * m,
            _coin_entropy,
        ),
        Unit(
            "spin",
            (-1.0, 1.0),
            torch.tanh,
            _log_cosh,
            _uniform,
            _draw_spin,
            lambda m: 1 - m * m,
            lambda m: -2 * m,
            lambda m: _coin_entropy((1 + m) / 2),
        ),
        Unit(
            "gaussian",
            (),
            lambda a: a,
            lambda a: 0.5 * a * a + _HALF_LOG_2_PI,
            _normal,
            torch.add,
            torch.ones_like,
            torch.zeros_like,
            # The entropy is log(2 pi e)/2; fluctuations around the mean raise the energy s^2/2 by the half that is left out.
            lambda m: torch.full_like(m, _HALF_LOG_2_PI),
        ),
    )
}
"""Units of 0 and 1, spins of -1 and 1, and Gaussian units of variance 1."""


def unit_of(given: Unit | str) -> Unit:
    """Return a unit, given as such or by its name.

    Raises
    ------
    UnknownNameError
        If there is no unit of that name.
    """
    if isinstance(given, Unit):
        return given
    if given not in UNITS:
        raise unknown_name("unit", given, list(UNITS))
    return UNITS[given]
