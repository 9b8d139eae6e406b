"""Random generators, each for one purpose of a seed."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import torch

from contrastive_core.errors import InputError
from contrastive_core.expect import expect_whole, shown
from contrastive_core.guards.typed import typed


@typed()
def generator_of(seed: int, purpose: int = 0) -> torch.Generator:
    """Return a generator for one purpose of a seed: 0 initial weights, 1 data order, 2 the rule's own draws, 3 views, 5 noise estimates.

    Each purpose has an independent stream. Two rules with one seed therefore share initial weights and data order exactly.
    """
    for given, name in ((seed, "seed"), (purpose, "purpose")):
        expect_whole(given, name, "0 is the usual one", least=0)
    state = np.random.SeedSequence(int(seed), spawn_key=(purpose,)).generate_state(2)
    return torch.Generator().manual_seed((int(state[0]) << 31) ^ int(state[1]))


def source_of(generator: torch.Generator | int) -> torch.Generator:
    """Return the source of initial weights: a generator as it is, or that of a seed.

    Parameters
    ----------
    generator : torch.Generator or int
        Generator, which drawing advances, or a seed of at least 0, which gives the same weights every time.

    Raises
    ------
    InputError
        If it is neither.
    """
    if isinstance(generator, torch.Generator):
        return generator
    if isinstance(generator, Integral) and not isinstance(generator, bool) and generator >= 0:
        return generator_of(int(generator))
    raise InputError(f"generator must be a seed of at least 0 or a torch.Generator, got {shown(generator)}; 0 is the default")
