"""Small Ising machines whose states can be enumerated."""

from __future__ import annotations

import torch
from systems import seeded

from contrastive_core.types import Batch
from eqprop.ising import Ising


def machine(hidden: int = 4, outputs: int = 4, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Ising, Batch]:
    generator = seeded(seed)
    network = Ising((3, hidden, outputs), gains=(3.0, 3.0), field_limit=1.5, generator=generator, dtype=dtype)
    network.hidden_bias.data.uniform_(-1, 1, generator=generator)
    network.output_bias.data.uniform_(-1, 1, generator=generator)
    network.constrain_()
    return network, Batch(torch.rand((5, 3), generator=generator, dtype=dtype), torch.tensor([0, 1, 1, 0, 1]))
