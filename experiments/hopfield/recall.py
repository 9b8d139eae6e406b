"""``eqlab recall``: one multitasking network, its theory and its Monte Carlo side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from contrastive_core.errors import InputError
from contrastive_core.progress.share import part
from experiments.commandline.exits import TrialsFailedError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import without_effect
from experiments.commandline.quantities import Positive
from experiments.commandline.sections import COMPUTATION, Section
from experiments.hopfield.forms import CHAINS, CUED, STATE, VERDICT
from experiments.hopfield.sampling import PATTERNS, SAMPLING, Images, SpinOptions, ground_state, image_patterns, judge, sample
from experiments.report.contents import ReportTable
from experiments.report.ending import finish
from experiments.runs.forms import FINITE, TEXT
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import check_engine
from experiments.trials.experiment import AMOUNT, COSINE, SHARE, Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from hebbian.arrays import Floats
    from hebbian.multitasking import Multitasking
    from hebbian.theory.branches import Branch
    from hebbian.theory.mean_field import MeanField

DYNAMICS = {"random-site": "glauber", "fixed-order": "glauber-fixed", "parallel": "little"}
"""The sampler of each law of the overlaps in time."""


FLOW = Section("Run from a cue")


class RecallOptions(SpinOptions):
    """One network.

    Attributes
    ----------
    patterns, dilution, stratified, pattern_file, images, data_dir, temperature
        Stored patterns, and the temperature of recall.
    dynamics, cue, flow_sweeps
        The run that is compared with the predicted flow of the overlaps.
    """

    patterns: Annotated[Positive, PATTERNS] = Field(3, description="Number of stored patterns.")
    dilution: Annotated[float, PATTERNS] = Field(0.3, ge=0, le=1, description="Fraction of blank entries in the patterns, from 0 to 1.")
    temperature: Annotated[float, SAMPLING] = Field(0.1, ge=0, description="Temperature in units of --convention.")
    stratified: Annotated[bool, PATTERNS] = Field(
        False, description="Give every type of site its exact share, so that there is no quenched noise."
    )
    pattern_file: Annotated[Path | None, PATTERNS] = Field(
        None, description="NPY file of patterns, K x N entries of -1, 0 and 1; none: random patterns."
    )
    images: Annotated[Images | None, PATTERNS] = Field(
        None, description="Data set whose binarised images are stored, one of each class in turn; sets the size."
    )
    data_dir: Annotated[Path | None, PATTERNS] = Field(
        None, exclude=True, description="Directory with the files of the data set in --images; none: download them once and cache them."
    )
    dynamics: Annotated[Literal["random-site", "fixed-order", "parallel"], FLOW] = Field(
        "random-site", description="Order of updates in the run from a cue."
    )
    cue: Annotated[float, FLOW] = Field(
        0.4, ge=0, le=1, description="Quality of the cue that the run starts from, from 0 (random) to 1 (the pattern)."
    )
    flow_sweeps: Annotated[Positive, FLOW] = Field(15, description="Number of sweeps of the run from a cue.")


class RecallRunOptions(RecallOptions):
    """One network, as a command.

    Attributes
    ----------
    engine
        Engine that computes the network.
    """

    engine: Annotated[str, COMPUTATION] = Field(
        "serial",
        exclude=True,
        description="Engine that computes the trials: serial, process:N, dask:N, tcp://HOST:PORT or a scheduler file.",
    )


METRICS = {
    "convention": Metric("units of energies and temperatures", form=TEXT),
    "temperature": Metric("in these units", form=FINITE),
    "theory": Metric("the ground state of the self-consistency equations, and all stable states", form=STATE),
    "instance": Metric("the same state in the mean field of this network", form=STATE),
    "theory.overlaps": Metric("overlaps of the ground state with the patterns", bounds=COSINE, along="pattern"),
    "instance.overlaps": Metric("overlaps of the same state in the mean field of this network", bounds=COSINE, along="pattern"),
    "monte_carlo": Metric("what the chains found", form=CHAINS),
    "monte_carlo.overlaps": Metric("sampled overlaps with the patterns", bounds=COSINE, along="pattern"),
    "monte_carlo.error": Metric("standard errors of the sampled overlaps", bounds=AMOUNT, along="pattern"),
    "flow": Metric("overlaps, energy and losses from a cue on, sampled and predicted", form=CUED),
    "verdict": Metric("whether theory and Monte Carlo agree", form=VERDICT),
    "verdict.agrees": Metric("share of decided networks whose theory and Monte Carlo agree", bounds=SHARE),
}


def trial(options: RecallOptions, seed: int, *, prepared: tuple[Multitasking, MeanField] | None = None) -> Outcome:
    """Solve the theory, sample the equilibrium from the predicted state and follow one run from a cue.

    Parameters
    ----------
    options : RecallOptions
        All options but the seed.
    seed : int
        Seed of patterns and chains.
    prepared : tuple of Multitasking and MeanField, optional
        Network and its mean field, if they are built already.

    Returns
    -------
    Outcome
        ``theory``, ``instance``, ``monte_carlo``, ``flow`` and ``verdict``, as ``--json`` prints them.
    """
    from hebbian.theory.branches import branch_at, stable_branches

    system, field = prepared or _network(options, seed)
    with part(0.0, 0.4, "theory"):
        branches = stable_branches(field)
    ground = ground_state(branches)
    own = system.mean_field(options.temperature)
    with part(0.4, 0.5, "theory of the instance"):
        instance = branch_at(own, ground.overlaps)
    with part(0.5, 1.0, "chains"):
        sampled = sample(system, ground.overlaps, options, seed)
    metrics = {
        "convention": options.convention,
        "temperature": options.temperature,
        "theory": _state(ground) | {"stable_states": [_state(branch) for branch in branches]},
        "instance": _state(instance),
        "monte_carlo": sampled,
        "flow": _flow(system, ground.overlaps, options, seed),
        "verdict": judge(sampled, own, instance, system.num_spins, options.sweeps),
    }
    return Outcome(metrics)


EXPERIMENT = Experiment(RecallOptions, trial, METRICS, headline=("monte_carlo.overlaps", "verdict.agrees"))


def _network(options: RecallOptions, seed: int) -> tuple[Multitasking, MeanField]:
    """Return the network and the mean field of its distribution, or of itself where patterns come from a file."""
    from hebbian.multitasking import store_patterns
    from hebbian.patterns import draw_patterns, load_patterns, stratified_patterns
    from hebbian.storage import remember
    from hebbian.theory.ensemble import Convention, diluted_ensemble
    from hebbian.theory.mean_field import MeanField

    convention = Convention(options.convention)
    if options.pattern_file is not None and options.images is not None:
        raise InputError("patterns come from --pattern-file or from --images, not from both; leave one of them out")
    if options.pattern_file is not None or options.images is not None:
        if options.pattern_file is not None:
            patterns = load_patterns(options.pattern_file)
        else:
            patterns = image_patterns(str(options.images), options.patterns, options.data_dir)
        system = store_patterns(remember(patterns, float((patterns == 0).mean())), convention)
        return system, system.mean_field(options.temperature)
    draw = stratified_patterns if options.stratified else draw_patterns
    ensemble = diluted_ensemble(options.patterns, options.dilution)
    patterns = draw(options.patterns, options.size, options.dilution, seed)
    system = store_patterns(remember(patterns, options.dilution), convention)
    return system, MeanField(ensemble, options.temperature, system.scale)


def _state(branch: Branch) -> dict[str, Any]:
    return {
        "overlaps": [float(m) for m in branch.overlaps],
        "free_energy": branch.free_energy,
        "min_eigenvalue": branch.min_eigenvalue,
        "branch": branch.name,
        "marginal": branch.marginal,
    }


def _flow(system: Multitasking, aim: Floats, options: RecallOptions, seed: int) -> dict[str, Any]:
    import numpy as np

    from hebbian.losses import pattern_losses
    from hebbian.montecarlo import simulate
    from hebbian.multitasking import cue
    from hebbian.theory.flows import FLOWS

    start = cue(system.patterns, aim, 1, options.cue, seed + 3)
    first = system.overlaps(start)[0]
    trace = simulate(system, start, options.temperature, DYNAMICS[options.dynamics], seed + 4, num_sweeps=options.flow_sweeps)
    measured = np.concatenate([first[None], trace.overlaps[:, 0]])
    predicted = FLOWS[options.dynamics](system.mean_field(options.temperature), first, options.flow_sweeps)
    energies = np.concatenate([system.energy(system.counts(start)), system.energy(trace.counts[:, 0])]) / system.num_spins
    losses = pattern_losses(system.patterns, start).positive[0] + first - measured  # L+ = (1 + q)/2 - m: linear in m
    return {
        "dynamics": options.dynamics,
        "measured": measured.tolist(),
        "predicted": predicted.tolist(),
        "largest_difference": float(np.abs(measured - predicted).max()),
        "energy": energies.tolist(),
        "losses": losses.tolist(),
    }


@command(RecallRunOptions, "recall", draws=True)
def recall_command(options: RecallRunOptions, invocation: Invocation) -> None:
    """Recall patterns from one multitasking network, and compare its theory with Monte Carlo.

    Solves the self-consistency equations, samples the equilibrium from the predicted state with errors corrected for
    correlation, and follows the overlaps, the energy and the losses to every pattern from a cue against the predicted flow.

    \b
    Examples:
      eqlab recall --patterns 3 --dilution 0.5 --temperature 0.1 --stratified
      eqlab recall --patterns 3 --dilution 0.8 --temperature 0.4 --convention normalized --size 50000 --out runs/recall
      eqlab recall --images digits --patterns 3 --temperature 0.2
    """  # noqa: D301
    check_engine(options.engine)
    prepared = _network(options, options.seed)  # refuses what cannot be stored before anything is written
    for sentence in (*_ignored(options), *_odd(options, prepared[0])):
        invocation.warn(sentence)
    with computation(options, invocation, options.engine) as opened:
        result = compute_one(study_of("recall", options), opened, Given(options, {"prepared": prepared}))
    for warning in result["monte_carlo"]["warnings"]:
        invocation.warn(warning)
    finish(opened.run, invocation, result, _text(result))
    if result["verdict"]["agrees"] is False:
        raise TrialsFailedError("theory and Monte Carlo disagree by more than four standard errors and the finite-size correction")


def _odd(options: RecallOptions, system: Multitasking) -> list[str]:
    """Return a warning if a file's patterns have blanks and one sign only, as those have that are written with 0 and 1."""
    signs = {int(sign) for sign in (-1, 1) if (system.patterns == sign).any()}
    if options.pattern_file is None or len(signs) == 2 or not (system.patterns == 0).any():
        return []
    missing = "no entry is 1 or -1" if not signs else f"no entry is {-signs.pop()}"
    return [f"{options.pattern_file}: {missing}, and 0 is a blank; if 0 and 1 stand for the two spins, store 2 p - 1"]


