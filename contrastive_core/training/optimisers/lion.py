"""The Lion optimiser."""

from collections.abc import Iterable
from typing import Any, final

import torch


@final
class Lion(torch.optim.Optimizer):
    r"""Lion: steps along the sign of an interpolated momentum, with decoupled weight decay.

    :math:`u = \mathrm{sign}(\beta_1 m + (1 - \beta_1) g)`, :math:`\theta \leftarrow \theta - \alpha (u + w\theta)`,
    :math:`m \leftarrow \beta_2 m + (1 - \beta_2) g` (Chen et al., 2023, "Symbolic discovery of optimization algorithms"). Learning
    rates should be 3 to 10 times smaller than for Adam.

    Parameters
    ----------
    params : iterable
        Parameters or groups of them.
    lr : float
        :math:`\alpha`.
    betas : tuple of float
        :math:`\beta_1` of the step and :math:`\beta_2` of the memory.
    weight_decay : float
        :math:`w`.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Change the parameters in place by one step along their ``grad``."""
        for group in self.param_groups:
            first, second = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                memory = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                direction = torch.lerp(parameter.grad, memory, first).sign_()  # the step uses the memory before its update
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"])
                memory.lerp_(parameter.grad, 1 - second)
