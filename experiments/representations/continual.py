"""Classes that come one group after the other, with replayed samples of the earlier ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from experiments.representations.options import ContrastiveOptions

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits


def with_classes(options: ContrastiveOptions, splits: Splits) -> Splits:
    """Return the splits with training samples of the chosen classes, and some of each other class; other splits stay whole.

    Parameters
    ----------
    options : ContrastiveOptions
        Options with the classes, and the number of samples that are replayed of each other class.
    splits : Splits
        Data of all classes.

    Returns
    -------
    Splits
        Training samples in their order; those that are replayed are the first of their class.

    Raises
    ------
    InputError
        If a class does not exist or has no training sample, or all classes are chosen.
    """
    import torch

    if not options.classes:
        return splits
    labels = splits.train.labels
    absent = sorted(set(options.classes) - set(labels.tolist()))
    if absent:
        raise InputError(f"{options.data} has no training samples of class {', '.join(map(str, absent))}; give classes that it has")
    keep = torch.isin(labels, torch.tensor(options.classes))
    if bool(keep.all()):
        raise InputError("--classes names every class, and none is left to come later; leave it out")
    if options.replay:
        for other in torch.unique(labels[~keep]):
            keep[(labels == other).nonzero()[: options.replay, 0]] = True
    return splits._replace(train=splits.train.take(keep.nonzero()[:, 0]))
