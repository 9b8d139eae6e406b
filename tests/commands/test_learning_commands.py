"""The commands gradients, train and compare: what they find, what they leave behind, and how they answer wrong input."""

import gzip
import json
import math
import os
import random
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Eqlab, Found, refused

from contrastive_core.data.splits import Split, Splits
from contrastive_core.files.checkpoint import load_checkpoint
from contrastive_core.training.optimisers.builders import layer_groups
from contrastive_core.types import Batch
from experiments.commandline.options import resolve
from experiments.commandline.output import format_table
from experiments.learning.comparison import summarise, table
from experiments.learning.train import CommandTrainOptions
from experiments.learning.train import table as table_of_training
from experiments.runs.directory import RunDirectory
from experiments.setup.build import build_network, build_setting
from experiments.setup.checks import unused
from experiments.setup.options import PlanOptions
from experiments.setup.tables import COMPARED, RULES

TINY = ("--train-size", "96", "--hidden", "12", "--epochs", "2", "--quiet", "--threads", "1")

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def compared(found: Found, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("compare") / "run"
    return found("compare", *TINY, "--seeds", "2", "--engine", "serial", "--out", out), out


def test_compare_trains_every_rule_from_the_same_start(compared: tuple[dict[str, Any], Path]) -> None:
    """If this fails, a rule was left out, or the comparison is not paired."""
    result, _ = compared
    assert list(result["rules"]) == list(COMPARED)
    assert result["seeds"] == [0, 1]
    for record in result["rules"].values():
        assert record["status"] == "done"
        assert len(record["test_error"]["seeds"]) == 2
        low, high = record["test_error"]["ci95"]
        assert low <= record["test_error"]["mean"] <= high
        assert record["sweeps_per_sample"] > 0
        assert record["seconds_per_sample"] > 0
    # Paired differences are those of the seeds, and implicit, unrolled and recurrent backprop follow the same gradient.
    ours, theirs = (result["rules"][name]["test_error"]["seeds"] for name in ("ep-centered", "backprop"))
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    assert result["rules"]["ep-centered"]["paired_difference"]["seeds"] == pytest.approx(differences)
    assert result["rules"]["backprop"]["paired_difference"] is None
    assert result["rules"]["backprop"]["sweeps_per_sample"] == 1


def test_compare_leaves_a_whole_run(compared: tuple[dict[str, Any], Path]) -> None:
    """If this fails, a published table could not be traced back to its configuration."""
    _, out = compared
    run = RunDirectory(out)
    assert run.read_config()["train_size"] == 96
    assert run.read_provenance()["command"] == "compare"
    with run.journal(readonly=True) as journal:
        trials = list(journal.trials())
        assert len(trials) == 2 * len(COMPARED)
        assert {trial.status for trial in trials} == {"done"}
        assert len(journal.history("ep-centered-1")) == 2
    html = (out / "report.html").read_text()
    assert all(rule in html for rule in COMPARED)
    assert {"comparison.svg", "learning-curves.svg"} <= {path.name for path in run.figures.iterdir()}


def test_compare_goes_on_with_what_is_missing_under_another_engine(found: Found, compared: tuple[dict[str, Any], Path]) -> None:
    """If this fails, resuming repeats finished work, or the engine changes the results."""
    result, out = compared
    again = found("compare", *TINY, "--seeds", "2", "--engine", "process:1", "--out", out)
    assert again["rules"] == result["rules"]


def test_engines_agree_to_the_bit(found: Found, compared: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    """If this fails, a table depends on where it was computed."""
    result, _ = compared
    other = found("compare", *TINY, "--seeds", "2", "--rules", "ep-random,backprop", "--engine", "process:2", "--out", tmp_path / "run")
    for rule in ("ep-random", "backprop"):
        assert other["rules"][rule]["test_error"]["seeds"] == result["rules"][rule]["test_error"]["seeds"]
        assert other["rules"][rule]["gradient_cosine"] == result["rules"][rule]["gradient_cosine"]


TRIAL = {
    **{"network": "layered", "rule": "backprop", "best_epoch": 1, "epochs": 2, "test_error": 0.1, "validation_error": 0.1},
    **{"sweeps_per_sample": 1.0, "seconds_per_sample": 1.0, "cpu_seconds_per_sample": 1.0, "unconverged": 0.0, "unconverged_worst": 0.0},
    **{"energy_decrease": 0.5, "gradient_cosine": {"weight_1": 0.9}},
}


SHOWN = {
    "energy_decrease": "energy decrease",
    "sweeps_per_sample": "sweeps per sample",
    "unconverged": "unconverged",
    "cpu_seconds_per_sample": "CPU microseconds per sample",
}


@pytest.mark.parametrize("name", SHOWN)
def test_summaries_count_and_say_what_has_no_value(name: str) -> None:
    """Journals of earlier versions hold null where a number was infinite: a traceback there would hide the other trials."""
    trials = [{**TRIAL, name: 2.0}, {**TRIAL, name: 4.0}, {**TRIAL, name: None}]
    (found,) = (records := summarise({"backprop": trials}, {"backprop": None})).values()
    assert found[name] == 3.0
    assert found["without_value"] == {name: 1}
    assert sum("(1 without)" in text for text in table(records)[1][0]) == 1
    (nothing,) = summarise({"backprop": trials[2:]}, {"backprop": None}).values()
    assert nothing[name] is None
    (line,) = (line for line in format_table(*table_of_training(trials[2])).splitlines() if line.strip().startswith(SHOWN[name]))
    assert line.strip().removeprefix(SHOWN[name]).strip()[0] == "-"


def test_compare_keeps_the_others_when_one_rule_fails(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, one diverging rule costs the results of all."""
    arguments = ("compare", *TINY, "--seeds", "1", "--rules", "ep-centered,backprop", "--strength", "1.5", "--engine", "serial")
    result = eqlab(*arguments, "--json", "--out", tmp_path / "run")
    assert result.exit_code == 3
    rules = json.loads(result.stdout)["rules"]
    assert rules["ep-centered"]["status"] == "failed"
    assert "no minimum" in rules["ep-centered"]["error"]
    assert rules["backprop"]["status"] == "done"
    assert "1 of 2 rules" in result.stderr


def test_means_of_a_rule_are_those_of_its_finished_trials() -> None:
    """If this fails, a failed trial counts as one that took no sweeps, or shifts the pairs of the others."""

    def trial(value: float, error: float) -> dict[str, Any]:
        means = ("sweeps_per_sample", "seconds_per_sample", "cpu_seconds_per_sample", "unconverged", "energy_decrease", "validation_error")
        return {"test_error": error, "best_epoch": 1, "gradient_cosine": {"free": value}} | dict.fromkeys(means, value)

    metrics = {"ep-centered": [trial(10, 0.3), None, trial(20, 0.6)], "backprop": [trial(1, 0.1), trial(1, 0.9), trial(1, 0.2)]}
    records = summarise(metrics, {"ep-centered": "diverged", "backprop": None})
    record = records["ep-centered"]
    assert (record["status"], record["sweeps_per_sample"], record["unconverged"], record["gradient_cosine"]) == (
        "failed",
        15,
        15,
        {"free": 15},
    )
    assert record["test_error"]["mean"] == pytest.approx(0.45)
    assert record["paired_difference"]["seeds"] == pytest.approx([0.2, 0.4])
    assert records["backprop"]["paired_difference"] is None


def test_train_prints_only_json_when_asked(found: Found, tmp_path: Path) -> None:
    """If this fails, a script that reads stdout breaks."""
    result = found("train", *TINY, "--out", tmp_path / "run")
    assert result["network"] == "64-12-10"
    assert 0 <= result["test_error"] <= 1
    assert result["best_epoch"] in (1, 2)


def test_train_keeps_the_best_epoch_or_the_last_as_asked(eqlab: Eqlab, found: Found, tmp_path: Path) -> None:
    """Where nothing changes, the first of three equal epochs is the best one; patience would then have stopped after the second."""
    still = ("train", *TINY, "--epochs", 3, "--learning-rates", "1e-30", "--quiet")
    assert found(*still, "--out", tmp_path / "best")["best_epoch"] == 1
    assert found(*still, "--out", tmp_path / "last", "--keep-last")["best_epoch"] == 3
    patient = eqlab(*still, "--out", tmp_path / "patient", "--keep-last", "--patience", 1, "--json")
    assert json.loads(patient.stdout)["epochs"] == 3
    assert "--patience has no effect with --keep-last" in patient.stderr


@pytest.mark.parametrize(("deviation", "words"), [("1e30", "saturate every unit"), ("1e-9", "are next to nothing beside the biases")])
def test_inputs_far_from_the_usual_size_are_warned_of(eqlab: Eqlab, deviation: str, words: str, tmp_path: Path) -> None:
    """If this fails, a typing error of the deviation is searched for in the rule."""
    still = ("train", "--data", "two-moons", "--train-size", 20, "--hidden", 4, "--epochs", 1, "--quiet", "--standardise")
    assert f"inputs of deviation {float(deviation):g} {words}" in eqlab(*still, deviation, "--out", tmp_path / "far").stderr
    assert "inputs of deviation" not in eqlab(*still, "2", "--out", tmp_path / "near").stderr


def test_saturated_units_are_not_taken_for_a_network_without_feedback(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, the advice is to raise the energy scale, which no saturated unit hears of. A small scale is still told."""
    still = ("train", "--data", "two-moons", "--train-size", 20, "--hidden", 4, "--epochs", 1, "--quiet", "--standardise")
    saturated = eqlab(*still, "1e30", "--out", tmp_path / "saturated").stderr
    assert "the units are saturated: inputs of half the size give the same states" in saturated
    assert "bottom-up pass" not in saturated
    apart = eqlab(*still, "1", "--energy-scale", "1e-9", "--out", tmp_path / "apart").stderr
    assert "the free state is the bottom-up pass" in apart
    assert "saturated" not in apart


def parameters_of(out: Path) -> dict[str, torch.Tensor]:
    tensors, _ = load_checkpoint(out / "checkpoints" / "train.safetensors")
    return {name: tensor for name, tensor in tensors.items() if name.startswith("parameter.")}


@pytest.mark.parametrize(("name", "value"), [("validation_error", "x"), ("best_epoch", [1, "x"]), ("gradient_cosine", {"weight_1": "x"})])
def test_an_edited_record_is_one_sentence_that_names_the_trial(found: Found, tmp_path: Path, name: str, value: Any) -> None:
    """If this fails, a complete run whose record was edited ends in a traceback when it is shown again."""
    command = ("train", *TINY, "--out", tmp_path / "run")
    found(*command)
    with closing(sqlite3.connect(tmp_path / "run" / "journal.sqlite")) as connection, connection:
        (metrics,) = connection.execute("SELECT metrics FROM trials").fetchone()
        connection.execute("UPDATE trials SET metrics = ?", (json.dumps(json.loads(metrics) | {name: value}),))
    assert re.search(rf"trial 'train' in .* has .* for {name}\S*, where a number belongs; restore the journal", refused(*command))


def test_a_killed_training_command_resumes_to_the_same_bits(tmp_path: Path) -> None:
    """If this fails, a result depends on whether the machine stayed up."""
    arguments = ["train", "--train-size", "320", "--hidden", "16", "--epochs", "8", "--rule", "ep-random", "--threads", "1", "--quiet"]
    program = [sys.executable, "-c", "from experiments.cli import main; main()", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*program, "--out", str(tmp_path / "whole")], env=environment, check=True, capture_output=True)
    chance = random.Random(7)
    killed = 0
    for _ in range(2):
        process = subprocess.Popen([*program, "--out", str(tmp_path / "killed")], env=environment, stdout=subprocess.DEVNULL)
        checkpoint = tmp_path / "killed" / "checkpoints" / "train.safetensors"
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        while process.poll() is None and (not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before):
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed > 0  # otherwise nothing was tested
    subprocess.run([*program, "--out", str(tmp_path / "killed")], env=environment, check=True, capture_output=True)
    whole, resumed = parameters_of(tmp_path / "whole"), parameters_of(tmp_path / "killed")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_finished_run_is_shown_and_not_repeated(found: Found, tmp_path: Path) -> None:
    """If this fails, asking twice for a result changes it."""
    first = found("train", *TINY, "--out", tmp_path / "run")
    second = found("train", *TINY, "--out", tmp_path / "run")
    assert second == first


def idx_images(count: int) -> bytes:
    return struct.pack(">IIII", 0x803, count, 28, 28) + bytes(784 * count)


def mnist_folder(folder: Path) -> Path:
    for name, count in (("train", 24), ("t10k", 12)):
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_images(count)))
        labels = struct.pack(">II", 0x801, count) + bytes(i % 10 for i in range(count))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(labels)
    return folder


