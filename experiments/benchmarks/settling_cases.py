"""The computations that ``eqlab bench settle`` times: one gradient of one batch, by equilibrium propagation and by others.

Every case returns what it would hand to an optimiser, from the same weights and the same batch, and none pays for more than
it needs: the textbook and backpropagation cases are plain torch, without this package's checks and certificates.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from contrastive_core.baselines.implicit import Implicit
from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Sides
from contrastive_core.rule import Settling
from contrastive_core.types import Batch
from eqprop.rule import EquilibriumPropagation
from experiments.benchmarks.accuracy import GOOD, SMALL, Gradients, cosine, loosest
from experiments.setup.options import LearningOptions

STRENGTH: float = LearningOptions.model_fields["strength"].default
"""Nudging strength on both sides, that of ``train``, in units of the stiffness of the output layer."""

TRUNCATED = Settling(free=Stop(None, 2), second=Stop(None, 1))
"""Fixed schedule of ``ep-truncated``: two free sweeps, the first of which is a pass up, and one nudged sweep."""
TEXTBOOK_SWEEPS = 15
"""Sweeps of each textbook phase, as in Scellier et al. (2023) for one hidden layer."""


class PlainNetwork(NamedTuple):
    """A network with a hard-sigmoid hidden part and linear outputs as plain tensors, and a batch with one-hot targets."""

    weights: list[Tensor]
    biases: list[Tensor]
    feedback: float
    inputs: Tensor
    targets: Tensor


Run = Callable[[], Gradients]
"""Computes the gradients once."""


@dataclass(frozen=True, eq=False)
class TimedGradient:
    """Something that is timed.

    Attributes
    ----------
    name : str
        Name of the case.
    run : callable
        Computes the gradients once.
    backend : str, optional
        Backend that relaxes; None if nothing of ours does.
    sweeps : callable
        Returns the sweeps per sample of one run, all phases together; 0 where there are none.
    sample : callable, optional
        Computes the gradients of the few samples whose exact ones are known.
    exact : tuple of Tensor, optional
        Gradients of the equilibrium, if this case estimates them.
    strength : float, optional
        Strength of the nudge, if there is one.
    settling : Settling, optional
        Phases and stops, if the relaxation is ours.
    """

    name: str
    run: Run
    backend: str | None = None
    sweeps: Callable[[], float] = lambda: 0.0
    sample: Run | None = None
    exact: Gradients | None = None
    strength: float | None = None
    settling: Settling | None = None

    def cosine(self) -> float | None:
        """Return the cosine of the gradients with the exact ones, over all parameters; None where those are not known."""
        return None if self.exact is None or self.sample is None else cosine(self.sample(), self.exact)


FREE, SECOND = (1e-1, 6e-2, 3e-2, 2e-2, 1e-2, 3e-3), (1e-1, 6e-2, 3e-2, 1e-2, 3e-3)
"""Tolerances that ``ep-matched`` may take: of the free phase, and of the nudged ones, relative to the size of their contrast."""

OVER_RELAXATIONS = (1.0, 1.1, 1.15, 1.2, 1.25, 1.3)
"""Over-relaxations that ``ep-matched`` tries; networks with one hidden layer take the first."""

AS_GOOD = 1.05
"""Largest ratio of the distances of the cosines from 1, that of ``ep-matched`` over that of the textbook."""


def cases(network: Layered, batch: Batch, backends: Sequence[str], judged: Batch | None = None) -> list[TimedGradient]:
    """Set up every case on one network and one batch.

    Parameters
    ----------
    network : Layered
        Network with a hard-sigmoid hidden part and linear outputs.
    batch : Batch
        Inputs and classes.
    backends : sequence of str
        Backends of centered equilibrium propagation.
    judged : Batch, optional
        The samples on which gradients are compared with exact ones; those of the batch if there are no others.

    Returns
    -------
    list of TimedGradient
        ``ep-matched`` is centered equilibrium propagation with the fewest sweeps whose gradient is as good as the textbook's. With the
        strength :data:`SMALL` on one side, ``ep-one-sided`` has the tolerances of ``train``, ``ep-loose`` the loosest ones whose gradient
        has a cosine of :data:`GOOD` to the exact one, and ``ep-truncated`` the schedule :data:`TRUNCATED`. These four take the first
        backend; backpropagation and the floor come last.
    """
    judged = batch if judged is None else judged
    exact = _exact(network, judged)
    runs = ep_textbook(plain(network, batch)), ep_textbook(plain(network, judged))
    textbook = TimedGradient("ep-textbook", runs[0], None, lambda: 3.0 * TEXTBOOK_SWEEPS, runs[1], exact, STRENGTH)

    def ours(name: str, settling: Settling, strength: float = STRENGTH, sides: str = "centered") -> TimedGradient:
        rule = EquilibriumPropagation(SquaredError(), settling, strength, Sides(sides))
        run, sweeps, sample = ep(rule, network, batch), ep_sweeps(rule, network, batch), ep(rule, network, judged)
        return TimedGradient(name, run, settling.backend, sweeps, sample, exact, strength, settling)

    return [
        *(ours("ep-centered", Settling(backend=backend)) for backend in backends),
        ours("ep-one-sided", Settling(backend=backends[0]), SMALL, "positive"),
        ours("ep-loose", loosest(network, judged, exact, GOOD, backends[0]), SMALL, "positive"),
        ours("ep-truncated", replace(TRUNCATED, backend=backends[0]), SMALL, "positive"),
        ours("ep-matched", matched(network, judged, exact, AS_GOOD * (1 - cosine(runs[1](), exact)), backends[0])),
        textbook,
        TimedGradient("backprop-autograd", backprop_autograd(plain(network, batch))),
        TimedGradient("backprop-manual", backprop_manual(plain(network, batch))),
        TimedGradient("floor", floor(plain(network, batch))),
    ]


def matched(network: Layered, judged: Batch, exact: Gradients, allowed: float, backend: str) -> Settling:
    """Find the settling with the fewest sweeps whose gradient is good enough.

    Parameters
    ----------
    network, judged
        Network whose gradient is estimated, and samples of the estimate.
    exact : tuple of Tensor
        Gradients of the equilibrium.
    allowed : float
        Largest distance from 1 of the cosine between the estimated and the exact gradient.
    backend : str
        Backend that relaxes.

    Returns
    -------
    Settling
        Loosest settings that do, those of ``train`` if no looser ones do.
    """
    best, fewest = Settling(backend=backend), float("inf")
    factors = OVER_RELAXATIONS if len(network.sizes) > 2 else OVER_RELAXATIONS[:1]
    for factor, free, second in itertools.product(factors, FREE, SECOND):
        settling = Settling(BlockDescent(over_relaxation=factor), Stop(free), Stop(second), backend)
        estimate = EquilibriumPropagation(SquaredError(), settling, STRENGTH).estimate(network, judged)
        sweeps = sum(float(relaxation.steps.double().mean()) for relaxation in estimate.relaxations.values())
        if sweeps < fewest and 1 - cosine(tuple(estimate.gradients.values()), exact) <= allowed:
            best, fewest = settling, sweeps
    return best


def _exact(network: Layered, batch: Batch) -> Gradients:
    """Return the gradients by implicit differentiation of a well settled equilibrium."""
    settling = Settling(free=Stop(1e-6, 1000), second=Stop(1e-6, 1000))
    return tuple(Implicit(SquaredError(), settling).estimate(network, batch).gradients.values())


def plain(network: Layered, batch: Batch) -> PlainNetwork:
    """Return copies of a network's parameters and a batch, without anything of ours around them."""
    depth = len(network.sizes)
    targets = batch.inputs.new_zeros(len(batch.labels), network.sizes[-1])
    targets.scatter_(1, batch.labels[:, None], 1.0)
    weights = [network.weight(index).detach().clone() for index in range(depth)]
    biases = [network.bias(index).detach().clone() for index in range(depth)]
    return PlainNetwork(weights, biases, network.energy_scale, batch.inputs, targets)


