"""``eqlab reproduce``: every published result has a configuration that builds and a place where its value is; the verdict is right."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import click
import pytest
from command_line import eqlab, found, refused

from contrastive_core.networks.notation import convolutional
from experiments.cli import COMMANDS, cli
from experiments.commandline.documents import published_configurations, shipped_configurations
from experiments.commandline.flags import Command
from experiments.commandline.options import Layer, resolve, resolve_layers
from experiments.published.row import Row, Scale, read_row, read_rows, settings
from experiments.published.verdict import Measured, measured, remark, verdict
from experiments.setup.build import prepare
from experiments.setup.options import TrialOptions

ROWS = read_rows()
TINY = {
    "compare": ("ernoult-2019-one-layer", {"hidden": [4], "epochs": 1, "train_size": 40, "rules": ["ep-positive", "backprop"]}),
    "capacity": ("hopfield-capacity", {}),
    "recall": ("multitasking-dilution", {}),
    "joint": ("dual-adversarial-digits", {"epochs": 2, "hidden": [4], "attack_steps": 1}),
    "learn": ("learning-threshold", {}),
    "gradients": ("bias-of-centered-ep", {"hidden": [4]}),
    "spice": ("circuit-gradient", {}),
    "boltzmann": ("boltzmann-cd1", {"epochs": 1, "train_size": 100, "hidden": [4]}),
    "thermal": ("thermal-covariance", {}),
}
"""For every command that measures a published result one of them, with settings that make its small scale smaller still."""


@cache
def command_of(name: str) -> Command:
    """The command of a name."""
    made = cli.get_command(click.Context(cli), name)
    assert isinstance(made, Command)
    return made


def test_at_least_fifteen_results_are_listed_with_source_value_and_cost() -> None:
    """If this fails, a user cannot see what was published, by whom, and what a run costs."""
    listed = found("reproduce", "list")["published"]
    assert len(listed) >= 15
    assert {one["name"] for one in listed} == set(published_configurations())
    for one in listed:
        assert one["source"], one["name"]
        assert one["full"]["seconds"] > 0
        assert one["interval"][0] <= one["interval"][1]
        assert one["value"] == "none" or one["interval"][0] <= one["value"] <= one["interval"][1], one["name"]


def test_no_published_result_hides_another_configuration() -> None:
    """If this fails, ``--config NAME`` means one file and ``reproduce NAME`` another."""
    assert len(shipped_configurations()) == len(published_configurations()) + len(
        [path for path in shipped_configurations().values() if path.parent.name == "configs"]
    )
    files = [path.stem for path in next(iter(published_configurations().values())).parents[1].glob("*/*.toml")]
    assert len(files) == len(set(files))


@pytest.mark.parametrize("scale", ["small", "full"])
@pytest.mark.parametrize("name", ROWS)
def test_every_configuration_is_one_of_its_command(name: str, scale: Scale) -> None:
    """If this fails, a published result cannot be asked for at this scale."""
    row = ROWS[name]
    assert row.command in COMMANDS
    options = resolve_layers(command_of(row.command).model, settings(name, row, scale))
    if scale == "full":  # and --config NAME gives the same
        assert options.resolved() == resolve(command_of(row.command).model, config=name).resolved()
    else:
        assert getattr(options, "data", "digits") == "digits", "the small scale needs files"


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.command == "compare"])
def test_every_network_that_learns_builds_in_its_small_form(name: str) -> None:
    """If this fails, a run ends before its first epoch."""
    options = resolve_layers(command_of("compare").model, settings(name, ROWS[name], "small"))
    shared = {key: value for key, value in options.settings().items() if key not in ("rules", "seeds", "engine")}
    for rule in options.rules:  # type: ignore[attr-defined]
        splits, network, _ = prepare(resolve_layers(TrialOptions, [Layer("{key}", {**shared, "rule": rule})]), rule, 0)
        clamped = network.clamp(splits.train.inputs[:2])
        assert network.output(network.initial_state(clamped)).shape == (2, splits.num_classes)
    assert ROWS[name].result[:2] == ("rules", options.rules[0])  # type: ignore[attr-defined]
    # The difference is to backprop, which has to be among the rules.
    wanted = "paired_difference" if "backprop" in options.rules else "test_error"  # type: ignore[attr-defined]
    assert ROWS[name].result[2] == wanted


PICTURES = {"mnist": (1, 28, 28), "fashion-mnist": (1, 28, 28), "cifar10": (3, 32, 32), "cifar100": (3, 32, 32), "svhn": (3, 32, 32)}
"""Channels, height and width of the pictures of published sizes, which the tests do not have."""


@pytest.mark.parametrize("name", [name for name in ROWS if settings(name, ROWS[name], "full")[0].values.get("network") == "convolutional"])
def test_every_convolutional_network_fits_its_pictures_at_the_published_size(name: str) -> None:
    """If this fails, a run of days ends with a sentence about shapes or learning rates."""
    whole = settings(name, ROWS[name], "full")[0].values
    made = convolutional(whole["layers"], PICTURES[whole["data"]])
    assert len(whole["learning_rates"]) in (1, len(made.edges) + whole.get("readout", False))
    assert whole.get("readout", False) or made.shapes[-1] == (100 if whole["data"] == "cifar100" else 10,)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.command == "gradients"])
def test_every_compared_rule_is_the_one_whose_measure_is_read(name: str) -> None:
    """If this fails, the value is read at a rule that the run does not have."""
    options = resolve_layers(command_of("gradients").model, settings(name, ROWS[name], "small"))
    assert ROWS[name].result[:2] == ("rules", options.rules[0])  # type: ignore[attr-defined]


def test_every_command_of_a_result_is_tried() -> None:
    """If this fails, the place of some value in its command's result is not tested below."""
    assert {row.command for row in ROWS.values()} == set(TINY)


