"""Accelerated dynamics: where they arrive, what they cost, and that they cannot fake it."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from scipy.optimize import anderson as scipy_anderson
from systems import TIGHT, System, make_cost, make_system, seeded, settle
from torch import Tensor

from contrastive_core.certificate import Status, Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.dynamics.anderson import Anderson, mixture
from contrastive_core.dynamics.base import Dynamics, largest_change
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.dynamics.contraction import set_radius, spectral_radius
from contrastive_core.dynamics.gradient_flow import GradientFlow
from contrastive_core.dynamics.momentum import Momentum, largest_curvature, tuned
from contrastive_core.dynamics.synchronous import Synchronous
from contrastive_core.errors import InputError
from contrastive_core.network import Clamped
from contrastive_core.networks.curvature import extreme_eigenvalues
from contrastive_core.networks.layered import Layered
from contrastive_core.per_sample import flatten, unflatten
from contrastive_core.phases import Hold, Nudge, Phase
from contrastive_core.types import State

RADII = (0.3, 0.9, 0.99)
NEAR = [(name, radius) for name in ("linear", "tanh", "hard-sigmoid") for radius in RADII]
PHASES = ("free", "nudged", "pushed", "held", "joint")


def near_critical(activation: str, radius: float, sizes: tuple[int, ...] = (12, 20, 8), seed: int = 0) -> System:
    """A network whose block descent contracts by ``radius`` a sweep, at inputs too weak to drive units out of the linear range."""
    system = make_system(activation, sizes=sizes, seed=seed)
    set_radius(system.network, radius)
    return System(system.network, system.batch._replace(inputs=0.002 * system.batch.inputs))


@cache
def settled_near_critical(activation: str, radius: float, sizes: tuple[int, ...]) -> tuple[System, State]:
    """Network and its free state, which takes thousands of plain sweeps; shared by the tests, and changed by none."""
    system = near_critical(activation, radius, sizes)
    return system, settle(system, BlockDescent(), Stop(1e-12, 20_000)).state


def phase_of(name: str, system: System) -> Phase:
    # Away from the target the smallest curvature, about (1 - radius) / 2, must not be used up.
    strength = {"nudged": 0.2, "pushed": -0.002, "joint": 0.2}.get(name, 0.0)
    if name == "held":
        return Hold(torch.randn(system.clamped.drive.shape[0], system.network.sizes[-1], generator=seeded(4), dtype=torch.float64))
    return Nudge(make_cost("similarity" if name == "joint" else "squared-error"), system.batch, strength) if strength else None


@pytest.mark.parametrize(("activation", "radius"), NEAR)
def test_largest_eigenvalue_of_the_sweep_is_the_factor_by_which_it_settles(activation: str, radius: float) -> None:
    """A network called near-critical that is not would make every comparison of solvers meaningless."""
    for sizes in ((12, 20, 8), (10, 16, 16, 6)):
        system, state = settled_near_critical(activation, radius, sizes)
        # Inputs of .002 move the slopes of tanh a little, the more the nearer to the critical point.
        assert abs(spectral_radius(BlockDescent(), system.clamped, state) - radius) <= (0.005 if activation == "tanh" else 1e-9)
        # Power iteration by the sweeps themselves, from the end of a relaxation: what is left is the slowest direction.
        with torch.no_grad():
            first = settle(system, BlockDescent(), Stop(1e-8, 20_000)).state
            second = BlockDescent().step(first, system.clamped)[0]
            third = BlockDescent().step(second, system.clamped)[0]
        ratio = (flatten(third) - flatten(second)).norm(dim=1) / (flatten(second) - flatten(first)).norm(dim=1)
        assert abs(float(ratio.max()) - radius) <= 0.02


@pytest.mark.parametrize("phase_name", PHASES)
@pytest.mark.parametrize(("activation", "radius"), NEAR)
def test_anderson_is_never_behind_block_descent_by_more_than_a_tenth_and_a_step(activation: str, radius: float, phase_name: str) -> None:
    """An accelerated solver that is slower somewhere cannot be a default anywhere."""
    for sizes in ((12, 20, 8), (10, 16, 16, 6)):
        system, free = settled_near_critical(activation, radius, sizes)
        phase, start = phase_of(phase_name, system), None if phase_name == "free" else free
        for tolerance in (1e-3, 1e-6):
            plain, fast = (
                settle(system, dynamics if phase is None else dynamics.reversed(), Stop(tolerance, 5000), phase, start)
                for dynamics in (BlockDescent(), Anderson())
            )
            assert fast.status.tolist() == [int(Status.CONVERGED)] * 4
            assert bool((fast.steps <= 1.1 * plain.steps + 1).all())


@pytest.mark.parametrize("activation", ["linear", "tanh", "hard-sigmoid"])
def test_anderson_takes_the_root_of_the_condition_number_near_criticality(activation: str) -> None:
    r"""Slow relaxations are what acceleration is for.

    With a real spectrum in [0, rho], rho = .99, plain sweeps contract by rho, Krylov methods by
    (1 - sqrt(1 - rho)) / (1 + sqrt(1 - rho)) = .818: log(.818) / log(.99) = 20 times fewer. Half of that is asked of a window of 5.
    """
    system = near_critical(activation, 0.99)
    plain, fast, flow = (int(settle(system, d, Stop(1e-6, 5000)).steps.max()) for d in (BlockDescent(), Anderson(), Momentum()))
    assert fast * 10 <= plain
    assert flow * 3 <= plain  # Euler's step is half a sweep at best, and Nesterov's restarts cost a constant factor
    without = int(settle(system, GradientFlow(), Stop(1e-6, 20_000)).steps.max())
    assert flow * 5 <= without


@pytest.mark.parametrize("dynamics", [Anderson(), Anderson(Synchronous(0.7)), Anderson(window=1), Momentum(), Momentum(0.3, 0.5)])
@pytest.mark.parametrize("phase_name", PHASES)
@pytest.mark.parametrize("activation", ["tanh", "hard-sigmoid"])
def test_accelerated_dynamics_end_where_block_descent_does(activation: str, phase_name: str, dynamics: Dynamics) -> None:
    """The equilibrium is the energy's, in every phase, with boxes, holds and coupled rows."""
    system = make_system(activation, gain=0.9)
    phase = phase_of(phase_name, system)
    start = settle(system, BlockDescent()).state
    exact, fast = settle(system, BlockDescent("backward"), TIGHT, phase, start), settle(system, dynamics.reversed(), TIGHT, phase, start)
    assert fast.status.tolist() == [int(Status.CONVERGED)] * 4
    # Residuals of 1e-13 over a contraction of at worst .99.
    assert float((flatten(exact.state) - flatten(fast.state)).abs().max()) < 1e-11


