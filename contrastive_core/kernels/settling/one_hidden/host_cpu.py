"""Host side of the fused kernel: networks with one hidden layer and few outputs, several phases in one call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

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
    memory, arguments = _prepared(clamped, dynamics, stops, action)
    if start is not None:
        memory.hidden[:], memory.output[:] = (layer.detach().numpy() for layer in start)
    _settle(*arguments, start is None, False)
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
    stops, action = (Stop(None, 0), *[stop] * len(action.strengths)), action._replace(strengths=(0.0, *action.strengths))
    memory, arguments = _prepared(clamped, dynamics, stops, action)
    memory.hidden[0], memory.output[0] = (layer.detach().numpy() for layer in free)
    _settle(*arguments, False, True)
    return memory.ended()[1]


def _prepared(clamped: Clamped, dynamics: BlockDescent, stops: Sequence[Stop], action: Action) -> tuple[PhaseArrays, tuple[Any, ...]]:
    """Return memory for the phases, and arguments of the kernel with the bias of the first layer in the drive."""
    network = cast(Layered, clamped.network)
    memory = PhaseArrays(clamped.drive.detach().contiguous().numpy(), len(stops), network.sizes)
    parameters = (np.zeros(network.sizes[0], memory.drive.dtype), *_arrays(network)[1:])
    pull = memory.output[0] if action.pull is None else action.pull.contiguous().numpy()
    return memory, (memory.drive, parameters, pull, NO_LABELS, memory.results(), *_constants(network, dynamics, stops, action))


class PhaseArrays:
    """Arrays that a call of the kernel writes, for P phases of B samples; making a tensor takes as long as making ten arrays."""

    def __init__(self, drive: Array, phases: int, sizes: Sequence[int]) -> None:
        shape, real = (phases, len(drive)), drive.dtype
        self.drive = drive
        self.hidden, self.output = np.empty((*shape, sizes[0]), real), np.empty((*shape, sizes[1]), real)
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


class PairEstimate:
    """Relaxation from rest and contrast of networks with one hidden layer, with as little as possible in a call besides kernels.

    The products before and after leave nothing in the cache, so that whatever a call touches has to come back: at 32 samples, working out
    in Python what stays the same from batch to batch takes longer than all of the relaxation.

    Parameters
    ----------
    network : Layered
        Network with one hidden layer that ``fused_depth`` finds.
    settings : FromRest
        Phases, and how they are relaxed and contrasted.
    """

    def __init__(self, network: Layered, settings: FromRest) -> None:
        dynamics, free, second, cost, strengths, signs, factor = settings
        stops, action = (free, *[second] * len(strengths)), live_action(cost, (0.0, *strengths))
        self.sizes, self.num_phases = network.sizes, len(stops)
        self.weight, self.arrays = network.weight(0).detach(), _arrays(network)
        self.constants = _constants(network, cast(BlockDescent, dynamics), stops, action)
        # A side that is not run stays at the free state.
        self.sides = tuple(1 + signs.index(sign) if sign in signs else 0 for sign in (1, -1))
        self.factors = tuple(-factor * stiffness for stiffness in network.stiffness)

    def __call__(self, network: Layered, batch: Batch) -> Contrasted | None:
        """Estimate the gradient of a batch.

        Parameters
        ----------
        network : Layered
            Network that the estimate was made for, its parameters where they were.
        batch : Batch
            Inputs of shape (B, n_in), of the dtype of the network, and classes of shape (B,).

        Returns
        -------
        Contrasted, optional
            None if a sample diverged or the batch makes no sense.
        """
        inputs, tensor, (width, count) = batch.inputs, torch.from_numpy, self.sizes
        drive = torch.mm(inputs, self.weight).numpy()  # the kernel adds the bias, in passing
        memory, samples, real = PhaseArrays(drive, self.num_phases, self.sizes), len(drive), drive.dtype
        change, bias, weight_out, bias_out = (np.empty(shape, real) for shape in ((samples, width), width, (width, count), count))
        settled = (drive, self.arrays, memory.output[0], batch.labels.numpy(), memory.results(), *self.constants, True, True)
        left = 0 if in_threads(settled) else samples  # alone, this thread settles and contrasts in one call
        if not contrast_cpu.settle_and_contrast(left, settled, self.sides, self.factors, change, bias, weight_out, bias_out):
            return None
        # Inputs are the same in both states, and only the change of the hidden units is left of their contrast.
        weight_in = torch.mm(inputs.t(), tensor(change))
        return {"weight_1": weight_in, "bias_1": tensor(bias), "weight_2": tensor(weight_out), "bias_2": tensor(bias_out)}, memory.ended


def _constants(network: Layered, dynamics: BlockDescent, stops: Sequence[Stop], action: Action) -> tuple[Any, ...]:
    """Return the arguments of the kernel that stay the same from batch to batch: numbers, phase, order and schedule."""
    real = network.bias(0).detach().numpy().dtype
    low, high = (cast(Clipped, activation) for activation in network.activations)
    numbers = (action.curvature, network.stiffness[1], network.energy_scale, low.low, low.high, high.low, high.high)
    tolerances = np.array([-1.0 if stop.tolerance is None else stop.tolerance for stop in stops], real)
    schedule = (np.array(action.strengths, real), tolerances, np.array([stop.budget for stop in stops]))
    return numbers, int(action.kind), dynamics.groups(2)[0][0] == 1, schedule


def _arrays(network: Layered) -> tuple[Array, ...]:
    """Return the bias of the hidden units, weights and bias of the outputs: (n,), (n, k) and (k,), on the memory of the parameters."""
    return tuple(parameter.detach().numpy() for parameter in (network.bias(0), network.weight(1), network.bias(1)))


def _settle(*arguments: Any) -> None:
    """Settle all samples with the kernel."""
    if not in_threads(arguments):
        kernel_cpu.settle_pair(0, len(arguments[0]), *arguments)


def in_threads(arguments: tuple[Any, ...]) -> bool:
    """Settle one range of samples in each thread, and wait for all; False if there is work for one thread only, and nothing was done.

    Parameters
    ----------
    arguments : tuple
        Arguments of the kernel after the range, drive first.
    """
    # Samples do not act on each other, so that ranges of them may run at once. Unless told otherwise, torch's setting is the user's wish.
    num_samples = len(arguments[0])
    num_threads = min(chosen_threads() or torch.get_num_threads(), num_samples // FEWEST_SAMPLES)
    if num_threads <= 1:
        return False
    bounds = np.linspace(0, num_samples, num_threads + 1).astype(int).tolist()
    pool = _pool(os.getpid(), num_threads - 1)
    others = [pool.submit(kernel_cpu.settle_pair, first, last, *arguments) for first, last in pairwise(bounds[1:])]
    kernel_cpu.settle_pair(bounds[0], bounds[1], *arguments)  # this thread takes its share, and so needs no waking
    for other in others:
        other.result()
    return True


@cache
def _pool(process: int, num_threads: int) -> ThreadPoolExecutor:
    """Return the threads of this process; keyed by it, because a forked one inherits the object without the threads."""
    return ThreadPoolExecutor(num_threads, thread_name_prefix="eqlab-settle")
