"""Advice in messages: it can be followed as it is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Eqlab, Found, Refused

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "--rul", "backprop"), "no such option '--rul': did you mean '--rule'?; see 'eqlab train --help'"),
        (("train", "--epoch", "3"), "no such option '--epoch': did you mean '--epochs'?; see"),
        (("train", "--lerning-rates", "1"), "no such option '--lerning-rates': did you mean '--learning-rates'?; see"),
        (("recall", "--batch-size", "3"), "no such option '--batch-size'; see 'eqlab recall --help'"),
        (("sweep", "new", "s", "train", "--rule", "backprop"), "no such option '--rule'; see 'eqlab sweep new --help'"),
    ],
)
def test_an_option_that_does_not_exist_is_compared_with_those_that_do(arguments: tuple[str, ...], words: str, refused: Refused) -> None:
    """If this fails, a user is sent to an option with another meaning."""
    assert words in refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("runs", "show", "x", "--runs", "some place"), "see 'eqlab runs list --runs 'some place''"),
        (("runs", "compare", "x", "--runs", "some place"), "those that 'eqlab runs list --runs 'some place'' shows"),
        (("sweep", "status", "x", "--runs", "other"), "list what there is with 'eqlab runs list --runs other'"),
        (("watch", "x", "--runs", "other", "--wait", "0"), "see 'eqlab runs list --runs other'"),
        (("runs", "list", "--runs", "other"), "there is no directory other; give --runs the directory that holds the runs"),
        (("runs", "show", "x"), "there is no run runs/x; see 'eqlab runs list'"),
    ],
)
def test_a_hint_names_the_directory_of_the_runs(arguments: tuple[str, ...], words: str, refused: Refused) -> None:
    """If this fails, the command that the hint advises lists other runs."""
    assert words in refused(*arguments)


@pytest.mark.parametrize(
    ("size", "flags", "advice"),
    [
        (100, ("--batch-size", 16), "--batches 3 at most"),
        (20, ("--batch-size", 16), "--batches 1 --batch-size 10 at most"),
        (3, ("--batch-size", 3), "--batches 1 --batch-size 1 at most"),
    ],
)
def test_tune_gives_settings_that_fit(size: int, flags: tuple[object, ...], advice: str, refused: Refused) -> None:
    """If this fails, who follows the advice is refused again."""
    tune = ("tune", "--data", "two-moons", "--train-size", size, "--hidden", 4, *flags)
    assert f"there are {size}; give {advice}" in refused(*tune)


def test_a_variation_that_is_no_setting_names_its_own_flag(refused: Refused) -> None:
    for flag, value in (("--vary", "nosuch=3"), ("--imperfections", "nosuch=3"), ("--own", "ep-centered.nosuch=3")):
        assert f"unknown option nosuch (by {flag})" in refused("hardware", "--rules", "ep-centered", flag, value)
    assert "momentum (by --imperfections) must be" in refused("hardware", "--vary", "epochs=1,2", "--imperfections", "momentum=quick")


def test_a_report_has_an_ending_and_settings_are_written_as_they_are_given(eqlab: Eqlab, found: Found) -> None:
    tiny = ("train", "--data", "two-moons", "--train-size", 20, "--epochs", 1, "--rule", "backprop")
    for name, hidden in (("a", "4,3"), ("b", "5")):
        found(*tiny, "--hidden", hidden, "--out", f"runs/{name}")
    assert found("report", "a", "--out", "page")["report"] == "page.html"
    assert Path("page.html").is_file()
    assert not Path("page").exists()
    assert found("report", "a", "--out", "page.txt")["report"] == "page.txt"
    listed = eqlab("runs", "compare", "a", "b").stdout
    assert "4,3" in listed
    assert "[" not in listed


def test_a_mistyped_published_result_gets_the_nearest_and_the_command_that_lists_all(refused: Refused) -> None:
    """If this fails, forty names are printed, or the nearest is not."""
    close, far = refused("reproduce", "hopfield-capcity"), refused("reproduce", "nope")
    assert "did you mean 'hopfield-capacity'? 'eqlab reproduce list' lists all" in close
    assert "'eqlab reproduce list' lists all" in far
    assert "scellier" not in close + far


@pytest.mark.parametrize("command", ["conv", "settle"])
@pytest.mark.parametrize("scale", ["0", "2", "nan"])
def test_an_energy_scale_that_is_none_is_refused_by_its_option(command: str, scale: str, refused: Refused) -> None:
    """If this fails, a run is begun, and the message names a field of the library."""
    assert "item 2 of --energy-scales must be" in refused("bench", command, "--energy-scales", f"0.5,{scale}")


@pytest.mark.parametrize("network", ["layered", "resistive"])
def test_layers_alone_are_refused_where_a_network_has_rows(network: str, refused: Refused) -> None:
    """If this fails, who forgets --network convolutional trains 256 dense units in place of the filters."""
    given = ("gradients", "--network", network, "--layers", "8c3 10", "--samples", 4)
    assert "give --network convolutional, or --hidden too" in refused(*given)


def test_a_mistyped_run_is_not_waited_for(refused: Refused) -> None:
    """If this fails, who mistypes a name waits a minute before it is told."""
    for name in ("digits-a", "other"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "config.toml").write_text("")
    assert "did you mean digits-a? Give --wait" in refused("watch", "digits-b")
    assert "did you mean digits-a? Give --wait" in refused("watch", "runs/digits-b")


@pytest.mark.parametrize("command", [("train", "--device-file"), ("hardware", "--device-file"), ("hardware", "--preset")])
@pytest.mark.parametrize(
    ("part", "setting", "told"),
    [
        ("finite-states", 'n_states = "many"', "must be"),
        ("conductance", "low = 1.0", "unknown setting"),
        ("nosuch", "x = 1", "unknown part"),
    ],
)
def test_a_fault_in_a_device_file_names_file_and_part(
    command: tuple[str, str], part: str, setting: str, told: str, refused: Refused, tmp_path: Path
) -> None:
    """If this fails, a user with several files and tables has to guess."""
    path = tmp_path / "measured.toml"
    path.write_text(f"[{part}]\n{setting}\n")
    message = refused(*command, path)
    assert f"{path}, [{part}]: " in message
    assert told in message


def test_an_option_of_a_rule_that_is_not_named_says_whose_it_is(refused: Refused) -> None:
    """If this fails, an option that is in the documents looks as if it did not exist."""
    told = refused("train", "--update-rate", 0.1)
    assert "no such option '--update-rate' here: it belongs to ep-continual, to be named by --rule" in told
    told = refused("gradients", "--rules", "ep-centered", "--points", 6)
    assert "it belongs to ep-lock-in or ep-holomorphic or ep-holomorphic-online, to be named by --rules" in told
