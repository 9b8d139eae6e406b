"""``eqlab capacity``: how many patterns an undiluted network holds at T = 0, by theory and by finite-size scaling of Monte Carlo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.commandline.quantities import Positive
from experiments.commandline.sections import COMPUTATION
from experiments.report.contents import ReportTable
from experiments.report.ending import finish
from experiments.runs.forms import NUMBER, list_of
from experiments.sweeps.axes import axis_of
from experiments.sweeps.compute import by_name, computation, compute_points, refuse_failed
from experiments.trials.engine import check_engine
from experiments.trials.experiment import AMOUNT, COSINE, SHARE, Experiment, Metric, Outcome

if TYPE_CHECKING:
    from hebbian.scaling import Transition, Trials

Load = Annotated[float, Field(gt=0, le=1)]
EXPONENTS = (0.5, 2 / 3, 1.0)
"""Powers of 1/N that the shift is also fitted with, to show how much the answer hangs on it."""
THRESHOLDS = (0.7, 0.8, 0.9)
"""Overlaps from which a pattern counts as retrieved, all between those of the two kinds of end."""


class StorageOptions(CommandOptions):
    """Networks of one size at one load.

    Attributes
    ----------
    size, load, spins, starts
        N, P/N, the spins of all networks together, and how many patterns of each network are tried.
    """

    size: Positive = Field(1000, description="Number of spins.")
    load: Load = Field(0.14, description="Number of patterns per spin.")
    spins: Positive = Field(64_000, description="Number of spins of all networks of a point together, so that small networks are more.")
    starts: Positive = Field(4, description="Number of patterns of each network from which spins descend.")


class CapacityOptions(CommandOptions):
    """A grid of sizes and loads, and the fit.

    Attributes
    ----------
    sizes, loads, spins, starts
        The grid.
    resamples
        Number of bootstrap samples.
    engine
        Engine that computes the points.
    """

    sizes: tuple[Positive, ...] = Field((250, 500, 1000, 2000, 4000), min_length=3, description="Numbers of spins, at least three of them.")
    loads: tuple[Load, ...] = Field(
        (0.1, 0.12, 0.13, 0.1375, 0.145, 0.1525, 0.16, 0.17, 0.18, 0.19, 0.2), min_length=2, description="Numbers of patterns per spin."
    )
    spins: Positive = Field(64_000, description="Number of spins of all networks of a point together, so that small networks are more.")
    starts: Positive = Field(4, description="Number of patterns of each network from which spins descend.")
    resamples: int = Field(200, ge=20, description="Number of bootstrap samples of networks, which give the intervals.")
    engine: Annotated[str, COMPUTATION] = Field(
        "process",
        exclude=True,
        description="Engine that computes the trials: serial, process:N, dask:N, tcp://HOST:PORT or a scheduler file.",
    )


METRICS = {
    "load": Metric("patterns per spin, after rounding", bounds=AMOUNT),
    "theory_overlap": Metric("overlap of the retrieval state in the replica-symmetric theory, 0 above the capacity", bounds=SHARE),
    "networks": Metric("number of networks", bounds=AMOUNT),
    "retrieved": Metric("fraction of descents that end above the middle threshold", bounds=SHARE),
    "retrieved_overlap": Metric("mean overlap of these", bounds=COSINE),
    "overlaps": Metric("final overlap of every descent with its pattern, a list per network", form=list_of(list_of(NUMBER))),
    "sweeps": Metric("longest descent", "sweep", bounds=AMOUNT),
}


def trial(options: StorageOptions, seed: int) -> Outcome:
    """Descend from stored patterns at T = 0 in as many networks as the spins allow.

    Parameters
    ----------
    options : StorageOptions
        All options but the seed.
    seed : int
        Seed of the patterns.

    Returns
    -------
    Outcome
        Final overlaps, and the theory's.
    """
    from hebbian.retrieval import descend_from_patterns
    from hebbian.theory.capacity import retrieval_overlap

    found = descend_from_patterns(options.size, options.load, max(1, options.spins // options.size), options.starts, seed)
    kept = found.overlaps[found.overlaps > THRESHOLDS[1]]
    metrics = {
        "load": found.load,
        "theory_overlap": retrieval_overlap(found.load),
        "networks": len(found.overlaps),
        "retrieved": kept.size / found.overlaps.size,
        "retrieved_overlap": float(kept.mean()) if kept.size else None,
        "overlaps": found.overlaps.tolist(),
        "sweeps": found.sweeps,
    }
    return Outcome(metrics)


EXPERIMENT = Experiment(StorageOptions, trial, METRICS, headline=("retrieved", "retrieved_overlap"))


@command(CapacityOptions, "capacity", draws=True)
def capacity_command(options: CapacityOptions, invocation: Invocation) -> None:
    """Measure the capacity of undiluted networks at T = 0 by finite-size scaling, against the replica theory.

    Networks of every size store P patterns of N spins, and spins descend from a pattern. The loads at which half of the patterns
    stay retrieved are extrapolated to infinite N by a fit of all sizes at once, with intervals from a bootstrap over networks.

    \b
    Examples:
      eqlab capacity
      eqlab capacity --sizes 500,1000,2000,4000,8000 --spins 320000 --out runs/capacity
    """  # noqa: D301
    from hebbian.retrieval import count_patterns

    check_engine(options.engine)
    if len(set(options.sizes)) < 3:
        raise InputError(f"a scaling fit needs at least three sizes, got {sorted(set(options.sizes))}")
    count_patterns(min(options.sizes), min(options.loads))  # refuses less than one before any point is computed
    points = by_name(
        (f"N{size}-a{load:g}", StorageOptions(size=size, load=load, spins=options.spins, starts=options.starts, seed=options.seed))
        for size in options.sizes
        for load in options.loads
    )
    axes = [axis_of("size", options.sizes), axis_of("load", options.loads)]
    with computation(options, invocation, options.engine) as opened:
        found = compute_points("capacity", points, axes, options.seed, opened)
    refuse_failed(found)
    result = analyse([{"size": point.size} | (found[key] or {}) for key, point in points.items()], options)
    text = "\n\n".join(f"{table.caption}\n\n{table.in_text()}" for table in tables(result))
    finish(opened.run, invocation, result, text)


def analyse(cells: list[dict[str, Any]], options: CapacityOptions) -> dict[str, Any]:
    """Fit all points, resample the networks, and repeat the fit with other exponents and thresholds.

    Parameters
    ----------
    cells : list of dict
        Each with a ``size`` and the metrics of :func:`trial`.
    options : CapacityOptions
        For the bootstrap.

    Returns
    -------
    dict
        ``theory``, ``monte_carlo`` with intervals of 95 %, ``midpoints`` by size, ``alternatives`` and ``points``.
    """
    import numpy as np

    from hebbian.scaling import bootstrap_fits, fit_transition, midpoint
    from hebbian.theory.capacity import capacity

    trials = _trials(cells, THRESHOLDS[1])
    fit = fit_transition(trials)
    drawn = bootstrap_fits(trials, options.resamples, options.seed)
    other = [fit_transition(_trials(cells, level), power) for level in THRESHOLDS for power in (None, *EXPONENTS)]
    levels = [level for level in THRESHOLDS for _ in range(1 + len(EXPONENTS))]
    generator = np.random.default_rng(options.seed + 1)
    again = [trials.resampled(generator) for _ in range(options.resamples)]
    sizes = sorted(set(options.sizes))
    _, total = trials.totals
    theory = capacity()
    return {
        "theory": {"load": theory.load, "overlap": theory.overlap},
        "monte_carlo": {
            "load": fit.load,
            "load_interval": _interval([one.load for one in drawn]),
            "exponent": fit.exponent,
            "exponent_interval": _interval([one.exponent for one in drawn]),
            "shift": fit.shift,
            "width": fit.width,
            "deviance": fit.deviance,
            "freedom": fit.freedom,
            "plausibility": fit.plausibility,
            "descents": int(total.sum()),
            "threshold": THRESHOLDS[1],
        },
        "midpoints": [
            {"size": size, "load": midpoint(trials, size), "interval": _interval([midpoint(one, size) for one in again])} for size in sizes
        ],
        "alternatives": [_alternative(level, one) for level, one in zip(levels, other, strict=True)],
        "points": [
            {key: value for key, value in cell.items() if key != "overlaps"} | {"trials": int(number), "fitted": float(chance)}
            for cell, number, chance in zip(cells, total, fit.chance(trials.sizes, trials.loads), strict=True)
        ],
    }


def _trials(cells: list[dict[str, Any]], threshold: float) -> Trials:
    import numpy as np

    from hebbian.scaling import Trials

    ends = [np.array(cell["overlaps"]) for cell in cells]
    sizes, loads = (np.array([cell[key] for cell in cells], dtype=np.float64) for key in ("size", "load"))
    return Trials(sizes, loads, [(overlaps > threshold).sum(axis=1) for overlaps in ends], ends[0].shape[1])


def _alternative(threshold: float, fit: Transition) -> dict[str, Any]:
    return {"threshold": threshold, "exponent": fit.exponent, "load": fit.load, "plausibility": fit.plausibility}


def _interval(values: list[float]) -> list[float]:
    import numpy as np

    return [float(bound) for bound in np.nanpercentile(values, [2.5, 97.5])]


def tables(result: Mapping[str, Any]) -> list[ReportTable]:
    """Tabulate the scaling and its alternatives, as terminal and report show them; the notes hold the two capacities."""
    theory, measured = result["theory"], result["monte_carlo"]
    halves = [(row["size"], row["load"], *row["interval"]) for row in result["midpoints"]]
    rows = [(row["threshold"], row["exponent"], row["load"], row["plausibility"]) for row in result["alternatives"]]
    low, high = measured["load_interval"]
    first, last = measured["exponent_interval"]
    found = (
        f"Monte Carlo, {measured['descents']} descents from patterns: capacity {measured['load']:.4f} [{low:.4f}, {high:.4f}], shift "
        f"N^-x with x = {measured['exponent']:.2f} [{first:.2f}, {last:.2f}]; deviance {measured['deviance']:.1f} for "
        f"{measured['freedom']} degrees of freedom (p = {measured['plausibility']:.2f})\n"
        "95 % intervals by bootstrap over networks. They hold for this form of the shift; other forms and thresholds give"
    )
    predicted = f"replica-symmetric theory: capacity {theory['load']:.4f}, where m = {theory['overlap']:.4f}"
    return [
        ReportTable("Load at which half is retrieved", ("N", "half retrieved at P/N", "from", "to"), halves, predicted),
        ReportTable("Capacity by other forms of the fit", ("threshold", "exponent x", "capacity", "p value"), rows, found),
    ]
