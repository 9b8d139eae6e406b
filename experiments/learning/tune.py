"""``eqlab tune``: the cheapest strength and tolerances whose gradient is good enough, written down for ``eqlab train``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from contrastive_core.errors import EqlabError, InputError
from contrastive_core.files.writing import write_named
from contrastive_core.progress.share import counted, part
from experiments.commandline.completion import complete
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.output import Cell, format_table, to_toml
from experiments.commandline.sections import COMPUTATION, OUTPUT
from experiments.learning.tune_cases import TuneOptions, check_material, curvature, material
from experiments.report.ending import finish
from experiments.runs.forms import NUMBER, TEXT, list_of, mapping_of, missing_or
from experiments.setup.build import architecture, build_setting, ignored, load_data
from experiments.setup.options import TrainOptions
from experiments.setup.tables import RULES
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import check_engine
from experiments.trials.experiment import AMOUNT, COSINE, Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from contrastive_core.analysis.tuning import Candidate, Exact

LOW_CURVATURE = 0.1
"""Curvature in units of the layers' stiffness, below which relaxation is slow and bias large."""
_SPARE = 0.8
"""Share of the bound that a choice may use: other batches differ by less than a fifth."""


class CommandTuneOptions(TuneOptions):
    """A tuning, and where its result goes.

    Attributes
    ----------
    write
        File of the configuration.
    engine
        Engine that computes the trial.
    """

    write: Annotated[Path | None, OUTPUT] = Field(
        None, exclude=True, description="TOML file to write the found settings to, for 'eqlab train --config'; none: no file."
    )
    engine: Annotated[str, COMPUTATION] = Field(
        "serial",
        exclude=True,
        description="Engine that computes the trial: serial, process:1, dask:1, tcp://HOST:PORT or a scheduler file.",
    )


METRICS = {
    "network": Metric("layer sizes", form=TEXT),
    "rule": Metric("learning rule", form=TEXT),
    "cosine": Metric("lowest cosine that is good enough, where that is the measure", bounds=COSINE),
    "settings": Metric("the chosen settings, as a configuration states them", form=mapping_of(NUMBER)),
    "reasons": Metric("why these were chosen", form=list_of(TEXT)),
    "warnings": Metric("what was warned of", form=list_of(TEXT)),
    "noise": Metric("relative noise of a mini-batch's exact gradient", bounds=AMOUNT),
    "bound": Metric("largest relative error that is good enough, where that is the measure", bounds=AMOUNT),
    "chosen": Metric("the chosen strength and tolerances, their error, cosine and sweeps", form=mapping_of(NUMBER)),
    "fresh": Metric("the same on batches that were not tuned on", form=mapping_of(NUMBER)),
    "curvature": Metric(
        "extreme eigenvalues of the energy's second derivative at the free states, in units of the layers' stiffness",
        form=mapping_of(NUMBER),
    ),
    "model": Metric("fit of the error: order and size of the bias, and of the two tolerances' shares", form=missing_or(mapping_of(NUMBER))),
    "candidates": Metric("everything that was tried", form=list_of(mapping_of(NUMBER))),
}


