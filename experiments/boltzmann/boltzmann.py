"""``eqlab boltzmann``: train a Boltzmann machine, and show its likelihood, mixing, samples and filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrastive_core.data.catalog import CATALOG
from experiments.boltzmann.options import MachineOptions, MachineRunOptions
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.options import without_effect
from experiments.commandline.output import cell
from experiments.report.contents import ReportTable
from experiments.report.ending import finish
from experiments.runs.forms import FLAG, NUMBER, TEXT, mapping_of
from experiments.setup.training_metrics import ORIGIN, identity_of, origin
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import check_engine
from experiments.trials.experiment import AMOUNT, SHARE, Experiment, Metric, Outcome
from experiments.trials.worker import Given

if TYPE_CHECKING:
    from experiments.boltzmann.parts import MachineParts

KEY = "boltzmann"
"""Key of the only trial, which also names its checkpoint."""

METRICS = {
    "machine": Metric("units of each layer", form=TEXT),
    "learning": Metric("way to learn", form=TEXT),
    "test_log_likelihood": Metric("mean log likelihood of test samples, a lower bound for deep and general machines", "nat", form=NUMBER),
    "train_log_likelihood": Metric("mean log likelihood of training samples", "nat", form=NUMBER),
    "log_partition": Metric("log Z", "nat", form=NUMBER),
    "log_partition_error": Metric("standard error of log Z, 0 if it was enumerated", "nat", bounds=AMOUNT),
    "method": Metric("enumeration of log Z, or annealed importance sampling (AIS)", form=TEXT),
    "bound": Metric("whether the likelihoods are lower bounds", form=FLAG),
    "pseudo_likelihood": Metric("mean log pseudo-likelihood of test samples", "nat", form=NUMBER),
    "test_error": Metric("share of test samples misclassified, with label units", bounds=SHARE),
    "autocorrelation_time": Metric("integrated autocorrelation time of the energy", "sweep", bounds=AMOUNT),
    "autocorrelation": Metric("autocorrelation of the energy", along="sweep"),
    "mixing_trusted": Metric("whether the chains were 50 autocorrelation times long", form=FLAG),
    "accepted": Metric("share of exchanges or tempered transitions accepted in the last update", bounds=SHARE),
    "seconds_per_sample": Metric("time to train on one sample", "second", timing=True, bounds=AMOUNT),
    "beside": Metric("test errors of layered networks trained by other rules on the same data", bounds=SHARE, form=mapping_of(NUMBER)),
    **ORIGIN,
}


def trial(
    options: MachineOptions,
    seed: int,
    *,
    parts: MachineParts | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Outcome:
    """Train one machine from one seed, and measure it.

    Parameters
    ----------
    options : MachineOptions
        All options but the seed.
    seed : int
        Seed of initial weights, data order, chains and measurements.
    parts : MachineParts, optional
        Data, machine and plan of these options and this seed, if they are built already; the machine is trained in place.
    checkpoint : Path, optional
        Checkpoint, written after every epoch; training resumes from it if it exists.
    on_epoch : callable, optional
        Called with the record of every epoch.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``, a record per epoch, and filters and samples as arrays.
    """
    from contrastive_core.generators import generator_of
    from experiments.boltzmann.beside import errors_of, prepare_beside
    from experiments.boltzmann.measures import likelihoods, measurer, mixing, pictures_of
    from hebbian.boltzmann.training import train_machine

    parts = parts or prepared(options, seed)
    beside = prepare_beside(options, seed, parts) if options.beside else []
    session = train_machine(
        parts.machine,
        parts.train,
        parts.plan,
        seed,
        measure=measurer(options, parts, seed),
        checkpoint=checkpoint,
        identity=identity_of(options, seed, parts.splits),
        on_epoch=on_epoch,
    )
    found = likelihoods(options, parts, session.chains.base, generator_of(seed, 8), 10 * options.anneal_steps)
    mixed = mixing(options, parts, seed)
    metrics = {
        "machine": "-".join(map(str, parts.machine.sizes)),
        "learning": options.learning,
        **found,
        "bound": not parts.machine.restricted and len(parts.machine.sizes) > 1,
        "pseudo_likelihood": _pseudo(options, parts),
        "autocorrelation_time": mixed["autocorrelation_time"],
        "autocorrelation": mixed["autocorrelation"],
        "mixing_trusted": mixed["trusted"],
        "accepted": session.chains.accepted,
        "seconds_per_sample": sum(record["seconds"] for record in session.history) / (len(parts.train) * options.epochs),
        "beside": errors_of(beside),
        **origin(parts.splits),
    }
    return Outcome(metrics, session.history, pictures_of(options, parts, session, seed))


EXPERIMENT = Experiment(
    MachineOptions, trial, METRICS, headline=("test_log_likelihood", "autocorrelation_time"), checkpoints=True, live=True
)


def prepared(options: MachineOptions, seed: int) -> MachineParts:
    """Return data, machine and plan."""
    from experiments.boltzmann.parts import prepare

    return prepare(options, seed)


def _pseudo(options: MachineOptions, parts: MachineParts) -> float | None:
    """Return the mean log pseudo-likelihood of up to 500 test samples; None where it is not defined."""
    import torch

    from hebbian.boltzmann.pseudo import pseudo_likelihood

    defined = parts.machine.restricted or len(parts.machine.sizes) == 1
    if not defined or options.visible_units == "gaussian" or options.pixels == "grey":
        return None
    with torch.no_grad():
        return float(pseudo_likelihood(parts.machine, parts.test[:500]).mean())


def tables(metrics: Mapping[str, Any]) -> list[ReportTable]:
    """Tabulate the result of a trial, as terminal and report show it."""
    error = metrics["log_partition_error"]
    log_z = f"{metrics['log_partition']:.3f}" + (f" +- {error:.3f} (AIS)" if metrics["method"] == "AIS" else " (enumerated)")
    bound = " (lower bound)" if metrics["bound"] else ""
    time = metrics["autocorrelation_time"]
    rows: list[tuple[str, str]] = [
        ("machine", metrics["machine"]),
        ("learning", metrics["learning"]),
        ("test log likelihood", f"{metrics['test_log_likelihood']:.3f} nats{bound}"),
        ("training log likelihood", f"{metrics['train_log_likelihood']:.3f} nats{bound}"),
        ("log Z", log_z),
        ("test log pseudo-likelihood", cell(metrics["pseudo_likelihood"], ".3f")),
        ("autocorrelation time of the energy", cell(time, ".1f") + (" sweeps" if time is not None else "") + _doubt(metrics)),
        ("microseconds per sample", f"{1e6 * metrics['seconds_per_sample']:.0f}"),
    ]
    if metrics["learning"] in ("tempered", "parallel-tempering"):
        rows.append(("accepted in the last update", f"{100 * metrics['accepted']:.0f} %"))
    shown = [ReportTable("Boltzmann machine", ("quantity", "value"), rows)]
    if metrics.get("test_error") is not None:
        errors = {f"boltzmann ({metrics['learning']})": metrics["test_error"], **metrics["beside"]}
        note = (
            "Other rules train a layered network with the same hidden layers on the same values of the pixels, by the defaults of eqlab "
            "train; around a single hidden layer it starts from the same weights."
        )
        shown.append(
            ReportTable("Test error", ("rule", "test error %"), [(rule, f"{100 * one:.2f}") for rule, one in errors.items()], note)
        )
    return shown


def _doubt(metrics: Mapping[str, Any]) -> str:
    return "" if metrics["mixing_trusted"] or metrics["autocorrelation_time"] is None else ", a lower estimate: raise --mixing-sweeps"


_OF_CHAINS = {
    "sweeps": ("cd", "pcd", "tempered", "parallel-tempering", "mean-field", "tap"),
    "chains": ("pcd", "tempered", "parallel-tempering", "mean-field", "tap"),
    "replicas": ("tempered", "parallel-tempering"),
    "hottest": ("tempered", "parallel-tempering"),
    "sites": ("pseudo-likelihood",),
}
"""Ways to learn that use an option."""


def ignored(options: MachineOptions) -> list[str]:
    """Return a sentence for each option that was given and has no effect."""
    idle = tuple(name for name, users in _OF_CHAINS.items() if options.learning not in users)
    found = without_effect(options, idle, f"{options.learning} does not use it")
    if options.visible_units == "gaussian":
        found += without_effect(options, ("pixels",), "Gaussian units have standardised pixels")
    if len(options.hidden) < 2 and not options.lateral:
        found += without_effect(options, ("posterior_sweeps",), "a restricted machine has its posterior in closed form")
    elif options.learning == "exact":
        found += without_effect(options, ("posterior_sweeps",), "exact learning sums over the hidden units")
    if not options.hidden:
        found += without_effect(options, ("hidden_units",), "there are none")
    if options.epochs == 1:
        found += without_effect(options, ("final_rate", "every"), "the only epoch has the first rate and is measured")
    entry = CATALOG.get(options.data)
    if entry is not None and entry.kind not in ("download", "folder"):
        found += without_effect(options, ("data_dir",), f"{options.data} is not read from files")
    return found


def ignored_by(options: MachineOptions, parts: MachineParts) -> list[str]:
    """Return a sentence for each option that was given and has no effect on the machine that was built."""
    from hebbian.boltzmann.exact import can_enumerate, enumerated_units

    if not can_enumerate(parts.machine, options.enumerate_most):
        return []
    units = enumerated_units(parts.machine)
    return without_effect(options, ("anneals", "anneal_steps"), f"log Z is summed over the states of {units} units, see --enumerate-most")


@command(MachineRunOptions, "boltzmann", draws=True)
def boltzmann_command(options: MachineRunOptions, invocation: Invocation) -> None:
    """Train a Boltzmann machine by contrasting data with its own samples; show likelihood, mixing, samples and filters.

    \b
    Examples:
      eqlab boltzmann
      eqlab boltzmann --learning cd --sweeps 3
      eqlab boltzmann --learning exact --hidden 8
      eqlab boltzmann --data digits --hidden 64 --pixels sampled --learning parallel-tempering --epochs 20
      eqlab boltzmann --data digits --hidden 64 --labels --epochs 20 --beside ep-centered,contrastive-hebbian
      eqlab boltzmann --data mnist --data-dir DIRECTORY --hidden 500 --gain 0.01 --batch-size 100 --learning-rate 0.05 --pixels sampled

    The gradient of -log p is the mean of dE at data less that of the machine, and the ways to learn differ in how they sample the
    machine. Chains that restart at data (cd) are fast and never see modes without data; kept chains (pcd) follow the machine;
    tempering carries them between modes. Likelihoods are exact for small machines, else by annealed importance sampling with an error.
    """  # noqa: D301
    check_engine(options.engine)
    invocation.warn_of_threads()
    parts = prepared(options, options.seed)
    for sentence in (*ignored(options), *ignored_by(options, parts)):
        invocation.warn(sentence)

    def note(record: Mapping[str, Any]) -> None:
        text = f"epoch {record['epoch']:.0f}/{options.epochs}: reconstruction error {record['reconstruction_error']:.4f}"
        if "test_log_likelihood" in record:
            text += f", test log likelihood {record['test_log_likelihood']:.2f} +- {record['log_partition_error']:.2f} nats"
        if "test_error" in record:
            text += f", test error {100 * record['test_error']:.2f} %"
        invocation.note(f"{text}, {record['seconds']:.1f} s")

    study = study_of("boltzmann", options)
    with computation(options, invocation, options.engine) as opened:
        metrics = compute_one(study, opened, Given(options, {"parts": parts, "on_epoch": note}))
    shown = [f"{table.title}\n\n{table.in_text()}" for table in tables(metrics)]
    finish(opened.run, invocation, metrics, "\n\n".join(shown))
