"""Binary weights: a layered network whose couplings have one magnitude per layer, and learn by changes of sign."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Contrast, Network, Pieces
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.wrapper import SameEnergy
from contrastive_core.types import Gradients, State


@final
@typed()
class BinaryWeights(SameEnergy[Layered], Network):
    r"""A layered network with weights :math:`W_l = \alpha_l B_l`, B of -1 and 1.

    The scaling factors :math:`\alpha_l` are the mean sizes of the weights that the network has when it is enclosed, and stay; biases are
    real. After every step of an optimiser each weight is moved to the nearer of its two values: it keeps its sign unless the
    step takes it through 0. With ``sgd`` of learning rate :math:`\eta` and momentum :math:`\mu = 1 - \gamma` that is the published rule,

    .. math:: m \leftarrow (1 - \gamma)\, m + \gamma\, g, \qquad B \leftarrow -B \text{ where } B m > \tau, \qquad
        \tau = \gamma \alpha_l / \eta,

    with the momentum as the only memory of a weight. Laydevant et al. (2021), "Training dynamical
    binary neural networks with equilibrium propagation", whose code was read; they take it from the binary optimiser of
    Helwegen et al. (2019).

    Parameters ``weight_l`` are as in the network inside; ``layer_l_bias`` are its biases, under names that give them a learning
    rate of their own, the last one.

    Parameters
    ----------
    network : Layered
        Without a readout, residual edges or memories; its parameters are made binary, and shared.

    Raises
    ------
    InputError
        If it has a readout, residual edges or memories, or a layer whose weights are all 0.
    """

    def __init__(self, network: Layered) -> None:
        super().__init__()
        self.enclose(network)
        if network.has_readout:
            raise InputError("binary weights are those between layers; leave the readout out")
        if network.architecture.skips:
            raise InputError("binary weights are those between neighbouring layers; leave residual edges out")
        if network.architecture.memories:
            raise InputError("binary weights are those between layers; leave memories out")
        numbers = range(1, len(network.sizes) + 1)
        for number in numbers:
            weight = network.weight(number - 1)
            scale = weight.detach().abs().mean()
            if not float(scale) > 0:
                raise InputError(f"the weights of layer {number} are all 0 and give no scale; start from random ones")
            self.register_parameter(f"weight_{number}", weight)  # type: ignore[arg-type]
            self.register_buffer(f"scale_{number}", scale)
        self._names = {f"bias_{number}": f"layer_{number}_bias" for number in numbers}
        for number in numbers:
            self.register_parameter(self._names[f"bias_{number}"], network.bias(number - 1))  # type: ignore[arg-type]
        self.constrain_()

    @property
    def pieces(self) -> Pieces:
        """Return the two values of each layer's weights as bounds, and the move to the nearer one."""
        scales = {number: float(self.get_buffer(f"scale_{number}")) for number in range(1, len(self.sizes) + 1)}
        bounds = {f"weight_{number}": (-scale, scale) for number, scale in scales.items()}
        inside = self.inside.pieces
        return Pieces(bounds, self._round_, describe=inside.describe, shapes=inside.shapes, reads=inside.reads)

    def clamp(self, inputs: Tensor) -> Clamped:
        """Hold the inputs, of shape (B, n_in)."""
        return self.inside.clamp(inputs)

    def energy_gradient(self, state: State, clamped: Clamped, minus: State | None = None, factor: float = 1.0) -> Gradients:
        """Return the gradients of the network inside, with respect to the weights, not their signs."""
        gradients = self.inside.energy_gradient(state, clamped, minus, factor)
        renamed = {self._names.get(name, name): gradient for name, gradient in gradients.items()}
        return {name: renamed[name] for name, _ in self.named_parameters()}

    def _round_(self, contrast: Contrast | None) -> None:
        """Move every weight, in place, to the nearer of its two values."""
        for name, (low, high) in self.pieces.bounds.items():
            parameter = self.get_parameter(name)
            parameter.copy_(torch.where(parameter < 0, parameter.new_tensor(low), parameter.new_tensor(high)))
