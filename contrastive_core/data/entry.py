"""Description of a data set, readable without importing torch or scikit-learn."""

from dataclasses import dataclass
from typing import Literal

from contrastive_core.data.published import PublishedFile


@dataclass(frozen=True)
class Entry:
    """Description of a data set.

    Attributes
    ----------
    name : str
        Name in ``DATASETS``.
    task : str
        Task, in a few words.
    num_train, num_validation, num_test : int
        Samples in each split.
    num_inputs : int
        Values per sample.
    num_classes : int
        Number of classes, or of targets.
    kind : {"bundled", "download", "folder", "synthetic"}
        Source of the samples: an installed library, published files that can be downloaded, a folder of one's own, or a computation
        from a seed.
    origin : str
        Authors and licence, in one sentence.
    loader : str
        ``"module:attribute"`` of its loader.
    seeded : bool
        Whether the samples, or their division into splits, depend on a seed.
    mirror : str
        Address of the downloads, ending in ``/``; empty without downloads.
    files : tuple of PublishedFile
        Images and labels for training, then for testing; empty without downloads.
    format : {"idx", "records", "mat"}
        Format of the files: IDX, the binary records of the CIFAR data sets, or the MAT files of SVHN.
    folder : str
        Folder that the published archive unpacks to, which is looked for too; empty without an archive.
    labels : {"classification", "regression"}
        Task of the data set: whether labels are classes or numbers.
    """

    name: str
    task: str
    num_train: int
    num_validation: int
    num_test: int
    num_inputs: int
    num_classes: int
    kind: Literal["bundled", "download", "folder", "synthetic"]
    origin: str
    loader: str
    seeded: bool = False
    mirror: str = ""
    files: tuple[PublishedFile, ...] = ()
    format: Literal["idx", "records", "mat"] = "idx"
    folder: str = ""
    labels: Literal["classification", "regression"] = "classification"
