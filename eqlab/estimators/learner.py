"""Common part of the estimators: a network with its rule and optimiser, trained epoch by epoch, and the certificate of its free phases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from contrastive_core.certificate import Status
from contrastive_core.cost import Cost
from contrastive_core.data.splits import Split, Splits
from contrastive_core.errors import InputError
from contrastive_core.expect import expect_number, expect_whole
from contrastive_core.generators import generator_of
from contrastive_core.networks.layered import Layered
from contrastive_core.rule import Rule, Setting, Settling
from contrastive_core.training.following import Following, follow, require_following
from contrastive_core.training.loop import train_epoch
from contrastive_core.training.optimisers import OPTIMISERS, SCHEDULES
from contrastive_core.training.optimisers.builders import layer_groups
from contrastive_core.training.plan import NoiseTolerances, Plan
from contrastive_core.training.ranks import Ranks
from contrastive_core.training.training_state import Session
from contrastive_core.training.views_of_samples import Contrasting

Numbers = NDArray[np.float64]


class Certificate(NamedTuple):
    """How far samples are from the equilibrium that outputs are read from.

    Attributes
    ----------
    residual : float
        Largest residual over the samples.
    unconverged : float
        Share of samples that did not reach the tolerance.
    sweeps : float
        Mean number of steps of a sample.
    """

    residual: float
    unconverged: float
    sweeps: float


@dataclass
class Learner:
    """A network that learns.

    Attributes
    ----------
    network : Layered
        Network, trained in place.
    rule, cost, plan
        Rule, the cost that it lowers, and the optimiser's settings.
    optimiser : Optimizer
        Optimiser with its state.
    generators : dict of str to torch.Generator
        Sources of the data order, the rule's draws and the views.
    contrasting : Contrasting, optional
        Views of the samples for an objective.
    epochs : int
        Epochs so far.
    seed : int
        Seed of the generators.
    following : Following, optional
        Rule whose tolerances follow the noise, from the first epoch on.
    """

    network: Layered
    rule: Rule
    cost: Cost
    plan: Plan
    optimiser: torch.optim.Optimizer
    generators: dict[str, torch.Generator]
    contrasting: Contrasting | None = None
    epochs: int = field(default=0)
    seed: int = 0
    following: Following | None = None

    def epoch(self, inputs: Numbers, labels: NDArray[Any]) -> float:
        """Take one pass over samples, and return the mean cost at the free states."""
        split = Split(torch.tensor(inputs), torch.tensor(labels))
        splits = Splits(split, split, split, 1, "given to an estimator", "")
        schedule = SCHEDULES["constant"](self.optimiser, 1, 1.0)
        extras = {} if self.contrasting is None else self.contrasting.kept
        plan, count = self.plan, len(labels)
        require_following(self.rule, self.network, self.cost, plan, count, contrasted=self.contrasting is not None)
        self.following = self.following or follow(self.rule, plan, count, self.seed, Ranks())
        session = Session(self.network, self.optimiser, schedule, self.generators, {}, extras, following=self.following)
        self.epochs += 1
        # Views that grow during training are at full strength from the first epoch on: their number of epochs is not known.
        done = train_epoch(session, self.rule, self.cost, splits, plan, self.contrasting, None, None, Ranks(), plan.epochs, None)
        return done.train_cost

    @property
    def tolerances(self) -> tuple[float, float] | None:
        """Tolerances of the moment that follow the noise; None if they are fixed."""
        return None if self.following is None else self.following.tolerances

    def outputs(self, inputs: Numbers) -> Numbers:
        """Return the outputs of the free states, of shape (N, n_out)."""
        with torch.no_grad():
            relaxed = self.rule.infer(self.network, torch.tensor(inputs))
            return self.network.output(relaxed.state).numpy().copy()

    def certificate(self, inputs: Numbers) -> Certificate:
        """Return the certificate of the free phases of samples."""
        relaxed = self.rule.infer(self.network, torch.tensor(inputs))
        missed = (relaxed.status != int(Status.CONVERGED)).double()
        return Certificate(float(relaxed.residual.max()), float(missed.mean()), float(relaxed.steps.double().mean()))


def begin(
    settings: Mapping[str, Any],
    num_inputs: int,
    num_outputs: int,
    cost: Cost,
    contrasting: Callable[[Layered, torch.Generator], Contrasting] | None = None,
) -> Learner:
    """Return a learner before its first epoch.

    Parameters
    ----------
    settings : mapping of str to object
        Parameters of an estimator.
    num_inputs, num_outputs : int
        Sizes of the first and the last layer.
    cost : Cost
        Cost that is lowered.
    contrasting : callable, optional
        Returns the views of the samples, from the network and a generator.

    Raises
    ------
    InputError
        If a setting makes no sense.
    """
    from eqlab import RULES

    hidden = settings["hidden_layer_sizes"]
    expect_whole(settings["max_iter"], "max_iter", "it is the number of epochs", least=1)
    expect_number(settings["learning_rate"], "learning_rate", "0.01 is the default")
    # A seed of its own, as scikit-learn draws it: None draws from the global state of NumPy.
    seed = int(check_random_state(settings["random_state"]).randint(2**31 - 1))
    network = Layered(
        (num_inputs, *(hidden if isinstance(hidden, tuple | list) else (hidden,)), num_outputs),
        activation=settings.get("activation", "tanh"),
        energy_scale=settings["energy_scale"],
        generator=seed,
        dtype=torch.float64,
    )
    noise = settings["settling"] if isinstance(settings["settling"], NoiseTolerances) else None
    settling = settings["settling"] if noise is None else noise.settling
    strength = expect_number(settings["strength"], "strength", "0.1 is the default")
    rule = RULES[settings["rule"]](Setting(cost, settling or Settling(), strength=strength, fraction=strength))
    plan = Plan(
        batch_size=expect_whole(settings["batch_size"], "batch_size", "32 is the default", least=1),
        optimiser=settings.get("optimiser", "adam"),
        learning_rates=(settings["learning_rate"],),
        weight_decay=expect_number(settings.get("weight_decay", 0.0), "weight_decay", "0 decays nothing", least=0),
        clip_norm=1.0,
        follow_noise=None if noise is None else noise.share,
        noise_horizon=None if noise is None else noise.horizon,
    )
    shown = None if contrasting is None else contrasting(network, generator_of(seed, 4))
    groups = layer_groups(network, plan.learning_rates)
    if shown is not None and shown.learnt:
        groups.append({"params": list(shown.learnt.values()), "lr": plan.learning_rates[-1]})
    optimiser = OPTIMISERS[plan.optimiser](groups, plan.momentum, plan.weight_decay)
    generators = {name: generator_of(seed, purpose) for purpose, name in enumerate(("order", "rule", "views"), start=1)}
    return Learner(network, rule, cost, plan, optimiser, generators, shown, seed=seed)


def fit(learner: Learner, inputs: Numbers, labels: NDArray[Any], epochs: int) -> list[float]:
    """Train for a number of epochs, and return the mean cost of each.

    Parameters
    ----------
    learner : Learner
        Learner, trained in place.
    inputs, labels : array
        Samples.
    epochs : int
        Number of epochs.
    """
    return [learner.epoch(inputs, labels) for _ in range(epochs)]


def require_several(count: int, name: str) -> None:
    """Refuse a single class.

    Raises
    ------
    InputError
        If there are fewer than 2.
    """
    if count < 2:
        raise InputError(f"{name} needs samples of at least 2 classes to tell apart, got {count} class; give data of more classes")
