"""Host side of the fused kernel: networks with one hidden layer and few outputs, several phases in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, cast
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive_core.certificate import Relaxation, Stop
from contrastive_core.dynamics.block_descent import BlockDescent
from contrastive_core.kernels.settling.elements.output_phase import Action, live_action
from contrastive_core.kernels.settling.elements.request import Contrasted, FromRest
from contrastive_core.kernels.settling.one_hidden import contrast_cpu, kernel_cpu
from contrastive_core.network import Clamped
from contrastive_core.networks.activation import Clipped
from contrastive_core.networks.layered import Layered
from contrastive_core.threads import chosen_threads
from contrastive_core.types import Batch, State

Array = NDArray[Any]

NO_LABELS = np.empty(0, np.int64)
"""Stands for the labels if the pull is given."""

FEWEST_SAMPLES = 32
"""Fewest samples worth a thread of their own: below, waking it costs more than the samples."""


def settle_pair(clamped: Clamped, start: State | None, dynamics: BlockDescent, stops: Sequence[Stop], action: Action) -> list[Relaxation]:
    """Settle one phase per strength with the fused kernel.

    Parameters
    ----------
    clamped : Clamped
        Network with one hidden layer that ``fused_depth`` finds, and its inputs.
    start : State, optional
        Start of every phase; None for rest.
    dynamics : BlockDescent
        Dynamics of the phases.
    stops : sequence of Stop
        One per phase.
    action : Action
        Action on the outputs, not through a readout.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    memory, parameters, pull = _prepared(clamped, len(stops), action)
    if start is not None:
        memory.hidden[:], memory.output[:] = (layer.detach().numpy() for layer in start)
    run_pair(cast(Layered, clamped.network), memory, parameters, pull, NO_LABELS, dynamics, stops, action, start is None, False)
    return memory.relaxations()


def displace_pair(clamped: Clamped, free: State, dynamics: BlockDescent, stop: Stop, action: Action) -> list[tuple[State, Relaxation]]:
    """Settle the displacements from a free state, one per strength, with the fused kernel.

    Parameters
    ----------
    clamped, free, dynamics, stop, action
        Same as in :func:`contrastive_core.kernels.settling.any_depth.host_cpu.displace_blocks`.

    Returns
    -------
    list of (State, Relaxation)
        Displacements, and the states that they lead to, per strength.
    """
    strengths = (0.0, *action.strengths)
    memory, parameters, pull = _prepared(clamped, len(strengths), action)
    memory.hidden[0], memory.output[0] = (layer.detach().numpy() for layer in free)
    stops, action = (Stop(None, 0), *[stop] * len(action.strengths)), action._replace(strengths=strengths)
    run_pair(cast(Layered, clamped.network), memory, parameters, pull, NO_LABELS, dynamics, stops, action, False, True)
    return memory.ended()[1]


def _prepared(clamped: Clamped, phases: int, action: Action) -> tuple[PhaseArrays, tuple[Array, Array, Array], Array]:
    """Return memory for the phases, the parameters with the bias of the first layer in the drive, and the pull."""
    network = cast(Layered, clamped.network)
    memory = PhaseArrays(clamped.drive.detach().contiguous().numpy(), phases, network.sizes)
    pull = memory.output[0] if action.pull is None else action.pull.contiguous().numpy()
    return memory, (np.zeros(network.sizes[0], memory.drive.dtype), *parameters_of(network).arrays[1:]), pull


