"""``eqlab match``: correspondence between the units of networks that different rules, or seeds, have trained on the same task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.output import format_table
from experiments.commandline.quantities import distinct
from experiments.commandline.sections import COMPUTATION, Section
from experiments.report.ending import finish
from experiments.representations.match_training import plan_pair, second_seed, train_pair
from experiments.representations.match_trial import MatchTrialOptions, networks_of, tables
from experiments.representations.trained import finished
from experiments.runs.directory import place
from experiments.setup.build import unread
from experiments.setup.options import RuleName
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import check_engine
from experiments.trials.worker import Given

TRAINING = Section("Training", 15)


class MatchOptions(MatchTrialOptions):
    """Runs whose networks are matched, or what is trained in their place.

    Attributes
    ----------
    train, like, rules, seeds, training
        Networks to train without runs.
    engine
        Engine that trains networks.
    """

    train: Annotated[Literal["compare", "contrast"], TRAINING] = Field(
        "compare", description="Command that trains networks if no runs are given."
    )
    like: Annotated[str | None, TRAINING] = Field(
        None, description="Configuration of that command if no runs are given, a file or a shipped name; none: its defaults."
    )
    rules: Annotated[tuple[RuleName, ...], AfterValidator(distinct), TRAINING] = Field(
        ("ep-centered", "backprop"), min_length=1, description="Learning rules to train with if no runs are given."
    )
    seeds: Annotated[int, TRAINING] = Field(2, ge=2, description="Number of paired seeds per rule if no runs are given.")
    training: dict[str, Any] = Field({}, description="Further options of the training command, by name.")
    engine: Annotated[str, COMPUTATION] = Field(
        "process", exclude=True, description="Engine that trains networks: serial, process:N, dask:N, tcp://HOST:PORT or a scheduler file."
    )


@command(MatchOptions, "match", draws=True)
def match_command(options: MatchOptions, invocation: Invocation) -> None:
    """Match the units of trained networks, and ask whether two rules learn the same features.

    RUNS are directories of eqlab train, compare or contrast; without any, two seeds of two rules are trained first, and a run of one seed
    gets a second one. Networks of two rules are matched beside two seeds of the same rule, and beside untrained networks, whose units
    correspond as far as chance and the data alone make them. One-to-one: mean size of the correlation of units paired by the best
    assignment. Best: each unit with the most correlated one of the other network. Lasso: the variance of a unit that few units of the
    other network explain, and how many. Clusters mix: how evenly spectral clusters of all units hold both networks. CKA: linear, blind
    to rotations. Networks of one seed start from the same weights.

    \b
    Examples:
      eqlab match
      eqlab match --train contrast --like contrast-mnist --data-dir DIRECTORY-OF-IDX-FILES --set training.cost=dcl
      eqlab match RUN-BY-EP RUN-BY-BACKPROP --out runs/matched
    """  # noqa: D301
    check_engine(options.engine)
    invocation.warn_of_threads()
    _refuse_unused(options)
    _refuse_missing(options)
    if options.runs:
        networks_of(options.model_copy(update={"more_seeds": False}))  # refuses what cannot be matched before anything is written
        trained_on = {finished(place(name.rstrip("/")), options.data_dir)[0].data for name in options.runs}
        for sentence in (sentence for data in sorted(trained_on) for sentence in unread(data, options.data_dir)):
            invocation.warn(sentence)
    planned = None if options.runs else plan_pair(options.train, options.like, _training_of(options), invocation)
    with computation(options, invocation, "serial") as opened:
        matched = options
        if planned is not None:
            networks = train_pair(options.train, planned, replace(invocation, out=opened.run.path / "networks"))
            matched = options.model_copy(update={"runs": (str(networks.resolve()),)})
        elif options.more_seeds:
            for name in options.runs:
                second_seed(place(name.rstrip("/")), options.data_dir, options.engine, invocation)
        prepared = networks_of(matched)
        if len({one.seed for one in prepared}) == 1:
            invocation.warn("all networks have the same seed, so nothing tells rules from seeds; leave --no-more-seeds out")
        result = compute_one(study_of("match", matched), opened, Given(matched, {"prepared": prepared}))
    parts = [f"{title}\n\n{format_table(header, rows)}" for title, header, rows in tables(result)]
    text = f"units matched on {result['samples']} test samples\n\n" + "\n\n".join(parts)
    finish(opened.run, invocation, {"runs": list(options.runs), **result}, text)


def _training_of(options: MatchOptions) -> dict[str, Any]:
    local = {"engine": options.engine} | ({} if options.data_dir is None else {"data_dir": str(options.data_dir)})
    return {**options.training, "rules": list(options.rules), "seeds": options.seeds, "seed": options.seed, **local}


def _refuse_missing(options: MatchOptions) -> None:
    if len(set(options.runs)) < len(options.runs):
        raise InputError("a run is named twice; name each once")
    for name in options.runs:
        path = place(name.rstrip("/"))
        if not path.exists() and Path(name).is_dir():
            raise InputError(f"there is no run {path}, and {name} here is a directory; give ./{name} if that is meant")


_TRAINING = ("train", "like", "rules", "seeds", "training")
"""Options that say what is trained where no run is given."""
_OWN = ("rules", "seeds", "seed", "engine", "data_dir")
"""Options of the command that trains which are options of this one."""


def _refuse_unused(options: MatchOptions) -> None:
    """Refuse options that nothing would come of, since networks of other settings than those asked for would be matched."""
    given = [name for name in _TRAINING if name in options.model_fields_set]
    if options.runs and given:
        raise InputError(f"--{given[0]} says what is trained where no run is given, and {options.runs[0]} is; leave one of them out")
    if not options.runs and not options.more_seeds:
        raise InputError("--no-more-seeds is for runs, and none is given; --seeds says how many are trained")
    if twice := [name for name in _OWN if name in options.training]:
        raise InputError(f"training.{twice[0]} would be overruled; give --{twice[0].replace('_', '-')} in its place")
