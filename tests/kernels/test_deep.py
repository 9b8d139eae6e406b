"""Networks of several hidden layers: their kernels are the reference, and going past the minimum is successive over-relaxation."""

from __future__ import annotations

import itertools

import pytest
import torch
from kernel_cases import EQUAL, ORDERS, PHASES, SIZES, assert_equal, both, build, phase_of

from contrastive_core.certificate import Status, Stop
from contrastive_core.costs import COSTS
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import BackendError, DivergenceError, InputError
from contrastive_core.kernels.settling.any_depth import kernel_cpu, last_samples_cpu, rows_cpu
from contrastive_core.kernels.settling.any_depth.sweeps import FEW
from contrastive_core.networks.layered import Layered
from contrastive_core.relaxation.relax import relax
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from eqprop import RULES
from experiments.setup.build import build_setting
from experiments.setup.options import LearningOptions

DEEP = ("two", "three")
FACTORS = (1.0, 0.7, 1.3)


@pytest.mark.parametrize("rows", [FEW - 3, FEW + 5])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("sizes", DEEP)
def test_deep_kernels_equal_the_reference_however_far_layers_go(sizes: str, phase: str, rows: int) -> None:
    """Rows that are settled one by one, and rows that share products, must be the same samples."""
    network, clamped, state, batch = build(SIZES[sizes], rows=rows)
    for cost, order, factor in itertools.product(("squared-error", "cross-entropy"), ORDERS, FACTORS):
        action = phase_of(phase, cost, network, state, batch)
        reference, kernel = both(clamped, state, BlockDescent(order, factor), Stop(None, 5), action)
        assert_equal(reference, kernel, EQUAL[torch.float64])
        assert torch.allclose(reference.residual, kernel.residual, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("sizes", DEEP)
def test_deep_samples_stop_where_the_reference_stops_them(sizes: str) -> None:
    """Also where the last few of a batch are settled apart from the others, and where a phase starts with the products of another."""
    network, _, _, batch = build(SIZES[sizes], rows=3 * FEW, scale=1.0)
    batch = batch._replace(inputs=batch.inputs * torch.linspace(0, 3, 3 * FEW, dtype=batch.inputs.dtype)[:, None])
    for factor, order in itertools.product((1.0, 1.3), ("forward", "odd-even")):
        found, expected = (
            RULES["ep-centered"](
                Setting(
                    COSTS["squared-error"](),
                    Settling(BlockDescent(order, factor), Stop(1e-5, 60), Stop(1e-4, 60), backend),
                    strength=0.3,
                )
            ).estimate(network, batch)
            for backend in ("numba", "torch")
        )
        assert len(set(expected.relaxations["free"].steps.tolist())) > 1  # the case is about samples that stop at different steps
        for name, relaxation in expected.relaxations.items():
            assert int((relaxation.steps - found.relaxations[name].steps).abs().max()) <= 1
            same = relaxation.steps == found.relaxations[name].steps
            assert int(same.sum()) >= 3 * FEW - 2
            assert bool((relaxation.status == found.relaxations[name].status)[same].all())
            for mine, theirs in zip(found.relaxations[name].state, relaxation.state, strict=True):
                assert float((mine - theirs)[same].abs().max()) <= 1e-12
        for name, gradient in expected.gradients.items():
            # A sample that stops a sweep earlier is off by its tolerance; none does here but by rounding at the threshold.
            assert torch.allclose(found.gradients[name], gradient, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rule", ["ep-centered", "ep-positive", "ep-negative"])
def test_deep_gradients_at_once_are_the_gradients_step_by_step(rule: str) -> None:
    """Settling and contrasting in one go is bookkeeping, and must not change a gradient."""
    for dtype, cost, sizes in itertools.product(EQUAL, ("squared-error", "cross-entropy"), DEEP):
        network, _, _, batch = build(SIZES[sizes], dtype=dtype, rows=2 * FEW)
        found, expected = (
            RULES[rule](Setting(COSTS[cost](), Settling(BlockDescent(), Stop(None, 4), Stop(None, 3), backend), strength=0.3))
            .estimate(network, batch)
            .gradients
            for backend in ("numba", "torch")
        )
        assert list(found) == list(expected)
        for name, gradient in expected.items():
            assert found[name].dtype == dtype
            assert found[name].is_contiguous()
            assert float((found[name] - gradient).abs().max()) <= EQUAL[dtype] / 0.3


def test_deep_gradients_at_once_refuse_what_the_steps_refuse() -> None:
    """A kernel that skipped the checks would train on garbage."""
    network, _, _, batch = build(SIZES["two"], rows=2 * FEW)
    rule = RULES["ep-centered"](Setting(COSTS["squared-error"](), Settling(), strength=0.2))
    with pytest.raises(InputError, match="NaN or infinity"):
        rule.estimate(network, batch._replace(inputs=torch.full_like(batch.inputs, torch.inf)))
    with pytest.raises(InputError, match="output units"):
        rule.estimate(network, batch._replace(labels=torch.full_like(batch.labels, 9)))
    network.weight(2).data.fill_(torch.nan)
    with pytest.raises(DivergenceError, match="free phase"):
        rule.estimate(network, batch)


def test_deep_gradients_do_not_depend_on_the_number_of_threads() -> None:
    """Only the products that BLAS does may round otherwise."""
    network, _, _, batch = build((20, 32, 24, 5), dtype=torch.float32, rows=70)
    rule = RULES["ep-centered"](Setting(COSTS["squared-error"](), Settling(backend="numba")))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(rule.estimate(network, batch).gradients)
    finally:
        torch.set_num_threads(before)
    for name, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][name], rtol=0, atol=10 * EQUAL[torch.float32])