@pytest.mark.parametrize("dynamics", [Anderson(), Momentum(), Momentum(0.5, 0.9)])
def test_residual_of_an_accelerated_step_is_that_of_a_plain_step(dynamics: Dynamics) -> None:
    """Acceleration that could lower its own residual without an equilibrium would certify anything."""
    system = near_critical("tanh", 0.95)
    clamped = system.clamped
    plain = dynamics.inner if isinstance(dynamics, Anderson) else GradientFlow(1.0)
    state: State = system.network.initial_state(clamped)
    leaps = 0
    with torch.no_grad():
        state, _, memory = dynamics.advance(state, None, clamped)
        for _ in range(40):
            point = memory.point if isinstance(dynamics, Momentum) else unflatten(memory.point, state)
            leaps += int(not torch.equal(flatten(point), flatten(state)))
            before = flatten(state)
            state, residual, memory = dynamics.advance(state, memory, clamped)
            honest = plain.step(point, clamped)[1]
            taken_back = (flatten(state) == before).all(1)
            assert torch.equal(residual[~taken_back], honest[~taken_back])
    assert leaps > 10


def test_momentum_does_not_stop_where_the_force_vanishes_in_passing() -> None:
    """A ball rolls through the minimum at full speed: the state certified there must be the one without force."""
    system = make_system("linear", sizes=(2, 2, 1))
    answer = settle(system, Momentum(0.2, 0.95), Stop(1e-3, 5000))
    with torch.no_grad():
        plain = GradientFlow(1.0).step(answer.state, system.clamped)[1]
    # The image of a step of .2 from a point with residual 1e-3: (1 + .2 L) residuals of 3 units in the worst direction, L < 2.
    assert float(plain.max()) < 1.4 * 3**0.5 * 1e-3


def test_mixture_leaves_the_least_residual() -> None:
    """The weights are a regularised least-squares solution; scipy's own solver on the stacked system says the same."""
    changes = torch.randn(3, 4, 9, generator=seeded(0), dtype=torch.float64)
    change = torch.randn(3, 9, generator=seeded(1), dtype=torch.float64)
    filled = torch.tensor([[True] * 4, [True, False, True, True], [False] * 4])
    gamma = mixture(changes, change, filled, 1e-2)
    for row in range(3):
        chosen = filled[row].nonzero().flatten().tolist()
        expected = np.zeros(4)
        if chosen:
            matrix = changes[row, chosen].numpy().T
            stacked = np.vstack([matrix, 0.1 * np.diag(np.linalg.norm(matrix, axis=0))])
            expected[chosen] = np.linalg.lstsq(stacked, np.concatenate([change[row].numpy(), np.zeros(len(chosen))]), rcond=None)[0]
        assert gamma[row].tolist() == pytest.approx(expected.tolist(), abs=1e-12)
    together = mixture(changes, change, torch.ones(3, 4, dtype=torch.bool), 0.0, joint=True)
    stacked = changes.permute(1, 0, 2).reshape(4, 27).numpy().T
    assert together[0].tolist() == pytest.approx(np.linalg.lstsq(stacked, change.flatten().numpy(), rcond=None)[0].tolist(), abs=1e-10)
    assert torch.equal(together[0], together[2])