def _ignored(options: RecallOptions) -> list[str]:
    if options.pattern_file is not None:
        found = without_effect(options, ("patterns", "dilution", "stratified", "size"), "the pattern file sets it")
    elif options.images is not None:
        found = without_effect(options, ("dilution", "stratified", "size"), "the images set it")
    else:
        found = []
    if options.images is None:
        found += without_effect(options, ("data_dir",), "no images are stored")
    if options.temperature == 0:
        found += without_effect(options, ("sampler",), "at T = 0 descent is used")
    return found


def tables(result: Mapping[str, Any]) -> list[ReportTable]:
    """Tabulate the overlaps with the patterns, as terminal and report show them."""
    theory, sampled = result["theory"], result["monte_carlo"]
    columns = (theory["overlaps"], result["instance"]["overlaps"], sampled["overlaps"], sampled["error"], sampled["autocorrelation_time"])
    rows = [(f"m_{index + 1}", *row) for index, row in enumerate(zip(*columns, strict=True))]
    note = (
        f"The {theory['branch']} state at T = {result['temperature']:g} ({result['convention']} units): the overlap with each pattern in "
        "the theory of infinite networks, in the mean field of this network, and sampled, with its standard error and autocorrelation time."
    )
    return [
        ReportTable("Overlaps with the patterns", ("overlap", "theory", "instance", "Monte Carlo", "error", "time (sweeps)"), rows, note)
    ]


