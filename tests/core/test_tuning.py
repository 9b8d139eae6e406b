"""Tuning: what is chosen meets its bound on data that it has not seen, costs least, and is refused where there is nothing to choose."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from systems import make_system, seeded

from contrastive_core.analysis.gradient_quality import compare_gradients
from contrastive_core.analysis.tuning import Candidate, choose, fit, measure, measure_exact, with_tolerances, worst
from contrastive_core.certificate import Stop
from contrastive_core.costs.squared_error import SquaredError
from contrastive_core.errors import ConvergenceError, InputError
from contrastive_core.rule import Setting, Settling
from contrastive_core.types import Batch
from eqprop import RULES
from experiments.cli import cli
from experiments.commandline.options import resolve
from experiments.learning.tune import trial
from experiments.learning.tune_cases import TuneOptions
from experiments.setup.options import TrainOptions

SETTING = Setting(SquaredError(), Settling(free=Stop(1e-3, 500), second=Stop(1e-3, 500)), strength=0.1)
SMALL = ("--hidden", "16", "--train-size", "400", "--warmup", "12", "--batches", "3")


def candidate(strength: float, error: float, sweeps: float, unconverged: float = 0.0) -> Candidate:
    return Candidate(strength, 1e-3, 1e-2, error, 0.99, sweeps, unconverged)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def system_batches(count: int = 4) -> list[Batch]:
    generator = seeded(7)
    return [
        Batch(torch.rand((6, 5), generator=generator, dtype=torch.float64), torch.randint(3, (6,), generator=generator))
        for _ in range(count)
    ]


def test_noise_is_the_standard_deviation_of_batches_over_their_size() -> None:
    """Noise that an error is compared with: equal batches have no noise, opposite ones nothing else."""
    network, batches = make_system("tanh").network, system_batches(3)
    exact = measure_exact(network, SETTING, batches)
    rows = exact.gradients
    expected = torch.cov(rows.T).diagonal().sum().sqrt() / rows.square().sum(1).mean().sqrt()
    assert exact.noise == pytest.approx(float(expected), rel=1e-12)
    assert measure_exact(network, SETTING, [batches[0]] * 3).noise < 1e-12


def test_error_of_a_candidate_is_that_of_its_estimates() -> None:
    """One batch at a time, the measure is the relative error that all other commands report."""
    network, batches = make_system("tanh").network, system_batches(2)
    rule = RULES["ep-positive"]
    setting = with_tolerances(SETTING, 0.05, 1e-9, 1e-9)
    exact = measure_exact(network, SETTING, batches)
    names = [name for name, _ in network.named_parameters()]
    sizes = [p.numel() for p in network.parameters()]
    squares = sizes_of = 0.0
    for row, batch in zip(exact.gradients, batches, strict=True):
        reference = dict(zip(names, row.split(sizes), strict=True))
        flat = {name: value.flatten() for name, value in rule(setting).estimate(network, batch).gradients.items()}
        agreement = compare_gradients(flat, reference)[1]
        squares += (agreement.relative_error * float(row.norm())) ** 2
        sizes_of += float(row.norm()) ** 2
    measured = measure(rule, network, setting, exact)
    assert measured.error == pytest.approx((squares / sizes_of) ** 0.5, rel=1e-9)
    assert measured.unconverged == 0


@pytest.mark.parametrize(("rule", "order"), [("ep-centered", 2), ("ep-positive", 1)])
def test_model_finds_the_order_and_the_share_of_what_is_not_settled(rule: str, order: int) -> None:
    """The bias falls as the order says; were it fitted to the wrong power, extrapolating it would choose the wrong strength."""
    network = make_system("tanh").network
    exact = measure_exact(network, SETTING, system_batches(2))
    fine = [measure(RULES[rule], network, with_tolerances(SETTING, beta, 1e-11, 1e-9), exact) for beta in (0.08, 0.04, 0.02, 0.01)]
    model = fit(fine)
    assert model is not None
    assert model.order == order
    for one in fine:  # the next order of the series: relative 2 beta for one-sided estimates, less for centered ones
        assert model.bias * one.strength**order == pytest.approx(one.error, rel=0.2)
    made = [
        Candidate(b, t, u, 3 * b**order + 2 * t / b + 0.5 * u, 1, 1, 0)
        for b in (0.3, 0.1, 0.01)
        for t in (1e-2, 1e-4)
        for u in (0.1, 0.001)
    ]
    fitted = fit(made)
    assert fitted is not None
    assert fitted.order == order
    assert fitted[1:] == pytest.approx((3, 2, 0.5), rel=1e-9)
    assert fit(made[:3]) is None


def test_choice_is_the_cheapest_good_one_and_the_better_of_equals() -> None:
    """The point of tuning is the price; but a percent of it is not worth a tenfold error."""
    tried = [
        candidate(0.5, 0.9, 5),
        candidate(0.2, 0.09, 10),
        candidate(0.1, 0.01, 10.1),
        candidate(0.05, 0.001, 30),
        candidate(0.3, 0.05, 6, 0.1),
    ]
    assert choose(tried, lambda c: c.error <= 0.1).strength == 0.1
    with pytest.raises(ConvergenceError, match=r"none of 5 settings is good enough; the best, strength 0\.05 .*0\.001.*all phases settled"):
        choose(tried, lambda c: c.error <= 1e-6)
    both = worst([candidate(0.1, 0.2, 4), candidate(0.1, 0.1, 8, 0.5)])
    assert (both.error, both.sweeps, both.unconverged) == (0.2, 6, 0.5)


@pytest.mark.parametrize("rule", ["ep-centered", "ep-positive"])
def test_chosen_strength_meets_its_bound_on_fresh_batches_and_a_bad_default_does_not(rule: str) -> None:
    """The choice is for training, not for the batches it was made on; the default here has far too large a strength."""
    options = TuneOptions(
        hidden=(16,), train_size=600, warmup=12, strength=0.5, rule=rule, noise_share=0.1 if rule == "ep-centered" else 0.3
    )
    metrics = trial(options, 1).metrics
    assert metrics["chosen"]["strength"] < options.strength
    assert metrics["chosen"]["error"] <= metrics["bound"] < metrics["noise"]
    assert metrics["fresh"]["error"] <= metrics["bound"]
    default = [c for c in metrics["candidates"] if c["strength"] == options.strength and c["nudged_tolerance"] == 1e-3]
    assert min(c["error"] for c in default) > metrics["bound"]
    passing = [c["sweeps"] for c in metrics["candidates"] if c["error"] <= 0.8 * metrics["bound"] and c["unconverged"] == 0]
    assert metrics["chosen"]["sweeps"] <= 1.02 * min(passing)


@pytest.mark.usefixtures("rendered")
def test_tune_writes_a_configuration_that_train_reads_as_it_is(tmp_path: Path) -> None:
    """The whole path a user goes: one command's file is the other's input, with nothing to copy by hand."""
    file = tmp_path / "tuned.toml"
    out = run("tune", *SMALL, "--json", "--write", str(file), "--out", str(tmp_path / "out"))
    result = json.loads(out[out.index("{") :])
    written = tomllib.loads(file.read_text())
    assert {key: written[key] for key in result["settings"]} == result["settings"]
    assert (written["hidden"], written["train_size"]) == ([16], 400)
    again = run("tune", *SMALL, "--json", "--quiet", "--out", str(tmp_path / "out"))
    assert json.loads(again[again.index("{") :]) == result  # read back from the journal
    lines = json.loads((tmp_path / "out" / "figures" / "errors.json").read_text())["lines"]
    assert sum(len(line["errors"]) for line in lines.values()) == len(result["candidates"])
    assert "chosen" in (tmp_path / "out" / "figures" / "errors.svg").read_text()
    trained = run("train", "--config", str(file), "--epochs", "2", "--json", "--quiet", "--out", str(tmp_path / "run"))
    metrics = json.loads(trained[trained.index("{") :])
    assert metrics["unconverged"] == 0
    assert min(metrics["gradient_cosine"].values()) > 0.98
    stored = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert str(result["settings"]["strength"]) in json.dumps(stored)


def test_tuned_configuration_gives_training_the_options_that_were_tuned(tmp_path: Path) -> None:
    """Training must run with the measured settings: an option lost on the way through the file would change the gradient's error."""
    file = tmp_path / "tuned.toml"
    ladder = ("--strengths", "0.05", "--tolerances", "3e-3", "--nudged-tolerances", "1e-2", "--noise-share", "0.5")
    own = ("--dynamics", "momentum", "--step", "0.4", "--cost", "cross-entropy", "--dtype", "float64", "--seed", "3", "--patience", "2")
    run("tune", "--hidden", "6", "--train-size", "128", "--batches", "2", "--warmup", "0", *ladder, *own, "--write", str(file))
    expected = {"hidden": (6,), "train_size": 128, "strength": 0.05, "tolerance": 3e-3, "nudged_tolerance": 1e-2, "dynamics": "momentum"}
    expected |= {"step": 0.4, "cost": "cross-entropy", "dtype": "float64", "seed": 3, "patience": 2}
    assert resolve(TrainOptions, config=str(file)) == TrainOptions(**expected)


