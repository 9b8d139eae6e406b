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
from contrastive_core.kernels.settling.elements.output_phase import Action
from contrastive_core.kernels.settling.elements.request import Contrasted
from contrastive_core.kernels.settling.one_hidden import contrast_cpu, kernel_cpu
from contrastive_core.network import Clamped
from contrastive_core.networks.activation import Clipped
from contrastive_core.networks.layered import Layered
from contrastive_core.types import State

Array = NDArray[Any]

NO_LABELS = np.empty(0, np.int64)
"""Where the pull is given."""

FEWEST_SAMPLES = 32
"""Fewest samples worth a thread of their own: below, waking it costs more than the samples."""


def settle_pair(
    network: Layered, clamped: Clamped, start: State | None, output_first: bool, stops: Sequence[Stop], action: Action
) -> list[Relaxation]:
    """Settle one phase per strength with the fused kernel.

    Parameters
    ----------
    network, clamped
        Network with one hidden layer that ``fused_depth`` finds, and its inputs.
    start : State, optional
        Where every phase starts. None puts a free phase from rest before the others, which start where it ends and visit the layers
        in the other order; the action's strengths then begin with one for it, which is not used.
    output_first : bool
        Whether a sweep of the first phase starts at the outputs.
    stops : sequence of Stop
        One per phase.
    action : Action
        What acts on the outputs.

    Returns
    -------
    list of Relaxation
        One per phase.
    """
    memory = PhaseArrays(clamped.drive.detach().contiguous().numpy(), len(action.strengths), network.sizes)
    if start is not None:
        memory.hidden[:], memory.output[:] = (layer.detach().numpy() for layer in start)
    pull = memory.output[0] if action.pull is None else action.pull.contiguous().numpy()
    parameters = (np.zeros(network.sizes[0], memory.drive.dtype), *parameters_of(network).arrays[1:])  # the drive has its bias
    run_pair(network, memory, parameters, pull, NO_LABELS, output_first, stops, action, start is None)
    return memory.relaxations()


class PhaseArrays:
    """The arrays that a call of the kernel writes: P phases of B samples. Arrays, because making a tensor takes as long as ten of them."""

    def __init__(self, drive: Array, phases: int, sizes: Sequence[int]) -> None:
        shape, real = (phases, len(drive)), drive.dtype
        self.drive = drive
        self.hidden, self.output = (np.empty((*shape, size), real) for size in sizes)
        self.steps, self.residual, self.status = np.empty(shape, np.int64), np.empty(shape, real), np.empty(shape, np.int8)

    def results(self) -> tuple[Array, ...]:
        """Return what the kernel overwrites, in its order."""
        return self.hidden, self.output, self.steps, self.residual, self.status

    def relaxations(self) -> list[Relaxation]:
        """Return one relaxation per phase."""
        tensor = torch.from_numpy
        return [
            Relaxation((tensor(s1), tensor(s2)), tensor(steps), tensor(residual), tensor(status))
            for s1, s2, steps, residual, status in zip(*self.results(), strict=True)
        ]


def run_pair(
    network: Layered,
    memory: PhaseArrays,
    parameters: tuple[Array, Array, Array],
    pull: Array,
    labels: Array,
    output_first: bool,
    stops: Sequence[Stop],
    action: Action,
    from_rest: bool,
) -> None:
    """Run the kernel on memory, in place.

    Parameters
    ----------
    network, output_first, stops, action
        As in :func:`settle_pair`.
    memory : PhaseArrays
        Its results are overwritten; from a start, they hold it.
    parameters : arrays of shape (n,), (n, k) and (k,)
        What the drive lacks, and weights and bias of the outputs.
    pull : array of shape (B, k)
        Of the action; not read where there are labels.
    labels : array of shape (B,) or (0,)
        Classes.
    from_rest : bool
        Whether the first phase is a free one from rest.
    """
    given = memory.drive
    low, high = (cast(Clipped, activation) for activation in network.activations)
    schedule = _as_arrays(action.strengths, tuple(stops), given.dtype)
    numbers = (action.curvature, network.stiffness[1], network.energy_scale, low.low, low.high, high.low, high.high)
    arguments: tuple[Any, ...] = (
        given, parameters, pull, labels, memory.results(), numbers, int(action.kind), output_first, schedule, from_rest,
    )  # fmt: skip
    _in_threads(lambda first, last: kernel_cpu.settle_pair(first, last, *arguments), len(given))