def ep(rule: EquilibriumPropagation, network: Layered, batch: Batch) -> Run:
    """Return equilibrium propagation as the trainer runs it, by the schedule of the rule."""
    return lambda: tuple(rule.estimate(network, batch).gradients.values())


def ep_sweeps(rule: EquilibriumPropagation, network: Layered, batch: Batch) -> Callable[[], float]:
    """Return a function that counts the sweeps of all phases, as a mean over the samples."""
    return lambda: sum(float(relaxation.steps.double().mean()) for relaxation in rule.estimate(network, batch).relaxations.values())


@torch.no_grad()
def ep_textbook(case: PlainNetwork) -> Run:
    """Return centered equilibrium propagation as it is usually written: all layers at once, fixed sweeps, inputs in every sweep."""
    weights, biases, feedback, inputs, targets = case
    last, rows = len(weights) - 1, len(inputs)
    strength = STRENGTH * feedback ** len(weights)

    def sweep(state: list[Tensor], beta: float) -> list[Tensor]:
        below = [inputs, *state[:-1]]
        drives = [torch.addmm(b, s, w) for b, s, w in zip(biases, below, weights, strict=True)]
        hidden = [(drives[i] + feedback * (state[i + 1] @ weights[i + 1].T)).clamp(0, 1) for i in range(last)]
        return [*hidden, drives[last] + beta / feedback ** len(weights) * (targets - state[last])]

    @torch.no_grad()
    def run() -> Gradients:
        free = [inputs.new_zeros(rows, weight.shape[1]) for weight in weights]
        for _ in range(TEXTBOOK_SWEEPS):
            free = sweep(free, 0.0)
        ends = []
        for beta in (strength, -strength):
            state = free
            for _ in range(TEXTBOOK_SWEEPS):
                state = sweep(state, beta)
            ends.append(state)
        plus, minus = ends
        gradients: list[Tensor] = []
        for i in range(last + 1):
            factor = -(feedback ** (i + 1)) / (2 * strength * rows)
            below = (inputs, inputs) if i == 0 else (plus[i - 1], minus[i - 1])
            gradients += [factor * (below[0].T @ plus[i] - below[1].T @ minus[i]), factor * (plus[i] - minus[i]).sum(0)]
        return tuple(gradients)

    return run


