"""``eqlab joint``: what the arms reach, resuming, reports, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Eqlab, Found, Refused

from contrastive_core.joint import ARMS

TINY = (
    *("--engine", "serial", "--epochs", 3, "--warmup", 1, "--hidden", 12, "--train-size", 96, "--batch-size", 32, "--test-size", 24),
    *("--test-steps", 2, "--restarts", 1, "--attack-steps", 2, "--langevin-steps", 2, "--fantasies", 12, "--radii", "0.2,0.5"),
)
EQUAL = ("arms", "network", "seeds")


def stripped(result: dict[str, object]) -> dict[str, object]:
    """Return what does not depend on the machine."""
    arms: dict[str, dict[str, object]] = result["arms"]  # type: ignore[assignment]
    for record in arms.values():
        record.pop("cpu_seconds", None)
    return {name: result[name] for name in EQUAL}


def test_dual_training_models_data_and_withstands_attacks_where_standard_training_does_neither(found: Found, tmp_path: Path) -> None:
    """A third of the digits: samples of an ordinary classifier stay near the noise, and those of dual training come near the digits."""
    settings = ("--hidden", 64, "--train-size", 400, "--batch-size", 32, "--learning-rate", 0.01, "--average", 0.9, "--epochs", 14)
    contrast = ("--warmup", 3, "--attack-steps", 5, "--attack-rate", 0.2, "--ascent-rate", 0.5, "--window", 100, "--most-steps", 12)
    measures = ("--radii", 0.5, "--test-size", 200, "--test-steps", 6, "--restarts", 1, "--arms", "standard,dat", "--engine", "serial")
    run = ("joint", *settings, *contrast, *measures, "--out", tmp_path / "run")
    arms = found(*run)["arms"]
    standard, dual = arms["standard"], arms["dat"]
    assert dual["ascent_steps"] > 5
    assert dual["mmd2"] < 0.05 < 0.1 < standard["mmd2"]
    assert dual["robust_accuracy_restarts"][0] > standard["robust_accuracy_restarts"][0] + 0.1
    assert dual["outside_area"]["noise"] > 0.9
    assert standard["ascent_steps"] == 0
    names = {"robustness", "course", "samples-standard", "samples-dat"}
    assert {file.stem for file in (tmp_path / "run" / "figures").glob("*.csv")} == names
    assert "proves nothing" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize("rule", ["backprop", "ep-centered", "implicit"])
def test_every_arm_trains_every_kind_of_network_and_resumes_to_the_same_result(
    rule: str, eqlab: Eqlab, found: Found, tmp_path: Path
) -> None:
    """Average, steps, chains and generators come from the checkpoint; measurements draw from streams of their own."""
    run = ("joint", *TINY, "--rule", rule)
    whole = stripped(found(*run, "--out", tmp_path / "whole"))
    assert set(whole["arms"]) == set(ARMS)  # type: ignore[call-overload]
    other = tmp_path / "other"
    assert eqlab(*run, "--out", other).exit_code == 0
    (other / "journal.sqlite").unlink()
    for file in other.glob("journal.sqlite-*"):
        file.unlink()
    assert stripped(found(*run, "--out", other)) == whole


def test_a_convolutional_network_trains_too(found: Found, tmp_path: Path) -> None:
    """Attacks and samples are rows; the network makes pictures of them."""
    layers = ("--network", "convolutional", "--layers", "2c3+1 a2 10", "--arms", "dat")
    place = TINY.index("--hidden")
    result = found("joint", *TINY[:place], *TINY[place + 2 :], *layers, "--out", tmp_path / "run")
    assert result["network"] == "64-2x4x4-10"
    assert result["arms"]["dat"]["mmd2"] > 0


def test_a_training_that_diverges_ends_and_says_so(found: Found, tmp_path: Path) -> None:
    """JEM is known to diverge: the epoch before is what is measured, and the others go on."""
    flags = ("--arms", "standard,sgld", "--langevin-noise", 3e38)
    arms = found("joint", *TINY, *flags, "--out", tmp_path / "run")["arms"]
    assert (arms["sgld"]["diverged"], arms["sgld"]["epochs"]) == (1, 1)
    assert (arms["standard"]["diverged"], arms["standard"]["epochs"]) == (0, 3)
    assert arms["sgld"]["status"] == "done"


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--radius", -0.5), "greater than or equal to 0"),
        (("--radii", "0.5,-1"), "greater than or equal to 0"),
        (("--arms", "standard,data"), "did you mean 'dat'"),
        (("--arms", "dat,dat"), "'dat' is named twice"),
        (("--warmup", 40), "below the 40 epochs, got 40"),
        (("--rule", "contrastive-hebbian"), "backprop"),
        (("--network", "convolutional"), "needs its layers from the inputs up"),
        (("--fantasies", 4), "12"),
        (("--raise-at", 0.2), "0.5"),
        (("--test-size", 1), "12"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_sentence(
    flags: tuple[object, ...], sentence: str, refused: Refused, tmp_path: Path
) -> None:
    """A mistake must not cost hours, or measure something else in silence."""
    assert sentence in refused("joint", *flags, "--out", tmp_path / "run")


def test_arms_that_do_not_warm_up_may_have_fewer_epochs_than_the_warm_up_of_another(found: Found, tmp_path: Path) -> None:
    """If this fails, two epochs of standard training ask for a warm-up that only dual training has."""
    before, after = TINY.index("--warmup"), TINY.index("--warmup") + 2
    result = found("joint", *TINY[:before], *TINY[after:], "--arms", "standard", "--out", tmp_path / "run")
    assert result["arms"]["standard"]["epochs"] == 3


def test_options_without_effect_are_named(eqlab: Eqlab, tmp_path: Path) -> None:
    """A strength that no rule has, and chains that no arm has, would be tuned in vain."""
    result = eqlab("joint", *TINY, "--arms", "standard", "--strength", 0.3, "--chains", 5, "--out", tmp_path / "run")
    assert result.exit_code == 0
    assert "--strength has no effect" in result.stderr
    assert "--chains has no effect" in result.stderr
    assert "--langevin-steps has no effect" in result.stderr