def test_measured_curvature_gives_gradient_flow_a_step_that_settles(tmp_path: Path) -> None:
    """A step chosen for one network must be stable on it, and is written where train finds it."""
    file = tmp_path / "flow.toml"
    arguments = (
        "--dynamics",
        "gradient-flow",
        "--activation",
        "logistic",
        "--budget",
        "400",
        "--nudged-budget",
        "400",
        "--write",
        str(file),
    )
    ladder = ("--strengths", "0.05,0.02", "--tolerances", "1e-3", "--nudged-tolerances", "1e-2", "--batches", "2", "--warmup", "3")
    run("tune", "--hidden", "8", "--train-size", "200", *ladder, *arguments)
    written = tomllib.loads(file.read_text())
    assert 0 < written["step"] < 0.5  # the logistic's own curvature is at least 4, so 0.9 * 2 / 4 at most


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--rule", "coupled-centered"), 2, "a nudging strength, and coupled-centered has none"),
        (("--batches", "100"), 2, "need 6400 samples, and there are 400"),
        (("--strengths", "0.1,0.1"), 2, "named twice"),
        (("--strengths", "0"), 2, "strengths"),
        (("--write", "/nowhere/at/all.toml"), 2, "there is no directory /nowhere/at"),
        (("--write", "/"), 2, "cannot write /: it exists and is no file"),
        (("--step", "0.3"), 2, "--step is the Euler step of gradient-flow and momentum, and forward has none"),
        (("--strengths", "0.5", "--noise-share", "0.001"), 1, "none of 12 settings is good enough"),
        (("--gain", "6", "--activation", "linear"), 1, "the free states are no minimum|states were not finite|do not settle"),
    ],
)
def test_tuning_of_what_cannot_be_tuned_is_refused_in_a_sentence(arguments: tuple[str, ...], code: int, words: str) -> None:
    """A setting that is not good enough must not be written down as if it were."""
    output = run("tune", *SMALL, *arguments, code=code)
    assert any(word in output for word in words.split("|")), output
    assert "Traceback" not in output


def test_noise_of_one_batch_is_refused() -> None:
    """One batch has no spread, so every error would look large beside it."""
    with pytest.raises(InputError, match="two or more"):
        measure_exact(make_system().network, SETTING, system_batches(1))
