"""``eqlab modes``: contrastive divergence by powers of its exact kernel, and what ways to learn reach on two modes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contrastive_core.errors import InputError
from experiments.boltzmann.modes_options import ModesOptions, ModesRunOptions
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.report.contents import ReportTable
from experiments.report.ending import finish
from experiments.runs.forms import NUMBER, list_of, mapping_of, record_of
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.trials.engine import check_engine
from experiments.trials.experiment import Experiment, Metric, Outcome

if TYPE_CHECKING:
    from torch import Tensor

_MOST = 14
"""Units of which the kernel is computed at most: a power of it takes about a second."""
WAYS = ("exact", "cd", "pcd", "tempered", "parallel-tempering")
"""Ways to learn that are compared, by their names in ``hebbian.boltzmann.learning.LEARNING``."""

METRICS = {
    "divergence": Metric(
        "by coupling: second eigenvalue of the Gibbs chain, and cosine of the expected CD-k to the gradient by k",
        form=list_of(record_of(coupling=NUMBER, eigenvalue=NUMBER, cosines=mapping_of(NUMBER))),
    ),
    "log_likelihood": Metric("mean log likelihood after learning from two equal modes, by way", "nat", form=mapping_of(NUMBER)),
    "share": Metric("probability of more than half of the visible units on after learning, by way", form=mapping_of(NUMBER)),
    "data_share": Metric("share of such samples", form=NUMBER),
    "gap": Metric("log likelihood of exact learning less that of contrastive divergence", "nat", form=NUMBER),
}


def trial(options: ModesOptions, seed: int) -> Outcome:
    """Compute expected contrastive divergence, and learn in every way.

    Parameters
    ----------
    options : ModesOptions
        All options but the seed.
    seed : int
        Seed of the data and of all chains.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``.
    """
    from contrastive_core.generators import generator_of
    from hebbian.boltzmann.two_modes import uneven_modes

    data = uneven_modes(options.samples, options.visible, options.share, options.turned, generator_of(seed, 0))
    learnt = {name: _learnt(options, name, data, seed) for name in WAYS}
    likelihoods = {name: one[0] for name, one in learnt.items()}
    return Outcome(
        {
            "divergence": [_expected(options, coupling, data) for coupling in options.couplings],
            "log_likelihood": likelihoods,
            "share": {name: one[1] for name, one in learnt.items()},
            "data_share": float((data.mean(1) > 0.5).double().mean()),
            "gap": likelihoods["exact"] - likelihoods["cd"],
        }
    )


def _expected(options: ModesOptions, coupling: float, data: Tensor) -> dict[str, Any]:
    """Return the second eigenvalue, and the cosines of expected contrastive divergence to the gradient."""
    from contrastive_core.analysis.gradient_quality import compare_gradients
    from hebbian.boltzmann.exact import exact_gradient, expected_divergence, second_eigenvalue
    from hebbian.boltzmann.two_modes import two_modes

    machine = two_modes(coupling, (options.visible, options.hidden))
    exact = exact_gradient(machine, data)
    cosines = {str(k): compare_gradients(expected_divergence(machine, data, k), exact)[1].cosine for k in options.sweeps}
    return {"coupling": coupling, "eigenvalue": second_eigenvalue(machine), "cosines": cosines}


def _learnt(options: ModesOptions, name: str, data: Tensor, seed: int) -> tuple[float, float]:
    """Learn in one way, and return the mean log likelihood and the probability of more than half of the visible units on."""
    import torch

    from contrastive_core.generators import generator_of
    from hebbian.boltzmann.chains import ChainPlan
    from hebbian.boltzmann.exact import log_likelihood, states
    from hebbian.boltzmann.learning import Learning
    from hebbian.boltzmann.two_modes import two_modes

    machine, source = two_modes(options.learn_coupling, (options.visible, options.hidden)), generator_of(seed, 1)
    learning = Learning(name, ChainPlan(options.learn_sweeps, options.chains, options.replicas))
    chains = learning.start(machine, source)
    for update in range(options.updates):
        gradients, chains = learning.estimate(machine, data, chains, source)
        with torch.no_grad():
            for parameter_name, parameter in machine.named_parameters():
                parameter.sub_(gradients[parameter_name], alpha=options.learning_rate * (1 - update / options.updates))
    seen = states(machine.units[0], options.visible)
    on = seen.mean(1) > 0.5
    return float(log_likelihood(machine, data).mean()), float(log_likelihood(machine, seen[on]).exp().sum())


EXPERIMENT = Experiment(ModesOptions, trial, METRICS, headline=("gap",))


def tables(result: Mapping[str, Any]) -> list[ReportTable]:
    """Tabulate a study, as terminal and report show it."""
    rows = result["divergence"]
    header = ("coupling", "second eigenvalue", *(f"CD-{k}" for k in rows[0]["cosines"]))
    cosines = [[f"{row['coupling']:g}", f"{row['eigenvalue']:.4f}", *(f"{one:.4f}" for one in row["cosines"].values())] for row in rows]
    likelihoods, best = result["log_likelihood"], result["log_likelihood"]["exact"]
    learnt = [[name, f"{value:.3f}", f"{value - best:+.3f}", f"{100 * result['share'][name]:.1f}"] for name, value in likelihoods.items()]
    note = f"{100 * result['data_share']:.1f} % of the samples have more than half of their units on."
    return [
        ReportTable("Cosine of expected contrastive divergence to the gradient", header, cosines),
        ReportTable(
            "Learning from two modes of equal weight", ("way", "log likelihood", "minus exact", "mode of units on %"), learnt, note
        ),
    ]


@command(ModesRunOptions, "modes", draws=True)
def modes_command(options: ModesRunOptions, invocation: Invocation) -> None:
    """Measure the bias of contrastive divergence on a restricted Boltzmann machine of two modes.

    Expected CD-k is a power of the exact kernel of the Gibbs chain, so that its cosine to the gradient has no noise. It is followed by
    learning from two equal modes, with data of which most sit in one: by exact sums, contrastive divergence, kept chains, tempered
    transitions and parallel tempering. Chains that restart at data never see how likely a mode is.

    \b
    Examples:
      eqlab modes
      eqlab modes --couplings 1,2,4 --sweeps 1,10,100
      eqlab modes --share 0.95 --updates 1000
    """  # noqa: D301
    check_engine(options.engine)
    invocation.warn_of_threads()
    count = options.visible + options.hidden
    if count > _MOST:
        raise InputError(
            f"the kernel of {count} units is a matrix over all visible states, and at most {_MOST} units are taken; give fewer"
        )
    with computation(options, invocation, options.engine) as opened:
        result = compute_one(study_of("modes", options), opened)
    shown = "\n\n".join(f"{table.title}\n\n{table.in_text()}\n\n{table.caption}".rstrip() for table in tables(result))
    heading = f"{options.visible}-{options.hidden} binary units, {options.samples} samples"
    finish(opened.run, invocation, result, f"{heading}\n\n{shown}")
