"""Small Boltzmann machines of every kind, with biases, for tests by enumeration."""

from __future__ import annotations

from typing import Any

import torch

from hebbian.boltzmann.machine import BoltzmannMachine

KINDS: dict[str, dict[str, Any]] = {
    "restricted": {"sizes": (5, 3)},
    "restricted spins": {"sizes": (4, 3), "visible": "spin", "hidden": "spin"},
    "spins above binary": {"sizes": (4, 3), "hidden": "spin"},
    "deep": {"sizes": (3, 3, 2)},
    "deep, four layers": {"sizes": (3, 2, 2, 2)},
    "general": {"sizes": (4, 3), "lateral": True},
    "fully visible": {"sizes": (5,), "visible": "spin", "lateral": True},
}
"""Machines of discrete units, small enough for loops over all states."""


def machine_of(kind: str, gain: float = 0.8, seed: int = 3) -> BoltzmannMachine:
    """Make a machine with random weights and biases in float64."""
    return with_biases(BoltzmannMachine(**KINDS[kind], gain=gain, generator=seed, dtype=torch.float64), seed)


def with_biases(machine: BoltzmannMachine, seed: int, size: float = 0.5) -> BoltzmannMachine:
    """Give a machine random biases, in place, and return it."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in machine.named_parameters():
            if name.startswith("bias"):
                parameter.copy_(size * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return machine