def trial(options: TuneOptions, seed: int) -> Outcome:
    """Try strengths and tolerances on a few mini-batches against the exact gradient.

    Parameters
    ----------
    options : TuneOptions
        All options but the seed.
    seed : int
        Seed of the initial weights, the choice of the batches and the rule's draws.

    Returns
    -------
    Outcome
        The metrics of ``METRICS``, ``settings`` for training, and the ``reasons`` of the choice.

    Raises
    ------
    InputError
        If the rule is none of equilibrium propagation, or there are too few samples.
    ConvergenceError
        If there is no exact gradient, or nothing is good enough.
    """
    from contrastive_core.analysis.tuning import choose, fit, measure, measure_exact, with_tolerances, worst
    from contrastive_core.generators import generator_of

    networks, tuned_on, checked_on = material(options, seed)
    spread, step = curvature(options, networks, tuned_on[0])
    if step is not None:
        options = options.model_copy(update={"step": step})
    setting, rule = build_setting(options), RULES[options.rule]

    def tried(strength: float, tolerance: float, nudged: float, stages: Sequence[Exact]) -> Candidate:
        there = with_tolerances(setting, strength, tolerance, nudged)
        return worst([measure(rule, net, there, on, lambda: generator_of(seed, 2)) for net, on in zip(networks, stages, strict=True)])

    with part(0.0, 0.2, "exact gradients"):
        stages = [measure_exact(network, setting, tuned_on) for network in counted(networks)]
    with part(0.2, 0.8):
        places = list(product(options.strengths, options.tolerances, options.nudged_tolerances))
        candidates = [tried(*place, stages) for place in counted(places, name="candidate")]
    noise = min(stage.noise for stage in stages)
    bound = options.noise_share * noise if options.cosine is None else None
    limit = 1.0 if options.cosine is None else 1 - _SPARE * (1 - options.cosine)
    chosen = choose(candidates, lambda c: c.error <= _SPARE * bound if bound is not None else c.cosine >= limit)
    with part(0.8, 1.0, "fresh batches"):
        fresh_stages = [measure_exact(network, setting, checked_on) for network in counted(networks)]
        fresh = tried(chosen.strength, chosen.tolerance, chosen.nudged_tolerance, fresh_stages)
    model = fit(candidates)
    settings = {"strength": chosen.strength, "tolerance": chosen.tolerance, "nudged_tolerance": chosen.nudged_tolerance}
    metrics = {
        "network": architecture(networks[0], load_data(options, any_task=True)),
        "rule": options.rule,
        "noise": noise,
        "bound": bound,
        "cosine": options.cosine,
        "chosen": chosen._asdict(),
        "fresh": fresh._asdict(),
        "curvature": spread,
        "model": model._asdict() if model else None,
        "candidates": [c._asdict() for c in candidates],
        "settings": settings if step is None else {**settings, "step": step},
    }
    return Outcome({**metrics, "reasons": _reasons(options, metrics), "warnings": [*ignored(options), *_doubts(metrics)]})


EXPERIMENT = Experiment(TuneOptions, trial, METRICS, headline=("chosen.strength", "chosen.error", "noise"))


