"""Small systems that the tests share: networks with random biases, a batch, a coupled cost, and settings that settle to rounding."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from oracles import gradient_error, number
from torch import Tensor

from contrastive_core import baselines
from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.cost import Cost
from contrastive_core.costs import COSTS, SAMPLE_COSTS
from contrastive_core.dynamics import DYNAMICS
from contrastive_core.dynamics.base import Dynamics
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.network import Clamped, Network
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.layered import Layered
from contrastive_core.networks.notation import convolutional
from contrastive_core.networks.spin import SpinNetwork
from contrastive_core.phases import Phase
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Rule, Setting, Settling
from contrastive_core.types import Batch, State
from eqprop import RULES as EQPROP_RULES
from hebbian import RULES as HEBBIAN_RULES

torch.set_warn_always(True)
"""A warning that comes once per process would fail whichever test happens to run first."""

TABLES = (baselines.RULES, EQPROP_RULES, HEBBIAN_RULES)
COMPLEX_RULES = ["ep-holomorphic", "ep-holomorphic-online"]
"""Rules of complex nudges, which need holomorphic units."""
RULE_NAMES = [name for table in TABLES for name in table if name not in COMPLEX_RULES]
"""Rules for any units."""
QUADRATIC = [name for name in ACTIVATIONS if ACTIVATIONS[name].quadratic]


def _convolutional(sizes: tuple[int, ...], **settings: Any) -> Layered:
    """Two layers of pictures with a pooling, a residual edge, and as many outputs as the last size."""
    return Layered(convolutional(f"2c3+1>3 a2 3c2s1+1 {sizes[-1]}", (2, 4, 4)), **settings)


def _remembering(sizes: tuple[int, ...], **settings: Any) -> Layered:
    """Rows of units, the first and the last of which have memories."""
    first, *middle, last = sizes[1:]
    return Layered(convolutional(" ".join([f"{first}m4@2", *map(str, middle), f"{last}m3"]), sizes[:1]), **settings)


NETWORKS: dict[str, Any] = {"layered": Layered, "convolutional": _convolutional, "memory": _remembering, "spin": SpinNetwork}
"""Networks of the core, built from layer sizes."""

LAYERED = [kind for kind in NETWORKS if NETWORKS[kind] is not SpinNetwork]
"""Networks of layers; spins are none."""

SEPARABLE = [kind for kind in LAYERED if kind != "memory"]
"""Networks whose units have an energy of their own, so that a layer has one minimum given the others; memories join its units."""

TIGHT = Stop(1e-13, 20_000)
"""Settles to a few hundred roundings of float64."""

TOY = (12, 9, 7, 4)
"""Layer sizes of the toy on which the bias of every estimator is known."""


class System(NamedTuple):
    """A network and a batch for it."""

    network: Any
    batch: Batch

    @property
    def clamped(self) -> Clamped:
        """The network with the batch's inputs held, outside any graph."""
        with torch.no_grad():
            return self.network.clamp(self.batch.inputs)


