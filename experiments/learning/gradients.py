"""``eqlab gradients``: every rule's gradient against the exact one, on one batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from contrastive_core.errors import ConvergenceError, EqlabError, InputError
from contrastive_core.progress.share import counted
from experiments.commandline.exits import TrialsFailedError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.output import format_table
from experiments.learning.gradient_cases import SharedCase, case_of, concrete, objective_of, remember_checkpoint
from experiments.learning.gradient_options import ALL, EXACT, CommandGradientsOptions, GradientsOptions
from experiments.learning.gradient_table import noise_table, table, told_angles, told_traces
from experiments.learning.gradients_of_objectives import compare_all
from experiments.learning.gradients_varied import compare_varied
from experiments.learning.reading_noise import under_noise
from experiments.learning.relaxation import trajectory
from experiments.learning.synaptic_trace import synaptic_trace
from experiments.report.ending import finish
from experiments.runs.arrays import mean_trace
from experiments.runs.forms import ANY, FINITE, NUMBER, TEXT, list_of, mapping_of, missing_or, record_of
from experiments.setup.build import architecture, build_setting, ignored
from experiments.setup.checks import at_temperature, doubts, effort, require_held, require_temperature
from experiments.setup.tables import RULES, THERMAL_EXACT
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import check_engine
from experiments.trials.experiment import AMOUNT, Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from contrastive_core.network import Network
    from contrastive_core.rule import Estimate, Rule, Setting
    from contrastive_core.types import Batch, Gradients

_RULE = record_of(
    alignment=missing_or(NUMBER),
    off_branch=missing_or(mapping_of(NUMBER)),
    trace=missing_or(record_of(contrast=list_of(NUMBER), pairings=mapping_of(mapping_of(list_of(NUMBER))))),
    cosine=mapping_of(NUMBER),
    norm_ratio=NUMBER,
    relative_error=NUMBER,
    sign_agreement=NUMBER,
    order=NUMBER,
    bias=missing_or(record_of(strengths=list_of(NUMBER), errors=list_of(NUMBER), order=NUMBER)),
    noise=missing_or(record_of(levels=list_of(NUMBER), strengths=list_of(NUMBER), errors=list_of(list_of(NUMBER)))),
    layers=mapping_of(mapping_of(NUMBER)),
    sweeps=NUMBER,
    unconverged=NUMBER,
    unsettled=list_of(TEXT),
    standard_error=missing_or(NUMBER),
    error=TEXT,
)

METRICS = {
    "network": Metric("layer sizes", form=TEXT),
    "cost": Metric("cost", form=TEXT),
    "data": Metric("data set", form=TEXT),
    "options": Metric("options of the trial", form=mapping_of(ANY)),
    "samples": Metric("samples in the batch", "sample", form=FINITE),
    "views": Metric("views of each sample", "view", form=FINITE),
    "strength": Metric("nudging strength", form=FINITE),
    "warnings": Metric("what was warned of", form=list_of(TEXT)),
    "free": Metric("effort of the free phase", form=mapping_of(FINITE)),
    "free.sweeps": Metric("mean number of sweeps of the free phase", "sweep", bounds=AMOUNT),
    "free.residual": Metric("largest residual of the free phase", bounds=AMOUNT),
    "curvature": Metric("extreme eigenvalues of the energy's second derivative at the free state", form=mapping_of(NUMBER)),
    "angles": Metric("angles between feedback and forward weights in degrees, if they are not tied", form=missing_or(list_of(NUMBER))),
    "rules": Metric(
        "by rule: cosines to the exact gradient, ratio of norms, relative error, order of the bias in the strength, effort",
        form=mapping_of(_RULE),
    ),
}


def trial(options: GradientsOptions, seed: int, *, prepared: SharedCase | None = None) -> Outcome:
    """Compare every rule with the exact gradient at the same weights and batch.

    Parameters
    ----------
    options : GradientsOptions
        All options but the seed.
    seed : int
        Seed of the initial weights and of the rules' draws.
    prepared : SharedCase, optional
        Network and batch, if they are built already.

    Returns
    -------
    Outcome
        Metrics as ``--json`` prints them. A rule that cannot be computed has an ``error`` instead of measures. As arrays the mean
        ``energy`` and the largest ``residual`` over the samples after every sweep of the free phase.
    """
    from contrastive_core.analysis.gradient_quality import review
    from contrastive_core.networks.curvature import extreme_eigenvalues
    from contrastive_core.networks.untied import Untied

    objective = objective_of(options)
    splits, network, batch = prepared or case_of(options, seed)
    options = concrete(options, network, batch)
    setting = build_setting(options, objective)
    exact, against = _references(options, setting, network, batch, seed)
    free = exact.relaxations["free"]
    rules = {rule: _measure(rule, options, setting, network, batch, against, seed) for rule in counted(options.rules, name="rule")}
    if objective and not options.frozen and "ep-centered" in rules:  # the two ways to nudge with a joint cost, side by side
        frozen = replace(setting, frozen=True)
        rules["ep-centered, frozen"] = _measure("ep-centered", options, frozen, network, batch, against, seed)
    clamped = network.clamp(batch.inputs)
    smallest: float | None
    largest: float | None
    try:  # a state that does not rest has no curvatures to judge a strength by
        at_rest = not options.node_temperature
        smallest, largest = extreme_eigenvalues(clamped, free.state) if at_rest else (None, None)
    except ConvergenceError:  # the comparison itself does not need it
        smallest = largest = None
    reviewed = review(network, setting, batch.inputs) if at_rest else []
    metrics = {
        "network": architecture(network, splits),
        "cost": options.cost,
        "data": options.data,
        "options": options.resolved(),
        "seed": seed,
        "samples": options.samples,
        "views": len(batch.labels) // options.samples,
        "strength": options.strength,
        "fraction": options.fraction,
        "free": {"sweeps": float(free.steps.double().mean()), "residual": float(free.residual.max())},
        "curvature": {"smallest": smallest, "largest": largest},
        "warnings": [*ignored(options), *reviewed, *doubts(options, network, exact, rules, smallest)],
        "angles": list(clamped.network.angles()) if isinstance(clamped.network, Untied) else None,
        "rules": rules,
    }
    return Outcome(
        metrics, arrays=mean_trace(trajectory(clamped, network.initial_state(clamped), setting.settling.dynamics, int(free.steps.max())))
    )


EXPERIMENT = Experiment(GradientsOptions, trial, METRICS, headline=("free.sweeps",))


def _references(options: GradientsOptions, setting: Setting, network: Network, batch: Batch, seed: int) -> tuple[Estimate, Gradients]:
    """Return an estimate at the free state, exact unless --against replaces it at a temperature, and the gradient to compare with."""
    from contrastive_core.devices.on_device import held_by
    from contrastive_core.generators import generator_of

    if options.node_temperature:  # one noisy state has a gradient, but it is not that of the mean cost
        name = THERMAL_EXACT if options.against == EXACT else options.against
        # Other draws than those of the rules: one that is compared with itself must not agree for that reason.
        reference = RULES[name](setting).estimate(held_by(network), batch, generator=generator_of(seed, 3))
        return reference, reference.gradients
    # Errors of reading belong to the estimates of the rules; the gradient of the network that a device holds has none.
    exact = RULES[EXACT](setting).estimate(held_by(network), batch)
    if options.against == EXACT:
        return exact, exact.gradients
    return exact, RULES[options.against](setting).estimate(network, batch, generator=generator_of(seed, 2)).gradients


def _measure(
    name: str, options: GradientsOptions, setting: Setting, network: Network, batch: Batch, exact: Gradients, seed: int
) -> dict[str, Any]:
    from contrastive_core.analysis.gradient_quality import compare_gradients
    from contrastive_core.devices.on_device import held_by
    from contrastive_core.generators import generator_of
    from eqprop.holomorphic.branches import shares_off_branch

    try:
        rule = RULES[name](setting)
        estimate = rule.estimate(network, batch, generator=generator_of(seed, 2))
        layers, whole = compare_gradients(estimate.gradients, exact)
        # At a temperature errors are noise as much as bias, and no order can be fitted to them.
        scale = None if options.node_temperature else rule.scale
        bias = _bias(name, scale, options, setting, network, batch, exact, seed, whole.relative_error) if scale else None
        branches = {"off_branch": found} if (found := shares_off_branch(estimate.relaxations)) else {}
        trace = {"trace": synaptic_trace(setting, held_by(network), batch)} if name == "ep-stdp" and not options.node_temperature else {}
    except EqlabError as error:
        return {"error": str(error)}
    return {
        "alignment": whole.cosine,
        **trace,
        **branches,
        "cosine": {parameter: measured.cosine for parameter, measured in layers.items()},
        "norm_ratio": whole.norm_ratio,
        "relative_error": whole.relative_error,
        "sign_agreement": whole.sign_agreement,
        "order": bias["order"] if bias else None,
        "bias": bias,
        **({"noise": under_noise(name, rule, bias, options.read_noise)} if options.read_noise else {}),
        **_error_bar(estimate, exact),
        "layers": {parameter: measured._asdict() for parameter, measured in layers.items()},
        **effort(estimate),
    }


def _error_bar(estimate: Estimate, exact: Gradients) -> dict[str, float]:
    """Return the norm of the standard errors over that of the exact gradient; nothing for an estimate without error bars."""
    import torch

    if estimate.errors is None:
        return {}
    norms = [torch.cat([one[name].flatten() for name in exact]).norm() for one in (estimate.errors, exact)]
    return {"standard_error": float(norms[0] / norms[1])}


def _bias(
    name: str,
    scale: str,
    options: GradientsOptions,
    setting: Setting,
    network: Network,
    batch: Batch,
    exact: Gradients,
    seed: int,
    error: float,
) -> dict[str, Any]:
    """Measure the order of a rule's bias, given its relative error with the setting as it is."""
    from contrastive_core.analysis.gradient_quality import bias_in_strength
    from contrastive_core.generators import generator_of

    def rule_of(strength: float) -> Rule:
        varied: dict[str, Any] = {scale: strength}
        return RULES[name](replace(setting, **varied))

    known = {float(getattr(setting, scale)): error}
    return bias_in_strength(rule_of, network, batch, exact, options.strengths or (), lambda: generator_of(seed, 2), known)._asdict()