def test_anderson_on_a_linear_map_ends_after_as_many_steps_as_it_has_eigenvalues() -> None:
    """On a linear map it is GMRES: k eigenvalues need k steps besides the first two, which is exact and not a matter of speed.

    scipy's Anderson, another form of the same method, needs as few on the same equations.
    """
    system = make_system("linear", sizes=(6, 12, 3), biases=(0.0, 0.0))
    network = system.network
    with torch.no_grad():  # three orthogonal rows: eigenvalues .5, .3, .1 of the sweep
        rows = torch.linalg.qr(torch.randn(12, 3, generator=seeded(0), dtype=torch.float64))[0]
        network.weight_2.copy_(rows * torch.tensor([0.5, 0.3, 0.1]).sqrt())
    fast, plain = (settle(system, d, Stop(1e-12, 400)) for d in (Anderson(regularisation=0.0, wait=0), BlockDescent()))
    assert int(plain.steps.max()) > 30  # log(1e-12) / log(.5) = 40
    # Three plain steps measure the rate, one is a transient, then 3 eigenvalues; the ridge of 16 roundings may cost two more.
    assert int(fast.steps.max()) <= 9
    clamped, calls = system.clamped, []

    def residual(flat: np.ndarray) -> np.ndarray:
        calls.append(1)
        point = torch.from_numpy(flat.reshape(4, 15))
        with torch.no_grad():
            return np.asarray((flatten(BlockDescent().step(unflatten(point, fast.state), clamped)[0]) - point).numpy().ravel())

    solution = scipy_anderson(residual, np.zeros(60), alpha=-1.0, M=5, w0=0.0, f_tol=1e-10, maxiter=60)
    assert float(np.abs(solution.reshape(4, 15) - flatten(fast.state).numpy()).max()) < 1e-9


def test_leaps_that_do_not_help_are_taken_back() -> None:
    """Without the watch, a map that is linear nowhere would be leapt across for ever."""
    system = make_system("hard-sigmoid", sizes=(6, 12, 12, 4), gain=2.5, batch_size=16)
    state = system.network.initial_state(system.clamped)
    eager, lost = Anderson(wait=0), 0
    with torch.no_grad():
        state, least, memory = eager.advance(state, None, system.clamped)
        for _ in range(60):
            leapt = memory.leapt
            state, residual, memory = eager.advance(state, memory, system.clamped)
            lost += int((leapt & (memory.pause == 10)).sum())
            assert bool((residual[leapt] <= least[leapt]).all())  # a leap never leaves a larger residual than it found
            least = residual
    assert lost > 0


class Cliff(Dynamics):
    """Every unit slides slowly to .4, as if to 0 while it is above .5; below .2 there is a cliff, and no way back."""

    def advance(
        self, state: State, memory: None, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None
    ) -> tuple[State, Tensor, None]:
        new = tuple(torch.where(x > 0.5, 0.9 * x, torch.where(x > 0.2, 0.4 + 0.9 * (x - 0.4), x - 5)) for x in state)
        return new, largest_change(state, new), None

    @property
    def compiled(self) -> None:
        return None

    def reversed(self) -> Dynamics:
        return self


@pytest.mark.parametrize("wait", [0, 10])
def test_a_leap_over_a_cliff_is_taken_back_and_costs_no_more_than_a_tenth(wait: int) -> None:
    """Without taking it back the state would fall for ever: a solver must arrive wherever plain steps arrive."""
    system = make_system("linear", sizes=(1, 1, 1), batch_size=1)
    start = (torch.tensor([[10.0]]).double(), torch.tensor([[10.0]]).double())
    plain, fast = (settle(system, d, Stop(1e-6, 1000), None, start) for d in (Cliff(), Anderson(Cliff(), wait=wait)))
    assert [float(layer) for layer in fast.state] == pytest.approx([0.4, 0.4], abs=1e-5)  # 1e-6 / (1 - .9)
    assert fast.status.tolist() == [int(Status.CONVERGED)]
    assert int(fast.steps) <= 1.1 * int(plain.steps) + 1
    leaping, lost = Anderson(Cliff(), wait=wait), 0
    state, _, memory = leaping.advance(start, None, system.clamped)
    for _ in range(int(fast.steps) - 1):
        leapt, before = memory.leapt, state
        state, _, memory = leaping.advance(state, memory, system.clamped)
        lost += int(bool(leapt) and all(torch.equal(new, old) for new, old in zip(state, before, strict=True)))
    assert lost > 0  # the control: there was something to take back