def backprop_autograd(case: PlainNetwork) -> Run:
    """Return ordinary backpropagation of the feedforward network of the same weights, by torch's autograd."""
    parameters = [parameter.requires_grad_() for pair in zip(case.weights, case.biases, strict=True) for parameter in pair]

    def run() -> Gradients:
        layer = case.inputs
        for i, (weight, bias) in enumerate(zip(case.weights, case.biases, strict=True)):
            layer = torch.addmm(bias, layer, weight)
            if i + 1 < len(case.weights):
                layer = layer.clamp(0, 1)
        cost = 0.5 * (layer - case.targets).square().sum(1).mean()
        return torch.autograd.grad(cost, parameters)

    return run


def backprop_manual(case: PlainNetwork) -> Run:
    """Return the same backpropagation written out by hand, without autograd."""
    weights, biases, _, inputs, targets = case

    @torch.no_grad()
    def run() -> Gradients:
        layers = [inputs]
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            layers.append(torch.addmm(bias, layers[-1], weight).clamp_(0, 1))
        error = (torch.addmm(biases[-1], layers[-1], weights[-1]) - targets).div_(len(inputs))
        gradients: list[Tensor] = []
        for i in range(len(weights) - 1, -1, -1):
            gradients = [layers[i].T @ error, error.sum(0), *gradients]
            if i:
                error = (error @ weights[i].T).mul_((layers[i] > 0) & (layers[i] < 1))
        return tuple(gradients)

    return run


def floor(case: PlainNetwork) -> Run:
    """Return the two products with the inputs that no method can do without: the drive and the gradient of the first layer."""

    @torch.no_grad()
    def run() -> Gradients:
        drive = case.inputs @ case.weights[0]
        return (case.inputs.T @ drive,)

    return run
