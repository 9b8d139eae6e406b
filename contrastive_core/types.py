"""The values that flow between networks, dynamics and rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, final

from torch import Tensor

if TYPE_CHECKING:
    from contrastive_core.cost import Cost
    from contrastive_core.dynamics.base import Dynamics
    from contrastive_core.network import Network

State = tuple[Tensor, ...]
"""One (B, n) tensor per free layer, input side first."""

Gradients = dict[str, Tensor]
"""A tensor per parameter, keyed and shaped as ``network.named_parameters()``."""


class Batch(NamedTuple):
    """Samples presented together.

    Attributes
    ----------
    inputs : Tensor of shape (B, n_in)
        What the input layer is clamped to.
    labels : Tensor of shape (B,) or (B, n_out)
        Class indices (int64), or real-valued targets.
    instances : Tensor of shape (B,), optional
        Ids shared by the views of one sample (int64), for costs that couple rows. A number of the sample in its data set where
        something is remembered per sample.
    views : Tensor of shape (B,), optional
        Which view of its sample each row is (int64); None numbers the rows of a sample in the order in which they stand.
    extras : mapping of str to Tensor, optional
        What else an objective declares that it needs: a queue, prototypes, temperatures, a second network's outputs.
    held : Tensor of shape (B, n_out), optional
        The outputs at which an objective evaluates what carries no gradient (codes, weights, selected pairs); None means the
        outputs at hand.
    start : State, optional
        Where free phases start, for rules that settle; None is at rest.
    """

    inputs: Tensor
    labels: Tensor
    instances: Tensor | None = None
    views: Tensor | None = None
    extras: Mapping[str, Tensor] | None = None
    held: Tensor | None = None
    start: State | None = None


class Clamped(NamedTuple):
    """A network with its inputs held fixed.

    Attributes
    ----------
    network : Network
        The network itself.
    inputs : Tensor of shape (B, n_in)
        The clamped inputs.
    drive : Tensor of shape (B, n_1)
        What the inputs contribute to the first free layer, computed once for all phases: it does not change while the
        inputs are clamped, and it is most of the multiplications of a sweep. Of shape (B, 2 n_1), one component after the other,
        where units feel a field in a plane.
    load : Tensor of shape (n_1,), optional
        What the inputs add to the stiffness of the first free layer, in networks where they do: in a circuit the drive is the
        current, and the load the conductance, of the sources seen from the layer.
    """

    network: Network
    inputs: Tensor
    drive: Tensor
    load: Tensor | None = None


class Ladder(NamedTuple):
    r"""A quadratic energy whose layers act on their neighbours, each unit in a box of its own.

    .. math:: E = \sum_l \left[ \tfrac12\, d_l \cdot s_l^2 - b_l \cdot s_l - s_{l-1} K_l s_l \right] + \mathrm{const},
        \qquad low_l \le s_l \le high_l.

    Attributes
    ----------
    drives : tuple of Tensor
        :math:`b_l`: of shape (B, n_1) for the first layer, with what the inputs contribute, and (n_l,) for the others.
    curvatures : tuple of Tensor of shape (n_l,)
        :math:`d_l`, positive.
    couplings : tuple of Tensor of shape (n_{l-1}, n_l)
        :math:`K_l` of every free layer but the first.
    lows, highs : tuple of Tensor of shape (n_l,)
        The boxes, infinite where there is no bound.
    """

    drives: tuple[Tensor, ...]
    curvatures: tuple[Tensor, ...]
    couplings: tuple[Tensor, ...]
    lows: tuple[Tensor, ...]
    highs: tuple[Tensor, ...]


class Dissipation(NamedTuple):
    """What a circuit turns into heat, and how fast its nodes are; by the parameter that holds the conductances.

    Sources, amplifiers and nudges are what delivers the power, and no part of it.

    Attributes
    ----------
    heat : dict of str to Tensor of shape (B,)
        Watts in the resistors, and in the diodes of the nodes above them.
    nodes : dict of str to Tensor of shape (n,)
        Siemens of all resistors that each node above them sees, through amplifiers too.
    """

    heat: dict[str, Tensor]
    nodes: dict[str, Tensor]


class Nudge(NamedTuple):
    r"""A phase in which ``strength`` times the cost is added to the energy.

    Attributes
    ----------
    cost : Cost
        The cost :math:`C`.
    batch : Batch
        The samples that the cost compares the output with.
    strength : float
        :math:`\beta`, of any sign but not 0.
    frozen : Tensor of shape (B, n_out), optional
        :math:`\partial C/\partial o` at the free state, held constant; None lets it follow the state.
    """

    cost: Cost
    batch: Batch
    strength: float
    frozen: Tensor | None = None


class Hold(NamedTuple):
    """A phase in which the output layer is held at a value and only the other layers relax.

    Attributes
    ----------
    output : Tensor of shape (B, n_out)
        The value that the output layer is held at.
    """

    output: Tensor


Phase = Nudge | Hold | None
"""What acts on the network besides its inputs; None is the free phase."""


class Pull(NamedTuple):
    r"""What a nudge does to the last layer, as a local quadratic model of the nudged cost.

    :math:`\beta C(o') \approx -\,\mathrm{linear} \cdot o' + \tfrac12\, \mathrm{curvature}\, |o'|^2`, with the right gradient at
    the present state. On hardware, ``linear`` is a current and ``curvature`` a conductance.

    Attributes
    ----------
    linear : Tensor of shape (B, n)
        Constant part of the force on the last layer.
    curvature : float
        Stiffness added to the last layer.
    """

    linear: Tensor
    curvature: float


class Stop(NamedTuple):
    """When a relaxation ends.

    Attributes
    ----------
    tolerance : float, optional
        A sample stops once its residual is at most this; None runs the whole budget.
    budget : int
        The largest number of steps.
    unstable : bool
        Whether to step even where the energy has no minimum, instead of reporting that nothing can settle there: a circuit read after so
        many steps has a state in any case, and with a tolerance none is ever reached.
    """

    tolerance: float | None = 1e-3
    budget: int = 100
    unstable: bool = False


class Status(IntEnum):
    """How a sample's relaxation ended."""

    CONVERGED = 0
    """Its residual reached the tolerance."""
    BUDGET = 1
    """It used up its steps before (always so when there is no tolerance)."""
    DIVERGED = 2
    """Its state is not finite, or its energy has no minimum at this strength."""