def test_anderson_is_behind_block_descent_on_none_of_many_networks_with_several_minima() -> None:
    """Random networks at gains where states saturate and basins are many: short, irregular relaxations, where leaps do not pay.

    No theorem: of 9216 relaxations of such networks one was behind, which had ended in another minimum.
    """
    found, elsewhere = 0, 0
    for activation, gain, sizes in (
        ("hard-sigmoid", 2.5, (6, 12, 12, 4)),
        ("hard-sigmoid", 2.5, (8, 16, 16, 16, 6)),
        ("tanh", 3.5, (6, 12, 12, 4)),
    ):
        for seed in range(4):
            system = make_system(activation, sizes=sizes, gain=gain, seed=seed, batch_size=24)
            plain, fast, hasty = (settle(system, d, Stop(1e-6, 2000)) for d in (BlockDescent(), Anderson(), Anderson(wait=0)))
            assert bool((fast.steps <= 1.1 * plain.steps + 1).all())
            found += int((hasty.steps > 1.1 * plain.steps + 1).sum())
            other = settle(system, BlockDescent("backward"), Stop(1e-6, 2000))
            elsewhere += int(((flatten(other.state) - flatten(plain.state)).abs().amax(1) > 0.1).sum())
    assert found > 0  # the control: without the wait some are
    assert elsewhere > 0  # and there are several minima


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_measured_step_is_stable_and_the_tuned_ball_rolls_at_its_theoretical_rate(scale: float) -> None:
    """The default step follows from the curvature, and the heavy ball's rate from its extremes (Polyak, 1964).

    With a layer energy scale below 1 both are in units of the stiffness, as the flow is.
    """
    system = near_critical("linear", 0.95)
    system.network.energy_scale, system.network._stiffness = scale, tuple(scale ** (index + 1) for index in range(2))
    clamped, free = system.clamped, settle(system, BlockDescent()).state
    smallest, largest = extreme_eigenvalues(clamped, free, relative=True)
    estimate = largest_curvature(free, clamped)
    assert bool((estimate <= largest * (1 + 1e-9)).all())
    assert bool((estimate >= 0.8 * largest).all())  # 12 power iterations; a step of .9 / .8 is stable, since only 2 is not
    ball = tuned(clamped, free)
    rate = (math.sqrt(largest) - math.sqrt(smallest)) / (math.sqrt(largest) + math.sqrt(smallest))
    assert ball.momentum == pytest.approx(rate**2)
    steps = int(settle(system, ball, Stop(1e-10, 5000)).steps.max())
    # A double root: k rate^k, so that steps exceed log(1e-10) / log(rate) by log(k) / |log(rate)| and a constant.
    expected = math.log(1e-10) / math.log(rate)
    assert 0.7 * expected < steps < 1.6 * expected


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: Anderson(Anderson()), ["inner", "plain dynamics", "Anderson"]),
        (lambda: Anderson(window=0), ["window", "at least 1", "got 0"]),
        (lambda: Anderson(regularisation=-1.0), ["regularisation", "not negative", "-1.0"]),
        (lambda: Anderson(wait=-1), ["wait", "0 or more", "-1"]),
        (lambda: Momentum(step_size=0.0), ["step_size", "positive", "None measures"]),
        (lambda: Momentum(momentum=1.0), ["momentum", "[0, 1)", "1.0"]),
        (lambda: set_radius(make_system().network, 1.0), ["radius", "(0, 1)", "1.0"]),
        (lambda: set_radius(make_system(sizes=(5, 3)).network, 0.5), ["two or more free layers"]),
        (lambda: set_radius(Layered((5, 4, 3), gain=0.0), 0.5), ["couplings", "are 0", "generator"]),
    ],
)
def test_settings_of_solvers_that_make_no_sense_are_refused(action: object, words: list[str]) -> None:
    """A solver told nonsense must not run."""
    with pytest.raises(InputError) as caught:
        action()  # type: ignore[operator]
    assert [word for word in words if word not in str(caught.value)] == []


def test_gradient_through_an_accelerated_relaxation_is_that_of_its_equilibrium() -> None:
    """Backpropagation through leaps treats their weights as constants; at the equilibrium that must make no difference."""
    system = near_critical("tanh", 0.9)

    def cost(dynamics: Dynamics) -> Tensor:
        clamped = system.network.clamp(system.batch.inputs)
        state = system.network.initial_state(clamped)
        memory = None
        for _ in range(400):
            state, _, memory = dynamics.advance(state, memory, clamped)
        (gradient,) = torch.autograd.grad(SquaredError().value(state[-1], system.batch).mean(), system.network.weight_2)
        return gradient

    plain, fast = cost(BlockDescent()), cost(Anderson())
    assert float((plain - fast).norm() / plain.norm()) < 1e-9
