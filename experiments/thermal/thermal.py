"""``eqlab thermal``: gradients at a temperature, exact and sampled, with their bias and their noise against the strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contrastive_core.errors import InputError
from contrastive_core.progress.share import counted
from experiments.commandline.flags import command
from experiments.commandline.invocation import Invocation
from experiments.commandline.output import format_table
from experiments.report.contents import ReportTable
from experiments.report.ending import finish
from experiments.runs.forms import NUMBER, list_of, mapping_of
from experiments.sweeps.compute import computation, compute_one, study_of
from experiments.thermal.options import ThermalOptions, ThermalRunOptions
from experiments.trials.engine import check_engine
from experiments.trials.experiment import AMOUNT, Experiment, Metric, Outcome

_APART = 1_000
"""Distance of the seeds of machines, so that those of neighbouring runs share none."""

METRICS = {
    "identities": Metric(
        "largest difference of the covariance, and of a contrast at the first strength, to finite differences", form=mapping_of(NUMBER)
    ),
    "biases": Metric("by strength: relative errors of exact contrasts", form=list_of(mapping_of(NUMBER))),
    "sampled": Metric("by strength: relative RMS errors of sampled contrasts, and their noise alone", form=list_of(mapping_of(NUMBER))),
    "covariance_error": Metric("relative RMS error of the covariance form with as many sweeps as both phases", bounds=AMOUNT),
    "error_ratio": Metric("error of the covariance form over that of the best contrast", bounds=AMOUNT),
    "error_ratios": Metric("ratio of these errors for every machine, the first one's included", along="machine", bounds=AMOUNT),
    "best_strength": Metric("strength of least error from bias and noise, with own and with common draws", form=mapping_of(NUMBER)),
    "deviations": Metric("largest deviation of means from exact values over the parameters, in standard errors", form=mapping_of(NUMBER)),
}


def trial(options: ThermalOptions, seed: int) -> Outcome:
    """Measure identities, biases and errors on one machine.

    Parameters
    ----------
    options : ThermalOptions
        All options but the seed.
    seed : int
        Seed of the machine, its samples and the chains.

    Returns
    -------
    Outcome
        Metrics of ``METRICS``.
    """
    from experiments.thermal.study import best_strength, biases, case_of, error_ratio, identities, sampling

    case = case_of(options, seed)
    bias = biases(case, options.strengths)
    seeds = [seed + index * _APART for index in range(options.machines)]
    sampled = [sampling(case_of(options, each), options, each) for each in counted(seeds, name="machine")]
    found, ratios = sampled[0], [error_ratio(one) for one in sampled]
    return Outcome(
        {
            "identities": identities(case, options.strengths[0]),
            "biases": bias,
            "sampled": found["rows"],
            "covariance_error": found["covariance"],
            "error_ratio": ratios[0],
            "error_ratios": ratios,
            "best_strength": {name: best_strength(found["rows"], bias, name) for name in ("own", "common")},
            "deviations": found["deviations"],
        }
    )


EXPERIMENT = Experiment(ThermalOptions, trial, METRICS, headline=("covariance_error", "error_ratio"))


def tables(result: Mapping[str, Any]) -> list[ReportTable]:
    """Tabulate a study, as terminal and report show it."""
    forms = ("positive", "centered", "richardson")
    biases = [[f"{row['strength']:g}", *(f"{row[name]:.1e}" for name in forms)] for row in result["biases"]]
    errors = [[f"{row['strength']:g}", f"{row['own']:.3f}", f"{row['common']:.3f}"] for row in result["sampled"]]
    identities, deviations, best = result["identities"], result["deviations"], result["best_strength"]
    rows = [
        ("covariance against finite differences, largest difference", f"{identities['covariance']:.1e}"),
        ("finite contrast against differences of free energies", f"{identities['finite_strength']:.1e}"),
        ("error of the covariance form", f"{result['covariance_error']:.3f}"),
        ("that over the best contrast's", f"{result['error_ratio']:.2f}"),
        *_over_machines(result.get("error_ratios", [])),
        ("best strength with own draws, with common draws", f"{best['own']:.2f}, {best['common']:.2f}"),
        ("contrast, standard errors from its exact value", f"{deviations['contrast']:.1f}"),
        ("covariance, standard errors from its exact value", f"{deviations['covariance']:.1f}"),
        ("control: the slope at twice the temperature", f"{deviations['control']:.1f}"),
    ]
    return [
        ReportTable("Bias of exact contrasts", ("strength", "positive", "centered", "Richardson"), biases),
        ReportTable("Relative RMS error of sampled contrasts", ("strength", "own draws", "common draws"), errors),
        ReportTable("Checks", ("quantity", "value"), rows),
    ]


def _over_machines(ratios: Sequence[float]) -> list[tuple[str, str]]:
    """Return the row about several machines; none for a single one."""
    if len(ratios) < 2:
        return []
    return [(f"mean and largest of it over {len(ratios)} machines", f"{sum(ratios) / len(ratios):.2f}, {max(ratios):.2f}")]


def _refuse_large(count: int) -> None:
    """Refuse machines whose states are too many to be summed."""
    from eqprop.thermal.exact import MOST_SPINS

    if count > MOST_SPINS:
        raise InputError(f"{count} spins have 2^{count} states, and at most {MOST_SPINS} spins are enumerated; give fewer --hidden")


@command(ThermalRunOptions, "thermal", draws=True)
def thermal_command(options: ThermalRunOptions, invocation: Invocation) -> None:
    """Measure equilibrium propagation at a temperature on an Ising machine whose states can all be summed.

    Three forms estimate the gradient of the expected cost: the centered contrast of two nudged distributions (ep-thermal), nudged minus
    free (ep-free-energy), which is at any strength exact for a difference of free energies, and the covariance of energy gradient and
    cost in the free distribution alone (ep-covariance). The study prints their exact biases, the errors of sampled ones at equal
    sampling, with own and with common random numbers in both phases, and the strength at which bias and noise together are least.

    \b
    Examples:
      eqlab thermal
      eqlab thermal --temperature 0.5 --chains 32
      eqlab thermal --machines 10
      eqlab thermal --hidden 10 --outputs 4 --strengths 0.8,0.4,0.2
    """  # noqa: D301
    check_engine(options.engine)
    invocation.warn_of_threads()
    _refuse_large(options.hidden + options.outputs)
    with computation(options, invocation, options.engine) as opened:
        result = compute_one(study_of("thermal", options), opened)
    shown = "\n\n".join(f"{table.title}\n{format_table(table.header, table.rows)}" for table in tables(result))
    machine = f"{options.inputs}-{options.hidden}-{options.outputs} spins at temperature {options.temperature:g}"
    finish(opened.run, invocation, result, f"{machine}, {options.samples} samples\n\n{shown}")
