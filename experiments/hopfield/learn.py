"""``eqlab learn``: how many examples, of what quality, a network needs, with and without a teacher."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import erf, sqrt
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from contrastive_core.progress.share import counted
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions, without_effect
from experiments.commandline.quantities import Positive
from experiments.commandline.sections import COMPUTATION
from experiments.hopfield.forms import OVERLAPS
from experiments.hopfield.sampling import PATTERNS, SAMPLING, Images, SpinOptions, image_patterns, sample
from experiments.report.contents import ReportTable
from experiments.report.ending import finish
from experiments.runs.forms import TEXT, list_of
from experiments.sweeps.axes import axis_of
from experiments.sweeps.compute import by_name, computation, compute_points, refuse_failed
from experiments.trials.engine import check_engine
from experiments.trials.experiment import AMOUNT, Experiment, Metric, Outcome

Quality = Annotated[float, Field(gt=0, le=1)]
THRESHOLD_OVERLAP = erf(1 / sqrt(2))
"""Overlap at which signal equals noise, over the largest."""


class PatternOptions(SpinOptions):
    """Network that learns patterns, in normalised units.

    Attributes
    ----------
    patterns, dilution, temperature
        K, d and T.
    images, data_dir
        Source of patterns that are not random.
    """

    patterns: Annotated[Positive, PATTERNS] = Field(1, description="Number of patterns to learn.")
    dilution: Annotated[float, Field(ge=0, lt=1), PATTERNS] = Field(
        0.0, description="Fraction of blank entries in the patterns, from 0 to below 1."
    )
    temperature: Annotated[float, SAMPLING] = Field(
        0.05, ge=0, description="Temperature in normalised units, in which the critical one without example noise is 1."
    )
    images: Annotated[Images | None, PATTERNS] = Field(
        None,
        description="Data set whose binarised images are learnt, from noisy copies, instead of random patterns; sets size and dilution.",
    )
    data_dir: Annotated[Path | None, PATTERNS] = Field(
        None, exclude=True, description="Directory with the files of the data set in --images; none: download them once and cache them."
    )


class LessonOptions(PatternOptions):
    """One network that learns from examples.

    Attributes
    ----------
    quality, examples
        r and M.
    """

    quality: Quality = Field(0.3, description="Quality of the examples, from 0 (random) to 1 (the pattern).")
    examples: Positive = Field(20, description="Number of examples per pattern.")


class LearnOptions(PatternOptions):
    """A grid of qualities and numbers of examples.

    Attributes
    ----------
    convention
        Units, which are fixed.
    qualities, examples
        Axes of the grid.
    chains, sweeps, burn_in
        Monte Carlo at equilibrium.
    engine
        Engine that computes the points.
    """

    convention: Literal["normalized"] = Field(
        "normalized", description="Units of couplings and temperatures, which are always normalised in learning."
    )
    qualities: tuple[Quality, ...] = Field(
        (0.2, 0.3, 0.5), min_length=1, description="Qualities of the examples, from 0 (random) to 1 (the pattern)."
    )
    examples: tuple[Positive, ...] = Field((1, 3, 5, 11, 21, 41, 81), min_length=1, description="Numbers of examples per pattern.")
    chains: Positive = Field(4)
    sweeps: int = Field(150, ge=10)
    burn_in: int = Field(50, ge=0)
    engine: Annotated[str, COMPUTATION] = Field(
        "process",
        exclude=True,
        description="Engine that computes the trials: serial, process:N, dask:N, tcp://HOST:PORT or a scheduler file.",
    )


METRICS = {
    "signal_to_noise": Metric("overlaps from signal and noise of the fields at T = 0, without feedback", along="pattern", form=OVERLAPS),
    "gaussian": Metric("overlaps with the patterns in the theory of Gaussian example noise", along="pattern", form=OVERLAPS),
    "instance": Metric("overlaps in the mean field of this instance", along="pattern", form=OVERLAPS),
    "supervised": Metric("overlaps sampled, examples averaged by a teacher", along="pattern", form=OVERLAPS),
    "supervised_error": Metric("standard errors of these", bounds=AMOUNT, along="pattern", form=OVERLAPS),
    "unsupervised": Metric("overlaps sampled, without a teacher", along="pattern", form=OVERLAPS),
    "unsupervised_error": Metric("standard errors of these", bounds=AMOUNT, along="pattern", form=OVERLAPS),
    "warnings": Metric("what the chains warn of", form=list_of(TEXT)),
}


def trial(options: LessonOptions, seed: int) -> Outcome:
    """Store one instance's examples with and without a teacher, and compare the overlaps with the archetypes with theory.

    Chains and the instance's mean field start from a hierarchy of the archetypes.

    Parameters
    ----------
    options : LessonOptions
        All options but the seed.
    seed : int
        Seed of patterns, examples and chains.

    Returns
    -------
    Outcome
        ``signal_to_noise``, ``gaussian``, ``instance``, ``supervised`` and ``unsupervised`` overlaps (lists over the patterns, None
        where the equations did not settle or patterns are images), errors of the last two, and ``warnings``.
    """
    import numpy as np

    from hebbian.multitasking import LOW_RANK, cue
    from hebbian.patterns import draw_examples, draw_patterns
    from hebbian.storage import remember
    from hebbian.theory.branches import branch_at
    from hebbian.theory.ensemble import Convention

    if options.images is None:
        patterns = draw_patterns(options.patterns, options.size, options.dilution, seed)
    else:
        patterns = image_patterns(options.images, options.patterns, options.data_dir)
    memory = remember(
        patterns,
        float((patterns == 0).mean()) if options.images else options.dilution,
        draw_examples(patterns, options.quality, options.examples, seed + 10),
        options.quality,
    )
    ladder = np.power(0.5, np.arange(options.patterns, dtype=np.float64))
    teacher = LOW_RANK["supervised-hebb"](memory, Convention.NORMALIZED)
    field = teacher.mean_field(options.temperature)
    start = teacher.counts(cue(patterns, ladder, 1, 1.0, seed + 1))[0] / patterns.shape[1]
    fields = branch_at(field, start).overlaps @ teacher.features
    means = np.tanh(teacher.scale / options.temperature * fields) if options.temperature > 0 else np.sign(fields)
    record: dict[str, Any] = {"instance": (patterns @ means / patterns.shape[1]).tolist()} | _theory(options, ladder)
    for name in counted(("supervised", "unsupervised"), name="network"):
        sampled = sample(LOW_RANK[f"{name}-hebb"](memory, Convention.NORMALIZED), ladder, options, seed)
        record |= {name: sampled["overlaps"], f"{name}_error": sampled["error"]}
        record["warnings"] = [*record.get("warnings", ()), *(f"{name}: {warning}" for warning in sampled["warnings"])]
    return Outcome(record)


EXPERIMENT = Experiment(LessonOptions, trial, METRICS, headline=("supervised", "unsupervised"))


def _theory(options: LessonOptions, ladder: Any) -> dict[str, list[float] | None]:
    from contrastive_core.errors import ConvergenceError
    from hebbian.theory.boundaries import hierarchical_overlaps
    from hebbian.theory.learning import GaussianLearning, example_noise

    if options.images is not None:  # images are no independent patterns
        return {"signal_to_noise": None, "gaussian": None}
    theory = GaussianLearning(options.patterns, options.dilution, example_noise(options.quality, options.examples), options.temperature)
    ratio = theory.signal_to_noise(hierarchical_overlaps(options.patterns, options.dilution)).tolist()
    try:
        return {"signal_to_noise": ratio, "gaussian": theory.solve((1 - options.dilution) * ladder).overlaps.tolist()}
    except ConvergenceError:
        return {"signal_to_noise": ratio, "gaussian": None}


@command(LearnOptions, "learn", draws=True)
def learn_command(options: LearnOptions, invocation: Invocation) -> None:
    """Learn patterns from noisy examples with and without a teacher, against the theory and its threshold.

    The threshold is the number of examples at which signal equals noise at T = 0, the same for both.

    \b
    Examples:
      eqlab learn
      eqlab learn --patterns 2 --dilution 0.2 --qualities 0.5 --examples 3,10,30,100 --out runs/learn
    """  # noqa: D301
    from hebbian.theory.thresholds import hierarchical_threshold_examples

    check_engine(options.engine)
    _check(options)
    shared = {
        name: value
        for name, value in options
        if name in LessonOptions.model_fields and name not in CommandOptions.model_fields and name not in ("examples", "convention")
    }
    points = by_name(
        (f"r{quality:g}-M{number}", LessonOptions(quality=quality, examples=number, convention="normalized", **shared))
        for quality in options.qualities
        for number in options.examples
    )
    for sentence in _ignored(options):
        invocation.warn(sentence)
    axes = [axis_of("quality", options.qualities), axis_of("examples", options.examples)]
    with computation(options, invocation, options.engine) as opened:
        found = compute_points("learn", points, axes, options.seed, opened)
    dilution = 0.0 if options.images else options.dilution
    thresholds = {str(r): hierarchical_threshold_examples(options.patterns, dilution, r) for r in options.qualities}
    cells = [cell_of(point.quality, point.examples, found[key]) for key, point in points.items()]
    measured = crossings(cells, options.qualities, 1 - dilution)
    result = {"convention": "normalized", "thresholds": thresholds, "measured_thresholds": measured, "points": found}
    text = "\n\n".join(f"{table.title}\n\n{table.in_text()}" for table in tables(cells, thresholds, measured))
    finish(opened.run, invocation, result, text)
    refuse_failed(found)


def _check(options: LearnOptions) -> None:
    """Refuse what cannot be computed, or is not there, before any point is."""
    from hebbian.theory.ensemble import check_examples_asked, check_temperature, diluted_ensemble

    check_temperature(options.temperature)
    check_examples_asked(min(options.qualities), min(options.examples))
    if options.images is None:
        diluted_ensemble(options.patterns, options.dilution)
    else:
        image_patterns(options.images, options.patterns, options.data_dir)


def _ignored(options: LearnOptions) -> list[str]:
    if options.images is None:
        found = without_effect(options, ("data_dir",), "no images are learned")
    else:
        found = without_effect(options, ("size", "dilution"), "the images set it")
    if options.temperature == 0:
        found += without_effect(options, ("sampler",), "at T = 0 descent is used")
    return found


_COLUMNS = ("quality", "examples", "signal_to_noise", "gaussian", "instance", "supervised", "unsupervised")
_RULES = ("supervised", "unsupervised")


def tables(cells: list[dict[str, Any]], thresholds: Mapping[str, float], measured: Mapping[str, Any]) -> list[ReportTable]:
    """Tabulate overlaps and thresholds, as terminal and report show them."""
    overlaps = [[*(cell[name] for name in _COLUMNS), thresholds[str(cell["quality"])]] for cell in cells]
    halves = [[float(r), found, *(measured[rule][r] for rule in _RULES)] for r, found in thresholds.items()]
    header = (*(name.replace("_", " ") for name in _COLUMNS), "threshold")
    note = "By theory, in this instance, and sampled with and without a teacher."
    return [
        ReportTable("overlap with the first pattern", header, overlaps, note),
        ReportTable("examples at which it reaches erf(1/sqrt 2) of its largest value", ("quality", "predicted examples", *_RULES), halves),
    ]


def crossings(cells: list[dict[str, Any]], qualities: Iterable[float], largest: float) -> dict[str, dict[str, float | None]]:
    """Return ``crossing`` for both rules and every quality."""
    return {rule: {str(quality): crossing(cells, quality, rule, largest) for quality in qualities} for rule in _RULES}


def crossing(cells: list[dict[str, Any]], quality: float, rule: str, largest: float) -> float | None:
    r"""Return the number of examples at which the sampled overlap reaches :math:`\mathrm{erf}(1/\sqrt2) = 0.6827` of its largest value.

    Parameters
    ----------
    cells : list of dict
        Results of all points.
    quality : float
        Quality of the examples, which selects the points.
    rule : str
        ``supervised`` or ``unsupervised``.
    largest : float
        Overlap of an archetype with itself, 1 - d.

    Returns
    -------
    float or None
        Number of examples M, interpolated in log M between the first two neighbours that enclose the level; None if there are none.
    """
    level = THRESHOLD_OVERLAP * largest
    mine = sorted((cell["examples"], cell[rule]) for cell in cells if cell["quality"] == quality and cell[rule] is not None)
    for (few, low), (many, high) in pairwise(mine):
        if low < level <= high:
            return float(few * (many / few) ** ((level - low) / (high - low)))
    return None


def cell_of(quality: float, examples: int, metrics: dict[str, Any] | None) -> dict[str, Any]:
    """Return a point as its figure takes it: overlaps with the first pattern; one that failed has no metrics."""
    names = (*_COLUMNS[2:], "supervised_error", "unsupervised_error")
    values = {name: metrics[name][0] if metrics and metrics[name] else None for name in names}
    return {"quality": quality, "examples": examples} | values
