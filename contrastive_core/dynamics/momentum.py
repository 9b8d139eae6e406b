"""Gradient flow with momentum, its step taken from the measured curvature of the energy."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor

from contrastive_core.dynamics.base import Dynamics, flow_residual, largest_change, moving_blocks, pull_of
from contrastive_core.dynamics.gradient_flow import velocity_of
from contrastive_core.errors import ConvergenceError, InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped
from contrastive_core.networks.curvature import extreme_eigenvalues, hessian
from contrastive_core.per_sample import beside, total
from contrastive_core.phases import Phase
from contrastive_core.types import State

_PRODUCTS = 12
"""Power iterations for the largest curvature; they need not converge, since a step that is too long is halved."""
_SAFETY = 0.9
"""Share of the longest stable step that is taken: power iterations underestimate the curvature."""
_GROWTH = 10
"""Growth of the speed at which a step counts as unstable; an overshoot of the minimum stays below it."""
_PATIENCE = 100
"""Steps without a smaller speed after which a step counts as too long, too: units may jump from bound to bound."""
_NOISE = 100
"""Roundings below which a rise of the speed is noise."""


class Motion(NamedTuple):
    """Memory of a momentum dynamics.

    Attributes
    ----------
    point : State
        Point at which the next gradient is taken.
    before, image : State
        The point before it, and the end of the last plain step.
    size : Tensor of shape (B,)
        Euler step of each sample.
    clock : Tensor of shape (B,)
        Nesterov's t, 1 after a restart.
    least : Tensor of shape (B,)
        Smallest displacement by a step of size 1, since the step was last halved.
    age : Tensor of shape (B,)
        Steps since then.
    """

    point: State
    before: State
    image: State
    size: Tensor
    clock: Tensor
    least: Tensor
    age: Tensor


@final
@typed()
@dataclass(frozen=True)
class Momentum(Dynamics):
    r"""Projected Euler steps of :math:`\kappa_l\,\dot s_l = -\partial F/\partial s_l` with momentum.

    With :math:`G(p) = p - h\,\kappa^{-1}\partial_s F(p)` inside the bounds, a number as momentum is the heavy ball of Polyak (1964),
    :math:`p_{k+1} = G(p_k) + \mu (p_k - p_{k-1})`; without one it is the accelerated gradient of Nesterov (1983),
    :math:`p_{k+1} = G(p_k) + \mu_k (G(p_k) - G(p_{k-1}))`, which stands still for a moment whenever it moves uphill (the
    adaptive restart of O'Donoghue & Candes, 2015). Either takes a number of steps proportional to the root of the
    condition number, where plain flow takes one proportional to it. (Papers recalled, not re-read.)

    Attributes
    ----------
    step_size : float, optional
        h in units of the time constant. None measures the largest curvature at the start of every relaxation, sample by sample, by
        power iterations, takes a little less than its inverse, and halves it where the speed
        grows tenfold or has not fallen for long.
    momentum : float, optional
        Momentum of the heavy ball, in [0, 1); None for Nesterov's.
    """

    remembers: ClassVar[bool] = True
    step_size: float | None = None
    momentum: float | None = None

    def __post_init__(self) -> None:
        if self.step_size is not None and not 0 < self.step_size < float("inf"):
            raise InputError(f"step_size must be positive, got {self.step_size}; None measures the curvature")
        if self.momentum is not None and not 0 <= self.momentum < 1:
            raise InputError(f"momentum must lie in [0, 1), got {self.momentum}; None lets it follow from the motion")

    def _begin(self, state: State, clamped: Clamped, phase: Phase) -> Motion:
        """Return a memory without motion, with the step size that the curvature allows."""
        like = torch.ones_like(total(state[0].detach()))
        size = self.step_size
        steps = _SAFETY / largest_curvature(state, clamped, phase) if size is None else torch.full_like(like, size)
        return Motion(state, state, state, steps, like, torch.full_like(like, torch.inf), torch.zeros_like(like))

    def advance(
        self, state: State, memory: Motion | None, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None
    ) -> tuple[State, Tensor, Motion]:
        """Take an Euler step from the remembered point, and extrapolate from its end."""
        memory = self._begin(state, clamped, phase) if memory is None else memory
        point, moving = memory.point, moving_blocks(state, phase)
        velocity = velocity_of(point, clamped, phase)

        def inside(target: State) -> State:
            allowed = clamped.network.project(target)
            return tuple(new if index in moving else old for index, (old, new) in enumerate(zip(point, allowed, strict=True)))

        stepped = inside(tuple(p + v for p, v in zip(point, velocity, strict=True)))
        image = inside(tuple(p + beside(memory.size, v) * v for p, v in zip(point, velocity, strict=True)))
        size, clock, least, age, still = self._pace(memory, image, largest_change(point, stepped).detach(), velocity)
        if self.momentum is None:
            weight = (memory.clock - 1) / clock * ~still
            ahead = tuple(g + beside(weight, g) * (g - old) for g, old in zip(image, memory.image, strict=True))
        else:
            weight = self.momentum * (~still).to(size)
            ahead = tuple(g + beside(weight, g) * (p - old) for g, p, old in zip(image, point, memory.before, strict=True))
        motion = Motion(inside(ahead), point, image, size, clock, least, age)
        return image, flow_residual(point, stepped, clamped, phase), motion

    def _pace(self, memory: Motion, image: State, speed: Tensor, velocity: State) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the next step sizes, clocks, smallest speeds and their ages, and a mask of the samples whose motion is stopped."""
        # A move against the velocity climbs: the state has gone past the minimum.
        uphill = sum(total((g - old) * v).detach() for g, old, v in zip(image, memory.image, velocity, strict=True))
        still = torch.as_tensor(uphill < 0)
        size, least = memory.size, torch.minimum(memory.least, speed)
        age = torch.where(speed < memory.least, 0.0, memory.age + 1)
        if self.step_size is None:
            noise = _NOISE * torch.finfo(speed.dtype).eps
            unstable = ((speed > _GROWTH * memory.least) | (age > _PATIENCE)) & (speed > noise)
            size = torch.where(unstable, size / 2, size)
            least, age = torch.where(unstable, speed, least), torch.where(unstable, 0.0, age)
            still = still | unstable
        elif self.momentum is not None:
            still = torch.zeros_like(still)  # a heavy ball told how to roll does so
        # Nesterov's sequence; 1 begins it anew, without momentum.
        clock = torch.where(still, 1.0, (1 + (1 + 4 * memory.clock.square()).sqrt()) / 2)
        return size, clock, least, age, still

    @property
    def compiled(self) -> Dynamics | None:
        """Return None: no kernel belongs to these steps alone."""
        return None

    def reversed(self) -> Dynamics:
        """Return itself: there is no order."""
        return self


def largest_curvature(state: State, clamped: Clamped, phase: Phase = None) -> Tensor:
    r"""Estimate the largest eigenvalue of :math:`\kappa^{-1/2} (\partial^2 F/\partial s^2)\, \kappa^{-1/2}` from below, of shape (B,)."""
    roots = tuple(scale**0.5 for scale in clamped.network.unit_scales(clamped))
    product = hessian(clamped, state)
    pull = pull_of(phase, clamped, tuple(layer.detach() for layer in state))
    with torch.no_grad():
        # No sign pattern of the couplings is orthogonal to it but by accident; the same start for every sample keeps samples independent.
        vector = tuple(torch.ones_like(s) + 0.5 * torch.cos(torch.arange(s[0].numel()).to(s)).reshape(s.shape[1:]) for s in state)
        largest = torch.ones_like(total(state[0]))
        for _ in range(_PRODUCTS):
            norm = torch.stack([total(v.square()) for v in vector]).sum(0).sqrt()
            unit = tuple(v / beside(norm, v) for v in vector)
            image = product(tuple(v / root for v, root in zip(unit, roots, strict=True)))
            vector = tuple(h / root for h, root in zip(image, roots, strict=True))
            if pull is not None and pull.curvature > 0:
                vector = (*vector[:-1], vector[-1] + pull.curvature / roots[-1] ** 2 * unit[-1])
            largest = torch.stack([total(v.square()) for v in vector]).sum(0).sqrt()
        return torch.where(torch.isfinite(largest), largest, 1.0).clamp_min(torch.finfo(largest.dtype).eps)


def tuned(clamped: Clamped, state: State) -> Momentum:
    r"""Return the heavy ball that is fastest for a quadratic energy with the extreme curvatures measured at a state.

    In units of the stiffness, with extremes :math:`\mu` and L: :math:`h = 4/(\sqrt L + \sqrt\mu)^2` and momentum
    :math:`((\sqrt L - \sqrt\mu)/(\sqrt L + \sqrt\mu))^2`, which contract by the root of the latter a step (Polyak, 1964; recalled,
    verified numerically).

    Raises
    ------
    ConvergenceError
        If the state is not a minimum, or the curvature cannot be measured.
    """
    smallest, largest = extreme_eigenvalues(clamped, state, relative=True)
    if not smallest > 0:
        raise ConvergenceError(
            f"the smallest curvature is {smallest:.2g}, so there is no minimum to roll into; relax further or lower the gain"
        )
    high, low = largest**0.5, smallest**0.5
    return Momentum(4 / (high + low) ** 2, ((high - low) / (high + low)) ** 2)