class PhaseArrays:
    """Arrays that a call of the kernel writes, for P phases of B samples; making a tensor takes as long as making ten arrays."""

    def __init__(self, drive: Array, phases: int, sizes: Sequence[int]) -> None:
        shape, real = (phases, len(drive)), drive.dtype
        self.drive = drive
        self.hidden, self.output = (np.empty((*shape, size), real) for size in sizes)
        self.steps, self.residual, self.status = np.empty(shape, np.int64), np.empty(shape, real), np.empty(shape, np.int8)

    def results(self) -> tuple[Array, ...]:
        """Return what the kernel overwrites, in its order."""
        return self.hidden, self.output, self.steps, self.residual, self.status

    def relaxations(self) -> list[Relaxation]:
        """Return one relaxation per phase, displacements as they are."""
        tensor = torch.from_numpy
        return [
            Relaxation((tensor(s1), tensor(s2)), tensor(steps), tensor(residual), tensor(status))
            for s1, s2, steps, residual, status in zip(*self.results(), strict=True)
        ]

    def ended(self) -> tuple[Relaxation, list[tuple[State, Relaxation]]]:
        """Return the free relaxation, and the displacements from it with the states that they lead to."""
        free, *ends = self.relaxations()
        return free, [(end.state, end._replace(state=tuple(map(torch.add, free.state, end.state)))) for end in ends]


def run_pair(
    network: Layered,
    memory: PhaseArrays,
    parameters: tuple[Array, Array, Array],
    pull: Array,
    labels: Array,
    dynamics: BlockDescent,
    stops: Sequence[Stop],
    action: Action,
    from_rest: bool,
    displaced: bool,
) -> None:
    """Run the kernel on memory, in place.

    Parameters
    ----------
    network : Layered
        Network with one hidden layer.
    memory : PhaseArrays
        Drive and results; the latter are overwritten, and hold the start state unless phases start from rest.
    parameters : arrays of shape (n,), (n, k) and (k,)
        Bias that the drive lacks, and weights and bias of the outputs.
    pull : array of shape (B, k)
        Pull of the action; not read if there are labels.
    labels : array of shape (B,) or (0,)
        Classes.
    dynamics, stops, action
        Same as in :func:`settle_pair`.
    from_rest : bool
        Whether the first phase starts at rest.
    displaced : bool
        Whether the phases after the first, a free one, are displacements from its end.
    """
    given, output_first = memory.drive, dynamics.groups(2)[0][0] == 1
    low, high = (cast(Clipped, activation) for activation in network.activations)
    schedule = _as_arrays(action.strengths, tuple(stops), given.dtype)
    numbers = (action.curvature, network.stiffness[1], network.energy_scale, low.low, low.high, high.low, high.high)
    arguments: tuple[Any, ...] = (
        given, parameters, pull, labels, memory.results(), numbers, int(action.kind), output_first, schedule, from_rest, displaced,
    )  # fmt: skip
    _in_threads(lambda first, last: kernel_cpu.settle_pair(first, last, *arguments), len(given))


def estimate_pair(network: Layered, batch: Batch, settings: FromRest) -> Contrasted | None:
    """Settle from rest and contrast, with as little as possible around the kernels.

    Parameters
    ----------
    network : Layered
        Network with one hidden layer that ``fused_depth`` finds.
    batch : Batch
        Inputs of shape (B, n_in), of the dtype of the network, and classes of shape (B,).
    settings : FromRest
        Phases, live nudges by one cost of the batch's labels, and how they are relaxed and contrasted.

    Returns
    -------
    Contrasted, optional
        None if a sample diverged or the batch makes no sense.
    """
    dynamics, free, second, phases, signs, factor = settings
    sizes, inputs, num_samples = network.sizes, batch.inputs, len(batch.inputs)
    stops, action = (free, *[second] * len(phases)), live_action(phases, (0.0,))
    weight, arrays, _ = parameters_of(network)
    drive = torch.mm(inputs, weight).numpy()  # the kernel adds the bias, in passing
    memory, classes = PhaseArrays(drive, len(stops), sizes), batch.labels.numpy()
    run_pair(network, memory, arrays, memory.output[0], classes, cast(BlockDescent, dynamics), stops, action, True, True)
    hidden, output = memory.hidden, memory.output
    # A side that is not run stays at the free state: no displacement, and one row of zeros stands for all of its samples.
    sides = [[x[1 + signs.index(s)] if s in signs else np.zeros((1, x.shape[2]), drive.dtype) for x in (hidden, output)] for s in (1, -1)]
    scale, scale_out = (-factor * stiffness / num_samples for stiffness in network.stiffness)
    change, bias, weight_out, bias_out = (np.empty(shape, drive.dtype) for shape in ((num_samples, sizes[0]), sizes[0], sizes, sizes[1]))
    well = contrast_cpu.contrast_pair(
        drive, classes, memory.status, hidden[0], sides[0][0], sides[1][0], output[0], sides[0][1], sides[1][1], scale, scale_out,
        change, bias, weight_out, bias_out,
    )  # fmt: skip
    if not well:
        return None
    tensor = torch.from_numpy
    # Inputs are the same in both states, and only the change of the hidden units is left of their contrast.
    weight_in = torch.mm(inputs.t(), tensor(change))
    gradients = {"weight_1": weight_in, "bias_1": tensor(bias), "weight_2": tensor(weight_out), "bias_2": tensor(bias_out)}
    return gradients, memory.ended


