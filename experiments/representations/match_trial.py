"""Matching of trained networks as a trial: pairs of networks of every kind, and the measures of each pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from contrastive_core.errors import InputError
from contrastive_core.progress.share import counted
from experiments.commandline.markers import Positional
from experiments.commandline.options import CommandOptions
from experiments.commandline.output import Cell
from experiments.commandline.quantities import Positive, PositiveFloat
from experiments.commandline.sections import DATA
from experiments.representations.activities import Trained, activities
from experiments.representations.trained import beside_of, trained_networks
from experiments.runs.directory import place
from experiments.runs.forms import ANY, FINITE, NUMBER, list_of, mapping_of, record_of
from experiments.runs.intervals import mean
from experiments.trials.experiment import Experiment, Metric, Outcome

if TYPE_CHECKING:
    from torch import Tensor

    from contrastive_core.representation.matching import Matching

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


class MatchTrialOptions(CommandOptions):
    """Trained networks, and how their units are compared.

    Attributes
    ----------
    runs
        Directories of runs of train, compare or contrast.
    more_seeds
        Whether a run of one seed has a second one beside it.
    data_dir, samples
        Test samples that units answer.
    pairs
        Number of pairs of networks of each kind.
    penalty, predicted, clusters
        Settings of the lasso and of the spectral clusters.
    """

    runs: Annotated[tuple[str, ...], Positional()] = Field(
        (), description="Names of runs of train, compare or contrast, or paths; none: train networks first."
    )
    more_seeds: bool = Field(True, description="Train a second seed of a run that has one, beside it.")
    data_dir: Annotated[Path | None, DATA] = Field(
        None, exclude=True, description="Directory with the files of the data set; none: download them once and cache them."
    )
    samples: Annotated[int, DATA] = Field(1000, ge=3, description="Largest number of test samples on which units are compared.")
    pairs: Positive = Field(3, description="Largest number of pairs of networks of each kind.")
    penalty: PositiveFloat = Field(0.1, description="Penalty of the lasso on standardised activities.")
    predicted: Positive = Field(64, description="Largest number of units of the second network that the lasso predicts.")
    clusters: int = Field(16, ge=2, description="Largest number of spectral clusters of the units of both networks.")


_MEASURES = record_of(one_to_one=FINITE, semi=FINITE, explained=FINITE, used=FINITE, mixed=FINITE, cka=FINITE, correlations=list_of(NUMBER))

METRICS = {
    "samples": Metric("test samples that units are compared on", "sample", form=FINITE),
    "kinds": Metric("by kind of pair and layer: means over the pairs of every measure", form=mapping_of(mapping_of(_MEASURES))),
    "pairs": Metric(
        "by kind: the measures of every pair; which units correspond one-to-one, which one is the best of each unit, with their "
        "correlations, and the cluster of each unit",
        form=mapping_of(list_of(mapping_of(ANY))),
    ),
}


def trial(options: MatchTrialOptions, seed: int, *, prepared: Sequence[Trained] | None = None) -> Outcome:
    """Match the units of trained networks by every measure.

    Parameters
    ----------
    options : MatchTrialOptions
        Runs, and how units are compared.
    seed : int
        Not used: nothing is drawn.
    prepared : sequence of Trained, optional
        Networks of the runs, if they are loaded already.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``.
    """
    networks = networks_of(options) if prepared is None else prepared
    inputs = networks[0].splits.test.inputs[: options.samples]
    answers = {id(one): activities(one.network, one.answer, inputs) for one in networks}
    blank = {id(one): activities(one.untrained, one.answer, inputs) for one in networks}
    found: dict[str, list[dict[str, Any]]] = {}
    groups = _groups(networks, options.pairs)
    for kind, pairs in counted(list(groups.items()), name="kind"):
        for first, second, trained in counted(pairs, name="pair"):
            one, other = ((answers if flag else blank)[id(member)] for member, flag in zip((first, second), trained, strict=True))
            names = {"first": _name(first, trained[0]), "second": _name(second, trained[1])}
            found.setdefault(kind, []).append({**names, **_compare(one, other, options)})
    return Outcome({"samples": len(inputs), "kinds": _means(found), "pairs": found})


EXPERIMENT = Experiment(MatchTrialOptions, trial, METRICS, headline=("samples",))


def networks_of(options: MatchTrialOptions) -> list[Trained]:
    """Load the networks of the runs, and of the second seeds beside them.

    Raises
    ------
    InputError
        If there is no such run, or two were trained on different data.
    """
    paths = [place(name.rstrip("/")) for name in options.runs]
    networks: list[Trained] = []
    for path in paths:
        own = trained_networks(path, options.data_dir)
        beside = beside_of(path)
        if options.more_seeds and len({one.seed for one in own}) == 1 and beside.exists():
            # A second seed goes by the name of its run, so that both seeds are of one kind.
            own += [one._replace(run=path.name) for one in trained_networks(beside, options.data_dir)]
        networks += own
    _refuse_other_data(networks)
    kinds = list(dict.fromkeys((one.run, one.rule) for one in networks))
    return sorted(networks, key=lambda one: kinds.index((one.run, one.rule)))  # a pair of kinds is named in one order, whatever the seeds


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


def _groups(networks: Sequence[Trained], most: int) -> dict[str, list[Pair]]:
    """List the pairs of every kind: two rules, two seeds, one network before and after, and untrained ones."""
    several = len({(one.rule, one.seed) for one in networks}) < len(networks)
    label = {id(one): f"{one.run}/{one.rule}" if several else one.rule for one in networks}
    groups: dict[str, list[Pair]] = {}

    def add(kind: str, first: Trained, second: Trained, trained: tuple[bool, bool] = (True, True)) -> None:
        pairs = groups.setdefault(kind, [])
        if len(pairs) < most:
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


def _compare(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], options: MatchTrialOptions) -> dict[str, Any]:
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
        groups, best = clusters(ours, theirs, count), semi_matching(correlation)
        sizes = pairs.correlation.abs().sort(descending=True).values
        found[layer] = {
            "one_to_one": float(sizes.mean()),
            "semi": float(best.correlation.abs().mean()),
            "explained": float(sparse.explained.mean()),
            "used": float(sparse.used.double().mean()),
            "mixed": balance(groups, ours.shape[1]),
            "cka": linear_cka(ours, theirs),
            "correlations": sizes.tolist(),
            "matched": _units(pairs),
            "best": _units(best),
            "clusters": {"first": groups[: ours.shape[1]].tolist(), "second": groups[ours.shape[1] :].tolist()},
        }
    return found


def _units(pairs: Matching) -> list[list[float]]:
    """Return the unit of the first network, the unit of the second, and their correlation, for every pair."""
    return [list(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), pairs.correlation.tolist(), strict=True)]


def _means(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the means over the pairs of every kind, by layer."""
    return {
        kind: {
            layer: {measure: mean([pair[layer][measure] for pair in pairs]) for measure, _ in COLUMNS.values()}
            | {"correlations": _averaged([pair[layer]["correlations"] for pair in pairs])}
            for layer in LAYERS
        }
        for kind, pairs in found.items()
    }


def tables(result: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...], list[tuple[Cell, ...]]]]:
    """Return title, header and rows of each layer's measures, a row per kind of pair."""
    header = ("networks", "pairs", *COLUMNS)
    found = []
    for layer in LAYERS:
        rows: list[tuple[Cell, ...]] = [
            (kind, len(result["pairs"][kind]), *(f"{one[layer][measure]:.{digits}f}" for measure, digits in COLUMNS.values()))
            for kind, one in result["kinds"].items()
        ]
        found.append((f"{layer} layer", header, rows))
    return found


def _averaged(lists: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of sorted correlations, rank by rank."""
    return [sum(ranks) / len(ranks) for ranks in zip(*lists, strict=False)]
