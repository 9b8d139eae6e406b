"""A network at equilibrium as a layer of a torch network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, cast, final

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from contrastive_core.certificate import Relaxation, Status, Stop
from contrastive_core.contrast import relax_from
from contrastive_core.errors import ConvergenceError, ConvergenceWarning, DivergenceError, InputError
from contrastive_core.expect import expect, shown
from contrastive_core.gradients import direct_gradient
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped, Network
from contrastive_core.phases import Nudge
from contrastive_core.rule import Rule, Settling
from contrastive_core.types import Batch
from eqprop.layers.incoming import Incoming
from eqprop.rule import EquilibriumPropagation

Unconverged = Literal["warn", "raise", "ignore"] | Callable[[str, Relaxation], None]
"""Reaction to samples that do not settle: a word, or a function of the name of the phase and its relaxation."""


@final
@typed("network", "rule", "unconverged")
class EquilibriumLayer(nn.Module):
    r"""A network at equilibrium as a layer of a torch network, trained by equilibrium propagation under any loss and optimiser.

    The forward pass is the free phase. The backward pass gets :math:`g = \partial \mathrm{Loss}/\partial o` and relaxes nudged phases under
    the constant nudge :math:`\beta\, g \cdot o / \max|g|`; their contrasts are the gradients of the parameters and of the inputs, with a
    bias of order :math:`\beta^2` for two sides and :math:`\beta` for one. No graph of the relaxation is kept.

    ``certificate`` holds the phases of the last pass by name: "free" after the forward pass, and "positive", "negative" or both after the
    backward pass. Each has the steps, the residual and the status of every sample. Under autocast the layer computes in the dtype of its
    parameters. It runs uncompiled inside a compiled network, and has no second derivatives.

    Parameters
    ----------
    network : Network
        Network, a submodule of the layer; its parameters are trained. Where these have bounds, call ``network.constrain_()`` after each
        step of the optimiser.
    rule : EquilibriumPropagation or float
        Rule whose sides, strength and settling are used, or a strength for the centered rule. The cost of the rule is not used: the loss
        stands behind the layer. The strength is in units of the output layer's stiffness, at the entry of the largest gradient of a batch.
    settling : Settling, optional
        Dynamics, tolerances and budgets beside a strength; a rule has its own.
    unconverged : {"warn", "raise", "ignore"} or callable
        Action if samples of a phase do not reach its tolerance; a function gets the name of the phase and its relaxation.

    Raises
    ------
    InputError
        If the rule is another one, or the network is held by a device, which writes phases one by one.

    References
    ----------
    Nest & Ernoult (2024), Towards training digitally-tied analog blocks via hybrid gradient computation, NeurIPS, arXiv:2409.03306.
    """

    def __init__(
        self,
        network: Network,
        rule: Rule | float = 0.01,
        *,
        settling: Settling | None = None,
        unconverged: Unconverged = "warn",
    ) -> None:
        super().__init__()
        self.network = expect(network, Network, "network", "Layered((64, 32, 10)) is one")
        self.rule = _rule(rule, settling)
        if not (callable(unconverged) or unconverged in ("warn", "raise", "ignore")):
            raise InputError(
                "unconverged must be 'warn', 'raise', 'ignore' or a function of the phase's name and its relaxation, "
                f"got {shown(unconverged)}"
            )
        if network.pieces.write_ is not None or network.pieces.read_ is not None:
            raise InputError("a layer needs a network that holds its own weights, and devices hold these; train it by a rule's estimate")
        self.unconverged = unconverged
        self.certificate: Mapping[str, Relaxation] = {}

    # A compiler has nothing to gain: a relaxation stops where its residual says, and its kernels are compiled already.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs of the free phase, of shape (B, n_out) or that of a picture, in the dtype of the parameters.

        Parameters
        ----------
        inputs : Tensor of shape (B, n_in), or (B, C, H, W) for networks of pictures
            Inputs of any real dtype.

        Raises
        ------
        ShapeError
            If the shape is not that of the network's inputs.
        InputError
            If an input is not finite.
        ConvergenceError
            If samples do not settle and the layer is to raise.
        DivergenceError
            If the free phase diverges.
        """
        expect(inputs, Tensor, "inputs", "a layer takes what torch layers take; torch.as_tensor(...) makes one of an array")
        kind = inputs.device.type
        scaled = torch.is_autocast_enabled(kind)
        with torch.autocast(kind, enabled=False):
            return cast(Tensor, _Settled.apply(self, scaled, inputs, *self.network.parameters()))  # type: ignore[no-untyped-call]

    def extra_repr(self) -> str:
        """Return the sides and the strength of the rule."""
        return f"sides={self.rule.sides.value}, strength={self.rule.strength:g}"

    def judge(self, name: str, relaxation: Relaxation, stop: Stop) -> None:
        """Do what the layer is to do if samples of a phase did not settle; a phase without a tolerance has nothing to miss.

        Parameters
        ----------
        name : str
            Name of the phase.
        relaxation : Relaxation
            Its end.
        stop : Stop
            Its tolerance and budget.

        Raises
        ------
        ConvergenceError
            If the layer is to raise.
        """
        if self.unconverged == "ignore" or stop.tolerance is None:
            return
        missed = int((relaxation.status != int(Status.CONVERGED)).sum())
        if not missed:
            return
        if callable(self.unconverged):
            self.unconverged(name, relaxation)
            return
        within = f"within {stop.budget} steps to a tolerance of {stop.tolerance:g}"
        if self.unconverged == "raise":
            raise ConvergenceError(
                f"{missed} of {len(relaxation.status)} samples did not settle in the {name} phase {within}, and the largest residual is "
                f"{float(relaxation.residual.max()):.1e}; raise the budget, or lower the energy scale, the gain or the learning rate"
            )
        # Without numbers of the pass, so that filters show it once and not in every batch.
        warnings.warn(
            f"samples did not settle in the {name} phase {within}; the layer's certificate has their residuals. "
            "Raise the budget, or lower the energy scale, the gain or the learning rate",
            ConvergenceWarning,
            stacklevel=2,
        )