@pytest.mark.parametrize("command", TINY)
def test_the_value_stands_where_the_rows_say(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a run of hours ends without the number that it was made for; one run serves all results of a command."""
    name, smaller = TINY[command]
    row = read_row(name)
    monkeypatch.setattr("experiments.published.command.read_row", lambda _: row.model_copy(update={"scaled": row.scaled | smaller}))
    engine = () if command == "recall" else ("--engine", "serial")
    result = found("reproduce", name, "--out", tmp_path / "run", *engine)
    compared = result["reproduction"]
    assert compared["verdict"] == "scaled down"
    assert compared["here"]["value"] == pytest.approx(measured(row, result).value)
    assert json.loads((tmp_path / "run" / "reproduction.json").read_text()) == compared
    for other in (other for other in ROWS.values() if other.command == command and command != "gradients"):
        renamed = other.model_copy(update={"result": _at_the_same_keys(other, row)})
        assert isinstance(measured(renamed, result).value, float)


def _at_the_same_keys(other: Row, row: Row) -> tuple[str, ...]:
    """The path of another row, with the rule, pattern or quality of the run."""
    if other.command == "compare":
        return (*row.result[:2], other.result[2])
    return other.result


def test_a_finished_run_is_read_again_and_not_computed(tmp_path: Path) -> None:
    """If this fails, the same line with --out starts from the beginning, or reads another value."""
    line = ("reproduce", "multitasking-hierarchy", "--out", tmp_path / "run")
    first = found(*line)
    again = eqlab(*line, "--json")
    assert "is complete" in again.stderr
    compared = json.loads(again.stdout)["reproduction"]
    assert compared["here"] == first["reproduction"]["here"]
    assert compared["cpu_seconds"] >= first["reproduction"]["cpu_seconds"]  # that of the computation, not of reading it
    assert "holds a run with another configuration" in refused(*line, "--scale", "full", "--quiet")


def test_the_text_has_both_values_the_verdict_and_what_differs(tmp_path: Path) -> None:
    """If this fails, a reader cannot tell what was compared with what."""
    lines = eqlab("reproduce", "multitasking-hierarchy", "--scale", "full", "--out", tmp_path / "run", "--quiet").stdout.splitlines()
    published, here = (next(line for line in lines if line.startswith(word)) for word in ("published", "here"))
    assert published.split()[1:4] == ["0.063", "[0.0629,", "0.0631]"]
    # 10 000 spins in exact shares of the types: 630 of them carry the third pattern alone.
    assert here.split()[1:4] == ["0.063", "[0.063,", "0.063]"]
    assert "reproduced" in lines


ROW = Row(
    title="a",
    source="b",
    mark="read",
    value=2.0,
    interval=(1.9, 2.1),
    spread="c",
    unit="%",
    command="compare",
    result=("x",),
    factor=100.0,
    full={"seconds": 1.0, "how": "measured"},  # type: ignore[arg-type]
    small={"seconds": 1.0, "how": "measured"},  # type: ignore[arg-type]
)


@pytest.mark.parametrize(
    ("mean", "ends", "judged"),
    [
        (0.020, (0.019, 0.021), "reproduced"),
        (0.022, (0.0209, 0.0231), "reproduced"),  # the ends meet
        (0.022, (0.0211, 0.0229), "not reproduced"),
        (0.018, (0.0171, 0.0189), "not reproduced"),
        (0.0205, (None, None), "reproduced"),  # one seed: the value itself counts
        (0.0215, (None, None), "not reproduced"),
    ],
)
def test_a_result_is_reproduced_if_the_intervals_meet(mean: float, ends: tuple[float | None, float | None], judged: str) -> None:
    """If this fails, the verdict is not the documented one. Values are shares and the published ones percent."""
    ours = measured(ROW, {"x": {"mean": mean, "ci95": list(ends), "seeds": [mean, mean]}})
    assert ours.seeds == 2
    assert verdict(ROW, "full", ours) == judged
    assert verdict(ROW, "small", ours) == "scaled down"


def test_accuracies_are_read_from_errors() -> None:
    """If this fails, ends of an interval are exchanged where 100 minus the error is published."""
    row = ROW.model_copy(update={"factor": -100.0, "offset": 100.0})
    assert measured(row, {"x": {"mean": 0.02, "ci95": [0.015, 0.03], "seeds": [0.02]}}) == pytest.approx((98.0, 97.0, 98.5, 1))


def test_standard_errors_limits_and_largest_values_are_followed() -> None:
    """If this fails, an interval or the worst of many values is lost."""
    error = ROW.model_copy(update={"result": ("m", "1"), "error": ("e", "1"), "factor": 1.0})
    # 1.96 standard errors on either side.
    assert measured(error, {"m": [0.0, 2.0], "e": [0.0, 0.5]})[:3] == pytest.approx((2.0, 1.0200180, 2.9799820))
    limits = ROW.model_copy(update={"limits": ("y",), "factor": 1.0})
    assert measured(limits, {"x": 2.0, "y": [1.5, 2.5]}) == (2.0, 1.5, 2.5, None)
    largest = ROW.model_copy(update={"result": ("g", "*", "d"), "factor": 1.0})
    assert measured(largest, {"g": [{"d": 1.0}, {"d": 3.0}, {"d": 2.0}]}).value == 3.0


def test_a_remark_names_the_side_and_doubts_wide_intervals() -> None:
    """If this fails, two seeds with an interval of 20 points count as a reproduction without a word."""
    assert "below" in (remark(ROW, "not reproduced", Measured(1.0, 0.9, 1.1, 3)) or "")
    assert "above" in (remark(ROW, "not reproduced", Measured(3.0, 2.9, 3.1, 3)) or "")
    assert "wider" in (remark(ROW, "reproduced", Measured(2.0, 0.0, 4.0, 2)) or "")
    assert remark(ROW, "reproduced", Measured(2.0, 1.9, 2.1, 3)) is None


def test_mistakes_are_refused_in_one_sentence(tmp_path: Path) -> None:
    """If this fails, a slip ends in a traceback, or is ignored."""
    assert "unknown published result 'ernoult-2019-one-layers'; did you mean" in refused("reproduce", "ernoult-2019-one-layers")
    assert "--scale must be 'small' or 'full'" in refused("reproduce", "list", "--scale", "medium")
    assert "takes no --seeds" in refused("reproduce", "bias-of-centered-ep", "--seeds", 3)
    (tmp_path / "empty").mkdir()
    missing = refused("reproduce", "ernoult-2019-one-layer", "--scale", "full", "--data-dir", tmp_path / "empty", "--quiet")
    assert "train-images" in missing