def test_train_reads_idx_files(found: Found, tmp_path: Path) -> None:
    """If this fails, real MNIST cannot be used."""
    arguments = ("--data", "mnist", "--data-dir", mnist_folder(tmp_path), "--hidden", "4", "--epochs", "1", "--out", tmp_path / "run")
    assert found("train", *arguments)["network"] == "784-4-10"


WRONG: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "unknown rule": (("train", "--rule", "ep-centred"), ["unknown rule 'ep-centred'", "did you mean 'ep-centered'"]),
    "negative layer": (("train", "--hidden", "64,-3"), ["item 2 of --hidden", "greater than 0", "-3"]),
    "no nudge": (("train", "--strength", "0"), ["--strength must be greater than 0, got 0"]),
    "a nudge beyond float32": (
        ("train", "--strength", "1e300"),
        ["strength or fraction of 1e+300 is infinite in float32", "nearer to 0.1"],
    ),
    "a hold below float32": (("train", "--rule", "coupled-centered", "--fraction", "1e-300"), ["of 1e-300 is 0 in float32"]),
    "misspelt key": (("train", "--set", "learning_rate=0.1"), ["unknown option learning_rate", "it is 'learning_rates' here"]),
    "rates and layers": (("train", "--learning-rates", "1,1,1"), ["3 learning rates for 2 layers"]),
    "too many samples": (("train", "--train-size", "5000"), ["5000", "1 to 1197"]),
    "no such data": (("compare", "--data", "mnist", "--data-dir", "no-such-folder"), ["no-such-folder", "train-images-idx3-ubyte"]),
    "unknown engine": (("compare", "--engine", "gpu:2"), ["unknown engine 'gpu:2'", "process:N"]),
    "one strength": (("gradients", "--strengths", "0.1,0.1"), ["two different values"]),
    "no checkpoint": (("gradients", "--checkpoint", "no-such-file"), ["cannot read checkpoint", "no-such-file"]),
    "no rule": (("compare", "--rules", ""), ["--rules needs at least 1, got 0"]),
    "out of memory": (("train", "--hidden", "1000000,1000000"), ["a network of 1e+12 weights needs"]),
    "rule named twice": (("compare", "--rules", "backprop,backprop"), ["'backprop' is named twice"]),
    "too many samples at once": (("gradients", "--samples", "5000"), ["--samples is 5000", "1197"]),
    "a layer too large": (("train", "--hidden", "10000000000000"), ["item 1 of --hidden", "less than or equal to 1000000"]),
    "unwritable": (("train", "--out", "/proc/eqlab/run"), ["cannot write", "choose another --out"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_gets_one_sentence_and_leaves_nothing_behind(
    eqlab: Eqlab, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a user's mistake ends in a traceback, in a wrong run, or in litter."""
    monkeypatch.chdir(tmp_path)
    arguments, expected = WRONG[case]
    result = eqlab(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    for part in expected:
        assert part in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_idx_file_is_named(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, half a data set could be trained on."""
    folder = mnist_folder(tmp_path)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_images(24)[:-100]))
    result = eqlab("train", "--data", "mnist", "--data-dir", folder, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "train-images-idx3-ubyte.gz" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_another_network_is_refused(eqlab: Eqlab, found: Found, tmp_path: Path) -> None:
    """If this fails, gradients would be shown of a network that nobody trained."""
    found("train", *TINY, "--out", tmp_path / "run")
    result = eqlab("gradients", "--hidden", "13", "--checkpoint", tmp_path / "run" / "checkpoints" / "train.safetensors")
    assert result.exit_code == 2
    assert "another network" in result.stderr
    assert "weight_1 64x12" in result.stderr


def test_a_checkpoint_of_other_physics_is_refused(eqlab: Eqlab, found: Found, tmp_path: Path) -> None:
    """If this fails, gradients of hard-sigmoid weights are shown in a network of tanh units, which fit by shape."""
    found("train", *TINY, "--energy-scale", "0.5", "--out", tmp_path / "run")
    result = eqlab("gradients", "--hidden", "12", "--checkpoint", tmp_path / "run" / "checkpoints" / "train.safetensors")
    assert result.exit_code == 2
    assert "give the same: --activation hard-sigmoid --energy-scale 0.5" in result.stderr


def test_gradients_says_when_it_is_not_to_be_trusted(eqlab: Eqlab) -> None:
    """If this fails, an unsettled state passes for the exact one, and a nudge past the curvature for a weak one."""
    arguments = ("gradients", "--rules", "ep-centered", "--hidden", "12", "--samples", "8", "--threads", "1")
    assert "warning" not in eqlab(*arguments).stderr
    assert "free states did not reach the tolerance" in eqlab(*arguments, "--budget", "3").stderr
    strong = eqlab(*arguments, "--gain", "1.5", "--strength", "0.7")
    assert "not below the smallest curvature" in strong.stderr


def test_options_without_effect_are_pointed_out(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, a user believes that a folder was read, or an activation used, that was not."""
    arguments = ("train", *TINY, "--data-dir", tmp_path, "--readout", "--output-activation", "tanh", "--out", tmp_path / "run")
    result = eqlab(*arguments)
    assert result.exit_code == 0
    assert "--data-dir has no effect" in result.stderr
    assert "--output-activation has no effect" in result.stderr


def test_options_of_rules_that_are_not_run_are_pointed_out() -> None:
    """If this fails, a user believes that a strength, or the length of an unrolled pass, was varied."""

    def idle(*rules: str, **given: Any) -> list[str]:
        options = PlanOptions.model_validate(given)
        return [sentence.split(" has no effect")[0] for sentence in unused(options, build_setting(options), rules)]

    assert idle("implicit", "backprop", strength=0.3, fraction=0.3, frozen=True, homeostasis=1.0, unroll=5) == [
        "--strength", "--fraction", "--frozen", "--homeostasis", "--unroll",
    ]  # fmt: skip
    assert idle("contrastive-hebbian", fraction=0.3) == ["--fraction"]  # which holds the outputs at their targets
    assert idle("backprop", "coupled-positive", strength=0.3, fraction=0.3) == ["--strength"]
    assert idle("ep-centered", "unrolled", strength=0.3, frozen=True, homeostasis=1.0, unroll=5) == []
    assert idle("backprop") == []  # nothing was set
    assert [idle("backprop", decay=0.5, schedule=schedule) for schedule in ("cosine", "exponential")] == [["--decay"], []]


def test_a_finished_run_gets_its_figures_again(found: Found, tmp_path: Path) -> None:
    """If this fails, a run killed between its last record and its figures never has any."""
    found("train", *TINY, "--out", tmp_path / "run")
    figure = tmp_path / "run" / "figures" / "learning-curves.svg"
    before = figure.read_bytes()
    figure.unlink()
    found("train", *TINY, "--out", tmp_path / "run")
    assert figure.read_bytes() == before


def test_a_rule_that_cannot_run_leaves_nothing_behind(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, a mistake is found only after a run directory and a failed trial were written."""
    result = eqlab("train", *TINY, "--readout", "--rule", "coupled-centered", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "cannot be held" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "--network", "oscillator"),
        ("compare", "--readout"),
        ("gradients", "--network", "oscillator"),
        ("gradients", "--network", "oscillator", "--cost", "all", "--samples", "4"),
    ],
)
def test_rules_that_hold_outputs_are_refused_at_once_where_there_are_none_to_hold(
    eqlab: Eqlab, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """If this fails, a comparison computes for hours and ends in rows that could never have been."""
    result = eqlab(*arguments, "--hidden", "4", "--rules", "ep-centered,coupled-positive,contrastive-hebbian", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "coupled-positive, contrastive-hebbian hold the outputs" in result.stderr
    assert result.stderr.strip().endswith("run the others: --rules ep-centered")
    assert not (tmp_path / "run").exists()


def test_rules_that_nudge_are_compared_where_there_are_no_outputs_to_hold(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, the refusal of those that hold outputs has taken the others with it."""
    arguments = ("--network", "oscillator", "--hidden", "4", "--data", "two-moons", "--samples", "4", "--out", tmp_path / "run")
    assert eqlab("gradients", *arguments, "--rules", "ep-centered").exit_code == 0


def test_control_c_in_a_comparison_ends_with_130_and_the_way_on(tmp_path: Path) -> None:
    """If this fails, `make demo` cannot be interrupted and taken up again, or leaves processes behind."""
    arguments = ["compare", *TINY, "--rules", "ep-centered,backprop", "--seeds", "2", "--epochs", "4000", "--engine", "process:2"]
    program = [sys.executable, "-c", "from experiments.cli import main; main()", *arguments, "--out", str(tmp_path / "run")]
    process = subprocess.Popen(
        program, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    checkpoints = tmp_path / "run" / "checkpoints"
    while process.poll() is None and not (checkpoints.exists() and any(checkpoints.glob("*.safetensors"))):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted; continue with: eqlab compare" in errors
    assert "Traceback" not in errors
    for _ in range(500):  # workers end by themselves, soon
        if not _group_lives(process.pid):
            break
        time.sleep(0.02)
    assert not _group_lives(process.pid)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_run_is_not_continued_with_other_settings(eqlab: Eqlab, found: Found, tmp_path: Path) -> None:
    """If this fails, one table could mix two configurations."""
    found("train", *TINY, "--out", tmp_path / "run")
    result = eqlab("train", *TINY, "--momentum", "0.5", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "momentum is 0.9 there and 0.5 here" in result.stderr


def test_settings_that_are_not_what_they_seem_are_pointed_out(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, backpropagation could be published as equilibrium propagation."""
    disguised = eqlab("train", *TINY, "--budget", "1", "--out", tmp_path / "one")
    assert disguised.exit_code == 0
    assert "backpropagation in disguise" in disguised.stderr
    sound = eqlab("train", *TINY, "--out", tmp_path / "two")
    assert "warning" not in sound.stderr


FILTERS = (
    "--network",
    "convolutional",
    "--layers",
    "3c3+1>3 a2 3c3+1 4c1 10",
    "--train-size",
    "96",
    "--epochs",
    "2",
    "--quiet",
    "--threads",
    "1",
)


def test_a_convolutional_network_is_trained_and_kept(found: Found, tmp_path: Path) -> None:
    """If this fails, pictures do not survive a checkpoint, a warm start or a table."""
    whole = found("train", *FILTERS, "--warm-start", "--dynamics", "even-odd", "--out", tmp_path / "whole")
    assert whole["network"] == "64-3x4x4-3x4x4-4x4x4-10"
    tensors, _ = load_checkpoint(next((tmp_path / "whole").glob("checkpoints/*")))
    assert tensors["best.weight_1"].shape == (3, 1, 3, 3)
    read = found("train", *FILTERS[:3], "3c3 p2", *FILTERS[4:], "--readout", "--cost", "cross-entropy", "--out", tmp_path / "readout")
    assert read["network"] == "64-3x3x3+10"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--network", "convolutional"), "needs its layers from the inputs up"),
        (("--network", "convolutional", "--layers", "3c3 p2 12"), "the last layer is that of the outputs, 10 here"),
        (("--network", "convolutional", "--layers", "3c9 10"), "layer 1, 3c9: a filter of 9 does not fit into pictures of 8 x 8"),
        (("--network", "convolutional", "--layers", "3c3 p2 10", "--activation", "tanh"), "layer 1 pools maxima"),
        (
            ("--network", "convolutional", "--layers", "3c3 10", "--data", "two-moons"),
            "filters see pictures, and below is a row of 2 units",
        ),
        (("--network", "convolutional", "--layers", "3c3 10", "--backend", "numba"), "network of filters, residual edges or memories"),
    ],
)
def test_layers_that_cannot_be_are_refused_in_a_sentence(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """If this fails, a slip in the notation ends in torch's words about sizes."""
    assert words in refused("train", *arguments, "--train-size", "96", "--epochs", "1", "--quiet", "--out", tmp_path / "out")


def test_the_configuration_of_vgg_5_is_the_published_network() -> None:
    """If this fails, the network that reports compare with the literature has other layers, or rates for other layers."""
    options = resolve(CommandTrainOptions, config="vgg5-cifar10", flags={})
    part = Split(torch.rand(2, 3072), torch.tensor([3, 7]))
    splits = Splits(part, part, part, 10, "", "", (3, 32, 32))
    network = build_network(options, splits, 0)
    assert network.shapes == ((128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 1, 1))
    assert [rate["lr"] for rate in layer_groups(network, options.learning_rates)] == [0.25, 0.15, 0.1, 0.08, 0.05]
    assert network.output(network.feedforward(network.clamp(part.inputs))).shape == (2, 10)


@pytest.mark.parametrize(
    ("config", "picture", "shapes"),
    [
        ("conv-mnist", (1, 28, 28), ((32, 12, 12), (64, 4, 4), (10,))),
        ("conv-cifar10", (3, 32, 32), ((32, 16, 16), (64, 8, 8), (128, 4, 4), (128, 4, 4), (10,))),
    ],
)
def test_shipped_filters_fit_their_data(config: str, picture: tuple[int, ...], shapes: tuple[tuple[int, ...], ...]) -> None:
    """If this fails, a shipped configuration ends in an error, or trains another network than its comment says."""
    options = resolve(CommandTrainOptions, config=config, flags={})
    part = Split(torch.rand(2, math.prod(picture)), torch.tensor([3, 7]))
    network = build_network(options, Splits(part, part, part, 10, "", "", picture), 0)
    assert network.shapes == shapes
    estimate = RULES[options.rule](build_setting(options)).estimate(network, Batch(part.inputs, part.labels))
    assert float(estimate.gradients["weight_1"].norm()) > 0


def test_the_angle_of_untied_feedback_is_drawn_over_the_epochs(found: Found, tmp_path: Path) -> None:
    """If this fails, nobody sees whether forward weights turn towards the feedback, which is why feedback alignment learns."""
    shared = ("train", *TINY, "--activation", "tanh", "--rule", "ep-centered")
    found(*shared, "--network", "untied", "--out", tmp_path / "untied")
    found(*shared, "--out", tmp_path / "tied")
    assert not (tmp_path / "tied" / "figures" / "feedback-angle.csv").exists()
    with RunDirectory(tmp_path / "untied").journal(readonly=True) as journal:
        recorded = [epoch.metrics["angle"] for epoch in journal.history("train")]
    drawn = json.loads((tmp_path / "untied" / "figures" / "feedback-angle.json").read_text())["rules"]["train"]
    assert drawn["median"] == recorded
    assert len(recorded) == 2
    assert recorded[1] < recorded[0] < 90  # they turn towards random feedback