def _reasons(options: TuneOptions, metrics: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each choice."""
    chosen, noise, model = metrics["chosen"], metrics["noise"], metrics["model"]
    wanted = (
        f"an error below {metrics['bound']:.2g} is a share of {options.noise_share:g} of the noise, {noise:.2g}, that a mini-batch of "
        f"{options.batch_size} has anyway"
        if metrics["bound"] is not None
        else f"a cosine of at least {options.cosine:g} was asked for; the noise of a mini-batch of {options.batch_size} is {noise:.2g}"
    )
    same = [
        c for c in metrics["candidates"] if (c["tolerance"], c["nudged_tolerance"]) == (chosen["tolerance"], chosen["nudged_tolerance"])
    ]
    larger = [c for c in same if c["strength"] > chosen["strength"]]
    following = min(larger, key=lambda c: c["strength"]) if larger else None
    text = f"strength {chosen['strength']:g}: error {chosen['error']:.2g}, lowest cosine {chosen['cosine']:.5f}"
    if following is not None:
        worse = (
            "diverges"
            if following["error"] == float("inf")
            else f"has an error of {following['error']:.2g} at {following['sweeps']:.1f} sweeps"
        )
        text += f"; the next larger one, {following['strength']:g}, {worse}"
    reasons = [wanted, text]
    reasons.append(
        f"tolerances {chosen['tolerance']:g} and {chosen['nudged_tolerance']:g} (relative to the contrast): {chosen['sweeps']:.1f} sweeps, "
        "the fewest of all that are good enough"
    )
    if model is not None:
        beta = chosen["strength"]
        parts = (
            model["bias"] * beta ** model["order"],
            model["free"] * chosen["tolerance"] / beta,
            model["second"] * chosen["nudged_tolerance"],
        )
        reasons.append(
            f"by the fitted model the bias of the nudge, of order {model['order']:g}, makes {parts[0]:.1g} of the error, the free tolerance"
            f" {parts[1]:.1g} and the later one {parts[2]:.1g}"
        )
    if metrics["settings"].get("step") is not None:
        reasons.append(
            f"step {metrics['settings']['step']:.3g}: nine tenths of the longest that the measured curvature allows, and at most of the "
            "time constant"
        )
    return reasons


def _doubts(metrics: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each reason not to rely on the choice."""
    doubts = []
    smallest, bound, fresh = metrics["curvature"]["smallest"], metrics["bound"], metrics["fresh"]
    if smallest is not None and smallest < LOW_CURVATURE:
        doubts.append(
            f"the energy's smallest curvature is only {smallest:.2g}: relaxation is slow and bias large; a smaller --energy-scale raises it"
        )
    if bound is not None and fresh["error"] > bound:
        doubts.append(f"on fresh batches the error is {fresh['error']:.2g}, above {bound:.2g}; tune on more --batches")
    if metrics["cosine"] is not None and fresh["cosine"] < metrics["cosine"]:
        doubts.append(f"on fresh batches the lowest cosine is {fresh['cosine']:.5f}; tune on more --batches")
    return doubts


def table(metrics: Mapping[str, Any]) -> tuple[tuple[str, ...], list[Sequence[Cell]]]:
    """Return the candidates that share a choice with the chosen one, as a header and rows."""
    chosen = metrics["chosen"]
    keys = ("tolerance", "nudged_tolerance")
    rows: list[Sequence[Cell]] = []
    for record in metrics["candidates"]:
        same = all(record[key] == chosen[key] for key in keys)
        if not same and record["strength"] != chosen["strength"]:
            continue
        picked = same and record["strength"] == chosen["strength"]
        measured = [record[name] for name in ("error", "cosine", "sweeps")]
        # A candidate that diverged has no numbers, which a journal keeps as null.
        finite = all(value is not None and math.isfinite(value) for value in measured)
        shown = [format(value, digits) for value, digits in zip(measured, (".1e", ".5f", ".1f"), strict=True)] if finite else ["-"] * 3
        numbers = (f"{record['strength']:g}", *(f"{record[key]:g}" for key in keys))
        rows.append((*numbers, *shown, f"{100 * record['unconverged']:.1f}", "chosen" if picked else ""))
    return ("strength", "tolerance", "nudged tolerance", "error", "lowest cosine", "sweeps", "unconverged %", ""), rows


@command(CommandTuneOptions, "tune", draws=True)
def tune_command(options: CommandTuneOptions, invocation: Invocation) -> None:
    """Find the cheapest strength and tolerances of equilibrium propagation whose gradient is good enough, for a network and data set.

    Every combination is compared with the exact gradient on a few mini-batches, at the initial weights and after some training; what is
    shown is the worse of both. Good enough is an error far below the noise that the choice of the mini-batch brings anyway, or a
    cosine. With --write, train reads the result by --config.

    \b
    Examples:
      eqlab tune --write tuned.toml && eqlab train --config tuned.toml
      eqlab tune --hidden 128,128 --energy-scale 0.3 --cosine 0.999
    """  # noqa: D301
    if options.write is not None:
        _check_place(options.write)
    check_engine(options.engine)
    invocation.warn_of_threads()
    check_material(options)
    with computation(options, invocation, options.engine) as opened:
        result = compute_one(study_of("tune", options), opened, Given(options))
    for warning in result["warnings"]:
        invocation.warn(warning)
    extremes, fresh = result["curvature"], result["fresh"]
    spread = "not known" if extremes["smallest"] is None else f"{extremes['smallest']:.3f} to {extremes['largest']:.3f}"
    lines = [
        f"{result['network']} on {options.data}, {options.rule}; curvature of the energy {spread} of the stiffness",
        f"noise of a mini-batch of {options.batch_size}: {result['noise']:.2g} of the gradient (initial weights"
        f"{f' and after {options.warmup} steps, the worse of both' if options.warmup else ''})\n",
        format_table(*table(result)) + "\n",
        *(f"- {reason}" for reason in result["reasons"]),
        f"- on {options.batches} fresh batches: error {fresh['error']:.2g}, lowest cosine {fresh['cosine']:.5f}",
    ]

    def write() -> str:
        assert options.write is not None
        _write(options, result["settings"], options.write)
        return f"written: {options.write}; train with: eqlab train --config {options.write}"

    finish(opened.run, invocation, result, "\n".join(lines), None if options.write is None else write)


def _check_place(path: Path) -> None:
    """Refuse a place that cannot be written to before minutes are spent on what goes there."""
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no directory {path.parent}; make it, or choose another --write")
    if path.exists() and not path.is_file():
        raise InputError(f"cannot write {path}: it exists and is no file; choose another --write")


def _write(options: TuneOptions, settings: Mapping[str, float], path: Path) -> None:
    """Write what training needs; the file is there whole or not at all."""
    tuned = options.model_copy(update=dict(settings)).resolved()
    kept = {key: value for key, value in tuned.items() if key in complete(TrainOptions, tuned).model_fields}
    try:
        write_named({path: f"# Found by eqlab tune for {options.data}; for eqlab train.\n{to_toml(kept)}".encode()}, "--write")
    except OSError as error:
        raise EqlabError(f"cannot write {path} ({error.strerror}); choose another --write") from error
