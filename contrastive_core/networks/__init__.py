"""The networks and activations, by name; adding one is its file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.registry import Table

if TYPE_CHECKING:
    from contrastive_core.network import Network
    from contrastive_core.networks.activation import Activation

NETWORKS: Table[type[Network]] = Table(
    "network", {"layered": "contrastive_core.networks.layered:Layered", "spin": "contrastive_core.networks.spin:SpinNetwork"}
)

ACTIVATIONS: Table[Activation] = Table(
    "activation",
    {
        "hard-sigmoid": "contrastive_core.networks.activation:HARD_SIGMOID",
        "clipped-relu": "contrastive_core.networks.activation:CLIPPED_RELU",
        "tanh": "contrastive_core.networks.activation:TANH",
        "logistic": "contrastive_core.networks.activation:LOGISTIC",
        "linear": "contrastive_core.networks.activation:LINEAR",
    },
)
