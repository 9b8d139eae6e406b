"""``eqlab match``: which units of networks correspond that different rules, or seeds, have trained on the same task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from contrastive_core.errors import InputError
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.markers import OneOf, Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import Cell, format_table
from experiments.commandline.quantities import Positive, PositiveFloat, distinct
from experiments.commandline.sections import COMPUTATION, DATA, Section
from experiments.figures.representations import matches
from experiments.figures.writing import write_pictures
from experiments.representations.activities import Trained, activities
from experiments.representations.trained import trained_networks
from experiments.runs.directory import place
from experiments.runs.intervals import mean
from experiments.setup.rules import RULES
from experiments.trials.engine import check_engine

if TYPE_CHECKING:
    from torch import Tensor

    Activities = Mapping[str, tuple[Tensor, Tensor]]

LAYERS = ("hidden", "output")
COLUMNS = {
    "one-to-one": ("one_to_one", 3),
    "best": ("semi", 3),
    "lasso explains": ("explained", 3),
    "units used": ("used", 1),
    "clusters mix": ("mixed", 3),
    "CKA": ("cka", 3),
}
"""Columns of the table: measure and digits."""


TRAINING = Section("Training", 15)


class MatchOptions(CommandOptions):
    """Which runs, and on what their units are compared.

    Attributes
    ----------
    runs
        Directories of runs of train, compare or contrast; none trains networks.
    train, like, rules, seeds, training
        What is trained then.
    more_seeds
        Whether a run of one seed gets a second one.
    engine
        Where networks are trained.
    data_dir, samples
        The test samples that units answer.
    pairs
        How many pairs of networks of each kind.
    penalty, predicted, clusters
        Of the lasso, and of the spectral clusters.
    """

    runs: Annotated[tuple[str, ...], Positional()] = Field(
        (), description="Names of runs of train, compare or contrast, or paths; none: train networks first."
    )
    train: Annotated[Literal["compare", "contrast"], TRAINING] = Field(
        "compare", description="Command that trains networks if no runs are given."
    )
    like: Annotated[str | None, TRAINING] = Field(
        None, description="Configuration of that command if no runs are given, a file or a shipped name; none: its defaults."
    )
    rules: Annotated[tuple[Annotated[str, OneOf("rule", RULES)], ...], AfterValidator(distinct), TRAINING] = Field(
        ("ep-centered", "backprop"), min_length=1, description="Learning rules to train with if no runs are given."
    )
    seeds: Annotated[int, TRAINING] = Field(2, ge=2, description="Number of paired seeds per rule if no runs are given.")
    training: dict[str, Any] = Field({}, description="Further options of the training command, by name.")
    more_seeds: Annotated[bool, TRAINING] = Field(True, description="Train a second seed of a run that has one, beside it.")
    engine: Annotated[str, COMPUTATION] = Field(
        "process", exclude=True, description="Engine that trains networks: serial, process:N, dask:N, tcp://HOST:PORT or a scheduler file."
    )
    data_dir: Annotated[Path | None, DATA] = Field(
        None, exclude=True, description="Directory with the IDX files of the data set; none: download them once and cache them."
    )
    samples: Annotated[int, DATA] = Field(1000, ge=3, description="Largest number of test samples on which units are compared.")
    pairs: Positive = Field(3, description="Largest number of pairs of networks of each kind.")
    penalty: PositiveFloat = Field(0.1, description="Penalty of the lasso on standardised activities.")
    predicted: Positive = Field(64, description="Largest number of units of the second network that the lasso predicts.")
    clusters: int = Field(16, ge=2, description="Largest number of spectral clusters of the units of both networks.")


@command(MatchOptions, "match")
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
    invocation.use_threads()
    networks = _networks(options, invocation)
    inputs = networks[0].splits.test.inputs[: options.samples]
    groups = _groups(networks, options)
    answers = {id(one): activities(one.network, one.answer, inputs) for one in networks}
    blank = {id(one): activities(one.untrained, one.answer, inputs) for one in networks}
    found: dict[str, list[dict[str, Any]]] = {}
    for kind, pairs in groups.items():
        for first, second, trained in pairs:
            one, other = ((answers if flag else blank)[id(member)] for member, flag in zip((first, second), trained, strict=True))
            names = {"first": _name(first, trained[0]), "second": _name(second, trained[1])}
            found.setdefault(kind, []).append({**names, **_compare(one, other, options)})
    _report(options, invocation, networks, found)


def _networks(options: MatchOptions, invocation: Invocation) -> list[Trained]:
    from experiments.representations.match_training import second_seed, train_pair

    check_engine(options.engine)
    if len(set(options.runs)) < len(options.runs):
        raise InputError("a run is named twice; name each once")
    _refuse_unused(options)
    if not options.runs:
        local = {"engine": options.engine} | ({} if options.data_dir is None else {"data_dir": str(options.data_dir)})
        settings = {**options.training, "rules": list(options.rules), "seeds": options.seeds, "seed": options.seed, **local}
        return trained_networks(train_pair(options.train, options.like, settings, invocation), options.data_dir)
    paths = [place(name.rstrip("/")) for name in options.runs]
    for name, path in zip(options.runs, paths, strict=True):
        if not path.exists() and Path(name).is_dir():
            raise InputError(f"there is no run {path}, and {name} here is a directory; give ./{name} if that is meant")
    networks = [one for path in paths for one in trained_networks(path, options.data_dir)]
    _refuse_other_data(networks)
    for path in paths if options.more_seeds else ():
        beside = second_seed(path, options.data_dir, options.engine, invocation)
        # Of the run whose second seed it is, so that both seeds stand under one name.
        networks += [one._replace(run=path.name) for one in trained_networks(beside, options.data_dir)] if beside else []
    kinds = list(dict.fromkeys((one.run, one.rule) for one in networks))
    networks.sort(key=lambda one: kinds.index((one.run, one.rule)))  # a pair of kinds is named in one order, whatever the seeds
    if len({one.seed for one in networks}) == 1:
        invocation.warn("all networks have the same seed, so nothing tells rules from seeds; leave --no-more-seeds out")
    return networks


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


def _refuse_other_data(networks: Sequence[Trained]) -> None:
    first = networks[0]
    for one in networks:
        if one.splits.test.inputs.shape != first.splits.test.inputs.shape or not bool(
            (one.splits.test.inputs == first.splits.test.inputs).all()
        ):
            raise InputError(
                f"{first.run} and {one.run} were trained on different data ({first.splits.source}; {one.splits.source}); units are "
                "compared by what they answer to the same samples"
            )


Pair = tuple[Trained, Trained, tuple[bool, bool]]


def _groups(networks: Sequence[Trained], options: MatchOptions) -> dict[str, list[Pair]]:
    """List the pairs of every kind: two rules, two seeds, one network before and after, and untrained ones."""
    several = len({(one.rule, one.seed) for one in networks}) < len(networks)
    label = {id(one): f"{one.run}/{one.rule}" if several else one.rule for one in networks}
    groups: dict[str, list[Pair]] = {}

    def add(kind: str, first: Trained, second: Trained, trained: tuple[bool, bool] = (True, True)) -> None:
        pairs = groups.setdefault(kind, [])
        if len(pairs) < options.pairs:
            pairs.append((first, second, trained))

    for first, second in combinations(networks, 2):
        same = first.seed == second.seed
        if label[id(first)] != label[id(second)]:
            add(f"{label[id(first)]} and {label[id(second)]}, {'same seed' if same else 'two seeds'}", first, second)
    for first, second in combinations(networks, 2):
        if label[id(first)] == label[id(second)] and first.seed != second.seed:
            add(f"{label[id(first)]}, two seeds", first, second)
    for one in networks:
        add(f"{label[id(one)]}, before and after", one, one, (False, True))
    seeds: dict[int, Trained] = {}
    for one in networks:
        seeds.setdefault(one.seed, one)
    for first, second in combinations(seeds.values(), 2):
        add("untrained, two seeds", first, second, (False, False))
    return groups


def _name(one: Trained, trained: bool) -> str:
    return f"{one.run}/{one.rule}-{one.seed}{'' if trained else ' untrained'}"


def _compare(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], options: MatchOptions) -> dict[str, Any]:
    """Return every measure of two networks' units, by layer."""
    from contrastive_core.representation.matching import (
        balance,
        clusters,
        correlations,
        linear_cka,
        one_to_one,
        semi_matching,
        sparse_matching,
    )

    found: dict[str, Any] = {}
    for layer, ours, theirs in zip(LAYERS, first, second, strict=True):
        correlation = correlations(ours, theirs)
        pairs, sparse = one_to_one(correlation), sparse_matching(ours, theirs[:, : options.predicted], options.penalty)
        count = min(options.clusters, ours.shape[1] + theirs.shape[1] - 1)  # as many eigenvectors, of a graph that has more
        sizes = pairs.correlation.abs().sort(descending=True).values
        found[layer] = {
            "one_to_one": float(sizes.mean()),
            "semi": float(semi_matching(correlation).correlation.abs().mean()),
            "explained": float(sparse.explained.mean()),
            "used": float(sparse.used.double().mean()),
            "mixed": balance(clusters(ours, theirs, count), ours.shape[1]),
            "cka": linear_cka(ours, theirs),
            "correlations": sizes.tolist(),
        }
    return found


