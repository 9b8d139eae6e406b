"""The experiment ``relaxation``: how fast and how far a random layered network settles, without any learning."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from contrastive_core.dynamics import DYNAMICS
from contrastive_core.kernels import BACKEND_NAMES
from contrastive_core.networks import ACTIVATIONS
from experiments.commandline.markers import OneOf
from experiments.commandline.options import CommandOptions
from experiments.commandline.quantities import EnergyScale, Positive, PositiveFloat
from experiments.runs.forms import NUMBER
from experiments.trials.experiment import AMOUNT, SHARE, Experiment, Metric, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from contrastive_core.dynamics.base import Dynamics
    from contrastive_core.network import Clamped
    from contrastive_core.phases import Phase
    from contrastive_core.types import State


class RelaxationOptions(CommandOptions):
    """A random network, random inputs and how it relaxes.

    Attributes
    ----------
    inputs, hidden, outputs, activation, energy_scale, gain, radius
        Network.
    samples, input_scale
        Inputs, normal around 0.
    dynamics, tolerance, budget, backend
        Relaxation from the response to no input.
    trajectory
        Whether to keep energy and residual at every step.
    """

    inputs: Positive = Field(16, description="Number of input units.")
    hidden: tuple[Positive, ...] = Field((32,), description="Number of units in each hidden layer, from the inputs up, such as 32,32.")
    outputs: Positive = Field(8, description="Number of output units.")
    activation: Annotated[str, OneOf("activation", ACTIVATIONS)] = Field("tanh", description="Activation function of the hidden layers.")
    energy_scale: EnergyScale = Field(
        1.0, description="Ratio of feedback to forward coupling between neighbouring layers, above 0 and at most 1."
    )
    gain: PositiveFloat = Field(0.7, description="Size of the weights, which are uniform in +-gain/sqrt(fan-in).")
    radius: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Factor per sweep by which block descent contracts at weak inputs, set through couplings and biases; near 1 is "
        "critical.",
    )
    samples: Positive = Field(8, description="Number of inputs that relax.")
    input_scale: PositiveFloat = Field(1.0, description="Standard deviation of the inputs.")
    dynamics: Annotated[str, OneOf("dynamics", DYNAMICS)] = Field("forward", description="Dynamics of the relaxation.")
    tolerance: Annotated[float, Field(ge=0)] = Field(1e-6, description="Residual at which a sample stops.")
    budget: Positive = Field(200, description="Largest number of sweeps.")
    backend: Annotated[str, OneOf("backend", BACKEND_NAMES)] = Field(
        "auto",
        description="Implementation: a compiled kernel (numba, cuda), convolutions kept until something moves (cached), the reference "
        "(torch), or the fastest that covers the case (auto).",
    )
    trajectory: bool = Field(False, description="Keep energy and residual of every sample at every step.")


METRICS = {
    "steps": Metric("mean number of sweeps until a sample stopped", "sweep", bounds=AMOUNT),
    "most_steps": Metric("largest number of sweeps of any sample", "sweep", bounds=AMOUNT),
    "seconds": Metric("time until all samples had stopped", "second", timing=True, bounds=AMOUNT),
    "cpu_seconds": Metric("processor time until then", "second", timing=True, bounds=AMOUNT),
    "contraction": Metric(
        "factor per sweep by which block descent contracts at the equilibria, where a radius was asked for", bounds=AMOUNT
    ),
    "residual": Metric("largest undamped change of any unit in the last sweep", bounds=AMOUNT),
    "unconverged": Metric("share of samples that did not reach the tolerance", bounds=SHARE),
    "energy": Metric("mean energy per sample at the end", form=NUMBER),
    "energy_decrease": Metric("mean decrease of the energy from start to end", form=NUMBER),
}


def trial(options: RelaxationOptions, seed: int) -> Outcome:
    """Draw a network and inputs, and let the states relax.

    Parameters
    ----------
    options : RelaxationOptions
        All options but the seed.
    seed : int
        Seed of weights and inputs.

    Returns
    -------
    Outcome
        With the metrics of ``METRICS``; as arrays those of :func:`trajectory` if a trajectory is wanted.
    """
    import torch

    from contrastive_core.certificate import Status, Stop
    from contrastive_core.dynamics.block_descent import BlockDescent
    from contrastive_core.dynamics.contraction import set_radius, spectral_radius
    from contrastive_core.generators import generator_of
    from contrastive_core.networks.layered import Layered
    from contrastive_core.relaxation.relax import relax, require_finite

    sizes = (options.inputs, *options.hidden, options.outputs)
    network = Layered(
        sizes,
        activation=ACTIVATIONS[options.activation],
        energy_scale=options.energy_scale,
        gain=options.gain,
        generator=generator_of(seed, 0),
        dtype=torch.float64,
    )
    inputs = options.input_scale * torch.randn(options.samples, options.inputs, generator=generator_of(seed, 1), dtype=torch.float64)
    if options.radius is not None:
        set_radius(network, options.radius)
    with torch.no_grad():
        clamped = network.clamp(inputs)
        start, dynamics, stop = network.initial_state(clamped), DYNAMICS[options.dynamics](), Stop(options.tolerance, options.budget)
        relax(clamped, start, dynamics, Stop(None, 5), backend=options.backend)  # compiles and loads what there is to
        clock, cpu_clock = time.perf_counter(), time.process_time()
        relaxed = relax(clamped, start, dynamics, stop, backend=options.backend)
        seconds, cpu_seconds = time.perf_counter() - clock, time.process_time() - cpu_clock
        require_finite(relaxed, "free")
        before, after = network.energy(start, clamped), network.energy(relaxed.state, clamped)
        arrays = trajectory(clamped, start, dynamics, int(relaxed.steps.max())) if options.trajectory else {}
    metrics = {
        "steps": float(relaxed.steps.double().mean()),
        "most_steps": int(relaxed.steps.max()),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "contraction": None if options.radius is None else spectral_radius(BlockDescent(), clamped, relaxed.state),
        "residual": float(relaxed.residual.max()),
        "unconverged": float((relaxed.status != int(Status.CONVERGED)).double().mean()),
        "energy": float(after.mean()),
        "energy_decrease": float((before - after).mean()),
    }
    return Outcome(metrics, arrays=arrays)


def trajectory(clamped: Clamped, state: State, dynamics: Dynamics, steps: int) -> dict[str, Any]:
    """Relax once more, step by step, and record energy and residual; samples that had stopped continue.

    Parameters
    ----------
    clamped : Clamped
        Network with its inputs held.
    state : State
        Start state.
    dynamics : Dynamics
        Dynamics to follow.
    steps : int
        Number of steps.

    Returns
    -------
    dict of str to ndarray of shape (steps, samples)
        ``energy`` and ``residual`` after every step, and ``change_l``, the largest change of a unit of block l in the step.
    """
    import torch

    generator = torch.Generator().manual_seed(0) if dynamics.noisy else None
    traces: dict[str, list[torch.Tensor]] = {}
    for moved, residual in followed(clamped, state, dynamics, steps, generator=generator):
        now = {"energy": clamped.network.energy(moved, clamped), "residual": residual}
        now |= {f"change_{i}": (new - old).abs().flatten(1).amax(1) for i, (old, new) in enumerate(zip(state, moved, strict=True), 1)}
        state = moved
        for name, value in now.items():
            traces.setdefault(name, []).append(value.detach())
    return {name: torch.stack(values).numpy() for name, values in traces.items()}


def followed(
    clamped: Clamped, state: State, dynamics: Dynamics, steps: int, phase: Phase = None, generator: torch.Generator | None = None
) -> Iterator[tuple[State, torch.Tensor]]:
    """Yield the state after each step of a dynamics, and the residual of the step.

    Parameters
    ----------
    clamped, state, dynamics, steps
        Same as in :func:`trajectory`.
    phase : Nudge, Hold or None
        Action besides the inputs; None is the free phase.
    generator : torch.Generator, optional
        Source of noise, for dynamics that have any.
    """
    memory = None
    for _ in range(steps):
        state, residual, memory = dynamics.advance(state, memory, clamped, phase, generator)
        yield state, residual


EXPERIMENT = Experiment(RelaxationOptions, trial, METRICS, headline=("steps", "energy_decrease"))
