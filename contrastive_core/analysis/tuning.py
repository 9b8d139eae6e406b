r"""Tuning: the cheapest strength and tolerances with which a contrastive rule estimates the gradient well enough.

An estimate differs from the exact gradient of the whole data set for three reasons: the bias of the finite nudge, of order
:math:`\beta^p`; the residuals of the phases, which the contrast divides by :math:`\beta`; and the choice of the mini-batch. The third
cannot be avoided, so that effort to push the other two far below it is wasted.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from contrastive_core.baselines.implicit import Implicit
from contrastive_core.certificate import Stop
from contrastive_core.errors import ConvergenceError, DivergenceError, InputError
from contrastive_core.network import Network
from contrastive_core.progress.share import counted
from contrastive_core.rule import Rule, Setting
from contrastive_core.training.evaluation import unconverged
from contrastive_core.training.gradient_noise import joined, spread
from contrastive_core.types import Batch

_EXACT = Stop(1e-11, 20_000)


class Candidate(NamedTuple):
    """Strength and tolerances with their measured quality.

    Attributes
    ----------
    strength, tolerance, nudged_tolerance : float
        Nudging strength, tolerance of the free phase, and tolerance of later phases relative to the contrast.
    error : float
        Root mean square distance from the exact gradients, relative to their root mean square norm; infinite if a phase diverged.
    cosine : float
        Lowest cosine over the batches.
    sweeps : float
        Sweeps of all phases together, mean per sample.
    unconverged : float
        Share of phases that did not reach their tolerance.
    """

    strength: float
    tolerance: float
    nudged_tolerance: float
    error: float
    cosine: float
    sweeps: float
    unconverged: float


class Exact(NamedTuple):
    """Batches and their exact gradients.

    Attributes
    ----------
    batches : tuple of Batch
        Batches in the network's dtype.
    gradients : Tensor of shape (K, number of parameters)
        Exact gradients in float64.
    noise : float
        Root mean square distance of a batch's gradient from the mean gradient, relative to the root mean square norm, in [0, 1].
    """

    batches: tuple[Batch, ...]
    gradients: Tensor
    noise: float


class Model(NamedTuple):
    r"""Fitted model of the error, :math:`a \beta^p + (b\,\tau + c\,\tau_2 \beta)/\beta`.

    Attributes
    ----------
    order : float
        Order p; in theory 2 for centered rules and 1 for others, less if units cross a kink of their activation.
    bias, free, second : float
        Non-negative coefficients a of the bias, b of the free tolerance :math:`\tau`, and c of the relative second one :math:`\tau_2`.
    """

    order: float
    bias: float
    free: float
    second: float


def measure_exact(network: Network, setting: Setting, batches: Sequence[Batch]) -> Exact:
    """Compute the exact gradient of every batch and their spread, in float64 at free states relaxed to rounding.

    Raises
    ------
    InputError
        If there are fewer than two batches.
    ConvergenceError
        If a free state is not reached or is not a minimum of the energy.
    """
    if len(batches) < 2:
        raise InputError(f"the noise of batches is measured on two or more, got {len(batches)}; give more batches")
    precise = deepcopy(network).double()  # float32 would limit the exact gradient to the accuracy that is to be measured
    rule = Implicit(setting.cost, replace(setting.settling, free=_EXACT))
    rows = []
    for batch in counted(batches, name="batch"):
        estimate = rule.estimate(precise, batch)
        if unconverged(estimate.relaxations["free"]):
            raise ConvergenceError(
                f"free states do not settle within {_EXACT.budget} sweeps, so there is no exact gradient to tune towards: the network is "
                "nearly critical; lower the energy scale or the gain"
            )
        rows.append(joined(estimate.gradients))
    gradients = torch.stack(rows)
    size = float(gradients.square().sum(1).mean().sqrt())
    if not size > 0:
        raise ConvergenceError("the exact gradient is 0 on every batch, so there is nothing to learn or to tune")
    return Exact(tuple(batches), gradients, min(spread(gradients) / size, 1.0))


def measure(
    rule_of: Callable[[Setting], Rule],
    network: Network,
    setting: Setting,
    exact: Exact,
    generator_of: Callable[[], torch.Generator] = torch.Generator,
) -> Candidate:
    """Estimate the gradient of every batch as in training, and compare it with the exact gradient.

    Parameters
    ----------
    rule_of : callable
        Builder of the rule.
    network : Network
        Network in the dtype of training.
    setting : Setting
        Setting with the strength and tolerances to measure.
    exact : Exact
        Result of ``measure_exact``.
    generator_of : callable
        Maker of the generator of the rule's own draws.
    """
    rule, generator, rows, effort = rule_of(setting), generator_of(), [], []
    free, second = setting.settling.free.tolerance, setting.settling.second.tolerance
    place = (setting.strength, float("nan") if free is None else free, float("nan") if second is None else second)
    try:
        for batch in exact.batches:
            estimate = rule.estimate(network, batch, generator=generator)
            phases = estimate.relaxations.values()
            effort.append((sum(float(p.steps.double().mean()) for p in phases), sum(map(unconverged, phases)) / len(phases)))
            rows.append(joined(estimate.gradients).double())
    except DivergenceError:
        return Candidate(*place, float("inf"), float("nan"), float("nan"), 1.0)
    estimates = torch.stack(rows)
    error = ((estimates - exact.gradients).square().sum(1).mean() / exact.gradients.square().sum(1).mean()).sqrt()
    cosine = torch.nn.functional.cosine_similarity(estimates, exact.gradients, dim=1).min()
    sweeps, share = (sum(values) / len(effort) for values in zip(*effort, strict=True))
    return Candidate(*place, float(error), float(cosine), sweeps, share)


def worst(stages: Sequence[Candidate]) -> Candidate:
    """Combine measurements of one setting on several networks: worst error, cosine and unconverged share, mean sweeps."""
    sweeps = sum(stage.sweeps for stage in stages) / len(stages)
    return stages[0]._replace(
        error=max(stage.error for stage in stages),
        cosine=min(stage.cosine for stage in stages),
        sweeps=sweeps,
        unconverged=max(stage.unconverged for stage in stages),
    )


def with_tolerances(setting: Setting, strength: float, tolerance: float, nudged_tolerance: float) -> Setting:
    """Return the setting with another strength and other tolerances; budgets are kept."""
    settling = setting.settling
    free, second = settling.free._replace(tolerance=tolerance), settling.second._replace(tolerance=nudged_tolerance)
    return replace(setting, strength=strength, settling=replace(settling, free=free, second=second))


def fit(candidates: Sequence[Candidate], orders: Sequence[float] = (1.0, 1.5, 2.0)) -> Model | None:
    """Fit the model of the error by non-negative least squares of relative deviations, with the best of the orders.

    Returns None for fewer than four usable errors.
    """
    usable = [c for c in candidates if 0 < c.error < float("inf")]
    if len(usable) < 4:
        return None
    errors = np.array([c.error for c in usable])
    fits = []
    for order in orders:
        columns = np.array([[c.strength**order, c.tolerance / c.strength, c.nudged_tolerance] for c in usable])
        scale = columns.max(0)  # the columns differ by orders of magnitude, which spoils the fit
        weights, deviation = nnls(columns / scale / errors[:, None], np.ones(len(usable)))
        fits.append((float(deviation), Model(order, *(weights / scale).tolist())))
    return min(fits, key=lambda pair: pair[0])[1]


def choose(candidates: Sequence[Candidate], passes: Callable[[Candidate], bool]) -> Candidate:
    """Return the candidate with the smallest error among those that pass and need at most 2 % more sweeps than the cheapest.

    Raises
    ------
    ConvergenceError
        If none passes; the message names the best.
    """
    good = [c for c in candidates if c.unconverged == 0 and passes(c)]
    if not good:
        best = min(candidates, key=lambda c: (c.unconverged > 0, c.error))
        settled = "all phases settled" if best.unconverged == 0 else f"{100 * best.unconverged:.1f} % of its phases did not settle"
        raise ConvergenceError(
            f"none of {len(candidates)} settings is good enough; the best, strength {best.strength:g} with tolerances {best.tolerance:g} "
            f"and {best.nudged_tolerance:g}, has a relative error of {best.error:.2g} and a cosine of {best.cosine:.4f} ({settled}): raise "
            "the budgets, try smaller strengths and tolerances, or lower the energy scale"
        )
    least = min(c.sweeps for c in good)  # a difference of 2 % in sweeps is noise, so the error decides there
    return min((c for c in good if c.sweeps <= 1.02 * least), key=lambda c: c.error)
