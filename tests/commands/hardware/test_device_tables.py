"""``eqlab device export`` and ``import``: trained networks leave for a chip, and what the chip holds comes back and is tested."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Eqlab

from contrastive_core.devices.conductance_files import read_table
from experiments.hardware.learnt import error_with, learnt_by

TINY = ("--set", "train_size=64", "--epochs", "1", "--hidden", "4", "--quiet")


def run_of(eqlab: Eqlab, path: Path, *arguments: str) -> Path:
    command, *rest = arguments
    result = eqlab(command, *TINY, *rest, "--out", path)
    assert result.exit_code == 0, result.output
    return path


def test_an_ending_that_is_no_format_is_refused_with_all_that_are(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, somebody who asks for a list of cells by a wrong ending is not told that there is one."""
    refused = eqlab("device", "export", tmp_path, "--write", tmp_path / "cells.txt")
    assert (refused.exit_code, ".npz or .csv" in refused.stderr) == (2, True)


@pytest.mark.parametrize("transfer", ["none", "ideal", "device"])
def test_trained_devices_are_exported_as_they_were_chosen(eqlab: Eqlab, transfer: str, tmp_path: Path) -> None:
    """If this fails, the table holds another network than the one whose accuracy is reported: the one of the chosen epoch."""
    study = ("hardware", "--vary", "finite-states.n_states=64", "--preset", "ecram", "--seeds", "1", "--engine", "serial")
    run, table = run_of(eqlab, tmp_path / "study", *study, "--transfer", transfer), tmp_path / "table"
    refused = eqlab("device", "export", run, "--write", table)
    assert (refused.exit_code, "name one with --trial" in refused.stderr) == (2, True)
    key = "ep-centered finite-states.n_states 64 #0"
    result = eqlab("device", "export", run, "--trial", key, "--write", table, "--json")
    assert result.exit_code == 0, result.output
    learnt = learnt_by(run, key, None)
    read, _ = read_table(table, learnt.shapes(), learnt.vectors())
    for array in json.loads(result.stdout)["arrays"]:
        wanted = learnt.weights[array["array"]].double().numpy()
        np.testing.assert_allclose(read.weight(array["array"]), wanted, rtol=0, atol=1e-6)  # float32 weights of size 1
        assert max(abs(array["lowest"] / read.conductance.g_min - 1), abs(array["highest"] / read.conductance.g_max - 1)) < 1  # one end
    assert {name for name in learnt.weights if name not in learnt.arrays} == {"bias_1", "bias_2"}


