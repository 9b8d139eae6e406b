"""Experiments: options, a trial that depends on nothing but options and a seed, and the meaning of its metrics."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from contrastive_core.errors import PluginError
from contrastive_core.registry import Table
from experiments.commandline.options import CommandOptions
from experiments.runs.forms import ANY, NUMBER, Form, list_of
from experiments.runs.intervals import UNBOUNDED, Bounds


class Metric(NamedTuple):
    """Meaning of a number that a trial returns.

    Attributes
    ----------
    description : str
        Measured quantity.
    unit : str
        ``second``, ``1`` for dimensionless numbers, ...
    timing : bool
        Whether it depends on the machine and its load. Tables that are compared leave such columns out.
    bounds : tuple of float
        Lowest and highest value that it can have; intervals are cut there.
    along : str
        Axis along which it has a value each, such as ``pattern``; empty for a single number.
    form : Form, optional
        Form of its JSON: whether it is a number, a text, a list or a mapping, and whether it may be null. By default a list of numbers
        along an axis, a number where bounds are stated, and anything otherwise.
    """

    description: str
    unit: str = "1"
    timing: bool = False
    bounds: Bounds = UNBOUNDED
    along: str = ""
    form: Form | None = None

    @property
    def expected(self) -> Form:
        """Form that a record must have."""
        if self.form is not None:
            return self.form
        return list_of(NUMBER) if self.along else NUMBER if self.bounds != UNBOUNDED else ANY


SHARE: Bounds = (0.0, 1.0)
"""Bounds of errors, fractions and probabilities."""
COSINE: Bounds = (-1.0, 1.0)
"""Bounds of cosines, overlaps and differences of shares."""
AMOUNT: Bounds = (0.0, math.inf)
"""Bounds of times, energies, counts and sizes."""


class Outcome(NamedTuple):
    """Result of a trial.

    Attributes
    ----------
    metrics : mapping
        Numbers, texts, and mappings of them.
    history : sequence of mapping
        One record per epoch, each with its ``epoch``.
    arrays : mapping of str to ndarray
        Trajectories, which get a file of their own.
    """

    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]] = ()
    arrays: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Experiment:
    """One kind of trial, which any grid, engine and store can run.

    Attributes
    ----------
    options : type of CommandOptions
        Options of a trial.
    trial : callable
        Maps an instance of ``options`` and a seed to an ``Outcome``. Everything random follows from the seed.
    metrics : mapping of str to Metric
        Measured quantities by name.
    headline : tuple of str
        Metrics that a summary shows by default.
    checkpoints : bool
        Whether ``trial`` takes ``checkpoint``, a path of a file from which it resumes if that exists.
    live : bool
        Whether ``trial`` takes ``on_epoch``, which it calls with every epoch of its history as soon as that is measured.
    """

    options: type[CommandOptions]
    trial: Callable[..., Outcome]
    metrics: Mapping[str, Metric]
    headline: tuple[str, ...]
    checkpoints: bool = False
    live: bool = False

    def metric(self, name: str) -> Metric:
        """Return the meaning of a column; ``gradient_cosine.weight_1`` is part of ``gradient_cosine``.

        Parameters
        ----------
        name : str
            Name of the column, with dots.

        Returns
        -------
        Metric
            Meaning of the column; without description, unit and bounds if the experiment does not declare it.
        """
        whole, _, place = name.rpartition("_")
        if place.isdigit() and whole in self.metrics and self.metrics[whole].along:
            return self.metrics[whole]
        return self.metrics.get(name) or self.metrics.get(name.split(".")[0]) or Metric("", "")

    def forms(self) -> dict[str, Form]:
        """Return the forms of the metrics by name; that of a part, such as ``verdict.agrees``, is stated by the whole."""
        return {name: metric.expected for name, metric in self.metrics.items() if "." not in name}

    def lists(self) -> tuple[str, ...]:
        """Return the names of the metrics that have a value each along an axis."""
        return tuple(name for name, metric in self.metrics.items() if metric.along)


EXPERIMENTS: Table[Experiment] = Table(
    "experiment",
    {
        "basins": "experiments.hopfield.basins:EXPERIMENT",
        "bench-boltzmann": "experiments.benchmarks.boltzmann:EXPERIMENT",
        "bench-circuits": "experiments.benchmarks.circuits:EXPERIMENT",
        "bench-conv": "experiments.benchmarks.convolutions:EXPERIMENT",
        "bench-memory": "experiments.benchmarks.memory:EXPERIMENT",
        "bench-objectives": "experiments.benchmarks.objectives:EXPERIMENT",
        "bench-settle": "experiments.benchmarks.settling:EXPERIMENT",
        "bench-spins": "experiments.benchmarks.spins:EXPERIMENT",
        "bench-train": "experiments.benchmarks.training:EXPERIMENT",
        "boltzmann": "experiments.boltzmann.boltzmann:EXPERIMENT",
        "capacity": "experiments.hopfield.capacity:EXPERIMENT",
        "contrastive": "experiments.representations.trial:EXPERIMENT",
        "device-fit": "experiments.hardware.device_fit:EXPERIMENT",
        "device-import": "experiments.hardware.device_import:EXPERIMENT",
        "device-show": "experiments.hardware.device:EXPERIMENT",
        "fit": "experiments.scripted.fit:EXPERIMENT",
        "gradients": "experiments.learning.gradients:EXPERIMENT",
        "hardware": "experiments.hardware.hardware:EXPERIMENT",
        "ising": "experiments.hardware.ising:EXPERIMENT",
        "joint": "experiments.joint.trial:EXPERIMENT",
        "learn": "experiments.hopfield.learn:EXPERIMENT",
        "match": "experiments.representations.match_trial:EXPERIMENT",
        "modes": "experiments.boltzmann.modes:EXPERIMENT",
        "phase": "experiments.hopfield.phase:EXPERIMENT",
        "recall": "experiments.hopfield.recall:EXPERIMENT",
        "relaxation": "experiments.learning.relaxation:EXPERIMENT",
        "spice": "experiments.hardware.spice:EXPERIMENT",
        "thermal": "experiments.thermal.thermal:EXPERIMENT",
        "train": "experiments.learning.train:EXPERIMENT",
        "tune": "experiments.learning.tune:EXPERIMENT",
    },
)
"""Every experiment; listing one here is all that it takes to run it over a grid, under any engine."""


def find_experiment(name: str) -> Experiment:
    """Import an experiment.

    Parameters
    ----------
    name : str
        Name in ``EXPERIMENTS`` or of a plug-in; workers have to be able to import it too.

    Returns
    -------
    Experiment
        Experiment of that name.

    Raises
    ------
    InputError
        If no experiment has that name, or if the name leads to something else.
    """
    found = EXPERIMENTS[name]
    if not isinstance(found, Experiment):
        raise PluginError(
            f"{name} is no Experiment of experiments.trials.experiment but of type {type(found).__name__}; see docs/how-to/plugins.md"
        )
    return found


def self_description(name: str) -> dict[str, Any]:
    """Return what a run records about the experiment of a plug-in; empty for an experiment of this program."""
    if name in EXPERIMENTS:
        return {}
    experiment = find_experiment(name)
    metrics = {
        metric: [*declared[:3], [None if math.isinf(one) else one for one in declared.bounds], declared.along]
        for metric, declared in experiment.metrics.items()
    }
    options = {option: field.description for option, field in experiment.options.model_fields.items()}
    return {"about": {"metrics": metrics, "headline": list(experiment.headline), "options": options}}


def described(name: str, about: Mapping[str, Any]) -> Experiment:
    """Return an experiment for showing its results, which never imports the module of a plug-in.

    Parameters
    ----------
    name : str
        Name of the experiment.
    about : mapping
        ``self_description`` as the run recorded it.

    Returns
    -------
    Experiment
        Experiment. If it comes from a plug-in it has metrics and headline, but neither options nor a trial that can be called.
    """
    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    metrics = {metric: _metric(*declared) for metric, declared in about.get("metrics", {}).items()}
    return Experiment(CommandOptions, _unknown, metrics, tuple(about.get("headline", ())))


def _metric(description: str, unit: str, timing: bool, bounds: Sequence[float | None], along: str = "") -> Metric:
    """Read a metric as recorded; JSON has no infinite bounds, and null stands for them."""
    low, high = bounds
    return Metric(description, unit, timing, (-math.inf if low is None else low, math.inf if high is None else high), along)


def _unknown(*_: Any) -> Outcome:
    raise PluginError("an experiment that is only shown cannot compute trials")
