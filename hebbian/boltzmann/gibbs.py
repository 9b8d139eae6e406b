"""Gibbs sampling: whole layers at once where units of a layer are independent, else unit by unit."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from contrastive_core.types import State
from hebbian.boltzmann.machine import BoltzmannMachine, Path, scaled


def sweep(
    machine: BoltzmannMachine,
    state: State,
    generator: torch.Generator,
    *,
    path: Path | None = None,
    held: Collection[int] = (),
    first: int = 1,
) -> State:
    """Draw every layer anew, given the newest others.

    Without lateral couplings layers of one parity are drawn together: by default odd ones first and even ones, such as the visible layer,
    second. With lateral couplings layers follow in order, unit by unit.

    Parameters
    ----------
    machine : BoltzmannMachine
        Machine to sample.
    state : State
        State, of shape (..., n_l) per layer; not modified.
    generator : torch.Generator
        Source of the draws.
    path : Path, optional
        Point on the way to the machine that is sampled instead of it.
    held : collection of int
        Layers that stay as they are.
    first : {0, 1}
        Parity of the layers that are drawn first, without lateral couplings.

    Returns
    -------
    State
        State after the sweep.
    """
    with torch.no_grad():
        return _swept(machine, list(state), generator, path, held, first)


def _swept(
    machine: BoltzmannMachine, layers: list[Tensor], generator: torch.Generator, path: Path | None, held: Collection[int], first: int
) -> State:
    order = range(len(layers)) if machine.lateral else (*range(first, len(layers), 2), *range(1 - first, len(layers), 2))
    for index in order:
        if index in held:
            continue
        if machine.lateral:
            layers[index] = _one_by_one(machine, index, tuple(layers), generator, path)
        else:
            unit, field = machine.units[index], machine.field(index, tuple(layers), path)
            layers[index] = unit.draw(field, unit.noise(field.shape, generator, field))
    return tuple(layers)


def _one_by_one(machine: BoltzmannMachine, index: int, state: State, generator: torch.Generator, path: Path | None) -> Tensor:
    """Draw the units of a layer in order, each in the field of the newest others."""
    unit, couplings = machine.units[index], machine.couplings(index)
    outside, layer = machine.between(index, state), state[index].clone()
    noise = unit.noise(layer.shape, generator, layer)
    for site in range(layer.shape[-1]):
        field = outside[..., site] + layer @ couplings[:, site]
        if path is not None:
            near = path.nearness.squeeze(-1) if isinstance(path.nearness, Tensor) and path.nearness.dim() else path.nearness
            base = None if path.base is None else path.base[site]
            field = scaled(field, index, Path(near, base))
        layer[..., site] = unit.draw(field, noise[..., site])
    return layer


def conditional_means(machine: BoltzmannMachine, state: State) -> State:
    """Replace odd layers by their means given the even ones, which leaves expectations as they are and lowers their variance.

    With lateral couplings the state is returned as it is.
    """
    if machine.lateral:
        return state
    return tuple(machine.units[index].mean(machine.field(index, state)) if index % 2 else layer for index, layer in enumerate(state))


def means_and_draws(machine: BoltzmannMachine, state: State, generator: torch.Generator) -> tuple[State, State]:
    """Return the state with means in its odd layers, as :func:`conditional_means` does, and with draws there, from the same fields."""
    if machine.lateral:
        return state, state
    means, draws = list(state), list(state)
    for index in range(1, len(state), 2):
        unit, field = machine.units[index], machine.field(index, state)
        means[index] = unit.mean(field)
        draws[index] = unit.draw(field, unit.noise(field.shape, generator, field))
    return tuple(means), tuple(draws)
