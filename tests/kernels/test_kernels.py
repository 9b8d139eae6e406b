"""The kernels equal the torch reference, and the reference equals plain loops."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import naive
import pytest
import torch
from kernel_cases import EQUAL, ORDERS, PHASES, SIZES, amplification, assert_equal, both, build, nudged_from_rest, phase_of

from contrastive_core.certificate import Status, Stop
from contrastive_core.contrast import contrast
from contrastive_core.costs import COSTS, SAMPLE_COSTS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.errors import BackendError, DivergenceError, InputError, ShapeError
from contrastive_core.kernels import BACKEND_NAMES
from contrastive_core.kernels.settling.elements.codes import has_code
from contrastive_core.networks import ACTIVATIONS
from contrastive_core.networks.activation import Clipped
from contrastive_core.networks.layered import Layered
from contrastive_core.phases import Hold, Nudge
from contrastive_core.relaxation.backends import Case, plan, required
from contrastive_core.relaxation.displace import displace_each
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from eqprop import RULES

KNOWN = [name for name in ACTIVATIONS if has_code(ACTIVATIONS[name])]
"""Activations that kernels know: all but the steep logistic function."""

FUSED = ("one", "vector", "classes")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("cost", SAMPLE_COSTS)
@pytest.mark.parametrize("sizes", SIZES)
def test_kernel_equals_reference_at_a_fixed_budget(sizes: str, cost: str, phase: str, order: str) -> None:
    """Otherwise results would depend on the backend."""
    for hidden, last, dtype in itertools.product(("hard-sigmoid", "tanh"), ("linear", "logistic"), EQUAL):
        network, clamped, state, batch = build(SIZES[sizes], hidden=hidden, last=last, dtype=dtype)
        phase_here = phase_of(phase, cost, network, state, batch)
        reference, kernel = both(clamped, state, BlockDescent(order), Stop(None, 6), phase_here)
        bound = EQUAL[dtype] * amplification(clamped, state, BlockDescent(order), Stop(None, 6), phase_here)
        assert_equal(reference, kernel, bound)
        assert kernel.steps.tolist() == reference.steps.tolist()


@pytest.mark.parametrize("last", KNOWN)
@pytest.mark.parametrize("hidden", KNOWN)
@pytest.mark.parametrize("sizes", SIZES)
def test_kernel_equals_reference_for_every_activation(sizes: str, hidden: str, last: str) -> None:
    for phase, cost in itertools.product(PHASES, SAMPLE_COSTS):
        network, clamped, state, batch = build(SIZES[sizes], hidden=hidden, last=last)
        reference, kernel = both(clamped, state, BlockDescent("backward"), Stop(None, 5), phase_of(phase, cost, network, state, batch))
        assert_equal(reference, kernel, EQUAL[torch.float64])


@pytest.mark.parametrize("phase", ["free", "live", "frozen", "negative"])
@pytest.mark.parametrize("cost", SAMPLE_COSTS)
@pytest.mark.parametrize("sizes", ["none", "one", "two"])
def test_kernel_equals_reference_behind_a_readout(sizes: str, cost: str, phase: str) -> None:
    for hidden, dtype in itertools.product(("hard-sigmoid", "tanh"), EQUAL):
        network, clamped, state, batch = build(SIZES[sizes], hidden=hidden, readout=4, dtype=dtype)
        reference, kernel = both(clamped, state, BlockDescent(), Stop(None, 6), phase_of(phase, cost, network, state, batch))
        assert_equal(reference, kernel, EQUAL[dtype])


@pytest.mark.parametrize("backend", ["torch", "numba"])
@pytest.mark.parametrize("sizes", ["none", "one", "two"])
def test_backends_equal_plain_loops(sizes: str, backend: str) -> None:
    """An oracle that shares no line with either of them."""
    for phase, cost, readout, (hidden, last), order in itertools.product(
        PHASES, SAMPLE_COSTS, (None, 4), (("hard-sigmoid", "linear"), ("clipped-relu", "tanh"), ("logistic", "hard-sigmoid")), ORDERS
    ):
        if phase == "held" and readout is not None:
            continue
        network, clamped, state, batch = build(SIZES[sizes], hidden=hidden, last=last, readout=readout, rows=2)
        action = phase_of(phase, cost, network, state, batch)
        with torch.no_grad():
            found = relax(clamped, state, BlockDescent(order), Stop(1e-3, 7), action, backend=backend)
        depth = len(network.sizes)
        parameters = dict(network.named_parameters())
        tail = [parameters[name].tolist() for name in parameters if "readout" in name]
        for row in range(2):
            nudge = isinstance(action, Nudge)
            expected, steps, residual = naive.settle(
                SIZES[sizes],
                [network.weight(index).tolist() for index in range(depth)],
                [network.bias(index).tolist() for index in range(depth)],
                tail or None,
                [hidden] * (depth - 1) + [hidden if readout else last],
                0.8,
                clamped.inputs[row].tolist(),
                [layer[row].tolist() for layer in state],
                order=order,
                tolerance=1e-3,
                budget=7,
                cost=cost if nudge else None,
                target=[float(k == batch.labels[row]) for k in range(readout or SIZES[sizes][-1])],
                strength=action.strength if nudge else 0.0,
                frozen=action.frozen[row].tolist() if nudge and action.frozen is not None else None,
                held=action.output[row].tolist() if isinstance(action, Hold) else None,
            )
            assert int(found.steps[row]) == steps
            assert float(found.residual[row]) == pytest.approx(residual, rel=1e-12, abs=1e-14)
            for layer, values in zip(found.state, expected, strict=True):
                assert layer[row].tolist() == pytest.approx(values, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("cost", SAMPLE_COSTS)
def test_displacements_of_the_kernels_are_those_of_the_reference(sizes: str, cost: str) -> None:
    """Nudges together or apart, live or frozen, with a readout or without, and whatever the free phase has left undone."""
    for order, frozen, second, readout in itertools.product(ORDERS, (False, True), (Stop(None, 2), Stop(1e-6, 60)), (None, 4)):
        network, clamped, state, batch = build(SIZES[sizes], rows=40, readout=readout)
        strength, lowered = 0.2 * network.stiffness[-1], COSTS[cost]()  # one cost for both, as rules have it
        with torch.no_grad():
            free = relax(clamped, state, BlockDescent(order), Stop(None, 5), backend="torch").state
            force = lowered.gradient(network.output(free), batch) if frozen else None
            nudges = [Nudge(lowered, batch, sign * strength, force) for sign in (1, -1)]
            (_, expected), (_, found) = (
                displace_each(clamped, free, BlockDescent(order), second, nudges, backend=backend) for backend in ("torch", "numba")
            )
        for (reference, end), (kernel, relaxed) in zip(expected, found, strict=True):
            assert kernel.strength == reference.strength
            assert relaxed.steps.tolist() == end.steps.tolist()
            assert_equal(end, relaxed, 2 * EQUAL[torch.float64])
            for one, other in zip(reference.layers, kernel.layers, strict=True):
                assert float((one - other).abs().max()) <= 1e3 * EQUAL[torch.float64] * max(1.0, float(one.abs().max()))


@pytest.mark.parametrize("hidden", ["hard-sigmoid", "tanh", "logistic"])
@pytest.mark.parametrize("sizes", ["one", "two", "three"])
def test_over_relaxed_displacements_are_those_of_the_reference(sizes: str, hidden: str) -> None:
    """The overshoot is measured from the displacement, and cut at the bounds of the units, not of their displacements."""
    network, clamped, state, batch = build(SIZES[sizes], rows=20, hidden=hidden, last="hard-sigmoid")
    dynamics, nudge = BlockDescent("forward", 1.2), Nudge(COSTS["squared-error"](), batch, 0.2 * network.stiffness[-1])
    with torch.no_grad():
        free = relax(clamped, state, dynamics, Stop(1e-9, 200), backend="torch").state
        (_, expected), (_, found) = (
            displace_each(clamped, free, dynamics, Stop(1e-8, 200), [nudge], backend=backend) for backend in ("torch", "auto")
        )
    assert_equal(expected[0][1], found[0][1], 1e-9)


def test_hidden_units_that_move_further_than_the_outputs_go_on() -> None:
    """The kernel takes small changes of the outputs for the end, and must not keep the sums of before if it is not."""
    network, clamped, _, batch = build((6, 64, 10), rows=40, scale=1.0)
    with torch.no_grad():
        network.weight(1).fill_(0.2)  # ten outputs that move alike move a hidden unit twice as far
        network.bias(0)[2:] += 9.0  # and the two units that are free to move send little back
        network.bias(1).fill_(-0.2 * 63)
    free, cost, passed = Stop(1e-8, 200), COSTS["squared-error"](), 0
    nudges = [Nudge(cost, batch, strength) for strength in (0.6, 0.4)]
    for tolerance in (1e-2, 1e-3, 1e-4, 1e-5):
        with torch.no_grad():
            clamped = network.clamp(batch.inputs)
            reference, found = (
                nudged_from_rest(clamped, BlockDescent(), free, Stop(tolerance, 200), nudges, backend) for backend in ("torch", "numba")
            )
        for expected, relaxation in zip(reference, found, strict=True):
            assert relaxation.steps.tolist() == expected.steps.tolist()
            assert_equal(expected, relaxation, EQUAL[torch.float64])
        passed += sum(int((nudged.steps > 1).sum()) for nudged in reference[1:])
    assert passed > 300


def test_hidden_units_hear_outputs_that_cannot_rest_at_zero() -> None:
    """Left out of the first sweep, what the outputs send would be missing from every state of a small budget."""
    network = Layered(
        (6, 64, 10), activation=ACTIVATIONS["hard-sigmoid"], output_activation=Clipped(0.2, 0.9), energy_scale=0.8,
        generator=torch.Generator().manual_seed(0), dtype=torch.float64,
    )  # fmt: skip
    inputs = torch.rand(5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    nudges = [Nudge(COSTS["squared-error"](), Batch(inputs, torch.arange(5)), 0.1)]
    for budget in (1, 2, 5):
        with torch.no_grad():
            reference, found = (
                nudged_from_rest(network.clamp(inputs), BlockDescent(), Stop(None, budget), Stop(None, 1), nudges, backend)
                for backend in ("torch", "numba")
            )
        for expected, relaxation in zip(reference, found, strict=True):
            assert_equal(expected, relaxation, EQUAL[torch.float64])


@pytest.mark.parametrize("sizes", ["vector", "two"])
def test_inputs_that_want_a_gradient_do_not_change_an_estimate(sizes: str) -> None:
    """An estimate is a number, whatever else its inputs are used for; a graph behind it would keep every batch in memory."""
    network, _, _, batch = build(SIZES[sizes])
    rule = RULES["ep-centered"](Setting(COSTS["squared-error"](), Settling(), strength=0.3))
    expected = rule.estimate(network, batch).gradients
    found = rule.estimate(network, batch._replace(inputs=batch.inputs.clone().requires_grad_())).gradients
    for name, gradient in expected.items():
        assert not found[name].requires_grad
        assert float((found[name] - gradient).abs().max()) <= EQUAL[torch.float64] / 0.3


@pytest.mark.parametrize("sizes", ["vector", "two"])
def test_nudges_to_different_labels_are_contrasted_as_they_are(sizes: str) -> None:
    """Done together as if they were of the first one's labels, they would be the gradient of another cost."""
    network, _, _, batch = build(SIZES[sizes])
    other, cost = batch._replace(labels=(batch.labels + 1) % SIZES[sizes][-1]), COSTS["squared-error"]()
    nudges = [Nudge(cost, batch, 0.1), Nudge(cost, other, -0.1)]
    expected, found = (
        contrast(network, batch, cost, Settling(BlockDescent(), Stop(None, 6), Stop(None, 3), backend), (1, -1), 0.1, 0.1, nudges).gradients
        for backend in ("torch", "numba")
    )
    for name, gradient in expected.items():
        assert float((found[name] - gradient).abs().max()) <= EQUAL[torch.float64] / 0.1