def estimate_pair(
    network: Layered,
    inputs: Tensor,
    labels: Tensor,
    output_first: bool,
    stops: Sequence[Stop],
    action: Action,
    signs: Sequence[int],
    factor: float,
) -> Contrasted | None:
    """Settle from rest and contrast, with as little as possible around the kernels.

    Parameters
    ----------
    network : Layered
        As in :func:`settle_pair`.
    inputs : Tensor of shape (B, n_in)
        Of the dtype of the network.
    labels : Tensor of shape (B,)
        Classes.
    output_first, stops, action
        As in :func:`settle_pair`, from rest; the pull is made of the labels.
    signs : sequence of int
        Of the phases after the free one, which stands in for a sign that is not there.
    factor : float
        Of the contrast of the mean energies' gradients.

    Returns
    -------
    Contrasted, optional
        None where a sample diverged or the batch makes no sense.
    """
    sizes, num_samples = network.sizes, len(inputs)
    weight, arrays, _ = parameters_of(network)
    drive = torch.mm(inputs, weight).numpy()  # the kernel adds the bias, in passing
    memory, classes = PhaseArrays(drive, len(stops), sizes), labels.numpy()
    run_pair(network, memory, arrays, memory.output[0], classes, output_first, stops, action, True)
    plus, minus = (1 + signs.index(sign) if sign in signs else 0 for sign in (1, -1))
    scale, scale_out = (-factor * stiffness / num_samples for stiffness in network.stiffness)
    change, bias, weight_out, bias_out = (np.empty(shape, drive.dtype) for shape in ((num_samples, sizes[0]), sizes[0], sizes, sizes[1]))
    hidden, output = memory.hidden, memory.output
    well = contrast_cpu.contrast_pair(
        drive, classes, memory.status, hidden[plus], hidden[minus], output[plus], output[minus], scale, scale_out,
        change, bias, weight_out, bias_out,
    )  # fmt: skip
    if not well:
        return None
    tensor = torch.from_numpy
    weight_in = torch.mm(inputs.t(), tensor(change))
    gradients = {"weight_1": weight_in, "bias_1": tensor(bias), "weight_2": tensor(weight_out), "bias_2": tensor(bias_out)}
    return gradients, memory.relaxations


@lru_cache(maxsize=16)
def _as_arrays(strengths: tuple[float, ...], stops: tuple[Stop, ...], real: np.dtype[Any]) -> tuple[Array, Array, Array]:
    """Return strengths, tolerances and budgets for the kernel, which reads them only: they are the same from batch to batch."""
    tolerances = np.array([-1.0 if stop.tolerance is None else stop.tolerance for stop in stops], real)
    return np.array(strengths, real), tolerances, np.array([stop.budget for stop in stops])


class Parameters(NamedTuple):
    """The parameters of a network without a gradient, on the same memory.

    Attributes
    ----------
    weight : Tensor of shape (n_in, n)
        From the inputs.
    arrays : arrays of shape (n,), (n, k) and (k,)
        The other three: bias of the hidden units, weights and bias of the outputs.
    places : list
        Where they lie.
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
        With one hidden layer.

    Returns
    -------
    :class:`Parameters`
        Those that it has now, however they came to be.
    """
    weight, *others = given = network.weight(0), network.bias(0), network.weight(1), network.bias(1)
    places: list[object] = [(parameter.data_ptr(), parameter.stride()) for parameter in given]
    known = _KNOWN.get(network)
    if known is None or known.places != places:
        first, second, third = (parameter.detach().numpy() for parameter in others)
        known = _KNOWN[network] = Parameters(weight.detach(), (first, second, third), places)
    return known


def _in_threads(work: Callable[[int, int], None], num_samples: int) -> None:
    """Split samples into one range per thread, as many threads as torch uses, and wait for all."""
    num_threads = min(torch.get_num_threads(), num_samples // FEWEST_SAMPLES)
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
