"""Descriptions of all data sets, with sizes and origins, readable without importing torch or scikit-learn."""

from contrastive_core.data.entries.digits import DIGITS
from contrastive_core.data.entry import Entry
from contrastive_core.data.published import CIFAR10, CIFAR100, FASHION_MNIST, KMNIST, MNIST, SVHN
from contrastive_core.registry import unknown_name

_PACKAGE = "contrastive_core.data"


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
        files=MNIST,
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
        files=FASHION_MNIST,
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
        files=KMNIST,
    ),
    Entry(
        name="cifar10",
        task="32x32 colour pictures of animals and vehicles",
        num_train=45000,
        num_validation=5000,
        num_test=10000,
        num_inputs=3072,
        num_classes=10,
        kind="download",
        origin="Krizhevsky (2009), Learning multiple layers of features from tiny images, University of Toronto",
        loader=f"{_PACKAGE}.folder:cifar10",
        mirror="https://www.cs.toronto.edu/~kriz/",
        files=CIFAR10,
        format="records",
        folder="cifar-10-batches-bin",
    ),
    Entry(
        name="cifar100",
        task="32x32 colour pictures of 100 classes",
        num_train=45000,
        num_validation=5000,
        num_test=10000,
        num_inputs=3072,
        num_classes=100,
        kind="download",
        origin="Krizhevsky (2009), as cifar10; fine labels",
        loader=f"{_PACKAGE}.folder:cifar100",
        mirror="https://www.cs.toronto.edu/~kriz/",
        files=CIFAR100,
        format="records",
        folder="cifar-100-binary",
    ),
    Entry(
        name="svhn",
        task="32x32 colour pictures of digits in house numbers",
        num_train=65932,
        num_validation=7325,
        num_test=26032,
        num_inputs=3072,
        num_classes=10,
        kind="download",
        origin="Netzer et al. (2011), NIPS workshop on deep learning; cropped digits, for non-commercial use",
        loader=f"{_PACKAGE}.folder:svhn",
        mirror="http://ufldl.stanford.edu/housenumbers/",
        files=SVHN,
        format="mat",
    ),
    Entry(
        name="spoken-digits",
        task="spectrograms of spoken digits",
        num_train=2400,
        num_validation=300,
        num_test=300,
        num_inputs=768,
        num_classes=10,
        kind="folder",
        origin="Free Spoken Digit Dataset (Jackson et al. 2018), CC BY-SA 4.0, from a folder of its recordings",
        loader=f"{_PACKAGE}.sound.spoken_digits:load",
    ),
    Entry(
        name="bars-and-stripes",
        task="4x4 pictures of bars or stripes",
        num_train=320,
        num_validation=32,
        num_test=32,
        num_inputs=16,
        num_classes=2,
        kind="synthetic",
        origin="computed: every picture, in equal numbers and in every split",
        loader=f"{_PACKAGE}.bars_and_stripes:load",
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
    *DIGITS,
    Entry(
        name="pulses",
        task="time series of patients and trials",
        num_train=960,
        num_validation=240,
        num_test=240,
        num_inputs=64,
        num_classes=3,
        kind="synthetic",
        origin="computed from the seed: a train of pulses for each sample, whose rhythm is its class",
        loader=f"{_PACKAGE}.named.pulses:load",
        seeded=True,
    ),
    Entry(
        name="diabetes",
        task="progression of diabetes in a year, a number",
        num_train=310,
        num_validation=66,
        num_test=66,
        num_inputs=10,
        num_classes=1,
        kind="bundled",
        origin="Efron, Hastie, Johnstone & Tibshirani (2004), Annals of Statistics 32:407, installed with scikit-learn",
        loader=f"{_PACKAGE}.regression:diabetes",
        labels="regression",
    ),
    Entry(
        name="synthetic-houses",
        task="values of made houses, a number",
        num_train=2800,
        num_validation=600,
        num_test=600,
        num_inputs=8,
        num_classes=1,
        kind="synthetic",
        origin="computed from the seed: eight columns as those of the California housing data, and a law of their own for the value",
        loader=f"{_PACKAGE}.regression:houses",
        seeded=True,
        labels="regression",
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
