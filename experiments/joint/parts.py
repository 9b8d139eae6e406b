"""Parts of a training: data, the classifier and the plan, from options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from contrastive_core.data import DATASETS
from contrastive_core.errors import InputError
from experiments.joint.options import JointSettings
from experiments.setup.tables import RULES

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits
    from contrastive_core.joint.input_gradient import Classifier
    from contrastive_core.joint.plan import JointPlan


class JointParts(NamedTuple):
    """All that a training needs.

    Attributes
    ----------
    splits : Splits
        Data.
    classifier : Classifier
        Model with its initial weights.
    plan : JointPlan
        Settings of the training.
    """

    splits: Splits
    classifier: Classifier
    plan: JointPlan


def prepare(options: JointSettings, seed: int, arms: Sequence[str]) -> JointParts:
    """Read the data, and build the model and the plan of some arms.

    Raises
    ------
    InputError
        If options contradict each other, or the data do not lie between 0 and 1.
    """
    from contrastive_core.data.splits import limit, require_classes

    plan = plan_of(options, arms)
    splits = require_classes(DATASETS[options.data](options.data_dir, 0), options.data)
    if options.train_size is not None:
        splits = limit(splits, train=options.train_size)
    if not (float(splits.train.inputs.min()) >= 0 and float(splits.train.inputs.max()) <= 1):
        raise InputError(f"attacks and samples stay between 0 and 1, and inputs of {options.data} do not; take pictures, such as digits")
    return JointParts(splits, build_classifier(options, splits, seed, options.rule), plan)


def build_classifier(options: JointSettings, splits: Splits, seed: int, rule: str) -> Classifier:
    """Return a classifier with its initial weights, which depend on the seed alone."""
    from contrastive_core.joint.input_gradient import Classifier
    from experiments.setup.build import build_network, build_setting
    from experiments.setup.options import LearningOptions

    shared = ("network", "hidden", "layers", "activation", "energy_scale", "gain", "strength", "tolerance", "budget")
    given: dict[str, Any] = {name: getattr(options, name) for name in shared}
    given |= {"cost": "cross-entropy", "nudged_tolerance": options.tolerance, "nudged_budget": options.budget}
    learning = LearningOptions.model_validate(given)
    return Classifier(build_network(learning, splits, seed), RULES[rule], build_setting(learning))


def plan_of(options: JointSettings, arms: Sequence[str]) -> JointPlan:
    """Return the settings of the training; only dual adversarial training warms up, so that others may have fewer epochs."""
    from contrastive_core.joint.plan import JointPlan

    plan = {name: getattr(options, name) for name in JointPlan.__dataclass_fields__}
    return JointPlan(**plan if "dat" in arms else plan | {"warmup": 0})