def _rule(given: Rule | float, settling: Settling | None) -> EquilibriumPropagation:
    if isinstance(given, EquilibriumPropagation):
        if settling is not None:
            raise InputError("the rule has a settling of its own; give one with a strength only, or make the rule with it")
        return given
    if isinstance(given, Rule | bool) or not isinstance(given, int | float):
        raise InputError(
            f"a layer learns by equilibrium propagation, got {shown(given)}; "
            "give its strength, such as 0.01, or RULES['ep-centered'](setting)"
        )
    return EquilibriumPropagation(Incoming(), settling or Settling(), float(given))


class _Pass(NamedTuple):
    """State that a forward pass leaves to its backward pass, besides the tensors that autograd watches."""

    layer: EquilibriumLayer
    scaled: bool
    clamped: Clamped
    free: Relaxation
    versions: tuple[Tensor, ...]


class _Settled(torch.autograd.Function):
    """The free equilibrium as a function of inputs and parameters, with the gradient of nudged phases."""

    @staticmethod
    def forward(ctx: FunctionCtx, layer: EquilibriumLayer, scaled: bool, inputs: Tensor, *parameters: Tensor) -> Tensor:
        network, settling = layer.network, layer.rule.settling
        clamped = settling.clamp(network, inputs)
        free = settling.free_phase(clamped, generator=torch.default_generator)
        layer.certificate = {"free": free}
        layer.judge("free", free, settling.free)
        ctx.save_for_backward(inputs, *parameters)
        ctx.set_materialize_grads(False)
        ctx.past = _Pass(layer, scaled, clamped, free, parameters)  # type: ignore[attr-defined]
        # A copy: what stands behind may change it in place, and autograd would tie the state to the graph.
        return network.output(free.state).clone()

    @staticmethod
    def backward(ctx: Any, *incoming: Tensor | None) -> tuple[Tensor | None, ...]:
        (incoming_gradient,), past = incoming, cast(_Pass, ctx.past)
        inputs, *parameters = ctx.saved_tensors  # here autograd refuses parameters that a step has changed since
        wanted = ctx.needs_input_grad[2:]
        if incoming_gradient is None:
            return (None,) * (3 + len(parameters))
        if any(old is not now for old, now in zip(past.versions, past.layer.network.parameters(), strict=True)):
            raise InputError(
                "the layer has other parameters now than in its forward pass; train its own parameters, without functional_call"
            )
        with torch.no_grad(), torch.autocast(incoming_gradient.device.type, enabled=False):
            found = _gradients(past, inputs, incoming_gradient, wanted)
        # Only a graph of the gradients themselves would be differentiated again.
        if torch.is_grad_enabled():
            found = [None if one is None else _Final.apply(one.requires_grad_()) for one in found]  # type: ignore[no-untyped-call]
        return (None, None, *found)


def _gradients(past: _Pass, inputs: Tensor, incoming: Tensor, wanted: tuple[bool, ...]) -> list[Tensor | None]:
    """Return the gradients of the inputs and of every parameter that are wanted."""
    layer, network, rule = past.layer, past.layer.network, past.layer.rule
    named = dict(network.named_parameters())
    leaves = [inputs, *named.values()]
    incoming = incoming.to(past.free.state[-1].dtype)
    size = float(incoming.abs().max())
    if size == 0 or not math.isfinite(size):
        if size != 0 and not past.scaled:
            raise DivergenceError(
                "the gradient that comes to the layer is not finite; lower the learning rate, or look at the loss behind it"
            )
        # Under autocast it is how a scaler of the loss learns that its scale is too large.
        return [torch.full_like(leaf, 0.0 if size == 0 else size) if want else None for leaf, want in zip(leaves, wanted, strict=True)]
    batch = Batch(past.clamped.inputs, incoming / size)
    strength, signs = rule.strength * network.stiffness[-1], rule.sides.signs(torch.default_generator)
    nudges = {sign: network.applied(Nudge(Incoming(), batch, sign * strength, batch.labels)) for sign in signs}
    settling = rule.settling
    ends = relax_from(
        network, past.clamped, past.free, settling, nudges, rule.strength, torch.default_generator, cost=Incoming(), nudged=rule.nudged
    )
    layer.certificate = ends.relaxations
    for name, relaxation in ends.relaxations.items():
        if name != "free":
            layer.judge(name, relaxation, settling.second)
    factor = 1 / (strength * len(signs))
    found: list[Tensor | None] = [None] * len(leaves)
    if wanted[0]:
        found[0] = ends.input_gradient(network, inputs, factor).mul_(size)
    if any(wanted[1:]):
        gradients = ends.gradients(network, factor)
        for name, value in direct_gradient(network, past.free.state, Incoming(), batch).items():
            gradients[name] = gradients[name] + value
        # Rules return the gradient of a mean over the batch, and the loss behind the layer has averaged already.
        whole = size * len(inputs)
        found[1:] = [gradients[name] * whole if want else None for name, want in zip(named, wanted[1:], strict=True)]
    return found


class _Final(torch.autograd.Function):
    """A gradient that has none itself."""

    @staticmethod
    def forward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *incoming: Tensor) -> Tensor:
        raise InputError(
            "an equilibrium layer has no second derivatives, because its gradient is a contrast of relaxed states; "
            "leave out the penalty on the gradient"
        )