@pytest.mark.parametrize("rows", [1, 7, 19])
@pytest.mark.parametrize("sizes", [(6, 16, 10), (6, 9, 7)])
@pytest.mark.parametrize("rule", ["ep-positive", "ep-negative"])
def test_a_side_that_is_not_run_stays_at_the_free_state(rule: str, sizes: tuple[int, ...], rows: int) -> None:
    """One row of zeros stands for that side: read as a sample's own, it would contrast states of different samples."""
    network, _, _, batch = build(sizes, rows=rows)  # 19: two chunks of eight samples, as vectors if the sizes fill them, and three more
    stop = Stop(None, 5)
    expected, found = (
        RULES[rule](Setting(COSTS["squared-error"](), Settling(BlockDescent(), stop, stop, backend), strength=0.01)).estimate(
            network, batch
        )
        for backend in ("torch", "numba")
    )
    for name, gradient in expected.gradients.items():
        assert float((found.gradients[name] - gradient).abs().max()) <= EQUAL[torch.float64] / 0.01


@pytest.mark.parametrize("backend", ["torch", "numba", "auto"])
@pytest.mark.parametrize("bad", [Stop(1e-3, 0), Stop(1e-3, -3), Stop(1e-3)._replace(budget=2.5), Stop(-1.0, 5), Stop(math.nan, 5)], ids=str)
def test_a_bad_stop_ends_in_the_same_sentence_for_every_backend(
    bad: tuple[bool | float | int, ...] | tuple[bool | float, ...], backend: str
) -> None:
    """A kernel that runs no sweep would hand out memory that no one has written as a gradient that has converged."""
    _, clamped, state, batch = build(SIZES["vector"])
    nudges = [Nudge(COSTS["squared-error"](), batch, 0.1)]
    ways = (
        lambda: Settling(free=bad, backend=backend),
        lambda: Settling(second=bad, backend=backend),
        lambda: relax(clamped, state, BlockDescent(), bad, backend=backend),
        lambda: displace_each(clamped, state, BlockDescent(), bad, nudges, backend=backend),
    )
    for way in ways:
        with torch.no_grad(), pytest.raises(InputError) as caught:
            way()
        assert str(caught.value) == f"a relaxation needs a whole budget of at least 1 step and a tolerance of at least 0, got {bad}"


