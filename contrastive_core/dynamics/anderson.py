"""Anderson acceleration of a plain dynamics, with a safeguard that keeps it from falling behind."""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor

from contrastive_core.dynamics.base import Dynamics, is_joint, moving_blocks
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Clamped
from contrastive_core.per_sample import flatten, unflatten
from contrastive_core.phases import Phase
from contrastive_core.types import State

_PAUSE = 10
"""Plain steps after a leap that did not help: at most a tenth of the steps is wasted."""
_LEAST_FALL = 0.95
"""Factor per leap by which the residual has to fall, even where plain steps are slower: leaps along a plateau lead nowhere."""
_FAST = 0.4
"""Factor per plain step at and below which there is no leap: plain steps that fall so fast end soon by themselves."""
_ROUNDINGS = 8
"""Roundings of the state within which differences of residuals are noise."""


class Trail(NamedTuple):
    """Memory of Anderson acceleration for each sample; N is the number of units of all layers, m the window.

    Attributes
    ----------
    point : Tensor of shape (B, N)
        Point at which the next plain step is taken.
    leapt : Tensor of shape (B,)
        Whether that point is not the last image.
    image, change : Tensor of shape (B, N)
        End of the last plain step that counts, and its displacement.
    residual : Tensor of shape (B,)
        Residual of that step; infinite before the first.
    ratio, rate : Tensor of shape (B,)
        Factor by which the last step that was no leap lowered the residual, and the larger one of the last two.
    bound : Tensor of shape (B,)
        Residual that plain steps at this rate would have reached by now, since the last of them.
    images, changes : Tensor of shape (B, m, N)
        Differences of successive images and changes.
    filled : Tensor of shape (B, m)
        Whether a difference is there.
    pause : Tensor of shape (B,)
        Plain steps still to be taken before the next leap.
    slot : int
        Index of the oldest difference.
    """

    point: Tensor
    leapt: Tensor
    image: Tensor
    change: Tensor
    residual: Tensor
    ratio: Tensor
    rate: Tensor
    bound: Tensor
    images: Tensor
    changes: Tensor
    filled: Tensor
    pause: Tensor
    slot: int


