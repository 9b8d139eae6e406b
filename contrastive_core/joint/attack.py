"""Steps on the inputs of a classifier: attacks inside a ball, ascents to samples of a class, and Langevin chains."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from contrastive_core.costs.cross_entropy import CrossEntropy
from contrastive_core.errors import DivergenceError, InputError
from contrastive_core.expect import expect_number, expect_whole
from contrastive_core.joint.costs import ClassEnergy, Likelihood
from contrastive_core.joint.input_gradient import Classifier
from contrastive_core.types import Batch

_LEAST = 1e-12
"""Stands for the norm of a gradient of 0, along which no step is taken."""


def unit(gradient: Tensor) -> Tensor:
    """Return each row over its Euclidean norm; rows of 0 stay as they are."""
    return gradient / _lengths(gradient)


def _lengths(rows: Tensor) -> Tensor:
    """Return the Euclidean norm of each row, of shape (B, 1), at least what stands for 0."""
    return torch.sqrt(rows.square().sum(1, keepdim=True)).clamp_min(_LEAST)


def inside(inputs: Tensor, centre: Tensor, radius: float) -> Tensor:
    """Return the inputs moved into the Euclidean ball around their centres and into the box from 0 to 1.

    Parameters
    ----------
    inputs : Tensor of shape (B, n_in)
        Points anywhere.
    centre : Tensor of shape (B, n_in)
        Centres in the box.
    radius : float
        Radius of the ball.
    """
    step = inputs - centre
    # Clipping after the ball leaves it intact: it brings every coordinate nearer to a centre that lies in the box.
    return (centre + step * (radius / _lengths(step)).clamp_max(1.0)).clamp(0.0, 1.0)


def require_attack(radius: float, steps: int, rate: float) -> None:
    """Refuse an attack that makes no sense.

    Raises
    ------
    InputError
        If the radius is negative or infinite, there is no step, or the step is not positive.
    """
    expect_whole(steps, "steps", "10 is usual", least=1)
    if not 0 <= expect_number(radius, "radius", "0.5 is usual") < math.inf:
        raise InputError(f"the radius of an attack is a distance of at least 0, got {radius:g}; 0.5 is usual")
    if not 0 < expect_number(rate, "rate", "0.1 is usual") < math.inf:
        raise InputError(f"the step of an attack must be positive, got {rate:g}; 0.1 is usual")


def random_start(centre: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    """Return a point drawn uniformly from the ball around each centre, clipped to the box, of shape (B, n_in)."""
    direction = unit(torch.randn(centre.shape, generator=generator, dtype=centre.dtype))
    share = torch.rand(len(centre), 1, generator=generator, dtype=centre.dtype) ** (1 / centre.shape[1])
    return (centre + radius * share * direction).clamp(0.0, 1.0)


def attack_path(
    classifier: Classifier, batch: Batch, radius: float, steps: int, rate: float, start: Tensor | None = None
) -> Iterator[Batch]:
    """Yield the points of projected gradient ascent on the cross-entropy, the first point included (Madry et al., 2018).

    Each step has the length ``rate`` along the gradient, after which the point is moved back into the ball and the box.

    Parameters
    ----------
    classifier : Classifier
        Network under attack.
    batch : Batch
        Samples in the box from 0 to 1, with their classes.
    radius, rate : float
        Euclidean radius of the ball, and length of a step.
    steps : int
        Number of steps.
    start : Tensor of shape (B, n_in), optional
        First points inside the ball; None starts at the samples.

    Yields
    ------
    Batch
        Attacked inputs with the classes of the batch.

    Raises
    ------
    InputError
        If the attack makes no sense.
    """
    require_attack(radius, steps, rate)
    now, cost = batch._replace(inputs=batch.inputs if start is None else start), CrossEntropy()
    yield now
    for _ in range(steps):
        slope = classifier.slope(cost, now)
        # The settled state of these inputs is near that of the next ones, from which the next free phase therefore starts.
        now = now._replace(inputs=inside(now.inputs + rate * unit(slope.gradient), batch.inputs, radius), start=slope.state)
        yield now


def attacked(classifier: Classifier, batch: Batch, radius: float, steps: int, rate: float) -> Batch:
    """Return the last point of an attack that starts at the samples, for adversarial training; arguments as in :func:`attack_path`."""
    *_, last = attack_path(classifier, batch, radius, steps, rate)
    return last._replace(start=None)


def ascended(classifier: Classifier, start: Tensor, classes: Tensor, steps: int, rate: float) -> Tensor:
    """Raise the logit of a class from each start, without a ball: a sample of the model by the attack of Yin et al. (2025).

    Parameters
    ----------
    classifier : Classifier
        Model.
    start : Tensor of shape (B, n_in)
        Draws of the source, in the box from 0 to 1.
    classes : Tensor of shape (B,)
        Class whose logit each one raises.
    steps : int
        Number of steps; 0 returns the start.
    rate : float
        Length of a step.

    Returns
    -------
    Tensor of shape (B, n_in)
        Samples in the box.
    """
    now, cost = Batch(start, classes), ClassEnergy()
    for _ in range(steps):
        slope = classifier.slope(cost, now)
        now = now._replace(inputs=(now.inputs - rate * unit(slope.gradient)).clamp(0.0, 1.0), start=slope.state)
    return now.inputs


def langevin(classifier: Classifier, start: Tensor, steps: int, rate: float, noise: float, generator: torch.Generator) -> Tensor:
    """Return the ends of chains of stochastic gradient Langevin dynamics on the energy of the inputs, as JEM samples.

    Step and noise are set apart, as Grathwohl et al. (2020) do: the chain is not that of the model at temperature 1, and nothing keeps it
    in the box.

    Parameters
    ----------
    classifier : Classifier
        Model.
    start : Tensor of shape (B, n_in)
        Starts of the chains.
    steps : int
        Number of steps.
    rate, noise : float
        Factor of the gradient, and standard deviation of the noise of a step.
    generator : torch.Generator
        Source of the noise.

    Raises
    ------
    DivergenceError
        If a chain leaves the range of numbers.
    """
    now, cost = Batch(start, torch.ones(len(start), dtype=torch.int64)), Likelihood()
    for _ in range(steps):
        slope = classifier.slope(cost, now)
        draw = torch.randn(start.shape, generator=generator, dtype=start.dtype)
        now = now._replace(inputs=now.inputs - rate * slope.gradient + noise * draw, start=slope.state)
        if not bool(torch.isfinite(now.inputs).all()):
            raise DivergenceError("chains are not finite; lower their rate or noise")
    return now.inputs