@pytest.mark.parametrize("rule", [name for name, target in RULES.entries.items() if target.startswith("eqprop.rule:")])
@pytest.mark.parametrize("cost", SAMPLE_COSTS)
@pytest.mark.parametrize("sizes", ["one", "vector", "classes"])
def test_gradients_at_once_are_the_gradients_step_by_step(sizes: str, cost: str, rule: str) -> None:
    """Settling and contrasting in one go is bookkeeping, and must not change a gradient or a certificate."""
    for dtype, (order, free) in itertools.product(EQUAL, (("forward", Stop(1e-4, 60)), ("odd-even", Stop(None, 4)))):
        network, _, _, batch = build(SIZES[sizes], hidden="clipped-relu", dtype=dtype, rows=40)
        found, expected = (
            RULES[rule](Setting(COSTS[cost](), Settling(BlockDescent(order), free, Stop(None, 3), backend), strength=0.3)).estimate(
                network, batch, generator=torch.Generator().manual_seed(3)
            )
            for backend in ("numba", "torch")
        )
        assert list(found.gradients) == list(expected.gradients)
        for name, gradient in expected.gradients.items():
            assert found.gradients[name].dtype == dtype
            assert found.gradients[name].is_contiguous()
            # The contrast of two rounded states is divided by the strength.
            assert float((found.gradients[name] - gradient).abs().max()) <= EQUAL[dtype] / 0.3
        assert list(found.relaxations) == list(expected.relaxations)
        for name, relaxation in expected.relaxations.items():
            same = relaxation.steps == found.relaxations[name].steps
            if dtype == torch.float64:
                assert bool(same.all())
                assert_equal(relaxation, found.relaxations[name], EQUAL[dtype])
            assert int((relaxation.steps - found.relaxations[name].steps).abs().max()) <= 1