def seeded(seed: int) -> torch.Generator:
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def make_system(
    activation: str = "tanh",
    *,
    kind: str = "layered",
    sizes: tuple[int, ...] = (5, 6, 5, 3),
    output_activation: str = "linear",
    readout: int | None = None,
    energy_scale: float = 1.0,
    gain: float = 0.6,
    biases: tuple[float, float] = (-0.2, 0.4),
    batch_size: int = 4,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> System:
    """Build a network whose biases are random too, so that none of its terms vanishes, and a batch with class labels."""
    generator = seeded(seed)
    if kind == "spin":
        return _spin_system(sizes[-1], batch_size, generator, dtype)
    network = NETWORKS[kind](
        sizes,
        activation=ACTIVATIONS[activation],
        output_activation=ACTIVATIONS[output_activation],
        readout=readout,
        energy_scale=energy_scale,
        gain=gain,
        generator=generator,
        dtype=dtype,
    )
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("bias"):
                parameter.uniform_(*biases, generator=generator)
    inputs = torch.rand((batch_size, network.num_inputs), generator=generator, dtype=dtype)
    labels = torch.randint(readout or sizes[-1], (batch_size,), generator=generator)
    return System(network, Batch(inputs, labels))


def _spin_system(size: int, batch_size: int, generator: torch.Generator, dtype: torch.dtype) -> System:
    """Build spins with random couplings and fields; they have no activation, scale or readout to be set."""
    matrix = torch.randn((size, size), generator=generator, dtype=dtype)
    network = SpinNetwork(size, matrix + matrix.T, dtype=dtype)
    with torch.no_grad():
        network.bias.uniform_(-0.2, 0.4, generator=generator)
    inputs = torch.rand((batch_size, size), generator=generator, dtype=dtype)
    return System(network, Batch(inputs, torch.randint(size, (batch_size,), generator=generator)))


def interior_state(network: Network, batch_size: int, seed: int) -> State:
    """Return a random state well inside the bounds of every activation: responses to inputs in (.2, .8)."""
    dtype = next(network.parameters()).dtype
    generator = seeded(seed)
    drives = [0.2 + 0.6 * torch.rand((batch_size, *shape), generator=generator, dtype=dtype) for shape in network.shapes]
    if isinstance(network, SpinNetwork):
        return tuple(drives)  # the energy is defined between the corners too
    return tuple(a.value(u) for a, u in zip(network.activations, drives, strict=True))


def make_dynamics(name: str, activation: str = "tanh") -> Dynamics:
    """Return a dynamics of the table that is stable for the activation.

    An Euler step of .5 oscillates about equilibria of the logistic functions: the curvature of a unit is 1 / (s (1 - s)), at least 4, and
    that of the steep one is a quarter of it, which is as much where s is near 0.
    """
    dynamics = DYNAMICS[name]()
    return GradientFlow(0.1) if isinstance(dynamics, GradientFlow) and activation.endswith("logistic") else dynamics


def settle(system: System, dynamics: Dynamics, stop: Stop = TIGHT, phase: Phase = None, start: State | None = None) -> Relaxation:
    """Relax from rest, or from ``start``, without a graph."""
    with torch.no_grad():
        clamped = system.clamped
        state = system.network.initial_state(clamped) if start is None else start
        return relax(clamped, state, dynamics, stop, phase, backend="torch")  # the definition; test_kernels says that kernels equal it


def exact_settling(dynamics: Dynamics | None = None) -> Settling:
    """Return a settling whose every phase ends at rounding; the second tolerance is relative to the nudge, hence larger."""
    return Settling(
        dynamics or DYNAMICS["forward"](), TIGHT, Stop(1e-11, 20_000), backend="torch"
    )  # the definition; test_kernels says that kernels equal it


def build_rule(name: str, setting: Setting) -> Rule:
    """Build a rule of any of the three tables."""
    (table,) = (table for table in TABLES if name in table)
    return table[name](setting)


HOLDING_RULES = [name for name in RULE_NAMES if build_rule(name, Setting(COSTS["squared-error"]())).holds_outputs]
"""Rules that need outputs which can be held."""


def make_cost(name: str) -> Cost:
    """Build a cost of the table, or the coupled one of the tests."""
    return SimilarityCost() if name == "similarity" else COSTS[name]()


@final
class SimilarityCost(Cost):
    r"""Rows with one label are to be alike: :math:`C = \|O O^T - T\|^2 / (4 B^2)`, T the matrix of equal labels.

    The smallest cost that couples rows: its value is a number for the whole batch.
    """

    coupled = True

    def value(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the cost of the batch, of shape ()."""
        return (self._mismatch(output, batch).square().sum()) / (4 * output.shape[0] ** 2)

    def gradient(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the gradient times B, of shape (B, n_out)."""
        return self._mismatch(output, batch) @ output / output.shape[0]

    def errors(self, output: Tensor, batch: Batch) -> Tensor:
        """Return where the row's nearest other row has another label."""
        distance = torch.cdist(output, output) + torch.diag(output.new_full((output.shape[0],), float("inf")))
        return batch.labels[distance.argmin(1)] != batch.labels

    @staticmethod
    def _mismatch(output: Tensor, batch: Batch) -> Tensor:
        same = (batch.labels[:, None] == batch.labels[None, :]).to(output.dtype)
        return output @ output.T - same


COST_NAMES = [*SAMPLE_COSTS, "similarity"]
SETTING = Setting(COSTS["squared-error"](), Settling(DYNAMICS["forward"](), Stop(1e-8, 500), Stop(1e-8, 500)), strength=0.1, fraction=0.1)


def flat(state: State) -> Tensor:
    return torch.cat([layer.detach().flatten(1) for layer in state], dim=1)


def largest_difference(first: State, second: State) -> float:
    return number((flat(first) - flat(second)).abs().max())


def equal(first: State, second: State) -> bool:
    return torch.equal(flat(first), flat(second))


def gradients_of(name: str, setting: Setting, system: System, seed: int = 1) -> dict[str, Tensor]:
    return build_rule(name, setting).estimate(system.network, system.batch, generator=seeded(seed)).gradients


def assert_one_energy(system: System) -> None:
    """Compare forces, gradients and the contrast of two states of a network with autograd's derivatives of its energy."""
    network, clamped = system.network, system.network.clamp(system.batch.inputs)
    state = tuple(layer.detach().requires_grad_() for layer in network.initial_state(clamped, seeded(1)))
    energy = network.energy(state, clamped)
    forces = torch.autograd.grad(energy.sum(), state, retain_graph=True)
    assert largest_difference(network.force(state, system.clamped), tuple(-force for force in forces)) < 1e-13
    names = dict(network.named_parameters())
    automatic = dict(zip(names, torch.autograd.grad(energy.mean(), list(names.values())), strict=True))
    with torch.no_grad():
        assert gradient_error(network.energy_gradient(state, clamped), automatic) < 1e-13
        other = tuple(layer.detach() for layer in network.initial_state(clamped, seeded(4)))
        there = network.energy_gradient(other, clamped)
        difference = {name: 3.0 * (value - there[name]) for name, value in automatic.items()}
        assert gradient_error(network.energy_gradient(state, clamped, other, 3.0), difference) < 1e-12
