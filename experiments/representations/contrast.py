"""``eqlab contrast``: one objective on views, many learning rules, and what each one's representation is worth."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.output import format_table
from experiments.report.ending import finish
from experiments.representations.attacks import attack_of
from experiments.representations.build import build_contrasting, build_embedding, build_objective, lowered, objective_setting, widened
from experiments.representations.comparison import (
    augmentation_line,
    detail_table,
    generator_sentence,
    measure_table,
    probe_table,
    summarise,
    target_sentence,
    term_table,
)
from experiments.representations.continual import with_classes
from experiments.representations.generated import generator_for, with_generated
from experiments.representations.options import ContrastiveOptions, ContrastOptions
from experiments.representations.paired.modalities import retrieval_table
from experiments.representations.stages import follow, remember_stages
from experiments.representations.teachers import coded, remember_teachers, teacher_of
from experiments.runs.records import Record
from experiments.setup.build import architecture, ignored, load_data
from experiments.setup.checks import FEW, device_cautions, require_held, require_temperature, unused
from experiments.setup.objectives import has_temperature
from experiments.setup.parameters import begin, remember_start
from experiments.setup.tables import BASELINE, RULES
from experiments.sweeps.axes import axis_of
from experiments.sweeps.compute import computation, compute, study_of, teller
from experiments.sweeps.paired import read_paired, refuse_failures, seeds_of, tasks_of
from experiments.trials.engine import check_engine

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits
    from contrastive_core.network import Network
    from contrastive_core.training.views_of_samples import Contrasting

SAMPLED = 4096
"""Most training samples by which the effect of a sampler is judged."""

LITTLE = 0.005
"""Change of the mean cosine of inputs below which a sampler has hardly any effect; chance alone gives about a tenth of it."""


def check_contrast(options: ContrastOptions, invocation: Invocation) -> str:
    """Refuse what cannot be trained before anything is written, by one batch of views, and return the network's architecture."""
    import torch

    from contrastive_core.analysis.gradient_quality import review
    from contrastive_core.data.batches import batches
    from contrastive_core.objectives.needs import Labels
    from contrastive_core.objectives.nudge_limit import largest_curvature
    from contrastive_core.training.optimisers.builders import layer_groups

    if options.device != "cpu":
        raise InputError(f"contrast draws its views and probes on the CPU; leave --device {options.device} out")
    if {"temperature"} & options.model_fields_set & set(options.objective):
        raise InputError("the temperature is given twice, as --temperature and as objective.temperature; leave one out")
    splits, objective = load_data(options), build_objective(options)
    network = build_embedding(options, splits, options.seed)
    begin(network, options, options.rules[0], options.seed)
    require_held(options.rules, network)
    require_temperature(options, options.rules)
    target = lowered(options, objective)
    setting = objective_setting(options, target)
    for warning in device_cautions(options, options.rules):
        invocation.warn(warning)
    layer_groups(network, options.learning_rates)
    shown = with_classes(options, splits)
    mixture = generator_for(options, shown, options.seed)
    shown = with_generated(options, shown, mixture, options.seed, target.needs.labels is not Labels.NONE)
    _refuse_lone_samples(options, shown)
    if target.needs.labels is Labels.CLASSES:
        _refuse_one_class(options, splits)
    _refuse_lone_probes(options, splits)
    teacher = teacher_of(options, options.rules[0], options.seed, splits)
    contrasting = build_contrasting(options, splits, target, network, RULES[BASELINE](setting), options.seed, teacher, mixture)
    contrasting = replace(contrasting, sampler=coded(options, contrasting.sampler, options.rules[0], options.seed, shown))
    count = min(len(splits.train.labels), max(options.batch_size, 2))
    batch = contrasting.present(next(batches(splits.train, count)), torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = network.output(network.feedforward(network.clamp(batch.inputs)))
        if contrasting.contrasts(batch):  # a small first batch may be of one class, though not all are
            target.value(output, batch)
    attack_of(options, network, RULES[options.rules[0]](setting), setting, target, splits)
    if not options.frozen and (limit := 1 / max(largest_curvature(target, output, batch), 1e-12)) < setting.strength:
        invocation.warn(
            f"a live nudge of strength {setting.strength:g} is above {limit:.2g}, the inverse of the objective's largest curvature at the "
            "initial outputs: phases need not settle; lower --strength, raise --gain, or freeze the nudge"
        )
    doubts = review(network, setting, splits.train.inputs[:FEW])
    idle = _idle_sampling(options, shown, contrasting, network, invocation) + _idle_mixing(options, shown, contrasting)
    for warning in [*ignored(options), *_unused(options, contrasting), *idle, *unused(options, setting, options.rules), *doubts]:
        invocation.warn(warning)
    if options.temperature is not None and not has_temperature(objective) and options.temperature != 0.2:
        invocation.warn(f"--temperature has no effect: {options.cost} has none")
    return architecture(network, widened(options, splits))


def _idle_sampling(
    options: ContrastiveOptions, splits: Splits, contrasting: Contrasting, network: Network, invocation: Invocation
) -> list[str]:
    """Return a sentence if the sampler hardly changes who meets whom, compared with a random order; else note it.

    Raises
    ------
    InputError
        If the data lack what the sampler asks for.
    """
    import torch

    from contrastive_core.data.named.groups import groups_of
    from contrastive_core.data.splits import Split
    from contrastive_core.sampling.meetings import meetings
    from contrastive_core.sampling.sampler import Shuffled
    from contrastive_core.sampling.together import Together

    if options.sampling == "shuffled" or options.after is not None:
        return []
    if options.sampling == "replication":
        return (
            []
            if options.generated
            else ["--sampling replication without --generated samples only makes an epoch longer; raise --epochs, or leave --sampling out"]
        )
    whole = options.codes_of is not None or isinstance(contrasting.sampler, Together)  # codes are of all samples, and groups stay whole
    some = splits.train if whole else splits.train.take(slice(SAMPLED))

    def features() -> torch.Tensor:
        return network.output(network.feedforward(network.clamp(some.inputs))).detach()

    told, kind = some, "class"
    if isinstance(contrasting.sampler, Together):
        told, kind = Split(some.inputs, groups_of(some.given, contrasting.sampler.by)), f"group by {contrasting.sampler.by}"
    chosen, shuffled = (
        meetings(told, sampler(some, features, options.batch_size, torch.Generator().manual_seed(options.seed)))
        for sampler in (contrasting.sampler, Shuffled())
    )
    meeting = (
        f"who meets whom at --batch-size {options.batch_size}: {100 * chosen.alike:.1f} % of the pairs in a batch are of one {kind} "
        f"(shuffled {100 * shuffled.alike:.1f} %), with a mean cosine of inputs of {chosen.cosine:.4f} ({shuffled.cosine:.4f})"
    )
    if abs(chosen.alike - shuffled.alike) >= shuffled.alike / 3 or abs(chosen.cosine - shuffled.cosine) >= LITTLE:
        invocation.note(f"--sampling {options.sampling} changes {meeting}")
        return []
    return [f"--sampling {options.sampling} hardly changes {meeting}; lower --batch-size, or leave --sampling out"]


def _refuse_lone_samples(options: ContrastiveOptions, splits: Splits) -> None:
    for name, split in (("training", splits.train), ("validation", splits.validation), ("test", splits.test)):
        if len(split.labels) % options.batch_size == 1:
            raise InputError(
                f"the last batch of the {len(split.labels)} {name} samples would have 1 sample, which has nothing to be contrasted with; "
                f"choose another --batch-size than {options.batch_size}"
            )


def _refuse_lone_probes(options: ContrastiveOptions, splits: Splits) -> None:
    labels = splits.train.labels[: options.probe_train]
    if bool((labels == labels[0]).all()):
        raise InputError(
            f"probes would learn from {len(labels)} training samples of one class, and tell nothing apart; raise --probe-train"
        )


def _unused(options: ContrastiveOptions, contrasting: Contrasting) -> list[str]:
    """Return a sentence for each option about keys, labels or neighbours that this objective or these samples leave without effect."""
    from contrastive_core.objectives.needs import Labels
    from contrastive_core.objectives.weighted_sum import WeightedSum

    sentences, learners = [], min(options.probe_train, options.train_size or options.probe_train)
    if contrasting.follower is None and "momentum_keys" in options.model_fields_set:
        sentences.append(f"--momentum-keys has no effect: {options.cost} asks for no keys of a second network")
    if options.teacher is not None and contrasting.teacher is None:
        sentences.append(f"--teacher has no effect: {options.cost} has no term of a teacher, such as relation-distillation")
    if not options.labels and contrasting.objective.needs.labels is Labels.NONE:
        sentences.append(f"--no-labels has no effect: {options.cost} sees none")
    if isinstance(contrasting.objective, WeightedSum) and contrasting.objective.detects and set(options.views) != {"replace"}:
        shown = ",".join(options.views) or "none"
        sentences.append(f"replaced-detection asks which values were replaced, and --views {shown} changes others; give --views replace")
    if options.attack == "none" and {"attack_radius", "attack_steps"} & options.model_fields_set:
        sentences.append("--attack-radius and --attack-steps have no effect without --attack")
    if options.latent_views == "none" and not options.generated and {"components", "codes"} & options.model_fields_set:
        sentences.append("--components and --codes have no effect without a generator; give --latent-views or --generated")
    if not options.crops and "crop_area" in options.model_fields_set:
        sentences.append("--crop-area has no effect without --crops")
    if options.replay and not options.classes:
        sentences.append("--replay has no effect without --classes: samples of all classes are shown")
    if options.neighbours > learners:
        sentences.append(f"--neighbours {options.neighbours} is more than the {learners} samples that probes learn from: all of these vote")
    return sentences


def _idle_mixing(options: ContrastiveOptions, splits: Splits, contrasting: Contrasting) -> list[str]:
    """Return a sentence if the run ends before its mixing has seen as many keys as it waits for."""
    warm_up, samples = contrasting.objective.needs.warm_up, len(splits.train.labels)
    if not warm_up or not options.epochs:
        return []
    least = min(warm_up, len(contrasting.extras["queue"]))
    last = samples % options.batch_size or options.batch_size
    before = contrasting.views.count * (options.epochs * samples - last)
    if before >= least:
        return []
    return [
        f"--mixing {options.mixing} has no effect: it starts after {least} keys, and the last batch is preceded by {before}; "
        "raise --epochs, or lower mixer.warm_up"
    ]


def _refuse_one_class(options: ContrastiveOptions, splits: Splits) -> None:
    for name, split in (("training", splits.train), ("validation", splits.validation), ("test", splits.test)):
        if bool((split.labels == split.labels[0]).all()):
            raise InputError(f"all {len(split.labels)} {name} samples are of one class, and {options.cost} contrasts classes; give more")


@command(ContrastOptions, "contrast", draws=True)
def contrast_command(options: ContrastOptions, invocation: Invocation) -> None:
    """Train one network on views with one objective under many learning rules, and probe what it has learned.

    No rule sees a label, unless the objective needs labels. Every rule gets the same network, objective, data and optimiser, and with
    each seed the same initial weights, data order and views. Linear probes and nearest neighbours judge the last hidden layer and the
    outputs, beside the same network before training. Intervals are Student's over the seeds.

    \b
    Examples:
      eqlab contrast
      eqlab contrast --cost supcon --rules ep-centered,ep-positive,implicit,backprop
      eqlab contrast --cost vicreg --set objective.deviation=0.5 --views noise,mask
      eqlab contrast --config contrast-mnist --data-dir DIRECTORY-OF-IDX-FILES
      eqlab contrast --after RUN
      eqlab contrast --teacher RUN --cost "nt-xent + relation-distillation" --embedding 4
      eqlab contrast --start-from RUN --cost "cross-entropy + focal-supcon" --output-activation linear
    """  # noqa: D301
    check_engine(options.engine)
    invocation.warn_of_threads()
    options, stages = follow(options)
    network = check_contrast(options, invocation)
    seeds = seeds_of(options.seed, options.seeds)
    study = study_of("contrastive", options, [axis_of("rule", options.rules)], options.seeds)
    with computation(options, invocation, options.engine) as opened:
        remember_stages(stages, opened)
        remember_teachers(options, opened)
        remember_start(options, options.rules, seeds, opened)
        compute(study, tasks_of(options.rules, seeds), opened, told=teller(invocation, _sentence))
        records = summarise(read_paired(opened.journal, options.rules, seeds))
    result = {
        "network": network,
        "data": options.data,
        "objective": options.cost,
        "after": None if stages is None else {"run": options.after, "fingerprint": stages},
        "baseline": BASELINE,
        "seeds": list(seeds),
        "rules": records,
    }
    head = (
        f"{options.cost} on views of {options.data}, {network}, {options.seeds} paired seeds\n"
        f"linear probes of the hidden layer and of the {options.embedding} outputs: {options.probe_split} samples that they get right,\n"
        "compared with backprop and with the same network before training, of the same seed"
    )
    tables, terms = [probe_table(records), measure_table(records), detail_table(records), retrieval_table(records)], term_table(records)
    body = "\n\n".join(format_table(*table) for table in [*tables, terms] if table[1])
    if terms[1]:
        body += "\n\nterms of the sum without their weights, on one batch of views"
    if line := augmentation_line(records):
        body += f"\n\n{line}"
    for told in (generator_sentence(records), target_sentence(records)):
        body += f"\n\n{told}" if told else ""
    finish(opened.run, invocation, result, f"{head}\n\n{body}")
    refuse_failures(records)


def _sentence(record: Record) -> str:
    metrics = json.loads(record.metrics or "")
    return f"probe of hidden {100 * metrics['probe_hidden']:.2f} %, output {100 * metrics['probe_output']:.2f} %, {record.seconds:.1f} s"