def test_gradients_at_once_do_not_depend_on_the_number_of_threads() -> None:
    network, _, _, batch = build(SIZES["one"], dtype=torch.float32, rows=70)
    rule = RULES["ep-centered"](Setting(COSTS["squared-error"](), Settling(backend="numba")))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(rule.estimate(network, batch).gradients)
    finally:
        torch.set_num_threads(before)
    for name in ("bias_1", "weight_2", "bias_2"):  # all but the product with the inputs, which BLAS does
        assert torch.equal(found[0][name], found[1][name])
    assert torch.allclose(found[0]["weight_1"], found[1]["weight_1"], rtol=0, atol=EQUAL[torch.float32])


def test_gradients_at_once_refuse_what_the_steps_refuse() -> None:
    """A kernel that skipped the checks would train on garbage."""
    network, _, _, batch = build(SIZES["one"])
    rule = RULES["ep-centered"](Setting(COSTS["squared-error"](), Settling(), strength=0.2))
    for poison in (math.nan, math.inf, -math.inf):
        inputs = batch.inputs.clone()
        inputs[3, 2] = poison
        with pytest.raises(InputError, match="NaN or infinity"):
            rule.estimate(network, batch._replace(inputs=inputs))
    for label in (-1, 7):
        with pytest.raises(InputError, match="output units"):
            rule.estimate(network, batch._replace(labels=torch.full((5,), label)))
    for dtype in (torch.uint8, torch.int16, torch.bool, torch.float64):
        with pytest.raises(InputError, match=f"class index of int64, got {str(dtype).removeprefix('torch.')}; use labels.long()"):
            rule.estimate(network, batch._replace(labels=batch.labels.to(dtype)))
    with pytest.raises(ShapeError):
        rule.estimate(network, batch._replace(labels=batch.labels[:4]))
    with pytest.raises(ShapeError):
        rule.estimate(network, batch._replace(inputs=batch.inputs[:, :4]))
    network.weight(1).data.fill_(math.nan)
    with pytest.raises(DivergenceError, match="free phase"):
        rule.estimate(network, batch)


