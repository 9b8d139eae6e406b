"""``eqlab recall``: one multitasking network, its theory and its Monte Carlo side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from experiments.exits import TrialsFailedError
from experiments.experiment import Experiment, Metric, Outcome
from experiments.figures import write_pictures
from experiments.figures_spins import recall_picture
from experiments.flags import command
from experiments.options import CommandOptions
from experiments.output import format_table
from experiments.session import Session

if TYPE_CHECKING:
    from hebbian.multitasking import Multitasking
    from hebbian.theory.branches import Branch
    from hebbian.theory.mean_field import Floats, MeanField

Positive = Annotated[int, Field(gt=0)]
DYNAMICS = {"random-site": "glauber", "fixed-order": "glauber-fixed", "parallel": "little"}
"""The sampler of each law of the overlaps in time."""


class SpinOptions(CommandOptions):
    """A network of diluted patterns and how it is sampled.

    Attributes
    ----------
    size, convention, sampler, chains, sweeps, burn_in
        The network's size and units, and the Monte Carlo at equilibrium.
    """

    size: Positive = Field(10_000, description="Number of spins.")
    convention: Literal["raw", "normalized"] = Field("raw", description="Units of couplings: T_c is 1 - d (raw) or 1 (normalized).")
    sampler: Literal["block", "lumped", "glauber", "glauber-fixed", "metropolis", "glauber-lanes"] = Field(
        "block", description="Of the equilibrium; at T = 0 descent is used."
    )
    chains: Positive = Field(8, description="Independent chains.")
    sweeps: int = Field(400, ge=10, description="Sweeps recorded per chain.")
    burn_in: int = Field(100, ge=0, description="Sweeps before these.")


class RecallOptions(SpinOptions):
    """One network.

    Attributes
    ----------
    patterns, dilution, stratified, pattern_file, temperature
        What is stored, and where it is recalled.
    dynamics, cue, flow_sweeps
        The run that is compared with the predicted flow of the overlaps.
    """

    patterns: Positive = Field(3, description="Number of patterns.")
    dilution: float = Field(0.3, ge=0, le=1, description="Fraction of blank entries.")
    temperature: float = Field(0.1, ge=0, description="In units of the convention.")
    stratified: bool = Field(False, description="Give every type of site its exact share: no quenched noise.")
    pattern_file: Path | None = Field(None, description="An .npy file of patterns (K, N) with entries -1, 0, 1, instead of drawn ones.")
    dynamics: Literal["random-site", "fixed-order", "parallel"] = Field("random-site", description="Of the run from a cue.")
    cue: float = Field(0.4, ge=0, le=1, description="Quality of the cue that run starts from.")
    flow_sweeps: Positive = Field(15, description="Sweeps of that run.")


METRICS = {
    "theory": Metric("the ground state of the self-consistency equations, and all stable states"),
    "instance": Metric("the same state in the mean field of this network"),
    "monte_carlo": Metric("what the chains found"),
    "flow": Metric("overlaps, energy and losses from a cue on, sampled and predicted"),
    "verdict": Metric("whether theory and Monte Carlo agree"),
}


def trial(options: RecallOptions, seed: int) -> Outcome:
    """Solve the theory, sample the equilibrium from the predicted state and follow one run from a cue.

    Parameters
    ----------
    options : RecallOptions
        Everything but the seed.
    seed : int
        Of patterns and chains.

    Returns
    -------
    Outcome
        ``theory``, ``instance``, ``monte_carlo``, ``flow`` and ``verdict``, as ``--json`` prints them.
    """
    from hebbian.theory.branches import branch_at, stable_branches

    system, field = _network(options, seed)
    branches = stable_branches(field)
    ground = branches[0]
    own = system.mean_field(options.temperature)
    instance = branch_at(own, ground.overlaps)
    sampled = sample(system, ground.overlaps, options, seed)
    metrics = {
        "convention": options.convention,
        "temperature": options.temperature,
        "theory": _state(ground) | {"stable_states": [_state(branch) for branch in branches]},
        "instance": _state(instance),
        "monte_carlo": sampled,
        "flow": _flow(system, ground.overlaps, options, seed),
        "verdict": judge(sampled, own, instance, system.num_spins),
    }
    return Outcome(metrics)


EXPERIMENT = Experiment(RecallOptions, trial, METRICS, headline=("theory.free_energy",))


def _network(options: RecallOptions, seed: int) -> tuple[Multitasking, MeanField]:
    """Return the network and the mean field of its distribution, or of itself where patterns come from a file."""
    from hebbian.multitasking import store_patterns
    from hebbian.patterns import draw_patterns, load_patterns, stratified_patterns
    from hebbian.storage import remember
    from hebbian.theory.ensemble import Convention, diluted_ensemble
    from hebbian.theory.mean_field import MeanField

    convention = Convention(options.convention)
    if options.pattern_file is not None:
        patterns = load_patterns(options.pattern_file)
        system = store_patterns(remember(patterns, float((patterns == 0).mean())), convention)
        return system, system.mean_field(options.temperature)
    draw = stratified_patterns if options.stratified else draw_patterns
    ensemble = diluted_ensemble(options.patterns, options.dilution)
    patterns = draw(options.patterns, options.size, options.dilution, seed)
    system = store_patterns(remember(patterns, options.dilution), convention)
    return system, MeanField(ensemble, options.temperature, system.scale)


def sample(system: Multitasking, start: Floats, options: SpinOptions, seed: int, temperature: float | None = None) -> dict[str, Any]:
    """Sample the equilibrium from a predicted state and summarise the overlaps with every pattern.

    Parameters
    ----------
    system : Multitasking
        The network.
    start : ndarray of shape (K,)
        Overlaps that chains start with.
    options : SpinOptions
        Sampler, chains and sweeps; ``temperature`` too, unless given.
    seed : int
        Of the chains.
    temperature : float, optional
        In place of the options' own.

    Returns
    -------
    dict
        Lists over the patterns, and ``energy`` per spin.
    """
    from hebbian.montecarlo import simulate
    from hebbian.multitasking import cue
    from hebbian.observables import summarise

    at = options.temperature if temperature is None else temperature  # type: ignore[attr-defined]
    sampler = options.sampler if at > 0 else "descent"
    spins = cue(system.patterns, start, options.chains, 1.0, seed + 1)
    trace = simulate(system, spins, at, sampler, seed + 2, num_sweeps=options.burn_in + options.sweeps)
    found = [summarise(trace.overlaps[options.burn_in :, :, index]) for index in range(trace.overlaps.shape[2])]
    energy = summarise(system.energy(trace.counts[options.burn_in :]) / system.num_spins)
    return {
        "sampler": sampler,
        "overlaps": [s.mean for s in found],
        "error": [s.error for s in found],
        "autocorrelation_time": [s.autocorrelation_time for s in found],
        "effective_size": [s.effective_size for s in found],
        "r_hat": [s.r_hat for s in found],
        "warnings": sorted({s.warning for s in found if s.warning}),
        "energy": {"mean": energy.mean, "error": energy.error},
    }


def judge(sampled: dict[str, Any], field: MeanField, instance: Branch, num_spins: int) -> dict[str, Any]:
    """Compare sampled overlaps with the instance's mean field and its finite-size shift, in standard errors.

    Half the shift, for the orders beyond the first, and 1/N are added to four standard errors.

    Returns
    -------
    dict
        ``agrees`` is None where the chains cannot be trusted or the state is soft (an eigenvalue below .1).
    """
    if instance.min_eigenvalue <= 0:
        return {"agrees": None, "deviation": None, "standard_errors": [None] * len(instance.overlaps), "finite_size": None}
    shift = field.finite_size_shift(instance.overlaps, num_spins)
    deviations = [float(abs(m - t)) for m, t in zip(sampled["overlaps"], instance.overlaps + shift, strict=True)]
    finite_size = float(abs(shift).max()) / 2 + 1 / num_spins
    agrees = all(d <= 4 * e + finite_size for d, e in zip(deviations, sampled["error"], strict=True))
    return {
        "agrees": None if sampled["warnings"] or instance.min_eigenvalue < 0.1 else agrees,
        "deviation": max(deviations),
        "standard_errors": [d / e if e > 0 else None for d, e in zip(deviations, sampled["error"], strict=True)],
        "finite_size": finite_size,
    }


def _state(branch: Branch) -> dict[str, Any]:
    return {
        "overlaps": [float(m) for m in branch.overlaps],
        "free_energy": branch.free_energy,
        "min_eigenvalue": branch.min_eigenvalue,
        "branch": branch.name,
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


@command(RecallOptions, "recall")
def recall_command(options: RecallOptions, session: Session) -> None:
    """Recall patterns from one multitasking network, and compare its theory with Monte Carlo.

    Solves the self-consistency equations, samples the equilibrium from the predicted state with errors corrected for
    correlation, and follows the overlaps, the energy and the losses to every pattern from a cue against the predicted flow.

    \b
    Examples:
      eqlab recall --patterns 3 --dilution 0.5 --temperature 0.1 --stratified
      eqlab recall --patterns 3 --dilution 0.8 --temperature 0.4 --convention normalized --size 50000 --out runs/recall
    """  # noqa: D301
    result = dict(trial(options, options.seed).metrics)
    for warning in result["monte_carlo"]["warnings"]:
        session.warn(warning)
    session.save_result("recall", result, _text(result))
    if session.out is not None:
        write_pictures(session.out, {"recall": recall_picture(result)}, png=True)
    if result["verdict"]["agrees"] is False:
        raise TrialsFailedError("theory and Monte Carlo disagree by more than four standard errors and the finite-size correction")


def _text(result: dict[str, Any]) -> str:
    theory, sampled, verdict = result["theory"], result["monte_carlo"], result["verdict"]
    columns = (theory["overlaps"], result["instance"]["overlaps"], sampled["overlaps"], sampled["error"], sampled["autocorrelation_time"])
    rows = [(f"m_{index + 1}", *row) for index, row in enumerate(zip(*columns, strict=True))]
    table = format_table(("overlap", "theory", "instance", "Monte Carlo", "error", "time (sweeps)"), [[*row] for row in rows])
    agreement = {
        True: "theory and Monte Carlo agree",
        False: "theory and Monte Carlo DISAGREE",
        None: "undecided: a soft state or short chains",
    }
    scores = ", ".join("-" if z is None else f"{z:.1f}" for z in verdict["standard_errors"])
    return (
        f"{theory['branch']} state at T = {result['temperature']:g} ({result['convention']}): free energy {theory['free_energy']:.8f}, "
        f"smallest eigenvalue {theory['min_eigenvalue']:.3f}\n\n{table}\n\n"
        f"{agreement[verdict['agrees']]}: largest difference {_digits(verdict['deviation'])} ({scores} standard errors; finite size "
        f"{_digits(verdict['finite_size'])})\nflow from a cue ({result['flow']['dynamics']}): largest difference "
        f"{result['flow']['largest_difference']:.4f}"
    )


def _digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"