def test_deep_kernels_take_parameters_however_they_lie_in_memory() -> None:
    """The values of a network decide, not the strides that another tool or a transposition has left behind."""
    plain, _, _, batch = build(SIZES["three"], rows=FEW - 3)
    strided, _, _, _ = build(SIZES["three"], rows=FEW - 3)
    strided.bias(1).data = torch.stack([strided.bias(1).data] * 2, 1)[:, 0]
    strided.weight(1).data = strided.weight(1).data.T.contiguous().T
    assert not strided.bias(1).is_contiguous()
    assert not strided.weight(1).is_contiguous()
    rule = RULES["ep-centered"](Setting(COSTS["squared-error"](), Settling(backend="numba"), strength=0.3))
    expected, found = (rule.estimate(network, batch).gradients for network in (plain, strided))
    assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())


def test_kernels_see_that_weights_were_transposed_where_they_lie() -> None:
    """A kernel that keeps arrays of the parameters must not go on with those of another matrix on the same memory."""
    generator = torch.Generator().manual_seed(0)
    network = Layered((6, 8, 8), generator=generator, dtype=torch.float64)
    batch = Batch(torch.rand(5, 6, generator=generator, dtype=torch.float64), torch.arange(5))

    def gradient(backend: str) -> torch.Tensor:
        rule = RULES["ep-centered"](Setting(COSTS["squared-error"](), Settling(backend=backend), strength=0.1))
        return rule.estimate(network, batch).gradients["weight_1"]

    gradient("numba")
    network.weight(1).data = network.weight(1).data.T
    assert torch.allclose(gradient("numba"), gradient("torch"), rtol=1e-9, atol=1e-12)


def _two_hidden(width: int) -> tuple[Layered, torch.Tensor]:
    """A network without bounds, whose sweeps are linear, and its coupling between the hidden layers."""
    network, _, _, _ = build((6, width, width, 2), hidden="linear", scale=1.0)
    network.weight(2).data.zero_()  # the outputs feel nothing and send nothing
    network.weight(1).data.mul_(0.8 / torch.linalg.matrix_norm(network.weight(1).data, 2))
    return network, network.weight(1).detach()


