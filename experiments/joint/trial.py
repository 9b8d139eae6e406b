"""Training of one classifier in one way, and its measures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from contrastive_core.joint import ARMS
from experiments.joint.options import JointTrialOptions
from experiments.joint.parts import prepare
from experiments.runs.forms import FLAG, NUMBER, TEXT, list_of, mapping_of
from experiments.setup.build import architecture
from experiments.setup.training_metrics import ORIGIN, identity_of, origin
from experiments.trials.experiment import AMOUNT, SHARE, Experiment, Metric, Outcome

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
    "outside_area_confidence": Metric("AUROC of the largest class probability by name of the inputs", form=mapping_of(NUMBER)),
    "mmd2": Metric("squared maximum mean discrepancy of samples and test data, unbiased", form=NUMBER),
    "mmd2_train": Metric("squared discrepancy of training and test data, the best possible", form=NUMBER),
    "mmd2_source": Metric("squared discrepancy of test data and the noise that samples start from", form=NUMBER),
    "nearest": Metric("median distance of samples to the nearest training sample", bounds=AMOUNT),
    "nearest_test": Metric("median distance of test data to the nearest training sample", bounds=AMOUNT),
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

    parts = prepare(options, seed, (options.arm,))
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