@pytest.mark.parametrize("sizes", SIZES)
def test_samples_stop_where_the_reference_stops_them(sizes: str) -> None:
    """A tolerance must mean the same for every backend, whatever the other samples of the batch do."""
    network, clamped, state, batch = build(SIZES[sizes], rows=40, scale=1.0)
    state = tuple(layer * torch.linspace(0, 1, 40, dtype=layer.dtype)[:, None] for layer in state)  # so that some start near the end
    for phase, tolerance in itertools.product(("free", "live", "held"), (1e-9, 1e-3)):
        action = phase_of(phase, "squared-error", network, state, batch, scale=1.0)
        reference, kernel = both(clamped, state, BlockDescent(), Stop(tolerance, 60), action)
        assert int((reference.steps - kernel.steps).abs().max()) <= 1
        same = reference.steps == kernel.steps
        assert int(same.sum()) >= 30
        if phase == "free" and sizes != "none":
            assert len(set(reference.steps.tolist())) > 1  # the case is about samples that stop at different steps
        for expected, found in zip(reference.state, kernel.state, strict=True):
            assert float((expected - found)[same].abs().max()) <= 1e-12 * max(1.0, float(expected.abs().max()))
        agreed = reference.status == kernel.status
        assert bool(agreed[same].all())


@pytest.mark.parametrize("sizes", SIZES)
def test_a_batch_of_one_settles_as_in_company(sizes: str) -> None:
    network, clamped, state, batch = build(SIZES[sizes], rows=4)
    with torch.no_grad():
        together = relax(clamped, state, BlockDescent(), Stop(1e-6, 50), backend="numba")
        for row in range(4):
            alone = network.clamp(batch.inputs[row : row + 1])
            single = relax(alone, tuple(layer[row : row + 1] for layer in state), BlockDescent(), Stop(1e-6, 50), backend="numba")
            assert single.steps.tolist() == [int(together.steps[row])]
            for expected, found in zip(together.state, single.state, strict=True):
                assert float((expected[row] - found[0]).abs().max()) <= 1e-12


