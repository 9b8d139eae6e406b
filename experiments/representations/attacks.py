"""Attacks on views: as a part of training, and as measures of the trained network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from experiments.representations.options import ContrastiveOptions

if TYPE_CHECKING:
    from contrastive_core.data.splits import Split, Splits
    from contrastive_core.joint.perturbed_views import ViewAttack
    from contrastive_core.network import Network
    from contrastive_core.objectives.objective import Objective
    from contrastive_core.rule import Rule, Setting
    from contrastive_core.training.views_of_samples import Contrasting

ATTACKED = ("view_error_attacked", "view_error_universal", "view_error_random")
"""Measures of a network under attack."""
_BATCHES = 4
"""Training batches that one perturbation for all samples is made from."""


def attack_of(
    options: ContrastiveOptions, network: Network, rule: Rule, setting: Setting, objective: Objective, splits: Splits
) -> ViewAttack | None:
    """Return the attack that the options ask for; None without one.

    Raises
    ------
    InputError
        If inputs do not lie between 0 and 1, or the network settles and has no gradient of its inputs.
    """
    from contrastive_core.joint.perturbed_views import ViewAttack

    if options.attack == "none":
        return None
    if not (float(splits.train.inputs.min()) >= 0 and float(splits.train.inputs.max()) <= 1):
        raise InputError(f"attacks stay between 0 and 1, and inputs of {options.data} do not; take pictures, such as digits")
    settled = setting if rule.settles else None
    return ViewAttack(network, objective, settled, options.attack_radius, options.attack_steps, options.attack == "all")


def under_attack(
    attack: ViewAttack | None, network: Network, rule: Rule, contrasting: Contrasting, train: Split, split: Split
) -> dict[str, float]:
    """Return the share of views whose nearest other view is no positive, on one batch and under three perturbations of equal radius.

    The perturbations are the worst for each view, one for all samples made from training views, and a random one for all samples. Without
    an attack the result is empty.
    """
    import torch

    from contrastive_core.data.batches import batches

    if attack is None:
        return {}
    draws = torch.Generator().manual_seed(0)
    shown = [contrasting.present(batch, draws) for batch, _ in zip(batches(train, contrasting.batch_size), range(_BATCHES), strict=False)]
    seen = contrasting.present(next(batches(split, contrasting.batch_size)), draws)
    random = torch.randn(seen.inputs.shape[1], generator=draws).to(seen.inputs)
    perturbed = (
        attack(seen),
        attack.shifted(seen, attack.universal([batch for batch in shown if contrasting.contrasts(batch)])),
        attack.shifted(seen, attack.radius * random / random.norm()),
    )
    with torch.no_grad():
        outputs = [network.output(rule.infer(network, batch.inputs).state) for batch in perturbed]
    return {
        name: float(attack.objective.errors(output, batch).double().mean())
        for name, output, batch in zip(ATTACKED, outputs, perturbed, strict=True)
    }
