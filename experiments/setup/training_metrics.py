"""Metrics of every trial that trains a network: its identity, its data, and the costs of training."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contrastive_core.data.task import TASKS, Score
from experiments.runs.forms import ANY, NUMBER, TEXT, mapping_of, missing_or
from experiments.runs.intervals import Bounds
from experiments.trials.experiment import AMOUNT, SHARE, Metric

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits
    from contrastive_core.training.evaluation import Evaluation
    from experiments.commandline.options import Options
    from experiments.setup.options import LearningOptions

SPENT = {
    "epochs": Metric("epochs trained", "epoch", bounds=AMOUNT),
    "sweeps_per_sample": Metric("sweeps of all phases together, mean", "sweep", bounds=AMOUNT),
    "seconds_per_sample": Metric("time to train on one sample", "second", timing=True, bounds=AMOUNT),
    "cpu_seconds_per_sample": Metric("processor time to train on one sample", "second", timing=True, bounds=AMOUNT),
    "unconverged": Metric("share of phases that did not reach their tolerance, over all epochs", bounds=SHARE),
}
"""The metrics of ``spent``."""

ORIGIN = {
    "data_digest": Metric("SHA-256 of the data", form=TEXT),
    "data_source": Metric("where the data come from", form=TEXT),
}
"""The metrics of ``origin``."""


DEVICE = {
    "device": Metric(
        "effective settings of the device that holds the weights, given and default ones; missing without a device",
        form=missing_or(mapping_of(mapping_of(ANY))),
    )
}
"""The metric of ``device_of_trial``."""


def _bounds(score: Score) -> Bounds:
    return SHARE if score.percent else (-math.inf, 1.0) if score.name == "r2" else AMOUNT


JUDGED = {
    f"{split}_{score.name}": Metric(f"{score.meaning}, on the {split} split", bounds=_bounds(score), form=NUMBER)
    for task in reversed(TASKS.values())
    for split, scores in (("test", (task.error, *task.others)), ("validation", (task.error,)))
    for score in scores
} | {
    "class_imbalance": Metric("training samples of the most frequent class over those of the rarest one", bounds=(1.0, math.inf)),
}
"""The metrics of ``judged``; those of another task are missing."""


def judged(splits: Splits, validation: Evaluation, test: Evaluation) -> dict[str, float]:
    """Return the scores of a trained network by the names of ``JUDGED``: errors of both splits, and the other scores of the test split."""
    error = TASKS[splits.task].error.name
    found = {f"test_{error}": test.error, **{f"test_{name}": value for name, value in test.scores.items()}}
    found[f"validation_{error}"] = validation.error
    if splits.task == "classification" and splits.train.labels.dim() == 1:
        counts = splits.train.labels.bincount()
        found["class_imbalance"] = float(counts.max() / counts[counts > 0].min())
    return found


def identity_of(options: Options, seed: int, splits: Splits) -> str:
    """Return what must be equal for a checkpoint to be gone on from: every setting, the seed and the data."""
    # Checkpoints on disk hold this very text and are compared with it byte by byte: its spaces and escapes stay as they are.
    return json.dumps({"options": options.resolved(), "seed": seed, "data": splits.digest})


def spent(history: Sequence[Mapping[str, float]], splits: Splits) -> dict[str, Any]:
    """Return what the epochs cost: means per epoch, or per training sample and epoch.

    Parameters
    ----------
    history : sequence of mapping
        A record per epoch, of ``contrastive_core.training.loop``.
    splits : Splits
        Data set of the training.

    Returns
    -------
    dict
        Metrics by the names of ``SPENT``.
    """
    epochs = len(history)
    samples = len(splits.train.labels) * epochs

    def total(name: str) -> float:
        return sum(record[name] for record in history)

    return {
        "epochs": epochs,
        "sweeps_per_sample": total("sweeps_per_sample") / epochs,
        "seconds_per_sample": total("seconds") / samples,
        "cpu_seconds_per_sample": total("cpu_seconds") / samples,
        "unconverged": total("unconverged") / epochs,
    }


def device_of_trial(options: LearningOptions, seed: int) -> dict[str, Any]:
    """Return the effective settings of the device that holds the weights, by the name of ``DEVICE``; empty without a device."""
    if options.device_file is None:
        return {}
    from contrastive_core.devices.settings import effective_settings
    from experiments.setup.devices import filed_device

    return {"device": effective_settings(filed_device(options.device_file, seed))}


def origin(splits: Splits) -> dict[str, Any]:
    """Return where the data come from, by the names of ``ORIGIN``."""
    return {"data_digest": splits.digest, "data_source": splits.source}
