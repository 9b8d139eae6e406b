"""Cosine of a rule's gradient to the exact one, beside every training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from experiments.setup.build import build_network, build_setting
from experiments.setup.checks import FEW
from experiments.setup.options import TrainOptions
from experiments.setup.parameters import begin
from experiments.setup.tables import RULES, THERMAL_EXACT

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.data.splits import Splits


def gradient_cosine(options: TrainOptions, splits: Splits, seed: int, *, weights: Mapping[str, Tensor] | None = None) -> dict[str, float]:
    """Return the cosine of the rule's gradient to the exact one, per parameter and in float64, at given or the initial weights.

    The rule relaxes as it does in training; the exact gradient is taken at a free state relaxed to rounding. At a
    temperature it is that of the expected cost, and cosines are NaN where no exact one is known.
    """
    from contrastive_core.analysis.gradient_quality import compare_gradients
    from contrastive_core.baselines.implicit import Implicit
    from contrastive_core.certificate import Stop
    from contrastive_core.devices.on_device import held_by
    from contrastive_core.generators import generator_of
    from contrastive_core.rule import Settling
    from contrastive_core.types import Batch
    from eqprop.thermal.exact import has_exact_slope

    precise = options.model_copy(update={"dtype": "float64"})
    network, setting = build_network(precise, splits, seed), build_setting(precise)
    if weights is None:
        begin(network, precise, options.rule, seed)
    else:
        network.load_state_dict(weights)
    if options.node_temperature and not has_exact_slope(held_by(network), setting.cost):
        return dict.fromkeys((name for name, _ in network.named_parameters()), math.nan)
    batch = Batch(splits.train.inputs[:FEW].double(), splits.train.labels[:FEW])
    # Errors of reading belong to the estimate; what it is compared with is the gradient of the network that the device holds.
    resting = Implicit(setting.cost, Settling(setting.settling.dynamics, Stop(1e-11, 5000)))
    exact = RULES[THERMAL_EXACT](setting) if options.node_temperature else resting
    estimate = RULES[options.rule](setting).estimate(network, batch, generator=generator_of(seed, 2))
    agreements, _ = compare_gradients(estimate.gradients, exact.estimate(held_by(network), batch).gradients)
    return {name: measured.cosine for name, measured in agreements.items()}
