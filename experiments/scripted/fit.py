"""The experiment ``fit``: a training of objects that a Python script made, as a run that ``eqlab runs``, ``report`` and ``watch`` know."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from contrastive_core.errors import EqlabError, InputError
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import CommandOptions
from experiments.learning.train import METRICS as OF_TRAINING
from experiments.runs.directory import open_run
from experiments.setup.build import architecture
from experiments.setup.following import followed
from experiments.setup.training_metrics import judged, origin, spent
from experiments.sweeps.compute import Computation, compute_one, study_of
from experiments.trials.engine import SERIAL
from experiments.trials.experiment import Experiment, Outcome
from experiments.trials.worker import Given, checkpoint_of

if TYPE_CHECKING:
    from contrastive_core.cost import Cost
    from contrastive_core.data.splits import Splits
    from contrastive_core.network import Network
    from contrastive_core.rule import Rule
    from contrastive_core.training.plan import Plan
    from contrastive_core.training.results import Result

Training = Callable[[Path | None, Callable[[dict[str, float]], None] | None], "Result"]
"""Training by its checkpoint and by a function of the record of every epoch."""

KEY = "fit"
"""Name of the experiment, key of its only trial and name of the command in the run's provenance."""


class ScriptOptions(CommandOptions):
    """Description of the objects of a training, by which a run is recognised.

    Attributes
    ----------
    network, parameters, rule, cost, data
        Layer sizes, digest of the initial parameters, rule and cost in words, and digest of the data.
    plan
        Epochs, optimiser, schedule and stopping.
    """

    network: str = Field("", description="Kind and layer sizes of the network.")
    parameters: str = Field("", description="SHA-256 of the initial parameters, its first 16 digits.")
    rule: str = Field("", description="Learning rule with its settings.")
    cost: str = Field("", description="Cost that is reported.")
    data: str = Field("", description="SHA-256 of the data.")
    plan: dict[str, Any] = Field({}, description="Epochs, optimiser, schedule and stopping.")


METRICS = {name: metric for name, metric in OF_TRAINING.items() if name not in ("gradient_cosine", "device")}


def trial(
    options: ScriptOptions,
    seed: int,
    *,
    training: Training | None = None,
    describe: Callable[[Result], dict[str, Any]] | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Outcome:
    """Train the objects of a script.

    Parameters
    ----------
    options : ScriptOptions
        Description of the objects.
    seed : int
        Seed of data order and draws.
    training : callable
        Training itself.
    describe : callable
        Metrics of its result.
    checkpoint : Path, optional
        Checkpoint from which the training resumes.
    on_epoch : callable, optional
        Called with the record of every epoch.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``, and a record per epoch.

    Raises
    ------
    InputError
        If there are no objects: a sweep or a worker cannot make them.
    """
    if training is None or describe is None:
        raise InputError("the experiment fit trains objects that a Python script makes with eqlab.fit; run the script, or sweep 'train'")
    result = training(checkpoint, on_epoch)
    return Outcome(describe(result) | {"seed": seed}, result.history)


EXPERIMENT = Experiment(ScriptOptions, trial, METRICS, headline=("test_error", "test_rmse", "test_r2"), checkpoints=True, live=True)


def fit_in_run(
    place: Path, training: Training, network: Network, rule: Rule, rule_name: str, cost: Cost, splits: Splits, plan: Plan, seed: int
) -> Result:
    """Train in a run directory: a new run, or the rest of the same one.

    Parameters
    ----------
    place : Path
        Directory of the run.
    training : callable
        Training of the objects.
    network, rule, cost, splits, plan, seed
        Objects of the training, which identify the run.
    rule_name : str
        Name of the rule in the tables; empty for a rule that the script made.

    Returns
    -------
    Result
        Result of the training, also if the run was complete before.

    Raises
    ------
    InputError
        If the directory holds something else, or a run of other objects.
    """
    name, kind = rule_name or _words(rule), type(network).__name__
    options = ScriptOptions(
        network=f"{kind} {architecture(network, splits)}", parameters=_digest(network), rule=name, cost=_words(cost), data=splits.digest,
        plan={name: value for name, value in asdict(plan).items() if value is not None}, seed=seed,
    )  # fmt: skip
    results: list[Result] = []
    raised: list[Exception] = []

    def trained(checkpoint: Path | None, on_epoch: Callable[[dict[str, float]], None] | None) -> Result:
        try:
            results.append(training(checkpoint, on_epoch))
        except Exception as error:
            raised.append(error)
            raise
        return results[-1]

    def described(result: Result) -> dict[str, Any]:
        return {
            "network": architecture(network, splits),
            "rule": rule_name or type(rule).__name__,
            **judged(splits, result.validation, result.test),
            "test_cost": result.test.cost,
            "best_epoch": result.best_epoch,
            **spent(result.history, splits),
            "unconverged_worst": max(record["unconverged"] for record in result.history),
            "energy_decrease": result.test.energy_decrease,
            **followed(result.history),
            **origin(splits),
        }

    invocation = Invocation(KEY, _started(), place, json=False, quiet=True, threads=1, program="python")
    run = open_run(options, invocation)
    with run.journal() as journal:
        opened = Computation(run, journal, SERIAL, invocation)
        try:
            compute_one(study_of(KEY, options), opened, Given(options, {"training": trained, "describe": described}))
        except EqlabError as error:
            raise (raised[0] if raised else error) from None  # the error of the script itself, with its traceback
    return results[0] if results else training(checkpoint_of(run.checkpoints, KEY), None)


def _started() -> tuple[str, ...]:
    """Return the script and its arguments, as they were typed; nothing in a notebook or at a prompt."""
    return tuple(sys.argv) if Path(sys.argv[0]).is_file() and "ipykernel" not in sys.modules else ()


def _digest(network: Network) -> str:
    """Return the digest of all parameters."""
    digest = sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _words(thing: object) -> str:
    """Return the representation of an object, without addresses of memory."""
    return re.sub(r" object at 0x[0-9a-f]+| at 0x[0-9a-f]+", "", repr(thing))