class Relaxation(NamedTuple):
    """A state and the certificate of how well it has relaxed.

    Attributes
    ----------
    state : State
        Where the relaxation ended.
    steps : Tensor of shape (B,)
        Steps that each sample took (int64).
    residual : Tensor of shape (B,)
        The largest undamped change over each sample's units in its last step; 0 at an equilibrium.
    status : Tensor of shape (B,)
        A :class:`Status` per sample (int8).
    """

    state: State
    steps: Tensor
    residual: Tensor
    status: Tensor


@final
class Deferred(Mapping[str, Relaxation]):
    """Relaxations by name, made when they are first asked for: who wants a gradient only need not wait for them.

    Parameters
    ----------
    names : sequence of str
        In order.
    make : callable
        Returns one relaxation per name; called once.
    """

    def __init__(self, names: Sequence[str], make: Callable[[], Sequence[Relaxation]]) -> None:
        self._names, self._make = names, make

    @cached_property
    def _made(self) -> dict[str, Relaxation]:
        return dict(zip(self._names, self._make(), strict=True))

    def __getitem__(self, name: str) -> Relaxation:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Estimate(NamedTuple):
    """What a rule makes of a batch.

    Attributes
    ----------
    gradients : Gradients
        The estimated gradient of the mean cost.
    relaxations : mapping of str to Relaxation
        Every phase that was run, by name and in order; "free" is always there.
    """

    gradients: Gradients
    relaxations: Mapping[str, Relaxation]


class FromRest(NamedTuple):
    """Phases to relax, the free one from rest and the others from its end, blocks in reverse order, and to contrast.

    Attributes
    ----------
    dynamics : Dynamics
        Of the free phase.
    free, second : Stop
        Of the free phase, and of the others.
    phases : sequence of Nudge, Hold or None
        What acts besides the inputs in each phase after the free one.
    signs : tuple of int
        1 or -1 for each of them; the free phase stands in for a sign that is not there.
    factor : float
        Of the difference of the mean energies' gradients.
    """

    dynamics: Dynamics
    free: Stop
    second: Stop
    phases: Sequence[Phase]
    signs: tuple[int, ...]
    factor: float


Contrasted = tuple[Gradients, Callable[[], list[Relaxation]]]
"""A gradient, and what makes the relaxations that it came from, the free one first."""
