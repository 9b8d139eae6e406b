"""``eqlab phase``: the phase diagram of a multitasking network, theory and Monte Carlo at every point of a grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from contrastive_core.progress.share import part
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.commandline.sections import COMPUTATION
from experiments.hopfield.forms import CHAINS, VERDICT
from experiments.hopfield.sampling import SpinOptions, ground_state, judge, sample
from experiments.report.contents import ReportTable
from experiments.report.ending import finish
from experiments.runs.forms import FLAG, NUMBER, TEXT, missing_or
from experiments.sweeps.axes import axis_of
from experiments.sweeps.compute import by_name, computation, compute_points, refuse_failed
from experiments.trials.engine import check_engine
from experiments.trials.experiment import AMOUNT, COSINE, SHARE, Experiment, Metric, Outcome

Fraction = Annotated[float, Field(ge=0, lt=1)]
Ratio = Annotated[float, Field(ge=0)]


class PointOptions(SpinOptions):
    """One point of the diagram.

    Attributes
    ----------
    patterns, dilution, ratio
        K, d, and the temperature over its critical value, whatever the convention.
    theory_only
        Whether Monte Carlo is left out.
    """

    patterns: Annotated[int, Field(gt=0)] = Field(3, description="Number of patterns.")
    dilution: Fraction = Field(0.3, description="Fraction of blank entries in the patterns, from 0 to below 1.")
    ratio: Ratio = Field(0.2, description="Temperature relative to the critical one.")
    theory_only: bool = Field(False, description="Solve the theory and sample nothing.")


class PhaseOptions(SpinOptions):
    """A grid of points, each with stratified patterns.

    Attributes
    ----------
    patterns, dilutions, ratios
        The grid; by default 20 dilutions and 20 temperatures.
    theory_only
        Whether Monte Carlo is left out.
    engine
        Engine that computes the points.
    """

    patterns: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (3,), min_length=1, description="Numbers of patterns, each with a diagram of its own."
    )
    dilutions: tuple[Fraction, ...] = Field(
        tuple(round(0.02 + 0.05 * index, 2) for index in range(20)),
        min_length=1,
        description="Fractions of blank entries in the patterns, from 0 to below 1.",
    )
    ratios: tuple[Ratio, ...] = Field(
        tuple(round(0.025 + 0.05 * index, 3) for index in range(20)), min_length=1, description="Temperatures relative to the critical one."
    )
    theory_only: bool = Field(False, description="Solve the theory and sample nothing, on a finer grid if one is given.")
    chains: Annotated[int, Field(gt=0)] = Field(4)
    sweeps: int = Field(1500, ge=10)
    burn_in: int = Field(150, ge=0)
    sampler: Literal["lumped", "block", "glauber", "metropolis"] = Field("lumped", description="Algorithm that samples the equilibrium.")
    engine: Annotated[str, COMPUTATION] = Field(
        "process",
        exclude=True,
        description="Engine that computes the trials: serial, process:N, dask:N, tcp://HOST:PORT or a scheduler file.",
    )


METRICS = {
    "temperature": Metric("temperature in the units of the convention", bounds=AMOUNT),
    "branch": Metric("ground state of the theory", form=TEXT),
    "overlaps": Metric("overlaps of that state with the patterns", bounds=COSINE, along="pattern"),
    "free_energy": Metric("free energy per spin of that state", form=NUMBER),
    "min_eigenvalue": Metric("smallest eigenvalue of its stability matrix", form=NUMBER),
    "marginal": Metric("whether that state is at a critical point, neither stable nor unstable", form=FLAG),
    "stable_states": Metric("number of stable states of the theory", bounds=AMOUNT),
    "monte_carlo": Metric("what the chains found", form=missing_or(CHAINS)),
    "monte_carlo.overlaps": Metric("sampled overlaps with the patterns", bounds=COSINE, along="pattern"),
    "monte_carlo.error": Metric("standard errors of the sampled overlaps", bounds=AMOUNT, along="pattern"),
    "verdict": Metric("whether theory and Monte Carlo agree", form=missing_or(VERDICT)),
    "verdict.agrees": Metric("share of decided points whose theory and Monte Carlo agree", bounds=SHARE),
}


def trial(options: PointOptions, seed: int) -> Outcome:
    """Solve the theory at one point and sample its ground state on stratified patterns.

    Parameters
    ----------
    options : PointOptions
        All options but the seed.
    seed : int
        Seed of the patterns' order and of the chains.

    Returns
    -------
    Outcome
        ``branch``, ``overlaps``, ``free_energy``, ``min_eigenvalue``, ``marginal`` and the number of ``stable_states`` of the theory;
        ``monte_carlo`` and ``verdict`` as for ``eqlab recall``, None where only theory is asked for.
    """
    from hebbian.multitasking import store_patterns
    from hebbian.patterns import stratified_patterns
    from hebbian.storage import remember
    from hebbian.theory.branches import branch_at, stable_branches
    from hebbian.theory.ensemble import Convention, diluted_ensemble
    from hebbian.theory.mean_field import MeanField

    patterns = stratified_patterns(options.patterns, options.size, options.dilution, seed)
    system = store_patterns(remember(patterns, options.dilution), Convention(options.convention))
    temperature = options.ratio * (1 - options.dilution) * system.scale
    with part(0.0, 1.0 if options.theory_only else 0.5, "theory"):
        branches = stable_branches(MeanField(diluted_ensemble(options.patterns, options.dilution), temperature, system.scale))
    ground = ground_state(branches)
    own = system.mean_field(temperature)
    with part(0.5, 1.0, "chains"):
        sampled = None if options.theory_only else sample(system, ground.overlaps, options, seed, temperature)
    metrics = {
        "temperature": temperature,
        "branch": ground.name,
        "overlaps": ground.overlaps.tolist(),
        "free_energy": ground.free_energy,
        "min_eigenvalue": ground.min_eigenvalue,
        "marginal": ground.marginal,
        "stable_states": len(branches),
        "monte_carlo": sampled,
        "verdict": judge(sampled, own, branch_at(own, ground.overlaps), system.num_spins, options.sweeps) if sampled else None,
    }
    return Outcome(metrics)


EXPERIMENT = Experiment(PointOptions, trial, METRICS, headline=("monte_carlo.overlaps", "verdict.agrees"))


def boundaries(num_patterns: int, dilutions: tuple[float, ...]) -> dict[str, list[tuple[float, float | None]]]:
    """Return the lines of the theory in units of T_c, over a fine grid from the least to the largest dilution.

    Parameters
    ----------
    num_patterns : int
        Number K of patterns.
    dilutions : tuple of float
        Dilutions of the diagram.

    Returns
    -------
    dict of str to list of (dilution, ratio)
        Points of each line, with None where there is no boundary; empty for a single pattern, which is always pure.
    """
    from hebbian.theory.boundaries import critical_dilution, pure_temperature, symmetric_temperature

    if num_patterns < 2:
        return {}
    low, high = min(dilutions), max(dilutions)
    fine = [low + (high - low) * index / 80 for index in range(81)]

    def ratio(temperature: float | None, dilution: float) -> float | None:
        return None if temperature is None else temperature / (1 - dilution)

    critical = critical_dilution(num_patterns)
    return {
        "pure unstable below": [(d, ratio(pure_temperature(d), d)) for d in fine],
        "symmetric unstable below": [(d, ratio(symmetric_temperature(num_patterns, d), d)) for d in fine],
        "hierarchical state exists up to, at T = 0": [(critical, 0.0), (critical, 0.05)],
    }


@command(PhaseOptions, "phase", draws=True)
def phase_command(options: PhaseOptions, invocation: Invocation) -> None:
    """Draw the phase diagram of networks of diluted patterns, with ground states of the theory and Monte Carlo at every point.

    \b
    Examples:
      eqlab phase
      eqlab phase --patterns 2,3,4 --dilutions 0.1,0.3,0.5,0.7,0.9 --ratios 0,0.1,0.3,0.5,0.7,0.9 --out runs/phase
      eqlab phase --theory-only --ratios 0,0.1,0.2
    """  # noqa: D301
    check_engine(options.engine)
    _check(options)
    points = _points(options)
    axes = [axis_of("patterns", options.patterns), axis_of("dilution", options.dilutions), axis_of("ratio", options.ratios)]
    with computation(options, invocation, options.engine) as opened:
        found = compute_points("phase", points, axes, options.seed, opened)
    cells = {
        count: [cell_of(point.dilution, point.ratio, found[key]) for key, point in points.items() if point.patterns == count]
        for count in options.patterns
    }
    text = tables(cells)[0].in_text()
    result = {"convention": options.convention, "points": {str(count): cells[count] for count in cells}}
    finish(opened.run, invocation, result, text)
    refuse_failed(found)


def _check(options: PhaseOptions) -> None:
    """Refuse what cannot be computed before any point is: temperatures next to 0, and patterns that cannot be stratified.

    With blanks there are the most types of site.
    """
    from hebbian.patterns import stratified_patterns
    from hebbian.theory.ensemble import check_temperature

    for ratio in options.ratios:
        check_temperature(ratio * (1 - max(options.dilutions)))
    for count in options.patterns:
        stratified_patterns(count, options.size, max(options.dilutions), options.seed)


def _points(options: PhaseOptions) -> dict[str, PointOptions]:
    names = (SpinOptions.model_fields.keys() | {"theory_only"}) - CommandOptions.model_fields.keys()
    shared = {name: value for name, value in options if name in names}
    return by_name(
        (f"K{count}-d{dilution:g}-T{ratio:g}", PointOptions(patterns=count, dilution=dilution, ratio=ratio, **shared))
        for count in options.patterns
        for dilution in options.dilutions
        for ratio in options.ratios
    )


def cell_of(dilution: float, ratio: float, metrics: dict[str, Any] | None) -> dict[str, Any]:
    """Return a point of the diagram as its figure takes it; one that failed has no metrics."""
    cell: dict[str, Any] = {"dilution": dilution, "ratio": ratio, "branch": None, "agrees": None}
    return cell if metrics is None else cell | metrics | {"agrees": metrics["verdict"] and metrics["verdict"]["agrees"]}


def tables(cells: Mapping[int, list[dict[str, Any]]]) -> list[ReportTable]:
    """Count the points of each diagram by the verdict on them, as terminal and report show it."""
    header = ("patterns", "points", "agree", "undecided", "disagree", "not sampled", "failed", "largest difference where decided")
    note = (
        "Points at which theory and Monte Carlo agree to four standard errors and the finite-size correction. Temperatures are relative "
        "to the critical one, which is 1 - d in raw and 1 in normalised units, so that both units give one diagram."
    )
    return [ReportTable("Points of the diagram", header, [_summary(count, found) for count, found in cells.items()], note)]


def _summary(count: int, cells: list[dict[str, Any]]) -> tuple[int | float | None, ...]:
    decided = [cell["verdict"]["deviation"] for cell in cells if cell["agrees"] is not None]
    failed = sum(cell["branch"] is None for cell in cells)
    agree, disagree = (sum(cell["agrees"] is truth for cell in cells) for truth in (True, False))
    unsampled = sum(cell["branch"] is not None and cell["verdict"] is None for cell in cells)
    undecided = len(cells) - agree - disagree - unsampled - failed
    return count, len(cells), agree, undecided, disagree, unsampled, failed, max(decided, default=None)
