"""``eqlab basins``: from how far away a state is retrieved, with one pattern in the cue or several at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from contrastive_core.errors import InputError
from contrastive_core.progress.share import counted
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.commandline.quantities import Positive
from experiments.commandline.sections import COMPUTATION
from experiments.hopfield.sampling import PATTERNS, ground_state
from experiments.report.contents import ReportTable
from experiments.report.ending import finish
from experiments.runs.forms import NUMBER, list_of
from experiments.runs.intervals import share_interval
from experiments.sweeps.axes import axis_of
from experiments.sweeps.compute import by_name, computation, compute_points, refuse_failed
from experiments.trials.engine import check_engine
from experiments.trials.experiment import AMOUNT, COSINE, SHARE, Experiment, Metric, Outcome

if TYPE_CHECKING:
    from hebbian.arrays import Floats

Cue = Literal["pure", "multitasking"]
Quality = Annotated[float, Field(ge=0, le=1)]


class NetworksOptions(CommandOptions):
    """Networks and how they run from a cue; couplings are raw.

    Attributes
    ----------
    patterns, dilution, temperature, size
        K, d, T and N; undiluted networks at T = 0 may store any number of patterns.
    networks, sweeps, tolerance
        Number of networks, length of their runs, and fraction of an overlap that may be missing.
    """

    patterns: Annotated[Positive, PATTERNS] = Field(3, description="Number of stored patterns.")
    dilution: Annotated[float, Field(ge=0, lt=1), PATTERNS] = Field(
        0.5, description="Fraction of blank entries (d) in the patterns, from 0 to below 1."
    )
    temperature: Annotated[float, PATTERNS] = Field(0.05, ge=0, description="Temperature in raw units, in which the critical one is 1 - d.")
    size: Annotated[Positive, PATTERNS] = Field(4000, description="Number of spins.")
    networks: Positive = Field(100, description="Number of networks, each with patterns and a cue of its own.")
    sweeps: int = Field(40, ge=5, description="Number of sweeps of Glauber dynamics at T > 0; at T = 0 spins descend to rest.")
    tolerance: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="Fraction of an expected overlap that may be missing in a retrieved state."
    )


class BasinOptions(NetworksOptions):
    """Networks that start from cues of one kind and quality.

    Attributes
    ----------
    target, quality
        Whether the first pattern alone is cued and asked for or the whole ground state, and how good the cue is.
    """

    target: Cue = Field(
        "multitasking", description="State to cue and retrieve: the first pattern (pure) or the whole ground state (multitasking)."
    )
    quality: Quality = Field(0.5, description="Quality of the cue: spins agree with it with probability (1 + quality)/2.")


class BasinsOptions(NetworksOptions):
    """A curve for each target.

    Attributes
    ----------
    targets, qualities
        The grid.
    engine
        Engine that computes the points.
    """

    targets: tuple[Cue, ...] = Field(
        ("pure", "multitasking"),
        min_length=1,
        description="States to cue and retrieve, a curve each: the first pattern (pure) or the ground state (multitasking).",
    )
    qualities: tuple[Quality, ...] = Field(
        (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0),
        min_length=1,
        description="Qualities of the cues: spins agree with a cue with probability (1 + quality)/2.",
    )
    engine: Annotated[str, COMPUTATION] = Field(
        "process",
        exclude=True,
        description="Engine that computes the trials: serial, process:N, dask:N, tcp://HOST:PORT or a scheduler file.",
    )


METRICS = {
    "initial_overlap": Metric("mean overlap of the start with the first pattern", bounds=COSINE),
    "final_overlap": Metric("mean overlap of the end with it", bounds=COSINE),
    "expected": Metric("overlaps of the state to be retrieved", form=list_of(NUMBER)),
    "successes": Metric("networks that retrieved it", bounds=AMOUNT),
    "networks": Metric("networks", bounds=AMOUNT),
    "success": Metric("their fraction", bounds=SHARE),
    "interval": Metric("its 95 % interval", bounds=SHARE, form=list_of(NUMBER)),
}


def trial(options: BasinOptions, seed: int) -> Outcome:
    """Run many networks from cues of one quality, and count those that end in the state cued.

    Parameters
    ----------
    options : BasinOptions
        All options but the seed.
    seed : int
        Seed of patterns, cues and dynamics.

    Returns
    -------
    Outcome
        Success with Wilson's interval: every network has its own patterns, so that all are independent.
    """
    import numpy as np

    from hebbian.multitasking import store_patterns
    from hebbian.patterns import draw_patterns
    from hebbian.retrieval import recall_from_cue
    from hebbian.storage import remember
    from hebbian.theory.branches import branch_at

    expected = expected_overlaps(options)
    asked = expected > 0 if options.target == "multitasking" else np.arange(options.patterns) == 0
    weights = np.where(asked, expected, 0.0)
    replica = _is_loaded(options)
    ends, reached = np.empty((options.networks, 2, options.patterns)), np.zeros(options.networks, dtype=bool)
    for index in counted(range(options.networks), name="network"):
        patterns = draw_patterns(options.patterns, options.size, options.dilution, np.random.default_rng([seed, index]))
        system = store_patterns(remember(patterns, options.dilution))
        draws = int(np.random.default_rng([seed, index, 1]).integers(2**62))
        ends[index] = recall_from_cue(system, weights, options.quality, options.temperature, options.sweeps, draws)
        # A network's own state differs from that of the distribution by its quenched noise, which is no failure to retrieve.
        state = expected if replica else branch_at(system.mean_field(options.temperature), expected).overlaps
        reached[index] = bool((ends[index, 1, asked] >= (1 - options.tolerance) * state[asked]).all())
    metrics = {
        "initial_overlap": float(ends[:, 0, 0].mean()),
        "final_overlap": float(ends[:, 1, 0].mean()),
        "expected": expected[asked].tolist(),
        "successes": int(reached.sum()),
        "networks": options.networks,
        "success": float(reached.mean()),
        "interval": list(share_interval(float(reached.mean()), options.networks)),
    }
    return Outcome(metrics)


EXPERIMENT = Experiment(BasinOptions, trial, METRICS, headline=("success", "initial_overlap"))


def _is_loaded(options: NetworksOptions) -> bool:
    return options.dilution == 0 and options.temperature == 0


def expected_overlaps(options: NetworksOptions) -> Floats:
    """Return the overlaps of the state that a good cue leads to, largest first.

    Few patterns: the ground state of the mean field. Undiluted patterns at T = 0, where theory of few patterns cannot know of the
    load: the retrieval state of the replica theory at P/N.

    Raises
    ------
    InputError
        If there is nothing to retrieve, or no theory for so many patterns.
    ConvergenceError
        If ties at T = 0 leave no stable state.
    """
    import numpy as np

    from hebbian.theory.branches import stable_branches
    from hebbian.theory.capacity import retrieval_overlap
    from hebbian.theory.ensemble import diluted_ensemble
    from hebbian.theory.mean_field import MeanField

    if _is_loaded(options):
        expected = np.zeros(options.patterns)
        expected[0] = retrieval_overlap(options.patterns / options.size)
    elif options.patterns > 7:
        raise InputError(
            f"the ground state of {options.patterns} patterns is not solved for here; use at most 7, or --dilution 0 --temperature 0"
        )
    else:
        field = MeanField(diluted_ensemble(options.patterns, options.dilution), options.temperature)
        ground = ground_state(stable_branches(field)).overlaps
        expected = np.where(ground > 1e-6, ground, 0.0)
    if not expected[0] > 0:
        raise InputError("nothing is retrieved at this temperature, dilution or load; lower them")
    return expected


@command(BasinsOptions, "basins", draws=True)
def basins_command(options: BasinsOptions, invocation: Invocation) -> None:
    """Measure basins of attraction, as the probability of retrieval against the quality of the cue.

    The pure case cues one pattern and asks for it. The multitasking case cues the whole ground state, with the signs of all patterns
    in it, and asks for every overlap at once.

    \b
    Examples:
      eqlab basins
      eqlab basins --targets pure --patterns 80 --dilution 0 --temperature 0 --size 1000 --out runs/basins
    """  # noqa: D301
    check_engine(options.engine)
    expected_overlaps(options)  # refuses what has no state to retrieve before a run is made
    shared = {name: value for name, value in options if name in NetworksOptions.model_fields}
    points = by_name(
        (f"{target}-q{quality:g}", BasinOptions(target=target, quality=quality, **shared))
        for target in options.targets
        for quality in options.qualities
    )
    axes = [axis_of("target", options.targets), axis_of("quality", options.qualities)]
    with computation(options, invocation, options.engine) as opened:
        found = compute_points("basins", points, axes, options.seed, opened)
    refuse_failed(found)
    cells: list[dict[str, Any]] = [{"target": point.target, "quality": point.quality} | (found[key] or {}) for key, point in points.items()]
    finish(opened.run, invocation, {"convention": "raw", "points": cells}, f"raw convention\n\n{tables(cells)[0].in_text()}")


def tables(cells: Sequence[Mapping[str, Any]]) -> list[ReportTable]:
    """Tabulate how many networks retrieve, as terminal and report show it."""
    names = ("target", "quality", "initial_overlap", "final_overlap", "successes", "networks")
    rows = [(*(cell[name] for name in names), *cell["interval"]) for cell in cells]
    header = ("target", "quality", "start m_1", "end m_1", "retrieved", "of", "from", "to")
    note = "Overlap with the first pattern at the start and at the end, and networks that retrieve, with the 95 % interval of their share."
    return [ReportTable("Networks that retrieve", header, rows, note)]
