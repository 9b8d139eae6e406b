"""Networks and activations, by name; adding one takes its file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.networks.activation import Activation
    from contrastive_core.networks.kind import NetworkKind

NETWORKS: Table[NetworkKind] = Table(
    "network",
    {
        "layered": "contrastive_core.networks.kinds:LAYERED",
        "convolutional": "contrastive_core.networks.kinds:CONVOLUTIONAL",
        "towers": "contrastive_core.networks.kinds:TOWERS",
    },
)

ACTIVATIONS: Table[Activation] = Table(
    "activation",
    {
        "hard-sigmoid": "contrastive_core.networks.activation:HARD_SIGMOID",
        "clipped-relu": "contrastive_core.networks.activation:CLIPPED_RELU",
        "tanh": "contrastive_core.networks.activation:TANH",
        "logistic": "contrastive_core.networks.activation:LOGISTIC",
        "steep-logistic": "contrastive_core.networks.activation:STEEP_LOGISTIC",
        "linear": "contrastive_core.networks.activation:LINEAR",
    },
)
