"""``eqlab ising``: equilibrium propagation on an Ising machine that anneals, and the best noise for a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from contrastive_core.progress.share import counted, part
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions, without_effect
from experiments.commandline.output import format_table
from experiments.commandline.quantities import Positive, PositiveFloat
from experiments.commandline.sections import COMPUTATION, NETWORK, OPTIMISATION, RELAXATION, RULE, Section
from experiments.report.ending import finish
from experiments.runs.forms import NUMBER, list_of, mapping_of
from experiments.setup.training_metrics import identity_of
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import check_engine
from experiments.trials.experiment import Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from contrastive_core.data.splits import Splits


SEARCH = Section("Search", 60)


class IsingTrialOptions(CommandOptions):
    """An Ising machine that learns the digits, and a search whose noise is varied.

    Attributes
    ----------
    hidden, voters, epochs, learning_rates
        The network and its training, one sample at a time.
    strength, reads, sweeps, hot, cold, reverse
        Nudge and anneals.
    noises, spins, searches, search_sweeps
        Search: initial standard deviations of its noise, its size and the number of trials.
    """

    hidden: Annotated[Positive, NETWORK] = Field(60, description="Number of hidden spins.")
    voters: Annotated[Positive, NETWORK] = Field(
        4, description="Number of output spins per class, whose share of votes is the output of the class."
    )
    epochs: Annotated[int, Field(ge=0), OPTIMISATION] = Field(
        8, description="Number of passes over the training split; 0: train no machine, and search only."
    )
    learning_rates: Annotated[tuple[PositiveFloat, ...], OPTIMISATION] = Field(
        (0.01, 0.01, 0.001), description="Learning rates of the input weights, the couplings and the biases."
    )
    strength: Annotated[PositiveFloat, RULE] = Field(5.0, description="Field of the nudge, in units of the fields.")
    reads: Annotated[Positive, RELAXATION] = Field(
        5, description="Number of anneals per free phase, of which the one with the lowest energy counts."
    )
    sweeps: Annotated[Positive, RELAXATION] = Field(60, description="Number of sweeps per anneal.")
    hot: Annotated[PositiveFloat, RELAXATION] = Field(0.1, description="Inverse temperature at which a free anneal starts, in 1/energy.")
    cold: Annotated[PositiveFloat, RELAXATION] = Field(10.0, description="Inverse temperature at which an anneal ends, in 1/energy.")
    reverse: Annotated[float, RELAXATION] = Field(
        0.25, ge=0, le=1, description="Position between --hot (0, forgets the free state) and --cold (1) at which a nudged anneal starts."
    )
    noises: Annotated[tuple[Annotated[float, Field(ge=0)], ...], SEARCH] = Field(
        (0.0, 0.1, 0.2, 0.5, 0.7, 1.0, 1.5, 2.0, 4.0, 8.0), description="Initial noise of the searches, in units of the fields."
    )
    spins: Annotated[Positive, SEARCH] = Field(60, description="Number of spins of the network that is searched.")
    searches: Annotated[Positive, SEARCH] = Field(400, description="Number of searches per noise.")
    search_sweeps: Annotated[Positive, SEARCH] = Field(30, description="Number of sweeps of a search, over which the noise falls to 0.")


class IsingRunOptions(IsingTrialOptions, section=COMPUTATION):
    """A study of an Ising machine, and where it is computed.

    Attributes
    ----------
    engine
        Engine that computes the trial.
    """

    engine: str = Field(
        "serial",
        exclude=True,
        description="Engine that computes the trial: serial, process:1, dask:1, tcp://HOST:PORT or a scheduler file.",
    )


_TRAINING = ("hidden", "voters", "learning_rates", "strength", "reads", "sweeps", "hot", "cold", "reverse")
"""Options of the training, which a search alone does not have."""

METRICS = {
    "history": Metric("errors on all splits after every epoch, and seconds", form=list_of(mapping_of(NUMBER))),
    "search": Metric("by noise: share of searches that end in the lowest energy, mean and lowest energy", form=list_of(mapping_of(NUMBER))),
    "best_noise": Metric("initial noise with which searches succeed most often, in units of the fields", form=NUMBER),
}


def trial(
    options: IsingTrialOptions,
    seed: int,
    *,
    checkpoint: Path | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Outcome:
    """Train an Ising machine on the digits, and search a network of random couplings with each noise.

    Parameters
    ----------
    options : IsingTrialOptions
        All options but the seed.
    seed : int
        Seed of initial weights, anneals, couplings and searches.
    checkpoint : Path, optional
        Checkpoint of the training, written after every epoch; training resumes from it if it exists.
    on_epoch : callable, optional
        Called with the record of every epoch.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``, and a record per epoch.
    """
    with part(0.0, 0.5):
        history = _train(options, seed, checkpoint, on_epoch) if options.epochs else []
    with part(0.5 if options.epochs else 0.0, 1.0):
        search = _search(options, seed)
    names = {"epoch": "epoch", "train_error": "training error", "validation_error": "validation error", "seconds": "seconds"}
    rows = [{shown: record[name] for name, shown in {**names, "test_error": "test error"}.items()} for record in history]
    return Outcome({"history": rows, "search": search, "best_noise": max(search, key=lambda row: row["success"])["noise"]}, history)


EXPERIMENT = Experiment(IsingTrialOptions, trial, METRICS, headline=("best_noise",), checkpoints=True, live=True)


def tables(result: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...], list[tuple[Any, ...]]]]:
    """Return title, header and rows of the training, if there was any, and of the search."""
    named = {"Training": result["history"], "Searches": result["search"]}
    return [(title, tuple(rows[0]), [tuple(row.values()) for row in rows]) for title, rows in named.items() if rows]


@command(IsingRunOptions, "ising", draws=True)
def ising_command(options: IsingRunOptions, invocation: Invocation) -> None:
    """Train an Ising machine on the digits by equilibrium propagation, and find the noise with which a search succeeds most often.

    \b
    Examples:
      eqlab ising --out runs/ising
      eqlab ising --epochs 0 --searches 2000

    A search follows the noisy fields of a network of random couplings while the noise falls linearly to 0; it succeeds if it ends in the
    lowest energy that any search found. With --epochs 0 there is only the search: no machine is trained, and no accuracy is shown.
    """  # noqa: D301
    check_engine(options.engine)
    invocation.warn_of_threads()
    for warning in without_effect(options, _TRAINING, "--epochs 0 trains no machine") if not options.epochs else ():
        invocation.warn(warning)

    def note(record: Mapping[str, float]) -> None:
        error = 100 * record["test_error"]
        invocation.note(f"epoch {record['epoch']:.0f}/{options.epochs}: test error {error:.2f} %, {record['seconds']:.1f} s")

    with computation(options, invocation, options.engine) as opened:
        result = compute_one(study_of("ising", options), opened, Given(options, {"on_epoch": note}))
    shown = [format_table(header, rows) for _, header, rows in tables(result)]
    if result["history"]:
        chosen = min(result["history"], key=lambda row: row["test error"])
        shown.insert(1, f"best epoch {chosen['epoch']:.0f}: test accuracy {1 - chosen['test error']:.4f}")
    else:
        shown.insert(0, "no machine was trained, as --epochs is 0: there is no accuracy, only the search")
    best = result["best_noise"]
    inner = options.noises[0] < best < options.noises[-1]
    shown.append(f"searches succeed most often at noise {best:g}" + ("" if inner else ", an end of the range: widen --noises"))
    finish(opened.run, invocation, result, "\n\n".join(shown))


def _train(
    options: IsingTrialOptions, seed: int, checkpoint: Path | None, on_epoch: Callable[[dict[str, float]], None] | None
) -> list[dict[str, float]]:
    """Train, and test after every epoch: the test errors of a machine that anneals fluctuate from epoch to epoch."""
    from contrastive_core.data import DATASETS
    from contrastive_core.generators import generator_of
    from contrastive_core.training.evaluation import evaluate
    from contrastive_core.training.loop import train
    from contrastive_core.training.plan import Plan
    from eqprop.annealed_rule import SpinVotes, annealed_propagation
    from eqprop.annealing import Annealing
    from eqprop.ising import Ising

    splits: Splits = DATASETS["digits"](None, 0)
    sizes = (splits.train.inputs.shape[1], options.hidden, options.voters * splits.num_classes)
    network, cost = Ising(sizes, generator=generator_of(seed, 0)), SpinVotes(options.voters)
    annealing = Annealing(options.reads, options.sweeps, options.hot, options.cold, options.reverse)
    rule = annealed_propagation(cost, options.strength, annealing)
    plan = Plan(options.epochs, 1, momentum=0.0, schedule="constant", learning_rates=options.learning_rates)

    def test(record: dict[str, float]) -> None:
        # A resumed training tells of earlier epochs again. They have a test error, but for the last, whose network is the present one.
        if "test_error" not in record:
            record["test_error"] = evaluate(network, rule, cost, splits.test).error
        if on_epoch is not None:
            on_epoch(record)

    identity = identity_of(options, seed, splits)
    return train(network, rule, cost, splits, plan, seed, checkpoint=checkpoint, identity=identity, on_epoch=test).history


def _search(options: IsingTrialOptions, seed: int) -> list[dict[str, Any]]:
    """Search one network of random couplings of variance 1/N from random spins, with each noise."""
    import numpy as np

    from eqprop.annealing import noisy_energies

    draws = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3,)))
    couplings = np.triu(draws.normal(size=(options.spins, options.spins)) / np.sqrt(options.spins), 1)
    couplings += couplings.T
    energies = [
        noisy_energies(couplings, noise, options.search_sweeps, options.searches, seed + index)
        for index, noise in enumerate(counted(options.noises, name="noise"))
    ]
    lowest = min(float(found.min()) for found in energies)
    # Energies are sums of some thousand terms in float64 of spins: equal states have equal energies to 1e-9.
    return [
        {"noise": noise, "success": float((found < lowest + 1e-6).mean()), "mean energy": float(found.mean()), "lowest": float(found.min())}
        for noise, found in zip(options.noises, energies, strict=True)
    ]
