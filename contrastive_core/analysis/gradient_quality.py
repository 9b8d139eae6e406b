"""Quality of estimated gradients, and warnings about settings that do not do what they seem to do."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.errors import InputError
from contrastive_core.guards.typed import typed
from contrastive_core.network import Network
from contrastive_core.relaxation.displace import has_differences
from contrastive_core.relaxation.relax import advised_strength
from contrastive_core.relaxation.resolution import resolution
from contrastive_core.rule import Rule, Setting
from contrastive_core.types import Batch, Gradients, State


class Agreement(NamedTuple):
    """Agreement of an estimate with the exact gradient.

    Attributes
    ----------
    cosine : float
        Cosine of the angle between the two.
    norm_ratio : float
        Norm of the estimate over that of the exact gradient.
    relative_error : float
        Norm of the difference over that of the exact gradient.
    sign_agreement : float
        Share of entries with equal sign among those whose exact value is not 0, in [0, 1].
    """

    cosine: float
    norm_ratio: float
    relative_error: float
    sign_agreement: float


def agreement(estimate: Tensor, exact: Tensor) -> Agreement:
    """Compare two tensors of equal shape; if the exact one is 0, ratios and cosine are NaN."""
    estimate, exact = estimate.double().flatten(), exact.double().flatten()
    norms = estimate.norm(), exact.norm()
    present = exact != 0  # weights of inputs that are always 0 have no gradient, hence no sign
    return Agreement(
        float(estimate @ exact / (norms[0] * norms[1])),
        float(norms[0] / norms[1]),
        float((estimate - exact).norm() / norms[1]),
        float((estimate.sign() == exact.sign())[present].double().mean()),
    )


@typed()
def compare_gradients(estimate: Gradients, exact: Gradients) -> tuple[dict[str, Agreement], Agreement]:
    """Compare an estimate with the exact gradient, parameter by parameter and as a whole.

    Raises
    ------
    InputError
        If they do not have the same parameters.
    """
    if estimate.keys() != exact.keys():
        raise InputError(f"gradients of {sorted(estimate)} and {sorted(exact)} cannot be compared; estimate both on one network")
    per_parameter = {name: agreement(estimate[name], exact[name]) for name in exact}
    whole = agreement(*(torch.cat([gradients[name].flatten() for name in exact]) for gradients in (estimate, exact)))
    return per_parameter, whole


class Bias(NamedTuple):
    """Error of an estimate as a function of its nudging strength.

    Attributes
    ----------
    strengths : tuple of float
        Measured strengths.
    errors : tuple of float
        Relative error of the whole gradient at each strength.
    order : float
        Least-squares slope of log error against log strength: 1 for one-sided EP, 2 for centered EP, 0 for a rule that does not
        tend to the gradient.
    """

    strengths: tuple[float, ...]
    errors: tuple[float, ...]
    order: float


@typed()
def bias_in_strength(
    rule_of: Callable[[float], Rule],
    network: Network,
    batch: Batch,
    exact: Gradients,
    strengths: Sequence[float],
    generator_of: Callable[[], torch.Generator] = torch.Generator,
    known: Mapping[float, float] | None = None,
) -> Bias:
    """Measure the order of a rule's bias in its strength.

    Parameters
    ----------
    rule_of : callable
        Builder of the rule for a strength. Tolerances must be far below the bias to be measured.
    network, batch
        Network and batch of the measurement.
    exact : Gradients
        Exact gradient for the batch.
    strengths : sequence of float
        Two or more strengths.
    generator_of : callable
        Maker of the generator of the rule's own draws; every strength gets the same draws.
    known : mapping of float to float, optional
        Relative errors that were measured with these draws before, by strength; they are not measured again.
    """
    if len(strengths) < 2 or min(strengths) <= 0:
        raise InputError(f"an order needs two or more positive strengths, got {tuple(strengths)}")
    measured = dict(known or {})
    for strength in strengths:
        if strength not in measured:
            estimate = rule_of(strength).estimate(network, batch, generator=generator_of())
            measured[strength] = compare_gradients(estimate.gradients, exact)[1].relative_error
    errors = [measured[strength] for strength in strengths]
    order = float(np.polyfit(np.log(strengths), np.log(np.maximum(errors, 1e-300)), 1)[0])  # an exact estimate has an error of 0
    return Bias(tuple(strengths), tuple(errors), order)


_TINY = 1e-300
"""Stands for 0 in divisors."""
_FINE_TOLERANCE = 1e-6
"""Residual of the free state in the search for feedback, close to the resolution of float32."""
_NO_FEEDBACK = 1e-4
"""Largest change by feedback, relative to the activities, that counts as none; ordinary untrained networks show 1e-3."""


def review(network: Network, setting: Setting, inputs: Tensor) -> list[str]:
    """Return a warning for each way in which a setting does not do what it seems to do.

    Parameters
    ----------
    network : Network
        Network to be trained.
    setting : Setting
        Setting of the rule.
    inputs : Tensor of shape (B, n_in)
        Samples to settle.
    """
    warnings = []
    settling = setting.settling
    precise = replace(settling, free=Stop(_FINE_TOLERANCE, settling.free.budget))
    with torch.no_grad():
        clamped = network.clamp(inputs)
        free = precise.free_phase(clamped)
        bottom_up = network.feedforward(clamped)
        halved = network.feedforward(network.clamp(inputs / 2))
    distance = max(float((a - b).abs().max()) for a, b in zip(free.state, bottom_up, strict=True))
    activity = max(float(layer.abs().max()) for layer in bottom_up)
    # Saturated units hear no feedback either, and no energy scale or budget changes that.
    if bool(inputs.any()) and all(torch.equal(layer, other) for layer, other in zip(bottom_up, halved, strict=True)):
        warnings.append("the units are saturated: inputs of half the size give the same states; give smaller inputs or weights")
    elif settling.free.budget == 1 or distance <= _NO_FEEDBACK * activity:
        warnings.append(
            f"the free state is the bottom-up pass to within {distance:.1g}: there is no relaxation, and a local rule here is "
            "backpropagation in disguise; raise the energy scale or the budget to study equilibria"
        )
    finest, name = float(resolution(free.state, clamped).max()), str(clamped.drive.dtype).removeprefix("torch.")
    # A displacement has the roundings of its own size, which is of order 1: its tolerance is relative already.
    displaced = has_differences(network, settling.dynamics, ())
    second = settling.second if displaced else settling.second_stop(network, setting.strength)
    for phase, stop in (("free", settling.free), ("nudged", second)):
        if stop.tolerance is not None and stop.tolerance < finest:
            warnings.append(
                f"the tolerance of the {phase} phase, {stop.tolerance:.1g}, is below the roundings of states of this size in {name}, "
                f"{finest:.1g}: samples count as not converged; use a larger one or float64"
            )
    if not setting.frozen:
        warnings.extend(_negative_nudge(network, setting, free.state))
    return warnings


def _negative_nudge(network: Network, setting: Setting, free: State) -> list[str]:
    """Return a warning if a live negative nudge takes more curvature than the outputs have."""
    steepest = setting.cost.steepest
    curvature = steepest * network.stiffness[-1] * setting.strength
    if math.isinf(curvature):
        return []  # costs of unknown curvature are judged where they have led
    negative = f"at strength {setting.strength:g} the negative phase"
    if not network.has_minimum(-curvature):
        lost = "has no minimum" if setting.cost.curvature else "need not keep its minimum"
        return [f"{negative} {lost}; {advised_strength(network, steepest)}, or freeze the nudge"]
    if not network.output_is_last_layer:
        return []
    # Units within bounds always have a minimum. From here on they may have two, between which no derivative leads.
    softest = 1 / max(float(network.compliance(free)[-1].max()), _TINY)
    if curvature < softest:
        return []
    bound = softest / network.stiffness[-1] / steepest
    return [
        f"{negative} may have several minima, and its estimate need not be a gradient; bring the strength nearer to 0 than {bound:.4g}, "
        "the curvature of the softest output over that of the cost, or freeze the nudge"
    ]
