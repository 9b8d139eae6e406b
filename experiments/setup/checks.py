"""Checks before a run is begun, and doubts about what it found: settings and results that are not what they seem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from contrastive_core.errors import InputError
from eqprop import THERMAL_RULES
from experiments.commandline.invocation import Invocation
from experiments.setup.build import Prepared, architecture, ignored, plan_of, prepare
from experiments.setup.devices import caution, filed_device
from experiments.setup.options import LearningOptions, PlanOptions
from experiments.setup.own_options import rule_named
from experiments.setup.tables import COMPARED, RULES, THERMAL_EXACT

if TYPE_CHECKING:
    from contrastive_core.network import Network
    from contrastive_core.rule import Estimate, Setting


Given = TypeVar("Given", bound=LearningOptions)

FEW = 32
"""Training samples that settings are tried on, and gradients compared: enough to be typical, few enough for the exact solve."""

SCALES = ("strength", "fraction", "frozen")
"""Settings that rules share, of which some have no use for some."""


def require_held(names: Sequence[str], network: Network) -> None:
    """Refuse rules that hold the outputs of a network whose outputs cannot be held.

    Parameters
    ----------
    names : sequence of str
        Names of rules to be run on it.
    network : Network
        Any network.

    Raises
    ------
    InputError
        If the outputs cannot be held, and some of the rules hold them. All are named, with what can be run instead.
    """
    holding = [name for name in names if rule_named(name).holds_outputs]
    if network.holds_outputs or not holding:
        return
    verb = "holds" if len(holding) == 1 else "hold"
    others = ",".join(name for name in names if name not in holding)
    instead = f"run the others: --rules {others}" if others else "take a rule that nudges, such as ep-centered"
    raise InputError(f"{', '.join(holding)} {verb} the outputs, and here these are computed from the last layer; {instead}")


def require_temperature(options: LearningOptions, names: Sequence[str]) -> None:
    """Refuse rules that average at a temperature without one, and at a temperature those that differentiate a state at rest.

    Parameters
    ----------
    options : LearningOptions
        Options of the run.
    names : sequence of str
        Names of rules to be run.

    Raises
    ------
    InputError
        If some of the rules cannot be run. All are named, with what can be done instead.
    """
    if not options.node_temperature:
        averaging = [name for name in names if rule_named(name).averages]
        if averaging:
            verb = "averages" if len(averaging) == 1 else "average"
            raise InputError(f"{', '.join(averaging)} {verb} over states at a temperature; give one, such as --node-temperature 0.1")
        return
    resting = [name for name in names if rests(name)]
    if resting:
        verb, others = "differentiates" if len(resting) == 1 else "differentiate", [name for name in names if name not in resting]
        instead = f"run the others: --rules {','.join(others)}" if others else f"take ep-thermal, or {THERMAL_EXACT} for few units"
        raise InputError(
            f"{', '.join(resting)} {verb} a state at rest, and at --node-temperature {options.node_temperature:g} none rests; {instead}"
        )


def at_temperature(options: Given) -> Given:
    """Return options of many rules with those that can be run at the temperature, unless the rules were chosen."""
    if not options.node_temperature or "rules" in options.model_fields_set:
        return options
    able = [name for name in COMPARED if not rests(name)]
    averaging = [name for name in THERMAL_RULES if name != THERMAL_EXACT]  # the reference
    return options.model_copy(update={"rules": (*able, *averaging)})


def rests(name: str) -> bool:
    """Whether a rule differentiates a relaxed state, which must be at rest."""
    rule = rule_named(name)
    return rule.settles and not rule.contrasts and not rule.averages


def device_cautions(options: LearningOptions, rules: Sequence[str]) -> list[str]:
    """Return warnings about the device that is to hold the weights; raises ``InputError`` where it cannot take the updates of a rule."""
    if options.device_file is None:
        return []
    device = filed_device(options.device_file, options.seed)
    return list(dict.fromkeys(warning for rule in rules for warning in caution(device, rule)))


def unused(options: PlanOptions, setting: Setting, rules: Sequence[str]) -> list[str]:
    """Return a sentence for each option that was set and has no effect on the schedule, or on any of the rules that are run.

    Parameters
    ----------
    options : PlanOptions
        Options as given.
    setting : Setting
        Setting that they make.
    rules : sequence of str
        Names of rules.

    Returns
    -------
    list of str
        Warnings for people: without these options the same rules would be built.
    """
    fields, built = type(options).model_fields, [RULES[rule](setting) for rule in rules]
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
    # A strength without a default is that of the objective; any other value tells whether a rule has it.
    changed = [name for name in SCALES if getattr(options, name) != defaults[name]]
    others = {name: 2 * getattr(setting, name) if defaults[name] is None else defaults[name] for name in changed}
    without = {name: replace(setting, **{name: other}) for name, other in others.items()}
    for one in setting.own:
        for name in (field.name for field in dataclass_fields(one) if getattr(one, field.name) != defaults[field.name]):
            plain = replace(one, **{name: defaults[name]})
            without[name] = replace(setting, own=tuple(plain if other is one else other for other in setting.own))
    idle = [name for name, other in without.items() if built == [RULES[rule](other) for rule in rules]]
    sentences = [f"--{name.replace('_', '-')} has no effect: no rule that is run has it ({', '.join(rules)})" for name in idle]
    if options.schedule != "exponential" and options.decay != fields["decay"].default:
        sentences.append(f"--decay has no effect: it belongs to the exponential schedule, and this is {options.schedule}")
    return sentences


def check(
    options: PlanOptions, invocation: Invocation, rule: str | None = None, *, rules: Sequence[str] = (), warm_start: bool = False
) -> Prepared:
    """Refuse settings that cannot be run, before anything is written, and warn of settings without their expected effect.

    For a single rule it first prints what will be trained, because compilers and optimisers then take seconds to import.

    Parameters
    ----------
    options : PlanOptions
        Options of the run.
    invocation : Invocation
        Invocation that shows the warnings.
    rule : str, optional
        Rule to try on a few samples. A comparison leaves it out, because a rule that fails must not stop the others.
    rules : sequence of str
        Rules of a comparison, which are refused only if they hold outputs and the network's outputs cannot be held.
    warm_start : bool
        Whether the rule keeps free states. A rule without free states is refused; otherwise a note states the memory that they take.

    Returns
    -------
    Prepared
        Data, network with the weights that training starts from, and setting, as a trial of this seed builds them.
    """
    from contrastive_core.analysis.gradient_quality import review
    from contrastive_core.data.on_disk.blocks import blocks_of
    from contrastive_core.data.on_disk.rows import MappedRows
    from contrastive_core.generators import generator_of
    from contrastive_core.training.optimisers.builders import layer_groups
    from contrastive_core.training.views_of_samples import augmentation
    from contrastive_core.training.warm_start import require_return
    from contrastive_core.types import Batch

    prepared = prepare(options, rule or rules[0], options.seed)
    splits, network, setting = prepared
    require_held(rules, network)
    require_temperature(options, rules if rule is None else (rule,))
    for warning in device_cautions(options, rules if rule is None else (rule,)):
        invocation.warn(warning)
    layer_groups(network, options.learning_rates)
    _require_noise(options, invocation, prepared, rules if rule is None else (rule,))
    if rule is not None:
        count, samples = sum(parameter.numel() for parameter in network.parameters()), len(splits.train.labels)
        invocation.note(f"{rule} on {options.data}: {architecture(network, splits)}, {count} parameters, {samples} training samples")
    if isinstance(splits.train.inputs, MappedRows):
        invocation.note(f"{splits.source}; {blocks_of(splits.train.inputs, options.batch_size).words()}")
    few = Batch(splits.train.inputs[:FEW], splits.train.labels[:FEW])
    shown = augmentation(options.augment, splits.shape, None)
    if shown is not None:
        shown.present(few, generator_of(options.seed, 3))  # refuses what cannot be shown like this
    idle = unused(options, setting, rules if rule is None else (rule,))
    reviewed = [] if options.node_temperature else review(network, setting, few.inputs)  # it judges states at rest
    for warning in [*ignored(options), *idle, *reviewed]:
        invocation.warn(warning)
    spoken = [name for name in ("weights", "pair_weights", "pairs", "negatives") if name in splits.train.given]
    if spoken:
        invocation.warn(f"{', '.join(spoken)} of {options.data} have no effect on {options.cost}, a cost of samples; objectives hear them")
    if "other than the published" in splits.source:
        invocation.warn(f"{options.data} is read from {splits.source.removeprefix(f'{options.data}: ')}")
    if rule is not None:
        built = RULES[rule](setting)
        if warm_start:
            require_return(built, drawn_anew=bool(options.augment))
            units = sum(network.sizes)
            megabytes = samples * units * next(network.parameters()).element_size() / 1e6
            few = few._replace(start=network.initial_state(network.clamp(few.inputs)))
            invocation.note(f"the warm start keeps {units} units of {samples} samples: {megabytes:.3g} MB, in checkpoints too")
        built.estimate(network, few, generator=generator_of(options.seed, 2))
    return prepared


def _require_noise(options: PlanOptions, invocation: Invocation, prepared: Prepared, rules: Sequence[str]) -> None:
    """Refuse tolerances that should follow the noise if those of no rule can, and name the rules whose cannot."""
    from contrastive_core.training.following import follows, require_following

    plan, built = plan_of(options), {name: RULES[name](prepared.setting) for name in rules}
    if plan.follow_noise is None and plan.noise_horizon is None:
        return
    able = [name for name, one in built.items() if follows(one)]
    samples = len(prepared.splits.train.labels)
    for name in able or rules:
        require_following(built[name], prepared.network, prepared.setting.cost, plan, samples)
    if others := [name for name in rules if name not in able]:
        invocation.note(f"{', '.join(others)}: no tolerances that could follow the noise")


def doubts(options: LearningOptions, network: Network, exact: Estimate, rules: Mapping[str, Any], smallest: float | None) -> list[str]:
    """Return a sentence for each reason not to trust the comparison."""
    doubts = []
    if options.node_temperature:
        early = [name for name, record in rules.items() if rule_named(name).averages and record.get("unconverged")]
        if early:
            doubts.append(
                f"chains of {', '.join(early)} still show more than 1 % of their start, or stay in modes of their own; raise --budget and "
                "--nudged-budget, or --burn-in"
            )
        last = [name for name in rules if rule_named(name).contrasts and not rule_named(name).averages]
        if last:
            doubts.append(f"{', '.join(last)} contrast the last states of single noisy phases: their errors are noise; see ep-thermal")
        return doubts
    share = effort(exact)["unconverged"]
    if share:
        doubts.append(
            f"{100 * share:.1f} % of the free states did not reach the tolerance, so what the rules are compared with is not exact; "
            "raise --budget or --tolerance"
        )
    if not any(bool(gradient.any()) for gradient in exact.gradients.values()):
        doubts.append("the exact gradient is 0: no unit moves under a small nudge, and there is nothing to compare the rules with")
    for name, record in rules.items():
        if points := record.get("off_branch"):
            listed = ", ".join(f"{point} in {100 * share:.0f} % of the samples" for point, share in points.items())
            doubts.append(
                f"{name}: the mean over the points is not the free state, as it is where states are analytic in the nudge; {listed} is on "
                "another branch, or the circle goes around a singularity; lower --strength"
            )
    unsettled = {
        name: record["unsettled"]
        for name, record in rules.items()
        if record.get("unconverged") and name != "implicit" and not record.get("off_branch")
    }
    if unsettled and options.nudged_tolerance is not None:  # a fixed number of sweeps is asked to settle nothing
        listed = ", ".join(f"{name} ({', '.join(phases)})" for name, phases in unsettled.items())
        pace = ", or --sweeps-per-point" if any(name.endswith("-online") for name in unsettled) else ""
        doubts.append(f"not all phases of {listed} reached their tolerance; raise --nudged-budget or --nudged-tolerance{pace}")
    if smallest is not None and options.strength * network.stiffness[-1] >= smallest:
        doubts.append(
            f"strength {options.strength:g} is not below the smallest curvature of the energy, {smallest:.3g}: nudged states may be far "
            "from the free one; lower --strength"
        )
    return doubts


def effort(estimate: Estimate) -> dict[str, Any]:
    """Return the mean sweeps of all phases of an estimate, the share of phases that did not settle, and the names of those."""
    from contrastive_core.training.evaluation import unconverged

    phases = estimate.relaxations
    shares = {name: unconverged(phase) for name, phase in phases.items()}
    return {
        "sweeps": sum(float(phase.steps.double().mean()) for phase in phases.values()),
        "unconverged": sum(shares.values()) / len(shares),
        "unsettled": [name for name, share in shares.items() if share],
    }
