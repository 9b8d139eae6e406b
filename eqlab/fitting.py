"""Training of a network from Python in one call, with or without a run on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from contrastive_core.cost import Cost
from contrastive_core.costs import COSTS
from contrastive_core.data import DATASETS
from contrastive_core.data.splits import Splits
from contrastive_core.expect import expect
from contrastive_core.guards.typed import typed
from contrastive_core.network import Network
from contrastive_core.rule import Rule
from contrastive_core.training.evaluation import Evaluation, check_parts
from contrastive_core.training.loop import train
from contrastive_core.training.plan import Plan
from contrastive_core.training.results import Result

if TYPE_CHECKING:
    from pandas import DataFrame

Callback = Callable[[dict[str, float]], object]


class Fitted(NamedTuple):
    """Result of :func:`fit`.

    Attributes
    ----------
    history : DataFrame
        Row per epoch, with a column per quantity; errors and shares lie in [0, 1].
    best_epoch : int
        Epoch whose parameters the network has, counted from 1.
    validation, test : Evaluation
        Evaluation with these parameters.
    run : Path or None
        Directory of the run.
    """

    history: DataFrame
    best_epoch: int
    validation: Evaluation
    test: Evaluation
    run: Path | None


@typed("network", "rule", "data", "plan", "cost")
def fit(
    network: Network,
    rule: Rule | str,
    data: Splits | str,
    plan: Plan | None = None,
    *,
    cost: Cost | str = "squared-error",
    seed: int = 0,
    run: str | PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
) -> Fitted:
    """Train a network in place by a rule, and test it at the epoch with the smallest validation error.

    Parameters
    ----------
    network : Network
        Network, whose parameters change.
    rule : Rule or str
        Rule, or its name in ``RULES``, which is then made for the cost with its defaults.
    data : Splits or str
        Training, validation and test samples, or the name of a data set in ``DATASETS`` that needs no folder.
    plan : TrainingPlan, optional
        Epochs, optimiser, schedule and stopping.
    cost : Cost or str
        Cost that is reported, that of the rule.
    seed : int
        Seed of the data order and of the rule's draws.
    run : path-like, optional
        Directory that keeps configuration, provenance, history and a checkpoint per epoch. The same call resumes an interrupted training
        there to the same bits, and only reads a complete one. None writes nothing.
    callbacks : sequence of callable
        Functions of the record of each epoch, called after it; those of resumed epochs are told again. An error in one ends the training.

    Returns
    -------
    Fitted
        History as a table, and the final evaluation.

    Raises
    ------
    InputError
        If an argument is something else, or ``run`` holds another run: the message names what differs.
    DivergenceError
        If a phase, the cost or the gradient is not finite.
    """
    from pandas import DataFrame

    from eqlab import RULES

    splits = DATASETS[data](None, 0) if isinstance(data, str) else data
    expect(splits, Splits, "data", "DATASETS[name](None, 0) gives them, and so does own_data")
    reported = COSTS.made(cost, Cost)
    made = RULES[rule](reported) if isinstance(rule, str) else rule
    check_parts(network, made)
    plan = Plan() if plan is None else expect(plan, Plan, "plan", "TrainingPlan(epochs=10) is one")

    def training(checkpoint: Path | None, on_epoch: Callback | None) -> Result:
        heard = [*([on_epoch] if on_epoch is not None else []), *callbacks]

        def tell(record: dict[str, float]) -> None:
            for callback in heard:
                callback(record)

        return train(network, made, reported, splits, plan, seed, checkpoint=checkpoint, on_epoch=tell)

    if run is None:
        result = training(None, None)
    else:
        from eqlab import _claim

        _claim("experiments")
        from experiments.scripted.fit import fit_in_run

        name = rule if isinstance(rule, str) else ""
        result = fit_in_run(Path(run), training, network, made, name, reported, splits, plan, seed)
    history = DataFrame(result.history).astype({"epoch": int}).set_index("epoch")
    return Fitted(history, result.best_epoch, result.validation, result.test, None if run is None else Path(run))