@pytest.mark.parametrize("sizes", SIZES)
def test_thread_count_does_not_change_the_result(sizes: str) -> None:
    """Bit for bit in the fused kernel, which never adds across samples; to rounding where BLAS multiplies."""
    _, clamped, state, _ = build(SIZES[sizes], rows=70, dtype=torch.float32)
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with torch.no_grad():
                results.append(relax(clamped, state, BlockDescent(), Stop(1e-4, 50), backend="numba"))
    finally:
        torch.set_num_threads(before)
    one, two = results
    for first, second in zip(one.state, two.state, strict=True):
        if sizes in FUSED:
            assert torch.equal(first, second)
        assert float((first - second).abs().max()) <= EQUAL[torch.float32]
    assert int((one.steps - two.steps).abs().max()) <= (0 if sizes in FUSED else 1)


@pytest.mark.parametrize("sizes", ["one", "two"])
@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_diverged_samples_are_reported_as_by_the_reference(sizes: str, poison: float) -> None:
    """A NaN that passed for convergence would train on garbage; the other samples must not notice."""
    _, clamped, state, _ = build(SIZES[sizes], last="linear", rows=6)
    state[-1][2, 0] = poison
    for order, tolerance in itertools.product(ORDERS, (None, 1e-6)):
        reference, kernel = both(clamped, state, BlockDescent(order), Stop(tolerance, 20), None)
        assert kernel.status.tolist() == reference.status.tolist()
        assert kernel.steps.tolist() == reference.steps.tolist()
        for expected, found in zip(reference.state, kernel.state, strict=True):
            assert torch.allclose(expected, found, rtol=1e-12, atol=1e-12, equal_nan=True)


def test_overflow_is_divergence() -> None:
    """Expansion without bounds ends in a status, not in a number."""
    network, clamped, state, _ = build((6, 9, 7), hidden="linear", dtype=torch.float32, scale=1.0)
    network.weight(1).data.mul_(100)
    reference, kernel = both(clamped, state, BlockDescent(), Stop(1e-3, 200), None)
    assert kernel.status.tolist() == reference.status.tolist() == [int(Status.DIVERGED)] * 5


def test_nudge_without_a_minimum_diverges_before_any_kernel_runs() -> None:
    _, clamped, state, batch = build((6, 9, 7), scale=1.0)
    with torch.no_grad():
        kernel = relax(clamped, state, BlockDescent(), Stop(), Nudge(COSTS["squared-error"](), batch, -1.5), backend="numba")
    assert kernel.status.tolist() == [int(Status.DIVERGED)] * 5
    assert kernel.steps.tolist() == [0] * 5


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("sizes", SIZES)
def test_inputs_are_not_mutated(sizes: str, phase: str) -> None:
    network, clamped, state, batch = build(SIZES[sizes])
    action = phase_of(phase, "cross-entropy", network, state, batch)
    tensors = [clamped.drive, clamped.inputs, *state, *network.parameters(), *(t for t in (action or ()) if isinstance(t, torch.Tensor))]
    before = [tensor.detach().clone() for tensor in tensors]
    with torch.no_grad():
        result = relax(clamped, state, BlockDescent(), Stop(1e-6, 20), action, backend="numba")
        for layer in result.state:
            layer.fill_(7.0)  # results are the caller's own memory
    assert all(torch.equal(old, new) for old, new in zip(before, tensors, strict=True))