def _report(
    options: MatchOptions, invocation: Invocation, networks: Sequence[Trained], found: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    kinds: dict[str, dict[str, dict[str, Any]]] = {
        kind: {
            layer: {measure: mean([pair[layer][measure] for pair in pairs]) for measure, _ in COLUMNS.values()}
            | {"correlations": _averaged([pair[layer]["correlations"] for pair in pairs])}
            for layer in LAYERS
        }
        for kind, pairs in found.items()
    }
    count = min(options.samples, len(networks[0].splits.test.labels))
    result = {"samples": count, "runs": list(options.runs), "kinds": kinds, "pairs": {kind: list(pairs) for kind, pairs in found.items()}}
    parts = []
    for layer in LAYERS:
        rows: list[tuple[Cell, ...]] = [
            (kind, len(found[kind]), *(f"{one[layer][measure]:.{digits}f}" for measure, digits in COLUMNS.values()))
            for kind, one in kinds.items()
        ]
        parts.append(f"{layer} layer\n\n{format_table(('networks', 'pairs', *COLUMNS), rows)}")
    text = f"units matched on {count} test samples\n\n" + "\n\n".join(parts)
    if invocation.out is not None:
        curves = {kind: {layer: one[layer]["correlations"] for layer in LAYERS} for kind, one in kinds.items()}
        invocation.save_result("match", result, f"{text}\n\nfigure: {invocation.out / 'match-curves.svg'}")
        write_pictures(invocation.out, {"match-curves": matches(curves)})
        return
    invocation.result(result, text)


def _averaged(lists: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of sorted correlations, rank by rank."""
    return [sum(ranks) / len(ranks) for ranks in zip(*lists, strict=False)]