@lru_cache(maxsize=16)
def _as_arrays(strengths: tuple[float, ...], stops: tuple[Stop, ...], real: np.dtype[Any]) -> tuple[Array, Array, Array]:
    """Return strengths, tolerances and budgets for the kernel, which only reads them; kept, as they stay the same from batch to batch."""
    tolerances = np.array([-1.0 if stop.tolerance is None else stop.tolerance for stop in stops], real)
    return np.array(strengths, real), tolerances, np.array([stop.budget for stop in stops])


class Parameters(NamedTuple):
    """The parameters of a network without a gradient, on the same memory.

    Attributes
    ----------
    weight : Tensor of shape (n_in, n)
        Weights from the inputs.
    arrays : arrays of shape (n,), (n, k) and (k,)
        The other three: bias of the hidden units, weights and bias of the outputs.
    places : list
        Addresses and strides of all four.
    """

    weight: Tensor
    arrays: tuple[Array, Array, Array]
    places: list[object]


_KNOWN: WeakKeyDictionary[Layered, Parameters] = WeakKeyDictionary()


def parameters_of(network: Layered) -> Parameters:
    """Return the parameters of a network with one hidden layer, as the kernels and products read them.

    Kept from call to call, because asking torch for them takes longer than a sweep of a batch: the products before and after leave
    nothing of torch in the cache. PhaseArrays that is held here is not given to anyone else, so equal addresses mean the same memory;
    a matrix may have been transposed on it, which its strides tell.

    Parameters
    ----------
    network : Layered
        Network with one hidden layer.

    Returns
    -------
    :class:`Parameters`
        Present parameters, however they came to be.
    """
    weight, *others = given = network.weight(0), network.bias(0), network.weight(1), network.bias(1)
    places: list[object] = [(parameter.data_ptr(), parameter.stride()) for parameter in given]
    known = _KNOWN.get(network)
    if known is None or known.places != places:
        first, second, third = (parameter.detach().numpy() for parameter in others)
        known = _KNOWN[network] = Parameters(weight.detach(), (first, second, third), places)
    return known


def _in_threads(work: Callable[[int, int], None], num_samples: int) -> None:
    """Split samples into one range per thread, and wait for all."""
    # Samples do not act on each other, so that ranges of them may run at once. Unless told otherwise, torch's setting is the user's wish.
    num_threads = min(chosen_threads() or torch.get_num_threads(), num_samples // FEWEST_SAMPLES)
    if num_threads <= 1:
        work(0, num_samples)
        return
    bounds = np.linspace(0, num_samples, num_threads + 1).astype(int).tolist()
    pool = _pool(os.getpid(), num_threads - 1)
    others = [pool.submit(work, first, last) for first, last in pairwise(bounds[1:])]
    work(bounds[0], bounds[1])  # this thread takes its share, and so needs no waking
    for other in others:
        other.result()


@cache
def _pool(process: int, num_threads: int) -> ThreadPoolExecutor:
    """Return the threads of this process; keyed by it, because a forked one inherits the object without the threads."""
    return ThreadPoolExecutor(num_threads, thread_name_prefix="eqlab-settle")
