"""How good an estimated gradient is, and whether a setting is what it seems."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from contrastive_core.certificate import Stop
from contrastive_core.errors import InputError
from contrastive_core.network import Network
from contrastive_core.rule import Rule, Setting
from contrastive_core.types import Batch, Gradients


class Agreement(NamedTuple):
    """How an estimate compares with the exact gradient.

    Attributes
    ----------
    cosine : float
        Of the angle between them.
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
    """Compare two tensors of one shape; where the exact one is 0, ratios are NaN and so is the cosine."""
    estimate, exact = estimate.double().flatten(), exact.double().flatten()
    norms = estimate.norm(), exact.norm()
    present = exact != 0  # an input that is always 0, as in the corners of digits, has no gradient and so no sign to agree on
    return Agreement(
        float(estimate @ exact / (norms[0] * norms[1])),
        float(norms[0] / norms[1]),
        float((estimate - exact).norm() / norms[1]),
        float((estimate.sign() == exact.sign())[present].double().mean()),
    )


def compare_gradients(estimate: Gradients, exact: Gradients) -> tuple[dict[str, Agreement], Agreement]:
    """Compare an estimate with the exact gradient, parameter by parameter and as a whole.

    Raises
    ------
    InputError
        If they are not of the same parameters.
    """
    if estimate.keys() != exact.keys():
        raise InputError(f"gradients of {sorted(estimate)} and {sorted(exact)} cannot be compared; estimate both on one network")
    per_parameter = {name: agreement(estimate[name], exact[name]) for name in exact}
    whole = agreement(*(torch.cat([gradients[name].flatten() for name in exact]) for gradients in (estimate, exact)))
    return per_parameter, whole


class Bias(NamedTuple):
    """How the error of an estimate falls with its nudging strength.

    Attributes
    ----------
    strengths : tuple of float
        Where it was measured.
    errors : tuple of float
        Relative errors of the whole gradient there.
    order : float
        Slope of log error against log strength, by least squares: 1 for one-sided EP, 2 for centered EP, 0 for a rule that
        does not tend to the gradient.
    """

    strengths: tuple[float, ...]
    errors: tuple[float, ...]
    order: float


def bias_in_strength(
    rule_of: Callable[[float], Rule],
    network: Network,
    batch: Batch,
    exact: Gradients,
    strengths: Sequence[float],
    generator_of: Callable[[], torch.Generator] = torch.Generator,
) -> Bias:
    """Measure the order of a rule's bias in its strength.

    Parameters
    ----------
    rule_of : callable
        Builds the rule for a strength. Its tolerances must be far below the bias that is to be seen.
    network, batch
        Where to measure.
    exact : Gradients
        The exact gradient there.
    strengths : sequence of float
        Two or more.
    generator_of : callable
        Makes the generator of the rule's own draws, the same for every strength.
    """
    if len(strengths) < 2 or min(strengths) <= 0:
        raise InputError(f"an order needs two or more positive strengths, got {tuple(strengths)}")
    errors = []
    for strength in strengths:
        estimate = rule_of(strength).estimate(network, batch, generator=generator_of())
        errors.append(compare_gradients(estimate.gradients, exact)[1].relative_error)
    order = float(np.polyfit(np.log(strengths), np.log(np.maximum(errors, 1e-300)), 1)[0])
    return Bias(tuple(strengths), tuple(errors), order)


_FINE_TOLERANCE = 1e-6
"""Residual at which feedback is looked for: near what float32 can resolve."""
_NO_FEEDBACK = 1e-4
"""Change by feedback, relative to the activities, below which it is called none; ordinary networks show 1e-3 even untrained."""


def review(network: Network, setting: Setting, inputs: Tensor) -> list[str]:
    """Return a sentence for each way in which a setting is not what it seems; none for a sound one.

    Parameters
    ----------
    network : Network
        As it would be used.
    setting : Setting
        From which rules are built.
    inputs : Tensor of shape (B, n_in)
        Some samples to settle.
    """
    warnings = []
    settling = setting.settling
    precise = replace(settling, free=Stop(_FINE_TOLERANCE, settling.free.budget))
    with torch.no_grad():
        clamped = network.clamp(inputs)
        free = precise.free_phase(clamped)
        bottom_up = network.feedforward(clamped)
    distance = max(float((a - b).abs().max()) for a, b in zip(free.state, bottom_up, strict=True))
    activity = max(float(layer.abs().max()) for layer in bottom_up)
    if settling.free.budget == 1 or distance <= _NO_FEEDBACK * activity:
        warnings.append(
            f"the free state is the bottom-up pass to within {distance:.1g}: there is no relaxation, and a local rule here is "
            "backpropagation in disguise; raise the energy scale or the budget to study equilibria"
        )
    curvature = setting.cost.curvature * network.stiffness[-1] * setting.strength
    if network.output_is_last_layer and not setting.frozen and not network.has_minimum(-curvature):
        bound = -network.least_curvature() / (setting.cost.curvature * network.stiffness[-1])
        warnings.append(
            f"at strength {setting.strength:g} the negative phase has no minimum; keep the strength below {bound:.4g} (squared error on "
            "quadratic outputs), or freeze the nudge"
        )
    return warnings