def _text(result: dict[str, Any]) -> str:
    theory, sampled, verdict = result["theory"], result["monte_carlo"], result["verdict"]
    table = tables(result)[0].in_text()
    agreement = {
        True: "theory and Monte Carlo agree",
        False: "theory and Monte Carlo DISAGREE",
        None: f"undecided: {verdict.get('undecided') or 'the state is soft, or chains are short or hop'}",
    }
    frozen = "; overlaps that never change have no sampling error" if 0.0 in sampled["error"] else ""
    critical = "; a critical point, where it is marginal" if theory["marginal"] else ""
    scores = ", ".join("-" if z is None else f"{z:.1f}" for z in verdict["standard_errors"])
    return (
        f"{theory['branch']} state at T = {result['temperature']:g} ({result['convention']}): free energy {theory['free_energy']:.8f}, "
        f"smallest eigenvalue {theory['min_eigenvalue']:.3f}{critical}\n\n{table}\n\n"
        f"{agreement[verdict['agrees']]}: largest difference {_digits(verdict['deviation'])} ({scores} standard errors; finite size "
        f"{_digits(verdict['finite_size'])}{frozen})\nflow from a cue ({result['flow']['dynamics']}): largest difference "
        f"{result['flow']['largest_difference']:.4f}"
    )


def _digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"
