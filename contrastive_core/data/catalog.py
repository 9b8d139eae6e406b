"""Descriptions of all data sets, with sizes and origins, readable without importing torch or scikit-learn."""

from dataclasses import dataclass
from typing import Literal

from contrastive_core.registry import unknown_name

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

_PACKAGE = "contrastive_core.data"


@dataclass(frozen=True)
class PublishedFile:
    """A file of a downloadable data set and the digests by which it is recognised.

    Attributes
    ----------
    name : str
        File name without ``.gz``.
    archive : str
        SHA-256 of the gzip file as published, in hexadecimal; a download must match it.
    content : str, optional
        SHA-256 of the uncompressed file, which copies that were compressed again still match; None if unknown.
    """

    name: str
    archive: str
    content: str | None = None


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
        Number of labels.
    kind : {"bundled", "download", "synthetic"}
        Source of the samples: an installed library, downloaded files, or a computation from a seed.
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
    """

    name: str
    task: str
    num_train: int
    num_validation: int
    num_test: int
    num_inputs: int
    num_classes: int
    kind: Literal["bundled", "download", "synthetic"]
    origin: str
    loader: str
    seeded: bool = False
    mirror: str = ""
    files: tuple[PublishedFile, ...] = ()


# Digests of archives are those of TensorFlow Datasets. Those of Fashion-MNIST were also recomputed, from files whose restored gzip
# headers gave the MD5 that torchvision publishes. Digests of MNIST's contents come from files with the known MD5 and size. The contents
# of KMNIST were not available, so their digests are unknown.
_MNIST = (
    PublishedFile(
        TRAIN_IMAGES,
        archive="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        content="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    PublishedFile(
        TRAIN_LABELS,
        archive="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        content="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    PublishedFile(
        TEST_IMAGES,
        archive="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        content="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    PublishedFile(
        TEST_LABELS,
        archive="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        content="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
_FASHION_MNIST = (
    PublishedFile(
        TRAIN_IMAGES,
        archive="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        content="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    PublishedFile(
        TRAIN_LABELS,
        archive="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        content="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    PublishedFile(
        TEST_IMAGES,
        archive="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        content="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    PublishedFile(
        TEST_LABELS,
        archive="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        content="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)
_KMNIST = (
    PublishedFile(TRAIN_IMAGES, archive="51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
    PublishedFile(TRAIN_LABELS, archive="e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
    PublishedFile(TEST_IMAGES, archive="edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
    PublishedFile(TEST_LABELS, archive="20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
)

_ENTRIES = (
    Entry(
        name="digits",
        task="8x8 images of handwritten digits",
        num_train=1197,
        num_validation=250,
        num_test=350,
        num_inputs=64,
        num_classes=10,
        kind="bundled",
        origin="test part of the UCI Optical Recognition of Handwritten Digits (Alpaydin & Kaynak 1998), installed with scikit-learn",
        loader=f"{_PACKAGE}.digits:load",
    ),
    Entry(
        name="digits-shuffled",
        task="the same digits, divided at random",
        num_train=1187,
        num_validation=250,
        num_test=360,
        num_inputs=64,
        num_classes=10,
        kind="bundled",
        origin="as digits; a fifth is for testing, as others divide them, without regard to classes",
        loader=f"{_PACKAGE}.digits:load_shuffled",
        seeded=True,
    ),
    Entry(
        name="mnist",
        task="28x28 images of handwritten digits",
        num_train=55000,
        num_validation=5000,
        num_test=10000,
        num_inputs=784,
        num_classes=10,
        kind="download",
        origin="LeCun, Bottou, Bengio & Haffner (1998), Proc. IEEE 86:2278",
        loader=f"{_PACKAGE}.folder:mnist",
        mirror="https://ossci-datasets.s3.amazonaws.com/mnist/",
        files=_MNIST,
    ),
    Entry(
        name="fashion-mnist",
        task="28x28 images of clothes",
        num_train=55000,
        num_validation=5000,
        num_test=10000,
        num_inputs=784,
        num_classes=10,
        kind="download",
        origin="Xiao, Rasul & Vollgraf (2017), arXiv:1708.07747, MIT licence",
        loader=f"{_PACKAGE}.folder:fashion_mnist",
        mirror="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        files=_FASHION_MNIST,
    ),
    Entry(
        name="kmnist",
        task="28x28 images of cursive Japanese characters",
        num_train=55000,
        num_validation=5000,
        num_test=10000,
        num_inputs=784,
        num_classes=10,
        kind="download",
        origin="Clanuwat et al. (2018), arXiv:1812.01718, CC BY-SA 4.0",
        loader=f"{_PACKAGE}.folder:kmnist",
        mirror="https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        files=_KMNIST,
    ),
    Entry(
        name="two-moons",
        task="two interleaved half circles in the plane",
        num_train=1000,
        num_validation=250,
        num_test=500,
        num_inputs=2,
        num_classes=2,
        kind="synthetic",
        origin="computed from the seed",
        loader=f"{_PACKAGE}.two_moons:load",
        seeded=True,
    ),
    Entry(
        name="teacher",
        task="labels given by a random network",
        num_train=2000,
        num_validation=500,
        num_test=1000,
        num_inputs=16,
        num_classes=4,
        kind="synthetic",
        origin="computed from the seed",
        loader=f"{_PACKAGE}.teacher:load",
        seeded=True,
    ),
)

CATALOG: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
"""Description of every data set, by name."""


def describe(name: str) -> Entry:
    """Look up a data set's description.

    Parameters
    ----------
    name : str
        Name in ``DATASETS``.

    Returns
    -------
    Entry
        Sizes, origin and files.

    Raises
    ------
    UnknownNameError
        If there is no such data set.
    """
    if name not in CATALOG:
        raise unknown_name("data set", name, CATALOG)
    return CATALOG[name]
