"""The command ``gradients``: what it reports of every rule, and the run that it leaves."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Eqlab, Found

from experiments.learning.gradient_options import GradientsOptions
from experiments.runs.directory import RunDirectory
from experiments.setup.tables import COMPARED

TINY = ("--train-size", "96", "--hidden", "12", "--epochs", "2", "--quiet", "--threads", "1")

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def gradients(found: Found, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return found("gradients", "--threads", "1", "--out", tmp_path_factory.mktemp("gradients"))


def test_gradients_reports_every_rule_with_orders_one_and_two(gradients: dict[str, Any]) -> None:
    """If this fails, the command that judges the rules says something else than the theory."""
    rules = gradients["rules"]
    assert list(rules) == list(COMPARED)
    for name, order in {"ep-positive": 1, "ep-negative": 1, "ep-random": 1, "ep-centered": 2}.items():
        assert rules[name]["order"] == pytest.approx(order, abs=0.1)
    for name in ("implicit", "recurrent-backprop", "unrolled"):
        # 1e-8: the adjoint's relative tolerance of 1e-9, times the condition of the curvature (about 4 here).
        assert rules[name]["relative_error"] < 1e-8
        assert rules[name]["order"] is None
    assert min(rules["ep-centered"]["cosine"].values()) > 0.9999


def test_gradients_shows_coupled_learning_and_contrastive_hebbian_as_no_gradients(gradients: dict[str, Any]) -> None:
    """If this fails, rules that do not follow the gradient would be published as if they did."""
    for name in ("coupled-positive", "coupled-negative", "coupled-centered"):
        assert gradients["rules"][name]["relative_error"] > 0.05
        assert abs(gradients["rules"][name]["order"]) < 0.1
    assert gradients["rules"]["contrastive-hebbian"]["relative_error"] > 0.05


def test_gradients_against_truncated_backprop_agree_at_equal_numbers_of_sweeps(found: Found, tmp_path: Path) -> None:
    """K nudged sweeps are backprop through the last K free ones (Ernoult et al., 2019); another number is no approximation of it."""
    nudged = ("--nudged-tolerance", "none", "--nudged-budget", "3", "--strength", "1e-5", "--strengths", "1e-3,1e-4")
    shared = ("gradients", "--hidden", "12", "--samples", "8", "--rules", "ep-centered", "--against", "unrolled", *nudged)
    errors = [
        found(*shared, "--unroll", sweeps, "--out", tmp_path / str(sweeps))["rules"]["ep-centered"]["relative_error"] for sweeps in (3, 4)
    ]
    # The bias is C beta^2 = C * 1e-10, and the free state is settled to 1e-11.
    assert errors[0] < 1e-8
    assert errors[1] > 1e-3
    assert "Distance from the gradient of unrolled" in (tmp_path / "3" / "report.html").read_text("utf-8")


def test_gradients_of_a_deep_network_with_little_feedback_end_settled(found: Found, tmp_path: Path) -> None:
    """Forces on the outputs are 1e-20 of those on the first layer, and every rule keeps its digits; this once ran without end."""
    hidden = ",".join(["16"] * 10)
    deep = found("gradients", "--hidden", hidden, "--energy-scale", "0.01", "--samples", "8", "--threads", "1", "--out", tmp_path / "deep")
    assert not deep["warnings"]
    for name, rule in deep["rules"].items():
        assert rule["unconverged"] == 0, name
        assert rule["cosine"]["weight_1"] > 0.999, name
    assert 0.5e-22 < deep["curvature"]["smallest"] <= 1e-22  # the energy scale to the number of layers


def test_gradients_in_float32_end_at_tolerances_that_float32_can_reach(found: Found, tmp_path: Path) -> None:
    """With the tolerances of float64 every phase takes 5000 sweeps to no end: minutes where seconds do."""
    line = ("gradients", "--hidden", "16,16", "--samples", "4", "--rules", "ep-centered", "--dtype", "float32")
    rule = found(*line, "--out", tmp_path / "single")["rules"]["ep-centered"]
    assert rule["unconverged"] == 0
    assert rule["sweeps"] < 100
    # The bias of a centered nudge of .02, which is some 4e-4.
    assert rule["relative_error"] < 2e-3
    for given, expected in (({"tolerance": 1e-3}, (1e-3, 1e-6)), ({"dtype": "float64"}, (1e-11, 1e-9))):
        options = GradientsOptions(**{"dtype": "float32", **given})
        assert (options.tolerance, options.nudged_tolerance) == expected


def test_gradients_json_has_the_documented_fields(gradients: dict[str, Any]) -> None:
    """If this fails, scripts that read the output break."""
    record = gradients["rules"]["ep-centered"]
    assert set(record["cosine"]) == {"weight_1", "bias_1", "weight_2", "bias_2"}
    assert {"norm_ratio", "relative_error", "sign_agreement", "order", "bias", "layers", "sweeps", "unconverged"} <= set(record)
    assert gradients["curvature"]["smallest"] < gradients["curvature"]["largest"]
    assert gradients["free"]["residual"] <= 1e-11


@pytest.mark.parametrize("engine", ["serial", "process:1"])
def test_gradients_leaves_a_whole_run_on_every_engine(found: Found, engine: str, tmp_path: Path) -> None:
    """If this fails, a published table of gradients could not be traced back to its configuration, or depends on the engine."""
    arguments = ("gradients", "--rules", "ep-centered", "--samples", "4", "--hidden", "6", "--threads", "1", "--out", tmp_path / "run")
    first = found(*arguments, "--engine", engine)
    run = RunDirectory(tmp_path / "run")
    assert {f"{name}.{kind}" for name in ("alignment", "relaxation") for kind in ("json", "svg")} <= {p.name for p in run.figures.iterdir()}
    with run.journal(readonly=True) as journal:
        trial = journal.trial("gradients")
    assert trial is not None
    assert trial.metrics is not None
    assert trial.metrics["rules"] == first["rules"]
    drawn = json.loads((run.figures / "relaxation.json").read_text())["traces"]["free phase"]
    assert len(drawn["residual"]) >= first["free"]["sweeps"]
    assert drawn["residual"][-1] <= 1e-11  # what the options ask for
    assert found(*arguments) == first  # shown again, not computed again


def test_gradients_of_another_checkpoint_are_not_shown_as_those_of_the_first(eqlab: Eqlab, found: Found, tmp_path: Path) -> None:
    """If this fails, repeating the command with other parameters shows the old result."""
    for seed in ("0", "1"):
        found("train", *TINY, "--seed", seed, "--out", tmp_path / seed)
    arguments = ("gradients", "--rules", "backprop", "--hidden", "12", "--samples", "4", "--activation", "hard-sigmoid")
    arguments += ("--out", str(tmp_path / "g"))
    found(*arguments, "--checkpoint", tmp_path / "0" / "checkpoints" / "train.safetensors")
    for other in (("--checkpoint", tmp_path / "1" / "checkpoints" / "train.safetensors"), ()):
        result = eqlab(*arguments, *other)
        assert result.exit_code == 2
        assert "other parameters than --checkpoint has" in result.stderr


@pytest.mark.parametrize("engine", ["serial", "process:1"])
def test_a_mistake_found_inside_a_trial_is_the_users(eqlab: Eqlab, found: Found, engine: str, tmp_path: Path) -> None:
    """If this fails, a script takes a file that the user has to mend for a failure of the machine."""
    checkpoint = tmp_path / "run" / "checkpoints" / "train.safetensors"
    found("train", *TINY, "--out", tmp_path / "run")
    (tmp_path / "run" / "journal.sqlite").unlink()
    checkpoint.write_bytes(b"not a checkpoint")
    result = eqlab("train", *TINY, "--engine", engine, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "checkpoint" in result.stderr
    assert result.stderr.count("\n") == 1


def test_gradients_of_a_trained_network(found: Found, tmp_path: Path) -> None:
    """If this fails, gradients could be judged only at initial weights."""
    found("train", *TINY, "--activation", "tanh", "--out", tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoints" / "train.safetensors"
    arguments = ("gradients", "--rules", "ep-centered,backprop", "--hidden", "12", "--threads", "1", "--activation", "tanh")
    trained, initial = found(*arguments, "--checkpoint", checkpoint), found(*arguments)
    assert trained["rules"]["ep-centered"]["order"] == pytest.approx(2, abs=0.1)
    assert trained["rules"]["backprop"]["cosine"] != initial["rules"]["backprop"]["cosine"]
