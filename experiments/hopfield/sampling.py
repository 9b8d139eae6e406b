"""Common parts of the commands on multitasking networks: options, sources of patterns, sampling, and the verdict on theory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from contrastive_core.data import DATASETS
from contrastive_core.errors import ConvergenceError, InputError
from experiments.commandline.markers import OneOf
from experiments.commandline.options import CommandOptions
from experiments.commandline.quantities import Positive
from experiments.commandline.sections import Section

if TYPE_CHECKING:
    from hebbian.arrays import Entries, Floats
    from hebbian.multitasking import Multitasking
    from hebbian.theory.branches import Branch
    from hebbian.theory.mean_field import MeanField

Images = Annotated[str, OneOf("data set", DATASETS)]


ROUNDING = 1e-12
"""Standard errors up to which an overlap counts as frozen: its chains never change, and sums of equal numbers round."""
PATTERNS = Section("Network and patterns", 10)
SAMPLING = Section("Equilibrium and its sampling", 20)


class SpinOptions(CommandOptions):
    """A network of diluted patterns and how it is sampled.

    Attributes
    ----------
    size, convention, sampler, chains, sweeps, burn_in
        The network's size and units, and the Monte Carlo at equilibrium.
    """

    size: Annotated[Positive, PATTERNS] = Field(10_000, description="Number of spins.")
    convention: Annotated[Literal["raw", "normalized"], SAMPLING] = Field(
        "raw", description="Units of couplings and temperatures, in which the critical one is 1 - dilution (raw) or 1 (normalized)."
    )
    sampler: Annotated[Literal["block", "lumped", "glauber", "glauber-fixed", "metropolis", "glauber-lanes"], SAMPLING] = Field(
        "block", description="Algorithm that samples the equilibrium; at T = 0 spins descend instead."
    )
    chains: Annotated[Positive, SAMPLING] = Field(8, description="Number of independent Markov chains.")
    sweeps: Annotated[int, SAMPLING] = Field(400, ge=10, description="Number of recorded sweeps per chain.")
    burn_in: Annotated[int, SAMPLING] = Field(100, ge=0, description="Number of sweeps per chain before recording starts.")


def ground_state(branches: list[Branch]) -> Branch:
    """Return the first of the stable states.

    Raises
    ------
    ConvergenceError
        If there is none.
    """
    if not branches:
        raise ConvergenceError(
            "no stable state was found: at T = 0 ties can leave none, and overlaps below 1e-6 count as 0; "
            "take a small positive temperature or a smaller dilution"
        )
    return branches[0]


def image_patterns(name: str, count: int, data_dir: Path | None) -> Entries:
    """Return binarised training images as patterns: the first of every class, then the second of every class, and so on.

    Parameters
    ----------
    name : str
        Name of a data set.
    count : int
        Number of images.
    data_dir : Path or None
        Folder with the files of the data set; None is the download cache.

    Returns
    -------
    ndarray of int8, shape (count, pixels)
        1 where a pixel is brighter than half of the range, -1 elsewhere.

    Raises
    ------
    InputError
        If there are fewer images.
    """
    import numpy as np

    from contrastive_core.data.splits import require_classes
    from hebbian.patterns import binarise_images

    train = require_classes(DATASETS[name](data_dir, 0), name).train
    labels = train.labels.numpy()
    if count > len(labels):
        raise InputError(f"{name} has {len(labels)} training images, fewer than the {count} patterns asked for")
    turn = np.empty(len(labels), np.int64)  # how many images of the same class come before
    for label in np.unique(labels):
        turn[labels == label] = np.arange((labels == label).sum())
    chosen = np.lexsort((labels, turn))[:count]
    return binarise_images(train.inputs.numpy()[chosen])


def sample(system: Multitasking, start: Floats, options: SpinOptions, seed: int, temperature: float | None = None) -> dict[str, Any]:
    """Sample the equilibrium from a predicted state and summarise the overlaps with every pattern.

    Parameters
    ----------
    system : Multitasking
        The network.
    start : ndarray of shape (K,)
        Overlaps that chains start with.
    options : SpinOptions
        Sampler, chains and sweeps; ``temperature`` too, unless given.
    seed : int
        Seed of the chains.
    temperature : float, optional
        Temperature in place of that of the options.

    Returns
    -------
    dict
        Lists of values per pattern, and ``energy`` per spin.
    """
    from hebbian.montecarlo import simulate
    from hebbian.multitasking import cue
    from hebbian.observables import summarise

    at = options.temperature if temperature is None else temperature  # type: ignore[attr-defined]
    sampler = options.sampler if at > 0 else "descent"
    spins = cue(system.patterns, start, options.chains, 1.0, seed + 1)
    trace = simulate(system, spins, at, sampler, seed + 2, num_sweeps=options.burn_in + options.sweeps)
    found = [summarise(trace.overlaps[options.burn_in :, :, index]) for index in range(trace.overlaps.shape[2])]
    energy = summarise(system.energy(trace.counts[options.burn_in :]) / system.num_spins)
    return {
        "sampler": sampler,
        "overlaps": [s.mean for s in found],
        "error": [s.error if s.error > ROUNDING else 0.0 for s in found],
        "autocorrelation_time": [s.autocorrelation_time for s in found],
        "effective_size": [s.effective_size for s in found],
        "r_hat": [s.r_hat for s in found],
        "warnings": sorted({s.warning for s in found if s.warning}),
        "energy": {"mean": energy.mean, "error": energy.error},
    }


def judge(sampled: dict[str, Any], field: MeanField, instance: Branch, num_spins: int, num_sweeps: int) -> dict[str, Any]:
    """Compare sampled overlaps with the instance's mean field and its finite-size shift, in standard errors.

    Half the shift, for the orders beyond the first, and 1/N are added to four standard errors.

    Returns
    -------
    dict
        ``agrees`` is None where the chains cannot be trusted or the state is soft, and ``undecided`` then says why. There are no standard
        errors where the state is not stable, and for overlaps that never change.
    """
    from hebbian.theory.branches import MARGINAL

    if instance.min_eigenvalue <= MARGINAL:
        unstable = {"agrees": None, "deviation": None, "standard_errors": [None] * len(instance.overlaps), "finite_size": None}
        return unstable | {"undecided": f"the state is not stable: its smallest eigenvalue is {instance.min_eigenvalue:.1e}"}
    shift = field.finite_size_shift(instance.overlaps, num_spins)
    deviations = [float(abs(m - t)) for m, t in zip(sampled["overlaps"], instance.overlaps + shift, strict=True)]
    finite_size = float(abs(shift).max()) / 2 + 1 / num_spins
    agrees = all(d <= 4 * e + finite_size for d, e in zip(deviations, sampled["error"], strict=True))
    least = softest(num_spins, num_sweeps)
    soft = f"the state is soft: its smallest eigenvalue {instance.min_eigenvalue:.1e} is below {least:.1e}; take more spins and sweeps"
    reasons = [*sampled["warnings"], *([soft] if instance.min_eigenvalue < least else [])]
    return {
        "agrees": None if reasons else agrees,
        "deviation": max(deviations),
        "standard_errors": [d / e if e > 0 else None for d, e in zip(deviations, sampled["error"], strict=True)],
        "finite_size": finite_size,
        "undecided": "; ".join(reasons) or None,
    }


def softest(num_spins: int, num_sweeps: int) -> float:
    r"""Return the smallest eigenvalue of a state that Monte Carlo can decide on.

    Along a direction of eigenvalue :math:`\lambda` overlaps fluctuate by :math:`\langle x^2 \rangle \sim 1/(N \lambda)`, so that the
    quartic term of the free energy counts as :math:`1/(N \lambda^2)` beside the quadratic one, and they relax within
    :math:`\sim 1/\lambda` sweeps. Both are kept below a hundredth and a twentieth; at 10,000 spins or fewer the finite-size shift
    covers what is left from 0.1 on.

    Parameters
    ----------
    num_spins : int
        Size of the network, N.
    num_sweeps : int
        Number of recorded sweeps per chain.

    Returns
    -------
    float
        Bound, at most 0.1.
    """
    return min(0.1, max(10.0 / math.sqrt(num_spins), 20.0 / num_sweeps))
