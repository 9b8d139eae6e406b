"""Refusals, and the sentences that say why and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import systems
import torch
from systems import (
    NETWORKS,
    RULE_NAMES,
    SETTING,
    TIGHT,
    System,
    gradients_of,
    make_system,
    seeded,
    settle,
)

from contrastive_core.analysis.gradient_quality import bias_in_strength, compare_gradients
from contrastive_core.baselines import RULES as EXACT_RULES
from contrastive_core.baselines.implicit import Implicit
from contrastive_core.baselines.unrolled import Unrolled
from contrastive_core.certificate import Stop
from contrastive_core.costs import COSTS
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics import DYNAMICS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.errors import ConvergenceError, DivergenceError, EqlabError, InputError, ShapeError, UnknownNameError
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks import NETWORKS as KINDS
from contrastive_core.networks.curvature import extreme_eigenvalues
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Hold, Nudge, Sides
from contrastive_core.registry import Table, unknown_name
from contrastive_core.relaxation.relax import relax, require_finite
from contrastive_core.rule import Settling
from contrastive_core.training.optimisers import OPTIMISERS, SCHEDULES
from contrastive_core.training.optimisers.builders import layer_groups
from contrastive_core.training.plan import Plan
from contrastive_core.types import Batch
from eqprop import RULES as EQPROP_RULES
from eqprop.rule import EquilibriumPropagation
from hebbian import RULES as HEBBIAN_RULES
from hebbian.coupled import CoupledLearning


def single_layer(value: float) -> Layered:
    """A linear chain 1-1-1 whose weights are ``value``: its curvature is [[1, -value], [-value, 1]]."""
    network = Layered((1, 1, 1), activation=ACTIVATIONS["linear"], dtype=torch.float64)
    with torch.no_grad():
        network.weight_1.fill_(value)
        network.weight_2.fill_(value)
    return network


def relax_with(stop: Stop = TIGHT, phase: Any = None, readout: int | None = None, start: Any = None) -> object:
    system = make_system("tanh", readout=readout)
    phase = phase(system) if callable(phase) else phase
    return settle(system, BlockDescent(), stop, phase, start)


def estimate_with(dense_units: int) -> object:
    batch = Batch(torch.ones(1, 1).double(), torch.ones(1, 1).double())
    return Implicit(SquaredError(), Settling(BlockDescent(), Stop(None, 3)), dense_units).estimate(single_layer(1.0), batch)


def solved_by_krylov() -> object:
    network, ones = single_layer(1.0), torch.ones(1, 1).double()
    with torch.no_grad():
        clamped = network.clamp(ones)
        state = network.feedforward(clamped)
    return Implicit(SquaredError(), Settling(), 0).solve(clamped, state, tuple(torch.ones_like(layer) for layer in state))


def exploding() -> None:
    network = single_layer(1e3)
    clamped = network.clamp(torch.ones(2, 1).double())
    with torch.no_grad():
        require_finite(relax(clamped, network.initial_state(clamped), BlockDescent(), Stop(1e-3, 400)), "free")


def nudge(strength: float) -> Callable[[System], Nudge]:
    return lambda system: Nudge(SquaredError(), system.batch, strength)


BAD: dict[str, tuple[Callable[[], object], type[EqlabError], list[str]]] = {
    "one layer size": (lambda: Layered((4,)), InputError, ["two or more positive", "(4,)"]),
    "layer of no units": (lambda: Layered((4, 0, 2)), InputError, ["positive", "(4, 0, 2)"]),
    "negative layer": (lambda: Layered((4, -3, 2)), InputError, ["positive", "-3"]),
    "readout of no units": (lambda: Layered((4, 2), readout=0), InputError, ["readout", "got 0", "leave it out"]),
    "energy scale 0": (lambda: Layered((4, 2), energy_scale=0.0), InputError, ["energy_scale", "(0, 1]", "0.0"]),
    "energy scale 2": (lambda: Layered((4, 2), energy_scale=2.0), InputError, ["energy_scale", "2.0"]),
    "energy scale NaN": (lambda: Layered((4, 2), energy_scale=float("nan")), InputError, ["energy_scale", "nan"]),
    "inputs of another width": (lambda: Layered((4, 2)).clamp(torch.zeros(3, 5)), ShapeError, ["(batch, 4)", "(3, 5)"]),
    "inputs without batch": (lambda: Layered((4, 2)).clamp(torch.zeros(4)), ShapeError, ["(batch, 4)", "(4,)"]),
    "inputs with NaN": (lambda: Layered((2, 2)).clamp(torch.tensor([[0.0, float("nan")]])), InputError, ["NaN", "clean the data"]),
    "inputs with infinity": (lambda: Layered((2, 2)).clamp(torch.tensor([[0.0, float("inf")]])), InputError, ["infinity"]),
    "label without unit": (
        lambda: SquaredError().value(torch.zeros(2, 3), Batch(torch.zeros(2, 1), torch.tensor([0, 3]))),
        InputError,
        ["0 to 3", "3 output units"],
    ),
    "negative label": (lambda: SquaredError().value(torch.zeros(1, 3), Batch(torch.zeros(1, 1), torch.tensor([-1]))), InputError, ["-1"]),
    "labels of another batch": (
        lambda: SquaredError().gradient(torch.zeros(2, 3), Batch(torch.zeros(2, 1), torch.tensor([0, 1, 2]))),
        ShapeError,
        ["3 labels", "2 outputs"],
    ),
    "targets of another width": (
        lambda: SquaredError().gradient(torch.zeros(2, 3), Batch(torch.zeros(2, 1), torch.zeros(2, 4))),
        ShapeError,
        ["(2, 4)", "(2, 3)"],
    ),
    "state of another shape": (lambda: relax_with(start=(torch.zeros(4, 6),)), ShapeError, ["(4, 6)", "[(4, 6), (4, 5), (4, 3)]"]),
    "budget 0": (lambda: relax_with(Stop(1e-3, 0)), InputError, ["budget of at least 1", "budget=0"]),
    "negative tolerance": (lambda: relax_with(Stop(-1.0, 5)), InputError, ["tolerance of at least 0", "-1.0"]),
    "tolerance NaN": (lambda: relax_with(Stop(float("nan"), 5)), InputError, ["tolerance", "nan"]),
    "strength 0": (lambda: relax_with(phase=nudge(0.0)), InputError, ["strength", "0.0", "phase=None"]),
    "strength infinite": (lambda: relax_with(phase=nudge(float("inf"))), InputError, ["strength", "inf"]),
    "strength NaN": (lambda: relax_with(phase=nudge(float("nan"))), InputError, ["strength", "nan"]),
    "held readout": (lambda: relax_with(phase=Hold(torch.zeros(4, 3)), readout=3), InputError, ["readout", "cannot be held", "nudge"]),
    "held output of another shape": (lambda: relax_with(phase=Hold(torch.zeros(4, 2))), ShapeError, ["(4, 2)", "(4, 3)"]),
    "step size 0": (lambda: GradientFlow(0.0), InputError, ["step_size", "0.0", "0.5"]),
    "damping 0": (lambda: Synchronous(0.0), InputError, ["damping", "(0, 1]", "0.0"]),
    "damping 1.5": (lambda: Synchronous(1.5), InputError, ["damping", "1.5"]),
    "EP strength 0": (lambda: EquilibriumPropagation(SquaredError(), Settling(), 0.0), InputError, ["strength", "positive", "sides"]),
    "EP strength -1": (lambda: EquilibriumPropagation(SquaredError(), Settling(), -1.0), InputError, ["strength", "-1.0"]),
    "EP strength NaN": (lambda: EquilibriumPropagation(SquaredError(), Settling(), float("nan")), InputError, ["strength", "nan"]),
    "coupled fraction 0": (lambda: CoupledLearning(SquaredError(), Settling(), 0.0), InputError, ["fraction", "positive", "sides"]),
    "coupled fraction inf": (lambda: CoupledLearning(SquaredError(), Settling(), float("inf")), InputError, ["fraction", "inf"]),
    "truncation 0": (lambda: Unrolled(SquaredError(), Settling(), 0), InputError, ["truncation", "0", "None"]),
    "random sign without generator": (lambda: Sides.RANDOM.signs(), InputError, ["generator", "manual_seed"]),
    "unknown rule": (
        lambda: EQPROP_RULES["ep-centred"],
        UnknownNameError,
        ["unknown rule 'ep-centred'", "did you mean 'ep-centered'?", "ep-random"],
    ),
    "unknown held rule": (
        lambda: HEBBIAN_RULES["coupled-centred"],
        UnknownNameError,
        ["did you mean 'coupled-centered'?", "contrastive-hebbian"],
    ),
    "unknown exact rule": (lambda: EXACT_RULES["implict"], UnknownNameError, ["did you mean 'implicit'?", "backprop"]),
    "unknown cost": (lambda: COSTS["squared_error"], UnknownNameError, ["unknown cost", "did you mean 'squared-error'?"]),
    "unknown network": (lambda: KINDS["layer"], UnknownNameError, ["unknown network", "did you mean 'layered'?"]),
    "unknown activation": (lambda: ACTIVATIONS["tan"], UnknownNameError, ["unknown activation", "did you mean 'tanh'?"]),
    "unknown dynamics": (lambda: DYNAMICS["evenodd"], UnknownNameError, ["unknown dynamics", "did you mean 'even-odd'?"]),
    "unknown optimiser": (lambda: OPTIMISERS["adamm"], UnknownNameError, ["unknown optimiser", "did you mean 'adam"]),
    "unknown schedule": (lambda: SCHEDULES["cosin"], UnknownNameError, ["unknown schedule", "did you mean 'cosine'?"]),
    "singular curvature, dense": (lambda: estimate_with(128), ConvergenceError, ["singular", "relax further"]),
    "singular curvature, sweeps": (lambda: estimate_with(0), ConvergenceError, ["singular", "relax further"]),
    "singular curvature, Krylov": (solved_by_krylov, ConvergenceError, ["MINRES", "nearly singular", "energy scale"]),
    "no curvature": (
        lambda: extreme_eigenvalues(make_system(sizes=(5, 2)).network.clamp(torch.zeros(1, 5).double()), (torch.zeros(1, 2).double(),)),
        ConvergenceError,
        ["fewer than 3 units", "gain"],
    ),
    "states explode": (exploding, DivergenceError, ["2 of 2 samples", "free phase", "not finite within", "lower the learning rate"]),
    "gradients of two networks": (
        lambda: compare_gradients({"a": torch.ones(1)}, {"b": torch.ones(1)}),
        InputError,
        ["['a']", "['b']", "one network"],
    ),
    "one strength": (
        lambda: bias_in_strength(lambda strength: SETTING, Layered((2, 2)), Batch(torch.zeros(1, 2), torch.zeros(1)), {}, [0.1]),
        InputError,
        ["two or more positive strengths", "(0.1,)"],
    ),
    "learning rates for other layers": (
        lambda: layer_groups(Layered((4, 3, 2, 2)), (0.1, 0.2)),
        InputError,
        ["2 learning rates for 3 layers"],
    ),
    "learning rate 0": (lambda: layer_groups(Layered((4, 3, 2)), (0.1, 0.0)), InputError, ["positive", "(0.1, 0.0)"]),
    "no epochs": (lambda: Plan(epochs=0), InputError, ["at least 1 epoch", "got 0"]),
    "no batch": (lambda: Plan(batch_size=0), InputError, ["1 sample per batch", "and 0"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_a_message_that_says_what_to_do(case: str) -> None:
    """A setting that makes no sense must stop the run, not produce a number."""
    action, kind, parts = BAD[case]
    with pytest.raises(kind) as caught:
        action()
    assert [part for part in parts if part not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", systems.HOLDING_RULES)
def test_rules_that_hold_outputs_refuse_a_readout(name: str) -> None:
    """A readout's outputs are not units: holding them would silently hold something else."""
    with pytest.raises(InputError, match="readout outside the equilibrium and cannot be held"):
        gradients_of(name, SETTING, make_system("tanh", readout=3))


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", RULE_NAMES)
def test_every_rule_refuses_a_batch_without_samples(name: str, kind: str) -> None:
    """The mean cost of no samples is no number, and nor is its gradient."""
    rule = systems.build_rule(name, SETTING)
    for activation in ("tanh", "hard-sigmoid"):
        network, batch = make_system(activation, kind=kind)
        empty = batch._replace(inputs=batch.inputs[:0], labels=batch.labels[:0])
        with pytest.raises(ShapeError, match="present at least one"):
            rule.estimate(network, empty, generator=seeded(0))
        with pytest.raises(ShapeError, match="present at least one"):
            rule.infer(network, empty.inputs)


def test_names_without_a_likely_meaning_get_no_guess() -> None:
    """A wrong guess sends the user further astray than none."""
    message = str(unknown_name("cost", "zzz", ["alpha", "beta"]))
    assert message == "unknown cost 'zzz'; choose one of: alpha, beta"
    table: Table[object] = Table("thing", {"pi": "math:pi", "e": "math:e"})
    assert (list(table), len(table), "pi" in table, "tau" in table) == (["pi", "e"], 2, True, False)
    assert table["pi"] == pytest.approx(3.14159, abs=1e-5)
