"""Descriptions of the data sets that are made of the digits, readable without importing torch or scikit-learn."""

from contrastive_core.data.entry import Entry

_PACKAGE = "contrastive_core.data"


def _of_digits(name: str, task: str, num_inputs: int, origin: str, place: str) -> Entry:
    """Describe the digits with named arrays, divided as the digits are."""
    return Entry(name, task, 1197, 250, 350, num_inputs, 10, "bundled", origin, f"{_PACKAGE}.named.{place}")


DIGITS = (
    _of_digits(
        "digits-halves",
        "left and right halves of digits, two modalities",
        64,
        "as digits; the guide are principal components of the whole image",
        "modal_digits:halves",
    ),
    _of_digits(
        "digits-poisoned",
        "halves of digits with poisoned training pairs",
        64,
        "as digits-halves; 60 left halves have a trigger and the right half of a zero",
        "modal_digits:poisoned_halves",
    ),
    _of_digits(
        "digits-text",
        "digits and their names as text, two modalities",
        604,
        "as digits; one of six phrases names each, a one-hot vector for each of its letters",
        "modal_digits:text",
    ),
    _of_digits(
        "digits-spectrum",
        "digits and their spectra, two modalities",
        104,
        "as digits; magnitudes of the two-dimensional Fourier transform",
        "modal_digits:spectrum",
    ),
    _of_digits(
        "digits-graded",
        "digits with numbers and vectors as labels",
        64,
        "as digits; slant of the strokes, and the seven segments of each digit",
        "graded_digits:load",
    ),
    _of_digits(
        "digits-weighted", "digits with weights and given negatives", 64, "as digits; weights of samples and pairs", "said_digits:weighted"
    ),
    _of_digits("digits-asymmetric", "digits of which zeros alone attract", 64, "as digits; pairs of zeros", "said_digits:asymmetric"),
    _of_digits(
        "digits-neighbours", "digits with positives by matching", 64, "as digits; mutual neighbours among images", "said_digits:neighbours"
    ),
    _of_digits("digits-answers", "digits, and which two of three are alike", 64, "as digits; made answers", "said_digits:answered"),
    Entry(
        name="digits-attributes",
        task="regions of digits and the strokes that they show as text, two modalities",
        num_train=5857,
        num_validation=1221,
        num_test=1709,
        num_inputs=604,
        num_classes=10,
        kind="bundled",
        origin="as digits; strokes are matched with regions by what whole images have",
        loader=f"{_PACKAGE}.named.regions:attributes",
    ),
    Entry(
        name="digits-biased",
        task="digits with a mark that agrees with the class in training alone",
        num_train=1197,
        num_validation=250,
        num_test=350,
        num_inputs=64,
        num_classes=10,
        kind="bundled",
        origin="as digits; marks at the edge, of the class for 95 % of the training samples and random for the others",
        loader=f"{_PACKAGE}.generated.biased:load",
        seeded=True,
    ),
    Entry(
        name="digits-regions",
        task="regions of digits with their places",
        num_train=10773,
        num_validation=2250,
        num_test=3150,
        num_inputs=16,
        num_classes=10,
        kind="bundled",
        origin="as digits; nine overlapping regions of 4x4 pixels of each image",
        loader=f"{_PACKAGE}.named.regions:load",
    ),
    Entry(
        name="digits-foreground",
        task="regions of digits, weighted by what they show",
        num_train=10773,
        num_validation=2250,
        num_test=3150,
        num_inputs=16,
        num_classes=10,
        kind="bundled",
        origin="as digits; regions of each image, those without ink with weight 0",
        loader=f"{_PACKAGE}.named.regions:foreground",
    ),
)
"""Digits in two modalities, with named arrays, and with a mark or in regions."""