def _shown(curvature: float) -> str:
    """Write a curvature, which small layer energy scales make tiny, with three digits."""
    return f"{curvature:.3f}" if abs(curvature) >= 0.1 else f"{curvature:.3g}"


@command(CommandGradientsOptions, "gradients", draws=True)
def gradients_command(options: CommandGradientsOptions, invocation: Invocation) -> None:
    """Compare every rule's gradient with the exact one (implicit differentiation) at the same weights and batch.

    Per parameter the cosine to the exact gradient, and over all of them the ratio of norms, the relative error, the share of equal
    signs and the order of the bias in the nudging strength: 1 for one-sided EP, 2 for centered EP, and about 0 for coupled learning,
    which is not the gradient at any fraction; 4 and 6 for Richardson's extrapolation, and N for holomorphic EP with --points N.
    --against names another rule than the exact one to compare with, such as unrolled. With --read-noise it also shows at which strength
    bias and errors of reading are least together. --vary compares at several values of any setting, and --seeds over several draws of the
    weights. The run's directory keeps all of it, with figures.

    \b
    Examples:
      eqlab gradients
      eqlab gradients --hidden 64,64 --energy-scale 0.3
      eqlab gradients --rules ep-centered --against unrolled --unroll 6 --nudged-tolerance none --nudged-budget 6 --strength 1e-5
      eqlab gradients --rules ep-centered,ep-richardson4,ep-holomorphic --points 4 --strengths 0.4,0.2,0.1 --read-noise 0.001,0.01
      eqlab gradients --cost nt-xent --hidden 32 --rules ep-centered
      eqlab gradients --cost all --hidden 16 --samples 8 --rules ep-centered
      eqlab gradients --network untied --untied-angle 45 --hidden 16,12 --rules ep-centered,ep-asymmetric,ep-as-tied
      eqlab gradients --network untied --vary untied-angle=0,45,90 --seeds 4 --hidden 12 --rules ep-centered,ep-asymmetric
      eqlab gradients --activation hard-sigmoid --checkpoint runs/NAME/checkpoints/train.safetensors
    """  # noqa: D301
    if options.strengths is not None and len(set(options.strengths)) < 2:
        raise InputError("--strengths needs two different values to fit an order through")
    check_engine(options.engine)
    invocation.warn_of_threads()
    several = options.vary is not None or options.seeds > 1
    if options.cost == ALL:
        if several:
            raise InputError(
                "--cost all compares every objective with one draw of the weights; name one cost, or leave --vary and --seeds out"
            )
        compare_all(at_temperature(options), invocation)
        return
    if several:
        compare_varied(options, invocation)
        return
    options = at_temperature(options)
    if objective_of(options) is None and "outputs" in options.model_fields_set:
        invocation.warn(f"--outputs has no effect: {options.cost} is no objective, and the data set says how many there are")
    prepared = case_of(options, options.seed)  # refuses what cannot be compared before anything is written
    require_held(options.rules, prepared.network)
    require_temperature(options, options.rules)
    with computation(options, invocation, options.engine) as opened:
        remember_checkpoint(options.checkpoint, opened)
        result = compute_one(study_of("gradients", options), opened, Given(options, {"prepared": prepared}))
    for warning in result["warnings"]:
        invocation.warn(warning)
    header, rows = table(result)
    curvature, free = result["curvature"], result["free"]
    spread = "not known" if curvature["smallest"] is None else " to ".join(_shown(curvature[end]) for end in ("smallest", "largest"))
    shown = f"{result['views']} views each, {result['cost']}" if result["views"] > 1 else ""
    beside = "" if options.against == EXACT else f"; compared with {options.against}"
    text = (
        f"{result['network']} on {result['samples']} samples of {result['data']}{', ' * bool(shown)}{shown}; strength "
        f"{result['strength']:g}, fraction "
        f"{options.fraction:g}{beside}\nfree phase: {free['sweeps']:.1f} sweeps, residual {free['residual']:.1e}; curvature of the energy "
        f"{spread}{told_angles(result)}\n\n{format_table(header, rows)}{told_traces(result)}"
    )
    noisy = noise_table(result)
    finish(opened.run, invocation, result, text + (f"\n\n{format_table(*noisy)}" if noisy else ""))
    failed = {rule: record["error"] for rule, record in result["rules"].items() if "error" in record}
    if failed:
        listed = "; ".join(f"{rule}: {error}" for rule, error in failed.items())
        raise TrialsFailedError(f"{len(failed)} of {len(result['rules'])} rules could not be computed: {listed}")