@pytest.mark.parametrize("factor", [1.0, 1.1, 1.25, 1.4])
@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_over_relaxation_contracts_as_young_says(factor: float, backend: str) -> None:
    r"""With :math:`\mu` the norm of the coupling, :math:`(\lambda + \omega - 1)^2 = \lambda \omega^2 \mu^2` (Young, 1954; not re-read).

    A factor that acted otherwise, or twice, would settle at another rate, and what is said about sweeps would be wrong.
    """
    network, coupling = _two_hidden(7)
    mu = float(torch.linalg.matrix_norm(coupling, 2))
    left, _, right = torch.linalg.svd(coupling)
    clamped = network.clamp(torch.zeros(1, 6, dtype=torch.float64))
    clamped = clamped._replace(drive=torch.zeros_like(clamped.drive))
    network.bias(1).data.zero_()
    # In the plane of the largest singular vectors a sweep is a two by two matrix, whose trace and determinant Young's formula has.
    start = (torch.zeros(1, 7, dtype=torch.float64), right[:1].clone(), network.bias(2).detach()[None].clone())
    sizes = []
    with torch.no_grad():
        for sweeps in (1, 2, 3):
            end = relax(clamped, start, BlockDescent("forward", factor), Stop(None, sweeps), backend=backend).state
            sizes.append(torch.stack([end[0][0] @ left[:, 0], end[1][0] @ right[0]]))
    first = torch.stack([torch.tensor([0.0, 1.0], dtype=torch.float64), sizes[0]], 1)
    matrix = torch.stack([sizes[0], sizes[1]], 1) @ torch.linalg.inv(first)
    assert torch.allclose(matrix @ sizes[1], sizes[2], rtol=0, atol=1e-12)
    trace, determinant = (factor * mu) ** 2 - 2 * (factor - 1), (factor - 1) ** 2
    assert float(matrix.trace()) == pytest.approx(trace, abs=1e-12)
    assert float(torch.linalg.det(matrix)) == pytest.approx(determinant, abs=1e-12)


@pytest.mark.parametrize("factor", [0.5, 1.3, 1.9])
def test_over_relaxed_sweeps_never_raise_the_energy_and_end_at_the_same_equilibrium(factor: float) -> None:
    """Otherwise the dynamics would not be that of an energy, or its certificate would be of something else."""
    network, clamped, state, _ = build(SIZES["two"], rows=20, scale=1.0)
    dynamics = BlockDescent("forward", factor)
    current = state
    with torch.no_grad():
        energy = network.energy(current, clamped)
        for _ in range(20):
            current, _ = dynamics.step(current, clamped)
            lower = network.energy(current, clamped)
            assert bool((lower <= energy + 1e-12).all())
            energy = lower
        ends = [relax(clamped, state, BlockDescent("forward", each), Stop(1e-13, 3000)) for each in (1.0, factor)]
    assert ends[1].status.tolist() == [int(Status.CONVERGED)] * 20
    for plain, gone in zip(ends[0].state, ends[1].state, strict=True):
        assert torch.allclose(plain, gone, rtol=0, atol=1e-10)


def test_over_relaxation_is_refused_where_it_cannot_be() -> None:
    for factor in (0.0, 2.0, float("nan")):
        with pytest.raises(InputError, match="between 0 and 2"):
            BlockDescent("forward", factor)
    assert BlockDescent("odd-even", 1.2).reversed() == BlockDescent("even-odd", 1.2)
    _, clamped, state, _ = build(SIZES["one"])
    with torch.no_grad(), pytest.raises(BackendError, match="several hidden layers"):
        relax(clamped, state, BlockDescent("forward", 1.2), Stop(), backend="numba")


def test_train_passes_over_relaxation_on_or_says_that_it_cannot() -> None:
    """A swallowed option would be reported with every run, and act in none."""
    sweeps = BlockDescent("even-odd", 1.2)
    assert build_setting(LearningOptions(dynamics="even-odd", over_relaxation=1.2)).settling.dynamics == sweeps
    for options in ({"dynamics": "anderson"}, {"dynamics": "gradient-flow"}, {"node_temperature": 1.0}):
        with pytest.raises(InputError, match="over-relaxation"):
            build_setting(LearningOptions(over_relaxation=1.2, **options))


def test_a_second_call_of_the_deep_kernels_does_not_compile() -> None:
    network, _, _, batch = build(SIZES["two"], rows=2 * FEW, dtype=torch.float32)
    kernels = (
        *(getattr(kernel_cpu, name) for name in ("move_between", "sweep_top")),
        *(getattr(rows_cpu, name) for name in ("stop_rows", "certify", "take", "contrast_layer", "write_targets")),
        last_samples_cpu.settle_few,
    )
    counts = []
    for factor in (1.3, 1.0, 1.3):
        rule = RULES["ep-centered"](Setting(COSTS["squared-error"](), Settling(BlockDescent("forward", factor), Stop(1e-5, 60))))
        rule.estimate(network, batch)
        counts.append([len(kernel.signatures) for kernel in kernels])
    assert counts[0] == counts[1] == counts[2]
    assert min(counts[0]) > 0