@final
@typed()
@dataclass(frozen=True)
class Anderson(Dynamics):
    r"""Leaps to the point at which the last few plain steps, extrapolated linearly, leave no residual.

    With :math:`G` the plain step, :math:`f_k = G(p_k) - p_k`, and the differences :math:`\Delta F, \Delta G` of the last m steps,

    .. math:: p_{k+1} = G(p_k) - \Delta G\,\gamma, \qquad \gamma = \arg\min |f_k - \Delta F \gamma|^2 + \mu |D\gamma|^2,

    D the norms of the columns of :math:`\Delta F`: type II of Fang & Saad (2009), one problem per sample, or one for the batch where
    its rows are coupled. On a linear map it is equivalent to GMRES (Walker & Ni, 2011): a contraction by :math:`\rho` per
    step becomes one by about :math:`(1 - \sqrt{1-\rho})/(1 + \sqrt{1-\rho})` where its spectrum is real.

    A leap after which the residual is larger than before is taken back; and where leaps fall behind what plain steps at their last
    measured rate would have reached, the sample forgets its history and takes plain steps for a while. Where plain steps do not
    contract, or do so fast, or a leap would go against them, as at a saddle, there is none, and none in the first ``wait`` steps,
    which short relaxations end in. So near an equilibrium no more than one step and a tenth of them is wasted; far from one that is no
    theorem, but what is measured. Where the energy has several minima, leaps may end in another one than plain steps.

    Gradients through the steps treat :math:`\gamma` as constant, which is exact at the equilibrium. (Both papers recalled;
    formulas verified numerically.)

    Attributes
    ----------
    inner : Dynamics
        The plain step; one without a memory.
    window : int
        m, how many differences are kept.
    regularisation : float
        :math:`\mu`, not negative; a few roundings of the dtype are its least value.
    wait : int
        Plain steps before the first leap, not negative: what a first leap can waste is then at most a tenth too.
    """

    remembers: ClassVar[bool] = True
    inner: Dynamics = field(default_factory=BlockDescent)
    window: int = 5
    regularisation: float = 1e-10
    wait: int = _PAUSE

    def __post_init__(self) -> None:
        if self.inner.remembers:
            raise InputError(f"inner must be a plain dynamics, got {type(self.inner).__name__}; its memory and this one would interfere")
        if self.window < 1:
            raise InputError(f"window must be at least 1 step, got {self.window}; 5 is usual")
        if not 0 <= self.regularisation < float("inf"):
            raise InputError(f"regularisation must be finite and not negative, got {self.regularisation}; 1e-10 is usual")
        if self.wait < 0:
            raise InputError(f"wait must be 0 or more plain steps, got {self.wait}; {_PAUSE} is usual")

    def _begin(self, state: State) -> Trail:
        """Return a memory without any differences."""
        point = flatten(state)
        rows, width = point.shape
        no, zeros = torch.zeros(rows, dtype=torch.bool, device=point.device), point.new_zeros(rows, self.window, width)
        filled = no[:, None].expand(rows, self.window)
        never = point.new_full((rows,), torch.inf)
        return Trail(point, no, point, torch.zeros_like(point), never, never, never, never, zeros, zeros, filled, no.long() + self.wait, 0)

    def advance(
        self, state: State, memory: Trail | None, clamped: Clamped, phase: Phase = None, generator: torch.Generator | None = None
    ) -> tuple[State, Tensor, Trail]:
        """Take the plain step from the remembered point, accept or reject the leap that led there, and find the next point."""
        memory = self._begin(state) if memory is None else memory
        images, residual = self.inner.step(unflatten(memory.point, state), clamped, phase, generator)
        image = flatten(images)
        joint = is_joint(phase)
        size = residual.detach()
        if joint:
            size = size.max().expand_as(size)
        allowed = memory.bound * memory.rate.clamp_max(_LEAST_FALL)
        lost = memory.leapt & ~(size <= memory.residual)  # not a number counts as lost
        behind = memory.leapt & ~(size <= allowed)
        kept, change = ~lost, image - memory.point
        ratio = torch.where(torch.isfinite(memory.residual), size / memory.residual, torch.inf)
        here = torch.arange(self.window, device=image.device) == memory.slot  # (m,)
        trail = Trail(
            point=image,
            leapt=lost,
            image=torch.where(kept[:, None], image, memory.image),
            change=torch.where(kept[:, None], change, memory.change),
            residual=torch.where(kept, size, memory.residual),
            ratio=torch.where(memory.leapt, memory.ratio, ratio),
            rate=torch.where(memory.leapt, memory.rate, torch.maximum(ratio, memory.ratio)),
            bound=torch.where(memory.leapt, allowed, size),
            images=torch.where(here[:, None], (image - memory.image)[:, None, :], memory.images),
            changes=torch.where(here[:, None], (change - memory.change)[:, None, :], memory.changes).detach(),
            filled=torch.where(here, torch.isfinite(memory.residual)[:, None], memory.filled) & ~(lost | behind)[:, None],
            pause=torch.where(lost | behind, _PAUSE, (memory.pause - 1).clamp_min(0)),
            slot=(memory.slot + 1) % self.window,
        )
        noise = _ROUNDINGS * torch.finfo(image.dtype).eps * (1 + image.detach().abs().amax(1))
        may = (trail.pause == 0) & (trail.rate < 1) & (trail.ratio > _FAST) & (size > noise)
        point, leapt = self._leap(trail, may, joint, unflatten(trail.image, state), clamped, phase)
        returned = torch.where(kept, residual, memory.residual)
        return unflatten(trail.image, state), returned, trail._replace(point=point, leapt=leapt)

    def _leap(self, trail: Trail, may: Tensor, joint: bool, like: State, clamped: Clamped, phase: Phase) -> tuple[Tensor, Tensor]:
        """Return the next points, and a mask of those that are leaps: of samples that may leap and can."""
        gamma = mixture(trail.changes, trail.change.detach(), trail.filled, self.regularisation, joint=joint)
        target = unflatten(trail.image - torch.einsum("bm,bmn->bn", gamma, trail.images), like)
        inside = clamped.network.project(target)
        moving = moving_blocks(like, phase)
        point = flatten(tuple(new if index in moving else old for index, (new, old) in enumerate(zip(inside, like, strict=True))))
        ahead = ((point - trail.image) * trail.change).detach().sum(1)
        if joint:
            ahead = ahead.sum().expand_as(ahead)
        leapt = may & (ahead > 0) & torch.isfinite(point).all(1)  # backwards lies the saddle that plain steps come from
        return torch.where(leapt[:, None], point, trail.image), leapt

    @property
    def compiled(self) -> Dynamics | None:
        """Return None: no kernel belongs to these steps alone."""
        return None

    def reversed(self) -> Dynamics:
        """Return the acceleration of the reversed plain step."""
        return Anderson(self.inner.reversed(), self.window, self.regularisation, self.wait)


def mixture(changes: Tensor, change: Tensor, filled: Tensor, regularisation: float, *, joint: bool = False) -> Tensor:
    r"""Return the weights :math:`\gamma` that leave the least of a change, of shape (B, m).

    Parameters
    ----------
    changes : Tensor of shape (B, m, N)
        Differences of earlier changes.
    change : Tensor of shape (B, N)
        Change to be cancelled.
    filled : Tensor of shape (B, m)
        Whether a difference may be used; the others get weight 0.
    regularisation : float
        Tikhonov regularisation, relative to each difference's squared norm.
    joint : bool
        Whether the batch is one system, with one set of weights.
    """
    with torch.no_grad():
        columns = changes.detach() * filled[:, :, None]
        gram, right = columns @ columns.mT, columns @ change[:, :, None]  # (B, m, m), (B, m, 1)
        if joint:
            gram, right = gram.sum(0, keepdim=True).expand_as(gram), right.sum(0, keepdim=True).expand_as(right)
        norms = gram.diagonal(dim1=1, dim2=2).sqrt()
        scale = torch.where(norms > 0, 1 / norms, 0.0)  # (B, m); a difference of 0 has no say
        ridge = max(regularisation, 16 * torch.finfo(change.dtype).eps)
        matrix = scale[:, :, None] * gram * scale[:, None, :] + ridge * torch.eye(gram.shape[1]).to(gram)
        # Absent differences have the ridge alone on the diagonal and 0 on the right, so their weight is 0.
        solved, info = torch.linalg.solve_ex(matrix, scale[:, :, None] * right)
        gamma: Tensor = scale * solved[:, :, 0]
        return torch.where((info == 0)[:, None] & torch.isfinite(gamma), gamma, 0.0)