def test_a_run_is_found_by_its_name_as_everywhere(eqlab: Eqlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a run that ``eqlab runs list`` names is unknown to the commands for chips."""
    monkeypatch.chdir(tmp_path)
    run_of(eqlab, Path("runs/t"), "train")
    for name in ("t", "runs/t", str(tmp_path / "runs" / "t")):
        assert eqlab("device", "export", name, "--write", "t.npz").exit_code == 0
        result = eqlab("device", "import", name, "--read", "t.npz", "--json", "--out", tmp_path / "chip" / str(len(name)))
        assert json.loads(result.stdout)["trial"]
    for words in (("export", "u", "--write", "t.npz"), ("import", "u", "--read", "t.npz")):
        refused = eqlab("device", *words)
        assert (refused.exit_code, "there is no run runs/u" in refused.stderr) == (2, True), refused.output


def test_a_table_that_is_read_back_unchanged_has_the_accuracy_of_the_run(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, what is tested is not the network that was trained, with the data that it was trained for."""
    run = run_of(eqlab, tmp_path / "run", "train")
    assert eqlab("device", "export", run, "--write", tmp_path / "t.npz").exit_code == 0
    result = eqlab("device", "import", run, "--read", tmp_path / "t.npz", "--json", "--out", tmp_path / "chip")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    trained = json.loads(eqlab("runs", "show", run, "--json").stdout)["runs"][0]["metrics"]["test_error"]
    assert found["target_error"] == pytest.approx(trained, abs=1e-12)
    assert found["test_error"] == pytest.approx(trained, abs=1 / 360)  # a rounding may turn one sample
    assert all(array["worst"] == 0 for array in found["arrays"].values())
    report = (tmp_path / "chip" / "report.html").read_text()
    assert found["verdict"] in report
    assert "Deviations" in report
    assert (tmp_path / "chip" / "figures" / "deviations.svg").exists()


def test_a_chip_is_tested_as_it_is(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, the accuracy of a chip is that of its targets. All weights of the last array are exchanged in sign on the chip."""
    run, table = (
        run_of(eqlab, tmp_path / "run", "train", "--set", "epochs=5", "--set", "train_size=500", "--set", "hidden=16"),
        tmp_path / "t",
    )
    assert eqlab("device", "export", run, "--write", table).exit_code == 0
    plus, minus = table / "weight_2.plus.csv", table / "weight_2.minus.csv"
    texts = plus.read_text(), minus.read_text()
    plus.write_text(texts[1].replace("# side: minus", "# side: plus"))
    minus.write_text(texts[0].replace("# side: plus", "# side: minus"))
    (table / "weight_1.plus.pulses.csv").unlink()  # pulses are not measured
    result = eqlab("device", "import", run, "--read", table, "--json", "--out", tmp_path / "chip")
    assert result.exit_code == 0, result.output
    found, learnt = json.loads(result.stdout), learnt_by(run, None, None)
    flipped = {**learnt.weights, "weight_2": -learnt.weights["weight_2"]}
    assert found["test_error"] == pytest.approx(error_with(learnt, flipped), abs=1 / 360)
    assert found["test_error"] > found["target_error"] + 0.1
    assert found["arrays"]["weight_2"]["worst"] > 1e-5 > found["arrays"]["weight_1"]["worst"] == 0
    again = eqlab("device", "import", run, "--read", table, "--json", "--out", tmp_path / "chip")
    assert (json.loads(again.stdout), "is complete" in again.stderr) == (found, True)
    overwritten = eqlab("device", "export", run, "--write", table)
    assert (overwritten.exit_code, "exists and holds something else; remove it" in overwritten.stderr) == (2, True)
    plus.write_text(texts[0])
    other = eqlab("device", "import", run, "--read", table, "--out", tmp_path / "chip")
    assert (other.exit_code, "holds a run with other conductances" in other.stderr) == (2, True)


def test_a_run_of_train_is_exported_in_a_range_of_choice(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, weights that were trained without devices cannot be put on a chip."""
    run, table = run_of(eqlab, tmp_path / "run", "train"), tmp_path / "t"
    result = eqlab("device", "export", run, "--write", table, "--g-min", "2e-6", "--g-max", "5e-5", "--pairing", "offset", "--json")
    assert result.exit_code == 0, result.output
    for array in json.loads(result.stdout)["arrays"]:
        assert 2e-6 * (1 - 1e-9) <= array["lowest"] < array["highest"] <= 5e-5 * (1 + 1e-9)
    for arguments, words in (
        (("--g-min", "1", "--g-max", "0.5"), "g_min < g_max"),
        (("--trial", "nothing"), "no finished trial 'nothing'"),
        (("--pairing", "single"), "give --pairing differential"),
    ):
        refused = eqlab("device", "export", run, "--write", table, *arguments)
        assert (refused.exit_code, words in refused.stderr) == (2, True), refused.output
    for command in (("export", run), ("import", run), ("export",), ("import", "--read", table)):
        refused = eqlab("device", *command)
        assert (refused.exit_code, "which run" in refused.stderr) == (2, True), refused.output
    assert eqlab("device", "export", tmp_path / "none", "--write", table).exit_code == 2


def test_the_range_and_pulses_may_be_those_of_a_fitted_device(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, a chip that was measured is programmed as another one. Linear pulses of 1 µS from 1 to 11 µS: a target is a count."""
    lines = [f"{1e-6 + 1e-6 * n},{11e-6 - 1e-6 * n}" for n in range(11)]
    (tmp_path / "pulses.csv").write_text("\n".join(lines))
    assert eqlab("device", "fit", tmp_path / "pulses.csv", "--out", tmp_path / "fit").exit_code == 0
    run, table = run_of(eqlab, tmp_path / "run", "train"), tmp_path / "t"
    result = eqlab("device", "export", run, "--write", table, "--device-file", tmp_path / "fit", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["tolerance"] == pytest.approx(5e-7, rel=1e-6, abs=0)
    most = 0
    for side in ("plus", "minus"):
        target, pulses = (np.loadtxt(table / f"weight_1.{side}{kind}.csv", delimiter=",") for kind in ("", ".pulses"))
        np.testing.assert_allclose(1e-6 + 1e-6 * pulses, target, rtol=0, atol=0.5001e-6)
        most = max(most, pulses.max())
    assert most == 10


def test_resistors_on_a_graph_are_exported_in_one_column(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, what a graph of resistors has learnt cannot leave the program."""
    small = ("--network", "resistor-graph", "--graph-links", "40")
    run, table = run_of(eqlab, tmp_path / "run", "train", *small), tmp_path / "t"
    result = eqlab("device", "export", run, "--write", table, "--pairing", "single", "--json")
    assert result.exit_code == 0, result.output
    learnt = learnt_by(run, None, None)
    read, _ = read_table(table, learnt.shapes(), learnt.vectors())
    ((name, shape),) = learnt.shapes().items()
    assert shape == (len(learnt.weights[name]), 1)
    np.testing.assert_allclose(read.weight(name)[:, 0], learnt.weights[name].double().numpy(), rtol=1e-5, atol=0)  # float32


def test_devices_that_are_shown_or_fitted_are_runs(eqlab: Eqlab, tmp_path: Path) -> None:
    """If this fails, a finished fit is listed as damaged, or the fit of one file is shown as that of another."""
    lines = [f"{1e-6 + 1e-6 * n},{11e-6 - 1e-6 * n}" for n in range(11)]
    (tmp_path / "pulses.csv").write_text("\n".join(lines))
    commands = {"fit": (tmp_path / "pulses.csv",), "show": ("ecram", "--pulses", "10", "--samples", "2")}
    for name, arguments in commands.items():
        results = [eqlab("device", name, *arguments, "--json", "--out", tmp_path / "runs" / name) for _ in range(2)]
        assert [result.exit_code for result in results] == [0, 0], results[0].output
        assert results[0].stdout == results[1].stdout
        assert ["is complete" in result.stderr for result in results] == [False, True]
        assert "<svg" in (tmp_path / "runs" / name / "report.html").read_text()
    listed = json.loads(eqlab("runs", "list", "--runs", tmp_path / "runs", "--json").stdout)["runs"]
    assert [(run["command"], run["done"], run["failed"]) for run in listed] == [("device fit", 1, 0), ("device show", 1, 0)]
    (tmp_path / "pulses.csv").write_text("\n".join(reversed(lines[::-1][:9])))
    other = eqlab("device", "fit", *commands["fit"], "--out", tmp_path / "runs" / "fit")
    assert (other.exit_code, "holds a run with other measurements" in other.stderr) == (2, True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "(No such file or directory); give a CSV file"),
        ("1,11\n2,10\n3,8\n4,5\n6,1\n", "name the unit with --unit (microsiemens, nanosiemens, kiloohm, megaohm)"),
        ("device_id,cycle,pulse,polarity,conductance_S\n" + "".join(f"a,1,{n},P,{1.5 * n + 1}\n" for n in range(5)), "convert the column"),
    ],
)
def test_files_that_cannot_be_fitted_are_told_apart(eqlab: Eqlab, content: str | None, words: str, tmp_path: Path) -> None:
    """If this fails, the advice is one that cannot be followed: a header has its unit in its name."""
    if content is not None:
        (tmp_path / "p.csv").write_text(content)
    result = eqlab("device", "fit", tmp_path / "p.csv")
    assert (result.exit_code, words in result.stderr, "Errno" in result.stderr) == (2, True, False), result.stderr
