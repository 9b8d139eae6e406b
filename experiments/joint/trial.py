"""Training of one classifier in one way, and its measures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from contrastive_core.data import DATASETS
from contrastive_core.errors import InputError
from contrastive_core.joint import ARMS
from experiments.joint.options import JointSettings, JointTrialOptions
from experiments.runs.forms import FLAG, NUMBER, TEXT, list_of, mapping_of
from experiments.setup.build import architecture
from experiments.setup.tables import RULES
from experiments.setup.training_metrics import ORIGIN, identity_of, origin
from experiments.trials.experiment import AMOUNT, SHARE, Experiment, Metric, Outcome

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits
    from contrastive_core.joint.input_gradient import Classifier
    from contrastive_core.joint.plan import JointPlan

METRICS = {
    "network": Metric("layer sizes", form=TEXT),
    "arm": Metric("way to train", form=TEXT),
    "test_error": Metric("share of test samples misclassified", bounds=SHARE),
    "radii": Metric("Euclidean radii of the attacks", form=list_of(NUMBER)),
    "robust_accuracy": Metric("accuracy under an attack from the sample, by radius", form=list_of(NUMBER)),
    "robust_accuracy_restarts": Metric("accuracy under the worst of it and of random starts, by radius", form=list_of(NUMBER)),
    "transfer_accuracy": Metric("accuracy under attacks on another network, by radius", form=list_of(NUMBER)),
    "calibration_error": Metric("expected calibration error on the test split", bounds=SHARE),
    "outside_area": Metric("AUROC of the log density, test data against other inputs by name", form=mapping_of(NUMBER)),
    "outside_area_confidence": Metric("the same of the largest class probability", form=mapping_of(NUMBER)),
    "mmd2": Metric("squared maximum mean discrepancy of samples and test data, unbiased", form=NUMBER),
    "mmd2_train": Metric("the same of training and test data, the best possible", form=NUMBER),
    "mmd2_source": Metric("the same of the noise that samples start from", form=NUMBER),
    "nearest": Metric("median distance of samples to the nearest training sample", bounds=AMOUNT),
    "nearest_test": Metric("the same of test data", bounds=AMOUNT),
    "judged": Metric("share of samples that another network assigns to their class, which proves nothing", bounds=SHARE),
    "judge_error": Metric("test error of that network", bounds=SHARE),
    "ascent_steps": Metric("steps towards a sample that training reached", "step", bounds=AMOUNT),
    "largest_gap": Metric("largest epoch mean of the difference in log density between data and samples, without sign", form=NUMBER),
    "diverged": Metric("whether training ended before its last epoch because it diverged", form=FLAG),
    "epochs": Metric("epochs begun", "epoch", bounds=AMOUNT),
    "unconverged": Metric("share of phases that did not reach their tolerance, over all epochs", bounds=SHARE),
    "cpu_seconds": Metric("processor time of the training", "second", timing=True, bounds=AMOUNT),
    **ORIGIN,
}


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


def prepare(options: JointSettings, seed: int) -> JointParts:
    """Read the data, and build the model and the plan.

    Raises
    ------
    InputError
        If options contradict each other, or the data do not lie between 0 and 1.
    """
    from contrastive_core.data.splits import limit

    plan = plan_of(options)
    splits = DATASETS[options.data](options.data_dir, 0)
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


def plan_of(options: JointSettings) -> JointPlan:
    """Return the settings of the training."""
    from contrastive_core.joint.plan import JointPlan

    return JointPlan(**{name: getattr(options, name) for name in JointPlan.__dataclass_fields__})


def trial(
    options: JointTrialOptions,
    seed: int,
    *,
    checkpoint: Path | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Outcome:
    """Train one classifier in one way from one seed, and measure it.

    Parameters
    ----------
    options : JointTrialOptions
        All options but the seed.
    seed : int
        Seed of initial weights, data order and all draws.
    checkpoint : Path, optional
        Checkpoint, written after every epoch; training resumes from it if it exists.
    on_epoch : callable, optional
        Called with the record of every epoch.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``, a record per epoch, and samples with their nearest training samples as arrays.
    """
    from contrastive_core.joint.training import train_joint
    from experiments.joint.measures import measured

    parts = prepare(options, seed)
    identity = identity_of(options, seed, parts.splits)
    result = train_joint(
        parts.classifier, ARMS[options.arm], parts.splits, parts.plan, seed, checkpoint=checkpoint, identity=identity, on_epoch=on_epoch
    )
    metrics, arrays = measured(options, parts, result, seed)
    count = len(result.history)
    metrics |= {
        "network": architecture(parts.classifier.network, parts.splits),
        "arm": options.arm,
        "ascent_steps": result.steps,
        "largest_gap": max((record["gap"] for record in result.history), key=abs),
        "diverged": result.diverged is not None,
        "epochs": count,
        "unconverged": sum(record["unconverged"] for record in result.history) / count,
        "cpu_seconds": sum(record["cpu_seconds"] for record in result.history),
        **origin(parts.splits),
    }
    return Outcome(metrics, result.history, arrays)


EXPERIMENT = Experiment(
    JointTrialOptions, trial, METRICS, headline=("test_error", "mmd2", "calibration_error"), checkpoints=True, live=True
)