def test_a_second_call_never_compiles() -> None:
    """Types that vary from call to call would cost seconds each: one signature for each dtype must be all."""
    script = Path(__file__).resolve().parents[1] / "children" / "compile_check.py"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    counts = dict(line.split() for line in done.stdout.splitlines())
    assert len(counts) == 6
    assert set(counts.values()) == {str(len(EQUAL))}, counts


def test_auto_takes_the_kernel_where_it_can_and_the_reference_elsewhere() -> None:
    network, clamped, state, batch = build((6, 9, 7))
    with torch.no_grad():
        assert plan(Case(network, clamped.drive, BlockDescent(), [None], state), "auto").backend == "numba"
        assert plan(Case(network, clamped.drive, BlockDescent(), [None], state), "torch").backend == "torch"
        assert plan(Case(network, clamped.drive, Synchronous(), [None], state), "auto").backend == "torch"
        half = tuple(layer.half() for layer in state)
        assert plan(Case(network, clamped.drive.half(), BlockDescent(), [None], half), "auto").backend == "torch"
    assert plan(Case(network, clamped.drive, BlockDescent(), [None], state), "auto").backend == "torch"  # the weights want gradients here
    with torch.enable_grad():
        graph = relax(network.clamp(batch.inputs), state, BlockDescent(), Stop(None, 2))
    assert graph.state[-1].requires_grad


KINDS = {"none": "any-depth", "one": "one-hidden", "wide": "any-depth", "vector": "one-hidden", "two": "deep", "three": "deep"}


@pytest.mark.parametrize("sizes", KINDS)
def test_every_way_to_ask_for_a_relaxation_gets_the_same_kernel(sizes):
    """A plan that depended on who asks would relax one phase of a rule by another kernel than the next."""
    network, clamped, state, batch = build(SIZES[sizes])
    cost = COSTS["squared-error"]()
    nudges = [Nudge(cost, batch, sign * 0.1 * network.stiffness[-1]) for sign in (1, -1)]
    with torch.no_grad():
        route = plan(Case(network, clamped.drive, BlockDescent(), nudges, state))
        small = [nudge._replace(strength=1e-289 * nudge.strength) for nudge in nudges]  # above the least that displacements may have
        assert plan(Case(network, clamped.drive, BlockDescent(), small, state, displaced=True)) == route
        gradient = plan(Case(network, batch.inputs, BlockDescent(), nudges, None, batch.labels))
    assert route.kernel == f"numba {KINDS[sizes]}"
    assert gradient.kernel == ("torch steps" if KINDS[sizes] == "any-depth" else f"numba {KINDS[sizes]}")
    assert bool(gradient.reason) == (KINDS[sizes] == "any-depth")


def test_a_readout_and_over_relaxation_change_the_kernel_or_are_refused():
    """Kernels that move the outputs with the last hidden layer know neither a pull through a readout nor, for one layer, a longer step."""
    network, clamped, state, batch = build(SIZES["two"], readout=4)
    nudge, far = Nudge(COSTS["squared-error"](), batch, 0.1), BlockDescent("forward", 1.2)
    with torch.no_grad():
        assert plan(Case(network, clamped.drive, BlockDescent(), [nudge], state)).kind == "any-depth"
        assert "over-relaxes" in plan(Case(network, clamped.drive, far, [nudge], state)).reason
        network, clamped, state, _ = build(SIZES["two"])
        assert plan(Case(network, clamped.drive, far, [nudge], state)).kind == "deep"


