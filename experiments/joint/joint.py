"""``eqlab joint``: a classifier as a density of its inputs, trained in several ways and measured on both sides."""

from __future__ import annotations

import json

from contrastive_core.data.catalog import CATALOG
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import without_effect
from experiments.joint.comparison import BASELINE, summarise, tables
from experiments.joint.options import JointOptions
from experiments.joint.parts import prepare
from experiments.report.ending import finish
from experiments.runs.records import Record, Task
from experiments.setup.build import architecture
from experiments.sweeps.axes import axis_of
from experiments.sweeps.compute import computation, compute, study_of, teller
from experiments.sweeps.paired import read_paired, refuse_failures, seeds_of, trial_key
from experiments.trials.engine import check_engine

_OF_ARMS = {
    ("radius", "attack_steps", "attack_rate"): ("adversarial", "dat"),
    ("warmup", "ascent_rate", "most_steps", "raise_at", "window"): ("dat",),
    ("langevin_steps", "langevin_rate", "langevin_noise", "chains", "restart"): ("sgld",),
}
"""Arms that use an option in training; measured samples of other arms rise by steps of --ascent-rate, too."""
_MEASURED = ("ascent_rate", "most_steps")


def ignored(options: JointOptions) -> list[str]:
    """Return a sentence for each option that was given and has no effect."""
    found: list[str] = []
    for names, arms in _OF_ARMS.items():
        if not set(arms) & set(options.arms):
            idle = tuple(name for name in names if name not in _MEASURED)
            found += without_effect(options, idle, f"it belongs to {' and '.join(arms)}, which {'is' if len(arms) == 1 else 'are'} not run")
    other = ("hidden",) if options.network == "convolutional" else ("layers",)
    found += without_effect(options, other, f"a {options.network} network does not use it")
    if options.rule == "backprop":
        found += without_effect(options, ("strength", "tolerance", "budget", "energy_scale"), "a feedforward network does not settle")
    entry = CATALOG.get(options.data)
    if entry is not None and entry.kind not in ("download", "folder"):
        found += without_effect(options, ("data_dir",), f"{options.data} is not read from files")
    return found


@command(JointOptions, "joint", draws=True)
def joint_command(options: JointOptions, invocation: Invocation) -> None:
    """Train a classifier that is also a density of its inputs, in several ways, and measure accuracy, robustness and samples.

    \b
    Examples:
      eqlab joint
      eqlab joint --arms standard,dat --seeds 3
      eqlab joint --config joint-mnist --data-dir DIRECTORY
      eqlab joint --network convolutional --layers "16c3+1 a2 32c3+1 a2 10" --arms adversarial,dat
      eqlab joint --rule ep-centered --hidden 128 --arms standard,adversarial,dat

    The energy of an input is minus the log of the summed exponentials of the logits. Dual adversarial training (dat) contrasts data with
    samples that rise from noise to a class by more and more gradient steps, and classifies attacked data; sgld is JEM, whose chains
    follow Langevin dynamics and may diverge, which ends its training and is reported. An equilibrium network (--rule ep-... or implicit)
    has the gradient of its inputs from the same nudged states as that of its weights. Attacks on another network (transfer) and from
    random starts show whether gradients are masked.
    """  # noqa: D301
    check_engine(options.engine)
    invocation.warn_of_threads()
    for sentence in ignored(options):
        invocation.warn(sentence)
    parts = prepare(options, options.seed, options.arms)
    network = architecture(parts.classifier.network, parts.splits)
    seeds = seeds_of(options.seed, options.seeds)
    study = study_of("joint", options, [axis_of("arm", options.arms)], options.seeds)
    tasks = [Task(trial_key(arm, seed), {"arm": arm}, seed) for arm in options.arms for seed in seeds]
    with computation(options, invocation, options.engine) as opened:
        compute(study, tasks, opened, told=teller(invocation, _sentence))
        found = read_paired(opened.journal, options.arms, seeds)
    arms = summarise(found.metrics, found.errors)
    result = {"network": network, "data": options.data, "rule": options.rule, "baseline": BASELINE, "seeds": list(seeds), "arms": arms}
    heading = f"{network} on {options.data} by {options.rule}, {options.seeds} paired seeds"
    shown = [f"{table.title}\n\n{table.in_text()}\n\n{table.caption}" for table in tables(arms)]
    finish(opened.run, invocation, result, "\n\n".join([heading, *shown]))
    refuse_failures(arms)


def _sentence(record: Record) -> str:
    metrics = json.loads(record.metrics or "")
    ended = ", diverged" if metrics["diverged"] else ""
    return f"test error {100 * metrics['test_error']:.2f} %, MMD^2 {metrics['mmd2']:.4f}{ended}, {record.seconds:.1f} s"