def refused():
    """Cases that no kernel does, each with what its reason has to name."""
    network, clamped, state, batch = build(SIZES["one"])
    cost, drive, sweeps = COSTS["squared-error"](), clamped.drive, BlockDescent()
    nudge, other = Nudge(cost, batch, 0.1), Nudge(cost, batch._replace(labels=batch.labels.clone()), 0.1)
    frozen, tiny = nudge._replace(frozen=torch.zeros_like(state[-1])), nudge._replace(strength=-1e-293)
    wanted = (network, batch.inputs, sweeps)
    half = (network, drive.half(), sweeps, [nudge], tuple(layer.half() for layer in state))
    return {
        "dynamics": (Case(network, drive, Synchronous(), [nudge], state), "not Synchronous"),
        "type": (Case(*half), "float32 or float64"),
        "gradient with a hold": (Case(*wanted, [nudge, Hold(state[-1])], None, batch.labels), "differ in strength only"),
        "gradient of other labels": (Case(*wanted, [nudge, other], None, batch.labels), "differ in strength only"),
        "no minimum": (Case(*wanted, [nudge._replace(strength=-9.0)], None, batch.labels), "no minimum"),
        "gradient of a frozen nudge": (Case(*wanted, [frozen], None, batch.labels), "live nudges"),
        "gradient without classes": (Case(*wanted, [nudge], None, batch.labels.double()), "classes of int64"),
        "gradient with too few classes": (Case(*wanted, [nudge], None, batch.labels[:4]), "every sample"),
        "displacements without digits": (Case(network, drive, sweeps, [nudge, tiny], state, displaced=True), "too few digits in float64"),
        "gradient without digits": (Case(*wanted, [tiny], None, batch.labels), "too few digits in float64"),
        "gradient of inputs": (Case(network, batch.inputs.clone().requires_grad_(), *wanted[2:], [nudge], None, batch.labels), "detach"),
    }


@pytest.mark.parametrize("case", refused())
def test_a_plan_without_a_kernel_says_why(case):
    """``auto`` and the error of a named backend read this sentence; without it nobody knows why a run is slow."""
    asked, words = refused()[case]
    with torch.no_grad():
        for backend in ("auto", "numba"):
            route = plan(asked, backend)
            assert (route.backend, route.kind) == ("torch", "steps")
            assert words in route.reason
        if asked.state is not None:
            with pytest.raises(BackendError) as caught:
                required(asked, "numba")
            assert plan(asked).reason in str(caught.value)


@pytest.mark.parametrize("backend", ["cuda9", "", "Numba"])
def test_unknown_backend_lists_what_exists(backend: str) -> None:
    _, clamped, state, _ = build((6, 9, 7))
    with pytest.raises(BackendError, match=", ".join(BACKEND_NAMES)):
        relax(clamped, state, BlockDescent(), Stop(), backend=backend)


def test_named_backend_that_cannot_do_the_case_says_why() -> None:
    """Falling back silently would let a benchmark measure something else."""
    _, clamped, state, _ = build((6, 9, 7))
    with torch.no_grad(), pytest.raises(BackendError, match=r"not Synchronous.*'torch'"):
        relax(clamped, state, Synchronous(), Stop(), backend="numba")
    with torch.no_grad(), pytest.raises(BackendError, match=r"it over-relaxes .*What works here: torch\."):
        relax(clamped, state, BlockDescent(over_relaxation=1.2), Stop(), backend="numba")  # not "torch, numba": it is numba that cannot
    with pytest.raises(BackendError, match="no_grad"):
        relax(clamped, state, BlockDescent(), Stop(), backend="numba")


def test_numba_is_imported_only_where_it_is_used() -> None:
    """``--help`` and torch users would wait for it otherwise."""
    code = (
        "import sys, contrastive_core.rule; from contrastive_core.kernels import SETTLING;"
        "assert 'numba' not in sys.modules; SETTLING['numba one-hidden'];"
        "assert 'numba' in sys.modules and 'numba.cuda' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
